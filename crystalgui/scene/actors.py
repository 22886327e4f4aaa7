"""VTK actors for polydata of `build`: impostor spheres and sticks, lines, faces, text."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkBillboardTextActor3D,
    vtkLight,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkTextActor,
    vtkTextProperty,
)
from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLSphereMapper, vtkOpenGLStickMapper

from crystalgui.scene import build
from crystalgui.scene.style import Colour

_REGISTERED = (vtkmodules.vtkRenderingFreeType, vtkmodules.vtkRenderingOpenGL2)
VTK_FONT_FILE = 4


@cache
def font_file(bold: bool = False) -> str:
    """A font with Greek letters, subscripts and overlines; VTK's own has none.

    DejaVu Sans comes with matplotlib, which is found, not imported.  An empty
    string when it is missing.
    """
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return str(path)
    return ""


def sphere_actor(data: vtkPolyData) -> vtkActor:
    """Impostor spheres with the arrays of `build.spheres`."""
    mapper = vtkOpenGLSphereMapper()
    mapper.SetInputData(data)
    mapper.SetScaleArray(build.RADIUS)
    _colour_points(mapper)
    return _lit(mapper)


def stick_actor(data: vtkPolyData) -> vtkActor:
    """Impostor cylinders with the arrays of `build.sticks`."""
    mapper = vtkOpenGLStickMapper()
    mapper.SetInputData(data)
    mapper.SetScaleArray(build.SCALE)
    mapper.SetOrientationArray(build.DIRECTION)
    _colour_points(mapper)
    return _lit(mapper)


def _colour_points(mapper: vtkPolyDataMapper) -> None:
    mapper.SetScalarModeToUsePointFieldData()
    mapper.SelectColorArray(build.COLOUR)
    mapper.SetColorModeToDirectScalars()


def _lit(mapper: vtkPolyDataMapper) -> vtkActor:
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.SetAmbient(0.22)
    surface.SetDiffuse(0.80)
    surface.SetSpecular(0.28)
    surface.SetSpecularPower(36)
    return actor


def line_actor(data: vtkPolyData, colour: Colour, width: float, opacity: float = 1.0) -> vtkActor:
    """Unlit lines; cell colours win over ``colour`` where there are any."""
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(data)
    if data.GetCellData().HasArray(build.COLOUR):
        mapper.SetScalarModeToUseCellFieldData()
        mapper.SelectColorArray(build.COLOUR)
        mapper.SetColorModeToDirectScalars()
    else:
        mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.LightingOff()
    surface.SetColor(*colour)
    surface.SetLineWidth(width)
    surface.SetOpacity(opacity)
    return actor


def face_actor(data: vtkPolyData, colour: Colour, opacity: float) -> vtkActor:
    """Translucent flat faces, lit from both sides."""
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(data)
    if data.GetCellData().HasArray(build.COLOUR):
        mapper.SetScalarModeToUseCellFieldData()
        mapper.SelectColorArray(build.COLOUR)
        mapper.SetColorModeToDirectScalars()
    else:
        mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.SetColor(*colour)
    surface.SetOpacity(opacity)
    surface.SetAmbient(0.45)
    surface.SetDiffuse(0.6)
    surface.SetInterpolationToFlat()
    return actor


def text_look(look: vtkTextProperty, colour: Colour, size: float, bold: bool = False) -> None:
    """Font, colour and pixel size of a text property."""
    path = font_file(bold)
    if path:
        look.SetFontFamily(VTK_FONT_FILE)
        look.SetFontFile(path)
    else:
        look.SetFontFamilyToArial()
    look.SetColor(*colour)
    look.SetFontSize(max(1, round(size)))


def label_actor(
    text: str, at: tuple[float, float, float], colour: Colour, size: float
) -> vtkBillboardTextActor3D:
    """Text that stands at a point of space and always faces the viewer."""
    actor = vtkBillboardTextActor3D()
    actor.SetInput(text)
    actor.SetPosition(*at)
    look = actor.GetTextProperty()
    text_look(look, colour, size)
    look.SetJustificationToCentered()
    look.SetVerticalJustificationToCentered()
    return actor


def caption_actor(text: str, x: float, y: float, colour: Colour, size: float) -> vtkTextActor:
    """Text at a pixel of the picture, counted from the lower left corner."""
    actor = vtkTextActor()
    actor.SetInput(text)
    actor.SetPosition(x, y)
    look = actor.GetTextProperty()
    text_look(look, colour, size)
    look.SetVerticalJustificationToCentered()
    return actor


def light(renderer: vtkRenderer) -> None:
    """A key light over the viewer's left shoulder and a weak fill."""
    renderer.AutomaticLightCreationOff()
    for position, strength in (((-0.45, 0.6, 1.0), 0.86), ((0.7, -0.4, 0.8), 0.26)):
        light = vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*position)
        light.SetFocalPoint(0, 0, 0)
        light.SetIntensity(strength)
        renderer.AddLight(light)
