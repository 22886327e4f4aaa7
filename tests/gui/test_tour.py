"""The tour does what it says, waits for answers (played here), and leaves all as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import (
    Answer,
    AtomicLimitJob,
    AtomicLimitReady,
    AtomPair,
    AttentionMap,
    ClassifyJob,
    Done,
    ErrorInfo,
    ExplainJob,
    ExplainReady,
    Failed,
    LimitCurve,
    Predicted,
    Prediction,
    ReportJob,
    ReportWritten,
    Saliency,
)
from crystalgui.core.resources import examples
from crystalgui.gui import window as module
from crystalgui.gui.panels.tour import BROKEN, MISSING, Tour
from crystalgui.gui.panels.tour.steps import NO_MODEL, STEPS, WAITING
from crystalgui.gui.window import MainWindow, PageInfo
from tests.gui.sessions import CGNN, CLASSES, SHIPPED
from tests.gui.test_experiments import CARD

CRYSTAL = examples() / "structures" / "Gd2O3.vasp"
CANN = replace(SHIPPED, name="cann-tqc5", family="cann", title="Attention", metrics={})
ENERGY = replace(
    SHIPPED, name="energy", title="Energy", task="regression", target="formation_energy",
    classes=(), metrics={"mae": 0.1},
)  # fmt: skip
ROW = Prediction(
    file="Gd2O3.vasp",
    formula="Gd2O3",
    space_group="P-3m1 (164)",
    answers=(
        Answer(
            model=SHIPPED.name, target="tqc", prediction="ES", probability=0.61,
            probabilities=(("ES", 0.61), ("NLC", 0.39)),
        ),
        Answer(model="energy", target="formation_energy", prediction="-1.25 eV/atom", value=-1.25),
    ),
)  # fmt: skip


@pytest.fixture
def toured(played: Any, qtbot: QtBot) -> Iterator[tuple[Tour, MainWindow, Any]]:
    """The window with models and an engine that is played, in the tour's first step."""
    session, engine = played
    session.project.set_catalogue((CGNN,), (SHIPPED, CANN, ENERGY), experiments=(CARD,))
    made = MainWindow(session, session.notify)
    made.resize(1366, 768)
    made.show()
    qtbot.waitExposed(made)
    made.actions_table.trigger("help.tour")
    yield made.tour, made, engine
    made.leave()
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.deleteLater()
    QApplication.processEvents()


def arrived(tour: Tour, window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: tour.page is not None and not window.waiting_page)
    assert window.page == tour.step.page


def job_of(kind: type, engine: Any, qtbot: QtBot) -> Any:
    qtbot.waitUntil(lambda: bool(engine.jobs) and isinstance(engine.jobs[-1], kind))
    return engine.jobs[-1]


def explained(crystal: Any) -> ExplainReady:
    n = crystal.n_atoms
    pair = AtomPair(start=0, end=3, weight=0.77, distance=2.35, images=((0, 0, 0),))
    one = AttentionMap(
        layer="layer 2", head=1, queries="atoms", keys="atoms",
        matrix=np.full((n, n), 1 / n, np.float32), entropy=np.full(n, 1.0), mean=1.0, most=1.6,
        pairs=(pair,),
    )  # fmt: skip
    weak = replace(one, head=2, pairs=(replace(pair, weight=0.3),))
    answer = Answer(
        model=CANN.name, target="tqc", prediction="NLC", probability=0.52,
        probabilities=(("NLC", 0.52), ("ES", 0.48)),
    )  # fmt: skip
    return ExplainReady(
        prediction=Prediction(file="Gd2O3.vasp", formula="Gd2O3", answers=(answer,)),
        asked="NLC", unit="nat", lattice=crystal.lattice, frac=crystal.frac,
        species=crystal.species, token=np.arange(n), attention=(weak, one),
        saliency=Saliency(
            method="occlusion", by="orbits", values=np.zeros(n), error=np.zeros(n), answer=-0.6,
            reference=-0.7, total=0.1, samples=4,
        ),
    )  # fmt: skip


def apart(crystal: Any) -> AtomicLimitReady:
    factors = np.linspace(1, 3, 3)
    values = np.array([[0.1, 0, 0, 0, 0.9], [0.6, 0, 0, 0, 0.4], [0.9, 0, 0, 0, 0.1]])
    curve = LimitCurve(
        model=CANN.name, target="tqc", unit="", classes=CLASSES, values=values,
        trivial="LCEBR", turns=2.0,
    )  # fmt: skip
    return AtomicLimitReady(
        file="Gd2O3.vasp", factors=factors, curves=(curve,), lattice=crystal.lattice,
        frac=crystal.frac, species=crystal.species,
    )  # fmt: skip


def two_pages(path: Path) -> Path:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    for _ in range(2):
        canvas.drawString(72, 72, "a page")
        canvas.showPage()
    canvas.save()
    return path


def test_the_whole_tour_by_next(
    toured: tuple[Tour, MainWindow, Any], qtbot: QtBot, tmp_path: Path
) -> None:
    tour, window, engine = toured
    session, card = window.session, tour.card
    said = card.said.text

    def onward(number: int) -> None:
        assert card.place.text() == f"{number} of {len(STEPS)}"
        arrived(tour, window, qtbot)
        assert tour.card.words.text() == STEPS[number - 1].text

    onward(1)
    qtbot.waitUntil(lambda: said() == "Gd2O3.vasp: 5 atoms a cell, space group P-3m1.")
    assert session.project.current.path == CRYSTAL
    crystal = session.project.current.crystal
    structure = window.page_widget("structure")
    qtbot.waitUntil(lambda: structure.view is not None and structure.view.geometry3d is not None)

    card.next.click()
    onward(2)
    assert session.selection.atoms == (0, 3)
    assert "2.3499" in said()

    card.next.click()
    onward(3)
    job = job_of(ClassifyJob, engine, qtbot)
    assert (job.paths, set(job.models)) == ((CRYSTAL,), {SHIPPED.name, "energy"})
    assert said() == WAITING
    engine.send(Predicted(rows=(ROW,)))
    engine.end(Done())
    assert "ES (0.61)" in said()
    assert "−1.25 eV/atom" in said()
    assert window.page_widget("classify").card.current is not None
    assert window.page_widget("classify").preview.isVisible()

    card.next.click()
    onward(4)
    assert job_of(ExplainJob, engine, qtbot).model == CANN.name
    assert said() == WAITING
    engine.send(explained(crystal))
    engine.end(Done())
    assert "NLC (0.52)" in said()
    assert "Of 2 heads, head 1 of layer 2" in said()
    assert "Gd1 looks at O4 with 0.77" in said()

    card.next.click()
    onward(5)
    assert job_of(AtomicLimitJob, engine, qtbot).models == (CANN.name,)
    engine.send(apart(crystal))
    engine.end(Done())
    assert said() == "At r = 1 it says NLC 0.90; trivial (LCEBR) from r = 2.00 on."
    assert window.page_widget("evidence").current == "limit"

    card.next.click()
    onward(6)
    qtbot.waitUntil(lambda: "topological insulator; Z₂: 1" in said())
    assert window.page_widget("electronic").rooms.current == "topology"

    card.next.click()
    onward(7)
    assert "no data set" in said()
    card.next.click()
    onward(8)
    assert said().startswith("1 published experiment")
    card.next.click()
    onward(9)
    job_of(ReportJob, engine, qtbot)
    assert said() == WAITING
    engine.send(ReportWritten(paths=(two_pages(tmp_path / "preview.pdf"),)))
    engine.end(Done())
    qtbot.waitUntil(lambda: said() == "The report has 2 pages.")

    assert card.next.text() == "Done"
    card.next.click()
    assert not tour.active
    assert card.isHidden()
    assert window.page == "report"
    assert [file.name for file in session.project.files] == ["Gd2O3.vasp", "kane-mele_hr.dat"]


def test_keys_and_an_end_in_the_middle(toured: tuple[Tour, MainWindow, Any], qtbot: QtBot) -> None:
    tour, window, engine = toured
    assert window.focusWidget() is tour.card
    assert tour.card.accessibleName() == f"Tour, 1 of 9: {STEPS[0].title}"
    assert not tour.card.back.isEnabled()
    qtbot.keyClick(tour.card, Qt.Key.Key_Right)
    qtbot.keyClick(tour.card, Qt.Key.Key_Right)
    assert tour.number == 2
    qtbot.keyClick(tour.card.next, Qt.Key.Key_Left)
    assert tour.number == 1
    tour.card.next.click()
    job_of(ClassifyJob, engine, qtbot)
    arrived(tour, window, qtbot)
    window.show_page("welcome")  # anything may be clicked meanwhile
    qtbot.keyClick(tour.card, Qt.Key.Key_Escape)
    assert not tour.active
    assert tour.card.isHidden()
    engine.send(Predicted(rows=(ROW,)))
    engine.end(Done())
    assert tour.card.isHidden()
    assert window.page == "welcome"
    assert window.session.predictions.rows == [ROW]
    window.page_widget("welcome").tour.click()
    assert tour.number == 0
    assert window.tour is tour


def test_the_window_closes_during_a_step(
    toured: tuple[Tour, MainWindow, Any], qtbot: QtBot
) -> None:
    tour, window, engine = toured
    tour.go(2)
    job_of(ClassifyJob, engine, qtbot)
    tour.go(5)  # the page and its room are being made
    window.leave()
    assert not tour.active
    engine.send(Predicted(rows=(ROW,)))
    engine.end(Done())
    assert len(engine.jobs) == 1


def test_what_cannot_be_shown_is_said_and_the_tour_goes_on(
    toured: tuple[Tour, MainWindow, Any], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    tour, window, engine = toured
    session, said = window.session, tour.card.said.text
    qtbot.waitUntil(lambda: tour.file is not None)
    session.project.set_catalogue((CGNN,), ())
    tour.go(2)
    assert said() == NO_MODEL
    assert not engine.jobs
    broken = PageInfo(name="train", title="Train", module="crystalgui.nowhere", panel="X")
    monkeypatch.setattr(module, "PAGES", (broken, *module.PAGES))
    tour.go(6)
    qtbot.waitUntil(lambda: said() == BROKEN)
    tour.card.back.click()
    assert tour.step is STEPS[5]
    tour.go(0)
    session.project.close(tour.file)
    assert said() == MISSING

    def failing(_: Tour) -> bool:
        raise RuntimeError("a step with a defect")

    tour.steps = (replace(STEPS[0], act=failing), STEPS[1])
    tour.go(0)
    assert said().startswith("This step could not be shown")
    tour.card.next.click()
    assert tour.step is STEPS[1]


def test_a_table_of_other_crystals_is_left_alone(
    toured: tuple[Tour, MainWindow, Any], qtbot: QtBot
) -> None:
    tour, window, engine = toured
    state = window.session.predictions
    state.classify([CRYSTAL.with_name("Si.vasp")], [SHIPPED.name])
    engine.send(Predicted(rows=(replace(ROW, file="Si.vasp"),)))
    engine.end(Done())
    tour.go(2)
    qtbot.waitUntil(lambda: tour.file is not None)
    arrived(tour, window, qtbot)
    assert "the tour leaves them" in tour.card.said.text()
    assert len(engine.jobs) == 1
    window.classify([CRYSTAL])
    engine.end(Failed(error=ErrorInfo(title="No.", hint="")))
    assert tour.card.said.text() != WAITING
