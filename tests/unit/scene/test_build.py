from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from vtkmodules.util.numpy_support import vtk_to_numpy

from crystalgui.scene import build
from crystalgui.scene.geometry import sharp_edges

from .crystals import TRICLINIC


def arrays(data):
    points = data.GetPointData()
    return {
        points.GetArrayName(i): vtk_to_numpy(points.GetArray(i))
        for i in range(points.GetNumberOfArrays())
    }


def test_spheres_have_vertex_cells():
    data = build.spheres(np.eye(3), [1, 2, 3], np.full((3, 3), 9, np.uint8))
    assert data.GetNumberOfVerts() == 3
    found = arrays(data)
    assert found["radius"].dtype == np.float32
    assert found["colour"].dtype == np.uint8
    assert_allclose(vtk_to_numpy(data.GetPoints().GetData()), np.eye(3))


def test_sticks_carry_three_scale_components():
    start, end = np.array([[0, 0, 0], [1, 1, 1.0]]), np.array([[0, 0, 2.0], [4, 1, 1]])
    found = arrays(build.sticks(start, end, np.zeros((2, 3), np.uint8), 0.1))
    assert_allclose(found["scale"], [[2, 0.1, 0.1], [3, 0.1, 0.1]], rtol=1e-6)
    assert_allclose(found["direction"], [[0, 0, 1], [1, 0, 0]])


def test_half_bonds_meet_and_show_equal_lengths():
    start, end = np.array([[0.0, 0, 0]]), np.array([[3.0, 0, 0]])
    red, blue = np.array([[255, 0, 0]], np.uint8), np.array([[0, 0, 255]], np.uint8)
    a, b, colours = build.half_bonds(start, end, np.array([1.0]), np.array([0.4]), red, blue)
    assert_allclose(b[0], a[1])
    visible = (b[0, 0] - 1.0, 3.0 - 0.4 - a[1, 0])
    assert_allclose(visible[0], visible[1])
    assert colours.tolist() == [[255, 0, 0], [0, 0, 255]]


def test_cell_edges_are_the_lattice_vectors_four_times_each():
    start, end = build.cell_edges(TRICLINIC, (2, 3, 1))
    edges = end - start
    for vector in TRICLINIC * np.array([[2], [3], [1]]):
        assert (np.abs(edges - vector).max(axis=1) < 1e-9).sum() == 4
    assert len(edges) == 12


def test_box_edges_leave_out_the_first_cell():
    def length(pair):
        return np.linalg.norm(pair[1] - pair[0], axis=1).sum()

    cell = np.eye(3)
    assert length(build.box_edges(cell, (1, 1, 1))) == 0
    # 3 x 1 x 1: two more cells of the four long edges, and the square at the far end
    assert length(build.box_edges(cell, (3, 1, 1))) == 4 * 2 + 4
    assert length(build.box_edges(cell, (2, 2, 2))) == 12 * 2 - 3


def test_flat_faces_have_no_inner_edges():
    from scipy.spatial import ConvexHull

    cube = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    hull = ConvexHull(cube)
    faces = hull.simplices.copy()
    a, b, c = (cube[faces[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    edges = sharp_edges(cube, faces)
    lengths = np.linalg.norm(cube[edges[:, 1]] - cube[edges[:, 0]], axis=1)
    assert_allclose(lengths, np.ones(12))
