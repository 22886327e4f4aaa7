"""No compute process outlives the program, however the program ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crystalgui import worker
from crystalgui.core.messages import LogLine
from crystalgui.engine.runners import ProcessRunner
from crystalgui.engine.work import Run
from tests.engine import jobs
from tests.engine.conftest import alive

CHECKOUT = Path(__file__).resolve().parents[2]


def _program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.grandparent", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_the_child_follows_a_killed_program(qtbot, how: signal.Signals) -> None:  # type: ignore[no-untyped-def]
    with _program() as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert alive(pid)
        os.kill(program.pid, how)
        program.wait()
    qtbot.waitUntil(lambda: not alive(pid))


def test_a_program_that_forgets_its_child_still_ends_it(qtbot) -> None:  # type: ignore[no-untyped-def]
    with _program("forget") as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert program.wait(timeout=20) == 0
    qtbot.waitUntil(lambda: not alive(pid))


def test_the_end_of_the_pipe_ends_a_busy_worker() -> None:
    """Without any help of the kernel: `serve` alone notices."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.serve, args=(theirs, "tests.engine.jobs:HANDLERS"))
    process.start()
    theirs.close()
    ours.send(Run(jobs.EndlessJob(job_id="e")))
    assert ours.poll(30)
    ours.close()
    process.join(10)
    assert process.exitcode == 0


def test_the_end_of_the_pipe_ends_a_stuck_worker() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.serve, args=(theirs, "tests.engine.jobs:HANDLERS"))
    process.start()
    theirs.close()
    ours.send(Run(jobs.StuckJob(job_id="s")))
    while not any(isinstance(e, LogLine) for e in ours.recv()):
        pass
    ours.close()
    process.join(worker.ORPHAN_SECONDS + 10)
    assert process.exitcode == 1


def test_ctrl_c_is_the_parents_affair() -> None:
    runner = ProcessRunner(lambda: None, handlers="tests.engine.jobs:HANDLERS")
    runner.start()
    runner.run(jobs.PidJob(job_id="p"))
    runner.mailbox.wait()
    assert runner.pid is not None
    os.kill(runner.pid, signal.SIGINT)
    runner.run(jobs.CountJob(job_id="c", n=1))
    seen: list[object] = []
    while not any(getattr(e, "job_id", "") == "c" and type(e).__name__ == "Done" for e in seen):
        runner.mailbox.wait()
        seen += runner.mailbox.take()
    runner.close()
    assert runner.join(10.0)
