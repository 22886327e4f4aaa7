"""Classifying: rows, warnings, errors, and checkpoints that do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.records import describe
from crystalgui.core.errors import ModelError, ResourceError
from crystalgui.core.messages import (
    CatalogueJob,
    CatalogueReady,
    ClassifyJob,
    Predicted,
    Prediction,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import predict
from crystalgui.core.models.catalogue import catalogue
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.screening import classify
from crystalgui.core.models.trained import CARD, WEIGHTS, Inference, coarse_classes, write_model
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from tests.models.samples import FCC, crystals, table

TQC = ("LCEBR", "ESFD", "ES", "SEBR", "NLC")


def model(folder: Path, seed: int = 0, members: int = 1, task: str = "classification") -> Path:
    """A model with random weights."""
    params, _ = registry.settings("cgnn", "small", {"width": 8, "wide": 16, "depth": 1})
    states = []
    for i in range(members):
        torch.manual_seed(seed + i)
        states.append(registry.build("cgnn", 5 if task == "classification" else 1, params))
    classes = TQC if task == "classification" else ()
    card = TrainedModel(
        name=folder.name, family="cgnn", title="test", folder="", task=task,  # type: ignore[arg-type]
        target="tqc", classes=classes, unit="eV", params=params, coarse=coarse_classes(classes),
    )  # fmt: skip
    inference = Inference(
        temperature=1.5,
        mean=2.0,
        std=0.5,
        elements=tuple(range(1, 58)),
        space_groups=(1, 2, 216, 221, 225),
        most_atoms=6,
    )
    write_model(folder, card, inference, [dict(s.state_dict()) for s in states])
    return folder


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier.load(model(tmp_path / "random"), "cpu")


def salt(**changes: object) -> Crystal:
    values = {"lattice": FCC * 5.6, "frac": np.array([[0, 0, 0], [0.5, 0.5, 0.5]]),
              "species": np.array([11, 17])} | changes  # fmt: skip
    return Crystal(**values)  # type: ignore[arg-type]


class TestRows:
    def test_probabilities_are_ranked_and_sum_to_one(self, classifier: Classifier) -> None:
        rows = list(classifier.classify([(str(i), c) for i, c in enumerate(crystals(20))]))
        assert [r.file for r in rows] == [str(i) for i in range(20)]
        for row in rows:
            values = [p for _, p in row.probabilities]
            assert sum(values) == pytest.approx(1)
            assert values == sorted(values, reverse=True)
            assert row.probabilities[0] == (row.prediction, row.probability)
            assert {c for c, _ in row.coarse} == {"trivial", "semimetal", "insulator"}
            assert sum(p for _, p in row.coarse) == pytest.approx(1)
            p = dict(row.probabilities)
            assert dict(row.coarse)["semimetal"] == pytest.approx(p["ES"] + p["ESFD"])

    def test_rows_do_not_depend_on_their_neighbours(self, classifier: Classifier) -> None:
        named = [(str(i), c) for i, c in enumerate(crystals(12))]
        together = list(classifier.classify(named))
        alone = [next(iter(classifier.classify([pair]))) for pair in named]
        for a, b in zip(together, alone, strict=True):
            assert a.prediction == b.prediction
            assert a.probability == pytest.approx(b.probability, abs=1e-5)

    def test_formula_group_and_no_warning(self, classifier: Classifier) -> None:
        row = next(classifier.classify([("salt", salt())]))
        assert (row.formula, row.space_group) == ("NaCl", "Fm-3m (225)")
        assert row.warnings == ()
        assert row.error == ""

    def test_warnings(self, classifier: Classifier) -> None:
        def warnings(crystal: Crystal) -> str:
            return "; ".join(next(classifier.classify([("x", crystal)])).warnings)

        assert "never seen in training: Pb" in warnings(salt(species=np.array([82, 17])))
        assert "space group 139" in warnings(salt(lattice=FCC * [5.6, 5.6, 6.4]))
        assert "too close" in warnings(salt(lattice=FCC * 2.0))
        for distance, short in ((2.9, True), (2.95, False)):  # 0.6 of 2 x 2.44 is 2.93
            pair = np.array([[0, 0, 0], [distance / 9, 0, 0]])
            caesium = Crystal(lattice=np.eye(3) * 9, frac=pair, species=np.array([55, 55]))
            assert ("too close" in warnings(caesium)) == short
        rng = np.random.default_rng(0)
        big = Crystal(lattice=np.eye(3) * 9, frac=rng.uniform(0, 1, (9, 3)), species=[8] * 9)
        assert "9 atoms a primitive cell" in warnings(big)

    def test_unsupported_elements_are_an_error(self, classifier: Classifier) -> None:
        row = next(classifier.classify([("x", salt(species=np.array([104, 17])))]))
        assert "Rf is not supported" in row.error
        assert row.prediction == ""

    def test_members_are_averaged(self, tmp_path: Path) -> None:
        rows = [("x", describe(salt()))]
        both = Classifier.load(model(tmp_path / "both", members=2), "cpu")
        singles = [Classifier.load(model(tmp_path / f"m{i}", seed=i), "cpu") for i in range(2)]
        mean = np.mean([dict(next(c.classify(rows)).probabilities)["ES"] for c in singles])
        assert dict(next(both.classify(rows)).probabilities)["ES"] == pytest.approx(mean)

    def test_large_crystals_are_read_a_few_at_once(
        self, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from crystalgui.core.models.similar import latents

        some, seen = table(24), []
        sizes = np.diff(some.offsets)
        whole, before = classifier.outputs(some), latents(classifier, some)
        classifier.networks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].size))
        monkeypatch.setattr(predict, "PAIRS", 30)
        cut = classifier.outputs(some)
        assert sum(seen) == 24
        pairs = [int(np.square(own).sum()) for own in np.split(sizes, np.cumsum(seen)[:-1])]
        assert all(held <= 30 or size == 1 for held, size in zip(pairs, seen, strict=True))
        assert max(seen) > 1
        np.testing.assert_allclose(cut, whole, atol=1e-6)
        np.testing.assert_allclose(latents(classifier, some), before, atol=1e-5)

    def test_regression_has_its_unit(self, tmp_path: Path) -> None:
        regression = Classifier.load(model(tmp_path / "r", task="regression"), "cpu")
        row = next(regression.classify([("x", salt())]))
        number, unit = row.prediction.split()
        assert unit == "eV"
        assert np.isfinite(float(number))
        assert np.isnan(row.probability)


class TestJob:
    def test_files_and_folders(self, tmp_path: Path) -> None:
        folder = tmp_path / "files"
        folder.mkdir()
        for i, crystal in enumerate(crystals(5)):
            write_poscar(crystal, folder / f"{i}.vasp")
        (folder / "2.vasp").write_text("broken")
        extra = tmp_path / "readme.vasp"
        extra.write_bytes(b"\x00\x01\x02")
        job = ClassifyJob(paths=(folder, extra), models=(str(model(tmp_path / "m")),), device="cpu")
        rows: list[Prediction] = []
        for event in classify(job):
            if isinstance(event, Predicted):
                rows.extend(event.rows)
        assert len(rows) == 6
        errors = {r.file: r.error for r in rows if r.error}
        assert set(errors) == {"2.vasp", "readme.vasp"}
        assert all(errors.values())
        assert all(r.model == "m" for r in rows if not r.error)

    def test_the_catalogue_has_families_models_and_devices(self, tmp_path: Path) -> None:
        model(tmp_path / ".crystalgui" / "models" / "mine")
        events = list(catalogue(CatalogueJob(project=tmp_path)))
        assert len(events) == 1
        ready = events[0]
        assert isinstance(ready, CatalogueReady)
        assert {"cgnn", "majority"} <= {c.name for c in ready.cards}
        assert "mine" in {m.name for m in ready.models}
        assert ready.devices[0][0] == "cpu"


class TestWrongCheckpoints:
    def test_unknown_name(self) -> None:
        with pytest.raises(ModelError, match="no trained model called 'xyz'"):
            Classifier.load("xyz")

    def test_garbage_weights(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        (folder / WEIGHTS).write_bytes(b"PK\x03\x04 a pickle perhaps")
        with pytest.raises(ModelError, match="cannot be read"):
            Classifier.load(folder)

    def test_truncated_weights(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        data = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
        with pytest.raises(ModelError, match="cannot be read"):
            Classifier.load(folder)

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        text = (folder / CARD).read_text().replace('"wide": 16', '"wide": 32')
        (folder / CARD).write_text(text)
        with pytest.raises(ModelError, match="do not fit"):
            Classifier.load(folder)

    def test_weights_of_another_family(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        text = (folder / CARD).read_text().replace('"family": "cgnn"', '"family": "majority"')
        (folder / CARD).write_text(text)
        with pytest.raises(ModelError, match="another model"):
            Classifier.load(folder)

    def test_another_version(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        card = json.loads((folder / CARD).read_text())
        card["format"] = 99
        (folder / CARD).write_text(json.dumps(card))
        with pytest.raises(ModelError, match="another version"):
            Classifier.load(folder)

    def test_no_card_and_a_torn_card(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m")
        (folder / CARD).write_text("{")
        with pytest.raises(ModelError, match="damaged"):
            Classifier.load(folder)
        shutil.rmtree(folder)
        with pytest.raises(ModelError):
            Classifier.load(folder)

    def test_a_device_that_is_not_there(self, tmp_path: Path) -> None:
        if torch.cuda.is_available():
            return
        with pytest.raises(ResourceError, match="CUDA"):
            Classifier.load(model(tmp_path / "m"), "cuda")
