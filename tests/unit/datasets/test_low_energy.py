"""Hamiltonians seen through the states next to their gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians.low_energy import STATES, LowEnergy, _half, _spread
from crystalgui.core.errors import DataError
from crystalgui.core.physics.bloch import hamiltonian
from tests.unit.experiments.test_bitei import stand_in


def test_features_are_projections_of_each_sample(tmp_path: Path) -> None:
    data = stand_in(tmp_path, 0.02, size=40)
    draw = np.random.default_rng(0)
    data.samples.gap[:] = draw.random(40)
    data.samples.k[:] = draw.random((40, 3))
    window = LowEnergy.of(data, np.arange(30), points=5)
    assert window.k.shape == (5, 3)
    found = window.features(data, np.array([3, 37]))
    assert found.shape == (2, window.size)
    for row, sample in zip(found, (3, 37), strict=True):
        h = hamiltonian(data.hamiltonian(sample), window.k)
        seen = window.frame.conj().transpose(0, 2, 1) @ h @ window.frame
        own = row.reshape(5, -1)
        np.testing.assert_allclose(
            own[:, :STATES], np.diagonal(seen, axis1=1, axis2=2).real, atol=1e-5
        )
        levels = np.linalg.eigvalsh(seen)
        np.testing.assert_allclose(own[:, 1 - STATES :], np.diff(levels), atol=1e-5)
    # four states are all states of this model, so the levels are its bands
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hamiltonian(data.hamiltonian(37), window.k)), levels, atol=1e-9
    )


def test_only_the_given_rows_choose_where_to_look(tmp_path: Path) -> None:
    data, other = stand_in(tmp_path, 0.02, size=40), stand_in(tmp_path, 0.02, size=40)
    draw = np.random.default_rng(0)
    for each in (data, other):
        each.samples.k[:30] = np.random.default_rng(1).random((30, 3))
    other.samples.k[30:] = draw.random((10, 3))
    other.samples.gap[30:] = -1.0
    a, b = (LowEnergy.of(d, np.arange(30), points=4) for d in (data, other))
    assert np.array_equal(a.k, b.k)
    assert a.reference == b.reference


def test_k_and_its_opposite_are_one_point() -> None:
    k = np.array([[0.1, -0.2, 0.3], [0.2, 0.1, 0.5], [0.0, 0.0, 0.5], [0.4, 0.0, 0.0]])
    np.testing.assert_allclose(_half(k), _half(-k), atol=1e-12)
    np.testing.assert_allclose(_half(k), _half(k + 1), atol=1e-12)


def test_points_are_spread() -> None:
    k = np.array([[0, 0, 0], [0.001, 0, 0], [0.3, 0, 0], [0.999, 0, 0], [0, 0.4, 0]])
    chosen = _spread(k, 3)
    assert len(chosen) == 3
    assert {tuple(c) for c in chosen} >= {(0.3, 0, 0), (0, 0.4, 0)}


def test_few_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Too few samples"):
        LowEnergy.of(stand_in(tmp_path, 0.0, size=40), np.arange(3))
