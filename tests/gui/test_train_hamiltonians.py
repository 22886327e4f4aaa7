"""The Train page with data sets of Hamiltonians: what is offered, and what is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Card, Param
from crystalgui.core.messages import DatasetSummary, EstimateReady, SplitSpec, TrainRecipe
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.session import Session
from tests.gui.sessions import BROKEN, CGNN, SHIPPED, PlayedEngine, tqc

DENSE = Card(
    name="dense",
    title="Fully connected network",
    tasks=("classification", "regression"),
    inputs="hoppings",
    paper="Bird (2023), section 2.3",
    params=(Param(name="width", label="Wide layers", default=100, minimum=1, maximum=4096),),
    presets={"small": {"epochs": 25}, "large": {"width": 500, "learning_rate": 3e-4}},
)
ZONE = replace(DENSE, name="zone", title="Universal network", inputs="zone")
PHASES = ("trivial insulator", "topological insulator", "Weyl semimetal")


def hoppings(folder: Path) -> DatasetSummary:
    return DatasetSummary(
        name="bitei",
        folder=folder / "bitei",
        task="classification",
        target="phase",
        size=6000,
        classes=PHASES,
        counts=(4700, 1200, 100),
        kind="hoppings",
        apart=12,
    )


def zones(folder: Path) -> DatasetSummary:
    return replace(
        hoppings(folder), name="zones", folder=folder / "zones", kind="zones",
        families=("haldane", "bhz"),
    )  # fmt: skip


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> TrainPanel:
    session, _ = played
    folder = session.project.folder
    with Project.open(folder) as project:
        for summary in (tqc(folder), hoppings(folder), zones(folder)):
            project.register_dataset(summary)
    session.project.set_catalogue((BROKEN, CGNN, DENSE, ZONE), [SHIPPED], (("cpu", "CPU"),))
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1060, 860)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and len(session.project.datasets) == 3)
    return panel


def choose(page: TrainPanel, name: str) -> None:
    box = page.setup.data.choice
    box.setCurrentIndex(box.findData(name))


def offered(page: TrainPanel) -> list[str]:
    box = page.setup.model_choice
    return [box.itemData(i) for i in range(box.count())]


def ways(page: TrainPanel) -> list[str]:
    box = page.setup.split.editor("kind")
    return [box.itemData(i) for i in range(box.count())]


def test_families_and_splits_fit_the_kind_of_data(page: TrainPanel) -> None:
    setup = page.setup
    for name, family, kinds, together in (
        ("tqc", "cgnn", ["composition", "element", "prototype", "random"], False),
        ("bitei", "dense", ["given", "random"], True),
        ("zones", "zone", ["given", "family", "random"], False),
        ("tqc", "cgnn", ["composition", "element", "prototype", "random"], False),
    ):
        choose(page, name)
        assert offered(page) == ["broken", family]
        assert ways(page) == kinds
        assert setup.training.editor("replicas").isVisibleTo(setup) is together
        recipe = setup.recipe()
        assert recipe is not None
        assert recipe.model == family
        assert recipe.split.kind == kinds[0]
        assert setup.split.editor("test").isVisibleTo(setup) is (kinds[0] == "composition")


def test_cost_resampling_and_replicas_reach_the_recipe(page: TrainPanel) -> None:
    choose(page, "bitei")
    setup = page.setup
    setup.preset_choice.setCurrentIndex(setup.preset_choice.findData("large"))
    for name, value in (("cost", "trace"), ("resample", True), ("replicas", 10)):
        setup.training.set_value(name, value)
    recipe = setup.recipe()
    assert recipe is not None
    assert (recipe.cost, recipe.resample, recipe.replicas) == ("trace", True, 10)
    assert recipe.learning_rate == 3e-4
    assert recipe.split == SplitSpec(kind="given")
    choose(page, "zones")
    other = setup.recipe()
    assert other is not None
    assert other.replicas == 1


def test_a_family_can_be_left_out(page: TrainPanel) -> None:
    choose(page, "zones")
    form = page.setup.split
    assert not form.editor("left_out").isVisibleTo(page.setup)
    box = form.editor("kind")
    box.setCurrentIndex(box.findData("family"))
    assert form.editor("left_out").isVisibleTo(page.setup)
    families = form.editor("left_out")
    families.setCurrentIndex(families.findData("bhz"))
    recipe = page.setup.recipe()
    assert recipe is not None
    assert recipe.split == SplitSpec(kind="family", left_out="bhz")
    assert "in no training row" in page.setup._leakage.text()


def test_the_check_of_both_sides_speaks_of_hamiltonians(page: TrainPanel) -> None:
    choose(page, "bitei")
    assert "names its test rows" in page.setup._leakage.text()
    recipe = page.setup.recipe()
    assert recipe is not None
    answer = EstimateReady(
        parameters=10, seconds_per_epoch=1.0, memory_bytes=1, device="cpu", sizes=(1, 2, 3),
        leakage=2,
    )  # fmt: skip
    page.setup.show_estimate(recipe, answer)
    assert "2 Hamiltonians are on both sides" in page.setup._leakage.text()
    page.setup.show_estimate(recipe, replace(answer, leakage=0))
    assert page.setup._leakage.text().endswith("No Hamiltonian on both sides.")


def test_a_recipe_is_shown_again_with_its_data(page: TrainPanel) -> None:
    choose(page, "tqc")
    data = next(d for d in page._session.project.datasets if d.name == "zones")
    recipe = TrainRecipe(
        model="zone",
        dataset=data.folder,
        preset="large",
        split=SplitSpec(kind="family", left_out="bhz", validation=0.2),
        cost="focal",
    )
    page.setup.set_recipe(recipe)
    shown = page.setup.recipe()
    assert shown is not None
    assert (shown.model, shown.preset, shown.cost) == ("zone", "large", "focal")
    assert shown.split == recipe.split
