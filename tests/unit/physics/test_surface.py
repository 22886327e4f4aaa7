"""Surfaces: cells that fit them, slabs, and Green's functions with the states they must show."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.slab import (
    LayerSums,
    layers_of,
    rehomed,
    reoriented,
    slab,
    slab_bands,
    surface_cell,
    surface_path,
)
from crystalgui.core.physics.surface import surface_greens, surface_spectrum
from crystalgui.core.physics.zoo import bhz, bitei, cubic, fu_kane_mele, haldane, ssh
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.spin import detect_spin_order

MILLER = st.tuples(*[st.integers(-4, 4)] * 3).filter(any)
RANDOM = np.random.default_rng(3)
K = RANDOM.uniform(-0.5, 0.5, size=(12, 3))


# -------------------------------------------------------------- orientation


@settings(max_examples=80)
@given(hkl=MILLER)
def test_bulk_bands_do_not_change(hkl: tuple[int, int, int]) -> None:
    h = fu_kane_mele()
    cell = surface_cell(h, hkl)
    normal = np.array(hkl) // np.gcd.reduce(hkl)
    assert round(float(np.linalg.det(cell))) == 1
    assert (cell @ normal).tolist() == [0, 0, 1]
    turned = reoriented(h, hkl)
    assert np.abs(energies(turned, K @ cell.T) - energies(h, K)).max() < 1e-12
    assert turned.lattice is not None
    assert h.lattice is not None
    plane = h.lattice.T @ np.linalg.inv(h.lattice @ h.lattice.T) @ normal
    assert np.abs(turned.lattice[:2] @ plane).max() < 1e-9
    stack = layers_of(h, hkl)
    assert np.abs(energies(stack.hoppings, K @ cell.T) - energies(h, K)).max() < 1e-12


def test_orbitals_moved_to_other_cells_change_phases_only() -> None:
    h = bitei()
    shifts = RANDOM.integers(-2, 3, size=(18, 3))
    moved = rehomed(h, shifts)
    assert np.abs(energies(moved, K) - energies(h, K)).max() < 1e-12
    back = rehomed(moved, -shifts)
    place = {tuple(c): m for c, m in zip(back.cells.tolist(), back.matrices, strict=True)}
    for cell, matrix in zip(h.cells.tolist(), h.matrices, strict=True):
        assert np.array_equal(place.get(tuple(cell), np.zeros((18, 18))), matrix)


def test_the_cut_is_in_the_widest_gap() -> None:
    """BiTeI (001): between tellurium of one trilayer and iodine of the next."""
    stack = layers_of(bitei(), (0, 0, 1))
    h = stack.hoppings
    assert h.centres is not None
    assert stack.cut is not None
    heights = h.centres[:, 2] - stack.cut
    assert heights.min() > 0
    assert heights.max() < 1
    te, bi, iodine = heights[3], heights[0], heights[6]
    assert te < bi < iodine
    other = layers_of(bitei(), (0, 0, 1), cut=0.1).hoppings
    assert np.abs(energies(other, K) - energies(bitei(), K)).max() < 1e-12
    assert not np.array_equal(other.cells, h.cells)


def test_what_is_no_surface_is_refused() -> None:
    with pytest.raises(PhysicsError, match=r"\(0 0 0\)"):
        reoriented(cubic(), (0, 0, 0))
    with pytest.raises(PhysicsError, match="layer"):
        slab(cubic(), layers=0)
    with pytest.raises(PhysicsError, match="memory"):
        slab(bitei(), layers=2000)
    with pytest.raises(PhysicsError, match="broadening"):
        surface_spectrum(cubic(), broadening=0)
    with pytest.raises(PhysicsError, match="no energies"):
        surface_spectrum(cubic(), energies=[])
    with pytest.raises(PhysicsError, match="two finite"):
        surface_spectrum(cubic(), path=[[np.nan, 0]])
    bare = Hoppings(cells=cubic().cells, matrices=cubic().matrices)
    with pytest.raises(PhysicsError, match="not known"):
        layers_of(bare, cut=0.2)
    assert "cell of the file" in layers_of(bare).note


# -------------------------------------------------------------------- slabs


@pytest.mark.parametrize("model", [cubic, bitei, fu_kane_mele])
@pytest.mark.parametrize("hkl", [(0, 0, 1), (1, 1, 1), (1, -1, 0)])
def test_a_slab_is_the_same_in_both_ways(model: object, hkl: tuple[int, int, int]) -> None:
    h = model()
    made = slab(h, hkl, layers=3)
    assert made.n_orbitals == 3 * h.n_orbitals
    assert (made.cells[:, 2] == 0).all()
    found = slab_bands(h, hkl, layers=3, density=4)
    assert np.abs(energies(made, found.path.k) - found.energies).max() < 1e-11
    assert np.abs(found.weights.sum(axis=-1) - 1).max() < 1e-11
    assert made.occupied == 3 * (h.occupied or 0)
    said = h.assumptions.spin_order
    assert detect_spin_order(made.matrices, None if said == "spinless" else True)[0] == said
    assert made.lattice is not None
    assert abs(made.lattice[2] @ made.lattice[0]) < 1e-9
    if made.frac is not None and made.species is not None:
        assert len(made.frac) == len(made.species)
        assert made.frac[:, 2].max() - made.frac[:, 2].min() < 1


def test_a_thick_slab_has_the_bulk_bands_inside() -> None:
    """One orbital on a cube: levels of a chain of N sites, 2t cos(pi j / (N + 1))."""
    from crystalgui.core.physics.zoo.terms import Terms

    terms = Terms(1)
    for axis in range(3):
        terms.cosine(axis, [[2.0]])
    h = terms.build(lattice=np.eye(3), title="", occupied=1)
    path = np.zeros((1, 3))
    n = 7
    made = energies(slab(h, layers=n), path)[0]
    wanted = np.sort(4 + 2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1)))
    assert made == pytest.approx(wanted, abs=1e-12)


# --------------------------------------------------------- Green's functions


@pytest.mark.parametrize(("v", "w"), [(0.6, 1.0), (0.3, 1.1), (-0.5, 1.0)])
def test_end_states_of_the_topological_chain(v: float, w: float) -> None:
    """Weight 1 - (v/w)^2 on the last site at zero energy; none when v > w."""
    eta = 1e-4
    found = surface_spectrum(ssh(v=v, w=w), (1, 0, 0), energies=[0.0], broadening=eta)
    wanted = (1 - (v / w) ** 2) / (np.pi * eta)
    assert found.left[0, 0] == pytest.approx(wanted, rel=1e-4)
    assert found.right[0, 0] == pytest.approx(wanted, rel=1e-4)
    assert found.bulk[0, 0] < 1e-2
    trivial = surface_spectrum(ssh(v=w, w=v), (1, 0, 0), energies=[0.0], broadening=eta)
    assert max(trivial.left.max(), trivial.right.max()) < 1e-2
    assert found.path is not None
    assert len(found.path.k) == 1
    ends = slab_bands(ssh(v=v, w=w), (1, 0, 0), layers=40)
    assert np.sort(np.abs(ends.energies[0]))[:2] == pytest.approx([0, 0], abs=1e-6)
    assert (np.abs(slab_bands(ssh(v=w, w=v), (1, 0, 0), layers=40).energies) > 0.1).all()


def test_the_semi_infinite_chain_has_a_closed_form() -> None:
    """g(z) of one orbital with hopping t: (z - sqrt(z^2 - 4 t^2)) / (2 t^2)."""
    z = np.linspace(-3, 3, 41) + 0.05j
    lower, upper, bulk = surface_greens(z, np.array([[0.0j]]), np.array([[1.0 + 0j]]))
    root = np.sqrt(z - 2) * np.sqrt(z + 2)
    assert np.abs(lower[:, 0, 0] - (z - root) / 2).max() < 1e-9
    assert np.abs(upper[:, 0, 0] - (z - root) / 2).max() < 1e-9
    assert np.abs(bulk[:, 0, 0] - 1 / root).max() < 1e-9


@pytest.mark.parametrize(("mass", "chern"), [(0.0, 1), (0.3, 1), (0.8, 0)])
def test_one_chiral_edge_state_of_the_haldane_model(mass: float, chern: int) -> None:
    """Inside 3 sqrt(3) t2 = 0.52 one edge state crosses the gap, at each edge the other way."""
    h = haldane(t2=0.1, mass=mass)
    bands = slab_bands(h, (1, 0, 0), layers=40, density=60)
    middle = 0.07
    slopes = {"left": 0, "right": 0}
    for name, weight in (("left", bands.left), ("right", bands.right)):
        for n in range(bands.energies.shape[1]):
            e, w = bands.energies[:, n], weight[:, n]
            for i in np.flatnonzero((e[:-1] < middle) != (e[1:] < middle)):
                if w[i : i + 2].mean() > 0.2:
                    slopes[name] += int(np.sign(e[i + 1] - e[i]))
    assert abs(slopes["left"]) == chern
    assert slopes["right"] == -slopes["left"]
    assert bands.path.ticks[0][1] == "X\u0304"
    found = surface_spectrum(h, (1, 0, 0), energies=[middle], density=60, broadening=0.02)
    peaks = found.left[:, 0]
    inside = (peaks > 2) & (peaks >= np.roll(peaks, 1)) & (peaks > np.roll(peaks, -1))
    assert inside.sum() == chern


@pytest.mark.parametrize(("mass", "cone"), [(2.0, True), (-2.0, False)])
def test_the_dirac_cone_of_the_cubic_topological_insulator(mass: float, cone: bool) -> None:
    """(1;000): a state at Gamma in the middle of the gap, with E = +-A sin k beside it."""
    h = cubic(M=mass)
    near = 0.03
    levels = np.linspace(-1.2, 1.2, 121)
    found = surface_spectrum(
        h, (0, 0, 1), path=[[0, 0], [near, 0], [0.5, 0.5]], energies=levels, broadening=0.01
    )
    gap = np.abs(levels) < 0.6
    if not cone:
        assert found.left[:, gap].max() < 0.5
        assert found.right[:, gap].max() < 0.5
        return
    assert levels[gap][np.argmax(found.left[0, gap])] == pytest.approx(0, abs=0.011)
    assert found.left[0, gap].max() > 20
    upper = levels > 0.02
    there = levels[upper & gap][np.argmax(found.left[1, upper & gap])]
    assert there == pytest.approx(np.sin(2 * np.pi * near), abs=0.02)
    assert found.bulk[:2, gap].max() < 0.5
    assert found.left[2, gap].max() < 0.5
    assert found.right == pytest.approx(found.left, rel=1e-6, abs=1e-9)


def test_a_thick_slab_comes_to_the_same_as_the_greens_function() -> None:
    h = fu_kane_mele()
    eta, k = 0.15, np.array([[0.13, 0.31]])
    levels = np.linspace(-4, 4, 25)
    found = surface_spectrum(h, (1, 1, 1), path=k, energies=levels, broadening=eta, tolerance=0)
    stack = layers_of(h, (1, 1, 1))
    sums = LayerSums(stack.hoppings)
    apart = []
    for layers in (10, 40):
        e, c = np.linalg.eigh(sums.stack(sums.at(k), layers)[0])
        n = h.n_orbitals
        for rows, wanted in ((slice(0, n), found.left[0]), (slice(-n, None), found.right[0])):
            weight = (np.abs(c[rows]) ** 2).sum(axis=0)
            lorentz = eta / np.pi / ((levels[:, None] - e) ** 2 + eta**2)
            apart.append(np.abs(lorentz @ weight - wanted).max())
    assert max(apart[2:]) < 1e-4
    assert max(apart[:2]) > 10 * max(apart[2:])


def test_the_states_of_all_energies_are_all_orbitals() -> None:
    """The tails of a Lorentzian outside the window are what is missing."""
    h = haldane()
    levels = np.linspace(-60, 60, 6001)
    found = surface_spectrum(h, (1, 0, 0), path=[[0.0, 0.2]], energies=levels, broadening=0.1)
    for part in (found.left, found.right, found.bulk):
        assert part.sum() * (levels[1] - levels[0]) == pytest.approx(2, abs=0.005)
        assert part.min() > 0


def test_far_couplings_below_the_tolerance_are_left_out_and_said() -> None:
    terms = bhz()
    far = np.concatenate([terms.cells, [[0, 0, 3], [0, 0, -3]]])
    tiny = 1e-5 * np.eye(4)
    matrices = np.concatenate([terms.matrices, [tiny, tiny]])
    from dataclasses import replace

    h = replace(terms, cells=far, matrices=matrices)
    found = surface_spectrum(h, (0, 0, 1), path=[[0, 0]], energies=[0.0])
    assert found.principal == 1
    assert found.dropped == pytest.approx(2e-5, rel=0.2)
    assert "left out" in found.note
    whole = surface_spectrum(h, (0, 0, 1), path=[[0, 0]], energies=[0.0], tolerance=0.0)
    assert whole.principal == 3
    assert whole.dropped == 0


def test_paths_of_the_surface_zone() -> None:
    def labels(h: Hoppings, hkl: tuple[int, int, int]) -> str:
        path = surface_path(layers_of(h, hkl).hoppings)
        return "".join(label[0] for _, label in path.ticks)

    assert labels(cubic(), (0, 0, 1)) == "MΓXM"
    assert labels(cubic(), (1, 1, 1)) == "KΓMK"
    assert labels(cubic(), (1, 1, 0)) == "XΓYSX"
    assert labels(bitei(), (0, 0, 1)) == "KΓMK"
    assert labels(haldane(), (1, 0, 0)) == "XΓX"
    assert labels(ssh(), (1, 0, 0)) == "Γ"
    # K is as far from Gamma as 2 / sqrt(3) times M
    path = surface_path(layers_of(bitei(), (0, 0, 1)).hoppings)
    (k, g, m, _), _ = zip(*path.ticks, strict=True)
    assert (g - k) / (m - g) == pytest.approx(2 / np.sqrt(3))


def test_it_runs_in_a_thread() -> None:
    found: list[float] = []

    def work() -> None:
        spectrum = surface_spectrum(cubic(), path=[[0, 0], [0.1, 0]] * 10, energies=[0.0])
        found.append(float(spectrum.left.max()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found[0] > 10


@pytest.mark.data
def test_the_surface_dirac_cone_of_bi2se3(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    levels = np.linspace(4.1, 4.6, 51)
    start = time.process_time()
    found = surface_spectrum(h, path=[[0, 0], [0.02, 0], [0.05, 0]], energies=levels)
    assert time.process_time() - start < 10
    # Se-Bi-Se-Bi-Se: the cut is between two selenium planes, and one layer is five atoms thick
    assert found.principal == 1
    whole = surface_spectrum(h, path=[[0.02, 0]], energies=levels, tolerance=0.0)
    assert whole.principal > 1
    assert np.abs(whole.left[0] - found.left[1]).max() < 0.02 * whole.left.max()
    for side in (found.left, found.right):
        at = levels[np.argmax(side, axis=1)]
        assert at[0] == pytest.approx(4.265, abs=0.01)
        assert at[0] < at[1] < at[2]
        assert (side.max(axis=1) > 15).all()
    assert (found.bulk[0, np.abs(levels - 4.265) < 0.02] < 1).all()
    bands = slab_bands(h, layers=6, path=surface_path(layers_of(h).hoppings, 3))
    gamma = int(np.argmin(np.abs(bands.path.k).sum(axis=1)))
    four = bands.energies[gamma, 6 * 18 - 2 : 6 * 18 + 2]
    assert four == pytest.approx(np.full(4, 4.2658), abs=2e-3)
