"""Search by example: which crystals does a network see as most alike?

A network sees two crystals as alike when the last thing that it makes of them,
what its last linear layer reads, is alike.  Each of these numbers is divided
by its spread over the data set; those that do not vary are left out.  Of an
ensemble one network of each family is asked, for each has axes of its own and
more would say the same again.  The latent vectors of a data set are computed
once and kept in its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from crystalgui.core import stopping
from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.collate import collate
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.reading import named
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.errors import CrystalError, ModelError
from crystalgui.core.messages import Event, Progress, Similar, SimilarJob, SimilarReady
from crystalgui.core.models._base import CrystalModel
from crystalgui.core.models.predict import CHUNK, Classifier, check_elements, portions, rows
from crystalgui.core.models.trained import WEIGHTS
from crystalgui.core.store.files import sha256, write_atomic
from crystalgui.core.structures.elements import formula

Floats = NDArray[np.float32]
LEAST = 1e-4
SAMPLE = 32
"""Crystals whose nearest neighbour says what distance is typical."""


def latent(network: CrystalModel, records: Records, params: Mapping[str, Scalar]) -> Floats:
    """What the last linear layer of a network reads.

    Returns
    -------
    (m, d) float32

    Raises
    ------
    ModelError
        When it has no such layer.
    """
    last = _last_linear(network)
    heard: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    try:
        spec = type(network).graph_spec(params)
        device = next(network.parameters()).device
        with torch.no_grad():
            network(collate(records, build(records, spec.cutoff, spec.kind), device))
    finally:
        hook.remove()
    if not heard or heard[-1].shape[0] != len(records):
        raise ModelError(
            f"{network.card.title} has no latent vector for each crystal.",
            "Choose a network that ends in a linear layer.",
        )
    return np.asarray(heard[-1].reshape(len(records), -1).float().cpu().numpy())


def _last_linear(network: CrystalModel) -> nn.Linear:
    found = [m for m in network.modules() if isinstance(m, nn.Linear)]
    if not found:
        raise ModelError(
            f"{network.card.title} has no latent space.",
            "Choose a network; trees and baselines have none.",
        )
    return found[-1]


def latents(classifier: Classifier, records: Records) -> Floats:
    """Latent vectors of the first network of each part beside one another, (m, d) float32."""
    check_elements(records)
    first, out = 0, []
    for part in classifier.parts:
        network = classifier.networks[first]
        found = [latent(network, few, part.params) for few in portions(records)]
        out.append(np.concatenate(found))
        first += part.members
    return np.concatenate(out, axis=1)


def latents_of(
    classifier: Classifier, dataset: Dataset, folder: Path
) -> Generator[Event, None, Floats]:
    """Those of a data set, from its folder or computed with progress and kept there."""
    path = folder / f"latent-{_key(classifier, dataset)}.npy"
    known = _read(path, len(dataset.records))
    if known is not None:
        return known
    parts, total = [], len(dataset.records)
    for start in range(0, total, CHUNK):
        stopping.check()
        index = np.arange(start, min(start + CHUNK, total))
        parts.append(latents(classifier, dataset.records.select(index)))
        yield Progress(done=int(index[-1]) + 1, total=total, text="Looking at the data set")
    kept = np.concatenate(parts).clip(-6e4, 6e4).astype(np.float16)
    with suppress(CrystalError):  # a folder that cannot be written is searched all the same
        write_atomic(path, _bytes(kept))
    return kept.astype(np.float32)  # as it will be read


def _key(classifier: Classifier, dataset: Dataset) -> str:
    """Of the weights and the crystals, for both change under the same names."""
    weights = sha256(Path(classifier.card.folder) / WEIGHTS)
    return hashlib.sha256(f"{weights} {dataset.summary.digest}".encode()).hexdigest()[:16]


def nearest(example: Floats, vectors: Floats, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Rows of ``vectors`` (m, d) that are nearest to ``example`` (d,), and their distances.

    Distances are root mean squares over the dimensions that vary, in standard
    deviations of ``vectors``.
    """
    spread = vectors.std(0)
    varies = spread > LEAST
    scaled = (vectors[:, varies] - example[varies]) / spread[varies]
    distance = np.sqrt(np.square(scaled).mean(1))
    order = np.argsort(distance, kind="stable")[:count]
    return order.astype(np.int64), distance[order]


def typical(vectors: Floats, seed: int = 0) -> float:
    """Median distance of a row to its nearest neighbour, over a sample of rows."""
    some = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    found = [nearest(vectors[i], vectors, 2)[1][-1] for i in some]
    return float(np.median(found))


def similar(job: SimilarJob) -> Generator[Event, None, None]:
    """Find crystals like an example; yields `Progress` and one `SimilarReady`.

    Raises
    ------
    ModelError, ResourceError
        When the model cannot be used, or has no latent space.
    DataError, FileError
        When there is no such crystal or data set.
    """
    yield Progress(done=0, text="Loading the model")
    classifier = Classifier.load(job.model, job.device, job.project)
    dataset = Dataset.load(job.dataset)
    name, read = named(job.path, job.entry)
    record = describe(read())
    example = latents(classifier, Records.stack([name], [record]))[0]
    vectors = yield from latents_of(classifier, dataset, job.dataset)
    order, distances = nearest(example, vectors, job.count)
    yield SimilarReady(
        file=name,
        model=classifier.card.name,
        dataset=dataset.summary.name,
        prediction=rows([classifier], [(name, record)])[0],
        found=tuple(_found(classifier, dataset, order, distances, record.space_group,
                           record.crystal.composition_key)),
        typical=typical(vectors),
    )  # fmt: skip


def _found(
    classifier: Classifier,
    dataset: Dataset,
    order: NDArray[np.int64],
    distances: Floats,
    space_group: int,
    key: object,
) -> list[Similar]:
    table = dataset.records.select(order)
    answers = classifier.answers(table)
    summary, keys = dataset.summary, table.keys()
    out = []
    for i, (row, distance) in enumerate(zip(order.tolist(), distances.tolist(), strict=True)):
        target = dataset.target[row]
        label = summary.classes[int(target)] if summary.classes else f"{target:g}"
        group = int(table.space_group[i])
        out.append(
            Similar(
                id=table.ids[i],
                formula=formula(table.crystal(i)),
                space_group=group,
                label=label,
                prediction=answers[i].prediction,
                distance=distance,
                same=keys[i] == key and group == space_group,
            )
        )
    return out


def _bytes(array: NDArray[np.float16]) -> bytes:
    from io import BytesIO

    stream = BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _read(path: Path, length: int) -> Floats | None:
    """Kept vectors; None when there are none, or others."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    if found.ndim != 2 or len(found) != length:
        return None
    return np.asarray(found, np.float32)
