"""Phase diagrams: points come coarse to fine, and every phase is that of a certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import (
    HamiltonianSource,
    MixtureJob,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
    Progress,
)
from crystalgui.core.physics import phases, zoo
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.phases import axes, coarse_to_fine, mixed, mixture, phase_map


def points(job: MixtureJob | PhaseMapJob) -> list[PhasePoint]:
    events = mixture(job) if isinstance(job, MixtureJob) else phase_map(job)
    return [p for event in events if isinstance(event, PhasePoints) for p in event.points]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
def test_every_point_once_and_the_ends_first(n: int) -> None:
    order = coarse_to_fine(n)
    assert sorted(order) == list(range(n))
    assert order[:2] == [0, n - 1][: min(n, 2)]


def count_certificates(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def counted(*args: Any, **more: Any) -> Any:
        made.append(args)
        return classify(*args, **more)

    monkeypatch.setattr(phases, "classify", counted)
    return made


def test_the_haldane_plane_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_certificates(monkeypatch)
    job = PhaseMapJob(model="haldane", x=("phi", -3.0, 3.0, 13), y=("mass", -0.8, 0.8, 9))
    found = points(job)
    assert len(found) == len({(p.x, p.y) for p in found}) == 13 * 9
    for p in found:
        edge = 3 * np.sqrt(3) * 0.1 * abs(np.sin(p.x))
        if abs(abs(p.y) - edge) > 1e-3:
            inside = abs(p.y) < edge
            assert p.label == ("topological insulator" if inside else "trivial insulator"), p
            assert p.status == "converged"
            assert p.gap > 0
    assert len(made) < len(found) / 3


def test_murakami_and_kuga() -> None:
    settings = {"b2": 0.8}
    job = PhaseMapJob(
        model="fu-kane-mele",
        settings=settings,
        x=("d", 0.1, 0.3, 5),
        y=("staggered", 0.0, 0.3, 2),
    )
    found = {(round(p.x, 3), p.y): p for p in points(job)}
    assert found[0.2, 0.0].label == "Dirac semimetal"
    assert found[0.2, 0.3].label == "Weyl semimetal"
    assert found[0.1, 0.3].label == "trivial insulator"
    assert found[0.3, 0.3].label == "topological insulator"
    h = zoo.build("fu-kane-mele", d=0.25, staggered=0.3, **settings)
    assert found[0.25, 0.3].label == classify(h, 2).label


def test_a_path_gives_gaps_first_and_then_phases() -> None:
    start = HamiltonianSource(model="kane-mele", settings={"staggered": 0.1})
    end = HamiltonianSource(model="kane-mele", settings={"staggered": 0.5})
    job = MixtureJob(start=start, end=end, steps=9, strengths=(0.0, 0.02), seed=3)
    events = list(mixture(job))
    found = [p for e in events if isinstance(e, PhasePoints) for p in e.points]
    first, second = found[:18], found[18:]
    assert {p.label for p in first} == {""}
    assert len(second) == 18
    closing = (3 * np.sqrt(3) * 0.06 - 0.1) / 0.4
    for p in second:
        if p.y == 0:
            expected = "topological insulator" if p.x < closing else "trivial insulator"
            assert p.label == expected
        h = mixed(job, p.x, p.y)
        assert p.gap == pytest.approx(gaps(h, 2).direct.energy, abs=2e-5)
    assert any(isinstance(e, Progress) and e.done == e.total == 18 for e in events)


def test_the_unit_of_the_noise_counts() -> None:
    source = HamiltonianSource(model="bhz", settings={"M": 1.0})
    job = MixtureJob(start=source, end=source, strengths=(0.1,), normalisation="mean")
    h, noisy = zoo.bhz(M=1.0), mixed(job, 0.0, 0.1)
    cells = {tuple(c): i for i, c in enumerate(noisy.cells.tolist())}
    before = np.zeros_like(noisy.matrices)
    for cell, matrix in zip(h.cells.tolist(), h.matrices, strict=True):
        before[cells[tuple(cell)]] = matrix
    size = np.abs(noisy.matrices - before).mean()
    assert size == pytest.approx(0.1 * np.abs(before).mean(), rel=0.2)
    plain = MixtureJob(start=source, end=source, strengths=(0.1,))
    change = mixed(plain, 0.0, 0.1).matrices - before
    assert np.sqrt((np.abs(change) ** 2).mean()) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (PhaseMapJob(model="bhz", x=("M", 0, 1, 3), y=("M", 0, 1, 3)), "Both axes"),
        (PhaseMapJob(model="bhz", x=("M", 1, 0, 3), y=("A", 0, 1, 3)), "goes from"),
        (PhaseMapJob(model="bhz", x=("M", 0, 1, 300), y=("A", 0, 1, 300)), "too many"),
    ],
)
def test_planes_that_are_none(job: PhaseMapJob, words: str) -> None:
    with pytest.raises(PhysicsError, match=words):
        axes(job)


def test_a_path_needs_two_points() -> None:
    source = HamiltonianSource(model="bhz")
    with pytest.raises(PhysicsError):
        points(MixtureJob(start=source, end=source, steps=1))


def test_ends_with_other_orbitals_are_refused() -> None:
    job = MixtureJob(start=HamiltonianSource(model="bhz"), end=HamiltonianSource(model="haldane"))
    with pytest.raises(PhysicsError):
        points(job)
