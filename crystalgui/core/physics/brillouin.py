"""The Brillouin zone: its polyhedron, and a band path through it.

The zone is the Wigner-Seitz cell of the reciprocal lattice.  The path is the
one of Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), from seekpath; its
points are carried back to the cell that was given, because the hoppings live
in that cell.  Lattices without dispersion along a vector (layers, chains) get
a path in the plane or on the line that is left.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Piece = tuple[tuple[str, Floats], ...]

FLAT = 1e-6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Zone:
    """First Brillouin zone.

    Attributes
    ----------
    vertices : (v, 3) float64, 1/Angstrom, Cartesian
    faces : tuple of tuple of int
        Vertex numbers of each face, in order around it, seen from outside
        counter-clockwise.
    edges : (e, 2) int64
        Vertex numbers.
    normals : (f, 3) float64, unit, outward
    distances : (f,) float64, 1/Angstrom, of each face from the centre
    reciprocal : (3, 3) float64
        Rows a*, b*, c* in 1/Angstrom, with the factor 2 pi.
    """

    vertices: Floats
    faces: tuple[tuple[int, ...], ...]
    edges: NDArray[np.int64]
    normals: Floats
    distances: Floats
    reciprocal: Floats


def reciprocal_of(lattice: Floats) -> Floats:
    """(3, 3) float64, rows a*, b*, c* in 1/Angstrom, with the factor 2 pi."""
    return np.asarray(2 * np.pi * np.linalg.inv(lattice).T)


def zone(lattice: Floats) -> Zone:
    """Wigner-Seitz cell of the reciprocal lattice of ``lattice`` (3, 3), Angstrom."""
    from scipy.spatial import HalfspaceIntersection

    reciprocal = reciprocal_of(np.asarray(lattice, dtype=np.float64))
    reduced = _reduce(reciprocal)
    shifts = np.array([s for s in product((-2, -1, 0, 1, 2), repeat=3) if any(s)])
    g = shifts @ reduced
    length = np.linalg.norm(g, axis=1)
    # A point that is nearer to another half G/2 than to G/2 itself is no face.
    nearest = np.linalg.norm(g[:, None] / 2 - g[None], axis=2).min(axis=1)
    face = nearest > length / 2 * (1 - 1e-7)
    g, length = g[face], length[face]
    scale = length.min() / 2
    normals, distances = g / length[:, None], length / 2
    planes = np.concatenate([normals, -distances[:, None] / scale], axis=1)
    corners = HalfspaceIntersection(planes, np.zeros(3)).intersections * scale
    vertices = _merge(corners, 1e-6 * scale)
    faces, kept = [], []
    for i, (normal, distance) in enumerate(zip(normals, distances, strict=True)):
        on = np.flatnonzero(np.abs(vertices @ normal - distance) < 1e-5 * scale)
        if len(on) >= 3:
            faces.append(_around(vertices, on, normal))
            kept.append(i)
    edges = sorted(
        {(min(a, b), max(a, b)) for f in faces for a, b in zip(f, f[1:] + f[:1], strict=True)}
    )
    return Zone(
        vertices=vertices,
        faces=tuple(faces),
        edges=np.array(edges, dtype=np.int64),
        normals=normals[kept],
        distances=distances[kept],
        reciprocal=reciprocal,
    )


def fold(k: Floats, reciprocal: Floats) -> Floats:
    """Reduced k (..., 3) -> Cartesian (..., 3) in the first zone, 1/Angstrom."""
    k = np.asarray(k, dtype=np.float64)
    basis = _reduce(reciprocal)
    cart = k @ reciprocal
    inner = cart @ np.linalg.inv(basis)
    inner = inner - np.round(inner)
    shifts = np.array(list(product((0, -1, 1), repeat=3))) @ basis
    images = (inner @ basis)[..., None, :] + shifts
    length = np.round((images**2).sum(axis=-1), 9)
    # The image as given wins when it is as short as any other (zone boundary).
    own = np.round((cart**2).sum(axis=-1), 9)
    best = np.take_along_axis(images, length.argmin(axis=-1)[..., None, None], axis=-2)[..., 0, :]
    keep = own <= length.min(axis=-1) * (1 + 1e-3)
    return np.asarray(np.where(keep[..., None], cart, best))


def nearest_point(k: Floats, path: KPath, reciprocal: Floats) -> tuple[str, float]:
    """Label of the named point nearest to k (3,) reduced, and the distance in 1/Angstrom."""
    labels = [label for label, _ in path.points]
    apart = np.array([fold(k - point, reciprocal) for _, point in path.points])
    apart = np.concatenate([apart, np.array([fold(k + q, reciprocal) for _, q in path.points])])
    distance = np.linalg.norm(apart, axis=1)
    best = int(distance.argmin())
    return labels[best % len(labels)], float(distance[best])


def place_on_path(k: Floats, path: KPath, reciprocal: Floats) -> tuple[int, float]:
    """Row of the path nearest to k (3,) or -k, modulo G, and the distance in 1/Angstrom."""
    apart = np.concatenate([fold(path.k - k, reciprocal), fold(path.k + k, reciprocal)])
    distance = np.linalg.norm(apart, axis=1)
    best = int(distance.argmin())
    return best % len(path.k), float(distance[best])


def _reduce(vectors: Floats) -> Floats:
    """Shorten three lattice vectors pairwise until none gets shorter (same lattice)."""
    v = vectors.copy()
    shifts = np.array(list(product((-1, 0, 1), repeat=2)))
    for _ in range(1000):
        changed = False
        for i in range(3):
            j, k = [x for x in range(3) if x != i]
            trial = v[i] + shifts @ v[[j, k]]
            best = trial[np.argmin((trial**2).sum(axis=1))]
            if best @ best < v[i] @ v[i] * (1 - 1e-10):
                v[i], changed = best, True
        if not changed:
            return v
    return v


def _merge(points: Floats, tolerance: float) -> Floats:
    kept: list[Floats] = []
    for point in points:
        if np.isfinite(point).all() and all(np.abs(point - q).max() > tolerance for q in kept):
            kept.append(point)
    return np.array(kept)


def _around(vertices: Floats, on: NDArray[np.int64], normal: Floats) -> tuple[int, ...]:
    centre = vertices[on].mean(axis=0)
    x = vertices[on[0]] - centre
    x /= np.linalg.norm(x)
    y = np.cross(normal, x)
    arms = vertices[on] - centre
    return tuple(int(i) for i in on[np.argsort(np.arctan2(arms @ y, arms @ x))])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KPath:
    """A band path.

    Attributes
    ----------
    k : (m, 3) float64, reduced in the reciprocal basis of the given cell
    cart : (m, 3) float64, 1/Angstrom
    distance : (m,) float64, 1/Angstrom along the path; equal on both sides of
        a break
    pieces : tuple of (start, stop)
        Unbroken parts, as ranges of rows.
    segments : tuple of (label, label, start, stop)
        Straight parts, as ranges of rows that include both ends.
    ticks : tuple of (position, label)
        ``label`` is ``"X|M"`` where the path breaks.
    points : tuple of (label, (3,) float64 reduced)
        The named points, each once.
    note : str
        What was assumed, for the caption; empty when nothing.
    folded : bool
        The cell is larger than the primitive one: its bands are folded.
    """

    k: Floats
    cart: Floats
    distance: Floats
    pieces: tuple[tuple[int, int], ...]
    segments: tuple[tuple[str, str, int, int], ...]
    ticks: tuple[tuple[float, str], ...]
    points: tuple[tuple[str, Floats], ...]
    note: str = ""
    folded: bool = False

    @property
    def breaks(self) -> tuple[int, ...]:
        """Rows at which a new unbroken part starts."""
        return tuple(start for start, _ in self.pieces[1:])

    @property
    def title(self) -> str:
        """The labels in order, e.g. ``Γ–M–K–Γ|A–L``."""
        return "|".join("–".join(labels) for labels in self._labels())

    def _labels(self) -> list[list[str]]:
        parts: list[list[str]] = []
        for a, b, start, _ in self.segments:
            if not parts or any(start == s for s, _ in self.pieces):
                parts.append([a])
            parts[-1].append(b)
        return parts


def k_path(
    source: Hoppings | Crystal, density: float = 60.0, *, lattice_only: bool = False
) -> KPath:
    """The standard path for a crystal or a Hamiltonian.

    Parameters
    ----------
    source : Hoppings or Crystal
    density : float
        Points per 1/Angstrom.
    lattice_only : bool
        Ignore the atoms: the path of the Bravais lattice of the given cell
        (for a supercell, its own zone instead of the primitive one).
    """
    note, folded = "", False
    lattice = source.lattice
    if lattice is None:
        lattice = np.eye(3)
        note = "no lattice: reduced coordinates on a cubic lattice of 1 Å"
    flat = _flat_axes(source) if isinstance(source, Hoppings) else ()
    if len(flat) == 3:
        raise PhysicsError(
            "These hoppings have no dispersion: only the cell A = 0 is there.",
            "A molecule has levels, not bands.",
            path=source.source,
        )
    if flat:
        pieces = _low_dimensional(lattice, flat)
        what = "plane" if len(flat) == 1 else "line"
        names = " and ".join("abc"[i] + "*" for i in flat)
        note = _join(note, f"no dispersion along {names}: path in the {what}")
    else:
        atoms: tuple[Floats, NDArray[np.int64]] | None = None
        if source.frac is not None and source.species is not None and len(source.frac):
            atoms = (source.frac, source.species)
        if atoms is None or lattice_only:
            if source.lattice is not None:
                note = _join(note, "path of the bare lattice (no atoms known)")
            if lattice_only and atoms is not None:
                note = "path of the bare lattice of this cell (atoms ignored)"
            atoms = (np.zeros((1, 3)), np.ones(1, dtype=np.int64))
        try:
            pieces, folded = _seekpath(lattice, *atoms)
        except PhysicsError:
            pieces, folded = _seekpath(lattice, np.zeros((1, 3)), np.ones(1, dtype=np.int64))
            note = _join(note, "no symmetry found for these atoms: path of the bare lattice")
        if folded:
            note = _join(note, "path of the primitive cell; this cell is larger, bands are folded")
    return _sample(pieces, lattice, density, note, folded)


def _join(one: str, other: str) -> str:
    return f"{one}; {other}" if one else other


def _flat_axes(h: Hoppings) -> tuple[int, ...]:
    """Reciprocal directions along which nothing hops."""
    size = np.abs(h.matrices).max(axis=(1, 2), initial=0)
    limit = FLAT * max(1.0, float(size.max(initial=0)))
    big = h.cells[size > limit]
    return tuple(i for i in range(3) if not len(big) or not big[:, i].any())


def _seekpath(
    lattice: Floats, frac: Floats, species: NDArray[np.int64]
) -> tuple[list[Piece], bool]:
    """Path points in the reciprocal basis of the given cell."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(seekpath|spglib)")
        warnings.filterwarnings("ignore", category=UserWarning, module=r"seekpath")
        import seekpath

        try:
            found = seekpath.get_path_orig_cell(
                (lattice.tolist(), frac.tolist(), species.tolist()),
                with_time_reversal=True,
                symprec=1e-4 if len(frac) == 1 else 1e-2,
            )
        except Exception as error:  # seekpath raises many kinds, spglib too
            raise PhysicsError(
                f"No standard path: the symmetry search failed ({error}).",
                "Check that atoms do not overlap.",
            ) from error
    points = {name: _snap(np.array(k)) for name, k in found["point_coords"].items()}
    pieces: list[list[tuple[str, Floats]]] = []
    for start, stop in found["path"]:
        if not pieces or pieces[-1][-1][0] != _label(start):
            pieces.append([(_label(start), points[start])])
        pieces[-1].append((_label(stop), points[stop]))
    return [tuple(piece) for piece in pieces], bool(found.get("is_supercell", False))


def _snap(k: Floats) -> Floats:
    """Exact fractions instead of the rounding noise of a measured lattice."""
    exact = np.round(k * 24) / 24
    return np.where(np.abs(k - exact) < 1e-5, exact, k) + 0.0


def _label(name: str) -> str:
    if name == "GAMMA":
        return "Γ"
    head, _, tail = name.partition("_")
    return head + tail.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _low_dimensional(lattice: Floats, flat: tuple[int, ...]) -> list[Piece]:
    """Path of a layer (one flat axis) or a chain (two)."""
    live = [i for i in range(3) if i not in flat]

    def point(*values: float) -> Floats:
        k = np.zeros(3)
        k[live] = values
        return k

    if len(live) == 1:
        return [(("Γ", point(0)), ("X", point(0.5)))]
    one, two = lattice[live[0]], lattice[live[1]]
    cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    equal = abs(np.linalg.norm(one) / np.linalg.norm(two) - 1) < 1e-3
    g = ("Γ", point(0, 0))
    if equal and abs(abs(cosine) - 0.5) < 1e-3:
        third = point(1 / 3, 1 / 3) if cosine < 0 else point(2 / 3, 1 / 3)
        return [(g, ("M", point(0.5, 0)), ("K", third), g)]
    if equal and abs(cosine) < 1e-3:
        return [(g, ("X", point(0.5, 0)), ("M", point(0.5, 0.5)), g)]
    x, y, s = ("X", point(0.5, 0)), ("Y", point(0, 0.5)), ("S", point(0.5, 0.5))
    return [(g, x, s, y, g, s)]


def _sample(pieces: list[Piece], lattice: Floats, density: float, note: str, folded: bool) -> KPath:
    reciprocal = reciprocal_of(lattice)
    rows: list[Floats] = []
    distance: list[Floats] = []
    parts: list[tuple[int, int]] = []
    segments: list[tuple[str, str, int, int]] = []
    ticks: list[tuple[float, str]] = []
    points: dict[str, Floats] = {}
    at, count = 0.0, 0
    for piece in pieces:
        start = count
        points.update(piece)
        if ticks:
            ticks[-1] = (at, f"{ticks[-1][1]}|{piece[0][0]}")
        else:
            ticks.append((at, piece[0][0]))
        rows.append(piece[0][1][None])
        distance.append(np.array([at]))
        count += 1
        for (a, ka), (b, kb) in pairwise(piece):
            length = float(np.linalg.norm((kb - ka) @ reciprocal))
            steps = max(2, round(length * density))
            t = np.arange(1, steps + 1) / steps
            rows.append(ka + t[:, None] * (kb - ka))
            distance.append(at + t * length)
            segments.append((a, b, count - 1, count + steps))
            count += steps
            at += length
            ticks.append((at, b))
        parts.append((start, count))
    k = np.concatenate(rows)
    return KPath(
        k=k,
        cart=k @ reciprocal,
        distance=np.concatenate(distance),
        pieces=tuple(parts),
        segments=tuple(segments),
        ticks=tuple(ticks),
        points=tuple(points.items()),
        note=note,
        folded=folded,
    )
