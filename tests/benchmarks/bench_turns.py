"""The longest turn of the window's event loop while each page is opened for the first time.

A turn is what the loop does between two passes over its timers: nothing that a
person clicks is heard in it.  It is measured in processor time of the thread
of the window, so that other programs on the machine do not count.  The
promise: no turn over 50 ms.

    python -m tests.benchmarks.bench_turns    every turn over 15 ms
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.bench_startup import display

if TYPE_CHECKING:
    from tests.gallery import Gallery

LIMIT = 50.0
LONG = 15.0


class Turns:
    """Processor time of every pass of the event loop, ms."""

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer

        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._pass)
        self.taken: list[float] = []

    def begin(self) -> None:
        """From now on."""
        self.taken = []
        self._last = time.thread_time()
        self._timer.start()

    def end(self) -> list[float]:
        """The turns, longest first."""
        self._timer.stop()
        return sorted(self.taken, reverse=True)

    def _pass(self) -> None:
        now = time.thread_time()
        self.taken.append(1e3 * (now - self._last))
        self._last = time.thread_time()


def turns(gallery: Gallery, act: Callable[[], object], done: Callable[[], object]) -> list[float]:
    """Do something and wait for it; all turns until the window is at rest."""
    probe = Turns()
    probe.begin()
    act()
    gallery.wait("answer", done)
    gallery.rest(0.8)
    return probe.end()


def first_openings(gallery: Gallery) -> dict[str, list[float]]:
    """Turns of each page, opened with something to show, and of what is inside of them."""
    from crystalgui.core.messages import CatalogueJob
    from crystalgui.core.resources import examples
    from crystalgui.gui.window import PAGES

    window, session = gallery.window, gallery.session
    gallery.submit(CatalogueJob(project=session.project.folder))
    files = ("structures/Bi2Se3.vasp", "hoppings/bitei/bitei_hr.dat.gz")
    crystal, hoppings = (examples() / file for file in files)
    found: dict[str, list[float]] = {}

    def open_page(name: str, act: Callable[[], object] | None = None) -> Any:
        found[name] = turns(
            gallery,
            act or (lambda: window.show_page(name)),
            lambda: window.page_widget(name) is not None,
        )
        return window.page_widget(name)

    open_page("structure", lambda: window.open_paths([crystal]))
    window.show_page("welcome")
    rooms = open_page("electronic", lambda: window.open_paths([hoppings])).rooms
    for room in ("topology", "phases", "surface", "design"):
        found[f"  {room}"] = turns(
            gallery, partial(rooms.show_room, room), partial(rooms.room, room)
        )
    for page in PAGES[2:]:
        widget = open_page(page.name)
        if page.name == "train":
            for chip in (widget.live_chip, widget.phase_chip, widget.invariance_chip):
                if chip.isEnabled():
                    found[f"  {chip.text().lower()}"] = turns(gallery, chip.click, lambda: True)
    return found


def measure(home: Path) -> dict[str, list[float]]:
    """Open the window in a project with runs and data sets, and every page in it."""
    from tests.gallery import opened_window

    os.environ["CRYSTALGUI_HOME"] = str(home)
    with opened_window(1600, 1000) as gallery:
        from crystalgui.app import LATER, _import

        gallery.rest()
        for name in LATER:
            gallery.session.lane.run(_import, name, on_answer=lambda _: None, owner=gallery.window)
        gallery.wait("modules", lambda: not gallery.session.lane.busy)
        return first_openings(gallery)


def run() -> list[dict[str, Any]]:
    """The longest turn of each page."""
    with display(), tempfile.TemporaryDirectory() as folder:
        return [
            {
                "name": f"longest turn, first opening of {page}",
                "value": found[0],
                "unit": "ms",
                "limit": LIMIT,
            }
            for page, found in measure(Path(folder)).items()
        ]


if __name__ == "__main__":
    with display(), tempfile.TemporaryDirectory() as place:
        if len(sys.argv) > 1:
            shutil.copytree(sys.argv[1], place, dirs_exist_ok=True)
        for page, found in measure(Path(place)).items():
            print(f"{page:14}", *(f"{t:.0f}" for t in found if t > LONG))
