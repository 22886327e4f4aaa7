"""The sixteen architectures: invariance, equal pipelines, nesting, attention, vmapped replicas."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.datasets.images.idx import read
from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.errors import ModelError
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.architecture import (
    CONTROLS,
    CONVOLUTIONS,
    FREE,
    KINDS,
    REDUCTIONS,
    SIXTEEN,
    architecture,
)
from crystalgui.core.models.extractor import Extractor, Pool
from crystalgui.core.models.layers.pooling import Anchor, LocalPool
from crystalgui.core.models.layers.readout import BasisChange, FreeAttention
from tests.models.kinds import samples
from tests.models.settling import settle

SMALL = {"width": 6, "basis": 5, "wide": 8}
EXACT = {"rtol": 0, "atol": 1e-10}
IMAGE, ZONE = (3, 12, 12), (5,)


def network(shape: tuple[int, ...] = IMAGE, seed: int = 0, **params: Any) -> Extractor:
    torch.manual_seed(seed)
    values, _ = registry.settings("extractor", "small", {**SMALL, **params})
    model = registry.build("extractor", 4, values, shape)
    assert isinstance(model, Extractor)
    return model


def images(number: int = 4) -> Tensor:
    return torch.stack(samples("image", number))


def zones(number: int = 2, mesh: tuple[int, ...] = (4, 4, 4)) -> Tensor:
    return torch.randn(number, *ZONE, *mesh, generator=torch.Generator().manual_seed(1))


def settled(model: Extractor, x: Tensor) -> Extractor:
    """With the running mean and spread of its norms, as after training."""
    settle(model.train(), x)
    return model.eval()


def change(model: Extractor, x: Tensor, step: int = 1) -> float:
    """Largest change of an answer under all shifts of the axes."""
    axes = tuple(range(2, x.ndim))
    shifts = itertools.product(*(range(0, n, step) for n in x.shape[2:]))
    moved = torch.cat([x.roll(shift, axes) for shift in shifts])
    with torch.no_grad():
        return float((model(moved).unflatten(0, (-1, len(x))) - model(x)).abs().max())


# ------------------------------------------------------------------ invariance


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_toroidal_sum_is_invariant_under_all_shifts_before_and_after_training(
    kind: str, reduce: str
) -> None:
    model, x = network(kind=kind, reduce=reduce), images(4)
    model.standardise([ImageBatch(x)])
    target = torch.arange(4)
    assert change(model.eval(), x) < 1e-5
    optimiser = torch.optim.Adam(model.train().parameters(), lr=1e-2)
    first = torch.nn.functional.cross_entropy(model(x), target)
    for _ in range(10):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimiser.step()
    assert loss < first
    assert (model(x) - model(x)[0]).abs().max() > 5e-5
    assert change(model.eval(), x) < 1e-5


@pytest.mark.parametrize("params", [{"kind": "tuned"}, {"reduce": "full"}, {"halvings": 0},
                                    {"depth": 3, "gated": True, "kind": "hybrid"},
                                    {"norm": "tensor"}, {"local": "mean"}])  # fmt: skip
def test_zones_are_read_from_any_origin(params: dict[str, Any]) -> None:
    x = zones().double()
    model = settled(network(ZONE, **params).double(), x)
    assert change(model, x) < 1e-10
    assert model.symmetries == ("origin",)


@pytest.mark.data
def test_real_images_are_read_from_any_origin_but_not_with_the_sampling_of_the_paper(
    shared_data: Path,
) -> None:
    """Nearly equal sublattices of real images do not upset an anchor."""
    bytes_ = read(shared_data / "images/fashion-mnist/t10k-images-idx3-ubyte.gz")[:100].copy()
    x = torch.from_numpy(bytes_)[:, None] / 255
    changes = {}
    for sampling in ("strongest", "first"):
        model = network((1, 28, 28), sampling=sampling)
        model.standardise([ImageBatch(x)])
        settled(model, x[:32])
        with torch.no_grad():
            still = model(x)
            changes[sampling] = torch.stack([
                (model(x.roll(shift, (2, 3))) - still).abs().amax(1)
                for shift in ((1, 0), (0, 1), (5, -3), (14, 7))
            ])  # fmt: skip
    assert changes["strongest"].max() < 1e-5
    assert changes["first"].median() > 1e-4


@pytest.mark.parametrize("convolution", CONVOLUTIONS[:2])
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_an_edge_notices_shifts(kind: str, convolution: str) -> None:
    model = settled(network(kind=kind, convolution=convolution), images(8))
    assert change(model, images(2), step=5) > 1e-4
    assert model.symmetries == ()


def test_the_sampling_of_the_paper_is_invariant_under_whole_strides_only() -> None:
    x = images(8).double()
    model = settled(network(sampling="first", kind="standard").double(), x)
    assert model.symmetries == ()
    assert change(model, x, step=4) < 1e-10
    assert change(model, x[:2]) > 1e-4
    # without a reduction there is nothing to choose
    whole = network(sampling="first", halvings=0, depth=1).double().eval()
    assert whole.symmetries == ("origin",)
    assert change(whole, x[:2]) < 1e-10


def test_an_anchored_sample_does_not_know_where_it_began() -> None:
    x = torch.randn(5, 2, 6, 4, 7, generator=torch.Generator().manual_seed(0)).double()
    anchor = Anchor()
    still = anchor(x)[:, :, ::2, ::2]
    for shift in itertools.product(range(3), range(2), (0, 3)):
        moved = anchor(x.roll(shift, (2, 3, 4)))[:, :, ::2, ::2]
        # some roll of the kept sublattice, of each sample its own
        for one, other in zip(still, moved, strict=True):
            assert any(
                torch.equal(one.roll((i, j, shift[2]), (1, 2, 3)), other)
                for i in range(3)
                for j in range(2)
            )
    kept = anchor(x)[:, :, ::2, ::2].square().sum((1, 2, 3, 4))
    for i, j in itertools.product(range(2), repeat=2):
        part = x.roll((-i, -j), (2, 3))[:, :, ::2, ::2].square().sum((1, 2, 3, 4))
        assert (kept >= part - 1e-12).all()


def test_a_pool_leaves_odd_axes_alone() -> None:
    layer = next(s.layer for s in network().pipeline if isinstance(s, Pool))
    x = torch.randn(6, 2, 8, 10, generator=torch.Generator().manual_seed(3)).double()
    for anchored, kind in itertools.product((True, False), ("max", "mean")):
        pool = Pool(replace(layer, anchored=anchored), kind)
        moved = Anchor()(x) if anchored else x
        torch.testing.assert_close(pool(x), LocalPool(2, 2, kind)(moved), **EXACT)
        assert pool(x[..., :5]).shape == (6, 2, 4, 5)


def test_one_point_along_a_dead_axis_is_many() -> None:
    short = zones(2, (4, 4, 1)).double()
    for params in ({}, {"reduce": "full"}, {"kind": "hybrid", "halvings": 1}):
        model = settled(network(ZONE, **params).double(), short)
        torch.testing.assert_close(model(short), model(short.repeat(1, 1, 1, 1, 4)), **EXACT)
        for mesh in ((3, 3, 3), (5, 4, 6), (8, 8, 8), (1, 1, 1)):  # any mesh will do
            assert torch.isfinite(model(zones(1, mesh).double())).all()
    batch = ZoneBatch(short, torch.tensor([2, 2]))
    torch.testing.assert_close(model(batch), model(short), **EXACT)


@pytest.mark.parametrize("shape", [(2, 16), (1, 9, 10), (2, 6, 4, 8)])
def test_one_two_and_three_dimensions(shape: tuple[int, ...]) -> None:
    for convolution in CONVOLUTIONS:
        x = torch.rand(2, *shape).double()
        model = settled(network(shape, convolution=convolution).double(), x)
        assert model(x).shape == (2, 4)
        if convolution == "toroidal-sum":
            assert change(model, x) < 1e-10


# ------------------------------------------------------------------ description


def test_there_are_sixteen() -> None:
    assert list(SIXTEEN) == [f"B{n}" for n in range(29, 45)]
    assert len({tuple(params.items()) for _, params in SIXTEEN.values()}) == 16
    assert list(CONTROLS) == [f"B{n}" for n in range(51, 59)]
    for title, params in (SIXTEEN | CONTROLS).values():
        assert set(title.split()) <= set(params.values())
        network(**params)
    assert {*SIXTEEN, *CONTROLS} <= set(registry.family("extractor").card.rows)


@pytest.mark.parametrize("shape", [IMAGE, (1, 28, 28), ZONE])
def test_all_pipelines_have_as_many_parameters(shape: tuple[int, ...]) -> None:
    counts = {}
    for kind, convolution, reduce in itertools.product(KINDS, CONVOLUTIONS, REDUCTIONS):
        model = network(shape, kind=kind, convolution=convolution, reduce=reduce)
        counts[kind, convolution, reduce] = sum(p.numel() for p in model.pipeline.parameters())
        norms = 2 * 6 * sum(layer.kind == "convolution" for layer in model.architecture.layers)
        assert counts[kind, convolution, reduce] == model.architecture.parameters + norms
    assert len(set(counts.values())) == 1


def test_the_description_is_what_the_network_does() -> None:
    """Names, channels and sizes of every layer are those of its activations."""
    for shape, kind, convolution, reduce in itertools.product(
        (IMAGE, (1, 14, 10)), ("standard", "hybrid"), CONVOLUTIONS, REDUCTIONS
    ):
        model = network(shape, kind=kind, convolution=convolution, reduce=reduce)
        layers = model.architecture.layers
        assert [name for name, _ in model.stages()] == [layer.name for layer in layers[1:]]
        x = torch.rand(2, *shape)
        for layer, (_, stage) in zip(layers[1:], model.stages(), strict=True):
            y = stage(x)
            assert y.shape == (2, layer.outputs, *layer.size)
            assert layer.bypassed == (kind == "hybrid" and layer.kind == "convolution"
                                      and x.shape == y.shape)  # fmt: skip
            x = y
    plan = network((3, 32, 32), halvings=4, kind="free").architecture
    assert [layer.size for layer in plan.layers if layer.kind == "pooling"] == [
        (16, 16), (8, 8), (4, 4), (2, 2)]  # fmt: skip
    assert plan.readouts[:4] == ("0 input", "1 conv", "2 conv", "3 pool")
    assert len(plan.readouts) == 16


def test_inputs_without_points_or_with_too_many_axes_are_refused() -> None:
    params, _ = registry.settings("extractor", "small")
    for shape in ((), (1, 2, 3, 4, 5), (3, 0, 4)):
        with pytest.raises(ModelError, match="cannot read inputs of shape"):
            architecture(params, shape, 2)


# ------------------------------------------------------------------ nesting


@pytest.mark.parametrize(
    "params",
    [{"kind": "tuned"}, {"kind": "free"}, {"kind": "high-bandwidth", "convolution": "convolution"},
     {"kind": "hybrid", "reduce": "full"}, {"kind": "free", "attention": "softmax", "floor": 0.0}],
    ids=str,
)  # fmt: skip
def test_a_deeper_extractor_reproduces_a_shallower_one(params: dict[str, Any]) -> None:
    """Eq. 25: the read-outs of the further layers are brought to nothing."""
    x = images(8).double()
    shallow = settled(network(**params, whole=False, halvings=1).double(), x)
    deep = settled(network(**params, whole=False, halvings=3, seed=5).double(), x)
    shallow.standardise([ImageBatch(x)])
    assert len(deep.readouts) > len(shallow.readouts)
    assert (deep(x) - shallow(x)).abs().max() > 1e-3
    deep.reproduce(shallow)
    torch.testing.assert_close(deep(x), shallow(x), rtol=0, atol=1e-13)
    # and is more than it: the further read-outs can be trained
    loss = deep(x).square().sum()
    loss.backward()
    further = deep.basis.parts()[-1][0]  # type: ignore[union-attr]
    assert deep.basis.weights[-1].grad[-1].shape == further.shape  # type: ignore[index, union-attr]
    assert deep.basis.weights[-1].grad[-1].abs().max() > 0  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("deep", "shallow"),
    [
        ({"kind": "residual"}, {"kind": "residual"}),
        ({"kind": "free"}, {"kind": "tuned"}),
        ({"whole": True}, {"whole": True}),
        ({"kind": "free", "attention": "softmax", "floor": 0.1}, {"kind": "free"}),
        ({"halvings": 0}, {"halvings": 2}),
    ],
)
def test_networks_that_are_not_nested_say_so(deep: dict[str, Any], shallow: dict[str, Any]) -> None:
    base = {"whole": False, "halvings": 1}
    with pytest.raises(ModelError, match="does not contain"):
        network(**{**base, "halvings": 2, **deep}).reproduce(network(**{**base, **shallow}))


# ------------------------------------------------------------------ read-outs, attention


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["sigmoid", "softmax"])
def test_attention_is_tapped(kind: str, attention: str) -> None:
    model, batch = network(kind=kind, attention=attention, floor=0.2), ImageBatch(images(6))
    out, taps = model.eval().tapped(batch)
    assert torch.equal(out, model(batch))
    if kind not in FREE:
        assert taps == {}
        return
    values = taps["attention"]
    assert values.shape == (6, len(model.readouts))
    assert values.std(0).max() > 0  # free: each sample its own
    if attention == "softmax":
        torch.testing.assert_close(values.sum(1), torch.ones(6))
        assert values.min() >= 0.2 / len(model.readouts)
    else:
        assert values.min() >= 0.2
        assert values.max() <= 1


def test_a_saturated_sigmoid_stays_above_the_floor_and_keeps_its_gradient() -> None:
    for floor, least in ((0.0, 0.0), (0.05, 0.05)):
        layer = FreeAttention(2, 3, 4, 2, floor=floor)
        with torch.no_grad():
            layer.ask.layers[-1].bias.copy_(torch.tensor([-200.0, 200.0]))
        x = torch.randn(3, 2, 3, requires_grad=True)
        out, values = layer(x)
        torch.testing.assert_close(values, torch.tensor([[least, 1.0]]).expand(3, 2))
        out.sum().backward()
        assert x.grad is not None
        assert bool(x.grad[:, 0].abs().max() > 0) == (floor > 0)


def test_attention_modulates_what_is_read() -> None:
    """With all values at 1 free attention is the tuned reading of the same read-outs."""
    layer = FreeAttention(3, 4, 5, 2).double()
    with torch.no_grad():
        layer.ask.layers[-1].bias.fill_(100.0)
    x = torch.randn(6, 3, 4).double()
    out, values = layer(x)
    torch.testing.assert_close(values, torch.ones(6, 3).double(), **EXACT)
    torch.testing.assert_close(out, layer.read(x.flatten(1)), **EXACT)


def test_each_readout_has_a_basis_of_its_own() -> None:
    change = BasisChange([3, 6, 6, 2], 4).double()
    vectors = [torch.randn(5, n).double() for n in (3, 6, 6, 2)]
    found = change(vectors)
    assert found.shape == (5, 4, 4)
    for i, (weight, shift) in enumerate(change.parts()):
        torch.testing.assert_close(found[:, i], vectors[i] @ weight + shift, **EXACT)


# ------------------------------------------------------------------ replicas


@pytest.mark.parametrize("params", [{"kind": "hybrid", "gated": True}, {"reduce": "full"},
                                    {"kind": "standard", "convolution": "toroidal-fcn"},
                                    {"norm": "tensor", "kind": "tuned"}])  # fmt: skip
def test_mapped_replicas_with_inputs_of_their_own_are_single_networks(
    params: dict[str, Any],
) -> None:
    models = [network(seed=seed, **params).double().train() for seed in range(3)]
    x = torch.stack([images(4).roll(r, 3) for r in range(3)]).double()
    stacked, buffers = stack_module_state(models)  # type: ignore[arg-type]
    spare = network(**params).double().train()
    out = vmap(lambda p, b, v: functional_call(spare, (p, b), (v,)))(stacked, buffers, x)
    out.square().sum().backward()
    for r, model in enumerate(models):
        alone = model(x[r])
        torch.testing.assert_close(out[r], alone, **EXACT)
        alone.square().sum().backward()
        for name, p in model.named_parameters():
            torch.testing.assert_close(stacked[name].grad[r], p.grad, **EXACT)
