"""Attention seen to move: a free-attention extractor trained on images through the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox

from crystalgui.gui.panels.runs import RunsPanel
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.importing import ImportDialog
from tests.e2e.desk import Desk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SIDE, EPOCHS = 10, 4
SETTINGS = {"kind": "free", "halvings": 1, "depth": 1, "width": 6, "basis": 6, "wide": 12,
            "whole": False, "floor": 0.0}  # fmt: skip


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """Images of lying and of standing stripes anywhere: 160 to train, 40 to test."""
    rng = np.random.default_rng(5)
    for part, count in (("train", 80), ("test", 20)):
        for name in ("lying", "standing"):
            folder = tmp_path / "stripes" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                image = rng.uniform(0, 60, (SIDE, SIDE))
                image[rng.integers(SIDE)] += 180
                turned = image if name == "lying" else image.T
                Image.fromarray(turned.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "stripes"


def _import(desk: Desk, folder: Path) -> TrainPanel:
    page = desk.page("train")
    assert isinstance(page, TrainPanel)

    def fill(dialog: object) -> None:
        assert isinstance(dialog, ImportDialog)
        dialog.source.setText(str(folder))
        dialog.name.setText("stripes")
        ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
        QTest.mouseClick(ok, Qt.MouseButton.LeftButton)

    desk.answer(fill)
    desk.click(page.setup.data.import_button)
    desk.wait(lambda: page.setup.data.current is not None, 90, "the data set")
    return page


def _set_up(desk: Desk, page: TrainPanel) -> None:
    setup = page.setup
    setup.model_choice.setCurrentIndex(setup.model_choice.findData("extractor"))
    assert setup.model_choice.currentData() == "extractor"
    desk.wait(lambda: setup.network.diagram is not None, 10, "the diagram")
    before = setup.network.diagram
    for name, value in SETTINGS.items():
        setup.params.set_value(name, value)
        setup.params.edited.emit(name)
    assert setup.network.diagram != before, "the diagram follows the form"
    assert f"1 · {SIDE}×{SIDE}" in setup.network.view.words(90.0, 52.0)
    for name, value in (("epochs", EPOCHS), ("batch_size", 16), ("learning_rate", 0.02)):
        setup.training.editor(name).setValue(value)
    setup.split.editor("validation").setValue(0.25)


def test_attention_moves_while_a_network_is_trained(desk: Desk, stripes: Path) -> None:
    page = _import(desk, stripes)
    data = page.setup.data.current
    assert data is not None
    assert (data.kind, data.size, data.shape) == ("images", 200, (1, SIDE, SIDE))
    _set_up(desk, page)
    desk.click(page.setup.train_button)
    run = page.live.run
    assert run is not None
    desk.wait(lambda: bool(page.live.monitors.attention), 120, "attention before training")
    desk.wait(page.live.inside.attention.isVisible, 10, "the attention card")
    desk.wait(lambda: run.status == "done", 180, "the end of training")
    kept = page.live.monitors
    assert [r.epoch for r in kept.attention] == list(range(EPOCHS + 1))
    assert [r.epoch for r in kept.gradients] == list(range(EPOCHS + 1))
    first, last = kept.attention[0], kept.attention[-1]
    assert last.samples == 40
    moved = np.abs(np.array(last.mean) - first.mean)
    assert moved.max() > 0.02, f"attention did not move: {first.mean} to {last.mean}"
    inside = page.live.inside
    desk.wait(lambda: f"epoch {EPOCHS}" in inside.attention.title, 10, "the last epoch")
    assert inside.attention.plot.reading is last
    assert inside.history.plot.values.shape == (len(last.layers), EPOCHS + 1)
    assert inside.gradients.words.text()
    # an epoch that was chosen on the map is shown by all cards
    inside.history.plot.setFocus()
    QTest.keyClick(inside.history.plot, Qt.Key.Key_Left)
    assert f"epoch {EPOCHS - 1}" in inside.attention.title
    assert inside.gradients.subtitle == f"epoch {EPOCHS - 1}"
    # what was kept is on the Runs page as well
    desk.wait(lambda: run.stored is not None, 30, "the stored run")
    assert run.folder is not None
    assert (run.folder / "monitors.jsonl").is_file()
    runs = desk.page("runs")
    assert isinstance(runs, RunsPanel)
    desk.wait(lambda: runs.proxy.rowCount() == 1, 30, "the list of runs")
    runs.view.selectRow(0)
    desk.click(runs.details_button)
    details = runs.details.inside.attention
    desk.wait(lambda: details.isVisibleTo(runs) and "epoch" in details.title, 20, "its inside")
