"""Data sets of Hamiltonians and of images: ``dataset``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, fail, follow, settings_of
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetReady, DatasetSummary, Event, PhaseDataJob


def dataset(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|images", help="A JSON file, the name of a shipped one, or: images."
        ),
    ] = "",
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="After images: an idx file, a folder, or an archive of images.",
            **UNCHECKED,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the data set.", **UNCHECKED)] = None,
    project: Annotated[
        Path | None, typer.Option(help="Project that it belongs to.", **UNCHECKED)
    ] = None,
    processes: Annotated[int, typer.Option(help="0: one a core.", min=0)] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: train=5400."),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the images; default: the file name.")] = "",
    size: Annotated[
        int, typer.Option(help="Scale and crop images to so many points; 0: as they are.", min=0)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Print the shipped recipes.")] = False,
) -> int:
    """Make a data set of Hamiltonians with certified phases, or go on with one that was cut off.

    ``dataset images SOURCE`` imports images: idx files (MNIST), a folder or archive with
    train/CLASS/*.png, or the binary edition of CIFAR-10.
    """
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
    if recipe == "images":
        return _report(_imported(source, out, project, name, size), as_json)
    if source is not None:
        raise DataError(f"What is {source}?", "Only images are imported: dataset images SOURCE.")
    wanted = changed(read_recipe(recipe), settings_of(settings or []))
    job = PhaseDataJob(recipe=wanted, out=out, project=project, processes=processes)
    summary = _made(make(job))
    if summary is None:
        return fail("The data set was not finished; the same command goes on with it.")
    return _report(summary, as_json)


def _imported(
    source: Path | None, out: Path | None, project: Path | None, name: str, size: int
) -> DatasetSummary:
    """A data set of images in ``out``, or in the project."""
    from crystalgui.core.datasets.dataset import safe_name
    from crystalgui.core.datasets.images.importer import import_images, name_for
    from crystalgui.core.store.project import Project

    if source is None:
        raise DataError("Which images?", "Give an idx file, a folder or an archive: images SOURCE.")
    name = name or name_for(source)
    folder = out
    if folder is None:
        assert project is not None
        with Project.open(project) as opened:
            folder = opened.datasets_folder / safe_name(name)
    summary = _made(import_images(source, name, folder, project, size))
    assert summary is not None
    return summary


def _made(events: Iterable[Event]) -> DatasetSummary | None:
    """Follow to the end; what came of it."""
    ready: list[DatasetReady] = []

    def take(event: Event) -> None:
        if isinstance(event, DatasetReady):
            ready.append(event)

    follow(events, take)
    return ready[0].summary if ready else None


def _report(summary: DatasetSummary, as_json: bool) -> int:
    """Size and classes, for people or programs."""
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
