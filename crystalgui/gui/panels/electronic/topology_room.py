"""The room that answers what phase this is: the certificate, and the flow it rests on.

Nothing is computed here: the certificate is asked from the lane
(`core.physics.classify`), and an answer that belongs to another Hamiltonian,
filling or choice of options is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QSplitter,
    QStackedLayout,
    QWidget,
)

from crystalgui.core.reports.certificate import BADGES
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.certificate_card import CertificateCard, node_colour
from crystalgui.gui.panels.electronic.flow_card import FlowCard
from crystalgui.gui.panels.electronic.network_card import NetworkCard
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, EmptyState, FlowLayout, ProgressBar, Text

if TYPE_CHECKING:
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

KEPT = 12
"""Certificates that are remembered."""
WIDE = 860
"""Cards stand side by side from this width on, pixels."""
TALL = 760
"""A room that is higher gives the certificate more than half, pixels."""
MANY = 24
"""Nodes that are named in the zone; more are marked without a name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; the identity of ``h`` counts."""

    h: Hoppings
    occupied: int
    dimension: int | None
    gap_tolerance: float
    nodes: bool
    symmetrise: bool


def certify(question: Question) -> Certificate:
    """The certificate, in the lane."""
    from crystalgui.core.physics.classify import classify

    q = question
    return classify(
        q.h,
        q.occupied,
        dimension=q.dimension,
        gap_tolerance=q.gap_tolerance,
        nodes=q.nodes,
        symmetrise=q.symmetrise,
    )


def with_planes(h: Hoppings, certificate: Certificate) -> Certificate:
    """The certificate with the flows of its whole planes, in the lane."""
    from crystalgui.core.physics.planes import whole_planes

    return replace(certificate, flows=whole_planes(h, certificate))


class TopologyRoom(Growing, QWidget):
    """Certificate and Wilson flow of the Hamiltonian that is shown.

    Signals
    -------
    k_points(object)
        Nodes to mark in the zone: list of (Cartesian k in 1/Angstrom, label,
        colour).
    evidence(object)
        Where the network's answer rests (`network_card.Shown`), or None.
    """

    k_points = Signal(object)
    evidence = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._h: Hoppings | None = None
        self._file: OpenFile | None = None
        self._occupied = 0
        self._asked: Question | None = None
        self._since = 0.0
        self._moved = False
        self._known: OrderedDict[Question, Certificate] = OrderedDict()
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._tick)
        self.grow(self._build(), at_once)

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self.card = CertificateCard(self)
        yield
        self.flow = FlowCard(self._session, self)
        yield
        self.network = NetworkCard(self._session, self)
        yield
        self.network.evidence.connect(self.evidence)
        self.network.k_chosen.connect(self._choose_k)
        self.network.filled.connect(self._share)
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("The certificate is being computed")
        self.error = Text("", "bad")
        self.error.hide()
        self.waiting = Text("", "muted")
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter)
        self.card.body.insertWidget(0, self._options())
        self.card.body.insertWidget(1, self.bar)
        self.card.body.insertWidget(2, self.error)
        self.card.body.insertWidget(3, self.waiting, 1)
        yield
        self.splitter = QSplitter(Qt.Orientation.Vertical, self)
        self.splitter.addWidget(self.card)
        self.beside = QSplitter(Qt.Orientation.Horizontal, self)
        self.beside.addWidget(self.network)
        self.beside.addWidget(self.flow)
        self.splitter.addWidget(self.beside)
        for splitter in (self.splitter, self.beside):
            splitter.setHandleWidth(SPACE[2])
            splitter.setChildrenCollapsible(False)
        for index in (0, 1):
            self.splitter.setStretchFactor(index, 1)
        for splitter in (self.splitter, self.beside):
            splitter.splitterMoved.connect(self._note_move)
        self.empty = EmptyState(
            "electronic",
            "No Hamiltonian is open",
            "Drop a wannier90 _hr.dat or _tb.dat file: its phase is certified here.",
        )
        self._stack = QStackedLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.splitter)
        self.card.k_chosen.connect(self._choose_k)
        self.flow.k_chosen.connect(self._choose_k)
        self.card.export_wanted.connect(self._export)
        self._show_empty()
        self._arrange()

    def _options(self) -> QWidget:
        """Dimension, tolerance, routes, and the button."""
        holder = QWidget(self)
        flow = FlowLayout(holder, SPACE[1])
        self.dimension = QComboBox()
        for text, value in (("auto", None), ("1D", 1), ("2D", 2), ("3D", 3)):
            self.dimension.addItem(text, value)
        self.dimension.setAccessibleName("Dimension")
        self.dimension.setToolTip("Dimension; auto: the directions in which anything hops")
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setDecimals(5)
        self.tolerance.setRange(1e-5, 1.0)
        self.tolerance.setSingleStep(1e-4)
        self.tolerance.setValue(1e-4)
        self.tolerance.setSuffix(" eV")
        self.tolerance.setFixedWidth(100)
        self.tolerance.setKeyboardTracking(False)
        self.tolerance.setAccessibleName("Gap tolerance in eV")
        self.tolerance.setToolTip("A smaller direct gap counts as not resolved")
        self.nodes = Chip("nodes", True, "Search for Weyl and Dirac nodes off every mesh")
        self.nodes.setChecked(True)
        self.symmetrise = Chip(
            "restore T", True, "Restore time reversal that the file breaks slightly, and say so"
        )
        self.again = Chip(
            "Certify", False, "Compute the certificate again, with these options",
            icon_name="refresh",
        )  # fmt: skip
        self.again.clicked.connect(self.certify_again)
        self.stop = Chip("Stop", False, "Stop computing the certificate", icon_name="stop")
        self.stop.clicked.connect(self.give_up)
        self.stop.hide()
        self.card.tools.insertWidget(0, self.again)
        self.card.tools.insertWidget(1, self.stop)
        group = QWidget()
        row = QHBoxLayout(group)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[0])
        words = QLabel("gap >")
        words.setProperty("role", "muted")
        row.addWidget(words)
        row.addWidget(self.tolerance)
        flow.addWidget(self.dimension)
        flow.addWidget(group)
        for widget in (self.nodes, self.symmetrise):
            flow.addWidget(widget)
        return holder

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cards side by side where there is room."""
        super().resizeEvent(event)
        if hasattr(self, "empty"):  # else it is still being built
            self._arrange()

    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.splitter.orientation() != wanted:
            self.splitter.setOrientation(wanted)
            self.beside.setOrientation(
                Qt.Orientation.Vertical if wide else Qt.Orientation.Horizontal
            )
            self._moved = False
        self._share()

    def _share(self) -> None:
        """Where it is tall, the certificate has more to say than what stands beside it."""
        if self._moved or not hasattr(self, "beside"):
            return
        upright = self.splitter.orientation() == Qt.Orientation.Vertical
        answered = self.network.answer is not None
        sizes = [1180, 820] if upright and self.height() > TALL else [1000, 1000]
        if self.flow.isHidden() and not answered:
            sizes = [1500, 500]
        self.splitter.setSizes(sizes)
        self.beside.setSizes([1000, 1000] if answered else [350, 650] if upright else [240, 760])

    def _note_move(self) -> None:
        """The shares are the person's own from now on."""
        self._moved = True

    def actions(self) -> list[ActionInfo]:
        """Actions of this room, for menus and the palette."""
        return [
            ActionInfo(
                "topology.certify",
                "Certify the phase",
                self.certify_again,
                menu="Physics",
                tip="Compute the topological certificate of the Hamiltonian that is shown",
                enabled=lambda: self._h is not None,
            ),
            ActionInfo(
                "topology.stop",
                "Stop the certificate",
                self.give_up,
                menu="Physics",
                tip="Stop computing the certificate",
                enabled=lambda: self._asked is not None,
            ),
            ActionInfo(
                "topology.copy",
                "Copy the certificate as JSON",
                self.card.copy.click,
                menu="Physics",
                tip="Label, indices, gaps, nodes and checks as one JSON object",
                enabled=lambda: self.card.certificate is not None,
            ),
            ActionInfo(
                "topology.network",
                "Ask the network for the phase",
                self.network.ask_now,
                menu="Physics",
                tip="A trained network guesses the phase and shows where its evidence lies",
                enabled=self.network.ask.isEnabled,
            ),
            ActionInfo(
                "topology.export",
                "Export the certificate…",
                self._export,
                menu="Physics",
                tip="Certificate as JSON, or as CSV with the flows beside it",
                enabled=lambda: self.card.certificate is not None,
            ),
        ]

    # -------------------------------------------------------------- subject

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Show the certificate of this Hamiltonian at this filling."""
        changed = h is not self._h or occupied != self._occupied
        self._h, self._occupied, self._file = h, occupied, file
        if h is None:
            self._show_empty()
            return
        self._stack.setCurrentIndex(1)
        if not changed and (self.card.certificate is not None or self._asked is not None):
            return
        self._forget()
        self.network.begin(h, occupied, file)
        question = self.question()
        known = self._known.get(question)
        if known is not None:
            self.flow.clear("")
            self._show(known)
            return
        self.card.clear()
        self.flow.clear("")
        self.k_points.emit([])
        self._ask(question)

    def question(self) -> Question:
        """What the page and the options ask."""
        assert self._h is not None
        return Question(
            self._h,
            self._occupied,
            self.dimension.currentData(),
            self.tolerance.value(),
            self.nodes.isChecked(),
            self.symmetrise.isChecked(),
        )

    def certify_again(self) -> None:
        """Compute the certificate with the options as they stand."""
        if self._h is not None:
            self._ask(self.question())

    def give_up(self) -> None:
        """Stop the certificate that is being computed."""
        if self._asked is None:
            return
        self._forget()
        if self.card.certificate is None:
            self._say("Stopped.", "Certify starts again.", "muted")

    def leave(self) -> None:
        """Another Hamiltonian is shown while this room is hidden: its certificate stops."""
        self._forget()
        self.network.leave()

    def _show_empty(self) -> None:
        self._forget()
        self.network.begin(None, 0, None)
        self.card.clear()
        self.flow.clear("")
        self._stack.setCurrentIndex(0)
        self.k_points.emit([])

    def _forget(self) -> None:
        """Whatever is under way is not wanted any more, and stops."""
        self._asked = None
        for channel in ("topology", "topology planes"):
            self._session.lane.forget(channel)
        self._rest()
        self.error.hide()

    # ------------------------------------------------------------- question

    def _ask(self, question: Question) -> None:
        self._forget()
        if question.occupied >= question.h.n_orbitals:
            self._say("All bands are occupied: there is no gap to look at.",
                      "Choose fewer occupied bands in Bands.")  # fmt: skip
            return
        self._asked, self._since = question, monotonic()
        self.bar.setRange(0, 0)
        self.bar.show()
        self.waiting.setText("Gap, charge centres, parities and nodes are being checked…")
        self.waiting.setVisible(self.card.certificate is None)
        self.again.hide()
        self.stop.show()
        self._clock.start()
        self._tick()
        self._session.lane.ask(
            "topology",
            certify,
            question,
            on_answer=lambda answer: self._answered(question, answer),
            on_error=lambda error: self._failed(question, error),
            owner=self,
            desk="topology",
        )

    def _tick(self) -> None:
        passed = int(monotonic() - self._since)
        self.card.set_title("Certificate", f"checking… {passed} s" if passed else "checking…")

    def _rest(self) -> None:
        """Nothing is being computed."""
        self._clock.stop()
        self.bar.setRange(0, 1)
        self.bar.hide()
        self.waiting.hide()
        self.stop.hide()
        self.again.show()
        self.card.set_title("Certificate", "")

    def _answered(self, question: Question, certificate: Certificate) -> None:
        self._known[question] = certificate
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        if question != self._asked:
            return
        self._asked = None
        self._rest()
        self._show(certificate)
        if not certificate.flows and certificate.indices.chern is not None:
            self._session.lane.ask(
                "topology planes",
                with_planes,
                question.h,
                certificate,
                on_answer=lambda answer: self._planes_found(question, certificate, answer),
                on_error=lambda error: self.flow.clear(f"{error.title} {error.hint}"),
                owner=self,
                desk="topology",
            )

    def _planes_found(
        self, question: Question, before: Certificate, certificate: Certificate
    ) -> None:
        self._known[question] = certificate
        if self.card.certificate is before:
            self.card.certificate = certificate
            self._show_flow(certificate)

    def _failed(self, question: Question, error: ErrorInfo) -> None:
        if question != self._asked:
            return
        self._asked = None
        self._rest()
        self._say(error.title, error.hint)

    def _say(self, title: str, hint: str, tone: str = "bad") -> None:
        """An error in place, with its remedy."""
        self.card.clear()
        self.flow.clear("")
        self.network.show_certificate(None)
        self.k_points.emit([])
        self.error.set_role(tone)
        self.error.setText(f"{title} {hint}".strip())
        self.error.show()
        self.waiting.setText("")
        self.waiting.show()  # keeps the words at the top

    # --------------------------------------------------------------- answer

    def _show(self, certificate: Certificate) -> None:
        self.error.hide()
        self.waiting.hide()
        self.card.show_certificate(certificate)
        self.card.set_title("Certificate", f"{certificate.seconds:.2f} s")
        self._show_flow(certificate)
        self.network.show_certificate(certificate)
        self.k_points.emit(self._marks(certificate))
        if self._file is not None:
            self._session.project.set_badge(self._file, BADGES[certificate.label])

    def _show_flow(self, certificate: Certificate) -> None:
        """The flow; its place goes to the certificate where no plane was followed."""
        self.flow.show_certificate(certificate, self._h)
        awaited = certificate.indices.chern is not None and certificate.dimension > 1
        self.flow.setVisible(bool(certificate.flows) or awaited)
        self._share()

    def _marks(self, certificate: Certificate) -> list[tuple[np.ndarray, str, str]]:
        """Nodes in the first zone, for the zone in 3D."""
        from crystalgui.core.physics.brillouin import fold, reciprocal_of

        if self._h is None or not certificate.nodes:
            return []
        lattice = np.eye(3) if self._h.lattice is None else self._h.lattice
        reciprocal = reciprocal_of(lattice)
        named = len(certificate.nodes) <= MANY
        return [
            (fold(node.k, reciprocal), _name(node) if named else "", node_colour(node))
            for node in certificate.nodes
        ]

    def _choose_k(self, k: Any) -> None:
        a, b, c = (float(x) for x in k)
        self._session.selection.select_k((a, b, c))

    # --------------------------------------------------------------- export

    def _export(self) -> None:
        if self.card.certificate is None:
            return
        stem = self._file.path.name.partition(".")[0] if self._file is not None else "model"
        name, _ = QFileDialog.getSaveFileName(
            self,
            "Certificate",
            f"{stem}-certificate.json",
            "JSON (*.json);;CSV, with the flows beside it (*.csv)",
        )
        if name:
            self.write(Path(name))

    def write(self, path: Path) -> None:
        """Certificate to ``path``; an error is said, not raised."""
        from crystalgui.core.errors import CrystalError

        try:
            written = self.card.write(path)
        except CrystalError as error:
            self._session.notify.error(error)
            return
        if written:
            more = f" and {len(written) - 1} flows" if len(written) > 1 else ""
            self._session.notify.info(f"Wrote {written[0].name}{more}")


def _name(node: Any) -> str:
    """What stands beside a node in the zone."""
    from crystalgui.core.reports.certificate import charge

    return charge(node.chirality) if node.chirality else ("D" if node.kind == "Dirac" else "")
