"""Images from idx files, folders, archives and CIFAR's binary edition; what is refused, and why."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crystalgui.core.datasets.dataset import RECORDS, SUMMARY
from crystalgui.core.datasets.images import archives, idx
from crystalgui.core.datasets.images.dataset import (
    CARD,
    ImageDataset,
    Origin,
    assemble,
    every_tenth,
)
from crystalgui.core.datasets.images.importer import CIFAR10, decode, import_images, is_images
from crystalgui.core.datasets.importer import import_dataset
from crystalgui.core.datasets.loading import load
from crystalgui.core.errors import DataError, FileError
from crystalgui.core.messages import DatasetReady, DatasetSummary, ImportJob, LogLine, Progress
from crystalgui.core.store.project import Project
from tests.models.images import pictures

RNG = np.random.default_rng(11)


def packed_idx(array: np.ndarray, kind: int = 8) -> bytes:
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + (
        array.astype(np.uint8).tobytes()
    )  # fmt: skip


def four_files(folder: Path, prefix: str = "", ending: str = ".gz") -> dict[str, np.ndarray]:
    """12 training and 4 test images of 3 classes."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "train-images-idx3": RNG.integers(0, 256, (12, 5, 4)),
        "train-labels-idx1": np.arange(12) % 3 + 1,
        "t10k-images-idx3": RNG.integers(0, 256, (4, 5, 4)),
        "t10k-labels-idx1": np.arange(4) % 3 + 1,
    }
    for name, array in made.items():
        data = packed_idx(array)
        path = folder / f"{prefix}{name}-ubyte{ending}"
        path.write_bytes(gzip.compress(data) if ending else data)
    return made


def picture(shade: int, mode: str = "RGB", size: tuple[int, int] = (4, 3)) -> Image.Image:
    if mode == "L":
        return Image.new("L", size, shade)
    image = Image.new("RGB", size, (shade, 0, 255 - shade))
    image.putpixel((1, 0), (9, 8, 7))
    return image.convert(mode)


def folder_of(root: Path, parts: tuple[str, ...] = ("train", "test"), each: int = 2) -> Path:
    """``root/<part>/<class>/<n>.png`` of two classes."""
    for part, name, number in itertools.product(parts, ("cat", "dog"), range(each)):
        place = root / part / name
        place.mkdir(parents=True, exist_ok=True)
        shade = 10 * number + 50 * (name == "dog") + 100 * (part == "test")
        picture(shade).save(place / f"{number}.png")
    return root


def imported(source: Path, out: Path, size: int = 0) -> ImageDataset:
    events = list(import_images(source, "set", out, size=size))
    assert isinstance(events[-1], DatasetReady)
    found = load(out)
    assert isinstance(found, ImageDataset)
    assert found.summary == events[-1].summary
    return found


# ------------------------------------------------------------------ idx


class TestIdx:
    @given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), pack=st.booleans())
    @settings(max_examples=30, deadline=None)
    def test_round_trip(
        self, shape: list[int], pack: bool, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        array = RNG.integers(0, 256, shape, dtype=np.uint8)
        path = tmp_path_factory.mktemp("idx") / "x"
        data = packed_idx(array)
        path.write_bytes(gzip.compress(data) if pack else data)
        assert np.array_equal(idx.read(path), array)

    @given(cut=st.integers(0, 35), pack=st.booleans())
    @settings(max_examples=40, deadline=None)
    def test_every_cut_is_found(
        self, cut: int, pack: bool, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        data = packed_idx(np.arange(24).reshape(4, 3, 2))[:cut]  # the whole has 40 bytes
        path = tmp_path_factory.mktemp("idx") / "x"
        path.write_bytes(gzip.compress(data) if pack else data)
        with pytest.raises(FileError):
            idx.read(path)

    def test_a_cut_packed_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(packed_idx(RNG.integers(0, 256, (9, 9))))[:-20])
        with pytest.raises(FileError, match="damaged or cut off"):
            idx.read(path)

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (packed_idx(np.zeros((2, 2))) + b"x", "longer"),
            (packed_idx(np.zeros((2, 2)), kind=13), "type 0x0d"),
            (bytes((0, 0, 8, 9)), "9 axes"),
            (bytes((0, 0, 8, 3)) + struct.pack(">3I", *[2**32 - 1] * 3), "says that it holds"),
            (bytes((0, 0, 8, 1)) + struct.pack(">I", 0), "says that it holds 0"),
            (b"\x80\x04K\x01.", "no idx file"),
            (b"", "no idx file"),
        ],
    )
    def test_what_is_none(self, data: bytes, words: str, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(data)
        with pytest.raises(FileError, match=words):
            idx.read(path)

    @pytest.mark.parametrize("ending", ["", ".gz"])
    def test_any_of_the_four_or_their_folder(self, tmp_path: Path, ending: str) -> None:
        made = four_files(tmp_path / "raw", "emnist-", ending)
        places = [tmp_path, *sorted((tmp_path / "raw").iterdir())]
        assert len(places) == 5
        for number, place in enumerate(places):
            data = imported(place, tmp_path / f"out{number}")
            assert data.shape == (1, 5, 4)
            assert np.array_equal(data.values[:12, 0], made["train-images-idx3"])
            assert np.array_equal(data.values[12:, 0], made["t10k-images-idx3"])
            assert data.label.tolist() == [*(np.arange(12) % 3), *(np.arange(4) % 3)]
            assert data.is_test.tolist() == [False] * 12 + [True] * 4
            assert data.summary.classes == ("1", "2", "3")
            assert data.summary.problems == ()

    def test_without_test_files_a_tenth_is_set_apart(self, tmp_path: Path) -> None:
        made = four_files(tmp_path)
        for path in tmp_path.glob("t10k*"):
            path.unlink()
        data = imported(tmp_path, tmp_path / "out")
        assert np.array_equal(data.values[:, 0], made["train-images-idx3"])
        assert data.is_test.sum() == 3
        assert "every tenth" in data.summary.problems[0]

    def test_what_does_not_belong_together(self, tmp_path: Path) -> None:
        four_files(tmp_path / "a")
        next((tmp_path / "a").glob("train-labels*")).unlink()
        with pytest.raises(DataError, match="labels that belong to train-images"):
            list(import_images(tmp_path / "a", "x", tmp_path / "out"))
        four_files(tmp_path / "b")
        labels = tmp_path / "b" / "t10k-labels-idx1-ubyte.gz"
        labels.write_bytes(gzip.compress(packed_idx(np.arange(5))))
        with pytest.raises(FileError, match="5 labels cannot belong to 4 images"):
            list(import_images(tmp_path / "b", "x", tmp_path / "out"))
        images = tmp_path / "b" / "t10k-images-idx3-ubyte.gz"
        images.write_bytes(gzip.compress(packed_idx(np.zeros((5, 6, 6)))))
        with pytest.raises(FileError, match="6 x 6 points do not belong"):
            list(import_images(tmp_path / "b", "x", tmp_path / "out"))
        for path in (tmp_path / "b").glob("train*"):
            path.unlink()
        with pytest.raises(DataError, match="none for training"):
            list(import_images(labels, "x", tmp_path / "out"))
        four_files(tmp_path / "c", "emnist-letters-")
        four_files(tmp_path / "c", "emnist-digits-")
        with pytest.raises(DataError, match="several data sets"):
            list(import_images(tmp_path / "c", "x", tmp_path / "out"))


# ------------------------------------------------------------------ folders and archives


class TestFolder:
    def test_values_classes_and_parts(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "source" / "cats-and-dogs")
        data = imported(tmp_path / "source", tmp_path / "out")
        assert data.shape == (3, 3, 4)
        assert data.summary.classes == ("cat", "dog")
        assert data.summary.counts == (4, 4)
        assert data.is_test.sum() == 4
        paths = sorted(source.rglob("*.png"))
        for row, path in enumerate(paths):
            assert np.array_equal(data.values[row], np.asarray(Image.open(path)).transpose(2, 0, 1))
            assert data.summary.classes[data.label[row]] == path.parent.name
            assert data.is_test[row] == (path.parent.parent.name == "test")
        assert data.edition == ""
        assert data.described() == "set: 8 images of 3 x 3 x 4"

    def test_without_parts_and_with_numbers_as_classes(self, tmp_path: Path) -> None:
        for name in ("10", "9", "2"):
            (tmp_path / "in" / name).mkdir(parents=True)
            for number in range(3):
                picture(number, "L").save(tmp_path / "in" / name / f"{number}.png")
        (tmp_path / "in" / "LICENSE.txt").write_text("\nFree for all\nreally\n")
        (tmp_path / "in" / "9" / ".hidden.png").write_bytes(b"no image")
        data = imported(tmp_path / "in", tmp_path / "out")
        assert data.summary.classes == ("2", "9", "10")
        assert data.shape == (1, 3, 4)
        assert data.is_test.sum() == 3
        assert data.origin.licence == "Free for all"
        assert "Free for all" in (tmp_path / "out" / CARD).read_text()
        assert data.summary.unreadable == 0

    def test_validation_images(self, tmp_path: Path) -> None:
        three = imported(folder_of(tmp_path / "a", ("train", "test", "val")), tmp_path / "out")
        assert three.is_test.sum() == 4
        assert "joined" in three.summary.problems[0]
        two = imported(folder_of(tmp_path / "b", ("train", "val")), tmp_path / "out2")
        assert two.is_test.sum() == 4
        assert not any("joined" in problem for problem in two.summary.problems)

    def test_grey_ones_among_colours(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "source")
        picture(77, "L").save(source / "train" / "cat" / "0.png")
        data = imported(source, tmp_path / "out")
        row = sorted(source.rglob("*.png")).index(source / "train" / "cat" / "0.png")
        assert data.values[row].tolist() == [[[77] * 4] * 3] * 3

    def test_what_cannot_be_used_is_said_and_left_out(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "source")
        whole = (source / "train" / "cat" / "0.png").read_bytes()
        bad = source / "train" / "zebra"
        bad.mkdir()
        (bad / "cut.png").write_bytes(whole[:-30])
        (bad / "words.png").write_text("these are words")
        (bad / "empty.jpg").write_bytes(b"")
        picture(3, size=(7, 7)).save(bad / "large.png")
        Image.new("I;16", (4, 3)).save(bad / "deep.png")
        picture(3).save(source / "train" / "lost.png")
        events = list(import_images(source, "set", tmp_path / "out"))
        said = "\n".join(e.text for e in events if isinstance(e, LogLine))
        last = events[-1]
        assert isinstance(last, DatasetReady)
        assert last.summary.unreadable == 6
        assert last.summary.classes == ("cat", "dog")
        for name, why in (
            ("cut.png", "damaged"),
            ("words.png", "no image"),
            ("empty.jpg", "empty"),
            ("large.png", "7 x 7 points, the first image 3 x 4"),
            ("deep.png", "mode I;16"),
            ("lost.png", "no folder of a class"),
        ):
            assert any(name in line and why in line for line in said.splitlines()), (name, said)

    def test_scaled_to_one_size(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "source")
        picture(200, "L", (9, 9)).save(source / "train" / "dog" / "0.png")
        data = imported(source, tmp_path / "out", size=6)
        assert data.shape == (3, 6, 6)
        assert data.summary.unreadable == 0
        assert (data.values == 200).reshape(8, -1).all(1).sum() == 1
        assert "6 x 6" in data.summary.problems[-1]

    def test_jpeg_is_called_lossy(self, tmp_path: Path) -> None:
        for name, number in itertools.product(CIFAR10, range(2)):
            place = tmp_path / "in" / "train" / name
            place.mkdir(parents=True, exist_ok=True)
            picture(number, size=(32, 32)).save(place / f"{number}.jpg")
        data = imported(tmp_path / "in", tmp_path / "out")
        assert data.edition == "lossy JPEG edition"
        assert "lossy JPEG edition" in data.described()
        assert "not those of the original CIFAR-10" in data.summary.problems[0]
        assert "lossy JPEG edition" in (tmp_path / "out" / CARD).read_text()

    def test_one_class_only(self, tmp_path: Path) -> None:
        (tmp_path / "one" / "a").mkdir(parents=True)
        picture(1).save(tmp_path / "one" / "a" / "1.png")
        with pytest.raises(DataError, match="one class"):
            imported(tmp_path / "one", tmp_path / "out1")

    def test_no_images(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "POSCAR").write_text("NaCl")
        with pytest.raises(DataError, match="No image could be read"):
            imported(tmp_path / "in", tmp_path / "out")
        with pytest.raises(FileError, match="no images at this place"):
            imported(tmp_path / "none", tmp_path / "out")
        with pytest.raises(FileError, match="neither a folder"):
            imported(tmp_path / "in" / "POSCAR", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def tar_of(folder: Path, path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        archive.add(folder, ".")
    return path


class TestArchives:
    @pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz", "tar.xz", "tar.bz2"])
    def test_an_archive_is_as_its_folder(self, tmp_path: Path, ending: str) -> None:
        source = folder_of(tmp_path / "source", each=3)
        path = tmp_path / f"images.{ending}"
        if ending == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(source.rglob("*.png")):
                    archive.write(file, file.relative_to(source))
        else:
            packing = {"tar": "", "tgz": "gz"}.get(ending, ending.removeprefix("tar."))
            tar_of(source, path, f"w:{packing}")
        plain, packed = imported(source, tmp_path / "a"), imported(path, tmp_path / "b")
        both = [sorted(map(bytes, data.values)) for data in (plain, packed)]
        assert both[0] == both[1]
        assert plain.summary.counts == packed.summary.counts
        assert packed.is_test.sum() == plain.is_test.sum()

    def test_progress_says_how_far_and_how_many(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tar_of(folder_of(tmp_path / "source", each=20), tmp_path / "x.tar.xz", "w:xz")
        clock = itertools.count()
        monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
        events = list(import_images(path, "set", tmp_path / "out"))
        shares = [e.done for e in events if isinstance(e, Progress) and "Reading" in e.text]
        assert len(shares) == 80
        assert shares == sorted(shares)
        assert 0 < shares[0] <= shares[-1] <= 1

    @pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
    def test_a_cut_archive(self, tmp_path: Path, ending: str) -> None:
        source = folder_of(tmp_path / "source", each=20)
        path = tmp_path / f"images.{ending}"
        if ending == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for file in sorted(source.rglob("*.png")):
                    archive.write(file, file.relative_to(source))
        else:
            tar_of(source, path, f"w:{ending.removeprefix('tar').removeprefix('.')}")
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(FileError, match="damaged or cut off"):
            imported(path, tmp_path / "out")

    def test_nothing_is_written_where_a_name_points(self, tmp_path: Path) -> None:
        path = tmp_path / "evil.tar"
        buffer = io.BytesIO()
        picture(1).save(buffer, "PNG")
        with tarfile.open(path, "w") as archive:
            for name in ("../../up/cat/1.png", "/root/dog/2.png", "dog/3.png"):
                info = tarfile.TarInfo(name)
                info.size = len(buffer.getvalue())
                archive.addfile(info, io.BytesIO(buffer.getvalue()))
            link = tarfile.TarInfo("dog/link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        before = set(tmp_path.rglob("*"))
        assert len(list(archives.entries(path))) == 3
        assert set(tmp_path.rglob("*")) == before


# ------------------------------------------------------------------ CIFAR-10


def binary(folder: Path, rows: int = 4) -> np.ndarray:
    folder.mkdir(parents=True)
    records = RNG.integers(0, 256, (3 * rows, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(len(records)) % 10
    names = ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")
    for name, part in zip(names, np.split(records, 3), strict=True):
        (folder / name).write_bytes(part.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    return records


class TestCifar:
    @pytest.mark.parametrize("packed", [False, True])
    def test_the_binary_edition(self, tmp_path: Path, packed: bool) -> None:
        records = binary(tmp_path / "in" / "cifar-10-batches-bin")
        source = tmp_path / "in"
        if packed:
            source = tar_of(source, tmp_path / "cifar-10-binary.tar.gz", "w:gz")
        data = imported(source, tmp_path / "out")
        assert data.shape == (3, 32, 32)
        assert np.array_equal(data.values.reshape(12, -1), records[:, 1:])
        assert data.label.tolist() == records[:, 0].tolist()
        assert data.is_test.tolist() == [False] * 8 + [True] * 4
        assert data.summary.classes == CIFAR10
        assert data.origin.title == "CIFAR-10"
        assert data.edition == ""

    def test_what_is_not_of_it(self, tmp_path: Path) -> None:
        binary(tmp_path / "in")
        (tmp_path / "in" / "test_batch.bin").write_bytes(bytes(3074))
        with pytest.raises(FileError, match="multiple of 3,073"):
            imported(tmp_path / "in", tmp_path / "out")
        (tmp_path / "in" / "test_batch.bin").write_bytes(b"\x0b" + bytes(3072))
        with pytest.raises(FileError, match="class number is 11"):
            imported(tmp_path / "in", tmp_path / "out")

    @pytest.mark.parametrize("name", ["data_batch_1", "batches.meta", "train.pkl", "weights.pt"])
    def test_pickles_are_never_opened(self, tmp_path: Path, name: str) -> None:
        folder = tmp_path / "in" / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        mark = tmp_path / "ran"
        (folder / name).write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
        with pytest.raises(DataError, match="pickle, which can run any program"):
            imported(tmp_path / "in", tmp_path / "out")
        assert not mark.exists()


# ------------------------------------------------------------------ the data set


class TestDataset:
    def test_save_and_load(self, tmp_path: Path) -> None:
        made = pictures(tmp_path / "set", size=20, channels=3)
        found = load(tmp_path / "set")
        assert isinstance(found, ImageDataset)
        assert found.summary == made.summary
        assert found.origin == made.origin
        for name in ("values", "label", "is_test"):
            assert np.array_equal(getattr(found, name), getattr(made, name))
        assert len(found) == 20
        assert json.loads((tmp_path / "set" / SUMMARY).read_text())["kind"] == "images"

    def test_a_damaged_one(self, tmp_path: Path) -> None:
        pictures(tmp_path / "set", size=20)
        path = tmp_path / "set" / RECORDS
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        with pytest.raises(DataError, match="cannot be read"):
            load(tmp_path / "set")
        path.write_bytes(data.replace(b"images-1", b"images-9"))
        with pytest.raises(DataError, match="another version"):
            load(tmp_path / "set")
        path.write_bytes(data)
        summary = tmp_path / "set" / SUMMARY
        summary.write_text(summary.read_text().replace('"size": 20', '"size": 21'))
        with pytest.raises(DataError, match="cannot be read"):
            load(tmp_path / "set")

    def test_doubles_and_conflicts(self, tmp_path: Path) -> None:
        values = RNG.integers(0, 256, (6, 1, 3, 3), dtype=np.uint8)
        values[3], values[4] = values[0], values[1]
        label, test = np.array([0, 0, 1, 0, 1, 1]), np.arange(6) == 5
        made = assemble("x", tmp_path, values, label, test, ("a", "b"), Origin())
        assert made.summary.duplicates == 2
        assert made.summary.conflicts == 2  # rows 1 and 4
        assert "another class" in made.summary.problems[0]

    def test_the_digest_knows_what_is_learnt(self, tmp_path: Path) -> None:
        values = RNG.integers(0, 256, (6, 1, 3, 3), dtype=np.uint8)
        label, test = np.arange(6) % 2, np.arange(6) > 3

        def of(v: np.ndarray, y: np.ndarray, t: np.ndarray) -> str:
            return assemble("x", tmp_path, v, y, t, ("a", "b"), Origin()).summary.digest

        first = of(values, label, test)
        assert of(values.copy(), label, test) == first
        assert len({first, of(values[::-1], label, test), of(values, 1 - label, test),
                    of(values, label, ~test)}) == 4  # fmt: skip

    @given(label=st.lists(st.integers(0, 3), min_size=2, max_size=60))
    @settings(max_examples=40, deadline=None)
    def test_every_class_of_two_has_a_test_image(self, label: list[int]) -> None:
        array = np.array(label)
        chosen = every_tenth(array)
        for c in np.unique(array):
            n, held = int((array == c).sum()), int(chosen[array == c].sum())
            assert held == (n // 10 if n >= 10 else int(n >= 2))


class TestJob:
    def test_images_need_no_labels(self, tmp_path: Path) -> None:
        source = folder_of(tmp_path / "source")
        job = ImportJob(project=tmp_path / "project", source=source, name="my set")
        last = list(import_dataset(job))[-1]
        assert isinstance(last, DatasetReady)
        with Project.open(tmp_path / "project") as project:
            assert [d.name for d in project.datasets()] == ["my set"]
            folder = project.datasets()[0].folder
        assert isinstance(load(folder).summary, DatasetSummary)
        assert load(folder).summary.kind == "images"

    def test_what_looks_like_images(self, tmp_path: Path) -> None:
        assert is_images(folder_of(tmp_path / "source"))
        four_files(tmp_path / "idx")
        assert is_images(tmp_path / "idx")
        assert is_images(next((tmp_path / "idx").iterdir()))
        binary(tmp_path / "bin" / "cifar-10-batches-bin")
        assert is_images(tmp_path / "bin")
        for name, ending in (("pictures", "png"), ("crystals", "vasp")):
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                archive.writestr("README", "words " * 100)
                archive.writestr(f"train/cat/1.{ending}", "something")
            assert is_images(tmp_path / f"{name}.zip") == (ending == "png")
        (tmp_path / "poscars").mkdir()
        (tmp_path / "poscars" / "1.POSCAR").write_text("NaCl")
        assert not is_images(tmp_path / "poscars")
        assert not is_images(tmp_path / "nothing")


def test_an_image_of_every_mode_becomes_bytes() -> None:
    for mode, channels in (("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGBA", 3), ("RGB", 3)):
        buffer = io.BytesIO()
        picture(9, "RGB").convert(mode).save(buffer, "PNG")
        values, form = decode(buffer.getvalue())
        assert (form, values.shape, values.dtype) == ("PNG", (channels, 3, 4), np.uint8)
    buffer = io.BytesIO()
    Image.new("1", (5000, 1)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="5000 x 1 points large"):
        decode(buffer.getvalue())


@pytest.mark.data
class TestRealFiles:
    def test_fashion_mnist(self, shared_data: Path, tmp_path: Path) -> None:
        source = shared_data / "images" / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
        data = imported(source, tmp_path / "out")
        assert data.values.shape == (70_000, 1, 28, 28)
        assert data.is_test.sum() == 10_000
        assert set(data.summary.counts) == {7000}
        assert (data.origin.title, data.summary.classes[9]) == ("Fashion-MNIST", "ankle boot")
        # Bags fill their picture more than sandals do, which shows that labels fit images.
        mean = [data.values[data.label == c].mean() for c in (5, 8)]
        assert mean[0] < 50 < mean[1]

    def test_cifar_streams(self, shared_data: Path) -> None:
        path = shared_data / "images" / "cifar-10-jpeg.tar.xz"
        first = list(itertools.islice(archives.entries(path), 40))
        values = [decode(e.data) for e in first]
        assert {v.shape for v, _ in values} == {(3, 32, 32)}
        assert {form for _, form in values} == {"JPEG"}
        assert all(e.name.startswith("train/airplane/") for e in first)
        assert first[-1].done < 0.1
