"""The two commands of the bootstrap: ``run`` and ``test``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import checks
import environment
import libraries

USAGE = """\
python3 installer/bootstrap.py run  [-- FILES or a crystalgui command]
    Set up and open the window (or do the same job headless without a display).
python3 installer/bootstrap.py test [-- arguments of pytest]
    Set up and run lint, types, import contracts and the whole test suite.
"""


def has_display(variables: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a window can be shown; only Linux sessions can be without."""
    if not platform.startswith("linux"):
        return True
    return bool(variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY"))


def split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Command and the arguments that pass through; ``--`` may be left out."""
    command, *rest = arguments or [""]
    return command, rest[1:] if rest[:1] == ["--"] else rest


def _say(text: str) -> None:
    print(text, flush=True)


def run(arguments: Sequence[str]) -> int:
    """Open the window, or do its main job headless."""
    display = has_display()
    missing = libraries.provide(need_xvfb=not display, say=_say)
    python = environment.prepare(tests=False, say=_say)
    if display:
        if missing:
            _say("The window may not open before these libraries are installed.")
        return subprocess.call([str(python), "-m", "crystalgui", *arguments])
    demo = Path(__file__).with_name("demo.py")
    return subprocess.call([str(python), str(demo), *arguments])


def test(arguments: Sequence[str]) -> int:
    """Run every check; the exit code is 0 when all of them pass."""
    missing = libraries.provide(need_xvfb=True, say=_say)
    if missing:
        _say("The tests open windows, so they cannot run before that.")
        return 3
    python = environment.prepare(tests=True, say=_say)
    return checks.run_all(python, arguments, say=_say)


def main(arguments: Sequence[str]) -> int:
    """Carry out a command line; returns the exit code."""
    command, rest = split(arguments)
    actions = {"run": run, "test": test}
    if command in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if command not in actions:
        print(USAGE, end="", file=sys.stderr)
        return 2
    try:
        return actions[command](rest)
    except environment.SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
