"""A phase by clicks: open a Hamiltonian, read its certificate, find it in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from crystalgui.core.resources import examples
from tests.e2e.desk import Desk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_from_hoppings_to_a_certified_report(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, session = desk.window, desk.session
    hoppings = examples() / "hoppings" / "bitei-pressure" / "bitei-pressure_hr.dat.gz"
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a, **k: ([str(hoppings)], ""))
    window.actions_table.actions["file.open"].trigger()
    desk.wait(lambda: session.project.current is not None, 30, "the Hamiltonian")
    desk.wait(lambda: window.page == "electronic", 30, "the Electronic page")
    desk.wait(lambda: window.page_widget("electronic") is not None, 30, "its widget")
    page: Any = window.page_widget("electronic")
    desk.wait(lambda: page._filling is not None, 30, "the gaps")
    # the tab, by a click
    tabs = page.rooms.tabs
    place = tabs.tabRect(1).center()
    QTest.mouseClick(tabs, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    desk.wait(lambda: page.rooms.room("topology") is not None, 30, "the Topology room")
    room = page.rooms.room("topology")
    desk.wait(lambda: room.card.certificate is not None, 60, "the certificate")
    assert room.card.headline.label.text() == "Topological insulator"
    assert room.card.headline.status.text == "converged"
    assert room.card.certificate.z2_text == "(1;001)"
    assert session.project.current.badge == "TI"
    assert room.flow.answer.text() == "Z₂ = 1"  # it opens on a plane that is not trivial
    # the certificate as a file, by its button
    table = tmp_path / "certificate.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(table), ""))
    desk.click(room.card.export)
    desk.wait(table.is_file, 20, "certificate.json")
    # the report
    report: Any = desk.page("report")
    desk.wait(report.export_pdf.isEnabled, 120, "the report")
    paper = tmp_path / "report.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(paper), ""))
    desk.click(report.export_pdf)
    desk.wait(paper.is_file, 60, "report.pdf")
    words = "\n".join(sheet.extract_text() for sheet in PdfReader(paper).pages).lower()
    assert "topological insulator" in words
    assert "(1;001)" in words.replace(" ", "")
