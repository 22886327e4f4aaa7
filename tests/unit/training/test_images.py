"""Training on rolled images: from files to a model, resumed to the bit, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.__main__ import main
from crystalgui.core.datasets.images.dataset import ImageDataset
from crystalgui.core.datasets.images.rolling import Rolled
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    EpochMetrics,
    EstimateJob,
    EstimateReady,
    RunCreated,
    SplitSpec,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models.trained import CARD
from crystalgui.core.store.project import Project
from crystalgui.core.training import loop
from crystalgui.core.training.inputs import Images, inputs_of
from crystalgui.core.training.plan import plan
from crystalgui.core.training.session import estimate, train
from tests.models.hamiltonians import brillouin_zones, mixtures
from tests.models.images import files, pictures
from tests.unit.training.test_session import of, same, until_epoch, weights


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    return pictures(tmp_path_factory.mktemp("pictures") / "set", 150)


def recipe(folder: Path, **changes) -> TrainRecipe:
    values = {
        "epochs": 3,
        "batch_size": 16,
        "rolling": 2,
        "split": SplitSpec(kind="given", validation=0.2),
    } | changes
    return TrainRecipe(
        model="dense", dataset=folder, params={"width": 12}, device="cpu", threads=1, seed=2,
        **values,
    )  # fmt: skip


class TestPlan:
    def test_the_split_is_that_of_the_source(self, data: ImageDataset) -> None:
        made = plan(recipe(data.summary.folder))
        assert made.parts.test.tolist() == np.flatnonzero(data.is_test).tolist()
        assert made.parts.sizes == (96, 24, 30)
        assert made.data.shape == (1, 8, 8)
        assert made.data.shared == "images"
        drawn = plan(recipe(data.summary.folder, split=SplitSpec(kind="random")))
        assert drawn.parts.sizes == (120, 15, 15)
        with pytest.raises(DataError, match="data set of images cannot be divided by"):
            plan(recipe(data.summary.folder, split=SplitSpec(kind="composition")))

    def test_equal_images_on_both_sides_are_counted(self, data: ImageDataset) -> None:
        values = data.values.copy()
        values[data.is_test] = values[0]
        inputs = inputs_of(ImageDataset(
            summary=data.summary, values=values, label=data.label, is_test=data.is_test
        ))  # fmt: skip
        assert isinstance(inputs, Images)
        keys = inputs.keys()
        assert len({keys[i] for i in np.flatnonzero(data.is_test)}) == 1
        assert len(set(keys)) == 120

    def test_only_what_is_periodic_is_rolled(self, tmp_path: Path, data: ImageDataset) -> None:
        folder = mixtures(tmp_path / "mixtures", 60).summary.folder
        with pytest.raises(ModelError, match="Hamiltonians cannot be rolled by 2"):
            plan(recipe(folder))
        with pytest.raises(ModelError, match="cannot be rolled by -1"):
            plan(recipe(data.summary.folder, rolling=-1))


class TestTraining:
    def test_rolled_runs_resume_to_the_bit(self, data: ImageDataset, tmp_path: Path) -> None:
        wanted = recipe(data.summary.folder)
        straight = list(train(TrainJob(project=tmp_path / "a", recipe=wanted)))
        begun = list(until_epoch(train(TrainJob(project=tmp_path / "b", recipe=wanted)), 1))
        run_id = of(begun, RunCreated)[0].run_id
        torch.rand(5)  # other work between must not matter
        list(train(TrainJob(project=tmp_path / "b", recipe=wanted, run_id=run_id)))
        first_id = of(straight, RunCreated)[0].run_id
        assert same(weights(tmp_path / "a", first_id), weights(tmp_path / "b", run_id))
        histories = []
        for project, name in ((tmp_path / "a", first_id), (tmp_path / "b", run_id)):
            with Project.open(project) as opened:
                rows = opened.run(name).metrics()
                card = opened.models()[0]
            histories.append([row.get("val/loss") for row in rows] + [rows[-1]["test/loss"]])
        assert histories[0] == histories[1]
        assert "rolled by up to 2 points" in card.notes
        assert "150 images of 1 x 8 x 8, made-up edition" in card.data

    def test_rolling_makes_another_run(self, data: ImageDataset, tmp_path: Path) -> None:
        losses = set()
        for chi in (0, 1, 4):
            job = TrainJob(
                project=tmp_path / str(chi), recipe=recipe(data.summary.folder, rolling=chi)
            )
            losses.add(of(list(train(job)), EpochMetrics)[0].values["train/loss"])
        assert len(losses) == 3

    def test_batches_differ_in_training_and_agree_in_evaluation(
        self, data: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[tuple[bool, torch.Tensor]] = []
        batch = Rolled.batch

        def watched(self: Rolled, index: torch.Tensor) -> object:
            some = batch(self, index)
            drawn.append((self._generator is not None, some.values.clone()))
            return some

        monkeypatch.setattr(Rolled, "batch", watched)
        order = loop.order
        monkeypatch.setattr(loop, "order", lambda seed, epoch, rows: order(seed, 0, rows))
        wanted = recipe(data.summary.folder, batch_size=200, epochs=2)
        for name in ("a", "b"):
            list(train(TrainJob(project=tmp_path / name, recipe=wanted)))
        half = len(drawn) // 2
        assert all(x[0] == y[0] and torch.equal(x[1], y[1])
                   for x, y in zip(drawn[:half], drawn[half:], strict=True))  # fmt: skip
        whole = [values for fixed, values in drawn[:half] if not fixed and len(values) == 96]
        assert len(whole) >= 2
        assert not torch.equal(whole[-1], whole[-2])  # the same rows in the same order
        checked = [values for fixed, values in drawn[:half] if fixed]
        assert [len(values) for values in checked] == [24, 24, 24, 30]

    def test_zones_are_rolled_as_well(self, tmp_path: Path) -> None:
        folder = brillouin_zones(tmp_path / "zones").summary.folder
        small, losses = {"width": 8, "wide": 8, "depth": 1, "dropout": 0.0}, []
        for chi in (0, 1):
            wanted = TrainRecipe(
                model="zone", dataset=folder, params=small, epochs=1, batch_size=16,
                device="cpu", threads=1, rolling=chi,
                split=SplitSpec(kind="given", validation=0.2),
            )  # fmt: skip
            events = list(train(TrainJob(project=tmp_path / str(chi), recipe=wanted)))
            losses.append(of(events, EpochMetrics)[0].values["val/loss"])
        # The network of zones does not notice where its samples begin.
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)

    def test_replicas_are_rolled_each_its_own_way(self, data: ImageDataset, tmp_path: Path) -> None:
        losses = []
        for chi in (0, 4):
            wanted = recipe(data.summary.folder, replicas=2, epochs=1, rolling=chi)
            events = list(train(TrainJob(project=tmp_path / str(chi), recipe=wanted)))
            losses.append(of(events, EpochMetrics)[0].values["train/loss"])
        assert losses[0] != losses[1]

    def test_estimates(self, data: ImageDataset) -> None:
        ready = list(estimate(EstimateJob(recipe=recipe(data.summary.folder))))[-1]
        assert isinstance(ready, EstimateReady)
        assert ready.sizes == (96, 24, 30)
        assert ready.leakage == 0
        assert ready.parameters == 64 * 12 + 12 + 12 * 3 + 3


class TestCommandLine:
    def test_from_files_to_a_model(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source, out = files(tmp_path), tmp_path / "imported"
        assert main(["dataset", "images", str(source), "--out", str(out), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["counts"] == {"bar": 20, "cross": 20, "dot": 20}
        assert told["name"] == "files"
        words = ["train", "--model", "dense", "--epochs", "1", "--device", "cpu"]
        words += ["--set", "width=8", "--set", "rolling=3"]
        trained = tmp_path / "trained"
        assert main([*words, "--dataset", str(out), "--out", str(trained)]) == 0
        assert "60 images, classification" in capsys.readouterr().err
        card = json.loads((trained / CARD).read_text())
        assert "rolled by up to 3 points" in json.dumps(card)
        assert main([*words, "--data", str(source), "--out", str(tmp_path / "straight")]) == 0

    def test_into_a_project_and_scaled(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["dataset", "images", str(files(tmp_path)), "--project", str(tmp_path / "p")]
        assert main([*words, "--name", "small pictures", "--size", "6"]) == 0
        assert "small pictures: 60 samples" in capsys.readouterr().out
        with Project.open(tmp_path / "p") as project:
            summary = project.datasets()[0]
        assert (summary.name, summary.shape) == ("small pictures", (1, 6, 6))

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["images"], "Which images?"),
            (["images", "nowhere"], "no images at this place"),
            (["recipe.json", "extra"], "Crystals and images are imported"),
        ],
    )
    def test_what_is_refused(
        self, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["dataset", *words, "--out", str(tmp_path / "out")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_an_impossible_degree(
        self, tmp_path: Path, data: ImageDataset, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["train", "--model", "dense", "--dataset", str(data.summary.folder)]
        words += ["--out", str(tmp_path / "out"), "--set", "rolling=-1"]
        assert main(words) == 2
        assert "rolling = -1 is impossible" in capsys.readouterr().err
