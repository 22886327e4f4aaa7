"""Data sets of crystals, of Hamiltonians and of images: ``dataset``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crystalgui.cli.terminal import (
    UNCHECKED,
    DeriveOption,
    PurifyOption,
    fail,
    follow,
    settings_of,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetReady, DatasetSummary, Event, PhaseDataJob

if TYPE_CHECKING:
    from crystalgui.core.datasets.importer import Wishes


def dataset(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|crystals|images",
            help="A JSON file, the name of a shipped one, or: crystals, images.",
        ),
    ] = "",
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="After crystals: a folder or archive of structure files. After images: an idx "
            "file, a folder, or an archive of images.",
            **UNCHECKED,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Argument(metavar="LABELS", help="After crystals: a CSV with id,label.", **UNCHECKED),
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
    name: Annotated[str, typer.Option(help="Of crystals or images; default: the file name.")] = "",
    derive: DeriveOption = "",
    purify: PurifyOption = False,
    atoms: Annotated[
        int, typer.Option(help="With --purify: primitive cells have fewer atoms than this.", min=2)
    ] = 60,
    size: Annotated[
        int, typer.Option(help="Scale and crop images to so many points; 0: as they are.", min=0)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Print the shipped recipes.")] = False,
) -> int:
    """Make a data set of Hamiltonians with certified phases, or go on with one that was cut off.

    ``dataset crystals STRUCTURES LABELS`` imports crystals with a table id,label; --purify merges
    doubles, drops contradictions and lists all of it in purified.csv.
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
    if recipe == "crystals":
        from crystalgui.core.datasets.importer import Wishes

        wishes = Wishes(derive=derive, purify=purify, atoms=atoms)
        return _report(_crystals(source, labels, out, project, name, wishes), as_json)
    if labels is not None or derive or purify:
        raise DataError(
            "Only crystals have labels, are derived or purified.",
            "Write: dataset crystals STRUCTURES LABELS --out DIR.",
        )
    if recipe == "images":
        return _report(_imported(source, out, project, name, size), as_json)
    if source is not None:
        raise DataError(
            f"What is {source}?",
            "Crystals and images are imported: dataset crystals STRUCTURES LABELS, or dataset "
            "images SOURCE.",
        )
    wanted = changed(read_recipe(recipe), settings_of(settings or []))
    job = PhaseDataJob(recipe=wanted, out=out, project=project, processes=processes)
    summary = _made(make(job))
    if summary is None:
        return fail("The data set was not finished; the same command goes on with it.")
    return _report(summary, as_json)


def _crystals(
    source: Path | None,
    labels: Path | None,
    out: Path | None,
    project: Path | None,
    name: str,
    wishes: Wishes,
) -> DatasetSummary:
    """A data set of crystals in ``out``, or in the project."""
    from crystalgui.core.datasets.importer import import_into_folder

    if source is None or labels is None:
        raise DataError(
            "Which crystals, with which labels?",
            "Give a folder or zip of structures and a CSV with id,label: crystals STRUCTURES "
            "LABELS.",
        )
    name = name or wishes.derive or labels.stem
    events = import_into_folder(source, labels, name, _place(out, project, name), project, wishes)
    summary = _made(events)
    assert summary is not None
    return summary


def _place(out: Path | None, project: Path | None, name: str) -> Path:
    """Folder of a data set: the one that is named, or one in the project."""
    from crystalgui.core.datasets.dataset import safe_name
    from crystalgui.core.store.project import Project

    if out is not None:
        return out
    assert project is not None
    with Project.open(project) as opened:
        return opened.datasets_folder / safe_name(name)


def _imported(
    source: Path | None, out: Path | None, project: Path | None, name: str, size: int
) -> DatasetSummary:
    """A data set of images in ``out``, or in the project."""
    from crystalgui.core.datasets.images.importer import import_images, name_for

    if source is None:
        raise DataError("Which images?", "Give an idx file, a folder or an archive: images SOURCE.")
    name = name or name_for(source)
    summary = _made(import_images(source, name, _place(out, project, name), project, size))
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
            "task": summary.task,
            "target": summary.target,
            "counts": dict(zip(summary.classes, summary.counts, strict=True)),
            "apart": summary.apart,
            "removed": dict(summary.removed),
            "digest": summary.digest,
        }
        print(json.dumps(plain, indent=1))
        return 0
    print(f"{summary.name}: {summary.size:,} samples in {summary.folder}")
    for name, count in zip(summary.classes, summary.counts, strict=True):
        print(f"  {name:<22} {count:>7,}  {count / max(1, summary.size):6.2%}")
    if summary.task == "regression":
        from crystalgui.core.datasets.targets import unit_of

        unit = unit_of(summary.target)
        print(f"  {summary.target} from {summary.minimum:.4g} to {summary.maximum:.4g} {unit}")
    for problem in summary.problems:
        print(f"  {problem}")
    return 0
