"""The universal network: what it must not know, on zones of real models."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, describe, repeated
from crystalgui.core.datasets.hamiltonians.lattices import turned
from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from crystalgui.core.models.layers.zone import Profiles, Symmetrised, groups
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.physics.zoo.registry import build

EXACT = {"rtol": 0, "atol": 1e-10}
MODELS: list[tuple[str, dict[str, float], int]] = [
    ("ssh", {"v": 0.7}, 1),
    ("haldane", {"mass": 0.2}, 1),
    ("kane-mele", {"rashba": 0.05}, 2),
    ("bhz", {"M": 3.0}, 2),
    ("cubic", {"M": 2.5}, 2),
    ("fu-kane-mele", {"d": 0.25, "staggered": 0.1, "b2": 0.9}, 2),
    ("na3bi", {"zeeman": 0.03}, 2),
]


def zones(n: int = 4) -> list[np.ndarray[Any, Any]]:
    """(c, n1, n2, n3) of the models; axes with b = 0 have one point."""
    return [describe(build(name, **s), occ, n).values for name, s, occ in MODELS]


def batch(values: list[np.ndarray[Any, Any]] | Tensor) -> ZoneBatch:
    x = values
    if isinstance(x, list):
        x = torch.from_numpy(np.stack([repeated(v, 4) for v in x])).double()
    return ZoneBatch(x, torch.full((len(x),), 3))


def network(preset: str = "small", outputs: int = 4, **params: Any) -> Network:
    torch.manual_seed(0)
    values, _ = registry.settings("zone", preset, {"width": 12, "wide": 16, **params})
    model = registry.build("zone", outputs, values, (len(CHANNELS),))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape))
    return model.double().eval()


KINDS = [{}, {"depth": 0}, {"planes": False}, {"channels": "local"}, {"channels": "energies"}]


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_the_origin_of_the_mesh_does_not_matter(params: dict[str, Any]) -> None:
    model, x = network(**params), batch(zones()).values
    expected = model(batch(x))
    assert (expected - expected[0]).abs().max() > 1e-3
    for shift in ((1, 0, 0), (0, 3, 0), (1, 2, 3)):
        torch.testing.assert_close(model(batch(x.roll(shift, (2, 3, 4)))), expected, **EXACT)


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_the_order_of_the_reciprocal_vectors_does_not_matter(params: dict[str, Any]) -> None:
    model = network(**params)
    expected = model(batch(zones()))
    for axes in itertools.permutations(range(3)):
        named = [
            describe(turned(build(m, **s), np.array(axes), np.ones(3, int)), occ, 4).values
            for m, s, occ in MODELS
        ]
        torch.testing.assert_close(model(batch(named)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("params", KINDS, ids=str)
def test_one_point_along_a_dead_axis_is_many(params: dict[str, Any]) -> None:
    model = network(**params)
    for values in zones():
        short = torch.from_numpy(values)[None].double()
        long = torch.from_numpy(repeated(values, 4).copy())[None].double()
        torch.testing.assert_close(model(batch(short)), model(batch(long)), **EXACT)
        # and so it is when the constant axis is not noticed
        features = model._pooled(long[:, model.rows])  # type: ignore[operator, index]
        torch.testing.assert_close(features, model.features(batch(short)), **EXACT)  # type: ignore[operator]


def test_orbital_order_basis_and_gauge_do_not_matter() -> None:
    """Where time reversal is found in the other basis as well: it may escape the search."""
    model = network()
    rng = np.random.default_rng(0)
    checked = []
    for name, settings, occupied in MODELS:
        h = build(name, **settings)
        n = h.n_orbitals
        q, _ = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))
        expected = model(batch([describe(h, occupied, 4).values]))
        for label, u in (("order", np.eye(n)[rng.permutation(n)]), ("basis", q)):
            moved = replace(h, matrices=u @ h.matrices @ u.conj().T)
            found, known = time_reversal(moved), time_reversal(h)
            if (found.kind, found.square) != (known.kind, known.square):
                continue
            change = model(batch([describe(moved, occupied, 4).values])) - expected
            assert change.abs().max() < 2e-5, (name, label)
            checked.append((name, label))
    assert len(checked) >= 8
    assert {label for _, label in checked} == {"order", "basis"}


def test_mixed_batches_are_their_zones_one_by_one() -> None:
    model, x = network(), batch(zones()).values
    together = model(batch(x))
    alone = torch.cat([model(batch(x[i : i + 1])) for i in range(len(x))])
    torch.testing.assert_close(together, alone, **EXACT)


def test_groups_of_channels() -> None:
    found = groups(CHANNELS)
    assert sum(map(len, found.values())) == len(CHANNELS)
    assert sorted(i for rows in found.values() for i in rows) == list(range(len(CHANNELS)))
    assert len(found["lost"]) == len(found["flux"]) == len(found["vortex"]) == 3
    assert len(found["crossing"]) == 6
    assert len(found["gap"]) == len(found["charge"]) == 1
    assert groups(("a", "b 1", "c 12")) == {"a": [0], "b 1": [1], "c 12": [2]}


def test_profiles_hold_the_invariants() -> None:
    """C = 1 of Haldane's model; crossings in Kane and Mele's where Z2 = 1 and only there."""
    found = []
    for model, occupied, name, settings in (
        ("haldane", 1, "flux", {}),
        ("haldane", 1, "flux", {"mass": 0.9}),
        ("kane-mele", 2, "crossing", {}),
        ("kane-mele", 2, "crossing", {"staggered": 0.5}),
    ):
        rows = [i for i, c in enumerate(CHANNELS) if c.startswith(name)]
        names = tuple(CHANNELS[i] for i in rows)
        values = describe(build(model, **settings), occupied, 8).values[rows]
        table = Profiles(names)(torch.from_numpy(values)[None].double())[2][0]
        assert table.shape == (1, Profiles(names).features)  # normal 3: one plane, the zone
        found.append(table[0, :2].tolist())
    np.testing.assert_allclose(found[:2], [[1, -1], [0, 1]], rtol=0, atol=1e-5)
    assert found[2][0] > 0
    assert found[2][1] < 0.5
    np.testing.assert_allclose(found[3], [0, 1], rtol=0, atol=1e-12)


def test_features_of_profiles_and_channels_are_counted() -> None:
    x = torch.randn(2, len(CHANNELS), 3, 4, 5)
    assert Symmetrised(CHANNELS)(x).shape == (2, 3, 4, 5, Symmetrised(CHANNELS).features)
    for table, n in zip(Profiles(CHANNELS)(x), (3, 4, 5), strict=True):
        assert table.shape == (2, n, Profiles(CHANNELS).features)


def test_the_small_preset_is_small() -> None:
    params, _ = registry.settings("zone", "small")
    model = registry.build("zone", 4, params, (len(CHANNELS),))
    assert sum(p.numel() for p in model.parameters()) < 300_000
