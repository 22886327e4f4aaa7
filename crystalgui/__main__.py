"""``python -m crystalgui`` and the ``crystalgui`` command.

No argument, only files, or ``gui``: the window.  Anything else: the command
line.  Neither imports the other.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = (
    "info",
    "bands",
    "topology",
    "phases",
    "design",
    "dataset",
    "train",
    "sweep",
    "invariance",
    "network",
    "classify",
    "evaluate",
    "explain",
    "atomic-limit",
    "similar",
    "experiment",
    "report",
    "doctor",
    "bench",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start what was asked; the exit code."""
    multiprocessing.freeze_support()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] == "gui":
        return _window(words[1:])
    if not words or (
        words[0] not in COMMANDS and not words[0].startswith("-") and Path(words[0]).exists()
    ):
        return _window(words)
    from crystalgui.cli import main as command_line

    return command_line(words)


def _window(words: Sequence[str]) -> int:
    """Parse ``gui`` options without typer: it would cost a tenth of a second."""
    from argparse import ArgumentParser

    from crystalgui.core.errors import CrystalError

    parser = ArgumentParser(prog="crystalgui gui", description="Open the window on files.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--page", default="", help="page to show")
    parser.add_argument("--theme", default="", choices=("", "system", "light", "dark"))
    parser.add_argument("--screenshot", type=Path, help="take a picture (PNG) and quit")
    parser.add_argument("--quit-after", type=float, metavar="SECONDS")
    given = parser.parse_args(words)
    missing = [p for p in given.files if not p.exists()]
    if missing:
        print(f"{missing[0]}: there is no such file.", file=sys.stderr)
        return 2
    try:
        from crystalgui.app import Options, run

        return run(
            Options(
                files=tuple(given.files),
                page=given.page,
                theme=given.theme,
                screenshot=given.screenshot,
                quit_after=given.quit_after,
            )
        )
    except CrystalError as error:
        print(error, file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"The window cannot be opened: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
