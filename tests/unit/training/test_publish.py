"""What is published was tested on rows that none of its runs has learnt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.errors import DataError
from crystalgui.core.messages import RunCreated
from crystalgui.core.models.trained import read_card
from crystalgui.core.reports.evaluation import evaluate, read_test
from crystalgui.core.store.project import Project
from crystalgui.core.training.ensemble import TEST, Source, combine
from crystalgui.core.training.publish import publish
from crystalgui.core.training.recipes import read_recipe
from tests.models.samples import dataset


def written(path: Path, **recipe: object) -> Path:
    """A recipe file of the baseline, which trains in no time."""
    plain = {
        "recipe": {"model": "majority", "epochs": 1, "split": {"validation": 0.2, "test": 0.2}}
        | recipe,
        "publication": {"name": "m", "title": "M"},
    }
    path.write_text(json.dumps(plain))
    return path


def test_runs_of_former_data_are_not_used_again(tmp_path: Path) -> None:
    folder, out = tmp_path / "data", tmp_path / "out"
    path = written(tmp_path / "m.json")

    def runs(number: int) -> list[str]:
        dataset(folder, number)
        events = publish(path, folder, None, out)
        return [e.run_id for e in events if isinstance(e, RunCreated)]

    (former,) = runs(40)
    assert runs(40) == []
    (fresh,) = runs(50)
    assert fresh != former
    with Project.open(out) as project:
        said = [project.run(run).facts()["data"] for run in (former, fresh)]
    assert said == ["digest 40 classification", "digest 50 classification"]
    source = Source("m", read_recipe(path, folder)[0], (former,))
    with pytest.raises(DataError, match="data set has changed since the run") as caught:
        combine(out, {"name": "m", "title": "M"}, [source], "vote")
    assert caught.value.hint


def test_names_with_commas_are_read_back(tmp_path: Path) -> None:
    made = dataset(tmp_path / "data", 40)
    summary = replace(made.summary, classes=("even, or none", "odd"))
    ids = tuple(f'cell {name}, "relaxed"' for name in made.records.ids)
    replace(made, summary=summary, records=replace(made.records, ids=ids)).save()
    list(publish(written(tmp_path / "m.json"), tmp_path / "data", None, tmp_path / "out"))
    card, _ = read_card(tmp_path / "out" / "m")
    known = read_test(Path(card.folder) / TEST, summary.classes)
    assert set(known.files) < set(ids)
    assert evaluate(known).score == pytest.approx(card.metrics["accuracy"])
