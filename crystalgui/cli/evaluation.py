"""How good predictions are beside known labels: ``evaluate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, check_targets, existing, write


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="A table that `classify --csv` wrote.", **UNCHECKED)
    ],
    labels: Annotated[Path, typer.Argument(help="A CSV with id and label.", **UNCHECKED)],
    model: Annotated[
        str, typer.Option(help="Of several models in the table; that of the labels without.")
    ] = "",
    csv: Annotated[
        Path | None, typer.Option(help="Where to write; stdout without.", **UNCHECKED)
    ] = None,
) -> None:
    """Calibration, coverage, confusion, and errors by element, symmetry and size, as CSV."""
    from crystalgui.core.reports.csv import models_of, read_predictions
    from crystalgui.core.reports.evaluation import evaluation_text
    from crystalgui.core.training.known import beside

    existing(predictions, "file")
    existing(labels, "file")
    check_targets(csv)
    rows = read_predictions(predictions)
    name, found = beside(rows, labels, (model,) if model else models_of(rows) or ("",))
    words = f" of {name}" if name else ""
    print(f"{len(found.known):,} answers{words} beside labels.", file=sys.stderr)
    text = evaluation_text(found)
    if csv is None:
        sys.stdout.write(text)
    else:
        write(csv, text)
