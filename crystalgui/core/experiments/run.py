"""Running an experiment into a folder, and going on with one that was cut off.

Everything that an experiment keeps is written in one step each, so that a run
that is killed loses only the step it was in.  The folder says first which
experiment it is for, and is refused to any other.
"""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from crystalgui.core import errors, stopping
from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import DataError
from crystalgui.core.experiments import speed
from crystalgui.core.experiments._registry import Context, Experiment, find
from crystalgui.core.experiments.results import (
    CLAIMS,
    COMPARISON,
    FIGURES,
    MARKER,
    RESULTS,
    STEPS,
    TABLES,
    Marker,
    Record,
    Results,
    load_marker,
    save_record,
)
from crystalgui.core.messages import (
    Crashed,
    Done,
    Event,
    ExperimentJob,
    ExperimentReady,
    Failed,
    LogLine,
    Stopped,
)
from crystalgui.core.store.encode import to_plain
from crystalgui.core.store.files import FolderLock
from crystalgui.core.store.project import versions

OUTCOMES = (Done, Stopped, Failed, Crashed)
OURS = (CLAIMS, COMPARISON, FIGURES, RESULTS, STEPS, TABLES)


def run_experiment(
    job: ExperimentJob, stop: stopping.Flag | None = None
) -> Generator[Event, None, None]:
    """Run an experiment to its end, or go on with one; ends with `ExperimentReady`.

    Raises
    ------
    CrystalError
        Unknown name, preset or device; a folder that holds something else or
        is in use; whatever the experiment raises.
    """
    found = find(job.name)
    check_preset(found, job.preset)
    from crystalgui.core.models.devices import resolve

    device: Literal["cpu", "cuda"] = "cuda" if resolve(job.device).type == "cuda" else "cpu"
    marker = Marker(name=job.name, preset=job.preset, device=device)
    check_folder(job.out, marker, fresh=job.fresh)
    job.out.mkdir(parents=True, exist_ok=True)
    with FolderLock(job.out):
        if job.fresh:
            clear(job.out)
        write_atomic(job.out / MARKER, json.dumps(to_plain(marker, job.out.absolute())))
        yield from _run(found, marker, job.out, stop)


def _run(
    found: Experiment, marker: Marker, out: Path, stop: stopping.Flag | None
) -> Generator[Event, None, None]:
    """The experiment inside its locked folder."""
    kept = len(list((out / STEPS).glob("*.json")))
    if kept:
        yield LogLine(text=f"Going on: {kept} steps of {marker.name} are there already.")
    last = time.monotonic()

    def lap() -> float:
        nonlocal last
        now = time.monotonic()
        since, last = now - last, now
        return since

    context = Context(preset=marker.preset, device=marker.device, out=out, stop=stop, clock=lap)
    generator = found.run(context)
    try:
        while True:
            with stopping.stoppable(stop):  # long physics between two events looks at it, too
                stopping.check()
                event = next(generator)
            yield event
            if isinstance(event, OUTCOMES):
                return
    except StopIteration as end:
        results: Results = end.value
    except errors.Stopped:
        yield Stopped()
        return
    finally:
        generator.close()
    save_record(out, _record(marker, context, results, lap()))
    yield ExperimentReady(name=marker.name, preset=marker.preset, folder=out)


def _record(marker: Marker, context: Context, results: Results, rest: float) -> Record:
    """What ``results.json`` will say; ``rest`` are the seconds after the last step."""
    from crystalgui.core.models.devices import devices

    steps = [json.loads(p.read_text("utf-8")) for p in (context.out / STEPS).glob("*.json")]
    seconds = rest + sum(float(step["seconds"]) for step in steps)
    return Record(
        name=marker.name,
        preset=marker.preset,
        device=marker.device,
        machine=dict(devices()).get(marker.device, ""),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        minutes=round(seconds / 60, 4),
        speed=speed.measure(marker.device),
        command=f"crystalgui experiment run {marker.name} --preset {marker.preset} "
        f"--device {marker.device} --out {marker.name}-{marker.preset}",
        numbers=results.numbers,
        differs=results.differs,
        claims=results.claims,
        tables=tuple(context.tables.values()),
        figures=tuple(context.figures.values()),
        versions=versions(),
    )


def check_preset(found: Experiment, preset: str) -> None:
    """Refuse a preset that the experiment does not have."""
    if preset not in found.card.presets:
        raise DataError(
            f"The experiment {found.card.name} has no preset {preset!r}.",
            f"Choose one of: {', '.join(found.card.presets)}.",
        )


def check_folder(out: Path, wanted: Marker, *, fresh: bool = False) -> None:
    """Refuse a folder that holds something else.

    Raises
    ------
    DataError
        When it is a file, or holds another experiment, preset or device, or
        files of ours that no experiment wrote.
    """
    if out.exists() and not out.is_dir():
        raise DataError("The results need a folder.", "Give another --out.", path=out)
    held = load_marker(out)
    if held is None:
        if any((out / name).exists() for name in OURS):
            raise DataError(
                "This folder holds results of something else.", "Give an empty --out.", path=out
            )
    elif (held.name, held.preset) != (wanted.name, wanted.preset):
        raise DataError(
            f"This folder holds the experiment {held.name} ({held.preset}), "
            f"not {wanted.name} ({wanted.preset}).",
            "Give another --out.",
            path=out,
        )
    elif held.device != wanted.device and not fresh:
        raise DataError(
            f"This folder holds a run on {held.device}, not on {wanted.device}.",
            f"Give --device {held.device} to go on with it, or another --out.",
            path=out,
        )


def clear(out: Path) -> None:
    """Remove what an earlier run of the experiment left in its folder."""
    for name in OURS:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
