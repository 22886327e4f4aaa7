"""Crystals of a data set that are built alike: same space group, formula without names, sites."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets import alike
from crystalgui.core.datasets.dataset import Dataset, summarise
from crystalgui.core.datasets.labels import Labels
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import number
from crystalgui.core.structures.files import read_crystal, write_poscar

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def binary(a: str, b: str, second: float, size: float = 5.0) -> Crystal:
    """Rock salt for 0.5, zinc blende for 0.25."""
    return Crystal(
        lattice=size * FCC,
        frac=np.array([[0.0, 0, 0], [second] * 3]),
        species=np.array([number(a), number(b)]),
    )


def hexagonal(a: str, b: str, first: float) -> Crystal:
    """NiAs for 0, and layers as of boron nitride for 1/4: both P6_3/mmc."""
    third = 0.0 if first == 0 else 1 / 3
    frac = [[third, 2 * third, first], [-third, -2 * third, first + 0.5],
            [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]  # fmt: skip
    if first:
        frac[0], frac[1] = [1 / 3, 2 / 3, 0.75], [2 / 3, 1 / 3, 0.25]
    return Crystal(
        lattice=np.array([[3.6, 0, 0], [-1.8, 1.8 * 3**0.5, 0], [0, 0, 5.0]]),
        frac=np.array(frac) % 1,
        species=np.array([number(a)] * 2 + [number(b)] * 2),
    )


CRYSTALS = {
    "yn": (binary("Y", "N", 0.5), "SEBR"),
    "scn": (binary("Sc", "N", 0.5), "LCEBR"),
    "nacl": (binary("Na", "Cl", 0.5), "LCEBR"),
    "lan": (binary("N", "La", 0.5), "ES"),
    "zns": (binary("Zn", "S", 0.25), "LCEBR"),
    "gaas": (binary("Ga", "As", 0.25), "LCEBR"),
    "nias": (hexagonal("Ni", "As", 0.0), "ES"),
    "cosb": (hexagonal("Co", "Sb", 0.0), "ES"),
    "nise": (hexagonal("Ni", "Se", 0.25), "NLC"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alike") / "set"
    records = Records.stack(list(CRYSTALS), [describe(c) for c, _ in CRYSTALS.values()])
    values: dict[str, str | float] = {name: label for name, (_, label) in CRYSTALS.items()}
    labels = Labels("classification", "tqc", values, ("LCEBR", "ES", "SEBR", "NLC"), ())
    summary = summarise("set", folder, records, labels, [], "")
    Dataset(summary, records, labels.encode(records.ids)).save()
    return folder


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
