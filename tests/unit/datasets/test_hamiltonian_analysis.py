"""Views of a data set of Hamiltonians: numbers that are known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians import principal
from crystalgui.core.datasets.hamiltonians.analysis import (
    embedding,
    matrix_csv,
    noise_matrix,
    spectrum,
    strongest,
    subsample,
    symmetry_check,
    two_hoppings,
)
from crystalgui.core.datasets.hamiltonians.crop import CELLS
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.errors import DataError
from crystalgui.core.structures.hoppings.spin import partner
from tests.unit.datasets.test_hamiltonian_crop import make


@pytest.fixture(scope="module")
def silent() -> PhaseDataset:
    return make(300, 0.0)


@pytest.fixture(scope="module")
def noisy() -> PhaseDataset:
    return make(300, 0.05)


def columns(text: str) -> np.ndarray:
    """The numbers of a table; its comment lines and its head are left out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return np.array([[float(x) for x in line.split(",")] for line in lines[1:]])


def test_a_subsample_has_no_row_twice_and_depends_on_its_seed(silent: PhaseDataset) -> None:
    rows = subsample(silent, 100, seed=1)
    assert len(set(rows.tolist())) == 100
    assert np.array_equal(rows, subsample(silent, 100, seed=1))
    assert not np.array_equal(rows, subsample(silent, 100, seed=2))
    assert np.array_equal(subsample(silent, 1000), np.arange(300))


def test_two_hoppings_are_those_of_the_hamiltonians(noisy: PhaseDataset) -> None:
    first, second = ((0, 0, 0), 0, 10), ((-1, 0, 0), 2, 3)
    for part, of in (("real", np.real), ("imaginary", np.imag), ("modulus", np.abs)):
        found = two_hoppings(noisy, first, second, [7, 250], part)
        for row, i in enumerate([7, 250]):
            h = noisy.hamiltonian(i)
            for got, (cell, a, b) in ((found.x, first), (found.y, second)):
                place = h.cells.tolist().index(list(cell))
                assert got[row] == pytest.approx(of(h.matrices[place, a, b]), abs=1e-13)
    assert np.array_equal(found.label, noisy.label[[7, 250]])
    table = columns(found.csv())
    assert np.allclose(table, np.column_stack([found.rows, found.label, found.x, found.y]))
    assert "|H[1,11](0 0 0)|" in found.names


def test_mixtures_lie_on_a_line_and_noise_leaves_it(
    silent: PhaseDataset, noisy: PhaseDataset
) -> None:
    """Fig. 14 in numbers: how far the points are from the straight line through both ends."""
    first, second = strongest(silent, 2)

    def off(data: PhaseDataset) -> float:
        found = two_hoppings(data, first, second, np.arange(300))
        line = np.polyfit(found.x, found.y, 1)
        return float(np.std(found.y - np.polyval(line, found.x)))

    assert off(silent) < 1e-12
    assert off(noisy) > 0.02


def test_the_strongest_hoppings_differ_and_move_most(silent: PhaseDataset) -> None:
    found = strongest(silent, 6)
    start, end = silent.ends()
    cells = silent.cells.tolist()
    moves = [
        abs((end.matrices - start.matrices)[cells.index(list(cell)), i, j].real)
        for cell, i, j in found
    ]
    assert moves == sorted(moves, reverse=True)
    assert len({round(move, 7) for move in moves}) == 6
    inside = [cells.index(c) for c in CELLS.tolist() if c in cells]
    assert moves[0] == pytest.approx(np.abs((end.matrices - start.matrices)[inside].real).max())


def test_unknown_hoppings_are_refused_in_words(noisy: PhaseDataset) -> None:
    with pytest.raises(DataError, match="orbitals 19 and 1 among 18"):
        two_hoppings(noisy, ((0, 0, 0), 18, 0), ((0, 0, 0), 0, 0))
    with pytest.raises(DataError, match=r"no hoppings to the cell \(9, 0, 0\)"):
        two_hoppings(noisy, ((0, 0, 0), 0, 0), ((9, 0, 0), 0, 0))
    with pytest.raises(DataError, match="rows"):
        two_hoppings(noisy, ((0, 0, 0), 0, 0), ((0, 0, 0), 0, 0), [300])


def test_the_unperturbed_set_has_dimension_one(silent: PhaseDataset) -> None:
    found = spectrum(silent)
    assert found.rank == 1
    assert not found.limited
    assert found.participation == pytest.approx(1.0, abs=1e-9)
    # The one deviation is that of alpha, times the distance of both ends.
    start, end = (e.matrices for e in silent.ends())
    inside = [silent.cells.tolist().index(c) for c in CELLS.tolist() if c in silent.cells.tolist()]
    distance = np.linalg.norm((end - start)[inside])
    assert found.values[0] == pytest.approx(silent.alpha.std(ddof=1) * distance, rel=1e-9)
    assert found.sentence.startswith("1 direction above")


def test_noise_raises_the_dimension_to_all_that_the_samples_can_show(
    noisy: PhaseDataset, silent: PhaseDataset
) -> None:
    found = spectrum(noisy)
    assert found.rank == 299
    assert found.limited
    assert found.participation > 20 * spectrum(silent).participation
    assert found.sentence.startswith("At least 299")
    table = columns(found.csv())
    assert np.allclose(table[:, 1], found.values, atol=1e-9)
    assert found.explained.sum() == pytest.approx(1.0)


def test_the_spectrum_is_that_of_a_singular_value_decomposition(noisy: PhaseDataset) -> None:
    from crystalgui.core.datasets.hamiltonians.crop import crop_batch

    rows = np.arange(40)
    table = crop_batch(noisy, rows).reshape(40, -1).astype(np.float64)
    want = np.linalg.svd(table - table.mean(axis=0), compute_uv=False) / np.sqrt(39)
    assert np.allclose(spectrum(noisy, rows).values[:39], want[:39], rtol=1e-5)


def test_the_number_of_independent_hoppings_is_found() -> None:
    """Time reversal halves every block; the one at A = 0 is Hermitian in itself."""
    data = make(400, 0.05, model="cubic", ends=({"M": -1.0}, {"M": 2.0}))
    found = spectrum(data, np.arange(400))
    n, cells = 4, 4
    assert found.features == cells * n * n * 2
    assert found.rank == (cells - 1) * n * n + n * (n - 1) // 2
    assert not found.limited


def test_large_tables_are_cut_and_say_so(
    noisy: PhaseDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principal, "BYTES", 50 * 9 * 648 * 8)
    found = spectrum(noisy)
    assert len(found.rows) == 50
    assert found.sentence.endswith("50 samples of 5,832 numbers.")


def test_an_embedding_of_a_line_keeps_neighbours_and_one_component(silent: PhaseDataset) -> None:
    found = embedding(silent, np.arange(300), seed=3)
    assert found.points.shape == (300, 2)
    assert found.components == 1
    assert found.explained == pytest.approx(1.0)
    order = np.argsort(silent.alpha)
    steps = np.linalg.norm(np.diff(found.points[order], axis=0), axis=1)
    assert np.median(steps) < 0.1 * np.ptp(found.points, axis=0).max()
    # Along the line the first principal axis is alpha.
    assert abs(np.corrcoef(found.principal[:, 0], silent.alpha)[0, 1]) == pytest.approx(1.0)
    assert columns(found.csv()).shape == (300, 6)
    assert "300 of 300 samples" in found.sentence


def test_an_embedding_depends_on_its_seed_only(noisy: PhaseDataset) -> None:
    rows = np.arange(60)
    one, same = (embedding(noisy, rows, seed=5, iterations=250) for _ in range(2))
    assert np.array_equal(one.points, same.points)
    assert one.components == 50
    assert one.explained < 1


def test_a_noise_matrix_is_that_of_its_sample_and_cell(noisy: PhaseDataset) -> None:
    whole, mixed = noisy.hamiltonian(4), replace(noisy, recipe=replace(noisy.recipe, strength=0.0))
    for cell in ((0, 0, 0), (0, 0, 1), (-1, 1, 0)):
        place = noisy.cells.tolist().index(list(cell))
        want = whole.matrices[place] - mixed.hamiltonian(4).matrices[place]
        assert np.allclose(noise_matrix(noisy, 4, cell), want, atol=1e-14)
    table = columns(matrix_csv(noisy, 4))
    matrix = noise_matrix(noisy, 4)
    assert np.allclose(table[:, 2] + 1j * table[:, 3], matrix.ravel(), atol=1e-9)
    assert np.allclose(table[:, 4] * np.exp(1j * table[:, 5]), matrix.ravel(), atol=1e-9)


def test_a_set_without_noise_has_no_noise_matrix(silent: PhaseDataset) -> None:
    with pytest.raises(DataError, match="no noise"):
        noise_matrix(silent, 0)
    assert symmetry_check(silent, 0).what == "sample"


def test_every_lattice_vector_of_the_noise_keeps_both_symmetries(noisy: PhaseDataset) -> None:
    for what in ("noise", "sample"):
        found = symmetry_check(noisy, 11, what)
        assert len(found.cells) == len(noisy.cells)
        assert found.passed
        assert found.splitting < 1e-12
        assert columns(found.csv()).shape == (len(found.cells), 6)
    p, s = partner(18, found.spin_order)
    matrix = noise_matrix(noisy, 11, (1, 0, 0))
    assert np.abs(matrix - matrix[p][:, p].conj() * np.outer(s, s)).max() < 1e-14


def test_the_recipe_of_the_paper_breaks_time_reversal_and_is_found_out() -> None:
    found = symmetry_check(make(3, 0.05, mode="paper-literal"), 1)
    assert found.hermitian.max() < 1e-12
    assert found.time_reversal.max() > 0.01
    assert not found.passed
    assert found.splitting > 1e-3


def test_noise_of_the_asked_strength(noisy: PhaseDataset) -> None:
    found = symmetry_check(noisy, 2)
    assert np.sqrt(np.mean(found.size**2)) == pytest.approx(0.05, rel=1e-12)
