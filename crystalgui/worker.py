"""The compute door: receives jobs over a pipe, does them, sends events back.

Three threads: the main one runs the job's generator, a reader raises its
flags (and notices that the parent is gone), a sender batches events at most
30 times a second.  No Qt, no VTK; torch is imported by the jobs that need it.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import sys
import threading
from multiprocessing.connection import Connection

from crystalgui.core.messages import (
    AtomicLimitJob,
    BottleneckJob,
    CatalogueJob,
    ClassifyJob,
    DesignJob,
    ErrorInfo,
    EstimateJob,
    Event,
    ExperimentJob,
    ExplainJob,
    Failed,
    ImportJob,
    InvarianceJob,
    Job,
    LogLine,
    MixtureJob,
    PhaseAnswerJob,
    PhaseDataJob,
    PhaseMapJob,
    ReportJob,
    SimilarJob,
    SweepJob,
    TrainJob,
)
from crystalgui.engine.mailbox import Mailbox
from crystalgui.engine.work import (
    BATCHES_PER_SECOND,
    OUTCOMES,
    Cancel,
    Close,
    Handlers,
    Run,
    StopSoft,
    Task,
    perform,
    resolve,
)

HANDLERS: Handlers = {
    CatalogueJob: "crystalgui.core.experiments.catalogue:catalogue",
    ImportJob: "crystalgui.core.datasets.importer:import_dataset",
    EstimateJob: "crystalgui.core.training.session:estimate",
    TrainJob: "crystalgui.core.training.session:train",
    SweepJob: "crystalgui.core.training.sweep:sweep",
    ClassifyJob: "crystalgui.core.models.screening:classify",
    ReportJob: "crystalgui.core.reports.report:write_report",
    DesignJob: "crystalgui.core.physics.design:design",
    MixtureJob: "crystalgui.core.physics.phases:mixture",
    PhaseMapJob: "crystalgui.core.physics.phases:phase_map",
    PhaseDataJob: "crystalgui.core.datasets.hamiltonians.generate:make",
    BottleneckJob: "crystalgui.core.training.bottleneck:bottleneck",
    PhaseAnswerJob: "crystalgui.core.models.answers:answer",
    ExperimentJob: "crystalgui.core.experiments.run:run_experiment",
    InvarianceJob: "crystalgui.core.training.invariance:invariance",
    ExplainJob: "crystalgui.core.models.explain:explain",
    AtomicLimitJob: "crystalgui.core.models.atomic_limit:atomic_limit",
    SimilarJob: "crystalgui.core.models.similar:similar",
}
ORPHAN_SECONDS = 5.0
LOG = logging.getLogger(__name__)


def serve(connection: Connection, handlers: str = "crystalgui.worker:HANDLERS") -> None:
    """Do jobs until the parent closes the pipe or is gone.

    Parameters
    ----------
    connection : Connection
        Duplex pipe; brings `Run`, `Cancel`, `StopSoft`, takes lists of events.
    handlers : str
        Name of the mapping from job type to ``"module:function"``.
    """
    table: Handlers = resolve(handlers)
    sender = Sender(connection)
    reader = Reader(connection)
    while (task := reader.tasks.get()) is not None:
        broken = False
        for event in perform(task, table, prepare):
            broken = isinstance(event, Failed) and "CUDA error" in event.error.title
            sender.outbox.put(event)
        reader.forget(task)
        give_back_memory()
        if broken:  # a device error stays with the process; a new one is started
            break
    sender.close()


class Reader(threading.Thread):
    """Takes the parent's messages and raises the flags they mean."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="reader", daemon=True)
        self.tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._connection = connection
        self._known: dict[str, Task] = {}
        self._lock = threading.Lock()
        self.start()

    def run(self) -> None:
        """Read until the pipe ends, then end the process."""
        try:
            while True:
                self._obey(self._connection.recv())
        except (EOFError, OSError):
            self._leave()

    def _obey(self, message: object) -> None:
        with self._lock:
            match message:
                case Run(job):
                    self._known[job.job_id] = Task(job)
                    self.tasks.put(self._known[job.job_id])
                case Cancel(job_id) if job_id in self._known:
                    self._known[job_id].cancel()
                case StopSoft(job_id) if job_id in self._known:
                    self._known[job_id].stop.set()
                case Close():
                    self.tasks.put(None)

    def _leave(self) -> None:
        """The parent is gone: a few seconds to tidy up, then out."""
        with self._lock:
            for task in self._known.values():
                task.cancel()
        self.tasks.put(None)
        threading.main_thread().join(ORPHAN_SECONDS)
        os._exit(1)

    def forget(self, task: Task) -> None:
        """A task has ended."""
        with self._lock:
            self._known.pop(task.job.job_id, None)


class Sender(threading.Thread):
    """Sends what is in the outbox, at most 30 times a second."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="sender", daemon=True)
        self.outbox = Mailbox()
        self._connection = connection
        self._closed = threading.Event()
        self.start()

    def run(self) -> None:
        """Send until closed and empty, or until the parent is gone."""
        while self.outbox.wait():
            try:
                self._send(self.outbox.take())
            except OSError:
                return
            self._closed.wait(1 / BATCHES_PER_SECOND)

    def _send(self, events: list[Event]) -> None:
        try:
            self._connection.send(events)
        except (pickle.PicklingError, TypeError, AttributeError):
            for event in events:
                self._send_alone(event)

    def _send_alone(self, event: Event) -> None:
        try:
            self._connection.send([event])
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            LOG.exception("%s cannot be sent", type(event).__name__)
            info = ErrorInfo(title=f"An answer could not be sent: {error}.")
            lost: Event = LogLine(job_id=event.job_id, text=info.title, level="error")
            if isinstance(event, OUTCOMES):
                lost = Failed(job_id=event.job_id, error=info)
            self._connection.send([lost])

    def close(self) -> None:
        """Send the rest and end."""
        self._closed.set()
        self.outbox.close()
        self.join(ORPHAN_SECONDS)


# ------------------------------------------------------------------ resources


def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = set()
    for cpu in allowed:
        try:
            path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
            with open(path, encoding="ascii") as stream:
                cores.add(stream.read().strip())
        except OSError:
            return len(allowed)
    return max(1, len(cores))


def prepare(job: Job) -> None:
    """Give a job its number of threads before it imports or computes."""
    asked = job.recipe.threads if isinstance(job, TrainJob | EstimateJob) else 0
    if isinstance(job, SweepJob):
        asked = job.recipe.base.threads
    threads = asked or physical_cores()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)  # for libraries that are not loaded yet
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def give_back_memory() -> None:
    """Return the cached memory of the accelerator after a job."""
    if "torch" in sys.modules:
        import torch

        torch.cuda.empty_cache()  # does nothing when no device was used
