"""H(k) against the definition, in every way it is summed."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import FileError
from crystalgui.core.physics.bloch import (
    energies,
    grid_energies,
    hamiltonian,
    one_blas_thread,
    over_chunks,
)
from crystalgui.core.physics.kpoints import (
    energies_csv,
    energies_table,
    read_kpoints,
    write_energies_csv,
)
from crystalgui.core.physics.zoo import bitei, fu_kane_mele, haldane, weyl
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.writer import write_hr


def naive(h: Hoppings, k: np.ndarray) -> np.ndarray:
    phase = np.exp(2j * np.pi * k @ h.cells.T)
    return np.einsum("ka,aij->kij", phase, h.matrices)


@pytest.fixture(params=[bitei, fu_kane_mele, haldane, weyl])
def model(request: pytest.FixtureRequest) -> Hoppings:
    return request.param()


@pytest.fixture
def k() -> np.ndarray:
    return np.random.default_rng(0).uniform(-2, 2, size=(40, 3))


def test_the_sum_is_the_definition(model: Hoppings, k: np.ndarray) -> None:
    h = hamiltonian(model, k)
    assert np.abs(h - naive(model, k)).max() < 1e-12
    assert np.abs(h - h.conj().swapaxes(-1, -2)).max() == 0
    assert np.abs(energies(model, k) - np.linalg.eigvalsh(naive(model, k))).max() < 1e-12


def test_it_is_periodic_and_keeps_the_shape(model: Hoppings, k: np.ndarray) -> None:
    n = model.n_orbitals
    assert hamiltonian(model, k.reshape(4, 10, 3)).shape == (4, 10, n, n)
    assert (
        np.abs(hamiltonian(model, k + np.array([1, -2, 3])) - hamiltonian(model, k)).max() < 1e-11
    )
    assert hamiltonian(model, [0.1, 0.2, 0.3]).shape == (n, n)


def test_torch_gives_the_same_with_gradients(model: Hoppings, k: np.ndarray) -> None:
    import torch

    at = torch.tensor(k, requires_grad=True)
    e = energies(model, at)
    assert np.abs(e.detach().numpy() - energies(model, k)).max() < 1e-12
    e[:, 0].sum().backward()
    step = 1e-5
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = step
        slope = (energies(model, k + shift) - energies(model, k - shift))[:, 0] / (2 * step)
        assert np.abs(at.grad[:, axis].numpy() - slope).max() < 1e-4


def test_grids_and_threads_agree_with_scattered_points(model: Hoppings) -> None:
    mesh = (4, 3, 5)
    axes = [np.arange(count) / count + s for count, s in zip(mesh, (0.1, 0.0, -0.2), strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid_energies(model, mesh, (0.1, 0.0, -0.2)).reshape(-1, model.n_orbitals)
    assert np.abs(grid - energies(model, points, threads=1)).max() < 1e-12
    many = np.random.default_rng(1).uniform(size=(700, 3))
    one, two = energies(model, many, threads=1), energies(model, many, threads=2)
    assert np.abs(one - two).max() < 1e-12


def test_an_error_in_a_thread_arrives() -> None:
    def part(rows: slice) -> None:
        if rows.start:
            raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        over_chunks(part, 100, 10, 2)


def test_blas_threads_come_back() -> None:
    from threadpoolctl import threadpool_info

    def counts() -> list[int]:
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    with one_blas_thread():
        pass
    before = counts()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert entered.wait(10)
        assert set(counts()) == {1}
    assert set(counts()) == {1}
    leave.set()
    thread.join(10)
    assert counts() == before


@pytest.mark.data
def test_real_hoppings_against_the_definition(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "ZrTe" / "wannier90_hr.dat.gz")
    k = np.random.default_rng(2).uniform(-1, 1, size=(20, 3))
    assert np.abs(hamiltonian(h, k) - naive(h, k)).max() < 1e-12
    assert np.abs(energies(h, k) - np.linalg.eigvalsh(naive(h, k))).max() < 1e-12


# ------------------------------------------------------------ k-point files


def test_every_form_of_a_kpoint_file(tmp_path: Path) -> None:
    path = tmp_path / "k.kpt"
    wanted = np.array([[0, 0, 0], [0.5, 0.25, -0.125]])
    for text in (
        "2\n 0 0 0 1.0\n 0.5 0.25 -0.125 1.0\n",
        "0 0 0\n0.5 0.25 -0.125\n",
        "# reduced\n\n0, 0, 0\n0.5, 0.25, -0.125, 2\n",
        "k1,k2,k3\n0,0,0\n0.5,0.25,-0.125\n",
    ):
        path.write_text(text)
        assert np.array_equal(read_kpoints(path), wanted)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("", "empty", None),
        ("\n\n", "no k-points", None),
        ("3\n0 0 0\n", "announces 3", None),
        ("0 0 0\n0 0\n", "three finite", 2),
        ("0 0 0\n0 0 nan\n", "three finite", 2),
        ("0 0 0\na b c\n", "Not a k-point", 2),
    ],
)
def test_a_bad_kpoint_file(tmp_path: Path, text: str, words: str, line: int | None) -> None:
    path = tmp_path / "k.txt"
    path.write_text(text)
    with pytest.raises(FileError, match=words) as caught:
        read_kpoints(path)
    assert caught.value.line == line


def test_the_table_of_the_command_line(tmp_path: Path) -> None:
    h = bitei()
    write_hr(h, tmp_path / "b_hr.dat.gz")
    points = np.random.default_rng(3).uniform(-1, 1, size=(7, 3))
    np.savetxt(tmp_path / "k.txt", points, fmt="%.17g")
    k, e = energies_table(tmp_path / "b_hr.dat.gz", tmp_path / "k.txt")
    assert np.array_equal(k, points)
    assert np.abs(e - np.linalg.eigvalsh(naive(h, points))).max() < 1e-10
    write_energies_csv(tmp_path / "e.csv", k, e)
    rows = (tmp_path / "e.csv").read_text().splitlines()
    assert rows[0].startswith("k1,k2,k3,band_1_eV")
    assert len(rows) == 8
    assert np.abs(np.array(rows[3].split(",")[3:], float) - e[2]).max() < 1e-11
    assert energies_csv(k, e).splitlines() == rows
    with pytest.raises(FileError, match="cannot be written"):
        write_energies_csv(tmp_path / "none" / "e.csv", k, e)
