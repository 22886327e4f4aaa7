"""The worker object of the engine's QThread: one job at a time, and no way to hang.

It keeps the queue, feeds the runner, climbs the stop ladder (cancel ->
terminate -> kill) on timers, starts a new process after a crash, and batches
what goes to the window.  It never blocks and never touches the window.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from crystalgui.core.messages import Crashed, ErrorInfo, Event, Job, Stopped
from crystalgui.engine.mailbox import Mailbox
from crystalgui.engine.runners import Died, Runner
from crystalgui.engine.work import BATCHES_PER_SECOND, OUTCOMES

MakeRunner = Callable[[Callable[[], None]], Runner]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Seconds a cancelled job has before each harder step."""

    grace: float = 10.0
    terminate: float = 3.0


class Supervisor(QObject):
    """Lives in the engine's thread; spoken to by queued signals only.

    Parameters
    ----------
    make_runner : callable
        Given what to call when its mailbox fills, makes a runner.
    ladder : Ladder
    """

    arrived = Signal()
    finished = Signal()
    _filled = Signal()

    def __init__(self, make_runner: MakeRunner, ladder: Ladder) -> None:
        super().__init__()
        self.mailbox = Mailbox()
        self.announced = False
        self._make_runner = make_runner
        self._ladder = ladder
        self._patience = ladder.terminate
        self._runner: Runner | None = None
        self._queue: deque[Job] = deque()
        self._job: Job | None = None
        self._last_job: Job | None = None
        self._begun = False
        self._attempts = 0
        self._cancelling = False
        self._leaving = False
        self._last = 0.0
        self._flush = QTimer(self, singleShot=True)
        self._flush.timeout.connect(self._announce)
        self._step = QTimer(self, singleShot=True)
        self._harder: Callable[[], None] | None = None
        self._step.timeout.connect(self._climb)
        self._filled.connect(self._collect)

    # --------------------------------------------------------------- requests

    @Slot(object)
    def submit(self, job: Job) -> None:
        """Queue a job."""
        if self._leaving:
            self._post(Stopped(job_id=job.job_id))
            return
        self._queue.append(job)
        self._next()

    @Slot(str)
    def cancel(self, job_id: str) -> None:
        """End a job now; the ladder makes sure of it."""
        if self._job is not None and self._job.job_id == job_id:
            self._cancel_current(self._ladder.grace)
            return
        for job in tuple(self._queue):
            if job.job_id == job_id:
                self._queue.remove(job)
                self._post(Stopped(job_id=job_id))

    def _cancel_current(self, grace: float) -> None:
        if self._job is None or self._runner is None:
            return
        if not self._cancelling:
            self._cancelling = True
            self._runner.cancel(self._job.job_id)
        self._later(grace, self._terminate)

    @Slot(str)
    def stop_soft(self, job_id: str) -> None:
        """Let a job end when it suits it."""
        if self._job is not None and self._job.job_id == job_id and self._runner is not None:
            self._runner.stop_soft(job_id)
        else:
            self.cancel(job_id)

    @Slot()
    def warm(self) -> None:
        """Start the runner before the first job needs it."""
        if self._runner is None and not self._leaving:
            self._runner = self._make_runner(self._notify)
            self._runner.start()

    @Slot(float)
    def leave(self, seconds: float) -> None:
        """Cancel everything and end; `finished` comes within ``seconds``."""
        if self._leaving:
            return
        self._leaving = True
        self._patience = min(self._ladder.terminate, seconds * 0.3)
        for job in self._queue:
            self._post(Stopped(job_id=job.job_id))
        self._queue.clear()
        if self._runner is None:
            self._end()
            return
        self._runner.close()
        self._cancel_current(seconds * 0.6)
        if self._job is None:
            self._later(seconds * 0.6, self._terminate)

    # ----------------------------------------------------------------- ladder

    def _later(self, seconds: float, harder: Callable[[], None]) -> None:
        self._harder = harder
        self._step.start(int(seconds * 1000))

    def _climb(self) -> None:
        if self._harder is not None:
            self._harder()

    def _terminate(self) -> None:
        if self._runner is not None:
            self._later(self._patience, self._kill)
            self._runner.terminate()

    def _kill(self) -> None:
        if self._runner is not None:
            self._runner.kill()

    # ---------------------------------------------------------------- answers

    def _notify(self) -> None:
        """Called by the runner's thread."""
        with suppress(RuntimeError):  # the program is ending
            self._filled.emit()

    @Slot()
    def _collect(self) -> None:
        """Take what the runner sent; events of other jobs are dropped."""
        if self._runner is None:
            return
        for event in self._runner.mailbox.take():
            if isinstance(event, Died):
                self._bury(event)
                return
            if self._job is not None and event.job_id == self._job.job_id:
                self._begun = True
                self._post(event)
                if isinstance(event, OUTCOMES):
                    self._job_ended()

    def _job_ended(self) -> None:
        self._job = None
        self._cancelling = False
        if not self._leaving:
            self._step.stop()
            self._next()

    def _bury(self, death: Died) -> None:
        """The runner is gone: judge its job, and start a new one if needed."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.join(0.0)
        if self._job is None:
            self._next()
        elif not (self._begun or self._cancelling or self._leaving or self._attempts > 1):
            self._queue.appendleft(self._job)  # it was leaving already: try a fresh one
            self._job = None
            self._next()
        else:
            self._judge(self._job, death)
        if self._leaving:
            self._end()

    def _judge(self, job: Job, death: Died) -> None:
        """The outcome of a job whose runner died."""
        if self._cancelling:
            self._post(Stopped(job_id=job.job_id, run_id=getattr(job, "run_id", "")))
        else:
            info = crash_info(death)
            self._post(Crashed(job_id=job.job_id, error=info, exit_code=death.exit_code))
        if self._begun:  # one that dies at once is not started again until asked
            self.warm()
        self._job_ended()

    def _next(self) -> None:
        if self._job is not None or not self._queue:
            return
        self.warm()
        if self._runner is not None:
            job = self._queue.popleft()
            self._attempts = self._attempts + 1 if job is self._last_job else 1
            self._job = self._last_job = job
            self._begun = False
            self._runner.run(self._job)

    def _end(self) -> None:
        self._step.stop()
        self._flush.stop()
        self.finished.emit()

    # ----------------------------------------------------------------- window

    def _post(self, event: Event) -> None:
        self.mailbox.put(event)
        if not self._flush.isActive():
            wait = self._last + 1 / BATCHES_PER_SECOND - time.monotonic()
            self._flush.start(max(0, round(wait * 1000)))

    def _announce(self) -> None:
        """Tell the window once; it takes everything when it is ready."""
        self._last = time.monotonic()
        if not self.announced:
            self.announced = True
            self.arrived.emit()


def crash_info(death: Died) -> ErrorInfo:
    """A plain sentence for a dead process."""
    code = death.exit_code
    if code is None:
        why = "did not answer"
    elif code < 0:
        try:
            why = f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            why = f"was ended by signal {-code}"
    else:
        why = f"ended with exit code {code}"
    memory = code == -9
    return ErrorInfo(
        title=f"The compute process {why}.",
        hint=(
            "Often the system ended it for want of memory: choose a smaller batch or model. "
            if memory
            else ""
        )
        + "A new one was started; a training run can be resumed from its last checkpoint.",
        details=death.tail,
        kind="memory" if memory else "internal",
    )
