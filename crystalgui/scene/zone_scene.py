"""A Brillouin zone in a VTK render window: faces, k-path, markers, plane, nodes, Fermi surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer

from crystalgui.scene import actors, build, camera
from crystalgui.scene.camera import Margins, Projection
from crystalgui.scene.labels import Word, place
from crystalgui.scene.layers import LayeredScene
from crystalgui.scene.overlay import Triad
from crystalgui.scene.style import LIGHT, Colour, Ink

if TYPE_CHECKING:
    from crystalgui.core.physics.brillouin import KPath, Zone

Marker = tuple[str, ArrayLike, Colour]
Sheet = tuple[ArrayLike, ArrayLike, ArrayLike, Colour]
Shell = tuple[ArrayLike, ArrayLike, ArrayLike, Colour, float]
NAMED = 12
"""More nodes than this are drawn without their words."""


class ZoneScene(LayeredScene):
    """Everything needed to see one Brillouin zone.

    Parameters
    ----------
    ink : Ink
        Colours of ground, text, lines and accent.
    """

    def __init__(self, ink: Ink = LIGHT) -> None:
        self.ink = ink
        self.renderer = vtkRenderer()
        self.marks = vtkRenderer()
        self.triad = Triad()
        self.actors: dict[str, vtkActor] = {}
        self.ratio = 1.0
        self.transparent = False
        self._zone: Zone | None = None
        self._reciprocal: NDArray[np.float64] = np.eye(3)
        self._path: list[NDArray[np.float64]] = []
        self._labels: list[tuple[str, NDArray[np.float64]]] = []
        self._markers: list[tuple[str, NDArray[np.float64], Colour]] = []
        self._plane: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._nodes: list[tuple[str, NDArray[np.float64], Colour]] = []
        self._fermi: list[Sheet] = []
        self._evidence: list[Shell] = []
        self._path_words: list[Word] = []
        self._marker_words: list[Word] = []
        self._node_words: list[Word] = []
        self._radius = 1.0
        self.marks.SetLayer(1)
        self.marks.InteractiveOff()
        self.marks.SetActiveCamera(self.renderer.GetActiveCamera())
        self.camera.SetParallelProjection(True)
        self.camera.SetViewAngle(28)
        self.renderer.SetUseFXAA(True)
        actors.light(self.renderer)
        self.set_ink(ink)

    # ------------------------------------------------------------ window

    @property
    def renderers(self) -> tuple[vtkRenderer, ...]:
        """The layers, lowest first."""
        return self.renderer, self.marks, self.triad.renderer

    def detach(self) -> None:
        """Free every VTK object; the scene is empty afterwards."""
        super().detach()
        self._zone = None

    def prepare(self, size: tuple[int, int]) -> None:
        """Lay out the axes and set the clipping for a picture of ``size``."""
        reach = 2.2 * self._radius
        if self.camera.GetParallelProjection():
            view = Projection.of(self.camera, (100, 100))
            far = float(np.linalg.norm(view.focal)) + 2 * reach
            self.camera.SetPosition(*(view.focal - far * view.forward))
        self.renderer.SetBackgroundAlpha(0.0 if self.transparent else 1.0)
        self.triad.renderer.SetDraw(self._zone is not None)
        self.triad.follow(self.camera, size)
        self.renderer.ResetCameraClippingRange(-reach, reach, -reach, reach, -reach, reach)
        balls = [
            *((k, 0.026) for _, k in self._labels),
            *((k, 0.042) for _, k, _ in self._markers),
            *((k, 0.036) for _, k, _ in self._nodes),
        ]
        words = [*self._path_words, *self._marker_words, *self._node_words]
        view = Projection.of(self.camera, size)
        place(words, [(k, part * self._radius) for k, part in balls], view, self.ratio)

    # ----------------------------------------------------------- content

    def set_zone(self, zone: Zone | None, path: KPath | None = None) -> None:
        """Show a zone and its k-path.

        Parameters
        ----------
        zone : Zone or None
            None empties the scene.
        path : KPath or None
            Drawn segment by segment, so that breaks stay open.
        """
        self._zone = zone
        if zone is not None:
            self._reciprocal = zone.reciprocal
            self._path, self._labels = _path_lines(path, zone.reciprocal)
            self._radius = float(np.linalg.norm(zone.vertices, axis=1).max())
        self._rebuild()

    def set_path(self, path: KPath | None) -> None:
        """Another path in the same zone."""
        self._path, self._labels = _path_lines(path, self._reciprocal)
        self._rebuild()

    def set_markers(self, markers: Sequence[Marker]) -> None:
        """Points with a label: (label, (3,) Cartesian in 1/Angstrom, colour)."""
        self._markers = [(t, np.asarray(k, dtype=np.float64), c) for t, k, c in markers]
        if self._zone is not None:
            self._draw_markers()

    def set_nodes(self, nodes: Sequence[Marker]) -> None:
        """Nodes: (words such as ``"+1"``, (3,) Cartesian in 1/Angstrom, colour)."""
        self._nodes = [(t, np.asarray(k, dtype=np.float64), c) for t, k, c in nodes]
        if self._zone is not None:
            self._draw_nodes()

    def set_fermi(self, sheets: Sequence[Sheet]) -> None:
        """Sheets of the Fermi surface, or lines of a layer.

        Parameters
        ----------
        sheets : sequence of (vertices, faces, normals, colour)
            (v, 3) Cartesian in 1/Angstrom; (f, 3) triangles or (f, 2)
            segments; (v, 3), such as velocities.
        """
        self._fermi = list(sheets)
        if self._zone is not None:
            self._draw_fermi()

    def set_evidence(self, shells: Sequence[Shell]) -> None:
        """Where the answer of a network rests: translucent shells, the outer one first.

        Parameters
        ----------
        shells : sequence of (vertices, faces, normals, colour, opacity)
            As for `set_fermi`, and an opacity in (0, 1].
        """
        self._evidence = list(shells)
        if self._zone is not None:
            self._draw_evidence()

    def set_plane(self, origin: ArrayLike | None, normal: ArrayLike | None = None) -> None:
        """A slicing plane, cut to the zone; None takes it away."""
        if origin is None or normal is None:
            self._plane = None
        else:
            n = np.asarray(normal, dtype=np.float64)
            self._plane = (np.asarray(origin, dtype=np.float64), n / np.linalg.norm(n))
        if self._zone is not None:
            self._draw_plane(self._zone)

    def set_ink(self, ink: Ink) -> None:
        """Other colours of ground, text and lines."""
        self.ink = ink
        self.renderer.SetBackground(*ink.ground)
        self._rebuild()

    def set_ratio(self, ratio: float) -> None:
        """Device pixels a logical pixel."""
        if ratio != self.ratio:
            self.ratio = ratio
            self._rebuild()

    def copy(self) -> ZoneScene:
        """A scene of its own with the same content and camera, for a picture."""
        other = ZoneScene(self.ink)
        other._zone, other._reciprocal, other._radius = self._zone, self._reciprocal, self._radius
        other._path, other._labels = self._path, self._labels
        other._markers, other._plane = self._markers, self._plane
        other._nodes, other._fermi = self._nodes, self._fermi
        other._evidence = self._evidence
        other.camera.DeepCopy(self.camera)
        other._rebuild()
        return other

    def _rebuild(self) -> None:
        self.renderer.RemoveAllViewProps()
        self.marks.RemoveAllViewProps()
        self.actors.clear()
        for words in (self._path_words, self._marker_words, self._node_words):
            words.clear()
        if self._zone is None:
            return
        self._draw_zone(self._zone)
        self._draw_plane(self._zone)
        self._draw_fermi()
        self._draw_evidence()
        self._draw_path()
        self._draw_nodes()
        self._draw_markers()
        names = ("a*", "b*", "c*")
        self.triad.show(self._reciprocal, names, self.ink.text, self.ratio)

    def _draw_zone(self, zone: Zone) -> None:
        ground = np.array(self.ink.ground)
        tint = tuple(0.55 * np.array(self.ink.accent) + 0.45 * ground)
        data = build.polygons(zone.vertices, [list(f) for f in zone.faces])
        self.actors["faces"] = actors.face_actor(data, tint, 0.16)
        edges = np.asarray(zone.edges, dtype=np.int64)
        lines = build.segments(zone.vertices[edges[:, 0]], zone.vertices[edges[:, 1]])
        self.actors["edges"] = actors.line_actor(lines, self.ink.line, 1.5 * self.ratio)
        for name in ("faces", "edges"):
            self.renderer.AddActor(self.actors[name])

    def _draw_path(self) -> None:
        if not self._path:
            return
        start = np.concatenate([line[:-1] for line in self._path])
        end = np.concatenate([line[1:] for line in self._path])
        tint = np.round(255 * np.array(self.ink.accent)).astype(np.uint8)
        tube = build.sticks(start, end, np.tile(tint, (len(start), 1)), 0.011 * self._radius)
        self.actors["path"] = actors.stick_actor(tube)
        at = np.array([k for _, k in self._labels]).reshape(-1, 3)
        dots = build.spheres(
            at, np.full(len(at), 0.026 * self._radius), np.tile(tint, (len(at), 1))
        )
        self.actors["points"] = actors.sphere_actor(dots)
        self.renderer.AddActor(self.actors["path"])
        self.renderer.AddActor(self.actors["points"])
        for text, k in self._labels:
            self._path_words.append(self._word(text, k, self.ink.text, 15))

    def _word(self, text: str, k: NDArray[np.float64], colour: Colour, size: float) -> Word:
        """A word that `place` puts beside its point; its ground hides the lines behind it."""
        label = actors.label_actor(text, tuple(k), colour, size * self.ratio)
        label.GetTextProperty().SetBackgroundColor(*self.ink.ground)
        label.GetTextProperty().SetBackgroundOpacity(0.6)
        self.marks.AddActor(label)
        return Word(text, k, size, label)

    def _take_away(self, *names: str) -> None:
        """Remove actors that are drawn anew; the others stay as they are."""
        for name in names:
            old = self.actors.pop(name, None)
            if old is not None:
                self.renderer.RemoveActor(old)

    def _draw_markers(self) -> None:
        self._draw_points("markers", self._markers, self._marker_words, 0.042)

    def _draw_nodes(self) -> None:
        few = len(self._nodes) <= NAMED
        nodes = [(t if few else "", k, c) for t, k, c in self._nodes]
        self._draw_points("nodes", nodes, self._node_words, 0.036)

    def _draw_points(
        self,
        name: str,
        points: list[tuple[str, NDArray[np.float64], Colour]],
        words: list[Word],
        size: float,
    ) -> None:
        """Balls with words; ``words`` holds those that are shown now."""
        self._take_away(name)
        for old in words:
            self.marks.RemoveActor(old.actor)
        words.clear()
        if not points:
            return
        at = np.array([k for _, k, _ in points])
        tints = np.round(255 * np.array([c for _, _, c in points])).astype(np.uint8)
        radii = np.full(len(at), size * self._radius)
        self.actors[name] = actors.sphere_actor(build.spheres(at, radii, tints))
        self.renderer.AddActor(self.actors[name])
        for text, k, colour in points:
            if text:
                words.append(self._word(text, k, self._readable(colour), 14))

    def _readable(self, colour: Colour) -> Colour:
        """A colour of words: nearer to that of the text than the ball is."""
        red, green, blue = (0.55 * c + 0.45 * t for c, t in zip(colour, self.ink.text, strict=True))
        return red, green, blue

    def _draw_fermi(self) -> None:
        self._draw_sheets("fermi", [(*sheet, 0.72) for sheet in self._fermi])

    def _draw_evidence(self) -> None:
        self._draw_sheets("evidence", self._evidence, glow=0.8)

    def _draw_sheets(self, kind: str, sheets: Sequence[Shell], glow: float = 0.45) -> None:
        """Translucent surfaces, or lines of a layer, called ``kind 0``, ``kind 1`` ...

        ``glow`` is the share of the colour that needs no light.
        """
        self._take_away(*[name for name in self.actors if name.startswith(kind)])
        for number, (vertices, faces, normals, colour, opacity) in enumerate(sheets):
            at, sides = np.asarray(vertices), np.asarray(faces)
            if not len(sides):
                continue
            if sides.shape[1] == 2:
                lines = build.segments(at[sides[:, 0]], at[sides[:, 1]])
                actor = actors.line_actor(lines, colour, 3.0 * self.ratio)
            else:
                actor = actors.face_actor(build.triangles(at, sides, normals), colour, opacity)
                actor.GetProperty().SetInterpolationToGouraud()
                actor.GetProperty().SetAmbient(glow)
            self.actors[f"{kind} {number}"] = actor
            self.renderer.AddActor(actor)
        self.renderer.SetUseDepthPeeling(bool(self._fermi) or bool(self._evidence))
        self.renderer.SetMaximumNumberOfPeels(6)

    def _draw_plane(self, zone: Zone) -> None:
        self._take_away("plane", "rim")
        if self._plane is None:
            return
        corners = cut(zone, *self._plane)
        if len(corners) < 3:
            return
        data = build.polygons(corners, [list(range(len(corners)))])
        self.actors["plane"] = actors.face_actor(data, self.ink.accent, 0.34)
        rim = build.segments(corners, np.roll(corners, -1, axis=0))
        self.actors["rim"] = actors.line_actor(rim, self.ink.accent, 1.8 * self.ratio)
        for name in ("plane", "rim"):
            self.renderer.AddActor(self.actors[name])

    # ------------------------------------------------------------ camera

    def look(self, name: str = "standard", hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to ``a*``, ``b*``, ``c*``, ``x``, ``y``, ``z``, ``hkl`` or ``standard``."""
        lattice = 2 * np.pi * np.linalg.inv(self._reciprocal).T
        towards, up = (
            camera.standard(lattice, azimuth=-62, elevation=20)
            if name == "standard"
            else camera.orientation(name, lattice, hkl)
        )
        camera.look(self.camera, towards, up)

    def fit(self, size: tuple[int, int], margins: Margins | None = None) -> None:
        """Show the zone and its labels inside the margins."""
        points = np.zeros((1, 3)) if self._zone is None else np.asarray(self._zone.vertices)
        radii = np.full(len(points), 0.12 * self._radius)
        room = (margins or Margins(20, 20, 20, 20)).scaled(self.ratio)
        camera.fit(self.camera, points, radii, size, room)

    def set_quick(self, quick: bool) -> None:
        """A zone is small; it is always drawn in full."""

    def pick(self, x: float, y: float, size: tuple[int, int]) -> int:
        """Number of the labelled point under a device pixel, -1 for none."""
        if not self._labels:
            return -1
        at = np.array([k for _, k in self._labels])
        view = Projection.of(self.camera, size)
        return camera.pick(view, x, y, at, np.full(len(at), 0.05 * self._radius))

    def label(self, number: int) -> tuple[str, NDArray[np.float64]]:
        """Text and Cartesian position of a labelled point."""
        return self._labels[number]


def cut(
    zone: Zone, origin: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners of the polygon in which a plane cuts a convex zone, in order.

    Returns
    -------
    (m, 3) float64; fewer than three rows when the plane misses the zone
    """
    vertices = np.asarray(zone.vertices, dtype=np.float64)
    edges = np.asarray(zone.edges, dtype=np.int64)
    height = (vertices - origin) @ normal
    tolerance = 1e-9 * max(1.0, float(np.abs(vertices).max()))
    height[np.abs(height) < tolerance] = 0.0
    first, second = height[edges[:, 0]], height[edges[:, 1]]
    crossing = first * second < 0
    t = first[crossing] / (first[crossing] - second[crossing])
    a, b = vertices[edges[crossing, 0]], vertices[edges[crossing, 1]]
    corners = np.concatenate([a + t[:, None] * (b - a), vertices[height == 0.0]])
    if len(corners) < 3:
        return corners
    centre = corners.mean(axis=0)
    u = corners[0] - centre
    u = u / np.linalg.norm(u)
    v = np.cross(normal, u)
    order = np.argsort(np.arctan2((corners - centre) @ v, (corners - centre) @ u))
    return corners[order]


def _path_lines(
    path: KPath | None, reciprocal: NDArray[np.float64]
) -> tuple[list[NDArray[np.float64]], list[tuple[str, NDArray[np.float64]]]]:
    """Straight parts of a path and its labelled points, Cartesian in 1/Angstrom."""
    if path is None:
        return [], []
    lines = [path.cart[[start, stop - 1]] for _, _, start, stop in path.segments]
    points = [(label, np.asarray(k) @ reciprocal) for label, k in path.points]
    return lines, points
