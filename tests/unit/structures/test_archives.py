"""Files, folders and zips: what is found, what is refused, and that nothing is unpacked."""

import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from crystalgui.core.errors import FileError
from crystalgui.core.structures import archives
from crystalgui.core.structures.files import StructureFile, close_archives, collect

POSCAR = """Copper
1.0
0.0 1.8 1.8
1.8 0.0 1.8
1.8 1.8 0.0
Cu
1
Direct
0.0 0.0 0.0
"""


def packed(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> FileError:
    """The one entry of a source, which must raise a clear error."""
    ((name, thunk),) = collect([path])
    assert name
    with pytest.raises(FileError) as caught:
        thunk()
    assert caught.value.hint
    return caught.value


def test_files_folders_and_zips_are_walked_lazily(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.vasp").write_text(POSCAR)
    (folder / "deep" / "POSCAR").write_text(POSCAR)
    (folder / "labels.csv").write_text("id,label\n")
    (folder / ".hidden.vasp").write_text(POSCAR)
    packed(folder / "more.zip", {"in/a.POSCAR": POSCAR, "in/README.md": "no"})
    single = tmp_path / "notes.txt"
    single.write_text("not a structure")
    found = dict(collect([folder, single]))
    assert list(found) == ["b.vasp", "more.zip/in/a.POSCAR", "deep/POSCAR", "notes.txt"]
    assert [found[n]().n_atoms for n in list(found)[:3]] == [1, 1, 1]
    with pytest.raises(FileError, match="recognised"):
        found["notes.txt"]()


def test_zip_members_are_named_and_carry_their_source(tmp_path):
    path = packed(
        tmp_path / "a.zip",
        {"POSCAR/1.POSCAR": POSCAR, "x": POSCAR, "__MACOSX/._1.POSCAR": b"\0", "y.csv": "a,b"},
    )
    found = dict(collect([path]))
    assert list(found) == ["POSCAR/1.POSCAR", "x"]
    assert found["x"]().source == path / "x"


def test_equal_names_are_told_apart(tmp_path):
    paths = []
    for sub in ("one", "two"):
        (tmp_path / sub).mkdir()
        (tmp_path / sub / "POSCAR").write_text(POSCAR)
        paths.append(tmp_path / sub / "POSCAR")
    names = [name for name, _ in collect([*paths, paths[0], tmp_path / "one", tmp_path / "two"])]
    assert len(set(names)) == len(names) == 5
    assert names[0] == "POSCAR"
    assert str(paths[1]) in names


def test_a_bad_member_is_a_refusal_of_its_own(tmp_path):
    path = packed(
        tmp_path / "a.zip", {"a.vasp": POSCAR, "b.vasp": POSCAR[:34], "c.vasp": b"\0" * 9}
    )
    found = dict(collect([path]))
    assert found["a.vasp"]().n_atoms == 1
    with pytest.raises(FileError, match="ends before") as caught:
        found["b.vasp"]()
    assert str(caught.value).startswith("b.vasp, line ")
    with pytest.raises(FileError, match="binary"):
        found["c.vasp"]()


@pytest.mark.parametrize(
    "name",
    ["../evil.vasp", "ok/../../evil.vasp", "/etc/evil.vasp", "C:/evil.vasp", "..\\evil.vasp"],
)
def test_an_archive_that_points_outside_itself_is_refused(tmp_path, name):
    inside = tmp_path / "in"
    inside.mkdir()
    before = sorted(tmp_path.rglob("*"))
    path = packed(inside / "a.zip", {"good.vasp": POSCAR, name: POSCAR})
    assert "outside itself" in refusal(path).title
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


def test_zip_bombs_are_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.vasp": bytes(30_000_000)})
    assert "zip bomb" in refusal(path).title


def test_many_medium_members_are_a_bomb_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_UNPACKED", 1000)
    path = packed(tmp_path / "a.zip", {f"{i}.vasp": POSCAR for i in range(20)})
    assert "zip bomb" in refusal(path).title


def test_a_member_that_lies_about_its_size_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.vasp", POSCAR * 40)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(signature) + offset
        data[place : place + 4] = struct.pack("<I", 50)
    path.write_bytes(bytes(data))
    error = refusal(path)
    assert "damaged" in error.title


def test_nested_archives_are_refused_but_the_rest_is_read(tmp_path):
    inner = packed(tmp_path / "inner.zip", {"a.vasp": POSCAR})
    outer = packed(tmp_path / "o.zip", {"inner.zip": inner.read_bytes(), "b.vasp": POSCAR})
    found = dict(collect([outer]))
    assert found["b.vasp"]().n_atoms == 1
    with pytest.raises(FileError, match="inside archives"):
        found["inner.zip"]()


@pytest.mark.parametrize("content", [b"", b"not a zip at all", b"PK\x03\x04 broken"])
def test_broken_archives(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert "zip archive" in refusal(path).title


def test_damaged_and_encrypted_members(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.vasp": POSCAR * 30})
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(30)
    path.write_bytes(bytes(data))
    assert "damaged" in refusal(path).title
    path = packed(tmp_path / "b.zip", {"a.vasp": POSCAR})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    assert "encrypted" in refusal(path).title


def test_empty_sources_say_so(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no structure files" in refusal(tmp_path / "empty").title
    assert "no structure files" in refusal(packed(tmp_path / "a.zip", {"a.csv": "x"})).title
    assert "no such file" in refusal(tmp_path / "absent.vasp").title
    assert "no such file" in refusal(tmp_path / "absent.zip").title


def test_symlink_loops_end(tmp_path):
    (tmp_path / "POSCAR").write_text(POSCAR)
    os.symlink(tmp_path, tmp_path / "loop", target_is_directory=True)
    assert [name for name, _ in collect([tmp_path])] == ["POSCAR"]


def test_thunks_cross_processes(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.vasp": POSCAR})
    ((_, thunk),) = collect([path])
    again = pickle.loads(pickle.dumps(thunk))  # noqa: S301  our own value, made here
    assert again == StructureFile(path, "a.vasp")
    assert again().n_atoms == 1


def test_a_replaced_archive_is_read_anew(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.vasp": POSCAR})
    ((_, thunk),) = collect([path])
    assert thunk().n_atoms == 1
    two = POSCAR.replace("\n1\nDirect", "\n2\nDirect") + "0.5 0.5 0.5\n"
    packed(path, {"a.vasp": two})
    assert thunk().n_atoms == 2
    close_archives()
    path.unlink()


@pytest.mark.data
def test_the_large_archive_is_listed_completely(shared_data: Path):
    entries = list(collect([shared_data / "mp_tqc" / "POSCAR.zip"]))
    assert len(entries) == 29389
    for name, thunk in entries[::500]:
        assert thunk().n_atoms > 0, name
