"""Crystals of a data set that are built alike: same space group, formula without names, sites."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets import alike
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.structures.files import read_crystal, write_poscar
from tests.unit.datasets.built_alike import CRYSTALS, FCC, save_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dataset(tmp_path_factory.mktemp("alike") / "set")


def test_neighbours_have_the_same_sites_and_near_elements(dataset: Path) -> None:
    found = alike.look(dataset, "yn")
    assert (found.space_group, found.label, found.target) == (225, "SEBR", "tqc")
    assert [one.id for one in found.like] == ["lan", "scn", "nacl"]
    assert all(one.prototype for one in found.like)
    assert found.labels == (("LCEBR", 2), ("ES", 1))
    assert found.family == found.labels
    assert alike.look(dataset, "zns").like[0].formula == "GaAs"
    np.testing.assert_allclose(found.crystal.lattice, 5.0 * FCC)


def test_other_sites_come_behind_nearer_elements(dataset: Path) -> None:
    found = alike.look(dataset, "nias")
    assert found.space_group == 194
    assert [(one.id, one.prototype) for one in found.like] == [("cosb", True), ("nise", False)]
    assert found.like[0].distance > found.like[1].distance
    assert (found.labels, dict(found.family)) == ((("ES", 1),), {"ES": 1, "NLC": 1})


def test_distance_pairs_elements_in_the_best_way() -> None:
    yn, scn = ((7, 1), (39, 1)), ((7, 1), (21, 1))
    assert alike.apart(yn, yn) == 0
    assert alike.apart(yn, scn) == pytest.approx(1 + 18 * alike.FINE)
    assert alike.apart(scn, yn) == alike.apart(yn, scn)
    many = tuple((z, 1) for z in range(20, 30))
    assert alike.apart(many, many) == 0


def test_ids_are_counted_in_data_sets_folders_and_archives(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "structures"
    folder.mkdir()
    write_poscar(CRYSTALS["yn"][0], folder / "yn.vasp")
    write_poscar(CRYSTALS["zns"][0], folder / "zns.vasp")
    archive = tmp_path / "structures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "yn.vasp", "deep/yn.vasp")
    ids = ("yn", "zns", "none")
    assert [alike.holds(place, ids) for place in (dataset, folder, archive)] == [2, 2, 1]
    found = alike.look(archive, "yn")
    assert (found.space_group, found.symbol, found.label, found.like) == (225, "Fm-3m", "", ())
    path = alike.write_member(archive, "yn", tmp_path / "out")
    assert path.name == "yn.vasp"
    assert read_crystal(path).composition_key == CRYSTALS["yn"][0].composition_key
    for place in (dataset, folder):
        with pytest.raises(DataError, match="none") as refused:
            alike.look(place, "none")
        assert refused.value.hint
    with pytest.raises(CrystalError):
        alike.look(tmp_path / "gone", "yn")


def test_a_data_set_that_was_imported_again_is_read_again(dataset: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(dataset, copy)
    assert alike.holds(copy, ["yn", "gaas"]) == 2
    left = Dataset.load(copy)
    rows = np.arange(5)  # without gaas
    Dataset(left.summary, left.records.select(rows), left.target[rows]).save()
    assert alike.holds(copy, ["yn", "gaas"]) == 1
