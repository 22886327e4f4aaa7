"""What phase is this Hamiltonian in?  All routes that apply, and they must agree.

The routes are independent of each other: the search for nodes off every mesh,
the flow of Wannier charge centres on the planes that time reversal maps to
themselves (Soluyanov and Vanderbilt 2011), inversion eigenvalues (Fu and Kane
2007), and Chern numbers (Fukui, Hatsugai and Suzuki 2005).  When two of them
contradict each other everything is done again with finer controls; when one
did not converge, it alone is.  What still disagrees is ``unresolved``, and a
gap that cannot be told from zero is ``undefined``.  No label is ever a guess.
"""

from __future__ import annotations

from time import perf_counter

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.certificate import Certificate, Label, Status
from crystalgui.core.physics.gaps import check_occupation, gaps
from crystalgui.core.physics.routes import Evidence, collect
from crystalgui.core.physics.symmetries import dimension as live_directions
from crystalgui.core.physics.wilson import Convergence
from crystalgui.core.structures.hoppings.model import Hoppings

FINER = Convergence(points=(24, 4096), lines=21, min_distance=1e-6, most_lines=600)
"""Controls of the second attempt."""


def classify(
    h: Hoppings,
    occupied: int,
    *,
    dimension: int | None = None,
    gap_tolerance: float = 1e-4,
    nodes: bool = True,
    symmetrise: bool = False,
    options: Convergence | None = None,
) -> Certificate:
    """The certified phase of a Hamiltonian at a filling.

    Parameters
    ----------
    h : Hoppings
    occupied : int
        Number of occupied bands; invariants are those of the gap (at every k)
        above them, whether or not the bands overlap in energy.
    dimension : {1, 2, 3}, optional
        Default: the directions in which anything hops.
    gap_tolerance : float, eV
        A direct gap below it that is not an isolated node is not resolved.
    nodes : bool
        Search for nodes.  Without it only the gap found on a mesh and refined
        off it protects the invariants, and a check says so.
    symmetrise : bool
        Restore time reversal when the file breaks it slightly, and classify
        that Hamiltonian; the certificate says so.
    options : Convergence, optional
        Controls of the Wilson loops of the first attempt.

    Returns
    -------
    Certificate

    Raises
    ------
    PhysicsError
        The filling leaves no gap to look at, or the dimension does not fit.
    """
    begin = perf_counter()
    check_occupation(h, occupied)
    directions = live_directions(h)
    if dimension is None:
        dimension = directions
    elif dimension not in (1, 2, 3) or dimension < directions:
        raise PhysicsError(
            f"{dimension} dimensions do not fit hoppings in {directions} directions.",
            "Leave the dimension out, or choose a larger one.",
            path=h.source,
        )
    found = gaps(h, occupied)
    evidence = collect(
        h,
        occupied,
        found,
        dimension=dimension,
        gap_tolerance=gap_tolerance,
        nodes=nodes,
        symmetrise=symmetrise,
        options=options or Convergence(),
    )
    if evidence.contradiction or evidence.finer:
        evidence = collect(
            h,
            occupied,
            found,
            dimension=dimension,
            gap_tolerance=gap_tolerance,
            nodes=nodes,
            symmetrise=symmetrise,
            options=FINER,
            before=evidence,
        )
    label, status, remark = verdict(evidence, gap_tolerance)
    return Certificate(
        label=label,
        status=status,
        dimension=dimension,
        occupied=occupied,
        gaps=evidence.gaps,
        indices=evidence.indices,
        nodes=evidence.nodes,
        checks=evidence.checks,
        flows=evidence.flows,
        parities=evidence.parities,
        assumptions=h.assumptions,
        remark=remark,
        title=h.title,
        seconds=perf_counter() - begin,
    )


def verdict(evidence: Evidence, gap_tolerance: float) -> tuple[Label, Status, str]:
    """Label, status and remark that the evidence supports."""
    remarks = list(evidence.remarks)
    if evidence.contradiction:
        return "unresolved", "unresolved", "; ".join([evidence.contradiction, *remarks])
    if evidence.nodes:
        label, status, text = _gapless(evidence)
    elif evidence.gap < gap_tolerance:
        return (
            "undefined",
            "undefined",
            f"the direct gap, {evidence.gap:.1e} eV, is not resolved",
        )
    elif evidence.unfinished:
        return "unresolved", "unresolved", "; ".join([evidence.unfinished, *remarks])
    else:
        label, status, text = _gapped(evidence)
    if evidence.gaps.indirect.energy < -gap_tolerance and not evidence.nodes:
        remarks.append(f"bands overlap by {-evidence.gaps.indirect.energy:.3f} eV")
    return label, status, "; ".join([text, *remarks] if text else remarks)


def _gapless(evidence: Evidence) -> tuple[Label, Status, str]:
    if evidence.dimension < 3:
        return "undefined", "undefined", "the gap closes; no invariant is defined"
    if evidence.extended:
        return "metal", "converged", f"the bands touch along a {evidence.extended}"
    kinds = [node.kind for node in evidence.nodes]
    words = ", ".join(
        f"{kinds.count(kind)} {kind} {'node' if kinds.count(kind) == 1 else 'nodes'}"
        for kind in ("Weyl", "Dirac", "crossing")
        if kind in kinds
    )
    if evidence.unfinished:
        return "unresolved", "unresolved", f"{words} found; {evidence.unfinished}"
    if "Weyl" in kinds:
        return "Weyl semimetal", "converged", words
    if "Dirac" in kinds and "crossing" not in kinds:
        return "Dirac semimetal", "converged", words
    return "metal", "converged", f"no direct gap: {words}"


def _gapped(evidence: Evidence) -> tuple[Label, Status, str]:
    indices = evidence.indices
    text = ""
    strong = False
    if indices.z2 is not None:
        strong = bool(indices.z2[0])
        if not strong and any(indices.z2[1:]):
            text = f"weak topological insulator (0;{''.join(map(str, indices.z2[1:]))})"
        elif strong and len(indices.z2) == 1:
            text = "quantum spin Hall insulator"
    if indices.chern is not None and any(indices.chern):
        strong = True
        text = f"Chern insulator, C = {', '.join(map(str, indices.chern))}"
    if indices.winding:
        strong = True
        text = "end states: the Zak phase is pi"
    mirrors = [f"{name}: {value}" for name, value in indices.mirror_chern or () if value]
    if mirrors and not strong and not text:
        text = f"topological crystalline insulator, mirror Chern number {', '.join(mirrors)}"
    return ("topological insulator" if strong else "trivial insulator"), "converged", text
