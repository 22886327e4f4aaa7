"""Where the answers are computed and kept: a table as it comes, a cluster."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QWidget

from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, ElidedLabel

RESUMES = (
    "Rows are written while they come. When the job is cut off, classify the same files with the "
    "same models into the same table: it goes on where the table ends."
)


class OptionsRow(QWidget):
    """A table that is written while the rows come, and the address of a Dask scheduler.

    Signals
    -------
    scheduler_changed(str)
        A person wrote another address.
    """

    scheduler_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._out: Path | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[1])
        self.out_chip = Chip("Table as it comes…", tooltip=RESUMES)
        self.out_chip.setObjectName("tableAsItComes")
        self._where = ElidedLabel("")
        self._where.setProperty("role", "muted")
        self.none_chip = Chip("×", tooltip="Write no table")
        self.scheduler_edit = QLineEdit()
        self.scheduler_edit.setObjectName("daskScheduler")
        self.scheduler_edit.setAccessibleName("Address of a Dask scheduler")
        self.scheduler_edit.setPlaceholderText("this machine")
        self.scheduler_edit.setToolTip(
            "Address of a Dask scheduler whose workers classify, e.g. tcp://10.0.0.5:8786; "
            "empty: this machine"
        )
        self.scheduler_edit.setMaximumWidth(220)
        cluster = QLabel("Dask scheduler")
        cluster.setProperty("role", "muted")
        cluster.setBuddy(self.scheduler_edit)
        row.addWidget(self.out_chip)
        row.addWidget(self._where, 1)
        row.addWidget(self.none_chip)
        row.addSpacing(SPACE[1])
        row.addWidget(cluster)
        row.addWidget(self.scheduler_edit)
        self.out_chip.clicked.connect(self.ask_out)
        self.none_chip.clicked.connect(lambda: self.set_out(None))
        self.scheduler_edit.editingFinished.connect(
            lambda: self.scheduler_changed.emit(self.scheduler)
        )
        self.set_out(None)

    @property
    def out(self) -> Path | None:
        """The table that is written; None for none."""
        return self._out

    @property
    def scheduler(self) -> str:
        """The address; empty for this machine."""
        return self.scheduler_edit.text().strip()

    def set_scheduler(self, address: str) -> None:
        """Show an address."""
        self.scheduler_edit.setText(address)

    def ask_out(self) -> None:
        """Ask where the table goes."""
        start = str(self._out or Path.home() / "predictions.csv")
        found, _ = QFileDialog.getSaveFileName(
            self,
            "Table as it comes",
            start,
            "CSV (*.csv)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if found:
            self.set_out(Path(found))

    def set_out(self, path: Path | None) -> None:
        """Write this table, or none."""
        self._out = path
        self.none_chip.setVisible(path is not None)
        if path is None:
            self._where.setText("rows are only shown here")
        elif path.with_name(path.name + ".part").exists():
            self._where.setText(f"{path}: goes on where it ends")
        else:
            self._where.setText(str(path))
        self._where.setToolTip(RESUMES)
