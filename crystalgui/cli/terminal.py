"""What the commands share: words of arguments, progress, one-line errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from crystalgui.core.cards import Scalar
from crystalgui.core.errors import FileError, ModelError, ResourceError
from crystalgui.core.messages import Device, ErrorInfo, Event, LogLine, Progress

UNCHECKED: dict[str, Any] = {"readable": False}
"""typer's own check takes four lines, and one unreadable file would end a classification."""
Files = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Files, folders or zips.", **UNCHECKED)
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
DeriveOption = Annotated[
    str,
    typer.Option(
        metavar="TARGET",
        help="Another target that follows: tqc3 of tqc, metal of a band gap, space-group or "
        "point-group of the structures.",
    ),
]
PurifyOption = Annotated[
    bool,
    typer.Option(
        "--purify", help="Merge doubles, drop contradictions, 60 atoms or more, and list them."
    ),
]


def fail(text: str) -> int:
    """One line on stderr; the exit code of bad input."""
    print(" ".join(text.split()), file=sys.stderr)
    return 2


def sentence(info: ErrorInfo) -> str:
    """What happened and what to do."""
    return f"{info.title} {info.hint}".strip()


def log_file() -> Path:
    """Where details of defects go."""
    from crystalgui.core.settings import home

    return home() / "logs" / "crystalgui.log"


class Terminal:
    """Progress on one line of a terminal; nothing when stderr is a file."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._on:
            print(f"\r{text[:100]:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = min(100, len(text))

    def line(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        print(text, file=sys.stderr)

    def clear(self) -> None:
        """Remove the progress."""
        if self._on and self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr)
            self._width = 0


def follow(
    events: Iterable[Event], take: Callable[[Event], object], *, quiet: bool = False
) -> None:
    """Run a core generator to its end; progress and log lines go to the terminal."""
    terminal = Terminal()
    try:
        for event in events:
            if isinstance(event, Progress):
                share = f"{100 * event.done / event.total:3.0f} %" if event.total else ""
                terminal.show(f"{share} {event.text}".strip())
            elif isinstance(event, LogLine):
                if not quiet or event.level != "info":
                    terminal.line(event.text)
            else:
                take(event)
    finally:
        terminal.clear()


def existing(path: Path, what: str = "file") -> Path:
    """The path, or a `FileError` when nothing is there."""
    if not path.exists():
        raise FileError(f"There is no such {what}.", "Check the path.", path=path)
    return path


def device_named(name: str) -> Device:
    """``auto``, ``cpu`` or ``cuda``; anything else is refused."""
    if name not in ("auto", "cpu", "cuda"):
        raise ResourceError(f"There is no device called {name!r}.", "Choose auto, cpu or cuda.")
    return cast(Device, name)


def settings_of(pairs: Sequence[str]) -> dict[str, Scalar]:
    """``key=value`` words; numbers and truth values become such."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ModelError(f"{pair!r} is not key=value.", "For example: --set width=64")
        found[key.strip()] = _scalar(text.strip())
    return found


def _scalar(text: str) -> Scalar:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.casefold(), text)


def jsonable(value: object) -> object:
    """Numpy values as plain ones."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def write(path: Path, text: str) -> None:
    """Write a text file as a whole or not at all."""
    from crystalgui.core.atomic import write_atomic

    write_atomic(path, text)


def check_targets(csv: Path | None, pdf: Path | None = None) -> None:
    """Refuse before the work what could not be written after it."""
    from crystalgui.core.atomic import check_target

    if csv is not None:
        check_target(csv)
    if pdf is not None and not pdf.is_dir():
        check_target(pdf)
