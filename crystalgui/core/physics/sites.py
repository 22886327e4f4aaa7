"""Which orbital sits where, and where a crystal operation takes it.

Orbitals belong to atoms or, when no atom is near, to clusters of Wannier
centres.  A file without centres does not say which orbitals belong to which
atom: every assignment "same number of orbitals for each atom of a species, in
the order of the atoms" that adds up is a candidate, to be judged by how well
the symmetries of the crystal then hold.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAME_ATOM = 0.30
"""Distance of a Wannier centre from its atom, in parts of the distance to the next atom."""
SAME_SITE = 0.1
"""Distance of Wannier centres of one cluster, Angstrom."""
MAPPED = 0.3
"""Distance between a mapped site and the one found there, Angstrom."""
SYMPREC = 0.02
SHELLS = (1, 3, 4, 5, 6, 8, 9, 2, 7, 10, 12, 13, 16)
"""Numbers of orbitals an atom may have: s, p, sp3, d, sd, pd, spd first."""
MOST_ASSIGNMENTS = 24

Kind = Literal[
    "identity",
    "inversion",
    "mirror",
    "glide",
    "rotation",
    "screw",
    "rotoinversion",
    "translation",
]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Operation:
    """x -> W x + w on fractional coordinates (columns).

    Attributes
    ----------
    rotation : (3, 3) int64
        W.
    translation : (3,) float64
        w.
    kind : str
    name : str
        ``"m(001)"`` with Miller indices of the plane, ``"3[001]"`` with the
        direction of the axis, ``"inversion"``.
    """

    rotation: Ints
    translation: Floats
    kind: Kind
    name: str

    @property
    def order(self) -> int:
        """Smallest m with W^m = 1."""
        power = self.rotation
        for m in range(1, 13):
            if (power == np.eye(3, dtype=np.int64)).all():
                return m
            power = power @ self.rotation
        raise ValueError("not a crystallographic rotation")

    def cartesian(self, lattice: Floats) -> Floats:
        """The rotation of Cartesian columns."""
        return np.asarray(lattice.T @ self.rotation @ np.linalg.inv(lattice.T))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sites:
    """Sites and their orbitals.

    Attributes
    ----------
    lattice : (3, 3) float64, Angstrom
    frac : (s, 3) float64, fractional
    types : (s,) int64
        Equal for sites that a symmetry may exchange.
    site : (n,) int64
        Site of each orbital.
    """

    lattice: Floats
    frac: Floats
    types: Ints
    site: Ints

    def image(self, operation: Operation) -> tuple[Ints, Ints] | None:
        """Site pi(a) and shift S_a with W f_a + w = f_pi(a) + S_a; None when one is missing."""
        moved = self.frac @ operation.rotation.T + operation.translation
        apart = moved[:, None] - self.frac[None]
        shifts = np.rint(apart)
        distance = np.linalg.norm((apart - shifts) @ self.lattice, axis=-1)
        distance[self.types[:, None] != self.types[None]] = np.inf
        image = distance.argmin(axis=1)
        row = np.arange(len(image))
        if (distance[row, image] > MAPPED).any() or len(set(image.tolist())) < len(image):
            return None
        return image.astype(np.int64), shifts[row, image].astype(np.int64)

    def operations(self) -> tuple[Operation, ...]:
        """Operations of the space group of the sites, the identity first."""
        rotations, translations = space_group(self.lattice, self.frac, self.types)
        made = [named(w, t) for w, t in zip(rotations, translations, strict=True)]
        return tuple(sorted(made, key=lambda o: o.kind != "identity"))


def space_group(lattice: Floats, frac: Floats, types: Ints) -> tuple[Ints, Floats]:
    """Rotations (g, 3, 3) and translations (g, 3) of a crystal; the identity if spglib fails."""
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # its C library writes to the console
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import spglib

        try:
            found = spglib.get_symmetry((lattice, frac, types.tolist()), symprec=SYMPREC)
        except spglib.SpglibError:
            found = None
    if found is None:
        return np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    return found["rotations"].astype(np.int64), found["translations"]


def named(rotation: NDArray[np.int32] | Ints, translation: Floats) -> Operation:
    """The operation with its kind and name; a mirror gets no needless translation."""
    w = np.asarray(rotation, dtype=np.int64)
    t = np.asarray(translation, dtype=np.float64)
    t = np.where(np.abs(t - np.rint(t)) < 1e-6, 0.0, t)
    proper = w * round(float(np.linalg.det(w)))
    angle = {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}[int(np.trace(proper))]
    improper = round(float(np.linalg.det(w))) < 0
    if not improper:
        if angle == 1:
            kind: Kind = "identity" if np.abs(t).max() < 1e-6 else "translation"
            return Operation(rotation=w, translation=t, kind=kind, name=kind)
        screw = np.abs(_accumulated(w, t, angle)).max() > 1e-4
        kind = "screw" if screw else "rotation"
        return Operation(rotation=w, translation=t, kind=kind, name=f"{angle}{_axis(w, 1)}")
    if angle == 1:
        return Operation(rotation=w, translation=t, kind="inversion", name="inversion")
    if angle == 2:
        t, glide = _without_glide(w, t)
        letter = "g" if glide else "m"
        plane = _axis(w.T, -1).replace("[", "(").replace("]", ")")
        kind = "glide" if glide else "mirror"
        return Operation(rotation=w, translation=t, kind=kind, name=f"{letter}{plane}")
    return Operation(
        rotation=w, translation=t, kind="rotoinversion", name=f"-{angle}{_axis(w, -1)}"
    )


def _accumulated(w: Ints, t: Floats, order: int) -> Floats:
    """Translation part of the m-th power, less the nearest lattice vector of the axis."""
    total, power = np.zeros(3), np.eye(3)
    for _ in range(order):
        total = total + power @ t
        power = power @ w
    along = sum(np.linalg.matrix_power(w, i) for i in range(order))
    steps = np.array(list(product((-1, 0, 1), repeat=3))) @ np.asarray(along).T
    return np.asarray(min((total - s for s in steps), key=lambda x: float(np.abs(x).max())))


def _without_glide(w: Ints, t: Floats) -> tuple[Floats, bool]:
    """Choose the lattice translation for which the square of a reflection is the identity."""
    for step in sorted(product((0, -1, 1), repeat=3), key=lambda s: sum(map(abs, s))):
        moved = t + np.array(step)
        if np.abs(moved + w @ moved).max() < 1e-4:
            return moved, False
    return t, True


def integer_direction(vector: Floats | Ints) -> Ints:
    """The shortest integer vector along a rational direction, first non-zero entry positive."""
    v = np.asarray(vector, dtype=np.float64)
    v = v / np.abs(v[np.argmax(np.abs(v))])
    for scale in range(1, 13):
        if np.abs(v * scale - np.rint(v * scale)).max() < 1e-6:
            whole = np.rint(v * scale).astype(np.int64)
            return np.asarray(whole * int(np.sign(whole[np.flatnonzero(whole)[0]])))
    raise ValueError("not a rational direction")


def eigen_direction(w: Ints, value: int) -> Ints:
    """Integer eigenvector of a matrix with a simple eigenvalue."""
    _, _, right = np.linalg.svd(w - value * np.eye(3))
    return integer_direction(right[-1])


def _axis(w: Ints, value: int) -> str:
    return "[" + "".join(f"{x}" for x in eigen_direction(w, value)) + "]"


def from_centres(h: Hoppings, orbital_centres: Floats) -> Sites:
    """Orbitals to atoms where each centre has one clear atom, else clusters of centres."""
    lattice = np.eye(3) if h.lattice is None else h.lattice
    if h.frac is not None and h.species is not None and len(h.frac):
        apart = orbital_centres[:, None] - h.frac[None]
        distance = np.linalg.norm((apart - np.rint(apart)) @ lattice, axis=-1)
        nearest = distance.argmin(axis=1)
        best = distance[np.arange(len(nearest)), nearest]
        if (best < SAME_ATOM * _bond(h.frac, lattice)).all():
            used, site = np.unique(nearest, return_inverse=True)
            counts = np.bincount(site)
            frac = h.frac[used] + _whole(orbital_centres, h.frac[used], site)
            return Sites(
                lattice=lattice,
                frac=frac,
                types=_types(h.species[used], counts),
                site=site.astype(np.int64),
            )
    return _clusters(orbital_centres, lattice)


def _whole(centres: Floats, atoms: Floats, site: Ints) -> Floats:
    """Lattice vectors from each atom to the one at which its first orbital was put.

    Orbitals of one atom in different cells keep the first; they are then a
    gauge in which no crystal symmetry is found.
    """
    first = np.array([np.flatnonzero(site == a)[0] for a in range(len(atoms))])
    return np.asarray(np.rint(centres[first] - atoms))


def _bond(frac: Floats, lattice: Floats) -> float:
    """Smallest distance of two atoms, images included."""
    cells = np.array(list(product((-1, 0, 1), repeat=3)))
    apart = frac[:, None, None] - frac[None, :, None] + cells
    distance = np.linalg.norm(apart @ lattice, axis=-1)
    return float(distance[distance > 1e-3].min())


def _types(species: Ints, counts: Ints) -> Ints:
    pairs = np.stack([species, counts], axis=1)
    _, types = np.unique(pairs, axis=0, return_inverse=True)
    return (types.ravel() + 1).astype(np.int64)


def _clusters(centres: Floats, lattice: Floats) -> Sites:
    frac: list[Floats] = []
    site = np.empty(len(centres), dtype=np.int64)
    for i, centre in enumerate(centres):
        distance = [np.linalg.norm((centre - f) @ lattice) for f in frac]
        if distance and min(distance) < SAME_SITE:
            site[i] = int(np.argmin(distance))
        else:
            site[i] = len(frac)
            frac.append(centre)
    places = np.array([centres[site == a].mean(axis=0) for a in range(len(frac))])
    counts = np.bincount(site)
    return Sites(lattice=lattice, frac=places, types=_types(counts * 0, counts), site=site)


def one_site(h: Hoppings, n: int) -> Sites:
    """All orbitals at the origin."""
    return Sites(
        lattice=np.eye(3) if h.lattice is None else h.lattice,
        frac=np.zeros((1, 3)),
        types=np.ones(1, dtype=np.int64),
        site=np.zeros(n, dtype=np.int64),
    )


def assignments(h: Hoppings, n: int) -> Iterator[Sites]:
    """Candidates for n orbitals of a crystal without centres, the likeliest first."""
    if h.frac is None or h.species is None or not len(h.frac):
        return
    lattice = np.eye(3) if h.lattice is None else h.lattice
    kinds, which, atoms = np.unique(h.species, return_inverse=True, return_counts=True)
    which = which.ravel()
    found = 0
    choices = sorted(
        product(range(len(SHELLS)), repeat=min(len(kinds), 4)), key=lambda c: (sum(c), c)
    )
    for choice in choices if len(kinds) <= 4 else ():
        counts = np.array([SHELLS[c] for c in choice])
        if int((counts * atoms).sum()) != n:
            continue
        each = counts[which]
        yield Sites(
            lattice=lattice,
            frac=np.asarray(h.frac),
            types=(which + 1).astype(np.int64),
            site=np.repeat(np.arange(len(each)), each).astype(np.int64),
        )
        found += 1
        if found == MOST_ASSIGNMENTS:
            return
