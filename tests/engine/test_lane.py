"""The interactive lane: latest wins, turns are fair, the window is never blocked."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QObject, QThread

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import ErrorInfo
from crystalgui.core.physics.bloch import over_chunks
from crystalgui.core.stopping import check
from crystalgui.engine.heartbeat import Heartbeat
from crystalgui.engine.lane import Lane


@pytest.fixture
def lane(qtbot) -> Iterator[Lane]:  # type: ignore[no-untyped-def]
    made = Lane()
    yield made
    assert made.shutdown()


class Gate:
    """Work that waits until the test opens it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()

    def __call__(self, value: object = None) -> object:
        self.entered.set()
        assert self.open.wait(20)
        return value


def test_an_answer_comes_in_the_windows_thread(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    here = QThread.currentThread()
    told: list[tuple[object, bool, bool]] = []

    def work(matrix: np.ndarray, *, power: int) -> tuple[np.ndarray, bool]:
        return np.linalg.matrix_power(matrix, power), QThread.currentThread() is here

    lane.ask(
        "bands",
        work,
        np.diag([1.0, 2.0]),
        power=3,
        on_answer=lambda a: told.append((a[0][1, 1], a[1], QThread.currentThread() is here)),
    )
    assert lane.busy
    qtbot.waitUntil(lambda: bool(told))
    assert told == [(8.0, False, True)]
    assert not lane.busy


def test_a_thousand_quick_asks_become_a_few(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    gate, done, told = Gate(), [], []
    lane.ask("slice", gate, -1, on_answer=told.append)
    assert gate.entered.wait(20)
    start = time.perf_counter()
    for i in range(1000):
        lane.ask("slice", lambda i=i: done.append(i) or i, on_answer=told.append)
    assert time.perf_counter() - start < 0.5  # asking costs the window microseconds
    gate.open.set()
    qtbot.waitUntil(lambda: not lane.busy)
    assert done == [999]
    assert told == [-1, 999]


def test_channels_take_turns(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    """A slider that is dragged without end does not starve the others."""
    gate, order = Gate(), []
    lane.ask("first", gate, on_answer=lambda _: None)
    assert gate.entered.wait(20)

    def drag(step: int) -> int:
        order.append("slider")
        return step

    def again(step: int) -> None:
        if step < 50:
            lane.ask("slider", drag, step + 1, on_answer=again)

    lane.ask("slider", drag, 0, on_answer=again)
    lane.ask("bands", order.append, "bands", on_answer=lambda _: None)
    lane.ask("slider", drag, 1, on_answer=again)
    lane.ask("symmetry", order.append, "symmetry", on_answer=lambda _: None)
    gate.open.set()
    qtbot.waitUntil(lambda: not lane.busy)
    assert order[:3] == ["slider", "bands", "symmetry"]
    assert len(order) == 52


def test_errors_are_told_or_announced(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    told: list[ErrorInfo] = []
    announced: list[ErrorInfo] = []
    lane.failed.connect(announced.append)

    def work() -> None:
        raise PhysicsError("The gap closes.", "Choose another occupation.")

    lane.ask("gap", work, on_answer=lambda _: told.append("?"), on_error=told.append)
    lane.run(lambda: 1 / 0, on_answer=lambda _: told.append("?"))
    qtbot.waitUntil(lambda: bool(told and announced))
    assert told == [
        ErrorInfo(title="The gap closes.", hint="Choose another occupation.", kind="input")
    ]
    assert announced[0].title == "Unexpected ZeroDivisionError: division by zero"


def test_a_destroyed_receiver_is_not_called(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    class Receiver(QObject):
        def take(self, answer: object) -> None:
            told.append(answer)

    told: list[object] = []
    gate, deleted, kept = Gate(), Receiver(), Receiver()
    lane.ask("gate", gate, on_answer=lambda _: None)
    lane.ask("a", lambda: "a", on_answer=deleted.take)
    lane.ask("b", lambda: "b", on_answer=told.append, owner=deleted)
    lane.ask("c", lambda: 1 / 0, on_answer=kept.take, on_error=told.append, owner=deleted)
    lane.ask("d", lambda: "d", on_answer=kept.take)
    shiboken6.delete(deleted)
    del deleted
    gc.collect()
    gate.open.set()
    qtbot.waitUntil(lambda: not lane.busy)
    assert told == ["d"]


def test_run_does_everything_in_order_and_blocks_no_slider(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    gate, told, quick = Gate(), [], []
    lane.run(gate, "file 0", on_answer=told.append)
    for i in range(1, 100):
        lane.run(str, f"file {i}", on_answer=told.append)
    lane.ask("slice", lambda: "slice", on_answer=quick.append)
    qtbot.waitUntil(lambda: bool(quick))
    assert told == []
    gate.open.set()
    qtbot.waitUntil(lambda: not lane.busy)
    assert told == [f"file {i}" for i in range(100)]


def test_forget_drops_what_waits_and_what_is_under_way(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    gate, told = Gate(), []
    lane.ask("bands", gate, "old", on_answer=told.append)
    assert gate.entered.wait(20)
    lane.ask("bands", str, "older", on_answer=told.append)
    lane.ask("zone", str, "zone", on_answer=told.append)
    lane.forget("bands")
    gate.open.set()
    qtbot.waitUntil(lambda: not lane.busy)
    assert told == ["zone"]


def test_idle_is_said_once_all_is_answered(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    with qtbot.waitSignal(lane.idle):
        for i in range(5):
            lane.run(str, i, on_answer=lambda _: None)
    assert not lane.busy


def test_shutdown_drops_what_waits(qtbot) -> None:  # type: ignore[no-untyped-def]
    lane, gate, told = Lane(), Gate(), []
    lane.run(gate, on_answer=told.append)
    for _ in range(5):
        lane.run(told.append, "worked", on_answer=told.append)
    assert gate.entered.wait(20)
    threading.Timer(0.05, gate.open.set).start()
    assert lane.shutdown()
    lane.ask("late", told.append, "late", on_answer=told.append)
    assert told == []


def test_the_window_stays_awake_while_the_lane_computes(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    heart, told = Heartbeat(), []
    heart.start()
    matrices = np.random.default_rng(0).normal(size=(400, 60, 60))
    for i in range(10):
        lane.ask(f"bands {i}", np.linalg.eigvalsh, matrices, on_answer=told.append)
    qtbot.waitUntil(lambda: len(told) == 10)
    heart.stop()
    assert heart.beats() > 5
    assert heart.worst() < 200


def test_the_heartbeat_sees_a_blocked_thread(qtbot) -> None:  # type: ignore[no-untyped-def]
    heart = Heartbeat()
    heart.start()
    qtbot.waitUntil(lambda: heart.beats() > 2)
    end = time.thread_time() + 0.15
    while time.thread_time() < end:
        pass
    assert heart.worst() > 100  # also before the late beat arrives
    beats = heart.beats()
    qtbot.waitUntil(lambda: heart.beats() > beats)
    assert heart.worst() >= heart.own() > 100
    heart.reset()
    assert heart.own() == 0
    assert heart.worst() < 100
    heart.stop()


def test_long_work_gives_up_when_it_is_forgotten(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    entered, ended, told = threading.Event(), threading.Event(), []

    def endless() -> None:
        entered.set()
        try:
            while True:
                over_chunks(lambda _: None, 40, 10)
        finally:
            ended.set()

    lane.ask("certificate", endless, on_answer=told.append, on_error=told.append, desk="long")
    assert entered.wait(20)
    lane.ask("bands", str, "bands", on_answer=told.append, slow=True)
    qtbot.waitUntil(lambda: told == ["bands"])  # it does not wait behind the long work
    lane.ask("certificate", str, "next", on_answer=told.append, desk="long")
    assert not ended.is_set()  # a newer request waits for its turn
    lane.forget("certificate")
    assert ended.wait(20)
    lane.ask("certificate", str, "again", on_answer=told.append, desk="long")
    qtbot.waitUntil(lambda: told == ["bands", "again"])


def test_cycles_are_collected_in_the_windows_thread_only(lane: Lane, qtbot) -> None:  # type: ignore[no-untyped-def]
    class Knot(QObject):
        def __del__(self) -> None:
            ended.append(QThread.currentThread() is here)

    here, ended, told = QThread.currentThread(), [], []
    knot = Knot()
    knot.itself = knot  # type: ignore[attr-defined]
    del knot
    assert not gc.isenabled()
    lane.ask("busy", lambda: [[i] for i in range(20_000)], on_answer=told.append)
    qtbot.waitUntil(lambda: bool(told))
    assert ended == []  # the lane made enough objects for Python to collect, and it did not
    qtbot.waitUntil(lambda: ended == [True])
    assert lane.shutdown()
    assert gc.isenabled()


def test_shutdown_stops_long_work() -> None:
    lane, entered = Lane(), threading.Event()

    def endless() -> None:
        entered.set()
        while True:
            check()

    lane.ask("certificate", endless, on_answer=lambda _: None, desk="long")
    assert entered.wait(20)
    start = time.perf_counter()
    assert lane.shutdown()
    assert time.perf_counter() - start < 2
