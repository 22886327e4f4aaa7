"""The room of phase diagrams: along a mixture of two Hamiltonians, or in a plane.

The points are computed by a job of the engine (`core.physics.phases`); the
pictures fill in while they arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from crystalgui.core.messages import MixtureJob, PhaseMapJob, PhasePoint
from crystalgui.core.physics.phases import axes, hamiltonian, mixed
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.phases_setup import End, PhasesSetup, opened_end
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.plots.phases import GapPlot, PhaseLegend, StatePlot, point_text
from crystalgui.gui.state.phases import PhasesState
from crystalgui.gui.theme import OKABE_ITO, SPACE, phase_colour
from crystalgui.gui.widgets import Card, Chip, EmptyState, Text

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent, QShowEvent

    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

STRIP = 22
"""Height of a row of phases below the gaps, pixels."""
EMPTY = {
    "path": (
        "Gap and phase along a path",
        "Mix two Hamiltonians with the same orbitals; noise that keeps time reversal opens "
        "the Weyl window.",
    ),
    "plane": (
        "Phases in a plane",
        "Two settings of a model; every cell is certified, or proven to be connected to one "
        "that is.",
    ),
}


class PhasesRoom(Growing, QWidget):
    """Form, picture, legend of one phase diagram.

    Signals
    -------
    k_points(object)
        Where the gap of the chosen point is, for the zone.
    """

    k_points = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._h: Hoppings | None = None
        self._file: OpenFile | None = None
        self._occupied = 0
        self._chosen: PhasePoint | None = None
        self._source: Hoppings | None = None
        self.state = PhasesState(session.jobs, self)
        self.grow(self._build(), at_once)

    def _connect(self) -> None:
        session = self._session
        self.setup.run_asked.connect(self.start)
        self.setup.cancel_asked.connect(self.state.cancel)
        self.setup.mode_changed.connect(self._show_empty_words)
        self.state.grown.connect(self._grown)
        self.state.ended.connect(self._ended)
        for signal in (session.project.file_changed, session.project.file_removed):
            signal.connect(self._offer)
        self._offer()

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self.setup = PhasesSetup(self)
        yield
        policy = self.setup.sizePolicy()
        self.setup.setSizePolicy(policy.horizontalPolicy(), policy.Policy.Maximum)
        self.card = Card("Phases", "", self)
        self.gaps = GapPlot(self)
        yield
        self.strip, self.plane = StatePlot(self), StatePlot(self)
        yield
        self.gaps.setAccessibleName("Smallest gap along the path")
        self.strip.setAccessibleName("Phases along the path")
        self.plane.setAccessibleName("Phases in the plane")
        self.strip.setXLink(self.gaps)
        self.legend = PhaseLegend(self)
        self.log = Chip("log", True, "Gaps on a logarithmic axis")
        self.log.toggled.connect(self.gaps.set_log)
        self.open = Chip("open point", False, "Open the Hamiltonian of the chosen point")
        self.open.clicked.connect(self._open_point)
        self.export = ExportChip(
            self.card,
            (self.gaps, self.strip, self.plane, self.legend),
            "phases",
            self.table,
            self._session.lane,
        )
        for chip in (self.open, self.log, self.export):
            self.card.tools.addWidget(chip)
        self.words = Text("", "muted")
        self.empty = EmptyState("electronic", "", "", [("Run", lambda: self.setup.run.click())])
        for widget, share in ((self.gaps, 3), (self.strip, 0), (self.plane, 3), (self.empty, 1)):
            self.card.body.addWidget(widget, share)
        self.card.body.addWidget(self.legend)
        self.card.body.addWidget(self.words)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[2])
        column.addWidget(self.setup)
        column.addWidget(self.card, 1)
        for plot in (self.gaps, self.strip, self.plane):
            plot.picked.connect(self._pick)
        self._show_empty_words()
        self._show_picture()
        yield
        self._connect()

    def actions(self) -> list[ActionInfo]:
        """Actions of this room, for menus and the palette."""
        return [
            ActionInfo(
                "phases.run",
                "Run the phase diagram",
                self.setup.run.click,
                menu="Physics",
                tip="Gap and phase along a path, or phases in a plane",
                enabled=self.setup.run.isEnabled,
                group=4,
            ),
            ActionInfo(
                "phases.cancel",
                "Cancel the phase diagram",
                self.state.cancel,
                menu="Physics",
                tip="Stop, and keep the points that were found",
                enabled=lambda: self.state.alive,
                group=4,
            ),
            ActionInfo(
                "phases.export",
                "Export the phase diagram…",
                self.export.ask,
                menu="Physics",
                tip="PNG, SVG, PDF, or the points as CSV",
                enabled=self.export.isEnabled,
                group=4,
            ),
        ]

    def _show_empty_words(self, *_: object) -> None:
        self.empty.set_text(*EMPTY[self.setup.mode])

    def _show_picture(self) -> None:
        job = self.state.job
        for widget in (self.gaps, self.strip, self.log, self.open):
            widget.setVisible(isinstance(job, MixtureJob))
        self.plane.setVisible(isinstance(job, PhaseMapJob))
        self.empty.setVisible(job is None)
        for widget in (self.legend, self.words, self.export):
            widget.setVisible(job is not None)

    # -------------------------------------------------------------- sources

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Start paths at this Hamiltonian."""
        other = file is not self._file
        self._h, self._occupied, self._file = h, occupied, file
        self._offer()
        if other and file is not None and h is not None and not self.state.alive:
            self.setup.start.choose(file.name)
            if self.setup.end.end.title == file.name:
                rest = [end.title for end in self._ends() if end.title != file.name]
                self.setup.end.choose(rest[0] if rest else "BiTeI")

    def _ends(self) -> list[End]:
        """Opened Hamiltonians, at the filling a person chose."""
        return [
            opened_end(
                file.path,
                file.companions,
                self._occupied if file is self._file else file.occupied,
            )
            for file in self._session.project.files
            if file.hoppings is not None
        ]

    def _offer(self, *_: object) -> None:
        current = self._file.name if self._file is not None and self._h is not None else ""
        self.setup.set_files(self._ends(), current)

    # ------------------------------------------------------------------ job

    def start(self, job: MixtureJob | PhaseMapJob) -> None:
        """Run it and show an empty picture."""
        self.state.begin(job)
        self._pick(None)
        self.setup.set_running(True)
        self.setup.say("starting…")
        self.legend.set_counts({})
        self.export.set_source(None)
        self._source = None
        if isinstance(job, MixtureJob):
            self._begin_path(job)
        else:
            self._begin_plane(job)
        self._show_picture()
        source = job.start if isinstance(job, MixtureJob) else None
        self._session.lane.run(
            *((hamiltonian, source) if source is not None else (_model, job)),
            on_answer=lambda h: self._source_known(job, h),
            on_error=lambda _: None,  # the job says the same
            owner=self,
        )

    def _begin_path(self, job: MixtureJob) -> None:
        unit = "eV" if job.normalisation == "rms" else "mean |H|"
        self.gaps.begin(job.strengths, unit)
        alphas = np.linspace(0, 1, job.steps).tolist()
        labels = [f"{y:g}" for y in job.strengths]
        self.strip.begin(alphas, job.strengths, ("α", "noise"), labels=labels, spread=False)
        self.strip.set_axes(f"α from {_short(job.start.name)} to {_short(job.end.name)}",
                            "noise" if len(labels) > 1 else "")  # fmt: skip
        self.strip.setFixedHeight(46 + STRIP * len(labels))
        many = f", {len(labels)} strengths of noise" if len(labels) > 1 else ""
        self.card.set_title("Smallest gap and phase", f"{job.steps} points{many}")

    def _begin_plane(self, job: PhaseMapJob) -> None:
        from crystalgui.core.physics.zoo import MODELS

        columns, rows = axes(job)
        model = MODELS[job.model]
        self.plane.begin(columns.tolist(), rows.tolist(), (job.x[0], job.y[0]))
        names = []
        for axis in (job.x, job.y):
            parameter = model.parameter(axis[0])
            names.append(f"{parameter.name} ({parameter.unit})" if parameter.unit else axis[0])
        self.plane.set_axes(*names)
        self.plane.set_exact(*_exact(job))
        self.card.set_title("Phases", f"{model.title}, {len(columns)} × {len(rows)} points")

    def _source_known(self, job: MixtureJob | PhaseMapJob, h: Hoppings) -> None:
        if job is self.state.job:
            self._source = h
            if not self.state.alive and self.state.points:
                self.export.set_source(h, self.caption())

    def _grown(self, points: tuple[PhasePoint, ...]) -> None:
        if isinstance(self.state.job, MixtureJob):
            self.gaps.add(points)
            self.strip.add(points)
        else:
            self.plane.add(points)
        clock().mark(self)

    def redraw(self) -> None:
        """Bring words and counts up to date; the clock calls it."""
        self.legend.set_counts(self.state.counts)
        row = self.state.row
        if self.state.alive and row is not None and row.total:
            share = f"{row.progress:.0f} of {row.total:.0f}"
            self.setup.say(f"{share}, {row.text}")

    def _ended(self) -> None:
        self.setup.set_running(False)
        clock().mark(self)
        found, error = len(self.state.points), self.state.error
        if error is not None:
            self.setup.say(f"{error.title} {error.hint}".strip(), "bad")
        elif self.state.row is not None and self.state.row.status == "stopped":
            self.setup.say(f"cancelled; {found} points are kept")
        else:
            seconds = self.state.row.seconds if self.state.row is not None else 0.0
            self.setup.say(f"{found} points in {seconds:.0f} s", "good")
        if self._source is not None and found:
            self.export.set_source(self._source, self.caption())
        if not found:
            self.state.job = None
            self._show_picture()

    # ---------------------------------------------------------------- point

    def _pick(self, point: PhasePoint | None) -> None:
        """A point was clicked: mark its k, offer its Hamiltonian."""
        self._chosen = point
        self.open.setEnabled(point is not None)
        self.k_points.emit([])
        job = self.state.job
        if point is None or job is None:
            self.words.setText("Click a point to see where in the zone its gap is.")
            return
        names = ("α", "noise") if isinstance(job, MixtureJob) else (job.x[0], job.y[0])
        text = point_text(point, *names)
        self.words.setText(f"{text}   {point.remark}".strip())
        opened = self._h
        of_path = isinstance(job, MixtureJob) and self._file is not None
        if opened is None or not of_path or job.start.path != self._file.path:
            return  # the zone that is shown belongs to another crystal
        from crystalgui.core.physics.brillouin import fold, reciprocal_of

        self._session.selection.select_k(point.k)
        lattice = np.eye(3) if opened.lattice is None else opened.lattice
        place = fold(np.array(point.k), reciprocal_of(lattice))
        ink = phase_colour(point.label) if point.label else OKABE_ITO[2]
        self.k_points.emit([(place, f"α = {point.x:.3g}", ink)])

    def _open_point(self) -> None:
        job, point = self.state.job, self._chosen
        if isinstance(job, MixtureJob) and point is not None:
            folder = self._session.project.folder / "designs"
            stem = f"{_short(job.start.name)}-mixed-{point.x:.4f}-noise-{point.y:g}"
            self._session.lane.run(
                write_point,
                job,
                point.x,
                point.y,
                folder / f"{stem}.hoppings.safetensors",
                on_answer=lambda path: self._session.project.open_paths([path]),
                on_error=self._failed,
                owner=self,
            )

    def _failed(self, error: ErrorInfo) -> None:
        self._session.notify.error(error)

    # --------------------------------------------------------------- export

    def caption(self) -> str:
        """What was assumed."""
        job = self.state.job
        if isinstance(job, MixtureJob):
            words = f"(1 − α) {job.start.name} + α {job.end.name}"
            if any(job.strengths):
                unit = "root mean square, eV"
                if job.normalisation == "mean":
                    unit = "mean modulus in units of that of the start"
                words += f" + noise that keeps time reversal ({unit}; seed {job.seed})"
            filled = f"{job.occupied} occupied bands" if job.occupied else "filling of the start"
            return f"{words}; {filled}; gap: smallest direct gap of the zone"
        if isinstance(job, PhaseMapJob):
            names = (job.x[0], job.y[0])
            rest = [f"{k} = {v:g}" for k, v in job.settings.items() if k not in names]
            return f"{job.model}: " + ", ".join(rest or ["default settings"])
        return ""

    def table(self) -> Table | None:
        """All points so far as CSV."""
        job = self.state.job
        return partial(points_csv, job, tuple(self.state.points.values())) if job else None

    # ------------------------------------------------------------ life cycle

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while hidden."""
        super().showEvent(event)
        clock().mark(self)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let the clock rest."""
        super().hideEvent(event)
        clock().rest()


def write_point(job: MixtureJob, alpha: float, strength: float, path: Path) -> Path:
    """Write the Hamiltonian of a point; runs in the lane."""
    from crystalgui.core.structures.hoppings.compact import write_compact

    path.parent.mkdir(parents=True, exist_ok=True)
    write_compact(mixed(job, alpha, strength), path)
    return path


def _model(job: PhaseMapJob) -> Any:
    from crystalgui.core.physics.zoo import build

    return build(job.model, **job.settings)


def _short(name: str) -> str:
    """A file name without its endings."""
    stem = name.partition(".")[0]
    return stem.removesuffix("_hr").removesuffix("_tb") if "(" not in name else name


def _exact(job: PhaseMapJob) -> tuple[np.ndarray, list[np.ndarray]]:
    """Boundaries in closed form: Haldane 1988, |M| = 3 sqrt(3) |t2 sin phi|."""
    x = np.linspace(job.x[1], job.x[2], 241)
    if job.model == "haldane" and (job.x[0], job.y[0]) == ("phi", "mass"):
        edge = 3 * np.sqrt(3) * np.abs(float(job.settings.get("t2", 0.1)) * np.sin(x))
        return x, [edge, -edge]
    return x[:0], [x[:0], x[:0]]


def points_csv(job: PhaseMapJob | MixtureJob, points: Sequence[PhasePoint]) -> str:
    """One row a point, line by line."""
    x, y = ("alpha", "noise_eV_rms") if isinstance(job, MixtureJob) else (job.x[0], job.y[0])
    if isinstance(job, MixtureJob) and job.normalisation == "mean":
        y = "noise_of_mean_modulus"
    lines = [f"{x},{y},direct_gap_eV,k1,k2,k3,label,status,remark"]
    for p in sorted(points, key=lambda p: (p.y, p.x)):
        numbers = ",".join(f"{v:.10g}" for v in (p.x, p.y, p.gap, *p.k))
        remark = p.remark.replace('"', "'")
        lines.append(f'{numbers},{p.label},{p.status},"{remark}"')
    return "\n".join(lines) + "\n"
