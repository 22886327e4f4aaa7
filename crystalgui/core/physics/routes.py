"""The independent routes to a phase, and whether they agree.

Each route answers with indices, nodes and `Check` objects; `collect` runs
those that apply to a Hamiltonian (symmetries are found, not asked) and states
the first contradiction in words.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.certificate import Check, Indices, Node
from crystalgui.core.physics.chern import chern, zak
from crystalgui.core.physics.gaps import Gaps, gaps
from crystalgui.core.physics.mirror_chern import mirror_chern
from crystalgui.core.physics.parities import Parities, parities
from crystalgui.core.physics.representations import inversion, mirror_operations
from crystalgui.core.physics.reversal import (
    GENERIC_K,
    TRIM,
    TimeReversal,
    scale,
    symmetrised,
    time_reversal,
)
from crystalgui.core.physics.symmetries import layer_normal, spectral_group
from crystalgui.core.physics.weyl import NodeSearch, find_nodes
from crystalgui.core.physics.wilson import Convergence, WilsonFlow
from crystalgui.core.physics.z2 import PlaneZ2, half_plane, z2, z2_plane
from crystalgui.core.structures.hoppings.model import Hoppings

NEARLY = 0.25
"""Time reversal that is broken by less than this part of the largest hopping is near."""
AXES = ("k1", "k2", "k3")
PLANES = ((0.0, "0"), (0.5, "1/2"))


@dataclass(slots=True, eq=False, kw_only=True)
class Evidence:
    """What the routes found; filled while they run.

    ``contradiction`` and ``unfinished`` are sentences, empty when all is well;
    ``finer`` is whether the latter could end with finer controls.  ``search``,
    ``planes`` and ``mirrors`` are kept for a second attempt; ``shift`` is how
    far restoring time reversal moved the energies, eV.
    """

    dimension: int
    occupied: int
    gaps: Gaps
    gap: float
    indices: Indices = field(default_factory=Indices)
    nodes: tuple[Node, ...] = ()
    checks: tuple[Check, ...] = ()
    flows: tuple[tuple[str, WilsonFlow], ...] = ()
    parities: Parities | None = None
    extended: str = ""
    shift: float = 0.0
    contradiction: str = ""
    unfinished: str = ""
    finer: bool = False
    search: NodeSearch | None = None
    planes: dict[str, PlaneZ2] = field(default_factory=dict)
    mirrors: tuple[tuple[str, int], ...] | None = None
    remarks: tuple[str, ...] = ()

    def check(self, name: str, passed: bool | None, value: float | str, text: str) -> None:
        """Add a check."""
        self.checks += (Check(name=name, passed=passed, value=value, text=text),)

    def contradict(self, text: str) -> None:
        """Keep the first contradiction."""
        self.contradiction = self.contradiction or text

    def leave(self, text: str, *, finer: bool = True) -> None:
        """Keep the first thing that did not converge, and whether ``finer`` controls may help."""
        self.unfinished = self.unfinished or text
        self.finer = self.finer or finer

    def keep(self, before: Evidence) -> None:
        """Take over from an earlier attempt what need not be done again."""
        self.planes = {
            name: plane for name, plane in before.planes.items() if plane.status == "converged"
        }
        self.mirrors = before.mirrors
        if before.search is not None and not before.search.improvable:
            self.search = before.search

    def index(self, **values: object) -> None:
        """Set indices."""
        self.indices = replace(self.indices, **values)  # type: ignore[arg-type]


def collect(
    h: Hoppings,
    occupied: int,
    found: Gaps,
    *,
    dimension: int,
    gap_tolerance: float,
    nodes: bool,
    symmetrise: bool,
    options: Convergence,
    before: Evidence | None = None,
) -> Evidence:
    """Run every route that applies; arguments as for `classify`.

    ``before`` is the evidence of an earlier attempt: what converged then is
    kept, unless routes contradicted each other, and nodes are searched finer.
    """
    evidence = Evidence(dimension=dimension, occupied=occupied, gaps=found, gap=found.direct.energy)
    if before is not None and not before.contradiction:
        evidence.keep(before)
    finer = before is not None
    reversal = time_reversal(h)
    h, reversal = _with_time_reversal(h, reversal, symmetrise, evidence)
    if nodes and dimension > 1:
        _nodes(h, evidence, reversal.holds, gap_tolerance, finer)
    else:
        evidence.check("nodes", None, "not searched", "Only the gap found off a mesh is known.")
    gapless = evidence.gap < gap_tolerance and not evidence.nodes
    if gapless or (evidence.nodes and dimension < 3):
        return evidence
    if evidence.gap < 2 * evidence.shift and not evidence.nodes:
        words = f"time reversal is broken by {evidence.shift:.1e} eV, as much as the gap"
        evidence.leave(words, finer=False)
    if dimension == 1:
        _winding(h, evidence)
    elif reversal.holds and reversal.square < 0:
        _time_reversal_invariants(h, reversal, evidence, gap_tolerance, options)
    else:
        _chern_numbers(h, evidence, real=reversal.holds)
        if not reversal.holds:
            _nearly_reversed(h, reversal, evidence, gap_tolerance, options)
    return evidence


def _with_time_reversal(
    h: Hoppings, reversal: TimeReversal, symmetrise: bool, evidence: Evidence
) -> tuple[Hoppings, TimeReversal]:
    """The Hamiltonian to classify, and its time reversal."""
    broken = reversal.residual
    spin = "T² = −1" if reversal.square < 0 else "T² = +1"
    if reversal.holds:
        evidence.check("time reversal", True, broken, f"Found, {spin}; largest violation in eV.")
        whole, h = h, symmetrised(h, reversal)
        k = np.concatenate([TRIM, GENERIC_K])
        evidence.shift = float(np.abs(energies(h, k) - energies(whole, k)).max())
    elif symmetrise and reversal.matrix is not None:
        text = f"time reversal, broken by {broken:.2g} eV, was restored"
        evidence.remarks += (text,)
        words = f"Broken, and restored as asked ({spin}); largest violation in eV."
        evidence.check("time reversal", None, broken, words)
        h = symmetrised(h, reversal)
        evidence.gaps = gaps(h, evidence.occupied)
        evidence.gap = evidence.gaps.direct.energy
        reversal = replace(reversal, kind="matrix")
    else:
        evidence.check("time reversal", None, broken, "Broken (eV); Chern numbers are used.")
    if reversal.holds and reversal.square < 0 and evidence.occupied % 2:
        evidence.check(
            "Kramers pairs",
            None,
            evidence.occupied,
            "An odd number of occupied bands splits Kramers pairs: the gap closes at every TRIM.",
        )
    return h, reversal


def _nodes(
    h: Hoppings, evidence: Evidence, reversal: bool, gap_tolerance: float, finer: bool
) -> None:
    search = evidence.search or find_nodes(
        h,
        evidence.occupied,
        group=spectral_group(h),
        time_reversal=reversal,
        dimension=evidence.dimension,
        gap_tolerance=gap_tolerance,
        finer=finer,
    )
    evidence.search = search
    evidence.nodes = search.nodes
    evidence.checks += search.checks
    evidence.gap = min(evidence.gap, search.smallest_gap)
    evidence.extended = search.extended
    for check in search.checks:
        if check.passed is False:
            evidence.leave(f"node search: {check.text or check.name}", finer=search.improvable)
    if count := len(search.unresolved):
        places = "1 place" if count == 1 else f"{count} inequivalent places"
        evidence.leave(
            f"{places} with a gap below {gap_tolerance:g} eV: neither a node nor open", finer=False
        )


# ------------------------------------------------------------ Kramers pairs


def _time_reversal_invariants(
    h: Hoppings,
    reversal: TimeReversal,
    evidence: Evidence,
    gap_tolerance: float,
    options: Convergence,
) -> None:
    if evidence.nodes:
        _planes_between_nodes(h, evidence, options)
        return
    answer = z2(
        h,
        evidence.occupied,
        evidence.dimension,
        gap_tolerance=gap_tolerance,
        options=options,
        known=evidence.planes,
    )
    evidence.planes = dict(answer.planes)
    evidence.checks += answer.checks
    evidence.flows = tuple((name, plane.flow) for name, plane in answer.planes)
    if answer.status == "converged":
        evidence.index(z2=answer.indices)
    else:
        failed = [check.text for check in answer.checks if check.passed is False]
        text = failed[0] if failed else "The charge centres did not converge."
        evidence.leave(text, finer=answer.status == "unresolved")
    _fu_kane(h, reversal, evidence)
    _mirrors(h, reversal, evidence)


def _nearly_reversed(
    h: Hoppings,
    reversal: TimeReversal,
    evidence: Evidence,
    gap_tolerance: float,
    options: Convergence,
) -> None:
    """A slightly broken time reversal: what would be, were it restored, is not passed over."""
    slight = reversal.matrix is not None and reversal.residual < NEARLY * scale(h)
    if evidence.nodes or not slight or reversal.square > 0 or evidence.occupied % 2:
        return
    answer = z2(
        symmetrised(h, reversal),
        evidence.occupied,
        evidence.dimension,
        gap_tolerance=gap_tolerance,
        options=options,
    )
    if answer.indices is not None and not any(answer.indices):
        return
    words = "is not known" if answer.indices is None else _z2_text(answer.indices)
    evidence.check(
        "phase with time reversal restored",
        False,
        words,
        "Z2 of the Hamiltonian averaged with its time-reversed image.",
    )
    evidence.leave(
        f"time reversal is broken by {reversal.residual:.2g} eV; were it restored, "
        f"Z2 = {words} (restore T, or --symmetrise, certifies that)",
        finer=answer.indices is None,
    )


def _planes_between_nodes(h: Hoppings, evidence: Evidence, options: Convergence) -> None:
    """Z2 of the planes that no node lies on; their jumps must match the charges."""
    values: dict[str, int | None] = {}
    for axis, name in enumerate(AXES):
        for offset, word in PLANES:
            apart = [node.k[axis] - offset for node in evidence.nodes]
            if min(abs(x - round(x)) for x in apart) < 1e-4:
                continue
            place = f"{name} = {word}"
            plane = evidence.planes.get(place) or z2_plane(
                h, evidence.occupied, half_plane(axis, offset), options=options
            )
            evidence.planes[place] = plane
            evidence.flows += ((place, plane.flow),)
            if plane.status == "converged":
                values[place] = plane.value
    _quarters_against_nodes(values, evidence)


def _fu_kane(h: Hoppings, reversal: TimeReversal, evidence: Evidence) -> None:
    """Inversion eigenvalues, where inversion is found; they must agree with the flow."""
    centre = inversion(h, reversal)
    if centre is None:
        evidence.check("inversion", None, "not found", "Parities do not apply.")
        return
    evidence.check("inversion", True, centre.residual, "Found; largest violation in eV.")
    try:
        pairs = parities(h, evidence.occupied, centre)
    except PhysicsError as error:
        evidence.check("parities", None, "not sharp", error.title)
        return
    if evidence.gap < 2 * pairs.deviation:
        evidence.check(
            "parities",
            None,
            pairs.deviation,
            "Inversion is broken (eV) by as much as the gap; its eigenvalues decide nothing.",
        )
        return
    evidence.parities = pairs
    evidence.index(z4=pairs.z4)
    flow = evidence.indices.z2
    if flow is None:
        return
    same = tuple(flow) == tuple(pairs.z2)
    evidence.check(
        "parities agree with charge centres",
        same,
        f"{_z2_text(pairs.z2)} and {_z2_text(flow)}",
        "Fu-Kane parities against the flow of Wannier charge centres.",
    )
    if not same:
        evidence.contradict(
            f"parities give Z2 = {_z2_text(pairs.z2)}, charge centres {_z2_text(flow)}"
        )


def _z2_text(z2: tuple[int, ...]) -> str:
    return str(z2[0]) if len(z2) == 1 else f"({z2[0]};{''.join(map(str, z2[1:]))})"


def _mirrors(h: Hoppings, reversal: TimeReversal, evidence: Evidence) -> None:
    """Mirror Chern numbers; in two dimensions their parity is Z2."""
    if evidence.mirrors is None:
        evidence.mirrors = tuple(
            (answer.name, answer.value)
            for mirror in mirror_operations(h, reversal)
            # Not those that are broken by as much as the gap.
            if 2 * mirror.deviation(h, GENERIC_K) <= evidence.gap
            for answer in mirror_chern(h, evidence.occupied, mirror)
            if answer.status == "converged" and answer.value is not None
        )
    numbers = evidence.mirrors
    if not numbers:
        return
    evidence.index(mirror_chern=numbers)
    flow = evidence.indices.z2
    if evidence.dimension == 2 and flow is not None and len(numbers) == 1:
        same = numbers[0][1] % 2 == flow[0]
        evidence.check(
            "mirror Chern number agrees with Z2",
            same,
            float(numbers[0][1]),
            "Its parity is the Z2 index of the plane.",
        )
        if not same:
            evidence.contradict("the mirror Chern number and Z2 have different parities")


# ------------------------------------------------------------ Chern numbers


def _chern_numbers(h: Hoppings, evidence: Evidence, *, real: bool) -> None:
    """Chern numbers of the planes of the zone, without Kramers pairs."""
    if evidence.dimension == 2:
        normal, unit = layer_normal(h), np.eye(3)
        u, v = unit[(normal + 1) % 3], unit[(normal + 2) % 3]
        answer = chern(h, evidence.occupied, u=u, v=v)
        evidence.check(
            "admissible field strength",
            answer.status == "converged",
            answer.largest_flux / np.pi,
            f"Largest lattice field strength / pi on a mesh of {answer.mesh}.",
        )
        if answer.status != "converged" or answer.value is None:
            evidence.leave("the Chern number did not converge")
            return
        evidence.index(chern=(answer.value,))
        if real and answer.value:
            evidence.contradict("a Chern number with time reversal")
        return
    values: dict[str, int | None] = {}
    for axis in range(3):
        u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        for offset, word in PLANES:
            answer = chern(h, evidence.occupied, offset * np.eye(3)[axis], u, v)
            if answer.status == "converged":
                values[f"{AXES[axis]} = {word}"] = answer.value
    _slices_against_nodes(h, values, evidence)
    if evidence.nodes:
        return
    if len(values) < 6:
        evidence.leave("the Chern number of a plane did not converge")
        return
    pairs = [(values[f"{a} = 0"], values[f"{a} = 1/2"]) for a in AXES]
    evidence.index(chern=tuple(first for first, _ in pairs))


def _slices_against_nodes(h: Hoppings, values: dict[str, int | None], evidence: Evidence) -> None:
    """Chern jumps between the planes k_i = 0 and 1/2 against the charges in between.

    Chern numbers of planes go by the order of the reciprocal vectors, charges by
    space: in a left-handed cell they differ in sign.
    """
    left_handed = h.lattice is not None and np.linalg.det(h.lattice) < 0
    for axis, name in enumerate(AXES):
        low, high = values.get(f"{name} = 0"), values.get(f"{name} = 1/2")
        if low is None or high is None:
            continue
        charge = sum(node.chirality for node in evidence.nodes if _inside(node.k[axis]))
        charge = -charge if left_handed else charge
        _compare(
            evidence,
            f"slices agree with nodes along {name}",
            (high - low, charge),
            f"Change of the Chern number from {name} = 0 to 1/2, and the charge in between.",
        )


def _quarters_against_nodes(values: dict[str, int | None], evidence: Evidence) -> None:
    """Strong indices along two axes differ by the charge of a quarter of the zone, mod 2.

    The half planes k_i, k_j = 0, 1/2 bound the quarter 0 < k_i, k_j < 1/2; on
    its edges time reversal fixes the gauge (Fu and Kane, Phys. Rev. B 74,
    195312 (2006), eq. 3.26), so the four Z2 add up to the flux it emits.
    """
    strong = {
        name: (values[f"{name} = 0"] or 0) + (values[f"{name} = 1/2"] or 0)
        for name in AXES
        if f"{name} = 0" in values and f"{name} = 1/2" in values
    }
    for i, j in combinations(range(3), 2):
        if AXES[i] not in strong or AXES[j] not in strong:
            continue
        charge = sum(
            node.chirality for node in evidence.nodes if _inside(node.k[i]) and _inside(node.k[j])
        )
        _compare(
            evidence,
            f"slices agree with nodes of the quarter {AXES[i]}, {AXES[j]} > 0",
            ((strong[AXES[i]] + strong[AXES[j]]) % 2, charge % 2),
            "Z2 of its four sides, and the charge inside, mod 2.",
        )


def _inside(k: float) -> bool:
    return 1e-9 < k < 0.5 - 1e-9


def _compare(evidence: Evidence, name: str, pair: tuple[int, int], text: str) -> None:
    same = pair[0] == pair[1]
    evidence.check(name, same, f"{pair[0]:d} and {pair[1]:d}", text)
    if not same:
        evidence.contradict(f"{text} {pair[0]:d} is not {pair[1]:d}.")


def _winding(h: Hoppings, evidence: Evidence) -> None:
    """Zak phase in one dimension, where a symmetry quantises it."""
    answer = zak(h, evidence.occupied)
    quantised = answer.quantised
    evidence.check(
        "quantised Zak phase",
        True if quantised else None,
        answer.phase / np.pi,
        "Zak phase / pi" + (", quantised by a symmetry." if quantised else "; not quantised."),
    )
    if quantised:
        evidence.index(winding=round(abs(answer.phase) / np.pi) % 2)
