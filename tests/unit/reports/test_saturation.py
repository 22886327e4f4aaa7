"""What is said of saturated attention: which layers, since when, and a remedy that fits."""

from __future__ import annotations

from crystalgui.core.messages import AttentionReady
from crystalgui.core.reports.saturation import layers, numbers, saturation

READS = ("0 input", "1 conv", "2 conv", "3 pool")


def reading(
    epoch: int, means: tuple[float, ...], *, floor: float = 0.0, least: float | None = None,
    most: float = 1.0,
) -> AttentionReady:  # fmt: skip
    """A reading in which means at the ends are those of every sample."""
    low = floor if least is None else least
    stuck = tuple(m in (low, most) for m in means)
    return AttentionReady(
        run_id="r1", epoch=epoch, layers=READS[: len(means)], mean=means,
        std=tuple(0.0 if own else 0.05 for own in stuck), quantiles=tuple((m,) * 5 for m in means),
        saturated=stuck, samples=1250, floor=floor, least=low, most=most,
    )  # fmt: skip


def test_shut_layers_since_when_and_a_first_floor() -> None:
    shut = (0.0, 0.5, 0.0, 0.5)
    readings = [reading(0, (0.5, 0.4, 0.3, 0.2)), reading(1, (0.0, 0.5, 0.4, 0.5))]
    readings += [reading(2, shut), reading(3, shut)]
    found = saturation(readings, 3)
    assert found is not None
    assert (found.low, found.open, found.since, found.floor) == (("0", "2"), (), 2, 0.05)
    assert found.sentence == (
        "Layers 0 and 2 are shut for every sample alike since epoch 2: saturated. "
        "Raise the floor ε of the attention from 0 to 0.05, so that none is shut for good, or "
        "lower the learning rate."
    )
    assert saturation(readings, 0) is None
    early = saturation(readings, 1)
    assert early is not None
    assert early.title.startswith("Layer 0 is shut")


def test_a_layer_on_its_floor_asks_for_a_higher_one() -> None:
    found = saturation([reading(0, (0.05, 0.5, 0.5, 0.5), floor=0.05)], 4)
    assert found is not None
    assert (found.low, found.floor) == (("0",), 0.1)
    assert found.title.startswith("Layer 0 is at the floor 0.05 for every sample alike from the")
    assert "from 0.05 to 0.1" in found.hint
    assert found.hint.endswith("or lower the learning rate.")


def test_against_open_layers_a_floor_is_no_help() -> None:
    found = saturation([reading(1, (0.5, 1.0, 1.0, 1.0))], 1)
    assert found is not None
    assert (found.open, found.floor) == (("1", "2", "3"), 0.0)
    assert found.title.startswith("Layers 1–3 are open for every sample alike since epoch 1")
    assert "floor" not in found.hint
    assert "lower learning rate" in found.hint


def test_both_ends_at_once() -> None:
    found = saturation([reading(1, (0.0, 1.0, 0.4, 0.5))], 1)
    assert found is not None
    assert found.title.startswith("Layer 0 is shut and layer 1 is open")
    assert "to 0.05" in found.hint
    assert "against open layers a lower rate alone" in found.hint


def test_a_softmax_has_ends_of_its_own() -> None:
    means = (0.225, 0.325, 0.225, 0.23)
    found = saturation([reading(1, means, floor=0.9, least=0.225, most=0.325)], 1)
    assert found is not None
    assert (found.low, found.open) == (("0", "2"), ("1",))
    assert found.floor == 0.0  # it is high enough
    assert found.hint == "Lower the learning rate."


def test_nothing_to_say() -> None:
    assert saturation([], 3) is None
    assert saturation([reading(2, (0.3, 0.4, 0.5, 0.6))], 2) is None


def test_names_of_layers() -> None:
    assert numbers(READS) == ("0", "1", "2", "3")
    assert numbers(("a", "b")) == ("0", "1")
    assert layers(("3",)) == "layer 3"
    assert layers(("7", "1", "2", "3")) == "layers 1–3 and 7"
