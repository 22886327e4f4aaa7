"""Going through misclassified crystals: list, crystal, neighbours, verdicts that stay."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from crystalgui.core.experiments import results
from crystalgui.core.experiments.results import Marker, Record, Table, save_record
from crystalgui.core.reports.second_look import read_list
from crystalgui.core.store.encode import to_plain
from crystalgui.core.store.verdicts import path_of, read_verdicts
from crystalgui.core.structures.files import write_poscar
from crystalgui.gui.panels.evidence import EvidencePanel
from crystalgui.gui.panels.evidence.names import SECOND
from crystalgui.gui.theme import colour, theme
from tests.unit.datasets.built_alike import CRYSTALS, save_dataset

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from crystalgui.gui.session import Session

HEAD = "id,formula,space group,label,NNN,CGNN"
ROWS = (
    "yn,YN,225,SEBR,LCEBR,LCEBR",
    "zns,ZnS,216,LCEBR,ES,NLC",
    "lan,LaN,225,ES,LCEBR,LCEBR",
)
RECORD = Record(
    name="misclassified",
    preset="quick",
    device="cpu",
    date="2026-11-20",
    minutes=1.0,
    command="",
    tables=(Table(name="missed", title="Crystals", file="tables/missed.csv"),),
)


@pytest.fixture(autouse=True)
def _no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "resource", (tmp_path / "resources").joinpath)


def finished_run(session: Session) -> Path:
    """A finished run in the project, with the data set that it learnt; its list."""
    folder = session.project.folder / ".crystalgui" / "experiments" / "misclassified-quick"
    path = folder / "tables" / "missed.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([HEAD, *ROWS]) + "\n")
    marker = Marker(name="misclassified", preset="quick", device="cpu")
    (folder / "experiment.json").write_text(json.dumps(to_plain(marker, folder)))
    save_dataset(folder / "steps" / "project" / ".crystalgui" / "datasets" / "tqc")
    save_record(folder, RECORD)
    return path


def shown(qtbot: QtBot, session: Session) -> EvidencePanel:
    page = EvidencePanel(session)
    page.resize(1000, 820)
    page.show_room(SECOND)
    page.show()
    qtbot.waitExposed(page)
    qtbot.waitUntil(lambda: page.room is not None and page.room.complete)
    qtbot.waitUntil(lambda: page.room.state.lists is not None and not session.lane.busy)
    return page


def closed(qtbot: QtBot, page: EvidencePanel) -> None:
    page.session.flush()
    qtbot.waitUntil(lambda: not page.session.lane.busy)
    page.close()
    page.deleteLater()


@pytest.fixture
def page(played: Any, qtbot: QtBot) -> Iterator[EvidencePanel]:
    finished_run(played[0])
    made = shown(qtbot, played[0])
    qtbot.waitUntil(lambda: made.crystal.base is not None)
    yield made
    closed(qtbot, made)


def test_the_list_of_a_run_opens_with_its_crystals(page: Any, qtbot: QtBot) -> None:
    """No model is asked; the data set of the run has the crystals and their neighbours."""
    room = page.room
    assert page.stage.currentWidget() is page.split
    assert not page.models.isVisible()
    assert room.lists.currentText() == "quick, run of 2026-11-20"
    assert room.crystals.currentText() == "tqc, of this run: 3 of 3"
    assert room.progress.text() == "0 of 3 looked at"
    table = room.table.model()
    cells = [table.index(0, c).data() for c in range(table.columnCount())]
    assert cells == ["YN", "225", "SEBR", "", "LCEBR", "LCEBR", "yn"]
    qtbot.waitUntil(lambda: room.view.model.rowCount() == 3)
    assert room.view.said.text() == "Labelled SEBR. All 2 say LCEBR."
    assert room.view.where.text() == "yn · Fm-3m (225) · 1 of 3"
    assert room.view.words.text() == ("3 others are built alike, on the same sites: 2 LCEBR, 1 ES.")
    qtbot.waitUntil(lambda: page.crystal.view is not None)
    qtbot.waitUntil(lambda: page.crystal.view.geometry3d is not None)
    assert page.crystal.title == "YN"
    room.view.table.setCurrentIndex(room.view.model.index(1, 0))
    qtbot.waitUntil(lambda: page.crystal.title == "ScN")
    assert page.crystal.subtitle == "built alike, labelled LCEBR"
    room.view.back.click()
    qtbot.waitUntil(lambda: page.crystal.title == "YN")
    opened: list[str] = []
    page.page_wanted.connect(opened.append)
    room.open_front()
    qtbot.waitUntil(lambda: page.session.project.current is not None)
    assert opened == ["structure"]
    assert page.session.project.current.name == "yn.vasp"
    room.step(1)
    qtbot.waitUntil(lambda: room.view.model.rowCount() == 1)
    theme().set_mode("dark")  # GaAs has the label of ZnS
    try:
        assert room.view.model.item(0, 1).foreground().color() == colour("good")
    finally:
        theme().set_mode("light")


def test_a_list_that_is_wanted_is_not_forgotten_by_the_next_look(page: Any, qtbot: QtBot) -> None:
    state, opened = page.room.state, []
    wanted = Path(page.session.project.folder) / "mine.csv"
    wanted.write_text("\n".join([HEAD, ROWS[1]]) + "\n")
    state.opened.connect(lambda: opened.append(state.found.path))
    state.refresh(wanted)
    state.refresh()  # in the place of the first, which waits
    qtbot.waitUntil(lambda: opened == [wanted])


def test_verdicts_are_given_by_keys_and_survive_a_restart(
    page: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    room = page.room
    page.activateWindow()
    room.table.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is room.table)
    qtbot.keyClick(room.table, Qt.Key.Key_W)
    qtbot.keyClick(room.table, Qt.Key.Key_N)
    assert room.state.current.id == "zns"
    qtbot.keyClick(room.table, Qt.Key.Key_U)
    assert room.view.chips["unclear"].isChecked()
    qtbot.keyClick(room.table, Qt.Key.Key_U)  # again takes it back
    assert not room.view.chips["unclear"].isChecked()
    room.view.chips["right"].click()
    qtbot.keyClicks(room.view.note, "as wurtzite")  # w, u and r are letters there
    assert room.view.note.text() == "as wurtzite"
    assert room.progress.text() == "2 of 3 looked at"
    page.write_csv(tmp_path / "out.csv")
    qtbot.waitUntil((tmp_path / "out.csv").is_file)
    found = read_list(tmp_path / "out.csv")
    assert {one.id: (one.verdict, one.note) for one in found.judged} == {
        "yn": ("wrong", ""), "zns": ("right", "as wurtzite"),
    }  # fmt: skip
    session = page.session
    session.flush()
    kept = read_verdicts(path_of(session.project.folder))
    assert {one.id: one.verdict for one in kept.judged} == {"yn": "wrong", "zns": "right"}
    qtbot.waitUntil(lambda: not session.lane.busy)
    page.close()  # the program has one such page: two would take each other's turn in the lane
    again = shown(qtbot, session)
    assert again.room.progress.text() == "2 of 3 looked at"
    assert again.room.state.current.id == "lan"  # the first that nobody has looked at
    again.room.step(-1)
    assert again.room.view.note.text() == "as wurtzite"
    assert again.room.view.chips["right"].isChecked()
    closed(qtbot, again)


def test_rows_are_sorted_filtered_and_stepped_through(page: Any) -> None:
    room = page.room

    def ids() -> list[str]:
        table = room.table.model()
        last = table.columnCount() - 1
        return [table.index(row, last).data() for row in range(table.rowCount())]

    assert ids() == ["yn", "zns", "lan"]
    room.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert ids() == ["lan", "yn", "zns"]
    assert room.state.current.id == "yn"
    room.step(-1)
    assert room.state.current.id == "lan"
    room.step(-1)
    assert room.state.current.id == "lan"
    room.judge("wrong")
    room.open_only.click()
    assert ids() == ["yn", "zns"]
    assert room.state.current.id == "yn"
    room.judge("unclear")
    assert ids() == ["yn", "zns"]  # what was judged does not vanish under the hand
    room.open_only.click()
    room.filter.setText("225 lcebr wrong")
    assert ids() == ["lan"]
    room.filter.setText("nothing of it")
    assert ids() == []
    room.step(1)
    room.filter.clear()
    assert ids() == ["lan", "yn", "zns"]


def test_without_a_list_the_room_says_how_to_get_one(
    played: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    session, _ = played
    made = shown(qtbot, session)
    room = made.room
    assert "Experiments page" in room.said
    assert not made.csv_chip.isEnabled()
    wanted: list[str] = []
    made.page_wanted.connect(wanted.append)
    room._words.buttons[0].click()
    assert wanted == ["experiments"]
    bad = tmp_path / "bad.csv"
    bad.write_text(f"{HEAD}\nyn,YN,none,SEBR,ES,ES\n")
    room.state.open(bad)
    qtbot.waitUntil(lambda: "bad.csv, line 2" in room.said)
    assert "1 to 230" in room.said
    empty = tmp_path / "empty.csv"
    empty.write_text(f"{HEAD}\n")
    room.state.open(empty)
    qtbot.waitUntil(lambda: "no row" in room.said)
    made.show_room("attention")
    assert "No crystal to ask about" in made.room.said
    made.show_room(SECOND)
    assert made.room is room
    closed(qtbot, made)


def test_a_damaged_list_of_a_run_gives_way_to_the_next(played: Any, qtbot: QtBot) -> None:
    session, _ = played
    path = finished_run(session)
    newer = path.parents[2] / "misclassified-full"
    shutil.copytree(path.parents[1], newer)
    save_record(newer, replace(RECORD, preset="full", date="2026-11-21"))
    (newer / "tables" / "missed.csv").write_text("id,formula\n")
    said: list[Any] = []
    session.notify.posted.connect(said.append)
    made = shown(qtbot, session)
    qtbot.waitUntil(lambda: made.room.answering)
    assert made.room.state.found.path == path
    assert ["missed.csv, line 1" in notice.title for notice in said] == [True]
    lists = made.room.lists
    assert [lists.itemText(i) for i in range(lists.count())] == [
        "full, run of 2026-11-21", "quick, run of 2026-11-20",
    ]  # fmt: skip
    with qtbot.waitSignal(session.notify.posted):
        made.room.state.open(newer / "tables" / "missed.csv")
    assert made.room.answering  # the list that was open stays
    assert lists.currentText() == "quick, run of 2026-11-20"
    closed(qtbot, made)


def test_crystals_come_from_files_that_a_person_chooses(
    played: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    """The list works without crystals; a folder gives them, without neighbours."""
    session, _ = played
    path, folder = tmp_path / "list.csv", tmp_path / "structures"
    path.write_text("\n".join([HEAD, *ROWS]) + "\n")
    folder.mkdir()
    write_poscar(CRYSTALS["yn"][0], folder / "yn.vasp")
    session.evidence.show_list(path)
    made = shown(qtbot, session)
    room = made.room
    qtbot.waitUntil(lambda: room.state.offers is not None)
    assert room.state.found.path == path
    assert "“crystals from”" in made.crystal.note.text()
    room.judge("wrong")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    with qtbot.waitSignal(session.notify.posted) as said:
        room.state.choose(nothing)
    assert "none of the crystals" in said.args[0].title
    room.state.choose(folder)
    qtbot.waitUntil(lambda: made.crystal.title == "YN")
    assert room.crystals.currentText() == "structures: 1 of 3"
    assert "Choose a data set" in room.view.words.text()
    room.step(1)
    qtbot.waitUntil(lambda: "zns" in made.crystal.note.text())
    session.flush()
    kept = read_verdicts(path_of(session.project.folder))
    assert (kept.opened, kept.crystals) == (path, folder)
    closed(qtbot, made)


def test_the_experiments_page_leads_to_the_list(window: Any, session: Any, qtbot: QtBot) -> None:
    from crystalgui.core.messages import CatalogueReady
    from tests.unit.experiments import walk

    path = finished_run(session)
    window.show_page("experiments")
    qtbot.waitUntil(lambda: window.page_widget("experiments") is not None)
    card = replace(walk.CARD, name="misclassified", presets={"quick": "4,000 crystals"})
    session.jobs.event.emit(
        CatalogueReady(job_id="", cards=(), models=(), devices=(), experiments=(card,))
    )
    experiments = window.page_widget("experiments")
    qtbot.waitUntil(lambda: experiments.second_look.isVisible())
    experiments.second_look.click()
    qtbot.waitUntil(
        lambda: window.page == "evidence" and window.page_widget("evidence") is not None
    )
    evidence = window.page_widget("evidence")
    qtbot.waitUntil(lambda: evidence.room is not None and evidence.room.answering)
    assert evidence.room.state.found.path == path
    assert {"evidence.second-look", "evidence.second-look.next"} <= set(window.actions_table.infos)
    assert not window.actions_table.clashes()
    window.actions_table.trigger("evidence.second-look.next")
    assert evidence.room.state.current.id == "zns"
    window.actions_table.trigger("evidence.second-look.wrong")
    assert evidence.room.progress.text() == "1 of 3 looked at"
    qtbot.waitUntil(lambda: not session.lane.busy)
    session.flush()
