"""Training recipes: made from a card's preset, or read from a JSON file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from crystalgui.core.cards import Scalar
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import SplitSpec, SweepNetwork, SweepRecipe, TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.trained import MOST_MEMBERS
from crystalgui.core.store.encode import from_plain

_FIXED = frozenset({"model", "dataset", "preset", "params", "split"})


def make_recipe(
    model: str,
    dataset: Path,
    preset: str = "small",
    epochs: int | None = None,
    seed: int = 0,
    overrides: Mapping[str, Scalar] | None = None,
) -> TrainRecipe:
    """The recipe of a preset with some values changed.

    Parameters
    ----------
    seed : int
        Of weights, order of rows and split.
    overrides : mapping
        Keys are parameters of the model, fields of `TrainRecipe`, or fields
        of `SplitSpec` written ``split.test``.

    Raises
    ------
    ModelError
        Unknown model, preset or key, or an impossible value.
    """
    card = registry.family(model).card
    own, fields, parts = _sorted_keys({p.name for p in card.params}, overrides or {})
    own = {key: registry.checked(card, key, value) for key, value in own.items()}
    _, settings = registry.settings(model, preset, own)
    values: dict[str, Any] = {"seed": seed, **settings, **fields}
    if epochs is not None:
        values["epochs"] = epochs
    recipe = TrainRecipe(model=model, dataset=dataset, preset=preset, params=own)
    return _possible(
        replace(
            recipe,
            split=replace(SplitSpec(seed=seed), **_typed(SplitSpec, parts)),
            **_typed(TrainRecipe, values),
        )
    )


def _possible(recipe: TrainRecipe) -> TrainRecipe:
    """The recipe as it is; what no training could use is refused before any work."""
    parts = recipe.split
    rules = (
        ("epochs", recipe.epochs, recipe.epochs >= 1, "1 or more"),
        ("batch_size", recipe.batch_size, recipe.batch_size >= 1, "1 or more"),
        ("learning_rate", recipe.learning_rate, 0 < recipe.learning_rate < math.inf, "above 0"),
        ("weight_decay", recipe.weight_decay, 0 <= recipe.weight_decay < math.inf, "0 or more"),
        ("replicas", recipe.replicas, 1 <= recipe.replicas <= MOST_MEMBERS, "1 to 100"),
        ("rolling", recipe.rolling, 0 <= recipe.rolling <= 4096, "0 to 4096 points"),
        ("expanded", recipe.expanded, 0 <= recipe.expanded <= 1, "a share from 0 to 1"),
        ("until", recipe.until, 0 <= recipe.until <= 1, "an accuracy from 0 to 1"),
        ("seed", recipe.seed, 0 <= recipe.seed < 2**32, "0 to 4294967295"),
        ("split.seed", parts.seed, 0 <= parts.seed < 2**32, "0 to 4294967295"),
        ("split.validation", parts.validation, 0 < parts.validation < 1, "between 0 and 1"),
        ("split.test", parts.test, 0 < parts.test < 1, "between 0 and 1"),
    )
    for name, value, possible, allowed in rules:
        if not possible:
            raise ModelError(f"{name} = {value} is impossible.", f"Allowed: {allowed}.")
    return recipe


def _sorted_keys(
    params: set[str], overrides: Mapping[str, Scalar]
) -> tuple[dict[str, Scalar], dict[str, Scalar], dict[str, Scalar]]:
    """Overrides of the model, of the recipe and of the split."""
    names = {f.name for f in dataclasses.fields(TrainRecipe)} - _FIXED
    inner = {f.name for f in dataclasses.fields(SplitSpec)}
    own: dict[str, Scalar] = {}
    fields: dict[str, Scalar] = {}
    parts: dict[str, Scalar] = {}
    for key, value in overrides.items():
        if key in params:
            own[key] = value
        elif key in names:
            fields[key] = value
        elif key.startswith("split.") and key.removeprefix("split.") in inner:
            parts[key.removeprefix("split.")] = value
        else:
            known = ", ".join(sorted(params | names | {f"split.{n}" for n in inner}))
            raise ModelError(f"There is no setting {key!r}.", f"Known settings: {known}.")
    return own, fields, parts


def _typed(kind: type[Any], values: Mapping[str, Scalar]) -> dict[str, Any]:
    """Values converted to the types of a dataclass's fields."""
    hints = get_type_hints(kind)
    typed: dict[str, Any] = {}
    for key, value in values.items():
        wanted = hints[key]
        choices = get_args(wanted) if get_origin(wanted) is not None else ()
        try:
            if wanted is bool and isinstance(value, str):
                typed[key] = value.lower() in {"1", "true", "yes", "on"}
            elif choices:
                if str(value) not in choices:
                    raise ValueError
                typed[key] = str(value)
            elif wanted is int:
                typed[key] = int(float(value))
            else:
                typed[key] = wanted(value)
        except (TypeError, ValueError, OverflowError) as error:
            words = {"int": "a whole number", "float": "a number"}
            what = ", ".join(choices) or words.get(wanted.__name__, wanted.__name__)
            raise ModelError(f"{key} = {value!r} is impossible.", f"Allowed: {what}.") from error
    return typed


def read_recipe(path: Path, dataset: Path) -> tuple[TrainRecipe, dict[str, Any]]:
    """A recipe file and its publication block (title, licence, notes ...).

    Parameters
    ----------
    path : Path
        JSON with ``recipe`` (fields of `TrainRecipe`) and ``publication``.
    dataset : Path
        Folder of the imported data set.
    """
    try:
        plain = json.loads(path.read_text("utf-8"))
        fields = dict(plain["recipe"])
        parts = SplitSpec(**fields.pop("split", {}))
        recipe = TrainRecipe(dataset=dataset, split=parts, **fields)
        registry.settings(recipe.model, recipe.preset, recipe.params)
        return recipe, dict(plain.get("publication", {}))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            "The recipe cannot be read.",
            "A recipe is JSON with a block “recipe” of training settings.",
            str(error),
            path=path,
        ) from error


# ------------------------------------------------------------------ sweeps


def read_sweep(path: Path) -> SweepRecipe:
    """A file with the recipe of a sweep: JSON with the fields of `SweepRecipe`.

    The folder of the data set in ``base`` is taken from the folder of the
    file; ``base`` needs neither ``model`` nor ``title``.

    Raises
    ------
    ModelError
        When it is none.
    """
    try:
        plain = json.loads(path.read_text("utf-8"))
        plain = {"title": path.stem, **plain.get("recipe", plain)}
        plain["base"] = {"model": "", "dataset": "", "split": {"kind": "given"}, **plain["base"]}
        return from_plain(SweepRecipe, plain, path.absolute().parent)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            "The recipe of the sweep cannot be read.",
            "It is JSON with “networks” (title, model, params), “rollings”, “repeats” and “base”.",
            str(error),
            path=path,
        ) from error


def sweep_network(words: str) -> SweepNetwork:
    """A network from words: ``[TITLE=]MODEL[:PRESET][,KEY=VALUE...]``.

    For example ``torus=extractor:small,kind=free,convolution=toroidal-sum``.

    Raises
    ------
    ModelError
        Unknown model, preset or parameter.
    """
    head, *pairs = (part.strip() for part in words.split(","))
    title, named, family = head.rpartition("=")
    model, _, preset = family.partition(":")
    params: dict[str, Scalar] = {}
    card = registry.family(model).card
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ModelError(f"{pair!r} is not key=value.", "For example: kind=free")
        if key not in {p.name for p in card.params}:
            known = ", ".join(p.name for p in card.params)
            raise ModelError(f"{card.title} has no parameter {key!r}.", f"It has: {known}.")
        params[key] = registry.checked(card, key, value)
    registry.settings(model, preset, params)
    return SweepNetwork(title=title if named else words, model=model, preset=preset, params=params)


def changed_sweep(recipe: SweepRecipe, overrides: Mapping[str, Scalar]) -> SweepRecipe:
    """The sweep with other fields of its base, e.g. ``epochs`` or ``split.test``.

    Raises
    ------
    ModelError
        Unknown key or an impossible value.
    """
    _, fields, parts = _sorted_keys(set(), overrides)
    split = replace(recipe.base.split, **_typed(SplitSpec, parts))
    base = replace(recipe.base, split=split, **_typed(TrainRecipe, fields))
    return replace(recipe, base=_possible(base))
