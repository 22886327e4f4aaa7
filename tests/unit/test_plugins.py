"""A broken plugin is a greyed card, never a dead window."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from crystalgui.core.plugins import GROUP, load_plugins


def _point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {
        "good_plugin": "LOADED = True",
        "raising_plugin": "raise ValueError('first\\nsecond')",
        "leaving_plugin": "import sys; sys.exit(2)",
        "own_plugin": "from crystalgui.core.errors import ModelError\n"
        "raise ModelError('Too old.', 'Update it.')",
        "torn_plugin": "def f(:",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("packages")
def test_each_plugin_is_guarded() -> None:
    broken = load_plugins(
        [
            _point("raises", "raising_plugin"),
            _point("good", "good_plugin"),
            _point("missing", "no_such_plugin"),
            _point("attribute", "good_plugin:nothing"),
            _point("leaves", "leaving_plugin"),
            _point("own", "own_plugin"),
            _point("torn", "torn_plugin"),
        ]
    )
    errors = {card.name: card.error for card in broken}
    assert list(errors) == ["attribute", "leaves", "missing", "own", "raises", "torn"]
    assert errors["raises"] == "ValueError: first"
    assert errors["own"] == "Too old. Update it."
    assert "no_such_plugin" in errors["missing"]
    assert errors["torn"].startswith("SyntaxError")
    import good_plugin  # type: ignore[import-not-found]

    assert good_plugin.LOADED


def test_the_installed_plugins_load() -> None:
    assert load_plugins() == []
