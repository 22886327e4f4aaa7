"""Model Hamiltonians with known answers, as `Hoppings`.

They are the proof that every number the program computes is right, and the
examples that it opens without any file from elsewhere.
"""

from crystalgui.core.physics.zoo.bitei import bitei, bitei_p22
from crystalgui.core.physics.zoo.diamond import fu_kane_mele
from crystalgui.core.physics.zoo.honeycomb import haldane, kane_mele
from crystalgui.core.physics.zoo.square import bhz, cubic, ssh, weyl

__all__ = [
    "bhz",
    "bitei",
    "bitei_p22",
    "cubic",
    "fu_kane_mele",
    "haldane",
    "kane_mele",
    "ssh",
    "weyl",
]
