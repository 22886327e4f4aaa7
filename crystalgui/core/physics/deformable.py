"""Models whose hoppings follow a strained lattice: what a design can start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.slater_koster import Integral, SlaterKoster, pair_table
from crystalgui.core.physics.strain import Deformable
from crystalgui.core.physics.zoo.bitei import (
    BI,
    CUT_OFF,
    FADE,
    FADE_WIDTH,
    FIT,
    IODINE,
    P22,
    REFERENCE,
    TE,
    BiTeIParameters,
    structure,
)

Floats = NDArray[np.float64]

_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def bitei_with(parameters: BiTeIParameters, title: str) -> SlaterKoster:
    """BiTeI at ambient pressure with a parameter set of `zoo.bitei`."""
    lattice, frac = structure(0.0)
    factors = [[parameters.factor(i, j) for j in range(3)] for i in range(3)]
    return SlaterKoster(
        lattice=lattice,
        frac=frac,
        species=np.array([BI, TE, IODINE]),
        s_level=np.full(3, np.nan),
        p_level=np.array(parameters.onsite),
        crystal_field=np.array(parameters.crystal_field),
        spin_orbit=np.array(parameters.spin_orbit),
        pp_sigma=Integral(
            value=pair_table(factors, parameters.sigma), decay=parameters.sigma_decay
        ),
        pp_pi=Integral(value=pair_table(factors, parameters.pi), decay=parameters.pi_decay),
        reference=REFERENCE,
        cut_off=CUT_OFF,
        fade=FADE,
        fade_width=FADE_WIDTH,
        occupied=12,
        title=title,
    )


def bitei() -> SlaterKoster:
    """BiTeI at ambient pressure with the parameter set FIT of `zoo.bitei`."""
    return bitei_with(FIT, "BiTeI, 18-orbital Slater-Koster model")


def bitei_p22() -> SlaterKoster:
    """BiTeI at ambient pressure with the parameter set P22 of `zoo.bitei`."""
    return bitei_with(P22, "BiTeI, 18-orbital Slater-Koster model P22")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Diamond:
    """Fu-Kane-Mele on the diamond lattice with hoppings that follow the bonds.

    t(r) = t exp(-(r - r0) / decay) on the four bonds and the spin-orbit term
    i (8 lambda / a^2) s.(d1 x d2) of Fu, Kane and Mele, Phys. Rev. Lett. 98,
    106803 (2007), with the strained bond vectors d.  Without strain it is
    `zoo.fu_kane_mele`.

    Attributes
    ----------
    t, spin_orbit, staggered : float, eV
    factors : four floats
        Of t on each bond.
    decay, a : float, Angstrom
    """

    t: float = 1.0
    spin_orbit: float = 0.125
    staggered: float = 0.0
    factors: tuple[float, float, float, float] = (1.4, 1.0, 1.0, 1.0)
    decay: float = 0.6
    a: float = 5.43
    occupied: int = 2
    title: str = "Fu-Kane-Mele diamond, t(r)"

    @property
    def lattice(self) -> Floats:
        """(3, 3) face-centred lattice, rows in Angstrom."""
        return np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) * self.a / 2

    @property
    def frac(self) -> Floats:
        """(2, 3) the two sites."""
        return np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]])

    @property
    def species(self) -> NDArray[np.int64]:
        """(2,) drawn as silicon."""
        return np.array([14, 14])

    @property
    def centres(self) -> Floats:
        """(4, 3) A up, B up, A down, B down."""
        return np.tile(self.frac, (2, 1))

    _TO_B = ((0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1))

    def _second(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """First and second bond of each second-neighbour hop, and its cell."""
        one, two = (x.ravel() for x in np.indices((4, 4)))
        keep = one != two
        one, two = one[keep], two[keep]
        to_b = np.array(self._TO_B)
        return one, two, to_b[one] - to_b[two]

    def _cells(self) -> NDArray[np.int64]:
        to_b = np.array(self._TO_B)
        every = np.concatenate([np.zeros((1, 3), int), to_b, -to_b, self._second()[2]])
        return np.unique(every, axis=0)

    def terms(self, lattice: Any, frac: Any) -> tuple[NDArray[np.int64], Any]:
        """Cells and matrices at another lattice, on any array library."""
        from array_api_compat import array_namespace, device

        xp = array_namespace(lattice, frac)
        here = device(lattice)
        arms = self._arms(lattice, frac)
        length = xp.sqrt(xp.sum(arms * arms, axis=-1))
        factor = xp.asarray(np.array(self.factors) * self.t, device=here)
        t = factor * xp.exp(-(length - np.sqrt(3) / 4 * self.a) / self.decay)
        one, two, _ = self._second()
        turn = _cross(xp, arms[one], -arms[two]) * (8 * self.spin_orbit / self.a**2)
        first, second = self._patterns()
        local = np.zeros(first.shape[1:], dtype=np.complex128)
        home = int(np.flatnonzero((self._cells() == 0).all(axis=1))[0])
        local[home] = np.kron(np.eye(2), np.diag([self.staggered, -self.staggered]))
        matrices = (
            xp.asarray(local, device=here)
            + xp.tensordot(t + 0j, xp.asarray(first, device=here), axes=1)
            + xp.tensordot(turn + 0j, xp.asarray(second, device=here), axes=2)
        )
        return self._cells(), matrices

    def change(self, lattice: Floats, frac: Floats, turn: Floats) -> NDArray[np.complex128]:
        """Derivative of the matrices along a change (3, 3) of the lattice, eV."""
        arms, moved = self._arms(lattice, frac), self._arms(turn, frac)
        length = np.linalg.norm(arms, axis=1)
        t = np.array(self.factors) * self.t
        t = t * np.exp(-(length - np.sqrt(3) / 4 * self.a) / self.decay)
        slope = -t / self.decay * (arms * moved).sum(axis=1) / length
        one, two, _ = self._second()
        cross = np.cross(moved[one], -arms[two]) + np.cross(arms[one], -moved[two])
        first, second = self._patterns()
        result = np.tensordot(slope, first, axes=1)
        result = result + np.tensordot(cross * (8 * self.spin_orbit / self.a**2), second, axes=2)
        return np.asarray(result, dtype=np.complex128)

    def _arms(self, lattice: Any, frac: Any) -> Any:
        """(4, 3) vectors from A to its four B, Angstrom."""
        from array_api_compat import array_namespace, device

        xp = array_namespace(lattice, frac)
        cells = xp.asarray(np.array(self._TO_B, dtype=np.float64), device=device(lattice))
        return (cells + frac[1] - frac[0]) @ lattice

    def _patterns(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Where a bond (4, m, n, n) and a component of a turn (12, 3, m, n, n) enter."""
        cells = self._cells()
        row = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
        first = np.zeros((4, len(cells), 4, 4), dtype=np.complex128)
        to_b = np.kron(np.eye(2), [[0, 1], [0, 0]])
        for bond, cell in enumerate(self._TO_B):
            first[bond, row[cell]] += to_b
            first[bond, row[tuple(-x for x in cell)]] += to_b.T
        one, _, steps = self._second()
        second = np.zeros((len(one), 3, len(cells), 4, 4), dtype=np.complex128)
        for hop, step in enumerate(steps.tolist()):
            for axis in range(3):
                second[hop, axis, row[tuple(step)]] = 1j * np.kron(
                    _PAULI[axis], np.diag([1.0, -1.0])
                )
        return first, second


def _cross(xp: Any, a: Any, b: Any) -> Any:
    """Cross product of rows (m, 3)."""
    x = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    y = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    z = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return xp.stack([x, y, z], axis=-1)


def _diamond_with_potential() -> Diamond:
    return Diamond(staggered=0.2, title="Fu-Kane-Mele diamond, t(r), staggered potential")


MODELS: Mapping[str, tuple[str, Callable[[], Deformable]]] = MappingProxyType(
    {
        "bitei": ("BiTeI, Slater–Koster", bitei),
        "bitei-p22": ("BiTeI, Slater–Koster (P22)", bitei_p22),
        "diamond": ("Fu–Kane–Mele diamond", Diamond),
        "diamond-staggered": ("Fu–Kane–Mele, staggered", _diamond_with_potential),
    }
)
"""Models that follow a strain: name -> (title, how to make it)."""


def model(name: str) -> Deformable:
    """The model called ``name``."""
    if name not in MODELS:
        raise PhysicsError(
            f"There is no model {name!r} that follows a strain.",
            f"Choose one of {', '.join(MODELS)}.",
        )
    return MODELS[name][1]()
