"""Settings survive everything that can happen to their file."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core import settings
from crystalgui.core.errors import ResourceError
from crystalgui.core.settings import Settings


def _file(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "settings.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_everything_lives_below_the_given_home(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("CRYSTALGUI_HOME", str(tmp_path))
    assert settings.home() == tmp_path
    assert settings.cache().parent == tmp_path
    assert settings.default_project().parent == tmp_path
    monkeypatch.delenv("CRYSTALGUI_HOME")
    for folder in (settings.home(), settings.cache(), settings.default_project()):
        assert folder.is_absolute()
        assert "crystalgui" in folder.parts


def test_round_trip() -> None:
    told = Settings(
        theme="dark",
        mouse="ovito",
        recent=(Path("/data/ünï \udc80.vasp"), Path("/b")),
        geometry=base64.b64encode(b"\x00\x01").decode(),
        isolation="thread",
        device="cuda",
        last_project=Path("/projects/one"),
        colours="custom",
        element_colours={"Bi": "#a0b1C2"},
        symmetry_tolerance=0.05,
    )
    told.save()
    assert Settings.load() == told
    assert Settings.load().notices == ()


def test_no_file_means_defaults_without_a_word(tmp_path: Path) -> None:
    loaded = Settings.load(tmp_path / "none.json")
    assert loaded == Settings()
    assert loaded.notices == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"theme": "dark"'],
    ids=["empty", "torn", "list", "null", "binary", "deep", "cut"],
)  # fmt: skip
def test_a_broken_file_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = _file(tmp_path, content)
    loaded = Settings.load(path)
    assert loaded == Settings()
    (aside,) = tmp_path.glob("settings.broken-*.json")
    assert aside.read_bytes() == content
    assert not path.exists()
    assert aside.name in loaded.notices[0]
    assert Settings.load(path).notices == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theme", "purple"),
        ("mouse", 3),
        ("recent", "a.vasp"),
        ("recent", ["a\0b"]),
        ("geometry", "%%%"),
        ("geometry", 1),
        ("isolation", ["process"]),
        ("device", {"a": 1}),
        ("last_project", 7),
        ("element_colours", {"Bi": "red"}),
        ("element_colours", [1]),
        ("symmetry_tolerance", 0),
        ("symmetry_tolerance", "0.1"),
        ("symmetry_tolerance", True),
        pytest.param("symmetry_tolerance", 10**400, id="huge"),
    ],
)
def test_a_bad_field_costs_only_itself(tmp_path: Path, name: str, value: object) -> None:
    table = {"version": 1, "theme": "dark", "colours": "vesta", name: value}
    loaded = Settings.load(_file(tmp_path, json.dumps(table)))
    assert getattr(loaded, name) == getattr(Settings(), name)
    assert loaded.colours == "vesta"
    assert len(loaded.notices) == 1
    assert name in loaded.notices[0]


@given(
    st.dictionaries(
        st.sampled_from([*settings.CHECKS, "version", "nonsense"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=6,
        ),
    )
)
def test_no_table_can_block_the_start(tmp_path_factory, table: dict[str, object]) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("s") / "settings.json"
    path.write_text(json.dumps(table))
    loaded = Settings.load(path)
    loaded.save(path)
    assert Settings.load(path) == loaded


def test_a_file_without_a_version_is_read(tmp_path: Path) -> None:
    loaded = Settings.load(_file(tmp_path, '{"theme": "light"}'))
    assert loaded.theme == "light"
    assert loaded.notices == ()


def test_migrations_run_one_after_the_other(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(settings, "VERSION", 3)
    monkeypatch.setattr(
        settings,
        "MIGRATIONS",
        {
            0: dict,
            1: lambda t: t | {"look": t["mode"]},
            2: lambda t: t | {"theme": t["look"]},
        },
    )
    assert Settings.load(_file(tmp_path, '{"version": 1, "mode": "dark"}')).theme == "dark"


def test_a_newer_file_is_used_and_kept(tmp_path: Path) -> None:
    content = '{"version": 99, "theme": "dark", "future": 1}'
    path = _file(tmp_path, content)
    loaded = Settings.load(path)
    assert loaded.theme == "dark"
    loaded.save(path)
    assert (tmp_path / "settings.version-99.json").read_text() == content
    assert "newer" in loaded.notices[0]


def test_a_folder_in_place_of_the_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    loaded = Settings.load(tmp_path / "settings.json")
    assert loaded == Settings()
    assert len(loaded.notices) == 1
    with pytest.raises(ResourceError):
        loaded.save(tmp_path / "settings.json")


def test_recent_files_are_exact(tmp_path: Path) -> None:
    target = tmp_path / "real.vasp"
    target.write_text("x")
    link = tmp_path / "link.vasp"
    link.symlink_to(target)
    told = Settings()
    for path in (target, link, target, tmp_path / "a" / ".." / "b"):
        told = told.with_recent(path)
    assert told.recent == (tmp_path / "b", target, link)
    assert told.without_recent(link).recent == (tmp_path / "b", target)
    for i in range(30):
        told = told.with_recent(tmp_path / str(i))
    assert len(told.recent) == settings.RECENT
    assert told.recent[0] == tmp_path / "29"


def test_saving_leaves_no_half_file(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "settings.json"
    Settings(theme="dark").save(path)
    monkeypatch.setattr(os, "replace", _refuse)
    with pytest.raises(ResourceError, match="No space left"):
        Settings(theme="light").save(path)
    monkeypatch.undo()
    assert Settings.load(path).theme == "dark"
    assert [p.name for p in tmp_path.iterdir()] == ["settings.json"]


def _refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")
