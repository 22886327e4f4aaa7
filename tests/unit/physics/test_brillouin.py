"""Zones close and fill the reciprocal cell; paths are right in the cell as given."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bands import bands
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.brillouin import (
    fold,
    k_path,
    nearest_point,
    place_on_path,
    reciprocal_of,
    zone,
)
from crystalgui.core.physics.zoo import bhz, bitei, cubic, fu_kane_mele, haldane, ssh
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.hoppings.model import Hoppings

FCC = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 2.7
BCC = np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.5
HEX = np.array([[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.6]]) * 4
TRICLINIC = np.array([[4.0, 0, 0], [1.2, 4.8, 0], [0.8, -1.2, 5.6]])
SKEWED = np.array([[1, 0, 0], [5, 1, 0], [-7, 4, 1]]) @ FCC


@pytest.mark.parametrize(
    ("lattice", "vertices", "faces", "edges"),
    [
        (np.eye(3) * 3, 8, 6, 12),
        (FCC, 24, 14, 36),
        (SKEWED, 24, 14, 36),
        (BCC, 14, 12, 24),
        (HEX, 12, 8, 18),
        (TRICLINIC, 24, 14, 36),
    ],
)
def test_zones(lattice: np.ndarray, vertices: int, faces: int, edges: int) -> None:
    from scipy.spatial import ConvexHull

    found = zone(lattice)
    assert (len(found.vertices), len(found.faces), len(found.edges)) == (vertices, faces, edges)
    volume = (2 * np.pi) ** 3 / abs(np.linalg.det(lattice))
    assert ConvexHull(found.vertices).volume == pytest.approx(volume)
    for face, normal, distance in zip(found.faces, found.normals, found.distances, strict=True):
        corners = found.vertices[list(face)]
        assert np.allclose(corners @ normal, distance)
        turn = np.cross(corners[1] - corners[0], corners[2] - corners[1])
        assert turn @ normal > 0


@pytest.mark.parametrize("lattice", [FCC, HEX, TRICLINIC, SKEWED])
def test_folding_ends_in_the_zone(lattice: np.ndarray) -> None:
    found = zone(lattice)
    k = np.random.default_rng(0).uniform(-4, 4, size=(200, 3))
    cart = fold(k, found.reciprocal)
    assert ((cart @ found.normals.T) <= found.distances + 1e-3).all()
    back = (cart - k @ found.reciprocal) @ np.linalg.inv(found.reciprocal)
    assert np.abs(back - np.round(back)).max() < 1e-9


def test_the_path_of_bitei() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = k_path(bitei())
    assert path.title == "Γ–M–K–Γ–A–L–H–A|L–M|H–K"
    assert [label for _, label in path.ticks] == [*list("ΓMKΓALH"), "A|L", "M|H", "K"]
    assert len(path.breaks) == 2
    for row in path.breaks:
        assert path.distance[row] == path.distance[row - 1]
        assert np.abs(path.k[row] - path.k[row - 1]).max() > 0.1
    for start, stop in path.pieces:
        steps = np.linalg.norm(np.diff(path.cart[start:stop], axis=0), axis=1)
        assert np.allclose(steps, np.diff(path.distance[start:stop]))
        assert steps.max() < 0.06
    points = dict(path.points)
    assert np.array_equal(points["A"], [0, 0, 0.5])
    assert path.note == ""


def test_labels_mean_the_same_in_any_cell_of_the_lattice() -> None:
    """Another choice of lattice vectors, rotated: same labels, same energies."""
    h = fu_kane_mele(bonds=(1, 1, 1, 1))
    change = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]])
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    back = np.linalg.inv(change)
    assert h.frac is not None
    assert h.lattice is not None
    other = Hoppings(
        cells=np.rint(h.cells @ back).astype(int),
        matrices=h.matrices,
        lattice=change @ h.lattice @ turn,
        species=h.species,
        frac=h.frac @ back,
    )
    one, two = k_path(h), k_path(other)
    assert one.title == two.title
    assert np.allclose(one.distance, two.distance, atol=1e-6)
    assert np.abs(energies(h, one.k) - energies(other, two.k)).max() < 1e-6
    dirac = dict(two.points)["X"]
    e = energies(other, dirac[None])[0]
    assert e[2] - e[1] == pytest.approx(0, abs=1e-9)


def test_a_supercell_is_said_to_be_one() -> None:
    primitive = Crystal(
        lattice=FCC, frac=np.array([[0, 0, 0], [0.25, 0.25, 0.25]]), species=np.array([14, 14])
    )
    assert not k_path(primitive).folded
    from crystalgui.core.structures.cells import supercell

    large = supercell(primitive, (2, 1, 1))
    path = k_path(large)
    assert path.folded
    assert "folded" in path.note
    x = dict(path.points)["X"] @ reciprocal_of(large.lattice)
    assert np.linalg.norm(x) == pytest.approx(2 * np.pi / 5.4)
    own = k_path(large, lattice_only=True)
    assert not own.folded
    assert "atoms ignored" in own.note


def test_layers_and_chains_stay_in_their_dimension() -> None:
    layer = k_path(haldane())
    assert layer.title == "Γ–M–K–Γ"
    assert not layer.k[:, 2].any()
    assert "plane" in layer.note
    third = dict(layer.points)["K"]
    e = energies(haldane(t2=0.0), third[None])[0]
    assert e[1] - e[0] == pytest.approx(0, abs=1e-12)
    assert k_path(bhz()).title == "Γ–X–M–Γ"
    chain = k_path(ssh())
    assert chain.title == "Γ–X"
    assert "line" in chain.note


def test_without_a_lattice_it_says_so() -> None:
    h = cubic()
    found = bands(Hoppings(cells=h.cells, matrices=h.matrices))
    assert "no lattice" in found.note
    assert found.energies.shape == (len(found.path.k), 4)
    assert "no atoms known" in k_path(h).note


def test_a_molecule_has_no_bands() -> None:
    with pytest.raises(PhysicsError, match="no dispersion"):
        k_path(Hoppings(cells=np.zeros((1, 3)), matrices=np.eye(2)[None]))


def test_places_near_the_path() -> None:
    h = bitei()
    path, reciprocal = k_path(h), zone(h.lattice).reciprocal
    label, distance = nearest_point(np.array([0, 0, -0.5]), path, reciprocal)
    assert (label, distance) == ("A", pytest.approx(0))
    row, off = place_on_path(np.array([-0.25, 1.0, 2.0]), path, reciprocal)
    assert off < 0.02
    assert np.allclose(path.k[row], [0.25, 0, 0], atol=0.02)
