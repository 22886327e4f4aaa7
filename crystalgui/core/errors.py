"""Errors that a person can act on.

Every failure that bad input or a missing resource can cause is raised as a
`CrystalError`: what happened (``title``), what to do (``hint``), and details
for the log.  Anything else that escapes is a defect of the program.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

Kind = Literal["input", "memory", "nan", "device", "internal"]


class CrystalError(Exception):
    """Something went wrong that the user can understand and mend.

    Parameters
    ----------
    title : str
        One sentence: what happened, and why.
    hint : str
        One sentence: what to do about it.
    details : str
        Longer text for the log and the "details" button.
    path : Path or str, optional
        The file concerned.
    line : int, optional
        Line of that file, counted from 1.
    """

    kind: ClassVar[Kind] = "input"

    def __init__(
        self,
        title: str,
        hint: str = "",
        details: str = "",
        *,
        path: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint
        self.details = details
        self.path = Path(path) if path is not None else None
        self.line = line

    @property
    def where(self) -> str:
        """``name, line n`` of the file concerned, or an empty string."""
        if self.path is None:
            return ""
        name = self.path.name or str(self.path)
        return name if self.line is None else f"{name}, line {self.line}"

    def __str__(self) -> str:
        """One line: where, what, remedy."""
        head = f"{self.where}: {self.title}" if self.where else self.title
        return f"{head} {self.hint}".strip()


class FileError(CrystalError):
    """A file cannot be read, or what it says is impossible."""


class DataError(CrystalError):
    """Labels, splits or data sets that cannot be used."""


class PhysicsError(CrystalError):
    """A quantity is undefined for this Hamiltonian or these settings."""


class ModelError(CrystalError):
    """A model, a checkpoint or a recipe that cannot be used."""


class ResourceError(CrystalError):
    """Memory, device, disk or permission is missing."""


class StoreError(CrystalError):
    """The project database or a run folder cannot be used."""


class Stopped(CrystalError):
    """Somebody asked to stop; not a failure."""


class NotEnoughMemory(ResourceError):
    """Memory ran out even with the smallest batch."""

    kind: ClassVar[Kind] = "memory"


class Diverged(ModelError):
    """The loss became NaN or infinite while training."""

    kind: ClassVar[Kind] = "nan"
