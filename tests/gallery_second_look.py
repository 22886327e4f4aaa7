"""Pictures of the room Second look: the list that ships, without and with its crystals.

The crystals are in the data folder, where there is one: those of the list and every
twentieth of the others are imported, so that some are built alike.
"""

from __future__ import annotations

import csv
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.gallery import Gallery

PAGES = ("second-look", "second-look-empty")
EACH = 20


def walk(gallery: Gallery, home: Path) -> None:
    """The list alone, then with crystals, verdicts and neighbours."""
    if not set(PAGES) & set(gallery.wanted):
        return
    gallery.window.show_page("evidence")
    gallery.rest()
    page: Any = gallery.window.page_widget("evidence")
    page.show_room("second-look")
    gallery.wait("list", lambda: page.room is not None and page.room.answering)
    gallery.rest()
    gallery.shoot("evidence", "second-look-empty")
    if "second-look" not in gallery.wanted:
        return
    room = page.room
    _import(gallery, home, [crystal.id for crystal in room.state.found.crystals])
    gallery.rest()
    room.judge("wrong")
    room.step(1)
    room.judge("unclear")
    room.step(100)
    gallery.rest()
    if room.state.source is not None:
        gallery.wait("crystal", lambda: page.crystal.view is not None and page.crystal.base)
    gallery.rest()
    gallery.shoot("evidence", "second-look")


def _import(gallery: Gallery, home: Path, ids: list[str]) -> None:
    """Import a part of the data folder; nothing where there is none."""
    from crystalgui.core.messages import ImportJob

    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CRYSTALGUI_DATA", beside)) / "mp_tqc"
    source, labels = folder / "POSCAR.zip", folder / "tqc.csv"
    if not (source.is_file() and labels.is_file()):
        return
    part = home / "part.zip"
    with labels.open(newline="") as stream:
        every = [row[0] for row in csv.reader(stream)][1:]
    wanted = {*ids, *every[::EACH]}
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(part, "w") as file:
        for name in whole.namelist():
            if Path(name).stem in wanted:
                file.writestr(name, whole.read(name))
    job = ImportJob(
        project=gallery.session.project.folder, source=part, labels=labels, name="topology"
    )
    gallery.submit(job)
