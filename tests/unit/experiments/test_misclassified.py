"""Lists of misclassified crystals are found in the project and with the program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.experiments import missed, results
from crystalgui.core.experiments.results import Marker, Record, Table, save_record
from crystalgui.core.reports.second_look import read_list
from crystalgui.core.store.encode import to_plain

TEXT = "id,formula,space group,label,NNN\n1,YN,225,SEBR,LCEBR\n"
RECORD = Record(
    name="misclassified",
    preset="quick",
    device="cpu",
    date="2026-11-20",
    minutes=1.0,
    command="",
    tables=(Table(name="missed", title="Crystals", file="tables/missed.csv"),),
)


def run_in(folder: Path, record: Record) -> Path:
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "missed.csv").write_text(TEXT)
    marker = Marker(name=record.name, preset=record.preset, device="cpu")
    (folder / "experiment.json").write_text(json.dumps(to_plain(marker, folder)))
    data = folder / "steps" / "project" / ".crystalgui" / "datasets" / "tqc-4000"
    data.mkdir(parents=True)
    (data / "dataset.json").write_text("{}")
    save_record(folder, record)
    return folder


def test_lists_of_runs_and_of_records_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "resource", (tmp_path / "resources").joinpath)
    home = tmp_path / "experiments"
    assert missed.missed_lists(home) == ()
    quick = run_in(home / "misclassified-quick", RECORD)
    full = replace(RECORD, preset="full", date="2026-11-21")
    run_in(home / "misclassified-full", full)
    (home / "misclassified-cut").mkdir()
    (home / "misclassified-cut" / "experiment.json").write_text("{")
    results.keep_record(quick)
    found = missed.missed_lists(home)
    assert [one.title for one in found] == [
        "full, run of 2026-11-21", "quick, run of 2026-11-20", "quick-cpu, recorded",
    ]  # fmt: skip
    assert [d.name for d in found[1].datasets] == ["tqc-4000"]
    assert found[2].datasets == ()
    assert missed.list_of(quick, RECORD) == found[1].path
    assert missed.list_of(quick, None) is None
    assert missed.recorded_list("misclassified", "quick") == found[2].path
    assert missed.recorded_list("misclassified", "full") is None
    assert all(read_list(one.path).crystals[0].formula == "YN" for one in found)
