"""Answers beside known labels: every number against one that is counted by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.errors import DataError
from crystalgui.core.messages import Answer, Prediction
from crystalgui.core.reports import evaluation as ev
from crystalgui.core.resources import resource
from crystalgui.core.training.metrics import calibration_error

NAMES = ("ES", "LCEBR", "NLC")


def _row(
    number: int, said: str, p: float, formula: str = "Si", group: int = 227, atoms: int = 2
) -> Prediction:
    rest = [(name, (1 - p) / 2) for name in NAMES if name != said]
    coarse = (("trivial", p), ("topological", 1 - p)) if said == "LCEBR" else ()
    answer = Answer(
        model="net",
        prediction=said,
        probability=p,
        probabilities=((said, p), *rest),
        coarse=coarse or (("topological", 1 - rest[1][1]), ("trivial", rest[1][1])),
    )
    return Prediction(
        file=f"{number}.vasp",
        formula=formula,
        space_group=f"X ({group})",
        answers=(answer,),
        atoms=atoms,
    )


ROWS = (
    _row(1, "LCEBR", 0.9),
    _row(2, "LCEBR", 0.6, "SiO2", 152, 9),
    _row(3, "ES", 0.8, "SiO2", 154, 9),
    _row(4, "NLC", 0.7, "PtO", 131, 70),
    Prediction(file="5.vasp", error="damaged"),
    _row(6, "ES", 0.5, "Fe", 229, 1),
)
LABELS: dict[str, str | float] = {
    "1.vasp": "LCEBR", "2.vasp": "ES", "3.vasp": "ES", "4.vasp": "LCEBR", "5.vasp": "ES",
}  # fmt: skip


def test_answers_meet_their_labels() -> None:
    known = ev.compare(ROWS, LABELS, "net")
    assert known.files == ("1.vasp", "2.vasp", "3.vasp", "4.vasp")
    assert known.classes == NAMES
    assert known.unlabelled == 1
    found = ev.evaluate(known)
    assert found.score == 0.5
    assert found.confusion == ((1, 1, 0), (0, 1, 1), (0, 0, 0))
    assert found.surest_half == 1.0
    assert {g.name: (g.error, g.count) for g in found.elements.values()} == {
        "Si": (pytest.approx(1 / 3), 3),
        "O": (pytest.approx(2 / 3), 3),
        "Pt": (1.0, 1),
    }
    assert [(g.name, g.error, g.count) for g in found.symmetries] == [
        ("one space group", 0.5, 2),
        ("several, one label", 0.5, 2),
    ]
    assert [(g.name, g.count) for g in found.sizes] == [
        ("2 – 3", 1),
        ("8 – 15", 2),
        ("64 or more", 1),
    ]


def test_one_formula_with_two_labels_is_told_apart() -> None:
    found = ev.evaluate(ev.compare(ROWS, LABELS | {"3.vasp": "NLC"}, "net"))
    assert [(g.name, g.error) for g in found.symmetries] == [
        ("one space group", 0.5),
        ("several, labels differ", 1.0),
    ]


def test_coarser_labels_are_answered_with_the_coarser_classes() -> None:
    labels: dict[str, str | float] = {"1.vasp": "trivial", "2.vasp": "topological"}
    known = ev.compare(ROWS, labels, "net")
    assert known.classes == ("topological", "trivial")
    assert known.certainty.tolist() == [0.9, 0.6]
    assert ev.evaluate(known).score == 0.5


def test_coarser_labels_need_coarser_answers_of_all() -> None:
    fine = replace(ROWS[1].answers[0], coarse=())
    rows = (ROWS[0], replace(ROWS[1], answers=(fine,)))
    with pytest.raises(DataError, match="knows no class topological"):
        ev.compare(rows, {"1.vasp": "trivial", "2.vasp": "topological"}, "net")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"1.vasp": "metal"}, "knows no class metal"),
        ({"9.vasp": "ES"}, "No crystal has both"),
    ],
)
def test_labels_of_something_else_are_refused(labels: dict[str, str | float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        ev.compare(ROWS, labels, "net")


def test_numbers_have_an_error_in_their_unit_and_are_refused_by_spread() -> None:
    rows = [
        Prediction(
            file=str(i),
            answers=(Answer(model="e", prediction=f"{v} eV", value=v, spread=s),),
        )
        for i, (v, s) in enumerate([(1.0, 0.1), (2.0, 0.5), (3.0, 0.2)])
    ]
    found = ev.evaluate(ev.compare(rows, {"0": 1.1, "1": 3.0, "2": "2.8"}, "e"))
    assert found.known.unit == "eV"
    assert found.score == pytest.approx((0.1 + 1.0 + 0.2) / 3)
    assert found.reliability is None
    assert found.confusion == ()
    assert found.coverage is not None
    assert found.coverage.score.tolist() == pytest.approx([0.1, 0.15, 1.3 / 3])
    with pytest.raises(DataError, match="is a class"):
        ev.compare(rows, {"0": "ES"}, "e")


def test_calibration_is_that_of_training() -> None:
    draw = np.random.default_rng(3)
    p = draw.dirichlet(np.ones(4), 500)
    target = draw.integers(0, 4, 500)
    sure, right = p.max(1), p.argmax(1) == target
    own = ev.reliability(sure, right)
    expected = calibration_error(torch.from_numpy(p), torch.from_numpy(target))
    assert own.error == pytest.approx(expected, abs=1e-12)
    assert own.count.sum() == 500
    assert (own.count * own.accuracy).sum() == pytest.approx(right.sum())


def test_refusing_keeps_equally_sure_answers_together() -> None:
    sure = np.array([0.9, 0.5, 0.5, 0.7])
    curve = ev.coverage(sure, np.array([0.0, 1.0, 0.0, 1.0]), classes=True)
    assert curve.threshold.tolist() == [0.9, 0.7, 0.5]
    assert curve.share.tolist() == [0.25, 0.5, 1.0]
    assert curve.score.tolist() == [1.0, 0.5, 0.5]
    assert curve.at(0.7) == (0.5, 0.5)
    assert curve.at(0.0) == (1.0, 0.5)
    assert curve.at(0.95)[0] == 0.0
    assert math.isnan(curve.at(0.95)[1])


def test_a_long_curve_keeps_its_ends() -> None:
    draw = np.random.default_rng(0)
    sure, loss = draw.random(5000), draw.integers(0, 2, 5000).astype(float)
    curve = ev.coverage(sure, loss, classes=True)
    assert len(curve.share) == ev.MOST_POINTS
    assert curve.share[-1] == 1.0
    assert curve.threshold[0] == sure.max()
    assert curve.score[-1] == pytest.approx(1 - loss.mean())


def test_uncertainty_is_entropy_or_spread() -> None:
    even = Answer(model="", probabilities=(("a", 0.5), ("b", 0.5)))
    certain = Answer(model="", probabilities=(("a", 1.0), ("b", 0.0)))
    assert ev.uncertainty(even) == pytest.approx(1.0)
    assert ev.uncertainty(certain) == 0.0
    assert ev.uncertainty(Answer(model="", value=1.0, spread=0.3)) == 0.3
    assert math.isnan(ev.uncertainty(Answer(model="")))


def test_the_table_tells_everything(tmp_path: Path) -> None:
    found = ev.evaluate(ev.compare(ROWS, LABELS, "net"))
    path = ev.write_evaluation(tmp_path / "e.csv", found)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert {row["part"] for row in rows} == {
        "score", "calibration", "coverage", "confusion", "wrong answers by element",
        "wrong answers by space groups of one formula",
        "wrong answers by atoms of a primitive cell",
    }  # fmt: skip
    called = {row["name"]: row for row in rows if row["part"] == "confusion"}
    assert called["ES called LCEBR"]["count"] == "1"
    assert called["ES called LCEBR"]["value"] == "0.5"
    covered = [row for row in rows if row["part"] == "coverage"]
    assert [float(row["at"]) for row in covered] == [0.9, 0.8, 0.7, 0.6]


def test_tables_of_shipped_models_have_the_scores_of_their_cards() -> None:
    classes = ("LCEBR", "ESFD", "ES", "SEBR", "NLC")
    known = ev.read_test(resource("models", "cgnn-tqc5", "test.csv"), classes)
    card = json.loads(resource("models", "cgnn-tqc5", "card.json").read_text())["card"]["metrics"]
    found = ev.evaluate(known)
    assert found.score == pytest.approx(card["accuracy"], abs=1e-6)
    assert found.reliability is not None
    assert found.reliability.error == pytest.approx(card["calibration_error"], abs=1e-3)
    energy = ev.read_test(resource("models", "formation-energy", "test.csv"), unit="eV/atom")
    card = json.loads(resource("models", "formation-energy", "card.json").read_text())["card"]
    assert ev.evaluate(energy).score == pytest.approx(card["metrics"]["mae"], abs=1e-4)
    assert ev.evaluate(energy).coverage is None


@pytest.mark.parametrize(
    "content", ["id,label,prediction\n", "id,label,prediction,probability\n1,X,ES,0.5\n"]
)
def test_a_damaged_table_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(content)
    with pytest.raises(DataError):
        ev.read_test(path, ("ES",))
    with pytest.raises(DataError, match="no table"):
        ev.read_test(tmp_path / "absent.csv", ("ES",))


def test_a_table_that_is_no_csv_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(f'id,label,prediction,probability\n1,ES,ES,0.5\n"{"x" * 140_000}\n')
    with pytest.raises(DataError, match=r"test\.csv, line 3: The table is no valid CSV"):
        ev.read_test(path, ("ES",))
