"""Cropped hoppings: shape, no duplicates, the very numbers of the full Hamiltonian, speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians import crop as room
from crystalgui.core.datasets.hamiltonians.crop import (
    CELLS,
    cancellation,
    coverage,
    crop,
    crop_batch,
    crops,
    live,
    places,
)
from crystalgui.core.datasets.hamiltonians.dataset import (
    CLASSES,
    PhaseDataset,
    Samples,
    common,
    digest,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetSummary, HamiltonianSource, PhaseDataRecipe
from crystalgui.core.physics.perturb import add, noise, noise_batch
from crystalgui.core.physics.zoo.registry import build
from crystalgui.core.structures.hoppings.model import Hoppings


def make(
    size: int = 60,
    strength: float = 0.05,
    seed: int = 3,
    model: str = "bitei",
    ends: tuple[dict[str, float], dict[str, float]] = ({"x": 0.0}, {"x": 2.0}),
    **options,
) -> PhaseDataset:
    """Mixtures of one model at two settings, with labels by thirds of alpha (not certified)."""
    recipe = PhaseDataRecipe(
        name="mixtures",
        start=HamiltonianSource(model=model, settings=dict(ends[0])),
        end=HamiltonianSource(model=model, settings=dict(ends[1])),
        strength=strength,
        seed=seed,
        **options,
    )
    start, end = common(build(model, **ends[0]), build(model, **ends[1]))
    rng = np.random.default_rng(seed)
    alpha = rng.random(size)
    samples = Samples(
        number=np.arange(size),
        alpha=alpha,
        noise_seed=rng.integers(1, 2**62, size) if strength else np.full(size, -1),
        label=np.digitize(alpha, [1 / 3, 2 / 3]),
        gap=np.abs(alpha - 0.5),
        k=np.zeros((size, 3)),
        via=np.zeros(size, np.int8),
    )
    is_test = rng.random(size) < 0.1
    summary = DatasetSummary(
        name="mixtures",
        folder=Path("nowhere"),
        task="classification",
        target="phase",
        size=size,
        classes=CLASSES,
        kind="hoppings",
        digest=digest(recipe, start, end, samples, is_test),
    )
    return PhaseDataset(
        summary=summary,
        recipe=recipe,
        start=start,
        end=end,
        occupied=start.occupied or start.n_orbitals // 2,
        samples=samples,
        is_test=is_test,
        apart=Samples.empty(),
    )


@pytest.fixture(scope="module")
def noisy() -> PhaseDataset:
    return make()


def hermitian(n: int, seed: int) -> Hoppings:
    """Random H(A) = H(-A)^dagger on {-2 .. 2}^3, without any other symmetry."""
    axis = np.arange(-2, 3)
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(seed)
    b = rng.standard_normal((len(cells), n, n)) + 1j * rng.standard_normal((len(cells), n, n))
    return Hoppings(cells=cells, matrices=(b + b[places(cells, -cells)].conj().swapaxes(1, 2)) / 2)


def test_the_crop_of_eighteen_orbitals_has_17496_reals_and_no_pair_of_opposites() -> None:
    h = build("bitei")
    assert crop(h.cells, h.matrices).size == 17_496
    kept = {tuple(cell) for cell in CELLS.tolist()}
    assert len(kept) == 27
    assert [cell for cell in kept if tuple(-x for x in cell) in kept] == [(0, 0, 0)]


def test_the_crop_holds_the_hoppings_of_its_cells_and_zeros_elsewhere() -> None:
    h = build("bitei")
    cropped = crop(h.cells, h.matrices)
    known = {tuple(cell): m for cell, m in zip(h.cells.tolist(), h.matrices, strict=True)}
    for cell, got in zip(CELLS.tolist(), cropped, strict=True):
        want = known.get(tuple(cell), np.zeros((18, 18)))
        assert np.array_equal(got[..., 0] + 1j * got[..., 1], want)
    assert 0 < sum(tuple(cell) in known for cell in CELLS.tolist()) < 27


def test_coverage_counts_pairs_of_opposites() -> None:
    assert coverage(np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [1, -1, 0], [-1, 1, 0]])) == (2, 3)
    assert coverage(build("bitei").cells) == (9, 12)


def test_hoppings_of_other_cells_are_refused() -> None:
    h = build("bitei")
    with pytest.raises(DataError, match="do not belong"):
        crop(h.cells[:-1], h.matrices)


@pytest.mark.parametrize("normalisation", ["rms", "mean"])
@pytest.mark.parametrize("envelope", ["flat", "hoppings"])
def test_a_cropped_sample_is_the_full_hamiltonian_cropped(normalisation, envelope) -> None:
    data = make(8, 0.05 if normalisation == "rms" else 0.5, normalisation=normalisation,
                envelope=envelope)  # fmt: skip
    got = crop_batch(data, [5, 0, 5])
    assert got.shape == (3, 27, 18, 18, 2)
    assert got.dtype == np.float32
    for row, i in enumerate([5, 0, 5]):
        full = data.hamiltonian(i)
        assert np.abs(got[row] - crop(full.cells, full.matrices)).max() < 1e-6
        assert np.abs(got[row]).max() > 1


def test_the_noise_is_the_full_noise_to_the_last_bit(noisy: PhaseDataset) -> None:
    rows = np.arange(60)
    silent = replace(
        noisy,
        start=replace(noisy.start, matrices=0 * noisy.start.matrices),
        end=replace(noisy.end, matrices=0 * noisy.end.matrices),
    )
    got = crop_batch(silent, rows)
    for i in (0, 17, 59):
        delta = noisy.noise(i)
        assert delta is not None
        assert np.array_equal(got[i], crop(delta.cells, delta.matrices).astype(np.float32))
        cells, alone = noise_batch(noisy.start, [0.05], [int(noisy.noise_seed[i])])
        assert np.array_equal(got[i], crop(cells, alone[0]).astype(np.float32))


def test_rows_do_not_depend_on_the_batch(noisy: PhaseDataset) -> None:
    rows = np.random.default_rng(0).permutation(60)
    assert np.array_equal(crop_batch(noisy, rows), crop_batch(noisy, np.arange(60))[rows])
    assert crop_batch(noisy, []).shape == (0, 27, 18, 18, 2)


def test_live_cells_are_those_that_any_sample_uses(noisy: PhaseDataset) -> None:
    for data in (noisy, make(20, 0.0)):
        used = crop_batch(data, np.arange(20)).any(axis=(0, 2, 3, 4))
        assert np.array_equal(live(data), used)
        assert used.sum() == 9


def test_crops_in_memory_and_on_disk_are_the_batches(noisy: PhaseDataset, tmp_path: Path) -> None:
    rows = [3, 59, 3]
    want = crop_batch(noisy, rows)
    told: list[tuple[int, int]] = []
    kept = crops(noisy)
    mapped = crops(noisy, tmp_path, lambda done, total: told.append((done, total)))
    for got in (kept, mapped):
        assert len(got) == 60
        assert got.nbytes == 60 * 9 * 18 * 18 * 2 * 4
        assert np.array_equal(got.batch(rows), want)
    assert told[-1] == (60, 60)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_a_file_of_crops_is_used_again_and_never_for_other_samples(
    noisy: PhaseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = crops(noisy, tmp_path)
    made: list[int] = []
    real = room.compact_batch
    monkeypatch.setattr(room, "compact_batch", lambda *a: made.append(1) or real(*a))
    again = crops(noisy, tmp_path)
    assert not made
    assert np.array_equal(again.values, first.values)
    other = crops(make(60, seed=4), tmp_path)
    assert made
    assert not np.array_equal(other.values, first.values)


def test_a_broken_file_of_crops_is_made_again(noisy: PhaseDataset, tmp_path: Path) -> None:
    want = np.array(crops(noisy, tmp_path).values)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    assert np.array_equal(crops(noisy, tmp_path).values, want)


def test_both_halves_cancel_and_the_crop_does_not() -> None:
    found = cancellation(hermitian(6, 1))
    assert found.both.symmetric < 1e-12
    assert found.both.diagonal < 1e-12
    assert abs(found.both.total) < 1e-12
    assert found.half.symmetric > 1
    assert found.half.diagonal > 1
    assert abs(found.half.total) > 1
    assert found.both.size > found.half.size > 1
    assert "21 of 36" in found.sentence
    assert found.csv().count("\n") == 3


def test_dead_directions_are_counted_right() -> None:
    """The rank of the gradients of many Hamiltonians, against the claimed number."""
    n = 4
    pairs = [cancellation(hermitian(n, seed)) for seed in range(2)]
    axis = np.arange(-2, 3)
    every = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    ranks = []
    for wanted in (every, CELLS):
        gradients = []
        for seed in range(3 * n * n):
            h = hermitian(n, seed)
            gradients.append(crop(h.cells, h.matrices, wanted)[..., 1].sum(axis=0).ravel())
        ranks.append(int(np.linalg.matrix_rank(np.array(gradients), tol=1e-9)))
    assert [n * n - pooled.dead for pooled in (pairs[0].both, pairs[0].half)] == ranks == [6, 16]


def test_bitei_has_imaginary_hoppings_to_lose_only_with_noise() -> None:
    clean = build("bitei")
    assert "real" in cancellation(clean).sentence
    found = cancellation(add(clean, noise(clean, 0.05, 1)))
    assert found.both.symmetric < 1e-12 < 0.01 < found.half.symmetric
    assert "171 of 324" in found.sentence
