"""Slices: right values, exact outlines, contours inside the zone, fast enough to drag."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.brillouin import k_path, zone
from crystalgui.core.physics.contours import (
    clip,
    contours,
    contours_csv,
    nice_levels,
    slice_csv,
)
from crystalgui.core.physics.mirrors import mirrors, representatives, unfold
from crystalgui.core.physics.slices import (
    Slice,
    energies_on_plane,
    plane_of,
    points_on,
    take_slice,
)
from crystalgui.core.physics.zoo import bitei_p22 as bitei
from crystalgui.core.physics.zoo import cubic, fu_kane_mele, haldane
from crystalgui.core.structures.hoppings.model import Hoppings

PLANES = [(0, 0, 1), (1, 0, 0), (1, 1, 1), (2, -1, 3), (0, -2, 4), (1, 2, 0)]


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("hkl", PLANES)
@pytest.mark.parametrize("make", [bitei, fu_kane_mele])
def test_values_are_the_energies_at_those_points(
    hkl: tuple[int, int, int], make: type[Hoppings]
) -> None:
    h = make()
    reach = plane_of(h.lattice, hkl, 0.0).reach
    for offset in (0.0, 0.37 * reach, -0.6 * reach):
        image = take_slice(h, Slice(hkl=hkl, offset=offset, band=2, n=12))
        i, j = np.nonzero(np.isfinite(image.values))
        k = image.plane.reduced(np.stack([image.x[i], image.y[j]], axis=1))
        assert np.abs(k @ image.plane.hkl - offset).max() < 1e-12
        e = energies(h, k)
        assert np.abs(e[:, 2] - e[:, 1] - image.values[i, j]).max() < 1e-11
        assert np.isfinite(image.values[image.inside]).all()


@pytest.mark.parametrize("hkl", PLANES)
def test_the_basis_of_a_plane_generates_the_lattice(hkl: tuple[int, int, int]) -> None:
    plane = plane_of(bitei().lattice, hkl, 0.3)
    assert abs(round(np.linalg.det(plane.basis))) == 1
    assert (plane.basis @ plane.hkl).tolist() == [1, 0, 0]
    assert np.gcd.reduce(plane.hkl) == 1


def test_all_planes_together_fill_the_zone() -> None:
    h = fu_kane_mele()
    found = zone(h.lattice)
    for hkl in ((1, 1, 1), (1, -1, 2)):
        middle = plane_of(h.lattice, hkl, 0.0, found)
        offsets = (np.arange(2000) + 0.5) / 2000 * 2 * middle.reach - middle.reach
        areas = [
            area(p) if len(p) else 0.0
            for p in (plane_of(h.lattice, hkl, s, found).outline for s in offsets)
        ]
        volume = np.mean(areas) * 2 * middle.reach * middle.period
        assert volume == pytest.approx(abs(np.linalg.det(found.reciprocal)), rel=1e-3)


def test_the_face_of_the_zone_is_a_slice_of_it() -> None:
    h = bitei()
    found = zone(h.lattice)
    inner = plane_of(h.lattice, (0, 0, 1), 0.2, found)
    for offset in (0.5, -0.5, inner.reach):
        face = plane_of(h.lattice, (0, 0, 1), offset, found)
        assert len(face.outline) == 6
        assert area(face.outline) == pytest.approx(area(inner.outline))
    assert len(plane_of(h.lattice, (0, 0, 1), 0.501, found).outline) == 0
    with pytest.raises(PhysicsError, match="misses the Brillouin zone") as caught:
        take_slice(h, Slice(offset=0.7, band=12))
    assert "0.5" in caught.value.hint


def test_gap_and_symmetry_of_the_slice_through_a() -> None:
    image = take_slice(bitei(), Slice(offset=0.5, band=12, n=65))
    low, high = image.limits
    assert 0.28442 < low < 0.288
    assert 2.5 < high < 4
    assert np.nanmax(np.abs(image.values - image.values[::-1, ::-1])) < 1e-10
    assert image.at(0.0, 0.0) == pytest.approx(low, abs=2e-3)


def test_bands_that_do_not_exist() -> None:
    with pytest.raises(PhysicsError, match="no gap of band 18"):
        take_slice(bitei(), Slice(band=18))
    assert take_slice(bitei(), Slice(band=18, quantity="energy", n=8)).limits[0] > -5
    with pytest.raises(PhysicsError, match="0 0 0"):
        plane_of(np.eye(3), (0, 0, 0), 0.0)


def test_a_lattice_is_not_needed() -> None:
    h = cubic()
    bare = Hoppings(cells=h.cells, matrices=h.matrices)
    image = take_slice(bare, Slice(band=2, n=9))
    assert image.limits[0] == pytest.approx(2.0, abs=1e-9)
    assert area(image.plane.outline) == pytest.approx((2 * np.pi) ** 2)


def test_named_points_on_the_plane() -> None:
    h = bitei()
    path = k_path(h)
    for offset, names in ((0.0, {"Γ", "M", "K"}), (0.5, {"A", "L", "H"}), (0.3, set())):
        plane = plane_of(h.lattice, (0, 0, 1), offset)
        points = points_on(plane, path)
        assert {name for name, _ in points} == names
        for name, xy in points:
            k = plane.reduced(xy)
            e = energies(h, np.stack([k, dict(path.points)[name]]))
            assert np.abs(e[0] - e[1]).max() < 1e-9


def test_whole_planes_agree_with_masked_ones() -> None:
    h = bitei()
    plane = plane_of(h.lattice, (1, 1, 0), 0.2)
    x, y = np.linspace(-1, 1, 7), np.linspace(-0.5, 0.5, 5)
    whole = energies_on_plane(h, plane, x, y, threads=1)
    where = np.zeros((7, 5), dtype=bool)
    where[2, 3] = True
    part = energies_on_plane(h, plane, x, y, where=where, threads=2)
    assert np.isfinite(part).any(axis=-1).sum() == 1
    assert np.abs(part[2, 3] - whole[2, 3]).max() < 1e-12


def test_contours_stay_inside_and_on_their_level() -> None:
    h = bitei()
    image = take_slice(h, Slice(offset=0.5, band=12, n=96))
    lines = contours(image)
    assert len({line.level for line in lines}) >= 4
    corners = image.plane.outline
    edge = np.roll(corners, -1, axis=0) - corners
    for line in lines:
        arm = line.xy[None] - corners[:, None]
        side = edge[:, None, 0] * arm[..., 1] - edge[:, None, 1] * arm[..., 0]
        assert side.min() > -1e-9
        e = energies(h, image.plane.reduced(line.xy))
        assert np.abs(e[:, 12] - e[:, 11] - line.level).max() < 0.06
    table = contours_csv(image, lines).splitlines()
    assert table[0] == "level_eV,line,x_per_A,y_per_A,k1,k2,k3"
    assert len(table) == 1 + sum(len(line.xy) for line in lines)
    grid = slice_csv(image).splitlines()
    assert len(grid) == 1 + image.inside.sum()
    row = np.array(grid[100].split(","), dtype=float)
    e = energies(h, row[None, 2:5])[0]
    assert e[12] - e[11] == pytest.approx(row[5], abs=1e-6)


def test_clipping_a_line() -> None:
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    wave = np.array([[-2.0, 0], [0, 0], [0, 3], [0.5, 3], [0.5, 0], [0.6, 0]])
    parts = clip(wave, square)
    assert [p.tolist() for p in parts] == [
        [[-1, 0], [0, 0], [0, 1]],
        [[0.5, 1], [0.5, 0], [0.6, 0]],
    ]
    assert clip(wave + 10, square) == []
    inside = wave * 0.1
    assert clip(inside, square)[0] is inside


def test_round_levels() -> None:
    levels = nice_levels(0.284, 3.12)
    assert np.allclose(levels, np.arange(0.5, 3.1, 0.5))
    assert len(nice_levels(1.0, 1.0)) == 0


def test_a_frame_is_fast_enough_to_drag() -> None:
    """18 bands at 64x64: processor time, so that a busy machine does not matter."""
    import time

    h = bitei()
    found = zone(h.lattice)
    take_slice(h, Slice(offset=0.1, band=12), found)
    times = []
    for offset in (0.2, 0.3, 0.4):
        start = time.process_time()
        take_slice(h, Slice(offset=offset, band=12), found, threads=1)
        times.append(time.process_time() - start)
    # One core; the lane shares it over two.
    assert min(times) < 0.1


@pytest.mark.parametrize(
    ("hkl", "offset", "wanted"),
    [
        ((0, 0, 1), 0.0, (True, True, True)),
        ((0, 0, 1), 0.31, None),
        ((1, 2, 0), 0.3, None),
        ((2, -1, 3), 0.0, (False, False, True)),
    ],
)
def test_mirrors_give_what_the_whole_grid_gives(
    hkl: tuple[int, int, int], offset: float, wanted: tuple[bool, bool, bool] | None
) -> None:
    h = bitei()
    plane = plane_of(h.lattice, hkl, offset)
    x, y = np.linspace(-0.7, 0.7, 13), np.linspace(-0.5, 0.5, 10)
    found = mirrors(h, plane, x, y)
    if wanted is not None:
        assert found == wanted
    whole = energies_on_plane(h, plane, x, y)
    where = np.ones((13, 10), dtype=bool)
    part = energies_on_plane(h, plane, x, y, where=representatives(where, found))
    assert np.abs(unfold(part, found) - whole).max() < 1e-10


def test_a_broken_mirror_is_not_used() -> None:
    h = bitei()
    noise = np.zeros_like(h.matrices)
    home = int(np.flatnonzero((h.cells == 0).all(axis=1))[0])
    noise[home, 0, 4] = noise[home, 4, 0] = 1e-7
    near = Hoppings(cells=h.cells, matrices=h.matrices + noise, lattice=h.lattice)
    plane = plane_of(h.lattice, (0, 0, 1), 0.2)
    x = np.linspace(-0.6, 0.6, 8)
    assert any(mirrors(h, plane, x, x))
    assert mirrors(near, plane, x, x) == (False, False, False)
    assert mirrors(h, plane, x + 0.1, x + 0.1) == (False, False, False)


def test_the_curvature_of_a_slice_adds_up_to_the_chern_number() -> None:
    h = haldane()
    image = take_slice(h, Slice(quantity="curvature", band=1, n=120))
    assert (image.unit, image.signed) == ("Å²", True)
    low, high = image.limits
    assert low == -high
    assert high == pytest.approx(np.nanmax(np.abs(image.values[image.inside])))
    cell = (image.x[1] - image.x[0]) * (image.y[1] - image.y[0])
    total = image.values[image.inside].sum() * cell / (2 * np.pi)
    assert total == pytest.approx(-1, abs=0.03)
    # half of what is seen lies between the innermost levels; both signs are drawn
    levels = {line.level for line in contours(image)}
    assert levels
    assert max(abs(level) for level in levels) < high
    assert contours_csv(image, contours(image)).startswith("level_A2,line,")
    assert slice_csv(image).splitlines()[0].endswith("value_A2")
    with pytest.raises(PhysicsError, match="no curvature of band 2"):
        take_slice(h, Slice(quantity="curvature", band=2))
