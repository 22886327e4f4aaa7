"""Discs along bands whose area is the weight of a group of orbitals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from crystalgui.gui.theme import colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 10
LARGEST = 7.0
SMALLEST = 0.04


class FatBands(pg.GraphicsObject):
    """One pass of points for each colour and size, the largest below.

    The groups take turns along the path, so that none hides behind another.
    Points of one pen are drawn in one call, so that thousands of them pan
    and zoom without a delay; in a vector figure they stay discs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passes: list[tuple[float, str, QPolygonF]] = []
        self._rect = QRectF()

    @property
    def count(self) -> int:
        """Discs that are drawn."""
        return sum(len(polygon) for _, _, polygon in self._passes)

    def set_weights(
        self, x: Floats, y: Floats, weights: Floats, inks: Sequence[str | None]
    ) -> None:
        """Show other weights.

        Parameters
        ----------
        x : (m,) distance along the path
        y : (m, n) energies
        weights : (m, n, g) in [0, 1]
        inks : g colours; None hides a group
        """
        self.prepareGeometryChange()
        wide = np.broadcast_to(x[:, None], y.shape)
        found = []
        shown = [g for g, ink in enumerate(inks) if ink is not None]
        for turn, g in enumerate(shown):
            ink = str(inks[g])
            size = np.ceil(STEPS * np.sqrt(np.clip(weights[..., g], 0, 1))).astype(int)
            size[weights[..., g] < SMALLEST] = 0
            size[np.arange(len(x)) % len(shown) != turn] = 0
            for step in range(1, STEPS + 1):
                chosen = size == step
                if chosen.any():
                    points = pg.functions.arrayToQPolygonF(wide[chosen], y[chosen])
                    found.append((LARGEST * step / STEPS, ink, points))
        self._passes = sorted(found, key=lambda item: -item[0])
        self._rect = QRectF()
        if found:
            low, high = float(y.min()), float(y.max())
            self._rect = QRectF(float(x[0]), low, float(x[-1] - x[0]), high - low)
        self.update()

    def boundingRect(self) -> QRectF:
        """The whole band structure."""
        return self._rect

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw the passes."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for size, ink, points in self._passes:
            pen = QPen(colour(ink, 0.85))
            pen.setWidthF(size)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawPoints(points)
