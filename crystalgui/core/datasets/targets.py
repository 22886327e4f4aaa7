"""What can be asked of a crystal: honest names, units, classes, and what follows from what.

The one place that knows the targets.  Topological quantum chemistry sorts
crystals into five classes, which Nop et al. (2025, Results, "Materials and
characteristics") join to three: a semimetal is enforced by symmetry (ES,
ESFD), an insulator is topological when its bands are no linear combination of
elementary band representations or split one (NLC, SEBR), and a linear
combination of them (LCEBR) is trivial.  The point group follows from
the space group, a metal from a band gap of zero.

Labels of databases hold values that no crystal has: `cleaned` takes them out
and says why of every one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from crystalgui.core.cards import Task
from crystalgui.core.datasets.records import POINT_GROUPS, Records
from crystalgui.core.errors import DataError

Value = str | float

TQC_COARSE = {
    "ES": "semimetal",
    "ESFD": "semimetal",
    "NLC": "insulator",
    "SEBR": "insulator",
    "LCEBR": "trivial",
}
"""Three classes of the five of topological quantum chemistry."""
LAST_OF_POINT_GROUP = (
    1, 2, 5, 9, 15, 24, 46, 74, 80, 82, 88, 98, 110, 122, 142, 146, 148, 155, 161, 167, 173,
    174, 176, 182, 186, 190, 194, 199, 206, 214, 220, 230,
)  # fmt: skip
"""The last space group of each of `POINT_GROUPS`: they are numbered in that order."""


def coarser(
    shares: Sequence[tuple[str, float]], names: Mapping[str, str]
) -> tuple[tuple[str, float], ...]:
    """Probabilities of coarser classes, the largest first; ``names`` are those of each class."""
    found: dict[str, float] = {}
    for label, p in shares:
        if label in names:
            found[names[label]] = found.get(names[label], 0.0) + p
    return tuple(sorted(found.items(), key=lambda pair: -pair[1]))


def trivial_class(classes: Sequence[str]) -> str:
    """The class of isolated atoms: ``"LCEBR"`` or ``"trivial"``; empty where there is none."""
    return next((name for name in ("LCEBR", "trivial") if name in classes), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A quantity or class of a crystal.

    Attributes
    ----------
    name : str
        As label files and data sets call it.
    title : str
        As a person reads it.
    task : {"classification", "regression"}
    unit : str
    classes : tuple of str
        In the order of their numbers.
    tolerance : float
        Two values of one crystal agree within it, in ``unit``.
    lowest, highest : float
        No crystal has a value beyond them, in ``unit``.
    intensive : bool
        A value per atom: one per cell is a mistake that can be told.
    sources : tuple of str
        Targets that it follows from; ``"structure"`` when the crystal itself is enough.
    """

    name: str
    title: str
    task: Task
    unit: str = ""
    classes: tuple[str, ...] = ()
    tolerance: float = 0.0
    lowest: float = -math.inf
    highest: float = math.inf
    intensive: bool = False
    sources: tuple[str, ...] = ()


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="tqc",
            title="topological class",
            task="classification",
            classes=("LCEBR", "ESFD", "ES", "SEBR", "NLC"),
        ),
        Target(
            name="tqc3",
            title="topological class of three",
            task="classification",
            classes=("trivial", "semimetal", "insulator"),
            sources=("tqc",),
        ),
        Target(
            name="space_group",
            title="space group",
            task="classification",
            classes=tuple(str(number) for number in range(1, 231)),
            sources=("structure",),
        ),
        Target(
            name="point_group",
            title="point group",
            task="classification",
            classes=POINT_GROUPS,
            sources=("space_group", "structure"),
        ),
        Target(
            name="magnetic_ordering",
            title="magnetic ordering",
            task="classification",
            classes=("NM", "FM", "FiM", "AFM"),
        ),
        Target(
            name="metal",
            title="metal or insulator",
            task="classification",
            classes=("metal", "insulator"),
            sources=("band_gap",),
        ),
        Target(
            name="band_gap",
            title="band gap",
            task="regression",
            unit="eV",
            tolerance=0.1,
            lowest=0.0,
            highest=25.0,  # solid helium and neon have 20 to 22 eV
        ),
        Target(
            name="formation_energy",
            title="formation energy",
            task="regression",
            unit="eV/atom",
            tolerance=0.05,
            lowest=-5.0,  # the strongest bonds of all, rare-earth fluorides, have -4.5
            highest=3.0,
            intensive=True,
        ),
    )
}
DERIVED = tuple(name for name, target in TARGETS.items() if target.sources)
PER_CELL = 10
"""When more than a tenth of values per atom are impossible, all are looked at per cell."""
_SYNONYMS = {
    "nonmagnetic": "NM",
    "ferromagnetic": "FM",
    "ferrimagnetic": "FiM",
    "antiferromagnetic": "AFM",
}


def target_named(name: str) -> Target | None:
    """The target of this name, however it is spelt (``"Space group"``, ``"space-group"``)."""
    return TARGETS.get("_".join(name.lower().replace("-", " ").replace("_", " ").split()))


def unit_of(name: str) -> str:
    """Unit of a target; empty when it has none or is not known."""
    found = target_named(name)
    return found.unit if found is not None else ""


def point_group_of(space_group: int) -> str:
    """Point group of a space group 1-230."""
    if not 1 <= space_group <= 230:
        raise DataError(
            f"There is no space group {space_group}.", "Space groups are numbered from 1 to 230."
        )
    return next(
        name
        for name, last in zip(POINT_GROUPS, LAST_OF_POINT_GROUP, strict=True)
        if space_group <= last
    )


def derived(
    wanted: str, source: str, values: Mapping[str, Value], records: Records
) -> tuple[Target, dict[str, Value]]:
    """Labels of another target that follow from labels or structures.

    Parameters
    ----------
    wanted : str
        One of `DERIVED`.
    source : str
        Target of ``values``.
    values : mapping of id to label
    records : Records
        Crystals with these ids; the space group is theirs unless ``source`` gives it.

    Raises
    ------
    DataError
        When it is not known, or does not follow.
    """
    target, given = target_named(wanted), target_named(source)
    if target is None or not target.sources:
        raise DataError(
            f"No labels can be derived for {wanted!r}.", f"Choose one of: {', '.join(DERIVED)}."
        )
    name = given.name if given is not None else ""
    if name == target.name:
        return target, {key: values[key] for key in records.ids}
    if name not in target.sources and "structure" not in target.sources:
        raise DataError(
            f"The {target.title} does not follow from labels of {source!r}.",
            f"Give labels of {' or '.join(target.sources)}.",
        )
    if target.name == "tqc3":
        return target, {key: TQC_COARSE[v] for key, v in _of_classes(values, records, TQC_COARSE)}
    if target.name == "metal":
        return target, {key: _metal(values[key]) for key in records.ids}
    if name == "space_group":
        classes = TARGETS["space_group"].classes
        numbers = {key: int(v) for key, v in _of_classes(values, records, classes)}
    else:
        numbers = dict(zip(records.ids, map(int, records.space_group), strict=True))
    if target.name == "space_group":
        return target, {key: str(number) for key, number in numbers.items()}
    return target, {key: point_group_of(number) for key, number in numbers.items()}


def cleaned(
    target: Target, values: Mapping[str, Value], atoms: Mapping[str, int]
) -> tuple[dict[str, Value], dict[str, str]]:
    """Labels that a crystal can have, and the reason why each other one is none.

    Classes may be spelt in any case, or in words (``"nonmagnetic"``).  When
    less than half of the labels are classes of the target they are of another
    scheme, and all are kept.

    Parameters
    ----------
    values : mapping of id to label
    atoms : mapping of id to int
        Atoms of the file's cell.

    Returns
    -------
    values : dict of id to label
    reasons : dict of id to str

    Raises
    ------
    DataError
        When the values are of whole cells rather than of atoms: those of small
        cells cannot be told from good ones.
    """
    kept: dict[str, Value] = {}
    reasons: dict[str, str] = {}
    if target.task == "regression":
        for key, value in values.items():
            reason = _impossible(target, value, atoms[key])
            if reason:
                reasons[key] = reason
            else:
                kept[key] = float(value)
        _check_per_atom(target, values, atoms, len(reasons))
        return kept, reasons
    spelt = {name.casefold(): name for name in target.classes}
    spelt |= _SYNONYMS if target.name == "magnetic_ordering" else {}
    for key, value in values.items():
        text = _shown(value).strip().casefold()
        name = spelt.get(text) or spelt.get(text.replace(" ", "").replace("-", ""), "")
        if name:
            kept[key] = name
        else:
            reasons[key] = f"{_shown(value)} is no {target.title}"
    return (kept, reasons) if 2 * len(kept) >= len(values) else (dict(values), {})


def classes_among(name: str, labels: Sequence[str] | set[str]) -> tuple[str, ...]:
    """Those classes of a target that occur, in its order; empty when others occur too."""
    target, found = target_named(name), set(labels)
    if target is None or not found <= set(target.classes):
        return ()
    return tuple(one for one in target.classes if one in found)


def _impossible(target: Target, value: Value, atoms: int) -> str:
    """Why no crystal has this value; empty when it may."""
    try:
        number = float(value)
    except ValueError:
        return f"{value!r} is no number"
    if not math.isfinite(number):
        return f"{number} is no number"
    if target.lowest <= number <= target.highest:
        return ""
    where = f"beyond {target.lowest:g} to {target.highest:g} {target.unit}"
    if target.intensive and target.lowest <= number / atoms <= target.highest:
        return (
            f"{number:g} is {where}; divided by the {atoms} atoms of the cell it is "
            f"{number / atoms:.3g}: probably not per atom"
        )
    return f"{number:g} is {where}"


def _check_per_atom(
    target: Target, values: Mapping[str, Value], atoms: Mapping[str, int], beyond: int
) -> None:
    """Refuse values of which many are impossible and all are possible when shared by the atoms."""
    if not target.intensive or beyond * PER_CELL < len(values):
        return
    shared = {key: number / atoms[key] for key, number in _numbers(values)}
    if all(target.lowest <= number <= target.highest for number in shared.values()):
        raise DataError(
            f"{beyond:,} of {len(values):,} values are beyond {target.lowest:g} to "
            f"{target.highest:g} {target.unit}, and none is when it is divided by the atoms of "
            "its cell: these are values of whole cells.",
            f"Divide every {target.title} by the number of atoms in its cell.",
        )


def _numbers(values: Mapping[str, Value]) -> list[tuple[str, float]]:
    """Those values that are finite numbers."""
    found = []
    for key, value in values.items():
        with suppress(ValueError):
            if math.isfinite(number := float(value)):
                found.append((key, number))
    return found


def _of_classes(
    values: Mapping[str, Value], records: Records, classes: Sequence[str] | Mapping[str, str]
) -> list[tuple[str, str]]:
    """Pairs of id and label, all of which are classes."""
    found = []
    for key in records.ids:
        name = _shown(values[key])
        if name not in classes:
            raise DataError(
                f"Crystal {key!r} is labelled {name!r}, which is none of the classes it should "
                "be derived from.",
                f"Known: {', '.join(list(classes)[:8])}; purify the data set to drop others.",
            )
        found.append((key, name))
    return found


def _metal(gap: Value) -> str:
    """A crystal without band gap is a metal."""
    try:
        return "metal" if float(gap) == 0 else "insulator"
    except ValueError:
        raise DataError(
            f"The band gap {gap!r} is no number.", "Give the band gap in eV; 0 is a metal."
        ) from None


def _shown(value: Value) -> str:
    """A label as text; whole numbers without a point."""
    return f"{value:g}" if isinstance(value, float) else value
