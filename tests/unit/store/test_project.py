"""Runs, the bin, recovery after kill -9, and two processes at once."""

from __future__ import annotations

import csv
import io
import json
import math
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from crystalgui.core.cards import TrainedModel
from crystalgui.core.errors import StoreError
from crystalgui.core.messages import DatasetSummary, TrainRecipe
from crystalgui.core.store.files import FolderLock
from crystalgui.core.store.project import Project
from tests.unit.store import children

SPAWN = multiprocessing.get_context("spawn")


def test_a_new_run_has_its_facts(project: Project, recipe: TrainRecipe) -> None:
    project.register_dataset(
        DatasetSummary(
            name="tqc",
            folder=recipe.dataset,
            task="classification",
            target="tqc",
            size=2,
            digest="abc",
        )
    )
    run = project.create_run(recipe)
    assert (run.status, run.title, run.model, run.preset) == (
        "created",
        "First try",
        "cgnn",
        "small",
    )
    assert run.recipe == recipe
    assert (run.epochs, run.best, run.tags, run.note, run.ended) == (0, {}, (), "", None)
    facts = run.facts()
    assert (facts["seed"], facts["data"], facts["recipe"]["params"]["depth"]) == (7, "abc", 3)
    assert {"crystalgui", "python", "numpy", "torch"} <= facts["versions"].keys()
    assert run.created.utcoffset() is not None


def test_ids_sort_by_time(project: Project, recipe: TrainRecipe) -> None:
    ids = [project.create_run(recipe).id for _ in range(20)]
    assert len(set(ids)) == 20
    assert [i[:15] for i in ids] == sorted(i[:15] for i in ids)
    assert [r.id for r in project.runs()] == ids[::-1]


def test_the_life_of_a_run(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    assert not run.is_live
    run.set_status("running")
    assert run.is_live
    assert project.run(run.id).is_live
    assert project.runs(status="running")[0].id == run.id
    run.append_metrics({"epoch": 1, "train/loss": 0.9, "val/accuracy": math.nan})
    run.append_metrics({"epoch": 2, "train/loss": 0.5, "val/accuracy": math.inf}, best=True)
    run.set_status("done")
    seen = project.run(run.id)
    assert not seen.is_live
    assert (seen.status, seen.epochs, seen.best["train/loss"]) == ("done", 2, 0.5)
    assert seen.ended is not None
    assert seen.ended >= seen.created
    rows = seen.metrics()
    assert [r["train/loss"] for r in rows] == [0.9, 0.5]
    assert all(math.isnan(r["val/accuracy"]) for r in rows)
    for line in seen.file("metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))


def test_only_one_process_trains_a_run(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    other = project.run(run.id)
    with run.lock():
        with pytest.raises(StoreError, match="in use"):
            other.set_status("running")
        with pytest.raises(StoreError, match="in use"), other.lock():
            pass
        with pytest.raises(StoreError, match="is training"):
            other.bin()
    with other.lock():
        other.set_status("running")
        assert run.is_live
        other.set_status("stopped")
    assert not run.is_live


def test_resume_forgets_later_epochs(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    for epoch in range(1, 6):
        run.append_metrics({"epoch": epoch, "loss": 1.0 / epoch})
    with open(run.file("metrics.jsonl"), "ab") as stream:
        stream.write(b'{"epoch": 6, "lo')  # killed in the middle of a line
    assert [r["epoch"] for r in run.metrics()] == [1, 2, 3, 4, 5]
    run.append_metrics({"epoch": 6, "loss": 0.1})
    assert [r["epoch"] for r in run.metrics()] == [1, 2, 3, 4, 5, 6]
    run.truncate_metrics(3)
    assert [r["epoch"] for r in run.metrics()] == [1, 2, 3]
    assert run.epochs == 3
    assert project.create_run(recipe).metrics() == []


def test_state_and_log(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    assert run.state() == {}
    run.write_state({"epoch": 3, "rng": [1, 2]})
    assert run.state() == {"epoch": 3, "rng": [1, 2]}
    run.file("state.json").write_text("{")
    with pytest.raises(StoreError) as caught:
        run.state()
    assert caught.value.path == run.file("state.json")
    run.log("first")
    run.log("second")
    assert [line[20:] for line in run.file("log.txt").read_text().splitlines()] == [
        "first",
        "second",
    ]
    assert run.size > 0


def test_tags_note_and_title(project: Project, recipe: TrainRecipe) -> None:
    run, other = project.create_run(recipe), project.create_run(recipe)
    run.set_tags((" best ", "paper", "best", ""))
    run.set_note("näive")
    run.rename("Renamed")
    assert (run.tags, run.note, run.title) == (("best", "paper"), "näive", "Renamed")
    assert [r.id for r in project.runs(tag="paper")] == [run.id]
    assert other.refresh().tags == ()
    with pytest.raises(ValueError, match="binned"):
        run.set_status("binned")


def test_the_bin(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    run.set_status("running")
    run.append_metrics({"epoch": 1, "loss": 1.0})
    run.set_status("failed")
    home = run.folder
    run.bin()
    assert (run.status, run.folder.parent) == ("binned", project.bin_folder)
    assert not home.exists()
    assert project.runs() == []
    assert [r.id for r in project.runs(binned=True)] == [run.id]
    assert run.metrics() == [{"epoch": 1, "loss": 1.0}]
    run.restore()
    assert (run.status, run.folder) == ("failed", home)
    assert home.is_dir()
    with pytest.raises(StoreError, match="in the bin"):
        run.purge()
    run.bin()
    run.purge()
    assert list(project.bin_folder.iterdir()) == []
    with pytest.raises(StoreError, match="no run"):
        project.run(run.id)
    with pytest.raises(StoreError, match="was deleted"):
        run.rename("x")


@pytest.mark.parametrize("direction", ["to the bin", "back"])
def test_a_half_made_move_is_finished(
    project: Project, recipe: TrainRecipe, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    run = project.create_run(recipe)
    if direction == "back":
        run.bin()
    monkeypatch.setattr(project, "_move", lambda *_: None)  # the power fails here
    run.restore() if direction == "back" else run.bin()
    assert not run.folder.exists()
    with Project.open(project.folder) as again:
        assert again.run(run.id).folder.is_dir()


def test_a_lost_database_is_rebuilt_from_the_run_folders(tmp_path: Path) -> None:
    recipe = TrainRecipe(model="cgnn", dataset=tmp_path / "d", title="Kept", seed=3)
    with Project.open(tmp_path) as project:
        run = project.create_run(recipe)
        run.append_metrics({"epoch": 4, "loss": 1.0})
        (project.runs_folder / "stranger").mkdir()
        (project.runs_folder / "damaged").mkdir()
        (project.runs_folder / "damaged" / "run.json").write_text('{"recipe": 3}')
    for path in (tmp_path / ".crystalgui").glob("project.sqlite*"):
        path.unlink()
    with Project.open(tmp_path) as project:
        (found,) = project.runs()
        assert (found.id, found.title, found.recipe) == (run.id, "Kept", recipe)
        assert (found.status, found.epochs) == ("interrupted", 4)


def test_a_moved_project_still_works(tmp_path: Path) -> None:
    with Project.open(tmp_path / "old") as project:
        recipe = TrainRecipe(model="m", dataset=project.datasets_folder / "d")
        run = project.create_run(recipe)
        project.add_file(project.folder / "a.vasp", "crystal")
        folder = str(project.models_folder / "mine")
        project.register_model(_model("mine", folder))
    shutil.move(tmp_path / "old", tmp_path / "new")
    with Project.open(tmp_path / "new") as project:
        assert project.run(run.id).recipe.dataset == project.datasets_folder / "d"
        assert project.files()[0].path == project.folder / "a.vasp"
        assert project.models()[0].folder == str(project.models_folder / "mine")


def _model(name: str, folder: str) -> TrainedModel:
    return TrainedModel(
        name=name,
        family="cgnn",
        title=name,
        folder=folder,
        task="classification",
        target="tqc",
        classes=("a", "b"),
        metrics={"accuracy": 0.5},
        params={"depth": 2},
    )


def test_datasets_models_files_and_state(project: Project, tmp_path: Path) -> None:
    summary = DatasetSummary(
        name="d",
        folder=project.datasets_folder / "d",
        task="regression",
        target="gap",
        size=3,
        minimum=-1.0,
        problems=("line 3: no label",),
    )
    project.register_dataset(summary)
    project.register_dataset(summary)
    assert project.datasets() == [summary]
    project.remove_dataset("d")
    assert project.datasets() == []

    elsewhere = _model("far", str(tmp_path / "elsewhere"))
    project.register_model(elsewhere)
    assert project.models() == [elsewhere]
    project.remove_model("far")
    assert project.models() == []

    for name in ("b.vasp", "a.vasp"):
        project.add_file(tmp_path / name, "crystal", "00")
    project.add_file(tmp_path / "b.vasp", "error")
    assert [(f.path.name, f.kind) for f in project.files()] == [
        ("a.vasp", "crystal"),
        ("b.vasp", "error"),
    ]
    project.remove_file(tmp_path / "a.vasp")
    assert len(project.files()) == 1

    assert project.state("page") is None
    project.set_state("page", {"current": "train"})
    project.set_state("page", {"current": "runs"})
    assert project.state("page") == {"current": "runs"}


def test_one_csv_for_all_runs(project: Project, recipe: TrainRecipe, tmp_path: Path) -> None:
    assert project.runs_csv() == "id\n"
    first = project.create_run(recipe)
    first.set_tags(("a", "b"))
    first.append_metrics({"epoch": 2, "val/accuracy": 0.8}, best=True)
    second = project.create_run(TrainRecipe(model="other", dataset=tmp_path, title='say "hi", x'))
    project.create_run(recipe).bin()
    text = project.runs_csv(tmp_path / "out" / "runs.csv")
    assert (tmp_path / "out" / "runs.csv").read_text() == text
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows.keys() == {first.id, second.id}
    assert rows[first.id]["best.val/accuracy"] == "0.8"
    assert rows[first.id]["recipe.params.depth"] == "3"
    assert rows[first.id]["tags"] == "a b"
    assert rows[second.id]["title"] == 'say "hi", x'
    assert rows[second.id]["recipe.params.depth"] == ""
    assert list(rows[first.id])[:4] == ["id", "title", "model", "preset"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        Project.open(tmp_path / "file" / "project")


# ------------------------------------------------------------ other processes


def _child(target, *arguments: object):  # type: ignore[no-untyped-def]
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def test_a_killed_run_is_interrupted_and_can_be_resumed(tmp_path: Path) -> None:
    process, pipe = _child(children.train_and_die, tmp_path)
    assert pipe.poll(30)
    run_id = pipe.recv()
    with Project.open(tmp_path) as while_alive:
        assert while_alive.run(run_id).status == "running"
        assert while_alive.run(run_id).is_live
        process.kill()
        process.join(10)
        while_alive.mend()  # the window notices without opening again
        assert while_alive.run(run_id).status == "interrupted"
    with Project.open(tmp_path) as project:
        (run,) = project.runs(status="interrupted")
        assert (run.id, run.epochs, run.best["epoch"]) == (run_id, 2, 2)
        assert run.file("last.safetensors").read_bytes() == b"weights"
        run.set_status("running")
        assert run.ended is None
        run.append_metrics({"epoch": run.state()["epoch"] + 1, "train/loss": 0.7})
        run.set_status("done")
        assert [r["epoch"] for r in run.metrics()] == [1, 2, 3]


@pytest.mark.parametrize("after", [5, 12])
def test_a_kill_at_any_moment_leaves_whole_files(tmp_path: Path, after: int) -> None:
    process, pipe = _child(children.die_while_writing, tmp_path)
    assert pipe.poll(30)
    run_id = pipe.recv()
    metrics = tmp_path / ".crystalgui" / "runs" / run_id / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < after:
        assert process.is_alive()
    process.kill()
    process.join(10)
    with Project.open(tmp_path) as project:
        run = project.run(run_id)
        assert run.status == "interrupted"
        epochs = [r["epoch"] for r in run.metrics()]
        assert epochs == list(range(1, len(epochs) + 1))
        assert len(epochs) >= after
        assert run.epochs in (epochs[-1], epochs[-1] - 1)
        weights = run.file("last.safetensors").read_bytes()
        assert len(weights) == 200_000
        assert len(set(weights)) == 1
        assert run.state()["epoch"] in (epochs[-1], epochs[-1] - 1)


def test_window_and_workers_use_the_database_together(project: Project) -> None:
    """Two writers and a reader that also writes: nobody fails, nothing is lost."""
    workers = [_child(children.write_runs, project.folder, 8) for _ in range(2)]
    reads = notes = 0
    while not all(pipe.poll(0) for _, pipe in workers):
        runs = project.runs()
        reads += 1
        if runs and runs[0].status == "done":
            runs[0].set_note("seen")
            notes += 1
        assert all(p.is_alive() or pipe.poll(1) for p, pipe in workers)
    for process, pipe in workers:
        assert pipe.recv() == "done"
        process.join(10)
        assert process.exitcode == 0
    runs = project.runs()
    assert len(runs) == 16
    assert all((r.status, r.epochs, len(r.metrics())) == ("done", 3, 3) for r in runs)
    assert reads > 5
    assert notes == 0 or any(r.note == "seen" for r in runs)


def test_processes_may_make_the_project_at_the_same_time(tmp_path: Path) -> None:
    openers = [_child(children.open_and_count, tmp_path / "new") for _ in range(4)]
    for process, pipe in openers:
        assert pipe.poll(60)
        assert pipe.recv() == "opened"
        process.join(10)
        assert process.exitcode == 0
    with Project.open(tmp_path / "new") as project:
        for process, _ in openers:
            assert project.state(f"pid {process.pid}") == 1


def test_the_lock_file_of_a_run_is_not_left_live(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    run.set_status("running")
    run.release()
    assert not FolderLock(run.folder).is_live()
    assert os.path.exists(run.file(".lock"))
    project.mend()
    assert project.run(run.id).status == "interrupted"


def test_closing_the_project_lets_its_runs_go(tmp_path: Path) -> None:
    with Project.open(tmp_path) as project:
        run = project.create_run(TrainRecipe(model="m", dataset=tmp_path))
        run.set_status("running")
    with Project.open(tmp_path) as again:
        assert again.run(run.id).status == "interrupted"
