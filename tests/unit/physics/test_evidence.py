"""Evidence of a network as a function of k: periodic, in the first zone, on planes."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import PhaseAnswer
from crystalgui.core.physics.brillouin import zone
from crystalgui.core.physics.evidence import (
    Evidence,
    answer_csv,
    evidence_csv,
    evidence_sheets,
    evidence_slice,
)
from crystalgui.core.physics.fermi import fermi_surface
from crystalgui.core.physics.overview import cut, overview
from crystalgui.core.physics.slices import Slice, take_slice
from crystalgui.core.physics.zoo.registry import build

FCC = np.array([[0.0, 2.0, 2.0], [2.0, 0.0, 2.0], [2.0, 2.0, 0.0]])


def bump(n: int, centre: tuple[float, float, float], sharpness: float = 3.0) -> Evidence:
    """A smooth periodic hill at a reduced k, on the mesh of eq. 13."""
    empty = Evidence(values=np.zeros((n, n, n)))
    far = np.cos(2 * np.pi * (empty.k() - np.array(centre))).sum(axis=-1) - 3
    return Evidence(values=np.exp(sharpness * far / 2), method="occlusion")


def answer(values: np.ndarray) -> PhaseAnswer:
    return PhaseAnswer(
        model="universal-zone",
        title="Zone network",
        probabilities=(("topological insulator", 0.9), ("trivial insulator", 0.1)),
        evidence=values,
        warnings=("Nothing like it was in the training data.",),
    )


def test_the_mesh_is_that_of_equation_13() -> None:
    k = Evidence(values=np.zeros((4, 6, 1))).k()
    assert np.allclose(k[:, 0, 0, 0], [-0.5, -0.25, 0.0, 0.25])
    assert np.allclose(k[0, :, 0, 1], (2 * np.arange(6) - 6) / 12)
    assert not k[..., 2].any()


@pytest.mark.parametrize("n", [4, 5, 8])
def test_on_the_mesh_the_function_is_the_table_and_everywhere_it_is_periodic(n: int) -> None:
    values = np.random.default_rng(n).random((n, n, n))
    evidence = Evidence(values=values)
    assert np.allclose(evidence.at(evidence.k()), values)
    k = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 3))
    shifted = evidence.at(k + np.array([1, -2, 3]))
    assert np.allclose(shifted, evidence.at(k))
    found = evidence.at(np.random.default_rng(2).uniform(-1, 1, (2000, 3)))
    assert values.min() <= found.min() < found.max() <= values.max()


def test_a_smooth_function_is_met_between_the_points() -> None:
    k = np.random.default_rng(3).uniform(-0.5, 0.5, (200, 3))
    far = np.cos(2 * np.pi * (k - np.array([0.1, 0.5, -0.3]))).sum(axis=-1) - 3
    found = bump(10, (0.1, 0.5, -0.3), 1.0).at(k)
    assert np.abs(found - np.exp(far / 2)).max() < 0.01


def test_the_strongest_point_is_named_by_its_k() -> None:
    assert np.allclose(bump(8, (0.0, 0.5, 0.25)).strongest(), [0.0, -0.5, 0.25])


def test_an_axis_with_one_point_changes_nothing() -> None:
    values = np.random.default_rng(0).random((6, 6, 1))
    evidence = Evidence(values=values)
    k = evidence.k().reshape(-1, 3)
    for kz in (-0.5, 0.13, 2.0):
        assert np.allclose(evidence.at(k + np.array([0, 0, kz])), values.ravel())


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.3, -0.2, 0.1)])
@pytest.mark.parametrize("n", [7, 8])
def test_shells_enclose_the_evidence_inside_the_first_zone(n: int, centre) -> None:
    first = zone(FCC)
    evidence = bump(n, centre)
    sheets = evidence_sheets(evidence, first)
    assert [sheet.part for sheet in sheets] == [0.5, 0.8]
    inverse = np.linalg.inv(first.reciprocal)
    for sheet in sheets:
        over = sheet.vertices @ first.normals.T - first.distances
        assert over.max() < 1e-6
        assert sheet.faces.shape[1] == 3
        assert sheet.faces.max() < len(sheet.vertices)
        # The evidence on the sheet is its level, wherever the sheet was folded to.
        exact = np.exp(
            1.5 * (np.cos(2 * np.pi * (sheet.vertices @ inverse - centre)).sum(axis=1) - 3)
        )
        assert np.abs(exact - sheet.level).max() < 0.1
        assert np.isfinite(sheet.normals).all()

    def reach(sheet):
        apart = sheet.vertices @ inverse - np.array(centre)
        return np.linalg.norm((apart - np.round(apart)) @ first.reciprocal, axis=1).mean()

    assert reach(sheets[1]) < 0.8 * reach(sheets[0])


def test_normals_point_to_less_evidence() -> None:
    first = zone(np.eye(3) * 4)
    for sheet in evidence_sheets(bump(8, (0, 0, 0)), first):
        assert ((sheet.normals * sheet.vertices).sum(axis=1) > 0).all()


def test_flat_evidence_has_no_shells_and_that_of_a_layer_has_lines() -> None:
    first = zone(np.eye(3) * 4)
    assert evidence_sheets(Evidence(values=np.full((4, 4, 4), 0.7)), first) == ()
    column = np.ones((1, 1, 8)) * np.arange(8)[None, None]
    assert evidence_sheets(Evidence(values=column / 8), first) == ()
    flat = bump(8, (0, 0, 0)).values[:, :, 4:5]
    for values in (flat, np.repeat(flat, 8, axis=2)):
        sheets = evidence_sheets(Evidence(values=values), first)
        assert sheets
        for sheet in sheets:
            assert sheet.faces.shape[1] == 2
            assert not sheet.vertices[:, 2].any()


def test_a_slice_reads_the_evidence_on_its_plane() -> None:
    h = build("cubic")
    view = overview(h)
    evidence = bump(8, (0.0, 0.0, 0.5))
    asked = Slice(hkl=(0, 0, 1), offset=0.5, quantity="evidence", band=1, n=41)
    image = evidence_slice(evidence, h, asked, view.zone)
    assert image.unit == ""
    assert image.limits == (0.0, 1.0)
    assert not image.signed
    assert image.at(0.0, 0.0) == pytest.approx(evidence.values.max(), abs=0.02)
    grid = np.stack(np.meshgrid(image.x, image.y, indexing="ij"), axis=-1)
    shown = np.isfinite(image.values)
    assert shown[image.inside].all()
    want = evidence.at(image.plane.reduced(grid))
    assert np.allclose(image.values[shown], want[shown])
    answered = cut(h, asked, view, evidence)
    assert np.array_equal(answered.image.values, image.values, equal_nan=True)
    assert "by occlusion" in answered.note
    assert answered.contours


def test_a_slice_of_evidence_without_an_answer_is_refused() -> None:
    h = build("cubic")
    with pytest.raises(PhysicsError, match="answer of a network"):
        take_slice(h, Slice(quantity="evidence"))


def test_evidence_that_is_no_table_is_refused() -> None:
    for values in (np.zeros((4, 4)), np.full((2, 2, 2), np.nan), np.zeros((0, 2, 2))):
        with pytest.raises(PhysicsError, match="Ask the network again"):
            Evidence.of(answer(values))


def test_tables_say_what_was_answered_and_where() -> None:
    values = bump(4, (0, 0, 0)).values
    lines = [x for x in answer_csv(answer(values)).splitlines() if not x.startswith("#")]
    assert lines == [
        "phase,probability",
        "topological insulator,0.900000",
        "trivial insulator,0.100000",
    ]
    assert "# remark: Nothing like it was in the training data." in answer_csv(answer(values))
    text = evidence_csv(answer(values))
    rows = [x for x in text.splitlines() if not x.startswith("#")]
    table = np.array([[float(x) for x in row.split(",")] for row in rows[1:]])
    assert table.shape == (64, 4)
    assert np.allclose(Evidence(values=values).at(table[:, :3]), table[:, 3], atol=1e-5)


def test_the_fermi_surface_is_what_it_was() -> None:
    """Its geometry is shared with the shells: a sphere around Gamma keeps its radius."""
    h = build("cubic")
    sheets = fermi_surface(h, 2.5)
    assert sheets
    first = zone(np.eye(3) if h.lattice is None else h.lattice)
    for sheet in sheets:
        assert (sheet.vertices @ first.normals.T - first.distances).max() < 1e-6
