"""``crystalgui topology``: one JSON object, one line of trouble."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from crystalgui.__main__ import main
from crystalgui.core.physics import zoo
from crystalgui.core.resources import examples
from crystalgui.core.structures.hoppings.writer import write_tb

Captured = pytest.CaptureFixture[str]


def facts(words: list[str], capsys: Captured) -> dict[str, object]:
    assert main(["topology", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def fails(words: list[str], capsys: Captured) -> str:
    assert main(["topology", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert "Traceback" not in said
    return said


def test_a_model(capsys: Captured) -> None:
    found = facts(["--model", "kane-mele", "--set", "staggered=0.1"], capsys)
    assert (found["label"], found["status"]) == ("topological insulator", "converged")
    assert found["indices"]["z2"] == [1]
    assert found["gap"]["direct_ev"] == pytest.approx(0.42353, abs=1e-4)
    for check in found["checks"]:
        assert set(check) >= {"name", "passed", "value"}


def test_a_file(capsys: Captured) -> None:
    path = examples() / "hoppings" / "weyl" / "weyl_tb.dat"
    found = facts([str(path)], capsys)
    assert found["label"] == "Weyl semimetal"
    assert sorted(node["chirality"] for node in found["nodes"]) == [-1, 1]
    assert found["assumptions"]["lattice_from"]


def test_the_fermi_energy_instead_of_a_number(capsys: Captured) -> None:
    path = examples() / "hoppings" / "kane-mele" / "kane-mele_hr.dat"
    assert facts([str(path), "--fermi", "0.0"], capsys)["occupied"] == 2
    assert "occupied" in fails([str(path), "--fermi", "-90"], capsys)


def test_words_for_people(capsys: Captured) -> None:
    assert main(["topology", "--model", "cubic"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("topological insulator (converged)")
    assert "(1;000)" in said


def test_a_path_between_two_files(tmp_path: Path, capsys: Captured) -> None:
    ends = tmp_path / "a_tb.dat", tmp_path / "b_tb.dat"
    for end, mass in zip(ends, (-1.0, 2.0), strict=True):
        write_tb(zoo.cubic(M=mass), end)
    words = ["topology", "--path", str(ends[0]), str(ends[1]), "--steps", "7", "--occupied", "2"]
    assert main(words) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert rows[0]["label"] == "trivial insulator"
    assert rows[-1]["label"] == "topological insulator"
    assert len(rows) == 7
    assert main([*words, "--json", "--csv", str(tmp_path / "path.json")]) == 0
    assert len(json.loads((tmp_path / "path.json").read_text())["samples"]) == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one Hamiltonian"),
        (["--model", "cubic", "nowhere_hr.dat"], "one Hamiltonian"),
        (["nowhere_hr.dat"], "no such file"),
        (["--model", "unicorn"], "unicorn"),
        (["--model", "cubic", "--set", "horns=2"], "horns"),
        (["--model", "cubic", "--set", "M"], "key=value"),
        (["--model", "cubic", "--occupied", "9"], "occupied"),
        (["--model", "cubic", "--occupied", "2", "--fermi", "0"], "contradict"),
        (["--model", "cubic", "--dim", "2"], "dimensions"),
        (["--model", "cubic", "--tolerance-gap", "0"], "tolerance"),
    ],
)
def test_bad_words_are_one_line(words: list[str], said: str, capsys: Captured) -> None:
    assert said in fails(words, capsys)


def test_a_strain_is_designed_and_written(tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "strained.vasp"
    assert main(["design", "--model", "bitei-p22", "--gap", "0.2", "--poscar", str(target)]) == 0
    assert "the target is reached" in capsys.readouterr().out
    assert main(["info", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["formula"] == "BiTeI"


def test_a_plane_of_phases(capsys: Captured) -> None:
    axes = ["--x", "phi", "0.5", "1.5707963", "2", "--y", "mass", "0", "0.6", "2"]
    assert main(["phases", "--model", "haldane", *axes]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["label"] for row in rows] == ["topological insulator"] * 2 + [
        "trivial insulator"
    ] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["design"], "one Hamiltonian"),
        (["design", "--model", "bitei-p22"], "one target"),
        (["design", "--model", "unicorn", "--gap", "1"], "unicorn"),
        (["design", "--model", "bitei-p22", "--gap", "1", "--shape", "round"], "round"),
        (
            [
                "phases",
                "--model",
                "haldane",
                "--x",
                "phi",
                "0",
                "1",
                "2",
                "--y",
                "phi",
                "0",
                "1",
                "2",
            ],
            "two different",
        ),
    ],
)
def test_bad_words_of_design_and_phases(words: list[str], said: str, capsys: Captured) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_a_structure_that_is_none_is_refused(capsys: Captured) -> None:
    path = str(examples() / "hoppings" / "weyl" / "weyl_tb.dat")
    assert "structure" in fails([path, "--structure", __file__], capsys)
    assert "--occupied" in fails([path, "--occupied", "many"], capsys)
