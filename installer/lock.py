"""Write the two lock files from the packages of the running environment.

    .venv/bin/python installer/lock.py

A lock holds the project's dependencies and everything they need, exactly as
installed, and nothing else.  Needs the test extra (``packaging``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
# The back end that builds the editable install, without a network.
BUILD = ("hatchling", "editables")


def closure(roots: Iterable[str]) -> dict[str, str]:
    """Canonical name -> version of requirements and all that they need."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(root), "") for root in roots]
    while waiting:
        requirement, extra = waiting.pop()
        marker = requirement.marker
        if marker is not None and not marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        distribution = metadata.distribution(name)
        # A local version (+cpu) is how one machine got it, not what is needed.
        found[name] = distribution.version.partition("+")[0]
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(r), wanted) for r in distribution.requires or ()]
    return found


def locks() -> tuple[dict[str, str], dict[str, str]]:
    """Pins of the program, and the additional pins of its tests."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    program = closure([*project["dependencies"], *BUILD])
    tests = closure(project["optional-dependencies"]["test"])
    return program, {name: v for name, v in tests.items() if name not in program}


def text(pins: dict[str, str], what: str) -> str:
    """A lock file."""
    lines = [f"# {what}. Written by installer/lock.py; do not edit."]
    return (
        "\n".join([*lines, *(f"{name}=={version}" for name, version in sorted(pins.items()))])
        + "\n"
    )


def main() -> None:
    """Write both files."""
    program, tests = locks()
    folder = CHECKOUT / "installer"
    (folder / "requirements.lock").write_text(text(program, "What crystalgui needs"), "utf-8")
    (folder / "requirements-test.lock").write_text(text(tests, "What its tests need"), "utf-8")


if __name__ == "__main__":
    main()
