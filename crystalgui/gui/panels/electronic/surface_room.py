"""The room of surface states: spectral weight of a half-infinite crystal, or a slab.

The lane answers coarsely first; the fine picture then comes a few k-points at
a time, so that another question never waits long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.slab import (
    SlabBands,
    around_gamma,
    layers_of,
    like_edges,
    slab_bands,
    surface_path,
)
from crystalgui.core.physics.surface import SurfaceSpectrum, surface_spectrum
from crystalgui.core.physics.tables import rows_csv
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.surface_setup import SurfaceQuestion, SurfaceSetup
from crystalgui.gui.plots.slice import ColourBar
from crystalgui.gui.plots.surface import Slab, Spectrum, SurfacePlot
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, EmptyState, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.brillouin import KPath
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

    Floats = NDArray[np.float64]

PAUSE = 250
"""Rest of the controls before something is computed, ms."""
PART = 16
"""k-points of the fine picture that come together."""
ROUGH = (9.0, 60)
USUAL, FINE = (22.0, 110), (40.0, 200)
"""k-points per 1/Angstrom and energies: at once, usually, and fine."""
CENTRAL = 0.12
"""A small gap this near to the middle of the surface zone (reduced k) is shown in detail."""
NEAR = 0.25
"""Part of the way to the neighbours of Gamma that is shown in detail."""
SLAB = (8.0, 20.0, 40.0)


@dataclass(frozen=True, slots=True)
class Reference:
    """Energy that counts as zero, how much of the bands is worth seeing (eV), and where."""

    fermi: float
    half: float
    central: bool = False


def reference(h: Hoppings, occupied: int) -> Reference:
    """E_F and a window around the gap, in the lane."""
    found = gaps(h, min(max(occupied, 1), h.n_orbitals - 1))
    half = min(max(3 * found.direct.energy, 0.4), 2.0)
    beside = np.abs(found.direct.k_lower[:2] - np.round(found.direct.k_lower[:2])).max()
    return Reference(found.fermi, round(half, 1), bool(beside < CENTRAL and half < 0.6))


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A coarse spectrum, and the rows and columns of the fine one."""

    rough: SurfaceSpectrum
    path: KPath
    energies: Floats


def begin_spectrum(question: SurfaceQuestion, fermi: float) -> Begun:
    """The coarse spectrum, in the lane."""
    q = question
    low, high = (fermi + x for x in q.window)
    stack = layers_of(q.h, q.hkl, q.cut)
    density, count = FINE if q.fine else USUAL
    path = path_of(stack.hoppings, q.path, density)
    few = np.linspace(low, high, ROUGH[1])
    rough = surface_spectrum(
        q.h,
        q.hkl,
        path_of(stack.hoppings, q.path, ROUGH[0]),
        few,
        broadening=max(q.broadening, 0.6 * float(few[1] - few[0])),
        cut=q.cut,
    )
    return Begun(rough, path, np.linspace(low, high, count))


def path_of(turned: Hoppings, kind: str, density: float) -> KPath:
    """The path that was chosen, through the surface zone of a reoriented crystal."""
    if kind == "gamma":
        return around_gamma(surface_path(turned, density / NEAR), NEAR)
    return surface_path(turned, density, momenta=kind == "momenta" or not like_edges(turned))


def begin_slab(question: SurfaceQuestion, density: float) -> SlabBands:
    """Bands of a slab, in the lane."""
    q = question
    path = path_of(layers_of(q.h, q.hkl, q.cut).hoppings, q.path, density)
    return slab_bands(q.h, q.hkl, q.layers, path, cut=q.cut)


def some_rows(question: SurfaceQuestion, begun: Begun, start: int) -> SurfaceSpectrum:
    """`PART` rows of the fine spectrum, in the lane."""
    return surface_spectrum(
        question.h,
        question.hkl,
        begun.path.k[start : start + PART],
        begun.energies,
        broadening=question.broadening,
        cut=question.cut,
    )


class SurfaceRoom(Growing, QWidget):
    """Form, picture and caption."""

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._h: Hoppings | None = None
        self._occupied = 0
        self._zero: Reference | None = None
        self._asked: SurfaceQuestion | None = None
        self._begun: Begun | None = None
        self.shown: SurfaceSpectrum | SlabBands | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(PAUSE)
        self._rest.timeout.connect(self.compute)
        self.grow(self._build(), at_once)

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self.card = Card("Surface", "", self)
        self.setup = SurfaceSetup(self)
        yield
        self.plot = SurfacePlot(self)
        self.plot.setAccessibleName("States of the surface")
        yield
        self.bar = ColourBar(self)
        self.bar.setToolTip("Spectral weight, states / eV")
        self.log = Chip("log", True, "Logarithmic colours: the bulk is seen beside surface states")
        self.log.setChecked(True)
        self.log.toggled.connect(self._log_changed)
        self.export = ExportChip(
            self.card, (self.plot, self.bar), "surface", self.table, self._session.lane
        )
        self.slab, self.fine = self.setup.slab, self.setup.fine
        for chip in (self.slab, self.log, self.fine, self.export):
            self.card.tools.addWidget(chip)
        self.error = Text("", "bad")
        self.caption = Text("", "muted")
        self.empty = EmptyState(
            "electronic",
            "No Hamiltonian is open",
            "Drop a wannier90 _hr.dat or _tb.dat file: the states of its surfaces are drawn here.",
        )
        middle = QHBoxLayout()
        middle.setSpacing(SPACE[1])
        middle.addWidget(self.plot, 1)
        middle.addWidget(self.bar)
        self.card.body.addWidget(self.setup)
        self.card.body.addWidget(self.error)
        self.card.body.addLayout(middle, 1)
        self.card.body.addWidget(self.caption)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.card)
        column.addWidget(self.empty)
        self.setup.changed.connect(self._later)
        self.setup.side_changed.connect(self._draw)
        self._show_nothing()

    def actions(self) -> list[ActionInfo]:
        """Actions of this room, for menus and the palette."""
        return [
            ActionInfo(
                "surface.slab",
                "Bands of a slab",
                self.slab.setChecked,
                menu="Physics",
                checkable=True,
                tip="A slab of finite thickness instead of a half-infinite crystal",
                enabled=lambda: self._h is not None,
                checked=self.slab.isChecked,
                group=5,
            ),
            ActionInfo(
                "surface.export",
                "Export the surface…",
                self.export.ask,
                menu="Physics",
                tip="PNG, SVG, PDF, or the numbers as CSV",
                enabled=self.export.isEnabled,
                group=5,
            ),
        ]

    # -------------------------------------------------------------- subject

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Show the surface of this Hamiltonian."""
        other = h is not self._h
        self._h, self._occupied = h, occupied
        self._show_nothing()
        if h is None:
            return
        if other:
            stacked = bool(np.any(h.cells[:, 2]))
            flat = (0, 1, 0) if np.any(h.cells[:, 1]) else (1, 0, 0)
            self.setup.begin((0, 0, 1) if stacked else flat)
        self._zero = None
        self.card.set_title("Surface", "looking at the gap…")
        if h.n_orbitals < 2:
            self._zero = Reference(0.0, 1.0)
            self.compute()
            return
        self._session.lane.ask(
            "surface",
            reference,
            h,
            occupied,
            on_answer=lambda found: self._zero_found(h, other, found),
            on_error=self._failed,
            owner=self,
            desk="surface",
        )

    def _zero_found(self, h: Hoppings, other: bool, found: Reference) -> None:
        if h is not self._h:
            return
        self._zero = found
        if other:
            self.setup.set_energies(found.half, max(0.002, round(found.half / 80, 3)))
            self.setup.set_path("gamma" if found.central else "auto")
        self.compute()

    def leave(self) -> None:
        """Another Hamiltonian is shown while this room is hidden: nothing is computed for it."""
        self._forget()

    def _show_nothing(self) -> None:
        self._forget()
        self.shown = None
        self.plot.set_spectrum(None, (-1.0, 1.0))
        self.bar.set_limits(None)
        self.export.set_source(None)
        self.caption.setText("")
        self.error.hide()
        self.card.setVisible(self._h is not None)
        self.empty.setVisible(self._h is None)

    def _forget(self) -> None:
        self._rest.stop()
        self._asked = self._begun = None
        self._session.lane.forget("surface")

    # ------------------------------------------------------------- question

    @property
    def busy(self) -> bool:
        """Whether a finer picture is still to come."""
        return self._asked is not None or self._rest.isActive()

    def _later(self) -> None:
        if self._h is not None:
            self._rest.start()

    def compute(self) -> None:
        """Ask what the form says."""
        if self._h is None or self._zero is None:
            return
        self._forget()
        question = self.setup.question(self._h, self._occupied)
        low, high = question.window
        if not low < high:
            self._say("The energy window is empty.", "Give a higher upper end.")
            return
        self.error.hide()
        self._asked = question
        self.card.set_title("Surface", f"{_hkl(question)}, computing…")
        if question.slab:
            self._ask_slab(question, 0)
            return
        self._session.lane.ask(
            "surface",
            begin_spectrum,
            question,
            self._zero.fermi,
            on_answer=lambda begun: self._coarse_found(question, begun),
            on_error=self._failed,
            owner=self,
            desk="surface",
        )

    def _failed(self, error: ErrorInfo) -> None:
        self._asked = None
        self._say(error.title, error.hint)

    def _say(self, title: str, hint: str) -> None:
        self._show_nothing()
        self.card.set_title("Surface", "")
        self.error.setText(f"{title} {hint}".strip())
        self.error.show()

    # ------------------------------------------------------------- spectrum

    def _coarse_found(self, question: SurfaceQuestion, begun: Begun) -> None:
        if question is not self._asked:
            return
        size = (len(begun.path.k), len(begun.energies))
        rough, places = begun.rough, _nearest(begun.path, begun.rough.path)
        columns = np.searchsorted((rough.energies[1:] + rough.energies[:-1]) / 2, begun.energies)
        left, right, bulk = (
            part[np.ix_(places, columns)].reshape(size)
            for part in (rough.left, rough.right, rough.bulk)
        )
        self._begun = begun
        self.shown = replace(
            rough, path=begun.path, k=begun.path.k[:, :2], energies=begun.energies,
            left=left, right=right, bulk=bulk,
        )  # fmt: skip
        self._draw()
        self._ask_rows(question, begun, 0)

    def _ask_rows(self, question: SurfaceQuestion, begun: Begun, start: int) -> None:
        self._session.lane.ask(
            "surface",
            some_rows,
            question,
            begun,
            start,
            on_answer=lambda part: self._rows_found(question, begun, start, part),
            on_error=self._failed,
            owner=self,
            desk="surface",
        )

    def _rows_found(
        self, question: SurfaceQuestion, begun: Begun, start: int, part: SurfaceSpectrum
    ) -> None:
        before = self.shown
        if question is not self._asked or not isinstance(before, SurfaceSpectrum):
            return
        rows = slice(start, start + len(part.k))
        for name in ("left", "right", "bulk"):
            getattr(before, name)[rows] = getattr(part, name)
        self.shown = replace(
            before, broadening=part.broadening, principal=part.principal,
            dropped=part.dropped, note=part.note,
        )  # fmt: skip
        done = start + len(part.k)
        total = len(begun.path.k)
        if done < total:
            self.card.set_title("Surface", f"{_hkl(question)}, {done} of {total} k-points…")
            self._draw()
            self._ask_rows(question, begun, done)
            return
        self._asked = None
        self._finish(question)
        self._draw()

    # ----------------------------------------------------------------- slab

    def _ask_slab(self, question: SurfaceQuestion, stage: int) -> None:
        density = SLAB[stage if not question.fine else 2 * stage]
        self._session.lane.ask(
            "surface",
            begin_slab,
            question,
            density,
            on_answer=lambda found: self._slab_found(question, stage, found),
            on_error=self._failed,
            owner=self,
            desk="surface",
        )

    def _slab_found(self, question: SurfaceQuestion, stage: int, found: SlabBands) -> None:
        if question is not self._asked:
            return
        self.shown = found
        if stage == 0:
            self._draw()
            self._ask_slab(question, 1)
            return
        self._asked = None
        self._finish(question)
        self._draw()

    # -------------------------------------------------------------- picture

    def _finish(self, question: SurfaceQuestion) -> None:
        self.caption.setText(self._words())
        self.export.set_source(question.h, self._words())

    def _words(self) -> str:
        """Caption: what was assumed, how it was computed."""
        shown = self.shown
        if shown is None:
            return ""
        words = shown.note
        if isinstance(shown, SurfaceSpectrum):
            layers = "layer" if shown.principal == 1 else "layers"
            words += f" · principal layer of {shown.principal} {layers}"
            words += ", weight of the outermost layer" if self.setup.side != "bulk" else ""
        else:
            words += (
                " · marked: weight on the lowest layer (blue rings) and the highest one (red dots)"
            )
        return words

    def _draw(self, *_: object) -> None:
        shown, zero = self.shown, self._zero
        if shown is None or zero is None:
            return
        window = self.setup.question(shown_h(self), self._occupied).window
        if isinstance(shown, SurfaceSpectrum) and shown.path is not None:
            values = getattr(shown, self.setup.side)
            energies = shown.energies - zero.fermi
            self.plot.set_spectrum(
                Spectrum(path=shown.path, energies=energies, values=values), window
            )
            words = {"left": "bottom", "right": "top"}.get(self.setup.side, "bulk")
        elif isinstance(shown, SlabBands):
            self.plot.set_slab(
                Slab(
                    path=shown.path,
                    energies=shown.energies - zero.fermi,
                    bottom=shown.left,
                    top=shown.right,
                ),
                window,
            )
            words = f"slab of {shown.weights.shape[2]} layers"
        if self._asked is None:
            self.card.set_title("Surface", f"{self._name()}, {words}")
            self.caption.setText(self._words())
            self.export.set_source(self._h, self._words())
        self._show_bar()

    def _name(self) -> str:
        return _hkl(self.setup.question(shown_h(self), self._occupied))

    def _show_bar(self) -> None:
        limits = self.plot.limits
        self.bar.setVisible(limits is not None)
        self.log.setVisible(not self.slab.isChecked())
        self.bar.set_limits(limits, "/ eV", signed=False)

    def _log_changed(self, on: bool) -> None:
        self.plot.set_log(on)
        self._show_bar()

    # --------------------------------------------------------------- export

    def table(self) -> Table | None:
        """What is shown as CSV."""
        shown, zero = self.shown, self._zero
        if shown is None or shown.path is None or zero is None:
            return None
        return partial(spectrum_csv, shown, shown.path, zero.fermi)


def spectrum_csv(shown: SurfaceSpectrum | SlabBands, path: KPath, fermi: float) -> str:
    """One row for every k and energy, or k and band."""
    m, n = shown.left.shape
    place = [np.repeat(x, n) for x in (path.distance, path.k[:, 0], path.k[:, 1])]
    names = ["distance_per_A", "k1", "k2"]
    if isinstance(shown, SurfaceSpectrum):
        energy = np.tile(shown.energies, m)
        names += ["energy_eV", "energy_from_EF_eV"]
        names += [f"{side}_states_per_eV" for side in ("bottom", "top", "bulk")]
        parts = [x.ravel() for x in (shown.left, shown.right, shown.bulk)]
        return rows_csv(names, [*place, energy, energy - fermi, *parts])
    energy = shown.energies.ravel()
    names += ["band", "energy_eV", "energy_from_EF_eV", "weight_bottom", "weight_top"]
    band = np.tile(np.arange(1.0, n + 1), m)
    sides = [shown.left.ravel(), shown.right.ravel()]
    return rows_csv(names, [*place, band, energy, energy - fermi, *sides])


def shown_h(room: SurfaceRoom) -> Hoppings:
    """The Hamiltonian of a room that shows something."""
    assert room._h is not None
    return room._h


def _hkl(question: SurfaceQuestion) -> str:
    return "(" + "".join(f"{abs(x)}\u0305" if x < 0 else str(x) for x in question.hkl) + ")"


def _nearest(path: KPath, other: KPath | None) -> NDArray[np.int64]:
    """Rows of another sampling of the same path that are nearest."""
    if other is None or len(other.distance) < 2:
        return np.zeros(len(path.k), dtype=np.int64)
    edges = (other.distance[1:] + other.distance[:-1]) / 2
    return np.searchsorted(edges, path.distance).astype(np.int64)
