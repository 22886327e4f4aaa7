"""From files to a model with an element or a prototype left out, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystalgui.__main__ import main
from crystalgui.core.datasets.dataset import load_summary
from crystalgui.core.messages import EstimateJob, EstimateReady, SplitSpec, TrainRecipe
from crystalgui.core.models.trained import read_card
from crystalgui.core.structures.files import write_poscar
from crystalgui.core.training.session import estimate
from tests.models.samples import crystals

Words = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Sixty structures, the first of them twice, and their formation energies."""
    folder = tmp_path_factory.mktemp("files") / "structures"
    folder.mkdir()
    made = [*crystals(60), crystals(60)[0]]
    for i, crystal in enumerate(made):
        write_poscar(crystal, folder / f"{i}.vasp")
    table = folder.parent / "formation_energy.csv"
    energies = [-(crystal.species.sum() % 40) / 20 for crystal in made]
    table.write_text("id,label\n" + "".join(f"{i},{energy}\n" for i, energy in enumerate(energies)))
    return folder, table


def test_crystals_become_a_data_set_and_a_model(
    files: tuple[Path, Path], tmp_path: Path, capsys: Words
) -> None:
    structures, table = files
    out = tmp_path / "set"
    words = ["dataset", "crystals", str(structures), str(table), "--out", str(out), "--json"]
    assert main([*words, "--purify"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["size"], printed["target"]) == (60, "formation_energy")
    assert printed["removed"] == {"duplicate": 1}
    assert (out / "purified.csv").read_text().count("\n") == 2
    element = load_summary(out).elements[3]
    model = tmp_path / "model"
    words = ["train", "--dataset", str(out), "--model", "majority", "--out", str(model)]
    assert main([*words, "--epochs", "1", "--set", f"split.left_out={element}"]) == 0
    card = read_card(model)[0]
    assert card.split.startswith(f"element {element} left out, seed 0: ")
    assert card.unit == "eV/atom"
    said = capsys.readouterr().err
    assert "0 formulas on both sides; " in said
    assert "of the test crystals have a prototype that is trained on" in said


def test_files_can_be_purified_on_the_way_to_a_model(
    files: tuple[Path, Path], tmp_path: Path, capsys: Words
) -> None:
    structures, table = files
    words = ["train", "--data", str(structures), "--labels", str(table), "--model", "majority"]
    words += ["--out", str(tmp_path / "model"), "--epochs", "1"]
    words += ["--purify", "--derive", "point-group", "--set", "split.kind=random"]
    assert main(words) == 0
    assert "1 merged into a crystal of equal formula" in capsys.readouterr().err
    card = read_card(tmp_path / "model")[0]
    assert (card.task, card.target) == ("classification", "point_group")
    assert "m-3m" in card.classes
    assert "only to compare with published numbers" in card.split


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["dataset", "crystals", "nowhere", "--out", "x"], "Which crystals, with which labels"),
        (["dataset", "thin-sheets", "--purify", "--out", "x"], "Only crystals have labels"),
        (["train", "--dataset", ".", "--purify", "--model", "majority", "--out", "x"],
         "neither derived nor purified"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    words: list[str], why: str, capsys: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert why in capsys.readouterr().err


def test_the_estimate_tells_known_prototypes(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert main(["dataset", "crystals", *map(str, files), "--out", str(out)]) == 0
    answers = []
    for split in (SplitSpec(validation=0.2, test=0.2), SplitSpec(kind="prototype", test=0.2,
                                                                 validation=0.2)):  # fmt: skip
        job = EstimateJob(recipe=TrainRecipe(model="majority", dataset=out, split=split))
        answers.append(next(e for e in estimate(job) if isinstance(e, EstimateReady)))
    assert answers[0].prototypes > 0.5
    assert answers[1].prototypes == 0
    assert [answer.leakage for answer in answers] == [0, 0]
