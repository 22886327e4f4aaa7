"""Fermi surfaces of bands whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.brillouin import zone
from crystalgui.core.physics.fermi import clip, fermi_surface
from crystalgui.core.physics.zoo.terms import Terms
from crystalgui.core.structures.hoppings.model import Hoppings

A = 4.0
CUBE = np.eye(3) * A
FCC = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) * A / 2


def one_band(lattice: np.ndarray = CUBE, axes: tuple[int, ...] = (0, 1, 2)) -> Hoppings:
    """E = -2 sum cos(k_i): an almost free electron at the bottom."""
    terms = Terms(1)
    for axis in axes:
        terms.cosine(axis, [[-2.0]])
    return terms.build(lattice=lattice, title="one band", occupied=1)


def nearest_neighbours_fcc() -> Hoppings:
    terms = Terms(1)
    for cell in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1)):
        terms.hop(cell, [[-1.0]])
    return terms.build(lattice=FCC, title="fcc", occupied=1)


def test_a_small_pocket_is_a_sphere() -> None:
    h = one_band()
    bottom, above = -6.0, 0.25
    (sheet,) = fermi_surface(h, bottom + above, (24, 24, 24), refine=4)
    radius = np.arccos(1 - above / 2) / A  # along an axis: -2 cos(ka) - 4
    length = np.linalg.norm(sheet.vertices, axis=1)
    assert length.min() > radius * 0.97
    assert length.max() < radius * 1.03
    assert sheet.area == pytest.approx(4 * np.pi * radius**2, rel=0.02)
    exact = 2 * A * np.sin(sheet.vertices * A)
    assert np.abs(sheet.velocities - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("energy", [-3.0, 0.0, 3.0])
@pytest.mark.parametrize("h", [one_band(), nearest_neighbours_fcc()])
def test_vertices_have_the_energy_and_lie_in_the_zone(h: Hoppings, energy: float) -> None:
    assert h.lattice is not None
    first = zone(h.lattice)
    (sheet,) = fermi_surface(h, energy)
    assert sheet.band == 0
    assert (sheet.vertices @ first.normals.T <= first.distances + 1e-9).all()
    reduced = sheet.vertices @ np.linalg.inv(first.reciprocal)
    # Clipped to the faces, on flat triangles of a curved surface.
    assert np.abs(energies(h, reduced)[:, 0] - energy).max() < 0.05
    assert sheet.faces.max() == len(sheet.vertices) - 1


def test_the_surface_that_is_cut_by_the_zone_goes_on_on_the_other_side() -> None:
    """Vertices on a face come back on the opposite one, moved by G."""
    (sheet,) = fermi_surface(one_band(), 0.0)
    edge = np.pi / A
    right = sheet.vertices[np.abs(sheet.vertices[:, 0] - edge) < 1e-9]
    left = sheet.vertices[np.abs(sheet.vertices[:, 0] + edge) < 1e-9]
    assert len(right) > 20
    apart = np.linalg.norm(right[:, None, 1:] - left[None, :, 1:], axis=-1)
    assert apart.min(axis=1).max() < 0.02


def test_the_whole_surface_encloses_the_filling() -> None:
    """Luttinger: E = 0 halves the zone; the surface separates equal volumes."""
    h = one_band()
    (sheet,) = fermi_surface(h, 0.0)
    corner = sheet.vertices[sheet.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]) / 2
    along = (normal * sheet.velocities[sheet.faces].mean(axis=1)).sum(axis=1)
    normal *= np.sign(along)[:, None]
    # Divergence theorem: the caps on the zone faces add half the zone's own share.
    side = 2 * np.pi / A
    inside = (
        sum(abs(_cap(h, axis, sign)) for axis in range(3) for sign in (1, -1)) * (side / 2)
        + (normal * corner.mean(axis=1)).sum()
    )
    assert inside / 3 == pytest.approx(side**3 / 2, rel=0.01)


def _cap(h: Hoppings, axis: int, sign: int) -> float:
    """Area of the occupied part of a zone face."""
    n = 60
    grid = (np.arange(n) + 0.5) / n - 0.5
    k = np.zeros((n, n, 3))
    others = [i for i in range(3) if i != axis]
    k[..., others[0]], k[..., others[1]] = np.meshgrid(grid, grid, indexing="ij")
    k[..., axis] = sign / 2
    share = (energies(h, k.reshape(-1, 3))[:, 0] < 0).mean()
    return float(share * (2 * np.pi / A) ** 2)


def test_a_layer_has_lines() -> None:
    h = one_band(np.diag([A, A, 15.0]), (0, 1))
    (sheet,) = fermi_surface(h, -3.75)
    radius = np.arccos(1 - 0.25 / 2) / A
    assert sheet.faces.shape[1] == 2
    assert sheet.area == pytest.approx(2 * np.pi * radius, rel=0.03)
    assert np.abs(sheet.vertices[:, 2]).max() == 0


def test_only_bands_that_cross_have_a_sheet() -> None:
    h = zoo.bitei_p22(0.0)
    assert fermi_surface(h, 100.0) == ()
    found = fermi_surface(zoo.cubic(), 1.5)
    assert [sheet.band for sheet in found] == [2, 3]


def test_a_chain_has_no_surface() -> None:
    with pytest.raises(PhysicsError, match="Fermi points"):
        fermi_surface(zoo.ssh(), 0.5)


def test_a_triangle_is_clipped_exactly() -> None:
    triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
    normals, distances = np.array([[1.0, 0, 0], [-1, 0, 0]]), np.array([0.5, 5.0])
    parts = clip(triangle, normals, distances)
    cross = np.cross(parts[:, 1] - parts[:, 0], parts[:, 2] - parts[:, 0])
    assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(0.375)
    assert len(clip(triangle, normals, np.array([-0.5, 5.0]))) == 0
    tip = clip(triangle, -normals, np.array([-0.5, 5.0]))
    assert np.linalg.norm(np.cross(tip[:, 1] - tip[:, 0], tip[:, 2] - tip[:, 0])) / 2 == 0.125
