"""Gradients of gaps and bands against finite differences; designs that reach their target."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import DesignJob, DesignReady, DesignStep, Event, Progress
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.deformable import Diamond, bitei_p22
from crystalgui.core.physics.design import (
    Aim,
    Descent,
    aim,
    design,
    freedom_of,
    gradient,
    opening_of_model,
    smaller_elsewhere,
)
from crystalgui.core.physics.freedoms import Entries, Field, Freedom, Strain, Variable
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.strain import Allowed, hoppings
from crystalgui.core.physics.zoo import bitei_p22 as zoo_bitei
from crystalgui.core.physics.zoo import fu_kane_mele, kane_mele
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.worker import HANDLERS

T = np.array([[0.02, 0.01, -0.005], [0.004, -0.03, 0.007], [0.003, -0.006, 0.025]])
GENERIC, TRIM = np.array([0.13, 0.21, 0.47]), np.array([0.0, 0.0, 0.5])
GAP = DesignJob(model="bitei-p22", target="gap", value=0.1)


def freedom(name: str) -> tuple[Freedom, Variable, int]:
    """A freedom, a variable that is nothing special, and the filling."""
    rng = np.random.default_rng(5)
    if name == "strain":
        return Strain(bitei_p22()), T, 12
    if name == "bonds":
        return Strain(Diamond(staggered=0.2)), T, 2
    if name == "hoppings":
        entries = Entries(zoo_bitei(0.3))
        x = entries.start()
        noise = rng.normal(size=x.shape) + 1j * rng.normal(size=x.shape)
        return entries, x + 0.01 * entries.project(x, noise), 12
    return Field(zoo_bitei(0.3)), np.array([0.03, -0.05, 0.04]), 12


def loss(f: Freedom, x: Variable, job: DesignJob, occupied: int, k: np.ndarray) -> float:
    return aim(f.hoppings(x), job, occupied, k).loss


def check(f: Freedom, x: Variable, job: DesignJob, occupied: int, k: np.ndarray) -> None:
    """The slope along three directions, to 1e-6 of the size of the gradient."""
    h = f.hoppings(x)
    g = gradient(f, x, h.cells, aim(h, job, occupied, k))
    assert np.isfinite(g).all()
    rng = np.random.default_rng(11)
    for _ in range(3):
        d = rng.normal(size=np.shape(x)) + (1j * rng.normal(size=np.shape(x)) * np.iscomplexobj(x))
        if isinstance(f, Entries):
            d = f.project(x, d)
        d = d / np.linalg.norm(d)
        slope = np.vdot(g, d).real

        def along(t: float, d: Variable = d) -> float:
            return loss(f, x + t * d, job, occupied, k)

        e = 2e-4  # fourth order, so that rounding does not matter
        numeric = (8 * (along(e) - along(-e)) - along(2 * e) + along(-2 * e)) / (12 * e)
        assert slope == pytest.approx(numeric, rel=1e-6, abs=1e-6 * float(np.linalg.norm(g)))


@pytest.mark.parametrize("k", [GENERIC, TRIM], ids=["generic", "trim"])
@pytest.mark.parametrize("name", ["strain", "bonds", "hoppings", "field"])
def test_the_gradient_of_the_gap(name: str, k: np.ndarray) -> None:
    f, x, occupied = freedom(name)
    check(f, x, GAP, occupied, k)


@pytest.mark.parametrize("k", [GENERIC, TRIM], ids=["generic", "trim"])
@pytest.mark.parametrize("name", ["strain", "bonds", "hoppings", "field"])
def test_the_gradient_of_a_band(name: str, k: np.ndarray) -> None:
    f, x, occupied = freedom(name)
    check(f, x, replace(GAP, target="band", band=occupied - 1, value=-4.0), occupied, k)


@pytest.mark.parametrize("name", ["strain", "bonds", "hoppings", "field"])
def test_the_gradient_of_all_bands(name: str) -> None:
    f, x, occupied = freedom(name)
    points = np.stack([GENERIC, TRIM, np.zeros(3), [0.5, 0, 0.5]])
    now = energies(f.hoppings(x), points)
    wanted = now + 0.05 * np.sin(np.arange(now.shape[1]) // 2 + np.arange(len(points))[:, None])
    job = replace(GAP, target="bands", points=points, reference=wanted)
    check(f, x, job, occupied, GENERIC)


def test_pairs_at_a_time_reversal_invariant_momentum_are_degenerate() -> None:
    """What the exactness there is about: levels of which eigh has no derivative."""
    f, x, _ = freedom("strain")
    e = energies(f.hoppings(x), TRIM[None])[0]
    assert np.abs(e[1::2] - e[::2]).max() < 1e-12


@pytest.mark.parametrize("k", [GENERIC, TRIM], ids=["generic", "trim"])
def test_autograd_of_torch_agrees(k: np.ndarray) -> None:
    import torch

    from crystalgui.core.physics.bloch import bloch_sum
    from crystalgui.core.physics.strain import strained

    f, x, occupied = freedom("strain")
    assert isinstance(f, Strain)
    strain = torch.tensor(x, requires_grad=True)
    lattice = strained(torch.tensor(f.model.lattice), strain)
    cells, matrices = f.model.terms(lattice, torch.tensor(f.model.frac))
    levels = torch.linalg.eigvalsh(bloch_sum(cells, matrices, torch.tensor(k[None])))[0]
    if k is TRIM:  # the mean of each pair
        gap = levels[occupied : occupied + 2].mean() - levels[occupied - 2 : occupied].mean()
    else:
        gap = levels[occupied] - levels[occupied - 1]
    ((gap - 0.1) ** 2).backward()
    h = f.hoppings(x)
    g = gradient(f, x, h.cells, aim(h, GAP, occupied, k))
    assert np.abs(strain.grad.numpy() - g).max() < 1e-10 * np.abs(g).max()


# ------------------------------------------------------------------ designs


def run(job: DesignJob, stop: threading.Event | None = None) -> tuple[DesignReady, list[Event]]:
    events = list(design(job, stop))
    ready = events[-1]
    assert isinstance(ready, DesignReady)
    return ready, events


@pytest.mark.parametrize("optimiser", ["adam", "plain"])
def test_bitei_is_strained_to_a_gap(optimiser: str) -> None:
    start = gaps(hoppings(bitei_p22()), 12).direct.energy
    assert start == pytest.approx(0.284, abs=1e-3)
    ready, events = run(replace(GAP, optimiser=optimiser))  # type: ignore[arg-type]
    assert ready.reached, ready.reason
    found = gaps(hoppings(bitei_p22(), ready.last.strain), 12)
    assert found.direct.energy == pytest.approx(0.1, abs=2e-4)
    assert ready.gap == pytest.approx(found.direct.energy, abs=1e-6)
    t = ready.last.strain
    assert np.allclose(t, np.diag([t[0, 0], t[0, 0], t[2, 2]]), atol=1e-12)  # still P3m1
    assert t[2, 2] < -0.01
    steps = [e for e in events if isinstance(e, DesignStep)]
    assert steps[0].step == 0
    assert not steps[0].strain.any()
    assert len(ready.history) == steps[-1].step + 1
    assert ready.history.shape[1] == len(ready.columns)
    assert ready.history.nbytes + steps[-1].bands.nbytes < 256_000
    assert any(isinstance(e, Progress) for e in events)


def test_the_phase_boundary_is_found() -> None:
    """Uniaxial pressure closes the gap; beyond, it opens again."""
    ready, _ = run(replace(GAP, target="close"))
    assert ready.reached
    assert ready.gap < 2e-4
    beyond = gaps(hoppings(bitei_p22(), 1.3 * ready.last.strain), 12).direct.energy
    assert beyond > 0.01


def test_constraints_hold_along_the_way() -> None:
    ready, _ = run(replace(GAP, volume=True))
    assert ready.reached
    assert np.linalg.det(np.eye(3) + ready.last.strain) == pytest.approx(1, abs=1e-9)
    ready, _ = run(replace(GAP, shape="along-c", symmetry=False))
    assert ready.reached
    assert np.count_nonzero(ready.last.strain) == 1
    ready, _ = run(replace(GAP, shape="in-plane", bound=0.02, learning_rate=0.01))
    assert not ready.reached
    assert "closer" in ready.reason
    assert np.abs(ready.last.strain).max() == pytest.approx(0.02)
    ready, _ = run(replace(GAP, symmetry=False, rotations=True, value=0.2))
    assert ready.reached
    assert ready.gap == pytest.approx(0.2, abs=2e-4)


def test_hoppings_and_fields_are_designed(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "designed.hoppings.safetensors"
    ready, _ = run(replace(GAP, freedom="hoppings", out=out))
    assert ready.reached
    assert 0 < ready.last.change < 0.05
    h = read_hoppings(out)
    assert gaps(h, 12).direct.energy == pytest.approx(0.1, abs=2e-4)
    assert h.assumptions.time_reversal_residual < 1e-12
    absent = np.abs(zoo_bitei().matrices) == 0
    assert np.abs(h.matrices[absent]).max() < 1e-12
    ready, _ = run(replace(GAP, freedom="field", value=0.2))
    assert ready.reached
    assert ready.gap == pytest.approx(0.2, abs=2e-4)
    assert 0.01 < np.linalg.norm(ready.last.field) < 0.5


def test_bands_of_a_strained_crystal_give_its_strain() -> None:
    """Mean-square target along a path: the strain is found back."""
    wanted = np.diag([0.02, 0.02, -0.03])
    path = opening_of_model("bitei-p22").bands.path.k[::15]
    reference = energies(hoppings(bitei_p22(), wanted), path)
    job = replace(GAP, target="bands", points=path, reference=reference, learning_rate=3e-3)
    ready, _ = run(replace(job, tolerance=2e-4, steps=400))
    assert ready.reached, (ready.reason, ready.last.loss)
    assert np.abs(ready.last.strain - wanted).max() < 2e-4


def test_a_band_is_put_in_its_place() -> None:
    job = replace(GAP, model="diamond", target="band", band=2, k=(0.5, 0.5, 0.5), value=-2.5)
    ready, _ = run(replace(job, symmetry=False))
    assert ready.reached
    e = energies(hoppings(Diamond(), ready.last.strain), np.full((1, 3), 0.5))[0]
    assert e[1] == pytest.approx(-2.5, abs=2e-4)


def test_a_stop_ends_it_softly() -> None:
    stop = threading.Event()
    stop.set()
    ready, _ = run(GAP, stop)
    assert ready.reason == "stopped by you"
    assert not ready.reached
    assert ready.last.step == 0


def test_it_ends_when_it_comes_no_closer() -> None:
    """Two bands of one pair cannot pass each other: the loss has a floor."""
    job = replace(GAP, target="band", band=12, k=(0.0, 0.0, 0.5), value=-5.0)
    ready, _ = run(job)
    assert not ready.reached
    assert ready.last.step < job.steps


def test_clipping_limits_the_step() -> None:
    g = np.full((3, 3), 100.0)
    clipped = Descent("plain", 0.01, 1.0).direction(g)
    assert np.linalg.norm(clipped) == pytest.approx(0.01)
    assert np.linalg.norm(Descent("plain", 0.01, 0.0).direction(g)) == pytest.approx(3.0)
    assert np.allclose(Descent("adam", 0.01, 0.0).direction(g), -0.01)


def test_a_step_never_overshoots_the_linear_model() -> None:
    f, x, occupied = freedom("strain")
    h = f.hoppings(x)
    at = aim(h, GAP, occupied, GENERIC)
    assert isinstance(at, Aim)
    slopes = np.zeros((1, 18))
    slopes[0, occupied] = -2 * float(at.residual[0, 0])
    assert at.along(slopes) == pytest.approx(0.5)


def test_a_smaller_gap_elsewhere_is_noticed() -> None:
    h = kane_mele(staggered=0.1)
    there = smaller_elsewhere(h, np.zeros(3), 2)
    assert gaps(h, 2).direct.energy == pytest.approx(
        float(np.diff(energies(h, there[None])[0, 1:3])[0]), abs=1e-6
    )


BAD: list[tuple[dict[str, object], str]] = [
    ({"model": "nonsense"}, "no model"),
    ({"learning_rate": 0.0}, "must be positive"),
    ({"target": "band", "band": 40}, "no band 40"),
    ({"value": -1.0}, "cannot be negative"),
    ({"target": "bands"}, "do not fit"),
    ({"occupied": 18}, "leave no gap"),
    ({"source": Path("a_hr.dat")}, "do not say how they follow"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_impossible_designs_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(PhysicsError, match=words):
        list(design(replace(GAP, **changes)))  # type: ignore[arg-type]


def test_a_field_needs_spins() -> None:
    h = fu_kane_mele()
    assert np.abs(Field(h).spin[2] - np.diag([1, 1, -1, -1])).max() == 0
    with pytest.raises(PhysicsError, match="orbitals are up"):
        Field(replace(h, assumptions=replace(h.assumptions, spin_order="unknown")))


def test_requests_and_answers_cross_between_processes() -> None:
    from multiprocessing import Pipe

    here, there = Pipe()
    for message in (GAP, *run(replace(GAP, value=0.28))[1]):
        here.send(message)
        arrived = there.recv()
        assert type(arrived) is type(message)
        if isinstance(message, DesignReady):
            assert (arrived.history == message.history).all()


@pytest.mark.data
def test_real_hoppings_are_designed(shared_data: Path) -> None:
    """The gap of Bi2Se3, by tiny changes of half a million hoppings."""
    source = shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz"
    ready, _ = run(
        replace(GAP, model="", source=source, freedom="hoppings", value=0.3, occupied=18)
    )
    assert ready.reached
    assert ready.history[0, 3] > 0.4
    assert ready.gap == pytest.approx(0.3, abs=2e-4)
    assert ready.last.change < 1e-4


def test_the_worker_knows_the_job() -> None:
    from crystalgui.engine.work import resolve

    handler: Callable[..., object] = resolve(HANDLERS[DesignJob])
    assert handler is design
    assert isinstance(freedom_of(GAP), Strain)
    assert Allowed().symmetry
