"""The diagram of a network in the model section of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import ReportJob
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.models.extractor import EXTRACTOR
from crystalgui.core.reports.diagram import FILE, read_diagram, write_diagram
from crystalgui.core.reports.preview import page_images
from crystalgui.core.reports.report import write_report
from tests.predicted import predicted

PARAMS = {param.name: param.default for param in EXTRACTOR.params}
ROW = predicted(file="x", prediction="a", probability=0.9, probabilities=(("a", 0.9), ("b", 0.1)))


def _model(folder: Path) -> TrainedModel:
    return TrainedModel(
        name="free",
        family="extractor",
        title="An extractor",
        folder=str(folder),
        task="classification",
        target="class",
        classes=("a", "b"),
    )


def _report(tmp_path: Path, model: TrainedModel) -> str:
    out = tmp_path / "r.pdf"
    list(write_report(ReportJob(out=out, predictions=(ROW,), trained=model)))
    return "\n".join(page.extract_text() for page in PdfReader(out).pages)


@pytest.mark.parametrize("params", [{}, {"halvings": 5, "depth": 8}], ids=["small", "deepest"])
def test_the_network_of_a_model_is_drawn_on_its_card(
    tmp_path: Path, params: dict[str, int]
) -> None:
    drawn = network_diagram("extractor", {**PARAMS, **params}, (3, 32, 32), 2)
    assert drawn is not None
    write_diagram(tmp_path, drawn)
    assert read_diagram(tmp_path) == drawn
    text = _report(tmp_path, _model(tmp_path))
    for phrase in ("NETWORK", "Abstraction", "Interpretation", "direct sum", "3 · 32×32"):
        assert phrase in text, phrase
    assert " ".join(drawn.summary.split()[:4]) in " ".join(text.split())
    for image in page_images(tmp_path / "r.pdf", 595):
        ink = (image < 250).any(axis=(0, 2)).nonzero()[0]
        assert 50 <= ink.min() <= ink.max() <= 545


def test_a_model_without_a_drawing_has_a_card_alone(tmp_path: Path) -> None:
    assert "NETWORK" not in _report(tmp_path, _model(tmp_path))
    assert "NETWORK" not in _report(tmp_path, replace(_model(tmp_path), folder=""))


@pytest.mark.parametrize("damage", ["torn", "nan", "negative", "list"])
def test_a_damaged_drawing_is_left_out(tmp_path: Path, damage: str) -> None:
    drawn = network_diagram("extractor", PARAMS, (1, 8, 8), 2)
    assert drawn is not None
    write_diagram(tmp_path, drawn)
    plain = json.loads((tmp_path / FILE).read_text("utf-8"))
    if damage == "nan":
        plain["boxes"][0]["x"] = float("nan")
    elif damage == "negative":
        plain["width"] = -1.0
    elif damage == "list":
        plain = [plain]
    text = json.dumps(plain)
    (tmp_path / FILE).write_text(text[: len(text) // 2] if damage == "torn" else text, "utf-8")
    assert read_diagram(tmp_path) is None
    assert "Model card" in _report(tmp_path, _model(tmp_path))
