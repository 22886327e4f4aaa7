"""POSCAR: every layout against pymatgen, round trips, and every complaint with its line."""

import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.io.vasp.inputs import Poscar

from crystalgui.core.errors import FileError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import MissingSymbols, read_crystal_text
from crystalgui.core.structures.poscar import format_poscar, parse_poscar

GOOD = """A comment with Å and # signs
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


def edited(line: int, text: str | None) -> str:
    """GOOD with one line (from 1) replaced, or removed when ``text`` is None."""
    lines = GOOD.splitlines()
    lines[line - 1 : line] = [] if text is None else [text]
    return "\n".join(lines) + "\n"


def outcome_of(text: str) -> Crystal | FileError:
    """The crystal, or the error; anything else escapes and fails the test."""
    try:
        return read_crystal_text(text, "POSCAR")
    except FileError as error:
        return error


def oracle(text: str) -> Poscar:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Poscar.from_str(text)


def assert_same(text: str) -> Crystal:
    """Read with both; lattices, positions (not wrapped) and species are equal."""
    crystal, _ = parse_poscar(text)
    structure = oracle(text).structure
    np.testing.assert_allclose(crystal.lattice, structure.lattice.matrix, atol=1e-12)
    np.testing.assert_allclose(crystal.frac, structure.frac_coords, atol=1e-12)
    assert crystal.species.tolist() == [s.Z for s in structure.species]
    return crystal


LAYOUTS = {
    "ordinary": GOOD,
    "scaled": edited(2, "1.1"),
    "volume": edited(2, "-180.0"),
    "cartesian": edited(8, "Cartesian").replace("0.5 0.5 0.5", "2.82 2.82 2.82"),
    "cartesian scaled": edited(8, "cart").replace("1.0\n", "2.0\n", 1),
    "labels": GOOD.replace("0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 Na\n0.5 0.5 0.5 Cl"),
    "vasp4 labels": GOOD.replace("Na Cl\n", "").replace(
        "0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 Na\n0.5 0.5 0.5 Cl"
    ),
    "vasp6 hashes": edited(6, "Na_pv/f474ac0d Cl/79d9987ad8"),
    "selective": GOOD.replace("Direct", "Selective dynamics\nDirect").replace(
        "0.0 0.0 0.0\n0.5 0.5 0.5", "0.0 0.0 0.0 T F T\n0.5 0.5 0.5 F F F"
    ),
    "velocities": GOOD + "\n1.0e-3 2.0e-3 -3.0e-3\n0.0 0.0 1.5e-2\n",
    "many lines of symbols": GOOD.replace("Na Cl\n1 1", "Na\nCl\n1\n1"),
    "glued": GOOD.replace("0.5 0.5 0.5", "0.5-0.5-0.5"),
    "negative coordinates": GOOD.replace("0.5 0.5 0.5", "-0.5 1.5 -2.5"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_agrees_with_pymatgen(layout):
    assert_same(LAYOUTS[layout])


def test_selective_dynamics_and_velocities_are_kept():
    crystal, _ = parse_poscar(LAYOUTS["selective"])
    assert crystal.selective is not None
    assert crystal.selective.tolist() == [[True, False, True], [False, False, False]]
    crystal, _ = parse_poscar(LAYOUTS["velocities"])
    np.testing.assert_allclose(crystal.velocities, [[1e-3, 2e-3, -3e-3], [0, 0, 1.5e-2]])


def test_three_scale_factors_scale_x_y_and_z():
    direct, _ = parse_poscar(edited(2, "1.0 2.0 3.0"))
    np.testing.assert_allclose(np.diag(direct.lattice), [5.64, 11.28, 16.92])
    np.testing.assert_allclose(direct.frac[1], 0.5)
    text = edited(2, "1.0 2.0 3.0").replace("Direct", "Cartesian")
    cartesian, _ = parse_poscar(text.replace("0.5 0.5 0.5", "1.0 1.0 1.0"))
    np.testing.assert_allclose(cartesian.cart[1], [1.0, 2.0, 3.0])


def test_negative_scale_is_the_volume_also_for_cartesian_positions():
    text = edited(2, "-1435.249152").replace("Direct", "Cartesian")
    crystal, _ = parse_poscar(text.replace("0.5 0.5 0.5", "2.82 2.82 2.82"))
    assert crystal.volume == pytest.approx(1435.249152)
    np.testing.assert_allclose(crystal.frac[1], 0.5)
    np.testing.assert_allclose(crystal.cart[1], 5.64)


@pytest.mark.parametrize("tail", ["# Na1", "! Na", "Na1", "#Na"])
def test_symbols_behind_the_positions_are_used_in_vasp4(tail):
    text = GOOD.replace("Na Cl\n1 1", "2").replace("0.0 0.0 0.0", f"0.0 0.0 0.0 {tail}")
    crystal, _ = parse_poscar(text.replace("0.5 0.5 0.5", f"0.5 0.5 0.5 {tail}"))
    assert crystal.species.tolist() == [11, 11]


def test_missing_symbols_ask_and_can_be_given():
    vasp4 = edited(6, None)
    with pytest.raises(MissingSymbols) as caught:
        read_crystal_text(vasp4, "POSCAR")
    assert caught.value.counts == (1, 1)
    assert caught.value.suggested == ()
    assert caught.value.line == 6
    assert "above the counts" in caught.value.hint
    crystal = read_crystal_text(vasp4, "POSCAR", symbols=["Na", "Cl"])
    assert crystal.species.tolist() == [11, 17]
    with pytest.raises(FileError, match="3 symbols were given for 2 counts"):
        read_crystal_text(vasp4, "POSCAR", symbols=["Na", "Cl", "K"])
    with pytest.raises(FileError, match="'Qq' is not a chemical element"):
        read_crystal_text(vasp4, "POSCAR", symbols=["Na", "Qq"])


@pytest.mark.parametrize(("title", "guess"), [("Na Cl", ("Na", "Cl")), ("NaCl", ("Na", "Cl"))])
def test_the_comment_line_suggests_missing_symbols(title, guess):
    with pytest.raises(MissingSymbols) as caught:
        parse_poscar(edited(6, None).replace(GOOD.splitlines()[0], title))
    assert caught.value.suggested == guess


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (edited(2, "scale"), 2, "scale factor"),
        (edited(2, "0.0"), 2, "scale factor"),
        (edited(2, "nan"), 2, "scale factor"),
        (edited(2, "1 -1 1"), 2, "must all be positive"),
        (edited(4, "0.0 5.64"), 4, "needs three numbers, found 2"),
        (edited(4, "0.0 inf 0.0"), 4, "not a finite number"),
        (edited(4, "0.0 0.0 0.0"), 3, "no volume"),
        (edited(4, "5.64 0.0 0.0"), 3, "no volume"),
        (edited(6, "Na Clx"), 6, "'Clx' is not a chemical element"),
        (edited(6, "na cl"), 6, "'na' is not a chemical element"),
        (edited(6, ""), 6, "is empty"),
        (edited(7, "1"), 7, "2 element symbols but 1 counts"),
        (edited(7, "1 1 1"), 7, "2 element symbols but 3 counts"),
        (edited(7, "1 one"), 7, "'one' is not a whole number"),
        (edited(7, "1 1.5"), 7, "'1.5' is not a whole number"),
        (edited(7, "0 0"), 7, "no atoms"),
        (edited(7, "1 2"), 10, "The file ends after 2 of 3 positions"),
        (edited(7, "1 999999999999"), 10, "The file ends after 2"),
        (edited(8, None), 8, "Direct or Cartesian"),
        (edited(8, ""), 8, "Direct or Cartesian"),
        (edited(9, "0.0 nan 0.0"), 9, "not a finite number"),
        (edited(9, "0.0 0.0 inf"), 9, "not a finite number"),
        (edited(9, "0.0 1e300 0.0"), 9, "larger than"),
        (edited(9, "0.0 0.0"), 9, "Expected three numbers"),
        (edited(9, "zero 0.0 0.0"), 9, "Expected three numbers"),
        (edited(10, "0.0 0.0 0.0"), 10, "overlap: they are 0.000 Angstrom apart"),
        (edited(10, "1.0 1.0 1.001"), 10, "Atoms 1 (Na) and 2 (Cl) overlap"),
        (GOOD + "0.25 0.25 0.25\n", 11, "more positions than the 2 atoms"),
        (GOOD + "\n0.1 0.1 0.1\n", 12, "The file ends after 1 of 2 velocities"),
        (LAYOUTS["selective"].replace("F F F", "F F"), 11, "three marks T or F"),
    ],
)
def test_bad_files_are_refused_with_line_and_remedy(text, line, what):
    with pytest.raises(FileError, match=re.escape(what)) as caught:
        read_crystal_text(text, "POSCAR")
    assert caught.value.line == line
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"POSCAR, line {line}: ")


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_file_truncated_after_any_line_says_where(cut):
    text = "\n".join(GOOD.splitlines()[:cut])
    with pytest.raises(FileError) as caught:
        read_crystal_text(text, "POSCAR")
    assert caught.value.line == cut


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (edited(2, "0.01"), 3, "nearly flat"),
        (edited(2, "0.1"), 9, r"Atom 1 \(Na\) overlaps its own image"),
        (edited(4, "5.64 0.05 0.0"), 3, "nearly flat"),
    ],
)
def test_cells_that_are_too_small_or_flat_are_refused(text, line, what):
    with pytest.raises(FileError, match=what) as caught:
        read_crystal_text(text, "POSCAR")
    assert caught.value.line == line


@given(st.integers(0, len(GOOD) - 1))
@settings(max_examples=150, deadline=None)
def test_a_file_cut_anywhere_is_read_or_refused_never_a_crash(end):
    outcome = outcome_of(GOOD[:end])
    assert outcome.hint if isinstance(outcome, FileError) else outcome.n_atoms == 2


@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD) - 1), st.sampled_from("0 9.-eNaT\n#/!\t\u00e9")),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused_never_a_crash(edits):
    text = list(GOOD)
    for place, letter in edits:
        text[place] = letter
    outcome = outcome_of("".join(text))
    assert outcome.hint if isinstance(outcome, FileError) else outcome.n_atoms >= 1


@st.composite
def crystals(draw):
    n = draw(st.integers(1, 12))
    numbers = st.floats(-1.5, 2.5, allow_nan=False).map(lambda x: round(x, 10))
    lattice = np.diag(draw(st.lists(st.floats(2, 30), min_size=3, max_size=3)))
    lattice[1, 0], lattice[2, 1] = draw(st.floats(-1.5, 1.5)), draw(st.floats(-1.5, 1.5))
    frac = draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=n, max_size=n))
    species = draw(st.lists(st.integers(1, 118), min_size=n, max_size=n))
    words = st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"))
    marks = draw(st.none() | st.lists(st.tuples(*[st.booleans()] * 3), min_size=n, max_size=n))
    speed = st.floats(-9, 9)
    moves = draw(st.none() | st.lists(st.tuples(speed, speed, speed), min_size=n, max_size=n))
    return Crystal(
        lattice=lattice,
        frac=np.array(frac),
        species=np.array(species),
        title=draw(st.text(words, max_size=40)).strip() or "x",
        selective=None if marks is None else np.array(marks),
        velocities=None if moves is None else np.array(moves),
    )


@given(crystals(), st.booleans(), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_writing_and_reading_keeps_everything(crystal, cartesian, end):
    text = format_poscar(crystal, cartesian=cartesian).replace("\n", end)
    back, first = parse_poscar(text)
    np.testing.assert_allclose(back.lattice, crystal.lattice, atol=1e-14)
    np.testing.assert_allclose(back.frac, crystal.frac, atol=1e-13)
    assert back.species.tolist() == crystal.species.tolist()
    assert back.title == crystal.title
    assert first == (9 if crystal.selective is None else 10)
    if crystal.selective is None:
        assert back.selective is None
    else:
        assert back.selective is not None
        assert back.selective.tolist() == crystal.selective.tolist()
    if crystal.velocities is None:
        assert back.velocities is None
    else:
        np.testing.assert_allclose(back.velocities, crystal.velocities, atol=1e-14)


@given(crystals())
@settings(max_examples=40, deadline=None)
def test_what_is_written_pymatgen_reads_the_same(crystal):
    structure = oracle(format_poscar(crystal)).structure
    np.testing.assert_allclose(structure.lattice.matrix, crystal.lattice, atol=1e-14)
    np.testing.assert_allclose(structure.frac_coords, crystal.frac, atol=1e-14)
    assert [s.Z for s in structure.species] == crystal.species.tolist()


@pytest.mark.data
def test_real_files_agree_with_pymatgen(shared_data: Path):
    with zipfile.ZipFile(shared_data / "mp_tqc" / "POSCAR.zip") as archive:
        for name in archive.namelist()[::100]:
            assert_same(archive.read(name).decode())
