"""Elements and formulas, against pymatgen as the oracle."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements
from crystalgui.core.structures.crystal import Crystal


def test_symbols_and_numbers_agree_with_pymatgen():
    for z in range(1, 119):
        assert elements.SYMBOLS[z] == Element.from_Z(z).symbol
        assert elements.number(elements.SYMBOLS[z]) == z


def test_electronegativity_mass_group_and_period_agree_with_pymatgen():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = np.array([np.nan, *(Element.from_Z(z).X for z in range(1, 119))])
    np.testing.assert_allclose(elements.ELECTRONEGATIVITY, x)
    mass = np.array([float(Element.from_Z(z).atomic_mass) for z in range(1, 119)])
    np.testing.assert_allclose(elements.MASS[1:], mass, rtol=1e-3)
    assert elements.GROUP[1:].tolist() == [Element.from_Z(z).group for z in range(1, 119)]
    assert elements.PERIOD[1:].tolist() == [Element.from_Z(z).row for z in range(1, 119)]


def test_tables_are_complete_finite_and_read_only():
    for table in (elements.COVALENT_RADIUS, elements.VDW_RADIUS, elements.ATOMIC_RADIUS):
        assert table.shape == (119,)
        assert np.isfinite(table).all()
        assert (table > 0.2).all()
        assert (table < 4).all()
        with pytest.raises(ValueError, match="read-only"):
            table[1] = 0
    for scheme in ("jmol", "vesta"):
        colours = elements.COLOURS[scheme]
        assert colours.shape == (119, 3)
        assert ((colours >= 0) & (colours <= 1)).all()
    np.testing.assert_allclose(elements.COLOURS["jmol"][8] * 255, [255, 13, 13])


@pytest.mark.parametrize(
    ("symbol", "valence"),
    [
        *(("H", 1), ("He", 2), ("Na", 1), ("Si", 4), ("Fe", 8), ("Ga", 3), ("La", 3), ("Gd", 10)),
        *(("Lu", 3), ("Hf", 4), ("Bi", 5), ("U", 6), ("Au", 11)),
    ],
)
def test_valence_electrons(symbol, valence):
    assert elements.VALENCE[elements.number(symbol)] == valence


def test_metals_and_nonmetals():
    metal = {s for z, s in enumerate(elements.SYMBOLS) if elements.METAL[z]}
    assert {"Na", "Al", "Fe", "Bi", "Sb", "Po", "U", "Ga"} <= metal
    assert not metal & {"H", "C", "O", "Si", "Ge", "As", "Se", "Te", "I", "Xe", "B", "Kr"}


def test_unknown_symbols_are_refused_with_a_remedy():
    with pytest.raises(FileError, match="'si' is not a chemical element") as caught:
        elements.number("si")
    assert caught.value.hint == "Write it as 'Si'."
    with pytest.raises(FileError, match="'Xx'"):
        elements.number("Xx")
    assert elements.number("D") == 1


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({11: 4, 17: 4}, "NaCl"),
        ({20: 1, 7: 2, 8: 6}, "Ca(NO3)2"),
        ({8: 4}, "O2"),
        ({11: 2, 8: 2}, "Na2O2"),
        ({3: 4, 26: 4, 15: 4, 8: 16}, "LiFePO4"),
        ({6: 8}, "C"),
        ({2: 3, 10: 3}, "HeNe"),
    ],
)
def test_reduced_formulas(counts, text):
    assert elements.formula(counts) == text


def test_formula_of_the_whole_cell():
    crystal = Crystal(lattice=np.eye(3) * 5, frac=np.eye(3)[:2], species=np.array([17, 11]))
    assert elements.formula(crystal, reduced=False) == "NaCl"
    assert elements.formula({11: 4, 17: 4}, reduced=False) == "Na4Cl4"
    assert elements.subscripts("Ca(NO3)2") == "Ca(NO₃)₂"


@given(st.dictionaries(st.integers(1, 118), st.integers(1, 40), min_size=1, max_size=6))
@settings(max_examples=400, deadline=None)
def test_formula_agrees_with_pymatgen_on_any_composition(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = Composition({elements.SYMBOLS[z]: n for z, n in counts.items()})
        assert elements.formula(counts) == oracle.reduced_formula


@pytest.mark.data
def test_formula_agrees_with_pymatgen_on_real_crystals(shared_data: Path):
    archive = zipfile.ZipFile(shared_data / "mp_tqc" / "POSCAR.zip")
    with archive:
        for name in archive.namelist()[::14]:
            lines = archive.read(name).decode().splitlines()
            counts: dict[int, int] = {}
            for symbol, n in zip(lines[5].split(), lines[6].split(), strict=True):
                z = elements.number(symbol)
                counts[z] = counts.get(z, 0) + int(n)
            oracle = Composition({elements.SYMBOLS[z]: n for z, n in counts.items()})
            assert elements.formula(counts) == oracle.reduced_formula, name


def test_electrons_and_parity():
    odd = Crystal(lattice=np.eye(3) * 4, frac=np.zeros((1, 3)), species=np.array([11]))
    assert elements.electrons(odd) == 11
    assert elements.odd_electrons(odd)
    assert elements.valence_electrons(odd) == 1
