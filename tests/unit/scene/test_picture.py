from __future__ import annotations

import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from crystalgui.core.errors import ResourceError
from crystalgui.scene.picture import crystal_picture, png_bytes, write_png
from crystalgui.scene.style import DARK, CrystalStyle

from .crystals import BITEI, block

PLAIN = CrystalStyle(axes=False, cell=False)


@pytest.mark.parametrize("size", [(333, 217), (64, 200)])
def test_pictures_have_the_exact_size(size):
    image = crystal_picture(BITEI, PLAIN, size)
    assert image.shape == (size[1], size[0], 4)
    assert (image[..., 3] == 255).all()


def test_a_single_atom_is_a_disc_in_its_colour():
    atom = block(1)
    style = CrystalStyle(axes=False, cell=False, bonds=False, ink=DARK, kind="space-filling")
    from crystalgui.scene.geometry import geometry

    image = crystal_picture(geometry(atom, boundary=False), style, (200, 200))
    ground = np.round(255 * np.array(DARK.ground))
    assert np.abs(image[3, 3, :3] - ground).max() <= 2
    drawn = np.abs(image[..., :3].astype(int) - ground).max(axis=2) > 12
    ys, xs = np.nonzero(drawn)
    # margins of 24 pixels on every side, and round
    assert abs((xs.max() - xs.min() + 1) - 152) <= 3
    assert abs((ys.max() - ys.min() + 1) - 152) <= 3
    assert drawn.sum() == pytest.approx(np.pi * 76**2, rel=0.03)
    red, green, blue = (int(v) for v in image[100, 100, :3])
    assert red > green > blue  # copper


def test_transparent_pictures_have_no_background():
    image = crystal_picture(BITEI, PLAIN, (200, 150), transparent=True)
    assert (image[0, :, 3] == 0).all()
    assert (image[..., 3] == 255).any()
    opaque = crystal_picture(BITEI, PLAIN, (200, 150))
    solid = image[..., 3] == 255
    assert np.abs(image[solid].astype(int) - opaque[solid]).max() <= 8


def test_translucent_polyhedra_do_not_make_the_picture_opaque():
    from crystalgui.scene.geometry import geometry

    from .crystals import PEROVSKITE

    style = CrystalStyle(axes=False, polyhedra=True)
    image = crystal_picture(
        geometry(PEROVSKITE, polyhedra=True), style, (240, 240), transparent=True
    )
    assert (image[0, :, 3] == 0).all()
    assert (image[..., 3] > 0).mean() > 0.1


def test_views_differ_and_repeat_exactly():
    along_a = crystal_picture(BITEI, PLAIN, (120, 120), view="a")
    along_c = crystal_picture(BITEI, PLAIN, (120, 120), view="c")
    assert (along_a != along_c).any()
    again = crystal_picture(BITEI, PLAIN, (120, 120), view="a")
    assert (along_a == again).all()


def test_png_files_are_whole_and_exact(tmp_path):
    image = crystal_picture(BITEI, PLAIN, (91, 73), tmp_path / "picture.png", transparent=True)
    data = (tmp_path / "picture.png").read_bytes()
    assert data == png_bytes(image)
    assert data.startswith(b"\x89PNG")
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth, kind) == (91, 73, 8, 6)
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_impossible_pictures_are_refused(tmp_path):
    with pytest.raises(ResourceError, match="cannot be drawn"):
        crystal_picture(BITEI, PLAIN, (0, 100))
    with pytest.raises(ResourceError, match="cannot be drawn"):
        crystal_picture(BITEI, PLAIN, (100_000, 100))
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError):
        write_png(np.zeros((2, 2, 4), np.uint8), tmp_path / "file" / "x.png")


def test_pictures_need_no_display(tmp_path):
    target = tmp_path / "headless.png"
    code = (
        "from pathlib import Path; import sys\n"
        "from tests.unit.scene.crystals import BITEI\n"
        "from crystalgui.scene.picture import crystal_picture\n"
        f"image = crystal_picture(BITEI, size=(160, 120), path=Path({str(target)!r}))\n"
        "assert image[..., :3].std() > 10\n"
        "assert 'PySide6' not in sys.modules and 'torch' not in sys.modules\n"
    )
    free = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=free, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > 1000
