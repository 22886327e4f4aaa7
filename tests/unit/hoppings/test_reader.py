"""Reading: wannier90's own bands are the oracle, and every fault is named."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import FileError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.kpoints import read_kpoints
from crystalgui.core.physics.zoo import bitei, cubic, haldane, kane_mele
from crystalgui.core.structures.hoppings.companions import supercell_grid
from crystalgui.core.structures.hoppings.info import hoppings_info, hoppings_info_of
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.spin import detect_spin_order, time_reversal_residual
from crystalgui.core.structures.hoppings.tables import read_hr
from crystalgui.core.structures.hoppings.win import BOHR, read_win
from crystalgui.core.structures.hoppings.writer import write_hr, write_tb

POSCAR = "cubic\n1.0\n4 0 0\n0 4 0\n0 0 4\nPo\n1\nDirect\n0 0 0\n"


# ------------------------------------------------------------- real files


@pytest.mark.data
@pytest.mark.parametrize("kind", ["hr", "tb"])
@pytest.mark.parametrize("folder", ["Si_valence_ws", "Si_valence_mdrs"])
def test_bands_agree_with_those_of_wannier90(shared_data: Path, folder: str, kind: str) -> None:
    place = shared_data / "hoppings" / folder
    h = read_hoppings(place / f"Si2_valence_{kind}.dat")
    k = read_kpoints(place / "Si2_valence_band.kpt")
    wanted = np.loadtxt(place / "Si2_valence_band.dat")[:, 1].reshape(4, -1).T
    assert np.abs(energies(h, k) - wanted).max() < 1e-4
    assert h.assumptions.wigner_seitz == ("wsvec" if folder.endswith("mdrs") else "ndegen")
    assert h.lattice is not None
    assert abs(np.linalg.det(h.lattice)) == pytest.approx(2 * 2.715265**3, rel=1e-6)


@pytest.mark.data
def test_leaving_the_wigner_seitz_vectors_out_is_wrong(shared_data: Path, tmp_path: Path) -> None:
    place = shared_data / "hoppings" / "Si_valence_mdrs"
    alone = tmp_path / "Si2_valence_hr.dat"
    alone.write_bytes((place / alone.name).read_bytes())
    k = read_kpoints(place / "Si2_valence_band.kpt")
    wanted = np.loadtxt(place / "Si2_valence_band.dat")[:, 1].reshape(4, -1).T
    assert np.abs(energies(read_hoppings(alone), k) - wanted).max() > 1e-3


@pytest.mark.data
def test_bi2se3(shared_data: Path) -> None:
    path = shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz"
    start = time.process_time()
    table = read_hr(path)
    assert time.process_time() - start < 1.0
    assert table.matrices.shape == (547, 30, 30)
    h = read_hoppings(path)
    said = h.assumptions
    assert said.lattice_from == "POSCAR"
    assert said.spin_order == "blocks"
    assert said.time_reversal_residual < 5e-4
    assert time_reversal_residual(h.matrices, "interleaved") > 2
    assert said.hermiticity_residual < 1e-5
    assert h.species is not None
    assert sorted(h.species) == [34, 34, 34, 83, 83]
    trim = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0]])
    e = energies(h, trim)
    assert e[:, 18] - e[:, 17] == pytest.approx([0.4557, 0.7908, 1.2467, 1.6494], abs=1e-4)


@pytest.mark.data
def test_silicon_uses_every_companion(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Si_spinless" / "silicon_hr.dat")
    assert h.assumptions.files == (
        "silicon_hr.dat",
        "silicon_wsvec.dat",
        "silicon.win",
        "silicon_centres.xyz",
    )
    assert h.assumptions.spin_order == "spinless"
    assert h.species is not None
    assert h.species.tolist() == [14, 14]
    assert h.centres is not None
    assert h.centres.shape == (8, 3)


@pytest.mark.data
def test_gallium_arsenide_has_lattice_in_bohr_and_stated_occupation(shared_data: Path) -> None:
    folder = shared_data / "hoppings" / "GaAs"
    win = read_win(folder / "GaAs.win")
    assert win.lattice is not None
    assert win.lattice[0, 0] == pytest.approx(-5.342256 * BOHR)
    h = read_hoppings(folder / "GaAs_tb.dat")
    assert h.occupied == 8
    assert h.lattice is not None
    assert np.allclose(h.lattice, win.lattice, atol=1e-5)
    assert h.assumptions.spin_order == "unknown"


@pytest.mark.data
def test_the_inconsistent_file_is_named_with_its_line(shared_data: Path) -> None:
    path = shared_data / "hoppings" / "Si_spinless" / "wannier90_inconsistent.dat"
    with pytest.raises(FileError, match="Inconsistent row") as caught:
        read_hoppings(path)
    # Element (6, 2) of the first cell is labelled (5, 2) there.
    assert caught.value.line == 35
    assert path.read_text().splitlines()[34].split()[3:5] == ["5", "2"]


@pytest.mark.data
@pytest.mark.parametrize("strain", ["0.9", "4", "12"])
def test_an_empty_compressed_file_is_empty(shared_data: Path, strain: str) -> None:
    path = shared_data / "hoppings" / "ReC2H" / f"strain_{strain}pct" / "ReC2H_hr.dat.gz"
    with pytest.raises(FileError, match="empty"):
        read_hoppings(path)


@pytest.mark.data
def test_the_lattice_of_another_crystal_is_refused(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "hoppings"
    hr = tmp_path / "wannier90_hr.dat.gz"
    hr.write_bytes((folder / "Bi2Se3" / hr.name).read_bytes())
    poscar = tmp_path / "POSCAR"
    lines = (folder / "Bi2Se3" / "POSCAR").read_text().splitlines()
    poscar.write_text("\n".join([*lines[:2], lines[4], lines[2], lines[3], *lines[5:]]) + "\n")
    with pytest.raises(FileError, match="does not belong") as caught:
        read_hoppings(hr)
    assert caught.value.path == poscar
    poscar.unlink()
    bare = read_hoppings(hr)
    assert bare.lattice is None
    assert bare.assumptions.lattice_from == ""
    given = read_hoppings(hr, [folder / "Bi2Se3" / "POSCAR"])
    assert given.assumptions.lattice_from == "POSCAR"


@pytest.mark.data
def test_the_mesh_is_found_from_the_cells(shared_data: Path) -> None:
    table = read_hr(shared_data / "hoppings" / "Si_valence_ws" / "Si2_valence_hr.dat")
    assert supercell_grid(table.cells, table.degeneracies) == (6, 6, 6)


# ------------------------------------------------------------ our own files


def test_interleaved_spins_are_recognised() -> None:
    h = kane_mele(rashba=0.05)
    order = np.array([0, 2, 1, 3])
    mixed = h.matrices[:, order][:, :, order]
    assert detect_spin_order(h.matrices) == ("blocks", pytest.approx(0, abs=1e-12))
    assert detect_spin_order(mixed) == ("interleaved", pytest.approx(0, abs=1e-12))
    assert detect_spin_order(haldane(t2=0.0).matrices)[0] == "spinless"


def test_missing_opposite_cells_are_completed(tmp_path: Path) -> None:
    h = cubic()
    half = h.cells @ [100, 10, 1] >= 0
    path = tmp_path / "half_hr.dat"
    write_hr(replace(h, cells=h.cells[half], matrices=h.matrices[half]), path)
    again = read_hoppings(path)
    assert again.n_cells == h.n_cells
    k = np.array([[0.1, 0.2, 0.3]])
    assert np.allclose(energies(again, k), energies(h, k), atol=1e-10)


def test_a_poscar_beside_gives_the_crystal(tmp_path: Path) -> None:
    write_hr(cubic(), tmp_path / "m_hr.dat.gz")
    (tmp_path / "POSCAR").write_text(POSCAR)
    h = read_hoppings(tmp_path / "m_hr.dat.gz")
    assert h.lattice is not None
    assert np.allclose(h.lattice, 4 * np.eye(3))
    assert h.species is not None
    assert h.species.tolist() == [84]
    assert h.occupied == 2


def test_a_named_poscar_is_nearer_than_another(tmp_path: Path) -> None:
    write_hr(cubic(), tmp_path / "m_hr.dat")
    (tmp_path / "POSCAR").write_text(POSCAR.replace("4 ", "9 "))
    (tmp_path / "m.vasp").write_text(POSCAR)
    assert read_hoppings(tmp_path / "m_hr.dat").assumptions.lattice_from == "m.vasp"


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    write_hr(cubic(), tmp_path / "a_hr.dat")
    text = (tmp_path / "a_hr.dat").read_bytes()
    (tmp_path / "b_hr.dat").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    one, two = read_hoppings(tmp_path / "a_hr.dat"), read_hoppings(tmp_path / "b_hr.dat")
    assert np.array_equal(one.matrices, two.matrices)


def test_the_columns_of_wannier90_and_free_format_read_the_same(tmp_path: Path) -> None:
    h = bitei()
    write_hr(h, tmp_path / "fixed_hr.dat", decimals=6)
    text = (tmp_path / "fixed_hr.dat").read_text().splitlines()
    head = 3 + -(-h.n_cells // 15)
    free = [*text[:head], *(" ".join(line.split()) for line in text[head:])]
    (tmp_path / "free_hr.dat").write_text("\n".join(free) + "\n")
    one, two = read_hr(tmp_path / "fixed_hr.dat"), read_hr(tmp_path / "free_hr.dat")
    assert np.array_equal(one.matrices, two.matrices)
    assert np.abs(one.matrices - h.matrices).max() < 1e-6


def test_info_is_plain_and_complete(tmp_path: Path) -> None:
    import json

    path = tmp_path / "km_hr.dat"
    write_hr(kane_mele(), path)
    info = hoppings_info_of(path)
    assert json.loads(json.dumps(info)) == info
    assert info["orbitals"] == 4
    assert info["spin_order"] == "blocks"
    assert info["hermiticity_residual"] == pytest.approx(0, abs=1e-12)
    assert info["lattice"] is None
    assert hoppings_info(haldane())["time_reversal_by_order"] == {
        "spinless": pytest.approx(0.2),
        "blocks": pytest.approx(2.0),
        "interleaved": pytest.approx(2.0),
    }


# --------------------------------------------------------------- bad input


def _lines(tmp_path: Path) -> list[str]:
    write_hr(cubic(), tmp_path / "good_hr.dat")
    return (tmp_path / "good_hr.dat").read_text().splitlines()


def _truncated(lines: list[str]) -> list[str]:
    return lines[:-3]


def _cut_in_a_row(lines: list[str]) -> list[str]:
    return [*lines[:20], lines[20][:30]]


def _too_few_cells(lines: list[str]) -> list[str]:
    return [*lines[:2], "6", *lines[3:]]


def _too_many_cells(lines: list[str]) -> list[str]:
    return [*lines[:2], "700", *lines[3:]]


def _wrong_orbitals(lines: list[str]) -> list[str]:
    return [lines[0], "5", *lines[2:]]


def _not_hermitian(lines: list[str]) -> list[str]:
    tokens = lines[5].split()
    tokens[5] = "1.5"
    return [*lines[:5], " ".join(tokens), *lines[6:]]


def _not_a_number(lines: list[str]) -> list[str]:
    return [*lines[:9], " ".join([*lines[9].split()[:-1], "nan"]), *lines[10:]]


def _words(lines: list[str]) -> list[str]:
    return [*lines[:9], "something else entirely", *lines[10:]]


def _zero_orbitals(lines: list[str]) -> list[str]:
    return [lines[0], "0", *lines[2:]]


def _cell_twice(lines: list[str]) -> list[str]:
    block = [line.replace("   -1    0    0", "    0    0   -1") for line in lines]
    return block


@pytest.mark.parametrize(
    ("spoil", "words", "line"),
    [
        (_truncated, "truncated", 113),
        (_cut_in_a_row, "found", 21),
        (_too_few_cells, "announces 6 cells", 4),
        (_too_many_cells, "announces 700 cells", 5),
        (_wrong_orbitals, "Inconsistent row|truncated", None),
        (_not_hermitian, "not Hermitian", None),
        (_not_a_number, "not finite", 10),
        (_words, "Not a row of numbers", 10),
        (_zero_orbitals, "number of orbitals", 2),
        (_cell_twice, "twice", None),
    ],
)
def test_every_fault_has_file_line_and_remedy(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], words: str, line: int | None
) -> None:
    path = tmp_path / "bad_hr.dat"
    path.write_text("\n".join(spoil(_lines(tmp_path))) + "\n")
    with pytest.raises(FileError, match=words) as caught:
        read_hoppings(path)
    assert caught.value.path == path
    assert caught.value.hint
    assert caught.value.line is not None
    if line is not None:
        assert caught.value.line == line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
        (b"\x00\x01\x02" * 500, "not a text file"),
        (gzip.compress(b"comment\n 2\n 1\n 1\n")[:-6], "damaged"),
        (b"comment\n", "truncated"),
        (b"comment\nhello world\n", "not a wannier90"),
        (b"comment\n 2 3\n", "not a wannier90"),
        (b"comment\n 99999999\n 1\n 1\n", "more than this program takes"),
    ],
)
def test_what_is_no_hopping_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x_hr.dat"
    path.write_bytes(content)
    with pytest.raises(FileError, match=words) as caught:
        read_hoppings(path)
    assert caught.value.path == path


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="folder"):
        read_hoppings(tmp_path)
    with pytest.raises(FileError, match="no such file"):
        read_hoppings(tmp_path / "none_hr.dat")


@pytest.mark.parametrize(
    ("poscar", "words"),
    [
        (POSCAR.replace("0 4 0", "4 0 0"), "no volume|volume"),
        (POSCAR.replace("0 0 4", "0 0"), "lattice|vector|three"),
        (POSCAR.replace("0 4 0", "0 nan 0"), "finite|number"),
    ],
)
def test_a_broken_lattice_beside_the_hoppings(tmp_path: Path, poscar: str, words: str) -> None:
    write_hr(cubic(), tmp_path / "m_hr.dat")
    (tmp_path / "POSCAR").write_text(poscar)
    with pytest.raises(FileError, match=words) as caught:
        read_hoppings(tmp_path / "m_hr.dat")
    assert caught.value.path == tmp_path / "POSCAR"


def test_too_few_atoms_for_the_orbitals(tmp_path: Path) -> None:
    h = bitei()
    wide = np.zeros((1, 36, 36))
    write_hr(replace(h, cells=np.zeros((1, 3), int), matrices=wide), tmp_path / "m_hr.dat")
    (tmp_path / "POSCAR").write_text(POSCAR)
    with pytest.raises(FileError, match="cannot carry 36 orbitals"):
        read_hoppings(tmp_path / "m_hr.dat")


def test_wigner_seitz_vectors_of_something_else(tmp_path: Path) -> None:
    write_hr(cubic(), tmp_path / "m_hr.dat")
    vectors = "## comment\n 0 0 0 1 1\n 2\n 0 0 0\n 1 0 0\n"
    (tmp_path / "m_wsvec.dat").write_text(vectors)
    with pytest.raises(FileError, match="do not belong") as caught:
        read_hoppings(tmp_path / "m_hr.dat")
    assert caught.value.path == tmp_path / "m_wsvec.dat"


def test_a_spoiled_tb_file(tmp_path: Path) -> None:
    path = tmp_path / "m_tb.dat"
    write_tb(haldane(), path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:30]) + "\n")
    with pytest.raises(FileError, match="truncated") as caught:
        read_hoppings(path)
    assert caught.value.line == 30
    path.write_text("\n".join([lines[0], "1 2 x", *lines[2:]]) + "\n")
    with pytest.raises(FileError, match="lattice vector") as caught:
        read_hoppings(path)
    assert caught.value.line == 2


def test_an_input_without_a_cell_gives_way_to_the_poscar(tmp_path: Path) -> None:
    write_hr(cubic(), tmp_path / "model_hr.dat")
    (tmp_path / "POSCAR").write_text(POSCAR)
    (tmp_path / "model.win").write_text("num_wann = 4\nnum_valence_bands = 2\nspinors = .true.\n")
    h = read_hoppings(tmp_path / "model_hr.dat")
    assert h.assumptions.lattice_from == "POSCAR"
    assert np.allclose(h.lattice, 4 * np.eye(3))
    assert h.occupied == 2
    (tmp_path / "POSCAR").unlink()
    with pytest.raises(FileError, match="unit_cell_cart"):
        read_hoppings(tmp_path / "model_hr.dat")


@pytest.mark.parametrize(("said", "warned"), [("true", True), (".false.", False), ("", False)])
def test_missing_wigner_seitz_vectors_are_said(tmp_path: Path, said: str, warned: bool) -> None:
    write_hr(cubic(), tmp_path / "model_hr.dat")
    word = f"use_ws_distance = {said}\n" if said else ""
    cell = "begin unit_cell_cart\n4 0 0\n0 4 0\n0 0 4\nend unit_cell_cart\n"
    (tmp_path / "model.win").write_text(word + cell)
    h = read_hoppings(tmp_path / "model_hr.dat")
    assert h.assumptions.ws_distance_missing is warned
    assert ("off the ab-initio mesh" in h.assumptions.sentence()) is warned


@pytest.mark.data
@pytest.mark.parametrize(
    "file",
    [
        "Bi2Se3/wannier90_hr.dat.gz",
        "ZrTe/wannier90_hr.dat.gz",
        "WSe2_1Tp/wannier90_hr.dat.gz",
        "Si_valence_ws/Si2_valence_hr.dat",
    ],
)
def test_energies_agree_with_those_of_another_program(
    shared_data: Path, tmp_path: Path, file: str
) -> None:
    """Numbers written by TBmodels 1.4.3 (its version is in the file), from _hr.dat alone."""
    import json

    wanted = json.loads((Path(__file__).parent / "tbmodels_energies.json").read_text())
    assert wanted["program"] == "TBmodels 1.4.3"
    there = wanted["files"][file]
    alone = tmp_path / Path(file).name
    alone.write_bytes((shared_data / "hoppings" / file).read_bytes())
    found = energies(read_hoppings(alone), np.array(there["k"]))
    assert np.abs(found - np.array(there["energies"])).max() < 1e-12
