"""Pictures of attention networks: while one trains, and of the Evidence page that asks them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crystalgui.core.messages import TrainRecipe
    from tests.gallery import Gallery

WATCHED = "attention-atoms"
PAGES = (WATCHED, "attention-crystal", "attention-row", "saliency", "atomic-limit", "similar")


def walk(gallery: Gallery, home: Path) -> None:
    """A network as it trains, the four rooms, and the row of an atom."""
    if WATCHED in gallery.wanted:
        _watched(gallery, home)
    if not set(PAGES[1:]) & set(gallery.wanted):
        return
    network = _attention_network(gallery, home)
    gallery.choose("YBa2Cu3O7.vasp")
    gallery.window.show_page("structure")
    gallery.rest()
    structure: Any = gallery.window.page_widget("structure")
    structure.ask_evidence()
    gallery.rest()
    page: Any = gallery.window.page_widget("evidence")
    page.choose_model(network)
    _answered(gallery, page, "attention")
    gallery.shoot("evidence", "attention-crystal")
    if "attention-row" in gallery.wanted:
        drawn = page.crystal.view.geometry3d.atom.tolist().index(3)
        page.crystal.view.select((drawn,))
        gallery.shoot("evidence", "attention-row")
    gallery.choose("Bi2Se3.vasp")
    gallery.rest()
    phases = next(m.name for m in gallery.session.project.models if m.target == "tqc")
    for room, name in (("saliency", "saliency"), ("limit", "atomic-limit"), ("similar", "similar")):
        if name not in gallery.wanted:
            continue
        page.choose_model(network if room == "similar" else phases)
        page.show_room(room)
        _answered(gallery, page, room)
        if room == "limit":
            page.room.set_factor(1.4)
        elif room == "similar":
            page.room.table.setCurrentIndex(page.room.model.index(14, 0))
        gallery.shoot("evidence", name)


def _answered(gallery: Gallery, page: Any, name: str) -> None:
    gallery.wait(name, lambda: page.room is not None and page.room.answering)
    gallery.wait("crystal", lambda: page.crystal.view is not None)
    gallery.rest()


def _watched(gallery: Gallery, home: Path) -> None:
    """The Train page as the attention between atoms changes from epoch to epoch."""
    recipe = replace(_recipe(gallery, home), epochs=30, learning_rate=3e-3)
    gallery.window.show_page("train")
    gallery.rest()
    view = gallery.window.page_widget("train").train(recipe)  # type: ignore[union-attr]
    gallery.wait("attention of atoms", lambda: view.epoch >= 24 or not view.alive)
    gallery.shoot("train", WATCHED)
    gallery.wait("training", lambda: not view.alive)


def _attention_network(gallery: Gallery, home: Path) -> str:
    """Train a small attention network on shaken crystals; its name."""
    from crystalgui.core.messages import CatalogueJob, TrainJob

    project = gallery.session.project
    gallery.submit(TrainJob(project=project.folder, recipe=_recipe(gallery, home)))
    gallery.submit(CatalogueJob(project=project.folder))
    return next(m.name for m in project.models if m.family == "cann")


def _recipe(gallery: Gallery, home: Path) -> TrainRecipe:
    """How a small attention network learns shaken crystals, which are imported where needed."""
    from crystalgui.core.messages import ImportJob, SplitSpec, TrainRecipe
    from tests.gallery import data_set

    project = gallery.session.project
    if not any(data.kind == "crystals" for data in project.datasets):
        structures, labels = data_set(home / "crystals-of-evidence")
        gallery.submit(
            ImportJob(
                project=project.folder, source=structures, labels=labels, name="example families"
            )
        )
    data = next(data for data in project.datasets if data.kind == "crystals")
    return TrainRecipe(
        model="cann",
        dataset=data.folder,
        epochs=12,
        batch_size=16,
        split=SplitSpec(kind="random"),
        title="families by attention",
    )
