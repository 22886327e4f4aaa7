from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from crystalgui.core.physics.brillouin import k_path, zone
from crystalgui.scene.picture import zone_picture
from crystalgui.scene.style import DARK
from crystalgui.scene.zone_scene import ZoneScene, cut

from .crystals import BITEI

SIZE = (300, 300)


@pytest.fixture
def scene():
    made = ZoneScene()
    made.set_zone(zone(BITEI.lattice), k_path(BITEI, 20))
    made.look("standard")
    made.fit(SIZE)
    yield made
    made.detach()


def test_zone_path_and_labels_are_drawn(scene):
    path = k_path(BITEI, 20)
    assert set(scene.actors) == {"faces", "edges", "path", "points"}
    assert scene.actors["faces"].GetMapper().GetInput().GetNumberOfPolys() == 8
    assert scene.actors["edges"].GetMapper().GetInput().GetNumberOfLines() == 18
    assert scene.actors["path"].GetMapper().GetInput().GetNumberOfPoints() == len(path.segments)
    texts = {p.GetInput() for p in scene.marks.GetViewProps()}
    assert texts == {label for label, _ in path.points}
    assert "Γ" in texts


def test_labelled_points_can_be_picked(scene):
    from crystalgui.scene.camera import Projection

    for number in range(len(k_path(BITEI, 20).points)):
        label, k = scene.label(number)
        x, y, _ = Projection.of(scene.camera, SIZE).project(k)[0]
        hit = scene.pick(x, y, SIZE)
        assert hit >= 0
        if label == "Γ":
            assert_allclose(k, 0, atol=1e-12)


def test_markers_and_plane_come_and_go(scene):
    star = zone(BITEI.lattice).reciprocal
    scene.set_markers([("gap", 0.3 * star[0], (1.0, 0.0, 0.0)), ("", star[2] / 4, (0, 0, 1.0))])
    assert scene.actors["markers"].GetMapper().GetInput().GetNumberOfPoints() == 2
    scene.set_plane(0.25 * star[2], star[2])
    height = scene.actors["plane"].GetBounds()[4:]
    assert_allclose(height, 0.25 * np.linalg.norm(star[2]), rtol=1e-5)
    scene.set_plane(3 * star[2], star[2])
    assert "plane" not in scene.actors
    scene.set_plane(None)
    scene.set_markers([])
    assert "markers" not in scene.actors


@pytest.mark.parametrize("offset", [0.0, 0.2, 0.4])
def test_a_cut_lies_in_the_plane_and_on_the_rim(offset):
    made = zone(BITEI.lattice)
    normal = made.reciprocal[2] / np.linalg.norm(made.reciprocal[2])
    corners = cut(made, offset * made.reciprocal[2], normal)
    assert len(corners) == 6
    assert_allclose((corners - offset * made.reciprocal[2]) @ normal, 0, atol=1e-9)
    inside = corners @ made.normals.T <= made.distances + 1e-9
    assert inside.all()
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    assert_allclose(sides, sides[0])


def test_a_zone_has_a_picture(scene, tmp_path):
    scene.set_ink(DARK)
    image = zone_picture(scene, (150, 120), tmp_path / "zone.png", transparent=True)
    assert image.shape == (120, 150, 4)
    assert image[0, 0, 3] == 0
    assert (image[..., 3] > 0).mean() > 0.2
    assert (tmp_path / "zone.png").stat().st_size > 500
    assert set(scene.actors) == {"faces", "edges", "path", "points"}


def test_nodes_and_fermi_sheets_come_and_go(scene):
    star = zone(BITEI.lattice).reciprocal
    warm, cool = (0.8, 0.3, 0.0), (0.0, 0.4, 0.7)
    scene.set_nodes([("+1", 0.3 * star[0], warm), ("−1", -0.3 * star[0], cool)])
    assert scene.actors["nodes"].GetMapper().GetInput().GetNumberOfPoints() == 2
    texts = [p.GetInput() for p in scene.marks.GetViewProps()]
    assert texts.count("+1") == texts.count("−1") == 1
    scene.set_nodes([("+1", x * star[0], warm) for x in np.linspace(-0.4, 0.4, 24)])
    assert "+1" not in [p.GetInput() for p in scene.marks.GetViewProps()]
    # an octahedron around the centre
    corners = 0.3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    scene.set_nodes([])
    before = zone_picture(scene, (150, 120))
    scene.set_fermi([(corners, faces, 5 * corners, warm)])
    data = scene.actors["fermi 0"].GetMapper().GetInput()
    assert data.GetNumberOfPolys() == 8
    normal = data.GetPointData().GetNormals().GetTuple3(4)
    assert_allclose(normal, (0, 0, 1), atol=1e-6)
    assert (zone_picture(scene, (150, 120)) != before).any(axis=-1).mean() > 0.02
    scene.set_ink(DARK)
    assert "fermi 0" in scene.actors
    scene.set_fermi([(corners, [[0, 2], [2, 1], [1, 3], [3, 0]], corners, warm)])
    assert scene.actors["fermi 0"].GetMapper().GetInput().GetNumberOfLines() == 4
    scene.set_fermi([])
    assert not any(name.startswith("fermi") for name in scene.actors)


def test_shells_of_evidence_come_and_go_beside_the_fermi_surface(scene):
    first = zone(BITEI.lattice)
    warm = (0.9, 0.6, 0.0)
    corners = 0.3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    before = zone_picture(scene, (150, 120))
    scene.set_evidence(
        [(corners, faces, corners, warm, 0.3), (corners / 2, faces, corners, warm, 0.6)]
    )
    assert scene.actors["evidence 0"].GetMapper().GetInput().GetNumberOfPolys() == 8
    opacities = [scene.actors[f"evidence {i}"].GetProperty().GetOpacity() for i in (0, 1)]
    assert opacities == [0.3, 0.6]
    assert scene.renderer.GetUseDepthPeeling()
    shown = zone_picture(scene, (150, 120))
    assert (shown != before).any(axis=-1).mean() > 0.02
    scene.set_fermi([])
    assert scene.renderer.GetUseDepthPeeling()
    scene.set_zone(first)
    assert "evidence 1" in scene.actors
    assert "evidence 1" in scene.copy().actors
    scene.set_evidence([])
    assert not any(name.startswith("evidence") for name in scene.actors)
    assert not scene.renderer.GetUseDepthPeeling()
