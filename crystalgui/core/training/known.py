"""Answers that were given before, beside the known labels of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from crystalgui.core.datasets.targets import TQC_COARSE, coarser
from crystalgui.core.errors import DataError
from crystalgui.core.messages import Answer, Prediction
from crystalgui.core.reports.evaluation import Evaluation, Label, compare, evaluate


def labels_of(rows: Iterable[Prediction], path: Path) -> dict[str, Label]:
    """The label of each row that has one, by `Prediction.file`.

    Parameters
    ----------
    rows : iterable of Prediction
    path : Path
        CSV with the columns id and label; the id is the name of the structure
        file, with or without its ending.
    """
    from crystalgui.core.datasets.importer import file_id
    from crystalgui.core.datasets.labels import read_labels

    labels = read_labels(path, learn=False).values
    found: dict[str, Label] = {}
    for row in rows:
        base = row.file.replace("\\", "/").rsplit("/", 1)[-1]
        for key in (file_id(row.file), base, row.file):
            if key in labels:
                found[row.file] = labels[key]
                break
    return found


def beside(rows: Sequence[Prediction], path: Path, models: Sequence[str]) -> tuple[str, Evaluation]:
    """The first of the models that the labels of a file are for, and how good its answers are.

    Raises
    ------
    DataError
        When the labels are for none of them.
    """
    if not models:
        raise DataError("Nothing was classified yet.", "Choose files first, then their labels.")
    labels = labels_of(rows, path)
    rows = [replace(row, answers=tuple(map(_with_coarse, row.answers))) for row in rows]
    reason: DataError | None = None
    for model in models:
        try:
            return model, evaluate(compare(rows, labels, model))
        except DataError as error:
            reason = reason or error
    assert reason is not None
    raise reason


def _with_coarse(answer: Answer) -> Answer:
    """With the three classes of the five, which a table of predictions does not tell."""
    if answer.coarse or {name for name, _ in answer.probabilities} != set(TQC_COARSE):
        return answer
    return replace(answer, coarse=coarser(answer.probabilities, TQC_COARSE))
