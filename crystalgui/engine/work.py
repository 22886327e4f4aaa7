"""How one job is done, the same in the compute process and in a thread.

A job is a generator of events: each ``yield`` is progress and a cancel point.
`perform` stamps the events with the job's id and ends with exactly one
outcome.  No Qt here: the worker uses this module too.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from crystalgui.core import errors
from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import (
    Crashed,
    Done,
    ErrorInfo,
    Event,
    Failed,
    Job,
    LogLine,
    RunCreated,
    Started,
    Stopped,
)
from crystalgui.core.stopping import stoppable

BATCHES_PER_SECOND = 30
OUTCOMES = (Done, Stopped, Failed, Crashed)
Handlers = Mapping[type[Job], str]


class Flag(Protocol):
    """What a generator polls to stop gently: a ``threading.Event`` does."""

    def is_set(self) -> bool:
        """Whether it was raised."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A job with its two flags, which other threads raise."""

    job: Job
    stop: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End at the next yield."""
        self.cancelled.set()
        self.stop.set()


@dataclass(frozen=True, slots=True)
class Run:
    """Parent to worker: do this job."""

    job: Job


@dataclass(frozen=True, slots=True)
class Cancel:
    """Parent to worker: end this job at its next yield."""

    job_id: str


@dataclass(frozen=True, slots=True)
class StopSoft:
    """Parent to worker: end this job when it suits it (after the epoch)."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Close:
    """Parent to worker: leave when the jobs so far have ended."""


def resolve(name: str) -> Any:
    """The object called ``"package.module:attribute"``."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _begin(task: Task, handlers: Handlers) -> Generator[Event, None, None]:
    """Import the handler of a job and call it."""
    name = handlers.get(type(task.job))
    if name is None:
        raise ResourceError(
            f"The worker does not know how to do {type(task.job).__name__}.",
            "Install the same version of every part of the program.",
        )
    function: Callable[..., Generator[Event, None, None]] = resolve(name)
    if len(inspect.signature(function).parameters) > 1:
        return function(task.job, task.stop)
    return function(task.job)


def perform(
    task: Task, handlers: Handlers, prepare: Callable[[Job], None] | None = None
) -> Iterator[Event]:
    """Do a job; yields its events, the last of which is its only outcome.

    Parameters
    ----------
    task : Task
    handlers : mapping of job type to ``"module:function"``
        The function takes the job, or the job and the stop flag, and returns
        a generator of events.  It may yield its own outcome (e.g. `Stopped`
        with the run to resume), which ends it.
    prepare : callable, optional
        Called with the job before its handler (threads, devices).
    """
    job_id = task.job.job_id
    yield Started(job_id=job_id, title=task.job.title)
    run_id = getattr(task.job, "run_id", "")
    outcome: Event | None = None
    generator: Generator[Event, None, None] | None = None
    try:
        if prepare is not None:
            prepare(task.job)
        if not task.cancelled.is_set():
            generator = _begin(task, handlers)
            for event in _events(generator, task.cancelled):
                if isinstance(event, OUTCOMES):
                    outcome = event
                    break
                if isinstance(event, RunCreated):
                    run_id = event.run_id
                yield replace(event, job_id=job_id)
                if task.cancelled.is_set():
                    break
        if generator is not None:
            generator.close()
    except errors.Stopped:  # what somebody asked for; `outcome` says so below
        task.cancelled.set()
    except (Exception, SystemExit) as error:
        logging.getLogger(__name__).exception("%s failed", task.job.title)
        info = ErrorInfo.of(error)
        if task.cancelled.is_set():
            yield LogLine(job_id=job_id, text=f"While stopping: {info.title}", level="warning")
        else:
            outcome = Failed(error=info)
    if outcome is None:
        outcome = Stopped(run_id=run_id) if task.cancelled.is_set() else Done()
    yield replace(outcome, job_id=job_id)


def _events(generator: Generator[Event, None, None], cancelled: threading.Event) -> Iterator[Event]:
    """The events of a job; long physics between two of them looks at the flag, too."""
    while True:
        with stoppable(cancelled):
            event = next(generator, None)
        if event is None:
            return
        yield event
