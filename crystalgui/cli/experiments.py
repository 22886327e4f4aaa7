"""Published experiments: ``experiment list``, ``experiment run`` and ``experiment record``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from crystalgui.cli.terminal import UNCHECKED, DeviceOption, device_named, existing, follow
from crystalgui.core.cards import ExperimentCard
from crystalgui.core.messages import Event, ExperimentJob, Failed, Stopped

app = typer.Typer(
    name="experiment",
    help="Run the published experiments and compare with the papers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Experiments, their presets with minutes on this machine, and what is recorded."""
    wanted = device_named(device)
    from crystalgui.core.experiments._registry import cards
    from crystalgui.core.models.devices import resolve

    found = cards(resolve(wanted).type)
    if as_json:
        print(json.dumps([_plain(asdict(card)) for card in found], indent=1, ensure_ascii=False))
        return
    for card in found:
        print("\n".join(_lines(card)))


def _plain(value: Any) -> Any:
    """What JSON can hold; numbers that are not known are null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _lines(card: ExperimentCard) -> list[str]:
    """A card for a person."""
    from crystalgui.core.experiments.results import comparison_words, time_words

    if card.error:
        return [f"{card.name}: {card.error}"]
    lines = [f"{card.name}: {card.title}", f"  {card.shows}"]
    lines.append(f"  {card.paper}; rows {', '.join(card.rows)}")
    for preset, words in card.presets.items():
        lines.append(f"  {preset:<6} {words} ({time_words(card.minutes.get(preset))} here)")
    for kept in card.recorded:
        lines.append(
            f"  recorded: {kept.preset}, {kept.device}, {kept.date}, {kept.minutes:.3g} min"
        )
        lines += [f"    {line}" for line in comparison_words(kept.numbers).splitlines()]
        lines += [f"    {claim.verdict}: {claim.text}" for claim in kept.claims]
    return lines


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See crystalgui experiment list.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.", **UNCHECKED)],
    preset: Annotated[str, typer.Option(help="quick or paper.")] = "quick",
    device: DeviceOption = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not go on; start again.")] = False,
) -> int:
    """Run an experiment, or go on with one that was cut off in that folder."""
    wanted = device_named(device)
    from crystalgui.core.experiments.results import comparison_words, load_record
    from crystalgui.core.experiments.run import run_experiment

    ends: list[Event] = []

    def take(event: Event) -> None:
        if isinstance(event, Stopped | Failed):
            ends.append(event)

    job = ExperimentJob(name=name, preset=preset, device=wanted, out=out, fresh=fresh)
    follow(run_experiment(job), take)
    if ends:
        return 1
    record = load_record(out)
    print(comparison_words(record.numbers))
    for claim in record.claims:
        print(f"{claim.verdict}: {claim.text} ({claim.numbers})")
    for words in record.differs:
        print(f"differs: {words}")
    print(f"{record.minutes:.3g} min on {record.machine or record.device}; results in {out}")
    return 0


@app.command()
def record(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Finished runs.", **UNCHECKED)
    ],
) -> None:
    """Keep the results of finished runs with the program."""
    from crystalgui.core.experiments.results import keep_record

    for folder in folders:
        print(keep_record(existing(folder, "folder")))
