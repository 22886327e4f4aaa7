"""A Brillouin zone on the page: zone, k-path, markers, slicing plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from crystalgui.gui.theme import theme
from crystalgui.gui.views.canvas import SceneCanvas
from crystalgui.gui.views.ink import ink_of
from crystalgui.scene.style import Colour, rgb
from crystalgui.scene.zone_scene import ZoneScene

if TYPE_CHECKING:
    from crystalgui.core.physics.brillouin import KPath, Zone


class ZoneView(QWidget):
    """A Brillouin zone in 3D.

    Signals
    -------
    point_picked(str, object)
        Label and (3,) Cartesian k in 1/Angstrom of a clicked point of the path.
    """

    point_picked = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene = ZoneScene(ink_of(theme().tokens))
        self.canvas = SceneCanvas(self.scene, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setFocusProxy(self.canvas)
        self.canvas.clicked.connect(self._click)
        theme().changed.connect(self._dress)

    def set_zone(self, zone: Zone | None, path: KPath | None = None) -> None:
        """Show a zone with its path in the standard view, or nothing."""
        self.scene.set_zone(zone, path)
        self.canvas.look("standard")

    def set_path(self, path: KPath | None) -> None:
        """Another path in the same zone; the camera stays."""
        self.scene.set_path(path)
        self.canvas.redraw()

    def set_markers(self, markers: Sequence[tuple[str, ArrayLike, Colour | str]]) -> None:
        """Marked k-points: (label, (3,) Cartesian in 1/Angstrom, colour).

        A colour is ``"#rrggbb"`` or red, green, blue in [0, 1].
        """
        plain = [(text, k, rgb(c) if isinstance(c, str) else c) for text, k, c in markers]
        self.scene.set_markers(plain)
        self.canvas.redraw()

    def set_nodes(self, nodes: Sequence[tuple[str, ArrayLike, str]]) -> None:
        """Nodes of the bands: (words, (3,) Cartesian in 1/Angstrom, ``"#rrggbb"``)."""
        self.scene.set_nodes([(text, k, rgb(c)) for text, k, c in nodes])
        self.canvas.redraw()

    def set_fermi(self, sheets: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike, str]]) -> None:
        """Sheets: (v, 3) corners in 1/Angstrom, (f, 3) triangles, normals, ``"#rrggbb"``."""
        self.scene.set_fermi([(v, f, n, rgb(c)) for v, f, n, c in sheets])
        self.canvas.redraw()

    def set_evidence(
        self, shells: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike, str, float]]
    ) -> None:
        """Shells: corners in 1/Angstrom, triangles, normals, ``"#rrggbb"``, opacity."""
        self.scene.set_evidence([(v, f, n, rgb(c), part) for v, f, n, c, part in shells])
        self.canvas.redraw()

    def set_plane(self, origin: ArrayLike | None, normal: ArrayLike | None = None) -> None:
        """A slicing plane through ``origin`` (1/Angstrom), or None for no plane."""
        self.scene.set_plane(origin, normal)
        self.canvas.redraw()

    def look(self, name: str = "standard", hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to ``a*``, ``b*``, ``c*``, ``x``, ``y``, ``z``, ``hkl`` or ``standard``."""
        self.canvas.look(name, hkl)

    def picture(self, size: tuple[int, int], *, transparent: bool = False) -> NDArray[np.uint8]:
        """The zone as seen now, (h, w, 4) uint8, of exact size."""
        from crystalgui.scene.picture import zone_picture

        return zone_picture(self.scene, size, transparent=transparent)

    def _click(self, hit: int, _add: bool) -> None:
        if hit >= 0:
            label, k = self.scene.label(hit)
            self.point_picked.emit(label, k)

    def _dress(self) -> None:
        self.scene.set_ink(ink_of(theme().tokens))
        self.canvas.redraw()

    def shut(self) -> None:
        """Free everything of VTK and OpenGL."""
        theme().changed.disconnect(self._dress)
        self.canvas.shut()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free everything of VTK and OpenGL."""
        if self.canvas.is_open:
            self.shut()
        super().closeEvent(event)
