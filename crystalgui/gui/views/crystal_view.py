"""A crystal on the page: the canvas, what is selected, what was measured.

The view knows drawn atoms (images and copies are atoms of their own); it
answers with those, and translates to atoms of the cell for the other pages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from crystalgui.core.errors import ResourceError
from crystalgui.core.structures.elements import SYMBOLS
from crystalgui.gui.theme import theme
from crystalgui.gui.views.canvas import SceneCanvas
from crystalgui.gui.views.ink import ink_of
from crystalgui.scene import camera as cam
from crystalgui.scene.crystal_scene import CrystalScene
from crystalgui.scene.geometry import Geometry
from crystalgui.scene.pairs import PairSticks
from crystalgui.scene.style import CrystalStyle

RESIZING = {"kind", "scale", "radii", "legend", "polyhedra", "cell", "perspective"}
"""Fields of the style that change how much room the crystal takes."""


class CrystalView(QWidget):
    """A crystal in 3D.

    Signals
    -------
    selection_changed(tuple)
        Drawn atoms, in the order they were picked.
    hovered(str)
        What is under the pointer, in words.
    style_changed(CrystalStyle)
    perspective_wanted()
        The key P.
    """

    selection_changed = Signal(tuple)
    hovered = Signal(str)
    style_changed = Signal(object)
    perspective_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scene = CrystalScene(CrystalStyle(ink=ink_of(theme().tokens)))
        self.canvas = SceneCanvas(self.scene, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setFocusProxy(self.canvas)
        self.canvas.clicked.connect(self._click)
        self.canvas.boxed.connect(self._box)
        self.canvas.centred.connect(self._centre)
        self.canvas.cleared.connect(lambda: self.select(()))
        self.canvas.hovered.connect(lambda n: self.hovered.emit(self.describe(n)))
        self.canvas.perspective_wanted.connect(self.perspective_wanted)
        theme().changed.connect(self._dress)

    # ------------------------------------------------------------- content

    @property
    def geometry3d(self) -> Geometry | None:
        """What is drawn."""
        return self.scene.geometry

    @property
    def style3d(self) -> CrystalStyle:
        """How it is drawn."""
        return self.scene.style

    @property
    def selected(self) -> tuple[int, ...]:
        """Drawn atoms, in the order they were picked."""
        return self.scene.selected

    def show_geometry(self, geometry: Geometry, *, keep_camera: bool = False) -> None:
        """Draw a crystal; the standard view unless the camera is kept."""
        had = bool(self.scene.selected)
        self.scene.show(geometry)
        if had:
            self.selection_changed.emit(())
        if keep_camera:
            self.canvas.fit() if self.canvas.fitted else self.canvas.redraw()
        else:
            self.canvas.look("standard")

    def breathe(self, geometry: Geometry, slack: float) -> None:
        """The same atoms in another size, about their middle; the camera keeps its frame.

        A fitted picture leaves room for every length times ``slack``.
        """
        chosen, before = self.scene.selected, self.scene.centre.copy()
        self.scene.show(geometry)
        self.scene.select(chosen)
        self.scene.slack = slack
        cam.shift(self.scene.camera, self.scene.centre - before)
        self.canvas.redraw()

    def dress(
        self, tints: NDArray[np.uint8] | None = None, pairs: PairSticks | None = None
    ) -> None:
        """Colour the atoms of the cell by something, and draw pairs upon them."""
        grown = (pairs is not None and len(pairs.ghosts)) or self.scene.pairs is not None
        self.scene.dress(tints, pairs)
        if grown and self.canvas.fitted:
            self.canvas.fit()
        self.canvas.redraw()

    def set_style(self, **changes: Any) -> None:
        """Change fields of the `CrystalStyle`."""
        self.scene.set_style(replace(self.scene.style, **changes))
        if self.scene.style.hidden:
            seen = self.scene.visible
            kept = tuple(n for n in self.scene.selected if seen[n])
            if kept != self.scene.selected:
                self.select(kept)
        if self.canvas.fitted and RESIZING & changes.keys():
            self.canvas.fit()
        self.canvas.redraw()
        self.style_changed.emit(self.scene.style)

    def _dress(self) -> None:
        self.set_style(ink=ink_of(theme().tokens))

    # ----------------------------------------------------------- selection

    def select(self, atoms: tuple[int, ...]) -> None:
        """Select drawn atoms."""
        if atoms == self.scene.selected:
            return
        self.scene.select(atoms)
        self.canvas.redraw()
        self.selection_changed.emit(self.scene.selected)

    def select_atoms(self, atoms: tuple[int, ...]) -> None:
        """Select atoms of the cell: the first drawn copy of each."""
        g = self.scene.geometry
        if g is None or self.cell_atoms() == atoms:
            return
        known, rows = np.unique(g.atom, return_index=True)
        first = dict(zip(known.tolist(), rows.tolist(), strict=True))
        self.select(tuple(first[a] for a in atoms if a in first))

    def cell_atoms(self) -> tuple[int, ...]:
        """The selection as atoms of the cell, each once."""
        g = self.scene.geometry
        if g is None:
            return ()
        return tuple(dict.fromkeys(int(g.atom[n]) for n in self.scene.selected))

    def _click(self, hit: int, add: bool) -> None:
        current = self.scene.selected
        if hit < 0:
            if not add:
                self.select(())
        elif not add:
            self.select(() if current == (hit,) else (hit,))
        elif hit in current:
            self.select(tuple(n for n in current if n != hit))
        else:
            self.select((*current, hit))

    def _box(self, first: tuple[float, float], second: tuple[float, float], add: bool) -> None:
        hits = self.scene.pick_box(first, second, self.canvas.device_size)
        chosen = tuple(int(n) for n in hits)
        if add:
            chosen = tuple(dict.fromkeys((*self.scene.selected, *chosen)))
        self.select(chosen)

    def _centre(self, hit: int) -> None:
        g = self.scene.geometry
        self.canvas.centre = None if hit < 0 or g is None else np.array(g.positions[hit])
        name = self.describe(hit)
        self.hovered.emit(f"Rotation centre: {name}" if name else "Rotation centre: middle")

    def describe(self, number: int) -> str:
        """``"Te2  (0.333, 0.667, 0.255)"`` of a drawn atom, with its cell."""
        g = self.scene.geometry
        if g is None or not 0 <= number < len(g):
            return ""
        atom = int(g.atom[number])
        x, y, z = g.crystal.frac[atom] + g.image[number]
        return f"{SYMBOLS[g.species[number]]}{atom + 1}  ({x:.3f}, {y:.3f}, {z:.3f})"

    def picture(
        self,
        size: tuple[int, int],
        *,
        transparent: bool = False,
        legend: bool = True,
        refit: bool = True,
    ) -> NDArray[np.uint8]:
        """The crystal as seen now, (h, w, 4) uint8, of exact size.

        Raises
        ------
        ResourceError
            When the size cannot be drawn.
        """
        from crystalgui.scene.picture import crystal_picture

        if self.scene.geometry is None:
            raise ResourceError("There is no crystal to draw.", "Open one first.")
        own = cam.copied(self.scene.camera)
        style = replace(self.scene.style, legend=legend)
        return crystal_picture(
            self.scene.geometry,
            style,
            size,
            transparent=transparent,
            camera=own,
            refit=refit,
            ratio=max(1.0, min(size) / 700),
            tints=self.scene.tints,
            pairs=self.scene.pairs,
        )

    # ----------------------------------------------------------------- end

    def shut(self) -> None:
        """Free everything of VTK and OpenGL."""
        theme().changed.disconnect(self._dress)
        self.canvas.shut()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free everything of VTK and OpenGL."""
        if self.canvas.is_open:
            self.shut()
        super().closeEvent(event)
