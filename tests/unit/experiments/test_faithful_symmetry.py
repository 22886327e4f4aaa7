"""The experiment on space groups: who may take part, and a whole run on made-up crystals."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.records import describe
from crystalgui.core.experiments import faithful_symmetry
from crystalgui.core.experiments.faithful_symmetry import (
    BINS,
    Entry,
    Size,
    _bins,
    _point_groups,
    entries,
)
from crystalgui.core.experiments.results import load_record
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import ExperimentJob, ExperimentReady
from crystalgui.core.models import _registry as registry
from crystalgui.core.structures.poscar import format_poscar
from tests.models.samples import crystals


def test_who_takes_part_is_not_told_the_symmetry() -> None:
    rows, refused = entries()
    keys = [e.key for e in rows]
    assert keys[:4] == ["nnn", "cgnn", "ccnn", "cann"]
    assert len(set(keys)) == len(keys)
    assert "Majority class, median or mean" not in refused
    for entry in rows:
        params, _ = registry.settings(entry.model, entry.preset, entry.params)
        assert not registry.family(entry.model).knows_symmetry(params)


def test_point_groups_are_sums_of_space_groups() -> None:
    classes = ("1", "2", "194", "225", "227")
    p = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]])
    summed, of = _point_groups(p, classes)
    assert summed.sum() == pytest.approx(1)
    assert of.tolist() == [0, 1, 26, 31, 31]
    assert summed[0, 31] == pytest.approx(0.4)
    assert summed[0].argmax() == 31


def test_bins_have_names() -> None:
    assert _bins() == ["0", "1", "2 to 4", "5 to 19", "20 to 99", "100 or more"]
    assert len(_bins()) == len(BINS) - 1


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up crystals where the experiment looks for those of the Materials Project."""
    folder = tmp_path / "data" / "mp_tqc"
    folder.mkdir(parents=True)
    items = crystals(60, 4)
    with zipfile.ZipFile(folder / "POSCAR.zip", "w") as archive:
        for i, item in enumerate(items):
            archive.writestr(f"POSCAR/{i}.POSCAR", format_poscar(item))
    with open(folder / "space_group.csv", "w", newline="") as stream:
        rows = [[i, describe(item).space_group] for i, item in enumerate(items)]
        csv.writer(stream).writerows([["id", "label"], *rows])
    monkeypatch.setenv("CRYSTALGUI_DATA", str(folder.parent))
    return folder


def test_a_run_ends_in_tables_and_goes_on(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Entry("ccnn", "Convolution", "ccnn", "geometry", {"width": 2, "wide": 8})
    monkeypatch.setattr(faithful_symmetry, "entries", lambda: ((one,), ("Somebody",)))
    monkeypatch.setitem(faithful_symmetry.SIZES, "quick", Size(55, 2))
    job = ExperimentJob(name="faithful-symmetry", preset="quick", device="cpu", out=tmp_path / "o")
    events = list(run_experiment(job))
    assert isinstance(events[-1], ExperimentReady)
    record = load_record(tmp_path / "o")
    numbers = {m.name: m for m in record.numbers}
    assert numbers["space group: Convolution"].published == 79.0
    assert 0 <= numbers["point group by summing: Convolution"].value <= 100
    assert any("Somebody" in line for line in record.differs)
    assert {t.name for t in record.tables} == {"accuracy", "details", "support"}
    with open(tmp_path / "o" / "tables" / "support.csv", newline="") as stream:
        tests = sum(int(row["test crystals"]) for row in csv.DictReader(stream))
    assert 4 <= tests <= 7
    kinds = Counter(type(event).__name__ for event in run_experiment(job))
    assert kinds["RunCreated"] == 0
