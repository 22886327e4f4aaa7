"""Data sets of Hamiltonians: drawn, labelled, made in shards, stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystalgui.cli import main as command_line
from crystalgui.core.datasets.hamiltonians import generate, labelling
from crystalgui.core.datasets.hamiltonians.dataset import CLASSES, VIA, PhaseDataset
from crystalgui.core.datasets.hamiltonians.generate import draw, make
from crystalgui.core.datasets.hamiltonians.labelling import Labeller, Line
from crystalgui.core.datasets.hamiltonians.recipes import (
    changed,
    checked,
    ends,
    read_recipe,
    same,
    shipped,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    DatasetReady,
    Event,
    HamiltonianSource,
    PhaseDataJob,
    PhaseDataProgress,
    PhaseDataRecipe,
    Stopped,
)
from crystalgui.core.physics.bloch import hamiltonian
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.store.project import Project

TRIM = np.indices((2, 2, 2)).reshape(3, -1).T / 2


def diamond(d: float) -> HamiltonianSource:
    return HamiltonianSource(model="fu-kane-mele", settings={"d": d, "b2": 0.8, "staggered": 0.3})


RECIPE = PhaseDataRecipe(
    name="diamond",
    title="Diamond with noise",
    start=diamond(0.05),
    end=diamond(0.4),
    train=12,
    test=4,
    strength=0.01,
    seed=5,
    notes=("A small one.",),
)
PLAIN = replace(RECIPE, name="diamond-plain", strength=0.0, train=9, test=3)


def made(
    recipe: PhaseDataRecipe, out: Path, processes: int = 1
) -> tuple[PhaseDataset, list[Event]]:
    events = list(make(PhaseDataJob(recipe=recipe, out=out, processes=processes)))
    assert isinstance(events[-1], DatasetReady)
    return PhaseDataset.load(out), events


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of `RECIPE`: its line without noise is known."""
    out = tmp_path_factory.mktemp("begun")
    steps = make(PhaseDataJob(recipe=RECIPE, out=out, processes=1))
    for _ in steps:
        if (out / "parts" / "begin.json").exists():
            break
    steps.close()
    return out / "parts" / "begin.json"


def beginning(begun: Path, out: Path, recipe: PhaseDataRecipe) -> Path:
    """A folder in which the line of ``recipe`` is known."""
    parts = out / "parts"
    parts.mkdir(parents=True)
    plain = json.loads(begun.read_text())
    plain["recipe"].update(
        name=recipe.name,
        alpha=list(recipe.alpha),
        strength=recipe.strength,
        train=recipe.train,
        test=recipe.test,
    )
    (parts / "begin.json").write_text(json.dumps(plain))
    return out


@pytest.fixture(scope="module")
def noisy(
    begun: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PhaseDataset, list[Event]]:
    return made(RECIPE, beginning(begun, tmp_path_factory.mktemp("noisy") / "set", RECIPE))


@pytest.fixture(autouse=True, scope="module")
def small_plain_shards() -> Iterator[None]:
    """Shards of the size of the smallest sets here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "_SHARD", 12)
        patch.setattr(generate, "_SHARD_NOISE", 16)
        patch.setattr(labelling, "_GRID", 41)
        yield


@pytest.fixture(scope="module")
def plain(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> PhaseDataset:
    return made(PLAIN, beginning(begun, tmp_path_factory.mktemp("plain") / "set", PLAIN))[0]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_SHARD_NOISE", 4)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


# ------------------------------------------------------------------ physics


def test_every_sample_keeps_kramers_pairs(noisy: tuple[PhaseDataset, list[Event]]) -> None:
    data = noisy[0]
    for i in range(len(data)):
        e = np.linalg.eigvalsh(hamiltonian(data.hamiltonian(i), TRIM))
        assert np.abs(e[:, ::2] - e[:, 1::2]).max() < 1e-12 * np.abs(e).max()


def test_labels_are_those_of_a_fresh_certificate(
    noisy: tuple[PhaseDataset, list[Event]], plain: PhaseDataset
) -> None:
    data = noisy[0]
    assert set(data.label) == {0, 1, 2}
    assert set(data.via) == {0, 2}
    for i in range(0, len(data), 2):
        certificate = data.certificate(i)
        assert certificate.label == CLASSES[data.label[i]]
        if not certificate.nodes:
            assert certificate.gaps is not None
            assert data.gap[i] == pytest.approx(certificate.gaps.direct.energy, abs=2e-5)
        else:
            assert data.gap[i] < 1e-6
    assert {0, 1} <= set(plain.label)
    assert 1 in plain.via
    assert 2 not in plain.via
    for i in range(0, len(plain), 3):
        certificate = plain.certificate(i)
        assert certificate.label == CLASSES[plain.label[i]]
        if not certificate.nodes:
            assert certificate.gaps is not None
            assert plain.gap[i] == pytest.approx(certificate.gaps.direct.energy, abs=2e-5)


def test_the_gap_is_at_its_k(noisy: tuple[PhaseDataset, list[Event]]) -> None:
    data = noisy[0]
    for i in range(len(data)):
        e = np.linalg.eigvalsh(hamiltonian(data.hamiltonian(i), data.k[i]))
        assert e[data.occupied] - e[data.occupied - 1] == pytest.approx(data.gap[i], abs=1e-9)


def test_no_sample_is_in_both_parts(
    noisy: tuple[PhaseDataset, list[Event]], plain: PhaseDataset
) -> None:
    for data in (noisy[0], plain):
        recipe = data.recipe
        assert (int((~data.is_test).sum()), int(data.is_test.sum())) == (recipe.train, recipe.test)
        assert len(set(data.alpha.tolist())) == len(data)
        low, high = recipe.alpha
        assert low <= data.alpha.min()
        assert data.alpha.max() < high
    seeds = noisy[0].noise_seed
    assert len(set(seeds.tolist())) == len(seeds)
    assert (plain.noise_seed == -1).all()
    made_of = noisy[0].matrices(np.arange(len(seeds))).reshape(len(seeds), -1)
    apart = np.abs(made_of[:, None] - made_of[None]).max(axis=-1) + np.eye(len(seeds))
    assert apart.min() > 1e-3


def test_noise_that_breaks_time_reversal_is_never_labelled_by_continuity(begun: Path) -> None:
    start, end, occupied = ends(RECIPE)
    line = Line.from_plain(json.loads(begun.read_text())["line"])
    literal = replace(RECIPE, mode="paper-literal", strength=0.02)
    found = Labeller(literal, start, end, occupied, line).label(0.9, 3)
    assert found.via == "certificate"
    assert found.label not in CLASSES[:2]


def test_hoppings_in_a_batch_are_those_of_each_sample(
    noisy: tuple[PhaseDataset, list[Event]], plain: PhaseDataset
) -> None:
    for data in (noisy[0], plain):
        batch = data.matrices([3, 0])
        for row, i in zip(batch, (3, 0), strict=True):
            assert np.array_equal(data.hamiltonian(i).cells, data.cells)
            assert np.abs(data.hamiltonian(i).matrices - row).max() < 1e-15
    noise = noisy[0].noise(1)
    assert noise is not None
    assert plain.noise(1) is None
    assert np.sqrt((np.abs(noise.matrices) ** 2).mean()) == pytest.approx(0.01)
    assert time_reversal(noisy[0].hamiltonian(2)).holds


# ------------------------------------------------------------------ shards


def test_the_number_of_processes_changes_no_bit(
    small_shards: None, noisy: tuple[PhaseDataset, list[Event]], begun: Path, tmp_path: Path
) -> None:
    out = beginning(begun, tmp_path / "two", RECIPE)
    made(RECIPE, out, processes=2)
    assert contents(out) == contents(noisy[0].summary.folder)


def test_a_stopped_run_goes_on(
    small_shards: None, noisy: tuple[PhaseDataset, list[Event]], begun: Path, tmp_path: Path
) -> None:
    out = beginning(begun, tmp_path / "stopped", RECIPE)
    stop = threading.Event()
    events = []
    for event in make(PhaseDataJob(recipe=RECIPE, out=out, processes=1), stop):
        events.append(event)
        if isinstance(event, PhaseDataProgress) and event.done:
            stop.set()
    assert isinstance(events[-1], Stopped)
    kept = sorted(p.name for p in (out / "parts").glob("*.safetensors"))
    assert 0 < len(kept) < 4
    assert not (out / "dataset.json").exists()
    assert [folder for folder, _ in generate.begun(tmp_path)] == [out]
    again = [e for e in made(RECIPE, out)[1] if isinstance(e, PhaseDataProgress)]
    assert again[0].done == 4 * len(kept)  # nothing is made twice
    assert contents(out) == contents(noisy[0].summary.folder)
    assert not (out / "parts").exists()


_ENDLESS = replace(PLAIN, name="endless", alpha=(0.7, 1.0), train=100_000, test=0)


def test_a_killed_run_leaves_whole_shards(begun: Path, tmp_path: Path) -> None:
    out = beginning(begun, tmp_path / "killed", _ENDLESS)
    recipe = tmp_path / "recipe.json"
    fields = json.loads((out / "parts" / "begin.json").read_text())["recipe"]
    recipe.write_text(json.dumps({"kind": "hoppings", **fields}))
    words = ["dataset", str(recipe), "--out", str(out), "--processes", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "crystalgui", *words],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    waiting = threading.Event()
    for _ in range(4000):
        if list((out / "parts").glob("*.safetensors")):
            break
        assert process.poll() is None
        waiting.wait(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    parts = sorted((out / "parts").glob("*.safetensors"))
    assert parts
    assert not (out / "dataset.json").exists()
    # Its processes went with it: nobody holds the folder, and the parts are whole.
    steps = make(PhaseDataJob(recipe=_ENDLESS, out=out, processes=1))
    first = next(e for e in steps if isinstance(e, PhaseDataProgress))
    steps.close()
    assert first.done > 0
    shard = generate._read_part(parts[0])
    assert [draw(_ENDLESS, int(n))[0] for n in shard.number] == shard.alpha.tolist()


def test_draws_do_not_depend_on_what_was_drawn_before() -> None:
    one = [draw(RECIPE, i) for i in (7, 3)]
    assert one == [draw(RECIPE, i) for i in (3, 7)][::-1]
    assert draw(replace(RECIPE, seed=6), 3)[0] != one[1][0]
    many = np.array([draw(PLAIN, i)[0] for i in range(2000)])
    assert abs(many.mean() - 0.5) < 0.03
    assert many.min() < 0.01
    assert many.max() > 0.99


def test_a_finished_set_is_not_made_again_nor_overwritten(
    noisy: tuple[PhaseDataset, list[Event]],
) -> None:
    folder = noisy[0].summary.folder
    before = contents(folder)
    events = made(replace(RECIPE, title="Other words"), folder)[1]
    assert not [e for e in events if isinstance(e, PhaseDataProgress)]
    with pytest.raises(DataError, match="another data set"):
        list(make(PhaseDataJob(recipe=replace(RECIPE, seed=9), out=folder)))
    assert contents(folder) == before


# ------------------------------------------------------------------ stored


def test_what_is_stored_is_what_is_read(noisy: tuple[PhaseDataset, list[Event]]) -> None:
    data, events = noisy
    ready = events[-1]
    assert isinstance(ready, DatasetReady)
    assert ready.summary == data.summary
    summary = data.summary
    assert (summary.kind, summary.classes, summary.size) == ("hoppings", CLASSES, 16)
    assert summary.counts == tuple(np.bincount(data.label, minlength=3).tolist())
    assert summary.apart == len(data.apart)
    assert len(summary.digest) == 64
    assert same(data.recipe, RECIPE)
    assert data.recipe.notes == RECIPE.notes
    assert time_reversal(data.start).holds
    assert data.start.n_orbitals == 4
    text = (summary.folder / "card.md").read_text()
    assert "Diamond with noise" in text
    assert "- A small one." in text
    assert all(word in text for word in (*CLASSES, *VIA))
    assert sum(p.stat().st_size for p in summary.folder.iterdir()) < 1_000_000


def test_a_folder_of_something_else_is_refused(
    noisy: tuple[PhaseDataset, list[Event]], tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        PhaseDataset.load(tmp_path)
    for name, content in contents(noisy[0].summary.folder).items():
        (tmp_path / name).write_bytes(content)
    records = tmp_path / "records.safetensors"
    records.write_bytes(records.read_bytes()[:-50])
    with pytest.raises(DataError, match="cannot be read"):
        PhaseDataset.load(tmp_path)
    summary = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**summary, "kind": "zones"}))
    with pytest.raises(DataError, match="not of hoppings"):
        PhaseDataset.load(tmp_path)


def test_a_set_of_a_project_is_registered(begun: Path, tmp_path: Path) -> None:
    project = Project.open(tmp_path / "p")
    folder = project.datasets_folder / "diamond-plain"
    project.close()
    beginning(begun, folder, PLAIN)
    list(make(PhaseDataJob(recipe=PLAIN, project=tmp_path / "p", processes=1)))
    project = Project.open(tmp_path / "p")
    try:
        (summary,) = project.datasets()
        assert summary.kind == "hoppings"
        assert summary.folder == folder
        assert len(PhaseDataset.load(summary.folder)) == 12
    finally:
        project.close()


# ------------------------------------------------------------------ recipes


def test_shipped_recipes_can_be_read() -> None:
    names = shipped()
    assert {"bitei-unperturbed", "bitei-perturbed", "bi2se3-path"} <= set(names)
    one, other = read_recipe("bitei-unperturbed"), read_recipe("bitei-perturbed-small")
    assert isinstance(one, PhaseDataRecipe)
    assert isinstance(other, PhaseDataRecipe)
    assert (one.start, one.end) == (other.start, other.end)
    assert (one.train, one.test, other.train, other.test) == (54000, 6000, 5400, 600)
    assert one.strength == 0
    assert other.strength > 0
    assert one.notes
    assert one.seed != other.seed
    for name in names:
        recipe = read_recipe(name)
        assert recipe.name == name
        if isinstance(recipe, PhaseDataRecipe):
            checked(recipe)


def test_settings_change_a_recipe() -> None:
    values: dict[str, Any] = {"train": 7, "end.settings.d": 0.3, "alpha.1": 0.5, "name": "other"}
    recipe = changed(RECIPE, values)
    assert isinstance(recipe, PhaseDataRecipe)
    assert (recipe.train, recipe.alpha, recipe.name) == (7, (0.0, 0.5), "other")
    assert recipe.end.settings["d"] == 0.3
    assert recipe.start == RECIPE.start
    for bad in ({"tran": 3}, {"train": "many"}, {"alpha.2": 1.0}, {"mode": "odd"}, {"end.b": 1}):
        with pytest.raises(DataError):
            changed(RECIPE, bad)


@pytest.mark.parametrize(
    "values",
    [
        {"train": 0},
        {"test": -1},
        {"alpha": (0.5, 0.5)},
        {"strength": -1.0},
        {"strength": float("nan")},
        {"gap_tolerance": 0.0},
        {"seed": -1},
        {"name": " "},
    ],
)
def test_impossible_recipes_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        list(make(PhaseDataJob(recipe=replace(RECIPE, **values), out=tmp_path / "x")))


def test_the_command_line_makes_lists_and_refuses(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = beginning(begun, tmp_path / "set", PLAIN)
    recipe = tmp_path / "recipe.json"
    fields = json.loads((out / "parts" / "begin.json").read_text())["recipe"]
    recipe.write_text(json.dumps({"kind": "hoppings", **fields}))
    words = ["dataset", str(recipe), "--out", str(out), "--processes", "1", "--json"]
    assert command_line(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["size"] == 12
    assert sum(answer["counts"].values()) == 12
    assert command_line(["dataset", "--list"]) == 0
    assert "bitei-perturbed" in capsys.readouterr().out
    for bad in (["dataset", "no-such"], ["dataset"], ["dataset", "bitei-perturbed"]):
        assert command_line([*bad, *(["--out", str(tmp_path)] if len(bad) < 2 else [])]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    recipe.write_text("{}")
    assert command_line(["dataset", str(recipe), "--out", str(tmp_path)]) == 2
