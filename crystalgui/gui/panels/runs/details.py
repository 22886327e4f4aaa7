"""Everything that determined a run, and what came out."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from crystalgui.core.messages import SweepRecipe, TrainRecipe
from crystalgui.gui.panels.quantities import duration, metric_name, real
from crystalgui.gui.panels.train.monitors import MonitorCards
from crystalgui.gui.state.monitors import Monitors, MonitorsState
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, KeyValues, SectionTitle, copy_text

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane

NARROW, WIDE = 320, 420
RESULTS, SETTINGS = ("Run", "Best epoch", "Test"), ("Recipe", "Model", "Split")
MOST = 24
"""Networks of a sweep that are listed at once."""
HIDDEN = ("dataset", "params", "split", "title", "model", "preset")


class DetailsCard(Card):
    """Recipe, metrics and place of one run, and what it kept of its inside.

    Of a sweep the inside is that of the network that is chosen; the newest one
    is followed.

    Signals
    -------
    closed()
    """

    closed = Signal()

    def __init__(self, lane: Lane | None = None, parent: QWidget | None = None) -> None:
        super().__init__("Details", "", parent)
        self.setMinimumWidth(NARROW)
        copy = Chip("copy", tooltip="Copy all rows")
        copy.clicked.connect(lambda: copy_text(self.text()))
        close = Chip("×", tooltip="Close the details")
        close.clicked.connect(self.closed)
        self.tools.addWidget(copy)
        self.tools.addWidget(close)
        inner = QWidget()
        inner.setObjectName("ScrollBody")
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, SPACE[1], 0)
        self._tables: dict[str, KeyValues] = {}
        self._titles: dict[str, SectionTitle] = {}
        self._add_tables(column, RESULTS)
        self.networks = QComboBox()
        self.networks.setAccessibleName("Network of the sweep")
        self.networks.setToolTip("The first network of every group that is trained together")
        self.networks.setMaxVisibleItems(MOST)
        self.networks.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.networks.activated.connect(self._choose)
        column.addWidget(self.networks)
        self._lane = lane
        self._inside: MonitorCards | None = None
        self._parts = QVBoxLayout()
        column.addLayout(self._parts)
        self._readings: MonitorsState | None = None
        self._run: RunView | None = None
        self._chosen = ""
        self._show(Monitors())
        self._add_tables(column, SETTINGS)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        self.body.addWidget(scroll, 1)

    @property
    def inside(self) -> MonitorCards:
        """Attention, gradients and their history, built for the first run that tells of them."""
        if self._inside is None:
            self._inside = inside = MonitorCards(self._lane, steer=False, parent=self)
            for part in (inside.attention, inside.history, inside.gradients):
                part.setProperty("card", False)  # no frame within a frame
                part.setFixedHeight(250)
                self._parts.addWidget(part)
        return self._inside

    def _add_tables(self, column: QVBoxLayout, names: tuple[str, ...]) -> None:
        """A heading and a table of each name."""
        for name in names:
            self._titles[name] = SectionTitle(name)
            column.addWidget(self._titles[name])
            self._tables[name] = KeyValues()
            column.addWidget(self._tables[name])

    def show_run(self, run: RunView) -> None:
        """Show this run."""
        self.set_title("Details", run.title)
        for name, rows in details(run).items():
            self._tables[name].set_rows(rows)
            self._titles[name].setVisible(bool(rows))

    def show_inside(self, readings: MonitorsState, run: RunView) -> None:
        """Show what the run kept of its inside; nothing when it kept nothing."""
        if run is not self._run:
            self._chosen = ""
        self._readings, self._run = readings, run
        names = readings.networks(run.run_id)
        name = self._chosen if self._chosen in names else (names[-1] if names else "")
        known = tuple(self.networks.itemText(i) for i in range(self.networks.count()))
        if known != names:
            self.networks.clear()
            self.networks.addItems(names)
        self.networks.setCurrentIndex(names.index(name) if names else -1)
        self._show(readings.of(run.run_id, name), name)

    def _choose(self, place: int) -> None:
        """Look at a network; the newest one is followed."""
        self._chosen = self.networks.itemText(place) if place < self.networks.count() - 1 else ""
        if self._readings is not None and self._run is not None:
            self.show_inside(self._readings, self._run)

    def _show(self, monitors: Monitors, network: str = "") -> None:
        """Show these readings, and which of several networks they are of."""
        if monitors or self._inside is not None:
            self.inside.attention.setVisible(bool(monitors.attention))
            self.inside.history.setVisible(bool(monitors))
            self.inside.gradients.setVisible(bool(monitors.gradients))
        self.networks.setVisible(bool(network))
        self.setMinimumWidth(NARROW if not monitors else WIDE)
        if monitors and self._run is not None:
            origin = "-".join([self._run.run_id, *re.findall(r"\w+", network)])
            self.inside.show_run(monitors, self._run.recipe.epochs, origin)

    def text(self) -> str:
        """All rows as TSV."""
        return "\n".join(table.text() for table in self._tables.values())


def details(run: RunView) -> dict[str, list[tuple[str, str]]]:
    """Rows by section."""
    recipe: TrainRecipe = run.recipe
    facts = [("Status", run.status), ("Data", run.data)]
    facts.append(("Epochs" if run.sweep is None else "Networks", f"{run.epochs} of {run.total}"))
    facts.append(("Duration", duration(run.seconds)))
    if run.stored is not None:
        facts += [
            ("Started", f"{run.stored.created.astimezone():%Y-%m-%d %H:%M:%S}"),
            ("Id", run.run_id),
            ("Folder", str(run.stored.folder)),
        ]
        if run.stored.note:
            facts.append(("Note", run.stored.note))
    if run.error is not None:
        facts.append(("Error", run.error.title))
    best: list[tuple[str, str]] = []
    test: list[tuple[str, str]] = []
    if run.stored is not None:
        splits = {"train": "training", "val": "validation"}
        if "epoch" in run.stored.best:
            best.append(("epoch", f"{run.stored.best['epoch']:g}"))
        for key, value in run.stored.best.items():
            split, slash, _ = key.partition("/")
            if slash:
                best.append((f"{splits.get(split, split)} {metric_name(key)}", real(value)))
        test = [(metric_name(k), real(v)) for k, v in run.stored.test.items()]
    plain = [
        (f.name.replace("_", " "), _word(getattr(recipe, f.name)))
        for f in fields(recipe)
        if f.name not in HIDDEN
    ]
    model = [("family", recipe.model), ("preset", recipe.preset)]
    model += [(k.replace("_", " "), _word(v)) for k, v in recipe.params.items()]
    if run.sweep is not None:
        best = []
        plain, model = _sweep_rows(run.sweep, plain)
    parts = [(f.name, _word(getattr(recipe.split, f.name))) for f in fields(recipe.split)]
    return {
        "Run": facts,
        "Best epoch": best,
        "Test": test,
        "Recipe": plain,
        "Model": model,
        "Split": parts,
    }


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


UNUSED = ("rolling", "replicas", "patience", "until", "expanded")
"""What of a recipe a sweep does not use."""


def _sweep_rows(
    sweep: SweepRecipe, plain: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Rows of the recipe and of the networks of a sweep."""
    rows = [
        ("rollings", ", ".join(map(str, sweep.rollings))),
        ("repeats", str(sweep.repeats)),
        ("training rows", f"{sweep.train:,}" if sweep.train else "all"),
        ("test rows", f"{sweep.test:,}" if sweep.test else "all"),
    ]
    rows += [row for row in plain if row[0] not in UNUSED]
    networks = []
    for network in sweep.networks:
        words = [f"{network.model} {network.preset}".strip()]
        words += [f"{key} {_word(value)}" for key, value in network.params.items()]
        networks.append((network.title, ", ".join(words)))
    return rows, networks
