"""Weyl points, Dirac points and other touchings of the bands at the gap.

The search goes from cells that could hold a node (`node_search`) over a
descent (`descent`) to the charge of each node (`chirality`); it is completed
by the symmetries of the spectrum, each image being verified and given its own
chirality.  The charges must cancel (Nielsen and Ninomiya, Nucl. Phys. B 185,
20 (1981)) and be even under time reversal (Murakami, New J. Phys. 9, 356
(2007)).  A touching with chirality 0 is never called a Weyl point.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.cell_charges import SHIFT, cell_charges
from crystalgui.core.physics.certificate import Check, Node, NodeKind
from crystalgui.core.physics.chirality import charge, linear_node
from crystalgui.core.physics.descent import CLOSED, descend, gap_at, reciprocal_basis, settle, wrap
from crystalgui.core.physics.gaps import RESOLVED, check_occupation
from crystalgui.core.physics.node_search import Suspects, search_mesh, suspects
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Mesh = tuple[int, int, int]

_SOFT = 0.1
_TESTED = 16
_SHOWN = 8
_SETTLED = 12
_CROWDED = 6
_CROWD = 24
"""So many nodes that some may have been missed."""
_LARGEST_MESH, _MOST_CELLS = 30_000, 40


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NodeSearch:
    """Every touching of bands ``occupied`` and ``occupied + 1``, and the proof.

    Attributes
    ----------
    nodes : tuple of Node
        Complete under the group; of a nodal line or surface only a few points.
    smallest_gap : float, eV, and k_smallest : (3,) float64, reduced
    unresolved : tuple of (3,) float64
        Minima, one of each orbit, with a gap between a node's and the
        tolerance.
    checks : tuple of Check
    mesh : (n1, n2, n3)
        The mesh that was searched first.
    extended : {"", "line", "surface"}
        Whether the bands touch on more than points.
    """

    nodes: tuple[Node, ...]
    smallest_gap: float
    k_smallest: Floats
    unresolved: tuple[Floats, ...]
    checks: tuple[Check, ...]
    mesh: Mesh
    extended: str = ""

    @property
    def improvable(self) -> bool:
        """Whether a check failed that a finer search could mend.

        A gap that is tiny stays tiny, and nodes that meet stay together.
        """
        mended = (check.name != "nodes are apart" for check in self.checks if check.passed is False)
        return any(mended) and not self.extended


def find_nodes(
    h: Hoppings,
    occupied: int,
    *,
    group: Integers | None = None,
    time_reversal: bool | None = None,
    dimension: int = 3,
    gap_tolerance: float = 1e-4,
    mesh: Mesh | None = None,
    finer: bool = False,
) -> NodeSearch:
    """Find all nodes between the highest occupied and the lowest empty band.

    Parameters
    ----------
    h : Hoppings
    occupied : int
        Number of occupied bands.
    group : (g, 3, 3) int64, optional
        Acts on reduced k and leaves the spectrum unchanged
        (`symmetries.spectral_group`); default the identity.
    time_reversal : bool, optional
        Test that chirality is even in k.
    dimension : int
        Directions to search; chirality needs three.
    gap_tolerance : float, eV
        A minimum below it that is not a node is unresolved.
    mesh : three ints, optional
        First mesh; default about 0.16 1/Angstrom apart.
    finer : bool
        Start from a finer mesh and divide further.
    """
    check_occupation(h, occupied)
    mesh = mesh or search_mesh(h, dimension, finer=finer)
    group = np.eye(3, dtype=np.int64)[None] if group is None else np.asarray(group)
    more = {"levels": 5, "most": 60_000} if finer else {}
    found = suspects(h, occupied, mesh, group, **more)
    return _Search(h, occupied, group, found, gap_tolerance).result(time_reversal)


class _Search:
    """One search: what is known of it, shared by its steps."""

    def __init__(
        self, h: Hoppings, occupied: int, group: Integers, found: Suspects, tolerance: float
    ) -> None:
        self.h, self.occupied, self.group, self.found = h, occupied, group, found
        self.tolerance = tolerance
        self.charges: dict[bytes, int] = {}
        self.basis = reciprocal_basis(h)
        self.live = np.array(found.mesh) > 1
        edges = np.linalg.norm(self.basis, axis=1) / np.array(found.mesh)
        self.step = float(edges[self.live].min()) if self.live.any() else 1.0

    def result(self, time_reversal: bool | None) -> NodeSearch:
        """All steps in order."""
        k, gap = self._minima()
        zero = gap < CLOSED
        zeros = self._distinct(k[zero], images=True)
        zeros, spread, dimensions = self._neighbours(zeros)
        extended = "" if not dimensions else "line" if dimensions == 1 else "surface"
        nodes, checks = self._complete(zeros)
        doubtful = sum(node.chirality for node in nodes) != 0 or len(nodes) > _CROWD
        if doubtful and not extended and self.live.all():
            missed = self._missed(nodes)
            if len(missed):
                zeros = self._distinct(np.concatenate([zeros, missed]), images=True)
                nodes, checks = self._complete(zeros)
        open_k, open_gap = k[~zero], gap[~zero]
        shown = [self._node(q, crossing=True) for q in spread[:_SHOWN]]
        everything = [*nodes, *shown]
        lowest, k_lowest = _smallest(everything, open_k, open_gap)
        if nodes:
            checks += self._conservation(nodes, time_reversal, bool(extended))
        if extended:
            text = f"The bands touch along a {extended}; {len(shown)} of its points are listed."
            checks.append(Check(name="nodes are points", passed=None, value=extended, text=text))
        unresolved = self._distinct(open_k[open_gap < self.tolerance], images=True)
        return NodeSearch(
            nodes=tuple(everything),
            smallest_gap=lowest,
            k_smallest=k_lowest,
            unresolved=tuple(wrap(q) for q in unresolved),
            checks=(self._resolves(bool(extended)), *checks),
            mesh=self.found.mesh,
            extended=extended,
        )

    def _descend(self, k: Floats, reach: float | Floats) -> tuple[Floats, Floats]:
        return descend(self.h, self.occupied, k, reach, live=self.live)

    def _resolves(self, extended: bool) -> Check:
        found = self.found
        passed = True if found.complete else None if extended else False
        if not found.complete:
            text = "So many cells could hold a node that only a part of them was searched."
        elif not found.cells:
            text = "Slopes rule out nodes everywhere on the mesh."
        else:
            text = (
                f"Slopes rule nodes out in all but {found.cells} small cells; "
                f"the gap was followed downhill from these."
            )
        text += " Slopes are measured, with a margin."
        return Check(name="mesh resolves the gap", passed=passed, value=found.cells, text=text)

    def _minima(self) -> tuple[Floats, Floats]:
        """Local minima of the gap; the lowest and the doubtful open ones are settled."""
        k, gap = self._descend(self.found.k, self.step)
        zero = gap < CLOSED
        if not zero.any():
            # Around a Kramers pair the gap has kinks, and several minima side by side.
            around = np.array(list(product(*[(-0.4, 0.4) if x else (0.0,) for x in self.live])))
            k = np.concatenate([k, k[gap.argmin()] + around / np.array(self.found.mesh)])
            gap = np.append(gap, np.full(len(around), gap.min()))
            zero = np.zeros(len(k), dtype=bool)
        limit = 10 * self.tolerance if zero.any() else max(1.5 * gap.min(), 10 * self.tolerance)
        near = np.flatnonzero(~zero & (gap < limit))
        near = near[np.argsort(gap[near], kind="stable")[:_SETTLED]]
        if len(near):
            k[near], gap[near] = settle(
                self.h, self.occupied, k[near], self.step / 3, live=self.live
            )
            doubtful = near[gap[near] < 10 * self.tolerance]
            k[doubtful], gap[doubtful] = self._descend(k[doubtful], self.step / 50)
            k, gap = self._around(k, gap)
        if not zero.any():
            gap = gap_at(self.h, self.occupied, k)
        return k, gap

    def _around(self, k: Floats, gap: Floats) -> tuple[Floats, Floats]:
        """Nodes crowd where the gap is tiny: look around the minima that are not resolved."""
        tiny = np.flatnonzero((gap >= CLOSED) & (gap < self.tolerance))
        tiny = tiny[np.argsort(gap[tiny], kind="stable")]
        if not len(tiny):
            return k, gap
        places = self._distinct(k[tiny], images=True)[:_CROWDED]
        arms = [(-1.0, 0.0, 1.0) if x else (0.0,) for x in self.live]
        arm = np.array([a for a in product(*arms) if sum(map(abs, a)) in (1, 3)]) / np.array(
            self.found.mesh
        )
        seeds = (places[:, None] + np.concatenate([x * arm for x in (0.02, 0.1, 0.3)])).reshape(
            -1, 3
        )
        found, value = self._descend(seeds, 0.05 * self.step)
        closed = value < CLOSED
        return np.concatenate([k, found[closed]]), np.append(gap, value[closed])

    # --- which touchings are the same -----------------------------------------------------

    def _same(self, k: Floats, others: Floats) -> Bools:
        """Whether k (3,) is the same touching as each of others (m, 3)."""
        apart = others - k
        apart -= np.round(apart)
        distance = np.linalg.norm(apart @ self.basis, axis=1)
        same = distance < 1e-5 * self.step
        close = ~same & (distance < 0.2 * self.step)
        if close.any():
            # Two nodes have a gap between them; one badly determined node has none.
            along = k + apart[close][:, None] * np.array([0.25, 0.5, 0.75])[:, None]
            between = gap_at(self.h, self.occupied, along).max(axis=1)
            ends = gap_at(self.h, self.occupied, np.concatenate([k[None], others[close]]))
            same[close] = between < 1e-9 + 10 * ends.max()
        return np.asarray(same)

    def _distinct(self, k: Floats, *, images: bool) -> Floats:
        """One of each touching, modulo G and, with ``images``, the group."""
        kept: list[Floats] = []
        for q in k:
            orbit = self.group @ q if images else q[None]
            if not kept or not any(self._same(one, np.array(kept)).any() for one in orbit):
                kept.append(q)
        return np.array(kept).reshape(-1, 3)

    def _neighbours(self, zeros: Floats) -> tuple[Floats, Floats, int]:
        """Look along the soft directions of each node.

        Close partners are added; nodes that go on in both directions lie on a
        nodal line or surface.  Returns isolated nodes (z, 3), others (y, 3)
        and the largest dimension found.
        """
        tested = zeros[:_TESTED]
        seeds, owner, arms, along = [], [], [], []
        inverse = np.linalg.inv(self.basis)
        for number, k in enumerate(tested):
            for axis, direction in enumerate(self._soft_directions(k)):
                for length in (0.1, -0.1, 0.03, -0.03, 0.01, -0.01):
                    seeds.append(k + length * self.step * direction @ inverse)
                    owner.append((number, axis))
                    arms.append(abs(length) * self.step)
                    along.append(np.sign(length) * direction)
        if not seeds:
            return zeros, zeros[:0], 0
        arm = np.array(arms)
        k, gap = self._descend(np.array(seeds), 0.5 * arm)
        path = (k - tested[[n for n, _ in owner]]) @ self.basis
        moved = np.linalg.norm(path, axis=1)
        ahead = np.einsum("sa,sa->s", path, np.array(along))
        aside = np.sqrt(np.maximum(moved**2 - ahead**2, 0))  # slid to another line
        on = (gap < CLOSED) & (ahead > 0.5 * arm) & (moved < 2 * arm) & (aside < 0.25 * arm)
        goes_on = {key: bool(on[i : i + 6].all()) for i, key in enumerate(owner) if i % 6 == 0}
        soft = [
            _dimensions([yes for (n, _), yes in goes_on.items() if n == z])
            for z in range(len(tested))
        ]
        isolated = np.array([count == 0 for count in soft])
        if not isolated.all():
            points, spread = tested[isolated], np.concatenate([tested[~isolated], zeros[_TESTED:]])
        else:
            points, spread = zeros, zeros[:0]
        mine = np.array([isolated[n] for n, _ in owner]) & (gap < CLOSED)
        return self._distinct(np.concatenate([points, k[mine]]), images=True), spread, max(soft)

    def _soft_directions(self, k: Floats) -> list[Floats]:
        """Cartesian directions in which the bands hardly part; of several, an oblique one last."""
        node = linear_node(self.h, k, *self._bands(k))
        flat = node.slopes <= _SOFT * node.slopes[0] + 1e-12
        soft = [axis for axis in node.axes[flat] if self._moves(axis)]
        if len(soft) > 1:
            oblique = sum(
                weight * axis for weight, axis in zip((1, 0.62, 0.38), soft, strict=False)
            )
            soft.append(oblique / np.linalg.norm(oblique))
        return soft

    def _moves(self, direction: Floats) -> bool:
        """Whether a Cartesian direction lies in the directions that are searched."""
        if self.live.all():
            return True
        reduced = direction @ np.linalg.inv(self.basis)
        return bool(np.abs(reduced[~self.live]).max() < 1e-6 * np.abs(reduced).max())

    # --- what each touching is ------------------------------------------------------------

    def _bands(self, k: Floats) -> tuple[int, int]:
        """Bands low .. high - 1 that meet at k."""
        e = energies(self.h, k[None])[0]
        lower, upper = e[self.occupied - 1], e[self.occupied]
        meet = np.abs(e - (lower + upper) / 2) < RESOLVED + (upper - lower)
        return int(np.argmax(meet)), int(len(e) - np.argmax(meet[::-1]))

    def _node(self, k: Floats, value: int = 0, *, crossing: bool = False) -> Node:
        low, high = self._bands(k)
        e = energies(self.h, k[None])[0]
        kind: NodeKind = "crossing"
        if not crossing and high - low == 2 and value:
            kind = "Weyl"
        elif not crossing and high - low == 4 and not value:
            kind = "Dirac"
        return Node(
            k=wrap(k),
            energy=float(e[low:high].mean()),
            chirality=value,
            kind=kind,
            degeneracy=high - low,
            gap=float(e[self.occupied] - e[self.occupied - 1]),
        )

    def _complete(self, zeros: Floats) -> tuple[list[Node], list[Check]]:
        """Images under the group, each verified and with its own chirality."""
        if not len(zeros):
            return [], []
        orbits, lost = [], 0
        for k in zeros:
            images = self._distinct(self.group @ k, images=False)
            images, gap = self._descend(images, 1e-3 * self.step)
            lost += int((gap >= CLOSED).sum())
            orbits.append(images[gap < CLOSED])
        everywhere = np.concatenate(orbits)
        nodes, doubtful, critical = [], 0, 0
        for images in orbits:
            first: int | None = None
            for k in images:
                value, agreed, soft = self._charge(k, everywhere, first)
                first = value if first is None else first
                doubtful += not agreed
                node = self._node(k, value, crossing=not agreed)
                critical += soft and not value and node.degeneracy == 2
                nodes.append(node)
        checks = [
            Check(
                name="images of nodes",
                passed=lost == 0,
                value=len(nodes),
                text=f"{len(zeros)} inequivalent nodes, {len(nodes)} with their images"
                + (f"; {lost} images have a gap." if lost else "."),
            )
        ]
        if self.live.all():
            text = "Fluxes at two radii, or with the sign of det v, agree" + (
                f" except at {doubtful} nodes." if doubtful else "."
            )
            checks.append(
                Check(name="chirality of nodes", passed=not doubtful, value=doubtful, text=text)
            )
        if critical:
            text = "Two nodes meet (or are too close to be told apart): a phase boundary."
            checks.append(Check(name="nodes are apart", passed=False, value=critical, text=text))
        return nodes, checks

    def _missed(self, nodes: list[Node]) -> Floats:
        """Touchings in cells of the mesh whose charge is not that of the nodes known in them."""
        counts = np.array(self.found.mesh)
        counts = counts * 2 if counts.prod() <= _LARGEST_MESH / 8 else counts
        mesh = (int(counts[0]), int(counts[1]), int(counts[2]))
        charges = cell_charges(self.h, self.occupied, mesh)
        for node in nodes:
            place = np.floor(node.k * counts - SHIFT).astype(np.int64) % counts
            charges[tuple(place)] -= node.chirality
        corners = np.argwhere(charges)[:_MOST_CELLS]
        inner = np.array(list(product((0.25, 0.75), repeat=3)))
        seeds = (corners[:, None] + SHIFT + inner) / counts
        k, gap = self._descend(seeds.reshape(-1, 3), 0.25 * self.step)
        return k[gap < CLOSED]

    def _charge(self, k: Floats, everywhere: Floats, first: int | None) -> tuple[int, bool, bool]:
        """Chirality, whether the routes agree, and whether the node is soft in a direction."""
        if not self.live.all():
            return 0, True, False
        low, high = self._bands(k)
        node = linear_node(self.h, k, low, high)
        soft = bool(node.slopes[2] < 1e-3 * node.slopes[0])
        name = np.round(wrap(k), 7).tobytes()
        if name in self.charges:
            return self.charges[name], True, soft
        if first in (1, -1) and node.sign and node.slopes[2] > 0.02 * node.slopes[0]:
            return node.sign, True, soft
        apart = everywhere - k
        apart -= np.round(apart)
        distance = np.linalg.norm(apart @ self.basis, axis=1)
        others = distance[distance > 1e-5 * self.step]
        largest = min(0.25 * self.step, 0.4 * float(others.min(initial=np.inf)))
        value, agreed, _ = charge(self.h, self.occupied, k, low, high, largest)
        if agreed:
            self.charges[name] = value
        return value, agreed, soft

    def _conservation(
        self, nodes: list[Node], time_reversal: bool | None, extended: bool
    ) -> list[Check]:
        """The charges cancel, and are even under time reversal."""
        if not self.live.all():
            return []
        total = sum(node.chirality for node in nodes)
        checks = [
            Check(
                name="chiralities cancel",
                passed=None if extended and total else total == 0,
                value=total,
                text="Sum over the zone; must be 0 (Nielsen-Ninomiya).",
            )
        ]
        if time_reversal:
            k = np.array([node.k for node in nodes])
            chi = np.array([node.chirality for node in nodes])
            odd = sum(
                not (self._same(-q, k) & (chi == value)).any()
                for q, value in zip(k, chi, strict=True)
            )
            checks.append(
                Check(
                    name="chirality at -k",
                    passed=odd == 0,
                    value=odd,
                    text="Nodes without a partner of the same chirality at -k.",
                )
            )
        return checks


def _dimensions(goes_on: list[bool]) -> int:
    """Of the set around a node, from its soft directions and the oblique one.

    Lines that cross go on along several axes, but not between them.
    """
    if len(goes_on) < 2:
        return sum(goes_on)
    return min(sum(goes_on[:-1]), 2 if goes_on[-1] else 1)


def _smallest(nodes: list[Node], open_k: Floats, open_gap: Floats) -> tuple[float, Floats]:
    """Smallest gap and its k."""
    if nodes:
        best = min(nodes, key=lambda node: node.gap)
        return max(0.0, best.gap), best.k
    lowest = int(open_gap.argmin())
    return float(open_gap[lowest]), wrap(open_k[lowest])
