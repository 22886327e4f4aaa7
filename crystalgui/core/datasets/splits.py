"""Dividing a data set so that a test number means something.

Polymorphs of one formula often share a label, so a random split lets a
network look its answers up.  The composition split keeps every reduced
formula on one side and stays close to the class balance of the whole.
Harder questions leave out an element or a prototype (`prototypes`): what the
network knows of crystals unlike those it has seen.
Data sets of Hamiltonians name their test rows, or are tested on a family of
Hamiltonians that training never sees.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.kinds import SPLITS
from crystalgui.core.datasets.prototypes import commonest, contained, prototypes
from crystalgui.core.datasets.records import Records
from crystalgui.core.errors import DataError
from crystalgui.core.messages import SplitSpec
from crystalgui.core.structures.elements import SYMBOLS, is_symbol

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of each part, ascending.

    Attributes
    ----------
    train, validation, test : (k,) int64
    """

    train: Indices
    validation: Indices
    test: Indices

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Rows of train, validation and test."""
        return len(self.train), len(self.validation), len(self.test)


def split(
    spec: SplitSpec, keys: Sequence[Hashable], classes: NDArray[np.int64] | None = None
) -> Split:
    """Divide rows into train, validation and test.

    Parameters
    ----------
    spec : SplitSpec
        Of kind ``"composition"`` or ``"random"``.
    keys : sequence of hashable, length m
        Reduced composition of each row.
    classes : (m,) int64, optional
        Strata; for regression leave it out.

    Raises
    ------
    DataError
        When the fractions are impossible or a part would be empty.
    """
    _check_shares(spec)
    groups = _group(keys) if spec.kind == "composition" else np.arange(len(keys))
    part = _assign(spec, groups, np.zeros(len(keys), np.int64) if classes is None else classes)
    result = Split(*(np.flatnonzero(part == p).astype(np.int64) for p in range(3)))
    if min(result.sizes) == 0:
        raise DataError(
            f"{len(keys)} rows with {len(set(groups.tolist()))} formulas cannot be divided into "
            f"train, validation and test.",
            "Add data, or make the validation and test fractions larger.",
        )
    return result


def split_given(
    spec: SplitSpec, is_test: NDArray[np.bool_], classes: NDArray[np.int64] | None = None
) -> Split:
    """Test on the rows ``is_test`` (m,); validate on a share of the others, by class and seed.

    Raises
    ------
    DataError
        When the share is impossible or a part would be empty.
    """
    _check_share(spec)
    others = np.flatnonzero(~is_test)
    strata = np.zeros(len(others), np.int64) if classes is None else classes[others]
    part = _assign(replace(spec, test=0.0), np.arange(len(others)), strata)
    result = Split(
        others[part == 0].astype(np.int64),
        others[part == 1].astype(np.int64),
        np.flatnonzero(is_test).astype(np.int64),
    )
    if min(result.sizes) == 0:
        raise DataError(
            f"{len(is_test)} rows, {int(is_test.sum())} of them for testing, leave nothing to "
            "train or to validate on.",
            "Make a larger data set, or another share for validation.",
        )
    return result


def split_family(
    spec: SplitSpec, families: Sequence[str], classes: NDArray[np.int64] | None = None
) -> Split:
    """Test on the rows of the family ``spec.left_out``, validate on a share of the others.

    Parameters
    ----------
    families : sequence of str, length m

    Raises
    ------
    DataError
        When there is no such family.
    """
    is_test = np.array([name == spec.left_out for name in families], np.bool_)
    if not is_test.any():
        known = ", ".join(sorted(set(families))) or "none"
        raise DataError(
            f"No row is of the family {spec.left_out!r}, so it cannot be left out."
            if spec.left_out
            else "The family to leave out of training is not named.",
            f"Families of this data set: {known}.",
        )
    return split_given(spec, is_test, classes)


def split_crystals(
    spec: SplitSpec, records: Records, classes: NDArray[np.int64] | None = None
) -> Split:
    """Divide crystals by composition, at random, by element or by prototype.

    With an element or a prototype left out, and with prototypes on one side
    each, crystals that share a formula with the test rows are used neither
    for training nor for validation, so that no formula is on both sides.

    Raises
    ------
    DataError
        When no crystal is left out, or a part would be empty.
    """
    keys = records.keys()
    if spec.kind == "element":
        return _hold_out(spec, _holding(records, spec.left_out), keys, classes)
    if spec.kind == "prototype":
        names = prototypes(records)
        if not spec.left_out:
            return _prototypes_apart(spec, names, keys, classes)
        held = np.array([name == spec.left_out for name in names], np.bool_)
        if not held.any():
            raise DataError(
                f"No crystal is of the prototype {spec.left_out!r}, so it cannot be left out.",
                f"The commonest here: {', '.join(commonest(names, 5))}.",
            )
        return _hold_out(spec, held, keys, classes)
    return split(spec, keys, classes)


def way_for(kind: str, left_out: str = "") -> str:
    """How a kind of data set is divided when nobody says it, or only what to leave out."""
    if not left_out:
        return SPLITS[kind][0]
    if kind != "crystals":
        return "family"
    return "element" if is_symbol(left_out) else "prototype"


def said(spec: SplitSpec, kind: str = "crystals") -> str:
    """How a data set was divided, as the card of a trained model says it."""
    if spec.left_out:
        return f"{spec.kind} {spec.left_out} left out"
    if spec.kind == "random" and kind == "crystals":
        return "random (formulas on both sides: only to compare with published numbers)"
    return spec.kind


def _holding(records: Records, name: str) -> NDArray[np.bool_]:
    """(m,) bool: the crystals that hold an element."""
    known = commonest(contained(records))
    if name not in known:
        shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
        raise DataError(
            f"No crystal holds {name!r}, so it cannot be left out."
            if name
            else "The element to leave out of training is not named.",
            f"Elements of this data set: {shown}.",
        )
    crystal = np.repeat(np.arange(len(records)), np.diff(records.offsets))
    held = np.zeros(len(records), np.bool_)
    held[crystal[records.species == SYMBOLS.index(name)]] = True
    return held


def _hold_out(
    spec: SplitSpec,
    is_test: NDArray[np.bool_],
    keys: Sequence[Hashable],
    classes: NDArray[np.int64] | None,
) -> Split:
    """Test on some rows; validate on a share of the others by composition."""
    _check_share(spec)
    tested = {key for key, held in zip(keys, is_test.tolist(), strict=True) if held}
    others = np.array([i for i, key in enumerate(keys) if key not in tested], np.int64)
    groups = _group([keys[i] for i in others])
    strata = np.zeros(len(others), np.int64) if classes is None else classes[others]
    part = _assign(replace(spec, test=0.0), groups, strata)
    result = Split(others[part == 0], others[part == 1], np.flatnonzero(is_test).astype(np.int64))
    return _filled(result, len(keys))


def _prototypes_apart(
    spec: SplitSpec,
    names: Sequence[str],
    keys: Sequence[Hashable],
    classes: NDArray[np.int64] | None,
) -> Split:
    """Every prototype on one side, and every formula: polymorphs of tested ones are not used."""
    _check_shares(spec)
    strata = np.zeros(len(names), np.int64) if classes is None else classes
    part = _assign(spec, _group(names), strata)
    formula = _group(keys)
    tested = np.isin(formula, formula[part == 2])
    checked = np.isin(formula, formula[(part == 1) & ~tested])
    rows = ((part == 0) & ~tested & ~checked, (part == 1) & ~tested, part == 2)
    return _filled(Split(*(np.flatnonzero(one).astype(np.int64) for one in rows)), len(names))


def familiar(parts: Split, names: Sequence[str]) -> float:
    """Share of the test rows whose name (e.g. their prototype) a training row has."""
    trained = {names[i] for i in parts.train}
    return sum(names[i] in trained for i in parts.test) / max(1, len(parts.test))


def leakage(parts: Split, keys: Sequence[Hashable]) -> int:
    """Number of formulas of the training rows that occur in validation or test."""
    train = {keys[i] for i in parts.train}
    held = {keys[i] for part in (parts.validation, parts.test) for i in part}
    return len(train & held)


def _check_shares(spec: SplitSpec) -> None:
    if not (0 < spec.validation < 1 and 0 < spec.test < 1 and spec.validation + spec.test < 1):
        raise DataError(
            f"A split with validation {spec.validation:g} and test {spec.test:g} is impossible.",
            "Both must be positive and leave something to train on, e.g. 0.1 and 0.1.",
        )


def _check_share(spec: SplitSpec) -> None:
    if not 0 < spec.validation < 1:
        raise DataError(
            f"A validation share of {spec.validation:g} is impossible.",
            "It must be positive and leave something to train on, e.g. 0.1.",
        )


def _filled(parts: Split, rows: int) -> Split:
    """The same; `DataError` when a part is empty."""
    if min(parts.sizes) == 0:
        train, validation, test = parts.sizes
        raise DataError(
            f"{rows} rows cannot be divided so: {train} to train, {validation} to validate and "
            f"{test} to test.",
            "Leave out something else, add data, or change the shares.",
        )
    return parts


def _group(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """(m,) number of each row's key; the numbers do not depend on the order of rows."""
    number = {key: i for i, key in enumerate(sorted(set(keys), key=repr))}
    return np.array([number[key] for key in keys], np.int64)


def _assign(
    spec: SplitSpec, groups: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(m,) part of each row: 0 train, 1 validation, 2 test.

    The test rows depend on the seed alone; the rest is divided into folds of
    the size of the validation part, one of which validates.  Groups are
    visited in random order, large ones first, and each goes to the part that
    lacks most of the classes that the group has.
    """
    n_groups, n_classes = int(groups.max(initial=-1)) + 1, int(classes.max(initial=0)) + 1
    counts = np.zeros((n_groups, n_classes))
    np.add.at(counts, (groups, classes), 1)
    folds = int((1 - spec.test) / spec.validation + 1e-9)
    rest = round(max(0.0, 1 - spec.test - folds * spec.validation), 9)
    share = np.array([*[spec.validation] * folds, rest, spec.test])
    wanted = np.maximum(share[:, None] * counts.sum(0), 1e-9)
    missing = share[:, None] * counts.sum(0)
    order = np.random.default_rng(spec.seed).permutation(n_groups)
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    part_of = np.zeros(n_groups, np.int64)
    for group in order:
        row = counts[group]
        part = int(np.argmax((row * missing / wanted).sum(1)))
        part_of[group] = part
        missing[part] -= row
    name = np.zeros(folds + 2, np.int64)
    name[spec.fold % folds] = 1
    name[-1] = 2
    return name[part_of[groups]]
