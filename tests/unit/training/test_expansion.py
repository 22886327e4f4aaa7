"""Crystals pulled apart while training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.datasets.collate import Table, collate
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import SplitSpec, TrainRecipe
from crystalgui.core.training.expansion import FROM, TO, Expanded, expanded, scaled
from crystalgui.core.training.plan import plan
from tests.models.samples import crystals

CUTOFF = 5.0


@pytest.fixture(scope="module")
def records() -> Records:
    some = crystals(10)
    return Records.stack([str(i) for i in range(10)], [describe(c) for c in some])


@pytest.mark.parametrize("kind", ["atoms", "orbits"])
def test_a_scaled_batch_is_that_of_scaled_crystals(records: Records, kind: str) -> None:
    from dataclasses import replace

    factor = torch.linspace(1, 2, len(records))
    batch = scaled(collate(records, build(records, CUTOFF, kind)), factor, CUTOFF)  # type: ignore[arg-type]
    grown = replace(records, lattice=records.lattice * factor.double().numpy()[:, None, None])
    wanted = collate(grown, build(grown, CUTOFF, kind))  # type: ignore[arg-type]
    torch.testing.assert_close(batch.lattice, wanted.lattice)
    assert batch.distance.max() <= CUTOFF
    torch.testing.assert_close(batch.vector.norm(dim=1) if len(batch.vector) else batch.distance,
                               batch.distance, rtol=1e-4, atol=1e-4)  # fmt: skip
    for mine, theirs in ((batch.count, wanted.count), (batch.distance, wanted.distance)):
        assert len(mine) == len(theirs)
        torch.testing.assert_close(mine.sort().values, theirs.sort().values, rtol=1e-4, atol=1e-4)


def test_rows_are_added_and_the_others_stay(records: Records) -> None:
    table = Table(records, build(records, CUTOFF, "orbits"))
    train, target = torch.arange(6), torch.arange(10) % 3
    wider, rows, labels = expanded(table, train, target, 0.5, 2, CUTOFF, seed=3)
    assert len(wider) == 13
    assert rows.tolist()[:6] == train.tolist()
    assert rows.tolist()[6:] == [10, 11, 12]
    assert labels.tolist() == [*target.tolist(), 2, 2, 2]
    same = wider.batch(torch.arange(10))
    torch.testing.assert_close(same.lattice, table.batch(torch.arange(10)).lattice)
    torch.manual_seed(0)
    far, again = wider.batch(rows), wider.batch(rows)
    factor = far.lattice[6:].norm(dim=(1, 2)) / table.batch(wider._rows).lattice.norm(dim=(1, 2))
    assert ((factor >= FROM) & (factor <= TO)).all()
    assert not torch.equal(far.lattice[6:], again.lattice[6:])
    torch.testing.assert_close(far.lattice[:6], again.lattice[:6])


def test_the_same_seed_adds_the_same_rows(records: Records) -> None:
    table = Table(records, build(records, CUTOFF, "orbits"))
    target = torch.zeros(10, dtype=torch.long)
    tables = [expanded(table, torch.arange(8), target, 0.4, 0, CUTOFF, s)[0] for s in (1, 1, 2)]
    assert all(isinstance(t, Expanded) for t in tables)
    assert torch.equal(tables[0]._rows, tables[1]._rows)
    assert not torch.equal(tables[0]._rows, tables[2]._rows)


def test_only_phases_have_an_atomic_limit(tmp_path: Path) -> None:
    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.messages import DatasetSummary

    some = crystals(40)
    records = Records.stack([str(i) for i in range(40)], [describe(c) for c in some])
    for classes, fine in ((("trivial", "insulator"), True), (("a", "b"), False)):
        summary = DatasetSummary(
            name="x", folder=tmp_path, task="classification", target="t", size=40, classes=classes
        )
        dataset = Dataset(summary, records, np.arange(40.0) % 2)
        recipe = TrainRecipe(
            model="cgnn", dataset=tmp_path, expanded=0.2, split=SplitSpec(validation=0.2, test=0.2)
        )
        if fine:
            assert plan(recipe, dataset).trivial == 0
        else:
            with pytest.raises(ModelError, match="pulled apart"):
                plan(recipe, dataset)
