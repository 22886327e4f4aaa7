"""Faithful encodings: what is different stays different, what is the same stays the same."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.cards import INVARIANCES, Card, Level, Param, Scalar
from crystalgui.core.datasets.collate import Batch, collate, double
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import CrystalModel
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.layers.encodings import (
    ELEMENT_KINDS,
    GLOBALS,
    PARTS,
    ElementEncoding,
    GlobalVector,
    PositionEncoding,
    broken_by,
    tells_symmetry,
)
from crystalgui.core.models.nnn import Bins
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.symmetry import niggli
from tests.models import kinds
from tests.models.samples import FCC, crystals

Z = torch.arange(1, N_ELEMENTS)
coordinate = st.floats(0, 1, exclude_max=True, width=32)
entry = st.floats(-30, 30, width=32)


def batch_of(*items: Crystal) -> Batch:
    table = Records.stack([str(i) for i in range(len(items))], [describe(c) for c in items])
    return double(collate(table, build(table, 0.0, "atoms")))


def cubic(size: float) -> Crystal:
    return Crystal(lattice=np.eye(3) * size, frac=np.zeros((1, 3)), species=[84])


NOT_HERE = {("handedness", "cell choice"), ("angles", "supercell")}
"""These are broken by left-handed cells and by oblique supercells."""


@cache
def settings_of(name: str) -> Batch:
    """Ten crystals, described otherwise."""
    items = crystals(10)
    if name != "none":
        items = [kinds.moved(name, c, i) for i, c in enumerate(items)]
    return batch_of(*items)


@cache
def vector_of(name: str) -> GlobalVector:
    return GlobalVector(GLOBALS[name]).double()


class TestElements:
    @pytest.mark.parametrize("kind", ELEMENT_KINDS)
    def test_no_two_elements_are_the_same(self, kind: str) -> None:
        torch.manual_seed(0)
        encoding = ElementEncoding(kind)
        codes = encoding(Z)
        assert codes.shape == (N_ELEMENTS - 1, encoding.size)
        nearest = torch.cdist(codes, codes).add_(torch.eye(len(Z)) * 9).min()
        assert nearest > (0.01 if kind == "properties" else 0.5)

    def test_the_left_step_code_is_row_half_and_spin(self) -> None:
        carbon, silicon, nitrogen = ElementEncoding("left-step")(torch.tensor([6, 14, 7]))
        assert carbon.nonzero()[:, 0].tolist() == [2, 8 + 25 // 2, 24]
        assert nitrogen.nonzero()[:, 0].tolist() == [2, 8 + 26 // 2]
        differ = (carbon != silicon).nonzero()[:, 0].tolist()
        assert differ == [2, 3]  # the same column, another row

    def test_another_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not one of"):
            ElementEncoding("rgb")


class TestPositions:
    @given(st.tuples(coordinate, coordinate, coordinate), st.tuples(*[coordinate] * 3))
    @settings(max_examples=60)
    def test_waves_keep_positions_apart(
        self, one: tuple[float, ...], other: tuple[float, ...]
    ) -> None:
        x = torch.tensor([one, other], dtype=torch.float64)
        codes = PositionEncoding("waves")(x)
        apart = (x[0] - x[1]).abs()
        distance = torch.minimum(apart, 1 - apart).norm()
        # a chord of the unit circle is at least four times its arc in turns
        assert (codes[0] - codes[1]).norm() >= 4 * distance - 1e-9

    @given(st.tuples(coordinate, coordinate, coordinate), st.tuples(*[st.integers(0, 1)] * 3))
    @settings(max_examples=30)
    def test_published_sines_do_not(self, x: tuple[float, ...], half: tuple[int, ...]) -> None:
        other = [a + h / 2 for a, h in zip(x, half, strict=True)]
        moved = torch.tensor([[*x], other], dtype=torch.float64)
        sines = PositionEncoding("sines")(moved)
        torch.testing.assert_close(sines[0], sines[1], rtol=0, atol=1e-9)

    def test_an_atom_at_a_quarter_looks_like_an_empty_place(self) -> None:
        quarters = torch.arange(4).double()[:, None].expand(4, 3) / 4
        assert PositionEncoding("sines")(quarters).abs().max() < 1e-12
        waves = PositionEncoding("waves")(quarters)
        assert torch.cdist(waves, waves).add_(torch.eye(4) * 9).min() > 1

    def test_both_live_on_the_torus(self) -> None:
        x = torch.rand(5, 3).double()
        for kind in ("sines", "waves"):
            encode = PositionEncoding(kind)
            torch.testing.assert_close(encode(x), encode(x + torch.tensor([1.0, -2.0, 3.0])))
            assert encode(x).shape == (5, encode.size)


class TestGlobals:
    @given(st.lists(entry, min_size=9, max_size=9), st.integers(0, 8), st.floats(0.01, 20))
    @settings(max_examples=30)
    def test_waves_keep_cells_apart(self, cell: list[float], which: int, by: float) -> None:
        one = torch.tensor(cell, dtype=torch.float64).view(3, 3)
        other = one.clone()
        other.view(-1)[which] += by
        batch = settings_of("none")
        lattice = torch.cat([torch.stack([one, other]), batch.lattice[2:]])
        codes = vector_of("cell")(replace(batch, lattice=lattice))
        assert (codes[0] - codes[1]).norm() >= by / 10 - 1e-9

    def test_published_sines_repeat_every_five_angstrom(self) -> None:
        batch = batch_of(cubic(3.4), cubic(8.4), cubic(5.0), cubic(7.5))
        sines = GlobalVector(GLOBALS["paper"])(batch)
        torch.testing.assert_close(sines[0], sines[1], rtol=0, atol=1e-6)
        torch.testing.assert_close(sines[2], sines[3], rtol=0, atol=1e-6)
        ours = GlobalVector(GLOBALS["waves"])(batch)
        assert (ours[0] - ours[1]).norm() >= 0.5
        assert (ours[2] - ours[3]).norm() >= 0.25

    def test_rock_salt_and_zinc_blende_differ_by_their_space_group_alone(self) -> None:
        pair = [
            Crystal(lattice=FCC * 5.5, frac=[[0, 0, 0], [x, x, x]], species=[11, 17])
            for x in (0.5, 0.25)
        ]
        batch = batch_of(*pair)
        published, ours = Bins("left-step", "sines").double(), Bins("left-step", "waves").double()
        one, other = published(batch)
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
        assert (ours(batch)[0] - ours(batch)[1]).norm() > 1
        assert batch.space_group.tolist() == [225, 216]

    def test_mirror_images_differ_by_handedness(self) -> None:
        one = crystals(5)[4]
        other = Crystal(lattice=one.lattice * [1, 1, -1], frac=one.frac, species=one.species)
        codes = GlobalVector(GLOBALS["metric"]).double()(batch_of(one, other))
        assert (codes[0] != codes[1]).nonzero()[:, 0].tolist() == [9]

    @pytest.mark.parametrize("part", PARTS)
    def test_a_part_keeps_the_invariances_that_it_does_not_break(self, part: str) -> None:
        torch.manual_seed(0)
        vector = GlobalVector((part,)).double()
        before = vector(settings_of("none"))
        assert before.shape == (10, vector.size)
        assert before.isfinite().all()
        for name in INVARIANCES:
            change = (vector(settings_of(name)) - before).abs().max()
            if name not in PARTS[part].breaks:
                assert change < 1e-4, name
            elif (part, name) not in NOT_HERE:
                assert change > 1e-3, name

    def test_parts_that_tell_the_symmetry_are_known(self) -> None:
        low = crystals(10)[9]
        batch = batch_of(low)
        for part in PARTS:
            vector = GlobalVector((part,)).double()
            before = vector(batch)
            told = replace(
                batch, space_group=torch.tensor([225]), site=torch.full_like(batch.site, 31)
            )
            changed = not torch.equal(vector(told), before)
            assert changed == tells_symmetry([part]), part

    def test_counts_are_of_the_primitive_cell(self) -> None:
        salt = crystals(1)[0]
        electrons = int(salt.species.sum())
        vector = GlobalVector(("electrons parity", "atoms")).double()(batch_of(salt))
        assert vector[0, 0] == electrons % 2
        assert vector[0, 2] == pytest.approx(np.log(2))

    def test_an_unknown_part_is_refused(self) -> None:
        with pytest.raises(ValueError, match="mass"):
            GlobalVector(("mass",))


class TestCrystals:
    """The whole input of a network of atoms: elements, positions, global vector."""

    @staticmethod
    def inputs(batch: Batch, positions: str, known: str) -> list[np.ndarray]:
        """For each crystal, its atoms as a sorted list and the global vector."""
        element, position = ElementEncoding("left-step").double(), PositionEncoding(positions)
        atoms = torch.cat([element(batch.species), position(batch.frac)], 1).detach().numpy()
        whole = vector_of(known)(batch).numpy()
        found = []
        for i in range(batch.size):
            own = atoms[batch.graph.numpy() == i].round(6)
            own = own[np.lexsort(own.T)]
            found.append(np.concatenate([own.reshape(-1), whole[i]]))
        return found

    @given(st.integers(0, 10_000), st.sampled_from(["lattice", "position", "species"]))
    @settings(max_examples=40, deadline=None)
    def test_different_crystals_have_different_inputs(self, seed: int, what: str) -> None:
        rng = np.random.default_rng(seed)
        one = crystals(5, seed)[int(rng.integers(5))]
        lattice, frac, species = one.lattice.copy(), one.frac.copy(), one.species.copy()
        atom = int(rng.integers(one.n_atoms))
        if what == "lattice":
            lattice[rng.integers(3), rng.integers(3)] += rng.choice([0.02, 2.5, 5.0])
        elif what == "position":
            frac[atom, rng.integers(3)] += rng.choice([0.01, 0.25, 0.5])
        else:
            species[atom] = species[atom] % 90 + 1
        other = Crystal(lattice=lattice, frac=frac, species=species)
        a, b = self.inputs(batch_of(one, other), "waves", "waves")
        assert len(a) == len(b)
        assert np.abs(a - b).max() > 1e-3

    def test_the_published_input_confuses_two_polonium_cubes(self) -> None:
        a, b = self.inputs(batch_of(cubic(3.4), cubic(8.4)), "sines", "paper")
        assert a == pytest.approx(b, abs=1e-6)


def holding() -> list[tuple[str, str, str]]:
    """Family, preset and invariance, for families of crystals whose cards speak of them."""
    found = []
    for name, family in sorted(registry.families().items()):
        if not issubclass(family, CrystalModel) or not family.card.invariances:
            continue
        for preset in family.card.presets:
            found += [(name, preset, what) for what in INVARIANCES]
    return found


class TestCards:
    @pytest.mark.parametrize(("name", "preset", "what"), holding())
    def test_what_a_card_says_of_an_invariance_is_true(
        self, name: str, preset: str, what: str
    ) -> None:
        family = registry.family(name)
        known = {p.name for p in family.card.params}
        tiny: dict[str, Scalar] = {"width": 8, "wide": 8, "voxels": 8, "dropout": 0.0}
        params, _ = registry.settings(name, preset, {k: v for k, v in tiny.items() if k in known})
        torch.manual_seed(0)
        model = registry.build(name, 3, params)
        said = family.card.holds(params)[what]
        if what != "cell choice":
            assert (said == "exact") == (what in model.symmetries)
            return  # the contract of the families measures those
        items = crystals(5)
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.05 * torch.randn(p.shape))
            model.double().eval()
            before, after = (
                model(kinds.double(kinds.batch_of(model, params, some, "crystal")))
                for some in (items, [kinds.other_cell(c, i) for i, c in enumerate(items)])
            )
        change = (after - before).abs().max()
        if said == "no":
            assert change > 1e-6
        else:
            assert change < (2e-6 if said == "exact" else before.std(0).max())

    def test_the_weakest_counts(self) -> None:
        card = Card(
            name="x", title="", tasks=("regression",), inputs="crystal", paper="",
            params=(
                Param(name="cell", label="", default="a", choices=("a", "b")),
                Param(name="turn", label="", default=False),
            ),
            symmetries=("permutation",),
            invariances={"rotation": "exact", "supercell": "approximate"},
            depends={"cell=b": {"rotation": "approximate"}, "turn=True": {"rotation": "no"}},
        )  # fmt: skip
        plain: dict[str, Level] = {
            "translation": "no", "permutation": "exact", "rotation": "exact",
            "supercell": "approximate", "cell choice": "no",
        }  # fmt: skip
        assert card.holds() == plain
        assert card.holds({"cell": "b"})["rotation"] == "approximate"
        assert card.holds({"cell": "b", "turn": True})["rotation"] == "no"

    def test_globals_say_what_they_break(self) -> None:
        card = registry.family("nnn").card
        for name, parts in GLOBALS.items():
            broken = {k for k, v in card.holds({"globals": name}).items() if v == "no"}
            assert broken == broken_by(parts)


def test_the_niggli_cell_of_any_cell_is_the_same_to_a_network_of_orbits() -> None:
    items = crystals(5)
    params, _ = registry.settings("nnn", "small", {"width": 8, "dropout": 0.0})
    model = registry.build("nnn", 3, params).double().eval()
    others = [niggli(kinds.other_cell(c, i)) for i, c in enumerate(items)]
    before, after = (
        model(kinds.double(kinds.batch_of(model, params, some, "crystal")))
        for some in (items, others)
    )
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)
