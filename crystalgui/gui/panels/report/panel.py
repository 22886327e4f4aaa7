"""The Report page.

The preview is the document itself: it is written to the cache by the worker
whenever the choices change, its pages are drawn, and exporting copies that
file.  So what is seen is what is written, and exporting takes no time.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import (
    Done,
    ErrorInfo,
    Event,
    Progress,
    ReportJob,
    ReportWritten,
)
from crystalgui.core.settings import cache
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.report.contents import HEADING, Contents
from crystalgui.gui.panels.report.pages import PageView
from crystalgui.gui.panels.welcome import example_crystals
from crystalgui.gui.session import Session
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, EmptyState, PlainButton, PrimaryButton, ProgressBar, Text

WAIT_MS = 350  # after the last change, before the pages are set again
MOST_PAGES = 60


def compose(job: ReportJob) -> Path:
    """Write a report in this thread (when the worker has other work); the PDF's path."""
    from crystalgui.core.reports.report import write_report

    paths: tuple[Path, ...] = ()
    for event in write_report(job):
        if isinstance(event, ReportWritten):
            paths = event.paths
    return paths[-1]


def draw_pages(path: Path, width: int) -> tuple[int, list[Any]]:
    """Number of pages of a PDF and the pictures of the first ones (in the lane)."""
    from crystalgui.core.reports.preview import page_count, page_images

    return page_count(path), page_images(path, width, MOST_PAGES)


def save_copy(source: Path, target: Path) -> Path:
    """Put the finished document where the person wants it (in the lane)."""
    from crystalgui.core.atomic import write_atomic

    write_atomic(target, source.read_bytes())
    return target


def save_csv(target: Path, rows: tuple[Any, ...]) -> Path:
    """Write the predictions (in the lane)."""
    from crystalgui.core.reports.csv import write_predictions

    return write_predictions(target, rows)


class ReportPanel(QWidget):
    """Choose, look, export.

    Signals
    -------
    drawn()
        The pages of the newest document are shown.
    """

    drawn = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job_id = ""
        self._stale = True
        self._document: Path | None = None
        self._folder: Path | None = None
        self.contents = Contents(session)
        self.pages = PageView()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[2])
        left, right = self._contents_card(), self._preview_card()
        left.setFixedWidth(300)
        row.addWidget(left)
        row.addWidget(right, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self._compose)
        self.contents.changed.connect(self._changed)
        self.pages.width_wanted.connect(self._redraw)
        session.jobs.event.connect(self._event)
        session.jobs.finished.connect(self._finished)
        self._show_state()

    # -------------------------------------------------------------- layout

    def _contents_card(self) -> Card:
        card = Card("Report", "what goes in")
        card.body.addWidget(self.contents, 1)
        self.export_pdf = PrimaryButton("Export PDF…", icon_name="export")
        self.export_pdf.clicked.connect(self.ask_pdf)
        self.export_csv = PlainButton("Export CSV…", icon_name="table")
        self.export_csv.clicked.connect(self.ask_csv)
        self.open_folder = PlainButton("Open folder", icon_name="open")
        self.open_folder.clicked.connect(self.show_folder)
        card.body.addSpacing(SPACE[1])
        card.body.addWidget(self.export_pdf)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.export_csv)
        row.addWidget(self.open_folder)
        card.body.addLayout(row)
        return card

    def _preview_card(self) -> Card:
        self.card = Card("Preview", "")
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the report")
        self.bar.setFixedWidth(160)
        self.card.tools.addWidget(self.bar)
        self.failure = Text("", role="bad")
        self.failure.setWordWrap(True)
        self.empty = EmptyState(
            "report",
            "Nothing to report yet",
            "Open a crystal or a Hamiltonian, or classify some files: they appear here as pages.",
            [("Open the example crystals", self._open_examples)],
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.failure)
        column.addWidget(self.pages, 1)
        self.stack.addWidget(holder)
        self.card.body.addWidget(self.stack, 1)
        return self.card

    def _open_examples(self) -> None:
        self._session.project.open_paths(example_crystals())

    # ------------------------------------------------------------- the job

    def job(self, out: Path) -> ReportJob:
        """The report as chosen."""
        files = self.contents.chosen()
        rows = tuple(self._session.predictions.rows)
        sections = self.contents.chosen_sections()
        wanted = rows if {"predictions", "model"} & set(sections) else ()
        hoppings = [file for file in files if file.kind == "hoppings"]
        return ReportJob(
            out=out,
            heading=self.contents.heading.text().strip() or HEADING,
            crystals=tuple(file.path for file in files if file.kind == "crystal"),
            hoppings=tuple(file.path for file in hoppings),
            companions={str(file.path): file.companions for file in hoppings if file.companions},
            occupied={str(file.path): file.occupied for file in hoppings if file.occupied},
            predictions=wanted,
            trained=self._session.project.model(self._session.predictions.model),
            model=self._session.predictions.model,
            sections=sections,
            formats=("pdf",),
        )

    def _has_content(self) -> bool:
        return bool(self.contents.chosen() or self._session.predictions.rows)

    def _changed(self) -> None:
        self._stale = True
        self._document = None
        self._show_state()
        if self.isVisible():
            self._timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Set the pages when something changed while the page was away."""
        super().showEvent(event)
        if self._stale:
            self._timer.start()

    def _compose(self) -> None:
        """Write the document to the cache: in the worker, or here while it trains."""
        if not self._stale or not self._has_content():
            return
        self._stale = False
        self.failure.setText("")
        if self._job_id:
            self._session.jobs.cancel(self._job_id)
            self._job_id = ""
        out = cache() / "report" / "preview.pdf"
        job = self.job(out)
        if self._session.jobs.running:
            self._session.lane.run(
                compose,
                replace(job, out=out.with_name("preview-lane.pdf")),
                on_answer=self._composed,
                on_error=self._not_composed,
                owner=self,
            )
        else:
            self._job_id = self._session.jobs.submit(job)
            row = self._session.jobs.row(self._job_id)
            if row is not None:
                row.quiet = True
                self._session.jobs.row_changed.emit(row)
        self.bar.setRange(0, 0)
        self._show_state()

    # ------------------------------------------------------------- answers

    def _event(self, event: Event) -> None:
        if not self._job_id or event.job_id != self._job_id:
            return
        if isinstance(event, Progress) and event.total > 0:
            self.bar.setRange(0, math.ceil(event.total))
            self.bar.setValue(int(event.done))
            self.card.set_title("Preview", event.text)
        elif isinstance(event, ReportWritten):
            self._composed(event.paths[-1])

    def _finished(self, row: JobRow, outcome: object) -> None:
        if row.job_id != self._job_id:
            return
        self._job_id = ""
        if not isinstance(outcome, Done):
            error = row.error or ErrorInfo(title="The report was stopped.")
            self._not_composed(error)
        self._show_state()

    def _composed(self, path: Path) -> None:
        if self._stale:
            return
        self._document = path
        self._show_state()
        self._redraw(self.pages.pixels)

    def _not_composed(self, error: ErrorInfo) -> None:
        self._document = None
        self.failure.setText(f"{error.title} {error.hint}".strip())
        self._show_state()

    def _redraw(self, width: int) -> None:
        if self._document is not None:
            self._session.lane.ask(
                "report",
                draw_pages,
                self._document,
                width,
                on_answer=self._drawn,
                on_error=self._not_composed,
                owner=self,
            )

    def _drawn(self, answer: tuple[int, list[Any]]) -> None:
        count, images = answer
        self.pages.show_pages(images, self.pages.pixels)
        words = f"{count} page" + ("" if count == 1 else "s")
        if count > len(images):
            words += f", the first {len(images)} shown"
        self.card.set_title("Preview", words)
        self.drawn.emit()

    def _show_state(self) -> None:
        content = self._has_content()
        self.stack.setCurrentIndex(1 if content else 0)
        ready = content and self._document is not None
        self.export_pdf.setEnabled(ready)
        self.export_csv.setEnabled(bool(self._session.predictions.rows))
        self.open_folder.setEnabled(self._folder is not None)
        self.failure.setVisible(bool(self.failure.text()))
        working = content and not ready and not self.failure.text() and self.isVisible()
        self.bar.setVisible(working)
        if not content:
            self.card.set_title("Preview", "")
        elif working and not self._job_id:
            self.card.set_title("Preview", "setting the pages")

    # -------------------------------------------------------------- export

    def ask_pdf(self) -> None:
        """Ask where the PDF goes, then write it."""
        path = self._ask("Export PDF", "report.pdf", "PDF (*.pdf)")
        if path is not None:
            self.write_pdf(path)

    def ask_csv(self) -> None:
        """Ask where the predictions go, then write them."""
        path = self._ask("Export CSV", "predictions.csv", "CSV (*.csv)")
        if path is not None:
            self.write_csv(path)

    def _ask(self, title: str, name: str, kind: str) -> Path | None:
        start = str((self._folder or Path.home()) / name)
        chosen, _ = QFileDialog.getSaveFileName(self, title, start, kind)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix(Path(name).suffix)

    def write_pdf(self, path: Path) -> None:
        """Write the document that is shown."""
        if self._document is not None:
            self._session.lane.run(
                save_copy,
                self._document,
                path,
                on_answer=self._saved,
                on_error=self._session.notify.error,
                owner=self,
            )

    def write_csv(self, path: Path) -> None:
        """Write the predictions."""
        self._session.lane.run(
            save_csv,
            path,
            tuple(self._session.predictions.rows),
            on_answer=self._saved,
            on_error=self._session.notify.error,
            owner=self,
        )

    def _saved(self, path: Path) -> None:
        self._folder = path.parent
        self._show_state()
        self._session.notify.info(f"{path.name} written to {path.parent}")

    def show_folder(self) -> None:
        """Open the folder of the last export in the system's file browser."""
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    def actions(self) -> list[ActionInfo]:
        """Menu entries of this page."""
        return [
            ActionInfo(
                "report.pdf",
                "Export report as PDF…",
                self.ask_pdf,
                icon="export",
                menu="File",
                tip="Write the pages that are shown to a PDF file",
                enabled=lambda: self._document is not None,
            ),
            ActionInfo(
                "report.csv",
                "Export predictions as CSV…",
                self.ask_csv,
                icon="table",
                menu="File",
                tip="Write the table of predictions",
                enabled=lambda: bool(self._session.predictions.rows),
            ),
        ]
