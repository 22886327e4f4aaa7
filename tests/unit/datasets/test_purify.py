"""Purifying: what is merged, dropped and kept, and that everything removed is told."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.importer import import_dataset
from crystalgui.core.datasets.purify import (
    REASONS,
    Purified,
    by_number,
    counts,
    primitive_atoms,
    purify,
    read_report,
)
from crystalgui.core.datasets.records import Records
from crystalgui.core.datasets.targets import Value
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetReady, DatasetSummary, ImportJob, LogLine
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from tests.models.samples import CUBIC, FCC, crystals, table

KINDS = table(40)
"""Crystals to draw from; taken twice they are doubles."""


def rows(kinds: list[int], names: list[str]) -> Records:
    """A table of these crystals under other names."""
    return replace(KINDS.select(np.array(kinds, np.int64)), ids=tuple(names))


def told(found: Purified) -> list[tuple[str, str, str]]:
    return [(one.id, one.reason, one.others) for one in found.removed]


class TestByHand:
    def test_doubles_that_agree_become_the_one_with_the_smallest_id(self) -> None:
        records = rows([0, 1, 0, 0], ["10", "7", "9", "mp-1"])
        found = purify(records, {"10": "a", "7": "b", "9": "a", "mp-1": "a"})
        assert found.records.ids == ("7", "9")
        assert found.values == {"7": "b", "9": "a"}
        assert told(found) == [("10", "duplicate", "9"), ("mp-1", "duplicate", "9")]
        assert counts(found.removed) == (("duplicate", 2),)

    def test_all_that_disagree_are_dropped(self) -> None:
        records = rows([0, 1, 0, 0], ["1", "2", "3", "4"])
        found = purify(records, {"1": "a", "2": "b", "3": "b", "4": "a"})
        assert found.records.ids == ("2",)
        assert told(found) == [
            ("1", "conflict", "3 4"),
            ("3", "conflict", "1 4"),
            ("4", "conflict", "1 3"),
        ]
        assert found.removed[0].detail == "3 is labelled b, 4 is labelled a"
        assert found.removed[0].label == "a"
        assert found.removed[0].formula

    def test_equal_formulas_of_other_space_groups_are_other_materials(self) -> None:
        salt = Crystal(lattice=5.6 * FCC, frac=np.array([[0, 0, 0], [0.5] * 3]),
                       species=np.array([11, 17]), title="")  # fmt: skip
        cube = replace(salt, lattice=3.5 * CUBIC)
        from crystalgui.core.datasets.records import describe

        records = Records.stack(["1", "2"], [describe(salt), describe(cube)])
        found = purify(records, {"1": "a", "2": "b"})
        assert (found.records.ids, found.removed) == (("1", "2"), ())

    @pytest.mark.parametrize(
        ("target", "apart", "left"),
        [("formation_energy", 0.04, 1), ("formation_energy", 0.06, 0),
         ("band_gap", 0.06, 1), ("band_gap", 0.11, 0)],
    )  # fmt: skip
    def test_numbers_agree_within_the_tolerance_of_the_target(
        self, target: str, apart: float, left: int
    ) -> None:
        records = rows([0, 0, 0], ["1", "2", "3"])
        values: dict[str, Value] = {"1": 1.0, "2": 1.0 + apart, "3": 1.0}
        found = purify(records, values, target)
        assert len(found.records) == left
        assert len(found.removed) == 3 - left
        if left:
            assert found.values["1"] == pytest.approx(1 + apart / 3, abs=1e-12)

    def test_large_cells_are_removed_before_they_can_contradict(self) -> None:
        sizes = primitive_atoms(KINDS)
        big, small = int(np.argmax(sizes)), int(np.argmin(sizes))
        records = rows([big, small, big], ["1", "2", "3"])
        found = purify(records, {"1": "a", "2": "b", "3": "b"}, atoms=sizes[big])
        assert told(found) == [("1", "too large", ""), ("3", "too large", "")]
        assert f"{sizes[big]} atoms" in found.removed[0].detail
        kept = purify(records, {"1": "a", "2": "b", "3": "a"}, atoms=sizes[big] + 1)
        assert kept.records.ids == ("1", "2")

    def test_what_cannot_be_is_refused(self) -> None:
        with pytest.raises(DataError, match="fewer than 1"):
            purify(rows([0], ["1"]), {"1": "a"}, atoms=1)
        with pytest.raises(DataError, match="the same id"):
            purify(rows([0, 1], ["1", "1"]), {"1": "a"})


def test_ids_count_by_value() -> None:
    names = ["mp-10", "mp-9", "10", "9", "x", "009"]
    assert sorted(names, key=by_number) == ["009", "9", "10", "mp-9", "mp-10", "x"]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Records, dict[str, Value]]:
    """Crystals, some of them several times, with classes or numbers."""
    kinds = draw(st.lists(st.integers(0, 11), min_size=1, max_size=30))
    names = [str(i) for i in range(len(kinds))]
    labels: st.SearchStrategy[Value] = (
        st.sampled_from(["a", "b"])
        if draw(st.booleans())
        else st.floats(-1, 1).map(lambda x: round(x, 3))
    )
    return rows(kinds, names), {name: draw(labels) for name in names}


class TestProperties:
    @given(labelled(), st.randoms(use_true_random=False))
    def test_the_order_of_rows_does_not_matter(
        self, given_: tuple[Records, Mapping[str, Value]], random: object
    ) -> None:
        records, values = given_
        order = list(range(len(records)))
        random.shuffle(order)  # type: ignore[attr-defined]
        one = purify(records, values, "band_gap", atoms=5)
        other = purify(records.select(np.array(order, np.int64)), values, "band_gap", atoms=5)
        assert one.records.ids == other.records.ids
        assert (one.values, one.removed) == (other.values, other.removed)
        np.testing.assert_array_equal(one.records.frac, other.records.frac)

    @given(labelled())
    def test_it_is_idempotent_and_tells_everything(
        self, given_: tuple[Records, Mapping[str, Value]]
    ) -> None:
        records, values = given_
        one = purify(records, values, atoms=5)
        again = purify(one.records, one.values, atoms=5)
        assert again.removed == ()
        assert again.records.ids == one.records.ids
        assert again.values == one.values
        gone = [row.id for row in one.removed]
        assert sorted(gone + list(one.records.ids)) == sorted(records.ids)
        assert {row.reason for row in one.removed} <= set(REASONS)
        materials = list(zip(one.records.keys(), one.records.space_group.tolist(), strict=True))
        assert len(set(materials)) == len(materials)


class TestImport:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """0.vasp ... 9.vasp, of which 10 and 11 repeat 0 and 12 repeats 1."""
        folder = tmp_path / "structures"
        folder.mkdir()
        made = crystals(10)
        for name, crystal in enumerate([*made, made[0], made[0], made[1]]):
            write_poscar(crystal, folder / f"{name}.vasp")
        return folder

    def ready(self, source: Path, text: str, name: str, **wishes: object) -> DatasetSummary:
        labels = source.parent / f"{name}.csv"
        labels.write_text(text)
        job = ImportJob(project=source.parent / "project", source=source, labels=labels,
                        name="my set", **wishes)  # type: ignore[arg-type]  # fmt: skip
        events = list(import_dataset(job))
        assert isinstance(events[-1], DatasetReady)
        if wishes.get("purify"):
            said = [event.text for event in events if isinstance(event, LogLine)]
            assert events[-1].summary.problems[0] in said
        return events[-1].summary

    def test_a_purified_data_set(self, source: Path) -> None:
        magnets = ["NM", "FM", "FiM", "AFM", "NM", "FM", "unknown", "nonmagnetic", "FM", "NM"]
        lines = [f"{i},{name}\n" for i, name in enumerate([*magnets, "NM", "NM", "AFM"])]
        text = "id,label\n" + "".join(lines)
        plain = self.ready(source, text, "magnetic_ordering")
        assert (plain.size, plain.duplicates, plain.conflicts, plain.removed) == (13, 3, 1, ())
        summary = self.ready(source, text, "magnetic_ordering", purify=True)
        assert summary.removed == (("label", 1), ("duplicate", 2), ("conflict", 2))
        assert (summary.size, summary.duplicates, summary.conflicts) == (8, 0, 0)
        assert summary.classes == ("NM", "FM", "FiM", "AFM")
        data = Dataset.load(summary.folder)
        assert data.summary == summary
        assert data.records.ids == ("0", "2", "3", "4", "5", "7", "8", "9")
        assert [summary.classes[int(i)] for i in data.target[5:6]] == ["NM"]
        report = read_report(summary.folder)
        assert [(row.id, row.reason) for row in report] == [
            ("1", "conflict"), ("6", "label"), ("10", "duplicate"), ("11", "duplicate"),
            ("12", "conflict"),
        ]  # fmt: skip
        assert report[1].detail == "unknown is no magnetic ordering"
        with open(summary.folder / "purified.csv", encoding="utf-8") as stream:
            assert next(csv.reader(stream)) == [
                "id", "formula", "space_group", "label", "reason", "detail", "others",
            ]  # fmt: skip
        assert len(read_report(summary.folder, most=2)) == 2
        # Imported again without the wish, nothing of the old report is left.
        assert self.ready(source, text, "magnetic_ordering") == plain
        assert read_report(plain.folder) == ()

    def test_numbers_apart_are_counted_before_they_are_dropped(self, source: Path) -> None:
        gaps = [*[0.5] * 10, 0.55, 0.5, 1.0]
        text = "id,label\n" + "".join(f"{i},{gap}\n" for i, gap in enumerate(gaps))
        plain = self.ready(source, text, "band_gap")
        assert (plain.duplicates, plain.conflicts) == (3, 1)
        assert "different labels (more than 0.1 eV apart)" in plain.problems[-1]
        pure = self.ready(source, text.replace("5,0.5", "5,0.7"), "band_gap", purify=True)
        assert pure.removed == (("duplicate", 2), ("conflict", 2))
        assert pure.conflicts == 0

    def test_a_derived_target(self, source: Path) -> None:
        text = "id,label\n" + "".join(f"{i},{max(0, i - 5)}\n" for i in range(10))
        summary = self.ready(source, text, "band_gap", derive="metal")
        assert (summary.task, summary.target) == ("classification", "metal")
        assert (summary.classes, summary.counts) == (("metal", "insulator"), (6, 4))
        groups = self.ready(source, text, "band_gap", derive="space_group")
        data = Dataset.load(groups.folder)
        assert [groups.classes[int(i)] for i in data.target] == [
            str(number) for number in data.records.space_group
        ]
        with pytest.raises(DataError, match="does not follow from labels of 'band_gap'"):
            self.ready(source, text, "band_gap", derive="tqc3")

    def test_when_nothing_is_left_the_counts_are_said(self, source: Path) -> None:
        text = "id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(10))
        with pytest.raises(DataError, match="No structure is left") as caught:
            self.ready(source, text, "kind", purify=True, atoms=2)
        assert "10 with too many atoms" in caught.value.hint


@pytest.mark.data
def test_real_crystals(shared_data: Path, tmp_path: Path) -> None:
    """Some crystals of the real set, with five classes joined to three."""
    import zipfile

    folder = tmp_path / "some"
    folder.mkdir()
    with zipfile.ZipFile(shared_data / "mp_tqc" / "POSCAR.zip") as archive:
        for name in archive.namelist()[:40]:
            (folder / Path(name).name).write_bytes(archive.read(name))
    job = ImportJob(project=tmp_path / "p", source=folder, name="x", purify=True, atoms=9,
                    labels=shared_data / "mp_tqc" / "tqc.csv", derive="tqc3")  # fmt: skip
    last = list(import_dataset(job))[-1]
    assert isinstance(last, DatasetReady)
    assert set(last.summary.classes) <= {"trivial", "semimetal", "insulator"}
    data = Dataset.load(last.summary.folder)
    assert max(primitive_atoms(data.records)) < 9
    assert len(read_report(last.summary.folder)) == 40 - last.summary.size
