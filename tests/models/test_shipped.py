"""The models that come with the program: complete, honest and as good as their cards."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.hamiltonians.descriptors import describe
from crystalgui.core.datasets.hamiltonians.families import draw
from crystalgui.core.messages import HamiltonianSource, PhaseAnswerJob
from crystalgui.core.models.answers import ZoneClassifier
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.trained import read_card, shipped
from crystalgui.core.resources import recipes
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import formula
from crystalgui.core.structures.files import StructureFile

SAMPLE = 250


def test_something_is_shipped() -> None:
    """The best model of topological classes first; all together under 40 MB."""
    found = shipped()
    tqc = {m.name: m.metrics["accuracy"] for m in found if m.coarse}
    assert found[0].name == max(tqc, key=lambda name: tqc[name])
    targets = {m.target.replace("_", " ") for m in found}
    assert {"tqc", "magnetic ordering", "formation energy"} <= targets
    sizes = (p.stat().st_size for m in found for p in Path(m.folder).iterdir())
    assert sum(sizes) < 40 << 20


CRYSTALS = [m.name for m in shipped() if m.family != "zone"]
ZONES = [m.name for m in shipped() if m.family == "zone"]


@pytest.mark.parametrize("name", CRYSTALS)
class TestShipped:
    def test_its_card_is_complete(self, name: str) -> None:
        card = next(m for m in shipped() if m.name == name)
        for text in (card.title, card.data, card.split, card.date, card.licence, card.notes):
            assert text
        assert "composition" in card.split
        assert card.metrics

    def test_its_metrics_are_those_of_its_test_rows(self, name: str) -> None:
        card = next(m for m in shipped() if m.name == name)
        with open(Path(card.folder) / "test.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if card.task == "classification":
            right = sum(r["label"] == r["prediction"] for r in rows) / len(rows)
            assert card.metrics["accuracy"] == pytest.approx(right, abs=1e-6)
            if card.coarse:
                coarse = {c: card.coarse[c] for c in card.classes}
                assert set(coarse.values()) == {"trivial", "insulator", "semimetal"}
        else:
            mean = sum(abs(float(r["label"]) - float(r["prediction"])) for r in rows) / len(rows)
            assert card.metrics["mae"] == pytest.approx(mean, abs=1e-3)

    @pytest.mark.data
    def test_it_answers_unseen_crystals_as_its_card_says(
        self, name: str, shared_data: Path
    ) -> None:
        card = next(m for m in shipped() if m.name == name)
        with open(Path(card.folder) / "test.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        rows = rows[:: len(rows) // SAMPLE][:SAMPLE]
        archive = shared_data / "mp_tqc" / "POSCAR.zip"
        items: list[tuple[str, Crystal]] = [
            (r["id"], StructureFile(archive, f"POSCAR/{r['id']}.POSCAR")()) for r in rows
        ]
        answers = list(Classifier.load(name, "cpu").classify(items))
        assert [formula(c) for _, c in items] == [a.formula for a in answers]
        if card.task == "classification":
            same = [a.prediction == r["prediction"] for a, r in zip(answers, rows, strict=True)]
            assert sum(same) >= SAMPLE - 2
            right = [a.prediction == r["label"] for a, r in zip(answers, rows, strict=True)]
            assert sum(right) / SAMPLE > card.metrics["accuracy"] - 0.08
        else:
            for answer, row in zip(answers, rows, strict=True):
                value = float(answer.prediction.split()[0])
                assert value == pytest.approx(float(row["prediction"]), abs=5e-3)


@pytest.mark.parametrize("name", ZONES)
class TestShippedZones:
    def test_its_card_is_complete_and_tells_its_test_rows(self, name: str) -> None:
        card = next(m for m in shipped() if m.name == name)
        for text in (card.title, card.data, card.split, card.date, card.licence):
            assert text
        assert "given" in card.split
        assert "left out" in card.notes.lower()  # how it does on families that it never saw
        right = sum(r["label"] == r["prediction"] for r in _rows(card)) / len(_rows(card))
        assert card.metrics["accuracy"] == pytest.approx(right, abs=1e-6)
        size = sum(p.stat().st_size for p in Path(card.folder).iterdir())
        assert size < 2 << 20

    def test_it_answers_zones_made_again_as_its_card_says(self, name: str) -> None:
        """Rows are named by family and number, from which the Hamiltonian is drawn again."""
        card = next(m for m in shipped() if m.name == name)
        classifier = ZoneClassifier.load(
            PhaseAnswerJob(source=HamiltonianSource(model="ssh"), model=name, device="cpu")
        )
        publication = json.loads((recipes() / f"{name}.json").read_text("utf-8"))["publication"]
        source = json.loads((recipes() / f"{publication['dataset']}.json").read_text("utf-8"))
        rows = [r for r in _rows(card) if r["id"].split()[0] not in ("bitei", "bi2se3")]
        same = []
        for row in rows[:: len(rows) // 24]:
            family, number = row["id"].split()
            drawn = draw(family, int(source["seed"]), int(number))
            zone = describe(drawn.hoppings, drawn.occupied, classifier.mesh)
            p = classifier.log_probabilities(torch.from_numpy(zone.values)[None])[0].detach().exp()
            best = int(p.argmax())
            same.append(card.classes[best] == row["prediction"])
            assert float(p[best]) == pytest.approx(float(row["probability"]), abs=0.05)
        assert sum(same) >= len(same) - 1


def _rows(card: TrainedModel) -> list[dict[str, str]]:
    with open(Path(card.folder) / "test.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_cards_are_read_without_their_weights() -> None:
    for card in shipped():
        again, inference = read_card(Path(card.folder))
        assert again.name == card.name
        assert inference.members >= 1
