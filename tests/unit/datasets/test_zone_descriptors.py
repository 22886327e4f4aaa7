"""Channels of a zone: what they do not depend on, and what they know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians.descriptors import (
    CHANNELS,
    PLANES,
    channels,
    describe,
)
from crystalgui.core.datasets.hamiltonians.families import draw
from crystalgui.core.datasets.hamiltonians.lattices import turned
from crystalgui.core.datasets.hamiltonians.sampling import matrices_on, mesh_axes
from crystalgui.core.physics import zoo
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.perturb import add, noise
from crystalgui.core.physics.pfaffian import pfaffian
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.structures.hoppings.model import Hoppings

N = 6


def _noisy(h: Hoppings, strength: float = 0.05, seed: int = 3) -> Hoppings:
    return add(h, noise(h, strength, seed, normalisation="mean", envelope="hoppings"))


SAMPLES = {
    "ssh": zoo.ssh(v=0.6, w=1.0),
    "haldane": zoo.haldane(mass=0.1),
    "kane-mele": _noisy(zoo.kane_mele(rashba=0.05)),
    "fu-kane-mele": _noisy(zoo.fu_kane_mele(bonds=(1.2, 0.8, 1.1, 1.0), staggered=0.3)),
    "weyl": zoo.weyl(),
    "bitei": _noisy(zoo.bitei(1.0), 0.01),
}


def _exact(
    h: Hoppings, occupied: int, n: int = N, shift: tuple[float, ...] = (0, 0, 0)
) -> np.ndarray:
    """Channels in double precision."""
    e, u = np.linalg.eigh(matrices_on(h, mesh_axes(h, n, shift=shift)))
    return channels(e, u, occupied, time_reversal(h))


def _unitary(rng: np.random.Generator, *shape: int) -> np.ndarray:
    drawn = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return np.linalg.qr(drawn)[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_no_gauge(name: str) -> None:
    """Any basis of the occupied states, and any of the empty ones, at each k."""
    h = SAMPLES[name]
    o, n = int(h.occupied or 0), h.n_orbitals
    e, u = np.linalg.eigh(matrices_on(h, mesh_axes(h, N)))
    rng = np.random.default_rng(1)
    mixed = u.copy()
    mixed[..., :o] = u[..., :o] @ _unitary(rng, *u.shape[:3], o, o)
    mixed[..., o:] = u[..., o:] @ _unitary(rng, *u.shape[:3], n - o, n - o)
    reversal = time_reversal(h)
    before, after = (channels(e, states, o, reversal) for states in (u, mixed))
    assert np.abs(before - after).max() < 1e-7


@pytest.mark.parametrize("name", SAMPLES)
def test_no_order_of_orbitals(name: str) -> None:
    h = SAMPLES[name]
    order = np.random.default_rng(2).permutation(h.n_orbitals)
    other = replace(
        h,
        matrices=h.matrices[:, order][:, :, order],
        centres=None if h.centres is None else h.centres[order],
    )
    assert np.abs(_exact(h, h.occupied) - _exact(other, h.occupied)).max() < 1e-6


@pytest.mark.parametrize("name", ["kane-mele", "fu-kane-mele", "haldane"])
def test_no_basis_of_orbitals(name: str) -> None:
    """Any fixed unitary change of the orbitals: time reversal is found in the new basis."""
    h = SAMPLES[name]
    v = _unitary(np.random.default_rng(4), h.n_orbitals, h.n_orbitals)
    other = replace(h, matrices=v @ h.matrices @ v.conj().T, centres=None)
    before, after = _exact(h, h.occupied), _exact(replace(h, centres=None), h.occupied)
    assert np.abs(before - after).max() < 1e-6
    assert np.abs(before - _exact(other, h.occupied)).max() < 1e-6


@pytest.mark.parametrize("name", SAMPLES)
def test_moving_the_origin_rolls(name: str) -> None:
    h = SAMPLES[name]
    before = _exact(h, h.occupied)
    steps = tuple(
        2 * (axis + 1) % 5 if size > 1 else 0 for axis, size in enumerate(before.shape[1:])
    )
    after = _exact(h, h.occupied, shift=steps)
    assert np.abs(np.roll(before, [-s for s in steps], axis=(1, 2, 3)) - after).max() < 1e-7


@pytest.mark.parametrize("name", ["kane-mele", "fu-kane-mele", "weyl"])
def test_other_names_of_the_axes(name: str) -> None:
    """A cyclic change of the lattice vectors renames the channels and turns the tensor."""
    h = SAMPLES[name]
    order = (2, 0, 1)
    before, after = _exact(h, h.occupied), _exact(turned(h, order, (1, 1, 1)), h.occupied)
    place = {name: i for i, name in enumerate(CHANNELS)}
    for i, channel in enumerate(CHANNELS):
        head, _, tail = channel.rpartition(" ")
        old = channel
        if tail.isdigit():
            old = f"{head} {''.join(str(order[int(c) - 1] + 1) for c in tail)}"
        expected = before[place[old]].transpose(order)
        assert np.abs(after[i] - expected).max() < 1e-7, channel


def test_every_hamiltonian_has_the_same_channels() -> None:
    for h in SAMPLES.values():
        tensor = describe(h, int(h.occupied or 0), 4)
        assert tensor.values.shape[0] == len(CHANNELS) == len(set(tensor.names))
        assert tensor.values.dtype == np.float32
        assert np.isfinite(tensor.values.astype(np.float16)).all()
        assert tensor.repeated.shape == (len(CHANNELS), 4, 4, 4)


def test_energies_are_in_units_of_the_gap() -> None:
    h = SAMPLES["fu-kane-mele"]
    moved = replace(h, matrices=3.7 * h.matrices)
    assert np.abs(_exact(h, 2) - _exact(moved, 2)).max() < 1e-7


def _channel(h: Hoppings, name: str, n: int = 8) -> np.ndarray:
    return _exact(h, int(h.occupied or 0), n)[CHANNELS.index(name)]


@pytest.mark.parametrize(("v", "w"), [(1.0, 0.6), (0.6, 1.0)])
def test_polarisation_is_the_zak_phase(v: float, w: float) -> None:
    found = _channel(zoo.ssh(v=v, w=w), "polarisation cos 1")
    assert np.allclose(found, 1.0 if v > w else -1.0)


@pytest.mark.parametrize("mass", [0.1, 0.9])
def test_flux_adds_up_to_the_chern_number(mass: float) -> None:
    h = zoo.haldane(mass=mass, phi=0.8, t2=0.2)
    found = _channel(h, "flux 12").sum() / 2
    certificate = classify(h, 1).indices.chern
    assert certificate is not None
    assert found == pytest.approx(certificate[0])


def test_charges_are_those_of_the_nodes() -> None:
    charge = _channel(zoo.weyl(), "charge")
    assert sorted(charge[charge != 0].tolist()) == [-1, 1]
    assert not _channel(SAMPLES["kane-mele"], "charge").any()


@pytest.mark.parametrize(
    "h",
    [
        SAMPLES["kane-mele"],
        _noisy(zoo.kane_mele(rashba=0.05, staggered=0.6)),
        _noisy(zoo.bhz(M=2.0)),
        _noisy(zoo.bhz(M=-1.0)),
    ],
    ids=["Kane-Mele 1", "Kane-Mele 0", "BHZ 1", "BHZ 0"],
)
def test_crossings_and_vortices_count_z2(h: Hoppings) -> None:
    """Half of the crossings along a direction, and half of the vortices, are odd as Z2 is."""
    z2 = classify(h, 2).indices.z2
    assert z2 is not None
    for name in ("crossing 12", "crossing 21"):
        crossed = _channel(h, name)
        assert crossed.sum() / 8 / 2 % 2 == z2[0]
    assert np.abs(_channel(h, "vortex 12")).sum() / 2 % 2 == z2[0]


@pytest.mark.parametrize("mass", [-2.0, 2.0, 6.0])
def test_planes_of_the_cubic_model(mass: float) -> None:
    """Crossings on the planes k = -1/2 and 0 are the weak and strong indices."""
    h = zoo.cubic(M=mass)
    z2 = classify(h, 2).indices.z2
    assert z2 is not None
    crossed = _channel(h, "crossing 12")
    half, zero = (crossed[0, :, row].sum() / 2 % 2 for row in (0, 4))
    assert half == z2[3]
    assert (half + zero) % 2 == z2[0]


def test_time_reversal_marks_its_momenta() -> None:
    overlap = _channel(SAMPLES["fu-kane-mele"], "reversed overlap")
    marked = np.argwhere(overlap > 1 - 1e-9)
    assert {tuple(row) for row in (marked % 4).tolist()} == {(0, 0, 0)}
    assert len(marked) == 8
    assert not _channel(SAMPLES["weyl"], "spinful reversal").any()
    assert not _channel(SAMPLES["weyl"], "Pfaffian").any()


def test_closed_gaps_do_no_harm() -> None:
    """Dirac points on the mesh: finite, and no Berry flux through what touches them."""
    h = zoo.fu_kane_mele(bonds=(1, 1, 1, 1))
    values = _exact(h, 2, 8)
    assert np.isfinite(values).all()
    closed = values[CHANNELS.index("log gap")] < -3.9
    assert closed.sum() == 3
    flux = values[[CHANNELS.index(f"flux {a + 1}{b + 1}") for a, b in PLANES]]
    assert not flux[:, closed].any()


def test_pfaffians() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 5, 6, 6)) + 1j * rng.standard_normal((3, 5, 6, 6))
    a = a - a.swapaxes(-1, -2)
    assert np.allclose(pfaffian(a) ** 2, np.linalg.det(a))
    b = rng.standard_normal((6, 6))
    assert np.allclose(pfaffian(b @ a @ b.T), np.linalg.det(b) * pfaffian(a))
    four = a[..., :4, :4]
    written = (
        four[..., 0, 1] * four[..., 2, 3]
        - four[..., 0, 2] * four[..., 1, 3]
        + four[..., 0, 3] * four[..., 1, 2]
    )
    assert np.allclose(pfaffian(four), written)
    assert not pfaffian(a[..., :3, :3]).any()


def test_all_families_can_be_described() -> None:
    for name in ("shockley", "chern-square", "random-layer", "magnetic-cubic", "random-crystal"):
        made = draw(name, 5, 1)
        assert np.isfinite(describe(made.hoppings, made.occupied, 4).values).all()
