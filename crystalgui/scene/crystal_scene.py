"""A crystal in a VTK render window: atoms, bonds, cell, polyhedra, selection.

The scene owns four layers: the crystal, marks over it (selection rings and
measured lines, always visible), the axes triad, and the legend.  It draws
nothing by itself; whoever renders calls `CrystalScene.prepare` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer

from crystalgui.core.structures.elements import SYMBOLS
from crystalgui.scene import actors, build, camera
from crystalgui.scene.camera import Margins, Projection
from crystalgui.scene.geometry import Geometry
from crystalgui.scene.layers import LayeredScene
from crystalgui.scene.overlay import Legend, Triad
from crystalgui.scene.pairs import PairSticks
from crystalgui.scene.style import CrystalStyle, element_colours, element_radii

MOST_LABELS = 1500
ACTORS = ("atoms", "bonds", "wires", "cell", "box", "faces", "face_edges", "pairs", "ghosts")
GHOST = 0.62
"""Radius of an end of a pair where no atom is drawn, of that of the atom."""


class CrystalScene(LayeredScene):
    """Everything needed to see one crystal.

    Parameters
    ----------
    style : CrystalStyle, optional
    """

    def __init__(self, style: CrystalStyle | None = None) -> None:
        self.style = style or CrystalStyle()
        self.geometry: Geometry | None = None
        self.renderer = vtkRenderer()
        self.marks = vtkRenderer()
        self.triad = Triad()
        self.legend = Legend()
        self.actors: dict[str, vtkActor] = {}
        self.selected: tuple[int, ...] = ()
        self.tints: NDArray[np.uint8] | None = None
        self.pairs: PairSticks | None = None
        self.slack = 1.0
        """The picture is fitted to the crystal with every length times this."""
        self.ratio = 1.0
        self.transparent = False
        self._colours = np.zeros((0, 3), dtype=np.uint8)
        self._radii = np.zeros(0, dtype=np.float32)
        self._reach = 1.0
        self._centre = np.zeros(3)
        self._rings: tuple[Any, ...] | None = None
        self._ring_actors: list[vtkActor] = []
        self.marks.SetLayer(1)
        self.marks.InteractiveOff()
        self.marks.SetActiveCamera(self.renderer.GetActiveCamera())
        self.renderer.GetActiveCamera().SetParallelProjection(True)
        self.renderer.GetActiveCamera().SetViewAngle(28)
        self.renderer.SetUseFXAA(True)
        self.renderer.SetUseOIT(True)
        actors.light(self.renderer)
        self.set_style(self.style)

    # ------------------------------------------------------------ window

    @property
    def renderers(self) -> tuple[vtkRenderer, ...]:
        """The layers, lowest first."""
        return self.renderer, self.marks, self.triad.renderer, self.legend.renderer

    def detach(self) -> None:
        """Free every VTK object; the scene is empty afterwards."""
        super().detach()
        self._ring_actors = []
        self.geometry = None

    def prepare(self, size: tuple[int, int]) -> None:
        """Lay out the overlays and set the clipping for a picture of ``size``."""
        self._keep_in_front()
        self.renderer.SetBackgroundAlpha(0.0 if self.transparent else 1.0)
        self.triad.renderer.SetDraw(self.style.axes and self.geometry is not None)
        self.triad.follow(self.camera, size)
        self.legend.renderer.SetDraw(self.style.legend)
        self.legend.place(size)
        self._draw_rings(size)
        margin = self._reach
        low, high = self._centre - margin, self._centre + margin
        self.renderer.ResetCameraClippingRange(low[0], high[0], low[1], high[1], low[2], high[2])

    def _keep_in_front(self) -> None:
        """A parallel camera must stand outside the crystal, or it cuts it."""
        if not self.camera.GetParallelProjection():
            return
        view = Projection.of(self.camera, (100, 100))
        far = np.linalg.norm(view.focal - self._centre) + 2 * self._reach + 1.0
        self.camera.SetPosition(*(view.focal - far * view.forward))

    # ----------------------------------------------------------- content

    def show(self, geometry: Geometry) -> None:
        """Draw another crystal without tints and pairs; the camera keeps its direction."""
        self.geometry = geometry
        self.selected = ()
        self.tints = self.pairs = None
        self._rebuild()

    @property
    def dressed(self) -> bool:
        """Whether there are tints or pairs."""
        return self.tints is not None or self.pairs is not None

    @property
    def centre(self) -> NDArray[np.float64]:
        """(3,) middle of everything that is drawn, Angstrom."""
        return self._centre

    def dress(
        self, tints: NDArray[np.uint8] | None = None, pairs: PairSticks | None = None
    ) -> None:
        """Colour the atoms of the cell by something, and draw pairs upon them.

        Parameters
        ----------
        tints : (n, 3) uint8, optional
            One an atom of the cell; colours of the elements without.
        pairs : PairSticks, optional
        """
        self.tints, self.pairs = tints, pairs
        self._rebuild()

    def set_style(self, style: CrystalStyle) -> None:
        """Draw the same crystal in another style."""
        self.style = style
        ground = style.ink.ground
        self.renderer.SetBackground(*ground)
        camera.set_perspective(self.camera, style.perspective)
        self._rebuild()

    def set_ratio(self, ratio: float) -> None:
        """Device pixels a logical pixel: lines and text grow with it."""
        if ratio != self.ratio:
            self.ratio = ratio
            self._rebuild()

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(n,) which drawn atoms are not hidden."""
        if self.geometry is None:
            return np.zeros(0, dtype=np.bool_)
        return ~np.isin(self.geometry.species, sorted(self.style.hidden))

    def _rebuild(self) -> None:
        self.renderer.RemoveAllViewProps()
        self.marks.RemoveAllViewProps()
        self.actors.clear()
        g = self.geometry
        if g is not None:
            own = self.tints is not None and len(self.tints) == g.crystal.n_atoms
            elements = element_colours(self.style)[g.species]
            self._colours = self.tints[g.atom] if own and self.tints is not None else elements
            self._radii = element_radii(self.style)[g.species]
            self._measure_bounds(g)
            self._draw_atoms(g)
            self._draw_bonds(g)
            self._draw_cell(g)
            self._draw_polyhedra(g)
            self._draw_pairs(g)
            self._draw_labels(g)
            self.triad.show(g.crystal.lattice, "abc", self.style.ink.text, self.ratio)
        self._fill_legend()
        self._rings = None

    def _measure_bounds(self, g: Geometry) -> None:
        points, radii = self.extent()
        self._centre = (points.min(axis=0) + points.max(axis=0)) / 2
        distance = np.linalg.norm(points - self._centre, axis=1) + radii
        self._reach = float(distance.max(initial=1.0)) * 1.05 + 1.0

    def extent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (m, 3) and radii (m,) of everything that must be seen."""
        g = self.geometry
        if g is None:
            return np.zeros((1, 3)), np.ones(1)
        rim = slice(None) if g.rim is None else g.rim
        centres, radii = [g.positions[rim]], [self._radii[rim].astype(np.float64)]
        if self.pairs is not None and len(self.pairs.ghosts):
            centres.append(self.pairs.ghosts)
            radii.append(np.full(len(self.pairs.ghosts), 0.4))
        if self.style.cell:
            start, end = build.cell_edges(g.crystal.lattice, g.repeats)
            corners = np.concatenate([start, end])
            centres.append(corners)
            radii.append(np.full(len(corners), 0.05))
        if self.style.polyhedra:
            for p in g.polyhedra:
                centres.append(p.vertices)
                radii.append(np.zeros(len(p.vertices)))
        return np.concatenate(centres), np.concatenate(radii)

    def _add(self, name: str, actor: vtkActor) -> None:
        self.actors[name] = actor
        self.renderer.AddActor(actor)

    def _draw_atoms(self, g: Geometry) -> None:
        seen = self.visible
        if seen.any():
            data = build.spheres(g.positions[seen], self._radii[seen], self._colours[seen])
            self._add("atoms", actors.sphere_actor(data))

    def _draw_bonds(self, g: Geometry) -> None:
        wanted = self.style.bonds or self.style.kind in ("sticks", "wireframe")
        if self.style.kind == "space-filling" or not wanted or not len(g.bonds):
            return
        i, j = g.bonds.T
        keep = self.visible[i] & self.visible[j]
        if not keep.any():
            return
        i, j = i[keep], j[keep]
        start, end, colours = build.half_bonds(
            g.positions[i], g.positions[j], self._radii[i], self._radii[j],
            self._colours[i], self._colours[j],
        )  # fmt: skip
        if self.style.kind == "wireframe":
            wires = build.segments(start, end, colours)
            self._add("wires", actors.line_actor(wires, (1, 1, 1), 1.6 * self.ratio))
        else:
            data = build.sticks(start, end, colours, self.style.bond_radius)
            self._add("bonds", actors.stick_actor(data))

    def _draw_cell(self, g: Geometry) -> None:
        if not self.style.cell:
            return
        ink = self.style.ink
        data = build.segments(*build.cell_edges(g.crystal.lattice))
        self._add("cell", actors.line_actor(data, ink.line, 1.4 * self.ratio))
        if g.repeats != (1, 1, 1):
            faint = tuple(0.45 * c + 0.55 * w for c, w in zip(ink.line, ink.ground, strict=True))
            data = build.segments(*build.box_edges(g.crystal.lattice, g.repeats))
            self._add("box", actors.line_actor(data, faint, 1.0 * self.ratio))

    def _draw_polyhedra(self, g: Geometry) -> None:
        if not self.style.polyhedra:
            return
        seen = self.visible
        shown = [p for p in g.polyhedra if seen[p.centre]]
        if not shown:
            return
        starts = np.cumsum([0, *(len(p.vertices) for p in shown)])[:-1]
        tints = self._colours[[p.centre for p in shown]]
        vertices = np.concatenate([p.vertices for p in shown])
        faces = np.concatenate([p.faces + at for p, at in zip(shown, starts, strict=True)])
        pairs = np.concatenate([p.edges + at for p, at in zip(shown, starts, strict=True)])
        face_tints = np.repeat(tints, [len(p.faces) for p in shown], axis=0)
        data = build.polygons(vertices, faces, face_tints)
        self._add("faces", actors.face_actor(data, (1, 1, 1), 0.42))
        edge_colours = np.repeat(tints, [len(p.edges) for p in shown], axis=0)
        shade = edge_colours * (0.62 if not self.style.ink.dark else 1.0)
        if self.style.ink.dark:
            shade = 255 - (255 - shade) * 0.6
        lines = build.segments(vertices[pairs[:, 0]], vertices[pairs[:, 1]], shade.astype(np.uint8))
        self._add("face_edges", actors.line_actor(lines, (1, 1, 1), 1.2 * self.ratio))

    def _draw_pairs(self, g: Geometry) -> None:
        pairs = self.pairs
        if pairs is None or not len(pairs):
            return
        start, end, colours, radii = pairs.halves()
        self._add("pairs", actors.stick_actor(build.sticks(start, end, colours, radii)))
        if len(pairs.ghosts):
            species = g.crystal.species[pairs.ghost_atoms]
            own = (
                element_colours(self.style)[species]
                if self.tints is None
                else (self.tints[pairs.ghost_atoms])
            )
            ground = 255 * np.array(self.style.ink.ground)
            faint = np.round(0.55 * own + 0.45 * ground).astype(np.uint8)
            size = GHOST * element_radii(self.style)[species]
            self._add("ghosts", actors.sphere_actor(build.spheres(pairs.ghosts, size, faint)))

    def _draw_labels(self, g: Geometry) -> None:
        if self.style.labels == "none":
            return
        for n in np.flatnonzero(self.visible)[:MOST_LABELS]:
            symbol = SYMBOLS[g.species[n]]
            text = symbol if self.style.labels == "element" else f"{symbol}{g.atom[n] + 1}"
            at = g.positions[n]
            label = actors.label_actor(text, tuple(at), self.style.ink.text, 12 * self.ratio)
            label.SetDisplayOffset(0, round(13 * self.ratio))
            self.marks.AddActor(label)

    def elements(self) -> list[tuple[int, tuple[int, int, int]]]:
        """Atomic number and colour (0-255) of every element of the crystal."""
        if self.geometry is None:
            return []
        table = element_colours(self.style)
        return [
            (z, (int(table[z][0]), int(table[z][1]), int(table[z][2])))
            for z in self.geometry.crystal.composition
        ]

    def _fill_legend(self) -> None:
        entries = [
            (SYMBOLS[z], np.array(tint, dtype=np.uint8))
            for z, tint in self.elements()
            if z not in self.style.hidden
        ]
        self.legend.show(entries, self.style.ink.text, self.ratio)

    # --------------------------------------------------------- selection

    def select(self, atoms: Sequence[int]) -> None:
        """Mark drawn atoms, in the order given; a line joins up to four."""
        self.selected = tuple(int(a) for a in atoms)
        self._rings = None

    def _draw_rings(self, size: tuple[int, int]) -> None:
        """Rings that face the viewer; drawn anew only when the camera moved."""
        view = Projection.of(self.camera, size)
        key = (self.selected, tuple(view.right), tuple(view.up), view.perspective)
        if key == self._rings:
            return
        self._rings = key
        for old in self._ring_actors:
            self.marks.RemoveActor(old)
        self._ring_actors = []
        g = self.geometry
        if g is None or not self.selected:
            return
        picked = np.array(self.selected, dtype=np.int64)
        turn = np.linspace(0, 2 * np.pi, 49)
        circle = np.cos(turn)[:, None] * view.right + np.sin(turn)[:, None] * view.up
        radius = self._radii[picked].astype(np.float64) * 1.18 + 0.06
        ring = g.positions[picked][:, None, :] + radius[:, None, None] * circle[None]
        data = build.segments(ring[:, :-1].reshape(-1, 3), ring[:, 1:].reshape(-1, 3))
        ink = self.style.ink.accent
        self._ring_actors.append(actors.line_actor(data, ink, 2.4 * self.ratio))
        if 2 <= len(picked) <= 4:
            path = g.positions[picked]
            data = build.segments(*_dashes(path[:-1], path[1:]))
            self._ring_actors.append(actors.line_actor(data, ink, 1.6 * self.ratio))
        for ring in self._ring_actors:
            self.marks.AddActor(ring)

    def pick(self, x: float, y: float, size: tuple[int, int]) -> int:
        """Drawn atom under a device pixel (y down), -1 for none."""
        if self.geometry is None:
            return -1
        radii = np.where(self.visible, np.maximum(self._radii, 0.15), 0.0)
        view = Projection.of(self.camera, size)
        return camera.pick(view, x, y, self.geometry.positions, radii)

    def pick_box(
        self, first: tuple[float, float], second: tuple[float, float], size: tuple[int, int]
    ) -> NDArray[np.int64]:
        """Drawn atoms whose centre lies between two device pixels."""
        if self.geometry is None:
            return np.empty(0, dtype=np.int64)
        radii = np.where(self.visible, self._radii, 0.0)
        view = Projection.of(self.camera, size)
        return camera.pick_box(view, first, second, self.geometry.positions, radii)

    # ------------------------------------------------------------ camera

    def look(self, name: str, hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to a named view (see `camera.orientation`) or to ``"standard"``."""
        if self.geometry is None:
            return
        lattice = self.geometry.crystal.lattice
        towards, up = (
            camera.standard(lattice)
            if name == "standard"
            else camera.orientation(name, lattice, hkl)
        )
        camera.look(self.camera, towards, up)

    def fit(self, size: tuple[int, int], margins: Margins | None = None) -> None:
        """Show everything inside the margins (logical pixels)."""
        room = margins or Margins()
        if self.style.legend and self.legend.width:
            room = replace(room, right=max(room.right, self.legend.width))
        points, radii = self.extent()
        points = self._centre + self.slack * (points - self._centre)
        camera.fit(self.camera, points, radii, size, room.scaled(self.ratio))

    def set_quick(self, quick: bool) -> None:
        """While the camera moves, a large crystal is drawn without smoothing."""
        many = self.geometry is not None and len(self.geometry.positions) > 3000
        self.renderer.SetUseFXAA(not (quick and many))


def _dashes(
    start: NDArray[np.float64], end: NDArray[np.float64], period: float = 0.3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Short pieces along straight lines, Angstrom."""
    first, second = [], []
    for a, b in zip(start, end, strict=True):
        count = max(1, round(float(np.linalg.norm(b - a)) / period))
        at = np.arange(count)[:, None] / count
        first.append(a + at * (b - a))
        second.append(a + (at + 0.55 / count) * (b - a))
    return np.concatenate(first), np.concatenate(second)
