"""Flows on whole planes turn as often as the Chern numbers of the certificate say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crystalgui.core.physics.certificate import Indices
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.planes import whole_planes
from crystalgui.core.physics.zoo import haldane, kane_mele
from crystalgui.core.reports.certificate import read_flow


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("mass", [0.0, 0.7])
def test_turns_are_chern_numbers(dimension: int, mass: float) -> None:
    h = haldane(mass=mass)
    made = classify(h, 1, dimension=dimension)
    planes = whole_planes(h, made)
    names = ["zone"] if dimension == 2 else ["k1 = 0", "k2 = 0", "k3 = 0"]
    assert [name for name, _ in planes] == names
    assert all(flow.converged for _, flow in planes)
    assert tuple(read_flow(flow).winding for _, flow in planes) == made.indices.chern


def test_a_certificate_with_flows_or_without_chern_numbers_needs_none() -> None:
    h = kane_mele()
    made = classify(h, 2)
    assert made.flows
    assert whole_planes(h, made) == ()
    assert whole_planes(h, replace(made, flows=(), indices=Indices(z2=(1,)))) == ()
