"""A list of misclassified crystals that a person goes through, and what is decided.

Everything is read in the lane.  Verdicts are written at once, by the thread
that writes settings: what was decided when the program dies is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import Event, ExperimentReady
from crystalgui.core.reports.second_look import Missed, MissedList, looked_at, read_list
from crystalgui.core.store.verdicts import (
    Judged,
    Key,
    Verdict,
    Verdicts,
    joined,
    keep_verdicts,
    path_of,
    read_verdicts,
)

if TYPE_CHECKING:
    from crystalgui.core.datasets.alike import Looked
    from crystalgui.core.experiments.missed import FoundList
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.engine.lane import Lane
    from crystalgui.engine.writer import Writer
    from crystalgui.gui.state.jobs import JobsState
    from crystalgui.gui.state.project import ProjectState


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Lists on the disk, and the verdicts of the project."""

    lists: tuple[FoundList, ...]
    verdicts: Verdicts


def survey(experiments: Path, verdicts: Path) -> Survey:
    """Look for lists and verdicts; called in the lane."""
    from crystalgui.core.experiments.missed import missed_lists

    return Survey(lists=missed_lists(experiments), verdicts=read_verdicts(verdicts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Where crystals can come from, and how many of the list are there."""

    title: str
    path: Path
    count: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opened:
    """A list that was read, and the data sets of its own run."""

    found: MissedList
    datasets: tuple[Path, ...]


def open_list(path: Path) -> Opened:
    """Read a list; called in the lane."""
    from crystalgui.core.experiments.missed import datasets_of

    return Opened(found=read_list(path), datasets=datasets_of(path))


def weigh(places: tuple[tuple[str, Path], ...], ids: tuple[str, ...]) -> tuple[Offer, ...]:
    """How many crystals are in each place; called in the lane."""
    from crystalgui.core.datasets.alike import holds

    offers = []
    for title, path in places:
        try:
            count = holds(path, ids)
        except CrystalError:
            count = 0  # what cannot be read has none; choosing it says why
        offers.append(Offer(title=title, path=path, count=count))
    return tuple(offers)


def find_crystal(source: Path, name: str) -> Looked:
    """A crystal and those that are built alike; called in the lane."""
    from crystalgui.core.datasets.alike import look

    return look(source, name)


class SecondLookState(QObject):
    """The list that is open, where its crystals come from, the row, and the verdicts.

    Signals
    -------
    listed()
        Other lists are on the disk.
    opened()
        Another list, or why there is none.
    judged(int)
        The verdict or the note of a row.
    offered()
        Other places of crystals, or another one is used.
    looked()
        The crystal of the row is there, or is not.
    useless(Path)
        What was chosen has none of the crystals.
    refused(ErrorInfo)
        A list that was found cannot be read; the next one is opened.
    """

    listed = Signal()
    opened = Signal()
    judged = Signal(int)
    offered = Signal()
    looked = Signal()
    useless = Signal(object)
    refused = Signal(object)

    def __init__(
        self,
        project: ProjectState,
        jobs: JobsState,
        lane: Lane,
        writer: Writer,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._project, self._lane, self._writer = project, lane, writer
        self._path = path_of(project.folder)
        self._experiments = project.folder / ".crystalgui" / "experiments"
        self._own: tuple[Path, ...] = ()
        self._more: list[Path] = []
        self._chosen: Path | None = None
        self._fresh: Path | None = None
        self._wanted: Path | None = None
        self._left: list[Path] = []
        self.lists: tuple[FoundList, ...] | None = None
        self.verdicts: dict[Key, Judged] = {}
        self.found: MissedList | None = None
        self.error: ErrorInfo | None = None
        self.offers: tuple[Offer, ...] | None = None
        self.source: Path | None = None
        self.row = -1
        self.crystal: Looked | None = None
        self.lost: ErrorInfo | None = None
        project.datasets_changed.connect(self._weigh)
        jobs.event.connect(self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, ExperimentReady) and self.lists is not None:
            self.refresh()

    # --------------------------------------------------------------- lists

    def refresh(self, wanted: Path | None = None) -> None:
        """Look at the disk, and open ``wanted``; without it and the first time what was open."""
        self._wanted = wanted or self._wanted  # this request may replace one that waits
        self._lane.ask(
            "second-look:lists",
            survey,
            self._experiments,
            self._path,
            on_answer=self._surveyed,
            on_error=self._not_opened,
            owner=self,
        )

    def _surveyed(self, found: Survey) -> None:
        wanted, self._wanted = self._wanted, None
        first, self.lists = self.lists is None, found.lists
        self._join(found.verdicts.judged)
        kept = found.verdicts
        if first:
            self._chosen = kept.crystals
        self.listed.emit()
        if wanted is not None:
            self.open(wanted)
        elif self.found is None:
            paths = [one.path for one in found.lists]
            before = kept.opened if kept.opened is not None and kept.opened.is_file() else None
            self._left = [*([before] if before is not None else []), *paths]
            if self._left:
                self.open(self._left.pop(0))
            else:
                self.error = None
                self.opened.emit()

    def open(self, path: Path) -> None:
        """Open a list."""
        self._lane.ask(
            "second-look:open",
            open_list,
            path,
            on_answer=self._take_list,
            on_error=self._not_opened,
            owner=self,
        )

    def _not_opened(self, error: ErrorInfo) -> None:
        if self.found is None and self._left:
            self.refused.emit(error)
            self.open(self._left.pop(0))
            return
        self.error = error
        self.opened.emit()

    def _take_list(self, opened: Opened) -> None:
        self.found, self._own, self.error = opened.found, opened.datasets, None
        self._left = []
        self._join(opened.found.judged)
        self.row, self.crystal, self.lost, self.offers = -1, None, None, None
        self._save()
        self.opened.emit()
        self._weigh()

    def _join(self, judged: Iterable[Judged]) -> None:
        self.verdicts = {one.key: one for one in joined(judged, self.verdicts.values())}

    # ------------------------------------------------------------- crystals

    def _places(self) -> tuple[tuple[str, Path], ...]:
        """Data sets of the run of the list and of the project, and what a person chose."""
        places = [(f"{path.name}, of this run", path) for path in self._own]
        for summary in self._project.datasets:
            if summary.kind == "crystals":
                places.append((summary.name, Path(summary.folder)))
        known = {path for _, path in places}
        more = [self._chosen, *self._more]
        for path in dict.fromkeys(p for p in more if p is not None and p not in known):
            places.append((path.name or str(path), path))
        return tuple(places)

    def _weigh(self) -> None:
        if self.found is None:
            return
        self._lane.ask(
            "second-look:weigh",
            weigh,
            self._places(),
            tuple(crystal.id for crystal in self.found.crystals),
            on_answer=self._weighed,
            owner=self,
            slow=True,
        )

    def _weighed(self, offers: tuple[Offer, ...]) -> None:
        self.offers = offers
        counts = {offer.path: offer.count for offer in offers}
        fresh, self._fresh = self._fresh, None
        if fresh is not None and not counts.get(fresh):
            self.useless.emit(fresh)
        if self._chosen not in counts or (not counts[self._chosen] and any(counts.values())):
            self._chosen = None
        best = max(offers, key=lambda offer: offer.count, default=None)
        best_path = best.path if best is not None and best.count else None
        before, self.source = self.source, self._chosen or best_path
        self.offered.emit()
        if self.crystal is None or before != self.source:
            self.look(self.row)

    def choose(self, path: Path) -> None:
        """Take the crystals from a data set, a folder or an archive."""
        self._chosen = self.source = path
        if path not in self._more:
            self._more.append(path)
        if self.offers is not None and path in {offer.path for offer in self.offers}:
            self.offered.emit()
            self.look(self.row)
        else:
            self.source, self._fresh = None, path
            self._weigh()
        self._save()

    def look(self, row: int) -> None:
        """Show a crystal of the list."""
        self.row, self.crystal, self.lost = row, None, None
        current = self.current
        if current is not None and self.source is not None:
            self._lane.ask(
                "second-look:crystal",
                find_crystal,
                self.source,
                current.id,
                on_answer=lambda found: self._take_crystal(current, found),
                on_error=lambda error: self._not_there(current, error),
                owner=self,
                slow=True,
            )
        self.looked.emit()

    def _take_crystal(self, asked: Missed, found: Looked) -> None:
        if asked is self.current:
            self.crystal = found
            self.looked.emit()

    def _not_there(self, asked: Missed, error: ErrorInfo) -> None:
        if asked is self.current:
            self.lost = error
            self.looked.emit()

    # ------------------------------------------------------------- verdicts

    @property
    def current(self) -> Missed | None:
        """The crystal of the row."""
        if self.found is None or not 0 <= self.row < len(self.found.crystals):
            return None
        return self.found.crystals[self.row]

    def judged_of(self, crystal: Missed) -> Judged:
        """What was decided on a crystal; an empty verdict when nothing was."""
        known = self.verdicts.get(crystal.key)
        return known or Judged(id=crystal.id, formula=crystal.formula, label=crystal.label)

    @property
    def looked_at(self) -> int:
        """How many of the list have a verdict."""
        return looked_at(self.found.crystals, self.verdicts) if self.found is not None else 0

    def first_open(self) -> int:
        """The first row without a verdict; 0 when all have one."""
        crystals = self.found.crystals if self.found is not None else ()
        return next((i for i, c in enumerate(crystals) if not self.judged_of(c).verdict), 0)

    def judge(self, verdict: Verdict) -> None:
        """Decide on the crystal of the row."""
        current = self.current
        if current is not None and verdict != self.judged_of(current).verdict:
            self._put(current, verdict, self.judged_of(current).note)

    def note(self, text: str) -> None:
        """Change the note on the crystal of the row."""
        current = self.current
        if current is not None and text != self.judged_of(current).note:
            self._put(current, self.judged_of(current).verdict, text)

    def _put(self, current: Missed, verdict: Verdict, note: str) -> None:
        self.verdicts[current.key] = self.judged_of(current).now(verdict, note)
        self._save()
        self.judged.emit(self.row)

    def _save(self) -> None:
        """Write soon; several changes that wait are one write."""
        new = Verdicts(
            judged=tuple(self.verdicts.values()),
            opened=self.found.path if self.found is not None else None,
            crystals=self._chosen,
        )
        self._writer.put(self._path, lambda path: keep_verdicts(path, new))
