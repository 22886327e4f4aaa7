"""One chip that writes a figure and its numbers: PNG, SVG, PDF or CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QToolTip, QWidget

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import ErrorInfo
from crystalgui.core.physics.tables import header
from crystalgui.gui.plots.export import FORMATS, save_figure
from crystalgui.gui.widgets import Card, Chip

if TYPE_CHECKING:
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.engine.lane import Lane

CSV = "Numbers as CSV (*.csv)"

Table = Callable[[], str]
"""Writes numbers that were taken before as CSV; called in the lane."""


class ExportChip(Chip):
    """Asks for a file and writes the plot there; the suffix decides how.

    Parameters
    ----------
    card : Card
        Its title and subtitle stand above the figure.
    parts : sequence of widgets
        Plots and what belongs to them, as for `save_figure`.
    name : str
        Suggested file name without suffix.
    table : callable
        Takes the numbers, in the window's thread, and gives a `Table` of them or None.
        Nothing that the window changes may be read by the table itself: widgets,
        lists that grow.  Header lines are put above it.
    lane : Lane
        Writes CSV files, so that large ones do not stop the window.
    more : callable
        Further tables: ``{"dos": table}`` is written beside it as ``…-dos.csv``.
    """

    def __init__(
        self,
        card: Card,
        parts: Sequence[QWidget],
        name: str,
        table: Callable[[], Table | None],
        lane: Lane | None = None,
        more: Callable[[], Mapping[str, Table | None]] = dict,
    ) -> None:
        super().__init__(
            "", False, "Export: PNG, SVG, PDF, or the numbers as CSV", card, icon_name="export"
        )
        self._card, self._parts, self._name = card, tuple(parts), name
        self._table, self._lane, self._more = table, lane, more
        self._hoppings: Hoppings | None = None
        self._caption = self._origin = ""
        self.setEnabled(False)
        self.clicked.connect(self.ask)

    def set_source(self, h: Hoppings | None, caption: str = "", origin: str = "") -> None:
        """What the numbers were computed from; None: there is nothing to export.

        The caption is by default what was assumed about the files, and the
        suggested name begins with the ``origin``, by default the file.
        """
        self._origin = origin
        self._hoppings = h
        self._caption = caption or (h.assumptions.sentence() if h is not None else "")
        self.setEnabled(h is not None)

    def set_origin(self, origin: str, caption: str = "", *, ready: bool = True) -> None:
        """There are numbers that no Hamiltonian gave, e.g. those of a run of this name."""
        self._hoppings, self._origin, self._caption = None, origin, caption
        self.setEnabled(ready)

    def ask(self) -> None:
        """Choose a file and write it."""
        kinds = f"{FORMATS};;{CSV}"
        text, chosen = QFileDialog.getSaveFileName(self, "Export", f"{self._stem()}.png", kinds)
        if not text:
            return
        path = Path(text)
        if not path.suffix:
            path = path.with_suffix("." + chosen.rpartition("*.")[2].rstrip(")"))
        if path.suffix.lower() == ".csv" and self._lane is not None:
            self._lane.run(
                _write_tables, path, *self._taken(), on_answer=lambda _: self._say(path), owner=self
            )
            return
        try:
            self.write(path)
        except CrystalError as error:
            if self._lane is not None:
                self._lane.failed.emit(ErrorInfo.of(error))
        else:
            self._say(path)

    def _stem(self) -> str:
        """``bitei-bands``: file and what is shown."""
        if self._origin:
            return f"{self._origin}-{self._name}"
        source = self._hoppings.source if self._hoppings is not None else None
        return f"{source.name.partition('.')[0]}-{self._name}" if source else self._name

    def _say(self, path: Path) -> None:
        """What was written, beside the chip."""
        if self.isVisible():
            QToolTip.showText(
                self.mapToGlobal(self.rect().bottomLeft()), f"Wrote {path.name}", self
            )

    def write(self, path: Path) -> None:
        """Write the figure or the numbers to ``path``."""
        if path.suffix.lower() == ".csv":
            _write_tables(path, *self._taken())
            return
        title = f"{self._card.title}   {self._card.subtitle}"
        save_figure(path, self._parts, title=title, caption=self._caption)

    def _taken(self) -> tuple[Table, dict[str, Table | None]]:
        """What is shown now: header lines, and the tables by what their names end on."""
        said = f"{self._card.title}: {self._card.subtitle}"
        top = partial(header, self._hoppings, said, self._caption)
        return top, {"": self._table(), **self._more()}


def _write_tables(path: Path, top: Table, tables: Mapping[str, Table | None]) -> None:
    """Write tables below the same header; called in the lane."""
    above = top()
    for word, table in tables.items():
        text = table() if table is not None else ""
        if text or not word:
            name = f"{path.stem}-{word}{path.suffix}" if word else path.name
            write_atomic(path.with_name(name), above + text)
