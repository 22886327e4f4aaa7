from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.structures.elements import COLOURS, VDW_RADIUS
from crystalgui.scene.crystal_scene import CrystalScene
from crystalgui.scene.geometry import geometry
from crystalgui.scene.style import (
    DARK,
    LIGHT,
    CrystalStyle,
    element_colours,
    element_radii,
    rgb,
)

from .crystals import BITEI, PEROVSKITE

SIZE = (400, 300)


@pytest.fixture
def scene():
    made = CrystalScene()
    made.show(geometry(BITEI, (2, 2, 1)))
    made.look("standard")
    made.fit(SIZE)
    yield made
    made.detach()


def points(scene, name):
    return scene.actors[name].GetMapper().GetInput().GetNumberOfPoints()


def test_every_atom_and_half_bond_is_drawn(scene):
    assert points(scene, "atoms") == len(scene.geometry)
    assert points(scene, "bonds") == 2 * len(scene.geometry.bonds)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ball-and-stick", {"atoms", "bonds"}),
        ("space-filling", {"atoms"}),
        ("sticks", {"atoms", "bonds"}),
        ("wireframe", {"atoms", "wires"}),
    ],
)
def test_styles_draw_their_actors(scene, kind, names):
    scene.set_style(CrystalStyle(kind=kind))
    assert set(scene.actors) == names | {"cell", "box"}


def test_hidden_elements_vanish_with_their_bonds(scene):
    g = scene.geometry
    scene.set_style(CrystalStyle(hidden=frozenset({52})))
    assert points(scene, "atoms") == (g.species != 52).sum()
    left = (g.species[g.bonds] != 52).all(axis=1).sum()
    assert points(scene, "bonds") == 2 * left
    tellurium = int(np.flatnonzero(g.species == 52)[0])
    from crystalgui.scene.camera import Projection

    x, y, _ = Projection.of(scene.camera, SIZE).project(g.positions[tellurium])[0]
    assert scene.pick(x, y, SIZE) != tellurium
    assert not (g.species[scene.pick_box((0, 0), SIZE, SIZE)] == 52).any()


def test_everything_fits_into_the_picture(scene):
    from crystalgui.scene.camera import Projection

    for name in ("a", "b", "c", "a*", "standard"):
        scene.look(name)
        scene.fit(SIZE)
        at = Projection.of(scene.camera, SIZE).project(scene.extent()[0])
        assert (at[:, :2] > 20).all()
        assert (at[:, 0] < SIZE[0] - 20).all()
        assert (at[:, 1] < SIZE[1] - 20).all()


def test_the_atom_in_front_is_picked_at_its_centre(scene):
    from crystalgui.scene.camera import Projection

    view = Projection.of(scene.camera, SIZE)
    at = view.project(scene.geometry.positions)
    front = int(np.argmin(at[:, 2]))
    assert scene.pick(at[front, 0], at[front, 1], SIZE) == front
    assert scene.pick(2, 2, SIZE) == -1


def test_selection_draws_rings_that_follow_the_camera(scene):
    scene.prepare(SIZE)
    assert scene.marks.GetActors().GetNumberOfItems() == 0
    scene.select([0])
    scene.prepare(SIZE)
    assert scene.marks.GetActors().GetNumberOfItems() == 1
    scene.select([0, 4, 2])
    scene.prepare(SIZE)
    assert scene.marks.GetActors().GetNumberOfItems() == 2
    before = next(iter(scene.marks.GetActors())).GetBounds()
    scene.look("b")
    scene.prepare(SIZE)
    assert next(iter(scene.marks.GetActors())).GetBounds() != before


def test_polyhedra_are_translucent_and_have_edges():
    scene = CrystalScene(CrystalStyle(polyhedra=True))
    scene.show(geometry(PEROVSKITE, polyhedra=True))
    assert scene.actors["faces"].GetMapper().GetInput().GetNumberOfPolys() == 8
    assert scene.actors["face_edges"].GetMapper().GetInput().GetNumberOfLines() == 12
    assert 0 < scene.actors["faces"].GetProperty().GetOpacity() < 1
    scene.detach()


def test_the_cell_is_one_cell_and_the_box_the_supercell(scene):
    low, high = np.array(scene.actors["cell"].GetBounds()).reshape(3, 2).T
    assert high[2] - low[2] == pytest.approx(BITEI.lattice[2, 2], rel=1e-5)
    box = np.array(scene.actors["box"].GetBounds()).reshape(3, 2)
    assert box[1, 1] == pytest.approx(2 * BITEI.lattice[1, 1], rel=1e-5)


def test_colours_and_radii_come_from_the_tables():
    jmol, vesta = element_colours(CrystalStyle()), element_colours(CrystalStyle(scheme="vesta"))
    assert jmol[8].tolist() == np.round(255 * COLOURS["jmol"][8]).tolist()
    assert (jmol != vesta).any()
    own = CrystalStyle(scheme="custom", colours={8: (0.0, 1.0, 0.0)})
    assert element_colours(own)[8].tolist() == [0, 255, 0]
    assert element_colours(own)[22].tolist() == jmol[22].tolist()
    assert element_radii(CrystalStyle(kind="space-filling"))[8] == pytest.approx(VDW_RADIUS[8])
    assert element_radii(CrystalStyle(radii={8: 0.5}, scale=2.0))[8] == pytest.approx(1.0)


def test_ink():
    assert rgb("#ff0080") == (1.0, 0.0, 128 / 255)
    assert DARK.dark
    assert not LIGHT.dark


def test_labels_stand_beside_visible_atoms(scene):
    from vtkmodules.vtkRenderingCore import vtkBillboardTextActor3D

    scene.set_style(CrystalStyle(labels="index", hidden=frozenset({52})))
    texts = [
        p.GetInput() for p in scene.marks.GetViewProps() if isinstance(p, vtkBillboardTextActor3D)
    ]
    assert len(texts) == scene.visible.sum()
    assert set(texts) == {"Bi1", "I3"}


def test_perspective_keeps_the_direction(scene):
    before = np.array(scene.camera.GetDirectionOfProjection())
    scene.set_style(replace(scene.style, perspective=True))
    assert not scene.camera.GetParallelProjection()
    assert np.allclose(scene.camera.GetDirectionOfProjection(), before)


def test_a_parallel_camera_never_cuts_the_crystal(scene):
    for factor in (1, 40):
        scene.camera.SetParallelScale(scene.camera.GetParallelScale() / factor)
        scene.prepare(SIZE)
        near, far = scene.camera.GetClippingRange()
        position = np.array(scene.camera.GetPosition())
        direction = np.array(scene.camera.GetDirectionOfProjection())
        depth = (scene.geometry.positions - position) @ direction
        assert near < depth.min() - 1
        assert far > depth.max() + 1


def test_detaching_frees_the_renderers():
    from crystalgui.scene.picture import offscreen_window

    scene = CrystalScene(CrystalStyle(legend=True))
    scene.show(geometry(BITEI))
    window = offscreen_window(SIZE)
    scene.attach(window)
    assert window.GetRenderers().GetNumberOfItems() == 4
    scene.detach()
    assert window.GetRenderers().GetNumberOfItems() == 0
    gone = weakref.ref(scene.renderer)
    window.Finalize()
    del scene
    import gc

    gc.collect()
    assert gone() is None
