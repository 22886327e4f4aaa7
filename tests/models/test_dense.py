"""Fully connected networks: the sizes of the paper, images beside hoppings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from crystalgui.core.models.dense import Dense

SIZES = {
    "mnist-small": [784, 20, 10],
    "mnist-medium": [784, 512, 256, 10],
    "mnist-large": [784, 525, 525, 525, 525, 525, 525, 10],
}


def network(preset: str, shape: tuple[int, ...], outputs: int) -> Network:
    torch.manual_seed(0)
    params, _ = registry.settings("dense", preset)
    return registry.build("dense", outputs, params, shape)


@pytest.mark.parametrize("preset", SIZES)
def test_the_controls_have_the_sizes_of_the_paper(preset: str) -> None:
    model = network(preset, (1, 28, 28), 10)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert [linear[0].in_features, *(m.out_features for m in linear)] == SIZES[preset]
    assert registry.settings("dense", preset)[1]["learning_rate"] == 1e-4
    assert model(ImageBatch(torch.rand(3, 1, 28, 28))).shape == (3, 10)


def test_images_are_standardised_by_colour_so_that_shifts_change_nothing_of_it() -> None:
    x = torch.rand(30, 3, 5, 4) * torch.tensor([1.0, 0.1, 3.0])[:, None, None] + 0.3
    x[:, 2] = 0.7  # a colour that never changes
    models = [network("small", (3, 5, 4), 2) for _ in range(2)]
    for model, values in zip(models, (x, x.roll((2, 1), (2, 3))), strict=True):
        model.standardise([ImageBatch(values[:10]), ImageBatch(values[10:])])
        assert isinstance(model, Dense)
        assert model.inputs.mean.shape == (3,)
        y = model.columns(ImageBatch(x)).unflatten(1, (3, 20))
        torch.testing.assert_close(y.mean((0, 2)), torch.zeros(3), rtol=0, atol=1e-5)
        spread = y.std((0, 2), correction=0)
        torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 0.0]), rtol=0, atol=1e-5)
    one, other = (model(ImageBatch(x)) for model in models)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_it_has_to_learn_every_shift_by_itself() -> None:
    model = network("mnist-small", (1, 8, 8), 4).eval()
    x = torch.rand(4, 1, 8, 8)
    assert (model(ImageBatch(x)) - model(ImageBatch(x.roll(1, 3)))).abs().max() > 1e-2


def test_hoppings_are_standardised_number_by_number() -> None:
    model = network("small", (27, 2, 2, 2), 3)
    assert isinstance(model, Dense)
    assert model.inputs.mean.shape == (27, 2, 2, 2)
