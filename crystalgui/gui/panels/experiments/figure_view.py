"""A figure of an experiment, from the PNG of the theme, at the pixels of the screen."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.core.errors import FileError
from crystalgui.core.messages import ErrorInfo
from crystalgui.gui.session import Session
from crystalgui.gui.theme import colour, font, theme


def load_picture(path: Path, width: int, height: int) -> QImage:
    """Read a picture and fit it into so many device pixels (in the lane)."""
    image = QImage(str(path))
    if image.isNull():
        raise FileError("The figure cannot be read.", "Run the experiment again.", path=path)
    return image.scaled(
        QSize(width, height),
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )


class FigureView(QWidget):
    """One figure, as large as the card lets it."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._stem: Path | None = None
        self._words = ""
        self.image = QImage()
        self.setMinimumSize(160, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self._ask)

    def sizeHint(self) -> QSize:
        """The proportions of a figure."""
        return QSize(420, 280)

    def show_figure(self, stem: Path | None, title: str, words: str = "") -> None:
        """Show ``stem``.png or ``stem``-dark.png; without a stem, ``words``."""
        self._stem, self._words = stem, words
        self.setAccessibleName(title or "Figure")
        if stem is None:
            self.image = QImage()
        self._ask()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for the new size; the old picture is stretched until it is there."""
        super().resizeEvent(event)
        self._ask()

    def _ask(self, *_: object) -> None:
        if self._stem is None:
            self._session.lane.forget("experiment figure")
            return
        ratio = self.devicePixelRatioF()
        ending = "-dark.png" if theme().tokens.dark else ".png"
        self._session.lane.ask(
            "experiment figure",
            load_picture,
            self._stem.with_name(self._stem.name + ending),
            max(1, round(self.width() * ratio)),
            max(1, round(self.height() * ratio)),
            on_answer=self._show,
            on_error=self._failed,
            owner=self,
        )

    def _show(self, image: QImage) -> None:
        if self._stem is not None:
            self.image = image
            self.update()

    def _failed(self, error: ErrorInfo) -> None:
        self.image, self._words = QImage(), f"{error.title} {error.hint}"
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture in the middle, or words."""
        painter = QPainter(self)
        if self.image.isNull():
            painter.setFont(font("text"))
            painter.setPen(colour("muted"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self._words)
            return
        size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF(
            (self.width() - size.width()) / 2,
            (self.height() - size.height()) / 2,
            size.width(),
            size.height(),
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, self.image)
