"""Where the program's own files are: the only place that knows the three homes.

``resources/`` stands beside the package in a checkout, inside the package
(``_resources``) in a wheel, and inside the bundle in a frozen program.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from crystalgui.core.errors import ResourceError


def _candidates() -> tuple[Path, ...]:
    """Possible roots, the most specific first."""
    package = Path(__file__).resolve().parents[1]
    roots = []
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is not None:
        roots += [Path(bundle) / "resources", Path(bundle) / "crystalgui" / "_resources"]
    roots.append(package / "_resources")
    if (package.parent / "pyproject.toml").is_file():
        roots.append(package.parent / "resources")
    return tuple(roots)


@lru_cache(maxsize=1)
def root() -> Path:
    """The ``resources`` folder of this installation.

    Raises
    ------
    ResourceError
        When the installation is incomplete.
    """
    for folder in _candidates():
        if folder.is_dir():
            return folder
    raise ResourceError(
        "The program's own resource files are missing.",
        "Install crystalgui again.",
        "Looked in: " + ", ".join(str(c) for c in _candidates()),
    )


def resource(*parts: str) -> Path:
    """A file or folder below ``resources``; it may not exist.

    Parameters
    ----------
    *parts : str
        Path components, e.g. ``resource("models", "cgnn-tqc5", "card.json")``.
    """
    return root().joinpath(*parts)


def examples() -> Path:
    """Folder of the shipped example crystals and hoppings."""
    return resource("examples")


def models_folder() -> Path:
    """Folder of the shipped checkpoints, one folder each."""
    return resource("models")


def recipes() -> Path:
    """Folder of the shipped training recipes."""
    return resource("recipes")


def icons() -> Path:
    """Folder of the program's icons."""
    return resource("icons")
