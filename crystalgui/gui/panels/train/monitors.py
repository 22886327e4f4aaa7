"""The inside of a network as it trains: attention, its history, its gradients.

Three cards about one run, live or stored.  They show one epoch together: the
newest, or the one that is chosen on the map (Bird 2023, Figs. 6, 22 and 28).
Of networks of crystals it is the attention between atoms, head by head (Nop
et al. 2025, Fig. 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QWidget

from crystalgui.core.reports.heads import without_choice
from crystalgui.core.reports.saturation import saturation
from crystalgui.gui.panels.electronic.export import ExportChip
from crystalgui.gui.panels.quantities import count
from crystalgui.gui.plots.attention import AttentionPlot, AttentionView, Reach, bottom, ceiling
from crystalgui.gui.plots.gradients import GradientPlot, GradientView
from crystalgui.gui.plots.history import LEAST, HistoryPlot
from crystalgui.gui.plots.slice import ColourBar
from crystalgui.gui.state.monitors import Monitors, gradient_verdict
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, LinkButton, Text

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane

VIEWS: tuple[tuple[GradientView, str, str], ...] = (
    ("share", "share", "How much of the gradient is the same at every point of a layer"),
    ("size", "size", "Root mean square of the gradient of the cost by the activations"),
    ("kernels", "kernels", "How alike the gradients of the kernels of a layer are"),
)
MAPS: tuple[tuple[str, str, str], ...] = (
    ("attention", "attention", "Mean attention of every read-out"),
    ("share", "same", "Share of the gradient that is the same at every point"),
    ("size", "size", "Root mean square of the gradient, logarithmic"),
)


LOST = 0.005
"""A larger share of the weight that is on padding is told."""
READ_OUTS = (
    "Bands: 5–95 % and 25–75 % of the samples; line: median; dot: mean.\n"
    "Read-out 0 is the first one of the network."
)
HEADS: dict[AttentionView, tuple[str, str]] = {
    "entropy": (
        "entropy of each row of a head by the logarithm of the number of atoms",
        "Bands: 5–95 % and 25–75 % of the rows of some validation crystals; line: median; "
        "dot: mean.\n0: a row looks at one atom, 1: at all alike, as a mean. Rows of points and "
        "seeds count by the logarithm of what they may look at.",
    ),
    "weights": (
        "softmax weights of one atom on another",
        "Bands: 5–95 % and 25–75 % of the pairs of some validation crystals; line: median; "
        "dot: mean.\nAtoms of an orbit share its weight. Each row sums to 1, so the mean is that "
        "of 1 / atoms.",
    ),
}


class EvenCard(Card):
    """A card among others of one height: its wrapped words ask for no more than they need."""

    def hasHeightForWidth(self) -> bool:
        """Plots would be asked for the height they like best."""
        return False


class AttentionCard(EvenCard):
    """Distribution of attention over samples, and whether it is stuck.

    Signals
    -------
    floor_asked(float)
        The person wants to train again with this floor of the attention.
    """

    floor_asked = Signal(float)

    def __init__(self, lane: Lane | None = None, parent: QWidget | None = None) -> None:
        super().__init__("Attention by layer", "", parent)
        self.plot = AttentionPlot()
        self.body.addWidget(self.plot, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.words = Text("", "warn")
        self.words.setObjectName("saturation")
        self.raise_floor = LinkButton("")
        self.raise_floor.setObjectName("raiseFloor")
        row.addWidget(self.words, 1)
        row.addWidget(self.raise_floor)
        self.body.addLayout(row)
        self._group = QButtonGroup(self)
        self.quantiles = Chip("quantiles", checkable=True, tooltip="Quantiles over the samples")
        self.spread = Chip("± sd", checkable=True, tooltip="Mean and standard deviation")
        for chip in (self.quantiles, self.spread):
            self._group.addButton(chip)
            self.tools.addWidget(chip)
        self.quantiles.setChecked(True)
        self._of_heads = QButtonGroup(self)
        self.views: dict[AttentionView, Chip] = {}
        for view, (words, _) in HEADS.items():
            chip = Chip(view, checkable=True, tooltip=words.capitalize())
            chip.clicked.connect(lambda _=False: self._again())
            self._of_heads.addButton(chip)
            self.tools.addWidget(chip)
            self.views[view] = chip
        self.views["entropy"].setChecked(True)
        self.quantiles.toggled.connect(lambda _: self._again())
        self._asked: tuple[int, str, bool] = (0, "", False)
        self._monitors = Monitors()
        self._floor = 0.0
        self.export = ExportChip(
            self, (self.plot,), "attention", lambda: self._monitors.so_far().attention_csv, lane
        )
        self.tools.addWidget(self.export)
        self.raise_floor.clicked.connect(lambda: self.floor_asked.emit(self._floor))
        self.raise_floor.hide()
        self.words.hide()

    def show_epoch(self, monitors: Monitors, epoch: int, origin: str, *, steer: bool) -> None:
        """Show an epoch of a run; ``steer`` offers to train again with another floor."""
        self._monitors, self._asked = monitors, (epoch, origin, steer)
        reading = monitors.attention_at(epoch)
        first = monitors.attention[0] if monitors.attention else None
        heads = reading is not None and reading.measure == "heads"
        view: AttentionView = "weights" if self.views["weights"].isChecked() else "entropy"
        for chip, shown in (
            *((chip, not heads) for chip in (self.quantiles, self.spread)),
            *((chip, heads) for chip in self.views.values()),
        ):
            chip.setVisible(shown)
        self.plot.set_quantiles(heads or self.quantiles.isChecked())
        self.plot.set_reading(reading, first, Reach.of(monitors.attention, view), view)
        self.plot.setToolTip(HEADS[view][1] if heads else READ_OUTS)
        self.export.set_origin(origin, ready=reading is not None)
        if reading is None:
            self.set_title("Attention by layer", "")
            return
        when = f"epoch {reading.epoch}" if reading.epoch else "before training"
        said = f"{count(reading.samples)} {'crystals' if heads else 'samples'}"
        if max(reading.lost, default=0.0) >= LOST:
            said += f" · up to {100 * max(reading.lost):.0f} % on padding"
        if first is not None and first.epoch < reading.epoch:
            said += f" · dashed: {'before training' if not first.epoch else f'epoch {first.epoch}'}"
        self.set_title(f"Attention, {when}", said)
        self._judge(reading.epoch, steer=steer)

    def _again(self) -> None:
        """Another chip was chosen."""
        epoch, origin, steer = self._asked
        self.show_epoch(self._monitors, epoch, origin, steer=steer)

    def _judge(self, epoch: int, *, steer: bool) -> None:
        """Read-outs that are saturated, with their remedy; heads that choose nothing."""
        found = saturation(self._monitors.attention, epoch)
        idle = without_choice(self._monitors.attention, epoch)
        self.words.setVisible(found is not None or bool(idle))
        self._floor = found.floor if found is not None else 0.0
        self.raise_floor.setVisible(steer and self._floor > 0)
        role = "muted" if idle else "warn"
        if self.words.property("role") != role:
            self.words.set_role(role)
        if idle:
            self.words.setText(idle)
        elif found is not None:
            self.words.setText(found.sentence)
            self.raise_floor.setText(f"Set ε = {self._floor:g}")
            self.raise_floor.setToolTip(found.hint)


class HistoryCard(Card):
    """Map of read-out or layer against epoch; a click shows that epoch in the other cards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("History", "layer against epoch", parent)
        self.plot = HistoryPlot()
        self.plot.setToolTip("Click an epoch, or use the arrow keys, to look at it")
        self.bar = ColourBar()
        row = QHBoxLayout()
        row.setSpacing(SPACE[0])
        row.addWidget(self.plot, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        self.newest = Chip("newest", tooltip="Follow the newest epoch")
        self.newest.setObjectName("newestEpoch")
        self.newest.hide()
        self.tools.addWidget(self.newest)
        self._group = QButtonGroup(self)
        self.chips: dict[str, Chip] = {}
        for key, word, tip in MAPS:
            chip = Chip(word, checkable=True, tooltip=tip)
            chip.clicked.connect(lambda _=False, k=key: self.choose_map(k))
            self._group.addButton(chip)
            self.tools.addWidget(chip)
            self.chips[key] = chip
        self._map = "attention"
        self._shown: tuple[Monitors, int] | None = None

    @property
    def map(self) -> str:
        """What is drawn: attention, share or size."""
        return self._map

    def choose_map(self, key: str) -> None:
        """Draw another quantity."""
        self._map = key
        if self._shown is not None:
            self._draw(*self._shown)

    def show_run(self, monitors: Monitors, chosen: int | None, until: int) -> None:
        """Show a run; ``chosen`` is framed, ``until`` the last epoch that will come."""
        has = {"attention": bool(monitors.attention)}
        has |= dict.fromkeys(("share", "size"), bool(monitors.gradients))
        for key, chip in self.chips.items():
            chip.setVisible(has[key])
        if not has[self._map]:
            self._map = next((key for key, there in has.items() if there), self._map)
        self.newest.setVisible(chosen is not None)
        self.plot.choose(chosen)
        self._draw(monitors, until)

    def _draw(self, monitors: Monitors, until: int) -> None:
        self._shown = monitors, until
        self.chips[self._map].setChecked(True)
        epochs, values, names = monitors.history(self._map)
        finite = values[np.isfinite(values)]
        top = float(finite.max(initial=0.0))
        heads = bool(monitors.attention) and monitors.attention[-1].measure == "heads"
        self.chips["attention"].setText("entropy" if heads else "attention")
        noun, limits, log = "mean", (0.0, ceiling(top)), False
        if self._map == "attention" and heads:
            noun, limits = "relative entropy", (bottom(float(finite.min(initial=1.0))), 1.0)
        elif self._map == "share":
            noun, limits = "share", (0.0, 1.0)
        elif self._map == "size":
            low = float(finite[finite > 0].min(initial=top)) or LEAST
            noun, limits, log = "rms", (low, max(top, 1.01 * low)), True
        title = "Attention history" if self._map == "attention" else "Gradient history"
        self.set_title(title, "mean relative entropy of heads" if heads and self._map == "attention"
                       else "")  # fmt: skip
        place = "layer" if self._map != "attention" else "" if heads else "read-out"
        self.plot.set_axes("epoch", place)
        self.plot.set_history(epochs, values, names, limits=limits, until=until, noun=noun, log=log)
        self.bar.set_limits(limits, "", signed=False)


class GradientsCard(EvenCard):
    """The meter of gradients by layer, with what it means in words."""

    def __init__(self, lane: Lane | None = None, parent: QWidget | None = None) -> None:
        super().__init__("Gradients", "", parent)
        self.plot = GradientPlot()
        self.plot.setToolTip(
            "From the input (0) to the output. Homogeneous: the same at every point of a "
            "sample and channel, so that all places of a layer learn alike."
        )
        self.body.addWidget(self.plot, 1)
        self.words = Text("", "muted")
        self.words.setObjectName("gradientVerdict")
        self.body.addWidget(self.words)
        self._group = QButtonGroup(self)
        self.chips: dict[str, Chip] = {}
        for key, word, tip in VIEWS:
            chip = Chip(word, checkable=True, tooltip=tip)
            chip.clicked.connect(lambda _=False, k=key: self.plot.set_view(cast("GradientView", k)))
            self._group.addButton(chip)
            self.tools.addWidget(chip)
            self.chips[key] = chip
        self.chips["share"].setChecked(True)
        self._monitors = Monitors()
        self.export = ExportChip(
            self, (self.plot,), "gradients", lambda: self._monitors.so_far().gradients_csv, lane
        )
        self.tools.addWidget(self.export)

    def show_epoch(self, monitors: Monitors, epoch: int, origin: str) -> None:
        """Show an epoch of a run."""
        self._monitors = monitors
        reading = monitors.gradients_at(epoch)
        self.plot.set_reading(reading, monitors.gradients[0] if monitors.gradients else None)
        self.export.set_origin(origin, ready=reading is not None)
        said, role = gradient_verdict(reading)
        self.words.setText(said)
        if self.words.property("role") != role:
            self.words.set_role(role)
        when = ""
        if reading is not None:
            when = f"epoch {reading.epoch}" if reading.epoch else "before training"
        self.set_title("Gradients", when)


class MonitorCards(QObject):
    """The three cards of one run, with one epoch that all of them show.

    Signals
    -------
    floor_asked(float)
    """

    floor_asked = Signal(float)

    def __init__(
        self, lane: Lane | None = None, *, steer: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.attention, self.history = AttentionCard(lane), HistoryCard()
        self.gradients = GradientsCard(lane)
        self.attention.floor_asked.connect(self.floor_asked)
        self.history.plot.epoch_chosen.connect(self.choose)
        self.history.newest.clicked.connect(lambda: self.choose(None))
        self._steer = steer
        self._monitors = Monitors()
        self._chosen: int | None = None
        self._until, self._origin = 1, ""
        self._drawn: tuple[object, ...] = ()

    @property
    def chosen(self) -> int | None:
        """The epoch that was chosen; None follows the newest."""
        return self._chosen

    def choose(self, epoch: int | None) -> None:
        """Look at an epoch; the newest one is followed."""
        epochs = self._monitors.epochs
        self._chosen = None if not epochs or epoch is None or epoch >= epochs[-1] else epoch
        self._draw()

    def show_run(self, monitors: Monitors, until: int, origin: str = "") -> None:
        """Show a run that ends at epoch ``until``; nothing is drawn twice."""
        if monitors is not self._monitors:
            self._monitors, self._chosen = monitors, None
        self._until, self._origin = until, origin
        self._draw()

    def _draw(self) -> None:
        monitors = self._monitors
        state = (id(monitors), monitors.version, self._chosen, self._until, self._origin)
        if state == self._drawn:
            return
        self._drawn = state
        epochs = monitors.epochs
        epoch = self._chosen if self._chosen is not None else (epochs[-1] if epochs else 0)
        self.attention.show_epoch(monitors, epoch, self._origin, steer=self._steer)
        self.history.show_run(monitors, self._chosen, self._until)
        self.gradients.show_epoch(monitors, epoch, self._origin)
