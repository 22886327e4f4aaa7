"""Pairs drawn on a crystal: how many sticks, between which images, in which colour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vtkmodules.util.numpy_support import vtk_to_numpy

from crystalgui.core.structures.crystal import Crystal
from crystalgui.scene import build
from crystalgui.scene.crystal_scene import CrystalScene
from crystalgui.scene.geometry import geometry
from crystalgui.scene.pairs import THICK, THIN, pair_sticks
from crystalgui.scene.picture import crystal_picture

RED = np.array([[255, 0, 0]], dtype=np.uint8)
NEAREST = tuple((i, j, k) for i in (0, -1) for j in (0, -1) for k in (0, -1))


def caesium_chloride(shift: float = 0.0) -> Crystal:
    return Crystal(
        lattice=4.1 * np.eye(3),
        frac=np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]) + shift,
        species=np.array([55, 17]),
    )


def test_every_nearest_image_has_a_stick() -> None:
    drawn = geometry(caesium_chloride())
    sticks = pair_sticks(drawn, [(0, 1, NEAREST), (1, 0, [(0, 0, 0)])], np.repeat(RED, 2, axis=0))
    assert len(sticks) == 9
    assert sticks.pair.tolist() == [0] * 8 + [1]
    length = np.linalg.norm(sticks.end - sticks.start, axis=1)
    np.testing.assert_allclose(length, 4.1 * np.sqrt(3) / 2)


@given(
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.integers(-2, 2), min_size=3, max_size=3),
)
def test_ends_are_where_the_images_are(shift: list[float], cell: list[int]) -> None:
    """Wherever the file puts the atoms, the stick is the vector between the two images."""
    lattice = np.array([[4.0, 0, 0], [1, 5, 0], [0.5, -1, 6]])
    frac = np.array([[0.1, 0.2, 0.3], [0.6, 0.4, 0.9]]) + np.array(shift)
    crystal = Crystal(lattice=lattice, frac=frac, species=np.array([11, 17]))
    sticks = pair_sticks(geometry(crystal), [(0, 1, [tuple(cell)])], RED)  # type: ignore[list-item]
    wanted = (frac[1] + cell - frac[0]) @ lattice
    np.testing.assert_allclose(sticks.end[0] - sticks.start[0], wanted, atol=1e-9)
    drawn = geometry(crystal)
    assert np.linalg.norm(drawn.positions - sticks.start[0], axis=1).min() < 1e-6
    seen = np.linalg.norm(drawn.positions - sticks.end[0], axis=1).min() < 1e-6
    assert len(sticks.ghosts) == (0 if seen else 1)
    if not seen:
        np.testing.assert_allclose(sticks.ghosts[0], sticks.end[0])


def test_the_thick_half_is_at_the_atom_that_looks() -> None:
    sticks = pair_sticks(geometry(caesium_chloride()), [(0, 1, [(0, 0, 0)])], RED)
    start, end, colours, radii = sticks.halves()
    assert radii.tolist() == [THICK, THIN]
    np.testing.assert_allclose(start[0], sticks.start[0])
    np.testing.assert_allclose(end[1], sticks.end[0])
    np.testing.assert_allclose(end[0], start[1])
    assert (colours == RED).all()


def test_the_scene_draws_them_and_forgets_them_with_the_crystal() -> None:
    scene = CrystalScene()
    drawn = geometry(caesium_chloride())
    scene.show(drawn)
    sticks = pair_sticks(drawn, [(1, 0, [(0, 0, 0), (2, 0, 0)])], RED)
    tints = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
    scene.dress(tints, sticks)
    data = scene.actors["pairs"].GetMapper().GetInput()
    assert data.GetNumberOfPoints() == 2 * len(sticks)
    balls = scene.actors["atoms"].GetMapper().GetInput()
    colours = vtk_to_numpy(balls.GetPointData().GetArray(build.COLOUR))
    np.testing.assert_array_equal(colours, tints[drawn.atom])
    assert scene.actors["ghosts"].GetMapper().GetInput().GetNumberOfPoints() == 1
    points, _ = scene.extent()
    assert np.linalg.norm(points - sticks.ghosts[0], axis=1).min() < 1e-9
    scene.show(drawn)
    assert not {"pairs", "ghosts"} & set(scene.actors)
    scene.detach()


def test_the_picture_has_the_colour_of_the_pair() -> None:
    drawn = geometry(caesium_chloride(), bonds=False)
    grey = np.full((2, 3), 128, dtype=np.uint8)
    sticks = pair_sticks(drawn, [(0, 1, NEAREST)], RED)

    def reds(**more: object) -> int:
        image = crystal_picture(drawn, size=(160, 120), tints=grey, **more)  # type: ignore[arg-type]
        r, g, b = (image[..., c].astype(int) for c in range(3))
        return int(((r > 90) & (g < r / 3) & (b < r / 3)).sum())

    assert reds() == 0
    assert reds(pairs=sticks) > 40


def test_no_pairs_are_no_actor() -> None:
    scene = CrystalScene()
    drawn = geometry(caesium_chloride())
    scene.show(drawn)
    scene.dress(None, pair_sticks(drawn, [], np.zeros((0, 3), np.uint8)))
    assert "pairs" not in scene.actors
    scene.detach()
