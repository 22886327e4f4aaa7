"""predictions.csv: the contract of its columns, and a faithful round trip."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.errors import DataError
from crystalgui.core.reports.csv import (
    COLUMNS,
    predictions_text,
    read_predictions,
    write_predictions,
)
from tests.predicted import predicted

GOOD = predicted(
    file="Bi₂Se₃, bulk.vasp",
    formula="Bi2Se3",
    space_group="R-3m",
    prediction="NLC",
    probability=0.70004,
    probabilities=(("LCEBR", 0.29996), ("NLC", 0.70004)),
    warnings=("overlapping atoms", "rare element"),
)
BAD = predicted(file="broken", error="broken, line 3: no\nnumbers.")


def test_the_columns_are_the_contract(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "new" / "p.csv", [GOOD, BAD])
    lines = path.read_text("utf-8").splitlines()
    assert (
        lines[0] == "file,formula,space_group,prediction,probability,probabilities,warnings,error"
    )
    assert len(lines) == 3
    with open(path, encoding="utf-8", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert first["file"] == GOOD.file
    assert first["probability"] == "0.7000"
    assert first["probabilities"] == "LCEBR=0.3000; NLC=0.7000"
    assert first["warnings"] == "overlapping atoms; rare element"
    assert second["error"] == "broken, line 3: no numbers."
    assert second["probability"] == ""


def test_tabs_for_the_clipboard() -> None:
    assert predictions_text([GOOD], separator="\t").splitlines()[0].split("\t") == list(COLUMNS)


def test_the_old_table_survives_a_failed_write(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.csv", [GOOD])
    before = path.read_bytes()

    def rows() -> object:
        yield BAD
        raise RuntimeError("stopped while classifying")

    with pytest.raises(RuntimeError):
        write_predictions(path, rows())  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.csv"]


name = st.text(st.characters(codec="utf-8", exclude_characters=";=\r\n\x00"), min_size=1).filter(
    lambda s: s == s.strip() and s == " ".join(s.split())
)


@given(
    file=name,
    pairs=st.lists(st.tuples(name, st.integers(0, 10_000)), max_size=5),
    warnings=st.lists(name, max_size=3),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    file: str,
    pairs: list[tuple[str, int]],
    warnings: list[str],
) -> None:
    row = predicted(
        file=file,
        prediction="x",
        probability=0.25,
        probabilities=tuple((label, p / 10_000) for label, p in pairs),
        warnings=tuple(warnings),
    )
    path = write_predictions(tmp_path_factory.getbasetemp() / "round.csv", [row])
    assert read_predictions(path) == (row,)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"id,label\n1,2\n", 1),
        (",".join(COLUMNS).encode() + b"\na,b\n", 2),
        (",".join(COLUMNS).encode() + b"\na,,,,not a number,,,\n", 2),
        (",".join(COLUMNS).encode() + b'\n"' + b"x" * 140_000 + b"\n", 2),
    ],
)
def test_a_foreign_table_is_refused_with_its_line(
    tmp_path: Path, content: bytes, line: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_predictions(path)
    assert caught.value.line == line
    assert caught.value.hint


def test_a_binary_table_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    for path in (tmp_path / "b.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError):
            read_predictions(path)


def test_regression_has_no_probability(tmp_path: Path) -> None:
    row = predicted(file="a", prediction="0.31 eV", probability=math.nan)
    (read,) = read_predictions(write_predictions(tmp_path / "p.csv", [row]))
    assert math.isnan(read.probability)
    assert read.prediction == "0.31 eV"
