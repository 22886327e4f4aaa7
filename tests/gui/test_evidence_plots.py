"""The pictures of the Evidence page by themselves: scales, small multiples, bars, curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from crystalgui.gui.plots.heads import HeadsView, histogram
from crystalgui.gui.plots.limit import LimitPlot, turning_words
from crystalgui.gui.plots.scale import Scale, ScaleBar
from crystalgui.gui.plots.shares import Bar, BarsView
from crystalgui.gui.theme import theme
from tests.gui.test_evidence import explained, limit

weights = st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=12)


@given(weights)
def test_a_logarithmic_scale_rises_with_the_weight(values: list[float]) -> None:
    scale = Scale.log(values, "weight")
    assert scale.high >= max(values) * (1 - 1e-9)
    assert scale.high / scale.low > 1.9
    places = scale.shares(np.sort(values))
    assert (np.diff(places) >= 0).all()
    inside = np.sort([v for v in values if v >= scale.low])
    ratios = np.log(inside / scale.low) / np.log(scale.high / scale.low)
    np.testing.assert_allclose(scale.shares(inside), ratios, atol=1e-9)


def test_colours_follow_the_places_and_what_is_strong_stands_out(qapp: object) -> None:
    scale = Scale.log([1e-3, 1.0], "weight")
    for mode, ground in (("light", 255), ("dark", 27)):
        theme().set_mode(mode)  # type: ignore[arg-type]
        colours = scale.colours([1e-3, 1.0]).astype(int)
        far = np.abs(colours.mean(axis=1) - ground)
        assert far[1] > far[0]
        np.testing.assert_array_equal(colours[1], scale.table()[-1])
    theme().set_mode("light")


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_a_balanced_scale_has_zero_in_its_middle(values: list[float]) -> None:
    scale = Scale.balanced(values, "share", "nat")
    assert scale.low == -scale.high
    np.testing.assert_allclose(scale.shares([0.0]), 0.5)
    v = np.array(values)
    np.testing.assert_allclose(scale.shares(v) + scale.shares(-v), 1.0)


def test_the_bar_names_its_ends_with_unit(qtbot: QtBot) -> None:
    bar = ScaleBar()
    qtbot.addWidget(bar)
    bar.set_scale(Scale.log([0.003, 0.4], "weight, layer 1, head 2"))
    assert "logarithmic" in bar.accessibleName()
    assert [text for _, text in bar.scale.ticks()] == ["0.002", "0.01", "0.1", "0.5"]
    bar.set_scale(None)
    assert bar.isHidden()


def test_heads_are_chosen_by_click_and_arrows(qtbot: QtBot) -> None:
    view = HeadsView()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.set_maps(explained().attention)
    chosen: list[tuple[str, int]] = []
    view.chosen.connect(lambda layer, head: chosen.append((layer, head)))
    at = view.place(view.cells[3]).center().toPoint()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
    qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    qtbot.keyClick(view, Qt.Key.Key_Left)  # there is no further head
    assert chosen == [("pooling", 2), ("layer 1", 2), ("layer 1", 1)]
    assert "mean entropy 0.700 of at most 1.099 nat (64 %)" in view.accessibleDescription()


def test_a_histogram_counts_every_positive_weight() -> None:
    counts = histogram(np.array([[1.0, 0.0], [1e-6, 0.011]]), -2)
    assert counts.sum() == pytest.approx(1)
    assert counts[-1] == pytest.approx(1 / 3)
    assert counts[0] == pytest.approx(2 / 3)  # 0.011, and what lies below the axis


def test_bars_are_clicked_and_marked(qtbot: QtBot) -> None:
    view = BarsView()
    qtbot.addWidget(view)
    view.set_bars([Bar("a", 0.5, (0,), 0.1), Bar("b", -0.2, (1, 2))], Scale.balanced([1], "x"))
    view.resize(300, 60)
    seen: list[int] = []
    view.clicked.connect(seen.append)
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(20, 30))
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert seen == [1, 0]
    view.mark_atoms((2,))
    assert view._marked == {1}
    view.grab()


def test_the_limit_is_read_and_its_turn_is_said(qtbot: QtBot) -> None:
    plot = LimitPlot()
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    ready = limit()
    plot.set_curves(ready.factors, ready.curves, ["CGNN"])
    plot.show()
    qtbot.waitExposed(plot)
    moved: list[float] = []
    plot.moved.connect(moved.append)
    box = plot.getPlotItem().getViewBox()
    at = plot.mapFromScene(box.mapViewToScene(box.viewRect().center()))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert moved == [pytest.approx(2.0, abs=0.05)]
    assert turning_words(ready.curves[0], ready.factors).startswith("trivial (NLC) from r = 1.6")
