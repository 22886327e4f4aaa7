"""The models that come with the program: complete, honest and as good as their cards."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.trained import read_card, shipped
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import formula
from crystalgui.core.structures.files import StructureFile

SAMPLE = 250


def test_something_is_shipped() -> None:
    assert shipped()[0].name == "cgnn-tqc5"


@pytest.mark.parametrize("name", [m.name for m in shipped()])
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


def test_cards_are_read_without_their_weights() -> None:
    for card in shipped():
        again, inference = read_card(Path(card.folder))
        assert again.name == card.name
        assert inference.members >= 1
