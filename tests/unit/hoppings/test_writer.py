"""What is written is read back, for any Hamiltonian."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import FileError
from crystalgui.core.physics.zoo import ssh
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import hermitian, read_hoppings
from crystalgui.core.structures.hoppings.writer import write_hr, write_tb

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


def test_a_tb_file_needs_a_lattice(tmp_path: Path) -> None:
    h = ssh()
    bare = Hoppings(cells=h.cells, matrices=h.matrices)
    with pytest.raises(FileError, match="no lattice"):
        write_tb(bare, tmp_path / "x_tb.dat")
