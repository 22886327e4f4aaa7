"""Rows of predictions for tests, from the answer of one model."""

from __future__ import annotations

from typing import Any

from crystalgui.core.messages import Answer, Prediction

ROW = ("file", "formula", "space_group", "warnings", "error")


def predicted(**values: Any) -> Prediction:
    """A row with one answer; keywords are fields of `Prediction` and of `Answer`."""
    row = {name: values.pop(name) for name in ROW if name in values}
    answers = (Answer(**{"model": "", **values}),) if values else ()
    return Prediction(**row, answers=answers)
