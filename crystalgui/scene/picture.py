"""Pictures of exact pixel size without a window on the screen.

They are drawn at twice the size where the graphics memory allows, and averaged
down with their transparency, so that edges are smooth on every renderer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkRenderingCore import vtkRenderWindow

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import ResourceError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.scene.camera import Margins
from crystalgui.scene.crystal_scene import CrystalScene
from crystalgui.scene.geometry import Geometry, geometry
from crystalgui.scene.pairs import PairSticks
from crystalgui.scene.style import CrystalStyle
from crystalgui.scene.zone_scene import ZoneScene

LARGEST = 8192
"""Longest side of the drawing surface, pixels."""


class Scene(Protocol):
    """What a picture needs of a scene."""

    transparent: bool

    def attach(self, window: Any) -> None:
        """Enter a window."""

    def detach(self) -> None:
        """Leave it and free everything."""

    def prepare(self, size: tuple[int, int]) -> None:
        """Lay out for a size."""

    def set_ratio(self, ratio: float) -> None:
        """Device pixels a logical pixel."""


def render(
    scene: Scene,
    size: tuple[int, int],
    compose: Callable[[tuple[int, int]], None],
    transparent: bool = False,
    ratio: float = 1.0,
) -> NDArray[np.uint8]:
    """Draw a scene off screen and free it.

    Parameters
    ----------
    scene : Scene
        Freshly filled; it is detached (emptied) before returning.
    size : tuple of int
        Width and height in pixels.
    compose : callable
        Sets the camera, given the size in which the picture is drawn.
    transparent : bool
        Leave the background out.
    ratio : float
        Line width and text size relative to a picture seen at 96 dpi.

    Returns
    -------
    (height, width, 4) uint8, top row first
    """
    width, height = int(size[0]), int(size[1])
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise ResourceError(
            f"A picture of {width} x {height} pixels cannot be drawn.",
            f"Choose between 1 and {LARGEST} pixels a side.",
        )
    factor = 2 if 2 * max(width, height) <= LARGEST else 1
    big = (width * factor, height * factor)
    window = offscreen_window(big)
    try:
        scene.transparent = transparent
        scene.set_ratio(ratio * factor)
        scene.attach(window)
        compose(big)
        scene.prepare(big)
        window.Render()
        return _reduce(_read(window, big), factor)
    finally:
        scene.detach()
        window.Finalize()


def offscreen_window(size: tuple[int, int]) -> Any:
    """A render window of ``size`` pixels that needs no display."""
    if os.name == "posix" and not os.environ.get("DISPLAY"):
        from vtkmodules.vtkRenderingOpenGL2 import vtkEGLRenderWindow

        window: Any = vtkEGLRenderWindow()
    else:
        window = vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetAlphaBitPlanes(True)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    return window


def _read(window: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = vtkUnsignedCharArray()
    window.GetRGBACharPixelData(0, 0, size[0] - 1, size[1] - 1, 0, pixels, 0)
    image = vtk_to_numpy(pixels).reshape(size[1], size[0], 4)
    return np.ascontiguousarray(image[::-1])


def _reduce(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average blocks of pixels, each weighted by its opacity."""
    if factor == 1:
        return image
    h, w = image.shape[0] // factor, image.shape[1] // factor
    blocks = image.reshape(h, factor, w, factor, 4).astype(np.float32)
    alpha = blocks[..., 3:]
    total = alpha.sum(axis=(1, 3))
    colour = (blocks[..., :3] * alpha).sum(axis=(1, 3)) / np.maximum(total, 1e-6)
    opacity = total / factor**2
    return np.round(np.concatenate([colour, opacity], axis=-1)).astype(np.uint8)


def crystal_picture(
    crystal: Crystal | Geometry,
    style: CrystalStyle | None = None,
    size: tuple[int, int] = (800, 600),
    path: Path | None = None,
    transparent: bool = False,
    *,
    view: str = "standard",
    hkl: tuple[int, int, int] = (0, 0, 1),
    camera: Any = None,
    refit: bool = False,
    ratio: float = 1.0,
    margins: Margins | None = None,
    tints: NDArray[np.uint8] | None = None,
    pairs: PairSticks | None = None,
) -> NDArray[np.uint8]:
    """A picture of a crystal.

    Parameters
    ----------
    crystal : Crystal or Geometry
        A geometry says which atoms and bonds to draw; a crystal is drawn as
        one closed cell.
    style : CrystalStyle, optional
    size : tuple of int
        Pixels, exact.
    path : Path, optional
        Also written there as PNG.
    transparent : bool
        No background.
    view, hkl : str, tuple of int
        As in `camera.orientation`; ``"standard"`` by default.
    camera : vtkCamera, optional
        Take this direction and magnification instead.
    refit : bool
        Of ``camera`` take the direction only.
    ratio : float
        Line width and text size, relative to 96 dpi.
    tints, pairs : optional
        As in `CrystalScene.dress`.

    Returns
    -------
    (height, width, 4) uint8
    """
    drawn = crystal if isinstance(crystal, Geometry) else geometry(crystal)
    scene = CrystalScene(style)

    def compose(big: tuple[int, int]) -> None:
        if camera is not None:
            scene.camera.DeepCopy(camera)
        else:
            scene.look(view, hkl)
        if camera is None or refit:
            scene.fit(big, margins)

    scene.show(drawn)
    if tints is not None or pairs is not None:
        scene.dress(tints, pairs)
    image = render(scene, size, compose, transparent, ratio)
    if path is not None:
        write_png(image, path)
    return image


def zone_picture(
    scene: ZoneScene,
    size: tuple[int, int] = (600, 600),
    path: Path | None = None,
    transparent: bool = False,
    *,
    view: str = "",
    ratio: float = 1.0,
) -> NDArray[np.uint8]:
    """A picture of a Brillouin zone.

    Parameters
    ----------
    scene : ZoneScene
        Stays as it is; a copy is drawn.
    size : tuple of int
        Pixels, exact.
    path : Path, optional
        Also written there as PNG.
    transparent : bool
        No background.
    view : str
        Turn to this view and fit; empty keeps the camera of the scene.
    ratio : float
        Line width and text size, relative to 96 dpi.

    Returns
    -------
    (height, width, 4) uint8
    """
    own = scene.copy()

    def compose(big: tuple[int, int]) -> None:
        if view:
            own.look(view)
            own.fit(big)

    image = render(own, size, compose, transparent, ratio)
    if path is not None:
        write_png(image, path)
    return image


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """An (h, w, 4) or (h, w, 3) uint8 picture as PNG."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOImage import vtkPNGWriter

    height, width, channels = image.shape
    data = vtkImageData()
    data.SetDimensions(width, height, 1)
    flat = np.ascontiguousarray(image[::-1].reshape(-1, channels))
    data.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    writer = vtkPNGWriter()
    writer.SetInputData(data)
    writer.WriteToMemoryOn()
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def write_png(image: NDArray[np.uint8], path: Path) -> None:
    """Write a picture; the file is complete or it is not there."""
    write_atomic(Path(path), png_bytes(image))


def graphics_information() -> str:
    """Vendor, renderer and version of the OpenGL that draws pictures.

    Raises
    ------
    ResourceError
        When nothing can be drawn.
    """
    window = offscreen_window((8, 8))
    try:
        window.Render()
        if not window.SupportsOpenGL():
            raise ResourceError(
                "OpenGL 3.2 is missing.", "Install the graphics driver, or Mesa (libgl1, libegl1)."
            )
        facts = dict(
            line.split(":", 1)
            for line in window.ReportCapabilities().splitlines()
            if line.startswith("OpenGL") and ":" in line
        )
    finally:
        window.Finalize()
    names = ("OpenGL vendor string", "OpenGL renderer string", "OpenGL version string")
    return " · ".join(facts[name].strip() for name in names if name in facts)
