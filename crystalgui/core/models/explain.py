"""What the answer of a model for one crystal rests on: attention, pairs and saliency.

Attention says where a network looked (Nop et al. 2025, Fig. 4), layer by
layer and head by head; saliency says what the answer would lose.  They are
different questions, and a strong look need not matter (Jain, Wallace 2019),
so both are shown.  What leaves here is small: matrices between tokens, not
atoms, and the strongest pairs with their images and distances.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray

from crystalgui.core.datasets.reading import named
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    AtomPair,
    AttentionMap,
    Event,
    ExplainJob,
    ExplainReady,
    Prediction,
    Progress,
    Saliency,
)
from crystalgui.core.models.layers.attention import Attended
from crystalgui.core.models.predict import Classifier, rows
from crystalgui.core.models.saliency import Question, gradient, occlusion, one_table
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.measure import nearest_images

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STRONGEST = 24
"""Pairs that are kept of a head."""
SENT = 200_000
"""Bytes of all matrices; the largest are left out beyond it."""


def explain(job: ExplainJob) -> Generator[Event, None, None]:
    """Explain the answer for one crystal; yields `Progress` and one `ExplainReady`.

    Raises
    ------
    ModelError, ResourceError
        When the model cannot be used, or cannot be asked so.
    DataError, FileError
        When there is no such crystal, or it cannot be read.
    """
    yield Progress(done=0, text="Loading the model")
    classifier = Classifier.load(job.model, job.device, job.project)
    name, read = named(job.path, job.entry)
    record = describe(read())
    ready = yield from explanation(
        classifier, name, record, job.method, job.by, job.asked, job.member, job.seed, job.parity
    )
    yield ready


def explanation(
    classifier: Classifier,
    name: str,
    record: Record,
    method: str = "occlusion",
    by: str = "orbits",
    asked: str = "",
    member: int = 0,
    seed: int = 0,
    parity: bool = False,
) -> Generator[Event, None, ExplainReady]:
    """Explain the answer of a model for one crystal; yields `Progress`.

    Parameters
    ----------
    classifier : Classifier
    name : str
        Of the crystal, for the row.
    record : Record
    method, by, asked, member, seed, parity
        As in `ExplainJob`.
    """
    prediction = rows([classifier], [(name, record)])[0]
    if prediction.error:
        raise DataError(prediction.error, "Choose another crystal.")
    if classifier.beyond(Records.stack([name], [record]))[0]:
        raise DataError(
            f"The network cannot read {record.crystal.n_atoms} atoms; its answer is that of the "
            "baseline and rests on no atom.",
            "Choose a smaller crystal or another model.",
        )
    if not 0 <= member < len(classifier.networks):
        raise ModelError(
            f"There is no member {member}.", f"Choose 0 to {len(classifier.networks) - 1}."
        )
    asked, column = _column(classifier, prediction, asked)
    question = Question(classifier, record, column)
    saliency: Saliency
    if method == "gradient":
        yield Progress(done=0, text="Following gradients")
        saliency = gradient(question)
    else:
        if any(limit is not None and limit.elements for limit in classifier.limits()):
            by = "elements"  # replaced orbit by orbit, they could be too many for the network
        group = record.crystal.species if by == "elements" else record.orbit
        _, groups = np.unique(group, return_inverse=True)
        groups = groups.reshape(-1).astype(np.int64)
        saliency = yield from occlusion(question, groups, seed, by, parity)
    token, seen = looked(classifier, member, record)
    maps, left_out = reduce_maps(record.crystal, token, seen)
    crystal = record.crystal
    return ExplainReady(
        prediction=prediction,
        asked=asked,
        unit="nat" if asked else classifier.card.unit,
        lattice=crystal.lattice,
        frac=crystal.frac,
        species=crystal.species.astype(np.int64),
        token=token,
        saliency=saliency,
        attention=maps,
        member=member,
        members=len(classifier.networks),
        warnings=(*prediction.warnings, *left_out),
    )


def _column(classifier: Classifier, prediction: Prediction, asked: str) -> tuple[str, int]:
    """The class asked about and its number; ("", -1) for values."""
    classes = classifier.card.classes
    if classifier.card.task == "regression":
        if asked:
            raise ModelError("This model predicts a value, not classes.", "Leave the class out.")
        return "", -1
    asked = asked or prediction.prediction
    if asked not in classes:
        raise ModelError(f"There is no class {asked!r}.", f"Classes: {', '.join(classes)}.")
    return asked, classes.index(asked)


@torch.no_grad()
def looked(
    classifier: Classifier, member: int, record: Record
) -> tuple[Ints, tuple[Attended, ...]]:
    """The token (n,) of each atom of the cell, and the attention of one network."""
    table, token = one_table(classifier, member, record)
    batch = table.batch(torch.zeros(1, dtype=torch.int64, device=table.device))
    return token, classifier.networks[member].attention(batch)


def reduce_maps(
    crystal: Crystal, token: Ints, seen: tuple[Attended, ...]
) -> tuple[tuple[AttentionMap, ...], tuple[str, ...]]:
    """One map a layer and head, small enough to be sent, and what had to be left out."""
    if not seen:
        return (), ()
    distance, images = nearest(crystal)
    total, maps = 0, []
    left_out = 0
    for layer in sorted(seen, key=lambda a: a.weights[0].numel()):
        total += 4 * layer.weights[0].numel()
        left_out += total > SENT
        maps.append((layer, total <= SENT))
    kept = {layer.layer: keep for layer, keep in maps}
    warnings = (f"matrices of {left_out} layers are too large to be shown",) if left_out else ()
    found = []
    for layer in seen:
        weights = layer.weights[0].double().cpu().numpy()
        for head, matrix in enumerate(weights, 1):
            found.append(_map(layer, head, matrix, token, distance, images, keep=kept[layer.layer]))
    return tuple(found), warnings


def _map(
    layer: Attended,
    head: int,
    matrix: Floats,
    token: Ints,
    distance: Floats,
    images: list[list[tuple[tuple[int, int, int], ...]]],
    *,
    keep: bool,
) -> AttentionMap:
    """The map of one head."""
    alike = np.bincount(token)
    many = alike if layer.keys == "atoms" else np.ones(matrix.shape[1])
    real = matrix[:, : len(many)]  # what follows is padding
    shares = np.where(real > 0, real, 1.0)
    entropy = -(real * np.log(shares / many)).sum(1)
    heavy = alike if layer.queries == "atoms" else np.ones(len(matrix))
    pairs: tuple[AtomPair, ...] = ()
    if layer.queries == layer.keys == "atoms":
        between = (real / many)[token][:, token]
        pairs = _strongest(between, distance, images)
    return AttentionMap(
        layer=layer.layer,
        head=head,
        queries=layer.queries,
        keys=layer.keys,
        matrix=matrix.astype(np.float32) if keep else np.zeros((0, 0), np.float32),
        entropy=entropy,
        mean=float((entropy * heavy).sum() / heavy.sum()),
        most=float(np.log(many.sum())),
        lost=float(((1 - real.sum(1)) * heavy).sum() / heavy.sum()) if len(many) < len(matrix[0])
        else 0.0,
        pairs=pairs,
    )  # fmt: skip


def _strongest(
    weights: Floats,
    distance: Floats,
    images: list[list[tuple[tuple[int, int, int], ...]]],
) -> tuple[AtomPair, ...]:
    """The strongest pairs of different atoms; of equally strong ones the nearer."""
    n = len(weights)
    start, end = np.nonzero(~np.eye(n, dtype=bool))
    order = np.lexsort((distance[start, end], -weights[start, end].round(9)))[:STRONGEST]
    return tuple(
        AtomPair(
            start=int(i),
            end=int(j),
            weight=float(weights[i, j]),
            distance=float(distance[i, j]),
            images=images[i][j],
        )
        for i, j in zip(start[order], end[order], strict=True)
    )


def nearest(crystal: Crystal) -> tuple[Floats, list[list[tuple[tuple[int, int, int], ...]]]]:
    """Distance (n, n) in Angstrom to the nearest images of every atom, and which they are.

    Cells are whole steps that are added to the coordinates of the second atom as they are.
    """
    rows = [nearest_images(crystal, i) for i in range(crystal.n_atoms)]
    return np.array([distance for distance, _ in rows]), [images for _, images in rows]
