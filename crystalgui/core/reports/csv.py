"""Predictions as a CSV file that spreadsheets and scripts read alike.

The columns are a contract of the command line and never change order.
``probabilities`` and ``warnings`` hold several values in one cell, as
``name=0.7100; name=0.2900`` and ``text; text``.  Where several models answered,
those columns are of the first, and four more follow for each of the models.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import DataError
from crystalgui.core.messages import Answer, AtomicLimitReady, Prediction, SimilarReady

COLUMNS = (
    "file",
    "formula",
    "space_group",
    "prediction",
    "probability",
    "probabilities",
    "warnings",
    "error",
)
EACH = ("prediction", "probability", "spread", "probabilities")
"""Columns of each of several models, called ``MODEL: prediction`` and so on."""
_SEPARATOR = "; "


def _number(value: float) -> str:
    """A probability with four decimals; empty when it is not a number."""
    return f"{value:.4f}" if math.isfinite(value) else ""


def _line(text: str) -> str:
    """Text on one line, so that one row stays one line of the file."""
    return " ".join(text.split())


def columns(models: Sequence[str]) -> tuple[str, ...]:
    """Header of the answers of some models by name; `COLUMNS` alone without any."""
    return (*COLUMNS, *(f"{model}: {word}" for model in models for word in EACH))


def cells(row: Prediction, models: Sequence[str] = ()) -> tuple[str, ...]:
    """The cells of one prediction, in the order of `columns`."""
    answers = {answer.model: answer for answer in row.answers}
    more = (_of_model(answers.get(model)) for model in models)
    return (
        row.file,
        row.formula,
        row.space_group,
        row.prediction,
        _number(row.probability),
        _shares(row.probabilities),
        _SEPARATOR.join(_line(w) for w in row.warnings),
        _line(row.error),
        *(cell for part in more for cell in part),
    )


def _of_model(answer: Answer | None) -> tuple[str, ...]:
    """The cells `EACH` of an answer."""
    if answer is None:
        return ("",) * len(EACH)
    return (
        answer.prediction,
        _number(answer.probability),
        _number(answer.spread),
        _shares(answer.probabilities),
    )


def _shares(pairs: Iterable[tuple[str, float]]) -> str:
    return _SEPARATOR.join(f"{name}={p:.4f}" for name, p in pairs)


def models_of(rows: Iterable[Prediction]) -> tuple[str, ...]:
    """Names of the models whose answers need columns of their own: none where there is but one."""
    names = dict.fromkeys(answer.model for row in rows for answer in row.answers)
    return tuple(names) if len(names) > 1 else ()


def predictions_text(rows: Iterable[Prediction], *, separator: str = ",") -> str:
    """The whole table as text, with a header line.

    Parameters
    ----------
    rows : iterable of Prediction
    separator : str
        ``","`` for files, a tab for the clipboard.
    """
    rows = list(rows)
    models = models_of(rows)
    return lines([columns(models), *(cells(row, models) for row in rows)], separator)


def lines(table: Iterable[Sequence[str]], separator: str = ",") -> str:
    """Rows of cells as lines of text."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\n").writerows(table)
    return buffer.getvalue()


def write_predictions(path: Path | str, rows: Iterable[Prediction]) -> Path:
    """Write ``predictions.csv`` in one step, UTF-8; returns the path."""
    write_atomic(path, predictions_text(rows))
    return Path(path)


def _pairs(text: str) -> tuple[tuple[str, float], ...]:
    """``name=0.7; name=0.3`` as pairs."""
    pairs = (item.rpartition("=") for item in text.split(_SEPARATOR) if item)
    return tuple((name, float(value)) for name, _, value in pairs)


def read_predictions(path: Path | str) -> tuple[Prediction, ...]:
    """Read a table that `write_predictions` wrote.

    Raises
    ------
    DataError
        When it is not such a table; file and line are named.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            table = table_rows(stream, path)
            header = tuple(next(table, (0, []))[1])
            models = models_in(header)
            if header != columns(models):
                raise DataError(
                    "This is not a table of predictions.",
                    f"The first line must be {','.join(COLUMNS)}.",
                    path=path,
                    line=1,
                )
            return tuple(prediction(row, models, path, line) for line, row in table if row)
    except UnicodeDecodeError as error:
        raise DataError(
            "The table is not UTF-8 text.", "Save it as UTF-8.", str(error), path=path
        ) from error
    except OSError as error:
        raise DataError(
            f"The table cannot be read: {error.strerror or error}.",
            "Check that the file exists and may be read.",
            path=path,
        ) from error


def table_rows(stream: Iterable[str], path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, each with its line.

    Raises
    ------
    DataError
        When it is none; ``path`` and the line are named.
    """
    reader = csv.reader(stream)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"The table is no valid CSV: {error}.",
            "Save it as CSV (UTF-8) again.",
            path=path,
            line=reader.line_num,
        ) from error


def models_in(header: Sequence[str]) -> tuple[str, ...]:
    """Models that have columns of their own."""
    own = header[len(COLUMNS) :: len(EACH)]
    return tuple(name.removesuffix(f": {EACH[0]}") for name in own)


def prediction(
    row: Sequence[str], models: Sequence[str], path: Path | str = "", line: int = 0
) -> Prediction:
    """One row of the table with columns of ``models``.

    Raises
    ------
    DataError
        When it is damaged; ``path`` and ``line`` say where.
    """
    try:
        file, formula, group, *first, warnings, error = row[: len(COLUMNS)]
        found = [_answer("", (*first[:2], "", *first[2:]))]
        if models:
            rest = row[len(COLUMNS) :]
            parts = [rest[i : i + len(EACH)] for i in range(0, len(rest), len(EACH))]
            found = [_answer(m, part) for m, part in zip(models, parts, strict=True)]
        return Prediction(
            file=file,
            formula=formula,
            space_group=group,
            answers=tuple(answer for answer in found if answer.prediction),
            warnings=tuple(w for w in warnings.split(_SEPARATOR) if w),
            error=error,
        )
    except ValueError as error_:
        raise DataError(
            "This row of the table is damaged.",
            f"It needs {len(columns(models))} cells with numbers in probability.",
            str(error_),
            path=path or None,
            line=line or None,
        ) from error_


def _answer(model: str, part: Sequence[str]) -> Answer:
    """From the cells `EACH`; ValueError when they are none."""
    text, p, spread, pairs = part
    answer = Answer(model=model, prediction=text, probabilities=_pairs(pairs))
    if text and not p:
        answer = replace(answer, value=_value(text))
    if p:
        answer = replace(answer, probability=float(p))
    return replace(answer, spread=float(spread)) if spread else answer


def _value(text: str) -> float:
    """The number that ``0.31 eV/atom`` begins with; NaN where it does not."""
    try:
        return float(text.split()[0])
    except ValueError:
        return math.nan


def limit_text(ready: AtomicLimitReady) -> str:
    """Curves of an atomic limit: a row a factor, a column a class of each model."""
    header = ["factor"]
    for curve in ready.curves:
        value = f"{curve.target} ({curve.unit})" if curve.unit else curve.target
        names = curve.classes or (value,)
        header += [f"{curve.model}: {name}" for name in names]
    table = [header]
    for i, factor in enumerate(ready.factors.tolist()):
        values = (value for curve in ready.curves for value in curve.values[i].tolist())
        table.append([f"{factor:g}", *(f"{value:.6g}" for value in values)])
    return lines(table)


def similar_text(ready: SimilarReady) -> str:
    """Crystals that are like an example, the nearest first."""
    header = ("id", "formula", "space_group", "label", "prediction", "distance", "same")
    rows = (
        (s.id, s.formula, str(s.space_group), s.label, s.prediction, f"{s.distance:.4f}",
         "yes" if s.same else "")
        for s in ready.found
    )  # fmt: skip
    return lines([header, *rows])
