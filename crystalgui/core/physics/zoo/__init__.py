"""Model Hamiltonians with known answers, as `Hoppings`.

They are the proof that every number the program computes is right, and the
examples that it opens without any file from elsewhere.
"""

from crystalgui.core.physics.zoo.bitei import bitei, bitei_p22
from crystalgui.core.physics.zoo.controls import trivial_chain, trivial_square
from crystalgui.core.physics.zoo.diamond import fu_kane_mele
from crystalgui.core.physics.zoo.honeycomb import haldane, kane_mele
from crystalgui.core.physics.zoo.registry import MODELS, Parameter, ZooModel, build
from crystalgui.core.physics.zoo.sodium_bismuthide import na3bi
from crystalgui.core.physics.zoo.square import bhz, cubic, ssh, weyl

__all__ = [
    "MODELS",
    "Parameter",
    "ZooModel",
    "bhz",
    "bitei",
    "bitei_p22",
    "build",
    "cubic",
    "fu_kane_mele",
    "haldane",
    "kane_mele",
    "na3bi",
    "ssh",
    "trivial_chain",
    "trivial_square",
    "weyl",
]
