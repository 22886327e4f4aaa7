"""Models from other packages: the entry points of the group ``crystalgui.models``.

An installed package that declares

    [project.entry-points."crystalgui.models"]
    mymodel = "mypackage.model"

has ``mypackage.model`` imported with the built-in families, where it registers
itself.  A plugin that cannot be imported becomes a greyed card with its
error: it never keeps the program from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

from crystalgui.core.cards import Card
from crystalgui.core.errors import CrystalError

GROUP = "crystalgui.models"
LOG = logging.getLogger(__name__)


def load_plugins(found: Iterable[EntryPoint] | None = None) -> list[Card]:
    """Import every plugin; return greyed cards for those that are broken.

    Parameters
    ----------
    found : iterable of EntryPoint, optional
        Default: the installed ones.

    Returns
    -------
    list of Card
        One for each plugin that could not be loaded, with ``error``.
    """
    points = entry_points(group=GROUP) if found is None else found
    broken = []
    for point in sorted(points, key=lambda p: p.name):
        error = guarded(point.load)
        if error:
            broken.append(broken_card(point.name, error))
    return broken


def guarded(load: Callable[[], object]) -> str:
    """Run somebody else's code; its error as one line, or an empty string."""
    try:
        load()
    except CrystalError as error:
        return str(error)
    except (Exception, SystemExit) as error:
        LOG.exception("A plugin cannot be loaded")
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def broken_card(name: str, error: str) -> Card:
    """A card that says why a family is not there."""
    return Card(
        name=name,
        title=name,
        tasks=(),
        inputs="",
        paper="",
        summary="This plugin could not be loaded.",
        error=error,
    )
