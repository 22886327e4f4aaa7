"""What answers are worth: beside known labels, how often they are right, and how sure they were.

Calibration says whether 80 % sure is right four times in five (Guo et al. 2017,
eqs. 2 and 3).  Coverage says what is gained by refusing the answers a model is
least sure of (reject option, Chow 1970).  Where a model fails is told by
element, by the size of the crystal and by what Nop et al. (2025, Results)
found to matter (row N24): several symmetries of one formula, above all when
their labels differ.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import DataError
from crystalgui.core.messages import Answer, Prediction
from crystalgui.core.reports.csv import table_rows
from crystalgui.core.structures.elements import SYMBOLS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Label = str | float

BINS = 15
MOST_POINTS = 400
SIZES = (1, 2, 4, 8, 16, 32, 64)
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_NUMBERS = {symbol: z for z, symbol in enumerate(SYMBOLS) if symbol}


def uncertainty(answer: Answer) -> float:
    """How unsure a model is: NaN when it does not say.

    The entropy of the probabilities over that of equal ones, from 0 to 1; for a
    number the spread of the members of an ensemble, in its unit.
    """
    shares = [p for _, p in answer.probabilities if p > 0]
    if len(answer.probabilities) < 2:
        return answer.spread
    return sum(-p * math.log(p) for p in shares) / math.log(len(answer.probabilities))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Answers of one model beside known labels.

    Attributes
    ----------
    files : tuple of str, length m
        Row or crystal that was asked about.
    true, said : (m,) float64
        Index of a class, or a number in ``unit``.
    certainty : (m,) float64
        Probability of the class that was said; for a number minus the spread
        of an ensemble; NaN where nothing is known.
    classes : tuple of str
        Empty for numbers.
    formulas : tuple of str, length m, or empty
    space_groups, atoms : (m,) int64
        Number of the space group and atoms of a primitive cell; 0 where not known.
    unlabelled : int
        Rows without a label.
    """

    files: tuple[str, ...]
    true: Floats
    said: Floats
    certainty: Floats
    classes: tuple[str, ...] = ()
    unit: str = ""
    formulas: tuple[str, ...] = ()
    space_groups: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    atoms: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    unlabelled: int = 0

    def __len__(self) -> int:
        return len(self.files)

    @property
    def loss(self) -> Floats:
        """(m,): 1 for a wrong class and 0 for the right one, or the absolute error."""
        if self.classes:
            return np.asarray(self.true != self.said, np.float64)
        return np.asarray(np.abs(self.true - self.said), np.float64)


def compare(rows: Iterable[Prediction], labels: Mapping[str, Label], model: str) -> Known:
    """Answers of a model beside labels.

    Parameters
    ----------
    rows : iterable of Prediction
        Unreadable files are left out.
    labels : mapping of `Prediction.file` to label
        Classes, the coarser ones of a model that has them, or numbers.
    model : str

    Raises
    ------
    DataError
        When no row has a label, or the labels are none that the model could say.
    """
    found, without = [], 0
    for row in rows:
        answer = next((a for a in row.answers if a.model == model), None)
        if row.error or answer is None:
            continue
        if row.file in labels:
            found.append((row, answer, labels[row.file]))
        else:
            without += 1
    if not found:
        raise DataError(
            f"No crystal has both a label and an answer of {model or 'the model'}.",
            "The ids must be the names of the structure files, with or without their ending.",
        )
    answers = [answer for _, answer, _ in found]
    wanted = [label for _, _, label in found]
    if all(answer.probabilities for answer in answers):
        names = [label if isinstance(label, str) else f"{label:g}" for label in wanted]
        classes, said, certainty = _classes(answers, set(names), model)
        place = {name: i for i, name in enumerate(classes)}
        true = [float(place[name]) for name in names]
    else:
        classes = ()
        true = [_real(label, model) for label in wanted]
        said = [answer.value for answer in answers]
        certainty = [-answer.spread for answer in answers]
    kept = [row for row, _, _ in found]
    return Known(
        files=tuple(row.file for row in kept),
        true=np.array(true, np.float64),
        said=np.array(said, np.float64),
        certainty=np.array(certainty, np.float64),
        classes=classes,
        unit="" if classes else answers[0].prediction.partition(" ")[2],
        formulas=tuple(row.formula for row in kept),
        space_groups=np.array([_group(row.space_group) for row in kept], np.int64),
        atoms=np.array([row.atoms for row in kept], np.int64),
        unlabelled=without,
    )


def _classes(
    answers: Sequence[Answer], labels: set[str], model: str
) -> tuple[tuple[str, ...], list[float], list[float]]:
    """Classes of the answers, or their coarser ones; index and probability of each answer."""
    for pick in (_fine, _coarse):
        pairs = [pick(answer) for answer in answers]
        names = tuple(sorted({name for own in pairs for name, _ in own}))
        if all(pairs) and labels <= set(names):
            place = {name: float(i) for i, name in enumerate(names)}
            return names, [place[own[0][0]] for own in pairs], [own[0][1] for own in pairs]
    strange = sorted(labels - {name for answer in answers for name, _ in answer.probabilities})
    raise DataError(
        f"{model or 'The model'} knows no class {', '.join(strange[:3])}.",
        "Choose the labels of what this model predicts, or another model.",
    )


def _fine(answer: Answer) -> tuple[tuple[str, float], ...]:
    return answer.probabilities


def _coarse(answer: Answer) -> tuple[tuple[str, float], ...]:
    return answer.coarse


def _real(label: Label, model: str) -> float:
    try:
        return float(label)
    except ValueError:
        raise DataError(
            f"{model or 'The model'} predicts numbers; {label!r} is a class.",
            "Choose the labels of what this model predicts, or another model.",
        ) from None


def _group(text: str) -> int:
    """Number of a space group in ``"Fm-3m (225)"``; 0 without one."""
    inside = text.rpartition("(")[2].rstrip(") ")
    return int(inside) if inside.isdigit() else 0


def read_test(path: Path, classes: Sequence[str] = (), unit: str = "") -> Known:
    """The answers of a shipped model for its own test crystals: ``id,label,prediction``.

    Raises
    ------
    DataError
        When the table cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            _, header = next(table := table_rows(stream, path), (0, []))
            rows = [dict(zip(header, row, strict=False)) for _, row in table if row]
        files = tuple(row["id"] for row in rows)
        if classes:
            place = {name: i for i, name in enumerate(classes)}
            true = [float(place[row["label"]]) for row in rows]
            said = [float(place[row["prediction"]]) for row in rows]
            certainty = [float(row["probability"]) for row in rows]
        else:
            true = [float(row["label"]) for row in rows]
            said = [float(row["prediction"]) for row in rows]
            certainty = [math.nan] * len(rows)
    except OSError as error:
        raise DataError(
            "This model has no table of its test crystals.",
            "Choose labels of your own instead.",
            str(error),
            path=path,
        ) from error
    except (KeyError, ValueError) as error:
        raise DataError(
            "The table of test crystals is damaged.",
            "Install the model again, or choose labels of your own.",
            str(error),
            path=path,
        ) from error
    if not rows:
        raise DataError("The table of test crystals is empty.", "Choose labels.", path=path)
    return Known(
        files=files,
        true=np.array(true),
        said=np.array(said),
        certainty=np.array(certainty),
        classes=tuple(classes),
        unit=unit,
    )


# ----------------------------------------------------------------- evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Accuracy against probability, in bins of equal width that are not empty.

    Attributes
    ----------
    confidence, accuracy : (b,) float64
        Means over each bin.
    count : (b,) int64
    error : float
        Expected calibration error.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """What stays, and how good it is, when less sure answers are refused.

    Attributes
    ----------
    threshold : (p,) float64, descending
        Answers with at least this certainty are kept.
    share : (p,) float64
        Of all answers; the last is 1.
    score : (p,) float64
        Accuracy, or mean absolute error, of those that are kept.
    """

    threshold: Floats
    share: Floats
    score: Floats

    def at(self, threshold: float) -> tuple[float, float]:
        """Share and score when answers below ``threshold`` are refused; (0, NaN) for all."""
        kept = int(np.count_nonzero(self.threshold >= threshold))
        if not kept:
            return 0.0, math.nan
        return float(self.share[kept - 1]), float(self.score[kept - 1])


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the crystals: share of wrong answers or mean absolute error, and how many."""

    name: str
    error: float
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How good a model is on crystals with known labels.

    Attributes
    ----------
    known : Known
    score : float
        Accuracy, or mean absolute error in the unit.
    reliability : Reliability or None
        None for numbers.
    coverage : Coverage or None
        None where no certainty is known.
    confusion : tuple of tuple of int
        Rows = true class.
    elements : dict of atomic number to Group
    symmetries, sizes : tuple of Group
        Empty where formulas or sizes are not known.
    """

    known: Known
    score: float
    reliability: Reliability | None
    coverage: Coverage | None
    confusion: tuple[tuple[int, ...], ...]
    elements: Mapping[int, Group]
    symmetries: tuple[Group, ...]
    sizes: tuple[Group, ...]

    @property
    def surest_half(self) -> float:
        """Score on the half that the model is surest of; NaN where no certainty is known."""
        if self.coverage is None:
            return math.nan
        half = int(np.searchsorted(self.coverage.share, 0.5))
        return float(self.coverage.score[half])


def evaluate(known: Known) -> Evaluation:
    """Everything that is told of a comparison."""
    loss, sure = known.loss, bool(np.isfinite(known.certainty).all())
    size = len(known.classes)
    counts: Ints = np.zeros((size, size), np.int64)
    if size:
        np.add.at(counts, (known.true.astype(np.int64), known.said.astype(np.int64)), 1)
    mean = float(loss.mean())
    return Evaluation(
        known=known,
        score=1 - mean if size else mean,
        reliability=reliability(known.certainty, loss == 0) if size and sure else None,
        coverage=coverage(known.certainty, loss, bool(size)) if sure else None,
        confusion=tuple(tuple(row) for row in counts.tolist()),
        elements=by_element(known),
        symmetries=by_symmetry(known),
        sizes=by_size(known),
    )


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Calibration curve of (m,) probabilities and whether each answer was right."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    sure = np.bincount(place, confidence, bins)
    good = np.bincount(place, right.astype(np.float64), bins)
    some = count > 0
    error = float(np.abs(sure - good).sum() / max(1, len(confidence)))
    return Reliability(
        sure[some] / count[some], good[some] / count[some], count[some].astype(np.int64), error
    )


def coverage(certainty: Floats, loss: Floats, classes: bool) -> Coverage:
    """Share and score of the surest answers; answers that are equally sure stay together."""
    order = np.argsort(-certainty, kind="stable")
    sorted_certainty, mean = certainty[order], np.cumsum(loss[order])
    last = np.flatnonzero(np.append(np.diff(sorted_certainty) != 0, True))
    if len(last) > MOST_POINTS:
        last = last[np.unique(np.linspace(0, len(last) - 1, MOST_POINTS).astype(np.int64))]
    error = mean[last] / (last + 1)
    return Coverage(
        threshold=sorted_certainty[last],
        share=(last + 1) / len(loss),
        score=1 - error if classes else error,
    )


def elements_of(formula: str) -> set[int]:
    """Atomic numbers in a formula."""
    return {_NUMBERS[s] for s in _SYMBOL.findall(formula) if s in _NUMBERS}


def by_element(known: Known) -> dict[int, Group]:
    """Error over the crystals that hold each element."""
    members: dict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(known.formulas):
        for z in elements_of(text):
            members[z].append(i)
    loss = known.loss
    return {
        z: Group(SYMBOLS[z], float(loss[rows].mean()), len(rows))
        for z, rows in sorted(members.items())
    }


def by_symmetry(known: Known) -> tuple[Group, ...]:
    """Error by the number of space groups that the crystals have of one formula."""
    phases: dict[str, set[int]] = defaultdict(set)
    labels: dict[str, set[float]] = defaultdict(set)
    for text, group, true in zip(known.formulas, known.space_groups, known.true, strict=False):
        if text and group:
            phases[text].add(int(group))
            labels[text].add(float(true))

    def name(i: int) -> str:
        text = known.formulas[i]
        many = len(phases[text]) if known.space_groups[i] else 0
        if many < 2:
            return "one space group" if many else ""
        if not known.classes:
            return "several"
        return "several, one label" if len(labels[text]) == 1 else "several, labels differ"

    order = ("one space group", "several", "several, one label", "several, labels differ")
    return _grouped(known, name, order) if phases else ()


def by_size(known: Known) -> tuple[Group, ...]:
    """Error by the atoms of a primitive cell."""
    names = [
        f"{low} – {high - 1}" if high > low + 1 else f"{low}"
        for low, high in itertools.pairwise(SIZES)
    ]
    names.append(f"{SIZES[-1]} or more")

    def name(i: int) -> str:
        atoms = int(known.atoms[i])
        return names[int(np.searchsorted(SIZES, atoms, side="right")) - 1] if atoms else ""

    return _grouped(known, name, names) if known.atoms.any() else ()


def _grouped(known: Known, name: Callable[[int], str], order: Sequence[str]) -> tuple[Group, ...]:
    members: dict[str, list[int]] = defaultdict(list)
    for i in range(len(known)):
        members[name(i)].append(i)
    loss = known.loss
    return tuple(
        Group(key, float(loss[members[key]].mean()), len(members[key]))
        for key in order
        if key in members
    )


# ------------------------------------------------------------------------ table

COLUMNS = ("part", "name", "count", "value", "at")


def evaluation_text(evaluation: Evaluation) -> str:
    """Everything as one CSV table: ``part,name,count,value,at``.

    ``at`` is the mean probability of a bin of the calibration curve, and the
    threshold of a point of the coverage curve (its ``name`` is the share).
    """
    known = evaluation.known
    error = "wrong answers" if known.classes else "mean absolute error"
    score = "accuracy" if known.classes else f"mean absolute error, {known.unit}".rstrip(", ")
    table: list[tuple[object, ...]] = [COLUMNS, ("score", score, len(known), evaluation.score, "")]
    if evaluation.reliability is not None:
        own = evaluation.reliability
        table.append(("score", "expected calibration error", len(known), own.error, ""))
        bins = zip(own.count, own.accuracy, own.confidence, strict=True)
        table += [("calibration", "accuracy", n, right, sure) for n, right, sure in bins]
    if evaluation.coverage is not None:
        curve = evaluation.coverage
        points = zip(curve.share, curve.score, curve.threshold, strict=True)
        table += [
            ("coverage", f"{share:.4f}", round(share * len(known)), own_score, at)
            for share, own_score, at in points
        ]
    for true, row in zip(known.classes, evaluation.confusion, strict=True):
        table += [
            ("confusion", f"{true} called {said}", n, n / max(1, sum(row)), "")
            for said, n in zip(known.classes, row, strict=True)
        ]
    for part, groups in (
        ("element", tuple(evaluation.elements.values())),
        ("space groups of one formula", evaluation.symmetries),
        ("atoms of a primitive cell", evaluation.sizes),
    ):
        table += [(f"{error} by {part}", g.name, g.count, g.error, "") for g in groups]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in table)
    return buffer.getvalue()


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_evaluation(path: Path, evaluation: Evaluation) -> Path:
    """Write `evaluation_text` in one step."""
    from crystalgui.core.atomic import write_atomic

    write_atomic(path, evaluation_text(evaluation))
    return path
