"""``crystalgui experiment``: list, run, refusals in one line, records; and the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystalgui.__main__ import main
from crystalgui.core.experiments import _registry, results
from crystalgui.core.experiments.catalogue import catalogue
from crystalgui.core.messages import CatalogueJob, CatalogueReady
from tests.unit.experiments import walk
from tests.unit.test_cli import fails

NAME = walk.CARD.name
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    walk.register()
    yield
    _registry.forget(NAME)


def test_run_record_list(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    words = ["experiment", "run", NAME, "--device", "cpu", "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "published" in printed
    assert "mean square distance / n" in printed
    assert "differs: The walks are finite" in printed
    monkeypatch.setattr(results, "resource", (tmp_path / "kept").joinpath)
    assert main(["experiment", "record", str(out)]) == 0
    assert capsys.readouterr().out.strip().endswith("quick-cpu.json")
    assert main(["experiment", "list", "--json", "--device", "cpu"]) == 0
    listed = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    card = listed[NAME]
    assert card["rows"] == ["B77"]
    assert set(card["presets"]) == {"quick", "slow"}
    assert card["minutes"]["quick"] >= 0
    (kept,) = card["recorded"]
    assert kept["command"].startswith(f"crystalgui experiment run {NAME} --preset quick")
    (number,) = kept["numbers"]
    assert number["published"] == 1.0
    assert number["published_spread"] is None
    assert main(["experiment", "list"]) == 0
    assert "recorded: quick, cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "no-such", "--out", "OUT"], "no experiment called 'no-such'"),
        (["run", NAME, "--preset", "huge", "--out", "OUT"], "no preset 'huge'"),
        (["run", NAME, "--device", "tpu", "--out", "OUT"], "no device called 'tpu'"),
        (["run", NAME], "--out"),
        (["record", "OUT"], "no such folder"),
        (["list", "--device", "tpu"], "no device"),
        (["fly"], "crystalgui experiment --help"),
    ],
)
def test_bad_words_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: Captured
) -> None:
    line = fails(["experiment", *(w.replace("OUT", str(tmp_path / "out")) for w in words)], capsys)
    assert said in line
    assert not (tmp_path / "out").exists()


def test_another_experiment_in_the_folder_is_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "experiment.json").write_text(
        '{"name": "other", "preset": "quick", "device": "cpu"}'
    )
    line = fails(["experiment", "run", NAME, "--device", "cpu", "--out", str(tmp_path)], capsys)
    assert "holds the experiment other" in line
    (tmp_path / "experiment.json").write_text("{")
    assert "damaged" in fails(
        ["experiment", "run", NAME, "--device", "cpu", "--out", str(tmp_path)], capsys
    )


def test_the_catalogue_names_experiments() -> None:
    (ready,) = catalogue(CatalogueJob())
    assert isinstance(ready, CatalogueReady)
    assert NAME in {card.name for card in ready.experiments}
    assert "cgnn" in {card.name for card in ready.cards}
