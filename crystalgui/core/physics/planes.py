"""Charge centres on whole planes, where there are no Kramers pairs to halve them.

The sum of the Wannier charge centres turns as often as the Chern number of the
plane says (Soluyanov and Vanderbilt, Phys. Rev. B 83, 235401 (2011), section
II); the picture belongs to a certificate whose indices are Chern numbers.
"""

from __future__ import annotations

import numpy as np

from crystalgui.core.physics.certificate import Certificate
from crystalgui.core.physics.folded import Surface
from crystalgui.core.physics.wilson import WilsonFlow, flow
from crystalgui.core.structures.hoppings.model import Hoppings

Flows = tuple[tuple[str, WilsonFlow], ...]
_NAMES = ("k1", "k2", "k3")


def whole_planes(h: Hoppings, certificate: Certificate) -> Flows:
    """Flows on the planes of the Chern numbers of a certificate.

    Parameters
    ----------
    h : Hoppings
    certificate : Certificate
        Of ``h``.

    Returns
    -------
    tuple of (name, WilsonFlow)
        One plane in two dimensions, three in three; none where a certificate
        has flows already, or has no Chern numbers.
    """
    if certificate.flows or certificate.indices.chern is None or certificate.dimension < 2:
        return ()
    axes = _live(h) if certificate.dimension == 2 else (0, 1, 2)
    pairs = [(axes[0], axes[1])] if len(axes) == 2 else [(1, 2), (2, 0), (0, 1)]
    found = []
    for first, second in pairs:
        normal = 3 - first - second
        name = f"{_NAMES[normal]} = 0" if certificate.dimension == 3 else "zone"
        surface = Surface(
            origin=np.zeros(3), across=np.eye(3)[first], along=np.eye(3)[second], name=name
        )
        found.append((name, flow(h, surface, certificate.occupied)))
    return tuple(found)


def _live(h: Hoppings) -> tuple[int, int]:
    """The two directions of a layer; the first two where they are not clear."""
    size = np.abs(h.matrices).max(axis=(1, 2), initial=0)
    live = np.flatnonzero((h.cells[size > 1e-9] != 0).any(axis=0))
    return (int(live[0]), int(live[1])) if len(live) == 2 else (0, 1)
