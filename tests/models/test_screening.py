"""Several models at once, and a table that survives being cut off."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.records import describe
from crystalgui.core.errors import DataError, ResourceError
from crystalgui.core.messages import ClassifyJob, LogLine, Predicted, Prediction
from crystalgui.core.models import screening
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.screening import classify
from crystalgui.core.reports.csv import COLUMNS, read_predictions
from crystalgui.core.structures.files import collect, write_poscar
from tests.models.samples import crystals
from tests.models.test_predict import model


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for i, crystal in enumerate(crystals(24)):
        write_poscar(crystal, folder / f"{i:02}.vasp")
    (folder / "07.vasp").write_text("broken")
    return folder


@pytest.fixture
def job(tmp_path: Path, files: Path) -> ClassifyJob:
    classes, energy = model(tmp_path / "phase", members=2), model(tmp_path / "e", task="regression")
    return ClassifyJob(
        paths=(files,), models=(str(classes), str(energy)), device="cpu", out=tmp_path / "out.csv"
    )


def rows_of(job: ClassifyJob, most: int = 1000) -> list[Prediction]:
    """Rows of a job, which is cut off when there are so many."""
    rows: list[Prediction] = []
    events = classify(job)
    for event in events:
        if isinstance(event, Predicted):
            rows.extend(event.rows)
            if len(rows) >= most:
                events.close()
                break
    return rows


def test_one_row_a_crystal_with_the_answer_of_every_model(job: ClassifyJob) -> None:
    rows = rows_of(job)
    assert len(rows) == 24
    assert [bool(row.error) for row in rows].count(True) == 1
    alone = [rows_of(replace(job, models=(name,), out=None)) for name in job.models]
    for row, *parts in zip(rows, *alone, strict=True):
        for answer, part in zip(row.answers, parts, strict=not row.error):
            assert (answer.model, answer.prediction) == (part.model, part.prediction)
            assert answer.probabilities == part.probabilities
    first, second = rows[0].answers
    assert (first.model, second.model) == ("phase", "e")
    assert 0 <= first.spread < 1
    assert second.prediction == f"{second.value:.4f} eV"
    assert second.spread != second.spread  # one network alone


def test_the_table_has_columns_for_each_model(job: ClassifyJob) -> None:
    rows = rows_of(job)
    assert job.out is not None
    header = job.out.read_text().splitlines()[0].split(",")
    assert tuple(header[: len(COLUMNS)]) == COLUMNS
    assert header[len(COLUMNS) :][::4] == ["phase: prediction", "e: prediction"]
    found = read_predictions(job.out)
    for row, read in zip(rows, found, strict=True):
        assert (read.file, read.error) == (row.file, row.error)
        for a, b in zip(row.answers, read.answers, strict=True):
            assert (a.model, a.prediction) == (b.model, b.prediction)
            assert b.spread == pytest.approx(a.spread, abs=1e-4, nan_ok=True)
    assert not list(job.out.parent.glob("*.part"))


def test_a_name_that_is_no_text_is_a_row_and_is_gone_on_after(
    job: ClassifyJob, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        (files / "23.vasp").rename(files / os.fsdecode(b"23-\xff.vasp"))
        (files / "22.vasp").rename(files / os.fsdecode(b"23-\xfe.vasp"))
    except OSError:
        return  # a file system that has no such names
    whole = rows_of(job)
    wanted = ["23-\ufffd.vasp", f"{files.name}/23-\ufffd.vasp"]
    assert [row.file for row in whole[-2:]] == wanted
    assert job.out is not None
    table = job.out.read_bytes()
    job.out.unlink()
    monkeypatch.setattr(screening, "CHUNK", 23)
    rows_of(job, most=23)
    events = list(classify(job))
    assert [e.text for e in events if isinstance(e, LogLine)] == [
        "23 crystals were classified before."
    ]
    assert job.out.read_bytes() == table


def test_one_model_keeps_the_plain_columns(job: ClassifyJob) -> None:
    one = replace(job, models=job.models[:1])
    rows_of(one)
    assert one.out is not None
    assert one.out.read_text().splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize("damage", [b"", b"half a li"])
def test_a_job_that_was_cut_off_goes_on(
    job: ClassifyJob, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows_of(job)
    assert job.out is not None
    wanted = job.out.read_bytes()
    job.out.unlink()
    monkeypatch.setattr(screening, "CHUNK", 5)
    assert len(rows_of(job, most=10)) == 10
    assert not job.out.exists()
    part = job.out.with_name("out.csv.part")
    part.write_bytes(part.read_bytes() + damage)
    events = list(classify(job))
    said = [event.text for event in events if isinstance(event, LogLine)]
    assert said == ["10 crystals were classified before."]
    rows = [row for event in events if isinstance(event, Predicted) for row in event.rows]
    assert [row.file for row in rows] == [row.file for row in whole]
    assert job.out.read_bytes() == wanted
    for row, read in zip(whole, rows, strict=True):
        assert read.atoms == row.atoms
        assert [a.target for a in read.answers] == [a.target for a in row.answers]
        for a, b in zip(row.answers, read.answers, strict=True):
            assert [name for name, _ in b.coarse] == [name for name, _ in a.coarse]
            assert [p for _, p in b.coarse] == pytest.approx([p for _, p in a.coarse], abs=2e-4)


def test_rows_that_are_read_back_say_which_answers_are_defaults(
    job: ClassifyJob, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(job, models=job.models[:1], paths=(files / "00.vasp", files / "03.vasp"))
    large = [describe(read()).crystal.n_atoms > 2 for _, read in collect(one.paths)]
    monkeypatch.setattr(Classifier, "beyond", lambda _, records: np.diff(records.offsets) > 2)
    rows_of(one, most=2)
    assert large == [False, True]
    read = rows_of(one)
    assert [row.answers[0].default for row in read] == large
    assert [row.atoms for row in read] == [2, 5]


def test_a_table_of_other_models_or_files_is_begun_anew(
    job: ClassifyJob, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "CHUNK", 5)
    rows_of(job, most=10)
    events = list(classify(replace(job, models=job.models[::-1])))
    assert not any(isinstance(event, LogLine) for event in events)
    rows_of(job, most=10)
    (files / "00.vasp").rename(files / "zz.vasp")
    events = list(classify(job))
    assert not any(isinstance(event, LogLine) for event in events)
    assert job.out is not None
    assert read_predictions(job.out)[-1].file.endswith("zz.vasp")


def test_what_cannot_be_done_is_refused_before_the_work(job: ClassifyJob, tmp_path: Path) -> None:
    with pytest.raises(ResourceError):
        rows_of(replace(job, out=tmp_path))
    with pytest.raises(DataError, match="No model"):
        rows_of(replace(job, models=()))
