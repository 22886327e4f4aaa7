"""Many networks over degrees of rolling and repeats: ``sweep``."""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalgui.cli.invariance import degrees
from crystalgui.cli.terminal import (
    UNCHECKED,
    DeviceOption,
    device_named,
    existing,
    fail,
    follow,
    settings_of,
)
from crystalgui.core.errors import FileError, ModelError
from crystalgui.core.messages import (
    Event,
    SplitSpec,
    Stopped,
    SweepPoint,
    SweepRecipe,
    TrainRecipe,
)

if TYPE_CHECKING:
    from crystalgui.core.cards import Scalar


def sweep(
    out: Annotated[Path, typer.Option(help="Folder of the results; a project.", **UNCHECKED)],
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A JSON file.", **UNCHECKED)
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of a data set of images or zones.", **UNCHECKED)
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TITLE=]MODEL[:PRESET][,KEY=VALUE...]",
            help="A network; may repeat. torus=extractor:small,convolution=toroidal-sum",
        ),
    ] = None,
    rolling: Annotated[
        list[str] | None, typer.Option(help="Degrees of rolling: 0,1,2,4; may repeat.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Networks for each degree.", min=1)] = None,
    train: Annotated[int | None, typer.Option(help="Rows to train on; 0: all.", min=0)] = None,
    test: Annotated[int | None, typer.Option(help="Rows to test on; 0: all.", min=0)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Of training: epochs=10, batch_size=64."),
    ] = None,
    device: DeviceOption = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not go on; start again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> int:
    """Train networks at every degree of rolling, several times each, as one run.

    The same command goes on with a sweep that was cut off.
    """
    from crystalgui.core.reports import sweeps

    if out.exists() and not out.is_dir():
        raise FileError("This is not a folder.", "Choose another folder with --out.", path=out)
    overrides = settings_of(settings or [])
    if device:
        overrides["device"] = device_named(device)
    wanted = _recipe(recipe, dataset, network or [], overrides)
    given: dict[str, Any] = {"repeats": repeats, "train": train, "test": test}
    wanted = replace(wanted, **{k: v for k, v in given.items() if v is not None})
    if rolling:
        wanted = replace(wanted, rollings=degrees(",".join(rolling)))
    existing(wanted.base.dataset, "folder")
    ready = _followed(wanted, out, fresh=fresh)
    make = sweeps.to_json if as_json else sweeps.curves_csv
    sys.stdout.write(make(wanted, ready))
    print(sweeps.sentence(wanted, ready), file=sys.stderr)
    if len(ready) < wanted.size:
        return fail("The sweep was not finished; the same command goes on with it.")
    return 0


def _recipe(
    path: Path | None, dataset: Path | None, networks: list[str], overrides: dict[str, Scalar]
) -> SweepRecipe:
    """The recipe of a file, or of the networks that are named."""
    from crystalgui.core.training.recipes import changed_sweep, read_sweep, sweep_network

    if path is not None:
        found = read_sweep(existing(path))
    elif dataset is None or not networks:
        raise ModelError(
            "It is not clear what to train.",
            "Give a recipe, or --dataset with at least one --network.",
        )
    else:
        base = TrainRecipe(model="", dataset=dataset, preset="", split=SplitSpec(kind="given"))
        found = SweepRecipe(title=f"{dataset.name} by rolling", base=base, networks=())
    if dataset is not None:
        found = replace(found, base=replace(found.base, dataset=dataset.absolute()))
    if networks:
        found = replace(found, networks=tuple(sweep_network(words) for words in networks))
    return changed_sweep(found, overrides)


def _followed(wanted: SweepRecipe, out: Path, *, fresh: bool) -> list[SweepPoint]:
    """Train with a line on stderr for each network; what is ready."""
    from crystalgui.core.training.sweep import sweep_into

    ready: list[SweepPoint] = []

    def steps() -> Generator[Event, None, None]:
        ready.extend((yield from sweep_into(wanted, out.absolute(), fresh=fresh)))

    def take(event: Event) -> None:
        if isinstance(event, SweepPoint):
            print(
                f"{event.network}, rolling {event.rolling}, repeat {event.repeat}: "
                f"accuracy {event.accuracy:.4f}, cost {event.cost:.4g}",
                file=sys.stderr,
            )
        elif isinstance(event, Stopped):
            print("Stopped.", file=sys.stderr)

    follow(steps(), take)
    return ready
