"""Certificates made by hand around real flows, for tests of what shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crystalgui.core.physics.certificate import Certificate, Check, Indices, Node
from crystalgui.core.physics.folded import Surface
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.wilson import flow
from crystalgui.core.physics.zoo import fu_kane_mele, haldane, kane_mele
from crystalgui.core.structures.hoppings.model import Hoppings

HALF = Surface(
    origin=np.zeros(3),
    across=np.array([0.5, 0, 0]),
    along=np.array([0, 1, 0]),
    name="k2 loop, half zone",
)
WHOLE = Surface(origin=np.zeros(3), across=np.array([1, 0, 0]), along=np.array([0, 1, 0]))


def topological() -> tuple[Hoppings, Certificate]:
    """Kane-Mele in its quantum spin Hall phase."""
    h = kane_mele()
    return h, Certificate(
        label="topological insulator",
        status="converged",
        dimension=2,
        occupied=2,
        gaps=gaps(h, 2),
        indices=Indices(z2=(1,), mirror_chern=(("m_z", -1),)),
        checks=(
            Check(name="time reversal", passed=True, value=2e-16, text="Found; eV."),
            Check(name="inversion", passed=None, value="not found", text="No parities."),
            Check(name="charge centres", passed=True, value=0.31, text="All converged."),
        ),
        flows=(("zone", flow(h, HALF, 2)),),
        remark="quantum spin Hall insulator",
        title="Kane-Mele",
        assumptions=h.assumptions,
        seconds=0.05,
    )


def chern() -> tuple[Hoppings, Certificate]:
    """Haldane with its whole plane."""
    h = haldane()
    return h, Certificate(
        label="topological insulator",
        status="converged",
        dimension=2,
        occupied=1,
        gaps=gaps(h, 1),
        indices=Indices(chern=(-1,)),
        flows=(("zone", flow(h, WHOLE, 1)),),
        remark="Chern insulator, C = -1",
    )


def weyl() -> tuple[Hoppings, Certificate]:
    """Four nodes of Fu-Kane-Mele with a staggered potential, one check failed."""
    h = fu_kane_mele(bonds=(1.2, 0.8, 1.0, 1.0), staggered=0.3)
    places = (
        ((0.049, 0.4956, 0.5436), 1),
        ((0.049, 0.5436, 0.4956), -1),
        ((-0.049, 0.4564, 0.5044), -1),
        ((-0.049, 0.5044, 0.4564), 1),
    )
    nodes = tuple(
        Node(k=np.array(k), energy=0.01 * n, chirality=chi, kind="Weyl")
        for n, (k, chi) in enumerate(places)
    )
    return h, Certificate(
        label="Weyl semimetal",
        status="converged",
        dimension=3,
        occupied=2,
        gaps=gaps(h, 2),
        nodes=nodes,
        checks=(
            Check(name="sum of chiralities", passed=True, value=0.0, text="No-go theorem."),
            Check(name="slices", passed=False, value=float("nan"), text="They do not agree."),
        ),
        remark="4 Weyl nodes",
    )


def relabelled(certificate: Certificate, label: str, status: str) -> Certificate:
    """The same certificate with another answer."""
    return replace(certificate, label=label, status=status)  # type: ignore[arg-type]
