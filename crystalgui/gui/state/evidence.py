"""What a model knows of one crystal: what was asked, and what it answered.

One subject at a time, chosen on the Structure or the Classify page.  Each of
the three questions (what the answer rests on, the atomic limit, similar
crystals) follows its own newest job; a question that was answered is not
asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    AtomicLimitReady,
    Event,
    ExplainReady,
    Job,
    SimilarReady,
)
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.core.messages import Prediction
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.gui.state.jobs import JobsState
    from crystalgui.gui.state.project import OpenFile

SAME = 1e-6
"""Coordinates that differ by less are the same, fractions of the cell."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Subject:
    """The crystal that is asked about.

    A row of the Classify page is found by its ``name`` among ``paths``; the
    crystal of an open file is ``crystal``, read from ``path`` or changed since.
    ``model`` is the one that made the row.
    """

    name: str
    paths: tuple[Path, ...] = ()
    path: Path | None = None
    crystal: Crystal | None = None
    model: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Found:
    """A subject on the disk: the file that the worker reads, and its crystal."""

    path: Path
    crystal: Crystal


def find(subject: Subject, folder: Path) -> Found:
    """Where a subject can be read; called in the lane.

    A crystal that is not on the disk as it is shown (another cell, a member of
    an archive, the crystal of a Hamiltonian) is written below ``folder``.
    """
    from crystalgui.core.structures.files import collect, write_poscar
    from crystalgui.gui.state.sources import extract

    if subject.crystal is None:
        path = extract(subject.paths, subject.name, folder)
        return Found(path=path, crystal=next(iter(collect([path])))[1]())
    if subject.path is not None:
        entries = list(collect([subject.path]))
        if len(entries) == 1:
            crystal = entries[0][1]()
            if same_crystal(crystal, subject.crystal):
                return Found(path=subject.path, crystal=crystal)
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(subject.name).name.removesuffix(".vasp")
    path = folder / f"{stem}-as-shown.vasp"
    write_poscar(subject.crystal, path)
    return Found(path=path, crystal=next(iter(collect([path])))[1]())


def same_crystal(one: Crystal, other: Crystal) -> bool:
    """Whether two crystals have the same atoms, in the same order, in the same cell."""
    import numpy as np

    if one.n_atoms != other.n_atoms or not np.array_equal(one.species, other.species):
        return False
    if not np.allclose(one.lattice, other.lattice, atol=1e-5):
        return False
    apart = one.frac - other.frac
    return bool(np.abs(apart - np.rint(apart)).max() < SAME)


class Question(Followed):
    """The newest job of one kind, and its answer.

    Signals
    -------
    answered()
        `ready` is new: an answer, or None because something else was asked.
    """

    answered = Signal()

    def __init__(self, jobs: JobsState, kind: type[Event], parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self._kind = kind
        self._asked: Job | None = None
        self.ready: Event | None = None

    def ask(self, job: Job) -> None:
        """Ask, unless this was asked last and did not fail."""
        if job == self._asked and self.error is None and (self.alive or self.ready is not None):
            return
        self.forget()
        self._asked = job
        self.follow(job)

    def forget(self) -> None:
        """Something else is shown: stop, and drop the answer."""
        self.cancel()
        self.job_id, self._asked, self.error = "", None, None
        if self.ready is not None:
            self.ready = None
            self.answered.emit()

    def take(self, event: Event) -> None:
        """The answer."""
        if isinstance(event, self._kind):
            self.ready = event
            self.answered.emit()


class EvidenceState(QObject):
    """The crystal and the model that are asked about, and the answers.

    Signals
    -------
    subject_changed(Subject or None)
    answered()
        What the answer rests on is new or gone.
    list_wanted()
        A list of misclassified crystals shall be gone through; `take_list` gives it once.
    """

    subject_changed = Signal(object)
    answered = Signal()
    list_wanted = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.subject: Subject | None = None
        self.crystal: Crystal | None = None
        self.wanted_list: Path | None = None
        self.explained: Question
        self.limit: Question
        self.similar: Question

    def attach(self, jobs: JobsState) -> None:
        """Listen to jobs, once."""
        self.explained = Question(jobs, ExplainReady, self)
        self.limit = Question(jobs, AtomicLimitReady, self)
        self.similar = Question(jobs, SimilarReady, self)
        self.explained.answered.connect(self.answered)

    # ------------------------------------------------------------- subject

    def show_file(self, file: OpenFile) -> None:
        """Ask about the crystal of an open file."""
        known = self.subject is not None and self.subject.crystal is file.crystal
        if file.crystal is not None and not known:
            path = file.path if file.kind == "crystal" else None
            self._show(Subject(name=file.name, path=path, crystal=file.crystal))

    def show_row(self, row: Prediction, paths: tuple[Path, ...]) -> None:
        """Ask about a row of the Classify page."""
        self._show(Subject(name=row.file, paths=paths, model=row.model))

    def _show(self, subject: Subject) -> None:
        self.subject, self.crystal = subject, None
        for question in (self.explained, self.limit, self.similar):
            question.forget()
        self.subject_changed.emit(subject)

    def show_list(self, path: Path) -> None:
        """Go through a list of misclassified crystals."""
        self.wanted_list = path
        self.list_wanted.emit()

    def take_list(self) -> Path | None:
        """The list that was asked for since the last time."""
        wanted, self.wanted_list = self.wanted_list, None
        return wanted

    # ------------------------------------------------------------- answers

    @property
    def explanation(self) -> ExplainReady | None:
        """What the answer rests on."""
        ready = self.explained.ready
        return ready if isinstance(ready, ExplainReady) else None

    def describes(self, crystal: Crystal | None) -> bool:
        """Whether the atoms that were explained are those of a crystal, in its order."""
        return (
            crystal is not None
            and self.crystal is not None
            and (crystal is self.crystal or same_crystal(crystal, self.crystal))
        )

    def atom_rows(self, atom: int, crystal: Crystal | None) -> list[tuple[str, str, str]]:
        """What was found of an atom of a crystal, for the inspector: name, value, tip."""
        ready = self.explanation
        if ready is None or not self.describes(crystal) or not 0 <= atom < len(ready.species):
            return []
        shared = ready.saliency
        what = f"log probability of {ready.asked}" if ready.asked else "value"
        text = f"{shared.values[atom]:+.4g} {ready.unit}".replace("-", "−")
        model = ready.prediction.model
        return [("Share of the answer", text, f"of the {what}, {shared.method}, {model}")]
