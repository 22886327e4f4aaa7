"""A pool goes with the program that made it."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path

from crystalgui.core import processes
from tests.engine.conftest import alive

CHECKOUT = Path(__file__).resolve().parents[2]


def test_a_pool_dies_with_a_killed_program() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.pool_program"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    ) as program:
        assert program.stdout is not None
        pids = [int(word) for word in program.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        program.kill()
        program.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline


def _watch_without_the_kernel(connection) -> None:  # type: ignore[no-untyped-def]
    processes.die_with = lambda _: None
    processes.end_with_parent()
    connection.send("watching")
    threading.Event().wait(600)


def _middle(connection) -> None:  # type: ignore[no-untyped-def]
    context = multiprocessing.get_context("spawn")
    inner = context.Process(target=_watch_without_the_kernel, args=(connection,))
    inner.start()
    connection.send(inner.pid)
    threading.Event().wait(600)


def test_it_also_works_where_the_kernel_does_not_help() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    middle = context.Process(target=_middle, args=(theirs,))
    middle.start()
    told = []
    while len(told) < 2:
        assert ours.poll(30)
        told.append(ours.recv())
    (pid,) = (word for word in told if isinstance(word, int))
    assert alive(pid)
    middle.kill()
    middle.join(10)
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline


def test_in_a_program_of_its_own_nothing_happens() -> None:
    threads = threading.active_count()
    processes.end_with_parent()
    assert threading.active_count() == threads
