"""Everything a panel may talk to, in one value.

Panels are built as ``Panel(session, parent)`` and reach state, engine and
lane through it; nothing is global except the theme.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtGui import QUndoStack

from crystalgui.core.messages import CatalogueReady, DatasetReady, Event
from crystalgui.core.settings import Settings, default_project, settings_file
from crystalgui.engine.writer import Writer
from crystalgui.gui.state.jobs import JobsState
from crystalgui.gui.state.project import ProjectState
from crystalgui.gui.state.selection import SelectionState

if TYPE_CHECKING:
    from crystalgui.core.errors import CrystalError
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.engine.engine import Engine
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.evidence import EvidenceState
    from crystalgui.gui.state.monitors import MonitorsState
    from crystalgui.gui.state.predictions import PredictionsState
    from crystalgui.gui.state.runs import RunsState, RunView


class Notify(Protocol):
    """What panels need of the notifications."""

    def info(self, text: str) -> None:
        """Say something in passing."""

    def warning(self, title: str, hint: str = "", details: str = "") -> None:
        """Something needs attention."""

    def error(self, error: ErrorInfo | CrystalError) -> None:
        """Something failed."""


@dataclass(eq=False, kw_only=True)
class Session:
    """The open program, passed to every panel."""

    project: ProjectState
    selection: SelectionState
    jobs: JobsState
    runs: RunsState
    monitors: MonitorsState
    predictions: PredictionsState
    evidence: EvidenceState
    engine: Engine
    lane: Lane
    settings: Settings
    notify: Notify
    writer: Writer
    undo: QUndoStack = field(default_factory=QUndoStack)

    def update_settings(self, **changes: Any) -> None:
        """Change settings and save them; a full disk is said, not raised."""
        self.settings = replace(self.settings, **changes)
        self.save_settings()

    def save_settings(self) -> None:
        """Write the settings, soon: the window does not wait for the disk."""
        self.writer.put(settings_file(), self.settings.save)

    def flush(self) -> None:
        """Wait until everything that was saved is on the disk."""
        self.writer.flush()


def create_session(
    engine: Engine,
    lane: Lane,
    notify: Notify,
    settings: Settings | None = None,
    folder: Path | None = None,
) -> Session:
    """Build the states and connect them to engine and lane."""
    from crystalgui.gui.state.evidence import EvidenceState
    from crystalgui.gui.state.monitors import MonitorsState
    from crystalgui.gui.state.predictions import PredictionsState
    from crystalgui.gui.state.runs import RunsState

    settings = settings or Settings()
    undo = QUndoStack()
    project = ProjectState(lane, folder or default_project())
    session = Session(
        project=project,
        selection=SelectionState(undo),
        jobs=JobsState(engine),
        runs=RunsState(),
        monitors=MonitorsState(),
        predictions=PredictionsState(),
        evidence=EvidenceState(),
        engine=engine,
        lane=lane,
        settings=settings,
        notify=notify,
        writer=Writer(),
        undo=undo,
    )
    session.writer.failed.connect(notify.error)
    project._tolerance = lambda: session.settings.symmetry_tolerance

    def take(event: Event) -> None:
        if isinstance(event, CatalogueReady):
            project.set_catalogue(event.cards, event.models, event.devices, event.experiments)
        elif isinstance(event, DatasetReady):
            project.add_dataset(event.summary)

    session.jobs.event.connect(take)
    session.runs.attach(session.jobs, lane, project.folder)
    session.monitors.attach(session.jobs, lane)
    session.runs.datasets_listed.connect(project.set_datasets)
    session.predictions.attach(session.jobs)
    session.evidence.attach(session.jobs)
    session.runs.found_interrupted.connect(
        lambda run: notify.warning(
            f"“{run.title}” was interrupted {run.reached}.",
            f"Resume it on the {'Train' if run.sweep is None else 'Runs'} page.",
        )
    )

    def sweep_ended(run: RunView) -> None:
        if run.status == "done":
            notify.info(f"{run.title}: the sweep is done.")

    session.runs.sweep_ended.connect(sweep_ended)

    def note_recent(path: Path) -> None:
        session.settings = session.settings.with_recent(path)
        session.save_settings()

    project.opened.connect(note_recent)

    def current_changed(_: object) -> None:
        session.selection.clear()

    project.current_changed.connect(current_changed)
    return session
