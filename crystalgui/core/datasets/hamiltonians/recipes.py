"""Recipes of data sets of Hamiltonians: read, checked, changed, and what they name.

A recipe file is JSON: the fields of `PhaseDataRecipe` or `ZoneDataRecipe`, and
``"kind"``, which is ``"hoppings"`` or ``"zones"``.  Files that it names lie
beside it, or in the data folder of the machine (``CRYSTALGUI_DATA``).
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.hamiltonians.dataset import common
from crystalgui.core.errors import DataError
from crystalgui.core.messages import HamiltonianSource, PhaseDataRecipe, ZoneDataRecipe
from crystalgui.core.physics.gaps import check_occupation, guess_occupation
from crystalgui.core.physics.phases import hamiltonian
from crystalgui.core.resources import recipes
from crystalgui.core.store.encode import from_plain, to_plain
from crystalgui.core.structures.hoppings.model import Hoppings

KINDS: Mapping[str, type[PhaseDataRecipe] | type[ZoneDataRecipe]] = {
    "hoppings": PhaseDataRecipe,
    "zones": ZoneDataRecipe,
}
MOST_SAMPLES = 2**31


def shipped() -> dict[str, Path]:
    """Recipes of data sets that come with the program, by name."""
    found = {}
    for path in sorted(recipes().glob("*.json")):
        try:
            plain = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(plain, dict) and plain.get("kind") in KINDS:
            found[path.stem] = path
    return found


def read_recipe(name: str | Path) -> PhaseDataRecipe | ZoneDataRecipe:
    """A recipe by the name of a shipped one, or from a file.

    Raises
    ------
    DataError
        When there is none, or it is not one.
    """
    known = shipped()
    path = known.get(str(name), Path(name))
    if not path.is_file():
        raise DataError(
            f"There is no recipe {str(name)!r}.",
            f"Give a JSON file, or one of {', '.join(sorted(known))}.",
        )
    try:
        plain = json.loads(path.read_text("utf-8"))
        recipe = from_plain(KINDS[plain["kind"]], plain, path.absolute().parent)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "This is no recipe of a data set of Hamiltonians.",
            "It is JSON with “kind” (hoppings or zones) and the fields of that recipe.",
            str(error),
            path=path,
        ) from error
    if isinstance(recipe, PhaseDataRecipe):
        base = path.absolute().parent
        return replace(recipe, start=_found(recipe.start, base), end=_found(recipe.end, base))
    return recipe


def _found(source: HamiltonianSource, base: Path) -> HamiltonianSource:
    """A source whose file lies in the data folder, when it does not lie beside the recipe."""
    data = os.environ.get("CRYSTALGUI_DATA")
    if source.path is None or source.path.exists() or not data:
        return source

    def moved(path: Path) -> Path:
        return Path(data) / path.relative_to(base) if path.is_relative_to(base) else path

    return replace(
        source, path=moved(source.path), companions=tuple(moved(p) for p in source.companions)
    )


def changed(
    recipe: PhaseDataRecipe | ZoneDataRecipe, values: Mapping[str, Scalar]
) -> PhaseDataRecipe | ZoneDataRecipe:
    """The recipe with some fields changed.

    Keys are names of fields; parts of a field are written ``start.path``,
    ``end.settings.x`` or ``alpha.0``; lists of names are written with commas.
    """
    base = Path.cwd()
    plain = to_plain(recipe, base)
    for key, value in values.items():
        _set(plain, key.split("."), value, key)
    try:
        return from_plain(type(recipe), plain, base)
    except ValueError as error:
        raise DataError("A setting of the recipe is impossible.", str(error)) from error


def _set(plain: Any, parts: list[str], value: Scalar, key: str) -> None:
    place: Any = plain
    for part in parts[:-1]:
        place = _inside(place, part, key)
    last: str | int = parts[-1]
    if isinstance(place, list):
        last = _index(place, parts[-1], key)
    elif not isinstance(place, dict) or (parts[-2:-1] != ["settings"] and last not in place):
        raise _unknown(key, plain)
    listed = isinstance(place, dict) and isinstance(place.get(last), list)
    if listed and isinstance(value, str):
        place[last] = [part.strip() for part in value.split(",") if part.strip()]
    else:
        place[last] = value


def _inside(place: Any, part: str, key: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, part, key)]
    if not isinstance(place, dict) or part not in place:
        raise _unknown(key, place)
    return place[part]


def _index(place: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(place):
        raise _unknown(key, {str(i): None for i in range(len(place))})
    return int(part)


def _unknown(key: str, place: Any) -> DataError:
    known = ", ".join(place) if isinstance(place, dict) else "none"
    return DataError(f"A recipe has no setting {key!r}.", f"Known settings: {known}.")


def checked(recipe: PhaseDataRecipe) -> PhaseDataRecipe:
    """The recipe as it is; raises `DataError` for what nothing could be made of."""
    low, high = recipe.alpha
    rules = (
        ("name", recipe.name, bool(recipe.name.strip()), "a name"),
        ("train", recipe.train, recipe.train >= 1, "1 or more"),
        ("test", recipe.test, recipe.test >= 0, "0 or more"),
        ("samples", recipe.train + recipe.test, recipe.train + recipe.test < MOST_SAMPLES, "fewer"),
        (
            "alpha",
            f"{low:g} to {high:g}",
            math.isfinite(low) and math.isfinite(high) and low < high,
            "a range that grows",
        ),
        ("strength", recipe.strength, 0 <= recipe.strength < math.inf, "0 or more"),
        ("gap_tolerance", recipe.gap_tolerance, 0 < recipe.gap_tolerance < 1, "0 to 1 eV"),
        ("seed", recipe.seed, 0 <= recipe.seed < 2**31, "0 to 2147483647"),
        ("occupied", recipe.occupied, recipe.occupied >= 0, "0 (guessed) or more"),
    )
    for name, value, possible, allowed in rules:
        if not possible:
            raise DataError(f"{name} = {value} is impossible.", f"Allowed: {allowed}.")
    return recipe


def ends(recipe: PhaseDataRecipe) -> tuple[Hoppings, Hoppings, int]:
    """Both ends on the same lattice vectors, and the number of occupied bands."""
    for source in (recipe.start, recipe.end):
        if source.path is not None and not source.path.exists():
            raise DataError(
                f"The recipe {recipe.name} needs a file that is not there.",
                "Set CRYSTALGUI_DATA to the folder that holds what the recipe names.",
                path=source.path,
            )
    start, end = common(hamiltonian(recipe.start), hamiltonian(recipe.end))
    occupied = recipe.occupied or start.occupied or end.occupied or guess_occupation(end)[0]
    check_occupation(start, occupied)
    return start, end, occupied


def same(one: PhaseDataRecipe, other: PhaseDataRecipe) -> bool:
    """Whether both make the same samples: words do not count, nor where files lie."""

    def essence(recipe: PhaseDataRecipe) -> PhaseDataRecipe:
        return replace(
            recipe,
            title="",
            notes=(),
            start=_bare(recipe.start),
            end=_bare(recipe.end),
        )

    return essence(one) == essence(other)


def _bare(source: HamiltonianSource) -> HamiltonianSource:
    settings = {key: float(value) for key, value in source.settings.items()}
    path = None if source.path is None else Path(source.path.name)
    companions = tuple(Path(p.name) for p in source.companions)
    return dataclasses.replace(source, settings=dict(settings), path=path, companions=companions)
