"""The answer to "what phase is this Hamiltonian in?", with everything that supports it.

A label never comes alone: it carries a status, the gaps, the indices of every
route that applies, the nodes, and the checks that had to agree.  Routes that
disagree give ``unresolved``; a gap that cannot be resolved gives
``undefined``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.gaps import Gaps
from crystalgui.core.structures.hoppings.model import Assumptions

if TYPE_CHECKING:
    from crystalgui.core.physics.parities import Parities
    from crystalgui.core.physics.wilson import WilsonFlow

Floats = NDArray[np.float64]

Label = Literal[
    "trivial insulator",
    "topological insulator",
    "Weyl semimetal",
    "Dirac semimetal",
    "metal",
    "undefined",
    "unresolved",
]
LABELS: tuple[Label, ...] = (
    "trivial insulator",
    "topological insulator",
    "Weyl semimetal",
    "Dirac semimetal",
    "metal",
    "undefined",
    "unresolved",
)
Status = Literal["converged", "unresolved", "undefined"]
NodeKind = Literal["Weyl", "Dirac", "crossing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One test that supports or spoils the answer.

    ``passed`` is None when the test does not apply or only warns; ``value``
    is the number that was tested and ``text`` one sentence for people.
    """

    name: str
    passed: bool | None
    value: float | str
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Node:
    """A point where the highest occupied and the lowest empty band touch.

    Attributes
    ----------
    k : (3,) float64
        Reduced, in (-1/2, 1/2].
    energy : float, eV
    chirality : int
        Chern number of the occupied bands through a small sphere, outward
        normal; 0 for Dirac points and protected crossings.
    kind : {"Weyl", "Dirac", "crossing"}
        ``Weyl``: twofold with chirality; ``Dirac``: fourfold; ``crossing``:
        anything else (chirality 0, triple points, nodal lines).
    degeneracy : int
        Bands that meet at the node.
    gap : float, eV
        What is left of the gap at the refined k.
    """

    k: Floats
    energy: float
    chirality: int
    kind: NodeKind
    degeneracy: int = 2
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """Topological indices; None where one does not apply or is not known.

    Attributes
    ----------
    z2 : tuple of int
        (nu,) in two dimensions, (nu0, nu1, nu2, nu3) in three.
    z4 : int
        From inversion eigenvalues, three dimensions.
    chern : tuple of int
        (C,) in two dimensions; in three the Chern numbers of the planes
        perpendicular to each reciprocal vector.
    mirror_chern : tuple of (name of the plane, number)
    winding : int
        One dimension: Zak phase / pi mod 2 where it is quantised.
    """

    z2: tuple[int, ...] | None = None
    z4: int | None = None
    chern: tuple[int, ...] | None = None
    mirror_chern: tuple[tuple[str, int], ...] | None = None
    winding: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Certificate:
    """What phase, how sure, and why.

    Attributes
    ----------
    label, status
        See the module; ``remark`` adds what the label does not say (weak
        indices, Chern number, overlapping bands).
    dimension : int
        Directions in which anything hops (or as asked).
    occupied : int
    gaps : Gaps or None
    indices : Indices
    nodes : tuple of Node
        Complete under the symmetries of the Hamiltonian and time reversal.
    checks : tuple of Check
    flows : tuple of (name, WilsonFlow)
        Wannier charge centres on each plane that was computed, e.g.
        ``"k1 = 0"``.
    parities : Parities or None
        Inversion eigenvalues, where inversion was found.
    assumptions : Assumptions
        Of the files.
    title : str
    seconds : float
        Time it took.
    """

    label: Label
    status: Status
    dimension: int
    occupied: int
    gaps: Gaps | None
    indices: Indices = field(default_factory=Indices)
    nodes: tuple[Node, ...] = ()
    checks: tuple[Check, ...] = ()
    flows: tuple[tuple[str, WilsonFlow], ...] = ()
    parities: Parities | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)
    remark: str = ""
    title: str = ""
    seconds: float = 0.0

    @property
    def z2_text(self) -> str:
        """``(1;000)`` in three dimensions, ``1`` in two, empty when not known."""
        z2 = self.indices.z2
        if z2 is None:
            return ""
        return str(z2[0]) if len(z2) == 1 else f"({z2[0]};{''.join(map(str, z2[1:]))})"


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """The certificate as plain values for one JSON object; NaN never occurs."""
    c, i, gaps = certificate, certificate.indices, certificate.gaps
    said = c.assumptions
    return {
        "label": c.label,
        "status": c.status,
        "remark": c.remark,
        "title": c.title,
        "dimension": c.dimension,
        "occupied": c.occupied,
        "indices": {
            "z2": None if i.z2 is None else list(i.z2),
            "z4": i.z4,
            "chern": None if i.chern is None else list(i.chern),
            "mirror_chern": None if i.mirror_chern is None else dict(i.mirror_chern),
            "winding": i.winding,
        },
        "gap": None
        if gaps is None
        else {
            "direct_ev": gaps.direct.energy,
            "indirect_ev": gaps.indirect.energy,
            "k_direct": gaps.direct.k_lower.tolist(),
            "k_valence": gaps.indirect.k_lower.tolist(),
            "k_conduction": gaps.indirect.k_upper.tolist(),
        },
        "nodes": [
            {
                "k": node.k.tolist(),
                "energy_ev": node.energy,
                "chirality": node.chirality,
                "kind": node.kind,
                "degeneracy": node.degeneracy,
            }
            for node in c.nodes
        ],
        "checks": [
            {
                "name": check.name,
                "passed": check.passed,
                "value": _plain(check.value),
                "text": check.text,
            }
            for check in c.checks
        ],
        "assumptions": {
            "lattice_from": said.lattice_from,
            "wigner_seitz": said.wigner_seitz,
            "ws_distance_missing": said.ws_distance_missing,
            "degeneracies": said.degeneracies,
            "rounding_ev": said.rounding,
            "positions_from": said.positions_from,
            "sha256": said.sha256,
            "spin_order": said.spin_order,
            "time_reversal_residual_ev": _plain(said.time_reversal_residual),
            "hermiticity_residual_ev": said.hermiticity_residual,
            "files": list(said.files),
            "sentence": said.sentence(),
        },
        "seconds": round(c.seconds, 3),
    }


def _plain(value: float | str) -> float | str | None:
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None
