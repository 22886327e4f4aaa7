"""One contract over the whole registry: what every model family must keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crystalgui.core.cards import Card, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.errors import ModelError
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import CrystalModel, Network
from crystalgui.core.models._tensors import read_tensors, write_tensors
from tests.models import kinds
from tests.models.settling import settle

FAMILIES = sorted(registry.families())
CARDS = {name: registry.families()[name].card for name in FAMILIES}
READS = [(name, inputs) for name in FAMILIES for inputs in CARDS[name].inputs.split()]
OF_ONE_KIND = {"mnist": "image", "cifar": "image", "zone": "zone"}
"""First words of the names of presets that are sizes for one kind of input."""
CASES = [
    (name, preset, inputs)
    for name, inputs in READS
    for preset in CARDS[name].presets
    if OF_ONE_KIND.get(preset.split("-")[0], inputs) == inputs
]
TINY: dict[str, Scalar] = {"width": 16, "wide": 24, "dropout": 0.0, "substitution": 0.0,
                           "kernels": 12, "neurons": 20, "basis": 8, "voxels": 8, "growth": 4,
                           "leaf": 0.0, "rate": 0.5}  # fmt: skip


def settings(name: str, preset: str) -> dict[str, Scalar]:
    """The preset with small sizes, so that the contract takes seconds."""
    known = {p.name for p in registry.family(name).card.params}
    return registry.settings(name, preset, {k: v for k, v in TINY.items() if k in known})[0]


def network(name: str, preset: str, inputs: str, outputs: int = 3, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return registry.build(name, outputs, settings(name, preset), kinds.SHAPES[inputs])


def batch_of(model: Network, name: str, preset: str, inputs: str, items: list[Any]) -> Any:
    return kinds.batch_of(model, settings(name, preset), items, inputs)


def answer(name: str, preset: str, inputs: str, items: list[Any]) -> Tensor:
    """Outputs in float64 of a network with random weights, biases included."""
    model = network(name, preset, inputs)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape))
        return model.double().eval()(kinds.double(batch_of(model, name, preset, inputs, items)))


@pytest.mark.parametrize(("name", "preset", "inputs"), CASES)
class TestContract:
    def test_shapes_and_types(self, name: str, preset: str, inputs: str) -> None:
        model = network(name, preset, inputs, outputs=4)
        out = model(batch_of(model, name, preset, inputs, kinds.samples(inputs, 7)))
        assert out.shape == (7, 4)
        assert out.dtype == torch.float32
        assert torch.isfinite(out).all()

    def test_every_parameter_gets_a_finite_gradient(
        self, name: str, preset: str, inputs: str
    ) -> None:
        model = network(name, preset, inputs)
        batch = batch_of(model, name, preset, inputs, kinds.samples(inputs, 10))
        torch.nn.functional.cross_entropy(model(batch), torch.arange(10) % 3).backward()
        for key, p in model.named_parameters():
            assert p.grad is not None, key
            assert torch.isfinite(p.grad).all(), key
            assert p.grad.abs().max() > 0, key

    def test_saved_and_loaded_it_answers_the_same(
        self, name: str, preset: str, inputs: str, tmp_path: Path
    ) -> None:
        model = network(name, preset, inputs)
        batch = batch_of(model, name, preset, inputs, kinds.samples(inputs, 4))
        write_tensors(tmp_path / "m.safetensors", dict(model.state_dict()), {})
        other = network(name, preset, inputs, seed=9)
        other.load_state_dict(read_tensors(tmp_path / "m.safetensors")[0])
        assert torch.equal(model.eval()(batch), other.eval()(batch))

    def test_same_seed_same_loss(self, name: str, preset: str, inputs: str) -> None:
        losses = []
        for _ in range(2):
            model = network(name, preset, inputs, seed=5)
            batch = batch_of(model, name, preset, inputs, kinds.samples(inputs, 6))
            losses.append(torch.nn.functional.cross_entropy(model(batch), torch.arange(6) % 3))
        assert torch.equal(losses[0], losses[1])

    def test_a_batch_is_its_samples_one_by_one(self, name: str, preset: str, inputs: str) -> None:
        items = kinds.samples(inputs, 7)
        together = answer(name, preset, inputs, items)
        alone = torch.cat([answer(name, preset, inputs, [c]) for c in items])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)

    def test_overfits_eight_samples(self, name: str, preset: str, inputs: str) -> None:
        model = network(name, preset, inputs, outputs=2)
        batch = batch_of(model, name, preset, inputs, kinds.samples(inputs, 8))
        target = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
        model.standardise([batch])
        if model.constant:
            target = torch.ones(8, dtype=torch.long)
            model.start(target)
        if model.grows:
            for _ in range(10):
                *_, (_, out) = model.grow(lambda: [batch], target, 0)
            torch.testing.assert_close(model.eval()(batch), out, rtol=0, atol=1e-5)
            assert (out.argmax(1) == target).all()
            return
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(150):
            loss = torch.nn.functional.cross_entropy(model(batch), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if loss < 0.02:
                break
        settle(model, batch)
        assert (model.eval()(batch).argmax(1) == target).all()
        assert loss < 0.1

    def test_declared_symmetries_hold(self, name: str, preset: str, inputs: str) -> None:
        model = network(name, preset, inputs)
        assert set(model.card.symmetries) <= set(model.symmetries)
        items = kinds.samples(inputs, 10)
        for symmetry in model.symmetries:
            moved = [kinds.moved(symmetry, c, i) for i, c in enumerate(items)]
            torch.testing.assert_close(
                answer(name, preset, inputs, [*items]),
                answer(name, preset, inputs, [*moved]),
                rtol=0,
                atol=2e-6,
                msg=lambda text, s=symmetry: f"{s}: {text}",
            )

    def test_symmetries_that_are_not_declared_do_not_hold(
        self, name: str, preset: str, inputs: str
    ) -> None:
        items = kinds.samples(inputs, 10)
        if inputs != "crystal":
            return  # what only a crystal can be moved by
        for symmetry in {"rotation", "supercell"} - set(network(name, preset, inputs).symmetries):
            moved = [kinds.moved(symmetry, c, i) for i, c in enumerate(items)]
            change = answer(name, preset, inputs, [*items]) - answer(name, preset, inputs, [*moved])
            assert change.abs().max() > 1e-4


def extremes() -> list[tuple[str, str, str, Scalar]]:
    """Every parameter of every card at its bounds and choices."""
    found: list[tuple[str, str, str, Scalar]] = []
    for name, inputs in READS:
        for p in CARDS[name].params:
            kind = type(p.default)
            found += [(name, inputs, p.name, c) for c in p.choices]
            bounds = [b for b in (p.minimum, p.maximum) if b is not None]
            found += [(name, inputs, p.name, kind(b)) for b in bounds]
    return found


@pytest.mark.parametrize(("name", "inputs", "parameter", "value"), extremes())
def test_parameter_extremes_build_and_answer(
    name: str, inputs: str, parameter: str, value: Scalar
) -> None:
    known = {p.name for p in registry.family(name).card.params}
    small = {k: v for k, v in TINY.items() if k in known} | {parameter: value}
    params, _ = registry.settings(name, "small", small)
    model = registry.build(name, 2, params, kinds.SHAPES[inputs])
    out = model(kinds.batch_of(model, params, kinds.samples(inputs, 2), inputs))
    assert torch.isfinite(out).all()


def test_cards_are_complete() -> None:
    for card in registry.cards():
        assert card.name
        assert card.paper
        assert not card.error
        assert "small" in card.presets
        for preset in card.presets:
            registry.settings(card.name, preset)


def test_a_name_clash_raises() -> None:
    class Impostor(CrystalModel):
        @classmethod
        def graph_spec(cls, params):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        def forward(self, batch: Batch) -> Tensor:
            raise NotImplementedError

    card = registry.family("cgnn").card
    with pytest.raises(ModelError, match="Two model families"):
        registry.register(card)(Impostor)
    assert registry.family("cgnn").__name__ == "CrystalGraphNetwork"


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"nonsense": 1}, "no parameter 'nonsense'"),
        ({"width": "many"}, "must be a whole number"),
        ({"width": 2.5}, "must be a whole number"),
        ({"cutoff": -1.0}, "out of range"),
        ({"cutoff": float("nan")}, "out of range"),
        ({"features": "magic"}, "unknown"),
    ],
)
def test_bad_parameters_are_named(overrides: dict[str, Scalar], text: str) -> None:
    with pytest.raises(ModelError, match=text):
        registry.settings("cgnn", "small", overrides)


def test_an_unknown_family_or_preset_is_named() -> None:
    with pytest.raises(ModelError, match="no model family called 'gpt'"):
        registry.family("gpt")
    with pytest.raises(ModelError, match="no preset 'huge'"):
        registry.settings("cgnn", "huge")


def test_a_card_is_a_plain_value() -> None:
    card = registry.family("cgnn").card
    assert isinstance(card, Card)
    assert card.rows == ("N10",)
