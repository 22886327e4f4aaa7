"""Voxels of crystals and the reduced cell: sums, wrapping, and the sizes of the authors' code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import spglib
import torch
from torch import Tensor

from crystalgui.core.datasets.collate import Batch, collate, double
from crystalgui.core.datasets.graphs import build
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.layers.niggli import niggli
from crystalgui.core.models.layers.voxels import voxels
from tests.models.samples import table


def batch_of(number: int, seed: int = 0) -> Batch:
    rows = table(number, seed)
    return double(collate(rows, build(rows, 0.0, "atoms")))


def by_hand(batch: Batch, values: Tensor, points: int, scale: int) -> Tensor:
    """The same voxels, atom by atom and voxel by voxel: hats of all periodic images."""
    grid = torch.zeros(batch.size, values.shape[1], points, points, points, dtype=values.dtype)
    shift = (points - 1 - scale) / 2 if scale < points else 0.0
    at = torch.arange(points, dtype=values.dtype)
    for node, crystal in enumerate(batch.graph.tolist()):
        axes = []
        for x in batch.frac[node].tolist():
            images = [x * scale + shift + k * scale for k in (-1, 0, 1)]
            axes.append(sum((1 - (at - i).abs()).clamp(min=0) for i in images))
        cube = torch.einsum("i,j,k->ijk", *axes)
        grid[crystal] += values[node][:, None, None, None] * cube
    return grid


class TestVoxels:
    def test_the_sum_over_a_torus_is_the_sum_over_the_atoms(self) -> None:
        batch = batch_of(12)
        values = torch.rand(len(batch.graph), 3, dtype=torch.float64)
        grid = voxels(batch, values, 7)
        wanted = torch.zeros(12, 3, dtype=torch.float64).index_add_(0, batch.graph, values)
        torch.testing.assert_close(grid.sum((2, 3, 4)), wanted)

    @pytest.mark.parametrize(("points", "scale"), [(5, 5), (8, 6), (7, 6)])
    def test_they_are_hats_around_every_image(self, points: int, scale: int) -> None:
        batch = batch_of(10, 3)
        values = torch.rand(len(batch.graph), 2, dtype=torch.float64)
        found = voxels(batch, values, points, None if points == scale else scale)
        torch.testing.assert_close(found, by_hand(batch, values, points, scale))

    def test_an_atom_at_the_edge_reaches_round_the_torus(self) -> None:
        batch = batch_of(1)
        frac = torch.full_like(batch.frac, 0.0)
        frac[:, 2] = 0.95
        grid = voxels(replace(batch, frac=frac), torch.ones(len(frac), 1).double(), 4)
        assert grid[0, 0, 0, 0].tolist() == pytest.approx([0.8 * len(frac), 0, 0, 0.2 * len(frac)])

    def test_moved_by_whole_voxels_they_roll(self) -> None:
        batch = batch_of(6)
        values = torch.rand(len(batch.graph), 2, dtype=torch.float64)
        other = replace(batch, frac=(batch.frac + torch.tensor([0.25, 0.5, 0.0])) % 1.0)
        rolled = voxels(batch, values, 8).roll((2, 4), (2, 3))
        torch.testing.assert_close(voxels(other, values, 8), rolled)

    def test_gradients_reach_what_is_written(self) -> None:
        batch = batch_of(3)
        values = torch.rand(len(batch.graph), 1, dtype=torch.float64, requires_grad=True)
        voxels(batch, values, 6).sum().backward()
        assert values.grad is not None
        torch.testing.assert_close(values.grad, torch.ones_like(values))


class TestNiggli:
    def test_the_cell_is_that_of_spglib(self) -> None:
        rng = np.random.default_rng(0)
        lattices = rng.normal(size=(60, 3, 3)) * 4
        lattices = lattices * np.sign(np.linalg.det(lattices))[:, None, None]
        change = niggli(torch.from_numpy(lattices), 1e-9)
        assert torch.equal(change, change.round())
        torch.testing.assert_close(torch.linalg.det(change), torch.ones(60).double())
        ours = change.numpy() @ lattices
        for mine, given in zip(ours, lattices, strict=True):
            theirs = spglib.niggli_reduce(given, eps=1e-6)
            np.testing.assert_allclose(mine @ mine.T, theirs @ theirs.T, atol=1e-6)

    def test_any_cell_of_a_lattice_has_the_same_reduced_cell(self) -> None:
        rng = np.random.default_rng(1)
        cells = []
        for _ in range(20):
            lower, upper = np.tril(rng.integers(-1, 2, (3, 3)), -1), rng.integers(-1, 2, (3, 3))
            cells.append((np.eye(3) + lower) @ (np.eye(3) + np.triu(upper, 1)))
        for lattice in ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
                        [[2, 0, 0], [-1, 3**0.5, 0], [0, 0, 3.3]]):  # fmt: skip
            every = torch.from_numpy(np.stack(cells) @ np.array(lattice, float))
            reduced = niggli(every) @ every
            metric = reduced @ reduced.mT
            torch.testing.assert_close(metric, metric[:1].expand_as(metric))


def test_the_paper_preset_has_the_sizes_of_the_authors_code() -> None:
    params, optimiser = registry.settings("ccnn", "paper")
    model = registry.build("ccnn", 5, params)
    shapes = [tuple(p.shape) for n, p in model.named_parameters() if "pipeline" in n and p.ndim > 1]
    assert shapes == [
        (90, 28, 5, 5, 5), (90, 90, 1, 1, 1), (90, 90, 1, 1, 1), (90, 90, 2, 2, 2),
        (270, 90, 5, 5, 5), (270, 270, 1, 1, 1), (270, 270, 1, 1, 1), (540, 270, 3, 3, 3),
    ]  # fmt: skip
    sizes = [tuple(p.shape) for n, p in model.named_parameters() if p.ndim == 2]
    assert sizes == [(300, 248), (9261, 300), (512, 248), (1024, 1052), (512, 1024), (256, 512),
                     (5, 256)]  # fmt: skip
    assert (optimiser["learning_rate"], optimiser["batch_size"]) == (3e-4, 32)
