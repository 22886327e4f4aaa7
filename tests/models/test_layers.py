"""Encodings of elements, space groups and distances."""

from __future__ import annotations

import numpy as np
import torch

from crystalgui.core.datasets.collate import collate
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import POINT_GROUPS
from crystalgui.core.models.layers.crystal import (
    SymmetryGlobals,
    classes_of_groups,
    composition,
    substituted,
)
from crystalgui.core.models.layers.elements import (
    N_ELEMENTS,
    element_features,
    left_step,
    relatives,
)
from crystalgui.core.models.layers.graph import Gaussians, scatter_sum
from crystalgui.core.structures.elements import GROUP, SYMBOLS
from tests.models.samples import table


def z(symbol: str) -> int:
    return SYMBOLS.index(symbol)


def test_left_step_table() -> None:
    place = left_step()
    assert len({tuple(p) for p in place[1:]}) == N_ELEMENTS - 1
    assert place[z("H")].tolist() == [0, 30]
    assert place[z("He")].tolist() == [0, 31]
    assert place[z("B"), 1] == place[z("Al"), 1] == place[z("Tl"), 1] == 24
    assert place[z("Sc")].tolist() == [4, 14]
    assert place[z("La")].tolist() == [6, 0]
    rows = [place[z(s), 0] for s in ("Fe", "Ru", "Os")]
    assert rows == [4, 5, 6]


def test_every_element_has_its_own_finite_features() -> None:
    features = element_features()
    assert torch.isfinite(features).all()
    assert len({tuple(row) for row in features[1:, :25].tolist()}) == N_ELEMENTS - 1


def test_relatives_keep_the_parity_and_the_group() -> None:
    table_ = relatives()
    own = torch.arange(N_ELEMENTS)
    assert ((table_ - own[:, None]) % 2 == 0).all()
    assert {SYMBOLS[i] for i in table_[z("As")].tolist()} == {"P", "Sb"}
    assert {SYMBOLS[i] for i in table_[z("Nd")].tolist()} == {"Ce", "Sm"}
    for a, b in table_[3:57].tolist():
        assert GROUP[a] == GROUP[b]


def test_substitution_changes_elements_of_a_whole_crystal_at_once() -> None:
    rows = table(20)
    batch = collate(rows, build(rows, 4.0, "orbits"))
    torch.manual_seed(0)
    changed = substituted(batch, relatives(), 0.5)
    assert 0.2 < (changed.species != batch.species).double().mean() < 0.7
    assert torch.equal(changed.species % 2, batch.species % 2)
    for crystal in range(20):
        mask = batch.graph == crystal
        pairs = set(zip(batch.species[mask].tolist(), changed.species[mask].tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs})
    assert torch.equal(substituted(batch, relatives(), 0.0).species, batch.species)


def test_space_groups_have_their_point_group_and_system() -> None:
    group, system = classes_of_groups()
    for number, name, which in (
        (1, "1", 0), (2, "-1", 0), (14, "2/m", 1), (62, "mmm", 2), (139, "4/mmm", 3),
        (122, "-42m", 3), (166, "-3m", 4), (194, "6/mmm", 5), (187, "-6m2", 5), (216, "-43m", 6),
        (225, "m-3m", 6), (230, "m-3m", 6),
    ):  # fmt: skip
        assert POINT_GROUPS[group[number]] == name
        assert system[number] == which
    assert len(set(group[1:].tolist())) == 32


def test_composition_counts_atoms_of_the_primitive_cell() -> None:
    rows = table(8)
    counts = composition(collate(rows, build(rows, 4.0, "orbits")))
    for i in range(8):
        cells = int(rows.cells[i])
        expected = {a: n / cells for a, n in rows.crystal(i).composition.items()}
        found = {int(a): float(counts[i, a]) for a in counts[i].nonzero()[:, 0]}
        assert found == expected


def test_the_electron_count_enters_modulo_two() -> None:
    rows = table(30)
    layer = SymmetryGlobals()
    features = layer(collate(rows, build(rows, 4.0, "orbits")))
    assert features.shape == (30, layer.size)
    parity = features[:, 231 + 32 + 7 : 231 + 32 + 7 + 2].argmax(1).numpy()
    electrons = [int(rows.crystal(i).species.sum()) // int(rows.cells[i]) for i in range(30)]
    np.testing.assert_array_equal(parity, np.array(electrons) % 2)


def test_radial_functions_vanish_smoothly_at_the_cutoff() -> None:
    radial = Gaussians(16, 5.0)
    near, at = radial(torch.tensor([4.999])), radial(torch.tensor([5.0]))
    assert at.abs().max() < 1e-6
    assert near.abs().max() < 1e-5
    assert radial(torch.tensor([1.0])).argmax() == 0


def test_scatter_sum_is_a_sum_by_index() -> None:
    x = torch.arange(12.0).reshape(6, 2)
    index = torch.tensor([2, 0, 2, 2, 0, 1])
    total = scatter_sum(x, index, 4)
    expected = torch.stack([x[index == i].sum(0) for i in range(4)])
    assert torch.equal(total, expected)
