"""Rolling is `torch.roll` sample by sample, uniform, fresh, and reproducible where it must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.datasets.images.rolling import (
    Rolled,
    draw,
    fixed,
    for_evaluation,
    roll,
    rolled,
)
from crystalgui.core.datasets.images.tables import ImageTable

RNG = np.random.default_rng(5)


def one_by_one(values: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    d = shifts.shape[1]
    axes = tuple(range(1, d + 1))
    pairs = zip(values, shifts.tolist(), strict=True)
    return torch.stack([torch.roll(v, tuple(s), axes) for v, s in pairs])


@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    channels=st.integers(1, 3),
    batch=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_rolling_is_that_of_torch(sizes: list[int], channels: int, batch: int, seed: int) -> None:
    torch.manual_seed(seed)
    values = torch.randint(256, (batch, channels, *sizes), dtype=torch.uint8)
    shifts = torch.randint(-20, 21, (batch, len(sizes)))
    assert torch.equal(roll(values, shifts), one_by_one(values, shifts))
    assert torch.equal(roll(values.double(), shifts), one_by_one(values.double(), shifts))


def test_each_replica_has_shifts_of_its_own() -> None:
    values = torch.rand(5, 2, 6, 4)
    shifts = draw(torch.tensor([0, 1, 9]).reshape(3, 1, 1), (3, 5, 2))
    found = roll(values, shifts)
    assert found.shape == (3, 5, 2, 6, 4)
    for own, mine in zip(found, shifts, strict=True):
        assert torch.equal(own, one_by_one(values, mine))
    assert torch.equal(found[0], values)
    same = roll(values.expand(3, -1, -1, -1, -1), shifts)
    assert torch.equal(same, found)


def test_rolling_back_gives_the_sample_and_gradients_pass() -> None:
    values = torch.rand(3, 2, 5, 5, 5, dtype=torch.float64, requires_grad=True)
    shifts = draw(4, (3, 3))
    assert torch.equal(roll(roll(values, shifts), -shifts), values)
    torch.autograd.gradcheck(lambda x: roll(x, shifts), (values,), fast_mode=True)


def test_shifts_are_uniform_within_the_degree() -> None:
    shifts = draw(2, (50_000, 2), generator=fixed(0, 0))
    values, counts = shifts.unique(return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    share = counts.double() / counts.sum()
    assert (share - 0.2).abs().max() < 0.005  # four standard deviations are 0.005
    cells = torch.zeros(5, 5).index_put((shifts[:, 0] + 2, shifts[:, 1] + 2),
                                        torch.ones(()), accumulate=True)  # fmt: skip
    chi_square = float(((cells - 2000) ** 2 / 2000).sum())
    assert chi_square < 60  # 24 degrees of freedom: beyond 52 one time in a thousand
    assert draw(0, (7, 2)).abs().sum() == 0


def table(m: int = 6) -> ImageTable:
    return ImageTable(RNG.integers(0, 256, (m, 1, 8, 8), dtype=np.uint8))


def test_training_draws_fresh_shifts_from_the_global_generator() -> None:
    plain = table()
    rows = torch.arange(6)
    some = Rolled(plain, 3)
    assert len(some) == 6
    assert some.nbytes == plain.nbytes
    assert some.plain is plain
    torch.manual_seed(3)
    first, second = some.batch(rows).values, some.batch(rows).values
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(some.batch(rows).values, first)
    state = torch.get_rng_state()
    third = some.batch(rows).values
    torch.set_rng_state(state)
    assert torch.equal(some.batch(rows).values, third)  # as a resumed run does


def test_evaluation_is_the_same_each_time_and_leaves_training_alone() -> None:
    some, rows = Rolled(table(), 3), torch.arange(6)
    state = torch.get_rng_state()
    first = for_evaluation(some, 1, 4).batch(rows).values
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(for_evaluation(some, 1, 4).batch(rows).values, first)
    assert not torch.equal(for_evaluation(some, 1, 5).batch(rows).values, first)
    halves = for_evaluation(some, 1, 4)
    parts = [halves.batch(rows[:2]).values, halves.batch(rows[2:]).values]
    assert torch.equal(torch.cat(parts), first)  # however the rows are divided into batches


def test_degree_zero_is_the_table_itself() -> None:
    plain = table()
    assert rolled(plain, 0) is plain
    assert for_evaluation(plain, 0, 0) is plain
    rows = torch.tensor([4, 1])
    assert torch.equal(Rolled(plain, 0).batch(rows).values, plain.batch(rows).values)


def test_zones_keep_their_dimension() -> None:
    class Zones:
        device = torch.device("cpu")
        nbytes = 0

        def __len__(self) -> int:
            return 4

        def batch(self, index: torch.Tensor) -> ZoneBatch:
            values = torch.arange(4 * 27.0).reshape(4, 1, 3, 3, 3)[index]
            return ZoneBatch(values, torch.tensor([1, 2, 3, 3])[index])

    some = Rolled(Zones(), 1, fixed(2, 0)).batch(torch.tensor([2, 0]))
    assert some.dimension.tolist() == [3, 1]
    assert some.values.shape == (2, 1, 3, 3, 3)
    assert some.values.flatten(1).sort().values.tolist() == [
        list(map(float, range(54, 81))), list(map(float, range(27)))
    ]  # fmt: skip


def test_bytes_become_numbers_between_zero_and_one() -> None:
    values = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1)
    values.flags.writeable = False  # as those that are read from an idx file
    batch = ImageTable(values).batch(torch.tensor([1, 2, 0]))
    assert batch.size == 3
    assert batch.values.dtype == torch.float32
    assert batch.values.flatten().tolist() == pytest.approx([1.0, 0.2, 0.0])
