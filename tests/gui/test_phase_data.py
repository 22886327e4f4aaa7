"""Views of phase data sets on the Train page."""

from __future__ import annotations

import csv
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
    Done,
)
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.panels.train.phase_data.explore import VIEWS
from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.theme import theme
from tests.gui.phase_sets import small_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return small_set(tmp_path_factory.mktemp("sets") / "small", 60)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return small_set(tmp_path_factory.mktemp("sets") / "quiet", 40, 0.0, name="quiet")


def look(page: PhaseDataPage, session: Any, data: PhaseDataset, qtbot: Any, name: str) -> Any:
    session.project.add_dataset(data.summary)
    page.show_dataset(data.summary)
    qtbot.waitUntil(lambda: page.explore.data is not None)
    page.explore.show_view(name)
    return page.explore.view_of(name)


def test_shares_and_card_say_what_is_in_it(
    played_phase_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_phase_page
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
    played_phase_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, data, qtbot, "gap")
    qtbot.waitUntil(lambda: card.cloud is not None and not clock().running)
    row = int(np.argmax(data.gap))
    box = card.plot.getPlotItem().getViewBox()
    at = box.mapViewToScene(QPointF(data.alpha[row], data.gap[row]))
    spot = card.plot.mapFromScene(at)
    assert card.plot.under(at) == row
    qtbot.mouseClick(card.plot.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    sample = page.explore.sample
    assert sample.row == row
    qtbot.waitUntil(lambda: sample.certificate is not None)
    qtbot.waitUntil(lambda: sample.bands.bands is not None)
    assert sample.certificate.label == CLASSES[data.label[row]]
    assert sample.status.text().startswith("A fresh certificate agrees")
    assert sample.bands.bands.energies.shape[1] == 4
    facts = dict(sample.facts.rows)
    assert facts["α"] == f"{data.alpha[row]:.6f}"
    assert facts["Seed of its noise"] == str(data.noise_seed[row])
    # every cloud rings it, the noise card shows it
    assert page.explore.view_of("noise").sample.value() == row
    assert page.explore.view_of("tsne").plot._chosen == row


def test_a_wrong_label_is_not_hidden(
    played_phase_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    look(page, session, data, qtbot, "gap")
    row = int(np.argmax(data.gap))
    wrong = data.samples.label.copy()
    wrong[row] = 1 - wrong[row]
    lie = replace(data, samples=replace(data.samples, label=wrong))
    page.explore._take(lie)
    page.explore.choose_sample(row)
    sample = page.explore.sample
    qtbot.waitUntil(lambda: sample.certificate is not None)
    assert sample.status.text().startswith(f"A fresh certificate: {CLASSES[data.label[row]]}")
    assert sample.status.property("role") == "bad"


def test_a_sample_opens_as_a_file(played_phase_page: Any, data: PhaseDataset, qtbot: Any) -> None:
    page, _, session = played_phase_page
    look(page, session, data, qtbot, "gap")
    page.explore.choose_sample(4)
    with qtbot.waitSignal(page.opened):
        page.explore.sample.open.click()
    qtbot.waitUntil(lambda: not session.project.busy)
    file = session.project.files[-1]
    assert file.path.parent == session.project.folder / "samples"
    assert file.kind == "hoppings"
    read, meant = read_hoppings(file.path), data.hamiltonian(4)
    order = {tuple(cell): i for i, cell in enumerate(read.cells.tolist())}
    rows = [order[tuple(cell)] for cell in meant.cells.tolist()]
    assert np.abs(read.matrices[rows] - meant.matrices).max() < 1e-12
    assert read.occupied == data.occupied


def test_two_hoppings_are_those_of_the_samples(
    played_phase_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, data, qtbot, "hoppings")
    qtbot.waitUntil(lambda: card.cloud is not None)
    first = card.cloud
    assert first.elements == (card.x.element, card.y.element)
    card.x.fill(((0, 0, 0), 0, 1), 4)
    card.y.fill(((1, 0, 0), 1, 0), 4)
    card.part.setCurrentIndex(card.part.findData("modulus"))
    qtbot.waitUntil(lambda: card.cloud is not first)
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
    qtbot.waitUntil(lambda: card.words.property("role") == "bad")
    assert "no hoppings to the cell" in card.words.text()
    assert card.cloud is seen


def test_tsne_says_how_many_of_how_many(
    played_phase_page: Any, quiet: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, quiet, qtbot, "tsne")
    qtbot.waitUntil(lambda: card.cloud is not None)
    assert len(card.cloud.rows) == 40
    card.count.setMinimum(10)
    card.count.setValue(25)
    first = card.cloud
    card.run.click()
    qtbot.waitUntil(lambda: card.cloud is not first)
    assert card.subtitle == "25 of 40 samples, drawn at random"
    assert np.isfinite(card.cloud.x).all()


def test_dimension_by_components_and_by_a_bottleneck(
    played_phase_page: Any, quiet: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, engine, session = played_phase_page
    view = look(page, session, quiet, qtbot, "dimension")
    spectrum = view.spectrum
    qtbot.waitUntil(lambda: spectrum.spectrum is not None)
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
    played_phase_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, data, qtbot, "noise")
    qtbot.waitUntil(lambda: card.picture is not None)
    first = card.picture
    assert np.abs(first.matrix - first.matrix.conj().T).max() < 1e-15  # A = 0
    card.cell[0].setValue(1)
    qtbot.waitUntil(lambda: card.picture is not first)
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
    played_phase_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, data, qtbot, "noise")
    literal = replace(data, recipe=replace(data.recipe, mode="paper-literal"))
    page.explore._take(literal)
    qtbot.waitUntil(lambda: card.picture is not None)
    qtbot.waitUntil(lambda: not card.picture.check.passed)
    assert card.words.property("role") == "warn"


def test_a_set_without_noise_says_so(
    played_phase_page: Any, quiet: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
    card = look(page, session, quiet, qtbot, "noise")
    assert card.none.text() == "The samples of this data set have no noise."
    assert card.plot.isHidden()


def test_every_view_is_there_and_fits(
    played_phase_page: Any, data: PhaseDataset, qtbot: Any
) -> None:
    page, _, session = played_phase_page
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
    played_phase_page: Any, data: PhaseDataset, qtbot: Any, tmp_path: Path
) -> None:
    page, _, session = played_phase_page
    gone = replace(data.summary, folder=tmp_path / "gone")
    session.project.add_dataset(gone)
    page.show_dataset(gone)
    qtbot.waitUntil(lambda: page.explore._words.property("role") == "bad")
    assert page.explore.data is None


def test_the_train_page_leads_there_and_follows_the_theme(
    qtbot: Any, played: Any, data: PhaseDataset
) -> None:
    session, _ = played
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1000, 800)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and not session.lane.busy)
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
    qtbot.waitUntil(lambda: panel.phase_data.explore.data is not None)
    with qtbot.waitSignal(panel.page_wanted) as asked:
        panel.phase_data.opened.emit()
    assert asked.args == ["electronic"]
    try:
        theme().set_mode("dark")
    finally:
        theme().set_mode("light")
    qtbot.waitUntil(lambda: not session.lane.busy)


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
