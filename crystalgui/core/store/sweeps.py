"""A sweep in the store: one run whose ``sweep.jsonl`` has a line for every trained network.

``run.json`` holds the recipe of the sweep beside the common recipe of its
networks.  Points are appended when they are ready and never changed; of two
lines for one network the later counts, and a torn line of a run that was
killed is skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalgui.core.errors import StoreError
from crystalgui.core.messages import SweepPoint, SweepRecipe
from crystalgui.core.store.encode import from_plain

if TYPE_CHECKING:
    from crystalgui.core.store.run import Run

MODEL = "sweep"
"""What a run of a sweep has in place of a family."""
POINTS = "sweep.jsonl"


def name_of(network: str, rolling: int, repeat: int) -> str:
    """What the network of a point is called where its inside is shown and kept."""
    return f"{network}, χ = {rolling}, repeat {repeat + 1}"


def is_sweep(run: Run) -> bool:
    """Whether the run is a sweep."""
    return run.model == MODEL


def sweep_recipe(run: Run) -> SweepRecipe:
    """The recipe of a sweep.

    Raises
    ------
    StoreError
        When the run is none, or its file is damaged.
    """
    plain = run.facts().get("sweep")
    if plain is None:
        raise StoreError(f"“{run.title}” is no sweep.", "Resume it as a training run.")
    try:
        return from_plain(SweepRecipe, plain, run.project.folder)
    except ValueError as error:
        raise StoreError(
            f"The recipe of the sweep is damaged: {error}.",
            "Start a new sweep.",
            path=run.file("run.json"),
        ) from error


def append_points(run: Run, points: Iterable[SweepPoint]) -> None:
    """Keep points that are ready; `Run.epochs` counts them and `Run.best` has the best."""
    lines = []
    for point in points:
        row = {
            "network": point.network,
            "rolling": point.rolling,
            "repeat": point.repeat,
            "accuracy": _number(point.accuracy),
            "cost": _number(point.cost),
        }
        lines.append(json.dumps(row, allow_nan=False) + "\n")
    with open(run.file(POINTS), "ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":  # a torn line of a run that was killed
                stream.write(b"\n")
        stream.write("".join(lines).encode())
        stream.flush()
    kept = read_points(run.folder, run.id)
    scores = [p.accuracy for p in kept if math.isfinite(p.accuracy)]
    best = {"test/accuracy": max(scores)} if scores else {}
    run.project._update_run(run, epochs=len(kept), best=json.dumps(best))


def read_points(folder: Path, run_id: str = "") -> list[SweepPoint]:
    """The points of a run folder, each network once, in the order of their first line."""
    points: dict[tuple[str, int, int], SweepPoint] = {}
    with (
        suppress(FileNotFoundError),
        open(folder / POINTS, encoding="utf-8", errors="replace") as stream,
    ):
        for line in stream:
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                point = SweepPoint(
                    run_id=run_id,
                    network=str(row["network"]),
                    rolling=int(row["rolling"]),
                    repeat=int(row["repeat"]),
                    accuracy=_float(row["accuracy"]),
                    cost=_float(row["cost"]),
                )
                points[point.network, point.rolling, point.repeat] = point
    return list(points.values())


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)
