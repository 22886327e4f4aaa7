"""Cards with a cloud of samples: gap against mixing, two hoppings, t-SNE."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.phases_setup import choice, muted, whole
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.plots.phases import PhaseLegend
from crystalgui.gui.plots.points import PhaseCloud
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout, PlainButton, Text

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.analysis import Element
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.panels.forms import WholeBox
    from crystalgui.gui.panels.train.phase_data.work import Cloud


def sample_text(data: PhaseDataset, row: int) -> str:
    """What the pointer reads of a sample."""
    label = data.summary.classes[int(data.label[row])]
    text = f"{row:,}   α = {data.alpha[row]:.4f}   gap {data.gap[row]:.4f} eV   {label}"
    return text.replace("-", "−")


class CloudCard(Card):
    """A cloud, its legend, its export; subclasses say where the points are.

    Signals
    -------
    picked(int)
        Row of the sample that was clicked.
    """

    picked = Signal(int)

    def __init__(self, title: str, name: str, lane: Lane, parent: QWidget | None = None) -> None:
        super().__init__(title, "", parent)
        self._lane = lane
        self._channel = f"phase-data-{name}"
        self._data: PhaseDataset | None = None
        self._asked: object = None
        self.cloud: Cloud | None = None
        self.controls = QWidget()
        self.flow = FlowLayout(self.controls, SPACE[1])
        self.body.addWidget(self.controls)
        self.controls.hide()
        self.plot = PhaseCloud(self)
        self.plot.setAccessibleName(title)
        self.plot.picked.connect(self.picked)
        self.legend = PhaseLegend(self)
        self.words = Text("", "muted")
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.legend)
        self.body.addWidget(self.words)
        self.export = ExportChip(self, (self.plot, self.legend), name, self.table, lane)
        self.tools.addWidget(self.export)

    # -------------------------------------------------------------- content

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        self._data, self._asked, self.cloud = data, None, None
        self.export.set_source(None)
        self._clear()
        if self.isVisible():
            self.want()

    def _clear(self) -> None:
        none = np.zeros(0)
        whole_numbers = none.astype(np.int64)
        self.plot.set_points(none, none, whole_numbers, (), whole_numbers, lambda _: "")
        self.legend.set_counts({})

    def question(self) -> tuple[Any, ...] | None:
        """Function and arguments for the lane; None when there is nothing to ask."""
        raise NotImplementedError

    def want(self) -> None:
        """Ask for the points, unless they are here or under way."""
        data, asked = self._data, self.question()
        if data is None or asked is None or asked[1:] == self._asked:
            return
        self._asked = asked[1:]
        self.say("computing …")
        self._lane.ask(
            self._channel,
            asked[0],
            data,
            *asked[1:],
            on_answer=lambda cloud, mine=asked[1:]: self._take(data, mine, cloud),
            on_error=self._failed,
            owner=self,
            desk="phase-data",
        )

    def _take(self, data: PhaseDataset, asked: object, cloud: Cloud) -> None:
        if data is not self._data or asked != self._asked:
            return
        self.cloud = cloud
        classes = data.summary.classes
        kind = data.label[cloud.rows]
        self.plot.set_axes(*cloud.names)
        self.plot.set_points(
            cloud.x, cloud.y, kind, classes, cloud.rows, lambda row: sample_text(data, row)
        )
        counts = np.bincount(kind, minlength=len(classes))
        self.legend.set_counts({c: int(n) for c, n in zip(classes, counts, strict=True)})
        part = len(cloud.rows) < len(data)
        shown = f"{len(cloud.rows):,} of {len(data):,} samples, drawn at random" if part else ""
        self.set_title(self.title, shown or f"{len(data):,} samples")
        self.say(cloud.note)
        self.export.set_source(work.bare(data), self.caption(), data.summary.folder.name)

    def _failed(self, error: ErrorInfo) -> None:
        self._asked = None
        self.say(f"{error.title} {error.hint}".strip(), "bad")

    def say(self, text: str, role: str = "muted") -> None:
        """A line below the plot."""
        self.words.set_role(role)
        self.words.setText(text)
        self.words.setVisible(bool(text))

    def caption(self) -> str:
        """What was assumed."""
        data, cloud = self._data, self.cloud
        if data is None or cloud is None:
            return ""
        words = [data.recipe.title or data.summary.name, self.subtitle, cloud.note]
        return "; ".join(word for word in words if word)

    def table(self) -> Table | None:
        """The points as CSV."""
        data, cloud = self._data, self.cloud
        return partial(cloud_csv, data, cloud) if data is not None and cloud is not None else None

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what is not there yet."""
        super().showEvent(event)
        self.want()


# ------------------------------------------------------------ gap and mixing


class GapCard(CloudCard):
    """Smallest gap of every sample against its mixing."""

    def __init__(self, lane: Lane, parent: QWidget | None = None) -> None:
        super().__init__("Smallest gap", "gap", lane, parent)
        self.log = Chip("log", True, "Gaps on a logarithmic axis")
        self.log.toggled.connect(self.plot.set_log)
        self.tools.insertWidget(0, self.log)

    def question(self) -> tuple[Any, ...] | None:
        """All of them, up to a number."""
        return work.gap_cloud, work.MOST_POINTS


# ------------------------------------------------------------ two hoppings

PARTS = (("real", "real part"), ("imaginary", "imaginary part"), ("modulus", "modulus"))


class HoppingFields:
    """Which hopping: lattice vector and orbitals."""

    def __init__(self, name: str, changed: Callable[[], object]) -> None:
        self.cell = [whole(0, -99, 99, f"{name}: A{i}") for i in (1, 2, 3)]
        self.i, self.j = (whole(1, 1, 999, f"{name}: orbital {o}") for o in "ij")
        for box in self.boxes:
            box.setFixedWidth(50)
            box.valueChanged.connect(changed)

    @property
    def boxes(self) -> list[WholeBox]:
        """In the order in which they are read."""
        return [*self.cell, self.i, self.j]

    @property
    def element(self) -> Element:
        """Lattice vector, orbitals from 0."""
        a1, a2, a3 = (box.value() for box in self.cell)
        return (a1, a2, a3), self.i.value() - 1, self.j.value() - 1

    def fill(self, element: Element, n: int) -> None:
        """Show a hopping of a Hamiltonian with ``n`` orbitals; nobody is told."""
        cell, i, j = element
        for box, value in zip(self.boxes, (*cell, i + 1, j + 1), strict=True):
            box.blockSignals(True)
            if box in (self.i, self.j):
                box.setMaximum(n)
            box.setValue(value)
            box.blockSignals(False)


class HoppingsCard(CloudCard):
    """A slice through the space of hoppings (Bird 2023, Fig. 14)."""

    def __init__(self, lane: Lane, parent: QWidget | None = None) -> None:
        super().__init__("Two hoppings", "hoppings", lane, parent)
        self.x, self.y = (HoppingFields(name, self._edited) for name in "xy")
        self.part = choice(PARTS, "Part of the hoppings")
        self.part.currentIndexChanged.connect(self._edited)
        for name, fields in (("x", self.x), ("y", self.y)):
            self.flow.addWidget(
                group(f"{name}:  A", *fields.cell, muted("  i, j"), fields.i, fields.j)
            )
        self.part.setFixedWidth(124)
        self.flow.addWidget(self.part)
        self.controls.show()
        self._started = False

    def set_data(self, data: PhaseDataset | None) -> None:
        """Start with the hoppings that change most along the line."""
        self._started = False
        super().set_data(data)

    def _edited(self, *_: object) -> None:
        if self.isVisible() and self._started:
            self.want()

    def question(self) -> tuple[Any, ...] | None:
        """Two hoppings of many samples; at first those that the data set suggests."""
        if not self._started:
            return work.hopping_cloud, None, None, "real"
        return work.hopping_cloud, self.x.element, self.y.element, self.part.currentData()

    def _take(self, data: PhaseDataset, asked: object, cloud: Cloud) -> None:
        if data is self._data and not self._started and cloud.elements is not None:
            for fields, element in zip((self.x, self.y), cloud.elements, strict=True):
                fields.fill(element, data.start.n_orbitals)
            self.part.blockSignals(True)
            self.part.setCurrentIndex(0)
            self.part.blockSignals(False)
            self._started = True
            super()._take(data, asked, cloud)
            self._asked = self.question()[1:]  # type: ignore[index]
            return
        super()._take(data, asked, cloud)


class EmbeddingCard(CloudCard):
    """t-SNE of cropped hoppings (Bird 2023, Fig. 24)."""

    def __init__(self, lane: Lane, parent: QWidget | None = None) -> None:
        super().__init__("t-SNE", "tsne", lane, parent)
        self.count = whole(600, 50, work.MOST_EMBEDDED, "Samples")
        self.count.setToolTip(f"At most {work.MOST_EMBEDDED:,}; more take minutes")
        self.count.setFixedWidth(76)
        self.seed = whole(0, 0, 2**31 - 1, "Seed of the embedding")
        self.seed.setFixedWidth(60)
        self.plot.getPlotItem().getViewBox().setAspectLocked(True)
        self.run = PlainButton("Compute", icon_name="refresh")
        self.run.clicked.connect(self.compute)
        for words, box in (("samples", self.count), ("seed", self.seed)):
            self.flow.addWidget(group(words, box))
        self.flow.addWidget(self.run)
        self.controls.show()
        self._wanted: tuple[int, int] = (0, 0)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set: its first map is asked for when it is looked at."""
        self._wanted = self.count.value(), self.seed.value()
        super().set_data(data)

    def compute(self) -> None:
        """A map with the settings of the moment."""
        self._wanted = self.count.value(), self.seed.value()
        self.want()

    def question(self) -> tuple[Any, ...] | None:
        """A map of some samples."""
        return work.embedding_cloud, *self._wanted


def group(words: str, *widgets: QWidget) -> QWidget:
    """Words and fields that stay together when a line breaks."""
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, SPACE[1], 0)
    row.setSpacing(SPACE[0])
    row.addWidget(muted(words))
    for widget in widgets:
        row.addWidget(widget)
    return box


def cloud_csv(data: PhaseDataset, cloud: Cloud) -> str:
    """One row a point: its place, then its sample."""
    lines = work.samples_csv(data, cloud.rows.tolist()).splitlines()
    head = f"{cloud.csv[0]},{cloud.csv[1]},{lines[0]}"
    body = [
        f"{x:.10g},{y:.10g},{line}" for x, y, line in zip(cloud.x, cloud.y, lines[1:], strict=True)
    ]
    return "\n".join([head, *body]) + "\n"
