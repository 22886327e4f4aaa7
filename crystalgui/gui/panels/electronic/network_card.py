"""The card with a network's answer: phase, confidence, and what it rests on.

The certificate decides; a network guesses from what it has seen.  So the card
says whether both agree, how often the network is right on kinds of crystals
that it has never seen, and shows where in the zone its evidence lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import HamiltonianSource, PhaseAnswer, PhaseAnswerJob
from crystalgui.gui.panels.electronic.certificate_card import Pill
from crystalgui.gui.state.phase_answer import PhaseAnswerState
from crystalgui.gui.theme import SPACE, font, phase_colour
from crystalgui.gui.widgets import (
    Card,
    Chip,
    Dot,
    FlowLayout,
    LinkButton,
    ProbabilityBars,
    ProgressBar,
    Text,
    scrolled,
)

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.core.physics.evidence import Evidence
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

SURE = 0.7
"""A smaller probability of the first phase is no answer worth the name."""
NOTHING = (
    "A network that was trained on many crystals guesses the phase from the Brillouin zone, and "
    "shows where in the zone its evidence lies."
)
NO_MODEL = (
    "No network of Brillouin zones is installed. Train one on a data set of zones on the Train "
    "page; it is asked here."
)
NO_FILE = "The network reads Hamiltonians from files: open one to ask."


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Evidence for the zone and the slice, and the colour of the phase it speaks for."""

    evidence: Evidence
    ink: str


def agreement(answer: PhaseAnswer, certificate: Certificate | None) -> tuple[str, str]:
    """Whether the network agrees with the certificate: a sentence and its colour role."""
    if not answer.probabilities:
        return "The network names no phase.", "muted"
    phase, probability = answer.probabilities[0]
    known = {name for name, _ in answer.probabilities}
    unsure = ""
    if probability < SURE and len(answer.probabilities) > 1:
        other, less = answer.probabilities[1]
        unsure = f" It is not sure: {other} has {less:.2f}."
    if certificate is None:
        return f"There is no certificate to compare with yet.{unsure}", "muted"
    label = certificate.label
    if certificate.status != "converged":
        return (
            f"The certificate is {certificate.status}, so nothing confirms the network.{unsure}",
            "warn",
        )
    if label == phase:
        return f"Agrees with the certificate.{unsure}", "warn" if unsure else "good"
    if label not in known:
        return (
            f"The certificate says {label}, a phase that this network does not know.{unsure}",
            "warn",
        )
    share = dict(answer.probabilities)[label]
    return (
        f"Disagrees with the certificate, which says {label} with every check passed; the "
        f"network gives that {share:.2f}. Trust the certificate.",
        "bad",
    )


class NetworkCard(Card):
    """A network's answer beside the certificate.

    Signals
    -------
    evidence(object)
        `Shown`, or None when there is none.
    k_chosen(object)
        (3,) reduced k where the evidence is strongest was clicked.
    filled()
        There is an answer to show, or none any more.
    """

    evidence = Signal(object)
    k_chosen = Signal(object)
    filled = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Network", "", parent)
        self._session = session
        self._h: Hoppings | None = None
        self._file: OpenFile | None = None
        self._occupied = 0
        self._certificate: Certificate | None = None
        self._strongest: Any = None
        self.answer: PhaseAnswer | None = None
        self.state = PhaseAnswerState(session.jobs, self)
        self.state.answered.connect(self._answered)
        self.state.moved.connect(self._moved)
        self.state.ended.connect(self._ended)
        session.project.catalogue_changed.connect(self._list_models)
        self._build()
        self._list_models()

    # --------------------------------------------------------------- layout

    def _build(self) -> None:
        self.ask = Chip("Ask", False, "Ask the network for the phase", icon_name="refresh")
        self.ask.clicked.connect(self.ask_now)
        self.stop = Chip("Stop", False, "Stop asking the network", icon_name="stop")
        self.stop.clicked.connect(self._give_up)
        self.export = Chip(
            "", False, "Export probabilities and evidence as CSV", icon_name="export"
        )
        self.export.clicked.connect(self._ask_export)
        for chip in (self.ask, self.stop, self.export):
            self.tools.addWidget(chip)
        options = QWidget(self)
        flow = FlowLayout(options, SPACE[1])
        self.models = QComboBox()
        self.models.setAccessibleName("Network")
        self.models.setToolTip("Which trained network is asked")
        self.method = QComboBox()
        self.method.setAccessibleName("How the evidence is found")
        self.method.setToolTip(
            "Occlusion hides parts of the zone and looks how the answer changes; "
            "the gradient is quicker and noisier"
        )
        for method in ("occlusion", "gradient"):
            self.method.addItem(method, method)
        self.auto = Chip("auto", True, "Ask after every certificate, when no other job runs")
        self.auto.setChecked(True)
        for widget in (self.method, self.auto, self.models):
            flow.addWidget(widget)
        self.method.currentIndexChanged.connect(self._choice_changed)
        self.models.currentIndexChanged.connect(self._choice_changed)
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("The network is being asked")
        self.words = Text(NOTHING, "muted")
        self.body.addWidget(options)
        self.body.addWidget(self.bar)
        self.body.addWidget(self.words)
        self.body.addWidget(self._answer_area(), 1)
        self.body.addStretch(0)
        self._rest()
        self._show_nothing()

    def _answer_area(self) -> QWidget:
        """Phase, bars, agreement; warnings and limits below, with a scroll bar."""
        head = QWidget()
        row = QHBoxLayout(head)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[1])
        self.dot = Dot(phase_colour(""))
        self.phase = QLabel("")
        self.phase.setFont(font("strong"))
        self.phase.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sure = Pill()
        for widget in (self.dot, self.phase, self.sure):
            row.addWidget(widget)
        row.addStretch(1)
        self.bars = ProbabilityBars()
        self.agrees = Text("")
        self.place = LinkButton("")
        self.place.clicked.connect(self._place_chosen)
        self.place.setToolTip("Show this k-point in the zone, on the path and on the slice")
        self.where = QWidget()
        line = FlowLayout(self.where, SPACE[0])
        for widget in (QLabel("Evidence is strongest at"), self.place):
            line.addWidget(widget)
        self.flat = Text("", "muted")
        self.doubts = Text("", "warn")
        self.limits = Text("", "muted")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, SPACE[1], 0)
        column.setSpacing(SPACE[0])
        for part in (head, self.bars, self.agrees):
            column.addWidget(part)
        column.addWidget(self.where)
        for part in (self.flat, self.doubts, self.limits):
            column.addWidget(part)
        column.addStretch(1)
        self.area = scrolled(inner)
        return self.area

    # --------------------------------------------------------------- models

    def _list_models(self) -> None:
        """Trained networks of zones of this machine, in the order of the catalogue."""
        project = self._session.project
        families = {card.name for card in project.cards if card.reads("zone")} or {"zone"}
        found = [m for m in project.models if m.family in families and not m.unit]
        chosen = self.models.currentData()
        self.models.blockSignals(True)
        self.models.clear()
        for model in found:
            self.models.addItem(model.title, model.name)
        index = self.models.findData(chosen)
        self.models.setCurrentIndex(max(index, 0) if found else -1)
        self.models.blockSignals(False)
        self.models.setVisible(len(found) > 1)
        self._enable()
        if self.answer is None and not self.state.alive:
            self._show_nothing()
        self._ask_if_wanted()

    def model(self, name: str) -> TrainedModel | None:
        """The card of a trained model."""
        return self._session.project.model(name)

    @property
    def _reason(self) -> str:
        """Why nothing can be asked; empty when it can."""
        if self.models.count() == 0 and self._session.project.models:
            return NO_MODEL
        return "" if self._file is not None else NO_FILE

    # -------------------------------------------------------------- content

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Another Hamiltonian or filling; what was answered before is shown again."""
        self.leave()
        self._h, self._occupied, self._file = h, occupied, file
        self._certificate = None
        known = self.state.known(self._key()) if h is not None else None
        if known is not None:
            self._show(known)
        else:
            self._show_nothing()

    def show_certificate(self, certificate: Certificate | None) -> None:
        """What the answer is compared with; asks the network when that is wanted."""
        self._certificate = certificate
        if self.answer is not None:
            self._say_agreement(self.answer)
        self._ask_if_wanted()

    def leave(self) -> None:
        """Something else is shown: nothing is wanted any more."""
        self.state.give_up()
        self._rest()
        self._forget_answer()

    def _forget_answer(self) -> None:
        had = self.answer is not None
        self.answer = None
        self._show_nothing()
        if had:
            self.evidence.emit(None)

    def _show_nothing(self) -> None:
        self.area.hide()
        self.export.setEnabled(False)
        self.set_title("Network", "")
        self._say(self._reason or NOTHING)
        self._enable()
        self.filled.emit()

    def _say(self, words: str, role: str = "muted") -> None:
        self.words.set_role(role)
        self.words.setText(words)
        self.words.setVisible(bool(words))

    def _enable(self) -> None:
        self.ask.setEnabled(self._h is not None and not self._reason)

    # ------------------------------------------------------------- question

    def _key(self) -> tuple[object, ...]:
        return (self._h, self._occupied, self.models.currentData(), self.method.currentData())

    def _choice_changed(self) -> None:
        """Another network or method: its answer, asked anew where one was shown."""
        shown = self.answer is not None or self.state.alive
        if self._h is None or not shown:
            return
        known = self.state.known(self._key())
        if known is not None:
            self.state.give_up()
            self._rest()
            self._show(known)
        else:
            self.ask_now()

    def _ask_if_wanted(self) -> None:
        """After a certificate: when a network is there and the machine has nothing else to do."""
        idle = not self._session.jobs.running
        wanted = self.auto.isChecked() and self.models.count() and self.answer is None
        if wanted and idle and self._certificate is not None and not self.state.alive:
            self.ask_now()

    def ask_now(self) -> None:
        """Ask the network about the Hamiltonian that is shown."""
        file = self._file
        if self._h is None or file is None or self._reason:
            return
        source = HamiltonianSource(path=file.path, companions=file.companions)
        self.state.ask(
            PhaseAnswerJob(
                source=source,
                occupied=self._occupied,
                model=self.models.currentData() or "",
                method=self.method.currentData(),
                project=self._session.project.folder,
            ),
            self._key(),
        )
        if self.answer is None:
            self._say("The network is being asked…")
        self.bar.setRange(0, 0)
        self.bar.show()
        self.ask.hide()
        self.stop.show()
        self.set_title("Network", "asking…")

    def _give_up(self) -> None:
        self.state.give_up()
        self._rest()
        if self.answer is None:
            self._show_nothing()
        else:
            self._name(self.answer)

    def _rest(self) -> None:
        """Nothing is being asked."""
        self.bar.hide()
        self.stop.hide()
        self.ask.show()

    def _moved(self) -> None:
        row = self.state.row
        if row is None or not row.alive:
            return
        self.bar.setRange(0, 1000 if row.total else 0)
        self.bar.setValue(round(1000 * row.progress / row.total) if row.total else 0)
        self.set_title("Network", "waiting…" if row.status == "queued" else row.text or "asking…")

    def _ended(self) -> None:
        """The outcome of the job, after its answer; a failure is said in place."""
        self._rest()
        error = self.state.error
        if error is None:
            if self.answer is None:
                self._show_nothing()
            return
        self._forget_answer()
        self._say(f"{error.title} {error.hint}".strip(), "warn")

    # --------------------------------------------------------------- answer

    def _answered(self, answer: PhaseAnswer) -> None:
        self._rest()
        self._show(answer)

    def _name(self, answer: PhaseAnswer) -> None:
        self.set_title("Network", f"{answer.title} · {answer.seconds:.1f} s")

    def _show(self, answer: PhaseAnswer) -> None:
        from crystalgui.core.errors import CrystalError
        from crystalgui.core.physics.evidence import Evidence

        self.answer = answer
        phase, probability = (answer.probabilities or (("", float("nan")),))[0]
        ink = phase_colour(phase)
        self._name(answer)
        self._say("")
        self.dot.set_colour(ink)
        self.phase.setText(phase[:1].upper() + phase[1:])
        self.sure.set_word(f"{probability:.0%}", "muted" if probability >= SURE else "warn")
        self.bars.set_values((name, p, phase_colour(name)) for name, p in answer.probabilities)
        self._say_agreement(answer)
        self.doubts.setText("\n".join(answer.warnings))
        self.doubts.setVisible(bool(answer.warnings))
        self._say_limits(answer)
        self.area.show()
        self.filled.emit()
        self.export.setEnabled(True)
        try:
            evidence = Evidence.of(answer)
        except CrystalError as error:
            self._say_place(None, error.title)
            self.evidence.emit(None)
            return
        self._say_place(evidence)
        self.evidence.emit(None if evidence.flat else Shown(evidence, ink))

    def _say_agreement(self, answer: PhaseAnswer) -> None:
        words, role = agreement(answer, self._certificate)
        self.agrees.set_role(role)
        self.agrees.setText(words)

    def _say_place(self, evidence: Evidence | None, words: str = "") -> None:
        from crystalgui.core.physics.overview import k_text

        some = evidence is not None and not evidence.flat
        self._strongest = evidence.strongest() if evidence is not None and some else None
        if self._strongest is not None:
            self.place.setText(k_text(self._strongest))
        self.where.setVisible(some)
        if evidence is not None and evidence.flat:
            words = "No part of the zone speaks for this answer more than another."
        self.flat.setText(words)
        self.flat.setVisible(bool(words))

    def _say_limits(self, answer: PhaseAnswer) -> None:
        """How often this network is right, from its own card."""
        model = self.model(answer.model)
        words = []
        if model is not None:
            if "accuracy" in model.metrics:
                words.append(f"Right on {model.metrics['accuracy']:.1%} of its test samples.")
            words.append(model.notes)
        self.limits.setText(" ".join(word for word in words if word))
        self.limits.setVisible(bool(self.limits.text()))

    def _place_chosen(self) -> None:
        if self._strongest is not None:
            self.k_chosen.emit(self._strongest)

    # --------------------------------------------------------------- export

    def _ask_export(self) -> None:
        if self.answer is None:
            return
        stem = self._file.path.name.partition(".")[0] if self._file is not None else "model"
        name, _ = QFileDialog.getSaveFileName(
            self, "Answer of the network", f"{stem}-network.csv", "CSV, evidence beside it (*.csv)"
        )
        if name:
            self.write(Path(name))

    def write(self, path: Path) -> None:
        """Probabilities to ``path``, evidence beside it; an error is said, not raised."""
        from crystalgui.core.atomic import write_atomic
        from crystalgui.core.errors import CrystalError
        from crystalgui.core.physics.evidence import answer_csv, evidence_csv

        if self.answer is None:
            return
        beside = path.with_name(f"{path.stem}-evidence{path.suffix}")
        try:
            write_atomic(path, answer_csv(self.answer, self._h))
            write_atomic(beside, evidence_csv(self.answer, self._h))
        except CrystalError as error:
            self._session.notify.error(error)
            return
        self._session.notify.info(f"Wrote {path.name} and {beside.name}")
