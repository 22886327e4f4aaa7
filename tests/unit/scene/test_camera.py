from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from vtkmodules.vtkRenderingCore import vtkCamera

from crystalgui.scene import camera as cam
from crystalgui.scene.camera import Margins, Projection

from .crystals import HEXAGONAL, TRICLINIC

SIZE = (640, 400)


def a_camera(perspective: bool = False, towards=(0.3, -0.9, 0.4), up=(0, 0, 1)) -> vtkCamera:
    camera = vtkCamera()
    camera.SetParallelProjection(not perspective)
    camera.SetViewAngle(28)
    camera.SetFocalPoint(1, 2, 3)
    camera.SetPosition(*(np.array([1, 2, 3]) + 40 * np.array(towards) / np.linalg.norm(towards)))
    camera.SetViewUp(*up)
    camera.SetParallelScale(9)
    return camera


@pytest.mark.parametrize("lattice", [HEXAGONAL, TRICLINIC])
@pytest.mark.parametrize("name", cam.VIEWS)
def test_named_views_show_what_they_say(lattice, name):
    towards, up = cam.orientation(name, lattice)
    assert_allclose(
        [np.linalg.norm(towards), np.linalg.norm(up), towards @ up], [1, 1, 0], atol=1e-12
    )
    dual = np.linalg.inv(lattice).T
    if name in "xyz":
        assert_allclose(towards, np.eye(3)["xyz".index(name)])
        return
    axis = "abc".index(name[0])
    if name.endswith("*"):
        others = np.delete(lattice, axis, axis=0)
        assert_allclose(others @ towards, 0, atol=1e-12)
        assert towards @ dual[axis] > 0
    else:
        # seen down the vector, it has no extent on the screen and points at the viewer
        assert_allclose(np.cross(lattice[axis], towards), 0, atol=1e-9)
        assert lattice[axis] @ towards > 0


@pytest.mark.parametrize("lattice", [HEXAGONAL, TRICLINIC])
@pytest.mark.parametrize("hkl", [(1, 1, 0), (0, 0, 2), (-1, 2, 3)])
def test_hkl_looks_perpendicular_to_the_planes(lattice, hkl):
    towards, _ = cam.orientation("hkl", lattice, hkl)
    # two vectors inside the plane (hkl): their indices satisfy h u + k v + l w = 0
    h, k, l = hkl
    for indices in ((k, -h, 0), (l, 0, -h), (0, l, -k)):
        assert abs(np.array(indices) @ lattice @ towards) < 1e-9


def test_seen_along_c_star_a_points_right():
    towards, up = cam.orientation("c*", TRICLINIC)
    right = np.cross(up, towards)
    assert_allclose(right, TRICLINIC[0] / np.linalg.norm(TRICLINIC[0]), atol=1e-12)


def test_planes_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="000"):
        cam.orientation("hkl", HEXAGONAL, (0, 0, 0))
    with pytest.raises(ValueError, match="unknown view"):
        cam.orientation("d", HEXAGONAL)


def test_standard_orientation_has_c_upwards():
    towards, up = cam.standard(HEXAGONAL)
    assert up @ HEXAGONAL[2] > 0.9 * np.linalg.norm(HEXAGONAL[2])
    assert np.cross(up, towards) @ HEXAGONAL[0] > 0


@pytest.mark.parametrize("perspective", [False, True])
@settings(max_examples=60, deadline=None)
@given(x=st.floats(0, 640), y=st.floats(0, 400), depth=st.floats(5, 80))
def test_a_point_on_the_line_of_sight_is_seen_at_its_pixel(perspective, x, y, depth):
    view = Projection.of(a_camera(perspective), SIZE)
    origin, direction = view.ray(x, y)
    seen = view.project(origin + depth * direction)[0]
    assert_allclose(seen[:2], (x, y), atol=1e-6)


@pytest.mark.parametrize("perspective", [False, True])
def test_projection_is_that_of_vtk(perspective):
    from vtkmodules.vtkRenderingCore import vtkRenderer

    from crystalgui.scene.picture import offscreen_window

    window, renderer = offscreen_window(SIZE), vtkRenderer()
    window.AddRenderer(renderer)
    renderer.SetActiveCamera(a_camera(perspective))
    renderer.ResetCameraClippingRange(-9, 9, -9, 9, -9, 9)
    points = np.random.default_rng(1).uniform(-4, 6, (20, 3))
    mine = Projection.of(renderer.GetActiveCamera(), SIZE).project(points)
    for point, (x, y, _) in zip(points, mine, strict=True):
        renderer.SetWorldPoint(*point, 1.0)
        renderer.WorldToDisplay()
        theirs = renderer.GetDisplayPoint()
        # VTK counts pixel centres from the lower left corner
        assert_allclose((x, SIZE[1] - y), theirs[:2], atol=1.0)
    window.Finalize()


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize("size", [(640, 400), (300, 700)])
def test_fit_keeps_every_sphere_inside_the_margins(perspective, size):
    rng = np.random.default_rng(7)
    points, radii = rng.uniform(-8, 12, (200, 3)), rng.uniform(0.2, 1.5, 200)
    margins = Margins(left=30, top=60, right=20, bottom=90)
    camera = a_camera(perspective)
    before = Projection.of(camera, size)
    cam.fit(camera, points, radii, size, margins)
    view = Projection.of(camera, size)
    assert_allclose(view.forward, before.forward, atol=1e-9)
    at = view.project(points)
    reach = radii / view.scale * (view.distance / at[:, 2] if perspective else 1)
    slack = 12 if perspective else 0.01
    assert (at[:, 0] - reach).min() >= margins.left - slack
    assert (at[:, 0] + reach).max() <= size[0] - margins.right + slack
    assert (at[:, 1] - reach).min() >= margins.top - slack
    assert (at[:, 1] + reach).max() <= size[1] - margins.bottom + slack
    if not perspective:
        tight_x = (at[:, 0] + reach).max() - (at[:, 0] - reach).min()
        tight_y = (at[:, 1] + reach).max() - (at[:, 1] - reach).min()
        assert tight_x > size[0] - 50 - 1 or tight_y > size[1] - 150 - 1


def test_dragging_right_turns_the_front_to_the_right():
    camera = a_camera(towards=(0, -1, 0))
    front = np.array([1, 2 - 5, 3])
    cam.orbit(camera, 10, 0)
    x, y, _ = Projection.of(camera, SIZE).project(front)[0]
    assert x > SIZE[0] / 2 + 5
    assert y == pytest.approx(SIZE[1] / 2, abs=1e-6)


def test_dragging_down_turns_the_front_down():
    camera = a_camera(towards=(0, -1, 0))
    cam.orbit(camera, 0, 10)
    _, y, _ = Projection.of(camera, SIZE).project([1, 2 - 5, 3])[0]
    assert y > SIZE[1] / 2 + 5


@given(dx=st.floats(-170, 170), dy=st.floats(-170, 170))
@settings(max_examples=40, deadline=None)
def test_the_rotation_centre_stays_where_it_is(dx, dy):
    camera = a_camera()
    centre = np.array([3.0, -1.0, 2.0])
    before = Projection.of(camera, SIZE).project(centre)[0]
    cam.orbit(camera, dx, dy, centre)
    assert_allclose(Projection.of(camera, SIZE).project(centre)[0], before, atol=1e-5)


@pytest.mark.parametrize("perspective", [False, True])
def test_zoom_keeps_the_point_under_the_pointer(perspective):
    camera = a_camera(perspective)
    view = Projection.of(camera, SIZE)
    origin, direction = view.ray(500, 90)
    held = origin + direction * (view.distance / (direction @ view.forward))
    cam.zoom(camera, 1.7, (500, 90), SIZE)
    after = Projection.of(camera, SIZE)
    assert_allclose(after.project(held)[0][:2], (500, 90), atol=1e-6)
    assert after.scale == pytest.approx(view.scale / 1.7)


@pytest.mark.parametrize("perspective", [False, True])
def test_pan_follows_the_pointer(perspective):
    camera = a_camera(perspective)
    focal = Projection.of(camera, SIZE).focal
    cam.pan(camera, 25, -40, SIZE)
    assert_allclose(
        Projection.of(camera, SIZE).project(focal)[0][:2], (320 + 25, 200 - 40), atol=1e-6
    )


def test_perspective_keeps_the_size_of_the_focal_plane():
    camera = a_camera()
    scale = Projection.of(camera, SIZE).scale
    cam.set_perspective(camera, True)
    assert Projection.of(camera, SIZE).scale == pytest.approx(scale)
    cam.set_perspective(camera, False)
    assert Projection.of(camera, SIZE).scale == pytest.approx(scale)


@pytest.mark.parametrize("perspective", [False, True])
def test_pick_takes_the_nearest_sphere_on_the_line_of_sight(perspective):
    view = Projection.of(a_camera(perspective), SIZE)
    origin, direction = view.ray(222, 111)
    near, far = origin + 20 * direction, origin + 30 * direction
    aside = far + 5 * view.right
    centres, radii = np.array([far, near, aside]), np.array([2.0, 0.5, 0.5])
    assert cam.pick(view, 222, 111, centres, radii) == 1
    assert cam.pick(view, 222, 111, centres, np.array([2.0, 0.0, 0.5])) == 0
    assert cam.pick(view, 5, 395, centres, radii) == -1
    assert cam.pick(view, 5, 5, np.empty((0, 3)), np.empty(0)) == -1


def test_pick_ends_at_the_rim():
    view = Projection.of(a_camera(), SIZE)
    centre = view.focal[None]
    rim = 1.0 / view.scale
    assert cam.pick(view, 320 + rim - 0.5, 200, centre, np.array([1.0])) == 0
    assert cam.pick(view, 320 + rim + 0.5, 200, centre, np.array([1.0])) == -1


def test_box_takes_centres_inside_and_not_hidden_ones():
    view = Projection.of(a_camera(), SIZE)
    centres = np.array(
        [view.ray(x, y)[0] + 20 * view.forward for x, y in [(50, 50), (99, 99), (101, 50)]]
    )
    radii = np.ones(3)
    assert cam.pick_box(view, (100, 100), (10, 10), centres, radii).tolist() == [0, 1]
    radii[0] = 0
    assert cam.pick_box(view, (10, 10), (100, 100), centres, radii).tolist() == [1]
