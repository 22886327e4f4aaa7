"""The room of invariance on the Train page: form, live curve, bars by layer, report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF

from crystalgui.core.cards import Card, TrainedModel
from crystalgui.core.messages import (
    DatasetSummary,
    Done,
    ErrorInfo,
    Failed,
    InvarianceJob,
    InvariancePoint,
    LayerErrors,
    LogLine,
    Progress,
    Started,
)
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.invariance.page import InvariancePage
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.theme import theme
from tests.gui.sessions import CGNN, SHIPPED, tqc

EXTRACTOR = Card(
    name="extractor", title="Extractor", tasks=("classification",), inputs="image zone", paper=""
)
DIGITS = tuple("0123456789")
TRAINED = TrainedModel(
    name="free-1", family="extractor", title="Free extractor", folder="", task="classification",
    target="digit", classes=DIGITS, data="digits: 100 images",
)  # fmt: skip
POINTS = tuple(
    InvariancePoint(
        rolling=chi,
        accuracy=(0.9 - 0.05 * chi, 0.86 - 0.05 * chi),
        cost=(0.2 + chi, 0.3 + chi),
        changed=0.05 * chi,
        samples=100,
    )
    for chi in (0, 1, 4)
)
LAYERS = LayerErrors(layers=("conv 0", "pool 1", "conv 2"), error=(3e-7, 2e-7, 0.04))


def images(folder: Path, name: str = "digits") -> DatasetSummary:
    return DatasetSummary(
        name=name, folder=folder / name, task="classification", target="digit", size=100,
        classes=DIGITS, counts=(10,) * 10, kind="images",
    )  # fmt: skip


@pytest.fixture
def room(played: Any, tmp_path: Path, qtbot: Any) -> tuple[InvariancePage, Any, Any]:
    session, engine = played
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 760)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and not session.lane.busy)
    session.project.set_catalogue((CGNN, EXTRACTOR), (SHIPPED, TRAINED), (("cpu", "CPU"),), ())
    for summary in (tqc(tmp_path), images(tmp_path, "others"), images(tmp_path)):
        session.project.add_dataset(summary)
    panel.invariance_chip.click()
    return panel.invariance, engine, session


def test_it_offers_what_can_be_rolled(room: Any) -> None:
    page, _, _ = room
    asking = page.asking
    assert [asking.model.itemText(i) for i in range(asking.model.count())] == ["Free extractor"]
    # the data set that it was trained on comes first
    names = [asking.dataset.itemText(i) for i in range(asking.dataset.count())]
    assert names == ["digits", "others"]
    assert asking.run.isEnabled()
    job = asking.job()
    assert job is not None
    assert (job.model, job.rollings, job.draws) == ("free-1", (0, 1, 2, 4, 8), 4)


def test_a_model_that_can_be_tested_is_chosen_until_a_person_chooses(room: Any) -> None:
    page, _, session = room
    asking = page.asking
    newer = replace(TRAINED, name="newer", title="Newer", classes=("cat", "dog"))
    twin = replace(TRAINED, name="free-2")
    session.project.set_catalogue((EXTRACTOR,), (TRAINED, newer), (("cpu", "CPU"),), ())
    assert [asking.model.itemData(i) for i in range(2)] == ["newer", "free-1"]
    assert asking.chosen.name == "free-1"  # there are no cats and dogs
    session.project.set_catalogue((EXTRACTOR,), (TRAINED, newer, twin), (("cpu", "CPU"),), ())
    assert asking.chosen.name == "free-2"
    assert asking.model.currentText() == "Free extractor (free-2)"
    asking.model.setCurrentIndex(asking.model.findData("newer"))
    asking.model.activated.emit(asking.model.currentIndex())
    assert not asking.run.isEnabled()
    session.project.set_catalogue((EXTRACTOR,), (newer, TRAINED), (("cpu", "CPU"),), ())
    assert asking.chosen.name == "newer"


def test_degrees_that_cannot_be_read_are_said(room: Any) -> None:
    page, _, _ = room
    asking = page.asking
    asking.form.editor("rollings").setText("0, few")
    asking.form.edited.emit("rollings")
    assert not asking.run.isEnabled()
    assert "cannot be read" in asking.words.text()
    asking.form.editor("rollings").setText("4 0 4")
    asking.form.edited.emit("rollings")
    assert asking.run.isEnabled()
    assert asking.job().rollings == (0, 4)


def test_without_models_it_says_what_to_do(played: Any, qtbot: Any) -> None:
    session, _ = played
    page = InvariancePage(session)
    qtbot.addWidget(page)
    assert not page.asking.run.isEnabled()
    assert page.asking.words.text().startswith("Train a network on images")


def test_points_come_in_live_and_the_report_is_written(
    room: Any, qtbot: Any, tmp_path: Path
) -> None:
    page, engine, session = room
    page.asking.run.click()
    (job,) = [j for j in engine.jobs if isinstance(j, InvarianceJob)]
    engine.send(Started(title=job.title), Progress(done=1, total=9, text="Rolling by up to 1"))
    assert not page.asking.run.isEnabled()
    assert not page.asking.cancel.isHidden()
    engine.send(POINTS[0], POINTS[1])
    qtbot.waitUntil(lambda: not clock().running)
    assert page.rolling.plot.curves[0].x.tolist() == [0, 1]
    assert page.rolling.words.text().startswith("Rolling by up to 1")
    assert not page.asking.report.isEnabled()
    engine.send(POINTS[2], LAYERS, LogLine(text="a remark"))
    engine.end(Done())
    qtbot.waitUntil(lambda: not clock().running)
    curve = page.rolling.plot.curves[0]
    assert curve.mean.tolist() == pytest.approx([0.88, 0.83, 0.68])
    assert curve.best.tolist() == pytest.approx([0.9, 0.85, 0.7])
    assert "from 88.0% at a rolling of 0 to 68.0% at 4" in page.rolling.words.text()
    assert "conv 2: 4.0e-02" in page.layers.plot.accessibleDescription()
    assert "the first is conv 2 (0.04)" in page.layers.words.text()
    assert page.asking.run.isEnabled()
    for index in (1, 2, 0):
        page.rolling.chips[index].click()
        qtbot.waitUntil(lambda: not clock().running)
    page.write_report(tmp_path / "report")
    qtbot.waitUntil(lambda: (tmp_path / "report/invariance.pdf").is_file())
    qtbot.waitUntil(lambda: not session.lane.busy)
    text = (tmp_path / "report/invariance.json").read_text("utf-8")
    assert '"samples": 100' in text
    assert "a remark" in text
    page.rolling.export.write(tmp_path / "points.csv")
    assert "4,0.68," in (tmp_path / "points.csv").read_text("utf-8")
    page.layers.export.write(tmp_path / "layers.svg")
    assert (tmp_path / "layers.svg").is_file()


def test_a_failure_is_said_and_a_job_can_be_cancelled(room: Any) -> None:
    page, engine, _ = room
    page.asking.run.click()
    page.asking.cancel.click()
    assert engine.cancelled == [engine.jobs[-1].job_id]
    engine.end(Failed(error=ErrorInfo(title="No such model.", hint="Train one.")))
    assert page.rolling.words.text() == "No such model. Train one."
    assert page.asking.run.isEnabled()
    other = replace(POINTS[0], job_id="another")
    page._session.jobs.event.emit(other)
    assert page.rolling.plot.curves == ()


def test_the_mode_changes_with_curves_shown(room: Any, qtbot: Any) -> None:
    page, engine, _ = room
    page.asking.run.click()
    engine.send(*POINTS, LAYERS)
    engine.end(Done())
    for mode in ("dark", "light"):
        theme().install(mode)
        qtbot.waitUntil(lambda: not clock().running)


def test_the_pointer_reads_curves_and_layers(room: Any, qtbot: Any) -> None:
    page, engine, _ = room
    page.asking.run.click()
    named = replace(LAYERS, layers=("1 conv", "2 pool", "3 conv"))
    engine.send(*POINTS, named)
    engine.end(Done())
    qtbot.waitUntil(lambda: not clock().running)
    for plot, at, words in (
        (page.rolling.plot, QPointF(1.2, 0.8), "1: 0.83 ± 0.028"),
        (page.layers.plot, QPointF(2, -3), "3 conv   4.0e−02"),
    ):
        box = plot.getPlotItem().getViewBox()
        qtbot.mouseMove(plot.viewport(), plot.mapFromScene(box.mapViewToScene(at)))
        qtbot.waitUntil(lambda p=plot, w=words: p.readout == w)


def test_a_real_model_is_measured_through_the_room(
    session: Any, tmp_path: Path, qtbot: Any
) -> None:
    """A network of zones with random weights: it does not notice that its zones are rolled."""
    import torch

    from crystalgui.core.messages import CatalogueJob
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models.trained import Inference, write_model
    from crystalgui.core.store.project import Project
    from tests.models.hamiltonians import brillouin_zones

    data = brillouin_zones(tmp_path / "zones", 40)
    shape = (len(data.names),)
    params, _ = registry.settings("zone", "small", {"width": 8, "wide": 8})
    torch.manual_seed(0)
    network = registry.build("zone", 2, params, shape)
    card = TrainedModel(
        name="zones-1", family="zone", title="Zones", folder="", task="classification",
        target="phase", classes=data.summary.classes, params=params,
    )  # fmt: skip
    with Project.open(session.project.folder) as project:
        project.register_dataset(data.summary)
        folder = project.models_folder / card.name
        project.register_model(
            write_model(folder, card, Inference(shape=shape), [network.state_dict()])
        )
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 760)
    panel.show()
    page = panel.invariance
    panel.show_invariance()
    session.jobs.submit(CatalogueJob(project=session.project.folder))
    qtbot.waitUntil(lambda: page.asking.run.isEnabled())
    page.asking.choose("zones-1")
    page.asking.form.set_value("rollings", "0 3")
    page.asking.run.click()
    qtbot.waitUntil(lambda: page.state.done)
    assert [p.rolling for p in page.state.points] == [0, 3]
    assert page.rolling.words.text().startswith("Invariant: no answer changes")
    assert page.layers.words.text().startswith("This network has no layers")
    assert not page.layers.export.isEnabled()
