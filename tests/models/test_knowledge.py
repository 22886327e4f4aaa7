"""The atomic limit and search by example."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.cli import main
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    AtomicLimitJob,
    AtomicLimitReady,
    DatasetReady,
    ImportJob,
    SimilarJob,
    SimilarReady,
)
from crystalgui.core.models.atomic_limit import (
    atomic_limit,
    expanded,
    share_trivial,
    turning_point,
)
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.similar import latents, nearest, similar
from crystalgui.core.structures.files import write_poscar
from tests.models import samples
from tests.models.samples import crystals
from tests.models.test_predict import model


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    folder = tmp_path / "cells"
    folder.mkdir()
    for i, crystal in enumerate(crystals(30)):
        write_poscar(crystal, folder / f"{i}.vasp")
    return folder


@pytest.fixture
def dataset(tmp_path: Path, cells: Path) -> Path:
    from crystalgui.core.datasets.importer import import_dataset

    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\n" + "\n".join(f"{i},{'ab'[i % 2]}" for i in range(30)))
    job = ImportJob(project=tmp_path / "project", source=cells, labels=labels, name="cells")
    return next(e.summary.folder for e in import_dataset(job) if isinstance(e, DatasetReady))


def test_elements_that_no_model_knows_are_refused_in_words(tmp_path: Path) -> None:
    records = Records.stack([""], [describe(replace(crystals(1)[0], species=np.array([103, 8])))])
    classifier = Classifier.load(model(tmp_path / "m"), "cpu")
    for ask in (classifier.outputs, lambda table: latents(classifier, table)):
        with pytest.raises(DataError, match="Element Lr is not supported"):
            ask(records)
    with pytest.raises(DataError, match="Element Lr is not supported"):
        share_trivial(classifier, records, (1.0,))


class TestAtomicLimit:
    def test_lengths_grow_and_the_symmetry_stays(self) -> None:
        record = describe(crystals(1)[0])
        far = expanded(record, 3.0)
        np.testing.assert_allclose(far.crystal.lattice, 3 * record.crystal.lattice)
        assert describe(far.crystal).space_group == far.space_group == record.space_group

    def test_every_model_gives_a_curve(self, tmp_path: Path, cells: Path) -> None:
        names = tuple(str(model(tmp_path / n)) for n in ("one", "two"))
        factors = (1.0, 1.5, 8.0, 9.0)
        job = AtomicLimitJob(path=cells / "3.vasp", models=names, factors=factors, device="cpu")
        ready = next(e for e in atomic_limit(job) if isinstance(e, AtomicLimitReady))
        assert [curve.model for curve in ready.curves] == ["one", "two"]
        for curve in ready.curves:
            assert curve.trivial == "LCEBR"
            np.testing.assert_allclose(curve.values.sum(1), 1)
            assert np.abs(np.diff(curve.values, axis=0)).max(1).min() > 0

    @pytest.mark.parametrize(
        ("trivial", "turns"),
        [([0, 1, 0, 1, 1], 4.0), ([1] * 5, 1.0), ([1, 1, 1, 1, 0], None), ([0, 0, 0, 0, 1], 5.0)],
    )
    def test_it_turns_where_it_stays_trivial(self, trivial: list[int], turns: float | None) -> None:
        found = turning_point(np.arange(1.0, 6.0), np.array(trivial, bool))
        assert np.isnan(found) if turns is None else found == turns

    def test_the_share_counts_crystals(self, tmp_path: Path) -> None:
        classifier = Classifier.load(model(tmp_path / "m"), "cpu")
        some = crystals(12)
        records = Records.stack([str(i) for i in range(12)], [describe(c) for c in some])
        found = share_trivial(classifier, records, (1.0,))[0]
        answers = [a.prediction for a in classifier.answers(records)]
        assert found == pytest.approx(answers.count("LCEBR") / 12)
        energies = Classifier.load(model(tmp_path / "e", task="regression"), "cpu")
        with pytest.raises(DataError, match="none is trivial"):
            share_trivial(energies, records, (1.0,))

    def test_impossible_factors_and_unnamed_crystals(self, tmp_path: Path, cells: Path) -> None:
        name = str(model(tmp_path / "m"))
        for factors in ((), (0.0,), (99.0,), (float("nan"),)):
            with pytest.raises(DataError, match="scaled"):
                list(atomic_limit(AtomicLimitJob(path=cells, models=(name,), factors=factors)))
        with pytest.raises(DataError, match="30 structures here"):
            list(atomic_limit(AtomicLimitJob(path=cells, models=(name,))))

    def test_command(self, tmp_path: Path, cells: Path, capsys: pytest.CaptureFixture[str]) -> None:
        name = str(model(tmp_path / "m"))
        words = ["atomic-limit", str(cells), "--entry", "3.vasp", "--model", name, "--steps", "3"]
        assert main(words) == 0
        out = capsys.readouterr()
        rows = [line.split(",") for line in out.out.splitlines()]
        assert rows[0][:2] == ["factor", "m: LCEBR"]
        assert [row[0] for row in rows[1:]] == ["1", "3", "5"]
        assert "trivial" in out.err
        assert main([*words, "--largest", "0.5"]) == 2


class TestSimilar:
    def test_a_crystal_is_most_like_itself(
        self, tmp_path: Path, cells: Path, dataset: Path
    ) -> None:
        job = SimilarJob(
            path=cells / "4.vasp", model=str(model(tmp_path / "m")), dataset=dataset, count=5
        )
        first = next(e for e in similar(job) if isinstance(e, SimilarReady))
        assert first.found[0].id == "4"
        assert first.found[0].same
        assert first.found[0].distance < 0.02
        distances = [s.distance for s in first.found]
        assert distances == sorted(distances)
        assert first.typical > 0
        assert {s.label for s in first.found} <= {"a", "b"}
        assert len(list(dataset.glob("latent-*"))) == 1
        again = next(e for e in similar(job) if isinstance(e, SimilarReady))
        assert again.found == first.found
        assert again.typical == first.typical

    def test_other_crystals_of_the_same_number_are_looked_at_anew(
        self, tmp_path: Path, cells: Path
    ) -> None:
        folder = tmp_path / "d"
        made = samples.dataset(folder, 30)
        path = cells / "4.vasp"
        job = SimilarJob(path=path, model=str(model(tmp_path / "m")), dataset=folder, count=1)
        first = next(e for e in similar(job) if isinstance(e, SimilarReady))
        assert first.found[0].id == "4"
        order = np.arange(30)[::-1].copy()
        names = tuple(str(i) for i in range(30))
        turned = replace(made.records.select(order), ids=names)
        summary = replace(made.summary, digest="the same, turned round")
        Dataset(summary, turned, made.target[order]).save()
        second = next(e for e in similar(job) if isinstance(e, SimilarReady))
        assert second.found[0].id == "25"

    def test_what_does_not_vary_does_not_count(self) -> None:
        rng = np.random.default_rng(0)
        vectors = (rng.normal(size=(50, 4)) * [1, 100, 1, 0]).astype(np.float32)
        example = vectors[7] + np.array([0, 0, 0, 5], np.float32)
        order, distance = nearest(example, vectors, 3)
        assert order[0] == 7
        assert distance[0] == 0
        scaled = vectors[:, :3] / vectors[:, :3].std(0)
        wanted = np.sqrt(np.square(scaled - scaled[7]).mean(1))
        assert order.tolist() == np.argsort(wanted)[:3].tolist()

    def test_a_baseline_has_no_latent_space(self, tmp_path: Path, dataset: Path) -> None:
        from crystalgui.core.models import _registry as registry
        from crystalgui.core.models.trained import read_card, write_model

        folder = model(tmp_path / "m")
        card, inference = read_card(folder)
        network = registry.build("majority", 5, registry.settings("majority", "small")[0])
        write_model(
            folder, replace(card, family="majority", params={}), inference, [network.state_dict()]
        )
        records = Dataset.load(dataset).records
        with pytest.raises(ModelError, match="no latent space"):
            latents(Classifier.load(folder, "cpu"), records)

    def test_command(
        self, tmp_path: Path, cells: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = str(model(tmp_path / "m"))
        words = ["similar", str(cells / "2.vasp"), "--dataset", str(dataset), "--model", name]
        assert main([*words, "--count", "3"]) == 0
        rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
        assert rows[0][:4] == ["id", "formula", "space_group", "label"]
        assert rows[1][0] == "2"
        assert len(rows) == 4
