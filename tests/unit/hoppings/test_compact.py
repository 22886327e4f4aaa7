"""The compact format: nothing is lost, everything that was assumed is kept, damage is named."""

from __future__ import annotations

import json
import struct
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import FileError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.zoo import bitei, cubic, haldane
from crystalgui.core.structures.files import sniff
from crystalgui.core.structures.hoppings.compact import SUFFIX, write_compact
from crystalgui.core.structures.hoppings.info import hoppings_info
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings, Positions
from crystalgui.core.structures.hoppings.reader import hermitian, read_hoppings
from crystalgui.core.structures.hoppings.writer import write_hr, write_tb

NAME = "x" + SUFFIX


def same(one: Hoppings, two: Hoppings) -> None:
    """Every array and value equal, to the last bit."""
    assert np.array_equal(one.cells, two.cells)
    assert np.array_equal(one.matrices, two.matrices)
    for name in ("lattice", "centres", "species", "frac"):
        a, b = getattr(one, name), getattr(two, name)
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)
    assert (one.positions is None) == (two.positions is None)
    if one.positions is not None and two.positions is not None:
        assert np.array_equal(one.positions.cells, two.positions.cells)
        assert np.array_equal(one.positions.elements, two.positions.elements)
    assert (one.occupied, one.title) == (two.occupied, two.title)


def random_hoppings(seed: int, n: int, m: int, *, positions: bool) -> Hoppings:
    random = np.random.default_rng(seed)

    def terms(*extra: int) -> tuple[np.ndarray, np.ndarray]:
        cells = np.unique(random.integers(-4, 5, size=(m, 3)), axis=0)
        shape = (len(cells), n, n, *extra)
        cells, matrices, _, _ = hermitian(
            cells, random.normal(size=shape) + 1j * random.normal(size=shape)
        )
        return cells, matrices

    cells, matrices = terms()
    r = None
    if positions:
        far, elements = terms(3)
        r = Positions(cells=far, elements=elements)
    return Hoppings(
        cells=cells,
        matrices=matrices,
        lattice=np.eye(3) * 4 + 0.1 * random.normal(size=(3, 3)),
        centres=random.uniform(size=(n, 3)),
        species=np.array([83, 34]),
        frac=random.uniform(size=(2, 3)),
        occupied=int(random.integers(1, n + 1)),
        positions=r,
        title="α, β",
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    m=st.integers(1, 9),
    positions=st.booleans(),
)
def test_nothing_is_lost(tmp_path: Path, seed: int, n: int, m: int, positions: bool) -> None:
    h = random_hoppings(seed, n, m, positions=positions)
    write_compact(h, tmp_path / NAME)
    again = read_hoppings(tmp_path / NAME)
    same(h, again)
    write_compact(h, tmp_path / NAME, precision="single")
    rough = read_hoppings(tmp_path / NAME)
    change = float(np.abs(rough.matrices - h.matrices).max())
    assert rough.assumptions.rounding == pytest.approx(change, rel=1e-12)
    assert change < 1e-6
    assert np.array_equal(rough.cells, h.cells)


@pytest.mark.parametrize("h", [bitei(), haldane(), cubic()])
def test_models_come_back_with_their_assumptions(tmp_path: Path, h: Hoppings) -> None:
    write_compact(h, tmp_path / NAME)
    again = read_hoppings(tmp_path / NAME)
    same(h, again)
    assert again.assumptions == h.assumptions
    assert again.source == tmp_path / NAME


def test_an_adjoint_that_is_not_exact_is_stored_itself(tmp_path: Path) -> None:
    h = cubic()
    matrices = h.matrices.copy()
    matrices[0, 0, 1] += 1e-9
    h = replace(h, matrices=matrices)
    write_compact(h, tmp_path / NAME)
    same(h, read_hoppings(tmp_path / NAME))


def test_single_precision_is_an_assumption(tmp_path: Path) -> None:
    write_compact(bitei(), tmp_path / NAME, precision="single")
    h = read_hoppings(tmp_path / NAME)
    assert 1e-9 < h.assumptions.rounding < 1e-6
    assert "single precision" in h.assumptions.sentence()
    assert hoppings_info(h)["rounding"] == h.assumptions.rounding
    k = np.random.default_rng(0).uniform(size=(9, 3))
    assert np.abs(energies(h, k) - energies(bitei(), k)).max() < 1e-5


def test_it_is_recognised_and_needs_no_companion(tmp_path: Path) -> None:
    write_compact(cubic(), tmp_path / NAME)
    assert sniff(tmp_path / NAME) == "hoppings"
    (tmp_path / "POSCAR").write_text("no crystal")
    assert read_hoppings(tmp_path / NAME).assumptions.lattice_from == "model"
    other = tmp_path / "model.safetensors"
    (tmp_path / NAME).rename(other)
    same(read_hoppings(other), cubic())


def test_where_it_came_from_is_kept(tmp_path: Path) -> None:
    import hashlib

    write_hr(cubic(), tmp_path / "c_hr.dat")
    digest = hashlib.sha256((tmp_path / "c_hr.dat").read_bytes()).hexdigest()
    first = read_hoppings(tmp_path / "c_hr.dat")
    write_compact(first, tmp_path / NAME)
    second = read_hoppings(tmp_path / NAME)
    assert second.assumptions.sha256 == digest
    assert second.assumptions.files == ("c_hr.dat",)
    write_compact(second, tmp_path / ("y" + SUFFIX), precision="single")
    third = read_hoppings(tmp_path / ("y" + SUFFIX))
    assert third.assumptions.sha256 == digest
    assert hoppings_info(third)["sha256"] == digest


# ------------------------------------------------------------------ damage


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 5000))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / NAME
    write_compact(cubic(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(FileError) as caught:
        read_hoppings(path)
    assert caught.value.path == path
    assert caught.value.hint


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 4000), value=st.integers(0, 255))
def test_a_spoiled_byte_is_refused_or_harmless(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / NAME
    write_compact(cubic(), path)
    whole = bytearray(path.read_bytes())
    whole[at % len(whole)] = value
    path.write_bytes(bytes(whole))
    with suppress(FileError):
        assert np.isfinite(read_hoppings(path).matrices).all()


def _rewrite(path: Path, header: object = None, **tensors: np.ndarray | None) -> None:
    """Change the header or replace arrays of a good file."""
    from safetensors.numpy import load, save

    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    meta = json.loads(data[8 : 8 + size])["__metadata__"]
    if header is not None:
        meta["hoppings"] = header if isinstance(header, str) else json.dumps(header)
    arrays = load(data)
    for name, value in tensors.items():
        if value is None:
            arrays.pop(name)
        else:
            arrays[name] = value
    path.write_bytes(save(arrays, metadata=meta))


GOOD = {"version": 1, "title": "", "occupied": None, "assumptions": {}}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("no json", "another kind"),
        ("[" * 100_000, "another kind"),
        ([1], "no version"),
        ({"version": "1"}, "no version"),
        ({**GOOD, "version": 99}, "newer program"),
        ({"version": 1}, "assumptions are missing"),
        ({**GOOD, "assumptions": {"files": 3}}, "files"),
        ({**GOOD, "assumptions": {"spin_order": "sideways"}}, "sideways"),
        ({**GOOD, "assumptions": {"wigner_seitz": "sideways"}}, "sideways"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: object, words: str) -> None:
    path = tmp_path / NAME
    write_compact(cubic(), path)
    _rewrite(path, header)
    with pytest.raises(FileError, match=words):
        read_hoppings(path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cells", None, "missing"),
        ("matrices", None, "matrices"),
        ("cells", np.zeros((7, 3), np.int32), "not unique"),
        ("cells", np.zeros((7, 2), np.int32), "cells"),
        ("cells", np.zeros((7, 3)), "cells"),
        ("stored", np.zeros(4, np.int32), "missing"),
        ("stored", np.array([0, 1, 2, 99], np.int32), "missing"),
        ("matrices", np.zeros((4, 4, 3, 2)), "matrices"),
        ("matrices", np.full((4, 4, 4, 2), np.nan), "not finite"),
        ("lattice", np.zeros((2, 3)), "lattice"),
        ("lattice", np.full((3, 3), np.inf), "not finite"),
        ("centres", np.zeros((5, 3)), "centres"),
        ("species", np.array([1]), "not both"),
    ],
)
def test_wrong_arrays_are_refused(
    tmp_path: Path, name: str, value: np.ndarray | None, words: str
) -> None:
    path = tmp_path / NAME
    write_compact(cubic(), path)
    _rewrite(path, GOOD, **{name: value})
    with pytest.raises(FileError, match=words):
        read_hoppings(path)


def test_adjoints_that_differ_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    h = cubic()
    matrices = h.matrices.copy()
    matrices[0, 0, 1] += 0.1
    write_compact(replace(h, matrices=matrices), path)
    with pytest.raises(FileError, match=r"differ by 0\.1"):
        read_hoppings(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_hoppings(tmp_path / NAME)
    (tmp_path / NAME).mkdir()
    with pytest.raises(FileError, match="folder"):
        read_hoppings(tmp_path / NAME)


def test_the_window_and_the_command_line_open_it(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from crystalgui.cli import app
    from crystalgui.gui.state.project import load

    write_compact(bitei(), tmp_path / NAME)
    loaded = load(tmp_path / NAME)
    assert loaded.kind == "hoppings"
    assert loaded.crystal is not None
    answer = CliRunner().invoke(app, ["info", str(tmp_path / NAME)])
    assert answer.exit_code == 0, answer.output
    facts = json.loads(answer.output)
    assert (facts["orbitals"], facts["lattice_from"]) == (18, "model")


# -------------------------------------------------------------- real files


@pytest.mark.data
def test_bi2se3_is_small_and_fast(shared_data: Path, tmp_path: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    write_compact(h, tmp_path / NAME)
    start = time.process_time()
    again = read_hoppings(tmp_path / NAME)
    assert time.process_time() - start < 0.3
    same(h, again)
    said = h.assumptions
    assert replace(again.assumptions, sha256="") == said
    assert said.degeneracies == "1-4, divided out"
    assert "degeneracies 1-4, divided out" in said.sentence()


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "wigner_seitz"),
    [
        ("GaAs/GaAs_tb.dat", "ndegen"),
        ("Si_valence_mdrs/Si2_valence_tb.dat", "wsvec"),
        ("Si_valence_mdrs/Si2_valence_hr.dat", "wsvec"),
        ("Si_valence_ws/Si2_valence_tb.dat", "ndegen"),
    ],
)
def test_the_position_matrix_is_kept(
    shared_data: Path, tmp_path: Path, file: str, wigner_seitz: str
) -> None:
    h = read_hoppings(shared_data / "hoppings" / file)
    said = h.assumptions
    assert said.wigner_seitz == wigner_seitz
    assert said.positions_from.endswith("_tb.dat")
    r = h.positions
    assert r is not None
    assert h.lattice is not None
    assert h.centres is not None
    home = int(np.flatnonzero((r.cells == 0).all(axis=1))[0])
    diagonal = r.elements[home].diagonal().T.real
    assert np.abs(diagonal - h.centres @ h.lattice).max() < 1e-10
    assert np.abs(r.elements).max() > 0.1
    write_tb(h, tmp_path / "x_tb.dat")
    again = read_hoppings(tmp_path / "x_tb.dat")
    assert again.positions is not None
    order = {tuple(c): i for i, c in enumerate(again.positions.cells.tolist())}
    at = [order[tuple(c)] for c in r.cells.tolist()]
    assert np.abs(again.positions.elements[at] - r.elements).max() < 1e-12
    write_compact(h, tmp_path / NAME)
    same(h, read_hoppings(tmp_path / NAME))
    facts = hoppings_info(h)
    assert facts["positions_from"] == said.positions_from
    assert facts["position_residual"] == said.position_residual


def test_every_assumption_is_in_the_json() -> None:
    facts = hoppings_info(cubic())
    names = {"lattice_from", "wigner_seitz", "spin_order", "time_reversal_residual"}
    names |= {"hermiticity_residual", "files", "ws_distance_missing", "degeneracies"}
    names |= {"positions_from", "position_residual", "rounding", "sha256"}
    assert names == set(Assumptions.__dataclass_fields__)
    assert names <= set(facts)
