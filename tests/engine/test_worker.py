"""The worker's own door: every job has a handler, and the real process answers."""

from __future__ import annotations

import inspect
import os
import threading
from pathlib import Path

import pytest

from crystalgui import worker
from crystalgui.core import messages
from crystalgui.core.messages import (
    CatalogueJob,
    CatalogueReady,
    ClassifyJob,
    Done,
    Failed,
    ImportJob,
    Job,
    LogLine,
    Progress,
    Started,
    Stopped,
    TrainJob,
    TrainRecipe,
)
from crystalgui.engine.work import Task, perform, resolve
from tests.engine import jobs
from tests.engine.conftest import Recorder


def test_every_job_has_a_handler() -> None:
    every = {
        kind
        for kind in vars(messages).values()
        if inspect.isclass(kind) and issubclass(kind, Job) and kind is not Job
    }
    assert set(worker.HANDLERS) == every


@pytest.mark.parametrize("kind", worker.HANDLERS, ids=lambda k: k.__name__)
def test_every_handler_is_a_generator_of_its_job(kind: type[Job]) -> None:
    function = resolve(worker.HANDLERS[kind])
    assert inspect.isgeneratorfunction(function)
    first, *others = inspect.signature(function, eval_str=True).parameters.values()
    assert first.annotation is kind
    assert len(others) <= 1


def test_the_real_process_answers_and_refuses(real: Recorder, tmp_path: Path) -> None:
    """Catalogue, then three requests that cannot be met: clear failures, one process."""
    real.engine.warm()
    job_id, outcome = real.run(CatalogueJob())
    assert isinstance(outcome, Done), outcome
    (ready,) = (e for e in real.events(job_id) if isinstance(e, CatalogueReady))
    assert "cgnn" in {card.name for card in ready.cards}
    assert "cpu" in {name for name, _ in ready.devices}
    for job in (
        ImportJob(project=tmp_path, source=tmp_path / "no", labels=tmp_path / "no.csv", name="n"),
        TrainJob(project=tmp_path, recipe=TrainRecipe(model="cgnn", dataset=tmp_path / "no")),
        ClassifyJob(paths=(tmp_path,), models=("no such model",)),
    ):
        _, outcome = real.run(job)
        assert isinstance(outcome, Failed), job
        assert outcome.error.kind == "input", outcome.error
        assert outcome.error.hint


def test_threads_are_chosen_before_the_libraries_load(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    cores = worker.physical_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    worker.prepare(jobs.CountJob())
    assert os.environ["OMP_NUM_THREADS"] == str(cores)
    recipe = TrainRecipe(model="m", dataset=Path("d"), threads=3)
    worker.prepare(TrainJob(project=Path("p"), recipe=recipe))
    assert os.environ["OMP_NUM_THREADS"] == "3"


# ------------------------------------------------------- one job, without a process


def _perform(job: Job, *, cancel_at: int = -1) -> list[messages.Event]:
    task = Task(job)
    seen = []
    for event in perform(task, jobs.HANDLERS):
        seen.append(event)
        if len(seen) == cancel_at:
            task.cancel()
    return seen


def test_events_carry_the_id_of_their_job() -> None:
    seen = _perform(jobs.CountJob(job_id="j"))
    assert {e.job_id for e in seen} == {"j"}
    assert isinstance(seen[0], Started)
    assert isinstance(seen[-1], Done)


def test_cancelled_before_it_began_nothing_is_done() -> None:
    seen = _perform(jobs.CountJob(job_id="j"), cancel_at=1)
    assert [type(e) for e in seen] == [Started, Stopped]


def test_cancelled_in_long_physics_between_two_yields() -> None:
    class Later(threading.Event):
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks > 10

    task = Task(jobs.PhysicsJob(job_id="j"), cancelled=Later())
    seen = list(perform(task, jobs.HANDLERS))
    assert [type(e) for e in seen] == [Started, Progress, Stopped]


def test_cancelled_at_a_yield(tmp_path: Path) -> None:
    seen = _perform(jobs.EndlessJob(job_id="j", marker=tmp_path / "m"), cancel_at=3)
    assert seen[-1] == Stopped(job_id="j", run_id="run-7")
    assert len(seen) == 4
    assert (tmp_path / "m").read_text() == "tidy"


def test_an_error_while_stopping_is_a_warning(tmp_path: Path) -> None:
    seen = _perform(jobs.EndlessJob(job_id="j", marker=tmp_path), cancel_at=3)  # a folder
    assert isinstance(seen[-2], LogLine)
    assert seen[-2].level == "warning"
    assert seen[-1] == Stopped(job_id="j", run_id="run-7")


def test_a_job_that_ends_by_itself_is_done_even_when_asked_to_stop() -> None:
    task = Task(jobs.CountJob(job_id="j"))
    task.stop.set()
    assert isinstance(list(perform(task, jobs.HANDLERS))[-1], Done)
    assert isinstance(task.stop, threading.Event)
