"""The graph network that also reads the table of boosted trees."""

from __future__ import annotations

import torch

from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from tests.models import kinds
from tests.models.samples import crystals

SIZES = {"width": 8, "wide": 16, "depth": 1, "gaussians": 4, "dropout": 0.0, "substitution": 0.0}


def network(table: bool) -> tuple[Network, dict[str, object]]:
    torch.manual_seed(0)
    params, _ = registry.settings("cgnn", "small", SIZES | {"table": table})
    return registry.build("cgnn", 3, params), params


def test_the_table_is_standardised_and_read() -> None:
    model, params = network(True)
    batch = kinds.batch_of(model, params, crystals(12), "crystal")
    model.standardise([batch])
    out = model.eval()(batch)
    saved = dict(model.state_dict())
    other, _ = network(True)
    other.load_state_dict(saved)
    assert torch.equal(other.eval()(batch), out)
    with torch.no_grad():
        model.table.scale.zero_()
    assert (model(batch) - out).abs().max() > 1e-4


def test_without_it_the_network_is_the_former_one() -> None:
    plain, params = network(False)
    former = registry.build("cgnn", 3, {k: v for k, v in params.items() if k != "table"})
    assert plain.state_dict().keys() == former.state_dict().keys()
    assert not [key for key in plain.state_dict() if key.startswith("table")]


def test_no_setting_changes_its_answer() -> None:
    model, params = network(True)
    items = crystals(10)
    model.standardise([kinds.batch_of(model, params, items, "crystal")])
    other = [kinds.moved("supercell", c, i) for i, c in enumerate(items)]
    with torch.no_grad():
        a, b = (model.eval()(kinds.batch_of(model, params, x, "crystal")) for x in (items, other))
    torch.testing.assert_close(a, b, rtol=0, atol=2e-4)
