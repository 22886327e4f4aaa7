"""Drawings and plots of a report, by their properties."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.physics.bands import bands
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.slices import Slice, points_on, take_slice
from crystalgui.core.reports import figures, pdf
from crystalgui.core.reports.picture import MOST_ATOMS, structure_figure, view_axes
from crystalgui.core.reports.tables import cell_rows, model_rows, site_rows, version_rows
from crystalgui.core.reports.typography import formula_markup, group_markup, register_fonts
from crystalgui.core.reports.vector import FigureBlock, new_figure
from crystalgui.core.resources import examples
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.files import read_crystal
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.symmetry import symmetry

STRUCTURES = sorted((examples() / "structures").iterdir())


@pytest.fixture(scope="module")
def bitei() -> Hoppings:
    return read_hoppings(examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz")


@given(
    st.lists(st.floats(-5, 5, allow_nan=False), min_size=9, max_size=9).map(
        lambda v: np.array(v).reshape(3, 3)
    )
)
def test_the_view_is_a_rotation_with_c_upright(lattice: np.ndarray) -> None:
    lengths = np.linalg.norm(lattice, axis=1)
    if lengths.min() < 0.1 or abs(np.linalg.det(lattice)) < 0.05 * lengths.prod():
        return
    view = view_axes(lattice)
    assert np.allclose(view @ view.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(view) == pytest.approx(1.0)
    a, _, c = lattice @ view.T
    assert c[1] > 0
    assert abs(c[0]) < 1e-9
    assert a[0] > 0


@pytest.mark.parametrize("path", STRUCTURES, ids=lambda p: p.stem)
def test_every_atom_and_corner_is_inside_the_picture(path: Path) -> None:
    crystal = read_crystal(path)
    figure = structure_figure(crystal, 200, 190)
    axes = figure.axes[0]
    (collection,) = axes.collections
    x = np.concatenate([p.vertices[:, 0] for p in collection.get_paths()])
    y = np.concatenate([p.vertices[:, 1] for p in collection.get_paths()])
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert left < x.min()
    assert x.max() < right
    assert low < y.min()
    assert y.max() < high
    legend = [text.get_text() for axes in figure.axes[2:] for text in axes.texts]
    assert len(legend) == len(crystal.composition)


def test_nearer_balls_are_painted_later() -> None:
    crystal = read_crystal(examples() / "structures" / "NaCl.vasp")
    (collection,) = structure_figure(crystal, 200, 190).axes[0].collections
    assert len(collection.get_paths()) == len(collection.get_facecolors())
    last = collection.get_paths()[-1].vertices
    view = view_axes(crystal.lattice)
    from crystalgui.core.structures.drawing import drawing

    points = drawing(crystal).positions @ view.T
    front = points[points[:, 2].argmax()]
    assert np.hypot(*(last.mean(axis=0) - front[:2])) < 1.0


def test_a_cell_that_is_too_large_says_so() -> None:
    crystal = supercell(read_crystal(examples() / "structures" / "NaCl.vasp"), (8, 8, 8))
    assert crystal.n_atoms > MOST_ATOMS
    figure = structure_figure(crystal, 200, 190)
    assert "4,096 atoms" in figure.axes[0].texts[0].get_text()


def test_the_gap_is_marked_where_it_is(bitei: Hoppings) -> None:
    found = gaps(bitei, 12)
    lines = bands(bitei)
    lower, upper = figures.edges_on_path(lines, found.indirect, 12)
    for distance, band in ((lower, 11), (upper, 12)):
        for d in distance:
            row = int(np.abs(lines.path.distance - d).argmin())
            edge = found.indirect.lower if band == 11 else found.indirect.upper
            assert abs(lines.energies[row, band] - edge) < figures.SAME
    figure = figures.bands_figure(lines, 12, found, 480, 190)
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert any(f"{found.indirect.energy:.3f} eV" in t for t in texts)
    low, high = figure.axes[0].get_ylim()
    assert low < 0 < high


def test_a_slice_fills_its_outline_and_nothing_else(bitei: Hoppings) -> None:
    image = take_slice(bitei, Slice(hkl=(0, 0, 1), offset=0.5, band=12, n=48), threads=1)
    figure = figures.slice_figure(image, points_on(image.plane, bands(bitei).path), 240, 180)
    figure.set_dpi(72)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    box = figure.axes[0]
    to_pixel = box.transData.transform
    centre = to_pixel(image.plane.outline.mean(axis=0) + 0.02).astype(int)
    outside = to_pixel(image.plane.outline.max(axis=0) * 0.98).astype(int)
    assert pixels[-centre[1], centre[0], 3] == 255
    assert pixels[-outside[1], outside[0], 3] == 0
    assert {t.get_text() for t in box.texts} >= {"A", "H", "L"}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_tick_labels_never_touch(positions: list[float]) -> None:
    ticks = tuple((p, "X|M₂") for p in sorted(positions))
    kept = figures.merge_ticks(ticks, 300.0, 1.0)
    assert [p for p, _ in kept] == [p for p, _ in ticks]
    shown = [300 * p for p, label in kept if label]
    assert shown
    assert all(b - a > 15 for a, b in pairwise(shown))


def test_markup() -> None:
    assert formula_markup("Bi2Se3").count("<sub") == 2
    assert "&lt;" in formula_markup("<b>")
    assert "_" not in group_markup("P6_3/mmc")
    assert group_markup("R-3m") == "R-3m"


def test_rows_have_units_and_no_nan() -> None:
    crystal = read_crystal(examples() / "structures" / "SrTiO3.vasp")
    rows = dict(cell_rows(crystal))
    assert rows["a, b, c"].endswith("Å")
    assert rows["Density"] == "5.117 g/cm³"
    sites, more = site_rows(crystal, symmetry(crystal), most=2)
    assert (len(sites), more) == (2, 1)
    assert sites[0][0] == "Sr"
    assert dict(version_rows())["spglib"]
    from crystalgui.core.cards import TrainedModel

    card = TrainedModel(name="n", family="f", title="t", folder="", task="regression", target="E",
                        unit="eV", metrics={"mae": 0.1, "r2": float("nan")})  # fmt: skip
    model = dict(model_rows(card))
    assert model["Mae"] == "0.1000"
    assert "R2" not in model
    assert model["Answers"] == "E (eV), regression"


def test_mathematics_and_curves_reach_the_page() -> None:
    figure = new_figure(120, 60)
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
    axes.plot([0, 1], [0, 1], dashes=(2, 1))
    axes.set_title(r"$\overline{\Gamma}_{2}$", fontsize=8)
    axes.imshow(np.arange(12.0).reshape(3, 4), extent=(0, 1, 0, 1))
    data = pdf.build([FigureBlock(figure)], "t", "t")
    assert data.startswith(b"%PDF")
    assert len(data) > 2000


def test_long_words_are_shortened_to_their_room() -> None:
    register_fonts()
    from reportlab.pdfbase.pdfmetrics import stringWidth

    short = pdf.shortened("a long heading of a report", 60, 8)
    assert short.endswith("…")
    assert stringWidth(short, "Inter", 8) <= 60
    assert pdf.shortened("short", 600, 8) == "short"
