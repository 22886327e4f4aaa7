"""The crystal of the Evidence page: the one 3D view that all rooms draw on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from crystalgui.core.structures.elements import formula, subscripts
from crystalgui.gui.panels.evidence.room import Look
from crystalgui.gui.plots.scale import ScaleBar
from crystalgui.gui.widgets import Card, Chip, ElidedLabel, Text

if TYPE_CHECKING:
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.gui.session import Session
    from crystalgui.gui.views.crystal_view import CrystalView
    from crystalgui.scene.geometry import Geometry

APART = 1.25
"""Atoms that were pulled apart by more have no bonds."""
MOST_NAMED = 40
"""A larger crystal has no names at its atoms."""
BREATH = 60
"""Pause before the 3D view is made, ms."""


def draw(crystal: Crystal) -> Geometry:
    """What is drawn of a crystal; called in the lane, with the 3D library."""
    import crystalgui.gui.views.crystal_view  # noqa: F401  loaded here, used by the card
    from crystalgui.scene.geometry import geometry

    return geometry(crystal)


class CrystalCard(Card):
    """The crystal as the room in front wants it, with the scale of its colours.

    Signals
    -------
    picked(tuple)
        Atoms of the cell that a person selected in the view.
    picture_wanted()
    """

    picked = Signal(tuple)
    picture_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Crystal", "", parent)
        self._session = session
        self.view: CrystalView | None = None
        self._subject: Crystal | None = None
        self._wanted: Crystal | None = None
        self._base: Geometry | None = None
        self._factor = 1.0
        self._look = Look()
        self._quiet = False
        self.setMinimumWidth(220)
        self.fit_chip = Chip("", tooltip="Fit to the picture (F)", icon_name="fit")
        self.fit_chip.clicked.connect(self.fit)
        self.png_chip = Chip("PNG…", tooltip="Save a picture of exact size")
        self.png_chip.clicked.connect(self.picture_wanted)
        for chip in (self.fit_chip, self.png_chip):
            self.tools.addWidget(chip)
        self.pages = QStackedWidget(self)
        self.note = Text("", "muted")
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pages.addWidget(self.note)
        self.body.addWidget(self.pages, 1)
        self.bar = ScaleBar(self)
        self.bar.hide()
        self.body.addWidget(self.bar)
        self.hint = ElidedLabel("")
        self.hint.setProperty("role", "muted")
        self.body.addWidget(self.hint)
        self._breath = QTimer(self)
        self._breath.setSingleShot(True)
        self._breath.setInterval(BREATH)
        self._breath.timeout.connect(self._make_view)

    # --------------------------------------------------------------- content

    @property
    def look(self) -> Look:
        """How the crystal is drawn."""
        return self._look

    @property
    def base(self) -> Geometry | None:
        """What is drawn, at its own size."""
        return self._base

    @property
    def shows_subject(self) -> bool:
        """Whether it is the crystal that is asked about, not a similar one."""
        return self._wanted is self._subject

    def show_crystal(self, crystal: Crystal | None) -> None:
        """Show the crystal that is asked about."""
        self._subject = crystal
        self._follow()

    def set_look(self, look: Look) -> None:
        """Draw it in another way."""
        self._look = look
        self._follow()

    def select_atoms(self, atoms: tuple[int, ...]) -> None:
        """Select atoms of the cell."""
        if self.view is not None:
            self._quiet = True
            self.view.select_atoms(atoms)
            self._quiet = False

    @property
    def atoms(self) -> tuple[int, ...]:
        """Atoms of the cell that are selected."""
        return self.view.cell_atoms() if self.view is not None else ()

    def fit(self) -> None:
        """Show everything."""
        if self.view is not None:
            self.view.canvas.fit()

    def _follow(self) -> None:
        """Draw the crystal that the look wants, when it is another one, else dress it."""
        look = self._look
        wanted = look.crystal if look.own else look.crystal or self._subject
        if wanted is None or (self._subject is None and not look.own):
            self._draw_nothing(look.note if look.own else "")
            return
        self.set_title(subscripts(formula(wanted)), look.caption)
        if wanted is self._wanted:
            if self._base is not None:
                self._dress()
            return
        self._wanted, self._base = wanted, None
        self._session.lane.ask(
            "evidence:draw",
            draw,
            wanted,
            on_answer=lambda found: self._drawn(wanted, found),
            on_error=lambda error: self._failed(wanted, error),
            owner=self,
        )

    def _draw_nothing(self, why: str) -> None:
        self._wanted = self._base = None
        self._session.lane.forget("evidence:draw")
        self._breath.stop()
        self.bar.set_scale(None)
        if self._look.own:
            self.set_title("Crystal", self._look.caption)
        self._say(why)

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.pages.setCurrentWidget(self.note)

    def _failed(self, crystal: Crystal, error: ErrorInfo) -> None:
        if crystal is self._wanted:
            self._say(f"{error.title} {error.hint}".strip())

    def _drawn(self, crystal: Crystal, found: Geometry) -> None:
        if crystal is not self._wanted:
            return
        self._base = found
        if self.view is None:
            self._breath.start()
        else:
            self._show()

    def _make_view(self) -> None:
        if self.view is None:
            from crystalgui.gui.views.crystal_view import CrystalView

            self.view = CrystalView(self.pages)
            self.view.canvas.preset = self._session.settings.mouse
            self.view.selection_changed.connect(self._selected)
            self.view.hovered.connect(self.hint.setText)
            self.view.perspective_wanted.connect(self._perspective)
            self.pages.addWidget(self.view)
        self._show()

    def _perspective(self) -> None:
        if self.view is not None:
            self.view.set_style(perspective=not self.view.style3d.perspective)

    def _show(self) -> None:
        if self._base is None or self.view is None:
            return
        self._factor = 1.0
        self.view.scene.slack = 1.0
        self.view.show_geometry(self._base)
        self.pages.setCurrentWidget(self.view)
        self._dress()

    # --------------------------------------------------------------- dressing

    def _dress(self) -> None:
        """Size, bonds, colours and pairs of the look."""
        view, base, look = self.view, self._base, self._look
        if view is None or base is None:
            return
        from crystalgui.scene.pairs import pair_sticks

        few = base.crystal.n_atoms <= MOST_NAMED
        style = {
            "bonds": look.bonds,
            "labels": "index" if look.named and few else "none",
            "legend": not (look.named and few) and look.tints is None,
        }
        now = view.style3d
        if any(getattr(now, name) != value for name, value in style.items()):
            view.set_style(**style)
        self._breathe(base, look.factor, look.largest / look.factor)
        pairs = None
        drawn = view.geometry3d
        if look.pairs and look.pair_colours is not None and drawn is not None:
            pairs = pair_sticks(drawn, look.pairs, look.pair_colours)
        tints = look.tints
        if tints is not None and len(tints) != base.crystal.n_atoms:
            tints = None
        if tints is not None or pairs is not None or view.scene.dressed:
            view.dress(tints, pairs)
        self.bar.set_scale(look.scale)

    def _breathe(self, base: Geometry, factor: float, slack: float) -> None:
        """Every length times a factor; the frame stays that of the largest."""
        view = self.view
        if view is None or (factor == self._factor and slack == view.scene.slack):
            return
        frame = slack * factor != view.scene.slack * self._factor
        self._factor = factor
        if factor == 1.0:
            scaled = base
        else:
            crystal = replace(base.crystal, lattice=base.crystal.lattice * factor)
            bonds = base.bonds if factor < APART else np.zeros((0, 2), dtype=np.int64)
            scaled = replace(
                base, crystal=crystal, positions=base.positions * factor, bonds=bonds, polyhedra=()
            )
        view.breathe(scaled, slack)
        if frame and view.canvas.fitted:
            view.canvas.fit()

    # -------------------------------------------------------------- selection

    def _selected(self, _drawn: tuple[int, ...]) -> None:
        if not self._quiet and self.view is not None:
            self.picked.emit(self.view.cell_atoms())

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        self._breath.stop()
        if self.view is not None:
            self.view.close()
        super().closeEvent(event)
