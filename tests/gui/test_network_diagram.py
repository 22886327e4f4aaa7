"""The diagram of the network on the model form: it follows the form, can be read and saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Scalar
from crystalgui.core.messages import DatasetSummary
from crystalgui.core.models.architecture import architecture
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.models.extractor import EXTRACTOR
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.network import NetworkCard
from crystalgui.gui.plots.diagram import DiagramView, ink
from crystalgui.gui.session import Session
from crystalgui.gui.theme import theme
from tests.gui.sessions import CGNN, PlayedEngine

PARAMS: dict[str, Scalar] = {param.name: param.default for param in EXTRACTOR.params}
FREE: dict[str, Scalar] = {**PARAMS, "kind": "free", "halvings": 1}
DIGITS = DatasetSummary(
    name="digits",
    folder=Path("digits"),
    task="classification",
    target="class",
    size=100,
    classes=tuple("0123456789"),
    counts=(10,) * 10,
    kind="images",
    shape=(1, 8, 8),
)


@pytest.fixture
def view(qtbot: QtBot) -> DiagramView:
    made = DiagramView()
    qtbot.addWidget(made)
    made.resize(900, 400)
    made.show()
    made.set_diagram(network_diagram("extractor", FREE, (1, 8, 8), 10))
    return made


def test_the_drawing_keeps_its_proportions(view: DiagramView) -> None:
    drawn = view.diagram
    assert drawn is not None
    for width in (900, 600, 300):
        view.resize(width, view.height())
        assert view.height() == round(view.scale * drawn.height)
        assert view.scale * drawn.width <= width + 1
    view.set_diagram(None)
    assert view.grab().toImage().width() == 300


def test_a_layer_is_read_under_the_pointer(qtbot: QtBot, view: DiagramView) -> None:
    drawn = view.diagram
    assert drawn is not None
    label = next(label for label in drawn.labels if label.text.startswith("conv"))
    left = (view.width() - view.scale * drawn.width) / 2
    spot = QPoint(round(left + view.scale * label.x), round(view.scale * label.y))
    qtbot.mouseMove(view, spot)
    qtbot.waitUntil(lambda: view.readout == "conv 3×3 |torus| 16 · 8×8")
    assert view.words(-5.0, -5.0) == ""


def test_parts_have_their_colours_light_and_dark(view: DiagramView) -> None:
    drawn = view.diagram
    assert drawn is not None
    shades = {}
    for mode in ("light", "dark"):
        theme().set_mode(mode)  # type: ignore[arg-type]
        picture = view.grab().toImage()
        left = (view.width() - view.scale * drawn.width) / 2
        for box in drawn.boxes:
            if box.level == "region":  # the tint below the title, right of it
                x = round(left + view.scale * (box.x + box.width - 4))
                shades[mode, box.part] = picture.pixelColor(x, round(view.scale * (box.y + 4)))
    theme().set_mode("light")
    for mode in ("light", "dark"):
        green, purple = shades[mode, "abstraction"], shades[mode, "interpretation"]
        assert green.green() > green.red()
        assert purple.blue() > purple.green()
    assert shades["light", "abstraction"].lightness() > 180
    assert shades["dark", "abstraction"].lightness() < 80
    assert ink("abstraction") != ink("interpretation")


def test_every_word_fits_its_box(view: DiagramView) -> None:
    for width in (400, 900):
        view.resize(width, view.height())
        fonts = view._letters()
        for label, box in view._held:
            if box is not None:
                taken = QFontMetricsF(fonts[box.width]).horizontalAdvance(label.text)
                assert taken <= view.scale * box.width + 1, (width, label.text)


def test_impossible_settings_are_said_and_nothing_is_drawn(qtbot: QtBot) -> None:
    card = NetworkCard()
    qtbot.addWidget(card)
    card.show_network(EXTRACTOR, FREE, replace(DIGITS, shape=(1, 2, 2, 2, 2)))
    assert card.diagram is None
    assert "cannot read inputs of shape" in card.words.text()
    assert card.words.property("role") == "warn"
    card.show_network(EXTRACTOR, FREE, DIGITS)
    assert card.diagram is not None
    assert card.words.property("role") == "muted"
    card.show_network(CGNN, {}, DIGITS)
    assert card.diagram is None
    assert card.isHidden()


def test_the_diagram_is_saved_as_it_is_drawn(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = NetworkCard()
    qtbot.addWidget(card)
    card.resize(700, 500)
    card.show_network(EXTRACTOR, FREE, DIGITS)
    card.show()
    for kind, head in (("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")):
        path = tmp_path / f"network.{kind}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, p=path, **k: (str(p), ""))
        card.ask_save()
        assert path.read_bytes().startswith(head)
    assert "torus" in (tmp_path / "network.svg").read_text("utf-8")
    failed: list[object] = []
    card.failed.connect(failed.append)
    path = tmp_path / "network.pdf" / "in-a-file.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    card.ask_save()
    assert len(failed) == 1


def test_the_form_draws_what_it_will_train(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    with Project.open(session.project.folder) as project:
        project.register_dataset(replace(DIGITS, folder=session.project.folder / "digits"))
    session.project.set_catalogue((CGNN, EXTRACTOR), [], (("cpu", "CPU"),))
    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.resize(1100, 900)
    page.show()
    qtbot.waitUntil(lambda: session.runs.loaded and bool(session.project.datasets))
    setup, card = page.setup, page.setup.network
    assert setup.model_choice.currentData() == "extractor"
    assert card.isVisible()
    drawn = network_diagram("extractor", setup.params.values(), (1, 8, 8), 10)
    assert card.diagram == drawn
    qtbot.mouseClick(setup.diagram_chip, Qt.MouseButton.LeftButton)
    large = card.window_
    assert large is not None
    assert large.isVisible()
    depth = setup.params.editor("depth")
    depth.setValue(3)
    plan = architecture(setup.params.values(), (1, 8, 8), 10)
    assert card.diagram is not None
    assert card.diagram == large.view.diagram != drawn
    boxes = [label.text for label in card.diagram.labels if label.text.startswith("conv")]
    assert len(boxes) == sum(layer.kind == "convolution" for layer in plan.layers) == 10
    assert f"{plan.parameters:,} parameters" in card.words.text()
    recipe = setup.recipe()
    assert recipe is not None
    assert recipe.params["depth"] == 3
    large.close()
