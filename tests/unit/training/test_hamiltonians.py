"""Training on hoppings and zones, from the data set of a folder to a model that answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.__main__ import main
from crystalgui.core.datasets.hamiltonians.crop import crop_batch
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch
from crystalgui.core.datasets.loading import load
from crystalgui.core.datasets.splits import split_family, split_given
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    ConfusionReady,
    EpochMetrics,
    EstimateJob,
    EstimateReady,
    RunCreated,
    SplitSpec,
    StepMetrics,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.trained import of_project, read_model
from crystalgui.core.store.project import Project
from crystalgui.core.training.inputs import inputs_of
from crystalgui.core.training.plan import plan
from crystalgui.core.training.session import LAST, estimate, train
from tests.models.hamiltonians import brillouin_zones, mixtures
from tests.unit.training.test_session import of, same, until_epoch, weights

GIVEN = SplitSpec(kind="given", validation=0.2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixtures(tmp_path_factory.mktemp("plain"), 200).summary.folder


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixtures(tmp_path_factory.mktemp("noisy"), 100, 0.02).summary.folder


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brillouin_zones(tmp_path_factory.mktemp("zones")).summary.folder


def recipe(folder: Path, model: str = "dense", **changes) -> TrainRecipe:
    small = {"width": 20} if model != "zone" else {"width": 8, "wide": 8, "depth": 1}
    if model == "hybrid":
        small |= {"kernels": 8, "neurons": 16}
    values = {"epochs": 3, "batch_size": 32, "learning_rate": 3e-3, "split": GIVEN} | changes
    return TrainRecipe(
        model=model, dataset=folder, params=small, device="cpu", threads=1, seed=2, **values
    )


class TestSplits:
    def test_given_test_rows_and_a_share_of_the_others(self) -> None:
        is_test, classes = np.arange(1000) % 10 == 3, np.arange(1000) % 2
        parts = split_given(GIVEN, is_test, classes)
        assert (parts.test == np.flatnonzero(is_test)).all()
        assert parts.sizes == (720, 180, 100)
        assert np.bincount(classes[parts.validation]).tolist() == [100, 80]
        every = np.concatenate([parts.train, parts.validation, parts.test])
        assert (np.sort(every) == np.arange(1000)).all()
        again, other = (split_given(replace(GIVEN, seed=s), is_test, classes) for s in (0, 1))
        assert (again.validation == parts.validation).all()
        assert (other.validation != parts.validation).any()

    def test_one_family_is_left_out(self) -> None:
        names = ["chain", "sheet", "solid"] * 40
        parts = split_family(SplitSpec(kind="family", left_out="sheet"), names)
        assert {names[i] for i in parts.test} == {"sheet"}
        assert {names[i] for i in parts.train} == {names[i] for i in parts.validation}
        assert parts.sizes == (72, 8, 40)
        with pytest.raises(DataError, match="not named"):
            split_family(SplitSpec(kind="family"), names)
        with pytest.raises(DataError, match="No row is of the family 'torus'"):
            split_family(SplitSpec(kind="family", left_out="torus"), names)

    def test_without_test_rows(self) -> None:
        with pytest.raises(DataError, match="leave nothing"):
            split_given(GIVEN, np.zeros(50, np.bool_))


class TestTables:
    @pytest.mark.parametrize("which", ["plain", "noisy"])
    def test_batches_are_the_crops(self, which: str, request: pytest.FixtureRequest) -> None:
        folder = request.getfixturevalue(which)
        data, prepared = load(folder), plan(recipe(folder))
        steps = prepared.data.table(prepared.model, {}, prepared.device, folder)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                table = end.value
                break
        rows = np.array([5, 0, 99])
        wanted = torch.from_numpy(crop_batch(data, rows))
        found = table.batch(torch.from_numpy(rows))
        torch.testing.assert_close(found.values, wanted, rtol=0, atol=1e-7)
        sample = prepared.data.sample(prepared.model, {}, prepared.device, rows)
        torch.testing.assert_close(sample.batch(torch.arange(3)).values, wanted, rtol=0, atol=0)
        assert table.nbytes < 100 * 27 * 4 * 4 * 2 * 4

    def test_standardised_by_the_training_rows(self, noisy: Path) -> None:
        prepared = plan(recipe(noisy))
        values = torch.from_numpy(crop_batch(prepared.data.dataset, prepared.parts.train))
        model = prepared.model
        model.standardise(HoppingBatch(part) for part in values.split(17))
        x = model.columns(HoppingBatch(values)).double()
        vary = values.flatten(1).double().std(0) > 1e-6
        assert 10 < vary.sum() < vary.numel() / 2
        assert x.mean(0).abs().max() < 1e-4
        spread = x.std(0, correction=0)[vary]
        alike = torch.full_like(spread, 1 / int(vary.sum()))
        torch.testing.assert_close(spread, alike, rtol=1e-4, atol=0)
        assert x[:, ~vary].abs().max() == 0


class TestTraining:
    @pytest.mark.parametrize("model", ["dense", "hybrid"])
    def test_hoppings_end_to_end(self, plain: Path, tmp_path: Path, model: str) -> None:
        one = recipe(plain, model, epochs=30, batch_size=16, learning_rate=1e-2)
        events = list(train(TrainJob(project=tmp_path, recipe=one)))
        final = of(events, EpochMetrics)[-1].values
        assert final["test/accuracy"] > 0.9
        assert {c.split for c in of(events, ConfusionReady)} == {"validation", "test"}
        counts = of(events, ConfusionReady)[-1].counts
        assert sum(map(sum, counts)) == 40
        card = of_project(tmp_path)[0]
        assert "200 Hamiltonians of 4 orbitals" in card.data
        sizes = " / ".join(map(str, plan(one).parts.sizes))
        assert card.split == f"given, seed 0: {sizes} Hamiltonians to train, validate, test"
        _, inference, (network,) = read_model(Path(card.folder))
        assert inference.shape == (27, 4, 4, 2)
        data = load(plain)
        rows = np.flatnonzero(data.is_test)
        with torch.no_grad():  # a checkpoint answers alone: scaling included
            out = network(HoppingBatch(torch.from_numpy(crop_batch(data, rows)))).argmax(1)
        right = (out.numpy() == data.label[rows]).mean()
        assert right == pytest.approx(final["test/accuracy"])
        with pytest.raises(ModelError, match=r"hoppings of one crystal.*; it cannot classify"):
            Classifier.load(card.folder, "cpu")

    @pytest.mark.parametrize("replicas", [1, 3])
    def test_killed_and_resumed_to_the_bit(
        self, noisy: Path, tmp_path: Path, replicas: int
    ) -> None:
        one = recipe(noisy, replicas=replicas, epochs=4, cost="trace", resample=True)
        straight = list(train(TrainJob(project=tmp_path / "a", recipe=one)))
        generator = train(TrainJob(project=tmp_path / "b", recipe=one))
        run_id = of(list(until_epoch(generator, 2)), RunCreated)[0].run_id
        generator.close()
        again = list(train(TrainJob(project=tmp_path / "b", recipe=one, run_id=run_id)))
        first = of(straight, RunCreated)[0].run_id
        assert same(weights(tmp_path / "a", first), weights(tmp_path / "b", run_id))
        with Project.open(tmp_path / "b") as project:
            assert [r["epoch"] for r in project.run(run_id).metrics() if "epoch" in r] == [
                1, 2, 3, 4,
            ]  # fmt: skip
            assert project.run(run_id).status == "done"
        assert of(again, EpochMetrics)[-1].values == of(straight, EpochMetrics)[-1].values
        assert [p.name for p in noisy.glob("crops-*.npy")] != []

    def test_replicas_are_one_model_with_means_and_spreads(
        self, plain: Path, tmp_path: Path
    ) -> None:
        job = TrainJob(project=tmp_path, recipe=recipe(plain, replicas=3, epochs=6))
        events = list(train(job))
        values = of(events, EpochMetrics)[-1].values
        assert values["test/accuracy_spread"] > 0
        table = of(events, ConfusionReady)[-1]
        assert table.split == "test"
        assert sum(map(sum, table.counts)) == 3 * 40
        right = sum(table.counts[i][i] for i in range(3)) / 120
        assert values["test/accuracy"] == pytest.approx(right)
        card, _, networks = read_model(Path(of_project(tmp_path)[0].folder))
        assert len(networks) == 3
        data = load(plain)
        rows = np.flatnonzero(data.is_test)
        batch = HoppingBatch(torch.from_numpy(crop_batch(data, rows)))
        with torch.no_grad():
            each = [(n(batch).argmax(1).numpy() == data.label[rows]).mean() for n in networks]
        assert np.mean(each) == pytest.approx(values["test/accuracy"])
        assert np.std(each, ddof=1) == pytest.approx(values["test/accuracy_spread"])
        assert card.metrics["accuracy"] == values["test/accuracy"]

    def test_other_data_are_refused_when_replicas_resume(self, tmp_path: Path) -> None:
        data = mixtures(tmp_path / "data", 100)
        one = recipe(data.summary.folder, replicas=2)
        generator = train(TrainJob(project=tmp_path / "p", recipe=one))
        run_id = of(list(until_epoch(generator, 1)), RunCreated)[0].run_id
        generator.close()
        path = data.summary.folder / "dataset.json"
        path.write_text(path.read_text().replace(data.summary.digest, "other"))
        with pytest.raises(DataError, match="changed"):
            list(train(TrainJob(project=tmp_path / "p", recipe=one, run_id=run_id)))

    def test_zones_with_a_family_left_out(self, zones: Path, tmp_path: Path) -> None:
        split = SplitSpec(kind="family", left_out="sheet", validation=0.2)
        one = recipe(zones, "zone", split=split, epochs=12, cost="focal")
        values = of(list(train(TrainJob(project=tmp_path, recipe=one))), EpochMetrics)[-1].values
        assert values["test/accuracy"] > 0.8
        card = of_project(tmp_path)[0]
        assert card.split.startswith("family sheet left out, seed 0: 32 / 8 / 20 Brillouin zones")
        assert read_model(Path(card.folder))[1].shape == inputs_of(load(zones)).shape

    def test_estimate(self, noisy: Path) -> None:
        answer = list(estimate(EstimateJob(recipe=recipe(noisy))))[-1]
        assert isinstance(answer, EstimateReady)
        assert answer.sizes == plan(recipe(noisy)).parts.sizes
        assert answer.leakage == 0
        assert answer.parameters == 27 * 32 * 20 + 20 + 20 * 3 + 3

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"model": "cgnn", "params": {}}, ModelError, "cannot learn a data set of Hamil"),
            ({"model": "zone", "params": {}}, ModelError, "cannot learn a data set of Hamil"),
            ({"split": SplitSpec()}, DataError, "cannot be divided by 'composition'"),
            ({"split": SplitSpec(kind="family")}, DataError, "cannot be divided by 'family'"),
            ({"replicas": 0}, ModelError, "cannot be trained together"),
        ],
    )
    def test_what_does_not_fit(self, plain: Path, change, error, text: str) -> None:
        with pytest.raises(error, match=text):
            plan(replace(recipe(plain), **change))

    def test_a_card_without_the_shape_is_refused(self, plain: Path, tmp_path: Path) -> None:
        list(train(TrainJob(project=tmp_path, recipe=recipe(plain, epochs=1))))
        folder = Path(of_project(tmp_path)[0].folder)
        card = json.loads((folder / "card.json").read_text())
        for shape, text in (([], "shape of its input"), ([27, 4, -4, 2], "damaged")):
            card["inference"]["shape"] = shape
            (folder / "card.json").write_text(json.dumps(card))
            with pytest.raises(ModelError, match=text):
                read_model(folder)


class TestCommandLine:
    def test_train_on_the_data_set_of_a_folder(self, plain: Path, tmp_path: Path, capsys) -> None:
        out = tmp_path / "model"
        words = ["train", "--dataset", str(plain), "--model", "dense", "--preset", "small"]
        words += ["--out", str(out), "--epochs", "2", "--device", "cpu", "--set", "width=10"]
        assert main(words) == 0
        captured = capsys.readouterr()
        assert captured.out.strip() == str(out)
        assert "200 Hamiltonians, classification" in captured.err
        card, _, _ = read_model(out)
        assert card.split.startswith("given, seed 0: 14")
        with Project.open(out) as project:
            assert [d.kind for d in project.datasets()] == ["hoppings"]
            assert [r.status for r in project.runs()] == ["done"]

    def test_the_wrong_family_makes_no_project(self, plain: Path, tmp_path: Path, capsys) -> None:
        out = tmp_path / "model"
        words = ["train", "--dataset", str(plain), "--model", "cgnn", "--out", str(out)]
        assert main(words) != 0
        assert "dense" in capsys.readouterr().err
        assert not out.exists()

    def test_either_files_or_a_data_set(self, plain: Path, tmp_path: Path, capsys) -> None:
        for more in ([], ["--data", str(plain)], ["--dataset", str(plain), "--data", "x"]):
            words = ["train", "--model", "dense", "--out", str(tmp_path), *more]
            assert main(words) != 0
            assert "not clear what to train on" in capsys.readouterr().err


def test_a_run_stops_between_steps(plain: Path, tmp_path: Path) -> None:
    generator = train(TrainJob(project=tmp_path, recipe=recipe(plain, replicas=2, epochs=50)))
    run_id = ""
    for event in generator:
        run_id = event.run_id if isinstance(event, RunCreated) else run_id
        if isinstance(event, StepMetrics) and event.epoch > 1:
            break
    generator.close()
    with Project.open(tmp_path) as project:
        run = project.run(run_id)
        assert (run.status, run.epochs) == ("stopped", 1)
        assert run.file(LAST).is_file()
