"""The inspector says what is selected, in words that can be copied."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import CatalogueReady, Predicted
from crystalgui.core.resources import examples
from crystalgui.gui.panels.inspector import Inspector
from crystalgui.gui.session import Session
from tests.gui.sessions import CGNN, SHIPPED
from tests.predicted import predicted


@pytest.fixture
def inspector(qtbot: QtBot, session: Session) -> Inspector:
    made = Inspector(session)
    qtbot.addWidget(made)
    return made


def opened(qtbot: QtBot, session: Session, *paths: Path) -> None:
    with qtbot.waitSignal(session.project.settled):
        session.project.open_paths(paths)
    qtbot.waitUntil(lambda: not session.lane.busy)


def test_nothing_is_selected_at_first(inspector: Inspector) -> None:
    assert not inspector.hint.isHidden()
    assert inspector.classify.isHidden()
    assert inspector.text() == ""


def test_a_crystal_in_numbers_with_units(
    qtbot: QtBot, session: Session, inspector: Inspector
) -> None:
    opened(qtbot, session, examples() / "structures" / "BiTeI.vasp")
    rows = dict(inspector.selection.values.rows)
    assert rows["Formula"] == "BiTeI"
    assert rows["Space group"] == "P3m1 (156)"
    assert rows["Point group"] == "3m"
    assert rows["a"].endswith(" Å")
    assert float(rows["a"].split()[0]) == pytest.approx(4.34, abs=0.01)
    assert rows["γ"] == "120.00°"
    assert rows["Volume"].endswith(" Å³")
    # 208.98 + 127.60 + 126.90 atomic masses in 111.29 cubic Angstrom
    assert float(rows["Density"].split()[0]) == pytest.approx(463.48 * 1.66054 / 111.29, rel=1e-3)
    assert not inspector.classify.isHidden()
    inspector.copy()
    assert "Space group\tP3m1 (156)" in QApplication.clipboard().text()
    assert session.project.current.sha256[:6] in inspector.provenance.values.text()


def test_selected_atoms_with_site_and_coordinates(
    qtbot: QtBot, session: Session, inspector: Inspector
) -> None:
    opened(qtbot, session, examples() / "structures" / "BiTeI.vasp")
    session.selection.select_atoms((0, 1))
    rows = inspector.atoms.values.rows
    assert rows[0][0].startswith("Bi 1")
    assert len(rows) == 2
    session.undo.undo()
    assert inspector.atoms.isHidden()


def test_an_error_shows_reason_and_remedy(
    qtbot: QtBot, session: Session, inspector: Inspector, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.vasp"
    bad.write_text("x\n1.0\n1 0 0\n0 1 0\n")
    opened(qtbot, session, bad)
    session.project.set_current(session.project.files[0])
    assert inspector.problem.text()
    assert inspector.remedy.text()
    assert inspector.classify.isHidden()
    assert inspector.report.isHidden()


def test_hoppings_show_sizes_residuals_and_assumptions(
    qtbot: QtBot, session: Session, inspector: Inspector
) -> None:
    folder = examples() / "hoppings" / "bitei"
    opened(qtbot, session, *(p for p in folder.iterdir() if "hr.dat" in p.name))
    rows = dict(inspector.hoppings.values.rows)
    assert rows["Orbitals"] == "18"
    assert rows["Spin order"] in ("blocks", "interleaved")
    assert rows["Hermiticity"].endswith(" eV")
    assert rows["Lattice from"] == "POSCAR"
    session.selection.select_k((0.0, 0.0, 0.5), 11)
    assert dict(inspector.kpoint.values.rows) == {"k": "(0.0000 0.0000 0.5000)", "Band": "12"}


def test_a_prediction_with_bars_evidence_and_cautions(
    qtbot: QtBot, session: Session, inspector: Inspector
) -> None:
    path = examples() / "structures" / "BiTeI.vasp"
    opened(qtbot, session, path)
    session.jobs.event.emit(CatalogueReady(cards=(CGNN,), models=(SHIPPED,)))
    row = predicted(
        file=str(path),
        formula="BiTeI",
        prediction="LCEBR",
        probability=0.7,
        probabilities=(("LCEBR", 0.7), ("NLC", 0.2), ("ES", 0.1)),
        coarse=(("trivial", 0.7), ("insulator", 0.2), ("semimetal", 0.1)),
        warnings=("Far from the training data.",),
        model=SHIPPED.name,
    )
    session.selection.select_prediction(row)
    assert not inspector.prediction.isHidden()
    assert [v[0] for v in inspector.bars.values] == ["LCEBR", "NLC", "ES"]
    assert len({v[2] for v in inspector.bars.values}) == 3
    assert "81.0 %" in inspector.evidence.text()
    assert inspector.cautions.text() == "Far from the training data."
    session.selection.select_prediction(None)
    assert inspector.prediction.isHidden()


def test_a_model_card(session: Session, inspector: Inspector) -> None:
    inspector.show_model(SHIPPED)
    rows = dict(inspector.model.values.rows)
    assert rows["Accuracy"] == "0.81"
    assert rows["Data"] == "29,389 crystals"
    assert rows["Parameters"] == "123,456"


def test_rows_of_the_open_file_are_found_by_path(
    qtbot: QtBot, session: Session, inspector: Inspector
) -> None:
    path = examples() / "structures" / "Si.vasp"
    opened(qtbot, session, path)
    row = predicted(file=str(path), prediction="LCEBR", probabilities=(("LCEBR", 1.0),))
    session.predictions.job_id = "mine"
    session.predictions.handle(Predicted(job_id="mine", rows=(row,)))
    assert dict(inspector.prediction.values.rows)["Answer"] == "LCEBR"
