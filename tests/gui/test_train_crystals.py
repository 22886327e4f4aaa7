"""The Train page with crystals: what is derived, purified, left out, and what was removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from crystalgui.core.datasets.purify import CONFLICT, LARGE, Removed, write_report
from crystalgui.core.messages import DatasetSummary, EstimateReady, SplitSpec
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.data import MOST_BARS, ClassBalance, dataset_facts
from crystalgui.gui.panels.train.importing import ImportDialog
from crystalgui.gui.session import Session
from tests.gui.sessions import CGNN, SHIPPED, PlayedEngine, tqc

SALT = "AB_225_1:m-3m_1:m-3m"


@pytest.fixture
def pure(tmp_path: Path) -> DatasetSummary:
    folder = tmp_path / "pure"
    folder.mkdir()
    rows = (
        Removed("12", "LaP5", 11, "ES", CONFLICT, "13 is labelled NLC", "13"),
        Removed("13", "LaP5", 11, "NLC", CONFLICT, "12 is labelled ES", "12"),
        Removed("99", "TaTe4", 130, "ES", LARGE, "60 atoms"),
    )
    write_report(folder, rows)
    return replace(
        tqc(tmp_path), name="pure", folder=folder, elements=("O", "Fe"), prototypes=(SALT,),
        removed=(("too large", 1), ("conflict", 2)),
    )  # fmt: skip


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine], pure: DatasetSummary) -> TrainPanel:
    session, _ = played
    with Project.open(session.project.folder) as project:
        for summary in (tqc(session.project.folder), pure):
            project.register_dataset(summary)
    session.project.set_catalogue((CGNN,), [SHIPPED], (("cpu", "CPU"),))
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1060, 860)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and len(session.project.datasets) == 2)
    box = panel.setup.data.choice
    box.setCurrentIndex(box.findData("pure"))
    return panel


def items(page: TrainPanel, name: str) -> list[str]:
    box = page.setup.split.editor(name)
    return [box.itemData(i) for i in range(box.count())]


def test_what_was_removed_is_counted_and_unfolds(qtbot: QtBot, page: TrainPanel) -> None:
    card = page.setup.data
    assert card.removed_chip.text() == "3 removed"
    assert not card.removed.isVisible()
    card.removed_chip.click()
    qtbot.waitUntil(lambda: card.removed.count() == 3)
    assert card.removed.isVisible()
    assert card.removed.item(0).text() == "LaP5 (12), group 11, conflict: 13 is labelled NLC"
    facts = {row[0]: row[1] for row in dataset_facts(card.current)}  # type: ignore[arg-type]
    assert (facts["Removed, too large"], facts["Removed, conflict"]) == ("1", "2")
    card.choice.setCurrentIndex(card.choice.findData("tqc"))
    assert not card.removed_chip.isVisible()
    assert not card.removed.isVisible()
    assert card.removed.count() == 0


def test_an_element_or_a_prototype_can_be_left_out(page: TrainPanel) -> None:
    setup, form = page.setup, page.setup.split
    assert not form.editor("left_out").isVisibleTo(setup)
    form.set_value("kind", "element")
    setup._changed()
    assert items(page, "left_out") == ["O", "Fe"]
    assert form.editor("left_out").isVisibleTo(setup)
    assert not form.editor("test").isVisibleTo(setup)
    form.set_value("left_out", "Fe")
    recipe = setup.recipe()
    assert recipe is not None
    assert recipe.split == SplitSpec(kind="element", left_out="Fe")
    form.set_value("kind", "prototype")
    setup._changed()
    assert items(page, "left_out") == ["", SALT]
    grouped = setup.recipe()
    assert grouped is not None
    assert grouped.split == SplitSpec(kind="prototype")
    assert form.editor("test").isVisibleTo(setup)
    form.set_value("left_out", SALT)
    setup._changed()
    assert not form.editor("test").isVisibleTo(setup)
    left = replace(recipe, split=SplitSpec(kind="prototype", left_out=SALT))
    setup.set_recipe(recipe)
    assert setup.recipe() == recipe
    setup.set_recipe(left)
    assert setup.recipe() == left


def test_a_data_set_that_does_not_know_its_elements_says_so(page: TrainPanel) -> None:
    box = page.setup.data.choice
    box.setCurrentIndex(box.findData("tqc"))
    page.setup.split.set_value("kind", "element")
    page.setup._changed()
    assert page.setup.recipe() is None
    assert page.setup._cost.text() == "Choose the element to leave out."


def test_known_prototypes_are_a_number(page: TrainPanel) -> None:
    recipe = page.setup.recipe()
    assert recipe is not None
    answer = EstimateReady(
        parameters=1, seconds_per_epoch=1.0, memory_bytes=1, device="cpu", sizes=(80, 10, 10),
        leakage=0, prototypes=0.934,
    )  # fmt: skip
    page.setup.show_estimate(recipe, answer)
    assert page.setup._leakage.text().endswith(
        "No formula on both sides. 93% of the test crystals have a known prototype."
    )
    page.setup.show_estimate(recipe, replace(answer, prototypes=float("nan")))
    assert page.setup._leakage.text().endswith("No formula on both sides.")


def test_the_dialog_offers_what_follows_from_the_labels(qtbot: QtBot, tmp_path: Path) -> None:
    for name in ("tqc", "band_gap", "mine"):
        (tmp_path / f"{name}.csv").write_text("id,label\n1,a\n")
    dialog = ImportDialog()
    qtbot.addWidget(dialog)
    dialog.source.setText(str(tmp_path))
    assert dialog.wishes() == ("", False)

    def offered(name: str) -> list[str]:
        dialog.labels.setText(str(tmp_path / f"{name}.csv"))
        return [dialog.derive.itemData(i) for i in range(dialog.derive.count())]

    assert offered("tqc") == ["", "tqc3", "space_group", "point_group"]
    assert dialog.derive.itemText(0) == "topological class"
    dialog.derive.setCurrentIndex(1)
    dialog.purify.click()
    assert dialog.wishes() == ("tqc3", True)
    assert offered("band_gap") == ["", "space_group", "point_group", "metal"]
    assert dialog.wishes() == ("", True)
    assert offered("mine") == ["", "tqc3", "space_group", "point_group", "metal"]


def test_wishes_reach_the_job(
    page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    page.import_data(tmp_path, tmp_path / "tqc.csv", "mine", "tqc3", True)
    job = played[1].jobs[-1]
    assert (job.derive, job.purify, job.atoms) == ("tqc3", True, 60)


def test_very_many_classes_are_summed_up(qtbot: QtBot) -> None:
    balance = ClassBalance()
    qtbot.addWidget(balance)
    balance.set_counts(tuple(map(str, range(1, 231))), tuple(range(230)))
    assert balance.sizeHint().height() == MOST_BARS * ClassBalance.ROW
    said = balance.accessibleDescription()
    assert said.startswith("230: 229, 229: 228")
    assert said.endswith(f"219 others: {sum(range(219))}")
