"""Space groups against files whose number is in their name, and cells against each other."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import FileError
from crystalgui.core.processes import apart
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.examples import EXAMPLES
from crystalgui.core.structures.info import crystal_info, density
from crystalgui.core.structures.pairs import neighbors
from crystalgui.core.structures.poscar import MissingSymbols, parse_poscar
from crystalgui.core.structures.symmetry import (
    QUICK_ATOMS,
    crystal_system,
    niggli,
    pretty_symbol,
    primitive,
    remembered_symmetry,
    standardise,
    symmetry,
    wyckoff_summary,
)

BY_NAME = {e.name: e.crystal() for e in EXAMPLES}


def of_name(text: str) -> Crystal:
    try:
        return parse_poscar(text)[0]
    except MissingSymbols as missing:
        symbols = ["H", "He", "Li", "Be", "B", "C"][: len(missing.counts)]
        return parse_poscar(text, None, symbols)[0]


@pytest.mark.data
def test_all_spglib_files_have_the_group_of_their_name(shared_data: Path):
    path = shared_data / "space_group_poscars" / "spglib_poscars.zip"
    wrong, total = [], 0
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                continue
            total += 1
            found = symmetry(of_name(archive.read(name).decode()), 1e-3).number
            if found != int(name.split("POSCAR-")[1].split("-")[0]):
                wrong.append((name, found))
    assert total == 248
    assert wrong == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_examples_have_their_published_group_in_every_cell(example):
    crystal = example.crystal()
    for cell in (
        crystal,
        standardise(crystal),
        primitive(crystal),
        niggli(crystal),
        supercell(crystal, (2, 1, 1)),
    ):
        assert symmetry(cell, 1e-4).number == example.space_group


def test_everything_about_rock_salt():
    found = symmetry(BY_NAME["NaCl"], 1e-3)
    assert (found.number, found.international, found.point_group) == (225, "Fm-3m", "m-3m")
    assert found.crystal_system == "cubic"
    assert found.n_operations == 192
    assert found.wyckoffs == ("a",) * 4 + ("b",) * 4
    assert found.equivalent_atoms.tolist() == [0] * 4 + [4] * 4
    assert set(found.site_symmetry) == {"m-3m"}
    assert found.centrosymmetric
    assert found.label == "Fm-3m (225)"
    assert found.tolerance == 1e-3
    assert wyckoff_summary(found) == [("a", 4, "m-3m", 0), ("b", 4, "m-3m", 4)]


def test_inversion_is_known():
    inversion = {name: symmetry(c).centrosymmetric for name, c in BY_NAME.items()}
    assert not any(inversion[n] for n in ("GaAs", "BiTeI", "TaAs", "SiO2"))
    assert all(inversion[n] for n in ("Si", "Bi2Se3", "Na3Bi", "MoS2", "Cu"))


def test_tolerance_decides():
    crystal = BY_NAME["SrTiO3"]
    frac = crystal.frac.copy()
    frac[1, 2] += 0.01  # 0.039 Angstrom
    shifted = Crystal(lattice=crystal.lattice, frac=frac, species=crystal.species)
    assert symmetry(shifted, 1e-2).number == 99
    assert symmetry(shifted, 1e-1).number == 221


def test_numbers_of_atoms_in_standard_cells():
    silicon = BY_NAME["Si"]
    assert primitive(silicon).n_atoms == 2
    assert standardise(primitive(silicon)).n_atoms == 8
    assert standardise(supercell(silicon, (1, 1, 2))).n_atoms == 8


def test_niggli_moves_no_atom():
    crystal = BY_NAME["BiTeI"]
    skew = Crystal(
        lattice=np.array([[1, 0, 0], [7, 1, 0], [-3, 4, 1]]) @ crystal.lattice,
        frac=crystal.frac @ np.linalg.inv(np.array([[1, 0, 0], [7, 1, 0], [-3, 4, 1.0]])),
        species=crystal.species,
    )
    reduced = niggli(skew)
    np.testing.assert_allclose(sorted(reduced.lengths), sorted(crystal.lengths), rtol=1e-6)
    steps = (reduced.cart - skew.cart) @ np.linalg.inv(crystal.lattice)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    a, b = neighbors(reduced, 5.0), neighbors(crystal, 5.0)
    np.testing.assert_allclose(np.sort(a.distance), np.sort(b.distance), atol=1e-6)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), 5.0])
def test_senseless_tolerances_are_refused(tolerance):
    with pytest.raises(FileError, match="makes no sense") as caught:
        symmetry(BY_NAME["Si"], tolerance)
    assert caught.value.hint


def test_overlapping_atoms_give_a_sentence_not_a_crash(capfd):
    crystal = Crystal(
        lattice=np.eye(3) * 4, frac=[[0, 0, 0], [0, 0, 0.0005]], species=np.array([11, 11])
    )
    with pytest.raises(FileError, match="The symmetry cannot be found"):
        symmetry(crystal, 1e-2)
    assert capfd.readouterr() == ("", "")
    facts = crystal_info(crystal)
    assert facts["space_group"] is None
    assert "tolerance" in facts["symmetry_error"]


def test_very_large_cells_are_refused_at_once():
    large = supercell(BY_NAME["Cu"], (14, 14, 14))
    with pytest.raises(FileError, match="more than 10,000 atoms"):
        symmetry(large)
    with pytest.raises(FileError, match="more than 2 atoms"):
        symmetry(BY_NAME["Cu"], most_atoms=2)
    assert crystal_info(large)["space_group"] is None


def test_crystal_systems():
    numbers = (1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230)
    assert [crystal_system(n)[:4] for n in numbers] == [
        *("tric", "tric", "mono", "mono", "orth", "orth", "tetr"),
        *("tetr", "trig", "trig", "hexa", "hexa", "cubi", "cubi"),
    ]


def test_symbols_for_people():
    assert pretty_symbol("P6_3/mmc") == "P6₃/mmc"
    assert pretty_symbol("Fm-3m") == "Fm3\u0305m"


def test_facts_are_plain_json():
    facts = json.loads(json.dumps(crystal_info(BY_NAME["Bi2Se3"], 1e-3)))
    assert facts["formula"] == "Bi2Se3"
    assert facts["cell_formula"] == "Bi6Se9"
    assert facts["space_group"] == "R-3m"
    assert facts["space_group_number"] == 166
    assert facts["point_group"] == "-3m"
    assert facts["crystal_system"] == "trigonal"
    assert facts["n_atoms"] == 15
    assert facts["tolerance"] == 1e-3
    assert facts["cell"]["gamma"] == pytest.approx(120)
    assert facts["space_group_by_tolerance"] == {"0.001": 166, "0.01": 166, "0.1": 166}
    assert [w["letter"] for w in facts["wyckoff"]] == ["c", "a", "c"]
    assert facts["electrons"] == 6 * 83 + 9 * 34
    assert facts["valence_electrons"] == 6 * 5 + 9 * 6


def test_densities_match_textbooks():
    assert density(BY_NAME["Si"]) == pytest.approx(2.329, abs=2e-3)
    assert density(BY_NAME["NaCl"]) == pytest.approx(2.165, abs=5e-3)
    assert density(BY_NAME["Cu"]) == pytest.approx(8.93, abs=2e-2)
    assert density(BY_NAME["SiO2"]) == pytest.approx(2.648, abs=5e-3)


def test_a_large_cell_is_searched_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    small = BY_NAME["SrTiO3"]
    large = supercell(small, (5, 5, 5))
    assert large.n_atoms > QUICK_ATOMS

    def here(*_: object) -> None:
        raise AssertionError("spglib ran in this process")

    with monkeypatch.context() as patch:
        patch.setattr("spglib.get_symmetry_dataset", here)
        found = remembered_symmetry(large)
        again = remembered_symmetry(large)
    assert found.number == 221
    assert again is found


def test_an_error_of_another_process_comes_back() -> None:
    with pytest.raises(FileError, match="10,000"):
        apart(symmetry, supercell(BY_NAME["Cu"], (14, 14, 14)))
