"""The person's settings: typed, validated field by field, saved atomically.

Nothing that stands in the settings file can keep the program from starting:
a field that makes no sense returns to its default, a file that cannot be
parsed is moved aside, and both are said in `Settings.notices`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import CrystalError

VERSION = 1
RECENT = 20

ThemeMode = Literal["system", "light", "dark"]
MousePreset = Literal["vesta", "ovito", "ase", "blender"]
Isolation = Literal["process", "thread"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
ColourTable = Literal["jmol", "vesta", "custom"]


def home() -> Path:
    """Folder of settings and logs; ``CRYSTALGUI_HOME`` overrides the system's."""
    given = os.environ.get("CRYSTALGUI_HOME")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_config_dir("crystalgui", appauthor=False))


def cache() -> Path:
    """Folder of things that can be made again (graphs, catalogue, logs)."""
    given = os.environ.get("CRYSTALGUI_HOME")
    if given:
        return Path(given) / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("crystalgui", appauthor=False))


def default_project() -> Path:
    """Folder of the project that opens when none was chosen."""
    given = os.environ.get("CRYSTALGUI_HOME")
    if given:
        return Path(given) / "project"
    import platformdirs

    return Path(platformdirs.user_data_dir("crystalgui", appauthor=False)) / "project"


def settings_file() -> Path:
    """The settings file of this person."""
    return home() / "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the program remembers between two starts.

    Attributes
    ----------
    theme : {"system", "light", "dark"}
    mouse : {"vesta", "ovito", "ase", "blender"}
        Mouse conventions of the 3D views.
    recent : tuple of Path
        Files opened last, newest first, exactly as they were opened.
    geometry, layout : str
        Window geometry and dock state, base64.
    isolation : {"process", "thread"}
        Where jobs run; ``"thread"`` is for debugging.
    device : {"auto", "cpu", "cuda"}
    last_project : Path or None
    colours : {"jmol", "vesta", "custom"}
        Element colour table.
    element_colours : dict of symbol to ``#rrggbb``
        The person's own colours, used over the table.
    symmetry_tolerance : float
        Angstrom.
    scheduler : str
        Address of the Dask scheduler that classifies; empty for this machine.
    notices : tuple of str
        What went wrong when loading; never saved.
    """

    theme: ThemeMode = "system"
    mouse: MousePreset = "vesta"
    recent: tuple[Path, ...] = ()
    geometry: str = ""
    layout: str = ""
    isolation: Isolation = "process"
    device: DeviceChoice = "auto"
    last_project: Path | None = None
    colours: ColourTable = "jmol"
    element_colours: dict[str, str] = field(default_factory=dict)
    symmetry_tolerance: float = 1e-2
    scheduler: str = ""
    notices: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def load(cls, path: Path | None = None) -> Settings:
        """Read the settings; never raises, whatever the file holds."""
        path = settings_file() if path is None else path
        try:
            stored = json.loads(path.read_bytes())
            if not isinstance(stored, dict):
                raise ValueError("not a table of settings")
        except FileNotFoundError:
            return cls()
        except OSError as error:
            return cls(notices=(f"The settings could not be read ({error}); defaults are used.",))
        except (ValueError, RecursionError) as error:
            return cls(notices=(_set_aside(path, "broken", str(error)),))
        return cls._from_table(stored, path)

    @classmethod
    def _from_table(cls, stored: dict[str, Any], path: Path) -> Settings:
        notices: list[str] = []
        version = stored.get("version", 0)
        if not isinstance(version, int) or version > VERSION:
            notices.append(_keep_copy(path, version))
        else:
            for number in range(max(version, 0), VERSION):
                stored = MIGRATIONS[number](stored)
        known: dict[str, Any] = {}
        for name, check in CHECKS.items():
            if name not in stored:
                continue
            try:
                known[name] = check(stored[name])
            except (ValueError, TypeError, AttributeError) as error:
                notices.append(f"The setting “{name}” was unusable ({error}); it has its default.")
        return cls(**known, notices=tuple(notices))

    def save(self, path: Path | None = None) -> None:
        """Write the settings in one step.

        Raises
        ------
        ResourceError
            When the disk refuses; the old settings stay.
        """
        table: dict[str, Any] = {"version": VERSION}
        for entry in fields(self):
            if entry.name != "notices":
                table[entry.name] = _plain(getattr(self, entry.name))
        text = json.dumps(table, indent=2, ensure_ascii=True)
        write_atomic(settings_file() if path is None else path, text + "\n")

    def with_recent(self, path: Path | str) -> Self:
        """These settings with ``path`` as the newest recent file."""
        path = Path(os.path.abspath(path))
        kept = [p for p in self.recent if p != path]
        return replace(self, recent=(path, *kept)[:RECENT])

    def without_recent(self, path: Path | str) -> Self:
        """These settings without ``path`` among the recent files."""
        path = Path(os.path.abspath(path))
        return replace(self, recent=tuple(p for p in self.recent if p != path))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _set_aside(path: Path, why: str, reason: str) -> str:
    """Move an unusable file away; return the notice."""
    aside = path.with_name(f"{path.stem}.{why}-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"The settings file is damaged ({reason}) and cannot be moved ({error})."
    return f"The settings file was damaged ({reason}). It is kept as {aside.name}."


def _keep_copy(path: Path, version: object) -> str:
    """Keep the file of a newer program before this one overwrites it."""
    aside = path.with_name(f"{path.stem}.version-{str(version)[:20]}{path.suffix}")
    try:
        write_atomic(aside, path.read_bytes())
    except (OSError, CrystalError) as error:
        return f"The settings are of a newer program; a copy could not be kept ({error})."
    return f"The settings are of a newer program. A copy is kept as {aside.name}."


# ------------------------------------------------------------- validation


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return str(value)

    return check


def _text64(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    return Path(value)


def _paths(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return tuple(dict.fromkeys(_path(v) for v in value))[:RECENT]


def _colours(value: Any) -> dict[str, str]:
    for symbol, colour in value.items():
        if not re.fullmatch(r"[A-Z][a-z]?", symbol) or not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
            raise ValueError(f"{symbol}: {colour}")
    return dict(value)


def _tolerance(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not 1e-6 <= value <= 1.0:
        raise ValueError("must lie between 1e-6 and 1 Angstrom")
    return float(value)


def _address(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\S{0,200}", value):
        raise ValueError("not an address")
    return value


CHECKS: dict[str, Callable[[Any], Any]] = {
    "theme": _one_of("system", "light", "dark"),
    "mouse": _one_of("vesta", "ovito", "ase", "blender"),
    "recent": _paths,
    "geometry": _text64,
    "layout": _text64,
    "isolation": _one_of("process", "thread"),
    "device": _one_of("auto", "cpu", "cuda"),
    "last_project": lambda value: None if value is None else _path(value),
    "colours": _one_of("jmol", "vesta", "custom"),
    "element_colours": _colours,
    "symmetry_tolerance": _tolerance,
    "scheduler": _address,
}


# -------------------------------------------------------------- migration


# number -> how a table of that version becomes one of the next.  A file without
# a version was written by hand and has the names of version 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {0: dict}
