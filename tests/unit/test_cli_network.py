"""``crystalgui network``: the layers and the diagram of a network that is not trained yet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from crystalgui.__main__ import main

Captured = pytest.CaptureFixture[str]


def test_layers_are_a_table_and_their_parameters_add_up(capsys: Captured, tmp_path: Path) -> None:
    words = ["network", "extractor", "--preset", "cifar", "--shape", "3x32x32", "--set",
             "kind=hybrid", "--set", "width=8"]  # fmt: skip
    assert main([*words, "--out", str(tmp_path / "net.pdf")]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["layer"] for row in rows[:4]] == ["0 input", "1 conv", "2 conv", "3 pool"]
    assert rows[0]["points"] == "32x32"
    assert rows[-1]["points"] == "2x2"
    assert {row["edges"] for row in rows} == {"", "torus"}
    assert all(row["read"] == "1" for row in rows)
    assert [row["bypassed"] for row in rows[:4]] == ["0", "0", "1", "0"]
    total = sum(int(row["parameters"]) for row in rows)
    assert f"{total:,} parameters" in err
    assert (tmp_path / "net.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_fully_connected_network_is_drawn(capsys: Captured, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"net.{ending}"
    assert main(["network", "dense", "--preset", "mnist-medium", "--out", str(out)]) == 0
    assert "784, 512, 256, 10" in capsys.readouterr().err
    assert out.stat().st_size > 1000


def test_a_network_of_crystals_says_what_leaves_it_the_same(capsys: Captured) -> None:
    held = {}
    for preset in ("small", "paper"):
        assert main(["network", "nnn", "--preset", preset, "--set", "width=8"]) == 0
        out, err = capsys.readouterr()
        rows = csv.DictReader(io.StringIO(out))
        held[preset] = {r["invariance"] for r in rows if r["holds"] == "exact"}
    assert held["small"] == {"translation", "permutation", "rotation", "supercell", "cell choice"}
    assert held["paper"] == {"permutation"}
    assert "at most 40 atoms and 6 elements" in err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["cgnn", "--out", "net.pdf"], "has no diagram"),
        (["extractor", "--shape", "1xx8"], "is no shape of an input"),
        (["extractor", "--shape", "1x2x3x4x5"], "cannot read inputs of shape"),
        (["extractor", "--set", "kind=transformer"], "unknown"),
        (["extractor", "--out", "net.gif"], "cannot be written in this format"),
    ],
)
def test_bad_words_are_one_line(capsys: Captured, words: list[str], text: str) -> None:
    assert main(["network", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert len(err.strip().splitlines()) == 1
