"""Networks that may be asked for the symmetry answer the same whatever they are told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from crystalgui.core.datasets.collate import collate, double
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.experiments.faithful_symmetry import Entry, entries
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import CrystalModel
from crystalgui.core.structures.cells import supercell
from tests.models.samples import crystals
from tests.models.test_contract import TINY

NETWORKS = [entry for entry in entries()[0] if entry.model != "boosting"]
"""Boosted trees answer alike before they have grown."""
COUNTED = {"nnn", "cann"}
"""They count atoms of a primitive cell, and so know of a cell that is not one."""


@pytest.mark.parametrize("entry", NETWORKS, ids=lambda entry: entry.key)
def test_no_answer_depends_on_what_a_symmetry_search_found(entry: Entry) -> None:
    family = registry.family(entry.model)
    assert issubclass(family, CrystalModel)
    small = {k: v for k, v in TINY.items() if k in {p.name for p in family.card.params}}
    params, _ = registry.settings(entry.model, entry.preset, {**small, **entry.params})
    items = crystals(9, 5)
    items.append(supercell(items[0], (1, 1, 2)))  # two primitive cells
    rows = Records.stack([str(i) for i in range(10)], [describe(c) for c in items])
    assert rows.cells.tolist() == [1] * 9 + [2]
    spec = family.graph_spec(params)
    batch = double(collate(rows, build(rows, spec.cutoff, spec.kind)))
    other = replace(
        batch,
        space_group=torch.full_like(batch.space_group, 7),
        site=torch.zeros_like(batch.site),
        wyckoff=torch.zeros_like(batch.wyckoff),
        weight=torch.ones_like(batch.weight),
        cells=torch.ones_like(batch.cells),
    )
    torch.manual_seed(0)
    model = registry.build(entry.model, 4, params).double().eval()
    with torch.no_grad():
        told, untold = model(batch), model(other)
    torch.testing.assert_close(told[:-1], untold[:-1])
    assert torch.allclose(told[-1], untold[-1]) is (entry.model not in COUNTED)
    assert float(told.std(0).max()) > 1e-4
