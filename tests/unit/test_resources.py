"""The three homes of the program's own files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystalgui.core import resources
from crystalgui.core.errors import ResourceError


@pytest.fixture(autouse=True)
def _forget_root() -> Iterator[None]:
    resources.root.cache_clear()
    yield
    resources.root.cache_clear()


def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "site-packages" / "crystalgui"
    (package / "core").mkdir(parents=True)
    monkeypatch.setattr(resources, "__file__", str(package / "core" / "resources.py"))
    return package


def test_in_a_checkout() -> None:
    checkout = Path(__file__).resolve().parents[2]
    assert resources.root() == checkout / "resources"
    assert resources.examples() == checkout / "resources" / "examples"
    assert resources.resource("models", "a", "card.json").parent.parent == resources.models_folder()
    assert resources.icons().is_dir()
    assert resources.recipes().is_dir()


def test_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _installed(tmp_path, monkeypatch)
    (package.parent / "resources").mkdir()  # somebody else's folder
    (package / "_resources").mkdir()
    assert resources.root() == package / "_resources"


def test_in_a_frozen_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "bundle"), raising=False)
    (tmp_path / "bundle" / "resources").mkdir(parents=True)
    assert resources.root() == tmp_path / "bundle" / "resources"


def test_an_incomplete_installation_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = _installed(tmp_path, monkeypatch)
    (package.parent / "resources").mkdir()
    with pytest.raises(ResourceError, match="missing") as caught:
        resources.root()
    assert "_resources" in caught.value.details
