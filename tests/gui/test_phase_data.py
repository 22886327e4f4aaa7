"""Phase data sets on the Train page: the flow by hand and for real, and every view."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from crystalgui.core.datasets.hamiltonians.dataset import CLASSES, PhaseDataset
from crystalgui.core.messages import (
    BottleneckJob,
    BottleneckPoint,
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
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.panels.train.phase_data.explore import VIEWS
from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.plots.matrix import complex_rgba, hues
from crystalgui.gui.plots.points import PhaseCloud
from crystalgui.gui.theme import PHASE_COLOURS, theme
from tests.gui.phase_sets import KANE_MELE, small_set

BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return small_set(tmp_path_factory.mktemp("sets") / "small", 60)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return small_set(tmp_path_factory.mktemp("sets") / "quiet", 40, 0.0, name="quiet")


def shown(session: Any, qtbot: Any) -> PhaseDataPage:
    made = PhaseDataPage(session)
    made.resize(1000, 760)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def played_page(played: Any, qtbot: Any) -> Iterator[tuple[PhaseDataPage, Any, Any]]:
    session, engine = played
    made = shown(session, qtbot)
    yield made, engine, session
    qtbot.waitUntil(lambda: not session.lane.busy, timeout=30_000)
    made.close()
    made.deleteLater()


@pytest.fixture
def page(session: Any, qtbot: Any) -> Iterator[tuple[PhaseDataPage, Any]]:
    made = shown(session, qtbot)
    yield made, session
    qtbot.waitUntil(lambda: not session.lane.busy, timeout=30_000)
    made.close()
    made.deleteLater()


def choose_kane_mele(page: PhaseDataPage, qtbot: Any) -> None:
    ends = page.flow.ends
    ends.choose(ends.start, KANE_MELE[0])
    ends.choose(ends.end, KANE_MELE[1])
    ends.watch_settings()
    qtbot.waitUntil(lambda: "4 orbitals" in ends.words.text(), timeout=20_000)


def look(page: PhaseDataPage, session: Any, data: PhaseDataset, qtbot: Any, name: str) -> Any:
    session.project.add_dataset(data.summary)
    page.show_dataset(data.summary)
    qtbot.waitUntil(lambda: page.explore.data is not None, timeout=20_000)
    page.explore.show_view(name)
    return page.explore.view_of(name)


# -------------------------------------------------------------------- flow


def test_ends_that_do_not_fit_are_said_and_nothing_can_be_made(
    played_page: Any, qtbot: Any
) -> None:
    page, _, _ = played_page
    flow = page.flow
    choose_kane_mele(page, qtbot)
    assert flow.missing() == (2, "Give the data set a name.")
    flow.ends.choose(flow.ends.end, HamiltonianSource(model="bitei"))
    qtbot.waitUntil(lambda: flow.ends.words.property("role") == "bad", timeout=20_000)
    assert flow.recipe() is None
    assert flow.missing()[0] == 0
    assert not flow.next.isEnabled()
    flow.ends.choose(flow.ends.end, KANE_MELE[0])
    flow.ends.watch_settings()
    qtbot.waitUntil(lambda: "same Hamiltonian" in flow.ends.words.text(), timeout=20_000)


def test_the_four_steps_make_the_recipe_that_they_say(played_page: Any, qtbot: Any) -> None:
    page, engine, session = played_page
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
    played_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, engine, _ = played_page
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
    qtbot.waitUntil(lambda: page.explore.data is not None, timeout=20_000)


def test_a_cancelled_set_goes_on_where_it_was(played_page: Any, qtbot: Any) -> None:
    page, engine, _ = played_page
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


def test_the_line_of_gaps_follows_the_noise(played_page: Any, qtbot: Any) -> None:
    page, engine, _ = played_page
    choose_kane_mele(page, qtbot)
    page.flow.show_step(1)
    noise = page.flow.noise
    noise.strength.setValue(0.02)
    qtbot.waitUntil(lambda: bool(engine.jobs), timeout=20_000)
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
    played_page: Any, qtbot: Any
) -> None:
    page, _, _ = played_page
    flow = page.flow
    qtbot.waitUntil(lambda: len(flow.offer_buttons) >= 2, timeout=20_000)
    offered = {recipe.name: recipe for recipe in flow._offers}
    small = offered["bitei-unperturbed-small"]
    flow.offer_buttons[list(offered).index("bitei-unperturbed-small")].click()
    assert flow.step == 3
    qtbot.waitUntil(lambda: flow.recipe() is not None, timeout=60_000)
    made = flow.recipe()
    assert made is not None
    assert (made.train, made.test, made.alpha) == (5400, 600, small.alpha)
    assert made.notes == small.notes
    assert made.title == small.title
    flow.size_step.set_size(100, 20)
    other = flow.recipe()
    assert other is not None
    assert other.notes == ()


def test_the_spin_orbit_path_of_an_opened_file_is_one_click(played_page: Any, qtbot: Any) -> None:
    page, _, session = played_page
    session.project.open_paths([BITEI])
    qtbot.waitUntil(lambda: not session.project.busy, timeout=20_000)
    ends = page.flow.ends
    qtbot.waitUntil(lambda: len(ends._chips) == 1)
    ends._chips[0].click()
    start, end = ends.sources
    assert (start.part, end.part) == ("spinless", "whole")
    assert start.path == end.path == BITEI
    assert ends.summary == "bitei (no SOC) → bitei"


def test_a_set_is_made_and_explored(page: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real generator in the engine's thread, through the buttons."""
    from crystalgui.core.datasets.hamiltonians import generate

    monkeypatch.setattr(generate, "cores", lambda: 1)
    panel, _ = page
    flow = panel.flow
    choose_kane_mele(panel, qtbot)
    flow.size_step.name.setText("real one")
    flow.size_step.set_size(6, 2)
    flow.show_step(3)
    qtbot.mouseClick(flow.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: flow.state.summary is not None or flow.state.error, timeout=120_000)
    assert flow.state.error is None
    qtbot.waitUntil(lambda: not flow.state.alive, timeout=20_000)
    assert sum(flow.state.summary.counts) == 8
    flow.making.explore.click()
    qtbot.waitUntil(lambda: panel.explore.data is not None, timeout=20_000)
    assert len(panel.explore.data) == 8
    # the same name cannot be made twice
    assert flow.missing() == (2, "There is a data set real one; choose another name.")


def test_unfinished_sets_are_offered(played_page: Any, qtbot: Any, data: PhaseDataset) -> None:
    import json

    from crystalgui.core.store.encode import to_plain

    page, engine, session = played_page
    parts = session.project.folder / ".crystalgui" / "datasets" / "old" / "parts"
    parts.mkdir(parents=True)
    recipe = replace(data.recipe, name="old", title="An old one")
    content = {"recipe": to_plain(recipe, parts), "line": {}}
    (parts / "begin.json").write_text(json.dumps(content))
    page.flow.show_step(3)
    qtbot.waitUntil(lambda: len(page.flow.making._unfinished) == 1, timeout=20_000)
    button = page.flow.making._unfinished[0]
    assert button.text() == "Resume An old one"
    button.click()
    job = engine.jobs[-1]
    assert isinstance(job, PhaseDataJob)
    assert job.recipe == recipe
    assert job.out == parts.parent


# -------------------------------------------------------------------- views


def test_shares_and_card_say_what_is_in_it(
    played_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_page
    view = look(page, session, data, qtbot, "overview")
    shares = view.shares
    train = np.bincount(data.label[~data.is_test], minlength=3)
    words = ", ".join(f"{c}: {n}" for c, n in zip(CLASSES, train, strict=True))
    assert shares.train.accessibleDescription() == words
    apart = np.bincount(data.apart.label, minlength=3)
    assert sum(apart) == 3
    assert f"{data.reasons[0]}: {apart[0]}" in shares.apart.accessibleDescription()
    assert view.card.notes.text() == data.recipe.notes[0]
    assert "kept apart" in view.card.how.text()
    from crystalgui.gui.panels.train.phase_data.overview import write_samples

    rows = read_csv(write_samples(data, tmp_path / "all"))
    assert len(rows) == len(data)
    assert rows[7]["phase"] == CLASSES[data.label[7]]
    assert float(rows[7]["alpha"]) == pytest.approx(data.alpha[7], abs=1e-12)


def read_csv(path: Path) -> list[dict[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_a_click_shows_bands_and_a_certificate_that_agrees(
    played_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_page
    card = look(page, session, data, qtbot, "gap")
    qtbot.waitUntil(lambda: card.cloud is not None and not clock().running, timeout=20_000)
    row = int(np.argmax(data.gap))
    box = card.plot.getPlotItem().getViewBox()
    at = box.mapViewToScene(QPointF(data.alpha[row], data.gap[row]))
    spot = card.plot.mapFromScene(at)
    assert card.plot.under(at) == row
    qtbot.mouseClick(card.plot.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    sample = page.explore.sample
    assert sample.row == row
    qtbot.waitUntil(lambda: sample.certificate is not None, timeout=60_000)
    qtbot.waitUntil(lambda: sample.bands.bands is not None, timeout=20_000)
    assert sample.certificate.label == CLASSES[data.label[row]]
    assert sample.status.text().startswith("A fresh certificate agrees")
    assert sample.bands.bands.energies.shape[1] == 4
    facts = dict(sample.facts.rows)
    assert facts["α"] == f"{data.alpha[row]:.6f}"
    assert facts["Seed of its noise"] == str(data.noise_seed[row])
    # every cloud rings it, the noise card shows it
    assert page.explore.view_of("noise").sample.value() == row
    assert page.explore.view_of("tsne").plot._chosen == row


def test_a_wrong_label_is_not_hidden(played_page: Any, data: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_page
    look(page, session, data, qtbot, "gap")
    row = int(np.argmax(data.gap))
    wrong = data.samples.label.copy()
    wrong[row] = 1 - wrong[row]
    lie = replace(data, samples=replace(data.samples, label=wrong))
    page.explore._take(lie)
    page.explore.choose_sample(row)
    sample = page.explore.sample
    qtbot.waitUntil(lambda: sample.certificate is not None, timeout=60_000)
    assert sample.status.text().startswith(f"A fresh certificate: {CLASSES[data.label[row]]}")
    assert sample.status.property("role") == "bad"


def test_a_sample_opens_as_a_file(played_page: Any, data: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_page
    look(page, session, data, qtbot, "gap")
    page.explore.choose_sample(4)
    with qtbot.waitSignal(page.opened, timeout=20_000):
        page.explore.sample.open.click()
    qtbot.waitUntil(lambda: not session.project.busy, timeout=20_000)
    file = session.project.files[-1]
    assert file.path.parent == session.project.folder / "samples"
    assert file.kind == "hoppings"
    read, meant = read_hoppings(file.path), data.hamiltonian(4)
    order = {tuple(cell): i for i, cell in enumerate(read.cells.tolist())}
    rows = [order[tuple(cell)] for cell in meant.cells.tolist()]
    assert np.abs(read.matrices[rows] - meant.matrices).max() < 1e-12
    assert read.occupied == data.occupied


def test_two_hoppings_are_those_of_the_samples(
    played_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_page
    card = look(page, session, data, qtbot, "hoppings")
    qtbot.waitUntil(lambda: card.cloud is not None, timeout=20_000)
    first = card.cloud
    assert first.elements == (card.x.element, card.y.element)
    card.x.fill(((0, 0, 0), 0, 1), 4)
    card.y.fill(((1, 0, 0), 1, 0), 4)
    card.part.setCurrentIndex(card.part.findData("modulus"))
    qtbot.waitUntil(lambda: card.cloud is not first, timeout=20_000)
    h = data.hamiltonian(9)
    cells = {tuple(cell): m for cell, m in zip(h.cells.tolist(), h.matrices, strict=True)}
    place = card.cloud.rows.tolist().index(9)
    assert card.cloud.x[place] == pytest.approx(abs(cells[0, 0, 0][0, 1]), abs=1e-12)
    assert card.cloud.y[place] == pytest.approx(abs(cells[1, 0, 0][1, 0]), abs=1e-12)
    card.export.write(tmp_path / "slice.csv")
    rows = read_csv(tmp_path / "slice.csv")
    assert len(rows) == len(data)
    for suffix in ("svg", "pdf", "png"):
        card.export.write(tmp_path / f"slice.{suffix}")
        assert (tmp_path / f"slice.{suffix}").stat().st_size > 2000
    seen = card.cloud
    card.x.cell[0].setValue(55)
    qtbot.waitUntil(lambda: card.words.property("role") == "bad", timeout=20_000)
    assert "no hoppings to the cell" in card.words.text()
    assert card.cloud is seen


def test_tsne_says_how_many_of_how_many(played_page: Any, quiet: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_page
    card = look(page, session, quiet, qtbot, "tsne")
    qtbot.waitUntil(lambda: card.cloud is not None, timeout=60_000)
    assert len(card.cloud.rows) == 40
    card.count.setMinimum(10)
    card.count.setValue(25)
    first = card.cloud
    card.run.click()
    qtbot.waitUntil(lambda: card.cloud is not first, timeout=60_000)
    assert card.subtitle == "25 of 40 samples, drawn at random"
    assert np.isfinite(card.cloud.x).all()


def test_dimension_by_components_and_by_a_bottleneck(
    played_page: Any, quiet: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, engine, session = played_page
    view = look(page, session, quiet, qtbot, "dimension")
    spectrum = view.spectrum
    qtbot.waitUntil(lambda: spectrum.spectrum is not None, timeout=20_000)
    assert spectrum.spectrum.rank == 1  # mixtures of two Hamiltonians lie on a line
    assert spectrum.subtitle == "1 direction"
    card = view.bottleneck
    card.widths.setText("4, 1 2")
    card.run.click()
    job = engine.jobs[-1]
    assert isinstance(job, BottleneckJob)
    assert (job.dataset, job.widths, job.samples) == (quiet.summary.folder, (1, 2, 4), 40)
    for width, error in ((1, 0.4), (2, 0.1), (4, 0.09)):
        engine.send(BottleneckPoint(width=width, train_error=error, test_error=error * 1.1))
    engine.end(Done())
    assert "3 widths" in card.words.text()
    card.export.write(tmp_path / "b.csv")
    rows = read_csv(tmp_path / "b.csv")
    assert [r["neurons"] for r in rows] == ["1", "2", "4"]
    assert float(rows[1]["test_error_of_variance"]) == pytest.approx(0.11)
    card.widths.setText("none")
    before = len(engine.jobs)
    card.run.click()
    assert len(engine.jobs) == before
    assert card.words.property("role") == "bad"


def test_noise_matrices_and_their_symmetries(
    played_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_page
    card = look(page, session, data, qtbot, "noise")
    qtbot.waitUntil(lambda: card.picture is not None, timeout=20_000)
    first = card.picture
    assert np.abs(first.matrix - first.matrix.conj().T).max() < 1e-15  # A = 0
    card.cell[0].setValue(1)
    qtbot.waitUntil(lambda: card.picture is not first, timeout=20_000)
    noise = data.noise(0)
    assert noise is not None
    place = noise.cells.tolist().index([1, 0, 0])
    assert np.array_equal(card.picture.matrix, noise.matrices[place])
    assert card.picture.check.passed
    assert card.words.text() == f"Both hold for all {len(data.cells)} lattice vectors."
    card.export.write(tmp_path / "n.csv")
    assert len(read_csv(tmp_path / "n.csv")) == 16
    assert len(read_csv(tmp_path / "n-symmetries.csv")) == len(data.cells)


def test_noise_as_printed_in_the_paper_is_flagged(
    played_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_page
    card = look(page, session, data, qtbot, "noise")
    literal = replace(data, recipe=replace(data.recipe, mode="paper-literal"))
    page.explore._take(literal)
    qtbot.waitUntil(lambda: card.picture is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not card.picture.check.passed, timeout=20_000)
    assert card.words.property("role") == "warn"


def test_a_set_without_noise_says_so(played_page: Any, quiet: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_page
    card = look(page, session, quiet, qtbot, "noise")
    assert card.none.text() == "The samples of this data set have no noise."
    assert card.plot.isHidden()


def test_every_view_is_there_and_fits(played_page: Any, data: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_page
    page.resize(700, 560)
    for name, *_ in VIEWS:
        look(page, session, data, qtbot, name)
        assert page.explore.view == name
        page.explore.chips[name].click()
    assert page.minimumSizeHint().width() <= 760
    assert page.minimumSizeHint().height() <= 560


def test_a_large_set_is_drawn_in_part_and_says_so(data: PhaseDataset) -> None:
    many = np.random.default_rng(0).integers(0, len(data), 60_000)
    large = replace(data, samples=data.samples.select(many), is_test=np.zeros(60_000, bool))
    cloud = work.gap_cloud(large, work.MOST_POINTS)
    assert len(cloud.rows) == work.MOST_POINTS
    assert len(set(cloud.rows.tolist())) == work.MOST_POINTS
    assert np.array_equal(cloud.x, large.alpha[cloud.rows])


def test_a_data_set_that_is_gone_is_said(
    played_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_page
    gone = replace(data.summary, folder=tmp_path / "gone")
    session.project.add_dataset(gone)
    page.show_dataset(gone)
    qtbot.waitUntil(lambda: page.explore._words.property("role") == "bad", timeout=20_000)
    assert page.explore.data is None


# -------------------------------------------------------------------- plots


def test_clouds_draw_the_rare_phase_last_and_in_its_colour(qtbot: Any) -> None:
    cloud = PhaseCloud()
    qtbot.addWidget(cloud)
    cloud.resize(400, 300)
    cloud.show()
    rng = np.random.default_rng(1)
    kind = np.array([0] * 50 + [1] * 20 + [2] * 2)
    x, y = rng.normal(size=(2, 72))
    cloud.set_points(x, y, kind, CLASSES, np.arange(72) + 1000, str)
    qtbot.waitUntil(lambda: not clock().running)
    cloud.getPlotItem().getViewBox().updateAutoRange()
    depth = [c.zValue() for c in cloud._clouds]
    assert depth[0] < depth[1] < depth[2]
    ink = cloud._clouds[2].opts["brush"].color().name()
    assert ink == PHASE_COLOURS["weyl"]
    at = cloud.getPlotItem().getViewBox().mapViewToScene(QPointF(x[71], y[71]))
    assert cloud.under(at) == 1071
    cloud.set_log(True)
    cloud.redraw()


def test_hue_is_argument_and_opacity_modulus() -> None:
    values = np.array([[1.0, 1j], [-0.5, -0.25j]])
    rgba = complex_rgba(values, 1.0)
    assert rgba[..., 3].tolist() == [[255, 255], [128, 64]]
    apart = {tuple(c) for c in rgba[..., :3].reshape(-1, 3).tolist()}
    assert len(apart) == 4
    # -1 from above and from below are the same hue
    step = np.abs(hues()[0].astype(int) - hues()[-1].astype(int)).max()
    assert step <= 4
    assert complex_rgba(values, 0.0)[..., 3].max() == 0


def test_the_train_page_leads_there_and_follows_the_theme(
    qtbot: Any, played: Any, data: PhaseDataset
) -> None:
    session, _ = played
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1000, 800)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and not session.lane.busy, timeout=20_000)
    assert panel._phase_data is None
    with qtbot.waitSignal(panel.page_wanted):
        panel.setup.data.make_button.click()
    assert panel.stack.currentWidget() is panel.phase_data
    session.project.add_dataset(data.summary)
    panel.setup_chip.click()
    card = panel.setup.data
    card.choose(data.summary.folder)
    assert ("Kept apart", "3") in card.facts.rows
    card.explore_button.click()
    qtbot.waitUntil(lambda: panel.phase_data.explore.data is not None, timeout=20_000)
    with qtbot.waitSignal(panel.page_wanted) as asked:
        panel.phase_data.opened.emit()
    assert asked.args == ["electronic"]
    try:
        theme().set_mode("dark")
    finally:
        theme().set_mode("light")
    qtbot.waitUntil(lambda: not session.lane.busy, timeout=30_000)


def test_a_map_that_nobody_waits_for_ends(
    data: PhaseDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from sklearn.manifold import TSNE

    from crystalgui.core.errors import Stopped as Ended
    from crystalgui.core.stopping import stoppable

    flag, ended = threading.Event(), []
    whole = TSNE.fit_transform

    def begin(self: Any, *args: Any) -> Any:
        flag.set()
        made = whole(self, *args)
        ended.append(made)
        return made

    monkeypatch.setattr(TSNE, "fit_transform", begin)
    with stoppable(flag), pytest.raises(Ended):
        work.embedding_cloud(data, 60, 0)
    assert not ended
