"""What is open: files, data sets and trained models of the project.

Files are read in the interactive lane, one request a file, so that the window
stays alive whatever is dropped on it.  A file that cannot be read stays in the
list with its line, reason and remedy; the others open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from crystalgui.core.errors import CrystalError, FileError
from crystalgui.core.messages import DatasetSummary, ErrorInfo

if TYPE_CHECKING:
    from crystalgui.core.cards import Card, ExperimentCard, TrainedModel
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.engine.lane import Lane

Kind = Literal["loading", "crystal", "hoppings", "error"]
MOST_FILES = 200
_SKIPPED = (".git", "__pycache__", ".crystalgui")


@dataclass(slots=True, eq=False, kw_only=True)
class OpenFile:
    """One row of the file list; the same object for as long as it is open.

    Attributes
    ----------
    path : Path
    kind : {"loading", "crystal", "hoppings", "error"}
    crystal : Crystal or None
        Also set for hoppings whose crystal is known.
    hoppings : Hoppings or None
    error : ErrorInfo or None
    line : int or None
        Line of the error.
    badge : str
        Space group, number of bands, phase, or line of the error.
    sha256 : str
        Hash of the file as it was read.
    companions : tuple of Path
        Files read together with it.
    occupied : int
        Number of occupied bands that the person chose; 0 when none was chosen.
    """

    path: Path
    kind: Kind = "loading"
    crystal: Crystal | None = None
    hoppings: Hoppings | None = None
    error: ErrorInfo | None = None
    line: int | None = None
    badge: str = ""
    sha256: str = ""
    companions: tuple[Path, ...] = ()
    occupied: int = 0

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Files to open, and what was dropped but is no such file."""

    files: tuple[tuple[Path, tuple[Path, ...]], ...]
    refused: tuple[tuple[Path, ErrorInfo], ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the lane read of one file."""

    kind: Kind
    crystal: Crystal | None = None
    hoppings: Hoppings | None = None
    error: ErrorInfo | None = None
    line: int | None = None
    sha256: str = ""
    badge: str = ""
    needs_symbols: bool = False


# ------------------------------------------- read in the lane, not here


def find_files(paths: Sequence[Path]) -> Found:
    """Structure and hopping files among ``paths``, folders searched.

    A hopping file gets as companions the dropped files that could belong to
    it: those of its own folder; and when it is the only one dropped and its
    folder has no lattice, those of other folders too.
    """
    from crystalgui.core.structures.files import sniff

    opened: list[tuple[Path, str]] = []
    refused: list[tuple[Path, ErrorInfo]] = []
    left_out = 0
    for path in paths:
        before = len(opened), len(refused), left_out
        for item in _walk(path):
            if len(opened) >= MOST_FILES:
                left_out += 1
                continue
            try:
                kind = sniff(item)
            except (CrystalError, OSError) as error:
                refused.append((item, ErrorInfo.of(_as_crystal_error(error, item))))
                continue
            if kind != "unknown" or item == path:
                opened.append((item, kind))
        if path.is_dir() and before == (len(opened), len(refused), left_out):
            nothing = FileError(
                "The folder has no structure or hopping file.", "Choose another one.", path=path
            )
            refused.append((path, ErrorInfo.of(nothing)))
    hoppings = [p for p, kind in opened if kind == "hoppings"]
    files = []
    for item, kind in opened:
        if kind == "hoppings":
            files.append((item, _companions(item, opened, alone=len(hoppings) == 1)))
        elif kind != "companion" or not hoppings:
            files.append((item, ()))
    return Found(files=tuple(files), refused=tuple(refused), left_out=left_out)


def _companions(
    hoppings: Path, opened: Sequence[tuple[Path, str]], *, alone: bool
) -> tuple[Path, ...]:
    """Dropped files to read with a hopping file; of several crystals, none is guessed."""
    from crystalgui.core.structures.hoppings.companions import find_companions

    anywhere = alone and find_companions(hoppings).lattice is None
    near = [
        (path, kind)
        for path, kind in opened
        if kind in ("crystal", "companion") and (anywhere or path.parent == hoppings.parent)
    ]
    ambiguous = sum(kind == "crystal" for _, kind in near) > 1
    return tuple(path for path, kind in near if kind == "companion" or not ambiguous)


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder) / name


def _as_crystal_error(error: BaseException, path: Path) -> BaseException:
    """An operating-system error in the words of a `FileError`."""
    if isinstance(error, PermissionError):
        return FileError("No permission to read it.", "Change its permissions.", path=path)
    if isinstance(error, FileNotFoundError):
        return FileError("It does not exist.", "It was moved or deleted.", path=path)
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return FileError(f"It cannot be read: {why}.", "Check the disk and the path.", path=path)
    return error


def load(
    path: Path, companions: tuple[Path, ...] = (), symbols: tuple[str, ...] | None = None
) -> Loaded:
    """Read one file; an error is part of the answer."""
    from crystalgui.core.structures import files

    try:
        digest = _sha256(path)
        if files.sniff(path) == "hoppings":
            from crystalgui.core.structures.hoppings.reader import read_hoppings

            hoppings = read_hoppings(path, companions)
            return Loaded(
                kind="hoppings",
                hoppings=hoppings,
                crystal=crystal_of(hoppings),
                sha256=digest,
                badge=f"{hoppings.n_orbitals} bands",
            )
        crystal = files.read_crystal(path, symbols=symbols)
    except files.MissingSymbols as error:
        return Loaded(
            kind="error",
            error=ErrorInfo.of(error),
            line=error.line,
            needs_symbols=True,
            badge="symbols?",
        )
    except (CrystalError, OSError) as raw:
        error = _as_crystal_error(raw, path)
        line = error.line if isinstance(error, CrystalError) else None
        return Loaded(
            kind="error",
            error=ErrorInfo.of(error),
            line=line,
            badge=f"line {line}" if line else "error",
        )
    return Loaded(kind="crystal", crystal=crystal, sha256=digest)


def _sha256(path: Path) -> str:
    if path.is_dir():
        raise FileError("It is a folder.", "Drop the folder to open what is in it.", path=path)
    if path.exists() and not path.is_file():
        raise FileError("It is not an ordinary file.", "Choose a file.", path=path)
    from crystalgui.core.store.files import sha256

    return sha256(path)


def crystal_of(hoppings: Hoppings) -> Crystal | None:
    """The crystal of a Hamiltonian, when lattice and atoms are known."""
    if hoppings.lattice is None or hoppings.species is None or hoppings.frac is None:
        return None
    from crystalgui.core.structures.crystal import Crystal

    return Crystal(
        lattice=hoppings.lattice,
        frac=hoppings.frac,
        species=hoppings.species,
        title=hoppings.title,
        source=hoppings.source,
    )


def space_group(crystal: Crystal, tolerance: float) -> str:
    """International symbol for the badge."""
    from crystalgui.core.structures.symmetry import remembered_symmetry

    return remembered_symmetry(crystal, tolerance).international


# ------------------------------------------------------------- the state


class ProjectState(QObject):
    """Open files, data sets, cards and trained models.

    Signals
    -------
    file_added(OpenFile), file_changed(OpenFile), file_removed(OpenFile)
    current_changed(OpenFile or None)
    opened(Path)
        A file was read well: recent files note it.
    refused(Path, ErrorInfo)
        A file could not be read.
    symbols_wanted(OpenFile)
        A VASP 4 file names no elements; answer with `give_symbols`.
    left_out(int)
        So many files of a folder were not opened.
    settled()
        Nothing is being read any more.
    datasets_changed(), catalogue_changed()
    """

    file_added = Signal(object)
    file_changed = Signal(object)
    file_removed = Signal(object)
    current_changed = Signal(object)
    opened = Signal(object)
    refused = Signal(object, object)
    symbols_wanted = Signal(object)
    left_out = Signal(int)
    settled = Signal()
    datasets_changed = Signal()
    catalogue_changed = Signal()

    def __init__(
        self,
        lane: Lane,
        folder: Path,
        tolerance: Callable[[], float] = lambda: 1e-2,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._lane = lane
        self._tolerance = tolerance
        self._pending = 0
        self._fresh: list[OpenFile] = []
        self.folder = folder
        self.files: list[OpenFile] = []
        self.current: OpenFile | None = None
        self.datasets: list[DatasetSummary] = []
        self._unlisted: dict[Path, DatasetSummary] = {}
        self.cards: tuple[Card, ...] = ()
        self.models: list[TrainedModel] = []
        self.devices: tuple[tuple[str, str], ...] = (("cpu", "CPU"),)
        self.experiments: tuple[ExperimentCard, ...] = ()

    # ------------------------------------------------------------ files

    @property
    def busy(self) -> bool:
        """Whether files are still being read."""
        return self._pending > 0

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Open files and folders; answers arrive by signals."""
        wanted = [Path(os.path.abspath(p)) for p in paths]
        if not wanted:
            return
        self._ask(
            find_files,
            wanted,
            on_answer=self._found,
            on_error=lambda error: self.refused.emit(wanted[0], error),
        )

    def _ask(
        self,
        function: Callable[..., Any],
        *args: object,
        on_answer: Callable[[Any], None],
        on_error: Callable[[ErrorInfo], None],
    ) -> None:
        """Have the lane do it in its turn; count what is pending."""
        self._pending += 1

        def answered(value: object) -> None:
            try:
                on_answer(value)
            finally:
                self._settle()

        def failed(error: ErrorInfo) -> None:
            try:
                on_error(error)
            finally:
                self._settle()

        self._lane.run(function, *args, on_answer=answered, on_error=failed, owner=self)

    def _settle(self) -> None:
        self._pending -= 1
        if self._pending == 0:
            self.settled.emit()

    def _found(self, found: Found) -> None:
        # of what was opened last, the first file that can be read is shown
        self._fresh = [self._file(path) for path, _ in found.files]
        for path, companions in found.files:
            self._open(path, companions)
        for path, error in found.refused:
            file = self._file(path)
            self._fill(file, Loaded(kind="error", error=error, badge="error"))
        if found.left_out:
            self.left_out.emit(found.left_out)

    def _file(self, path: Path) -> OpenFile:
        for file in self.files:
            if file.path == path:
                return file
        file = OpenFile(path=path)
        self.files.append(file)
        self.file_added.emit(file)
        return file

    def _open(
        self, path: Path, companions: tuple[Path, ...], symbols: tuple[str, ...] | None = None
    ) -> None:
        file = self._file(path)
        if companions:
            file.companions = companions
        self._ask(
            load,
            path,
            file.companions,
            symbols,
            on_answer=lambda loaded: self._fill(file, loaded),
            on_error=lambda error: self._fill(
                file, Loaded(kind="error", error=error, badge="error")
            ),
        )

    def _fill(self, file: OpenFile, loaded: Loaded) -> None:
        if file not in self.files:
            return
        if loaded.kind == "error" and file.kind in ("crystal", "hoppings"):
            # a reload that fails keeps what was read before
            self.refused.emit(file.path, loaded.error)
            return
        file.kind, file.crystal, file.hoppings = loaded.kind, loaded.crystal, loaded.hoppings
        file.error, file.line, file.sha256 = loaded.error, loaded.line, loaded.sha256
        file.badge = loaded.badge
        self.file_changed.emit(file)
        if loaded.needs_symbols:
            self.symbols_wanted.emit(file)
        elif loaded.kind == "error":
            self.refused.emit(file.path, loaded.error)
        else:
            self.opened.emit(file.path)
            fresh = file in self._fresh
            self._fresh = [] if fresh else self._fresh
            if self.current is file:
                self.current_changed.emit(file)
            elif fresh or self.current is None or self.current.kind == "error":
                self.set_current(file)
            if file.kind == "crystal":
                self._badge(file)

    def _badge(self, file: OpenFile) -> None:
        def answered(symbol: str) -> None:
            self.set_badge(file, symbol)

        self._ask(
            space_group,
            file.crystal,
            self._tolerance(),
            on_answer=answered,
            on_error=lambda error: self.set_badge(file, ""),
        )

    def set_badge(self, file: OpenFile, badge: str) -> None:
        """Show a word behind the file: space group, phase, prediction."""
        if file in self.files and file.badge != badge:
            file.badge = badge
            self.file_changed.emit(file)

    def give_symbols(self, file: OpenFile, symbols: Sequence[str]) -> None:
        """Read a VASP 4 file again with the elements a person named."""
        self._open(file.path, file.companions, tuple(symbols))

    def reload(self, file: OpenFile) -> None:
        """Read a file again."""
        self._open(file.path, file.companions)

    def replace_crystal(self, file: OpenFile, crystal: Crystal) -> None:
        """Show another cell (standard, primitive, edited) in place of the file's."""
        file.crystal = crystal
        self.file_changed.emit(file)
        if self.current is file:
            self.current_changed.emit(file)

    def set_current(self, file: OpenFile | None) -> None:
        """Make a file the one that pages show."""
        if file is not self.current:
            self.current = file
            self.current_changed.emit(file)

    def close(self, file: OpenFile) -> None:
        """Take a file off the list; nothing on disk changes."""
        if file not in self.files:
            return
        index = self.files.index(file)
        self.files.remove(file)
        self.file_removed.emit(file)
        if file is self.current:
            near = self.files[index : index + 1] or self.files[-1:]
            self.set_current(near[0] if near else None)

    # -------------------------------------------- data sets and models

    def set_datasets(self, datasets: Iterable[DatasetSummary]) -> None:
        """Take the list of the store; one read before an import ended does not undo it."""
        listed = {d.folder: d for d in datasets}
        self._unlisted = {f: d for f, d in self._unlisted.items() if f not in listed}
        self.datasets = [*listed.values(), *self._unlisted.values()]
        self.datasets_changed.emit()

    def add_dataset(self, summary: DatasetSummary) -> None:
        """Note an import that ended well; the same folder is replaced."""
        self._unlisted[summary.folder] = summary
        self.datasets = [*(d for d in self.datasets if d.folder != summary.folder), summary]
        self.datasets_changed.emit()

    def set_catalogue(
        self,
        cards: Iterable[Card],
        models: Iterable[TrainedModel],
        devices: Iterable[tuple[str, str]] = (("cpu", "CPU"),),
        experiments: Iterable[ExperimentCard] = (),
    ) -> None:
        """Take what the worker found on this machine."""
        self.cards = tuple(cards)
        self.models = list(models)
        self.devices = tuple(devices)
        self.experiments = tuple(experiments)
        self.catalogue_changed.emit()

    def model(self, name: str) -> TrainedModel | None:
        """A trained model by name."""
        return next((m for m in self.models if m.name == name), None)


__all__ = ["Found", "Loaded", "OpenFile", "ProjectState", "find_files", "load"]
