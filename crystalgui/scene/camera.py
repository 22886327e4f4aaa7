"""Where the viewer stands: named views, fitting, orbiting, and the projection.

Everything is numpy on a `vtkCamera`; the same `Projection` serves picking,
box selection, fitting and the overlays, so that they can never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.vtkRenderingCore import vtkCamera

Floats = NDArray[np.float64]
VIEWS = ("a", "b", "c", "a*", "b*", "c*", "x", "y", "z")


@dataclass(frozen=True, slots=True)
class Margins:
    """Pixels of the picture that stay free of the crystal."""

    left: float = 24
    top: float = 24
    right: float = 24
    bottom: float = 24

    def scaled(self, ratio: float) -> Margins:
        """The same margins in device pixels."""
        return Margins(self.left * ratio, self.top * ratio, self.right * ratio, self.bottom * ratio)


def _unit(vector: ArrayLike) -> Floats:
    v = np.asarray(vector, dtype=np.float64)
    return v / np.linalg.norm(v)


def _upright(towards: Floats, candidates: tuple[Floats, ...]) -> Floats:
    """The first candidate that is not parallel to the view, made perpendicular."""
    for candidate in candidates:
        up = _unit(candidate)
        up = up - (up @ towards) * towards
        if np.linalg.norm(up) > 0.05:
            return _unit(up)
    raise ValueError("every candidate is parallel to the view")


def orientation(
    name: str, lattice: ArrayLike, hkl: tuple[int, int, int] = (0, 0, 1)
) -> tuple[Floats, Floats]:
    """Direction from the crystal to the viewer, and the up direction.

    ``"a"`` means that the viewer looks down the vector a: it points at him.
    ``"a*"`` looks perpendicular to b and c, ``"hkl"`` perpendicular to the
    lattice planes (hkl).  c (or, seen along c, b*) points up, so that seen
    along c the vector a points to the right.

    Parameters
    ----------
    name : str
        One of `VIEWS` or ``"hkl"``.
    lattice : (3, 3), rows a, b, c
    hkl : tuple of int
        Miller indices for ``"hkl"``.

    Returns
    -------
    towards, up : (3,) float64, unit vectors
    """
    cell = np.asarray(lattice, dtype=np.float64)
    dual = np.linalg.inv(cell).T
    if name in ("x", "y", "z"):
        axis = np.eye(3)["xyz".index(name)]
        up = np.array([0.0, 1.0, 0.0]) if name == "z" else np.array([0.0, 0.0, 1.0])
        return axis, up
    if name == "hkl":
        if not any(hkl):
            raise ValueError("(000) is not a lattice plane")
        towards = _unit(np.array(hkl, dtype=np.float64) @ dual)
    elif name in VIEWS:
        axes = dual if name.endswith("*") else cell
        towards = _unit(axes["abc".index(name[0])])
    else:
        raise ValueError(f"unknown view {name!r}")
    if name in ("c", "c*"):
        return towards, _upright(towards, (dual[1], cell[0]))
    return towards, _upright(towards, (cell[2], dual[1], cell[0]))


def standard(
    lattice: ArrayLike, azimuth: float = -74.0, elevation: float = 14.0
) -> tuple[Floats, Floats]:
    """The standard orientation: c up, a to the right, seen slightly from above.

    Angles in degrees; the azimuth is counted from a around c.
    """
    cell = np.asarray(lattice, dtype=np.float64)
    up = _unit(cell[2])
    right = _upright(up, (cell[0], cell[1]))
    behind = np.cross(up, right)
    az, el = radians(azimuth), radians(elevation)
    towards = cos(el) * (cos(az) * right + sin(az) * behind) + sin(el) * up
    return _unit(towards), _upright(_unit(towards), (up,))


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """How a camera maps space to the pixels of a picture.

    Pixels count from the top left corner, y down, as mouse events do.

    Attributes
    ----------
    right, up, forward : (3,) float64
        Unit vectors of the screen; ``forward`` points into it.
    position, focal : (3,) float64
    scale : float
        Angstrom a pixel in the focal plane.
    size : tuple of int
        Width and height in pixels.
    perspective : bool
    """

    right: Floats
    up: Floats
    forward: Floats
    position: Floats
    focal: Floats
    scale: float
    size: tuple[int, int]
    perspective: bool

    @classmethod
    def of(cls, camera: Any, size: tuple[int, int]) -> Projection:
        """Read a `vtkCamera`."""
        position = np.array(camera.GetPosition())
        focal = np.array(camera.GetFocalPoint())
        distance = float(np.linalg.norm(focal - position))
        forward = (focal - position) / distance
        up = _upright(forward, (np.array(camera.GetViewUp()), np.eye(3)[2], np.eye(3)[1]))
        perspective = not camera.GetParallelProjection()
        half = (
            distance * tan(radians(camera.GetViewAngle()) / 2)
            if perspective
            else camera.GetParallelScale()
        )
        return cls(
            right=np.cross(forward, up),
            up=up,
            forward=forward,
            position=position,
            focal=focal,
            scale=2 * half / size[1],
            size=size,
            perspective=perspective,
        )

    @property
    def distance(self) -> float:
        """From the viewer to the focal plane."""
        return float(np.linalg.norm(self.focal - self.position))

    def project(self, points: ArrayLike) -> Floats:
        """(n, 3): pixel x, pixel y, and depth (Angstrom behind the viewer)."""
        offset = np.asarray(points, dtype=np.float64).reshape(-1, 3) - self.position
        depth = offset @ self.forward
        factor = np.ones(len(offset))
        if self.perspective:
            factor = self.distance / np.maximum(depth, 1e-9)
        x = self.size[0] / 2 + (offset @ self.right) * factor / self.scale
        y = self.size[1] / 2 - (offset @ self.up) * factor / self.scale
        return np.stack([x, y, depth], axis=1)

    def ray(self, x: float, y: float) -> tuple[Floats, Floats]:
        """Origin and unit direction of the line of sight through a pixel."""
        across = (x - self.size[0] / 2) * self.scale * self.right
        along = -(y - self.size[1] / 2) * self.scale * self.up
        if self.perspective:
            return self.position, _unit(self.focal + across + along - self.position)
        return self.position + across + along, self.forward


def copied(camera: Any) -> Any:
    """A camera of its own with the same position."""
    own = vtkCamera()
    own.DeepCopy(camera)
    return own


def look(camera: Any, towards: Floats, up: Floats) -> None:
    """Turn a camera about its focal point to a new direction."""
    focal = np.array(camera.GetFocalPoint())
    distance = float(np.linalg.norm(focal - np.array(camera.GetPosition())))
    camera.SetPosition(*(focal + distance * towards))
    camera.SetViewUp(*up)


def fit(
    camera: Any,
    points: Floats,
    radii: Floats | NDArray[np.float32],
    size: tuple[int, int],
    margins: Margins,
) -> None:
    """Show every sphere, inside the margins and centred between them.

    Parameters
    ----------
    camera : vtkCamera
        Keeps its direction.
    points : (n, 3), radii : (n,), Angstrom
    size : tuple of int
        Pixels of the picture.
    margins : Margins
        In the same pixels.
    """
    view = Projection.of(camera, size)
    basis = np.stack([view.right, view.up, view.forward], axis=1)
    local = np.asarray(points, dtype=np.float64) @ basis
    r = np.asarray(radii, dtype=np.float64)[:, None]
    low, high = (local - r).min(axis=0), (local + r).max(axis=0)
    extent = np.maximum(high - low, 1e-3)
    free_x = max(size[0] - margins.left - margins.right, size[0] * 0.2)
    free_y = max(size[1] - margins.top - margins.bottom, size[1] * 0.2)
    scale = max(extent[0] / free_x, extent[1] / free_y)
    half_angle = radians(camera.GetViewAngle()) / 2
    middle = (low + high) / 2
    depth = extent[2] / 2
    half = scale * size[1] / 2
    distance = half / tan(half_angle) + (depth if not camera.GetParallelProjection() else 0.0)
    distance = max(distance, depth + 1.0) if camera.GetParallelProjection() else distance
    middle[0] -= (margins.left - margins.right) / 2 * scale
    middle[1] += (margins.top - margins.bottom) / 2 * scale
    focal = basis @ middle
    camera.SetFocalPoint(*focal)
    camera.SetPosition(*(focal - distance * view.forward))
    camera.SetViewUp(*view.up)
    camera.SetParallelScale(half)


def orbit(camera: Any, dx: float, dy: float, centre: ArrayLike | None = None) -> None:
    """Turn about ``centre`` (the focal point when None), angles in degrees.

    Positive ``dx`` turns the front of the crystal to the right, positive
    ``dy`` turns it down, as dragging does.
    """
    view = Projection.of(camera, (100, 100))
    pivot = view.focal if centre is None else np.asarray(centre, dtype=np.float64)
    turn = _rotation(view.up, -radians(dx)) @ _rotation(view.right, -radians(dy))
    camera.SetPosition(*(pivot + turn @ (view.position - pivot)))
    camera.SetFocalPoint(*(pivot + turn @ (view.focal - pivot)))
    camera.SetViewUp(*(turn @ view.up))


def roll(camera: Any, angle: float) -> None:
    """Turn the picture about the line of sight, degrees anticlockwise."""
    view = Projection.of(camera, (100, 100))
    camera.SetViewUp(*(_rotation(view.forward, radians(angle)) @ view.up))


def shift(camera: Any, move: ArrayLike) -> None:
    """Move a camera along with what it looks at, by (3,) Angstrom."""
    step = np.asarray(move, dtype=np.float64)
    camera.SetPosition(*(np.array(camera.GetPosition()) + step))
    camera.SetFocalPoint(*(np.array(camera.GetFocalPoint()) + step))


def pan(camera: Any, dx: float, dy: float, size: tuple[int, int]) -> None:
    """Move the crystal by pixels (right and down positive)."""
    view = Projection.of(camera, size)
    move = (-dx * view.right + dy * view.up) * view.scale
    camera.SetPosition(*(view.position + move))
    camera.SetFocalPoint(*(view.focal + move))


def zoom(camera: Any, factor: float, at: tuple[float, float], size: tuple[int, int]) -> None:
    """Magnify by ``factor``, keeping the point under the pixel ``at``."""
    view = Projection.of(camera, size)
    across = (at[0] - size[0] / 2) * view.scale * view.right
    along = -(at[1] - size[1] / 2) * view.scale * view.up
    move = (across + along) * (1 - 1 / factor)
    focal = view.focal + move
    camera.SetFocalPoint(*focal)
    if view.perspective:
        camera.SetPosition(*(focal - view.forward * view.distance / factor))
    else:
        camera.SetPosition(*(view.position + move))
        camera.SetParallelScale(camera.GetParallelScale() / factor)


def set_perspective(camera: Any, perspective: bool) -> None:
    """Switch the projection and keep the size of the focal plane."""
    view = Projection.of(camera, (100, 100))
    if view.perspective == perspective:
        return
    half = view.scale * 50
    if perspective:
        distance = half / tan(radians(camera.GetViewAngle()) / 2)
        camera.SetPosition(*(view.focal - distance * view.forward))
        camera.SetParallelProjection(False)
    else:
        camera.SetParallelScale(half)
        camera.SetParallelProjection(True)


def _rotation(axis: Floats, angle: float) -> Floats:
    """(3, 3) matrix of a right-handed turn about a unit axis, radians."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + sin(angle) * cross + (1 - cos(angle)) * (cross @ cross)


# ---------------------------------------------------------------- picking


def pick(view: Projection, x: float, y: float, centres: Floats, radii: NDArray[np.floating]) -> int:
    """Index of the sphere seen at a pixel, -1 for none.

    Parameters
    ----------
    view : Projection
    x, y : float
        Pixel, from the top left corner.
    centres : (n, 3), radii : (n,)
        A radius of zero or less cannot be hit.
    """
    if len(centres) == 0:
        return -1
    origin, direction = view.ray(x, y)
    offset = centres - origin
    along = offset @ direction
    miss = np.einsum("ij,ij->i", offset, offset) - along**2
    r = np.asarray(radii, dtype=np.float64)
    inside = (r > 0) & (miss <= r**2)
    if view.perspective:
        inside &= along > 0
    if not inside.any():
        return -1
    entry = np.where(inside, along - np.sqrt(np.maximum(r**2 - miss, 0)), np.inf)
    return int(np.argmin(entry))


def pick_box(
    view: Projection,
    first: tuple[float, float],
    second: tuple[float, float],
    centres: Floats,
    radii: NDArray[np.floating],
) -> NDArray[np.int64]:
    """Indices of the spheres whose centre lies in a rectangle of pixels."""
    if len(centres) == 0:
        return np.empty(0, dtype=np.int64)
    at = view.project(centres)
    low, high = np.minimum(first, second), np.maximum(first, second)
    inside = (at[:, :2] >= low).all(axis=1) & (at[:, :2] <= high).all(axis=1)
    inside &= np.asarray(radii) > 0
    if view.perspective:
        inside &= at[:, 2] > 0
    return np.flatnonzero(inside)
