"""Predictions as a CSV file that spreadsheets and scripts read alike.

The columns are a contract of the command line and never change order.
``probabilities`` and ``warnings`` hold several values in one cell, as
``name=0.7100; name=0.2900`` and ``text; text``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import DataError
from crystalgui.core.messages import Prediction

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
_SEPARATOR = "; "


def _number(value: float) -> str:
    """A probability with four decimals; empty when it is not a number."""
    return f"{value:.4f}" if math.isfinite(value) else ""


def _line(text: str) -> str:
    """Text on one line, so that one row stays one line of the file."""
    return " ".join(text.split())


def cells(row: Prediction) -> tuple[str, ...]:
    """The cells of one prediction, in the order of `COLUMNS`."""
    return (
        row.file,
        row.formula,
        row.space_group,
        row.prediction,
        _number(row.probability),
        _SEPARATOR.join(f"{name}={p:.4f}" for name, p in row.probabilities),
        _SEPARATOR.join(_line(w) for w in row.warnings),
        _line(row.error),
    )


def predictions_text(rows: Iterable[Prediction], *, separator: str = ",") -> str:
    """The whole table as text, with a header line.

    Parameters
    ----------
    rows : iterable of Prediction
    separator : str
        ``","`` for files, a tab for the clipboard.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(cells(row) for row in rows)
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
            reader = csv.reader(stream)
            header = tuple(next(reader, ()))
            if header != COLUMNS:
                raise DataError(
                    "This is not a table of predictions.",
                    f"The first line must be {','.join(COLUMNS)}.",
                    path=path,
                    line=1,
                )
            return tuple(_prediction(cells, path, reader.line_num) for cells in reader if cells)
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


def _prediction(cells: list[str], path: Path | str, line: int) -> Prediction:
    """One row of the table."""
    try:
        file, formula, group, answer, p, pairs, warnings, error = cells
        return Prediction(
            file=file,
            formula=formula,
            space_group=group,
            prediction=answer,
            probability=float(p) if p else float("nan"),
            probabilities=_pairs(pairs),
            warnings=tuple(w for w in warnings.split(_SEPARATOR) if w),
            error=error,
        )
    except ValueError as error_:
        raise DataError(
            "This row of the table is damaged.",
            f"It needs {len(COLUMNS)} cells with numbers in probability.",
            str(error_),
            path=path,
            line=line,
        ) from error_
