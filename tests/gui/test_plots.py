"""The redraw clock, learning curves and the confusion matrix."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from crystalgui.core.datasets.hamiltonians.dataset import CLASSES
from crystalgui.core.messages import ConfusionReady, EpochMetrics, StepMetrics
from crystalgui.gui.plots.clock import FrameClock, clock
from crystalgui.gui.plots.confusion import ConfusionPlot
from crystalgui.gui.plots.curves import CurvesPlot
from crystalgui.gui.plots.matrix import complex_rgba, hues
from crystalgui.gui.plots.points import PhaseCloud
from crystalgui.gui.state.curves import Curves, Series
from crystalgui.gui.theme import PHASE_COLOURS, theme


class Counter(QWidget):
    """Counts its redraws."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.drawn = 0
        self.seconds = seconds

    def redraw(self) -> None:
        self.drawn += 1
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass


@pytest.fixture
def frame_clock(qtbot: QtBot) -> FrameClock:
    return FrameClock()


def test_many_marks_are_one_redraw_and_the_timer_rests(
    qtbot: QtBot, frame_clock: FrameClock
) -> None:
    plot = Counter()
    qtbot.addWidget(plot)
    plot.show()
    for _ in range(100):
        frame_clock.mark(plot)
    assert frame_clock.running
    qtbot.waitUntil(lambda: not frame_clock.running)
    assert plot.drawn == 1


def test_hidden_plots_are_not_drawn_and_do_not_keep_the_timer(
    qtbot: QtBot, frame_clock: FrameClock
) -> None:
    hidden, seen = Counter(), Counter()
    for plot in (hidden, seen):
        qtbot.addWidget(plot)
    seen.show()
    frame_clock.mark(hidden)
    assert not frame_clock.running
    frame_clock.mark(seen)
    qtbot.waitUntil(lambda: not frame_clock.running)
    assert (hidden.drawn, seen.drawn) == (0, 1)
    assert frame_clock.is_dirty(hidden)
    hidden.show()
    frame_clock.mark(hidden)
    qtbot.waitUntil(lambda: hidden.drawn == 1)


def test_slow_plots_are_spread_over_frames(qtbot: QtBot, frame_clock: FrameClock) -> None:
    plots = [Counter(0.012) for _ in range(3)]
    for plot in plots:
        qtbot.addWidget(plot)
        plot.show()
        frame_clock.mark(plot)
    frame_clock._tick()
    assert sum(p.drawn for p in plots) == 1
    qtbot.waitUntil(lambda: all(p.drawn == 1 for p in plots))


def test_a_plot_that_is_gone_is_forgotten(qtbot: QtBot, frame_clock: FrameClock) -> None:
    plot = Counter()
    plot.show()
    frame_clock.mark(plot)
    plot.close()
    del plot
    qtbot.waitUntil(lambda: not frame_clock.running)


def test_the_application_has_one_clock(qtbot: QtBot) -> None:
    assert clock() is clock()


# ------------------------------------------------------------------ series


def test_series_grow_smooth_and_keep_nan_apart() -> None:
    series = Series(0.5)
    values = [4.0, 2.0, math.nan, 1.0, math.inf]
    series.extend(enumerate(values))
    assert series.y.tolist() == [4.0, 2.0, 1.0]
    assert series.x.tolist() == [0.0, 1.0, 3.0]
    assert series.holes == [2.0, 4.0]
    # weights 1/2 and 1/4 divided by their sum: the empty past does not count
    assert series.smooth[0] == pytest.approx(4.0)
    assert series.smooth[1] == pytest.approx((0.25 * 4 + 0.5 * 2) / 0.75)


def test_series_hold_a_million_points_in_order() -> None:
    series = Series(0.9)
    series.extend((float(i), float(i % 7)) for i in range(100_000))
    assert len(series) == 100_000
    assert np.array_equal(series.x, np.arange(100_000.0))
    series.truncate(49_999.0)
    assert len(series) == 50_000
    again = Series(0.9)
    again.extend((float(i), float(i % 7)) for i in range(50_000))
    assert np.array_equal(series.smooth, again.smooth)


def test_a_resumed_run_goes_back_before_it_goes_on() -> None:
    curves = Curves()

    def step(epoch: float, loss: float) -> None:
        curves.add_step(
            StepMetrics(run_id="r", step=0, epoch=epoch, loss=loss, samples_per_second=1.0)
        )

    def end(epoch: int, loss: float) -> None:
        curves.add_epoch(EpochMetrics(run_id="r", epoch=epoch, values={"val/loss": loss}))

    for epoch in (1, 2, 3):
        step(epoch - 0.5, 1.0)
        step(epoch, 1.0)
        end(epoch, float(epoch))
    step(2.5, 9.0)
    end(3, 30.0)
    assert curves.steps.x.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 2.5]
    assert curves.series("val/loss").y.tolist() == [1.0, 2.0, 30.0]


def test_a_confusion_matrix_of_the_same_epoch_is_replaced() -> None:
    curves = Curves()
    for epoch in (1, 2, 2):
        curves.add_confusion(
            ConfusionReady(
                run_id="r", epoch=epoch, split="validation", classes=("a",), counts=((epoch,),)
            )
        )
    assert [t.epoch for t in curves.confusions["validation"]] == [1, 2]


# ------------------------------------------------------------------- plots


def _plot(qtbot: QtBot, n: int = 50) -> tuple[CurvesPlot, Series]:
    series = Series(0.9)
    series.extend((i / 10, 2.0 + math.sin(i)) for i in range(n))
    plot = CurvesPlot(y="loss")
    qtbot.addWidget(plot)
    plot.resize(400, 260)
    plot.set_curve("a", series, "#0072b2", "training")
    plot.show()
    qtbot.waitUntil(lambda: not clock().running)
    return plot, series


def test_curves_follow_their_series(qtbot: QtBot) -> None:
    plot, series = _plot(qtbot)
    curve = plot._curves["a"]
    assert len(curve.raw.xData) == 50
    series.append(9.0, 1.0)
    plot.mark()
    qtbot.waitUntil(lambda: len(curve.raw.xData) == 51)
    assert len(curve.smooth.xData) == 51
    plot.set_smooth(False)
    qtbot.waitUntil(lambda: not clock().running)
    assert len(curve.smooth.xData or ()) == 0
    plot.remove_curve("a")
    assert plot.keys == ()


def test_log_scale_leaves_out_what_has_no_logarithm(qtbot: QtBot) -> None:
    plot, series = _plot(qtbot)
    series.append(6.0, 0.0)
    series.append(7.0, -1.0)
    plot.set_log(True)
    qtbot.waitUntil(lambda: not clock().running)
    assert len(plot._curves["a"].raw.xData) == 50
    plot.set_log(False)
    qtbot.waitUntil(lambda: not clock().running)
    assert len(plot._curves["a"].raw.xData) == 52


def test_nan_is_marked(qtbot: QtBot) -> None:
    plot, series = _plot(qtbot)
    series.append(7.0, math.nan)
    plot.mark()
    qtbot.waitUntil(lambda: not clock().running)
    x, _ = plot._curves["a"].holes.getData()
    assert x.tolist() == [7.0]


def test_a_million_points_are_drawn_within_a_frame(qtbot: QtBot) -> None:
    plot, _ = _plot(qtbot)
    series = Series(0.9)
    n = 1_000_000
    series._data = np.stack([np.linspace(0, 30, n), np.random.default_rng(0).random(n), np.ones(n)])
    series._size = n
    plot.set_curve("b", series, "#d55e00", "million")
    plot.redraw()
    plot.grab()
    times = []
    for i in range(5):
        series._size = n - 5 + i
        start = time.thread_time()
        plot.redraw()
        plot.grab()
        times.append(time.thread_time() - start)
    assert min(times) < 0.05


def test_curves_are_exported_as_vectors_and_pictures(qtbot: QtBot, tmp_path: Path) -> None:
    plot, _ = _plot(qtbot)
    for suffix, magic in ((".pdf", b"%PDF"), (".svg", b"<?xml"), (".png", b"\x89PNG")):
        path = tmp_path / f"curve{suffix}"
        plot.save(path)
        assert path.read_bytes().startswith(magic)
    assert b"<path" in (tmp_path / "curve.svg").read_bytes()


def test_plots_follow_the_theme(qtbot: QtBot) -> None:
    plot, _ = _plot(qtbot)
    try:
        theme().set_mode("dark")
        assert plot.backgroundBrush().color().name() == theme().tokens.surface
    finally:
        theme().set_mode("light")
    assert plot.backgroundBrush().color().name() == theme().tokens.surface


# --------------------------------------------------------------- confusion


@pytest.fixture
def matrix(qtbot: QtBot) -> ConfusionPlot:
    plot = ConfusionPlot()
    qtbot.addWidget(plot)
    plot.resize(420, 300)
    plot.set_matrix(("a", "b", "c"), ((8, 1, 1), (0, 5, 5), (0, 0, 0)))
    plot.show()
    return plot


def test_cells_are_per_cent_of_the_true_class(matrix: ConfusionPlot) -> None:
    assert matrix.percent().tolist() == [[80, 10, 10], [0, 50, 50], [0, 0, 0]]
    assert matrix.trace == pytest.approx(130.0)
    assert "a: 80.0 % right" in matrix.accessibleDescription()


def test_a_click_names_true_and_predicted_class(qtbot: QtBot, matrix: ConfusionPlot) -> None:
    centre = matrix.cell_rect(1, 2).center().toPoint()
    with qtbot.waitSignal(matrix.cell_clicked) as clicked:
        qtbot.mouseClick(matrix, Qt.MouseButton.LeftButton, pos=centre)
    assert clicked.args == ["b", "c"]
    assert matrix.cell_at(QPoint(0, 0)) is None


def test_cells_are_reached_by_keyboard(qtbot: QtBot, matrix: ConfusionPlot) -> None:
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right):
        qtbot.keyClick(matrix, key)
    with qtbot.waitSignal(matrix.cell_clicked) as clicked:
        qtbot.keyClick(matrix, Qt.Key.Key_Return)
    assert clicked.args == ["b", "c"]


def test_the_share_is_what_shades_a_cell(matrix: ConfusionPlot) -> None:
    image = matrix.grab().toImage()
    ratio = image.devicePixelRatio()

    def lightness(row: int, column: int) -> float:
        corner = matrix.cell_rect(row, column).topLeft()
        return image.pixelColor(
            round((corner.x() + 8) * ratio), round((corner.y() + 8) * ratio)
        ).lightnessF()

    assert lightness(0, 0) < lightness(1, 1) < lightness(0, 1) < lightness(1, 0)


def test_clouds_draw_the_rare_phase_last_and_in_its_colour(qtbot: QtBot) -> None:
    cloud = PhaseCloud()
    qtbot.addWidget(cloud)
    cloud.resize(400, 300)
    cloud.show()
    rng = np.random.default_rng(1)
    kind = np.array([0] * 50 + [1] * 20 + [2] * 2)
    x, y = rng.normal(size=(2, 72))
    cloud.set_points(x, y, kind, CLASSES, np.arange(72) + 1000, str)
    qtbot.waitUntil(lambda: not clock().running)
    cloud.getPlotItem().getViewBox().updateAutoRange()
    depth = [c.zValue() for c in cloud._clouds]
    assert depth[0] < depth[1] < depth[2]
    ink = cloud._clouds[2].opts["brush"].color().name()
    assert ink == PHASE_COLOURS["weyl"]
    at = cloud.getPlotItem().getViewBox().mapViewToScene(QPointF(x[71], y[71]))
    assert cloud.under(at) == 1071
    cloud.set_log(True)
    cloud.redraw()


def test_hue_is_argument_and_opacity_modulus() -> None:
    values = np.array([[1.0, 1j], [-0.5, -0.25j]])
    rgba = complex_rgba(values, 1.0)
    assert rgba[..., 3].tolist() == [[255, 255], [128, 64]]
    apart = {tuple(c) for c in rgba[..., :3].reshape(-1, 3).tolist()}
    assert len(apart) == 4
    # -1 from above and from below are the same hue
    step = np.abs(hues()[0].astype(int) - hues()[-1].astype(int)).max()
    assert step <= 4
    assert complex_rgba(values, 0.0)[..., 3].max() == 0
