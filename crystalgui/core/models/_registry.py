"""The registry of model families: a decorator, a discovery and a builder.

A family is one module of this package (or of a plugin) with a class decorated
by `register`.  Two families with one name are a defect and raise; a family
that cannot be imported becomes a greyed card with its error.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from crystalgui.core.cards import Card, Scalar
from crystalgui.core.errors import ModelError
from crystalgui.core.models._base import Network
from crystalgui.core.plugins import broken_card, guarded, load_plugins

NOT_FAMILIES = frozenset(
    {
        "answers",
        "architecture",
        "atomic_limit",
        "blend",
        "catalogue",
        "cluster",
        "devices",
        "diagram",
        "explain",
        "layers",
        "predict",
        "saliency",
        "screening",
        "similar",
        "trained",
    }
)
OPTIMISER_KEYS = frozenset({"learning_rate", "batch_size", "weight_decay", "epochs"})

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}

F = TypeVar("F", bound=type[Network])
_FAMILIES: dict[str, type[Network]] = {}
_BROKEN: dict[str, Card] = {}
_found = False


def register(card: Card) -> Callable[[F], F]:
    """Class decorator: make a model family known under ``card.name``.

    Raises
    ------
    ModelError
        When another class has that name.
    """

    def enter(family: F) -> F:
        known = _FAMILIES.get(card.name)
        if known is not None and known.__qualname__ != family.__qualname__:
            raise ModelError(
                f"Two model families are called {card.name!r}: "
                f"{known.__module__} and {family.__module__}.",
                "Rename one of them.",
            )
        family.card = card
        _FAMILIES[card.name] = family
        return family

    return enter


def families() -> Mapping[str, type[Network]]:
    """Every family that could be loaded, by name."""
    _discover()
    return _FAMILIES


def cards() -> tuple[Card, ...]:
    """Cards of all families, then greyed cards of broken ones."""
    _discover()
    return (*(f.card for f in _FAMILIES.values()), *_BROKEN.values())


def family(name: str) -> type[Network]:
    """The family called ``name``.

    Raises
    ------
    ModelError
        When there is none.
    """
    found = families().get(name)
    if found is None:
        known = ", ".join(sorted(_FAMILIES))
        raise ModelError(f"There is no model family called {name!r}.", f"Known families: {known}.")
    return found


def settings(
    name: str, preset: str, overrides: Mapping[str, Scalar] | None = None
) -> tuple[dict[str, Scalar], dict[str, Scalar]]:
    """Parameters of a model and optimiser settings of a preset.

    Parameters
    ----------
    name : str
        Family.
    preset : str
        One of the card's presets, or empty for the defaults.
    overrides : mapping
        Parameters that replace the preset's.

    Returns
    -------
    params, optimiser : dict
        Complete and checked parameters; the preset's optimiser settings.

    Raises
    ------
    ModelError
        Unknown preset or parameter, or a value out of its range.
    """
    card = family(name).card
    if preset and preset not in card.presets:
        raise ModelError(
            f"{card.title} has no preset {preset!r}.",
            f"Choose one of: {', '.join(card.presets) or 'none'}.",
        )
    values: dict[str, Scalar] = {p.name: p.default for p in card.params}
    optimiser: dict[str, Scalar] = {}
    for key, value in {**card.presets.get(preset, {}), **(overrides or {})}.items():
        if key in values:
            values[key] = checked(card, key, value)
        elif key in OPTIMISER_KEYS:
            optimiser[key] = value
        else:
            raise ModelError(
                f"{card.title} has no parameter {key!r}.",
                f"It has: {', '.join(values)}.",
            )
    return values, optimiser


def checked(card: Card, name: str, value: Scalar) -> Scalar:
    """``value`` as the type of parameter ``name``; `ModelError` when it cannot be."""
    param = card.param(name)
    kind = type(param.default)
    try:
        if kind is bool:
            number: Scalar = (
                value.strip().lower() in {"1", "true", "yes", "on"}
                if isinstance(value, str)
                else bool(value)
            )
        elif kind is int:
            number = int(float(value))
            if number != float(value):
                raise ValueError
        else:
            number = kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(
            f"{name} must be {_WORDS[kind]}, not {value!r}.", f"Default: {param.default}."
        ) from error
    low, high = param.minimum, param.maximum
    if not isinstance(number, str) and (
        (low is not None and not number >= low) or (high is not None and not number <= high)
    ):
        raise ModelError(
            f"{name} = {number} is out of range.",
            f"Allowed: {f'{low} to {high} {param.unit}'.strip()}.",
        )
    if param.choices and number not in param.choices:
        raise ModelError(f"{name} = {number!r} is unknown.", f"Choose: {', '.join(param.choices)}.")
    return number


def build(
    name: str, outputs: int, params: Mapping[str, Scalar], shape: tuple[int, ...] = ()
) -> Network:
    """A fresh network of a family; ``params`` as from `settings`, ``shape`` of one input."""
    wanted = family(name)
    values: dict[str, Any] = dict(params)
    if wanted.card.reads("crystal"):
        return wanted(outputs, **values)
    if not shape:
        raise ModelError(
            f"{wanted.card.title} must know the shape of its input.",
            "The model card lacks it; train the model again.",
        )
    return wanted(outputs, shape=shape, **values)


def _discover() -> None:
    global _found
    if _found:
        return
    _found = True
    package = importlib.import_module(__package__ or "crystalgui.core.models")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_") or module.name in NOT_FAMILIES:
            continue
        name = f"{package.__name__}.{module.name}"
        error = guarded(partial(importlib.import_module, name))
        if error:
            _BROKEN[module.name] = broken_card(module.name, error)
    for card in load_plugins():
        _BROKEN[card.name] = card
