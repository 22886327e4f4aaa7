"""How fast crystals are drawn, against the glyph mapper that VTK programs use.

Rows have name, value, unit, and, where there is one, the peer's value and the
ratio peer / ours (larger is better for us).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE = (900, 600)
Row = dict[str, Any]


def _crystal(n_atoms: int):
    """A cubic block of rock salt with about ``n_atoms`` atoms."""
    from crystalgui.core.structures.cells import supercell
    from crystalgui.core.structures.crystal import Crystal

    half = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    frac = np.array(half + [[(x + 0.5) % 1, y, z] for x, y, z in half])
    cell = Crystal(lattice=5.64 * np.eye(3), frac=frac, species=[11] * 4 + [17] * 4)
    n = max(1, round((n_atoms / 8) ** (1 / 3)))
    return supercell(cell, (n, n, n))


def _window():
    from crystalgui.scene.picture import offscreen_window

    return offscreen_window(SIZE)


def _orbit(window, turn: Callable[[], None], frames: int) -> float:
    """Median seconds of a frame while the camera turns."""
    times = []
    for _ in range(frames):
        turn()
        start = time.perf_counter()
        window.Render()
        window.WaitForCompletion()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _ours(crystal, frames: int) -> tuple[float, float, int]:
    """First frame and orbit frame in seconds, and the number of drawn atoms."""
    from crystalgui.scene import camera as cam
    from crystalgui.scene.crystal_scene import CrystalScene
    from crystalgui.scene.geometry import geometry

    start = time.perf_counter()
    drawn = geometry(crystal)
    scene = CrystalScene()
    window = _window()
    scene.attach(window)
    scene.show(drawn)
    scene.look("standard")
    scene.fit(SIZE)
    scene.prepare(SIZE)
    window.Render()
    window.WaitForCompletion()
    first = time.perf_counter() - start

    def turn() -> None:
        cam.orbit(scene.camera, 4, 1)
        scene.prepare(SIZE)

    scene.set_quick(True)
    orbit = _orbit(window, turn, frames)
    scene.detach()
    window.Finalize()
    return first, orbit, len(drawn)


def _glyphs(crystal, frames: int) -> tuple[float, float]:
    """The same atoms as sphere meshes through `vtkGlyph3DMapper`."""
    from vtkmodules.vtkFiltersSources import vtkSphereSource
    from vtkmodules.vtkRenderingCore import vtkActor, vtkGlyph3DMapper, vtkRenderer

    from crystalgui.scene import build
    from crystalgui.scene.geometry import geometry
    from crystalgui.scene.style import CrystalStyle, element_colours, element_radii

    start = time.perf_counter()
    drawn = geometry(crystal)
    style = CrystalStyle()
    data = build.spheres(
        drawn.positions,
        element_radii(style)[drawn.species],
        element_colours(style)[drawn.species],
    )
    ball = vtkSphereSource()
    ball.SetRadius(1.0)
    ball.SetThetaResolution(16)
    ball.SetPhiResolution(16)
    mapper = vtkGlyph3DMapper()
    mapper.SetInputData(data)
    mapper.SetSourceConnection(ball.GetOutputPort())
    mapper.SetScaleArray(build.RADIUS)
    mapper.SetScaleModeToScaleByMagnitude()
    mapper.SetScalarModeToUsePointFieldData()
    mapper.SelectColorArray(build.COLOUR)
    mapper.SetColorModeToDirectScalars()
    actor = vtkActor()
    actor.SetMapper(mapper)
    renderer = vtkRenderer()
    renderer.AddActor(actor)
    window = _window()
    window.AddRenderer(renderer)
    renderer.GetActiveCamera().SetParallelProjection(True)
    renderer.ResetCamera()
    window.Render()
    window.WaitForCompletion()
    first = time.perf_counter() - start

    def turn() -> None:
        renderer.GetActiveCamera().Azimuth(4)
        renderer.ResetCameraClippingRange()

    orbit = _orbit(window, turn, frames)
    renderer.RemoveAllViewProps()
    window.Finalize()
    return first, orbit


def _row(name: str, value: float, unit: str, peer: float | None = None, **promise: Any) -> Row:
    ratio = None if peer is None else peer / value
    return {"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio, **promise}


def run(*, large: bool = True) -> list[Row]:
    """Measure; imports and the first OpenGL context are not counted."""
    from crystalgui.scene.geometry import geometry
    from crystalgui.scene.picture import graphics_information

    graphics_information()
    geometry(_crystal(8))
    crystal = _crystal(10_000)
    tries = [_ours(crystal, 15) for _ in range(3)]
    first, orbit, atoms = (statistics.median(v) for v in zip(*tries, strict=True))
    peer_first, peer_orbit = _glyphs(crystal, 3)
    rows = [
        _row(f"first frame, {atoms:,} atoms", first, "s", peer_first, limit=0.3),
        _row(f"orbit frame, {atoms:,} atoms", orbit, "s", peer_orbit),
        _row(
            "orbit speed over the glyph mapper",
            peer_orbit / orbit,
            "times",
            limit=5.0,
            better="higher",
        ),
    ]
    if large:
        first, orbit, atoms = _ours(_crystal(100_000), 5)
        rows += [
            _row(f"first frame, {atoms:,} atoms", first, "s"),
            _row(f"orbit frame, {atoms:,} atoms", orbit, "s"),
        ]
    return rows


if __name__ == "__main__":
    for row in run():
        peer = f"   glyphs {row['peer']:.3f}, ratio {row['ratio']:.1f}" if row["peer"] else ""
        print(f"{row['name']:<36}{row['value']:>9.3f} {row['unit']}{peer}")
