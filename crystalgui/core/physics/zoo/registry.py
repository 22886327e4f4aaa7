"""Every model by name, with its settings: for forms, the command line and phase diagrams."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.zoo.bitei import bitei, bitei_p22
from crystalgui.core.physics.zoo.controls import trivial_chain, trivial_square
from crystalgui.core.physics.zoo.diamond import fu_kane_mele
from crystalgui.core.physics.zoo.honeycomb import haldane, kane_mele
from crystalgui.core.physics.zoo.sodium_bismuthide import na3bi
from crystalgui.core.physics.zoo.square import bhz, cubic, ssh, weyl
from crystalgui.core.structures.hoppings.model import Hoppings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that a model depends on.

    Attributes
    ----------
    name : str
        Keyword of the function.
    default : float
    minimum, maximum : float
        Range worth looking at, for sliders and phase diagrams.
    unit : str
    meaning : str
    strict : bool
        Whether values outside the range are impossible.
    whole : bool
        Only whole numbers.
    """

    name: str
    default: float
    minimum: float
    maximum: float
    unit: str
    meaning: str
    strict: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """A model Hamiltonian.

    Attributes
    ----------
    name, title : str
    function : callable
        Takes the parameters as keywords.
    parameters : tuple of Parameter
    paper : str
    text : str
        What it shows.
    dimension : int
        Directions in which electrons move.
    """

    name: str
    title: str
    function: Callable[..., Hoppings]
    parameters: tuple[Parameter, ...]
    paper: str
    text: str
    dimension: int

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; raises `PhysicsError`."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise PhysicsError(
            f"The model {self.name} has no setting {name!r}.",
            f"Its settings are {', '.join(p.name for p in self.parameters)}.",
        )

    def build(self, **settings: object) -> Hoppings:
        """The Hamiltonian; settings that are not given keep their defaults."""
        values: dict[str, float] = {p.name: p.default for p in self.parameters}
        values.update({k: _number(self.parameter(k), v) for k, v in settings.items()})
        return self.function(
            **{
                p.name: round(values[p.name]) if p.whole else values[p.name]
                for p in self.parameters
            }
        )


def build(name: str, /, **settings: object) -> Hoppings:
    """The model ``name`` with some settings; raises `PhysicsError` for what it does not know."""
    if name not in MODELS:
        raise PhysicsError(
            f"There is no model {name!r}.", f"Choose one of {', '.join(sorted(MODELS))}."
        )
    return MODELS[name].build(**settings)


def _number(parameter: Parameter, value: object) -> float:
    number = float("nan")
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        number = float(value)
    if not math.isfinite(number):
        raise PhysicsError(
            f"{parameter.name} = {value} is not a number.",
            f"Give a number such as {parameter.default:g}.",
        )
    outside = not parameter.minimum <= number <= parameter.maximum
    if (parameter.strict and outside) or (parameter.whole and number != round(number)):
        kind = "a whole number" if parameter.whole else "a number"
        raise PhysicsError(
            f"{parameter.name} = {number:g} is impossible.",
            f"Choose {kind} between {parameter.minimum:g} and {parameter.maximum:g}.",
        )
    return number


def _diamond(
    *,
    d: float,
    bond: int,
    b1: float,
    b2: float,
    b3: float,
    b4: float,
    staggered: float,
    spin_orbit: float,
    t: float,
    a: float,
) -> Hoppings:
    bonds = [b1, b2, b3, b4]
    bonds[bond] *= 1 + d
    return fu_kane_mele(t=t, spin_orbit=spin_orbit, bonds=bonds, staggered=staggered, a=a)


def _energy(name: str, default: float, minimum: float, maximum: float, meaning: str) -> Parameter:
    return Parameter(
        name=name, default=default, minimum=minimum, maximum=maximum, unit="eV", meaning=meaning
    )


def _plain(
    name: str, default: float, minimum: float, maximum: float, meaning: str, unit: str = ""
) -> Parameter:
    return Parameter(
        name=name, default=default, minimum=minimum, maximum=maximum, unit=unit, meaning=meaning
    )


def _length(name: str, default: float, meaning: str = "lattice constant") -> Parameter:
    return Parameter(
        name=name,
        default=default,
        minimum=0.5,
        maximum=50.0,
        unit="Å",
        meaning=meaning,
        strict=True,
    )


_PRESSURE = Parameter(
    name="x",
    default=0.0,
    minimum=-1.0,
    maximum=3.0,
    unit="",
    meaning="reduced pressure: a shrinks by 2.1 %, c by 5 % per unit; 2 is about 5 GPa",
    strict=True,
)

_ALL = (
    ZooModel(
        name="haldane",
        title="Haldane",
        function=haldane,
        parameters=(
            _energy("t1", 1.0, 0.1, 2.0, "hopping to neighbours"),
            _energy("t2", 0.1, -0.3, 0.3, "hopping to second neighbours"),
            _plain("phi", math.pi / 2, -math.pi, math.pi, "phase of t2", "rad"),
            _energy("mass", 0.0, -1.0, 1.0, "staggered potential"),
            _length("a", 2.46),
            _length("c", 10.0, "thickness of the empty layer"),
        ),
        paper="Haldane, Phys. Rev. Lett. 61, 2015 (1988)",
        text="Chern insulator on the honeycomb lattice; |C| = 1 for |mass| < 3√3 |t2 sin φ|.",
        dimension=2,
    ),
    ZooModel(
        name="kane-mele",
        title="Kane–Mele",
        function=kane_mele,
        parameters=(
            _energy("t", 1.0, 0.1, 2.0, "hopping to neighbours"),
            _energy("spin_orbit", 0.06, -0.2, 0.2, "spin-orbit coupling of second neighbours"),
            _energy("rashba", 0.0, -0.4, 0.4, "Rashba coupling of neighbours"),
            _energy("staggered", 0.1, -0.6, 0.6, "staggered potential"),
            _length("a", 2.46),
            _length("c", 10.0, "thickness of the empty layer"),
        ),
        paper="Kane and Mele, Phys. Rev. Lett. 95, 146802 (2005)",
        text="Quantum spin Hall insulator on the honeycomb lattice; Z2 = 1 at small staggered.",
        dimension=2,
    ),
    ZooModel(
        name="bhz",
        title="Bernevig–Hughes–Zhang",
        function=bhz,
        parameters=(
            _energy("A", 0.5, 0.0, 2.0, "coupling of s and p"),
            _energy("B", 1.0, 0.1, 2.0, "inverse mass"),
            _energy("M", 2.0, -2.0, 10.0, "inversion of s and p; Z2 = 1 for 0 < M < 8 B"),
            _length("a", 5.0),
        ),
        paper="Bernevig, Hughes and Zhang, Science 314, 1757 (2006)",
        text="Quantum spin Hall insulator of HgTe wells on a square lattice.",
        dimension=2,
    ),
    ZooModel(
        name="cubic",
        title="Cubic four-band insulator",
        function=cubic,
        parameters=(
            _energy("A", 1.0, 0.0, 2.0, "coupling of s and p"),
            _energy("B", 1.0, 0.1, 2.0, "inverse mass"),
            _energy("M", 2.0, -2.0, 14.0, "band inversion; strong for 0-4 B and 8-12 B"),
            _length("a", 4.0),
        ),
        paper="Zhang et al., Nature Phys. 5, 438 (2009)",
        text="The smallest three-dimensional topological insulator: strong, weak and trivial.",
        dimension=3,
    ),
    ZooModel(
        name="fu-kane-mele",
        title="Fu–Kane–Mele diamond",
        function=_diamond,
        parameters=(
            _plain("d", 0.4, -0.6, 0.6, "one bond is scaled by 1 + d"),
            Parameter(
                name="bond",
                default=0,
                minimum=0,
                maximum=3,
                unit="",
                meaning="which bond d scales",
                strict=True,
                whole=True,
            ),
            *(_plain(f"b{i}", 1.0, 0.2, 2.0, f"factor of t on bond {i - 1}") for i in range(1, 5)),
            _energy("staggered", 0.0, -0.6, 0.6, "staggered potential: breaks inversion"),
            _energy("spin_orbit", 0.125, 0.0, 0.3, "spin-orbit coupling of second neighbours"),
            _energy("t", 1.0, 0.1, 2.0, "hopping to neighbours"),
            _length("a", 5.43, "cubic lattice constant"),
        ),
        paper="Fu, Kane and Mele, Phys. Rev. Lett. 98, 106803 (2007)",
        text="Strong and weak topological insulators; with staggered, Weyl phases in between.",
        dimension=3,
    ),
    ZooModel(
        name="weyl",
        title="Two-band Weyl semimetal",
        function=weyl,
        parameters=(
            _energy("A", 1.0, 0.1, 2.0, "velocity in the plane"),
            _energy("M0", 1.0, -1.0, 9.0, "nodes at cos kz = 1 - M0 / (2 M1)"),
            _energy("M1", 1.0, 0.1, 2.0, "inverse mass"),
            _length("a", 4.0),
        ),
        paper="Yang, Lu and Ran, Phys. Rev. B 84, 075129 (2011)",
        text="Two Weyl nodes on the kz axis; time reversal is broken.",
        dimension=3,
    ),
    ZooModel(
        name="na3bi",
        title="Na₃Bi",
        function=na3bi,
        parameters=(
            _energy("zeeman", 0.0, -0.08, 0.08, "exchange field: splits Dirac into Weyl nodes"),
            _energy("strain", 0.0, -0.1, 0.2, "added to M0; no nodes above 0.087"),
        ),
        paper="Wang et al., Phys. Rev. B 85, 195320 (2012)",
        text="Dirac semimetal with two fourfold nodes at kz = ±0.090 1/Å.",
        dimension=3,
    ),
    ZooModel(
        name="ssh",
        title="Su–Schrieffer–Heeger chain",
        function=ssh,
        parameters=(
            _energy("v", 1.0, 0.0, 2.0, "hopping in the cell"),
            _energy("w", 0.6, 0.0, 2.0, "hopping between cells"),
            _length("a", 2.0),
        ),
        paper="Su, Schrieffer and Heeger, Phys. Rev. Lett. 42, 1698 (1979)",
        text="Dimerised chain; Zak phase π for w > v, end states on the strong-bond side.",
        dimension=1,
    ),
    ZooModel(
        name="trivial-chain",
        title="Trivial chain",
        function=trivial_chain,
        parameters=(
            _energy("gap", 1.0, 0.1, 4.0, "gap"),
            _energy("t", 0.25, 0.0, 1.0, "hopping"),
            _length("a", 3.0),
        ),
        paper="textbook",
        text="Control in one dimension: an atomic insulator, Zak phase 0.",
        dimension=1,
    ),
    ZooModel(
        name="trivial-square",
        title="Trivial square lattice",
        function=trivial_square,
        parameters=(
            _energy("gap", 1.0, 0.1, 4.0, "gap without Rashba coupling"),
            _energy("t", 0.25, 0.0, 1.0, "hopping"),
            _energy("rashba", 0.0, 0.0, 0.4, "Rashba coupling: breaks inversion"),
            _length("a", 4.0),
        ),
        paper="textbook",
        text="Control in two dimensions: an atomic insulator with spin, Z2 = 0.",
        dimension=2,
    ),
    ZooModel(
        name="bitei",
        title="BiTeI",
        function=bitei,
        parameters=(_PRESSURE,),
        paper="Bahramy et al., Nature Commun. 3, 679 (2012)",
        text="Slater-Koster model with Rashba splitting: trivial, Weyl, topological by pressure.",
        dimension=3,
    ),
    ZooModel(
        name="bitei-p22",
        title="BiTeI (P22)",
        function=bitei_p22,
        parameters=(_PRESSURE,),
        paper="Bahramy et al., Nature Commun. 3, 679 (2012)",
        text="The same model with the parameter set P22: hardly any Rashba splitting.",
        dimension=3,
    ),
)

MODELS: Mapping[str, ZooModel] = MappingProxyType({m.name: m for m in _ALL})
"""Every model by its name."""
