"""Where in the Brillouin zone the answer of a network rests.

A network of zones reads a Hamiltonian on the mesh k = (2 a - n) / 2 n (Bird
2023, eq. 13) and can say how much its answer depends on the neighbourhood of
each point.  Here that table becomes a function of k: periodic, read in any
plane of the first zone, and drawn in it as surfaces of equal evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import PhaseAnswer
from crystalgui.core.physics.brillouin import Zone
from crystalgui.core.physics.fermi import isosurface
from crystalgui.core.physics.slices import Slice, SliceImage, canvas
from crystalgui.core.physics.tables import header
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

SHELLS = (0.5, 0.8)
"""Surfaces are drawn where the evidence has these parts of its range."""
FLAT = 1e-6
"""Evidence that varies less says nothing of places."""
START = -0.5
"""Reduced k of the first point of the mesh, eq. 13."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """Evidence on the mesh of eq. 13.

    Attributes
    ----------
    values : (n1, n2, n3) float64
        In [0, 1]; an axis with one point is one along which nothing varies.
    method : str
        ``"gradient"`` or ``"occlusion"``.
    """

    values: Floats
    method: str = ""

    @classmethod
    def of(cls, answer: PhaseAnswer) -> Evidence:
        """That of an answer."""
        values = np.asarray(answer.evidence, dtype=np.float64)
        if values.ndim != 3 or not values.size or not np.isfinite(values).all():
            raise PhysicsError(
                f"This evidence of shape {values.shape} is none on a mesh of the zone.",
                "Ask the network again.",
            )
        return cls(values=values, method=answer.method)

    @property
    def flat(self) -> bool:
        """Whether it is the same everywhere."""
        return float(np.ptp(self.values)) < FLAT

    @property
    def sentence(self) -> str:
        """What is shown, in words."""
        mesh = "×".join(str(n) for n in self.values.shape)
        how = f" by {self.method}" if self.method else ""
        return f"evidence of the network{how}, interpolated between {mesh} points"

    def k(self) -> Floats:
        """(n1, n2, n3, 3): reduced k of the mesh; 0 along an axis with one point."""
        axes = [np.arange(n) / n + START if n > 1 else np.zeros(1) for n in self.values.shape]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def strongest(self) -> Floats:
        """(3,) reduced k of the mesh point with the most evidence."""
        place = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return np.asarray(self.k()[place])

    def at(self, k: Floats) -> Floats:
        """Evidence (...,) at reduced k (..., 3): periodic splines, in the range of the table."""
        from scipy.ndimage import map_coordinates

        k = np.asarray(k, dtype=np.float64)
        counts = np.array(self.values.shape)
        place = np.where(counts > 1, (k - START) * counts, 0.0)
        flat = place.reshape(-1, 3).T
        found = map_coordinates(self.values, flat, order=3, mode="grid-wrap")
        found = np.clip(found, self.values.min(), self.values.max())
        return np.asarray(found).reshape(k.shape[:-1])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EvidenceSheet:
    """A surface of equal evidence in the first zone.

    Attributes
    ----------
    part : float
        Of the range of the evidence, in (0, 1).
    level : float
        The evidence on it.
    vertices : (v, 3) float64, 1/Angstrom
    faces : (f, 3) int64
        Triangles; (f, 2) segments for a layer.
    normals : (v, 3) float64
        Towards less evidence; not of length one.
    """

    part: float
    level: float
    vertices: Floats
    faces: NDArray[np.int64]
    normals: Floats


def evidence_sheets(
    evidence: Evidence, first: Zone, parts: tuple[float, ...] = SHELLS
) -> tuple[EvidenceSheet, ...]:
    """Surfaces that enclose where the answer rests, the outer one first.

    None where the evidence is the same everywhere, or varies along fewer than
    two directions.
    """
    values = evidence.values
    varies = np.array([n > 1 and float(np.ptp(values, axis=i).max()) > FLAT
                       for i, n in enumerate(values.shape)])  # fmt: skip
    if evidence.flat or varies.sum() < 2:
        return ()
    for axis in np.flatnonzero(~varies):
        values = values.take([0], axis=int(axis))
    low, high = float(values.min()), float(values.max())
    sheets = []
    for part in sorted(parts):
        level = low + part * (high - low)
        found = isosurface(values, level, first, live=varies, refine=3, start=START)
        if found is not None:
            vertices, faces, slopes = found
            sheets.append(
                EvidenceSheet(
                    part=part, level=level, vertices=vertices, faces=faces, normals=-slopes
                )
            )
    return tuple(sheets)


def evidence_slice(
    evidence: Evidence, h: Hoppings, request: Slice, first: Zone | None = None
) -> SliceImage:
    """Evidence on a plane through the zone."""
    plane, x, y, where = canvas(h, request, first)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    values = np.where(where, evidence.at(plane.reduced(grid)), np.nan)
    return SliceImage(request=request, plane=plane, x=x, y=y, values=values)


# ------------------------------------------------------------ tables


def answer_csv(answer: PhaseAnswer, h: Hoppings | None = None) -> str:
    """``phase,probability``, the most probable first."""
    lines = [
        f"network: {answer.title} ({answer.model})",
        *(f"remark: {warning}" for warning in answer.warnings),
    ]
    rows = ["phase,probability", *(f"{name},{p:.6f}" for name, p in answer.probabilities)]
    return header(h, *lines) + "\n".join(rows) + "\n"


def evidence_csv(answer: PhaseAnswer, h: Hoppings | None = None) -> str:
    """``k1,k2,k3,evidence`` of every point of the mesh, reduced k."""
    evidence = Evidence.of(answer)
    k = evidence.k().reshape(-1, 3)
    rows = ["k1,k2,k3,evidence"]
    rows += [
        f"{a:.8f},{b:.8f},{c:.8f},{value:.6f}"
        for (a, b, c), value in zip(k, evidence.values.ravel(), strict=True)
    ]
    lines = (
        f"network: {answer.title} ({answer.model})",
        f"evidence by {answer.method}, in [0, 1], on k = (2 a - n) / 2 n",
    )
    return header(h, *lines) + "\n".join(rows) + "\n"
