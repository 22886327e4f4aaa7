"""The nine problems of Bird (2023), each shown by one measured number.

The conclusion of the paper names nine problems that its architectures solve:
broken equivariance and invariance of padded convolutions (section 2.4.2),
homogeneous and inhomogeneous gradient diffusion (2.5), four deficits of
residual networks and nesting that pooling breaks (2.7.2).  The paper argues;
here small networks of handwritten digits (8 x 8, with scikit-learn) are
measured, before and after training.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystalgui.core.cards import ExperimentCard, Scalar
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.nine_outcome import (
    COMMON,
    DIFFERS,
    FRESH,
    PLAIN,
    PROBLEMS,
    ROLLING,
    TRAINED,
    Outcome,
    claims,
    report,
)
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event, TrainRecipe

if TYPE_CHECKING:
    from torch import Tensor

    from crystalgui.core.datasets.images.dataset import ImageDataset
    from crystalgui.core.datasets.images.tables import ImageTable
    from crystalgui.core.models._base import Network


@dataclass(frozen=True, slots=True)
class Size:
    """``repeats`` trained networks of each architecture, ``fresh`` untrained ones."""

    epochs: int
    repeats: int
    fresh: int
    width: int
    rows: int


SIZES = {"quick": Size(epochs=12, repeats=4, fresh=6, width=12, rows=1348)}
DRAWS = 4


@experiment(
    ExperimentCard(
        name="nine-problems",
        title="The nine problems",
        shows=(
            "One measured number for each of the nine problems that the paper's architectures "
            "are to solve: equivariance, invariance, gradient diffusion, four deficits of residual "
            "networks, and nesting."
        ),
        paper="Bird (2023), sections 2.4.2, 2.5, 2.7.2 and conclusion, Figs. 6 and 9",
        rows=tuple(row for _, row, _, _ in PROBLEMS),
        presets={"quick": "16 small networks of handwritten digits, 12 epochs"},
        minutes={"quick": 3.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Look at fresh networks, train a few, look at them; then nine numbers."""
    size = SIZES[context.preset]
    data = digits()
    total = len(TRAINED) + 1
    yield context.progress(0, total, "Networks before training")
    fresh = context.done("fresh") or context.keep("fresh", _fresh(context, size, data))
    trained: dict[str, Any] = {}
    for place, name in enumerate(TRAINED, 1):
        kept = context.done(name)
        if kept is None:
            yield context.progress(place, total, f"Training: {TRAINED[name][0]}")
            kept = context.keep(name, (yield from _train(context, size, data, name)))
        trained[name] = kept
    found = Outcome(fresh, trained)
    report(context, found)
    return Results(numbers=found.measured(), differs=DIFFERS, claims=claims(found))


def digits() -> ImageDataset:
    """The 1,797 handwritten digits of scikit-learn, every fourth for testing."""
    from sklearn.datasets import load_digits

    from crystalgui.core.datasets.images.dataset import Origin, assemble

    found = load_digits()
    values = np.round(found.images * (255 / 16)).astype(np.uint8)[:, None]
    is_test = np.arange(len(values)) % 4 == 3
    origin = Origin(title="Handwritten digits of the UCI repository, with scikit-learn")
    label = found.target.astype(np.int64)
    names = tuple("0123456789")
    return assemble("digits", Path("digits"), values, label, is_test, names, origin)


# ------------------------------------------------------------------ before training


def _built(params: Mapping[str, Scalar], width: int, seed: int, data: ImageDataset) -> Network:
    """A fresh network that has seen mean and spread of some images."""
    import torch

    from crystalgui.core.models import _registry as registry

    values, _ = registry.settings("extractor", "small", {**params, "width": width})
    torch.manual_seed(seed)
    network = registry.build("extractor", len(data.summary.classes), values, data.summary.shape)
    network.standardise([_some(data, 256)])
    return network.eval()


def _some(data: ImageDataset, count: int) -> Any:
    """The first training images as a batch."""
    import torch

    from crystalgui.core.datasets.images.tables import ImageTable

    rows = np.flatnonzero(~data.is_test)[:count]
    return ImageTable(data).batch(torch.from_numpy(rows))


def _fresh(context: Context, size: Size, data: ImageDataset) -> dict[str, Any]:
    """Everything that untrained networks show, for each of ``size.fresh`` seeds."""
    import torch

    from crystalgui.core.models.layers.pooling import GlobalPool
    from crystalgui.core.training.deficits import multiply_adds, reached
    from crystalgui.core.training.gradients import gradients
    from crystalgui.core.training.invariance import layer_errors

    batch = _some(data, 64)
    target = torch.from_numpy(data.label[np.flatnonzero(~data.is_test)[:64]])
    found: dict[str, Any] = {
        name: {"homogeneous": [], "alike": [], "reached": []} for name in FRESH
    }
    errors: dict[str, list[Any]] = {"convolution": [], "toroidal-sum": []}
    nesting, work = [], []
    for seed in range(size.fresh):
        context.check()
        for convolution, each in errors.items():
            params = {**PLAIN, "kind": "standard", "convolution": convolution}
            each.append(layer_errors(_built(params, size.width, seed, data), batch, seed))
        for name, (_, params, pools) in FRESH.items():
            network: Any = _built({**PLAIN, **params}, size.width, seed, data)
            network.pool = GlobalPool(pools)
            seen = gradients(network, batch, target, torch.nn.functional.cross_entropy)
            found[name]["homogeneous"].append(seen.homogeneous)
            found[name]["alike"].append(seen.alike)
            found[name]["reached"].append(reached(network, batch, target))
        nesting.append(_nested(size, data, seed, batch))
        work.append([
            multiply_adds(_built({**COMMON, "kind": "residual", **shape}, size.width, seed, data),
                          batch)
            for shape in ({"halvings": 0, "depth": 6}, {"halvings": 2, "depth": 2})
        ])  # fmt: skip
    return {**found, "errors": errors, "nesting": nesting, "work": work}


def _nested(size: Size, data: ImageDataset, seed: int, batch: Any) -> float:
    """Largest change of the outputs when a deeper extractor, with a pooling, is the shallower."""
    import torch

    params = {**COMMON, "kind": "tuned"}
    shallow: Any = _built({**params, "halvings": 0}, size.width, seed, data)
    deep: Any = _built({**params, "halvings": 1}, size.width, seed + 1000, data)
    deep.reproduce(shallow)
    with torch.no_grad():
        return float((deep(batch) - shallow(batch)).abs().max())


# ------------------------------------------------------------------ trained networks


def _train(
    context: Context, size: Size, data: ImageDataset, name: str
) -> Generator[Event, None, dict[str, Any]]:
    """Train the repeats of an architecture together, and look at each."""
    import torch

    from crystalgui.core.datasets.images.tables import ImageTable
    from crystalgui.core.errors import Stopped
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.training.replicas import family_task, replicate

    device = torch.device(context.device)
    table = ImageTable(data, device)
    target = torch.from_numpy(data.label).to(device)
    train = torch.from_numpy(np.flatnonzero(~data.is_test)[: size.rows]).to(device)
    test = torch.from_numpy(np.flatnonzero(data.is_test)).to(device)
    params = {**COMMON, **TRAINED[name][1], "width": size.width}
    recipe = TrainRecipe(
        model="extractor", dataset=data.summary.folder, preset="small", params=params,
        epochs=size.epochs, batch_size=64, learning_rate=3e-3, replicas=size.repeats, threads=1,
        device=context.device,
    )  # fmt: skip
    shape, classes = data.summary.shape, data.summary.classes
    task = family_task(recipe, table, shape, target, train, {"test": test}, classes)
    fitted = yield from replicate(task, context.stop)
    if not fitted.finished:
        raise Stopped("Stopped.", "Start it again to go on.")
    values, _ = registry.settings("extractor", "small", params)
    found: dict[str, list[Any]] = {}
    for replica in range(size.repeats):
        context.check()
        network = registry.build("extractor", len(classes), values, shape).to(device)
        network.load_state_dict(fitted.weights(replica))
        seen = _looked(network.eval(), table, target, train, test, replica)
        for key, value in seen.items():
            found.setdefault(key, []).append(value)
    return found


def _looked(
    network: Network, table: ImageTable, target: Tensor, train: Tensor, test: Tensor, seed: int
) -> dict[str, Any]:
    """Answers with and without rolling; what the layers tell; how they hang together."""
    from crystalgui.core.training import deficits

    seen = _answers(network, table.batch(test), target[test], seed)
    first, second = (deficits.layers(network, table.batch(rows)) for rows in (train, test))
    known, true = (target[rows].cpu().numpy() for rows in (train, test))
    told, asked = deficits.read(first), deficits.read(second)
    each = [deficits.probe(a, known, b, true) for a, b in zip(told, asked, strict=True)]
    both = np.concatenate(told, 1), np.concatenate(asked, 1)
    stages: Any = [module for _, module in network.stages()]
    blocks, lost = [], []
    for place in range(1, len(stages)):
        layer = stages[place].layer
        if layer.kind == "pooling":
            pair = [(first[i], second[i]) for i in (place - 1, place)]
            lost.append(deficits.unrecovered(pair[0], pair[1]))
        elif layer.channels == layer.outputs and second[place].shape == second[place - 1].shape:
            blocks.append(deficits.shared_basis(second[place - 1], second[place]))
    return {
        **seen,
        "probes": each,
        "all": deficits.probe(both[0], known, both[1], true),
        "same": float(np.mean([same for same, _ in blocks])),
        "other": float(np.mean([other for _, other in blocks])),
        "lost": float(np.mean(lost)),
    }


def _answers(network: Network, batch: Any, target: Tensor, seed: int) -> dict[str, float]:
    """Accuracy without rolling and with, and the share of answers that change."""
    import torch

    from crystalgui.core.datasets.images.rolling import draw, fixed
    from crystalgui.core.training.invariance import shifted

    generator = fixed(seed, ROLLING)
    with torch.no_grad():
        before = network(batch).argmax(1)
        rolled = [
            network(shifted(batch, draw(ROLLING, (len(target), 2), "cpu", generator))).argmax(1)
            for _ in range(DRAWS)
        ]
    after = torch.stack(rolled)
    return {
        "accuracy": float((before == target).double().mean()),
        "rolled": float((after == target).double().mean()),
        "changed": float((after != before).double().mean()),
    }
