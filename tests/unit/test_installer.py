"""The bootstrap: what it needs, what it says, and locks that fit the project."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
INSTALLER = CHECKOUT / "installer"
# demo runs inside the environment; lock.py needs the test extra.
STANDARD_ONLY = ("bootstrap", "commands", "environment", "libraries", "checks")


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(INSTALLER))
    return importlib.import_module(name)


@pytest.mark.parametrize("name", STANDARD_ONLY)
def test_only_the_standard_library_is_imported(name: str) -> None:
    own = {path.stem for path in INSTALLER.glob("*.py")}
    tree = ast.parse((INSTALLER / f"{name}.py").read_text("utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= set(sys.stdlib_module_names) | own


def test_the_entry_parses_under_the_oldest_python_3() -> None:
    source = (INSTALLER / "bootstrap.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 0))
    assert 'f"' not in source
    assert "f'" not in source


def test_a_wrong_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap = load("bootstrap", monkeypatch)
    assert [bootstrap.fits(v) for v in ((3, 10), (3, 11), (3, 13), (3, 14))] == [
        False,
        True,
        True,
        False,
    ]
    text = bootstrap.refusal((3, 8))
    assert "3.8" in text
    assert "3.11" in text


def test_another_python_is_used_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bootstrap = load("bootstrap", monkeypatch)
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 8, 0))
    monkeypatch.setattr(bootstrap, "another_python", str)
    assert bootstrap.main(["run"]) == 2
    assert "needs Python" in capfd.readouterr().err
    calls = []
    monkeypatch.setattr(bootstrap, "another_python", lambda: "/usr/bin/python3.12")
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command: calls.append(command) or 0)
    assert bootstrap.main(["test", "--", "-k", "x"]) == 0
    assert calls[0][0] == "/usr/bin/python3.12"
    assert calls[0][2:] == ["test", "--", "-k", "x"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["run"], ("run", [])),
        (["run", "--", "a.vasp"], ("run", ["a.vasp"])),
        (["run", "a.vasp"], ("run", ["a.vasp"])),
        (["test", "--", "-k", "name"], ("test", ["-k", "name"])),
        ([], ("", [])),
    ],
)
def test_arguments_pass_through(
    line: list[str], expected: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load("commands", monkeypatch).split(line) == expected


def test_help_and_unknown_commands() -> None:
    for arguments, code in ((["--help"], 0), ([], 2), (["fly"], 2)):
        done = subprocess.run(
            [sys.executable, str(INSTALLER / "bootstrap.py"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code
        assert "bootstrap.py test" in done.stdout + done.stderr


def test_a_display_is_only_missing_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    has_display = load("commands", monkeypatch).has_display
    assert has_display({"DISPLAY": ":0"}, "linux")
    assert has_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert not has_display({"DISPLAY": ""}, "linux")
    assert has_display({}, "darwin")
    assert has_display({}, "win32")


def test_missing_libraries_become_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = load("libraries", monkeypatch)
    monkeypatch.setattr(libraries.shutil, "which", lambda name: None)
    absent = libraries.missing(True, opens=lambda file: "xcb-" not in file)
    names = libraries.packages(absent, "apt")
    assert "libxcb-cursor0" in names
    assert names[-2:] == ["xvfb", "xauth"]
    assert "libegl1" not in names
    arch = libraries.packages(libraries.missing(False, opens=lambda file: False), "pacman")
    assert len(arch) == len(set(arch))
    said: list[str] = []
    monkeypatch.setattr(libraries, "missing", lambda need_xvfb: absent)
    monkeypatch.setattr(libraries, "installer_of_this_system", lambda: "apt")
    monkeypatch.setattr(libraries.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(libraries.sys, "platform", "linux")
    assert libraries.provide(need_xvfb=True, say=said.append) == absent
    assert "sudo apt-get install" in said[0]
    assert "libxcb-cursor0" in said[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no such plugin on this system")
def test_the_list_covers_what_the_window_plugin_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = load("libraries", monkeypatch)
    from PySide6.QtCore import QLibraryInfo

    plugins = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath))
    plugin = plugins / "platforms" / "libqxcb.so"
    listing = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True, check=True)
    needed = {line.split()[0] for line in listing.stdout.splitlines()}
    graphics = {n for n in needed if n.startswith(("libxcb-", "libxkb", "libX11-xcb", "libEGL"))}
    assert graphics <= {library.file for library in libraries.LIBRARIES}


def test_the_stamp_follows_the_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment", monkeypatch)
    lock = tmp_path / "a.lock"
    lock.write_bytes(b"a==1\nb==2 # why\n\n# comment\n")
    assert environment.pins(lock) == {"a": "1", "b": "2"}
    first = environment.digest(lock)
    lock.write_bytes(b"a==1\r\nb==2 # why\r\n\r\n# comment\r\n")
    assert environment.digest(lock) == first
    lock.write_bytes(b"a==1\nb==3\n")
    assert environment.digest(lock) != first
    assert environment.read_stamp(tmp_path) == {}
    environment.write_stamp({"run": first}, tmp_path)
    assert environment.read_stamp(tmp_path) == {"run": first}
    (tmp_path / "crystalgui-stamp.json").write_text("{", "utf-8")
    assert environment.read_stamp(tmp_path) == {}


def test_a_second_start_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load("environment", monkeypatch)
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment.read_stamp, "__defaults__", (tmp_path,))
    monkeypatch.setattr(environment.write_stamp, "__defaults__", (tmp_path,))
    monkeypatch.setattr(environment, "_works", lambda python: True)
    done: list[bool] = []
    monkeypatch.setattr(environment, "make_venv", lambda say: None)
    monkeypatch.setattr(environment, "install", lambda tests, say: done.append(tests))
    for tests in (False, False, True, True, False):
        environment.prepare(tests=tests, say=lambda text: None)
    assert done == [False, True]


def test_every_check_runs_and_the_tests_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = load("checks", monkeypatch)
    calls: list[list[str]] = []

    def call(command: list[str], **_: object) -> int:
        calls.append(command)
        return 1 if "mypy" in command else 0

    monkeypatch.setattr(checks.subprocess, "call", call)
    said: list[str] = []
    assert checks.run_all(Path("bin/python"), ["-k", "x"], said.append) == 1
    assert len(calls) == 5
    assert calls[-1][1:] == ["-m", "pytest", "-k", "x"]
    assert any("types" in text for text in said if "Failed" in text)


def locked(name: str) -> dict[str, str]:
    lines = (INSTALLER / name).read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(package): version for package, version in pairs}


def test_the_locks_are_what_the_project_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run installer/lock.py when this fails."""
    lock = load("lock", monkeypatch)
    program, tests = lock.locks()
    assert locked("requirements.lock").keys() == program.keys()
    assert locked("requirements-test.lock").keys() == tests.keys()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = locked("requirements.lock")
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


MODULES = {"PySide6-Essentials": "PySide6", "SQLAlchemy": "sqlalchemy", "pillow": "PIL"}
MODULES |= {"vtk": "vtkmodules", "scikit-image": "skimage", "scikit-learn": "sklearn"}
MODULES |= {"xgboost-cpu": "xgboost"}
# Comes with PySide6.
ALONG = {"shiboken6"}
# Imported by a name in a string, and where.
NAMED = {"pyvistaqt": "crystalgui/gui/views/render_widget.py"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    imported = {
        name for name, path in NAMED.items() if f'"{name}"' in (CHECKOUT / path).read_text()
    }
    for path in (CHECKOUT / "crystalgui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").partition(".")[0])
    imported -= set(sys.stdlib_module_names) | {"crystalgui"} | ALONG
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [Requirement(line).name for line in project["dependencies"]]
    assert imported == {MODULES.get(name, name.replace("-", "_").lower()) for name in names}


def test_locks_name_no_host_and_no_local_build() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (INSTALLER / name).read_text("utf-8")
        assert "://" not in text
        assert "+" not in text
        assert "--" not in text
