"""Cells, neighbours, bonds, polyhedra and drawings against brute force and chemistry."""

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import FileError, ResourceError
from crystalgui.core.structures import cells
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import formula, number
from crystalgui.core.structures.examples import EXAMPLES
from crystalgui.core.structures.neighbors import (
    bonds,
    coordination,
    drawing,
    nearest_distance,
    neighbors,
    polyhedra,
)

BY_NAME = {e.name: e.crystal() for e in EXAMPLES}


def degrees(crystal: Crystal) -> dict[str, set[int]]:
    counts = coordination(crystal, bonds(crystal))
    symbols = {z: formula({z: 1}, reduced=False) for z in crystal.composition}
    return {symbols[z]: set(counts[crystal.species == z].tolist()) for z in crystal.composition}


@st.composite
def small_crystals(draw):
    """One to four atoms, anywhere, in cells from 2 to 6 Angstrom, often skew."""
    n = draw(st.integers(1, 4))
    lattice = np.diag(draw(st.lists(st.floats(2, 6), min_size=3, max_size=3)))
    skew = draw(st.lists(st.floats(-4, 4), min_size=3, max_size=3))
    lattice[1, 0], lattice[2, 0], lattice[2, 1] = skew
    coordinate = st.floats(-2, 2).map(lambda x: round(x, 3))
    frac = draw(st.lists(st.tuples(*[coordinate] * 3), min_size=n, max_size=n))
    return Crystal(lattice=lattice, frac=np.array(frac), species=np.arange(n) + 1)


def brute_force(crystal: Crystal, cutoff: float) -> set[tuple[int, ...]]:
    heights = crystal.volume / np.linalg.norm(
        np.cross(crystal.lattice[[1, 2, 0]], crystal.lattice[[2, 0, 1]]), axis=1
    )
    spread = np.ceil(np.ptp(crystal.frac, axis=0)).astype(int)
    reach = np.ceil(cutoff / heights).astype(int) + spread + 1
    shifts = np.array(list(product(*(range(-int(r), int(r) + 1) for r in reach))))
    found = set()
    for i, j in product(range(crystal.n_atoms), repeat=2):
        vectors = crystal.cart[j] - crystal.cart[i] + shifts @ crystal.lattice
        length = np.linalg.norm(vectors, axis=1)
        keep = (length < cutoff) & ((i != j) | (np.abs(shifts).sum(axis=1) > 0))
        found |= {(i, j, *map(int, s)) for s in shifts[keep]}
    return found


@given(small_crystals(), st.floats(1.0, 5.0))
@settings(max_examples=60, deadline=None)
def test_neighbors_agree_with_brute_force(crystal, cutoff):
    found = neighbors(crystal, cutoff)
    got = {
        (int(i), int(j), *map(int, s))
        for i, j, s in zip(found.src, found.dst, found.shift, strict=True)
    }
    expected = brute_force(crystal, cutoff)
    near = {p for p in got ^ expected if not _at_the_edge(crystal, p, cutoff)}
    assert near == set()
    assert len(found) == len(got)
    vector = crystal.cart[found.dst] + found.shift @ crystal.lattice - crystal.cart[found.src]
    np.testing.assert_allclose(found.vector, vector, atol=1e-9)
    np.testing.assert_allclose(found.distance, np.linalg.norm(vector, axis=1), atol=1e-9)
    assert (np.diff(found.src) >= 0).all()
    half = neighbors(crystal, cutoff, full=False)
    assert 2 * len(half) == len(found)
    assert len(half.both_ways()) == len(found)


def _at_the_edge(crystal: Crystal, pair: tuple[int, ...], cutoff: float) -> bool:
    """Whether rounding may decide about a pair: at the cutoff, or coinciding atoms."""
    i, j, *shift = pair
    vector = crystal.cart[j] - crystal.cart[i] + np.array(shift) @ crystal.lattice
    length = float(np.linalg.norm(vector))
    return abs(length - cutoff) < 1e-9 or length < 1e-9


@given(small_crystals(), st.tuples(*[st.integers(-3, 3)] * 12))
@settings(max_examples=30, deadline=None)
def test_whole_shifts_of_atoms_change_no_distance(crystal, shifts):
    moved = Crystal(
        lattice=crystal.lattice,
        frac=crystal.frac + np.array(shifts).reshape(4, 3)[: crystal.n_atoms],
        species=crystal.species,
    )
    a, b = neighbors(crystal, 4.0), neighbors(moved, 4.0)
    clear = [np.sort(x.distance[np.abs(x.distance - 4.0) > 1e-6]) for x in (a, b)]
    np.testing.assert_allclose(clear[0], clear[1], atol=1e-7)


def test_known_shells():
    copper = BY_NAME["Cu"]
    shells = neighbors(copper, 3.7)
    _, counts = np.unique(np.round(shells.distance, 3), return_counts=True)
    assert counts.tolist() == [4 * 12, 4 * 6]
    assert nearest_distance(BY_NAME["Si"]) == pytest.approx(5.431 * np.sqrt(3) / 4)


def test_senseless_cutoffs_are_refused():
    for cutoff in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(FileError, match="positive length"):
            neighbors(BY_NAME["Si"], cutoff)


@pytest.mark.parametrize(
    ("lengths", "pairs"),
    [((3, 1e3, 1e3), 8), ((3, 1e4, 1e4), 8), ((3, 3, 1e5), 16), ((9e4, 9e4, 9e4), 2)],
)
def test_long_flat_cells_do_not_kill_the_process(lengths, pairs):
    crystal = Crystal(
        lattice=np.diag(lengths),
        frac=[[0, 0, 0], [0.5 / lengths[0], 0, 0]],
        species=np.array([6, 1]),
    )
    assert len(neighbors(crystal, 3.1)) == pairs
    assert len(neighbors(crystal, 0.4)) == 0


def test_more_pairs_than_memory_are_refused():
    with pytest.raises(ResourceError, match="too many"):
        neighbors(BY_NAME["Cu"], 5000.0)


def test_neighbors_do_not_import_torch():
    code = (
        "import sys; from crystalgui.core.structures.examples import EXAMPLES;"
        "from crystalgui.core.structures.neighbors import neighbors;"
        "assert len(neighbors(EXAMPLES[0].crystal(), 3.0)) == 32;"
        "assert 'torch' not in sys.modules and 'pymatgen' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---------------------------------------------------------------- bonds


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Si", {"Si": {4}}),
        ("GaAs", {"Ga": {4}, "As": {4}}),
        ("NaCl", {"Na": {6}, "Cl": {6}}),
        ("Cu", {"Cu": {12}}),
        ("SrTiO3", {"Sr": {12}, "Ti": {6}, "O": {6}}),
        ("TiO2", {"Ti": {6}, "O": {3}}),
        ("SiO2", {"Si": {4}, "O": {2}}),
        ("BiTeI", {"Bi": {6}, "Te": {3}, "I": {3}}),
        ("Bi2Se3", {"Bi": {6}, "Se": {3, 6}}),
        ("SnTe", {"Sn": {6}, "Te": {6}}),
        ("MoS2", {"Mo": {6}, "S": {3}}),
    ],
)
def test_bonds_are_those_of_the_textbook(name, expected):
    assert degrees(BY_NAME[name]) == expected


def test_cations_of_a_salt_are_not_bonded_to_each_other():
    salt = Crystal(
        lattice=np.eye(3) * 4.12, frac=[[0, 0, 0], [0.5] * 3], species=np.array([55, 17])
    )
    assert degrees(salt) == {"Cs": {8}, "Cl": {8}}
    forced = bonds(salt, metal_metal=True)
    assert len(forced) > len(bonds(salt))


@pytest.mark.parametrize("name", ["Si", "SrTiO3", "Bi2Se3", "YBa2Cu3O7"])
def test_bonds_do_not_depend_on_the_cell(name):
    crystal = BY_NAME[name]
    large = cells.supercell(crystal, (2, 3, 1))
    moved = cells.wrap(cells.translated(crystal, [0.31, 0.77, 0.5]))
    assert len(bonds(large)) == 6 * len(bonds(crystal))
    assert len(bonds(moved)) == len(bonds(crystal))
    np.testing.assert_array_equal(
        coordination(large, bonds(large)), np.repeat(coordination(crystal, bonds(crystal)), 6)
    )


def test_a_single_atom_bonds_to_its_images():
    iron = Crystal(
        lattice=2.87 / 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1.0]]),
        frac=np.zeros((1, 3)),
        species=np.array([26]),
    )
    assert coordination(iron, bonds(iron)).tolist() == [14]


# ------------------------------------------------------------ polyhedra


def test_octahedra_and_cuboctahedra_of_perovskite():
    hulls = polyhedra(BY_NAME["SrTiO3"])
    assert [(h.centre, len(h.vertices), len(h.faces)) for h in hulls] == [(0, 12, 20), (1, 6, 8)]
    octahedron = hulls[1]
    assert octahedron.volume == pytest.approx(3.905**3 / 6)
    corners = BY_NAME["SrTiO3"].cart[octahedron.atoms] + octahedron.shifts @ (np.eye(3) * 3.905)
    centre = BY_NAME["SrTiO3"].cart[1]
    np.testing.assert_allclose(corners - centre, octahedron.vertices, atol=1e-12)


@pytest.mark.parametrize("name", ["SrTiO3", "TiO2", "SiO2", "Bi2Se3"])
def test_faces_look_outwards_and_enclose_the_volume(name):
    for hull in polyhedra(BY_NAME[name]):
        a, b, c = (hull.vertices[hull.faces[:, k]] for k in range(3))
        signed = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
        assert signed.sum() == pytest.approx(hull.volume)


def test_anions_and_flat_shells_have_no_polyhedron():
    assert {BY_NAME["TiO2"].species[h.centre] for h in polyhedra(BY_NAME["TiO2"])} == {22}
    assert polyhedra(BY_NAME["Si"]) == []
    flat = Crystal(
        lattice=np.diag([4.0, 4.0, 12.0]),
        frac=[[0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5]],
        species=np.array([29, 8, 8]),
    )
    assert polyhedra(flat) == []


# -------------------------------------------------------------- drawing


@pytest.mark.parametrize(
    ("name", "atoms", "pairs"),
    [("Si", 18, 16), ("NaCl", 27, 54), ("Cu", 14, 36), ("SrTiO3", 15, 30), ("MoS2", 6, 4)],
)
def test_drawn_atoms_and_bonds_of_one_cell(name, atoms, pairs):
    drawn = drawing(BY_NAME[name])
    assert (len(drawn), len(drawn.bond_pairs)) == (atoms, pairs)


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("name", list(BY_NAME))
def test_drawn_bonds_have_the_length_of_bonds(name, complete):
    crystal = cells.translated(BY_NAME[name], [3.0, -2.0, 0.1])
    drawn = drawing(crystal, complete_polyhedra=complete)
    n = crystal.n_atoms
    assert drawn.atom_index[:n].tolist() == list(range(n))
    placed = (crystal.frac[drawn.atom_index] + drawn.shift) @ crystal.lattice
    np.testing.assert_allclose(drawn.positions, placed)
    lengths = np.linalg.norm(np.subtract(*drawn.positions[drawn.bond_pairs.T]), axis=1)
    known = drawn.bonds.distance
    assert (np.abs(lengths[:, None] - known[None]).min(axis=1) < 1e-9).all()
    half = np.linalg.norm(drawn.stub_end - drawn.positions[drawn.stub_atom], axis=1)
    assert (np.abs(2 * half[:, None] - known[None]).min(axis=1) < 1e-9).all()
    # Every bond of every drawn atom is drawn whole or as a stub.
    ends = np.bincount(drawn.bond_pairs.ravel(), minlength=len(drawn))
    ends += np.bincount(drawn.stub_atom, minlength=len(drawn))
    assert ends.tolist() == coordination(crystal, drawn.bonds)[drawn.atom_index].tolist()


def test_completed_polyhedra_leave_no_open_cation():
    drawn = drawing(BY_NAME["SrTiO3"], complete_polyhedra=True)
    inside = len(drawing(BY_NAME["SrTiO3"]))
    open_rows = drawn.stub_atom[drawn.stub_atom < inside]
    assert set(BY_NAME["SrTiO3"].species[drawn.atom_index[open_rows]].tolist()) <= {8}
    assert len(drawn) > inside
    unique = {(int(a), *map(int, s)) for a, s in zip(drawn.atom_index, drawn.shift, strict=True)}
    assert len(unique) == len(drawn)


def test_drawings_without_boundary_or_bonds():
    plain = drawing(BY_NAME["Si"], boundary=False, bonds=False)
    assert len(plain) == 8
    assert len(plain.bond_pairs) == len(plain.stub_atom) == 0
    assert plain.bond_pairs.shape == (0, 2)
    lone = Crystal(lattice=np.eye(3) * 20, frac=[[0.5] * 3], species=np.array([2]))
    assert len(drawing(lone)) == 1
    assert drawing(lone).bond_pairs.shape == (0, 2)


# ---------------------------------------------------------------- cells


def test_supercells_repeat_atoms_and_their_data():
    crystal = Crystal(
        lattice=np.eye(3) * 3,
        frac=[[0, 0, 0], [0.5, 0.5, 0.5]],
        species=np.array([55, 17]),
        selective=np.array([[True, False, True], [False, False, False]]),
        velocities=np.arange(6.0).reshape(2, 3),
    )
    large = cells.supercell(crystal, (2, 1, 3))
    assert large.n_atoms == 12
    assert large.species.tolist() == [55] * 6 + [17] * 6
    assert large.lengths == pytest.approx((6, 3, 9))
    assert large.volume / large.n_atoms == pytest.approx(crystal.volume / crystal.n_atoms)
    assert large.selective is not None
    assert large.selective[:6].tolist() == [[True, False, True]] * 6
    assert large.velocities is not None
    assert large.velocities[6].tolist() == [3, 4, 5]


@pytest.mark.parametrize("repeats", [(0, 1, 1), (1, -1, 1), (1, 1), (10_000, 1_000, 10)])
def test_senseless_supercells_are_refused(repeats):
    with pytest.raises(FileError) as caught:
        cells.supercell(BY_NAME["Si"], repeats)
    assert caught.value.hint


def test_wrap_keeps_rounding_at_zero():
    crystal = Crystal(
        lattice=np.eye(3) * 5,
        frac=[[-1e-12, 1.0 - 1e-12, 2.25], [-0.25, 7.5, 0.0]],
        species=np.array([1, 1]),
    )
    wrapped = cells.wrap(crystal)
    np.testing.assert_allclose(wrapped.frac, [[0, 0, 0.25], [0.75, 0.5, 0]], atol=1e-11)
    assert (wrapped.frac >= 0).all()
    assert (wrapped.frac < 1).all()


def test_permuted_and_sorted_atoms_keep_their_data():
    crystal = Crystal(
        lattice=np.eye(3) * 5,
        frac=np.arange(12).reshape(4, 3) / 13,
        species=np.array([8, 22, 8, 22]),
        velocities=np.arange(12.0).reshape(4, 3),
    )
    ordered = cells.sorted_by_species(crystal)
    assert ordered.species.tolist() == [8, 8, 22, 22]
    np.testing.assert_allclose(ordered.frac, crystal.frac[[0, 2, 1, 3]])
    assert ordered.velocities is not None
    np.testing.assert_allclose(ordered.velocities, crystal.velocities[[0, 2, 1, 3]])


def test_strain_stretches_the_lattice():
    crystal = BY_NAME["Si"]
    stretched = cells.strained(crystal, np.diag([0.01, 0, -0.02]))
    assert stretched.lengths == pytest.approx((5.431 * 1.01, 5.431, 5.431 * 0.98))
    np.testing.assert_array_equal(stretched.frac, crystal.frac)


def test_boundary_images_of_faces_edges_and_corners():
    crystal = Crystal(
        lattice=np.eye(3) * 4,
        frac=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.9999], [0.3, 0.3, 0.3]],
        species=np.array([number("Cs")] * 4),
    )
    atom, shift = cells.boundary_images(crystal)
    assert atom[:4].tolist() == [0, 1, 2, 3]
    assert np.bincount(atom).tolist() == [8, 2, 4, 1]
    inside = crystal.frac[atom] + shift
    assert (inside > -1e-3).all()
    assert (inside < 1 + 1e-3).all()
