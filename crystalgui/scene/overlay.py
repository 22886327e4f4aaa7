"""What lies over the picture: the axes triad and the element legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkRenderingCore import vtkRenderer

from crystalgui.scene import actors, build
from crystalgui.scene.style import AXIS_COLOURS, Colour

TRIAD_PIXELS = 104
"""Side of the corner square of the triad, logical pixels."""


class Triad:
    """Three labelled arrows in the lower left corner that turn with the camera."""

    def __init__(self) -> None:
        self.renderer = vtkRenderer()
        self.renderer.SetLayer(2)
        self.renderer.InteractiveOff()
        self.renderer.GetActiveCamera().SetParallelProjection(True)
        self._axes: NDArray[np.float64] = np.eye(3)
        self._names: tuple[str, ...] = ("a", "b", "c")
        self._text: Colour = (0.0, 0.0, 0.0)
        self._ratio = 1.0

    def show(
        self, axes: NDArray[np.floating], names: Sequence[str], text: Colour, ratio: float = 1.0
    ) -> None:
        """Draw arrows along three rows; lengths do not matter.

        Parameters
        ----------
        axes : (3, 3), rows
        names : three labels
        text : Colour
            Colour the labels are mixed with.
        ratio : float
            Device pixels a logical pixel.
        """
        self._axes = np.asarray(axes, dtype=np.float64)
        self._axes = self._axes / np.linalg.norm(self._axes, axis=1)[:, None]
        self._names, self._text, self._ratio = tuple(names), text, ratio
        self._draw()

    def _draw(self) -> None:
        self.renderer.RemoveAllViewProps()
        colours = np.round(255 * np.array(AXIS_COLOURS)).astype(np.uint8)
        if sum(self._text) > 1.5:
            colours = (255 - (255 - colours.astype(int)) * 0.72).astype(np.uint8)
        zero = np.zeros((3, 3))
        shaft = actors.stick_actor(build.sticks(zero, 0.78 * self._axes, colours, 0.035))
        steps = 9
        heads = np.linspace(0.76, 1.0, steps + 1)
        start = np.concatenate([t * self._axes for t in heads[:-1]])
        end = np.concatenate([t * self._axes for t in heads[1:]])
        self.renderer.AddActor(shaft)
        for k in range(steps):
            part = slice(3 * k, 3 * k + 3)
            radius = 0.1 * (1 - k / steps)
            self.renderer.AddActor(
                actors.stick_actor(build.sticks(start[part], end[part], colours, radius))
            )
        self.renderer.AddActor(
            actors.sphere_actor(
                build.spheres(np.zeros((1, 3)), [0.05], np.full((1, 3), 128, np.uint8))
            )
        )
        for axis, name, colour in zip(self._axes, self._names, colours, strict=True):
            at = tuple(float(v) for v in 1.24 * axis)
            tint = tuple(float(v) / 255 for v in colour)
            self.renderer.AddActor(actors.label_actor(name, at, tint, 15 * self._ratio))

    def follow(self, camera: Any, size: tuple[int, int]) -> None:
        """Take the direction of ``camera``; place the square for a picture size."""
        side = TRIAD_PIXELS * self._ratio
        self.renderer.SetViewport(0, 0, min(1.0, side / size[0]), min(1.0, side / size[1]))
        position, focal = np.array(camera.GetPosition()), np.array(camera.GetFocalPoint())
        towards = (position - focal) / np.linalg.norm(position - focal)
        own = self.renderer.GetActiveCamera()
        own.SetFocalPoint(0, 0, 0)
        own.SetPosition(*(5 * towards))
        own.SetViewUp(*camera.GetViewUp())
        own.SetParallelScale(1.5)
        own.SetClippingRange(0.1, 10)


class Legend:
    """A column of balls with element symbols in the upper right corner."""

    ROW = 26

    def __init__(self) -> None:
        self.renderer = vtkRenderer()
        self.renderer.SetLayer(3)
        self.renderer.InteractiveOff()
        self.renderer.SetUseFXAA(True)
        self.renderer.GetActiveCamera().SetParallelProjection(True)
        self._entries: list[tuple[str, NDArray[np.uint8]]] = []
        self._text: Colour = (0.0, 0.0, 0.0)
        self._ratio = 1.0
        self._drawn: tuple[int, int] = (0, 0)

    @property
    def width(self) -> float:
        """Logical pixels the column takes; 0 when it is empty."""
        return 64.0 if self._entries else 0.0

    def show(
        self, entries: Sequence[tuple[str, NDArray[np.uint8]]], text: Colour, ratio: float
    ) -> None:
        """Symbols with their colours (3,) uint8, in order."""
        self._entries, self._text, self._ratio = list(entries), text, ratio
        self._drawn = (0, 0)

    def place(self, size: tuple[int, int]) -> None:
        """Lay the column out for a picture of ``size`` pixels."""
        if size == self._drawn:
            return
        self._drawn = size
        self.renderer.RemoveAllViewProps()
        if not self._entries:
            return
        row, radius = self.ROW * self._ratio, 7.0 * self._ratio
        width = min(size[0], round(72 * self._ratio))
        height = min(size[1], round(row * len(self._entries) + 14 * self._ratio))
        self.renderer.SetViewport(1 - width / size[0], 1 - height / size[1], 1, 1)
        x = 20 * self._ratio
        ys = [height - (20 * self._ratio + k * row) for k in range(len(self._entries))]
        centres = np.array([[x, y, 0.0] for y in ys])
        colours = np.array([colour for _, colour in self._entries], dtype=np.uint8)
        self.renderer.AddActor(
            actors.sphere_actor(build.spheres(centres, np.full(len(ys), radius), colours))
        )
        for (symbol, _), y in zip(self._entries, ys, strict=True):
            at = x + 1.9 * radius
            text = actors.caption_actor(symbol, at, y, self._text, 14 * self._ratio)
            self.renderer.AddActor(text)
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(width / 2, height / 2, 0)
        camera.SetPosition(width / 2, height / 2, 100)
        camera.SetViewUp(0, 1, 0)
        camera.SetParallelScale(height / 2)
        camera.SetClippingRange(1, 200)
