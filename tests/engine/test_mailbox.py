"""Coalescing: the latest of each measure, and every one of the rest."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.messages import Done, EpochMetrics, Event, LogLine, Progress, StepMetrics
from crystalgui.engine.mailbox import Mailbox, coalescing_key

JOBS = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(0, 10_000)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Progress, job_id=JOBS, done=NUMBERS),
    st.builds(
        StepMetrics,
        job_id=JOBS,
        run_id=st.sampled_from(["r", "s"]),
        step=NUMBERS,
        epoch=st.just(0.0),
        loss=st.just(0.0),
        samples_per_second=st.just(0.0),
    ),
    st.builds(LogLine, job_id=JOBS, text=st.text(max_size=3)),
    st.builds(EpochMetrics, job_id=JOBS, run_id=st.just("r"), epoch=NUMBERS, values=st.just({})),
    st.builds(Done, job_id=JOBS),
)


def is_subsequence(short: list[Event], long: list[Event]) -> bool:
    rest = iter(long)
    return all(any(event is other for other in rest) for event in short)


@given(st.lists(st.lists(EVENTS, max_size=20), max_size=8))
def test_nothing_is_lost_that_must_not_be(bursts: list[list[Event]]) -> None:
    box = Mailbox()
    for burst in bursts:
        assert box.extend(burst) == bool(burst)
        taken = box.take()
        assert is_subsequence(taken, burst)
        kept = [e for e in burst if coalescing_key(e) is None]
        assert [e for e in taken if coalescing_key(e) is None] == kept
        latest: dict[Hashable, Event] = {
            key: e for e in burst if (key := coalescing_key(e)) is not None
        }
        measures = {coalescing_key(e): e for e in taken if coalescing_key(e) is not None}
        assert measures == latest
        assert len(taken) == len(kept) + len(latest)
        assert box.take() == []


def test_a_million_measures_take_no_room() -> None:
    box = Mailbox()
    for i in range(100_000):
        box.put(Progress(job_id="a", done=i))
    assert len(box) == 1
    assert box.take()[0] == Progress(job_id="a", done=99_999)


def test_threads_lose_nothing() -> None:
    box = Mailbox()
    taken: list[Event] = []

    def consume() -> None:
        while box.wait():
            taken.extend(box.take())

    def produce(name: str) -> None:
        for i in range(2000):
            box.put(LogLine(job_id=name, text=str(i)), Progress(job_id=name, done=i))

    consumer = threading.Thread(target=consume)
    producers = [threading.Thread(target=produce, args=(n,)) for n in "abcd"]
    for thread in (consumer, *producers):
        thread.start()
    for thread in producers:
        thread.join()
    box.close()
    consumer.join()
    for name in "abcd":
        lines = [e.text for e in taken if isinstance(e, LogLine) and e.job_id == name]
        assert lines == [str(i) for i in range(2000)]
        done = [e.done for e in taken if isinstance(e, Progress) and e.job_id == name]
        assert done == sorted(done)
        assert done[-1] == 1999
