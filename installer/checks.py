"""Everything that must hold before a change is accepted, in one command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
Say = Callable[[str], None]


def steps(python: Path) -> list[tuple[str, list[str]]]:
    """Name and command of each check before the test suite."""
    tools = python.parent
    return [
        ("lint", [str(python), "-m", "ruff", "check", "."]),
        ("format", [str(python), "-m", "ruff", "format", "--check", "."]),
        ("types", [str(python), "-m", "mypy"]),
        ("import contracts", [str(tools / "lint-imports"), "--no-logo"]),
    ]


def run_all(python: Path, arguments: Sequence[str], say: Say) -> int:
    """Run every check, also after one failed; pytest's summary comes last."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # A virtual display of the suite's own: the person's desktop stays quiet.
    variables.pop("WAYLAND_DISPLAY", None)
    failed = []
    for name, command in steps(python):
        say(f"\n{name}")
        if subprocess.call(command, cwd=CHECKOUT, env=variables) != 0:
            failed.append(name)
    say("\n" + (f"Failed before the tests: {', '.join(failed)}" if failed else "tests"))
    code = subprocess.call([str(python), "-m", "pytest", *arguments], cwd=CHECKOUT, env=variables)
    return code or (1 if failed else 0)
