"""Several models on one task: the table, the ensembles, and going on after a stop."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystalgui.core.datasets import importer
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.importer import import_dataset
from crystalgui.core.errors import DataError, Stopped
from crystalgui.core.experiments import (
    atomic_limit,
    faithful,
    faithful_energy,
    faithful_magnetic,
    faithful_metal,
    faithful_tqc,
    learning_curve,
    misclassified,
)
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.faithful import Learner, Size, Task, crystals, study
from crystalgui.core.messages import DatasetReady, Event, ImportJob, TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.store.project import Project
from crystalgui.core.structures.files import write_poscar
from tests.models.samples import crystals as samples
from tests.models.samples import dataset

TINY = {"width": 8, "wide": 16, "depth": 1, "epochs": 2, "batch_size": 16}
TASK = Task(
    labels="mp_tqc/tqc.csv",
    table="Table 3",
    metric="accuracy",
    learners=(
        Learner(key="majority", title="Majority", model="majority", published=0.49, alone=True),
        Learner(key="one", title="One", model="cgnn", settings=TINY),
        Learner(key="two", title="Two", model="cgnn", settings={**TINY, "depth": 2}),
    ),
    sizes={"quick": Size(crystals=90), "full": Size()},
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with 130 crystals and two classes."""
    folder = tmp_path / "data" / "mp_tqc"
    folder.mkdir(parents=True)
    lines = ["id,label"]
    with zipfile.ZipFile(folder / "POSCAR.zip", "w") as archive:
        for i, crystal in enumerate(samples(130)):
            write_poscar(crystal, tmp_path / "x.vasp")
            archive.write(tmp_path / "x.vasp", f"POSCAR/{i}.POSCAR")
            lines.append(f"{i},{'ES' if crystal.species.sum() % 2 else 'LCEBR'}")
    (folder / "tqc.csv").write_text("\n".join(lines))
    monkeypatch.setenv("CRYSTALGUI_DATA", str(folder.parent))
    monkeypatch.setenv("CRYSTALGUI_HOME", str(tmp_path / "home"))
    return folder


def results(context: Context, task: Task) -> tuple[list[object], faithful.Results]:
    return walked(study(context, task))


def walked(steps: Any) -> tuple[list[object], faithful.Results]:
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def test_every_model_and_the_ensembles_stand_beside_the_paper(data: Path, tmp_path: Path) -> None:
    context = Context("quick", "cpu", tmp_path / "out")
    _, found = results(context, TASK)
    names = [n.name.rpartition(":")[0] for n in found.numbers]
    assert names == ["Majority", "One", "Two", *faithful.ENSEMBLES.values()]
    assert found.numbers[0].published == pytest.approx(49)
    assert all(0 <= n.value <= 100 for n in found.numbers)
    assert "purified" in " ".join(found.differs)
    assert (tmp_path / "out" / "tables" / "models.csv").is_file()
    stack = context.done("stack")
    assert stack is not None
    assert {"calibration_error", "accuracy_surest_half"} <= set(stack["metrics"])
    again, same = results(Context("quick", "cpu", tmp_path / "out"), TASK)
    assert [n.value for n in same.numbers] == [n.value for n in found.numbers]
    assert len(again) < 5  # nothing is trained twice


def test_fewer_crystals_are_drawn_by_formula(data: Path, tmp_path: Path) -> None:
    folders = []
    for many in (0, 60):
        context = Context("full", "cpu", tmp_path / f"out-{many}")
        steps = crystals(context, "mp_tqc/tqc.csv", many=many)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                folders.append(end.value)
                break
    whole, part = map(Dataset.load, folders)
    assert len(part.records) == part.summary.size == 60 < len(whole.records)
    assert set(part.records.ids) < set(whole.records.ids)
    assert part.summary.digest != whole.summary.digest
    kept, left = set(part.records.keys()), set(whole.records.keys()) - set(part.records.keys())
    assert kept
    assert left
    shared = [k for k in whole.records.keys() if k in kept]  # noqa: SIM118
    assert len(shared) - 60 < 3  # at most the last formula is cut
    assert np.isin(part.target, whole.target).all()
    assert sum(part.summary.counts) == 60


def test_a_draw_that_was_stopped_is_not_taken_for_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def stopped_at_its_end(job: ImportJob) -> Iterator[Event]:
        for event in import_dataset(job):
            if isinstance(event, DatasetReady):
                stop.set()
            yield event

    monkeypatch.setattr(importer, "import_dataset", stopped_at_its_end)
    context = Context("quick", "cpu", tmp_path / "out", stop)
    with pytest.raises(Stopped):
        walked(crystals(context, "mp_tqc/tqc.csv", many=60))
    stop.clear()
    _, folder = walked(crystals(context, "mp_tqc/tqc.csv", many=60))
    part = Dataset.load(folder)  # type: ignore[arg-type]
    assert len(part.records) == part.summary.size == 60
    # What the whole data set was imported into and never cut down is made again.
    whole = Dataset.load(part.summary.folder.with_name("tqc"))
    faithful.part(whole, np.arange(len(whole.records)), part.summary.folder).save()
    events, again = walked(crystals(context, "mp_tqc/tqc.csv", many=60))
    assert Dataset.load(again).summary == part.summary  # type: ignore[arg-type]
    assert events == []  # from crystals that were imported before


def test_the_newest_run_of_the_same_data_goes_on(tmp_path: Path) -> None:
    summary = dataset(tmp_path / "data", 12).summary
    recipe = TrainRecipe(model="majority", dataset=summary.folder)
    with Project.open(tmp_path) as project:
        digests = (summary.digest, summary.digest, "of other data")
        old, new, _ = [project.create_run(recipe, {"data": one}) for one in digests]
        assert faithful._begun(tmp_path, recipe) == new.id
        new.set_status("failed")
        assert faithful._begun(tmp_path, recipe) == old.id


def test_numbers_can_be_drawn_too(data: Path, tmp_path: Path) -> None:
    lines = ["id,formation_energy", *(f"{i},{-1 - 0.01 * i}" for i in range(130))]
    (data / "formation_energy.csv").write_text("\n".join(lines))
    context = Context("quick", "cpu", tmp_path / "out")
    _, folder = walked(crystals(context, "mp_tqc/formation_energy.csv", many=50))
    part = Dataset.load(folder)  # type: ignore[arg-type]
    assert len(part.records) == 50
    assert part.summary.counts == ()


def test_the_atomic_limit_counts_crystals_and_says_what_teaching_costs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = Learner(key="t", title="Taught", model="cgnn", settings={**TINY, "expanded": 0.5})
    monkeypatch.setattr(atomic_limit, "LEARNERS", (TASK.learners[1], taught))
    monkeypatch.setattr(atomic_limit, "SIZES", {"quick": Size(crystals=90)})
    _, found = walked(atomic_limit.run(Context("quick", "cpu", tmp_path / "out")))
    assert [n.name for n in found.numbers][::3] == [
        f"{title}: called trivial at r = 1" for title in ("One", "Taught")
    ]
    assert all(0 <= n.value <= 100 for n in found.numbers)
    rows = (tmp_path / "out" / "tables" / "shares.csv").read_text().splitlines()
    assert len(rows) == 1 + len(atomic_limit.FACTORS)


def test_what_all_miss_is_listed_with_what_each_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {**misclassified.ALL, **TINY, "split.validation": 0.1, "split.test": 0.1}
    learners = tuple(
        Learner(key=f"k{i}", title=f"Net {i}", model="cgnn", settings={**tiny, "seed": i})
        for i in range(2)
    )
    monkeypatch.setattr(misclassified, "LEARNERS", learners)
    monkeypatch.setattr(misclassified, "SIZES", {"quick": Size(crystals=90)})
    context = Context("quick", "cpu", tmp_path / "out")
    _, found = walked(misclassified.run(context))
    values = {n.name: n.value for n in found.numbers}
    rows = (tmp_path / "out" / "tables" / "missed.csv").read_text().splitlines()[1:]
    assert len(rows) == values["Missed by all"]
    for row in rows:
        _, _, _, label, *said = row.split(",")
        assert len(said) == 2
        assert label not in said
    runs = (context.folder("project") / ".crystalgui" / "runs").glob("*/state.json")
    states = [json.loads(path.read_text()) for path in runs]
    assert len(states) == 2
    assert all(state["best_epoch"] == state["epoch"] for state in states)  # the last is kept
    errors = [values[f"Net {i}: error"] / 100 for i in range(2)]
    assert values["Expected from independent mistakes"] == pytest.approx(90 * np.prod(errors))
    assert max(0, sum(errors) - 1) * 90 - 1e-6 <= len(rows) <= min(errors) * 90 + 1e-6


def test_learning_curves_have_one_test_and_nested_parts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**TINY, "split.test": 0.1}
    monkeypatch.setattr(
        learning_curve,
        "LEARNERS",
        (Learner(key="net", title="Net", model="cgnn", settings=own),),
    )
    monkeypatch.setattr(learning_curve, "SIZES", {"quick": Size(crystals=60, effort=0.5)})
    shares = (Fraction(1, 2), Fraction(1))
    monkeypatch.setattr(learning_curve, "SHARES", {"quick": shares})
    context = Context("quick", "cpu", tmp_path / "out")
    _, found = walked(learning_curve.run(context))
    whole = context.folder("project") / ".crystalgui" / "datasets" / "tqc-60"
    test, parts = learning_curve.divide(whole, shares)
    dataset = Dataset.load(whole)
    keys = dataset.records.keys()
    small, large = (Dataset.load(parts[share]) for share in shares)
    assert set(small.records.ids) < set(large.records.ids)
    assert not {keys[row] for row in test.tolist()} & set(large.records.keys())
    assert len(large.records) + len(test) == 60
    values = {n.name: n.value for n in found.numbers}
    rows = (tmp_path / "out" / "tables" / "sizes.csv").read_text().splitlines()[1:]
    learnt = [float(row.split(",")[2]) for row in rows]
    assert values["Net: all formulas"] == pytest.approx(learnt[1], abs=1e-3)
    assert values["Net: gained by the last doubling"] == pytest.approx(
        learnt[1] - learnt[0], abs=1e-3
    )
    epochs = (tmp_path / "out" / "tables" / "epochs.csv").read_text().splitlines()[1:]
    assert len(epochs) == 1


def test_missing_data_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALGUI_DATA", str(tmp_path))
    with pytest.raises(DataError, match="not on this machine"):
        next(crystals(Context("quick", "cpu", tmp_path / "out"), "mp_tqc/tqc.csv"))


@pytest.mark.parametrize(
    "module", [faithful_tqc, faithful_magnetic, faithful_metal, faithful_energy]
)
def test_the_models_of_the_paper_are_there(module: object) -> None:
    task: Task = module.TASK  # type: ignore[attr-defined]
    assert {"majority", "nnn", "cgnn", "cann", "ccnn"} <= {one.model for one in task.learners}
    for learner in task.learners:
        family = registry.family(learner.model)
        assert learner.preset in family.card.presets
        kind = "regression" if task.metric == "mae" else "classification"
        assert kind in family.card.tasks
