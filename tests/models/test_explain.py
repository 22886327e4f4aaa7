"""What an answer rests on: sum rules, made-up models with known shares, pairs, sizes."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystalgui.cli import main
from crystalgui.core.cards import Scalar, TrainedModel
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.records import describe
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import Event, ExplainJob, ExplainReady, Progress
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models.blend import Blend, Part
from crystalgui.core.models.explain import (
    SENT,
    explain,
    explanation,
    looked,
    nearest,
    reduce_maps,
)
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.layers.graph import scatter_sum
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.trained import Inference, write_model
from crystalgui.core.reports.explain import COLUMNS, explanation_text
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from tests.models.samples import FCC, crystals

CLASSES = ("a", "b", "c")
SIZES: dict[str, dict[str, Scalar]] = {
    "cann": {"width": 16, "wide": 24, "key": 8, "gaussians": 6},
    "cgnn": {"width": 8, "wide": 16, "depth": 1},
}


class Power(CrystalModel):
    """The sum of a number for each atom, to a power: every share can be worked out by hand."""

    def __init__(self, power: int, kind: str = "atoms") -> None:
        super().__init__(1)
        self.power = power
        self.table = nn.Embedding(N_ELEMENTS, 1)
        self.table.weight.data = (torch.arange(N_ELEMENTS) / 10)[:, None].float()

    def encoder(self) -> nn.Module:
        return self.table

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        return GraphSpec("atoms" if params["kind"] == "atoms" else "orbits", 0.0)

    def forward(self, batch: Batch) -> Tensor:
        each = self.table(batch.species) * batch.weight[:, None]
        return scatter_sum(each, batch.graph, batch.size) ** self.power


def made_up(power: int, kind: str = "atoms", other: int = 10) -> Classifier:
    """Answers the power of the sum of Z / 10; occlusion puts neon (1.0) in place of an atom."""
    card = TrainedModel(name="sum", family="cgnn", title="", folder="", task="regression",
                        target="sum", unit="eV", params={"kind": kind})  # fmt: skip
    model = Power(power).eval()
    return Classifier(card, Inference(elements=(other,)), [model], torch.device("cpu"))


def trained(folder: Path, family: str, members: int = 2, **params: Scalar) -> Path:
    """A classifier with random weights."""
    values, _ = registry.settings(family, "small", {**SIZES[family], **params})
    states = []
    for seed in range(members):
        torch.manual_seed(seed)
        states.append(dict(registry.build(family, 3, values).state_dict()))
    card = TrainedModel(
        name=folder.name,
        family=family,
        title="test",
        folder="",
        task="classification",
        target="x",
        classes=CLASSES,
        params=values,
    )
    write_model(folder, card, Inference(temperature=0.3, elements=tuple(range(1, 58))), states)
    return folder


def told(classifier: Classifier, crystal: Crystal, **more: object) -> ExplainReady:
    steps = explanation(classifier, "x", describe(crystal), **more)  # type: ignore[arg-type]
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            ready: ExplainReady = end.value
            return ready
        assert isinstance(event, Progress)


def salt() -> Crystal:
    return Crystal(
        lattice=FCC * 5.6, frac=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), species=np.array([11, 17])
    )


def ready_of(events: list[Event]) -> ExplainReady:
    (found,) = (e for e in events if isinstance(e, ExplainReady))
    return found


@pytest.mark.parametrize("kind", ["atoms", "orbits"])
@pytest.mark.parametrize("power", [1, 2])
def test_shares_of_a_made_up_model_are_those_worked_out_by_hand(kind: str, power: int) -> None:
    """Chlorine 1.7 + sodium 1.1; replaced by neon 1.0, or scaled down to nothing."""
    ready = told(made_up(power, kind), salt())
    sodium, chlorine = (0.1, 0.7) if power == 1 else (0.1 * (1.1 + 1.0 + 1.7 + 1.0) / 1, 0.0)
    if power == 2:  # (x + y)^2: half the change beside the other itself, half beside neon
        sodium = 0.5 * ((2.8**2 - 2.7**2) + (2.1**2 - 2.0**2))
        chlorine = 0.5 * ((2.8**2 - 2.1**2) + (2.7**2 - 2.0**2))
    np.testing.assert_allclose(ready.saliency.values, [sodium, chlorine], atol=1e-5)
    np.testing.assert_allclose(ready.saliency.error, 0, atol=1e-5)
    assert ready.saliency.reference == pytest.approx(2.0**power, abs=1e-5)
    along = told(made_up(power, kind), salt(), method="gradient").saliency
    np.testing.assert_allclose(along.values, np.array([1.1, 1.7]) * 2.8 ** (power - 1), rtol=1e-5)
    assert along.reference == pytest.approx(0, abs=1e-6)
    assert ready.unit == "eV"


def test_the_parity_of_the_electrons_can_be_kept() -> None:
    """Of neon, 10, and fluorine, 9, sodium and chlorine have but fluorine to be replaced by."""
    card = made_up(1)
    card.inference = replace(card.inference, elements=(9, 10))
    np.testing.assert_allclose(
        told(card, salt(), parity=True).saliency.values, [0.2, 0.8], atol=1e-5
    )
    either = told(card, salt()).saliency
    assert (either.values < [0.2, 0.8]).all()
    assert either.error.max() > 0


def test_equal_atoms_share_alike_and_an_element_can_be_replaced_as_a_whole() -> None:
    perovskite = crystals(5)[3]
    orbits = told(made_up(1), perovskite).saliency
    np.testing.assert_allclose(orbits.values, (perovskite.species - 10) / 10, atol=1e-5)
    elements = told(made_up(2), perovskite, by="elements").saliency
    assert elements.by == "elements"
    assert len(set(elements.values[2:].round(9))) == 1
    assert elements.total == pytest.approx(elements.answer - elements.reference, abs=1e-5)


@pytest.mark.parametrize("family", ["cgnn", "cann"])
def test_the_shares_of_networks_add_up(family: str, tmp_path: Path) -> None:
    classifier = Classifier.load(trained(tmp_path / family, family), "cpu")
    for crystal in crystals(10)[3:5]:
        occluded = told(classifier, crystal).saliency
        assert occluded.total == pytest.approx(occluded.answer - occluded.reference, abs=1e-9)
        assert (occluded.error > 0).all()
        along = told(classifier, crystal, method="gradient").saliency
        assert along.total == pytest.approx(along.answer - along.reference, abs=2e-3)
        assert along.answer == pytest.approx(occluded.answer, abs=1e-5)
        assert np.abs(along.values).max() > 1e-4


def test_the_answer_is_that_of_the_classify_page_for_the_class_asked(tmp_path: Path) -> None:
    classifier = Classifier.load(trained(tmp_path / "m", "cann"), "cpu")
    (row,) = classifier.classify([("x", salt())])
    for asked, p in row.probabilities:
        shown = told(classifier, salt(), asked=asked)
        assert shown.asked == asked
        assert shown.saliency.answer == pytest.approx(np.log(p), abs=1e-6)
        assert shown.unit == "nat"
    assert told(classifier, salt()).asked == row.prediction
    one, other = (told(classifier, salt(), member=i).attention[0].matrix for i in (0, 1))
    assert np.abs(one - other).max() > 1e-3


def test_of_an_ensemble_of_families_the_whole_is_asked_and_one_member_is_shown(
    tmp_path: Path,
) -> None:
    parts, networks = [], []
    for family in ("cgnn", "cann"):
        own = Classifier.load(trained(tmp_path / family, family), "cpu")
        parts.append(Part(title=family, family=family, params=own.card.params, members=2))
        networks += own.networks
    inference = replace(
        own.inference, members=4, parts=tuple(parts), blend=Blend(weights=(0.5, 0.5))
    )
    whole = Classifier(own.card, inference, networks, torch.device("cpu"))
    crystal = crystals(5)[4]
    (row,) = whole.classify([("x", crystal)])
    seen = [told(whole, crystal, member=member) for member in (0, 3)]
    assert [ready.members for ready in seen] == [4, 4]
    assert [bool(ready.attention) for ready in seen] == [False, True]
    for ready in seen:
        assert ready.saliency.answer == pytest.approx(np.log(row.probability), abs=1e-6)
        assert ready.saliency.total == pytest.approx(
            ready.saliency.answer - ready.saliency.reference, abs=1e-9
        )
    with pytest.raises(ModelError, match="one family"):
        told(whole, crystal, method="gradient")


@pytest.mark.parametrize("features", ["symmetry", "geometry"])
def test_maps_are_of_the_atoms_of_the_cell(features: str, tmp_path: Path) -> None:
    classifier = Classifier.load(trained(tmp_path / "m", "cann", 1, features=features), "cpu")
    cell = supercell(crystals(5)[3], (1, 1, 2))
    ready = told(classifier, cell)
    n = cell.n_atoms
    layers = {(m.layer, m.head) for m in ready.attention}
    assert len(layers) == len(ready.attention) == 4 * 4
    assert ready.token.max() + 1 == (3 if features == "symmetry" else n)
    for shown in ready.attention:
        whole = ready.over_atoms(shown)
        rows = {"atoms": n, "seeds": 4}
        assert whole.shape == (rows[shown.queries], rows[shown.keys])
        np.testing.assert_allclose(whole.sum(1), 1, atol=1e-6)
        assert 0 <= shown.mean <= shown.most == pytest.approx(np.log(rows[shown.keys]))
        own = -(whole * np.log(whole)).sum(1)
        assert shown.mean == pytest.approx(own.mean(), abs=1e-5)
        assert bool(shown.pairs) is (shown.layer.startswith("layer"))
        for pair in shown.pairs:
            assert pair.start != pair.end
            assert pair.weight == pytest.approx(whole[pair.start, pair.end], abs=1e-6)
            for image in pair.images:
                away = (cell.frac[pair.end] + image - cell.frac[pair.start]) @ cell.lattice
                assert np.linalg.norm(away) == pytest.approx(pair.distance, abs=2e-3)
        weights = [p.weight for p in shown.pairs]
        assert weights == sorted(weights, reverse=True) or np.allclose(
            weights, sorted(weights)[::-1]
        )


def test_what_falls_on_padding_is_said(tmp_path: Path) -> None:
    folder = trained(tmp_path / "m", "cann", 1, features="paper", masked=False)
    first = told(Classifier.load(folder, "cpu"), salt()).attention[0]
    assert first.matrix.shape == (2, 40)
    assert first.lost == pytest.approx(first.matrix[:, 2:].sum(1).mean(), abs=1e-5)
    assert first.lost > 0.5
    assert first.most == pytest.approx(np.log(2))


def test_the_nearest_images_of_rock_salt_are_six() -> None:
    distance, images = nearest(salt())
    assert distance[0, 1] == pytest.approx(2.8)
    assert len(images[0][1]) == len(images[1][0]) == 6
    assert images[0][0] == ((0, 0, 0),)
    skew = np.array([[1.0, 0, 0], [3, 1, 0], [0, 0, 1]])  # another basis of a cubic lattice
    cubic = Crystal(lattice=skew * 4, frac=np.array([[0, 0, 0], [0.5, 0, 0.0]]),
                    species=np.array([11, 17]))  # fmt: skip
    assert nearest(cubic)[0][0, 1] == pytest.approx(2.0)


def test_what_is_sent_is_small_for_any_cell(tmp_path: Path) -> None:
    classifier = Classifier.load(trained(tmp_path / "m", "cann", 1, features="geometry"), "cpu")
    cell = supercell(crystals(5)[3], (2, 2, 6))  # 120 atoms
    record = describe(cell)
    maps, left_out = reduce_maps(cell, *looked(classifier, 0, record))
    assert len(pickle.dumps(maps)) < 2**18
    assert sum(m.matrix.nbytes for m in maps) <= SENT
    assert any("too large" in text for text in left_out)
    dropped = [m for m in maps if not m.matrix.size]
    assert {m.layer for m in dropped} == {"layer 1", "layer 2"}
    assert all(len(m.pairs) > 5 and 0 < m.mean < m.most for m in dropped)


def test_a_model_without_attention_has_saliency_alone(tmp_path: Path) -> None:
    path = tmp_path / "salt.vasp"
    write_poscar(salt(), path)
    model = trained(tmp_path / "m", "cgnn", 1)
    ready = ready_of(list(explain(ExplainJob(path=path, model=str(model), device="cpu"))))
    assert ready.attention == ()
    assert ready.prediction.file == "salt.vasp"
    with pytest.raises(ModelError, match="no class 'z'"):
        list(explain(ExplainJob(path=path, model=str(model), asked="z", device="cpu")))
    with pytest.raises(ModelError, match="no member 3"):
        list(explain(ExplainJob(path=path, model=str(model), member=3, device="cpu")))
    write_poscar(salt(), tmp_path / "again.vasp")
    with pytest.raises(DataError, match="structures here"):
        list(explain(ExplainJob(path=tmp_path, model=str(model), device="cpu")))
    job = ExplainJob(path=tmp_path, entry="again.vasp", model=str(model), device="cpu")
    assert ready_of(list(explain(job))).prediction.file == "again.vasp"


def test_crystals_beyond_the_limit_are_not_explained(tmp_path: Path) -> None:
    model = trained(tmp_path / "m", "cann", 1, features="paper")
    path = tmp_path / "large.vasp"
    write_poscar(supercell(crystals(5)[3], (3, 3, 1)), path)  # 45 atoms
    with pytest.raises(DataError, match="cannot read 45 atoms"):
        list(explain(ExplainJob(path=path, model=str(model), device="cpu")))


def test_a_network_that_encodes_no_atoms_is_asked_by_occlusion(tmp_path: Path) -> None:
    classifier = made_up(1)
    classifier.networks[0].encoder = lambda: None  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="encode every atom"):
        told(classifier, salt(), method="gradient")


def test_the_command_writes_atoms_and_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "salt.vasp", tmp_path / "out.csv"
    write_poscar(salt(), path)
    model = str(trained(tmp_path / "m", "cann", 1))
    assert main(["explain", str(path), "--model", model, "--csv", str(out), "--device", "cpu"]) == 0
    assert "log probability of" in capsys.readouterr().err
    table = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert tuple(table[0]) == COLUMNS
    kinds = {row["what"] for row in table}
    assert kinds == {
        "saliency",
        "answer",
        "reference",
        "total",
        "entropy",
        "most",
        "pair",
        "pooled",
    }
    values = {row["what"]: float(row["value"]) for row in table if row["what"] != "pair"}
    shares = [float(row["value"]) for row in table if row["what"] == "saliency"]
    assert sum(shares) == pytest.approx(values["answer"] - values["reference"], abs=1e-4)
    pair = next(row for row in table if row["what"] == "pair")
    assert {pair["from_element"], pair["to_element"]} == {"Na", "Cl"}
    assert pair["distance_angstrom"] == "2.8000"
    assert len(pair["images"].split("; ")) == 6
    ready = told(Classifier.load(model, "cpu"), salt())
    assert explanation_text(ready).splitlines()[1:3] == out.read_text("utf-8").splitlines()[1:3]
    assert main(["explain", str(path), "--model", model, "--method", "magic"]) == 2
    assert "no method 'magic'" in capsys.readouterr().err
