"""Import, graphs, training and classification: how fast, on this machine.

``python -m tests.benchmarks.run --only learning`` keeps the numbers.  It needs
the shared data folder (``CRYSTALGUI_DATA`` or ``../shared/data``) for the
promises on real crystals; without it only crystals made here are measured.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.samples import crystals

CHECKOUT = Path(__file__).resolve().parents[2]
CLASSIFIED = 3000
Row = dict[str, Any]


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CRYSTALGUI_HOME"] = str(folder / "home")
        rows = _graphs()
        data = Path(os.environ.get("CRYSTALGUI_DATA", CHECKOUT.parent / "shared" / "data"))
        archive = data / "mp_tqc" / "POSCAR.zip"
        if archive.is_file():
            rows += _import(folder, archive)
            rows += _training(folder)
            rows += _classify(folder, archive)
    return rows


def _row(name: str, value: float, unit: str, limit: float | None = None, better: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better}


def _graphs() -> list[Row]:
    """Graphs a second on one core for cells of about twelve atoms at 5 A."""
    from crystalgui.core.datasets.graphs import build
    from crystalgui.core.datasets.records import Records, describe
    from crystalgui.core.structures.cells import supercell

    cells = []
    for crystal in crystals(200, seed=1):
        repeat = max(1, round(12 / crystal.n_atoms))
        cells.append(supercell(crystal, (1, 1, repeat)))
    table = Records.stack([str(i) for i in range(200)], [describe(c) for c in cells])
    size = float(np.diff(table.offsets).mean())
    rows = []
    for kind in ("atoms", "orbits"):
        times = []
        for _ in range(5):
            start = time.process_time()
            build(table, 5.0, kind)
            times.append(time.process_time() - start)
        rate = 200 / statistics.median(times)
        text = f"graphs of {kind} at 5 A, {size:.1f} atoms a cell, one core"
        rows.append(_row(text, rate, "graphs/s", 1000, "higher"))
    return rows


def _import(folder: Path, archive: Path) -> list[Row]:
    from crystalgui.core.datasets.importer import import_dataset
    from crystalgui.core.messages import ImportJob

    job = ImportJob(
        project=folder / "project",
        source=archive,
        labels=archive.parent / "tqc.csv",
        name="mp_tqc",
    )
    rows = []
    for text, limit in (("first", 180.0), ("second", 10.0)):
        start = time.perf_counter()
        last = list(import_dataset(job))[-1]
        seconds = time.perf_counter() - start
        number = last.summary.size  # type: ignore[attr-defined]
        rows.append(_row(f"{text} import of {number:,} crystals", seconds, "s", limit, "lower"))
    return rows


def _training(folder: Path) -> list[Row]:
    """Estimated epoch and its throughput, with the threads that the program chooses."""
    from crystalgui.core.messages import EstimateJob, EstimateReady, TrainRecipe
    from crystalgui.core.training.session import estimate

    dataset = folder / "project" / ".crystalgui" / "datasets" / "mp_tqc"
    recipe = TrainRecipe(model="cgnn", dataset=dataset, device="cpu")
    answer = list(estimate(EstimateJob(recipe=recipe)))[-1]
    assert isinstance(answer, EstimateReady)
    rate = answer.sizes[0] / answer.seconds_per_epoch
    return [
        _row(f"training of cgnn small on {answer.device}", rate, "crystals/s"),
        _row("an epoch of cgnn small on the whole set", answer.seconds_per_epoch, "s"),
    ]


def _classify(folder: Path, archive: Path) -> list[Row]:
    from crystalgui.core.messages import ClassifyJob, Predicted
    from crystalgui.core.models.screening import classify
    from crystalgui.core.models.trained import shipped

    models = shipped()
    if not models:
        return []
    part = folder / "some.zip"
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(part, "w") as some:
        names = [n for n in whole.namelist() if n.endswith(".POSCAR")]
        for name in names[:: len(names) // CLASSIFIED][:CLASSIFIED]:
            some.writestr(name, whole.read(name))
    start = time.perf_counter()
    job = ClassifyJob(paths=(part,), models=(models[0].name,), device="cpu")
    number = sum(len(e.rows) for e in classify(job) if isinstance(e, Predicted))
    seconds = time.perf_counter() - start
    return [_row(f"classifying {number:,} crystals with {models[0].name}", seconds, "s", 120.0,
                 "lower")]  # fmt: skip


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:60s} {row['value']:10.3f} {row['unit']}")
