"""Samples of every kind of input, and batches of them, for the contract of the families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.collate import collate
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, repeated
from crystalgui.core.datasets.hamiltonians.descriptors import describe as describe_zone
from crystalgui.core.datasets.hamiltonians.lattices import turned
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch, ZoneBatch
from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.models._base import CrystalModel, Network
from crystalgui.core.physics.zoo.registry import build as zoo
from crystalgui.core.structures.cells import permuted, supercell, translated
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.hoppings.model import Hoppings
from tests.models.samples import crystals

SHAPES: dict[str, tuple[int, ...]] = {
    "crystal": (),
    "hoppings": (27, 2, 2, 2),
    "zone": (len(CHANNELS),),
    "image": (3, 12, 12),
}
MESH = 4


@dataclass(frozen=True, slots=True)
class Zone:
    """A Hamiltonian and its channels."""

    hoppings: Hoppings
    occupied: int
    values: Tensor

    @classmethod
    def of(cls, hoppings: Hoppings, occupied: int) -> Zone:
        found = repeated(describe_zone(hoppings, occupied, MESH).values, MESH)
        return cls(hoppings, occupied, torch.from_numpy(found.copy()).float())


def samples(inputs: str, number: int, seed: int = 0) -> list[Any]:
    """Some inputs of a kind."""
    if inputs == "crystal":
        return [*crystals(number, seed)]
    if inputs == "hoppings":
        generator = torch.Generator().manual_seed(seed)
        return list(torch.randn(number, *SHAPES[inputs], generator=generator))
    if inputs == "image":
        return [image(seed + i) for i in range(number)]
    rng = np.random.default_rng(seed)
    models = [
        lambda: zoo("cubic", M=float(rng.uniform(-1, 13))),
        lambda: zoo("bhz", M=float(rng.uniform(-1, 9))),
        lambda: zoo("fu-kane-mele", d=float(rng.uniform(-0.4, 0.4)), staggered=0.1),
    ]
    return [Zone.of(models[i % 3](), 2) for i in range(number)]


def image(seed: int) -> Tensor:
    """(3, 12, 12) of [0, 1]: two coloured bars and a little noise; an edge of the image is one."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(0, 0.2, SHAPES["image"])
    for axis in (1, 2):
        start, length = rng.integers(0, 12), rng.integers(2, 6)
        place = np.moveaxis(found, axis, 1)
        place[:, (start + np.arange(length)) % 12] += rng.uniform(0, 0.4, 3)[:, None, None]
    return torch.from_numpy(found).float()


def batch_of(
    model: Network, params: Mapping[str, Scalar], items: Sequence[Any], inputs: str
) -> Any:
    """What the network eats, of these inputs."""
    if isinstance(model, CrystalModel):
        records = [describe(c) if isinstance(c, Crystal) else c for c in items]
        table = Records.stack([str(i) for i in range(len(items))], records)
        spec = type(model).graph_spec(params)
        return collate(table, build(table, min(spec.cutoff, 8.0), spec.kind))
    if inputs == "hoppings":
        return HoppingBatch(torch.stack(list(items)))
    if inputs == "image":
        return ImageBatch(torch.stack(list(items)))
    return ZoneBatch(torch.stack([z.values for z in items]), torch.full((len(items),), 3))


def double(batch: Any) -> Any:
    """The same batch with float64 arrays."""
    values = {f.name: getattr(batch, f.name) for f in fields(batch)}
    floats = {
        name: value.double()
        for name, value in values.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    return replace(batch, **floats)


def other_cell(crystal: Crystal, seed: int) -> Crystal:
    """The same crystal in another cell of the same size, with some atoms outside of it."""
    rng = np.random.default_rng(seed)
    change = np.eye(3, dtype=np.int64)
    for _ in range(2):
        i, j = rng.choice(3, 2, replace=False)
        change[i] += rng.choice([-1, 1]) * change[j]
    frac = crystal.frac @ np.linalg.inv(change) + rng.integers(-1, 2, (crystal.n_atoms, 3))
    return Crystal(lattice=change @ crystal.lattice, frac=frac, species=crystal.species)


def moved(symmetry: str, item: Any, seed: int) -> Any:
    """The same crystal or zone, described otherwise."""
    rng = np.random.default_rng(seed)
    if symmetry == "permutation":
        return permuted(item, rng.permutation(item.n_atoms))
    if symmetry == "translation":
        return translated(item, rng.uniform(0, 1, 3))
    if symmetry == "supercell":
        return supercell(item, (1, 2, 1))
    if symmetry == "rotation":
        q, r = np.linalg.qr(rng.normal(size=(3, 3)))
        turn = q * np.sign(np.diag(r))
        turn = turn * np.sign(np.linalg.det(turn))
        return Crystal(lattice=item.lattice @ turn, frac=item.frac, species=item.species)
    if symmetry == "cell choice":
        return other_cell(item, seed)
    if symmetry == "origin" and isinstance(item, Tensor):
        return item.roll(tuple(rng.integers(0, 12, 2).tolist()), (1, 2))
    if symmetry == "origin":
        shift = tuple(rng.integers(0, MESH, 3).tolist())
        return replace(item, values=item.values.roll(shift, (1, 2, 3)))
    if symmetry == "axes":
        other = turned(item.hoppings, rng.permutation(3), np.ones(3, int))
        return Zone.of(other, item.occupied)
    raise AssertionError(f"no test for {symmetry}")
