"""Fixtures for every test: data folder, isolated settings, and the law on skips."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

os.environ.setdefault("PYSIDE6_OPTION_LAZY", "0")  # as the package says, which comes too late here
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A suite draws on a display of its own (pytest-xvfb), never on the person's desktop.
os.environ.pop("WAYLAND_DISPLAY", None)
# A busy machine makes examples slow; that is no failure.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

CHECKOUT = Path(__file__).resolve().parent.parent
ALLOWED_SKIPS = (
    "the shared data folder is not on this machine",
    "no CUDA device on this machine",
    "no such plugin on this system",
)


def _data_folder() -> Path:
    return Path(os.environ.get("CRYSTALGUI_DATA", CHECKOUT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; skips by name when the machine has none."""
    folder = _data_folder()
    if not folder.is_dir():
        pytest.skip(ALLOWED_SKIPS[0])
    return folder


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty folders, one after another; a numbered folder of pytest looks at all before it."""
    parent = tmp_path_factory.mktemp("homes")
    return (parent / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_settings(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the person's own settings, cache or projects."""
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv("CRYSTALGUI_HOME", str(home))


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """A robot that waits as long as a busy machine needs."""
    from tests.patience import PatientBot

    return PatientBot(request)


def pytest_collection_finish() -> None:
    """Modules stay until the end: the collector need not walk over them again and again."""
    gc.collect()
    gc.freeze()


def _permitted(reason: str) -> bool:
    return any(allowed in reason for allowed in ALLOWED_SKIPS)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    return longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Turn a skip that is not on the allowed list into a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and not _permitted(_reason(report)):
        report.longrepr = f"skipped without permission: {_reason(report)}"
        report.outcome = "failed"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):  # type: ignore[no-untyped-def]
    """Turn the skip of a whole module into a failure, too."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not _permitted(_reason(report)):
        report.longrepr = f"skipped without permission: {_reason(report)}"
        report.outcome = "failed"
