"""Every kind of bad file through the command line: one line, a remedy, exit code 2."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crystalgui.__main__ import main
from crystalgui.cli import files, terminal
from crystalgui.core.resources import models_folder
from tests.bad_input import ARCHIVES, CRYSTALS, FOLDER, GOOD_HR, HOPPINGS, NACL, SYMBOLS, Case

Captured = pytest.CaptureFixture[str]
ANY = [*CRYSTALS, SYMBOLS, FOLDER]


def fails(words: list[str], capsys: Captured) -> str:
    """Exit code 2, nothing on stdout; the last line of stderr, which is the message."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


def one_line(words: list[str], capsys: Captured) -> str:
    """The same, when the message is all that is said."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    return err.strip()


def right(message: str, case: Case) -> None:
    """File, line, what, and a remedy behind it."""
    assert message.startswith(case.where), message
    found = re.search(case.words, message)
    assert found, message
    sentences = re.findall(r"[.!?](?: |$)", message[found.end() :])
    assert len(sentences) >= 2, f"no remedy: {message}"


@pytest.mark.parametrize("case", [*ANY, *HOPPINGS], ids=lambda c: c.name)
def test_info(case: Case, tmp_path: Path, capsys: Captured) -> None:
    right(one_line(["info", str(case.write(tmp_path))], capsys), case)


@pytest.mark.parametrize("case", HOPPINGS, ids=lambda c: c.name)
def test_bands(case: Case, tmp_path: Path, capsys: Captured) -> None:
    points = tmp_path / "k.txt"
    points.write_text("0 0 0\n")
    path = case.write(tmp_path)
    right(one_line(["bands", str(path), "--kpoints", str(points)], capsys), case)


@pytest.mark.parametrize("case", [CRYSTALS[0], CRYSTALS[5], HOPPINGS[2]], ids=lambda c: c.name)
def test_report(case: Case, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out"
    right(one_line(["report", str(case.write(tmp_path)), "--out", str(out)], capsys), case)
    assert not out.exists()


# ------------------------------------------------------- classify and train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned nothing, in a folder of its own."""
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models.trained import Inference, write_model

    params, _ = registry.settings("cgnn", "", {"width": 8, "wide": 8, "depth": 1, "gaussians": 4})
    network = registry.build("cgnn", 2, params)
    card = TrainedModel(
        name="tiny",
        family="cgnn",
        title="Tiny",
        folder="",
        task="classification",
        target="labels",
        classes=("x", "y"),
        params=params,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_model(folder, card, Inference(), [network.state_dict()])
    return folder


@pytest.mark.parametrize("case", [*ANY, *ARCHIVES], ids=lambda c: c.name)
def test_classify(case: Case, model: Path, tmp_path: Path, capsys: Captured) -> None:
    bad = case.write(tmp_path / "bad")
    said = one_line(["classify", str(bad), "--model", str(model), "--device", "cpu"], capsys)
    assert said.startswith(f"Nothing could be classified. {bad.name}: ")
    assert re.search(case.words, said)
    assert case.line is None or f"(line {case.line})" in said
    good = tmp_path / "good.vasp"
    good.write_text(NACL)
    table = tmp_path / "t.csv"
    words = ["classify", str(bad), str(good), "--model", str(model), "--device", "cpu"]
    assert main([*words, "--csv", str(table)]) == 0
    one, two = table.read_text().splitlines()[1:]
    assert one.startswith(f"{bad.name},,,,,,,")
    assert re.search(case.words, one)
    assert two.startswith("good.vasp,NaCl,")
    assert not (tmp_path.parent / "outside.vasp").exists()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Structures "0" to "7"."""
    folder = tmp_path / "cells"
    folder.mkdir()
    for i in range(8):
        (folder / f"{i}.vasp").write_text(NACL.replace("5.64", f"{5 + i / 10:.1f}"))
    return folder


LABELS = {
    "empty": ("", "is empty", None),
    "header": ("id,label\n", "header only", None),
    "columns": ("a,b,c\n1,2,3\n", "columns", 1),
    "short": ("id,label\n0,a\n1\n", "1 of 2 columns", 3),
    "twice": ("id,label\n0,a\n1,b\n0,b\n", "two labels", 4),
    "one-class": ("id,label\n0,a\n1,a\n", "one class only", None),
    "missing-ids": ("id,label\nx,a\ny,b\n", "No label belongs to a structure", None),
    "not-finite": ("id,label\n0,0.5\n1,inf\n2,1.5\n", "not finite", None),
    "binary": ("\x00\x01", "binary", None),
}


@pytest.mark.parametrize(("text", "words", "line"), LABELS.values(), ids=LABELS.keys())
def test_train_labels(
    text: str, words: str, line: int | None, data: Path, tmp_path: Path, capsys: Captured
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    command = ["train", "--data", str(data), "--labels", str(labels), "--model", "cgnn"]
    said = fails([*command, "--out", str(tmp_path / "o")], capsys)
    right(said, Case("labels.csv", Path.touch, words, line))
    assert not (tmp_path / "o" / "card.json").exists()


@pytest.mark.parametrize("case", [*ARCHIVES, FOLDER, CRYSTALS[0]], ids=lambda c: c.name)
def test_train_data(case: Case, tmp_path: Path, capsys: Captured) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\ngood,a\nbomb,b\n")
    command = ["train", "--data", str(case.write(tmp_path)), "--labels", str(labels)]
    for _ in range(2):  # the second time nothing comes from a cache
        said = one_line([*command, "--model", "cgnn", "--out", str(tmp_path / "o")], capsys)
        assert said.startswith(f"{case.name}: No structure could be read.")
        assert case is FOLDER or re.search(case.words, said)


SETTINGS = {
    "bad=value": "no setting 'bad'",
    "width=abc": "must be a whole number",
    "width=inf": "must be a whole number",
    "width=-3": "out of range",
    "cutoff=nan": "out of range",
    "features=zz": "unknown",
    "batch_size=0": "batch_size = 0 is impossible",
    "batch_size=abc": "Allowed: a whole number",
    "learning_rate=nan": "learning_rate = nan is impossible",
    "epochs=-1": "epochs = -1 is impossible",
    "seed=-1": "seed = -1 is impossible",
    "split.test=2": "split.test = 2.0 is impossible",
    "split.kind=zz": "composition, random",
    "precision=zz": "16-mixed",
    "device=tpu": "no device called 'tpu'",
}


@pytest.mark.parametrize(("pair", "words"), SETTINGS.items(), ids=SETTINGS.keys())
def test_train_settings_are_refused_before_any_work(
    pair: str, words: str, data: Path, tmp_path: Path, capsys: Captured
) -> None:
    labels = tmp_path / "l.csv"
    labels.write_text("id,label\n0,a\n1,b\n")
    command = ["train", "--data", str(data), "--labels", str(labels), "--model", "cgnn"]
    said = one_line([*command, "--out", str(tmp_path / "o"), "--set", pair], capsys)
    assert words in said
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--preset", "giant", "no preset 'giant'"),
        ("--epochs", "-3", "epochs = -3 is impossible"),
        ("--seed", "-1", "seed = -1 is impossible"),
        ("--device", "tpu", "no device called 'tpu'"),
    ],
)
def test_train_options(
    option: str, value: str, words: str, data: Path, tmp_path: Path, capsys: Captured
) -> None:
    labels = tmp_path / "l.csv"
    labels.write_text("id,label\n0,a\n1,b\n")
    command = ["train", "--data", str(data), "--labels", str(labels), "--model", "cgnn"]
    said = one_line([*command, "--out", str(tmp_path / "o"), option, value], capsys)
    assert words in said


# ------------------------------------------------------------- checkpoints


def change(part: str, **values: Any) -> Callable[[Path], None]:
    """Other values in a block of the card."""

    def apply(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        (card if part == "" else card[part]).update(values)
        (folder / "card.json").write_text(json.dumps(card))

    return apply


def replaced(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def halved(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def weights(edit: Callable[[dict[str, Any], dict[str, str]], object]) -> Callable[[Path], None]:
    """Other tensors or another header in the file of weights."""

    def apply(folder: Path) -> None:
        from crystalgui.core.models._tensors import read_tensors, write_tensors

        tensors, meta = read_tensors(folder / "model.safetensors")
        edit(tensors, meta)
        write_tensors(folder / "model.safetensors", tensors, meta)

    return apply


def _narrow(tensors: dict[str, Any], _: dict[str, str]) -> None:
    name = next(k for k, t in tensors.items() if t.ndim == 2)
    tensors[name] = tensors[name][:, :-1]


def _not_finite(tensors: dict[str, Any], _: dict[str, str]) -> None:
    name = next(k for k, t in tensors.items() if t.is_floating_point())
    tensors[name] = tensors[name] * float("nan")


def _unknown(folder: Path) -> None:
    change("card", family="oracle")(folder)
    weights(lambda _, meta: meta.update(family="oracle"))(folder)


HUGE = {"width": 10**7, "wide": 10**7, "depth": 10**7}
CHECKPOINTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another-format": (change("", format=99), "format 99"),
    "another-family": (change("card", family="majority"), "another model"),
    "unknown-family": (_unknown, "no model family called 'oracle'"),
    "another-program": (weights(lambda _, meta: meta.update({"crystalgui-model": "7"})), "version"),
    "other-classes": (change("card", classes=["a", "b", "c"]), "do not fit"),
    "no-classes": (change("card", classes=[]), "damaged or of another version"),
    "other-params": (change("card", params={"x": 1}), "no parameter 'x'"),
    "params-list": (change("card", params=[1]), "damaged or of another version"),
    "huge-params": (change("card", params=HUGE), "out of range"),
    "other-task": (change("card", task="dance"), "damaged or of another version"),
    "members": (change("inference", members=10**9), "damaged or of another version"),
    "no-members": (change("inference", members=0), "damaged or of another version"),
    "temperature": (change("inference", temperature=0), "damaged or of another version"),
    "no-card-block": (change("", card=None), "damaged or of another version"),
    "torn-card": (replaced("card.json", b'{"format": 1, "card'), "damaged or of another version"),
    "binary-card": (replaced("card.json", bytes(range(256))), "damaged or of another version"),
    "no-card": (lambda folder: (folder / "card.json").unlink(), "no card.json"),
    "empty-weights": (replaced("model.safetensors", b""), "cannot be read"),
    "binary-weights": (replaced("model.safetensors", bytes(range(256)) * 9), "cannot be read"),
    "torn-weights": (halved, "cannot be read"),
    "no-weights": (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
    "other-shapes": (weights(_narrow), "do not fit"),
    "missing-tensor": (weights(lambda tensors, _: tensors.popitem()), "do not fit"),
    "not-finite": (weights(_not_finite), "not finite"),
}


@pytest.mark.parametrize(("spoil", "words"), CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_checkpoints(
    spoil: Callable[[Path], object], words: str, model: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "spoiled"
    shutil.copytree(model, folder)
    spoil(folder)
    (tmp_path / "good.vasp").write_text(NACL)
    command = ["classify", str(tmp_path / "good.vasp"), "--device", "cpu"]
    assert main([*command, "--model", str(model)]) == 0
    capsys.readouterr()
    said = one_line([*command, "--model", str(folder)], capsys)
    assert words in said
    assert len(re.findall(r"[.!?](?: |$)", said)) >= 2, f"no remedy: {said}"


def test_the_shipped_models_are_sound() -> None:
    from crystalgui.core.models.trained import read_model

    for card in sorted(models_folder().glob("*/card.json")):
        assert read_model(card.parent)[2]


# ----------------------------------------------- outputs, pipes, permission


def test_outputs_that_cannot_be_written(model: Path, tmp_path: Path, capsys: Captured) -> None:
    path, hr, k = tmp_path / "a.vasp", tmp_path / "m_hr.dat", tmp_path / "k.txt"
    path.write_text(NACL)
    hr.write_text(GOOD_HR)
    k.write_text("0 0 0\n")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    commands = {
        "--csv": ["classify", str(path), "--model", str(model), "--device", "cpu"],
        "--pdf": ["classify", str(path), "--model", str(model), "--device", "cpu"],
        "--out": ["report", str(path)],
    }
    below = path / "x.pdf"
    for option, words in commands.items():
        said = one_line([*words, option, str(below)], capsys)
        assert said == (
            "x.pdf: Cannot write the file: a.vasp is not a folder. Choose another folder."
        )
    for words in (commands["--csv"], ["bands", str(hr), "--kpoints", str(k)]):
        assert "this is a folder" in one_line([*words, "--csv", str(folder)], capsys)
    assert path.read_text() == NACL


def test_a_full_disk_is_one_line_and_devices_stay_devices(tmp_path: Path, capsys: Captured) -> None:
    hr, k = tmp_path / "m_hr.dat", tmp_path / "k.txt"
    hr.write_text(GOOD_HR)
    k.write_text("0 0 0\n")
    words = ["bands", str(hr), "--kpoints", str(k), "--csv"]
    # links, because a program with the rights of root could replace the devices themselves
    if Path("/dev/full").exists():
        (tmp_path / "full").symlink_to("/dev/full")
        assert "No space left" in one_line([*words, str(tmp_path / "full")], capsys)
    (tmp_path / "null").symlink_to("/dev/null")
    assert main([*words, str(tmp_path / "null")]) == 0
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "null").is_symlink()


@pytest.fixture
def in_time() -> Iterator[None]:
    """What waits for a pipe is ended after ten seconds."""

    def late(*_: object) -> None:
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("in_time")
def test_pipes_are_refused_not_waited_for(model: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "good.vasp").write_text(NACL)
    for name in ("x_hr.dat", "p.vasp", "p.txt", "p.csv", "p.zip"):
        os.mkfifo(tmp_path / name)
    at = {p.name: str(p) for p in tmp_path.iterdir()}
    use = ["--model", str(model), "--device", "cpu"]
    train = ["train", "--data", str(tmp_path), "--labels", at["p.csv"], "--model", "cgnn"]
    for words in (
        ["info", at["x_hr.dat"]],
        ["info", at["p.txt"]],
        ["bands", at["x_hr.dat"], "--kpoints", at["p.txt"]],
        ["classify", at["p.zip"], *use],
        ["report", at["p.txt"], "--out", str(tmp_path / "r")],
        [*train, "--out", str(tmp_path / "o")],
    ):
        assert "not an ordinary file" in one_line(words, capsys)
    assert main(["classify", str(tmp_path), *use]) == 0


def test_no_permission(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.vasp").write_text(NACL)
    (tmp_path / "m_hr.dat").write_text(GOOD_HR)
    real = Path.open

    def refuse(self: Path, *args: Any, **options: Any) -> Any:
        if self.parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **options)

    access = os.access
    monkeypatch.setattr(Path, "open", refuse)
    # typer asks this before a command begins
    monkeypatch.setattr(os, "access", lambda p, *a: "a.vasp" not in str(p) and access(p, *a))
    for name in ("a.vasp", "m_hr.dat"):
        said = one_line(["info", str(tmp_path / name)], capsys)
        assert said.startswith(f"{name}: ")
        assert "permission" in said.lower()


def test_a_folder_without_permission_is_a_row(
    model: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.vasp").write_text(NACL)
    locked = tmp_path / "locked"
    locked.mkdir()
    real = os.scandir

    def refuse(path: Any = ".") -> Any:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert main(["classify", str(tmp_path), "--model", str(model), "--device", "cpu"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert rows[0].startswith("good.vasp,NaCl,")
    assert rows[1].startswith("locked,")
    assert "Permission denied" in rows[1]


def test_words_that_are_no_numbers(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "a.vasp"
    path.write_text(NACL)
    for value in ("0", "-1", "nan", "inf"):
        assert "impossible" in one_line(["info", str(path), "--tolerance", value], capsys)
    words = ["report", str(path), "--out", str(tmp_path / "r"), "--occupied"]
    for value in ("x", "x=abc", "x=0", "=3"):
        assert "FILE=N" in one_line([*words, value], capsys)


def test_a_defect_is_one_line_and_a_log(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(files, "existing", broken)
    assert main(["info", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1
    assert "nobody thought of this" in err
    assert "Traceback" in terminal.log_file().read_text()


def test_the_program_itself_ends_with_two(tmp_path: Path) -> None:
    path = CRYSTALS[0].write(tmp_path)
    answer = subprocess.run(
        [sys.executable, "-m", "crystalgui", "info", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    right(answer.stderr.strip(), CRYSTALS[0])
