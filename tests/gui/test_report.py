"""The Report page writes what it shows, with the real engine and the real lane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from crystalgui.core.reports.csv import read_predictions
from crystalgui.core.resources import examples
from crystalgui.core.settings import Settings
from crystalgui.engine.engine import Engine
from crystalgui.engine.lane import Lane
from crystalgui.gui.notifications import Notifications
from crystalgui.gui.panels.report import ReportPanel
from crystalgui.gui.session import Session, create_session
from tests.predicted import predicted

ROWS = (
    predicted(
        file="a.vasp",
        formula="Bi2Se3",
        space_group="R-3m",
        prediction="NLC",
        probability=0.7,
        probabilities=(("LCEBR", 0.3), ("NLC", 0.7)),
    ),
    predicted(file="b.vasp", error="b.vasp, line 3: no numbers. Correct it."),
)


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path) -> Iterator[Session]:
    engine, lane = Engine(isolation="thread"), Lane()
    yield create_session(engine, lane, Notifications(), Settings(), tmp_path / "project")
    assert engine.shutdown()
    assert lane.shutdown()


@pytest.fixture
def panel(qtbot: QtBot, session: Session) -> ReportPanel:
    panel = ReportPanel(session)
    panel.resize(1100, 700)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def open_crystals(qtbot: QtBot, session: Session, *names: str) -> None:
    with qtbot.waitSignal(session.project.settled):
        session.project.open_paths([examples() / "structures" / name for name in names])


def wait_pages(qtbot: QtBot, panel: ReportPanel) -> None:
    qtbot.waitUntil(lambda: bool(panel.pages.images) and panel.export_pdf.isEnabled())


def test_an_empty_page_teaches_the_next_step(
    qtbot: QtBot, session: Session, panel: ReportPanel
) -> None:
    assert panel.stack.currentWidget() is panel.empty
    assert not panel.export_pdf.isEnabled()
    assert not panel.export_csv.isEnabled()
    assert not panel.open_folder.isEnabled()


def test_what_is_shown_is_what_is_written(
    qtbot: QtBot, session: Session, panel: ReportPanel, tmp_path: Path
) -> None:
    open_crystals(qtbot, session, "NaCl.vasp", "Si.vasp")
    wait_pages(qtbot, panel)
    target = tmp_path / "out" / "mine.pdf"
    panel.write_pdf(target)
    qtbot.waitUntil(panel.open_folder.isEnabled)
    reader = PdfReader(target)
    assert len(reader.pages) == len(panel.pages.images)
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "NaCl.vasp" in text
    assert "Si.vasp" in text
    assert session.jobs.running == []
    # paper is white in every theme, and something is printed on it
    image = panel.pages.images[0]
    assert image.pixelColor(3, 3).lightness() == 255
    assert (
        min(image.pixelColor(x, image.height() // 12).lightness() for x in range(image.width()))
        < 120
    )


def test_a_file_that_is_left_out_is_not_printed(
    qtbot: QtBot, session: Session, panel: ReportPanel, tmp_path: Path
) -> None:
    open_crystals(qtbot, session, "NaCl.vasp", "Si.vasp")
    wait_pages(qtbot, panel)
    panel.contents.files.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not panel.export_pdf.isEnabled()
    wait_pages(qtbot, panel)
    assert [p.name for p in panel.job(tmp_path).crystals] == ["Si.vasp"]
    panel.contents.refresh()
    assert [p.name for p in panel.job(tmp_path).crystals] == ["Si.vasp"]


def test_predictions_are_exported(
    qtbot: QtBot, session: Session, panel: ReportPanel, tmp_path: Path
) -> None:
    session.predictions.add(ROWS)
    wait_pages(qtbot, panel)
    assert "2" in panel.contents.sections["predictions"].text()
    panel.write_csv(tmp_path / "p.csv")
    qtbot.waitUntil(panel.open_folder.isEnabled)
    rows = read_predictions(tmp_path / "p.csv")
    assert [(row.file, row.prediction, row.error) for row in rows] == [
        (row.file, row.prediction, row.error) for row in ROWS
    ]


def test_an_unwritable_target_is_said(
    qtbot: QtBot, session: Session, panel: ReportPanel, tmp_path: Path
) -> None:
    session.predictions.add(ROWS)
    wait_pages(qtbot, panel)
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with qtbot.waitSignal(session.notify.posted) as said:
        panel.write_pdf(blocker / "inside.pdf")
    assert "inside.pdf" in said.args[0].title
    assert not panel.open_folder.isEnabled()


def test_the_preview_does_not_wait_for_other_work(
    qtbot: QtBot, session: Session, panel: ReportPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(session.jobs), "running", property(lambda self: [object()]))
    submitted: list[object] = []
    monkeypatch.setattr(session.jobs, "submit", submitted.append)
    session.predictions.add(ROWS)
    wait_pages(qtbot, panel)
    assert submitted == []


def test_the_chosen_occupation_is_reported(
    qtbot: QtBot, session: Session, panel: ReportPanel, tmp_path: Path
) -> None:
    with qtbot.waitSignal(session.project.settled):
        session.project.open_paths([examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"])
    (file,) = session.project.files
    assert panel.job(tmp_path).occupied == {}
    file.occupied = 10
    assert panel.job(tmp_path).occupied == {str(file.path): 10}
