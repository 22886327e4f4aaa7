"""The command line: answers for programs on stdout, one line for people on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crystalgui import cli
from crystalgui.__main__ import main
from crystalgui.cli import machine, terminal
from crystalgui.core.resources import examples

NACL = """NaCl
1.0
5.64 0 0
0 5.64 0
0 0 5.64
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""

Captured = pytest.CaptureFixture[str]


def fails(words: list[str], capsys: Captured) -> str:
    """Exit code 2, one line on stderr, nothing on stdout; that line."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def test_info_of_a_crystal_is_json(capsys: Captured) -> None:
    assert main(["info", str(examples() / "structures" / "BiTeI.vasp")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["formula"] == "BiTeI"
    assert facts["space_group"] == "P3m1"
    assert facts["point_group"] == "3m"
    assert facts["cell"]["gamma"] == pytest.approx(120.0)


def test_info_of_hoppings_is_json(capsys: Captured) -> None:
    path = next((examples() / "hoppings" / "bitei").glob("*_hr.dat*"))
    assert main(["info", str(path)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "hoppings"
    assert facts["orbitals"] == 18
    assert facts["hermiticity_residual"] < 1e-6


def test_symbols_of_an_old_file_can_be_named(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "old.vasp"
    path.write_text(NACL.replace("Na Cl\n", ""))
    assert "old.vasp" in fails(["info", str(path)], capsys)
    assert main(["info", str(path), "--symbols", "Na Cl"]) == 0
    assert json.loads(capsys.readouterr().out)["formula"] == "NaCl"


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x01\x02", NACL.rsplit("\n", 2)[0], NACL.replace("Cl", "Xq"), NACL[:60]],
    ids=["empty", "binary", "truncated", "element", "cut"],
)
def test_bad_files_are_one_line_with_their_name(
    text: str, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "bad.vasp"
    path.write_text(text)
    assert "bad.vasp" in fails(["info", str(path)], capsys)


def test_what_is_not_there(tmp_path: Path, capsys: Captured) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert "nowhere" in fails(["info", nowhere], capsys)
    assert "nowhere" in fails(["bands", nowhere, "--kpoints", nowhere], capsys)
    assert "nowhere" in fails(["classify", nowhere], capsys)
    assert "nowhere" in fails(["report", nowhere, "--out", str(tmp_path / "r")], capsys)
    words = ["train", "--data", nowhere, "--labels", nowhere, "--model", "cgnn", "--out", nowhere]
    assert "nowhere" in fails(words, capsys)
    assert not (tmp_path / "nowhere").exists()


def test_usage_errors_end_with_two(capsys: Captured) -> None:
    assert main(["bands"]) == 2
    assert main(["fly"]) == 2
    assert main(["--no-such-option"]) == 2
    assert "Usage" in capsys.readouterr().err


def test_help_lists_every_command(capsys: Captured) -> None:
    from crystalgui.__main__ import COMMANDS

    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert name in out
    known = {c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback}
    known |= {group.typer_instance.info.name for group in cli.app.registered_groups}
    assert known == set(COMMANDS)


def test_bands_one_row_a_point(tmp_path: Path, capsys: Captured) -> None:
    path = next((examples() / "hoppings" / "bitei").glob("*_hr.dat*"))
    points = tmp_path / "k.txt"
    points.write_text("0 0 0\n0 0 0.5\n0.1 0.2 0.3\n")
    table = tmp_path / "deep" / "bands.csv"
    assert main(["bands", str(path), "--kpoints", str(points), "--csv", str(table)]) == 0
    assert capsys.readouterr().out == ""
    lines = table.read_text().splitlines()
    assert lines[0].split(",")[:4] == ["k1", "k2", "k3", "e1"]
    values = np.array([[float(v) for v in line.split(",")] for line in lines[1:]])
    assert values.shape == (3, 3 + 18)
    assert (np.diff(values[:, 3:], axis=1) >= 0).all()
    # time reversal: every level at a time-reversal invariant momentum is twofold
    assert values[:2, 3::2] == pytest.approx(values[:2, 4::2], abs=1e-6)
    assert main(["bands", str(path), "--kpoints", str(points)]) == 0
    assert capsys.readouterr().out == table.read_text()


def test_bands_say_which_k_point_is_wrong(tmp_path: Path, capsys: Captured) -> None:
    path = next((examples() / "hoppings" / "bitei").glob("*_hr.dat*"))
    points = tmp_path / "k.txt"
    points.write_text("0 0 0\n0 zero 0\n")
    assert "k.txt, line 2" in fails(["bands", str(path), "--kpoints", str(points)], capsys)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-2", -2), ("1e-3", 1e-3), ("true", True), ("False", False), ("mean", "mean")],
)
def test_settings_have_their_types(text: str, value: object) -> None:
    found = terminal.settings_of([f"key={text}"])["key"]
    assert found == value
    assert type(found) is type(value)


def test_settings_without_a_value_are_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.vasp").write_text(NACL)
    (tmp_path / "l.csv").write_text("id,label\na,1\n")
    words = ["train", "--data", str(tmp_path), "--labels", str(tmp_path / "l.csv")]
    words += ["--model", "cgnn", "--out", str(tmp_path / "out"), "--set", "width"]
    assert "key=value" in fails(words, capsys)


def test_an_unknown_device_is_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.vasp").write_text(NACL)
    words = ["classify", str(tmp_path / "a.vasp"), "--model", "x", "--device", "tpu"]
    assert "tpu" in fails(words, capsys)


def test_doctor_names_versions_graphics_and_paths(capsys: Captured) -> None:
    assert main(["doctor"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    for name in ("crystalgui", "Python", "vtk", "torch", "GPU", "OpenGL", "Resources", "Log"):
        assert lines[name].strip()
    assert Path(lines["Resources"]).is_dir()


def test_the_command_line_needs_no_qt() -> None:
    path = str(examples() / "structures" / "NaCl.vasp")
    code = (
        "import sys; from crystalgui.__main__ import main; "
        f"code = main(['info', {path!r}]); "
        "sys.exit(code or any(m.startswith('PySide6') or m == 'torch' for m in sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert answer.returncode == 0, answer.stderr.decode()


def test_a_closed_pipe_is_no_error() -> None:
    path = str(examples() / "structures" / "NaCl.vasp")
    command = f"{sys.executable} -m crystalgui info {path} | true"
    answer = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert b"Traceback" not in answer.stderr


def labelled(folder: Path) -> tuple[Path, Path]:
    """Twenty small rock-salt cells of two classes."""
    data = folder / "cells"
    data.mkdir()
    lines = ["id,label"]
    for index, (one, two) in enumerate(
        (a, b) for a in ("Li", "Na", "K", "Rb", "Cs") for b in ("F", "Cl", "Br", "I")
    ):
        text = NACL.replace("Na Cl", f"{one} {two}").replace("5.64", f"{5 + 0.1 * index:.2f}")
        (data / f"{one}{two}.vasp").write_text(text)
        lines.append(f"{one}{two},{'light' if index < 10 else 'heavy'}")
    labels = folder / "labels.csv"
    labels.write_text("\n".join(lines) + "\n")
    return data, labels


def test_train_then_classify_then_report(tmp_path: Path, capsys: Captured) -> None:
    data, labels = labelled(tmp_path)
    out = tmp_path / "model"
    words = ["train", "--data", str(data), "--labels", str(labels), "--model", "cgnn"]
    words += ["--out", str(out), "--epochs", "2", "--seed", "3", "--device", "cpu"]
    words += ["--set", "batch_size=4", "--set", "split.validation=0.25", "--set", "split.test=0.25"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out)
    assert "epoch 2" in captured.err
    card = json.loads((out / "card.json").read_text())
    assert (out / "model.safetensors").is_file()
    assert "cgnn" in json.dumps(card)

    bad = tmp_path / "bad.vasp"
    bad.write_text("nothing")
    table, pdf = tmp_path / "t.csv", tmp_path / "t.pdf"
    words = ["classify", str(data), str(bad), "--model", str(out), "--device", "cpu"]
    assert main([*words, "--csv", str(table), "--pdf", str(pdf)]) == 0
    lines = table.read_text().splitlines()
    assert lines[0] == (
        "file,formula,space_group,prediction,probability,probabilities,warnings,error"
    )
    assert len(lines) == 22
    assert sum(",light," in line or ",heavy," in line for line in lines) == 20
    assert sum("bad.vasp" in line for line in lines) == 1
    assert pdf.read_bytes().startswith(b"%PDF")

    words = ["classify", str(bad), "--model", str(out), "--device", "cpu"]
    assert "bad.vasp" in fails(words, capsys)

    folder = tmp_path / "report"
    words = ["report", str(data / "NaCl.vasp"), "--out", str(folder), "--model", str(out)]
    assert main([*words, "--device", "cpu"]) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    assert {p.suffix for p in written} == {".pdf", ".csv"}
    assert all(p.is_file() for p in written)


def test_an_unknown_family_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    data, labels = labelled(tmp_path)
    words = ["train", "--data", str(data), "--labels", str(labels), "--model", "oracle"]
    assert "oracle" in fails([*words, "--out", str(tmp_path / "out")], capsys)


def test_bench_outside_a_checkout(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "crystalgui" / "cli" / "machine.py"))
    assert "source checkout" in fails(["bench"], capsys)
