"""Families of random Hamiltonians, from which networks learn phases and on which they are tested.

Each draws settings of a published model (see `physics.zoo`) or of a variant of
it, first the phase to aim at and then settings near or within it, so that
phases are about equally frequent; what a draw really is, is certified
afterwards.  Hoppings that are random but symmetric (`physics.perturb`) take
away accidental symmetries, and the lattice vectors come in any order and
sense, because nothing should be learned from how they are called.  A draw
depends on the name of its family, a seed and its number alone.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from crystalgui.core.datasets.hamiltonians.lattices import (
    anisotropic_cubic,
    chern_square,
    dimers,
    random_crystal,
    shockley,
    turned,
)
from crystalgui.core.errors import DataError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.perturb import add, noise, spin_orbit_path
from crystalgui.core.structures.hoppings.model import Hoppings, SpinOrder

Random = np.random.Generator
Settings = dict[str, Any]
BI2SE3 = Path("hoppings", "Bi2Se3", "wannier90_hr.dat.gz")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Draw:
    """A Hamiltonian that was drawn, its filling, and the settings it has."""

    hoppings: Hoppings
    occupied: int
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A generator of Hamiltonians.

    Attributes
    ----------
    name, title : str
    dimension : int
        Directions in which anything hops.
    make : callable
        Draws (Hamiltonian, settings); without noise and as the model is written.
    noise : (least, most)
        Strength of the symmetric noise, drawn on a logarithmic scale, as
        `physics.perturb.noise` takes it with the normalisation ``mean``; (0, 0)
        for none.
    share : float
        Of the draws that have noise.
    spin : {"spinless", "blocks"}, optional
        Order of spins for the noise, where time reversal is broken and so not found.
    text : str
        Which phases it has.
    missing : callable
        Why it cannot be drawn on this machine; empty when it can.
    """

    name: str
    title: str
    dimension: int
    make: Callable[[Random], tuple[Hoppings, Settings]]
    noise: tuple[float, float] = (0.0, 0.0)
    share: float = 0.8
    spin: SpinOrder | None = None
    text: str = ""
    missing: Callable[[], str] = lambda: ""

    def draw(self, rng: Random) -> Draw:
        """One Hamiltonian."""
        h, settings = self.make(rng)
        exact = bool(settings.pop("exact", False))
        if self.noise[1] > 0 and not exact and rng.random() < self.share:
            strength = float(np.exp(rng.uniform(*np.log(self.noise))))
            seed = int(rng.integers(2**31))
            made = noise(
                h,
                strength,
                seed,
                normalisation="mean",
                envelope="hoppings",
                spin_order=self.spin if h.assumptions.spin_order == "unknown" else None,
            )
            h = add(h, made)
            settings |= {"noise": strength, "noise_seed": seed}
        order, signs = rng.permutation(3), rng.choice([-1, 1], 3)
        settings |= {"order": order.tolist(), "signs": signs.tolist()}
        occupied = h.occupied or h.n_orbitals // 2
        h = replace(turned(h, order, signs), title=f"{self.title}", occupied=occupied)
        return Draw(hoppings=h, occupied=occupied, settings=settings)


def draw(name: str, seed: int, number: int) -> Draw:
    """Draw ``number`` of a family; the same on every machine.

    Raises
    ------
    DataError
        There is no such family, or not on this machine.
    """
    if name not in FAMILIES:
        raise DataError(
            f"There is no family of Hamiltonians {name!r}.",
            f"Choose from {', '.join(FAMILIES)}.",
        )
    family = FAMILIES[name]
    if reason := family.missing():
        raise DataError(f"{family.title} cannot be drawn: {reason}", "Leave the family out.")
    return family.draw(np.random.default_rng([seed, zlib.crc32(name.encode()), number]))


# ------------------------------------------------------------------ pieces


def _number(rng: Random, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _log(rng: Random, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _sign(rng: Random) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _around(rng: Random, edges: tuple[float, ...]) -> float:
    """A place in one of the stretches between edges, each equally likely, off the edges."""
    i = int(rng.integers(len(edges) - 1))
    low, high = edges[i : i + 2]
    return low + (high - low) * float(rng.beta(1.2, 1.2))


# ------------------------------------------------------------------ one and two dimensions


def _ssh(rng: Random) -> tuple[Hoppings, Settings]:
    strong, weak = _number(rng, 0.5, 1.5), 0.0
    weak = strong * _number(rng, 0.05, 0.95)
    v, w = (strong, weak) if rng.random() < 0.5 else (weak, strong)
    settings = {
        "v": v * _sign(rng), "w": w * _sign(rng),
        "third": _number(rng, -0.3, 0.3) * (strong - weak), "same": _number(rng, -0.4, 0.4),
    }  # fmt: skip
    return dimers(**settings), settings


def _shockley(rng: Random) -> tuple[Hoppings, Settings]:
    t = _number(rng, 0.2, 1.0)
    edges = (-2.0, 2.0) if rng.random() < 0.5 else (2.0, 5.0)
    settings = {
        "mass": t * _around(rng, edges) * _sign(rng), "t": t,
        "coupling": _number(rng, 0.1, 1.5), "same": _number(rng, -0.3, 0.3),
        "second": t * _number(rng, -0.2, 0.2),
    }  # fmt: skip
    return shockley(**settings), settings


def _haldane(rng: Random) -> tuple[Hoppings, Settings]:
    t2, phi = _number(rng, 0.03, 0.3), _number(rng, 0.15, np.pi - 0.15) * _sign(rng)
    edge = 3 * np.sqrt(3) * t2 * abs(np.sin(phi))
    mass = edge * _around(rng, (0.0, 1.0, 3.0)) * _sign(rng)
    settings = {"t1": _number(rng, 0.5, 1.5), "t2": t2, "phi": phi, "mass": mass}
    return zoo.haldane(**settings), settings


def _chern_square(rng: Random) -> tuple[Hoppings, Settings]:
    bx, by = _number(rng, 0.5, 1.5), _number(rng, 0.5, 1.5)
    wide, narrow = bx + by, abs(bx - by)
    edges = (-2 * wide, -wide, -narrow, narrow, wide, 2 * wide)
    inside = rng.random() < 0.5
    parts = (1, 3) if inside else (0, 2, 4)
    part = int(rng.choice(parts))
    settings = {
        "mass": _around(rng, edges[part : part + 2]), "bx": bx, "by": by,
        "ax": _number(rng, 0.2, 2.0), "ay": _number(rng, 0.2, 2.0),
    }  # fmt: skip
    return chern_square(**settings), settings


def _kane_mele(rng: Random) -> tuple[Hoppings, Settings]:
    spin_orbit = _number(rng, 0.03, 0.2) * _sign(rng)
    edge = 3 * np.sqrt(3) * abs(spin_orbit)
    settings = {
        "t": _number(rng, 0.5, 1.5), "spin_orbit": spin_orbit,
        "rashba": _number(rng, 0.0, 1.5) * abs(spin_orbit) * (rng.random() < 0.7),
        "staggered": edge * _around(rng, (0.0, 0.8, 2.5)) * _sign(rng),
    }  # fmt: skip
    return zoo.kane_mele(**settings), settings


def _bhz(rng: Random) -> tuple[Hoppings, Settings]:
    b = _number(rng, 0.3, 1.5)
    settings = {
        "A": _number(rng, 0.2, 2.0), "B": b, "M": b * _around(rng, (-4.0, 0.0, 4.0, 8.0, 12.0)),
    }  # fmt: skip
    return zoo.bhz(**settings), settings


def _square(rng: Random) -> tuple[Hoppings, Settings]:
    settings = {
        "gap": _log(rng, 0.05, 3.0), "t": _number(rng, 0.0, 0.8), "rashba": _number(rng, 0.0, 0.3),
    }  # fmt: skip
    return zoo.trivial_square(**settings), settings


def _random(dimension: int) -> Callable[[Random], tuple[Hoppings, Settings]]:
    def make(rng: Random) -> tuple[Hoppings, Settings]:
        inversion = bool(rng.random() < 0.5)
        # Where trivial and other phases are about equally frequent.
        low, high = (0.0, 0.5) if inversion else (0.4, 1.4) if dimension == 3 else (0.0, 0.8)
        settings: Settings = {
            "seed": int(rng.integers(2**31)), "orbitals": int(rng.choice([2, 2, 3, 4])),
            "splitting": _number(rng, low, high), "inversion": inversion,
        }  # fmt: skip
        return random_crystal(dimension=dimension, **settings), settings

    return make


# ------------------------------------------------------------------ three dimensions


def _masses(rng: Random, exact: float) -> tuple[Settings, bool]:
    """Settings of the anisotropic cubic model; exactly at a closing in some of the draws."""
    b = [_number(rng, 0.4, 1.4) for _ in range(3)]
    closings = sorted({4 * sum(b[i] for i in range(3) if part >> i & 1) for part in range(8)})
    settings: Settings = {"a": [_number(rng, 0.3, 1.8) for _ in range(3)], "b": b}
    if rng.random() < exact:
        return settings | {"mass": float(rng.choice(closings))}, True
    edges = (-4.0, *closings, closings[-1] + 4.0)
    return settings | {"mass": _around(rng, edges)}, False


def _cubic(rng: Random) -> tuple[Hoppings, Settings]:
    settings, exact = _masses(rng, 0.15)
    return anisotropic_cubic(**settings), settings | {"exact": exact}


def _magnetic(rng: Random) -> tuple[Hoppings, Settings]:
    settings, _ = _masses(rng, 0.0)
    settings |= {"zeeman": [_number(rng, -1.4, 1.4) * (rng.random() < 0.4) for _ in range(3)]}
    return anisotropic_cubic(**settings), settings


def _diamond(rng: Random) -> tuple[Hoppings, Settings]:
    kind = rng.random()
    spin_orbit = _number(rng, 0.06, 0.25)
    settings: Settings = {"spin_orbit": spin_orbit, "staggered": 0.0}
    if kind < 0.12:
        return zoo.fu_kane_mele(bonds=(1, 1, 1, 1), **settings), settings | {"exact": True}
    bonds = [_number(rng, 0.6, 1.5) for _ in range(4)]
    if kind > 0.45:
        # Near the closing of the first bond against the sum of the others: nodes without inversion.
        bonds[0] = bonds[1] + bonds[2] - bonds[3] + _number(rng, -0.3, 0.3)
        settings["staggered"] = _number(rng, 0.5, 4.0) * spin_orbit * _sign(rng)
    if kind > 0.85:
        settings["staggered"] = _number(rng, 4.0, 10.0) * spin_orbit * _sign(rng)
    settings["bonds"] = bonds
    return zoo.fu_kane_mele(**settings), settings


def _weyl(rng: Random) -> tuple[Hoppings, Settings]:
    m1 = _number(rng, 0.4, 1.5)
    settings = {
        "A": _number(rng, 0.3, 1.8), "M0": m1 * _around(rng, (-3.0, 0.0, 4.0, 8.0, 12.0, 15.0)),
        "M1": m1,
    }  # fmt: skip
    return zoo.weyl(**settings), settings


def _na3bi(rng: Random) -> tuple[Hoppings, Settings]:
    kind = rng.random()
    settings: Settings = {"zeeman": 0.0, "strain": _number(rng, -0.15, 0.06)}
    if kind < 0.4:
        return zoo.na3bi(**settings), settings | {"exact": True}
    if kind < 0.65:
        settings["zeeman"] = _number(rng, 0.01, 0.08) * _sign(rng)
    elif kind < 0.85:
        settings["strain"] = _number(rng, 0.09, 0.4)
    return zoo.na3bi(**settings), settings


def _bitei(rng: Random) -> tuple[Hoppings, Settings]:
    settings = {"x": _around(rng, (-0.5, 1.35, 1.6, 2.8))}
    return zoo.bitei(**settings), settings


def _bi2se3(rng: Random) -> tuple[Hoppings, Settings]:
    settings = {"strength": _around(rng, (0.15, 0.48, 0.56, 1.1))}
    return spin_orbit_path(_bismuth_selenide(), settings["strength"]), settings


def data_folder() -> Path:
    """Where hopping files from elsewhere are: ``CRYSTALGUI_DATA``, or beside the checkout."""
    beside = Path(__file__).resolve().parents[5] / "shared" / "data"
    return Path(os.environ.get("CRYSTALGUI_DATA") or beside)


@lru_cache(maxsize=1)
def _bismuth_selenide() -> Hoppings:
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    return replace(read_hoppings(data_folder() / BI2SE3), occupied=18)


def _no_bismuth_selenide() -> str:
    if (data_folder() / BI2SE3).is_file():
        return ""
    return f"its hoppings ({BI2SE3.as_posix()}) are not in the data folder of this machine."


_ALL = (
    Family(
        name="ssh", title="Su–Schrieffer–Heeger chain", dimension=1, make=_ssh,
        text="Zak phase 0 or π, with hops to the third neighbour that keep inversion.",
    ),
    Family(
        name="shockley", title="Shockley chain", dimension=1, make=_shockley,
        text="s and p orbitals on one site: bands inverted (Zak phase π) or not.",
    ),
    Family(
        name="haldane", title="Haldane", dimension=2, make=_haldane,
        spin="spinless", noise=(0.01, 0.15), text="Chern insulator or trivial.",
    ),
    Family(
        name="chern-square", title="Square Chern insulator", dimension=2, make=_chern_square,
        spin="spinless", noise=(0.01, 0.2),
        text="Two bands: Chern insulator or trivial, four mass inversions.",
    ),
    Family(
        name="kane-mele", title="Kane–Mele", dimension=2, make=_kane_mele, noise=(0.005, 0.1),
        text="Quantum spin Hall insulator or trivial.",
    ),
    Family(
        name="bhz", title="Bernevig–Hughes–Zhang", dimension=2, make=_bhz, noise=(0.01, 0.2),
        text="Quantum spin Hall insulator or trivial.",
    ),
    Family(
        name="trivial-square", title="Trivial square lattice", dimension=2, make=_square,
        noise=(0.01, 0.3), text="Control: atomic insulators with spin.",
    ),
    Family(
        name="random-layer", title="Random layer", dimension=2, make=_random(2),
        text="Random hoppings with time reversal, with and without inversion, 4-8 orbitals.",
    ),
    Family(
        name="cubic", title="Cubic four-band", dimension=3, make=_cubic, noise=(0.005, 0.15),
        text="Strong, weak and trivial insulators, Dirac at the transitions, few Weyl.",
    ),
    Family(
        name="magnetic-cubic", title="Cubic with exchange field", dimension=3, make=_magnetic,
        spin="blocks", noise=(0.005, 0.1),
        text="Without time reversal: Weyl semimetals, Chern insulators, trivial.",
    ),
    Family(
        name="fu-kane-mele", title="Fu–Kane–Mele diamond", dimension=3, make=_diamond,
        noise=(0.003, 0.1), text="Strong, weak, trivial; Weyl without inversion; Dirac.",
    ),
    Family(
        name="weyl", title="Two-band Weyl semimetal", dimension=3, make=_weyl,
        spin="spinless", noise=(0.005, 0.1),
        text="Without time reversal: Weyl semimetals, layered Chern insulators, trivial.",
    ),
    Family(
        name="na3bi", title="Na₃Bi", dimension=3, make=_na3bi, noise=(0.003, 0.05), share=0.7,
        spin="blocks",
        text="Dirac semimetal; Weyl in a field; insulators under strain.",
    ),
    Family(
        name="random-crystal", title="Random crystal", dimension=3, make=_random(3),
        text="Random hoppings with time reversal, with and without inversion, 4-8 orbitals.",
    ),
    Family(
        name="bitei", title="BiTeI under pressure", dimension=3, make=_bitei, noise=(0.002, 0.03),
        text="Trivial, Weyl, strong; 18 orbitals.",
    ),
    Family(
        name="bi2se3", title="Bi₂Se₃, spin-orbit path", dimension=3, make=_bi2se3,
        noise=(0.002, 0.03), missing=_no_bismuth_selenide,
        text="First principles: trivial to strong by spin-orbit coupling; 30 orbitals.",
    ),
)  # fmt: skip

FAMILIES: Mapping[str, Family] = MappingProxyType({f.name: f for f in _ALL})
"""Every family by its name."""
