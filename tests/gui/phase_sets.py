"""Small data sets of Hamiltonians, labelled for real, for tests of the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crystalgui.core.datasets.hamiltonians.dataset import (
    CLASSES,
    PhaseDataset,
    Samples,
    common,
    digest,
)
from crystalgui.core.messages import DatasetSummary, HamiltonianSource, PhaseDataRecipe
from crystalgui.core.physics.labels import label_path
from crystalgui.core.physics.phases import hamiltonian

KANE_MELE = (
    HamiltonianSource(model="kane-mele", settings={"staggered": 0.5, "rashba": 0.05}),
    HamiltonianSource(model="kane-mele", settings={"staggered": 0.0, "rashba": 0.05}),
)


def small_set(
    folder: Path,
    size: int = 40,
    strength: float = 1e-3,
    ends: tuple[HamiltonianSource, HamiltonianSource] = KANE_MELE,
    name: str = "small",
) -> PhaseDataset:
    """Written into ``folder``; noise far smaller than the gaps, so that labels are those without.

    Samples close to the closing are left out.
    """
    recipe = PhaseDataRecipe(
        name=name,
        start=ends[0],
        end=ends[1],
        train=size - size // 5,
        test=size // 5,
        strength=strength,
        title="A small set",
        notes=("The hoppings of the paper were never published; these are of a model.",),
    )
    start, end = common(hamiltonian(ends[0]), hamiltonian(ends[1]))
    occupied = start.n_orbitals // 2
    alpha = np.random.default_rng(3).uniform(0, 1, size)
    anchors = np.linspace(0, 1, 41)
    found = sorted(label_path(start, end, occupied, anchors, dimension=2), key=lambda s: s.alpha)
    labels = {s.alpha: s.label for s in found}
    gaps = np.array([s.gap for s in found])
    near = np.array([anchors[int(np.abs(anchors - a).argmin())] for a in alpha])
    label = np.array([CLASSES.index(labels[float(a)]) for a in near])  # type: ignore[arg-type]
    samples = Samples(
        number=np.arange(size),
        alpha=alpha,
        noise_seed=np.arange(size) + 100 if strength else np.full(size, -1),
        label=label.astype(np.int64),
        gap=np.interp(alpha, anchors, gaps),
        k=np.tile([1 / 3, 2 / 3, 0.0], (size, 1)),
        via=np.ones(size, np.int8),
    )
    apart = samples.select(slice(0, 3))
    is_test = np.arange(size) % 5 == 0
    counts = tuple(int(n) for n in np.bincount(label, minlength=3))
    data = PhaseDataset(
        summary=DatasetSummary(
            name=name,
            folder=folder,
            task="classification",
            target="phase",
            size=size,
            classes=CLASSES,
            counts=counts,
            kind="hoppings",
            apart=3,
            digest=digest(recipe, start, end, samples, is_test),
        ),
        recipe=recipe,
        start=start,
        end=end,
        occupied=occupied,
        samples=samples,
        is_test=is_test,
        apart=apart,
        reasons=("unresolved", "undefined", "metal"),
    )
    data.save()
    return data
