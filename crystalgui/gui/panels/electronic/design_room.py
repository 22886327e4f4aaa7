"""The Design room: a crystal deforms, and its bands move, until a gap is where it is wanted.

The descent runs in the worker; the room draws the newest step at the next
frame.  Export: strained POSCAR, history as CSV, the designed Hamiltonian.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import CrystalError, FileError
from crystalgui.core.physics.tables import header, rows_csv
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.design_setup import SetupCard, Source
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.plots.design import MovingBandsPlot, TargetPlot
from crystalgui.gui.state.design import DesignState
from crystalgui.gui.theme import OKABE_ITO, SPACE, font
from crystalgui.gui.widgets import Card, Chip, KeyValues, copy_action, scrolled, small_print

if TYPE_CHECKING:
    from crystalgui.core.messages import DesignJob, DesignStep, ErrorInfo
    from crystalgui.core.physics.design import Opening
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile
    from crystalgui.gui.views.crystal_view import CrystalView
    from crystalgui.scene.geometry import Geometry

EXAGGERATION = 5
CRYSTAL_EVERY = 0.1
"""While a design runs, the crystal is drawn at most this often, s."""
BREATH = 60
"""Pause before the 3D view is made, ms."""


class StrainTable(QWidget):
    """T in per cent: three rows and columns x, y, z."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Strain T in per cent")
        self.setToolTip("Every position r becomes (1 + T) r")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE[2])
        grid.setVerticalSpacing(2)
        right = Qt.AlignmentFlag.AlignRight
        corner = QLabel("T, %")
        corner.setProperty("role", "muted")
        grid.addWidget(corner, 0, 0)
        self._cells: list[list[QLabel]] = []
        for i, name in enumerate("xyz"):
            for at in ((0, i + 1), (i + 1, 0)):
                label = QLabel(name)
                label.setProperty("role", "muted")
                grid.addWidget(label, *at, right if at[0] == 0 else Qt.AlignmentFlag.AlignLeft)
        for i in range(3):
            row = []
            for j in range(3):
                cell = QLabel("0.00")
                cell.setFont(font("number"))
                grid.addWidget(cell, i + 1, j + 1, right)
                grid.setColumnStretch(j + 1, 1)
                row.append(cell)
            self._cells.append(row)
        copy_action(self, self.text)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def show_strain(self, strain: np.ndarray) -> None:
        """Another T (3, 3)."""
        for row, values in zip(self._cells, 100 * strain, strict=True):
            for cell, value in zip(row, values, strict=True):
                cell.setText(_number(value, 2))

    def text(self) -> str:
        """The table as TSV."""
        return "\n".join("\t".join(cell.text() for cell in row) for row in self._cells)


class DesignRoom(Growing, QWidget):
    """Setup, moving bands, deforming crystal, curves and strain of one design.

    Signals
    -------
    k_points(object)
        Where the gap of the opened Hamiltonian is watched, for the zone.
    """

    k_points = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.state = DesignState(session.jobs, self)
        self._opening: Opening | None = None
        self._opened: Hoppings | None = None
        self._geometry: Geometry | None = None
        self._crystal_drawn = 0.0
        self.crystal_view: CrystalView | None = None
        self._breath = QTimer(self)
        self._breath.setSingleShot(True)
        self._breath.setInterval(BREATH)
        self._breath.timeout.connect(self._make_view)
        self.grow(self._build(), at_once)

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self.setup = SetupCard(self)
        yield
        self.bands = Card("Bands", "", self)
        self.plot = MovingBandsPlot(self)
        self.plot.setAccessibleName("Bands of the design, the first ones in grey")
        self.assumed = small_print()
        self.bands.body.addWidget(self.plot)
        self.bands.body.addWidget(self.assumed)
        lane = self._session.lane
        self.export = ExportChip(self.bands, (self.plot,), "design-bands", self._bands_table, lane)
        self.bands.tools.addWidget(self.export)
        yield
        self.crystal = Card("Crystal", "", self)
        self.larger = Chip(
            f"×{EXAGGERATION}", True, f"Draw the strain {EXAGGERATION} times as large"
        )
        self.larger.setChecked(True)
        self.larger.toggled.connect(self.mark)
        self.crystal.tools.addWidget(self.larger)
        upper, lower = QSplitter(Qt.Orientation.Horizontal), QSplitter(Qt.Orientation.Horizontal)
        upper.addWidget(self.bands)
        upper.addWidget(self.crystal)
        self.value_plot = TargetPlot("gap (eV)", self)
        yield
        self.loss_plot = TargetPlot("loss (eV²)", self)
        yield
        lower.addWidget(self._build_curves())
        lower.addWidget(self._build_result())
        yield
        down = QSplitter(Qt.Orientation.Vertical)
        down.addWidget(upper)
        down.addWidget(lower)
        for splitter, sizes in ((upper, (580, 420)), (lower, (440, 560)), (down, (560, 440))):
            splitter.setHandleWidth(SPACE[2])
            splitter.setChildrenCollapsible(False)
            for index, size in enumerate(sizes):
                splitter.setStretchFactor(index, size)
            splitter.setSizes(list(sizes))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[2])
        self.setup.setSizePolicy(
            self.setup.sizePolicy().horizontalPolicy(), self.setup.sizePolicy().Policy.Maximum
        )
        column.addWidget(self.setup)
        column.addWidget(down, 1)
        self.state.stepped.connect(self.mark)
        self.state.ended.connect(self._ended)
        self.setup.source_chosen.connect(self._look_at)
        self.setup.start_asked.connect(self.start)
        self.setup.stop_asked.connect(self.state.stop)

    def _build_curves(self) -> Card:
        self.curves = Card("Descent", "", self)
        self.loss_plot.set_log(True)
        self.loss_plot.hide()
        for plot, words in ((self.value_plot, "Watched value"), (self.loss_plot, "Loss")):
            plot.setAccessibleName(f"{words} against the step")
            self.curves.body.addWidget(plot)
        self.loss_chip = Chip("loss", True, "Show the loss instead of the value")
        self.loss_chip.toggled.connect(self.loss_plot.setVisible)
        self.loss_chip.toggled.connect(lambda on: self.value_plot.setVisible(not on))
        self.curves.tools.addWidget(self.loss_chip)
        plots, lane = (self.value_plot, self.loss_plot), self._session.lane
        self.export_curves = ExportChip(self.curves, plots, "descent", self._curves_table, lane)
        self.curves.tools.addWidget(self.export_curves)
        return self.curves

    def _build_result(self) -> Card:
        self.result = Card("Result", "", self)
        self.strain = StrainTable(self)
        self.numbers = KeyValues()
        self.poscar = Chip(
            "", False, "Export the strained crystal as a POSCAR", icon_name="crystal"
        )
        self.csv = Chip("", False, "Export every step as CSV", icon_name="table")
        self.open = Chip("", False, "Open the designed Hamiltonian", icon_name="open")
        for button, slot in (
            (self.poscar, self._ask_poscar),
            (self.csv, self._ask_csv),
            (self.open, self._open_designed),
        ):
            button.clicked.connect(slot)
            button.setEnabled(False)
            self.result.tools.addWidget(button)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        column.addWidget(self.strain)
        column.addWidget(self.numbers)
        column.addStretch(1)
        area = scrolled(inner)
        self.result.body.addWidget(area)
        return self.result

    def actions(self) -> list[ActionInfo]:
        """Actions of this room, for menus and the palette."""
        return [
            ActionInfo(
                "design.start",
                "Start the design",
                self.setup.start.click,
                menu="Physics",
                tip="Descend from the chosen Hamiltonian to the wanted gap or band",
                enabled=self.setup.start.isEnabled,
                group=3,
            ),
            ActionInfo(
                "design.stop",
                "Stop the design",
                self.state.stop,
                menu="Physics",
                tip="End after this step and keep what was found",
                enabled=lambda: self.state.alive,
                group=3,
            ),
            ActionInfo(
                "design.poscar",
                "Export strained POSCAR…",
                self._ask_poscar,
                menu="Physics",
                tip="The crystal at the end of the design",
                enabled=self.poscar.isEnabled,
                group=3,
            ),
            ActionInfo(
                "design.csv",
                "Export history of the design…",
                self._ask_csv,
                menu="Physics",
                tip="Every step as CSV",
                enabled=self.csv.isEnabled,
                group=3,
            ),
        ]

    # --------------------------------------------------------------- source

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Offer the opened Hamiltonian beside the models; look at the chosen one."""
        from crystalgui.core.physics.deformable import MODELS

        before, other = self.setup.chosen, h is not self._opened
        sources = [Source(title, name) for name, (title, _) in MODELS.items()]
        if h is not None and file is not None:
            sources.append(Source(f"Opened: {file.name}", "", file.path, file.companions, occupied))
        self._opened = h
        self.setup.set_sources(sources)
        if self.state.alive:
            return
        chosen = self.setup.chosen
        stale = chosen is not None and not chosen.model and other
        if self._opening is None or chosen != before or stale:
            self.setup.choose(self.setup.source.currentIndex())

    def _look_at(self, source: Source) -> None:
        from crystalgui.core.physics.design import opening, opening_of_model

        self.setup.set_opening(None)
        self.setup.status.setText("looking at its bands…")
        work: tuple[Any, ...] = (opening_of_model, source.model)
        if not source.model:
            work = (opening, self._opened, source.occupied)
        self._session.lane.ask(
            "design",
            *work,
            on_answer=lambda found: self._show_opening(source, found),
            on_error=self._failed,
            owner=self,
            slow=True,
        )

    def _failed(self, error: ErrorInfo) -> None:
        self.setup.status.setText(f"{error.title} {error.hint}".strip())
        self._session.notify.error(error)

    def _show_opening(self, source: Source, found: Opening) -> None:
        if source != self.setup.chosen or self.state.alive:
            return
        self.state.forget()
        self._opening = found
        self.setup.set_opening(found)
        self.setup.status.setText(f"direct gap {found.gaps.direct.energy:.4f} eV now")
        self.bands.set_title("Bands", found.bands.path.title)
        self.plot.start(found.bands, found.occupied, found.gaps.fermi)
        self.assumed.setText(found.hoppings.assumptions.sentence())
        for chip in (self.export, self.export_curves):
            chip.set_source(found.hoppings)
        for plot in (self.value_plot, self.loss_plot):
            plot.clear_curves()
            plot.set_target(None)
        for button in (self.poscar, self.csv, self.open):
            button.setEnabled(False)
        self._geometry = None
        crystal = _crystal(found.hoppings)
        if crystal is not None:
            self._ask_geometry(crystal)
        else:
            self.crystal.set_title("Crystal", "its atoms are not known")
        self._draw_numbers()

    def _ask_geometry(self, crystal: Crystal) -> None:
        from crystalgui.scene.geometry import geometry

        repeats = (2, 2, 1) if crystal.n_atoms <= 8 else (1, 1, 1)
        self._session.lane.ask(
            "design crystal",
            geometry,
            crystal,
            repeats,
            on_answer=self._show_geometry,
            on_error=self._failed,
            owner=self,
        )

    def _show_geometry(self, found: Geometry) -> None:
        self._geometry = found
        if self.crystal_view is None:
            self._breath.start()
        else:
            self.crystal_view.show_geometry(found)
            self.mark()

    def _make_view(self) -> None:
        if self.crystal_view is None:
            from crystalgui.gui.views.crystal_view import CrystalView

            self.crystal_view = CrystalView(self.crystal)
            self.crystal_view.setMinimumSize(140, 110)
            self.crystal.body.addWidget(self.crystal_view)
        if self._geometry is not None:
            self.crystal_view.show_geometry(self._geometry)
        self.mark()

    # --------------------------------------------------------------- design

    def start(self, job: DesignJob) -> None:
        """Submit a design."""
        if self._opening is None or self.state.alive:
            return
        job = replace(job, out=self._free_place(job))
        self.state.begin(job, self._opening)
        names = {"gap": "gap (eV)", "close": "gap (eV)", "band": f"E of band {job.band} (eV)"}
        self.value_plot.set_axes("step", names.get(job.target, "rms distance (eV)"))
        self.value_plot.set_target(0.0 if job.target == "close" else job.value)
        self.value_plot.set_curve("value", self.state.value, OKABE_ITO[0])
        self.loss_plot.set_curve("loss", self.state.loss, OKABE_ITO[3])
        self.setup.set_running(True)
        self.setup.status.setText("starting…")
        for button in (self.poscar, self.csv, self.open):
            button.setEnabled(False)

    def _free_place(self, job: DesignJob) -> Path:
        folder = self._session.project.folder / "designs"
        name = (job.model or (job.source.name.partition(".")[0] if job.source else "")) or "design"
        number = 1
        while (place := folder / f"{name}-{number}.hoppings.safetensors").exists():
            number += 1
        return place

    def _ended(self) -> None:
        self.setup.set_running(False)
        ready, error = self.state.ready, self.state.error
        if ready is not None:
            words = ready.reason[:1].upper() + ready.reason[1:]
            self.setup.status.setText(
                f"{words}: gap {ready.gap:.4f} eV after {ready.last.step} steps, "
                f"{ready.seconds:.1f} s"
            )
            self.setup.status.set_role("good" if ready.reached else "warn")
            self.csv.setEnabled(True)
            self.poscar.setEnabled(self.strained_crystal() is not None)
            self.open.setEnabled(ready.out is not None)
        else:
            self.setup.status.setText(error.title if error is not None else "cancelled")
            self.setup.status.set_role("bad" if error is not None else "muted")
        self.mark()

    # -------------------------------------------------------------- drawing

    def mark(self) -> None:
        """Something is newer: draw at the next frame."""
        clock().mark(self)

    def redraw(self) -> None:
        """Bring bands, crystal, curves and numbers up to date; the clock calls it."""
        last = self.state.last
        if last is not None:
            self.plot.move_to(last.bands)
        self._draw_crystal(last)
        self.value_plot.mark()
        self.loss_plot.mark()
        self._draw_numbers()
        if self.state.alive and last is not None:
            self.setup.status.set_role("muted")
            self.setup.status.setText(f"step {last.step}: gap {last.gap:.4f} eV")
        self._mark_zone(last)

    def _draw_crystal(self, last: DesignStep | None) -> None:
        view, found = self.crystal_view, self._geometry
        if view is None or found is None:
            return
        now = time.monotonic()
        if self.state.alive and now - self._crystal_drawn < CRYSTAL_EVERY:
            return
        self._crystal_drawn = now
        strain = np.zeros((3, 3)) if last is None else last.strain
        factor = EXAGGERATION if self.larger.isChecked() else 1
        turn = (np.eye(3) + factor * strain).T
        crystal = replace(found.crystal, lattice=found.crystal.lattice @ turn)
        view.scene.show(replace(found, crystal=crystal, positions=found.positions @ turn))
        view.canvas.redraw()
        if self.state.job is not None and self.state.job.freedom != "strain":
            self.crystal.set_title("Crystal", "not changed")
            return
        volume = float(np.linalg.det(np.eye(3) + strain)) - 1
        self.crystal.set_title("Crystal", f"volume {_number(100 * volume, 2, sign=True)} %")

    def _draw_numbers(self) -> None:
        last, found = self.state.last, self._opening
        strain = np.zeros((3, 3)) if last is None else last.strain
        self.strain.show_strain(strain)
        if found is None:
            self.numbers.set_rows([])
            return
        gap, k = found.gaps.direct.energy, tuple(found.gaps.direct.k_lower)
        rows = [("Gap before", f"{gap:.4f} eV")]
        if last is not None:
            rows.append(("Gap now", f"{last.gap:.4f} eV"))
            k = last.k
        rows.append(("at k", "(" + ", ".join(_number(x, 3) for x in k) + ")"))
        if last is not None:
            rows += [("Step", str(last.step)), ("Loss", f"{last.loss:.3g} eV²")]
            if last.field.any():
                field = ", ".join(_number(1000 * x, 1) for x in last.field)
                rows.append(("Field", f"({field}) meV"))
            if last.change > 0:
                rows.append(("Hoppings", f"{1000 * last.change:.3g} meV rms change"))
        if self.state.ready is not None:
            rows.append(("Zone gap", f"{self.state.ready.gap:.4f} eV"))
        self.numbers.set_rows(rows)
        job = self.state.job
        self.strain.setVisible(job is None or job.freedom == "strain")

    def _mark_zone(self, last: DesignStep | None) -> None:
        source, found = self.setup.chosen, self._opening
        if source is None or source.model or found is None or found.hoppings.lattice is None:
            self.k_points.emit([])
            return
        from crystalgui.core.physics.brillouin import fold, reciprocal_of

        k = np.array(found.gaps.direct.k_lower if last is None else last.k)
        place = fold(k, reciprocal_of(found.hoppings.lattice))
        self.k_points.emit([(place, "design", OKABE_ITO[2])])

    # --------------------------------------------------------------- export

    def strained_crystal(self) -> Crystal | None:
        """The crystal at the newest step; None where a strain was not designed."""
        last, found, job = self.state.last, self._opening, self.state.job
        if last is None or found is None or job is None or job.freedom != "strain":
            return None
        crystal = _crystal(found.hoppings)
        if crystal is None or last.lattice is None:
            return None
        title = f"{crystal.title}, strained to a gap of {last.gap:.4f} eV"
        return replace(crystal, lattice=last.lattice, title=title, source=None)

    def _ask_poscar(self) -> None:
        name = f"{(self.state.job.model if self.state.job else '') or 'design'}-strained.vasp"
        path, _ = QFileDialog.getSaveFileName(self, "Export strained POSCAR", name)
        if path:
            self.write_poscar(Path(path))

    def write_poscar(self, path: Path) -> None:
        """Write the strained crystal."""
        from crystalgui.core.structures.poscar import format_poscar

        crystal = self.strained_crystal()
        if crystal is not None:
            self._write(path, format_poscar(crystal))

    def _ask_csv(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export history", "design.csv", "CSV (*.csv)")
        if path:
            self.write_csv(Path(path))

    def write_csv(self, path: Path) -> None:
        """Write every step with its units."""
        ready, found = self.state.ready, self._opening
        if ready is None or found is None:
            return
        lines = [",".join(ready.columns)]
        lines += [",".join(f"{x:.10g}" for x in row) for row in ready.history]
        head = header(found.hoppings, f"gradient design: {ready.reason}", "T: r -> (1 + T) r")
        self._write(path, head + "\n".join(lines) + "\n")

    def _bands_table(self) -> Table | None:
        """The bands as they are now."""
        from crystalgui.core.physics.tables import bands_csv

        return partial(bands_csv, self.plot.bands) if self.plot.bands is not None else None

    def _curves_table(self) -> Table:
        """Watched value and loss of every step so far."""
        value, loss = self.state.value, self.state.loss
        columns = [column.copy() for column in (loss.x, value.y, loss.y)]
        return partial(rows_csv, ("step", "value_eV", "loss_eV2"), columns)

    def _write(self, path: Path, text: str) -> None:
        try:
            write_atomic(path, text.encode("utf-8"))
        except CrystalError as error:
            self._session.notify.error(error)
        except OSError as error:
            why = error.strerror or str(error)
            self._session.notify.error(
                FileError(f"It cannot be written: {why}.", "Choose another folder.", path=path)
            )
        else:
            self._session.notify.info(f"Written: {path.name}")

    def _open_designed(self) -> None:
        if self.state.ready is not None and self.state.ready.out is not None:
            self._session.project.open_paths([self.state.ready.out])

    # ------------------------------------------------------------ life cycle

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while hidden."""
        super().showEvent(event)
        self.mark()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let the clock rest."""
        super().hideEvent(event)
        clock().rest()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        self._breath.stop()
        if self.crystal_view is not None:
            self.crystal_view.close()
        super().closeEvent(event)


def _crystal(h: Hoppings) -> Crystal | None:
    from crystalgui.gui.state.project import crystal_of

    return crystal_of(h)


def _number(value: float, digits: int, *, sign: bool = False) -> str:
    """With a true minus sign, and no minus before zero."""
    value = round(float(value), digits) + 0.0
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")
