"""Attention on crystals: padding, multiplicities, pairs, forms and what each form promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.collate import Batch, collate, double
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.cann import (
    BUCKETS,
    CrystalAttentionNetwork,
    RelativePairs,
    ShellPairs,
    padded,
)
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.models.explain import nearest
from crystalgui.core.models.layers.attention import (
    ISAB,
    MAB,
    PMA,
    SAB,
    Keys,
    Shape,
    entropy,
    visible,
)
from crystalgui.core.structures.cells import supercell, translated
from crystalgui.core.structures.crystal import Crystal
from tests.models.samples import FCC, crystals

SMALL: dict[str, Scalar] = {"width": 16, "wide": 24, "key": 8, "gaussians": 6, "dropout": 0.0}
SHAPE = Shape(width=16, heads=4, key=8, hidden=(32,))


def network(preset: str, **params: Scalar) -> CrystalAttentionNetwork:
    torch.manual_seed(0)
    values, _ = registry.settings("cann", preset, {**SMALL, **params})
    made = registry.build("cann", 3, values)
    assert isinstance(made, CrystalAttentionNetwork)
    return made.eval()


def batch_of(items: list[Crystal], kind: str = "atoms", cutoff: float = 0.0) -> Batch:
    table = Records.stack([str(i) for i in range(len(items))], [describe(c) for c in items])
    return collate(table, build(table, cutoff, kind))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mixed() -> list[Crystal]:
    """Cells of 2 to 24 atoms."""
    return [supercell(c, (1, 1, 1 + i % 4)) for i, c in enumerate(crystals(10))]


def test_padding_is_never_looked_at() -> None:
    torch.manual_seed(0)
    for block in (SAB(SHAPE), ISAB(SHAPE, 3)):
        x = torch.randn(2, 5, 16)
        mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
        garbage = torch.where(mask[..., None], x, 1e4)
        keys = Keys(visible(mask))
        out, weights = block(garbage, keys)
        alone, _ = block(x[1:, :2], Keys(torch.zeros(())))
        torch.testing.assert_close(out[1:, :2], alone)
        on_atoms = next(w for w in weights if w.shape[-1] == 5)
        assert (on_atoms[1, ..., 2:] == 0).all()


def test_a_token_of_m_atoms_is_m_atoms() -> None:
    torch.manual_seed(0)
    x, copies = torch.randn(1, 3, 16, dtype=torch.double), torch.tensor([1, 4, 2])
    every = torch.repeat_interleave(x, copies, 1)
    none = Keys(torch.zeros(()))
    heavy = Keys(visible(torch.ones(1, 3, dtype=torch.bool), copies[None].double()))
    sab, pma = SAB(SHAPE).double(), PMA(SHAPE, 4).double()
    few, _ = sab(x, heavy)
    many, _ = sab(every, none)
    torch.testing.assert_close(torch.repeat_interleave(few, copies, 1), many)
    context = torch.zeros(1, 16, dtype=torch.double)
    torch.testing.assert_close(pma(x, heavy, context)[0], pma(every, none, context)[0])


def test_sets_have_no_order() -> None:
    torch.manual_seed(0)
    x, none = torch.randn(1, 7, 16, dtype=torch.double), Keys(torch.zeros(()))
    order = torch.randperm(7)
    for block in (SAB(SHAPE).double(), ISAB(SHAPE, 3).double()):
        torch.testing.assert_close(block(x[:, order], none)[0], block(x, none)[0][:, order])
    pma, context = PMA(SHAPE, 2).double(), torch.zeros(1, 16, dtype=torch.double)
    torch.testing.assert_close(pma(x[:, order], none, context)[0], pma(x, none, context)[0])


def test_inducing_points_never_make_a_square_of_the_atoms() -> None:
    _, weights = ISAB(SHAPE, 3)(torch.randn(2, 50, 16), Keys(torch.zeros(())))
    assert [tuple(w.shape) for w in weights] == [(2, 4, 3, 50), (2, 4, 50, 3)]


def test_the_last_feed_forward_part_has_no_skip() -> None:
    x = torch.randn(1, 4, 16)
    for open_end in (False, True):
        block = MAB(SHAPE, open_end=open_end)
        for p in (*block.thought.parameters(), *block.attention.out.parameters()):
            torch.nn.init.zeros_(p)
        out, _ = block(x, x, Keys(torch.zeros(())))
        assert torch.equal(out, torch.zeros_like(x) if open_end else x)


def test_entropy_counts_what_is_looked_at() -> None:
    weights = torch.tensor([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(entropy(weights), torch.tensor([np.log(4), 0.0]).float())


def test_buckets_hold_every_crystal_once_and_little_padding(mixed: list[Crystal]) -> None:
    batch = batch_of(mixed)
    parts = list(padded(batch))
    assert sorted(torch.cat([p.rows for p in parts]).tolist()) == list(range(len(mixed)))
    assert len(parts) > 1
    for part in parts:
        for row, crystal in enumerate(part.rows.tolist()):
            own = part.node[row][part.mask[row]]
            assert torch.equal(own, (batch.graph == crystal).nonzero()[:, 0])
        assert part.mask.shape[1] in BUCKETS or part.mask.sum(1).max() == part.mask.shape[1]
    (whole,) = padded(batch, 40)
    assert whole.mask.shape == (len(mixed), 40)


@pytest.mark.parametrize("form", ["full", "induced", "alternating"])
def test_a_batch_of_any_sizes_is_its_crystals_one_by_one(form: str, mixed: list[Crystal]) -> None:
    for preset, kind, cutoff in (("small", "orbits", 5.0), ("paper", "atoms", 0.0)):
        model = network(preset, form=form).double()
        together = model(double(batch_of(mixed, kind, cutoff)))
        alone = torch.cat([model(double(batch_of([c], kind, cutoff))) for c in mixed])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_without_the_mask_the_published_network_looks_at_nothing_most_of_the_time() -> None:
    batch = batch_of([crystals(5)[3]])  # five atoms
    masked, open_ = network("paper"), network("paper", masked=False)
    open_.load_state_dict(masked.state_dict())
    assert (masked(batch) - open_(batch)).abs().max() > 1e-3
    first = open_.attention(batch)[0].weights
    assert first.shape == (1, 4, 5, 40)
    assert first[..., 5:].sum(-1).mean() > 0.5
    assert masked.attention(batch)[0].weights.shape == (1, 4, 5, 5)


def test_attention_is_told_layer_by_layer_and_head_by_head() -> None:
    batch = batch_of([crystals(5)[4]], "orbits", 5.0)
    n = len(batch.graph)
    seen = network("small", heads=2, seeds=3).attention(batch)
    shapes = {a.layer: tuple(a.weights.shape) for a in seen}
    assert shapes == {
        "layer 1": (1, 2, n, n),
        "layer 2": (1, 2, n, n),
        "pooling": (1, 2, 3, n),
        "seeds": (1, 2, 3, 3),
    }
    for layer in seen:
        torch.testing.assert_close(layer.weights.sum(-1), torch.ones(layer.weights.shape[:-1]))
    layers = [(a.layer, a.queries, a.keys)
              for a in network("small", form="induced", depth=1).attention(batch)[:2]]  # fmt: skip
    assert layers == [("layer 1, inward", "points", "atoms"),
                      ("layer 1, outward", "atoms", "points")]  # fmt: skip
    assert [a.layer for a in network("small", form="alternating").attention(batch)] == [
        "layer 1", "layer 2"]  # fmt: skip


def test_pairs_of_orbits_count_their_neighbours() -> None:
    """Rock salt, a = 5.6 Angstrom: 6 unlike neighbours at a / 2, 12 like ones at a / sqrt 2."""
    salt = Crystal(
        lattice=FCC * 5.6, frac=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), species=np.array([11, 17])
    )
    batch = batch_of([salt], "orbits", 4.5)
    (part,) = padded(batch)
    pairs = ShellPairs(8, 4.5)
    found = pairs(batch, part)[0].expm1()
    unlike, like = pairs.radial(torch.tensor([2.8, 5.6 / np.sqrt(2)]).float())
    torch.testing.assert_close(found[0, 1], 6 * unlike, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[0, 0], 12 * like, rtol=1e-4, atol=1e-4)


def test_relative_positions_know_the_shortest_distance(mixed: list[Crystal]) -> None:
    layer = RelativePairs(4, 8.0)
    seen: list[Tensor] = []
    layer.radial.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for crystal in mixed[:6]:
        batch = batch_of([crystal])
        (part,) = padded(batch)
        layer(batch, part)
        n = crystal.n_atoms
        expected = nearest(crystal)[0]
        np.testing.assert_allclose(seen[-1].view(n, n).numpy(), expected, atol=1e-4)


def test_geometry_is_told_no_symmetry() -> None:
    model, batch = network("geometry"), batch_of(crystals(6))
    family = type(model)
    params, _ = registry.settings("cann", "geometry")
    assert not family.knows_symmetry(params)
    told = replace(
        batch,
        space_group=torch.full_like(batch.space_group, 7),
        site=torch.zeros_like(batch.site),
        wyckoff=torch.zeros_like(batch.wyckoff),
    )
    assert torch.equal(model(batch), model(told))
    for preset, knows in (("small", True), ("paper", True)):
        assert family.knows_symmetry(registry.settings("cann", preset)[0]) is knows
    cell, _ = registry.settings("cann", "paper", {"globals": "cell"})
    assert not family.knows_symmetry(cell)


def test_absolute_positions_break_translations_and_the_card_says_so() -> None:
    items = crystals(6)
    model = network("paper", positions="waves")
    moved = [translated(c, np.array([0.13, 0.21, 0.34])) for c in items]
    assert (model(batch_of(items)) - model(batch_of(moved))).abs().max() > 1e-3
    assert model.symmetries == ("permutation",)
    assert "translation" in network("geometry").symmetries
    assert "supercell" in network("small").symmetries


def test_the_published_network_reads_forty_atoms() -> None:
    sizes = {name: CrystalAttentionNetwork.most_atoms(registry.settings("cann", name)[0])
             for name in ("paper", "small", "geometry")}  # fmt: skip
    assert sizes == {"paper": 40, "small": 0, "geometry": 0}


def test_the_diagram_draws_what_is_built() -> None:
    for preset, form, blocks in (("paper", "full", 1), ("small", "alternating", 2)):
        params, _ = registry.settings("cann", preset, {"form": form})
        drawn = network_diagram("cann", params, (), 5)
        assert drawn is not None
        texts = [label.text for label in drawn.labels]
        model = registry.build("cann", 5, params)
        assert isinstance(model, CrystalAttentionNetwork)
        assert sum(text.startswith("attention  ") for text in texts) == len(model.blocks) == blocks
        sizes = "-".join(str(m.out_features) for m in model.head.layers
                         if isinstance(m, torch.nn.Linear))  # fmt: skip
        assert f"FC   {sizes}" in texts
        assert any("seeds" in text for text in texts) is (model.pooling is not None)
        skips = sum(line.dashed for line in drawn.lines)
        assert skips == 2 * blocks - (form == "alternating")
        assert all(box.x >= 0 and box.x + box.width <= drawn.width for box in drawn.boxes)
