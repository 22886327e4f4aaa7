"""The flow that makes phase data sets on the Train page, by hand and for real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt

from crystalgui.core.datasets.hamiltonians.dataset import CLASSES, PhaseDataset
from crystalgui.core.messages import (
    DatasetReady,
    Done,
    ErrorInfo,
    Failed,
    HamiltonianSource,
    MixtureJob,
    PhaseDataJob,
    PhaseDataProgress,
    PhaseDataRecipe,
    PhasePoint,
    PhasePoints,
    Progress,
    Stopped,
)
from crystalgui.core.resources import examples
from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage
from crystalgui.gui.plots.clock import clock
from tests.gui.phase_sets import KANE_MELE, small_set

BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return small_set(tmp_path_factory.mktemp("sets") / "small", 60)


def choose_kane_mele(page: PhaseDataPage, qtbot: Any) -> None:
    ends = page.flow.ends
    ends.choose(ends.start, KANE_MELE[0])
    ends.choose(ends.end, KANE_MELE[1])
    ends.watch_settings()
    qtbot.waitUntil(lambda: "4 orbitals" in ends.words.text())


def test_ends_that_do_not_fit_are_said_and_nothing_can_be_made(
    played_phase_page: Any, qtbot: Any
) -> None:
    page, _, _ = played_phase_page
    flow = page.flow
    choose_kane_mele(page, qtbot)
    assert flow.missing() == (2, "Give the data set a name.")
    flow.ends.choose(flow.ends.end, HamiltonianSource(model="bitei"))
    qtbot.waitUntil(lambda: flow.ends.words.property("role") == "bad")
    assert flow.recipe() is None
    assert flow.missing()[0] == 0
    assert not flow.next.isEnabled()
    flow.ends.choose(flow.ends.end, KANE_MELE[0])
    flow.ends.watch_settings()
    qtbot.waitUntil(lambda: "same Hamiltonian" in flow.ends.words.text())


def test_the_four_steps_make_the_recipe_that_they_say(played_phase_page: Any, qtbot: Any) -> None:
    page, engine, session = played_phase_page
    flow = page.flow
    choose_kane_mele(page, qtbot)
    flow.noise.strength.setValue(0.01)
    flow.noise.envelope.setCurrentIndex(1)
    flow.size_step.name.setText("mine")
    flow.size_step.set_size(40, 10)
    assert flow.size_step.own.isChecked()
    assert [s.summary for s in flow.stepper.steps][1:3] == ["0.01 eV", "50 samples, mine"]
    for _ in range(3):
        qtbot.mouseClick(flow.next, Qt.MouseButton.LeftButton)
    assert flow.step == 3
    assert flow.next.text() == "Make"
    qtbot.mouseClick(flow.next, Qt.MouseButton.LeftButton)
    job = engine.jobs[-1]
    assert isinstance(job, PhaseDataJob)
    assert job.project == session.project.folder
    recipe = job.recipe
    assert isinstance(recipe, PhaseDataRecipe)
    assert (recipe.name, recipe.train, recipe.test, recipe.strength) == ("mine", 40, 10, 0.01)
    assert recipe.envelope == "hoppings"
    assert recipe.start.settings["staggered"] == 0.5
    assert recipe.end.settings["staggered"] == 0.0
    assert not flow.next.isEnabled()


def make(page: PhaseDataPage, engine: Any, qtbot: Any) -> PhaseDataJob:
    choose_kane_mele(page, qtbot)
    page.flow.size_step.name.setText("mine")
    page.flow.show_step(3)
    qtbot.mouseClick(page.flow.next, Qt.MouseButton.LeftButton)
    job = engine.jobs[-1]
    assert isinstance(job, PhaseDataJob)
    return job


def test_shares_are_live_and_what_has_no_phase_stays_apart(
    played_phase_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, engine, _ = played_phase_page
    make(page, engine, qtbot)
    counts = (*zip(CLASSES, (700, 200, 11), strict=True), ("unresolved", 5), ("metal", 2))
    engine.send(
        PhaseDataProgress(done=911, total=6000, counts=counts, certificates=33),
        Progress(done=911, total=6000, text="911 samples", eta=61.0),
    )
    making = page.flow.making
    qtbot.waitUntil(lambda: not making.balance.isHidden() and not clock().running)
    assert making.balance.accessibleDescription() == (
        "trivial insulator: 700, topological insulator: 200, Weyl semimetal: 11"
    )
    assert making.apart.text().startswith("7 without a certified phase are kept apart")
    assert "33 full certificates" in making.apart.text()
    assert "911 of 6,000" in making.words.text()
    assert "1 min 01 s left" in making.words.text()
    assert page.flow.stepper.steps[3].summary == "15 %"
    made = replace(data.summary, name="mine")
    engine.send(DatasetReady(summary=made))
    engine.end(Done())
    assert not making.explore.isHidden()
    assert making.facts.rows[0] == ("Name", "mine")  # not that the name is taken
    assert page.flow.words.text() == ""
    assert "kept apart" in making.apart.text()
    with qtbot.waitSignal(page.train_asked) as asked:
        making.train.click()
    assert asked.args == [made]
    making.explore.click()
    assert page.stack.currentWidget() is page.explore
    qtbot.waitUntil(lambda: page.explore.data is not None)


def test_a_cancelled_set_goes_on_where_it_was(played_phase_page: Any, qtbot: Any) -> None:
    page, engine, _ = played_phase_page
    job = make(page, engine, qtbot)
    making = page.flow.making
    engine.send(PhaseDataProgress(done=100, total=6000, counts=((CLASSES[0], 100),)))
    making.cancel.click()
    assert engine.cancelled == [job.job_id]
    engine.end(Stopped())
    assert "Cut off at 100 of 6,000" in making.words.text()
    assert not page.flow.next.isEnabled()  # Resume is what comes next
    making.resume.click()
    again = engine.jobs[-1]
    assert isinstance(again, PhaseDataJob)
    assert again.recipe == job.recipe
    error = ErrorInfo(title="The disk is full.", hint="Free some space.")
    engine.end(Failed(error=error))
    assert making.words.text() == "The disk is full. Free some space."
    assert not making.resume.isHidden()


def test_the_line_of_gaps_follows_the_noise(played_phase_page: Any, qtbot: Any) -> None:
    page, engine, _ = played_phase_page
    choose_kane_mele(page, qtbot)
    page.flow.show_step(1)
    noise = page.flow.noise
    noise.strength.setValue(0.02)
    qtbot.waitUntil(lambda: bool(engine.jobs))
    job = engine.jobs[-1]
    assert isinstance(job, MixtureJob)
    assert job.strengths == (0.0, 0.01, 0.02, 0.04)
    assert not job.labels
    assert job.start == page.flow.ends.sources[0]
    points = tuple(PhasePoint(x=0.5, y=s, gap=0.1 + s, k=(0, 0, 0)) for s in job.strengths)
    engine.send(PhasePoints(points=points))
    engine.end(Done())
    qtbot.waitUntil(lambda: not clock().running)
    drawn = [c.yData.tolist() for c in noise.plot._curves.values()]
    assert drawn == [[0.1 + strength] for strength in job.strengths]
    before = len(engine.jobs)
    noise.draw()
    assert len(engine.jobs) == before  # it is there already
    noise.mode.setCurrentIndex(1)
    page.flow.size_step.name.setText("literal")
    assert page.flow.recipe().mode == "paper-literal"


def test_shipped_recipes_fill_in_every_step_and_keep_their_notes(
    played_phase_page: Any, qtbot: Any
) -> None:
    page, _, _ = played_phase_page
    flow = page.flow
    qtbot.waitUntil(lambda: len(flow.offer_buttons) >= 2)
    offered = {recipe.name: recipe for recipe in flow._offers}
    small = offered["bitei-unperturbed-small"]
    flow.offer_buttons[list(offered).index("bitei-unperturbed-small")].click()
    assert flow.step == 3
    qtbot.waitUntil(lambda: flow.recipe() is not None)
    made = flow.recipe()
    assert made is not None
    assert (made.train, made.test, made.alpha) == (5400, 600, small.alpha)
    assert made.notes == small.notes
    assert made.title == small.title
    flow.size_step.set_size(100, 20)
    other = flow.recipe()
    assert other is not None
    assert other.notes == ()


def test_the_spin_orbit_path_of_an_opened_file_is_one_click(
    played_phase_page: Any, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    session.project.open_paths([BITEI])
    qtbot.waitUntil(lambda: not session.project.busy)
    ends = page.flow.ends
    qtbot.waitUntil(lambda: len(ends._chips) == 1)
    ends._chips[0].click()
    start, end = ends.sources
    assert (start.part, end.part) == ("spinless", "whole")
    assert start.path == end.path == BITEI
    assert ends.summary == "bitei (no SOC) → bitei"


def test_a_set_is_made_and_explored(
    phase_page: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real generator in the engine's thread, through the buttons."""
    from crystalgui.core.datasets.hamiltonians import generate

    monkeypatch.setattr(generate, "cores", lambda: 1)
    panel, _ = phase_page
    flow = panel.flow
    choose_kane_mele(panel, qtbot)
    flow.size_step.name.setText("real one")
    flow.size_step.set_size(6, 2)
    flow.show_step(3)
    qtbot.mouseClick(flow.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: flow.state.summary is not None or flow.state.error, timeout=120_000)
    assert flow.state.error is None
    qtbot.waitUntil(lambda: not flow.state.alive)
    assert sum(flow.state.summary.counts) == 8
    flow.making.explore.click()
    qtbot.waitUntil(lambda: panel.explore.data is not None)
    assert len(panel.explore.data) == 8
    # the same name cannot be made twice
    assert flow.missing() == (2, "There is a data set real one; choose another name.")


def test_unfinished_sets_are_offered(
    played_phase_page: Any, qtbot: Any, data: PhaseDataset
) -> None:
    import json

    from crystalgui.core.store.encode import to_plain

    page, engine, session = played_phase_page
    parts = session.project.folder / ".crystalgui" / "datasets" / "old" / "parts"
    parts.mkdir(parents=True)
    recipe = replace(data.recipe, name="old", title="An old one")
    content = {"recipe": to_plain(recipe, parts), "line": {}}
    (parts / "begin.json").write_text(json.dumps(content))
    page.flow.show_step(3)
    qtbot.waitUntil(lambda: len(page.flow.making._unfinished) == 1)
    button = page.flow.making._unfinished[0]
    assert button.text() == "Resume An old one"
    button.click()
    job = engine.jobs[-1]
    assert isinstance(job, PhaseDataJob)
    assert job.recipe == recipe
    assert job.out == parts.parent
