"""Run the fit of the BiTeI model again, from its recipe.

``python -m crystalgui.core.physics.zoo.bitei_recipe [RECIPE] [--search]``
measures the parameter set of a recipe (default: the shipped
``resources/recipes/bitei-fit.json``) and prints the recipe with fresh
results; with ``--search`` it first repeats the whole search from the start
set and seed of the recipe.  The search is deterministic, but eigenvalues of
another linear-algebra library may differ in the last digit, and the search
then ends at a set that is equivalent, not identical.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crystalgui.core.errors import FileError
from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.physics.zoo.bitei import BiTeIParameters
from crystalgui.core.physics.zoo.bitei_facts import as_json, measure
from crystalgui.core.physics.zoo.bitei_fit import (
    SCALE,
    Floats,
    Search,
    cost,
    decode,
    encode,
    evolve,
)

DIGITS = 4
FARTHEST = 4.0
"""How many natural steps a number may move freely."""


def parameters_of(facts: Mapping[str, Any]) -> BiTeIParameters:
    """A parameter set from its plain form."""
    numbers: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else float(v) for k, v in facts.items()
    }
    return BiTeIParameters(**numbers)


def plain(parameters: BiTeIParameters) -> dict[str, Any]:
    """Numbers and lists, rounded to what is shipped."""
    return {
        k: [round(x, DIGITS) for x in v] if isinstance(v, tuple) else round(v, DIGITS)
        for k, v in asdict(parameters).items()
    }


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe from its file; raises `FileError` when it is none."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        if not {"search", "start", "parameters"} <= set(recipe):
            raise KeyError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            "This is no recipe of a BiTeI fit.", "Start from the shipped one.", path=path
        ) from error
    return dict(recipe)


def search(recipe: Mapping[str, Any], *, generations: int | None = None) -> BiTeIParameters:
    """Repeat the search of a recipe; prints its progress."""
    settings = recipe["search"]
    origin, seeker = encode(parameters_of(recipe["start"])), Search()

    def function(place: Floats) -> float:
        far = float(np.maximum(0, np.abs(place) - FARTHEST).sum())
        leash = float(settings["leash"]) * float(place @ place) + 100 * far
        return cost(seeker.near_a(decode(origin + SCALE * place))) + leash

    best = origin
    with one_blas_thread():
        for generation, value, place in evolve(
            function,
            len(origin),
            seed=settings["seed"],
            generations=settings["generations"] if generations is None else generations,
            population=settings["population"],
            step=settings["step"],
        ):
            best = origin + SCALE * place
            if generation % 20 == 0:
                print(f"generation {generation}: cost {value:.4f}", file=sys.stderr)
    return parameters_of(plain(decode(best)))


def main(arguments: list[str]) -> None:
    """Print the recipe with fresh results."""
    from crystalgui.core.resources import recipes

    paths = [Path(a) for a in arguments if not a.startswith("-")]
    recipe = read_recipe(paths[0] if paths else recipes() / "bitei-fit.json")
    parameters = parameters_of(recipe["parameters"])
    if "--search" in arguments:
        parameters = search(recipe)
    recipe["parameters"] = plain(parameters)
    recipe["results"] = as_json(measure(parameters))
    print(json.dumps(recipe, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
