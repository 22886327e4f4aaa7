"""Crystals that are too large for a network: left out of training, answered by the baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.errors import DataError
from crystalgui.core.messages import ClassifyJob, LogLine, RunCreated, TrainJob
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._limits import SizeLimit, default_answer, size_limit
from crystalgui.core.models.predict import Classifier, rows
from crystalgui.core.models.screening import classify
from crystalgui.core.models.trained import read_card
from crystalgui.core.store.project import Project
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.files import write_poscar
from crystalgui.core.training import metrics
from crystalgui.core.training.ensemble import Source, combine
from crystalgui.core.training.plan import plan
from crystalgui.core.training.recipes import make_recipe
from crystalgui.core.training.session import train
from tests.models.samples import crystals, dataset, table

LARGEST = 3


def sizes(data: Dataset) -> np.ndarray:
    return np.diff(data.records.offsets)


@pytest.fixture(scope="module", params=["classification", "regression"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A network that reads three atoms, trained for two epochs: data set, log, folder."""
    root = tmp_path_factory.mktemp("limits")
    data = dataset(root / "data", 60, request.param)
    params = {"features": "paper", "largest": LARGEST, "width": 8, "wide": 8, "layers": 2}
    recipe = make_recipe("cgnn", root / "data", "small", 2, 0, {**params, "device": "cpu"})
    with Project.open(root / "project") as project:
        project.register_dataset(data.summary)
    log = [
        e.text
        for e in train(TrainJob(project=root / "project", recipe=recipe))
        if isinstance(e, LogLine)
    ]
    with Project.open(root / "project") as project:
        folder = Path(project.models()[-1].folder)
    return data, recipe, log, folder


def test_a_limit_counts_atoms_and_elements() -> None:
    records = table(10)
    atoms = np.diff(records.offsets)
    kinds = np.array([*map(len, records.keys())])
    assert (SizeLimit(3, 0, False).within(records) == (atoms <= 3)).all()
    assert (SizeLimit(0, 2, False).within(records) == (kinds <= 2)).all()
    assert (SizeLimit(5, 2, False).within(records) == (atoms <= 5) & (kinds <= 2)).all()
    double = Records.stack("ab", [describe(supercell(c, (2, 1, 1))) for c in crystals(2)])
    assert SizeLimit(3, 0, True).within(double).all()
    assert not SizeLimit(3, 0, False).within(double).any()
    assert str(SizeLimit(40, 6, False)) == "40 atoms and 6 elements"


def test_families_say_their_limits() -> None:
    limits = {}
    for name in ("nnn", "cgnn", "majority"):
        for preset in ("small", "paper"):
            params, _ = registry.settings(name, preset)
            limits[name, preset] = size_limit(registry.family(name), params)
    assert limits.pop(("nnn", "paper")) == SizeLimit(40, 6, False)
    assert limits.pop(("cgnn", "paper")) == SizeLimit(40, 0, False)
    assert set(limits.values()) == {None}


def test_the_default_is_the_best_constant() -> None:
    target = np.array([0, 0, 0, 2, 2, 1.0])
    assert default_answer(target, "classification", 4) == pytest.approx((1 / 2, 1 / 6, 1 / 3, 0))
    rng = np.random.default_rng(0)
    values = rng.normal(size=31) ** 3
    (middle,) = default_answer(values, "regression", 0)
    cost = np.abs(values - middle).mean()
    assert all(np.abs(values - middle - d).mean() >= cost for d in np.linspace(-1, 1, 21))


def test_large_crystals_are_left_out_of_training_and_said(trained) -> None:  # type: ignore[no-untyped-def]
    data, recipe, log, folder = trained
    prepared = plan(recipe)
    whole = plan(replace(recipe, params={**recipe.params, "largest": 0}))
    assert whole.limited is None
    assert (sizes(data)[prepared.parts.train] <= LARGEST).all()
    left_out = int((sizes(data)[whole.parts.train] > LARGEST).sum())
    assert left_out == len(whole.parts.train) - len(prepared.parts.train) > 0
    assert (prepared.parts.test == whole.parts.test).all()
    assert f"at most 3 atoms: {left_out} crystals are left out of training" in log[0]
    card, _ = read_card(folder)
    beyond = int((sizes(data)[prepared.parts.test] > LARGEST).sum())
    assert f"{beyond} of {len(prepared.parts.test)} test crystals are beyond it" in card.notes


def test_numbers_have_one_scale_whatever_a_network_reads(tmp_path: Path) -> None:
    dataset(tmp_path, 60, "regression")
    scales = {}
    for largest in (0, LARGEST):
        for fold in (0, 1):
            params = {"features": "paper", "largest": largest, "split.fold": fold}
            prepared = plan(
                make_recipe("cgnn", tmp_path, "small", 1, 0, {**params, "device": "cpu"})
            )
            assert (prepared.limited is None) == (largest == 0)
            scales[largest, fold] = (prepared.scale.mean, prepared.scale.std)
    assert len(set(scales.values())) == 1


def test_the_score_is_told_with_and_without_them(trained) -> None:  # type: ignore[no-untyped-def]
    data, recipe, _, folder = trained
    prepared = plan(recipe)
    card, inference = read_card(folder)
    test = prepared.parts.test
    classifier = Classifier.load(folder, "cpu")
    said = classifier.outputs(data.records.select(test))
    inside = sizes(data)[test] <= LARGEST
    assert 0 < inside.sum() < len(test)
    assert said[~inside] == pytest.approx(np.tile(inference.default, ((~inside).sum(), 1)))
    if card.task == "classification":
        right = said.argmax(1) == data.target[test]
        assert card.metrics["accuracy"] == pytest.approx(right.mean())
        assert card.metrics["accuracy_within"] == pytest.approx(right[inside].mean())
    else:
        error = np.abs(said[:, 0] - data.target[test])
        assert card.metrics["mae"] == pytest.approx(error.mean(), rel=1e-4)
        assert card.metrics["mae_within"] == pytest.approx(error[inside].mean(), rel=1e-4)


def test_answers_of_the_baseline_are_flagged(trained) -> None:  # type: ignore[no-untyped-def]
    _, _, _, folder = trained
    classifier = Classifier.load(folder, "cpu")
    small, large = crystals(4)[0], crystals(4)[3]
    named: list[tuple[str, Record | str]] = [
        ("small", describe(small)), ("unreadable", "no"), ("large", describe(large)),
        ("again", describe(small)),
    ]  # fmt: skip
    found = rows([classifier], named)
    assert [row.first.default for row in found] == [False, False, True, False]
    text = "beyond the model’s limit of 3 atoms: answer of the baseline"
    assert [text in row.warnings for row in found] == [False, False, True, False]
    assert found[0].first.prediction == found[3].first.prediction
    (alone,) = rows([classifier], named[:1])
    assert alone.first.probability == pytest.approx(found[0].first.probability, nan_ok=True)
    assert alone.first.value == pytest.approx(found[0].first.value, nan_ok=True)


def test_a_job_counts_them(trained, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _, _, _, folder = trained
    for i, crystal in enumerate(crystals(8)):
        write_poscar(crystal, tmp_path / f"{i}.vasp")
    job = ClassifyJob(paths=(tmp_path,), models=(str(folder),), device="cpu")
    (said,) = [e.text for e in classify(job) if isinstance(e, LogLine)]
    large = sum(c.n_atoms > LARGEST for c in crystals(8))
    assert 0 < large < 8
    assert said.startswith(f"{large} of 8 crystals are beyond the limit of a model")


def test_an_ensemble_asks_only_who_can_read_a_crystal(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", 60)
    small = {"features": "paper", "largest": LARGEST, "width": 8, "wide": 8, "layers": 2}
    sources = []
    for name, model, params in (("small", "cgnn", small), ("any", "majority", {})):
        recipe = make_recipe(model, tmp_path / "data", "small", 1, 0, {**params, "device": "cpu"})
        run = ""
        with Project.open(tmp_path) as project:
            project.register_dataset(data.summary)
        for event in train(TrainJob(project=tmp_path, recipe=recipe)):
            run = event.run_id if isinstance(event, RunCreated) else run
        sources.append(Source(name, recipe, (run,)))
    test = plan(sources[0].recipe).parts.test
    inside = sizes(data)[test] <= LARGEST
    right = {}
    for name, own in (("one", sources[:1]), ("two", sources)):
        card = combine(tmp_path, {"name": name, "title": name}, own, "vote")
        classifier = Classifier.load(card.folder, "cpu")
        records = data.records.select(test)
        right[name] = classifier.outputs(records).argmax(1) == data.target[test]
        assert card.metrics["accuracy"] == pytest.approx(right[name].mean())
        assert (classifier.beyond(records) == (~inside if name == "one" else False)).all()
        assert ("accuracy_within" in card.metrics) == (name == "one")
        (row,) = rows([classifier], [("large", describe(crystals(4)[3]))])
        instead = {"one": "answer", "two": "1 of 2 members give the answer"}[name]
        assert any(f"limit of 3 atoms: {instead} of the baseline" in w for w in row.warnings)
        assert row.first.default == (name == "one")


def test_a_test_that_nothing_can_read_has_no_score_of_its_own(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", 60)
    params = {"features": "paper", "largest": LARGEST, "width": 8, "wide": 8, "split.test": 0.02}
    recipes = (
        make_recipe("cgnn", tmp_path / "data", "small", 1, seed, {**params, "device": "cpu"})
        for seed in range(50)
    )
    recipe = next(r for r in recipes if (sizes(data)[plan(r).parts.test] > LARGEST).all())
    events = list(train(TrainJob(project=tmp_path, recipe=recipe)))
    (run,) = [e.run_id for e in events if isinstance(e, RunCreated)]
    card = combine(tmp_path, {"name": "m", "title": "M"}, [Source("m", recipe, (run,))], "vote")
    assert not [name for name in card.metrics if name.endswith("_within")]
    assert np.isfinite([*card.metrics.values()]).all()


def test_temperature_is_for_what_the_network_said() -> None:
    outputs = torch.tensor([[2.0, 0.0], [math.log(0.9), math.log(0.1)]])
    seen = metrics.Evaluation({}, (), outputs, torch.tensor([True, False]))
    p = seen.probabilities(4.0)
    assert p[1].tolist() == pytest.approx([0.9, 0.1], abs=1e-6)
    assert float(p[0, 0]) == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_nothing_small_enough_is_refused(tmp_path: Path) -> None:
    dataset(tmp_path, 20)
    recipe = make_recipe("cgnn", tmp_path, "small", 1, 0, {"largest": 1, "device": "cpu"})
    with pytest.raises(DataError, match="reads crystals of at most 1 atoms"):
        plan(recipe)


def test_mean_and_median_are_the_baselines_of_numbers(tmp_path: Path) -> None:
    target = torch.tensor([0.0, 0.0, 1.0, 7.0])
    for number, expected in (("median", 0.5), ("mean", 2.0)):
        params, _ = registry.settings("majority", "small", {"number": number})
        model = registry.build("majority", 1, params)
        model.start(target)
        assert next(model.parameters()).item() == pytest.approx(expected)
