"""How a trained network answers when its inputs are rolled: ``invariance``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, DeviceOption, device_named, existing, follow
from crystalgui.core.errors import DataError, FileError
from crystalgui.core.messages import Event, InvarianceJob, InvariancePoint, LayerErrors


def invariance(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or folder.")],
    dataset: Annotated[
        Path, typer.Option(help="Folder of a data set of images or zones.", **UNCHECKED)
    ],
    rolling: Annotated[str, typer.Option(help="Degrees of rolling.")] = "0,1,2,4,8",
    draws: Annotated[int, typer.Option(help="Rolls of each sample.", min=1)] = 4,
    samples: Annotated[int, typer.Option(help="Test rows; 0: all.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the rolls and of the rows.")] = 0,
    project: Annotated[
        Path | None, typer.Option(help="Project that has the model.", **UNCHECKED)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for CSV, JSON and figure.", **UNCHECKED)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    device: DeviceOption = "auto",
) -> int:
    """Measure accuracy against the degree of rolling, and the equivariance of every layer."""
    from crystalgui.core.reports import invariance as reports
    from crystalgui.core.training import invariance as training

    existing(dataset, "folder")
    if out is not None and out.exists() and not out.is_dir():
        raise FileError("This is not a folder.", "Choose another folder with --out.", path=out)
    job = InvarianceJob(
        model=model,
        dataset=dataset,
        rollings=degrees(rolling),
        draws=draws,
        samples=samples,
        seed=seed,
        device=device_named(device),
        project=project,
        out=out,
    )
    ready: list[reports.Invariance] = []

    def steps() -> Iterator[Event]:
        ready.append((yield from training.invariance(job)))

    follow(steps(), _said)
    sys.stdout.write(reports.to_json(ready[0]) if as_json else reports.points_csv(ready[0].points))
    return 0


def degrees(text: str) -> tuple[int, ...]:
    """Whole numbers with commas or spaces between."""
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        raise DataError(f"{text!r} are no degrees of rolling.", "Write e.g. --rolling 0,1,2,4,8.")
    return tuple(map(int, words))


def _said(event: Event) -> None:
    """A line on stderr for each answer."""
    if isinstance(event, InvariancePoint):
        mean = sum(event.accuracy) / len(event.accuracy)
        words = f"rolling {event.rolling}: accuracy {mean:.4f}, changed {event.changed:.4f}"
        print(words, file=sys.stderr)
    elif isinstance(event, LayerErrors):
        for name, error in zip(event.layers, event.error, strict=True):
            print(f"{name:<24} equivariance error {error:.2e}", file=sys.stderr)
