"""The data card: which data set, what is in it, what was wrong with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.datasets.images.preview import MOST_CLASSES, Samples
from crystalgui.core.datasets.purify import REASONS, REPORT, Removed
from crystalgui.core.datasets.targets import unit_of
from crystalgui.core.messages import DatasetSummary
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.panels.quantities import count, duration, real
from crystalgui.gui.panels.train.pictures import Pictures
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.theme import (
    PHASE_COLOURS,
    SPACE,
    class_colour,
    colour,
    font,
    phase_colour,
    theme,
)
from crystalgui.gui.widgets import (
    Card,
    Chip,
    ElidedLabel,
    KeyValues,
    PlainButton,
    ProgressBar,
    Text,
)

MOST_PROBLEMS = 500
MOST_REMOVED = 500
MOST_BARS = 12


class ClassBalance(QWidget):
    """One bar a class: its colour, its share and its count."""

    ROW = 20

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[tuple[str, int], ...] = ()
        self._summed = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def set_counts(self, classes: tuple[str, ...], counts: tuple[int, ...]) -> None:
        """Show crystals of each class; of very many the commonest and the sum of the others."""
        rows = sorted(zip(classes, counts, strict=True), key=lambda row: -row[1])
        self._summed = len(rows) > MOST_BARS
        if self._summed:
            rest = rows[MOST_BARS - 1 :]
            others = (f"{len(rest)} others", sum(n for _, n in rest))
            self._rows = (*rows[: MOST_BARS - 1], others)
        else:
            self._rows = tuple(zip(classes, counts, strict=True))
        self.setAccessibleName("Class balance")
        self.setAccessibleDescription(", ".join(f"{c}: {n}" for c, n in self._rows))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """One row each."""
        return QSize(240, self.ROW * len(self._rows))

    def minimumSizeHint(self) -> QSize:
        """Narrow columns are fine."""
        return QSize(140, self.ROW * len(self._rows))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw name, bar, per cent, count."""
        total = max(1, sum(n for _, n in self._rows))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("number"))
        metrics = painter.fontMetrics()
        tail = metrics.horizontalAdvance("100.0 %  000,000")
        widest = max((metrics.horizontalAdvance(c) for c, _ in self._rows), default=0)
        head = min(widest + 10, self.width() // 3)
        side = Qt.AlignmentFlag.AlignVCenter
        for i, (name, n) in enumerate(self._rows):
            top, share = i * self.ROW, n / total
            painter.setPen(colour("text"))
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, head - 8)
            painter.drawText(QRect(0, top, head, self.ROW), side, shown)
            groove = QRectF(head, top + 7, max(0, self.width() - head - tail - 10), 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("quiet"))
            painter.drawRoundedRect(groove, 3, 3)
            bar = QRectF(groove)
            bar.setWidth(groove.width() * share)
            rest = self._summed and i == MOST_BARS - 1
            painter.setBrush(colour("muted" if rest else class_ink(name, i)))
            painter.drawRoundedRect(bar, 3, 3)
            right = Qt.AlignmentFlag.AlignRight | side
            box = QRect(self.width() - tail, top, tail, self.ROW)
            painter.setPen(colour("text"))
            painter.drawText(box, right, f"{n:,}")
            box.setWidth(metrics.horizontalAdvance("100.0 %"))
            painter.setPen(colour("muted"))
            painter.drawText(box, right, f"{100 * share:.1f} %")


def class_ink(name: str, index: int) -> str:
    """Colour of a class: of the phase of this name, else by its place."""
    known = name == "undefined" or name.partition(" ")[0].lower() in PHASE_COLOURS
    return phase_colour(name) if known else class_colour(index)


class DataCard(Card):
    """Choice of the data set, its facts, its problems, and the running import.

    Signals
    -------
    chosen(DatasetSummary or None), import_asked(), import_cancelled()
    make_asked()
        A data set of Hamiltonians is to be made.
    explore_asked(DatasetSummary)
        The views of the chosen data set of Hamiltonians are wanted.
    removed_asked(DatasetSummary)
        The list of what was removed to purify it is wanted.
    """

    chosen = Signal(object)
    removed_asked = Signal(object)
    import_asked = Signal()
    import_cancelled = Signal()
    make_asked = Signal()
    explore_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Data", parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self._datasets: list[DatasetSummary] = []
        self.choice = ChoiceBox()
        self.choice.setObjectName("datasetChoice")
        self.choice.setAccessibleName("Data set")
        self.import_button = PlainButton("Import…", icon_name="add")
        self.import_button.setObjectName("importButton")
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.import_button)
        self.make_button = PlainButton("Make a phase data set…")
        self.make_button.setObjectName("makeButton")
        self.make_button.setToolTip("Mix two Hamiltonians, add noise, certify the phases")
        self.explore_button = PlainButton("Explore", icon_name="search")
        self.explore_button.setObjectName("exploreButton")
        self.explore_button.setToolTip(
            "Shares, slices, t-SNE, dimension and noise of this data set"
        )
        row.addWidget(self.make_button)
        row.addStretch(1)
        self.body.addWidget(self.choice)
        self.body.addLayout(row)
        self._build_import()
        self._empty = Text(
            "Import a folder or zip of crystals with a table id,label, or images; or make a data "
            "set of Hamiltonians with certified phases.",
            "muted",
        )
        self.body.addWidget(self._empty)
        self.balance = ClassBalance()
        self.body.addWidget(self.balance)
        self.pictures = Pictures()
        self.body.addWidget(self.pictures)
        self.facts = KeyValues()
        self.body.addWidget(self.facts)
        self.problems_chip = Chip("", checkable=True, tooltip="What the import found")
        self.problems_chip.setObjectName("problemsChip")
        below = QHBoxLayout()
        below.setSpacing(SPACE[1])
        below.addWidget(self.explore_button)
        self.removed_chip = Chip("", checkable=True, tooltip="Crystals that purifying removed")
        self.removed_chip.setObjectName("removedChip")
        below.addWidget(self.problems_chip)
        below.addWidget(self.removed_chip)
        below.addStretch(1)
        self.body.addLayout(below)
        self.problems = _list("Problems of the import")
        self.removed = _list("Removed crystals")
        self.body.addWidget(self.problems)
        self.body.addWidget(self.removed)
        self.problems_chip.toggled.connect(self.problems.setVisible)
        self.removed_chip.toggled.connect(self._unfold_removed)
        self.choice.currentIndexChanged.connect(self._choose)
        self.import_button.clicked.connect(self.import_asked)
        self.make_button.clicked.connect(self.make_asked)
        self.explore_button.clicked.connect(lambda: self.explore_asked.emit(self.current))
        self._show(None)

    def _build_import(self) -> None:
        self._import = QWidget()
        box = QVBoxLayout(self._import)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE[0])
        line = QHBoxLayout()
        self._import_text = ElidedLabel("")
        self._import_text.setProperty("role", "muted")
        line.addWidget(self._import_text, 1)
        cancel = Chip("Cancel", tooltip="Cancel the import")
        cancel.setObjectName("cancelImport")
        cancel.clicked.connect(self.import_cancelled)
        line.addWidget(cancel)
        box.addLayout(line)
        self._bar = ProgressBar()
        self._bar.setTextVisible(False)
        box.addWidget(self._bar)
        self._import.hide()
        self.body.addWidget(self._import)

    # ------------------------------------------------------------- content

    def set_datasets(self, datasets: list[DatasetSummary], choose: str = "") -> None:
        """Take the list of the project; ``choose`` names the one to select."""
        wanted = choose or (self.current.name if self.current else "")
        self._datasets = list(datasets)
        self.choice.blockSignals(True)
        self.choice.clear()
        for dataset in self._datasets:
            self.choice.addItem(f"{dataset.name}  ·  {dataset.size:,}", dataset.name)
        names = [d.name for d in self._datasets]
        if names:
            self.choice.setCurrentIndex(names.index(wanted) if wanted in names else len(names) - 1)
        self.choice.setVisible(bool(names))
        self.choice.blockSignals(False)
        self._choose()

    def choose(self, folder: Path) -> None:
        """Select the data set in ``folder`` when it is listed."""
        for index, dataset in enumerate(self._datasets):
            if dataset.folder == folder:
                self.choice.setCurrentIndex(index)

    @property
    def current(self) -> DatasetSummary | None:
        """The chosen data set."""
        index = self.choice.currentIndex()
        return self._datasets[index] if 0 <= index < len(self._datasets) else None

    def _choose(self, _index: int = 0) -> None:
        self._show(self.current)
        self.chosen.emit(self.current)

    def _show(self, data: DatasetSummary | None) -> None:
        self._empty.setVisible(data is None)
        for widget in (
            self.balance, self.pictures, self.facts, self.problems_chip, self.removed_chip
        ):  # fmt: skip
            widget.setVisible(data is not None)
        self.problems_chip.setChecked(False)
        self.removed_chip.setChecked(False)
        self.removed.clear()
        self.explore_button.setVisible(data is not None and data.kind == "hoppings")
        if data is None:
            self.set_title("Data")
            return
        self.set_title("Data", f"{data.task}, {data.target}")
        pictured = data.kind == "images" and len(data.classes) <= MOST_CLASSES
        self.pictures.setVisible(pictured)
        self.balance.setVisible(bool(data.classes) and not pictured)
        (self.pictures if pictured else self.balance).set_counts(data.classes, data.counts)
        self.facts.set_rows(dataset_facts(data))
        lines = data.problems[:MOST_PROBLEMS]
        self.problems.clear()
        self.problems.addItems(list(lines))
        if len(data.problems) > len(lines):
            self.problems.addItem(f"… and {len(data.problems) - len(lines):,} more")
        self.problems_chip.setVisible(bool(lines))
        many = "remark" if len(data.problems) == 1 else "remarks"
        self.problems_chip.setText(f"{len(data.problems):,} {many}")
        removed = sum(number for _, number in data.removed)
        self.removed_chip.setVisible(removed > 0)
        self.removed_chip.setText(f"{removed:,} removed")

    def _unfold_removed(self, on: bool) -> None:
        """Show the list of what was removed, and ask for it when it is empty."""
        self.removed.setVisible(on)
        if on and self.current is not None and not self.removed.count():
            self.removed_asked.emit(self.current)

    def show_removed(self, data: DatasetSummary, rows: tuple[Removed, ...]) -> None:
        """Show what was removed from the chosen data set, when it still is."""
        if self.current != data:
            return
        self.removed.clear()
        self.removed.addItems(
            [f"{row.formula} ({row.id}), group {row.space_group}, {row.reason}: {row.detail}"
             for row in rows]
        )  # fmt: skip
        left = sum(number for _, number in data.removed) - len(rows)
        if left > 0:
            self.removed.addItem(f"… and {left:,} more in {REPORT}")

    def show_samples(self, found: Samples) -> None:
        """Show some images of the chosen data set, when it still is."""
        if self.current is not None and self.current.folder == found.folder:
            self.pictures.set_samples(found)

    # -------------------------------------------------------------- import

    def show_import(self, row: JobRow | None) -> None:
        """Show the progress of an import, or that there is none."""
        alive = row is not None and row.alive
        self._import.setVisible(alive)
        self.import_button.setEnabled(not alive)
        if row is None or not alive:
            return
        left = f"  ·  {duration(row.eta)} left" if row.eta == row.eta else ""
        self._import_text.setText(f"{row.text or 'waiting'}{left}")
        self._bar.setRange(0, 1000 if row.total > 0 else 0)
        if row.total > 0:
            self._bar.setValue(round(1000 * row.fraction))


def _list(name: str) -> QListWidget:
    """A short list of lines that wrap, hidden until it is unfolded."""
    found = QListWidget()
    found.setAccessibleName(name)
    found.setMaximumHeight(150)
    found.setWordWrap(True)
    found.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    found.hide()
    return found


def dataset_facts(data: DatasetSummary) -> list[tuple[str, ...]]:
    """Rows that describe a data set."""
    if data.kind == "images":
        return _image_facts(data)
    if data.kind != "crystals":
        return [
            ("Hamiltonians", count(data.size)),
            ("Kept apart", count(data.apart), "Without a certified phase; not trained on"),
        ]
    rows: list[tuple[str, ...]] = [
        ("Crystals", count(data.size)),
        ("Formulas", count(data.formulas)),
    ]
    if data.task == "regression":
        unit = unit_of(data.target)
        rows += [
            ("Range", f"{real(data.minimum)} … {real(data.maximum)} {unit}".rstrip()),
            ("Mean ± deviation", f"{real(data.mean)} ± {real(data.std)} {unit}".rstrip()),
        ]
    rows += [
        (f"Removed, {why}", count(n), REASONS.get(why, why).capitalize()) for why, n in data.removed
    ]
    rows += [
        ("Duplicates", count(data.duplicates), "Equal formula and space group"),
        ("Conflicts", count(data.conflicts), "Equal formula and space group, different labels"),
        ("Unreadable", count(data.unreadable), "Files that are left out"),
    ]
    return rows


def _image_facts(data: DatasetSummary) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Images", count(data.size))]
    if len(data.shape) == 3:
        channels, height, width = data.shape
        colours = "grey" if channels == 1 else "colour"
        rows.append(("Size", f"{height} × {width} points, {colours}"))
    if data.edition:
        rows.append(("Edition", data.edition, *data.problems[:1]))
    rows.append(("Duplicates", count(data.duplicates), "Images that are equal to an earlier one"))
    if data.conflicts:
        rows.append(("Conflicts", count(data.conflicts), "Equal images of different classes"))
    if data.unreadable:
        rows.append(("Left out", count(data.unreadable), "Files that could not be used"))
    return rows
