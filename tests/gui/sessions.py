"""A session whose engine is played by the test: events are emitted by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from crystalgui.core.cards import Card, Param, TrainedModel
from crystalgui.core.messages import DatasetSummary, Event, Job
from crystalgui.core.settings import Settings
from crystalgui.engine.lane import Lane
from crystalgui.gui.notifications import Notifications
from crystalgui.gui.session import Session, create_session


class PlayedEngine(QObject):
    """Takes jobs like the engine; the test sends the answers."""

    events = Signal(list)
    outcome = Signal(object)
    state_changed = Signal(str, str)
    busy_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.cancelled: list[str] = []
        self.soft: list[str] = []
        self._ids = count(1)

    def submit(self, job: Job) -> str:
        job = replace(job, job_id=f"job-{next(self._ids)}")
        self.jobs.append(job)
        return job.job_id

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def stop_soft(self, job_id: str) -> None:
        self.soft.append(job_id)

    def send(self, *events: Event) -> None:
        """One batch for the newest job."""
        self.events.emit([replace(e, job_id=e.job_id or self.jobs[-1].job_id) for e in events])

    def end(self, outcome: Event) -> None:
        """The outcome of the newest job."""
        outcome = replace(outcome, job_id=outcome.job_id or self.jobs[-1].job_id)
        self.events.emit([outcome])
        self.outcome.emit(outcome)


def played_session(folder: Path) -> tuple[Session, PlayedEngine, Lane]:
    """Session, its engine, its lane; the caller shuts the lane down."""
    engine, lane = PlayedEngine(), Lane()
    session = create_session(engine, lane, Notifications(), Settings(), folder)
    return session, engine, lane


CGNN = Card(
    name="cgnn",
    title="Crystal graph network",
    tasks=("classification", "regression"),
    inputs="crystal",
    paper="Nop et al., section 3",
    summary="Atoms, bonds and the whole crystal exchange messages.",
    params=(
        Param(name="cutoff", label="Cut-off", default=5.0, unit="Å", minimum=2.0, maximum=12.0),
        Param(name="depth", label="Depth", default=3, minimum=1, maximum=12),
        Param(name="width", label="Width", default=64, minimum=8, maximum=1024),
        Param(name="readout", label="Read-out", default="mean", choices=("mean", "sum", "max")),
        Param(name="residual", label="Skip connections", default=True),
    ),
    presets={
        "small": {"depth": 2, "width": 48, "learning_rate": 2e-3},
        "paper": {"depth": 2, "width": 256, "batch_size": 32, "learning_rate": 3e-4},
    },
)
BROKEN = Card(
    name="broken",
    title="A plugin",
    tasks=("classification",),
    inputs="crystal",
    paper="",
    error="No module.",
)
CLASSES = ("LCEBR", "ESFD", "ES", "SEBR", "NLC")
SHIPPED = TrainedModel(
    name="cgnn-tqc5",
    family="cgnn",
    title="CGNN · TQC 5",
    folder="models/cgnn-tqc5",
    task="classification",
    target="tqc",
    classes=CLASSES,
    metrics={"accuracy": 0.81, "f1": 0.7},
    data="29,389 crystals",
    split="composition",
    parameters=123_456,
    date="2026-01-02",
    shipped=True,
)


def tqc(folder: Path) -> DatasetSummary:
    """A summary as an import would give it."""
    return DatasetSummary(
        name="tqc",
        folder=folder / "tqc",
        task="classification",
        target="tqc",
        size=1000,
        classes=CLASSES,
        counts=(500, 250, 120, 70, 60),
        formulas=870,
        duplicates=12,
        conflicts=3,
        unreadable=1,
        problems=("12.POSCAR, line 4: A coordinate is missing.", "77: two labels, ES and NLC."),
    )
