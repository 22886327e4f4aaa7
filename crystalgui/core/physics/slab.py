"""Surfaces of any orientation: the cell that fits (hkl), slabs, and their bands.

A surface (hkl) wants a cell with two vectors in its plane and a third one
that leads from layer to layer.  The change of cell is unimodular, so that
bulk bands stay what they are (up to k -> M k); moving orbitals to other cells
of the same crystal is a change of phases only.  It decides where the crystal
is cut: by default in the widest gap between planes of orbitals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import bloch_sum, over_chunks
from crystalgui.core.physics.brillouin import KPath, Piece, _flat_axes, _sample
from crystalgui.core.physics.slices import _basis, _primitive
from crystalgui.core.physics.weights import owners
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]
Miller = tuple[int, int, int]

VACUUM = 12.0
"""Angstrom between a slab and its next image in the lattice that is shown."""
_LARGEST_SLAB = 2 << 30
_ALIKE = 0.03
"""Wannier functions break symmetries by about so much, eV."""
_SAMPLES = np.random.default_rng(5).uniform(size=(24, 3))


# -------------------------------------------------------------- orientation


def surface_cell(h: Hoppings, hkl: Miller) -> Ints:
    """New lattice vectors (3, 3) int64 in the old ones: two in the plane, one to the next layer.

    Determinant 1.  The first two are the shortest vectors of the plane; the
    third is as upright as it can be.
    """
    normal = np.array(_primitive(hkl))
    lattice = np.eye(3) if h.lattice is None else h.lattice
    up, one, two = _basis(_primitive(hkl), lattice)
    plane = np.array([one, two]) @ lattice
    tilt = np.linalg.lstsq(plane.T, up @ lattice, rcond=None)[0]
    up = up - np.round(tilt).astype(np.int64) @ np.array([one, two])
    cell = np.array([one, two, up], dtype=np.int64)
    if np.linalg.det(cell) < 0:
        cell[1] = -cell[1]
    if (cell @ normal != [0, 0, 1]).any() or round(float(np.linalg.det(cell))) != 1:
        raise PhysicsError("No cell was found for this surface.", "Choose smaller indices.")
    return cell


def reoriented(h: Hoppings, hkl: Miller) -> Hoppings:
    """The same crystal in the cell of `surface_cell`: E'(M k) = E(k) exactly.

    Lattice, centres and atoms go along; the terms themselves do not change.
    """
    cell = surface_cell(h, hkl)
    back = np.round(np.linalg.inv(cell)).astype(np.int64)
    positions = None
    if h.positions is not None:
        positions = replace(h.positions, cells=h.positions.cells @ back)
    return replace(
        h,
        cells=h.cells @ back,
        lattice=None if h.lattice is None else cell @ h.lattice,
        centres=None if h.centres is None else h.centres @ back,
        frac=None if h.frac is None else h.frac @ back,
        positions=positions,
    )


def orbital_places(h: Hoppings) -> Floats | None:
    """Fractional coordinates of the orbitals (n, 3): centres, else those of their atoms."""
    if h.centres is not None:
        return np.asarray(h.centres, dtype=np.float64)
    found = owners(h).atoms
    if found is None or h.frac is None or min(found) < 0:
        return None
    return np.asarray(h.frac[list(found)], dtype=np.float64)


def rehomed(h: Hoppings, shifts: Ints) -> Hoppings:
    """Orbital i moved by the lattice vector ``shifts[i]``: the same crystal, other phases.

    ``shifts`` (n, 3) int64.  H_ij(A) becomes H_ij(A + t_j - t_i).  The position
    matrix, which belongs to the old cells, is dropped.
    """
    n = h.n_orbitals
    kinds, kind = np.unique(shifts, axis=0, return_inverse=True)
    kind = kind.ravel()
    target: dict[tuple[int, ...], Complexes] = {}
    for p, left in enumerate(kinds):
        for q, right in enumerate(kinds):
            rows, columns = np.flatnonzero(kind == p), np.flatnonzero(kind == q)
            block = np.ix_(rows, columns)
            for cell, matrix in zip((h.cells + right - left).tolist(), h.matrices, strict=True):
                part = matrix[block]
                if not part.any():
                    continue
                key = (cell[0], cell[1], cell[2])
                if key not in target:
                    target[key] = np.zeros((n, n), dtype=np.complex128)
                target[key][block] = part
    target.setdefault((0, 0, 0), np.zeros((n, n), dtype=np.complex128))
    cells = sorted(target)
    return replace(
        h,
        cells=np.array(cells, dtype=np.int64),
        matrices=np.array([target[cell] for cell in cells]),
        centres=None if h.centres is None else h.centres + shifts,
        positions=None,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Layers:
    """A crystal as a stack of layers parallel to (hkl).

    Attributes
    ----------
    hoppings : Hoppings
        Reoriented: the third lattice vector leads to the next layer; the
        orbitals of one layer lie between two cuts.
    hkl : (h, k, l)
    cut : float or None
        Where the crystal is cut, as a fraction of the distance of layers;
        None when it is not known where the orbitals are.
    note : str
    """

    hoppings: Hoppings
    hkl: Miller
    cut: float | None
    note: str


def layers_of(h: Hoppings, hkl: Miller = (0, 0, 1), cut: float | None = None) -> Layers:
    """Reorient and choose where to cut (in the widest gap between planes of orbitals)."""
    hkl = _primitive(hkl)
    turned = reoriented(h, hkl)
    name = "".join(str(x) if x >= 0 else f"-{-x}" for x in hkl)
    places = orbital_places(turned)
    if places is None:
        if cut is not None:
            raise PhysicsError(
                "It is not known where the orbitals are, so the crystal cannot be cut at a height.",
                "Add centres or atoms, or leave the cut out.",
                path=h.source,
            )
        note = f"surface ({name}), cut at the cell of the file (places of orbitals unknown)"
        return Layers(hoppings=turned, hkl=hkl, cut=None, note=note)
    place = _widest_gap(places[:, 2]) if cut is None else cut
    lower = np.array([-1e-4, -1e-4, place - 1e-6])
    shifts = -np.floor(places - lower).astype(np.int64)
    if shifts.any():
        turned = rehomed(turned, shifts)
    if turned.frac is not None:
        atoms = turned.frac - np.floor(turned.frac - [0, 0, place] + 1e-6)
        turned = replace(turned, frac=atoms)
    where = "in the widest gap" if cut is None else f"at {cut:g} of the layer"
    return Layers(hoppings=turned, hkl=hkl, cut=place, note=f"surface ({name}), cut {where}")


def _widest_gap(heights: Floats) -> float:
    """Middle of the widest gap between heights modulo 1; the one at the cell's edge if equal."""
    z = np.sort(np.mod(heights, 1.0))
    z = np.where(z > 1 - 1e-6, 0.0, z)
    z = np.unique(np.round(z, 6))
    gaps = np.diff(np.append(z, z[0] + 1))
    if gaps[-1] >= gaps.max() - 1e-4:
        return float(z[0] - gaps[-1] / 2)
    at = int(np.argmax(gaps))
    return float(z[at] + gaps[at] / 2)


# --------------------------------------------------------------- layer sums


class LayerSums:
    """H_l(k): hopping from a layer to the l-th next one, for k along the surface.

    Couplings between far layers are left out as long as their norm, a bound
    of what that changes in any energy, stays below ``tolerance`` (eV);
    ``dropped`` is that norm at sample k-points.
    """

    def __init__(self, h: Hoppings, tolerance: float = 0.0) -> None:
        reach = h.cells[:, 2]
        self.n = h.n_orbitals
        self._terms: list[tuple[Ints, Complexes]] = []
        norms = []
        for step in range(int(np.abs(reach).max(initial=0)) + 1):
            some = reach == step
            flat, matrices = h.cells[some] * np.array([1, 1, 0]), h.matrices[some]
            self._terms.append((flat, matrices))
            there = bloch_sum(flat, matrices, _SAMPLES) if some.any() else np.zeros((1, 1, 1))
            norms.append(float(np.linalg.norm(there, ord=2, axis=(1, 2)).max()))
        tail = 2 * np.append(np.cumsum(norms[:0:-1])[::-1], 0.0)
        self.range = int(np.argmax(tail <= tolerance))
        self.dropped = float(tail[self.range])
        self._terms = self._terms[: self.range + 1]

    def at(self, k: Floats) -> Complexes:
        """H_0 ... H_range at k (m, 2) reduced: (m, range + 1, n, n)."""
        k = np.concatenate([k, np.zeros((len(k), 1))], axis=1)
        parts = []
        for cells, matrices in self._terms:
            if len(cells):
                parts.append(bloch_sum(cells, matrices, k))
            else:
                parts.append(np.zeros((len(k), self.n, self.n), dtype=np.complex128))
        return np.stack(parts, axis=1)

    def stack(self, sums: Complexes, count: int, *, first: int = 0) -> Complexes:
        """Block Toeplitz matrix of ``count`` layers (m, count n, count n).

        Blocks (i, j) couple layer i to layer ``first + j``; ``first`` = 0 is
        the layers themselves, ``first = count`` the coupling to the next
        ``count`` layers.
        """
        m, n = len(sums), self.n
        result = np.zeros((m, count, n, count, n), dtype=np.complex128)
        for i in range(count):
            for j in range(count):
                step = first + j - i
                if abs(step) <= self.range:
                    block = sums[:, abs(step)]
                    result[:, i, :, j] = block if step >= 0 else block.conj().swapaxes(-1, -2)
        return result.reshape(m, count * n, count * n)


# -------------------------------------------------------------------- slabs


def slab(
    h: Hoppings, hkl: Miller = (0, 0, 1), layers: int = 10, cut: float | None = None
) -> Hoppings:
    """A slab of ``layers`` layers, periodic along its first two vectors only.

    Orbitals are ordered spin, layer, orbital (blocks) or layer, orbital
    (otherwise), so that the order of spins stays what it was.  The third
    lattice vector is the normal with `VACUUM`.
    """
    _check_layers(layers)
    stack = layers_of(h, hkl, cut)
    bulk = stack.hoppings
    n = bulk.n_orbitals
    flat, place = np.unique(bulk.cells[:, :2], axis=0, return_inverse=True)
    place = place.ravel()
    if len(flat) * (layers * n) ** 2 * 16 > _LARGEST_SLAB:
        raise PhysicsError(
            f"A slab of {layers} layers with {n} orbitals each does not fit in memory.",
            "Use fewer layers, or the surface Green's function.",
            path=h.source,
        )
    matrices = np.zeros((len(flat), layers, n, layers, n), dtype=np.complex128)
    for where, step, matrix in zip(place, bulk.cells[:, 2], bulk.matrices, strict=True):
        for i in range(max(0, -step), min(layers, layers - step)):
            matrices[where, i, :, i + step] += matrix
    order = _slab_order(bulk, layers)
    square = matrices.reshape(len(flat), layers * n, layers * n)
    square = square[:, order][:, :, order]
    lattice, centres, frac = _slab_geometry(bulk, layers, order)
    return replace(
        bulk,
        cells=np.concatenate([flat, np.zeros((len(flat), 1), dtype=np.int64)], axis=1),
        matrices=square,
        lattice=lattice,
        centres=centres,
        species=None if bulk.species is None else np.tile(bulk.species, layers),
        frac=frac,
        occupied=None if bulk.occupied is None else bulk.occupied * layers,
        positions=None,
        title=f"{h.title}, slab of {layers} layers, {stack.note}",
    )


def _check_layers(layers: int) -> None:
    if layers < 1:
        raise PhysicsError("A slab needs at least one layer.", "Use 5 to 50 layers.")


def _slab_order(bulk: Hoppings, layers: int) -> Ints:
    """Orbitals of the slab in their new order, as (layer, orbital) numbers."""
    n = bulk.n_orbitals
    index = np.arange(layers * n).reshape(layers, n)
    if bulk.assumptions.spin_order == "blocks":
        return np.concatenate([index[:, : n // 2].ravel(), index[:, n // 2 :].ravel()])
    return index.ravel()


def _slab_geometry(
    bulk: Hoppings, layers: int, order: Ints
) -> tuple[Floats | None, Floats | None, Floats | None]:
    """Lattice, centres and atoms of a slab; the normal replaces the third vector."""
    if bulk.lattice is None:
        return None, None, None
    normal = np.cross(bulk.lattice[0], bulk.lattice[1])
    normal /= np.linalg.norm(normal)
    height = layers * float(bulk.lattice[2] @ normal) + VACUUM
    lattice = np.array([bulk.lattice[0], bulk.lattice[1], height * normal])
    back = np.linalg.inv(lattice)
    steps = np.arange(layers)[:, None, None] * np.array([0, 0, 1])

    def spread(places: Floats) -> Floats:
        return np.asarray(((places + steps).reshape(-1, 3) @ bulk.lattice) @ back)

    centres = None if bulk.centres is None else spread(bulk.centres)[order]
    return lattice, centres, None if bulk.frac is None else spread(bulk.frac)


@dataclass(frozen=True, eq=False, kw_only=True)
class SlabBands:
    """Bands of a slab, and how much of each lives on its surfaces.

    Attributes
    ----------
    path : KPath
        Of the surface zone; the third component of k is 0.
    energies : (m, layers n) float64, eV
    weights : (m, layers n, layers) float64
        Share of each layer; sums to 1.
    note : str
    """

    path: KPath
    energies: Floats
    weights: Floats
    note: str = ""

    @cached_property
    def left(self) -> Floats:
        """(m, layers n): share of the lowest layer."""
        return np.asarray(self.weights[..., 0])

    @cached_property
    def right(self) -> Floats:
        """(m, layers n): share of the highest layer."""
        return np.asarray(self.weights[..., -1])


def slab_bands(
    h: Hoppings,
    hkl: Miller = (0, 0, 1),
    layers: int = 10,
    path: KPath | None = None,
    *,
    density: float = 30.0,
    cut: float | None = None,
    threads: int | None = None,
) -> SlabBands:
    """Bands of a slab along a path of the surface zone; nothing is left out.

    Parameters
    ----------
    h : Hoppings
    hkl : (h, k, l)
        Surface, in reciprocal vectors of the given cell.
    layers : int
    path : KPath, optional
        `surface_path` by default, ``density`` points per 1/Angstrom.
    cut : float, optional
        Where to cut, as a fraction of the layer.
    """
    _check_layers(layers)
    stack = layers_of(h, hkl, cut)
    path = surface_path(stack.hoppings, density) if path is None else path
    sums = LayerSums(stack.hoppings)
    n = stack.hoppings.n_orbitals
    energies = np.empty((len(path.k), layers * n))
    weights = np.empty((len(path.k), layers * n, layers))

    def part(rows: slice) -> None:
        e, c = np.linalg.eigh(sums.stack(sums.at(path.k[rows, :2]), layers))
        shares = (c.real**2 + c.imag**2).reshape(len(e), layers, n, layers * n).sum(axis=2)
        energies[rows], weights[rows] = e, shares.swapaxes(-1, -2)

    over_chunks(part, len(path.k), 1 if layers * n > 100 else 16, threads)
    note = f"{h.assumptions.sentence()} · {stack.note}, {layers} layers"
    return SlabBands(path=path, energies=energies, weights=weights, note=note)


# --------------------------------------------------------------------- path


def surface_path(turned: Hoppings, density: float = 30.0, *, momenta: bool = False) -> KPath:
    """A path through the surface zone of a reoriented crystal, labels with a bar.

    By lattice: hexagonal K-Gamma-M-K, square M-Gamma-X-M, otherwise (and with
    ``momenta``) X-Gamma-Y-S-X, which visits every time-reversal-invariant
    momentum; where nothing hops along one vector X-Gamma-X, along both
    Gamma alone.
    """
    lattice = np.eye(3) if turned.lattice is None else np.array(turned.lattice)
    normal = np.cross(lattice[0], lattice[1])
    lattice[2] = normal / np.linalg.norm(normal)
    flat = [axis for axis in _flat_axes(turned) if axis < 2]
    piece = _surface_piece(lattice, flat, momenta)
    if len(piece) == 1:
        zero = np.zeros((1, 3))
        return KPath(
            k=zero,
            cart=zero,
            distance=np.zeros(1),
            pieces=((0, 1),),
            segments=(),
            ticks=((0.0, piece[0][0]),),
            points=piece,
        )
    return _sample([piece], lattice, density, "", False)


def like_edges(turned: Hoppings) -> bool:
    """Whether the three edges X, Y, S of the surface zone have the same bulk bands.

    Then one of them speaks for all, as hexagonal and cubic crystals suggest;
    otherwise a path must visit them all to see every surface state.
    """
    from crystalgui.core.physics.bloch import energies

    z = np.arange(24) / 24
    found = []
    for x, y in ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        e = energies(turned, np.column_stack([np.full(24, x), np.full(24, y), z]))
        found.append(np.concatenate([e.min(axis=0), e.max(axis=0)]))
    return bool(np.ptp(found, axis=0).max() < _ALIKE)


def around_gamma(path: KPath, share: float) -> KPath:
    """The part of a surface path within ``share`` of the shorter way from Gamma to its ends."""
    places = [x for x, name in path.ticks if name.startswith("Γ")]
    if not places or len(path.ticks) < 2:
        return path
    middle = places[0]
    names = [name for _, name in path.ticks]
    at = [x for x, _ in path.ticks].index(middle)
    sides = [path.ticks[i] for i in (at - 1, at + 1) if 0 <= i < len(names)]
    reach = share * min(abs(x - middle) for x, _ in sides)
    rows = np.flatnonzero(np.abs(path.distance - middle) <= reach * (1 + 1e-9))
    start, stop = int(rows[0]), int(rows[-1]) + 1
    distance = path.distance[start:stop] - path.distance[start]
    ticks = [(float(middle - path.distance[start]), names[at])]
    for x, name in sides:
        there = 0.0 if x < middle else float(distance[-1])
        ticks.append((there, f"{name}/{1 / share:g}"))
    return replace(
        path,
        k=path.k[start:stop],
        cart=path.cart[start:stop],
        distance=distance,
        pieces=((0, stop - start),),
        segments=(),
        ticks=tuple(sorted(ticks)),
    )


def _surface_piece(lattice: Floats, flat: list[int], momenta: bool = False) -> Piece:
    def point(name: str, x: float, y: float) -> tuple[str, Floats]:
        return name + "\u0304", np.array([x, y, 0.0])

    g = point("Γ", 0, 0)
    if len(flat) == 2:
        return (g,)
    if len(flat) == 1:
        x, y = (0.0, 0.5) if flat[0] == 0 else (0.5, 0.0)
        return point("X", -x, -y), g, point("X", x, y)
    one, two = lattice[0], lattice[1]
    ratio = float(np.linalg.norm(one) / np.linalg.norm(two))
    cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    if not momenta and abs(ratio - 1) < 1e-3 and abs(abs(cosine) - 0.5) < 1e-3:
        k = point("K", 1 / 3, 1 / 3) if cosine < 0 else point("K", 2 / 3, 1 / 3)
        return k, g, point("M", 0.5, 0), k
    side, corner = point("X", 0.5, 0), (0.5, 0.5)
    if not momenta and abs(ratio - 1) < 1e-3 and abs(cosine) < 1e-3:
        return point("M", *corner), g, side, point("M", *corner)
    return side, g, point("Y", 0, 0.5), point("S", *corner), side
