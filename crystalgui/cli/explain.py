"""What the answer of a model for one crystal rests on: ``explain``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from crystalgui.cli.terminal import (
    UNCHECKED,
    DeviceOption,
    check_targets,
    device_named,
    existing,
    follow,
    write,
)
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import Event, ExplainJob, ExplainReady


def explain(
    file: Annotated[
        Path, typer.Argument(help="A crystal, or a folder or zip with --entry.", **UNCHECKED)
    ],
    model: Annotated[str, typer.Option(help="Name or folder of a trained model.")],
    csv: Annotated[
        Path | None, typer.Option(help="Where to write; stdout without.", **UNCHECKED)
    ] = None,
    entry: Annotated[str, typer.Option(help="Name of the crystal in a folder or zip.")] = "",
    method: Annotated[str, typer.Option(help="Saliency by occlusion or gradient.")] = "occlusion",
    by: Annotated[str, typer.Option(help="Occlude orbits or elements.")] = "orbits",
    parity: Annotated[
        bool, typer.Option("--parity", help="Replace by elements of the same parity alone.")
    ] = False,
    asked: Annotated[
        str, typer.Option("--class", help="Class to explain; the predicted one without.")
    ] = "",
    member: Annotated[int, typer.Option(help="Network whose attention is shown, from 0.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the replacements.", min=0)] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Attention by layer and head, the strongest pairs and the saliency of every atom, as CSV."""
    from crystalgui.core.models import explain as models
    from crystalgui.core.reports.explain import explanation_text

    existing(file, "file or folder")
    check_targets(csv)
    if method not in ("occlusion", "gradient"):
        raise ModelError(f"There is no method {method!r}.", "Choose occlusion or gradient.")
    if by not in ("orbits", "elements"):
        raise DataError(f"{by!r} cannot be occluded.", "Choose orbits or elements.")
    job = ExplainJob(
        path=file,
        model=model,
        entry=entry,
        method=cast(Literal["occlusion", "gradient"], method),
        by=cast(Literal["orbits", "elements"], by),
        parity=parity,
        asked=asked,
        member=member,
        seed=seed,
        device=device_named(device),
    )
    found: list[ExplainReady] = []

    def take(event: Event) -> None:
        if isinstance(event, ExplainReady):
            found.append(event)

    follow(models.explain(job), take)
    (ready,) = found
    _say(ready)
    text = explanation_text(ready)
    if csv is None:
        sys.stdout.write(text)
    else:
        write(csv, text)


def _say(ready: ExplainReady) -> None:
    """The answer and its sum on stderr."""
    row, shared = ready.prediction, ready.saliency
    what = f"log probability of {ready.asked}" if ready.asked else "value"
    print(f"{row.file}: {row.formula}, {row.space_group}: {row.prediction}", file=sys.stderr)
    others = "other elements" if shared.method == "occlusion" else "no atom vectors"
    print(
        f"{what}: {shared.answer:.4f} {ready.unit}; with {others} {shared.reference:.4f}; "
        f"the atoms give {shared.total:.4f}",
        file=sys.stderr,
    )
    for warning in ready.warnings:
        print(warning, file=sys.stderr)
