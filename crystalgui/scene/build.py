"""From arrays to VTK polydata: pure functions, no renderer and no window.

Spheres and sticks are drawn as impostors.  The mappers need vertex cells, and
the stick mapper reads three scale components a point (length, radius, radius):
with two it silently mixes up the sticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

RADIUS = "radius"
SCALE = "scale"
DIRECTION = "direction"
COLOUR = "colour"


def _points(positions: ArrayLike) -> vtkPoints:
    array = np.ascontiguousarray(np.asarray(positions, dtype=np.float32).reshape(-1, 3))
    points = vtkPoints()
    points.SetData(numpy_to_vtk(array, deep=True))
    return points


def _cells(offsets: NDArray[np.int64], connectivity: NDArray[np.int64]) -> vtkCellArray:
    cells = vtkCellArray()
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(offsets, dtype=np.int64), deep=True),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(connectivity, dtype=np.int64), deep=True),
    )
    return cells


def cloud(positions: ArrayLike, **arrays: ArrayLike) -> vtkPolyData:
    """Points with vertex cells and named point arrays.

    Parameters
    ----------
    positions : (n, 3) array
    **arrays : (n,) or (n, c) arrays
        uint8 arrays stay bytes (colours), all others become float32.
    """
    data = vtkPolyData()
    points = _points(positions)
    data.SetPoints(points)
    n = points.GetNumberOfPoints()
    data.SetVerts(_cells(np.arange(n + 1), np.arange(n)))
    for name, values in arrays.items():
        _attach(data.GetPointData(), name, np.asarray(values))
    return data


def _attach(attributes: object, name: str, values: NDArray[np.generic]) -> None:
    kind = np.uint8 if values.dtype == np.uint8 else np.float32
    array = numpy_to_vtk(np.ascontiguousarray(values, dtype=kind), deep=True)
    array.SetName(name)
    attributes.AddArray(array)


def spheres(positions: ArrayLike, radii: ArrayLike, colours: ArrayLike) -> vtkPolyData:
    """Input of a sphere mapper.

    Parameters
    ----------
    positions : (n, 3), radii : (n,), colours : (n, 3) uint8
    """
    return cloud(positions, **{RADIUS: radii, COLOUR: colours})


def sticks(
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    colours: NDArray[np.uint8],
    radius: float | NDArray[np.floating],
) -> vtkPolyData:
    """Input of a stick mapper: one cylinder from ``start`` to ``end`` each.

    Parameters
    ----------
    start, end : (n, 3)
    colours : (n, 3) uint8
    radius : float, or (n,)
    """
    vector = np.asarray(end, dtype=np.float64) - start
    length = np.linalg.norm(vector, axis=1)
    direction = vector / np.maximum(length, 1e-12)[:, None]
    scale = np.stack([length, np.full_like(length, radius), np.full_like(length, radius)], axis=1)
    centre = (np.asarray(start) + end) / 2
    return cloud(centre, **{SCALE: scale, DIRECTION: direction, COLOUR: colours})


def half_bonds(
    start: NDArray[np.floating],
    end: NDArray[np.floating],
    start_radius: NDArray[np.floating],
    end_radius: NDArray[np.floating],
    start_colours: NDArray[np.uint8],
    end_colours: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Each bond cut where the visible parts of its two atoms are equally long.

    Returns
    -------
    start, end : (2 n, 3) float64
    colours : (2 n, 3) uint8
    """
    vector = np.asarray(end, dtype=np.float64) - start
    length = np.maximum(np.linalg.norm(vector, axis=1), 1e-12)
    cut = np.clip(0.5 + (start_radius - end_radius) / (2 * length), 0.1, 0.9)
    middle = start + cut[:, None] * vector
    return (
        np.concatenate([start, middle]),
        np.concatenate([middle, end]),
        np.concatenate([start_colours, end_colours]),
    )


def segments(start: ArrayLike, end: ArrayLike, colours: ArrayLike | None = None) -> vtkPolyData:
    """Straight lines, one cell each; ``colours`` (n, 3) uint8 a line."""
    a = np.asarray(start, dtype=np.float64).reshape(-1, 3)
    b = np.asarray(end, dtype=np.float64).reshape(-1, 3)
    data = vtkPolyData()
    data.SetPoints(_points(np.stack([a, b], axis=1).reshape(-1, 3)))
    data.SetLines(_cells(np.arange(0, 2 * len(a) + 1, 2), np.arange(2 * len(a))))
    if colours is not None:
        _attach(data.GetCellData(), COLOUR, np.asarray(colours, dtype=np.uint8))
    return data


def polygons(
    vertices: ArrayLike,
    faces: Sequence[Sequence[int]] | NDArray[np.int64],
    colours: ArrayLike | None = None,
) -> vtkPolyData:
    """Flat faces over shared vertices; ``colours`` (faces, 3) uint8."""
    data = vtkPolyData()
    data.SetPoints(_points(vertices))
    sizes = np.array([len(f) for f in faces], dtype=np.int64)
    flat = np.array([i for f in faces for i in f], dtype=np.int64)
    data.SetPolys(_cells(np.concatenate([[0], np.cumsum(sizes)]), flat))
    if colours is not None:
        _attach(data.GetCellData(), COLOUR, np.asarray(colours, dtype=np.uint8))
    return data


def triangles(vertices: ArrayLike, faces: ArrayLike, normals: ArrayLike) -> vtkPolyData:
    """A smooth surface: (v, 3) corners, (f, 3) ints, (v, 3) normals of any length."""
    three = np.asarray(faces, dtype=np.int64).reshape(-1, 3)
    away = np.asarray(normals, dtype=np.float64).reshape(-1, 3)
    length = np.linalg.norm(away, axis=1, keepdims=True)
    away = away / np.where(length > 0, length, 1.0)
    data = vtkPolyData()
    data.SetPoints(_points(vertices))
    data.SetPolys(_cells(np.arange(0, 3 * len(three) + 1, 3), three.ravel()))
    array = numpy_to_vtk(np.ascontiguousarray(away, dtype=np.float32), deep=True)
    data.GetPointData().SetNormals(array)
    return data


def cell_edges(
    lattice: NDArray[np.floating], repeats: Iterable[int] = (1, 1, 1)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The twelve edges of ``repeats`` cells taken as one box.

    Returns
    -------
    start, end : (12, 3) float64, Angstrom
    """
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    pairs = [
        (p, q) for p in range(8) for q in range(p) if np.abs(corners[p] - corners[q]).sum() == 1
    ]
    box = corners @ (np.asarray(lattice) * np.array(tuple(repeats))[:, None])
    first, second = np.array(pairs).T
    return box[second], box[first]


def box_edges(
    lattice: NDArray[np.floating], repeats: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edges of a supercell without the parts that are edges of its first cell.

    Returns
    -------
    start, end : (m, 3) float64, Angstrom; m is at most 12
    """
    first, second = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for p in (0, repeats[u]):
            for q in (0, repeats[v]):
                begin = 1 if p <= 1 and q <= 1 else 0
                if begin == repeats[axis]:
                    continue
                corner = np.zeros(3)
                corner[u], corner[v], corner[axis] = p, q, begin
                first.append(corner.copy())
                corner[axis] = repeats[axis]
                second.append(corner)
    cell = np.asarray(lattice, dtype=np.float64)
    return np.array(first).reshape(-1, 3) @ cell, np.array(second).reshape(-1, 3) @ cell
