"""``evaluate``: a table of predictions beside known labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from crystalgui.cli import main
from crystalgui.core.messages import Answer, Prediction
from crystalgui.core.reports.csv import write_predictions


def _row(number: int, said: str, energy: float) -> Prediction:
    pairs = ((said, 0.8), ("NLC" if said == "ES" else "ES", 0.2))
    return Prediction(
        file=f"POSCAR/{number}.POSCAR",
        formula="PtO",
        space_group="P4_2/mmc (131)",
        answers=(
            Answer(model="net", prediction=said, probability=0.8, probabilities=pairs),
            Answer(model="energy", prediction=f"{energy:.4f} eV/atom", value=energy),
        ),
    )


ROWS = (_row(1, "ES", -1.0), _row(2, "NLC", -2.0), _row(3, "ES", -3.0))


@pytest.mark.parametrize(
    ("labels", "score"),
    [("1,ES\n2,ES\n3,NLC\n", 1 / 3), ("1,-1.5\n2,-2.25\n3.POSCAR,-3.75\n", 0.5)],
)
def test_labels_find_the_model_that_they_are_for(
    labels: str, score: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_predictions(tmp_path / "p.csv", ROWS)
    known = tmp_path / "labels.csv"
    known.write_text(f"id,label\n{labels}")
    assert main(["evaluate", str(table), str(known)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(rows[0]["value"]) == pytest.approx(score, abs=1e-5)
    assert [row["count"] for row in rows if row["part"].endswith("by element")] == ["3", "3"]


def test_a_table_of_one_model_and_a_file(tmp_path: Path) -> None:
    alone = [Prediction(file=row.file, formula="PtO", answers=row.answers[:1]) for row in ROWS]
    table = write_predictions(tmp_path / "p.csv", alone)
    (tmp_path / "labels.csv").write_text("id,label\n1,ES\n2,ES\n")
    out = tmp_path / "out.csv"
    assert main(["evaluate", str(table), str(tmp_path / "labels.csv"), "--csv", str(out)]) == 0
    assert out.read_text().splitlines()[1] == "score,accuracy,2,0.5,"
    (tmp_path / "labels.csv").write_text("id,label\n1,ES\n2,ES\n3,NLC\n")
    assert main(["evaluate", str(table), str(tmp_path / "labels.csv"), "--csv", str(out)]) == 0
    assert out.read_text().startswith("part,name,count,value,at\nscore,accuracy,3,0.333333")


def test_labels_of_something_else_end_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_predictions(tmp_path / "p.csv", ROWS)
    (tmp_path / "labels.csv").write_text("id,label\n1,cubic\n2,hexagonal\n")
    answer = main(["evaluate", str(table), str(tmp_path / "labels.csv"), "--model", "net"])
    assert answer == 2
    assert "net knows no class cubic" in capsys.readouterr().err


def test_labels_of_three_classes_are_for_answers_of_five(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = {"LCEBR": 0.3, "ES": 0.25, "ESFD": 0.25, "NLC": 0.1, "SEBR": 0.1}
    answer = Answer(
        model="", prediction="LCEBR", probability=0.3, probabilities=tuple(shares.items())
    )
    rows = [Prediction(file=f"{i}.vasp", formula="Si", answers=(answer,)) for i in range(4)]
    table = write_predictions(tmp_path / "p.csv", rows)
    (tmp_path / "labels.csv").write_text("id,label\n0,semimetal\n1,semimetal\n2,trivial\n")
    assert main(["evaluate", str(table), str(tmp_path / "labels.csv")]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(found[0]["value"]) == pytest.approx(2 / 3, abs=1e-5)


def test_labels_of_many_numbers_are_classes_where_a_model_says_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = range(1, 31)
    rows = [
        Prediction(
            file=f"{i}.vasp",
            formula="Si",
            answers=(
                Answer(
                    model="", prediction=str(i), probability=0.7,
                    probabilities=((str(i), 0.7), (str(i % 30 + 1), 0.3)),
                ),
            ),
        )
        for i in groups
    ]  # fmt: skip
    table = write_predictions(tmp_path / "p.csv", rows)
    labels = "".join(f"{i},{i % 30 + 1 if i < 4 else i}\n" for i in groups)
    (tmp_path / "labels.csv").write_text(f"id,label\n{labels}")
    assert main(["evaluate", str(table), str(tmp_path / "labels.csv")]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(found[0]["value"]) == pytest.approx(0.9, abs=1e-5)
