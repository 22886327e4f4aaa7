"""Pictures of the Evidence page: a network trained a moment before, and the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.gallery import Gallery

PAGES = ("attention-crystal", "attention-row", "saliency", "atomic-limit", "similar")


def walk(gallery: Gallery, home: Path) -> None:
    """The four rooms, and the row of an atom."""
    if not set(PAGES) & set(gallery.wanted):
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


def _attention_network(gallery: Gallery, home: Path) -> str:
    """Train a small attention network on shaken crystals; its name."""
    from crystalgui.core.messages import CatalogueJob, ImportJob, SplitSpec, TrainJob, TrainRecipe
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
    recipe = TrainRecipe(
        model="cann",
        dataset=data.folder,
        epochs=12,
        batch_size=16,
        split=SplitSpec(kind="random"),
        title="families by attention",
    )
    gallery.submit(TrainJob(project=project.folder, recipe=recipe))
    gallery.submit(CatalogueJob(project=project.folder))
    return next(m.name for m in project.models if m.family == "cann")
