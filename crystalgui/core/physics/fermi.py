"""The Fermi surface as triangles inside the first Brillouin zone (lines for a layer).

Every band that crosses the energy is interpolated by periodic cubic splines,
cut by marching cubes (Lorensen and Cline, Computer Graphics 21, 163 (1987);
Lewiner's variant, which leaves no holes) on a box around the zone, and
clipped exactly by the faces of the zone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import grid_energies
from crystalgui.core.physics.brillouin import Zone, zone
from crystalgui.core.physics.gaps import default_mesh
from crystalgui.core.physics.node_search import even_spectrum, orbit_labels
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mesh = tuple[int, int, int]

_SPACING = 0.1
_ON_FACE = 1e-9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FermiSheet:
    """One band's share of the Fermi surface.

    Attributes
    ----------
    band : int
        From 0.
    energy : float, eV
    vertices : (v, 3) float64, 1/Angstrom, Cartesian, in the first zone
    faces : (f, 3) int64
        Triangles; (f, 2) segments for a layer.
    velocities : (v, 3) float64, eV Angstrom
        dE/dk of the interpolated band at each vertex.
    """

    band: int
    energy: float
    vertices: Floats
    faces: Integers
    velocities: Floats

    @property
    def area(self) -> float:
        """Area in 1/Angstrom^2 (length in 1/Angstrom for a layer)."""
        corner = self.vertices[self.faces]
        arm = corner[:, 1] - corner[:, 0]
        if self.faces.shape[1] == 2:
            return float(np.linalg.norm(arm, axis=1).sum())
        cross = np.cross(arm, corner[:, 2] - corner[:, 0])
        return float(np.linalg.norm(cross, axis=1).sum() / 2)


def fermi_surface(
    h: Hoppings, fermi: float, mesh: Mesh | None = None, *, refine: int = 2
) -> tuple[FermiSheet, ...]:
    """Sheets of every band that crosses an energy.

    Parameters
    ----------
    h : Hoppings
    fermi : float, eV
    mesh : three ints, optional
        Points along each reciprocal vector that are diagonalised; default
        about 0.1 1/Angstrom apart.
    refine : int
        Interpolated points between them, along each vector.
    """
    mesh = mesh or _mesh(h)
    live = np.array(mesh) > 1
    if live.sum() < 2:
        raise PhysicsError(
            "A chain has Fermi points, not a Fermi surface.",
            "Read them off its bands.",
            path=h.source,
        )
    table = _energies(h, mesh)
    first = zone(np.eye(3) if h.lattice is None else h.lattice)
    sheets = []
    for band in range(table.shape[-1]):
        field = table[..., band]
        # A spline may overshoot the mesh a little.
        margin = 0.05 * float(np.ptp(field))
        if field.min() - margin < fermi < field.max() + margin:
            sheet = _sheet(field, fermi, band, first, live, refine)
            if sheet is not None:
                sheets.append(sheet)
    return tuple(sheets)


def _mesh(h: Hoppings) -> Mesh:
    counts = [count if count == 1 else max(count, 12) for count in default_mesh(h, _SPACING)]
    return counts[0], counts[1], counts[2]


def _energies(h: Hoppings, mesh: Mesh) -> Floats:
    """(n1, n2, n3, n) eV; half of the mesh where E(-k) = E(k)."""
    if not even_spectrum(h):
        return grid_energies(h, mesh)
    label = orbit_labels(mesh, np.array([np.eye(3), -np.eye(3)], dtype=np.int64))
    wanted = (label == np.arange(len(label))).reshape(mesh)
    table = grid_energies(h, mesh, wanted=wanted)
    return np.asarray(table.reshape(-1, h.n_orbitals)[label].reshape(table.shape))


def _sheet(
    field: Floats,
    fermi: float,
    band: int,
    first: Zone,
    live: NDArray[np.bool_],
    refine: int,
) -> FermiSheet | None:
    found = isosurface(field, fermi, first, live=live, refine=refine)
    if found is None:
        return None
    vertices, faces, velocities = found
    return FermiSheet(
        band=band, energy=fermi, vertices=vertices, faces=faces, velocities=velocities
    )


def isosurface(
    field: Floats,
    level: float,
    first: Zone,
    *,
    live: NDArray[np.bool_] | None = None,
    refine: int = 2,
    start: float = 0.0,
) -> tuple[Floats, Integers, Floats] | None:
    """Where a periodic field has a value, inside the first zone.

    Parameters
    ----------
    field : (n1, n2, n3) float64
        On the mesh k = a / n + ``start``, reduced.
    level : float
    first : Zone
    live : (3,) bool, optional
        Directions along which the field varies; by default those with more
        than one point.  With two of them the result is made of segments.
    refine : int
        Points between those of the mesh, by splines.
    start : float
        Reduced k of the first point of the mesh along every live direction.

    Returns
    -------
    vertices (v, 3) in 1/Angstrom, faces (f, 3) triangles or (f, 2) segments,
    slopes (v, 3): derivative of the field by k, times Angstrom; None where the
    field does not have the value.
    """
    from scipy.ndimage import map_coordinates

    live = np.array(field.shape) > 1 if live is None else live
    fine = _interpolated(field, refine)
    if not fine.min() < level < fine.max():
        return None
    counts = np.array(fine.shape)
    begin = np.where(live, start, 0.0)
    inverse = np.linalg.inv(first.reciprocal)
    reduced = first.vertices @ inverse - begin
    low = np.where(live, np.floor(reduced.min(axis=0) * counts).astype(int) - 1, 0)
    high = np.where(live, np.ceil(reduced.max(axis=0) * counts).astype(int) + 2, 1)
    box = fine
    for axis in range(3):
        box = np.take(box, np.arange(low[axis], high[axis]) % counts[axis], axis=axis)
    points, faces = _surface(box, level) if live.all() else _lines(box, level, live)
    if not len(faces):
        return None
    place = (points + low) / counts + begin
    corners = clip((place @ first.reciprocal)[faces], first.normals, first.distances)
    if not len(corners):
        return None
    vertices, faces = _welded(corners)
    slopes = _slopes(fine) @ inverse.T
    at = ((vertices @ inverse - begin) * counts).T
    steep = np.stack(
        [map_coordinates(slopes[..., i], at, order=1, mode="grid-wrap") for i in range(3)], axis=1
    )
    return vertices, faces, steep


def _interpolated(field: Floats, refine: int) -> Floats:
    """The periodic field on ``refine`` times as many points, by cubic splines."""
    from scipy.ndimage import map_coordinates

    if refine < 2:
        return field
    axes = [np.arange(n * refine) / refine if n > 1 else np.zeros(1) for n in field.shape]
    at = np.meshgrid(*axes, indexing="ij")
    return np.asarray(map_coordinates(field, at, order=3, mode="grid-wrap"))


def _slopes(field: Floats) -> Floats:
    """dE/dk of reduced k (n1, n2, n3, 3), periodic central differences."""
    return np.stack(
        [
            (np.roll(field, -1, axis) - np.roll(field, 1, axis)) * n / 2
            for axis, n in enumerate(field.shape)
        ],
        axis=-1,
    )


def _surface(box: Floats, level: float) -> tuple[Floats, Integers]:
    from skimage.measure import marching_cubes

    if not box.min() < level < box.max():
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    points, faces, _, _ = marching_cubes(box - level, 0.0, allow_degenerate=False)
    return np.asarray(points, dtype=np.float64), np.asarray(faces, dtype=np.int64)


def _lines(box: Floats, level: float, live: NDArray[np.bool_]) -> tuple[Floats, Integers]:
    """Level lines of a layer, as points on the mesh (p, 3) and segments (s, 2)."""
    import contourpy

    u, v = np.flatnonzero(live)
    plane = box.squeeze(axis=int(np.flatnonzero(~live)[0]))
    generator = contourpy.contour_generator(z=plane.T, line_type=contourpy.LineType.Separate)
    points, segments, count = [], [], 0
    for line in generator.lines(level):
        place = np.zeros((len(line), 3))
        place[:, [u, v]] = line
        points.append(place)
        start = np.arange(count, count + len(line) - 1)
        segments.append(np.stack([start, start + 1], axis=1))
        count += len(line)
    if not points:
        return np.zeros((0, 3)), np.zeros((0, 2), dtype=np.int64)
    return np.concatenate(points), np.concatenate(segments)


def clip(corners: Floats, normals: Floats, distances: Floats) -> Floats:
    """Parts of simplices inside half-spaces normal . x <= distance.

    ``corners`` (f, 3, 3) triangles or (f, 2, 3) segments; the same form back.
    """
    scale = float(np.max(distances))
    for normal, distance in zip(normals, distances, strict=True):
        over = corners @ normal - distance
        over = np.where(np.abs(over) < _ON_FACE * scale, 0.0, over)
        outside = (over > 0).sum(axis=1)
        inside = (over < 0).sum(axis=1)
        whole = corners[(outside == 0) & (inside > 0)]
        cut = (outside > 0) & (inside > 0)
        parts = _cut(corners[cut], over[cut])
        corners = np.concatenate([whole, parts]) if len(parts) else whole
    return corners


def _cut(corners: Floats, over: Floats) -> Floats:
    """What is left of simplices that a plane (signed distances ``over``) cuts."""
    if not len(corners):
        return corners
    order = np.argsort(over, axis=1)
    corners = np.take_along_axis(corners, order[..., None], axis=1)
    over = np.take_along_axis(over, order, axis=1)

    def crossing(i: int, j: int) -> Floats:
        span = over[:, j] - over[:, i]
        t = np.clip(-over[:, i] / np.where(span > 0, span, 1.0), 0.0, 1.0)
        return np.asarray(corners[:, i] + t[:, None] * (corners[:, j] - corners[:, i]))

    last = corners.shape[1] - 1
    if last == 1:
        return np.stack([corners[:, 0], crossing(0, 1)], axis=1)
    one = over[:, 1] >= 0
    tip = np.stack([corners[:, 0], crossing(0, 1), crossing(0, 2)], axis=1)[one]
    a, b, c, d = corners[:, 0], corners[:, 1], crossing(1, 2), crossing(0, 2)
    base = np.stack([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])[:, ~one]
    return np.concatenate([tip, base.reshape(-1, 3, 3)])


def _welded(corners: Floats) -> tuple[Floats, Integers]:
    """Vertices and faces with equal corners merged and empty faces dropped."""
    flat = corners.reshape(-1, 3)
    scale = max(float(np.abs(flat).max()), 1e-12)
    keys = np.round(flat / scale * 1e7).astype(np.int64)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    faces = np.asarray(place, dtype=np.int64).reshape(corners.shape[0], corners.shape[1])
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return flat[first], faces[distinct]
