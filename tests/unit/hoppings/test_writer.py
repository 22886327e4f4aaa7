"""What is written is read back, for any Hamiltonian."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import FileError
from crystalgui.core.physics.zoo import ssh
from crystalgui.core.structures.hoppings.model import Hoppings, Positions
from crystalgui.core.structures.hoppings.reader import hermitian, read_hoppings
from crystalgui.core.structures.hoppings.writer import write_hoppings, write_hr, write_tb

SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def hamiltonians(draw: st.DrawFn) -> Hoppings:
    n = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    cells = draw(
        st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=6, unique=True).filter(
            lambda found: len(found) > 0
        )
    )
    scale = draw(st.sampled_from([1e-6, 1.0, 100.0, 9000.0]))
    random = np.random.default_rng(seed)
    unique = {c if c >= (0, 0, 0) else tuple(-x for x in c) for c in cells}
    shape = (len(unique), n, n)
    matrices = scale * (random.normal(size=shape) + 1j * random.normal(size=shape))
    found = np.array(sorted(unique), dtype=np.int64)
    home = (found == 0).all(axis=1)
    matrices[home] += matrices[home].conj().swapaxes(-1, -2)
    cells_all, matrices, _, _ = hermitian(found, matrices)
    lattice = np.eye(3) * 3 + 0.2 * random.normal(size=(3, 3))
    return Hoppings(
        cells=cells_all,
        matrices=matrices,
        lattice=lattice,
        centres=random.uniform(size=(n, 3)),
        title=draw(st.sampled_from(["", "a comment", "two\nlines"])),
    )


@SLOW
@given(h=hamiltonians(), packed=st.booleans())
def test_hr_round_trip(tmp_path: Path, h: Hoppings, packed: bool) -> None:
    path = tmp_path / ("x_hr.dat.gz" if packed else "x_hr.dat")
    write_hr(h, path)
    again = read_hoppings(path)
    assert np.array_equal(again.cells, h.cells)
    assert np.abs(again.matrices - h.matrices).max() < 1e-11
    path.unlink()


@SLOW
@given(h=hamiltonians())
def test_tb_round_trip(tmp_path: Path, h: Hoppings) -> None:
    path = tmp_path / "x_tb.dat"
    write_tb(h, path)
    again = read_hoppings(path)
    assert np.array_equal(again.cells, h.cells)
    assert np.allclose(again.matrices, h.matrices, rtol=1e-12, atol=1e-13)
    assert again.lattice is not None
    assert h.lattice is not None
    assert np.allclose(again.lattice, h.lattice, atol=1e-13)
    if any(not cell.any() for cell in h.cells):
        assert again.centres is not None
        assert h.centres is not None
        assert np.allclose(again.centres, h.centres, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 700))
def test_a_file_cut_anywhere_is_an_error_with_a_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    write_hr(ssh(), folder / "s_hr.dat")
    whole = (folder / "s_hr.dat").read_bytes()
    if cut >= len(whole) - 1:
        return
    (folder / "s_hr.dat").write_bytes(whole[:cut])
    # Only digits at the very end of the last number can be missing unseen.
    if len(whole) - cut < 14:
        return
    with pytest.raises(FileError) as caught:
        read_hoppings(folder / "s_hr.dat")
    assert caught.value.path is not None


def _with_positions() -> Hoppings:
    h = ssh()
    random = np.random.default_rng(4)
    shape = (len(h.cells), 2, 2, 3)
    cells, elements, _, _ = hermitian(
        h.cells, random.normal(size=shape) + 1j * random.normal(size=shape)
    )
    return replace(h, positions=Positions(cells=cells, elements=elements))


def test_positions_on_other_cells_are_written_too(tmp_path: Path) -> None:
    h = _with_positions()
    assert h.positions is not None
    far = np.concatenate([h.positions.cells, [[0, 3, 0], [0, -3, 0]]])
    more = np.zeros((2, 2, 2, 3), dtype=complex)
    more[:, 0, 0, 0] = 0.25
    elements = np.concatenate([h.positions.elements, more])
    h = replace(h, positions=Positions(cells=far, elements=elements))
    write_tb(h, tmp_path / "x_tb.dat")
    again = read_hoppings(tmp_path / "x_tb.dat")
    assert again.positions is not None
    assert np.array_equal(again.positions.cells, far)
    assert np.abs(again.positions.elements - elements).max() < 1e-13
    assert (again.matrices[-2:] == 0).all()
    assert again.assumptions.positions_from == "x_tb.dat"


def test_faults_of_a_position_matrix(tmp_path: Path) -> None:
    path = tmp_path / "x_tb.dat"
    write_tb(_with_positions(), path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n")
    with pytest.raises(FileError, match="truncated") as caught:
        read_hoppings(path)
    assert caught.value.line == len(lines) - 3
    first = next(i for i, line in enumerate(lines) if len(line.split()) == 8)
    spoiled = [*lines[:first], lines[first].replace("E", "x", 1), *lines[first + 1 :]]
    path.write_text("\n".join(spoiled) + "\n")
    with pytest.raises(FileError, match="Not a row") as caught:
        read_hoppings(path)
    assert caught.value.line == first + 1
    spoiled = [*lines[: first - 1], "    7    0    0", *lines[first:]]
    path.write_text("\n".join(spoiled) + "\n")
    with pytest.raises(FileError, match="other cells"):
        read_hoppings(path)
    spoiled = [*lines[:first], lines[first].replace("    1    1", "    2    1", 1)]
    path.write_text("\n".join([*spoiled, *lines[first + 1 :]]) + "\n")
    with pytest.raises(FileError, match="expected orbitals 1 1") as caught:
        read_hoppings(path)
    assert caught.value.line == first + 1


def test_positions_must_fit(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="position elements"):
        Positions(cells=np.zeros((2, 3)), elements=np.zeros((2, 2, 3, 3)))
    with pytest.raises(FileError, match="position elements"):
        Positions(cells=np.zeros((1, 3)), elements=np.zeros((2, 2, 2, 3)))


def test_a_tb_file_needs_a_lattice(tmp_path: Path) -> None:
    h = ssh()
    bare = Hoppings(cells=h.cells, matrices=h.matrices)
    with pytest.raises(FileError, match="no lattice"):
        write_tb(bare, tmp_path / "x_tb.dat")


@pytest.mark.parametrize(
    "name", ["a_hr.dat", "a_hr.dat.gz", "a_tb.dat", "a_tb.dat.gz", "A.hoppings.safetensors"]
)
def test_the_name_chooses_the_format(tmp_path: Path, name: str) -> None:
    h = _with_positions()
    write_hoppings(h, tmp_path / name)
    again = read_hoppings(tmp_path / name)
    assert np.abs(again.matrices - h.matrices).max() < 1e-11
    assert (again.positions is None) == ("hr" in name)
    with pytest.raises(FileError, match="which format"):
        write_hoppings(h, tmp_path / "a.txt")
