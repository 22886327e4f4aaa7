"""Voxels of crystals, reduced cells and own images: sums, wrapping, and known space groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import spglib
import torch
from torch import Tensor

from crystalgui.core.datasets.collate import Batch, collate, double
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.errors import ModelError
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.layers import coincidence
from crystalgui.core.models.layers.coincidence import Coincidence, Images, operations
from crystalgui.core.models.layers.niggli import niggli
from crystalgui.core.models.layers.voxels import voxels
from crystalgui.core.structures.cells import supercell, translated
from crystalgui.core.structures.crystal import Crystal
from tests.models.samples import crystals, table


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


def crystal(lattice: Any, frac: Any, species: Any) -> Crystal:
    return Crystal(
        lattice=np.asarray(lattice, float),
        frac=np.asarray(frac, float),
        species=np.asarray(species),
    )


HEXAGONAL = np.array([[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.6]]) * 3.2
TETRAGONAL = np.diag([4.6, 4.6, 2.95])
KNOWN = {
    "hcp, P6_3/mmc": (194, crystal(HEXAGONAL, [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
                                   [12, 12])),
    "rutile, P4_2/mnm": (136, crystal(TETRAGONAL, [
        [0, 0, 0], [0.5, 0.5, 0.5], [0.305, 0.305, 0], [0.695, 0.695, 0],
        [0.195, 0.805, 0.5], [0.805, 0.195, 0.5]], [22, 22, 8, 8, 8, 8])),
    "quartz-like, P3_221": (154, crystal(HEXAGONAL * 1.5, [
        [0.47, 0, 2 / 3], [0, 0.47, 1 / 3], [0.53, 0.53, 0], [0.41, 0.27, 0.786],
        [0.73, 0.14, 0.4527], [0.86, 0.59, 0.1193], [0.27, 0.41, 0.214],
        [0.59, 0.86, 0.8807], [0.14, 0.73, 0.5473]], [14] * 3 + [8] * 6)),
}  # fmt: skip


def seen(items: list[Crystal]) -> tuple[Batch, Images]:
    rows = Records.stack([str(i) for i in range(len(items))], [describe(c) for c in items])
    batch = double(collate(rows, build(rows, 0.0, "atoms")))
    return batch, Coincidence().double()(batch)


class TestOwnImages:
    def test_a_reduced_cell_has_all_operations_of_its_lattice(self) -> None:
        every = operations()
        assert len({tuple(w.flatten().tolist()) for w in every}) == len(every)
        assert set(torch.linalg.det(every.double()).round().tolist()) == {-1.0, 1.0}
        fcc, bcc = 1 - np.eye(3), 1 - 2 * np.eye(3)
        tetragonal = bcc * [1, 1, 0.77]
        lattices = [np.eye(3), fcc, bcc, HEXAGONAL, TETRAGONAL, tetragonal, fcc * [1, 1.2, 1.7]]
        cells = torch.from_numpy(np.stack([np.asarray(x, float) for x in lattices]))
        reduced = niggli(cells) @ cells
        strain = Coincidence().strains(reduced @ reduced.mT)
        assert ((strain < 1e-6).sum(1) + 1).tolist() == [48, 48, 48, 24, 16, 16, 8]

    @pytest.mark.parametrize("name", KNOWN)
    def test_those_that_coincide_are_the_point_group(self, name: str) -> None:
        number, item = KNOWN[name]
        batch, images = seen([item])
        assert batch.space_group.tolist() == [number]
        order = {194: 24, 136: 16, 154: 6}[number]
        assert int((images.match > 1 - 1e-6).sum()) + 1 == order
        assert float(images.match.max()) <= 1 + 1e-12

    def test_a_screw_axis_is_the_phase_of_a_wave_along_it(self) -> None:
        batch, images = seen([KNOWN["hcp, P6_3/mmc"][1]])
        turned = operations()[images.operation]
        six = (turned.diagonal(dim1=1, dim2=2).sum(1) == 2) & (
            torch.linalg.det(turned.double()).round() == 1
        )
        assert int(six.sum()) == 2
        metric, _ = Coincidence.reduced(batch, images.change)
        axis = int(metric[0].diagonal().argmax())
        half = images.shift[six][:, axis]
        assert half.tolist() == pytest.approx([0.5, 0.5], abs=1e-6)

    def test_a_cell_of_several_is_divided(self) -> None:
        rutile = KNOWN["rutile, P4_2/mnm"][1]
        cubic = crystals(2)[1]  # zinc blende
        cells = [(rutile, (1, 1, 1)), (rutile, (2, 1, 1)), (rutile, (1, 3, 2)), (cubic, (2, 2, 1))]
        _, images = seen([supercell(item, n) for item, n in cells])
        many = 1 / torch.linalg.det(images.change)
        assert many.tolist() == pytest.approx([1, 2, 6, 4])
        same = [int((images.match[images.crystal == i] > 1 - 1e-6).sum()) + 1 for i in range(4)]
        assert same == [16, 16, 16, 24]

    def test_moved_and_remembered_they_stay(self) -> None:
        items = crystals(10, 2)
        _, one = seen(items)
        _, other = seen([translated(c, np.array([0.21, 0.43, 0.77])) for c in items])
        assert torch.equal(one.operation, other.operation)
        high = one.match > 0.9
        torch.testing.assert_close(one.match[high], other.match[high])
        layer, batch = Coincidence(), batch_of(6)
        first, again = layer(batch), layer(batch)
        assert len(layer._memory) == 6
        for name in Images.__slots__:
            assert torch.equal(getattr(first, name), getattr(again, name))

    def test_structure_factors_are_sums_over_the_atoms(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer, batch = Coincidence(), batch_of(10, 1)
        values = torch.complex(*torch.rand(2, len(batch.graph), 2, dtype=torch.float64))
        phase = 2j * torch.pi * (batch.frac @ layer.index.double().T)
        each = values[:, :, None] * phase.exp()[:, None]
        wanted = each.new_zeros(10, *each.shape[1:]).index_add_(0, batch.graph, each)
        for most in (64, 3, 0):
            monkeypatch.setattr(coincidence, "PADDED", most)
            torch.testing.assert_close(layer.factors(batch, batch.frac, values), wanted)

    def test_the_origin_of_a_double_cell_does_not_matter(self) -> None:
        frac = np.array([[0, 0, 0], [0, 0.2, 0.13]])
        frac = np.concatenate([frac, frac + np.array([0.5, 0, 0.5])])
        cell = crystal(np.diag([3.0, 4.0, 5.0]), frac, [11, 17, 11, 17])
        params, _ = registry.settings("ccnn", "geometry")
        torch.manual_seed(0)
        model = registry.build("ccnn", 3, params).double().eval()
        moved = [translated(cell, np.array(t)) for t in ([0, 0, 0], [0.2, 0.3, 0.4], [0.31, 0, 0])]
        with torch.no_grad():
            out = model(seen(moved)[0])
        torch.testing.assert_close(out, out[:1].expand_as(out))

    def test_even_coefficients_make_the_same_grid_in_real_arithmetic(self) -> None:
        layer = Coincidence()
        power = torch.rand(2, 3, 343, dtype=torch.float64)
        power = power + power.flip(-1)
        for points in (8, 12):
            wanted = layer.grid(power.flatten(0, 1).to(torch.complex128), points)
            torch.testing.assert_close(layer.even_grid(power, points).flatten(0, 1), wanted)


def test_only_the_geometry_preset_is_asked_for_the_symmetry() -> None:
    family = registry.family("ccnn")
    told = {p: family.knows_symmetry(registry.settings("ccnn", p)[0]) for p in family.card.presets}
    assert told == {"small": True, "geometry": False, "paper": True}
    params, _ = registry.settings("ccnn", "paper", {"globals": "none"})
    with pytest.raises(ModelError, match="writes the global vector"):
        registry.build("ccnn", 2, params)


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
