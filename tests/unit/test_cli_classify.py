"""`crystalgui classify` prints rows as they come and keeps none of them."""

from __future__ import annotations

import csv
import io

from crystalgui.cli.learning import _Seen
from crystalgui.core.messages import Answer, Prediction


def good(name: str) -> Prediction:
    answers = tuple(
        Answer(model=model, prediction=said, probability=0.9)
        for model, said in (("a", "ES"), ("b", "NM"))
    )
    return Prediction(file=name, answers=answers)


def test_the_head_waits_for_a_row_that_knows_the_models() -> None:
    stream = io.StringIO()
    seen = _Seen(stream)
    seen.take([Prediction(file="bad.vasp", error="It is empty.")])
    assert stream.getvalue() == ""
    assert "bad.vasp: It is empty." in seen.why
    seen.take([good("one.vasp")])
    table = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert [row["file"] for row in table] == ["bad.vasp", "one.vasp"]
    assert table[0]["error"] == "It is empty."
    assert table[1]["b: prediction"] == "NM"
    seen.take([good("two.vasp")])
    assert [row["file"] for row in csv.DictReader(io.StringIO(stream.getvalue()))] == [
        "bad.vasp", "one.vasp", "two.vasp",
    ]  # fmt: skip
    assert seen.good == 2
    assert not seen._waiting


def test_a_table_that_goes_to_a_file_is_not_printed_and_not_kept() -> None:
    seen = _Seen(None)
    seen.take([good("one.vasp")])
    assert seen.good == 1
    assert not seen._waiting
