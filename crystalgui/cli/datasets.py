"""Data sets of Hamiltonians: ``dataset``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, fail, follow, settings_of
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetReady, Event, PhaseDataJob


def dataset(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A JSON file, or the name of a shipped one.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the data set.", **UNCHECKED)] = None,
    project: Annotated[
        Path | None, typer.Option(help="Project that it belongs to.", **UNCHECKED)
    ] = None,
    processes: Annotated[int, typer.Option(help="0: one a core.", min=0)] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: train=5400."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Print the shipped recipes.")] = False,
) -> int:
    """Make a data set of Hamiltonians with certified phases, or go on with one that was cut off."""
    from crystalgui.core.datasets.hamiltonians.generate import make
    from crystalgui.core.datasets.hamiltonians.recipes import changed, read_recipe, shipped

    if listed:
        for name in shipped():
            found = read_recipe(name)
            print(f"{name:<26} {found.title}")
        return 0
    if not recipe:
        raise DataError("Which data set?", "Give a recipe, or --list to see the shipped ones.")
    if out is None and project is None:
        raise DataError("There is no folder for the data set.", "Give --out DIR or --project DIR.")
    wanted = changed(read_recipe(recipe), settings_of(settings or []))
    job = PhaseDataJob(recipe=wanted, out=out, project=project, processes=processes)
    ready: list[DatasetReady] = []

    def take(event: Event) -> None:
        if isinstance(event, DatasetReady):
            ready.append(event)

    follow(make(job), take)
    if not ready:
        return fail("The data set was not finished; the same command goes on with it.")
    summary = ready[0].summary
    if as_json:
        plain = {
            "name": summary.name,
            "folder": str(summary.folder),
            "size": summary.size,
            "counts": dict(zip(summary.classes, summary.counts, strict=True)),
            "apart": summary.apart,
            "digest": summary.digest,
        }
        print(json.dumps(plain, indent=1))
        return 0
    print(f"{summary.name}: {summary.size:,} samples in {summary.folder}")
    for name, count in zip(summary.classes, summary.counts, strict=True):
        print(f"  {name:<22} {count:>7,}  {count / max(1, summary.size):6.2%}")
    for problem in summary.problems:
        print(f"  {problem}")
    return 0
