"""Frozen dataclasses as JSON, and back with every field checked.

Recipes and summaries are stored as plain JSON instead of pickles, so that a
file from elsewhere can hold nothing but values.  Paths inside the project are
stored relative to it: a project folder can be moved.
"""

from __future__ import annotations

import math
import os
import types
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
NOT_FINITE = {text: float(text) for text in ("nan", "inf", "-inf")}


def to_plain(value: object, base: Path) -> Any:
    """``value`` as JSON types.

    Parameters
    ----------
    value : dataclass, Path, tuple, list, dict or scalar
    base : Path
        Absolute folder; paths below it are written relative to it.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name), base) for f in fields(value)}
    if isinstance(value, Path):
        absolute = Path(os.path.abspath(value))
        if absolute.is_relative_to(base):
            return absolute.relative_to(base).as_posix()
        return str(absolute)
    if isinstance(value, dict):
        return {str(k): to_plain(v, base) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v, base) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}  # JSON has no infinity
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_plain(kind: type[T], value: object, base: Path) -> T:
    """Build the dataclass ``kind`` from what `to_plain` made of it.

    Fields that are missing take their default; fields this version does not
    know are ignored.

    Raises
    ------
    ValueError
        When a value does not have the type of its field.
    """
    return cast("T", _decode(kind, value, base, kind.__name__))


def _decode(kind: Any, value: Any, base: Path, where: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), value, base, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where}: {value!r} is not allowed")
        return value
    if origin is tuple:
        return _decode_tuple(get_args(kind), value, base, where)
    if origin is dict:
        _expect(isinstance(value, dict), where, value)
        inner = get_args(kind)[1]
        return {str(k): _decode(inner, v, base, f"{where}.{k}") for k, v in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value, base, where)
    return _decode_scalar(kind, value, base, where)


def _expect(truth: bool, where: str, value: object) -> None:
    if not truth:
        raise ValueError(f"{where}: {value!r} has the wrong type")


def _decode_union(kinds: tuple[Any, ...], value: Any, base: Path, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    if isinstance(value, dict) and float in kinds:
        return _decode(float, value, base, where)
    exact = [k for k in kinds if type(value) is k]
    for kind in exact or [k for k in kinds if k is not type(None)]:
        try:
            return _decode(kind, value, base, where)
        except ValueError:
            continue
    raise ValueError(f"{where}: {value!r} has the wrong type")


def _decode_tuple(kinds: tuple[Any, ...], value: Any, base: Path, where: str) -> Any:
    _expect(isinstance(value, list), where, value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    _expect(len(kinds) == len(value), where, value)
    return tuple(
        _decode(k, v, base, f"{where}[{i}]")
        for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    )


def _decode_dataclass(kind: type, value: Any, base: Path, where: str) -> Any:
    _expect(isinstance(value, dict), where, value)
    hints = get_type_hints(kind)
    known = {
        f.name: _decode(hints[f.name], value[f.name], base, f"{where}.{f.name}")
        for f in fields(kind)
        if f.name in value
    }
    try:
        return kind(**known)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _decode_scalar(kind: Any, value: Any, base: Path, where: str) -> Any:
    if kind is Path:
        _expect(isinstance(value, str), where, value)
        path = Path(value)
        return path if path.is_absolute() else base.joinpath(*PurePosixPath(value).parts)
    if kind is float:
        if isinstance(value, dict):
            value = NOT_FINITE.get(str(value.get("float")))
        _expect(not isinstance(value, bool) and isinstance(value, int | float), where, value)
        return float(value)
    if kind is int:
        _expect(not isinstance(value, bool) and isinstance(value, int), where, value)
        return value
    _expect(isinstance(value, kind), where, value)
    return value
