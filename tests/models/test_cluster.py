"""The same rows from a cluster, also when one of its workers is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import ClassifyJob, Predicted, Prediction
from crystalgui.core.models import cluster, screening
from crystalgui.core.models.screening import classify
from crystalgui.core.structures.files import write_poscar
from tests.models.samples import crystals
from tests.models.test_predict import model


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """A scheduler with two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as local:
        yield local


@pytest.fixture
def job(tmp_path: Path) -> ClassifyJob:
    folder = tmp_path / "files"
    folder.mkdir()
    for i, crystal in enumerate(crystals(40)):
        write_poscar(crystal, folder / f"{i:02}.vasp")
    (folder / "07.vasp").write_text("broken")
    names = str(model(tmp_path / "phase", members=2)), str(model(tmp_path / "e", task="regression"))
    return ClassifyJob(paths=(folder,), models=names, device="cpu")


def rows_of(job: ClassifyJob, after: Any = lambda rows: None) -> list[Prediction]:
    rows: list[Prediction] = []
    for event in classify(job):
        if isinstance(event, Predicted):
            rows.extend(event.rows)
            after(rows)
    return rows


@pytest.mark.timeout(180)
def test_a_killed_worker_loses_nothing(
    job: ClassifyJob, workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "CHUNK", 4)
    killed: list[int] = []

    def kill(rows: list[Prediction]) -> None:
        if not killed:
            killed.append(next(iter(workers.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    there = replace(job, scheduler=workers.scheduler_address, out=tmp_path / "there.csv")
    rows = rows_of(there, kill)
    assert killed
    here = rows_of(replace(job, out=tmp_path / "here.csv"))
    assert [row.file for row in rows] == [row.file for row in here]
    assert [row.error for row in rows] == [row.error for row in here]
    for a, b in zip(rows, here, strict=True):
        for one, other in zip(a.answers, b.answers, strict=True):
            assert (one.model, one.prediction[:5]) == (other.model, other.prediction[:5])
    assert (tmp_path / "there.csv").read_text().count("\n") == 41


def test_a_scheduler_that_is_not_there(job: ClassifyJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "no address"):
        with pytest.raises(ResourceError, match="no Dask scheduler"):
            rows_of(replace(job, scheduler=address))


def test_a_scheduler_without_workers(job: ClassifyJob, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(cluster, "CONNECT", 1.0)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(ResourceError, match="no workers"),
    ):
        rows_of(replace(job, scheduler=empty.scheduler_address))
