"""Training in the real compute process: killed, resumed to the bit, stopped, cancelled."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.messages import (
    Crashed,
    Done,
    EpochMetrics,
    RunCreated,
    SplitSpec,
    Stopped,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.store.project import Project
from crystalgui.engine.runners import ProcessRunner
from tests.engine.conftest import Recorder
from tests.models.samples import dataset

MANY = 200


@pytest.fixture
def recipe(tmp_path: Path) -> TrainRecipe:
    return TrainRecipe(
        model="cgnn",
        dataset=dataset(tmp_path / "data", 40).summary.folder,
        params={"width": 8, "wide": 16, "depth": 1, "gaussians": 4, "dropout": 0.2},
        epochs=MANY,
        batch_size=16,
        device="cpu",
        threads=1,
        seed=3,
        split=SplitSpec(validation=0.2, test=0.2),
    )


def _epochs(recorder: Recorder, job_id: str) -> list[EpochMetrics]:
    return [e for e in recorder.events(job_id) if isinstance(e, EpochMetrics)]


def _run_id(recorder: Recorder, job_id: str) -> str:
    (created,) = (e for e in recorder.events(job_id) if isinstance(e, RunCreated))
    return created.run_id


def _losses(project: Path, run_id: str) -> dict[int, float]:
    with Project.open(project) as opened:
        rows = opened.run(run_id).metrics()
    losses = [(int(r["epoch"]), r["train/loss"]) for r in rows if "train/loss" in r]
    assert len(dict(losses)) == len(losses), "an epoch twice"
    return dict(losses)


def test_trained_to_the_end(real: Recorder, recipe: TrainRecipe, tmp_path: Path) -> None:
    job_id, outcome = real.run(TrainJob(project=tmp_path, recipe=replace(recipe, epochs=2)))
    assert isinstance(outcome, Done), outcome
    with Project.open(tmp_path) as project:
        run = project.run(_run_id(real, job_id))
        assert (run.status, run.epochs) == ("done", 2)
        (model,) = project.models()
        assert (Path(model.folder) / "model.safetensors").is_file()


def test_a_cancelled_run_is_kept_and_free(
    real: Recorder, recipe: TrainRecipe, tmp_path: Path
) -> None:
    job_id = real.begun(TrainJob(project=tmp_path, recipe=recipe), "EpochMetrics")
    real.engine.cancel(job_id)
    outcome = real.outcome(job_id)
    assert isinstance(outcome, Stopped)
    with Project.open(tmp_path) as project:
        run = project.run(outcome.run_id)
        assert run.status == "stopped"
        assert not run.is_live
        run.bin()


def test_killed_while_training_and_resumed_to_the_bit(
    real: Recorder, recipe: TrainRecipe, tmp_path: Path
) -> None:
    job_id = real.begun(TrainJob(project=tmp_path, recipe=recipe), "EpochMetrics")
    runner = real.engine._supervisor._runner
    assert isinstance(runner, ProcessRunner)
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGKILL)
    outcome = real.outcome(job_id)
    assert isinstance(outcome, Crashed)
    assert outcome.exit_code == -signal.SIGKILL
    run_id = _run_id(real, job_id)
    with Project.open(tmp_path) as project:
        (run,) = project.runs(status="interrupted")
        assert run.id == run_id
        reached = run.state()["epoch"]
    assert 1 <= reached < MANY

    again = TrainJob(project=tmp_path, recipe=recipe, run_id=run_id)
    job_id = real.engine.submit(again)
    real.wait_for(lambda: len(_epochs(real, job_id)) >= 3 or job_id in real.outcomes)
    assert job_id not in real.outcomes, real.outcomes[job_id]
    real.engine.stop_soft(job_id)
    assert real.outcome(job_id) == Stopped(job_id=job_id, run_id=run_id)
    broken = _losses(tmp_path, run_id)
    assert list(broken) == list(range(1, len(broken) + 1))
    assert len(broken) > reached

    whole = TrainJob(project=tmp_path, recipe=recipe)
    job_id = real.engine.submit(whole)
    real.wait_for(lambda: len(_epochs(real, job_id)) >= len(broken))
    real.engine.cancel(job_id)
    assert isinstance(real.outcome(job_id), Stopped)
    unbroken = _losses(tmp_path, _run_id(real, job_id))
    assert [unbroken[epoch] for epoch in broken] == list(broken.values())


@pytest.mark.parametrize("where", ["save_state", "append_metrics"])
def test_killed_between_checkpoint_and_row_no_epoch_is_missing(
    recipe: TrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The death of the process is played by an error at the worst moments."""
    from crystalgui.core.store.run import Run
    from crystalgui.core.training import checkpoint
    from crystalgui.core.training.session import train

    owner = checkpoint if where == "save_state" else Run
    real, calls = getattr(owner, where), []

    def die_at_the_third(*arguments: object, **keywords: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    monkeypatch.setattr(owner, where, die_at_the_third)
    job = TrainJob(project=tmp_path, recipe=replace(recipe, epochs=5))
    with pytest.raises(KeyboardInterrupt):
        list(train(job))
    monkeypatch.undo()
    with Project.open(tmp_path) as project:
        (run,) = project.runs()
    list(train(replace(job, run_id=run.id)))
    assert list(_losses(tmp_path, run.id)) == [1, 2, 3, 4, 5]
