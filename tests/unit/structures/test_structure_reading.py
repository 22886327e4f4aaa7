"""Opening files: names, contents, encodings, compression, and every bad input."""

import bz2
import gzip
import lzma
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import FileError
from crystalgui.core.structures import reading
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import (
    read_crystal,
    read_crystal_text,
    sniff,
    write_crystal,
    write_poscar,
)

POSCAR = """Rock salt
1.0
  5.64 0.0 0.0
  0.0 5.64 0.0
  0.0 0.0 5.64
Na Cl
1 1
Direct
0.0 0.0 0.0
0.5 0.5 0.5
"""

CIF = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'x, y+1/2, z+1/2'
'x+1/2, y, z+1/2'
'x+1/2, y+1/2, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
Cl1 Cl 0.5 0.5 0.5 1
"""

XYZ = """2
Lattice="5.64 0 0 0 5.64 0 0 0 5.64" Properties=species:S:1:pos:R:3 pbc="T T T"
Na 0.0 0.0 0.0
Cl 2.82 2.82 2.82
"""

XSF = """CRYSTAL
PRIMVEC
 5.64 0.0 0.0
 0.0 5.64 0.0
 0.0 0.0 5.64
PRIMCOORD
2 1
11 0.0 0.0 0.0
17 2.82 2.82 2.82
"""

CSSR = """5.6400 5.6400 5.6400
90.00 90.00 90.00 SPGR =  1 P 1    OPT = 1
2 0
0 Na1 Cl1
1 Na 0.0000 0.0000 0.0000
2 Cl 0.5000 0.5000 0.5000
"""

FORMATS = {"POSCAR": POSCAR, "a.cif": CIF, "a.xyz": XYZ, "a.xsf": XSF, "a.cssr": CSSR}


def refusal(path: Path) -> FileError:
    """The error of a file, checked to be one line with a name and a remedy."""
    with pytest.raises(FileError) as caught:
        read_crystal(path)
    error = caught.value
    assert error.hint
    assert error.path is not None
    assert path.name in str(error)
    assert "\n" not in str(error)
    return error


def save(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_rock_salt(tmp_path, name):
    crystal = read_crystal(save(tmp_path, name, FORMATS[name]))
    assert set(crystal.species.tolist()) == {11, 17}
    np.testing.assert_allclose(crystal.lengths, 5.64)
    sodium, chlorine = (crystal.frac[crystal.species == z][0] for z in (11, 17))
    step = chlorine - sodium
    np.testing.assert_allclose(step - np.rint(step - 0.5), 0.5)
    assert crystal.source == tmp_path / name


@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.xyz", "a.xsf"])
def test_formats_are_recognised_by_content(tmp_path, name):
    crystal = read_crystal(save(tmp_path, "noname", FORMATS[name]))
    assert set(crystal.species.tolist()) == {11, 17}


def test_cif_symmetry_is_applied(tmp_path):
    assert read_crystal(save(tmp_path, "a.cif", CIF)).n_atoms == 8


def test_pymatgen_json(tmp_path):
    from pymatgen.core import Lattice, Structure

    structure = Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = read_crystal(save(tmp_path, "a.json", structure.to_json()))
    assert crystal.species.tolist() == [55, 17]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["POSCAR.gz", "POSCAR"])
def test_compressed_files(tmp_path, pack, name):
    assert read_crystal(save(tmp_path, name, pack(POSCAR.encode()))).n_atoms == 2


@pytest.mark.parametrize(
    "encode",
    [
        lambda t: b"\xef\xbb\xbf" + t.encode(),
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: t.replace("\n", "\r").encode(),
        lambda t: t.encode("utf-16"),
        lambda t: t.replace("Rock", "Röck").encode("latin-1"),
        lambda t: b"\xef\xbb\xbf" + t.replace("\n", "\r\n").encode(),
        lambda t: t.encode().rstrip(b"\n"),
    ],
    ids=["BOM", "CRLF", "CR", "UTF-16", "Latin-1", "BOM and CRLF", "no last line end"],
)
def test_encodings_and_line_ends(tmp_path, encode):
    crystal = read_crystal(save(tmp_path, "POSCAR", encode(POSCAR)))
    assert crystal.species.tolist() == [11, 17]
    assert "\r" not in crystal.title
    assert "\ufeff" not in crystal.title


def test_write_and_read_again(tmp_path):
    crystal = read_crystal_text(POSCAR, "POSCAR")
    for name in ("a.vasp", "a.vasp.gz", "a.cif"):
        write_crystal(crystal, tmp_path / name)
        back = read_crystal(tmp_path / name)
        np.testing.assert_allclose(back.lattice, crystal.lattice, atol=1e-9)
        np.testing.assert_allclose(back.frac, crystal.frac, atol=1e-9)
        assert back.species.tolist() == crystal.species.tolist()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.cif", "a.vasp", "a.vasp.gz"]


def test_writing_where_it_is_impossible_is_a_clear_error(tmp_path):
    crystal = read_crystal_text(POSCAR, "POSCAR")
    with pytest.raises(FileError, match="cannot be written"):
        write_poscar(crystal, tmp_path / "no" / "folder" / "POSCAR")


# ------------------------------------------------------------ bad input


@pytest.mark.parametrize("content", ["", "   \n\n\t\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.xyz", "a.txt"])
def test_empty_files(tmp_path, content, name):
    assert "empty" in refusal(save(tmp_path, name, content)).title


@pytest.mark.parametrize("name", ["POSCAR", "a.cif", "a.xyz", "thing"])
def test_binary_garbage(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    assert "binary" in refusal(save(tmp_path, name, noise)).title


def test_a_picture_is_not_a_structure(tmp_path):
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8
    assert "binary" in refusal(save(tmp_path, "POSCAR", png)).title


def test_prose_is_not_a_structure(tmp_path):
    error = refusal(save(tmp_path, "notes.txt", "Dear reader,\nthis is prose.\n" * 20))
    assert "recognised" in error.title


def test_a_huge_file_is_refused_without_reading_it(tmp_path, monkeypatch):
    path = tmp_path / "POSCAR"
    with path.open("wb") as file:
        file.truncate(200_000_000)

    def forbidden(self):
        raise AssertionError("the file was read")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert "200 MB" in refusal(path).title


def test_a_compression_bomb_is_refused_in_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000_000)
    bomb = gzip.compress(bytes(20_000_000))
    with pytest.raises(FileError, match="MB"):
        reading.within_limit(reading.unpack(bomb, Path("POSCAR.gz"), 1_000_000), Path("a"))
    assert "MB" in refusal(save(tmp_path, "POSCAR.gz", bomb)).title


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_damaged_compression(tmp_path, pack):
    data = pack(POSCAR.encode() * 50)
    assert "too early" in refusal(save(tmp_path, "a.gz", data[: len(data) // 2])).title
    broken = data[:20] + b"\xff" * 20 + data[40:]
    assert "damaged" in refusal(save(tmp_path, "b.gz", broken)).title


def test_folder_missing_file_and_pipe(tmp_path):
    assert "folder" in refusal(tmp_path).title
    assert "no such file" in refusal(tmp_path / "absent.vasp").title
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "ordinary file" in refusal(tmp_path / "pipe").title


def test_no_permission(tmp_path, monkeypatch):
    path = save(tmp_path, "POSCAR", POSCAR)

    def denied(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert "permission" in refusal(path).title


def test_names_with_a_null_byte_are_refused():
    with pytest.raises(FileError):
        read_crystal(Path("a\0b"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (CIF.replace("Cl 0.5 0.5 0.5 1", "Cl 0.5 0.5 0.5 0.7"), "disordered"),
        (CIF + "Br1 Br 0.5 0.5 0.5 0.5\n", "not a readable CIF|disordered"),
        (CIF[: CIF.index("loop_\n_atom_site_label")], "no atoms"),
        (CIF[: CIF.index("Na1 Na")], "not a readable CIF|no atoms"),
        (CIF.replace("_cell_length_a 5.64\n", ""), "no cell"),
        (CIF.replace("Na1 Na", "Qq1 Qq"), "not a readable CIF|not a chemical element"),
        (CIF.replace("0.5 0.5 0.5 1", "nan 0.5 0.5 1"), "finite|readable"),
        (CIF.replace("_cell_length_a 5.64", "_cell_length_a 0.0"), "volume|readable"),
        (CIF.replace("0.5 0.5 0.5 1", "0.001 0.0 0.0 1"), "overlap|readable"),
        ("data_x\n_cell_length_a", "no atoms"),
    ],
)
def test_bad_cif(tmp_path, text, what):
    error = refusal(save(tmp_path, "a.cif", text))
    assert any(word in error.title for word in what.split("|")), error.title


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (XYZ.replace("2\n", "two\n", 1), 1, "number of atoms"),
        (XYZ.replace("Lattice", "Lettice"), 2, "no unit cell"),
        (XYZ.replace("5.64 0 0 0", "5.64 0 0"), 2, "no unit cell"),
        (XYZ.replace("0 0 5.64", "0 0 0.0"), 2, "no volume"),
        (XYZ.replace("Cl", "Qq"), 4, "not a chemical element"),
        (XYZ.replace("2.82 2.82 2.82", "2.82 nan 2.82"), 4, "finite"),
        (XYZ.replace("2.82 2.82 2.82", "2.82 2.82"), 4, "three numbers"),
        (XYZ.replace("2\n", "3\n", 1), 4, "atom 3 of 3"),
        (XYZ.replace("2\n", "0\n", 1), 1, "no atoms"),
        (XYZ.replace('T"', "T"), 2, "quotation"),
    ],
)
def test_bad_extended_xyz(tmp_path, text, line, what):
    error = refusal(save(tmp_path, "a.xyz", text))
    assert what in error.title
    assert error.line == line


@given(st.sampled_from(list(FORMATS)), st.integers(0, 600), st.binary(max_size=6))
@settings(max_examples=200, deadline=None)
def test_damaged_files_of_any_format_never_crash(name, place, noise):
    data = FORMATS[name].encode()
    data = data[:place] + noise + data[place + len(noise) :]
    outcome: Crystal | FileError
    try:
        outcome = read_crystal_text(reading.decode(data, Path(name)), name)
    except FileError as error:
        outcome = error
    assert outcome.hint if isinstance(outcome, FileError) else outcome.n_atoms >= 1


def test_a_hundred_thousand_atoms_open(tmp_path):
    side = 47
    grid = np.stack(np.meshgrid(*[np.arange(side) / side] * 3), axis=-1).reshape(-1, 3)
    crystal = Crystal(
        lattice=np.eye(3) * 2.5 * side, frac=grid, species=np.full(len(grid), 29), title="big"
    )
    write_poscar(crystal, tmp_path / "POSCAR")
    assert read_crystal(tmp_path / "POSCAR").n_atoms == side**3


# ------------------------------------------------------------ sniff


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("POSCAR", "", "crystal"),
        ("CONTCAR_relaxed", "", "crystal"),
        ("mp-1.poscar", "", "crystal"),
        ("1.POSCAR", "", "crystal"),
        ("POSCAR-195-2", "", "crystal"),
        ("x.vasp.gz", "", "crystal"),
        ("x.CIF", "", "crystal"),
        ("wannier90_hr.dat", "", "hoppings"),
        ("wannier90_hr.dat.gz", "", "hoppings"),
        ("GaAs_tb.dat", "", "hoppings"),
        ("hr.dat", "", "hoppings"),
        ("model.dat", "title\n 2\n 3\n 1 1 1\n 0 0 0 1 1 0.0 0.0\n", "hoppings"),
        ("model.txt", "t\n 1. 0. 0.\n 0. 1. 0.\n 0. 0. 1.\n 2\n 3\n 1 1 1\n", "hoppings"),
        ("x.win", "", "companion"),
        ("x_wsvec.dat", "", "companion"),
        ("x_centres.xyz", "", "companion"),
        ("structure", POSCAR, "crystal"),
        ("structure.txt", CIF, "crystal"),
        ("README.md", POSCAR, "unknown"),
        ("labels.csv", "id,label\n1,2\n", "unknown"),
        ("notes.txt", "hello\n", "unknown"),
        ("noise", b"\x00\x01\x02", "unknown"),
    ],
)
def test_sniff(tmp_path, name, content, kind):
    assert sniff(save(tmp_path, name, content)) == kind


def test_sniff_sees_through_compression_and_never_raises(tmp_path):
    assert sniff(save(tmp_path, "unnamed.gz", gzip.compress(POSCAR.encode()))) == "crystal"
    assert sniff(save(tmp_path, "broken.gz", b"\x1f\x8b" + b"\xff" * 40)) == "unknown"
    assert sniff(tmp_path) == "unknown"
    assert sniff(tmp_path / "absent") == "unknown"


@pytest.mark.data
def test_sniff_of_real_hopping_folders(shared_data: Path):
    kinds = {p.name: sniff(p) for p in (shared_data / "hoppings").rglob("*") if p.is_file()}
    assert kinds["POSCAR"] == "crystal"
    assert kinds["wannier90_hr.dat.gz"] == "hoppings"
    assert kinds["Si2_valence_tb.dat"] == "hoppings"
    assert kinds["wannier90_inconsistent.dat"] == "hoppings"
    assert kinds["silicon_centres.xyz"] == "companion"
    assert kinds["Si2_valence_band.dat"] == "companion"
    assert kinds["silicon.win"] == "companion"
    assert "unknown" not in kinds.values()


def test_damaged_gzip_stream_is_not_mistaken_for_text():
    with pytest.raises(FileError):
        reading.unpack(b"\x1f\x8b\x08\x00" + zlib.compress(b"x"), Path("a.gz"))
