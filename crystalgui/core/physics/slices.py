"""A cut through the Brillouin zone: energy, direct gap or Berry curvature on a plane.

A plane is given by integers h, k, l and an offset s: all k with
h k1 + k k2 + l k3 = s in reduced coordinates.  Its normal is the lattice
vector h a + k b + l c, and the plane repeats when s grows by one.  On such a
plane H is a two-dimensional Fourier sum: the normal direction is contracted
once, then the values on a Cartesian grid follow from two separable sums.  The
grid is clipped to the true cross-section of the zone, whose polygon is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import one_blas_thread, over_chunks
from crystalgui.core.physics.brillouin import KPath, Zone, reciprocal_of, zone
from crystalgui.core.physics.mirrors import mirrors, representatives, unfold
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]
Quantity = Literal["energy", "gap", "curvature", "evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A request.

    Attributes
    ----------
    hkl : three ints
        Plane h k1 + k k2 + l k3 = offset (divided by a common divisor).
    offset : float
        In units of the period of the plane.
    quantity : {"energy", "gap", "curvature", "evidence"}
        Energy of ``band``, direct gap between ``band`` and the next one,
        Berry curvature of the lowest ``band`` bands along the normal, or what
        a network's answer rests on (`evidence.evidence_slice`).
    band : int
        Counted from 1.
    n : int
        Points along each side of the rectangle around the polygon.
    """

    hkl: tuple[int, int, int] = (0, 0, 1)
    offset: float = 0.0
    quantity: Quantity = "gap"
    band: int = 1
    n: int = 64


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Plane:
    """The geometry of a slice; all Cartesian vectors in 1/Angstrom.

    Attributes
    ----------
    hkl : three ints without a common divisor
    offset : float
    normal : (3,) unit vector
    period : float
        Distance between planes whose offsets differ by one.
    origin : (3,)
        Foot of Gamma on the plane; x = y = 0 there.
    axes : (2, 3)
        Unit vectors of x and y.
    basis : (3, 3) int64
        Rows w0, w1, w2 (reduced): k = offset w0 + u w1 + v w2.
    outline : (p, 2)
        Cross-section of the zone, counter-clockwise, in x and y; empty when
        the plane misses the zone.
    reach : float
        Largest offset at which a plane of this hkl meets the zone.
    reciprocal : (3, 3)
    """

    hkl: tuple[int, int, int]
    offset: float
    normal: Floats
    period: float
    origin: Floats
    axes: Floats
    basis: Ints
    outline: Floats
    reach: float
    reciprocal: Floats

    def cartesian(self, xy: Floats) -> Floats:
        """(..., 2) in the plane -> (..., 3) Cartesian, 1/Angstrom."""
        return np.asarray(self.origin + np.asarray(xy) @ self.axes)

    def reduced(self, xy: Floats) -> Floats:
        """(..., 2) in the plane -> (..., 3) reduced."""
        return np.asarray(self.cartesian(xy) @ np.linalg.inv(self.reciprocal))

    def project(self, cart: Floats) -> tuple[Floats, Floats]:
        """(..., 3) Cartesian -> (..., 2) in the plane, and (...) distance from it."""
        apart = np.asarray(cart) - self.origin
        return apart @ self.axes.T, apart @ self.normal


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SliceImage:
    """An answer.

    ``values`` (nx, ny) float64 in ``unit``, NaN away from the zone (one ring of points
    outside the outline is filled, so that an image clipped to the outline has
    no gaps); ``x`` (nx,) and ``y`` (ny,) in 1/Angstrom.
    """

    request: Slice
    plane: Plane
    x: Floats
    y: Floats
    values: Floats

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(nx, ny) bool: grid points in the closed outline."""
        grid = np.stack(np.meshgrid(self.x, self.y, indexing="ij"), axis=-1)
        return np.asarray(_excess(self.plane.outline, grid) <= 1e-9)

    @property
    def unit(self) -> str:
        """``"eV"``, ``"Å²"`` of a Berry curvature, none of evidence."""
        return {"curvature": "Å²", "evidence": ""}.get(self.request.quantity, "eV")

    @property
    def signed(self) -> bool:
        """Whether zero is in the middle: a diverging map suits it."""
        return self.request.quantity == "curvature"

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value inside the outline; symmetric when signed.

        Evidence lies in [0, 1], which is kept, so that planes can be compared.
        """
        if self.request.quantity == "evidence":
            return 0.0, 1.0
        inside = self.values[self.inside & np.isfinite(self.values)]
        if self.signed:
            largest = float(np.abs(inside).max(initial=0.0))
            return -largest, largest
        return float(inside.min()), float(inside.max())

    def at(self, x: float, y: float) -> float:
        """Value at the grid point nearest to x, y; NaN outside."""
        i = int(np.abs(self.x - x).argmin())
        j = int(np.abs(self.y - y).argmin())
        return float(self.values[i, j])


def _primitive(hkl: tuple[int, int, int]) -> tuple[int, int, int]:
    divisor = gcd(*hkl)
    if divisor == 0:
        raise PhysicsError("The plane (0 0 0) has no direction.", "Choose h, k, l not all zero.")
    h, k, m = (int(x) // divisor for x in hkl)
    return h, k, m


def _bezout(a: int, b: int) -> tuple[int, int, int]:
    """g, s, t with s a + t b = g = gcd(a, b) >= 0."""
    s, old_s, t, old_t, r, old_r = 0, 1, 1, 0, b, a
    while r:
        q = old_r // r
        old_r, r = r, old_r - q * r
        old_s, s = s, old_s - q * s
        old_t, t = t, old_t - q * t
    return (old_r, old_s, old_t) if old_r >= 0 else (-old_r, -old_s, -old_t)


def _basis(hkl: tuple[int, int, int], reciprocal: Floats) -> Ints:
    """Integer rows w0, w1, w2 with hkl.w0 = 1, hkl.w1 = hkl.w2 = 0, determinant +-1."""
    h, k, m = hkl
    g, s, t = _bezout(h, k)
    if g == 0:
        w0, w1, w2 = np.array([0, 0, m]), np.array([1, 0, 0]), np.array([0, 1, 0])
    else:
        _, p, q = _bezout(g, m)
        w0 = np.array([p * s, p * t, q])
        w1 = np.array([-k // g, h // g, 0])
        w2 = np.array([-m * s, -m * t, g])
    one, two = w1 @ reciprocal, w2 @ reciprocal
    for _ in range(100):
        if two @ two < one @ one - 1e-9:
            one, two, w1, w2 = two, one, w2, w1
        step = int(np.round(one @ two / (one @ one)))
        if step == 0:
            break
        w2, two = w2 - step * w1, two - step * one
    if w1[np.flatnonzero(w1)[0]] < 0:
        w1 = -w1
    return np.array([w0, w1, w2], dtype=np.int64)


def plane_of(
    lattice: Floats | None,
    hkl: tuple[int, int, int],
    offset: float,
    polyhedron: Zone | None = None,
) -> Plane:
    """Geometry of the plane hkl at ``offset`` and the zone's cross-section there."""
    lattice = np.eye(3) if lattice is None else lattice
    hkl = _primitive(hkl)
    polyhedron = polyhedron or zone(lattice)
    reciprocal = reciprocal_of(lattice)
    direct = np.array(hkl) @ lattice
    length = float(np.linalg.norm(direct))
    normal, period = direct / length, 2 * np.pi / length
    basis = _basis(hkl, reciprocal)
    x = basis[1] @ reciprocal
    x = x / np.linalg.norm(x)
    axes = np.array([x, np.cross(normal, x)])
    origin = offset * period * normal
    reach = float((polyhedron.vertices @ normal).max() / period)
    return Plane(
        hkl=hkl,
        offset=float(offset),
        normal=normal,
        period=period,
        origin=origin,
        axes=axes,
        basis=basis,
        outline=_cross_section(polyhedron, origin, axes),
        reach=reach,
        reciprocal=reciprocal,
    )


def _cross_section(polyhedron: Zone, origin: Floats, axes: Floats) -> Floats:
    """Clip a large square by the half-planes of the faces; (p, 2) or (0, 2)."""
    size = 2 * float(np.linalg.norm(polyhedron.vertices, axis=1).max())
    tolerance = 1e-9 * size
    polygon = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]) * size
    for normal, distance in zip(polyhedron.normals, polyhedron.distances, strict=True):
        slope, rest = axes @ normal, distance - normal @ origin
        steep = float(np.linalg.norm(slope))
        if steep < 1e-9:
            if rest < -tolerance:
                return np.empty((0, 2))
            continue
        over = (polygon @ slope - rest) / steep
        kept: list[Floats] = []
        for i in range(len(polygon)):
            a, b = over[i - 1], over[i]
            if (a > tolerance) != (b > tolerance):
                t = a / (a - b)
                kept.append(polygon[i - 1] + min(max(t, 0.0), 1.0) * (polygon[i] - polygon[i - 1]))
            if b <= tolerance:
                kept.append(polygon[i])
        if len(kept) < 3:
            return np.empty((0, 2))
        polygon = np.array(kept)
    step = np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1)
    polygon = polygon[step > 1e-7 * size]
    x, y = polygon.T if len(polygon) >= 3 else (np.zeros(1), np.zeros(1))
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return polygon if area > 1e-6 * size**2 else np.empty((0, 2))


def _excess(outline: Floats, points: Floats) -> Floats:
    """How far (..., 2) points are outside a convex counter-clockwise polygon; < 0 inside."""
    edge = np.roll(outline, -1, axis=0) - outline
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    reach = (normal * outline).sum(axis=1)
    return np.asarray((points @ normal.T - reach).max(axis=-1))


def _on_plane(h: Hoppings, plane: Plane) -> tuple[Ints, Ints, Complexes]:
    """H of a plane as a two-dimensional sum: p, q and the lower triangles of H_pq.

    Returns (np,), (nq,) and (np, nq, n (n + 1) / 2): the cells along the
    normal are summed with the phase of the offset.
    """
    below = np.flatnonzero(np.tri(h.n_orbitals, dtype=np.bool_))
    turned = h.cells @ plane.basis.T
    weight = np.exp(2j * np.pi * plane.offset * turned[:, 0])
    p, row = np.unique(turned[:, 1], return_inverse=True)
    q, column = np.unique(turned[:, 2], return_inverse=True)
    place = row.ravel() * len(q) + column.ravel()
    order = np.argsort(place, kind="stable")
    cells, first = np.unique(place[order], return_index=True)
    terms = h.matrices.reshape(h.n_cells, -1)[order][:, below] * weight[order, None]
    block = np.zeros((len(p) * len(q), len(below)), dtype=np.complex128)
    block[cells] = np.add.reduceat(terms, first, axis=0)
    return p, q, block.reshape(len(p), len(q), -1)


def energies_on_plane(
    h: Hoppings,
    plane: Plane,
    x: Floats,
    y: Floats,
    *,
    where: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> Floats:
    """Eigenvalues on a Cartesian grid of the plane.

    Parameters
    ----------
    h : Hoppings
    plane : Plane
    x, y : (nx,) and (ny,), 1/Angstrom
    where : (nx, ny) bool, optional
        Points to compute; the others are NaN.

    Returns
    -------
    (nx, ny, n) float64, eV
    """
    n = h.n_orbitals
    p, q, block = _on_plane(h, plane)
    below = np.flatnonzero(np.tri(n, dtype=np.bool_))
    reciprocal = plane.basis @ plane.reciprocal
    along = [plane.axes @ vector for vector in reciprocal]
    length, (shift, height) = along[1][0], along[2]
    v = (np.asarray(y) - plane.offset * along[0][1]) / height
    u = (np.asarray(x) - plane.offset * along[0][0]) / length
    with one_blas_thread():
        inner = np.matmul(np.exp(2j * np.pi * np.outer(v, q)), block)
    inner *= np.exp(-2j * np.pi * (shift / length) * np.outer(p, v))[..., None]
    along_p = np.exp(2j * np.pi * np.outer(u, p))
    result = np.full((len(u), len(v), n), np.nan)

    def part(rows: slice) -> None:
        if where is not None and not where[rows].any():
            return
        s = np.matmul(along_p[rows], inner.reshape(len(p), -1))
        s = s.reshape(-1, len(v), len(below))
        chosen = np.ones(s.shape[:2], dtype=np.bool_) if where is None else where[rows]
        s = s[chosen]
        matrices = np.zeros((len(s), n * n), dtype=np.complex128)
        matrices[:, below] = s
        # LAPACK reads the lower triangle only
        result[rows][chosen] = np.linalg.eigvalsh(matrices.reshape(-1, n, n), UPLO="L")

    over_chunks(part, len(u), max(1, 512 // max(1, len(v))), threads)
    return result


def take_slice(
    h: Hoppings, request: Slice, polyhedron: Zone | None = None, *, threads: int | None = None
) -> SliceImage:
    """Compute a slice.

    Raises `PhysicsError` when the plane misses the zone, or when the band does
    not exist.
    """
    if request.quantity == "evidence":
        raise PhysicsError(
            "Evidence belongs to the answer of a network.", "Ask a network for the phase first."
        )
    last = h.n_orbitals - (request.quantity != "energy")
    if not 1 <= request.band <= last:
        raise PhysicsError(
            f"There is no {request.quantity} of band {request.band} among {h.n_orbitals} bands.",
            f"Choose a band between 1 and {last}.",
            path=h.source,
        )
    plane, x, y, where = canvas(h, request, polyhedron)
    if request.quantity == "curvature":
        from crystalgui.core.physics.berry import curvature_on_plane

        values = curvature_on_plane(h, plane, x, y, request.band, where=where, threads=threads)
        return SliceImage(request=request, plane=plane, x=x, y=y, values=values)
    found = mirrors(h, plane, x, y)
    needed = representatives(where, found)
    levels = energies_on_plane(h, plane, x, y, where=needed, threads=threads)
    levels = unfold(levels, found)
    values = levels[..., request.band - 1]
    if request.quantity == "gap":
        values = levels[..., request.band] - values
    return SliceImage(request=request, plane=plane, x=x, y=y, values=values)


def canvas(
    h: Hoppings, request: Slice, polyhedron: Zone | None = None
) -> tuple[Plane, Floats, Floats, NDArray[np.bool_]]:
    """Plane of a slice, x and y of its grid, and which points (nx, ny) have a value."""
    plane = plane_of(h.lattice, request.hkl, request.offset, polyhedron)
    if not len(plane.outline):
        raise PhysicsError(
            f"The plane {plane.hkl} at offset {plane.offset:g} misses the Brillouin zone.",
            f"Offsets up to {plane.reach:.4g} meet it.",
        )
    low, high = plane.outline.min(axis=0), plane.outline.max(axis=0)
    x = np.linspace(low[0], high[0], request.n)
    y = np.linspace(low[1], high[1], request.n)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    ring = 1.5 * max(x[1] - x[0], y[1] - y[0])
    return plane, x, y, np.asarray(_excess(plane.outline, grid) <= ring)


def points_on(plane: Plane, path: KPath, tolerance: float = 1e-4) -> list[tuple[str, Floats]]:
    """Named points of a path that lie on the plane inside the zone: (label, (2,) x and y).

    Images k + G and -k are tried as well, so that every plane through an
    equivalent point shows it; each label once.
    """
    shifts = np.array([(a, b, c) for a in (0, -1, 1) for b in (0, -1, 1) for c in (0, -1, 1)])
    found: list[tuple[str, Floats]] = []
    for label, k in path.points:
        images = np.concatenate([k + shifts, -k + shifts])
        xy, off = plane.project(images @ plane.reciprocal)
        if not len(plane.outline):
            break
        good = (np.abs(off) < tolerance) & (_excess(plane.outline, xy) < tolerance)
        if good.any():
            found.append((label, xy[int(np.argmax(good))]))
    return found
