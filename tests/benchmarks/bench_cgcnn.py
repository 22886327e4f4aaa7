"""Formation energy by our graph network and by CGCNN: same crystals, same split, same time.

CGCNN is the reference network of the package cgcnn2 in the interpreter named
in CRYSTALGUI_PEERS.  Ours is trained by its recipe; what that takes of one
core is the time that CGCNN gets.  It needs the shared data folder.  The
whole recipe takes a quarter of an hour for each side;
CRYSTALGUI_BENCH_EPOCHS trains fewer epochs than the recipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[2]
NEIGHBOURS, RADIUS = 12, 8.0
EPOCHS = 3
Row = dict[str, Any]


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    torch.set_num_threads(1)
    data = Path(os.environ.get("CRYSTALGUI_DATA", CHECKOUT.parent / "shared" / "data"))
    structures = data / "mp_tqc" / "POSCAR.zip"
    name = "formation energy: error of CGCNN over ours, same crystals and time"
    if not structures.is_file():
        return [{"name": name, "missing": "the shared data folder is not here"}]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRYSTALGUI_HOME"] = str(Path(folder) / "home")
        recipe, ours, seconds = _ours(Path(folder), structures, data / "mp_tqc")
        theirs = _theirs(Path(folder), recipe, seconds)
    if isinstance(theirs, str):
        return [{"name": name, "missing": theirs}]
    return [
        _row(name, theirs["test"] / ours, "x", 1.0, "higher"),
        _row("formation energy: error of our graph network", ours, "eV/atom"),
        _row(f"formation energy: error of CGCNN ({theirs['version']})", theirs["test"], "eV/atom"),
        _row(f"training time of each on one core; ours {recipe.epochs} epochs, CGCNN "
             f"{theirs['epochs']}", seconds, "s"),
    ]  # fmt: skip


def _row(name: str, value: float, unit: str, limit: float | None = None, better: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better}


def _ours(folder: Path, structures: Path, data: Path) -> tuple[Any, float, float]:
    """Our recipe, its error on the test rows, and processor seconds of the training."""
    from crystalgui.core.datasets.importer import import_dataset
    from crystalgui.core.messages import DatasetReady, EpochMetrics, ImportJob, TrainJob
    from crystalgui.core.training.recipes import read_recipe
    from crystalgui.core.training.session import train

    job = ImportJob(
        project=folder / "project", source=structures, labels=data / "formation_energy.csv",
        name="energy",
    )  # fmt: skip
    made = next(e.summary.folder for e in import_dataset(job) if isinstance(e, DatasetReady))
    recipe, _ = read_recipe(CHECKOUT / "resources" / "recipes" / "formation-energy.json", made)
    epochs = int(os.environ.get("CRYSTALGUI_BENCH_EPOCHS", str(EPOCHS)))
    recipe = replace(recipe, epochs=min(recipe.epochs, epochs))
    _graphs(recipe)
    error, start = float("nan"), time.process_time()
    for event in train(TrainJob(project=folder / "project", recipe=recipe)):
        if isinstance(event, EpochMetrics):
            error = event.values.get("test/mae", error)
    return recipe, error, time.process_time() - start


def _graphs(recipe: Any) -> None:
    """Build the graphs first: inputs are not counted on either side."""
    from crystalgui.core.training.plan import plan

    prepared = plan(recipe)
    for _ in prepared.data.table(prepared.model, prepared.params, prepared.device, recipe.dataset):
        pass


def _theirs(folder: Path, recipe: Any, seconds: float) -> dict[str, Any] | str:
    """What CGCNN reaches in that time, or why it was not trained."""
    path = folder / "cgcnn.npz"
    np.savez(path, **_inputs(recipe))
    command = [
        os.environ.get("CRYSTALGUI_PEERS", sys.executable),
        str(Path(__file__).with_name("peer_cgcnn.py")), str(path), str(seconds),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, timeout=6 * 3600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        return f"CGCNN did not run: {done.stderr.strip().splitlines()[-1:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _inputs(recipe: Any) -> dict[str, Any]:
    """The twelve nearest neighbours of every atom; where there are fewer, the radius grows."""
    from vesin import NeighborList

    from crystalgui.core.training.plan import plan

    prepared = plan(recipe)
    records = prepared.data.dataset.records
    near, away = [], []
    for i in range(len(records)):
        crystal, radius = records.crystal(i), RADIUS
        while True:
            finder = NeighborList(cutoff=radius, full_list=True)
            of, to, distance = finder.compute(
                points=crystal.frac @ crystal.lattice, box=crystal.lattice, periodic=True,
                quantities="ijd",
            )  # fmt: skip
            if np.bincount(of, minlength=crystal.n_atoms).min() >= NEIGHBOURS:
                break
            radius *= 1.5
        order = np.lexsort((distance, of))
        first = np.searchsorted(of[order], np.arange(crystal.n_atoms))
        chosen = order[first[:, None] + np.arange(NEIGHBOURS)]
        near.append(to[chosen])
        away.append(distance[chosen])
    return {
        "species": records.species,
        "offsets": records.offsets,
        "neighbours": np.concatenate(near),
        "distance": np.concatenate(away),
        "target": prepared.data.target,
        "train": prepared.parts.train,
        "validation": prepared.parts.validation,
        "test": prepared.parts.test,
    }
