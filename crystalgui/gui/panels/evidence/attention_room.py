"""Who looks at whom: every head by itself, its pairs drawn on the crystal.

Nop et al. (2025), Fig. 4.  A head is chosen on the small multiples; its
strongest pairs are sticks of a logarithmic colour, thick at the atom that
looks.  An atom that is clicked shows its row: the whole crystal coloured by how
much that atom looks at it.  Heads, layers and networks are never averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QSpinBox,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import AttentionMap, Event, ExplainReady, Job
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.measure import nearest_images
from crystalgui.gui.panels.evidence.names import atom_name, key_names, query_names
from crystalgui.gui.panels.evidence.room import Asking, AskingRoom, Look, table_text
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.heads import HeadsView
from crystalgui.gui.plots.scale import Scale
from crystalgui.gui.plots.shares import Bar, BarsView
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, SectionTitle, Text, copy_action, scrolled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from crystalgui.gui.session import Session
    from crystalgui.gui.state.evidence import Question

COLUMNS = ("From", "To", "Distance, Å", "Images", "Weight")
FIRST_PAIRS = 8
MOST_PAIRS = 24
MOST_BARS = 40


class AttentionRoom(AskingRoom):
    """Small multiples of heads, the strongest pairs, and the row of an atom or seed."""

    title = "Attention"

    def __init__(
        self,
        session: Session,
        question: Question,
        job: Callable[[Asking], Job],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(session, question, parent)
        self._job = job
        self._ready: ExplainReady | None = None
        self._row = -1
        self._build()

    # ------------------------------------------------------------ building

    def _build(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE[1])
        head.addWidget(SectionTitle("Heads by layer"))
        head.addStretch(1)
        self.member = ChoiceBox()
        self.member.setAccessibleName("Network whose attention is shown")
        self.member.currentIndexChanged.connect(lambda _: self.asked.emit())
        head.addWidget(self.member)
        self.column.addLayout(head)
        self.heads = HeadsView()
        self.heads.chosen.connect(lambda *_: self._head_chosen())
        area = scrolled(self.heads, sideways=True)
        self._area = area
        self.column.addWidget(area, 4)
        tools = QHBoxLayout()
        tools.setSpacing(SPACE[0])
        self.pairs_chip = Chip("strongest pairs", True, "The strongest pairs of this head")
        self.row_chip = Chip("row of", True, "How much one atom or seed looks at each atom")
        self._modes = QButtonGroup(self)
        for chip in (self.pairs_chip, self.row_chip):
            self._modes.addButton(chip)
            tools.addWidget(chip)
        self.pairs_chip.setChecked(True)
        self._modes.buttonClicked.connect(lambda _: self._mode_chosen())
        self.query = ChoiceBox()
        self.query.setAccessibleName("What looks")
        self.query.activated.connect(self._query_chosen)
        tools.addWidget(self.query)
        tools.addStretch(1)
        self.count = QSpinBox()
        self.count.setRange(1, MOST_PAIRS)
        self.count.setValue(FIRST_PAIRS)
        self.count.setSuffix(" pairs")
        self.count.setProperty("compact", True)
        self.count.setFixedWidth(92)
        self.count.setAccessibleName("How many pairs are drawn")
        self.count.valueChanged.connect(lambda _: self._show_head())
        tools.addWidget(self.count)
        self.column.addLayout(tools)
        self.lower = QStackedWidget()
        self.lower.addWidget(self._pairs_table())
        self.bars = BarsView()
        self.bars.setAccessibleName("Weights of the row")
        self.bars.clicked.connect(self._bar_clicked)
        holder = QWidget()
        inside = QVBoxLayout(holder)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.bars)
        inside.addStretch(1)
        scroll = scrolled(holder, sideways=True)
        self.lower.addWidget(scroll)
        self.column.addWidget(self.lower, 4)
        self.words = Text("", "muted")
        self.column.addWidget(self.words)

    def _pairs_table(self) -> QTableView:
        self.table = QTableView()
        self.model = QStandardItemModel(0, len(COLUMNS), self.table)
        self.model.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setModel(self.model)
        self.table.setAccessibleName("Strongest pairs")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.selectionModel().currentRowChanged.connect(self._pair_chosen)
        copy_action(self.table, lambda: table_text(self.model))
        return self.table

    # --------------------------------------------------------------- answer

    def job(self, asking: Asking) -> Job | None:
        """The question that is shared with the saliency."""
        return self._job(asking)

    @property
    def maps(self) -> tuple[AttentionMap, ...]:
        """Heads of the answer."""
        return self._ready.attention if self._ready is not None else ()

    @property
    def shown(self) -> AttentionMap | None:
        """The head that is drawn."""
        return next((m for m in self.maps if (m.layer, m.head) == self.heads.current), None)

    def fill(self, ready: Event) -> bool:
        """Show the heads of an answer."""
        assert isinstance(ready, ExplainReady)
        new, self._ready = ready is not self._ready, ready
        if not ready.attention:
            model = self.asking.model.title if self.asking is not None else "This model"
            self.say(
                "eye",
                "This model has no attention",
                f"{model} does not weigh atoms against each other. What its answer rests on is "
                "told by the saliency.",
            )
            return False
        if new:
            self._offer_members(ready)
            self.heads.set_maps(ready.attention)
            self._area.setMaximumHeight(self.heads.sizeHint().height() + 4)
            self._area.setMinimumHeight(min(self.heads.sizeHint().height() + 4, 84))
            self._show_head()
        return True

    def _offer_members(self, ready: ExplainReady) -> None:
        self.member.blockSignals(True)
        if self.member.count() != ready.members:
            self.member.clear()
            for k in range(ready.members):
                self.member.addItem(f"network {k + 1} of {ready.members}", k)
        self.member.setCurrentIndex(ready.member)
        self.member.setVisible(ready.members > 1)
        self.member.blockSignals(False)

    @property
    def chosen_member(self) -> int:
        """Which network of an ensemble is asked."""
        return max(0, self.member.currentIndex())

    def forget_member(self) -> None:
        """Another model: its first network."""
        self.member.blockSignals(True)
        self.member.clear()
        self.member.blockSignals(False)
        self._row = -1

    # ---------------------------------------------------------------- heads

    def _head_chosen(self) -> None:
        self._show_head()
        x, y = self.heads.cells[0], self.heads.current
        cell = next((c for c in self.heads.cells if (c.layer, c.head) == y), x)
        at = self.heads.place(cell)
        self._area.ensureVisible(int(at.center().x()), int(at.center().y()))

    def step_head(self, step: int) -> None:
        """The next or the last head, through all layers."""
        names = [(m.layer, m.head) for m in self.maps]
        if self.heads.current in names:
            layer, head = names[(names.index(self.heads.current) + step) % len(names)]
            self.heads.choose(layer, head)

    @property
    def in_row(self) -> bool:
        """Whether the row of one atom or seed is shown, else the strongest pairs."""
        return self.row_chip.isChecked()

    def _mode_chosen(self) -> None:
        if self.in_row and self._row < 0:
            self._row = 0
        self._show_head()

    def show_row(self, query: int) -> None:
        """Show how much one atom, seed or point looks at what."""
        self._row = query
        self.row_chip.setChecked(True)
        self._show_head()

    def _query_chosen(self, index: int) -> None:
        self.show_row(index)
        shown = self.shown
        if shown is not None and shown.queries == "atoms":
            self.atoms_wanted.emit((index,))

    def _show_head(self) -> None:
        ready, shown = self._ready, self.shown
        if ready is None or shown is None:
            return
        names = query_names(ready, shown)
        self.query.blockSignals(True)
        self.query.clear()
        self.query.addItems(names)
        self._row = min(self._row, len(names) - 1)
        self.query.setCurrentIndex(self._row)
        self.query.blockSignals(False)
        has_pairs = bool(shown.pairs)
        self.pairs_chip.setEnabled(has_pairs)
        if not has_pairs and not self.in_row:
            self.row_chip.setChecked(True)
        if self.in_row:
            self._row = max(0, self._row)
            self.query.setCurrentIndex(self._row)
        self.count.setVisible(shown.queries == shown.keys == "atoms")
        self.query.setVisible(self.in_row)
        self.lower.setCurrentIndex(1 if self.in_row else 0)
        if self.in_row:
            self._fill_bars(ready, shown)
        else:
            self._fill_pairs(ready, shown)
        self._fill_words(shown)
        self.look_changed.emit()

    def _fill_words(self, shown: AttentionMap) -> None:
        share = 100 * shown.mean / shown.most if shown.most > 0 else 0.0
        text = (
            f"{shown.layer}, head {shown.head}: mean entropy {shown.mean:.3f} of at most "
            f"{shown.most:.3f} nat ({share:.0f} %). One head of one network; nothing is averaged."
        )
        if shown.lost > 0.005:
            text += f" {100 * shown.lost:.0f} % falls on padding."
        if not shown.matrix.size:
            text += " The matrix is too large to be shown; pairs and entropy are those of all."
        if shown.queries == shown.keys == "atoms":
            text += " A stick is thick at the atom that looks."
        self.words.setText(text)

    def _fill_pairs(self, ready: ExplainReady, shown: AttentionMap) -> None:
        self.model.removeRows(0, self.model.rowCount())
        for pair in shown.pairs[: self.count.value()]:
            cells = (
                atom_name(ready, pair.start),
                atom_name(ready, pair.end),
                f"{pair.distance:.3f}",
                f"{len(pair.images)}",
                f"{pair.weight:.3g}",
            )
            items = [QStandardItem(text) for text in cells]
            for item in items[2:]:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.model.appendRow(items)

    def _weights(self) -> NDArray[np.float64]:
        """The row that is shown, over atoms or points; empty without one."""
        ready, shown = self._ready, self.shown
        if ready is None or shown is None or not shown.matrix.size or self._row < 0:
            return np.zeros(0)
        matrix = ready.over_atoms(shown)
        return np.asarray(matrix[self._row], dtype=np.float64)

    def _fill_bars(self, ready: ExplainReady, shown: AttentionMap) -> None:
        weights = self._weights()
        names = key_names(ready, shown)
        order = np.argsort(-weights, kind="stable")[:MOST_BARS]
        over_atoms = shown.keys == "atoms"
        bars = [
            Bar(
                names[k],
                float(weights[k]),
                (int(k),) if over_atoms else (),
                tip=f"{query_names(ready, shown)[self._row]} looks at {names[k]}: {weights[k]:.4g}",
            )
            for k in order.tolist()
        ]
        self.bars.set_bars(bars, self._row_scale(weights))

    def _row_scale(self, weights: NDArray[np.float64]) -> Scale:
        shown = self.shown
        where = f"{shown.layer}, head {shown.head}" if shown is not None else ""
        return Scale.log(weights, f"weight, {where}")

    # ------------------------------------------------------------ selection

    def _bar_clicked(self, number: int) -> None:
        bar, shown = self.bars.bars[number], self.shown
        if bar.atoms and shown is not None:
            first = (self._row,) if shown.queries == "atoms" else ()
            self.atoms_wanted.emit(tuple(dict.fromkeys((*first, *bar.atoms))))

    def _pair_chosen(self, current: Any, _previous: Any) -> None:
        shown = self.shown
        if shown is not None and current.isValid() and current.row() < len(shown.pairs):
            pair = shown.pairs[current.row()]
            self.atoms_wanted.emit((pair.start, pair.end))

    def atoms_selected(self, atoms: tuple[int, ...], *, by_hand: bool) -> None:
        """A click on an atom shows its row; a click beside it the pairs again."""
        self.bars.mark_atoms(atoms)
        shown = self.shown
        if not by_hand or shown is None:
            return
        if len(atoms) == 1 and shown.queries == "atoms":
            self.show_row(atoms[0])
        elif not atoms and self.in_row and shown.pairs:
            self.pairs_chip.setChecked(True)
            self._show_head()

    # ---------------------------------------------------------------- crystal

    def look(self) -> Look:
        """The strongest pairs, or the atoms coloured by a row."""
        ready, shown = self._ready, self.shown
        if not self.answering or ready is None or shown is None:
            return Look()
        name = f"{shown.layer}, head {shown.head}"
        if not self.in_row:
            pairs = shown.pairs[: self.count.value()]
            scale = Scale.log([p.weight for p in pairs], f"weight, {name}")
            return Look(
                caption=f"{len(pairs)} strongest pairs of {name}",
                pairs=[(p.start, p.end, p.images) for p in pairs],
                pair_colours=scale.colours([p.weight for p in pairs]),
                scale=scale,
                bonds=False,
            )
        weights = self._weights()
        what = query_names(ready, shown)[self._row] if len(weights) else ""
        if shown.keys != "atoms" or not len(weights):
            return Look(caption=f"{name}: {what}")
        scale = self._row_scale(weights)
        ends = self._ends(weights) if shown.queries == "atoms" else []
        images = self._images() if ends else []
        return Look(
            caption=f"what {what} looks at, {name}",
            tints=scale.colours(weights),
            pairs=[(self._row, end, images[end]) for end in ends],
            pair_colours=scale.colours(weights[ends]),
            scale=scale,
            bonds=False,
        )

    def _ends(self, weights: NDArray[np.float64]) -> list[int]:
        """The atoms that the atom of the row looks at most, itself left out."""
        order = np.argsort(-weights.round(9), kind="stable")
        return [int(k) for k in order if k != self._row and weights[k] > 0][: self.count.value()]

    def _images(self) -> list[tuple[tuple[int, int, int], ...]]:
        """Nearest images of every atom, seen from that of the row."""
        ready = self._ready
        assert ready is not None
        crystal = Crystal(lattice=ready.lattice, frac=ready.frac, species=ready.species)
        return nearest_images(crystal, self._row)[1]

    def csv_text(self) -> str:
        """Everything that was found: shares, pairs, entropies."""
        from crystalgui.core.reports.explain import explanation_text

        return explanation_text(self._ready) if self._ready is not None else ""
