"""What is seen inside a network: attention by read-out, its history, the meter of gradients."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Card, Param
from crystalgui.core.messages import (
    AttentionReady,
    DatasetSummary,
    EpochMetrics,
    GradientsReady,
    RunCreated,
    Spread,
    Started,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.reports.saturation import numbers
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.runs import RunsPanel
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.plots.attention import AttentionPlot, Reach, bottom, ceiling, measured
from crystalgui.gui.plots.gradients import GradientPlot, decades
from crystalgui.gui.plots.history import HistoryPlot
from crystalgui.gui.plots.layers import borders, ticks
from crystalgui.gui.session import Session
from crystalgui.gui.state.monitors import (
    Monitors,
    full_name,
    gradient_verdict,
)
from crystalgui.gui.theme import theme
from tests.gui.sessions import CLASSES, PlayedEngine

READS = ("0 input", "1 conv", "2 conv", "3 pool")
STAGES = READS[1:]
FREE = Card(
    name="free",
    title="Free attention",
    tasks=("classification",),
    inputs="image",
    paper="Bird (2023)",
    params=(Param(name="floor", label="Least attention", default=0.0, maximum=0.9),),
    presets={"small": {}},
    taps=("attention",),
)


def attention(
    epoch: int, means: tuple[float, ...] = (0.5, 0.4, 0.3, 0.2), *, floor: float = 0.0
) -> AttentionReady:
    """A reading in which means of 0 and 1 are saturated."""
    stuck = tuple(m in (floor, 1.0) for m in means)
    spread = tuple(0.0 if s else 0.05 for s in stuck)
    return AttentionReady(
        run_id="r1",
        epoch=epoch,
        layers=READS[: len(means)],
        mean=means,
        std=spread,
        quantiles=tuple(
            tuple(m + k * s for k in (-2, -1, 0, 1, 2)) for m, s in zip(means, spread, strict=True)
        ),
        saturated=stuck,
        samples=1250,
        floor=floor,
        least=floor,
    )


HEADS = tuple(f"{layer}, head {head}" for layer in ("layer 1", "pooling") for head in (1, 2))


def heads(
    epoch: int,
    entropies: tuple[float, ...] = (0.9, 0.95, 0.97, 0.96),
    *,
    least: float = 1e-4,
    alike: bool = False,
    lost: float = 0.0,
) -> AttentionReady:
    """A reading of four heads whose weights span decades."""
    some = (0.2,) * 4
    bands = tuple(tuple(e + k / 100 for k in (-4, -2, 0, 1, 2)) for e in entropies)
    return AttentionReady(
        run_id="r1", epoch=epoch, layers=HEADS, mean=some, std=some, saturated=(False,) * 4,
        quantiles=((least, 1e-2, 0.1, 0.3, 0.6),) * 4, samples=35, measure="heads",
        entropy=Spread(mean=entropies, std=some, quantiles=bands),
        single=(False,) * 4, alike=(False, False, alike, alike), lost=(lost,) * 4,
    )  # fmt: skip


def gradients(
    epoch: int,
    norm: tuple[float, ...] = (1e-3, 2e-3, 3e-3),
    same: tuple[float, ...] = (0.5, 0.4, 0.3),
) -> GradientsReady:
    return GradientsReady(
        run_id="r1", epoch=epoch, layers=STAGES, norm=norm, homogeneous=same, alike=(0.2, 0.3, 0.9)
    )


# -------------------------------------------------------------------- state


def test_a_resumed_run_repeats_its_epochs_once() -> None:
    found = Monitors()
    for epoch in range(5):
        found.add(attention(epoch))
    found.add(attention(3, (0.9, 0.1, 0.1, 0.1)))
    assert found.epochs == [0, 1, 2, 3]
    assert found.attention_at(3) is found.attention[-1]
    assert found.attention[-1].mean[0] == 0.9


def test_what_the_store_kept_goes_before_what_came_live() -> None:
    found = Monitors()
    live = attention(2, (0.9, 0.1, 0.1, 0.1))
    found.add(live)
    found.fill([attention(0), gradients(0), attention(1), attention(2)])
    assert [r.epoch for r in found.attention] == [0, 1, 2]
    assert found.attention[-1] is live
    assert [r.epoch for r in found.gradients] == [0]
    assert found.gradients_at(2) is found.gradients[0]


def test_the_history_is_a_matrix_of_layers_and_epochs() -> None:
    found = Monitors()
    for epoch in (0, 1, 3):
        found.add(attention(epoch, (0.1 * epoch, 0.2, 0.3, 0.4)))
        found.add(gradients(epoch))
    epochs, values, names = found.history("attention")
    assert epochs.tolist() == [0, 1, 3]
    assert names == READS
    np.testing.assert_allclose(values[0], [0.0, 0.1, 0.3])
    assert found.history("size")[1].shape == (3, 3)
    np.testing.assert_allclose(found.history("share")[1][:, 0], [0.5, 0.4, 0.3])
    assert Monitors().history("share")[1].shape == (0, 0)


def test_numbers_go_to_csv() -> None:
    found = Monitors()
    found.add(attention(0))
    found.add(attention(1, (0.0, 0.4, 0.3, 1.0)))
    found.add(gradients(1))
    rows = list(csv.DictReader(io.StringIO(found.attention_csv())))
    assert len(rows) == 8
    assert rows[4]["layer"] == "0 input"
    assert [row["saturated"] for row in rows[4:]] == ["1", "0", "0", "1"]
    assert float(rows[1]["q95"]) == pytest.approx(0.5)
    (first, *_) = csv.DictReader(io.StringIO(found.gradients_csv()))
    assert (first["layer"], float(first["homogeneous"])) == ("1 conv", 0.5)


def test_numbers_of_heads_go_to_csv() -> None:
    found = Monitors()
    found.add(heads(0))
    found.add(heads(1, (0.5, 0.6, 1.0, 0.999), alike=True, lost=0.25))
    rows = list(csv.DictReader(io.StringIO(found.attention_csv())))
    assert [row["layer"] for row in rows[4:]] == list(HEADS)
    assert [float(row["entropy_mean"]) for row in rows[4:]] == [0.5, 0.6, 1.0, 0.999]
    assert [(row["alike"], row["single"], row["lost"]) for row in rows[5:7]] == [
        ("0", "0", "0.25"), ("1", "0", "0.25")
    ]  # fmt: skip
    assert float(rows[0]["entropy_q05"]) == pytest.approx(0.86)
    assert {row["measure"] for row in rows} == {"heads"}
    epochs, values, names = found.history("attention")
    assert (epochs.tolist(), names) == ([0, 1], HEADS)
    np.testing.assert_allclose(values[:, 1], [0.5, 0.6, 1.0, 0.999])  # not the weights


def test_gradients_are_judged_in_words() -> None:
    said, role = gradient_verdict(gradients(1, norm=(1e-6, 1e-4, 1e-2)))
    assert "vanishing" in said
    assert "1/10,000" in said
    assert role == "warn"
    assert "exploding" in gradient_verdict(gradients(1, norm=(1.0, 0.1, 1e-4)))[0]
    said, _ = gradient_verdict(gradients(1, same=(0.95, 0.99, 0.2)))
    assert "Diffused: the gradient in layers 1 and 2" in said
    said, role = gradient_verdict(gradients(1, same=(0.5, float("nan"), 0.3)))
    assert (said[:4], role) == ("40 %", "muted")
    assert "No gradient" in gradient_verdict(gradients(1, norm=(0.0, 0.0, 0.0)))[0]
    assert gradient_verdict(None) == ("", "muted")


def test_layers_are_called_by_their_own_numbers() -> None:
    assert numbers(STAGES) == ("1", "2", "3")
    assert numbers(("first", "second")) == ("0", "1")
    assert numbers(("1 conv", "1 pool")) == ("0", "1")
    assert full_name(STAGES, 2) == "3 pool"
    assert full_name(("first", "second"), 1) == "1  second"
    assert full_name(HEADS, 2) == "pooling, head 1"
    assert ticks(HEADS, 3) == [(0.5, "layer 1"), (2.5, "pooling")]
    assert borders(HEADS) == [1.5]
    assert ticks(STAGES, 2) == [(0, "1"), (2, "3")]
    assert borders(STAGES) == []


# -------------------------------------------------------------------- plots


def test_the_distribution_is_drawn_and_read(qtbot: QtBot) -> None:
    plot = AttentionPlot()
    qtbot.addWidget(plot)
    plot.resize(500, 240)
    plot.show()
    plot.set_reading(attention(2, (0.0, 0.4, 0.3, 0.2)), attention(0))
    plot.redraw()
    assert "0 input: 0.00 ± 0.00" in plot.accessibleDescription()
    box = plot.getPlotItem().getViewBox()
    assert plot.words(0).endswith("saturated")
    spot = plot.mapFromScene(box.mapViewToScene(QPointF(1, 0.5)))
    qtbot.mouseMove(plot.viewport(), spot)
    qtbot.waitUntil(lambda: plot.readout.startswith("1 conv   0.400 ± 0.050"))
    picture = plot.grab().toImage()
    places = [plot.mapFromScene(box.mapViewToScene(QPointF(x, 0.8))) for x in (0, 1)]
    shades = [picture.pixelColor(place) for place in places]
    assert shades[0].red() > shades[0].blue() + 10, "a saturated read-out stands out"
    assert shades[0] != shades[1]
    plot.set_quantiles(False)
    plot.redraw()
    assert not plot.bands
    theme().set_mode("dark")
    theme().set_mode("light")


def test_the_ordinate_leaves_room_and_stays_within_one() -> None:
    assert ceiling(0.06) == 0.1
    assert ceiling(0.3) == 0.4
    assert ceiling(0.99) == ceiling(1.0) == 1.0


def test_heads_are_drawn_by_entropy_and_by_weight(qtbot: QtBot) -> None:
    plot = AttentionPlot()
    qtbot.addWidget(plot)
    plot.resize(500, 240)
    plot.show()
    readings = [heads(0), heads(2, alike=True, lost=0.25)]
    plot.set_reading(readings[1], readings[0], Reach.of(readings, "entropy"), "entropy")
    plot.redraw()
    assert plot.reach == Reach(0.8, 1.0)
    np.testing.assert_allclose(plot._mean.getData()[1], [0.9, 0.95, 0.97, 0.96])
    assert "pooling, head 2: 0.96" in plot.accessibleDescription()
    assert plot.words(0).startswith("layer 1, head 1   entropy 0.90, 5–95 %: 0.86 to 0.92")
    assert plot.words(0).endswith("25 % on padding")
    assert plot.words(3).endswith("as a mean")
    assert plot.getAxis("left").labelText == "relative entropy"
    plot.set_reading(readings[1], readings[0], Reach.of(readings, "weights"), "weights")
    plot.redraw()
    assert plot.reach.log
    assert plot.reach.at(0.1) == -1
    np.testing.assert_allclose(plot._mean.getData()[1], np.log10([0.2] * 4))
    assert plot.getAxis("left").labelText == "softmax weight"
    near = [heads(0, least=0.2)]
    assert not Reach.of(near, "weights").log
    plot.set_reading(attention(1), None)
    plot.redraw()
    assert plot.getAxis("left").labelText == ""
    assert plot.getAxis("bottom").labelText == "read-out"


def test_the_ordinate_says_what_is_measured() -> None:
    sigmoid, softmax = (replace(attention(1), measure=word) for word in ("sigmoid", "softmax"))
    assert measured(sigmoid, "entropy") == "sigmoid weight"
    assert measured(softmax, "weights") == "softmax weight"
    assert measured(attention(1), "entropy") == measured(None, "entropy") == ""
    assert (bottom(0.3), bottom(0.6), bottom(0.995)) == (0.0, 0.5, 0.99)


def test_an_epoch_is_chosen_on_the_map_by_mouse_and_keys(qtbot: QtBot) -> None:
    plot = HistoryPlot()
    qtbot.addWidget(plot)
    plot.resize(420, 260)
    plot.show()
    values = np.linspace(0, 1, 16).reshape(4, 4)
    epochs = np.array([0, 1, 2, 4])
    plot.set_history(epochs, values, READS, limits=(0.0, 1.0), until=8, noun="mean")
    plot.redraw()
    chosen: list[int] = []
    plot.epoch_chosen.connect(chosen.append)
    box = plot.getPlotItem().getViewBox()

    def at(x: float, y: float) -> object:
        return plot.mapFromScene(box.mapViewToScene(QPointF(x, y)))

    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=at(1, 2.5))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=at(3, 2.5))  # never looked at
    assert chosen == [1]
    plot.choose(2)
    qtbot.keyClick(plot, Qt.Key.Key_Left)
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert chosen == [1, 1, 4]
    picture = plot.grab().toImage()
    low, high = (picture.pixelColor(at(x, 0.5 + x * 0.75)) for x in (0, 4))
    assert low.lightness() < high.lightness(), "more attention is lighter"
    hole = picture.pixelColor(at(3, 1.5))
    assert hole == picture.pixelColor(at(7, 1.5)), "an epoch without a reading stays empty"


def test_the_meter_shows_shares_sizes_and_kernels(qtbot: QtBot) -> None:
    plot = GradientPlot()
    qtbot.addWidget(plot)
    plot.resize(420, 240)
    plot.show()
    plot.set_reading(gradients(3, same=(0.5, float("nan"), 1.0)), gradients(0))
    plot.redraw()
    assert plot.words(0) == "1 conv   rms 0.001   50 % the same   kernels 0.20"
    assert "the same" not in plot.words(1)
    same = plot._low.opts["height"]
    np.testing.assert_allclose(same, [0.5, 1.0])
    np.testing.assert_allclose(plot._high.opts["height"], [0.5, 0.0])
    plot.set_view("size")
    plot.redraw()
    assert not plot._low.isVisible()
    assert len(plot._size.getOriginalDataset()[1]) == len(plot._old.getOriginalDataset()[1]) == 3
    plot.set_view("kernels")
    plot.redraw()
    np.testing.assert_allclose(plot._low.opts["height"], [0.2, 0.3, 0.9])


def test_ticks_of_sizes_do_not_crowd() -> None:
    assert [text for _, text in decades(-4.6, -2.8)] == ["5e−5", "1e−4", "2e−4", "5e−4", "1e−3"]
    assert len(decades(-30.0, 2.0)) <= 9
    assert decades(-1.0, 2.1) == [(-1, "1e−1"), (0, "1e0"), (1, "1e1"), (2, "1e2")]


# ------------------------------------------------------------ the Watch room


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> TrainPanel:
    session, _ = played
    folder = session.project.folder
    data = DatasetSummary(
        name="digits",
        folder=folder / "digits",
        task="classification",
        target="class",
        size=500,
        classes=CLASSES,
        counts=(100,) * 5,
        kind="images",
        shape=(1, 8, 8),
    )
    with Project.open(folder) as project:
        project.register_dataset(data)
    session.project.set_catalogue((FREE,), [], (("cpu", "CPU"),))
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 900)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and bool(session.project.datasets))
    return panel


def _train(qtbot: QtBot, page: TrainPanel, engine: PlayedEngine) -> None:
    qtbot.mouseClick(page.setup.train_button, Qt.MouseButton.LeftButton)
    job = engine.jobs[-1]
    assert isinstance(job, TrainJob)
    engine.send(Started(title="Train"), RunCreated(run_id="r1", folder=job.project / "r1"))


def _epoch(engine: PlayedEngine, epoch: int, *means: float) -> None:
    values = {"train/loss": 1.0, "val/loss": 1.1, "val/accuracy": 0.4}
    engine.send(EpochMetrics(run_id="r1", epoch=epoch, values=values))
    engine.send(attention(epoch, tuple(means)), gradients(epoch))


def test_attention_and_gradients_come_live(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    live, inside = page.live, page.live.inside
    assert not inside.attention.isVisible()
    assert live.metric.isVisible()
    engine.send(attention(0), gradients(0))
    qtbot.waitUntil(lambda: "before training" in inside.attention.title)
    qtbot.waitUntil(inside.gradients.isVisible)
    assert inside.history.isVisible()
    assert live.loss.isVisible()
    assert not live.metric.isVisible(), "the metric shares the place of the loss"
    qtbot.mouseClick(live.loss.swap, Qt.MouseButton.LeftButton)
    assert live.metric.isVisible()
    assert not live.loss.isVisible()
    _epoch(engine, 1, 0.7, 0.2, 0.3, 0.2)
    _epoch(engine, 2, 0.4, 0.8, 0.3, 0.2)
    qtbot.waitUntil(lambda: inside.attention.title == "Attention, epoch 2")
    assert inside.attention.subtitle == "1,250 samples · dashed: before training"
    assert inside.history.plot.values.shape == (4, 3)
    assert inside.gradients.subtitle == "epoch 2"
    assert "40 %" in inside.gradients.words.text()


def test_a_chosen_epoch_stays_until_the_newest_is_wanted(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    inside = page.live.inside
    for epoch in (1, 2, 3):
        _epoch(engine, epoch, 0.1 * epoch, 0.2, 0.3, 0.2)
    qtbot.waitUntil(lambda: inside.attention.title.endswith("epoch 3"))
    inside.history.plot.epoch_chosen.emit(2)
    assert inside.attention.title.endswith("epoch 2")
    assert inside.gradients.subtitle == "epoch 2"
    _epoch(engine, 4, 0.9, 0.2, 0.3, 0.2)
    qtbot.waitUntil(lambda: inside.history.plot.values.shape == (4, 4))
    assert inside.attention.title.endswith("epoch 2")
    qtbot.mouseClick(inside.history.newest, Qt.MouseButton.LeftButton)
    assert inside.attention.title.endswith("epoch 4")
    qtbot.mouseClick(inside.history.chips["size"], Qt.MouseButton.LeftButton)
    assert inside.history.plot.values.shape == (3, 4)
    assert inside.history.plot.limits[1] == pytest.approx(3e-3)


def test_saturation_is_said_and_its_remedy_is_one_click(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    card = page.live.inside.attention
    _epoch(engine, 1, 0.5, 0.4, 0.3, 0.2)
    qtbot.waitUntil(card.isVisible)
    assert not card.words.isVisible()
    _epoch(engine, 2, 0.0, 0.4, 0.3, 0.2)
    qtbot.waitUntil(card.words.isVisible)
    assert "Layer 0 is shut" in card.words.text()
    qtbot.mouseClick(card.raise_floor, Qt.MouseButton.LeftButton)
    assert page.setup.isVisible()
    assert page.setup.params.value("floor") == pytest.approx(0.05)


def test_heads_of_a_network_of_crystals_move_live(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    engine.send(heads(0))
    card, history = page.live.inside.attention, page.live.inside.history
    qtbot.waitUntil(card.isVisible)
    assert card.subtitle == "35 crystals"
    assert page.live.metric.isVisible(), "no gradients: the metric keeps its place"
    assert not page.live.inside.gradients.isVisible()
    assert [chip.isVisible() for chip in (card.quantiles, card.spread)] == [False, False]
    assert not card.words.isVisible()
    engine.send(heads(1, (0.5, 0.6, 1.0, 1.0), alike=True))
    qtbot.waitUntil(lambda: card.title == "Attention, epoch 1")
    assert card.plot.reading is not None
    assert card.plot.reading.entropy is not None
    assert history.plot.values.shape == (4, 2)
    assert history.chips["attention"].text() == "entropy"
    assert history.plot.limits == (0.0, 1.0)
    assert card.words.text().startswith(
        "As good as a mean, all alike in each row: heads 1 and 2 of"
    )
    assert card.words.property("role") == "muted"
    assert not card.raise_floor.isVisible()
    qtbot.mouseClick(card.views["weights"], Qt.MouseButton.LeftButton)
    assert card.plot.reach.log
    engine.send(heads(2, lost=0.75))
    qtbot.waitUntil(lambda: card.title == "Attention, epoch 2")
    assert card.subtitle.startswith("35 crystals · up to 75 % on padding")
    assert card.plot.reach.log, "what was chosen stays"
    assert not card.words.isVisible()
    card.export.write(tmp_path / "heads.csv")
    assert "entropy_q95" in (tmp_path / "heads.csv").read_text()


def test_a_network_without_attention_shows_its_gradients(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    engine.send(gradients(0))
    inside = page.live.inside
    qtbot.waitUntil(inside.gradients.isVisible)
    assert not inside.attention.isVisible()
    assert page.live.metric.isVisible()
    assert page.live.loss.isVisible()
    assert inside.history.map == "share"
    assert not inside.history.chips["attention"].isVisible()


def test_numbers_of_a_run_are_exported(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _train(qtbot, page, engine)
    card = page.live.inside.attention
    _epoch(engine, 1, 0.5, 0.4, 0.3, 0.2)
    qtbot.waitUntil(card.isVisible)
    card.export.write(tmp_path / "attention.csv")
    text = (tmp_path / "attention.csv").read_text()
    assert text.startswith("# crystalgui")
    assert "1,0 input,0.5,0.05" in text
    card.export.write(tmp_path / "attention.pdf")
    assert (tmp_path / "attention.pdf").read_bytes().startswith(b"%PDF")


def test_numbers_are_those_of_the_moment_when_they_were_asked_for(
    qtbot: QtBot,
    page: TrainPanel,
    played: tuple[Session, PlayedEngine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run goes on while the lane writes."""
    session, engine = played
    _train(qtbot, page, engine)
    inside, go = page.live.inside, Event()
    _epoch(engine, 1, 0.5, 0.4, 0.3, 0.2)
    qtbot.waitUntil(inside.gradients.isVisible)
    session.lane.run(go.wait, 60, on_answer=lambda _: None)
    cards = (inside.attention, inside.gradients)
    for card in cards:
        path = str(tmp_path / f"{type(card).__name__}.csv")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, x=path: (x, ""))
        card.export.ask()
    _epoch(engine, 2, 0.5, 0.4, 0.3, 0.2)
    qtbot.waitUntil(lambda: all("epoch 2" in c.title + c.subtitle for c in cards))
    go.set()
    qtbot.waitUntil(lambda: not session.lane.busy)
    for card in cards:
        lines = (tmp_path / f"{type(card).__name__}.csv").read_text().splitlines()
        assert any("epoch 1" in line for line in lines if line.startswith("#"))
        assert {line.partition(",")[0] for line in lines if line[0] != "#"} == {"epoch", "1"}


# ------------------------------------------------------------- stored runs


def test_a_stored_run_shows_what_it_kept(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    folder = session.project.folder
    with Project.open(folder) as project:
        recipe = TrainRecipe(model="free", dataset=folder / "digits", epochs=2, title="kept")
        run = project.create_run(recipe)
        for epoch in (0, 1, 2):
            run.append_monitor(attention(epoch, (0.1 * epoch, 0.4, 0.3, 0.2)))
            run.append_monitor(gradients(epoch))
        run.set_status("done")
    panel = RunsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 800)
    panel.show()
    qtbot.waitUntil(lambda: panel.proxy.rowCount() == 1)
    panel.show_details()
    inside = panel.details.inside
    qtbot.waitUntil(lambda: inside.attention.isVisibleTo(panel.details))
    assert inside.attention.title.endswith("epoch 2")
    assert inside.history.plot.values.shape == (4, 3)
    watch = TrainPanel(session)
    qtbot.addWidget(watch)
    watch.resize(1100, 900)
    watch.show()
    session.runs.watch(session.runs.runs[0])
    qtbot.waitUntil(watch.live.inside.attention.isVisible)
    qtbot.waitUntil(lambda: watch.live.inside.history.plot.values.shape == (4, 3))


def test_a_resumed_run_goes_on_from_what_it_kept(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    folder = session.project.folder
    with Project.open(folder) as project:
        recipe = TrainRecipe(model="free", dataset=folder / "digits", epochs=5, title="cut")
        run = project.create_run(recipe)
        run.append_metrics({"epoch": 2, "val/loss": 1.0}, best=True)
        run.write("last.safetensors", b"checkpoint")
        for epoch in (0, 1, 2, 3):  # the third epoch was looked at, but not finished
            run.append_monitor(attention(epoch, (0.1 * epoch, 0.4, 0.3, 0.2)))
        run.set_status("stopped")
    session.runs.refresh()
    qtbot.waitUntil(lambda: bool(session.runs.runs))
    view = session.runs.runs[0]
    page.resume(view)
    qtbot.waitUntil(lambda: view.alive)
    engine.send(Started(title="Train"), RunCreated(run_id=view.run_id, folder=run.folder))
    engine.send(replace(attention(3, (0.9, 0.4, 0.3, 0.2)), run_id=view.run_id))
    plot = page.live.inside.history.plot
    qtbot.waitUntil(lambda: plot.values.shape == (4, 4) and plot.values[0, 3] == 0.9)
    np.testing.assert_allclose(plot.values[0], [0.0, 0.1, 0.2, 0.9])
