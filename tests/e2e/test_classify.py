"""Several shipped models by clicks: a row a crystal, a table as it comes, known labels."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog

from crystalgui.core.reports.csv import read_predictions
from crystalgui.core.resources import examples
from crystalgui.gui.panels.classify import ClassifyPanel
from crystalgui.gui.state.predictions import best_models, of_crystals
from tests.e2e.desk import Desk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
CRYSTALS = {"NaCl": "LCEBR", "SiO2": "LCEBR", "Cu": "ESFD", "Bi2Se3": "NLC"}


def test_several_tasks_a_table_and_known_labels(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.session
    folder, out, labels = tmp_path / "in", tmp_path / "out.csv", tmp_path / "tqc.csv"
    folder.mkdir()
    for name in CRYSTALS:
        shutil.copy(examples() / "structures" / f"{name}.vasp", folder)
    (folder / "broken.vasp").write_text("not a crystal\n")
    labels.write_text("id,label\n" + "".join(f"{k},{v}\n" for k, v in CRYSTALS.items()))
    page = desk.page("classify")
    assert isinstance(page, ClassifyPanel)
    # the best model of each task answers, and the rows go into a table as they come
    best = best_models(of_crystals(session.project.models, session.project.cards))
    names = {model.name for model in best}
    assert {"topological class", "formation energy"} <= {
        column.title.lower() for column in page.table.columns
    }
    assert {model.name for model in page.bar.models} == names
    assert len(names) >= 2
    desk.click(page.bar.more_chip)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(out), ""))
    desk.click(page.bar.options.out_chip)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(folder))
    desk.click(page.bar.folder_button)
    desk.wait(lambda: page.table.rowCount() == 5 and session.predictions.job is None, 120,
              "the predictions")  # fmt: skip
    rows = {Path(row.file).stem: row for row in page.table.entries()}
    assert rows["broken"].error
    for name in CRYSTALS:
        assert {answer.model for answer in rows[name].answers} == names
        energy = next(
            a for a in rows[name].answers if a.target.replace("_", " ") == "formation energy"
        )
        assert -6 < energy.value < 2
        assert rows[name].atoms > 0
    written = {row.file: row for row in read_predictions(out)}
    assert len(written) == 5
    assert {a.model for a in written[rows["NaCl"].file].answers} == names
    assert not out.with_name("out.csv.part").exists()
    # how good they are
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(labels), ""))
    desk.click(page.labels_chip)
    desk.wait(lambda: page.evaluation is not None and page.evaluation.shown is not None
              and len(page.evaluation.shown.known) == 4, 60, "the evaluation")  # fmt: skip
    room = page.evaluation
    assert room is not None
    assert room.shown is not None
    known = room.shown.known
    wanted = [CRYSTALS[Path(file).stem] for file in known.files]
    assert [known.classes[int(i)] for i in known.true] == wanted
    said = [rows[Path(file).stem] for file in known.files]
    chosen = room.choice.currentData()
    answers = [next(a for a in row.answers if a.model == chosen).prediction for row in said]
    right = sum(a == b for a, b in zip(answers, wanted, strict=True))
    assert room.shown.score == pytest.approx(right / 4)
    # a cell of the confusion leads back
    room.confusion.cell_clicked.emit(wanted[0], answers[0])
    there = {Path(row.file).stem for row in page.table.entries()}
    assert Path(known.files[0]).stem in there
    assert len(there) < 5
    table = tmp_path / "evaluation.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(table), ""))
    page.tabs.setCurrentIndex(1)
    desk.click(room.csv_chip)
    desk.wait(table.is_file, 20, "evaluation.csv")
    with table.open(newline="") as stream:
        parts = {row["part"] for row in csv.DictReader(stream)}
    assert "wrong answers by element" in parts
    assert "wrong answers by atoms of a primitive cell" in parts
