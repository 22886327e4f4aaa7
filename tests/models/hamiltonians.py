"""Small data sets of Hamiltonians made here, for tests of models and training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from crystalgui.core.datasets.hamiltonians import dataset as phases
from crystalgui.core.datasets.hamiltonians import zone_dataset as zones
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS
from crystalgui.core.messages import (
    DatasetSummary,
    HamiltonianSource,
    PhaseDataRecipe,
    ZoneDataRecipe,
)
from crystalgui.core.physics.zoo.registry import build

MODEL = "kane-mele"
ENDS = ({"staggered": 0.0}, {"staggered": 0.6})


def mixtures(folder: Path, size: int = 120, strength: float = 0.0) -> phases.PhaseDataset:
    """A saved data set of mixtures of a honeycomb; thirds of alpha stand in for phases."""
    start, end = phases.common(build(MODEL, **ENDS[0]), build(MODEL, **ENDS[1]))
    recipe = PhaseDataRecipe(
        name="mixtures",
        start=HamiltonianSource(model=MODEL, settings=dict(ENDS[0])),
        end=HamiltonianSource(model=MODEL, settings=dict(ENDS[1])),
        strength=strength,
    )
    rng = np.random.default_rng(1)
    alpha = rng.random(size)
    label = np.digitize(alpha, [0.4, 0.8])
    samples = phases.Samples(
        number=np.arange(size),
        alpha=alpha,
        noise_seed=rng.integers(1, 2**62, size) if strength else np.full(size, -1),
        label=label,
        gap=np.abs(alpha - 0.5),
        k=np.zeros((size, 3)),
        via=np.zeros(size, np.int8),
    )
    is_test = np.arange(size) % 5 == 4
    made = phases.PhaseDataset(
        summary=DatasetSummary(
            name="mixtures",
            folder=folder,
            task="classification",
            target="phase",
            size=size,
            classes=phases.CLASSES,
            counts=tuple(np.bincount(label, minlength=3).tolist()),
            kind="hoppings",
            digest=f"mixtures {size} {strength}",
        ),
        recipe=recipe,
        start=start,
        end=end,
        occupied=start.n_orbitals // 2,
        samples=samples,
        is_test=is_test,
        apart=phases.Samples.empty(),
    )
    made.save()
    return made


def brillouin_zones(folder: Path, size: int = 60, mesh: int = 4) -> zones.ZoneDataset:
    """A saved data set of made-up zones of three families; the label shows in the numbers."""
    rng = np.random.default_rng(2)
    label = np.arange(size) % 2
    family = np.array([("chain", "sheet", "solid")[i % 3] for i in range(size)])
    dimension = np.arange(size) % 3 + 1
    shape = np.where(np.arange(3) < dimension[:, None], mesh, 1)
    parts = [
        rng.normal(2.0 * label[i], 0.3, (len(CHANNELS), *shape[i])).astype(np.float16)
        for i in range(size)
    ]
    packed = np.concatenate([p.ravel() for p in parts])
    made = zones.ZoneDataset(
        summary=DatasetSummary(
            name="zones",
            folder=folder,
            task="classification",
            target="phase",
            size=size,
            classes=zones.CLASSES[:2],
            counts=tuple(np.bincount(label, minlength=2).tolist()),
            kind="zones",
            families=("chain", "sheet", "solid"),
            digest=zones.digest(packed, label, family.tolist()),
        ),
        recipe=ZoneDataRecipe(name="zones", families=("chain", "sheet", "solid"), mesh=mesh),
        names=tuple(CHANNELS),
        packed=packed,
        shape=shape.astype(np.int64),
        label=label.astype(np.int64),
        family=family,
        number=np.arange(size) // 3,
        occupied=np.ones(size, np.int64),
        orbitals=np.full(size, 2),
        dimension=dimension.astype(np.int64),
        gap=np.ones(size),
        settings=tuple(json.dumps({"number": i}) for i in range(size)),
    )
    made.save()
    return made
