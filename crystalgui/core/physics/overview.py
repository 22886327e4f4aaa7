"""What a person wants to know first about a Hamiltonian; one call for window and report.

`overview` does what does not depend on the filling (zone, path, bands, mesh);
`fill` what does (gaps, Fermi energy, where the gap is on the path); `cut` a
zone slice with its contours and named points.  All are pure functions of
frozen values, so that a thread can call them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bands import Bands, bands
from crystalgui.core.physics.bloch import grid_energies
from crystalgui.core.physics.brillouin import (
    KPath,
    Zone,
    fold,
    k_path,
    nearest_point,
    place_on_path,
    zone,
)
from crystalgui.core.physics.contours import Contour, contours
from crystalgui.core.physics.gaps import Gaps, default_mesh, gaps_on, guess_occupation
from crystalgui.core.physics.slices import Slice, SliceImage, points_on, take_slice
from crystalgui.core.physics.weights import By, Group, band_weights, orbital_groups, owners
from crystalgui.core.structures.hoppings.model import Hoppings

if TYPE_CHECKING:
    from crystalgui.core.physics.certificate import Node
    from crystalgui.core.physics.evidence import Evidence
    from crystalgui.core.physics.weyl import NodeSearch

Floats = NDArray[np.float64]

FINER: dict[By, tuple[By, ...]] = {
    "species": ("atom", "orbital"),
    "atom": ("orbital",),
    "orbital": (),
}
ON_PATH = 0.03
"""A gap nearer than this to the path (1/Angstrom) counts as on it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Overview:
    """Zone, bands and mesh energies (n1, n2, n3, n) of a Hamiltonian.

    ``occupied`` is stated or guessed, ``reason`` says which.
    """

    zone: Zone
    bands: Bands
    table: Floats
    occupied: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Filling:
    """Gaps at a filling, and where they are.

    ``rows`` are the rows of the path nearest to the two edges of the gap that
    is drawn (the indirect one, or the direct one of a metal); ``on_path``
    whether both are on it.  ``near`` names the special points next to
    (direct, valence top, conduction bottom).  ``carts`` are these k in the
    first zone, (3, 3), 1/Angstrom.
    """

    gaps: Gaps
    rows: tuple[int, int]
    on_path: bool
    near: tuple[str, str, str]
    carts: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cut:
    """A zone slice, its level lines and the named points on it.

    ``note`` says what had to be assumed for this quantity.
    """

    image: SliceImage
    contours: tuple[Contour, ...]
    points: tuple[tuple[str, Floats], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Composition:
    """What the bands of an overview are made of.

    ``groups`` names and orbital numbers; ``weights`` (m, n, g) in [0, 1], one
    row for each k of the path; ``how`` says how orbitals were given to atoms.
    """

    groups: tuple[Group, ...]
    weights: Floats
    how: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(name for name, _ in self.groups)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ZoneNodes:
    """Nodes at a filling, and where they are in the first zone.

    ``points`` (Cartesian k in 1/Angstrom, node): a node on the boundary of the
    zone comes with all its images there.
    """

    search: NodeSearch
    points: tuple[tuple[Floats, Node], ...]

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        search = self.search
        failed = [check for check in search.checks if check.passed is False]
        doubt = f" In doubt: {failed[0].name}." if failed else ""
        if search.extended:
            return f"The bands touch along a {search.extended}.{doubt}"
        if not search.nodes:
            return f"No nodes; smallest gap {search.smallest_gap:.4g} eV.{doubt}"
        total = sum(node.chirality for node in search.nodes)
        count = len(search.nodes)
        return f"{count} node{'s' * (count > 1)}, total chirality {total}.{doubt}"


def overview(h: Hoppings, *, density: float = 60.0, lattice_only: bool = False) -> Overview:
    """Zone, path, bands and mesh energies."""
    polyhedron = zone(np.eye(3) if h.lattice is None else h.lattice)
    path = k_path(h, density, lattice_only=lattice_only)
    occupied, reason = guess_occupation(h)
    return Overview(
        zone=polyhedron,
        bands=bands(h, path),
        table=grid_energies(h, default_mesh(h)),
        occupied=occupied,
        reason=reason,
    )


def fill(h: Hoppings, view: Overview, occupied: int) -> Filling:
    """Gaps at a filling, refined off the mesh, with their places."""
    found = gaps_on(h, occupied, view.table)
    reciprocal, path = view.zone.reciprocal, view.bands.path
    drawn = found.direct if found.metal else found.indirect
    places = [place_on_path(k, path, reciprocal) for k in (drawn.k_lower, drawn.k_upper)]
    ks = (found.direct.k_lower, found.indirect.k_lower, found.indirect.k_upper)
    near = [_near(k, path, reciprocal) for k in ks]
    return Filling(
        gaps=found,
        rows=(places[0][0], places[1][0]),
        on_path=max(places[0][1], places[1][1]) < ON_PATH,
        near=(near[0], near[1], near[2]),
        carts=np.array([fold(k, reciprocal) for k in ks]),
    )


def _near(k: Floats, path: KPath, reciprocal: Floats) -> str:
    label, distance = nearest_point(k, path, reciprocal)
    if distance < 1e-3:
        return f"at {label}"
    return f"near {label}" if distance < 0.15 else f"{distance:.2f}\u00a01/Å\u00a0from\u00a0{label}"


def composition(h: Hoppings, view: Overview, by: By = "species") -> Composition:
    """Weights of elements, atoms or orbitals in the bands of an overview.

    Where there is a single element the atoms are told apart, and so on.
    """
    groups = orbital_groups(h, by)
    for finer in FINER[by]:
        if len(groups) > 1:
            break
        by, groups = finer, orbital_groups(h, finer)
    how = "" if by == "orbital" else owners(h).how
    return Composition(groups=groups, weights=band_weights(h, view.bands.path.k, groups), how=how)


def zone_nodes(h: Hoppings, occupied: int, view: Overview) -> ZoneNodes:
    """Weyl points, Dirac points and other touchings at the gap."""
    from crystalgui.core.physics.symmetries import dimension, spectral_group
    from crystalgui.core.physics.weyl import find_nodes

    found = find_nodes(h, occupied, group=spectral_group(h), dimension=dimension(h))
    points = [(k, node) for node in found.nodes for k in images_in(node.k, view.zone)]
    return ZoneNodes(search=found, points=tuple(points))


def images_in(k: Floats, polyhedron: Zone) -> Floats:
    """K (3,) reduced and its equivalents in the first zone, (m, 3) 1/Angstrom."""
    shifts = np.array(list(product((0, -1, 1), repeat=3))) @ polyhedron.reciprocal
    at = fold(k, polyhedron.reciprocal) + shifts
    tolerance = 1e-4 * float(np.linalg.norm(polyhedron.vertices, axis=1).max())
    inside = (at @ polyhedron.normals.T <= polyhedron.distances + tolerance).all(axis=1)
    return np.asarray(at[inside])


def centred(h: Hoppings) -> tuple[Hoppings, str]:
    """The Hamiltonian with orbital centres, which maps of Berry curvature depend on.

    Where the files name none they are the atoms that own the orbitals; the
    text says so, or that they are not known.
    """
    if h.centres is not None:
        return h, "orbital centres from the files"
    found = owners(h)
    if found.atoms is None or h.frac is None or min(found.atoms) < 0:
        return h, "orbital centres unknown: the map depends on the choice of cell (lattice gauge)"
    return replace(h, centres=h.frac[list(found.atoms)]), "orbital centres at the atoms"


def cut(h: Hoppings, request: Slice, view: Overview, evidence: Evidence | None = None) -> Cut:
    """A zone slice with contours and points; of ``evidence`` where that is what is asked for."""
    note = ""
    if request.quantity == "curvature":
        h, note = centred(h)
    if request.quantity == "evidence" and evidence is not None:
        from crystalgui.core.physics.evidence import evidence_slice

        image, note = evidence_slice(evidence, h, request, view.zone), evidence.sentence
    else:
        image = take_slice(h, request, view.zone)
    return Cut(
        image=image,
        contours=tuple(contours(image)),
        points=tuple(points_on(image.plane, view.bands.path)),
        note=note,
    )


def k_text(k: Floats, digits: int = 4) -> str:
    """``(0.004, −0.008, ½)``: reduced coordinates as people write them."""
    return "(" + ", ".join(fraction_text(float(x), digits) for x in k) + ")"


def fraction_text(x: float, digits: int = 4) -> str:
    """``½``, ``−⅓``, ``0.1234``."""
    names = {1 / 2: "½", 1 / 3: "⅓", 2 / 3: "⅔", 1 / 4: "¼", 3 / 4: "¾", 1.0: "1"}
    near = 0.5 * 10.0**-digits
    if abs(x) < near:
        return "0"
    for value, text in names.items():
        if abs(abs(x) - value) < near:
            return ("−" if x < 0 else "") + text
    return f"{x:.{digits}f}".replace("-", "−")
