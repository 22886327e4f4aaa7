"""Data sets of zones: the same for any number of processes, after a kill, and on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.dataset import RECORDS, SUMMARY
from crystalgui.core.datasets.hamiltonians import zones
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, describe
from crystalgui.core.datasets.hamiltonians.families import FAMILIES
from crystalgui.core.datasets.hamiltonians.recipes import changed, read_recipe
from crystalgui.core.datasets.hamiltonians.zones import CLASSES, ZoneDataset, make
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    DatasetReady,
    PhaseDataJob,
    PhaseDataProgress,
    Stopped,
    ZoneDataRecipe,
)

RECIPE = ZoneDataRecipe(
    name="few", families=("ssh", "trivial-square", "kane-mele"), samples=4, mesh=4, seed=7
)


def _made(folder: Path, recipe: ZoneDataRecipe = RECIPE, processes: int = 1) -> ZoneDataset:
    *_, last = make(PhaseDataJob(recipe=recipe, out=folder, processes=processes))
    assert isinstance(last, DatasetReady)
    return ZoneDataset.load(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ZoneDataset:
    return _made(tmp_path_factory.mktemp("zones") / "few")


def test_what_is_in_it(data: ZoneDataset) -> None:
    assert len(data) == 12 == data.summary.size == sum(data.summary.counts)
    assert data.summary.kind == "zones"
    assert data.summary.classes == CLASSES
    assert data.families == RECIPE.families
    assert data.names == CHANNELS
    assert not list(data.summary.folder.glob("parts"))
    for i in (0, 5, 11):
        size = [4 if axis else 1 for axis in (data.shape[i] > 1)]
        assert data.tensor(i).shape == (len(CHANNELS), *size)
        assert (data.shape[i] > 1).sum() == data.dimension[i]
    batch = data.batch([0, 11])
    assert batch.shape == (2, len(CHANNELS), 4, 4, 4)
    assert batch.dtype == np.float32
    assert np.array_equal(batch[1] - data.tensor(11), np.zeros_like(batch[1]))
    assert data.values.shape == (12, len(CHANNELS), 4, 4, 4)
    assert data.values.dtype == np.float16
    assert np.array_equal(data.is_test, data.number % 10 == 9)


def test_labels_are_those_of_fresh_certificates(data: ZoneDataset) -> None:
    for i in range(0, len(data), 3):
        assert CLASSES.index(data.certificate(i).label) == data.label[i]
        made = data.hamiltonian(i)
        assert made.n_orbitals == data.orbitals[i]
        fresh = describe(made, int(data.occupied[i]), 4).values.astype(np.float16)
        assert np.array_equal(fresh, data.tensor(i))
        assert json.loads(data.settings[i])["order"]


def test_processes_change_nothing(data: ZoneDataset, tmp_path: Path) -> None:
    other = _made(tmp_path, processes=2)
    assert other.summary.digest == data.summary.digest
    assert (tmp_path / RECORDS).read_bytes() == (data.summary.folder / RECORDS).read_bytes()


def test_no_two_are_alike(data: ZoneDataset) -> None:
    known = {(f, n) for f, n in zip(data.family.tolist(), data.number.tolist(), strict=True)}
    assert len(known) == len(data)
    assert len({data.tensor(i).tobytes() for i in range(len(data))}) == len(data)


def test_what_was_stopped_goes_on(data: ZoneDataset, tmp_path: Path) -> None:
    stop = threading.Event()
    for event in make(PhaseDataJob(recipe=RECIPE, out=tmp_path, processes=1), stop):
        last = event
        if isinstance(event, PhaseDataProgress) and event.certificates:
            stop.set()
    assert isinstance(last, Stopped)
    kept = len(list(tmp_path.glob("parts/*/*.safetensors")))
    assert kept > 0
    assert not (tmp_path / SUMMARY).exists()
    events = list(make(PhaseDataJob(recipe=RECIPE, out=tmp_path, processes=1)))
    first = next(e for e in events if isinstance(e, PhaseDataProgress))
    assert first.certificates == zones.BLOCK * kept
    assert ZoneDataset.load(tmp_path).summary.digest == data.summary.digest
    # What is finished is not made again.
    (again,) = make(PhaseDataJob(recipe=RECIPE, out=tmp_path))
    assert isinstance(again, DatasetReady)
    assert again.summary.digest == data.summary.digest


PROGRAM = """
import sys
from pathlib import Path
from crystalgui.core.datasets.hamiltonians.zones import make
from crystalgui.core.messages import PhaseDataJob, ZoneDataRecipe

recipe = ZoneDataRecipe(
    name="few", families=("ssh", "trivial-square", "kane-mele"), samples=4, mesh=4, seed=7
)
for event in make(PhaseDataJob(recipe=recipe, out=Path(sys.argv[1]), processes=1)):
    print(type(event).__name__, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such plugin on this system")
def test_what_was_killed_goes_on(data: ZoneDataset, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert list(tmp_path.glob("parts/*/*.safetensors"))
    torn = tmp_path / "parts" / zones._key(RECIPE) / "kane-mele-0.safetensors"
    torn.write_bytes(b"half a file")
    assert _made(tmp_path).summary.digest == data.summary.digest


def test_shares(data: ZoneDataset) -> None:
    table = zones.shares_csv(data).splitlines()
    assert len(table) == 1 + len(RECIPE.families)
    assert table[0].startswith("family,dimension,trivial insulator,")
    plain = zones.shares_json(data)
    assert [row["family"] for row in plain["families"]] == list(RECIPE.families)
    assert sum(plain["counts"]) == len(data)
    assert json.loads((data.summary.folder / "shares.json").read_text()) == plain
    card = (data.summary.folder / "card.md").read_text("utf-8")
    assert all(FAMILIES[name].title in card for name in RECIPE.families)
    apart = sum(row["apart"] for row in plain["families"])
    assert apart == data.summary.apart == len(data.apart)


def test_refusals(data: ZoneDataset, tmp_path: Path) -> None:
    for recipe in (
        ZoneDataRecipe(name="x", families=("graphene",)),
        ZoneDataRecipe(name="x", families=("ssh",), samples=0),
        ZoneDataRecipe(name="x", families=("ssh",), mesh=99),
    ):
        with pytest.raises(DataError):
            list(make(PhaseDataJob(recipe=recipe, out=tmp_path)))
    with pytest.raises(DataError, match="no folder"):
        list(make(PhaseDataJob(recipe=RECIPE)))
    other = ZoneDataRecipe(name="few", families=("ssh",), samples=1, mesh=4)
    with pytest.raises(DataError, match="another data set"):
        list(make(PhaseDataJob(recipe=other, out=data.summary.folder)))
    with pytest.raises(DataError):
        ZoneDataset.load(tmp_path)


def test_a_family_that_is_not_here_is_a_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYSTALGUI_DATA", str(tmp_path))
    recipe = ZoneDataRecipe(name="x", families=("ssh", "bi2se3"), samples=2, mesh=2)
    found = _made(tmp_path / "x", recipe)
    assert found.families == ("ssh",)
    assert any("was left out" in text for text in found.remarks)
    assert any("was left out" in text for text in found.summary.problems)


@pytest.mark.parametrize("name", ["zones-small", "zones"])
def test_shipped_recipes(name: str) -> None:
    recipe = read_recipe(name)
    assert isinstance(recipe, ZoneDataRecipe)
    assert recipe.families == tuple(FAMILIES)


def test_families_can_be_named_on_the_command_line() -> None:
    recipe = changed(read_recipe("zones-small"), {"families": "ssh, cubic", "samples": 3})
    assert isinstance(recipe, ZoneDataRecipe)
    assert recipe.families == ("ssh", "cubic")
    every = changed(recipe, {"families": ""})
    assert isinstance(every, ZoneDataRecipe)
    assert every.families == ()
