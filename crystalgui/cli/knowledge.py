"""What a model knows of a crystal: ``atomic-limit`` and ``similar``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, DeviceOption, device_named, existing, follow
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    AtomicLimitJob,
    AtomicLimitReady,
    Event,
    SimilarJob,
    SimilarReady,
)

StructureFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A structure, or a folder or zip.", **UNCHECKED)
]
Entry = Annotated[str, typer.Option(help="Which structure of a folder or zip.")]
MOST_STEPS = 1000


def atomic_limit(
    path: StructureFile,
    model: Annotated[list[str], typer.Option(help="Name or folder; may repeat.")],
    entry: Entry = "",
    largest: Annotated[float, typer.Option(help="Largest factor of every length.")] = 5.0,
    steps: Annotated[int, typer.Option(help="Factors from 1 on.", min=2)] = 41,
    device: DeviceOption = "auto",
) -> int:
    """Pull the atoms of a crystal apart: probabilities against the factor of every length, as CSV.

    Isolated atoms are trivial; what a model says of them shows what it has learned.
    """
    from crystalgui.core.models.atomic_limit import atomic_limit as run
    from crystalgui.core.reports.csv import limit_text

    existing(path)
    if not largest > 1 or steps > MOST_STEPS:
        raise DataError(
            f"{steps} factors up to {largest:g} are impossible.",
            f"Give a factor above 1 and at most {MOST_STEPS} steps.",
        )
    factors = tuple(1 + (largest - 1) * i / (steps - 1) for i in range(steps))
    job = AtomicLimitJob(
        path=path, models=tuple(model), entry=entry, factors=factors, device=device_named(device)
    )

    def take(event: Event) -> None:
        if isinstance(event, AtomicLimitReady):
            sys.stdout.write(limit_text(event))
            for curve in event.curves:
                if curve.trivial:
                    known = math.isfinite(curve.turns)
                    when = f"trivial from {curve.turns:.2f} on" if known else "never trivial"
                    print(f"{curve.model}: {when}", file=sys.stderr)

    follow(run(job), take)
    return 0


def similar(
    path: StructureFile,
    dataset: Annotated[Path, typer.Option(help="Folder of a data set.", **UNCHECKED)],
    model: Annotated[str, typer.Option(help="Name or folder of a network.")],
    entry: Entry = "",
    count: Annotated[int, typer.Option(help="Crystals to find.", min=1)] = 12,
    device: DeviceOption = "auto",
) -> int:
    """Find the crystals of a data set that a network sees as most alike, as CSV."""
    from crystalgui.core.models.similar import similar as run
    from crystalgui.core.reports.csv import similar_text

    existing(path)
    existing(dataset, "folder")
    job = SimilarJob(
        path=path, model=model, dataset=dataset, entry=entry, count=count,
        device=device_named(device),
    )  # fmt: skip

    def take(event: Event) -> None:
        if isinstance(event, SimilarReady):
            sys.stdout.write(similar_text(event))

    follow(run(job), take)
    return 0
