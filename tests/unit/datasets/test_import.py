"""Importing structures and labels: what is found, what is refused, what is remembered."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.importer import file_id, import_dataset
from crystalgui.core.datasets.labels import read_labels
from crystalgui.core.datasets.reading import FEW, read_records
from crystalgui.core.datasets.records import Record
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.messages import DatasetReady, DatasetSummary, ImportJob, LogLine
from crystalgui.core.store.project import Project
from crystalgui.core.structures.files import collect, write_poscar
from tests.models.samples import crystals


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten POSCAR files 0.vasp ... 9.vasp."""
    folder = tmp_path / "structures"
    folder.mkdir()
    for i, crystal in enumerate(crystals(10)):
        write_poscar(crystal, folder / f"{i}.vasp")
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "kind.csv"
    path.write_text("id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(10)))
    return path


def ready(tmp_path: Path, source: Path, labels: Path) -> DatasetSummary:
    job = ImportJob(project=tmp_path / "project", source=source, labels=labels, name="my set")
    last = list(import_dataset(job))[-1]
    assert isinstance(last, DatasetReady)
    return last.summary


class TestImport:
    def test_a_folder(self, tmp_path: Path, source: Path, labels: Path) -> None:
        summary = ready(tmp_path, source, labels)
        assert (summary.task, summary.target, summary.size) == ("classification", "kind", 10)
        assert summary.classes == ("a", "b")
        assert summary.counts == (5, 5)
        assert summary.problems == ()
        data = Dataset.load(summary.folder)
        assert data.summary == summary
        assert data.records.ids == tuple(map(str, range(10)))
        assert data.target.tolist() == [i % 2 for i in range(10)]
        for i, crystal in enumerate(crystals(10)):
            assert data.records.crystal(i).composition == crystal.composition
        with Project.open(tmp_path / "project") as project:
            assert project.datasets() == [summary]

    def test_a_zip_is_the_same(self, tmp_path: Path, source: Path, labels: Path) -> None:
        archive = tmp_path / "all.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in source.iterdir():
                file.write(path, f"POSCAR/{path.stem}.POSCAR")
        summary = ready(tmp_path, archive, labels)
        assert (summary.size, summary.counts) == (10, (5, 5))

    def test_a_second_import_reads_no_structure(
        self, tmp_path: Path, source: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = ready(tmp_path, source, labels)

        def never(*_: object) -> None:
            raise AssertionError("it read the structures again")

        monkeypatch.setattr("crystalgui.core.datasets.importer.read_records", never)
        assert ready(tmp_path, source, labels) == first
        other = tmp_path / "other.csv"
        other.write_text("id,label\n" + "".join(f"{i},{i / 7}\n" for i in range(10)))
        changed = ready(tmp_path, source, other)
        assert changed.task == "regression"
        assert changed.digest != first.digest
        (source / "0.vasp").write_text((source / "1.vasp").read_text())
        with pytest.raises(AssertionError, match="again"):
            ready(tmp_path, source, labels)

    def test_problems_are_listed(self, tmp_path: Path, source: Path, labels: Path) -> None:
        (source / "3.vasp").write_text("")
        (source / "77.vasp").write_text((source / "4.vasp").read_text())
        labels.write_text(labels.read_text() + "nowhere,a\nspare,\n")
        job = ImportJob(project=tmp_path / "p", source=source, labels=labels, name="x")
        events = list(import_dataset(job))
        summary = events[-1].summary  # type: ignore[attr-defined]
        text = "\n".join(summary.problems)
        assert summary.unreadable == 1
        assert "3.vasp: The file is empty." in text
        assert "1 structures have no label" in text
        assert "2 labels have no readable structure (first id: 3)" in text
        assert "1 lines without id or label" in text
        assert any("3.vasp" in e.text for e in events if isinstance(e, LogLine))

    def test_a_name_that_is_no_text_ends_nothing(
        self, tmp_path: Path, source: Path, labels: Path
    ) -> None:
        odd = source / os.fsdecode(b"\xff.vasp")
        try:
            shutil.copy(source / "0.vasp", odd)
        except OSError:
            return  # a file system that has no such names
        summary = ready(tmp_path, source, labels)
        assert summary.size == 10
        assert summary.problems == ("1 structures have no label and were left out.",)

    def test_duplicates_and_conflicts(self, tmp_path: Path, source: Path, labels: Path) -> None:
        for name in ("20", "21"):
            (source / f"{name}.vasp").write_text((source / "0.vasp").read_text())
        labels.write_text(labels.read_text() + "20,a\n21,b\n")
        summary = ready(tmp_path, source, labels)
        assert summary.duplicates == 2
        assert summary.conflicts == 1
        assert "different labels" in summary.problems[-1]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "is empty"),
            ("id,label\n", "header only"),
            ("name,height,width\n1,2,3\n", "columns are"),
            ("1,a\n2,b\n", "columns are"),
            ("id,label\n0,a\n1,a\n2,a\n", "one class only"),
            ("id,label\n0,a\n0,b\n1,b\n", "two labels"),
            ("id,label\n0\n", "1 of 2 columns"),
            ("id,label\n0,nan\n1,0.5\n", "not finite"),
            ("id,label\n0,1.5\n1,1.5\n", "Every label is 1.5"),
            ("id,label\nx,a\ny,b\n", "No label belongs to a structure"),
            ("id,label\n0,a\n2,a\nz,b\n", "same label"),
            ("id,label\n" + "".join(f"{i},c{i}\n" for i in range(400)), "too many classes"),
            ("\x00\x01", "binary"),
        ],
    )
    def test_bad_labels_say_why_and_what_to_do(
        self, tmp_path: Path, source: Path, labels: Path, text: str, why: str
    ) -> None:
        labels.write_text(text)
        with pytest.raises(DataError, match=why) as caught:
            ready(tmp_path, source, labels)
        assert caught.value.hint
        assert caught.value.path == labels

    def test_a_folder_without_structures(self, tmp_path: Path, labels: Path) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        with pytest.raises(DataError, match="No structure could be read"):
            ready(tmp_path, empty, labels)
        with pytest.raises(DataError, match="cannot be found"):
            ready(tmp_path, tmp_path / "absent", labels)

    def test_an_archive_that_points_outside_itself(self, tmp_path: Path, labels: Path) -> None:
        archive = tmp_path / "evil.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("../../0.vasp", "x")
        with pytest.raises(DataError, match="outside itself"):
            ready(tmp_path, archive, labels)


class TestLabels:
    def test_windows_text_and_other_delimiters(self, tmp_path: Path) -> None:
        path = tmp_path / "l.csv"
        path.write_bytes("\ufeffid;Label\r\n1;ä\r\n2;b\r\n".encode())
        found = read_labels(path)
        assert found.values == {"1": "ä", "2": "b"}
        assert found.target == "l"

    def test_few_whole_numbers_are_classes(self, tmp_path: Path) -> None:
        path = tmp_path / "l.csv"
        path.write_text("id,phase\n" + "".join(f"{i},{i % 3}\n" for i in range(30)))
        found = read_labels(path)
        assert (found.task, found.target, found.classes) == (
            "classification", "phase", ("0", "1", "2"),
        )  # fmt: skip

    def test_unknown_classes_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "l.csv"
        path.write_text("id,label\n1,a\n2,q\n")
        with pytest.raises(DataError, match="Unknown classes: q"):
            read_labels(path, classes=("a", "b"))

    def test_a_folder_or_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="folder"):
            read_labels(tmp_path)
        with pytest.raises(DataError, match="cannot be read"):
            read_labels(tmp_path / "absent.csv")

    @given(st.binary(max_size=300))
    def test_anything_else_is_an_error_in_words(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = tmp_path_factory.mktemp("labels") / "l.csv"
        path.write_bytes(content)
        error: CrystalError | None = None
        try:
            found = read_labels(path)
        except CrystalError as caught:
            error = caught
        assert (error.title and error.hint) if error else len(found.values) > 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("POSCAR/17.POSCAR", "17"), ("mp-17/POSCAR", "mp-17"), ("a/b.vasp.gz", "b"),
     ("x\\y.cif", "y"), ("POSCAR", "POSCAR"), ("mp-1.2.cif", "mp-1.2")],
)  # fmt: skip
def test_ids_of_files(name: str, expected: str) -> None:
    assert file_id(name) == expected


def test_a_pool_reads_in_order_and_keeps_going(tmp_path: Path) -> None:
    made = crystals(12)
    for i in range(FEW + 60):
        write_poscar(made[i % 12], tmp_path / f"{i:04}.vasp")
    (tmp_path / "0050.vasp").write_text("nonsense")
    answers = list(read_records(collect([tmp_path]), workers=2))
    assert [name for name, _ in answers] == [f"{i:04}.vasp" for i in range(FEW + 60)]
    assert isinstance(answers[50][1], str)
    good = [answer for _, answer in answers if isinstance(answer, Record)]
    assert len(good) == FEW + 59
    assert good[0].crystal.composition == made[0].composition
