"""The card with the Brillouin zone in 3D: path, plane, markers, nodes, Fermi surface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QWidget,
)

from crystalgui.core.errors import CrystalError, FileError
from crystalgui.gui.panels.electronic.certificate_card import node_colour
from crystalgui.gui.theme import SPACE, class_colour, colour, font, theme
from crystalgui.gui.widgets import Card, Chip, Text, small_print

if TYPE_CHECKING:
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.evidence import Evidence, EvidenceSheet
    from crystalgui.core.physics.fermi import FermiSheet
    from crystalgui.core.physics.overview import Filling, Overview, ZoneNodes
    from crystalgui.core.physics.slices import Plane
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.views.zone_view import ZoneView

BREATH = 40
"""Pause before the 3D view is made, ms: the window paints and answers in between."""
SHELL_OPACITY = (0.3, 0.6)
"""Of the shells of a network's evidence, the outer one first."""
INSIDE = 0.1
"""Of an insulator the surface at first belongs to the valence bands, so deep, eV."""


class ZoneCard(Card):
    """A zone, and what can be looked for in it.

    Signals
    -------
    point_picked(str, object)
        Label and Cartesian k of a point of the path.
    ready()
        The 3D view was made.
    nodes_shown(object)
        `ZoneNodes`, or None when they are hidden.
    """

    point_picked = Signal(str, object)
    ready = Signal()
    nodes_shown = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Brillouin zone", "", parent)
        self._session = session
        self._hoppings: Hoppings | None = None
        self._view: Overview | None = None
        self._filling: Filling | None = None
        self._occupied = 1
        self._plane: Plane | None = None
        self._found: ZoneNodes | None = None
        self._sheets: tuple[FermiSheet, ...] = ()
        self._evidence: Evidence | None = None
        self._evidence_ink = "accent"
        self._shells: tuple[EvidenceSheet, ...] = ()
        self.view: ZoneView | None = None
        self.nodes = Chip("nodes", True, "Find Weyl and Dirac points, coloured by chirality")
        self.fermi = Chip("Fermi", True, "Fermi surface, or the surface of another energy")
        self.evidence = Chip("evidence", True, "Where the answer of the network rests")
        self.evidence.setChecked(True)
        self.evidence.toggled.connect(self._draw_evidence)
        self.evidence.hide()
        self.picture = Chip("", False, "Export the zone as a picture", icon_name="export")
        self.nodes.toggled.connect(self._nodes_toggled)
        self.fermi.toggled.connect(self._fermi_toggled)
        self.picture.clicked.connect(self._ask_picture)
        for chip in (self.nodes, self.fermi, self.evidence, self.picture):
            self.tools.addWidget(chip)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(250)
        self._rest.timeout.connect(self._ask_fermi)
        self.body.addWidget(self._level_row())
        self.key = Key(self)
        self.words = Text("", "muted", self)
        self.words.hide()
        self.body.addWidget(self.key)
        self.body.addWidget(self.words)
        self.assumed = small_print()
        self.body.addWidget(self.assumed)

    def _level_row(self) -> QWidget:
        self.level_row = QWidget(self)
        row = QHBoxLayout(self.level_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[1])
        label = QLabel("surface at E − E_F =")
        label.setProperty("role", "muted")
        self.level = QDoubleSpinBox(self)
        self.level.setRange(-100.0, 100.0)
        self.level.setDecimals(3)
        self.level.setSingleStep(0.05)
        self.level.setSuffix(" eV")
        self.level.setFixedWidth(110)
        self.level.setKeyboardTracking(False)
        self.level.setAccessibleName("Energy of the surface from the Fermi energy")
        self.level.valueChanged.connect(self._rest.start)
        row.addWidget(label)
        row.addWidget(self.level)
        row.addStretch(1)
        self.level_row.hide()
        return self.level_row

    # -------------------------------------------------------------- content

    def forget(self) -> None:
        """Another Hamiltonian is looked at."""
        self._hoppings = self._view = self._filling = self._plane = None
        for channel in ("nodes", "fermi surface"):
            self._session.lane.forget(channel)
        self._rest.stop()
        self._clear_nodes()
        self._clear_fermi()
        self.show_evidence(None)

    def show_overview(self, h: Hoppings, view: Overview) -> None:
        """Zone and path; the 3D view is made a moment later when it is the first."""
        self._hoppings, self._view = h, view
        if self.view is None:
            QTimer.singleShot(BREATH, self, self._make)
        else:
            self._show()

    def show_filling(self, filling: Filling | None, occupied: int) -> None:
        """The gap, and with it what nodes and Fermi surface depend on."""
        changed = occupied != self._occupied or self._filling is None
        self._filling, self._occupied = filling, occupied
        if not changed or filling is None:
            return
        self._clear_nodes()
        if self.nodes.isChecked():
            self._ask_nodes()
        if self.fermi.isChecked():
            self._start_level()

    def show_plane(self, plane: Plane | None) -> None:
        """The plane of the slice, or none."""
        self._plane = plane
        if self.view is not None:
            self.view.set_plane(
                None if plane is None else plane.origin, None if plane is None else plane.normal
            )

    def _make(self) -> None:
        if self.view is None:
            from crystalgui.gui.views.zone_view import ZoneView

            self.view = ZoneView(self)
            self.view.point_picked.connect(self.point_picked)
            self.body.insertWidget(0, self.view, 1)
        if self._view is not None:
            self._show()
            self.ready.emit()

    def _show(self) -> None:
        assert self.view is not None
        assert self._view is not None
        faces = len(self._view.zone.faces)
        self.set_title("Brillouin zone", f"{faces} faces")
        if self._hoppings is not None:
            self.assumed.setText(self._hoppings.assumptions.sentence())
        self.view.set_zone(self._view.zone, self._view.bands.path)
        self._draw_evidence()
        self.show_plane(self._plane)

    def _failed(self, error: ErrorInfo) -> None:
        self._say(f"{error.title} {error.hint}".strip())

    def _say(self, words: str) -> None:
        self.words.setText(words)
        self.words.setVisible(bool(words))

    # ---------------------------------------------------------------- nodes

    @property
    def found(self) -> ZoneNodes | None:
        """Nodes that are shown."""
        return self._found

    def _nodes_toggled(self, on: bool) -> None:
        if on:
            self._ask_nodes()
        else:
            self._session.lane.forget("nodes")
            self._clear_nodes()

    def _clear_nodes(self) -> None:
        self._found = None
        if self.view is not None:
            self.view.set_nodes([])
        self._describe()
        self.nodes_shown.emit(None)

    def _ask_nodes(self) -> None:
        from crystalgui.core.physics.overview import zone_nodes

        h, view, occupied = self._hoppings, self._view, self._occupied
        if h is None or view is None or self._filling is None:
            return

        def show(found: ZoneNodes) -> None:
            if h is self._hoppings and occupied == self._occupied and self.nodes.isChecked():
                self._show_nodes(found)

        self._say("searching for nodes…")
        self._session.lane.ask(
            "nodes",
            zone_nodes,
            h,
            occupied,
            view,
            on_answer=show,
            on_error=self._failed,
            owner=self,
            desk="zone",
        )

    def _show_nodes(self, found: ZoneNodes) -> None:
        self._found = found
        if self.view is not None:
            self.view.set_nodes(
                [(charge_text(node.chirality), k, node_colour(node)) for k, node in found.points]
            )
        self._describe()
        self.nodes_shown.emit(found)

    # -------------------------------------------------------- Fermi surface

    def _fermi_toggled(self, on: bool) -> None:
        self.level_row.setVisible(on)
        if on:
            self._start_level()
        else:
            self._rest.stop()
            self._session.lane.forget("fermi surface")
            self._clear_fermi()

    def _start_level(self) -> None:
        """E_F, or an energy inside the valence bands where E_F lies in a gap."""
        filling = self._filling
        if filling is None:
            return
        found = filling.gaps
        level = 0.0 if found.metal else found.indirect.lower - found.fermi - INSIDE
        self.level.blockSignals(True)
        self.level.setValue(level)
        self.level.blockSignals(False)
        self._ask_fermi()

    def _clear_fermi(self) -> None:
        self._sheets = ()
        if self.view is not None:
            self.view.set_fermi([])
        self._describe()

    def _ask_fermi(self) -> None:
        from crystalgui.core.physics.fermi import fermi_surface

        h, filling = self._hoppings, self._filling
        if h is None or filling is None or not self.fermi.isChecked():
            return

        def show(sheets: tuple[FermiSheet, ...]) -> None:
            if h is self._hoppings and self.fermi.isChecked():
                self._show_fermi(sheets)

        self._session.lane.ask(
            "fermi surface",
            fermi_surface,
            h,
            filling.gaps.fermi + self.level.value(),
            on_answer=show,
            on_error=self._failed,
            owner=self,
            desk="zone",
        )

    def _show_fermi(self, sheets: tuple[FermiSheet, ...]) -> None:
        self._sheets = sheets
        if self.view is not None:
            self.view.set_fermi(
                [(s.vertices, s.faces, s.velocities, class_colour(i)) for i, s in enumerate(sheets)]
            )
        self._describe()

    # ------------------------------------------------------------- evidence

    def show_evidence(self, evidence: Evidence | None, ink: str = "accent") -> None:
        """Where a network's answer rests, in the colour of its phase; None: nothing."""
        self._evidence, self._evidence_ink, self._shells = evidence, ink, ()
        self._session.lane.forget("evidence")
        self.evidence.setVisible(evidence is not None)
        view = self._view
        if evidence is None or view is None:
            self._draw_evidence()
            return
        from crystalgui.core.physics.evidence import evidence_sheets

        def show(shells: tuple[EvidenceSheet, ...]) -> None:
            if evidence is self._evidence:
                self._shells = shells
                self._draw_evidence()

        self._session.lane.ask(
            "evidence",
            evidence_sheets,
            evidence,
            view.zone,
            on_answer=show,
            on_error=self._failed,
            owner=self,
            desk="zone",
        )

    def _draw_evidence(self) -> None:
        shells = self._shells if self.evidence.isChecked() else ()
        if self.view is not None:
            ink = colour(self._evidence_ink).name()
            self.view.set_evidence(
                [
                    (s.vertices, s.faces, s.normals, ink, opacity)
                    for s, opacity in zip(shells, SHELL_OPACITY, strict=False)
                ]
            )
        self._describe()

    # --------------------------------------------------------------- words

    def _describe(self) -> None:
        """The key of colours, and what was found."""
        items: list[tuple[str, str]] = []
        words = []
        if self._found is not None:
            seen: dict[str, tuple[str, int]] = {}
            for node in self._found.search.nodes:
                name = "Dirac" if node.kind == "Dirac" else f"χ = {charge_text(node.chirality)}"
                seen[name] = (node_colour(node), seen.get(name, ("", 0))[1] + 1)
            items += [(ink, f"{name} ({count})") for name, (ink, count) in sorted(seen.items())]
            words.append(self._found.sentence)
        items += [
            (class_colour(i), f"band {sheet.band + 1}") for i, sheet in enumerate(self._sheets)
        ]
        if self._shells and self.evidence.isChecked():
            parts = ", ".join(f"{shell.part:.0%}" for shell in self._shells)
            items.append((self._evidence_ink, f"evidence of the network ({parts} of its range)"))
        if self.fermi.isChecked() and not self._sheets and self._hoppings is not None:
            words.append("No band crosses this energy.")
        self.key.set_items(items)
        self._say(" ".join(words))

    def _ask_picture(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export the zone", "zone.png", "PNG picture (*.png);;Nodes as CSV (*.csv)"
        )
        if not name:
            return
        try:
            self.write(name)
        except CrystalError as error:
            self._session.notify.error(error)
        else:
            self._session.notify.info(f"Wrote {Path(name).name}")

    def write(self, name: str) -> None:
        """The zone as seen now, 3 pixels for each on the screen; ``.csv``: the nodes."""
        from crystalgui.core.atomic import write_atomic

        if name.lower().endswith(".csv"):
            from crystalgui.core.physics.tables import header, nodes_csv

            nodes = self._found.search.nodes if self._found is not None else ()
            write_atomic(name, header(self._hoppings, "nodes") + nodes_csv(nodes))
        elif self.view is not None:
            from PySide6.QtGui import QImage

            size = self.view.size()
            picture = self.view.picture((3 * size.width(), 3 * size.height()))
            tall, wide = picture.shape[:2]
            made = np.ascontiguousarray(picture)
            image = QImage(made.data, wide, tall, 4 * wide, QImage.Format.Format_RGBA8888)
            if not image.save(name):
                raise FileError(
                    "The picture cannot be written.", "Choose another folder.", path=name
                )

    def shut(self) -> None:
        """Free the 3D view."""
        if self.view is not None:
            self.view.close()


class Key(QWidget):
    """Coloured dots and their meaning on one or two lines."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: Sequence[tuple[str, str]] = ()
        small = font("text")
        small.setPixelSize(11)
        self.setFont(small)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)
        self.hide()

    @property
    def items(self) -> list[tuple[str, str]]:
        """Colour and text of each dot."""
        return list(self._items)

    def set_items(self, items: Sequence[tuple[str, str]]) -> None:
        """Show other dots; none hides the key."""
        self._items = tuple(items)
        self.setAccessibleName(", ".join(text for _, text in items))
        self.setVisible(bool(items))
        self.update()

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(120, 16)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the dots."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        metrics = QFontMetrics(self.font())
        x = 2.0
        for ink, text in self._items:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(ink))
            painter.drawEllipse(QPointF(x + 4, 8), 4, 4)
            painter.setPen(colour("muted"))
            painter.drawText(QPointF(x + 12, 12), text)
            x += 12 + metrics.horizontalAdvance(text) + 12


def charge_text(chirality: int) -> str:
    """``+1``, ``−1``, ``0``."""
    return "0" if not chirality else f"{chirality:+d}".replace("-", "−")
