"""Setting up a run: data, model, split, optimiser, and what it will cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import Card as ModelCard
from crystalgui.core.datasets.kinds import INPUTS, ROLLED, SPLITS, STACKABLE
from crystalgui.core.messages import DatasetSummary, EstimateReady, TrainRecipe
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.forms import ChoiceBox, ParamForm
from crystalgui.gui.panels.quantities import count, duration, invariance, size
from crystalgui.gui.panels.train import recipe as recipes
from crystalgui.gui.panels.train.data import DataCard
from crystalgui.gui.panels.train.network import NetworkCard
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, PlainButton, PrimaryButton, Text

if TYPE_CHECKING:
    from crystalgui.gui.panels.train.encoding import EncodingWindow

TWO_COLUMNS = 720
LEFT_OUT_WIDTH = 340
PRECISIONS = (("32", "32 bit"), ("bf16-mixed", "bfloat16, mixed"), ("16-mixed", "float16, mixed"))
WAYS = {
    "composition": "composition",
    "element": "element, one left out",
    "prototype": "prototype",
    "random": "row, at random",
    "given": "the data set",
    "family": "family, one left out",
}
COSTS = (
    ("cross-entropy", "cross-entropy"),
    ("focal", "focal loss"),
    ("trace", "trace, classes alike"),
)
BY_CLASS = ("cost", "class_weights", "resample")


SAID = {
    "composition": (
        "Every reduced formula stays on one side. Estimate counts and checks it.",
        "muted",
    ),
    "random": (
        "Formulas may occur on both sides: test results will look too good. Only to compare with "
        "published numbers.",
        "warn",
    ),
    "element": ("No training row holds the element. Estimate counts and checks it.", "muted"),
    "prototype": (
        "No training row has a prototype or a formula of the test. Estimate counts and checks it.",
        "muted",
    ),
    "given": ("The data set names its test rows. Estimate counts and checks them.", "muted"),
    "family": ("The family is in no training row. Estimate counts and checks it.", "muted"),
}


class SetupView(Growing, QWidget):
    """Forms of a run; says what is missing, what it costs, and starts it.

    Signals
    -------
    train_asked(TrainRecipe), estimate_asked(TrainRecipe), edited()
    """

    train_asked = Signal(object)
    estimate_asked = Signal(object)
    edited = Signal()

    def __init__(self, parent: QWidget | None = None, *, at_once: bool = True) -> None:
        super().__init__(parent)
        self._cards: tuple[ModelCard, ...] = ()
        self._kind = "crystals"
        self._estimate: EstimateReady | None = None
        self._estimated: TrainRecipe | None = None
        self._left_out: list[tuple[str, str]] = []
        self._columns = 0
        self._boxes: list[QWidget] = []
        self.grow(self._build(), at_once)

    # ------------------------------------------------------------ building

    def _build(self) -> Steps:
        self.data = DataCard()
        yield
        self.network = NetworkCard()
        self.network.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.network.shown.connect(self._weigh)
        self._build_model()
        yield
        self._build_split()
        yield
        self._build_training()
        yield
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self._body = QWidget()
        self._body.setObjectName("ScrollBody")
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(0, 0, 0, SPACE[2])
        self._grid.setSpacing(SPACE[2])
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._body)
        outer.addWidget(scroll, 1)
        outer.addWidget(self._build_start())
        self._arrange(2)
        yield
        self.data.chosen.connect(self._data_chosen)
        self._changed()

    def _build_model(self) -> None:
        self.model_card = card = Card("Model")
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.model_choice = ChoiceBox()
        self.model_choice.setObjectName("modelChoice")
        self.model_choice.setAccessibleName("Model")
        self.preset_choice = ChoiceBox()
        self.preset_choice.setObjectName("presetChoice")
        self.preset_choice.setAccessibleName("Preset")
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.model_choice, 2)
        row.addWidget(self.preset_choice, 1)
        card.body.addLayout(row)
        self.diagram_chip = Chip("diagram", tooltip="Draw the network in a window that follows")
        self.diagram_chip.clicked.connect(self.network.show_large)
        self.network.shown.connect(self.diagram_chip.setVisible)
        self.diagram_chip.hide()
        card.tools.addWidget(self.diagram_chip)
        self.encoding_chip = Chip("encoding…", tooltip="How this network reads an element")
        self.encoding_chip.setObjectName("encodingChip")
        self.encoding_chip.clicked.connect(self.show_encoding)
        card.tools.addWidget(self.encoding_chip)
        self.encoding: EncodingWindow | None = None
        self._summary = Text("", "muted")
        card.body.addWidget(self._summary)
        self.params = ParamForm()
        card.body.addWidget(self.params)
        self.invariances = Text("", "muted")
        self.invariances.setObjectName("invariances")
        card.body.addWidget(self.invariances)
        self.model_choice.currentIndexChanged.connect(self._model_chosen)
        self.preset_choice.currentIndexChanged.connect(self._preset_chosen)
        self.params.edited.connect(self._changed)

    def _build_split(self) -> None:
        self.split_card = card = Card("Split", "training, validation, test")
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.split = ParamForm(recipes.SPLIT)
        self.split.set_choices("kind", _ways("crystals"))
        left_out = cast(ChoiceBox, self.split.editor("left_out"))  # prototypes have long names
        left_out.setSizeAdjustPolicy(
            ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        left_out.setMinimumContentsLength(12)
        left_out.view().setMinimumWidth(LEFT_OUT_WIDTH)
        card.body.addWidget(self.split)
        self._leakage = Text("", "muted")
        self._leakage.setObjectName("leakage")
        card.body.addWidget(self._leakage)
        self.split.edited.connect(self._changed)

    def _build_training(self) -> None:
        self.training_card = card = Card("Training")
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.training = ParamForm(recipes.TRAINING)
        self.training.set_choices("precision", PRECISIONS)
        self.training.set_choices("cost", COSTS)
        self.more = ParamForm(recipes.MORE)
        self.more_chip = Chip("more", checkable=True, tooltip="More settings of the optimiser")
        self.more_chip.toggled.connect(self.more.setVisible)
        self.more.hide()
        card.tools.addWidget(self.more_chip)
        card.body.addWidget(self.training)
        card.body.addWidget(self.more)
        for form in (self.training, self.more):
            form.edited.connect(self._changed)

    def _build_start(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("StartBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(SPACE[0], SPACE[1], 0, 0)
        row.setSpacing(SPACE[1])
        self._cost = Text("", "muted")
        self._cost.setObjectName("cost")
        row.addWidget(self._cost, 1)
        self.estimate_button = PlainButton("Estimate")
        self.estimate_button.setObjectName("estimateButton")
        self.estimate_button.setToolTip("Measure a few steps: time an epoch and memory")
        self.train_button = PrimaryButton("Train", icon_name="play")
        self.train_button.setObjectName("trainButton")
        row.addWidget(self.estimate_button)
        row.addWidget(self.train_button)
        self.estimate_button.clicked.connect(self._ask_estimate)
        self.train_button.clicked.connect(self._ask_train)
        return bar

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        left = (self.data, self.network, self.split_card)
        right = (self.model_card, self.training_card)
        old, self._boxes = self._boxes, []
        groups = (
            [(*left,), (*right,)]
            if columns == 2
            else [(*left[:1], *right[:1], *left[1:], *right[1:])]
        )
        for column, cards in enumerate(groups):
            box = _column(cards)
            self._boxes.append(box)
            self._grid.addWidget(box, 0, column)
        self._weigh()
        for box in old:
            self._grid.removeWidget(box)
            box.deleteLater()

    def _weigh(self, _shown: bool = False) -> None:
        """More room for the column that has the diagram."""
        two = self._columns == 2
        self._grid.setColumnStretch(0, 3 if two and not self.network.isHidden() else 2)
        self._grid.setColumnStretch(1, 2 if two else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """One column in a narrow window."""
        super().resizeEvent(event)
        self._arrange(2 if self.width() >= TWO_COLUMNS else 1)

    # ------------------------------------------------------------- content

    def set_cards(self, cards: tuple[ModelCard, ...]) -> None:
        """Take the families that the worker has; broken ones are greyed."""
        self._cards = cards
        self._offer()

    def _offer(self) -> None:
        """Offer the families that read the kind of the data set; broken ones are greyed."""
        kept = self.model_choice.currentData()
        fitting = [c for c in self._cards if c.error or c.reads(INPUTS[self._kind])]
        self.model_choice.blockSignals(True)
        self.model_choice.clear()
        for card in fitting:
            self.model_choice.addItem(card.title, card.name)
            if card.error:
                item = self.model_choice.model().item(self.model_choice.count() - 1)
                item.setEnabled(False)
                item.setToolTip(card.error)
        usable = [i for i, card in enumerate(fitting) if not card.error]
        found = self.model_choice.findData(kept)
        self.model_choice.setCurrentIndex(found if found >= 0 else (usable[0] if usable else -1))
        self.model_choice.blockSignals(False)
        self._model_chosen()

    def set_devices(self, devices: tuple[tuple[str, str], ...]) -> None:
        """Take the devices of this machine."""
        self.training.set_choices("device", (("auto", "automatic"), *devices))

    @property
    def card(self) -> ModelCard | None:
        """The chosen family."""
        name = self.model_choice.currentData()
        return next((card for card in self._cards if card.name == name), None)

    @property
    def preset(self) -> str:
        """The chosen preset."""
        return str(self.preset_choice.currentData() or "")

    def _data_chosen(self, data: DatasetSummary | None) -> None:
        regression = data is not None and data.task == "regression"
        for name in BY_CLASS:
            self.training.editor(name).setEnabled(not regression)
        kind = data.kind if data is not None else "crystals"
        together = kind in STACKABLE and not regression
        self.training.editor("replicas").setEnabled(together)
        if not together:
            self.training.set_value("replicas", 1)
        if kind not in ROLLED:
            self.training.set_value("rolling", 0)
        if kind != self._kind:
            self._kind = kind
            self.split.set_choices("kind", _ways(kind))
            chosen = self.split.values()
            self.split.set_baseline({"kind": SPLITS[kind][0]})
            for name in ("validation", "test", "split_seed"):
                self.split.set_value(name, chosen[name])
            self._offer()
        self._offer_left_out(str(self.split.value("kind")))
        self._changed()

    def _offer_left_out(self, way: str) -> None:
        """Offer what this way of dividing can leave out, and keep the choice where it can."""
        choices = recipes.can_leave_out(self.data.current, way) or [("", "")]
        if choices != self._left_out:
            self._left_out = choices
            self.split.set_choices("left_out", choices)

    def _model_chosen(self, _index: int = 0) -> None:
        card = self.card
        self.preset_choice.blockSignals(True)
        self.preset_choice.clear()
        for name in card.presets if card else ():
            self.preset_choice.addItem(name, name)
        self.preset_choice.setVisible(self.preset_choice.count() > 0)
        self.preset_choice.blockSignals(False)
        self._summary.setText("\n".join(t for t in (card.summary, card.paper) if t) if card else "")
        self._summary.setVisible(card is not None)
        self.params.set_params(card.params if card else ())
        self._preset_chosen()

    def _preset_chosen(self, _index: int = 0) -> None:
        if (card := self.card) is not None:
            self.params.set_baseline(recipes.model_baseline(card, self.preset))
        base = recipes.training_baseline(self.card, self.preset)
        self.training.set_baseline(base)
        self.more.set_baseline(base)
        self._changed()

    def show_encoding(self) -> None:
        """Show how the chosen network reads elements, in a window that follows the form."""
        from crystalgui.gui.panels.train.encoding import EncodingWindow

        if self.encoding is None:
            self.encoding = EncodingWindow(self)
            self.encoding.failed.connect(self.network.failed)
            self.encoding.leave_out_asked.connect(self._leave_out)
        self._follow_encoding()
        self.encoding.show()
        self.encoding.raise_()

    def _leave_out(self, symbol: str) -> None:
        """Divide the data set so that one element is tested on alone."""
        self.split.set_value("kind", "element")
        self._offer_left_out("element")
        self.split.set_value("left_out", symbol)
        self._changed()

    def _follow_encoding(self) -> None:
        card = self.card
        self.encoding_chip.setVisible(card is not None and card.reads("crystal"))
        said = invariance(card.holds(self.params.values())) if card is not None else ""
        self.invariances.setText(said)
        self.invariances.setVisible(bool(said))
        if self.encoding is not None:
            self.encoding.show_encoding(card, self.params.values(), self.data.current)

    def set_recipe(self, recipe: TrainRecipe) -> None:
        """Show the settings of a recipe, to change and train again."""
        self.data.choose(recipe.dataset)  # first: it says which families are offered
        self.model_choice.setCurrentIndex(self.model_choice.findData(recipe.model))
        self.preset_choice.setCurrentIndex(self.preset_choice.findData(recipe.preset))
        for name in self.params.names:
            if name in recipe.params:
                self.params.set_value(name, recipe.params[name])
        for form in (self.training, self.more):
            for name in form.names:
                form.set_value(name, getattr(recipe, name))
        spec = recipe.split
        values = {"kind": spec.kind, "validation": spec.validation, "test": spec.test,
                  "left_out": spec.left_out}  # fmt: skip
        self._offer_left_out(spec.kind)
        for name, value in (*values.items(), ("split_seed", spec.seed)):
            self.split.set_value(name, value)
        self._changed()

    # -------------------------------------------------------------- answers

    def recipe(self) -> TrainRecipe | None:
        """The recipe that the forms describe; None while something is missing."""
        card, data = self.card, self.data.current
        if card is None or data is None or recipes.problem(data, card, self.split.values()):
            return None
        return recipes.make_recipe(
            card=card,
            preset=self.preset,
            params=self.params.overrides(),
            training={**self.training.values(), **self.more.values()},
            split=self.split.values(),
            dataset=data.folder,
            title=f"{card.title} on {data.name}",
        )

    def set_estimating(self, on: bool) -> None:
        """Whether a measurement is under way."""
        self.estimate_button.setText("Measuring…" if on else "Estimate")
        self.estimate_button.setEnabled(not on and self.recipe() is not None)

    def show_estimate(self, recipe: TrainRecipe, answer: EstimateReady) -> None:
        """Show what ``recipe`` costs, and its leakage check."""
        self._estimate, self._estimated = answer, recipe
        self._changed()

    def estimate_for(self, recipe: TrainRecipe) -> EstimateReady | None:
        """The measurement of exactly this recipe."""
        return self._estimate if recipe == self._estimated else None

    def _changed(self, _name: str = "") -> None:
        way = str(self.split.value("kind"))
        self._offer_left_out(way)
        why = recipes.problem(self.data.current, self.card, self.split.values())
        recipe = self.recipe()
        self.split.set_shown("left_out", way in recipes.LEFT_OUT)
        self.split.set_shown("test", recipes.draws_test(self.split.values()))
        self.training.set_shown("replicas", self._kind in STACKABLE)
        self.training.set_shown("rolling", self._kind in ROLLED)
        self.data.pictures.set_rolling(int(self.training.value("rolling")))
        self.train_button.setEnabled(recipe is not None)
        self.estimate_button.setEnabled(recipe is not None)
        answer = self.estimate_for(recipe) if recipe is not None else None
        self._cost.setText(why or (cost_text(answer, recipe) if answer and recipe else ""))
        self._show_leakage(answer)
        self.network.show_network(self.card, self.params.values(), self.data.current)
        self._follow_encoding()
        self.edited.emit()

    def _show_leakage(self, answer: EstimateReady | None) -> None:
        what = {"crystals": "formulas", "images": "images"}.get(self._kind, "Hamiltonians")
        if answer is None:
            text, role = SAID[str(self.split.value("kind"))]
            if self._kind != "crystals" and role == "warn":
                text, role = "Every row is drawn by itself. Estimate counts and checks it.", "muted"
            self._leakage.setText(text)
            self._leakage.set_role(role)
            return
        train, val, test = (count(n) for n in answer.sizes)
        clean = answer.leakage == 0
        check = (
            f"No {what.removesuffix('s')} on both sides."
            if clean
            else f"{answer.leakage:,} {what} are on both sides: test results will look too good."
        )
        if math.isfinite(answer.prototypes):
            check += f" {answer.prototypes:.0%} of the test crystals have a known prototype."
        self._leakage.setText(f"{train} training, {val} validation, {test} test. {check}")
        self._leakage.set_role("good" if clean else "warn")

    def _ask_estimate(self) -> None:
        if (recipe := self.recipe()) is not None:
            self.estimate_asked.emit(recipe)

    def _ask_train(self) -> None:
        if (recipe := self.recipe()) is not None:
            self.train_asked.emit(recipe)


def _ways(kind: str) -> tuple[tuple[str, str], ...]:
    """Kinds of splits of a kind of data set, with their words."""
    one = "crystal, at random" if kind == "crystals" else WAYS["random"]
    return tuple((way, one if way == "random" else WAYS[way]) for way in SPLITS[kind])


def cost_text(answer: EstimateReady, recipe: TrainRecipe) -> str:
    """One line: parameters, time, memory, device."""
    each = answer.seconds_per_epoch
    total = each * recipe.epochs if math.isfinite(each) else math.nan
    return (
        f"{count(answer.parameters)} parameters  ·  {duration(each)} an epoch, "
        f"{duration(total)} in all  ·  {size(answer.memory_bytes)}  ·  {answer.device}"
    )


def _column(cards: tuple[QWidget, ...]) -> QWidget:
    box = QWidget()
    box.setObjectName("ScrollBody")
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACE[2])
    for card in cards:
        layout.addWidget(card)
    layout.addStretch(1)
    return box
