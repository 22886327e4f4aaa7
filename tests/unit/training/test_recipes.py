"""Recipes, training from files, and publishing a model of several seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crystalgui.core.datasets.kinds import INPUTS, SPLITS
from crystalgui.core.errors import CrystalError, DataError, ModelError
from crystalgui.core.messages import DatasetReady, EpochMetrics, RunCreated
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.predict import Classifier
from crystalgui.core.models.trained import read_card, read_model
from crystalgui.core.resources import recipes
from crystalgui.core.structures.files import write_poscar
from crystalgui.core.training.publish import main, publish
from crystalgui.core.training.recipes import make_recipe, read_recipe
from crystalgui.core.training.session import train_from_files
from tests.models.samples import crystals

SMALL = {"width": 8, "wide": 16, "depth": 1, "split.validation": 0.2, "split.test": "0.2"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Fifty structures and their labels."""
    folder = tmp_path / "cells"
    folder.mkdir()
    lines = ["id,parity"]
    for i, crystal in enumerate(crystals(50)):
        write_poscar(crystal, folder / f"{i}.vasp")
        lines.append(f"{i},{'odd' if crystal.species.sum() % 2 else 'even'}")
    labels = tmp_path / "parity.csv"
    labels.write_text("\n".join(lines))
    return folder, labels


class TestMakeRecipe:
    def test_preset_then_overrides(self) -> None:
        recipe = make_recipe("cgnn", Path("d"), "paper", None, 7, {"width": "32", "ema": "0.9"})
        assert (recipe.learning_rate, recipe.batch_size) == (3e-4, 32)
        assert recipe.params == {"width": 32}
        assert (recipe.ema, recipe.seed, recipe.split.seed) == (0.9, 7, 7)

    def test_epochs_and_split(self) -> None:
        recipe = make_recipe("cgnn", Path("d"), epochs=3, overrides={"split.kind": "random"})
        assert (recipe.epochs, recipe.split.kind) == (3, "random")

    @pytest.mark.parametrize(
        ("overrides", "text"),
        [
            ({"nonsense": 1}, "no setting 'nonsense'"),
            ({"learning_rate": "fast"}, "impossible"),
            ({"schedule": "spiral"}, "impossible"),
            ({"width": "wide"}, "must be a whole number"),
            ({"dataset": "/x"}, "no setting 'dataset'"),
        ],
    )
    def test_bad_settings(self, overrides: dict[str, str], text: str) -> None:
        with pytest.raises(ModelError, match=text) as caught:
            make_recipe("cgnn", Path("d"), overrides=overrides)
        assert caught.value.hint


class TestFiles:
    def test_shipped_recipes_can_be_read(self) -> None:
        found = [p for p in sorted(recipes().glob("*.json")) if '"recipe"' in p.read_text("utf-8")]
        assert len(found) >= 2
        for path in found:
            recipe, publication = read_recipe(path, Path("d"))
            inputs = registry.family(recipe.model).card.inputs
            kind = next(kind for kind, wanted in INPUTS.items() if wanted == inputs)
            assert recipe.split.kind == SPLITS[kind][0]
            assert publication["licence"]

    def test_a_broken_recipe(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        path.write_text('{"recipe": {"model": "cgnn", "speed": 3}}')
        with pytest.raises(ModelError, match="cannot be read"):
            read_recipe(path, Path("d"))

    def test_from_files_to_a_model_that_answers(
        self, tmp_path: Path, files: tuple[Path, Path]
    ) -> None:
        out = tmp_path / "out"
        events = list(train_from_files(*files, "cgnn", out, "small", 2, 1, SMALL))
        assert any(isinstance(e, DatasetReady) for e in events)
        card, _, _ = read_model(out)
        final = [e for e in events if isinstance(e, EpochMetrics)][-1]
        assert card.metrics["accuracy"] == pytest.approx(final.values["test/accuracy"])
        assert card.target == "parity"
        assert "seed 1" in card.split
        row = next(Classifier.load(out, "cpu").classify([("x", crystals(1)[0])]))
        assert row.prediction in ("even", "odd")

    def test_a_bad_setting_is_refused_before_anything_is_read(
        self, tmp_path: Path, files: tuple[Path, Path]
    ) -> None:
        with pytest.raises(CrystalError, match="no setting"):
            next(iter(train_from_files(*files, "cgnn", tmp_path / "o", overrides={"x": 1})))
        assert not (tmp_path / "o").exists()

    def test_labels_of_other_files(self, tmp_path: Path, files: tuple[Path, Path]) -> None:
        files[1].write_text("id,label\nfoo,a\nbar,b\n")
        with pytest.raises(DataError, match="No label belongs"):
            list(train_from_files(*files, "cgnn", tmp_path / "o"))


def test_publishing_averages_seeds_and_is_not_repeated(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    recipe = tmp_path / "recipe.json"
    split = {"validation": 0.2, "test": 0.2}
    plain = {
        "recipe": {"model": "cgnn", "preset": "small", "epochs": 2, "batch_size": 16,
                   "params": {"width": 8, "wide": 16, "depth": 1}, "split": split},
        "publication": {"name": "both", "title": "Both", "seeds": [0, 1], "licence": "none"},
    }  # fmt: skip
    recipe.write_text(json.dumps(plain))
    out = tmp_path / "out"
    events = list(publish(recipe, *files, out))
    assert len([e for e in events if isinstance(e, RunCreated)]) == 2
    card, inference, networks = read_model(out / "both")
    assert len(networks) == inference.members == 2
    assert card.title == "Both"
    assert 0 <= card.metrics["accuracy"] <= 1
    assert {"validation_accuracy", "balanced_accuracy", "loss"} <= set(card.metrics)
    lines = (out / "both" / "test.csv").read_text().splitlines()
    assert lines[0] == "id,label,prediction,probability"
    right = [line.split(",")[1] == line.split(",")[2] for line in lines[1:]]
    assert sum(right) / len(right) == pytest.approx(card.metrics["accuracy"])
    again = list(publish(recipe, *files, out))
    assert not [e for e in again if isinstance(e, RunCreated)]
    assert read_card(out / "both")[0].metrics == card.metrics


def test_an_ensemble_of_two_families_answers_as_it_was_tested(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    common = {"epochs": 2, "batch_size": 16, "split": {"validation": 0.2, "test": 0.2}}
    sizes = {"cgnn": {"width": 8, "wide": 16, "depth": 1}, "majority": {}}
    for name, params in sizes.items():
        plain = {
            "recipe": {"model": name, "params": params, "title": name, **common},
            "publication": {"name": name, "title": name, "seeds": [0, 1]},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(plain))
    recipe = tmp_path / "both.json"
    said = {"name": "both", "title": "Both", "licence": "none"}
    ensemble = {"parts": [f"{name}.json" for name in sizes], "blend": "stack"}
    recipe.write_text(json.dumps({"ensemble": ensemble, "publication": said}))
    out = tmp_path / "out"
    list(publish(recipe, *files, out))
    card, inference, networks = read_model(out / "both")
    assert [(p.title, p.members) for p in inference.parts] == [("cgnn", 2), ("majority", 2)]
    assert len(networks) == 4
    assert "2 of cgnn and 2 of majority" in card.split
    assert {"calibration_error", "accuracy_surest_half"} <= set(card.metrics)
    rows = [line.split(",") for line in (out / "both" / "test.csv").read_text().splitlines()[1:]]
    every = crystals(50)
    answers = Classifier.load(out / "both", "cpu").classify((r[0], every[int(r[0])]) for r in rows)
    for answer, (_, _, prediction, probability) in zip(answers, rows, strict=True):
        assert answer.prediction == prediction
        assert answer.probability == pytest.approx(float(probability), abs=2e-3)
        assert 0 < answer.first.spread < 1

    recipe.write_text(json.dumps({"ensemble": {**ensemble, "blend": "mix"}, "publication": said}))
    with pytest.raises(ModelError, match="cannot be read"):
        list(publish(recipe, *files, out))


def test_publish_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "RECIPE DATA LABELS OUT" in capsys.readouterr().err
