"""The virtual environment of the checkout: made once, then only looked at.

Everything is pinned in two lock files.  A stamp in ``.venv`` holds a digest of
what was installed; as long as it fits, the second start touches nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
LOCK = CHECKOUT / "installer" / "requirements.lock"
TEST_LOCK = CHECKOUT / "installer" / "requirements-test.lock"
TORCH_INDEX = "CRYSTALGUI_TORCH_INDEX"

Say = Callable[[str], None]


class SetupError(Exception):
    """The environment cannot be made; the text says what to do."""


def venv_python(venv: Path = VENV) -> Path:
    """The interpreter inside an environment."""
    if sys.platform == "win32":
        return venv / "Scripts" / "python.exe"
    return venv / "bin" / "python"


def digest(*paths: Path) -> str:
    """SHA-256 over files and the Python that reads them."""
    h = hashlib.sha256(repr((sys.version_info[:3], sys.platform)).encode())
    for path in paths:
        # Line ends differ between checkouts of the same commit.
        h.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return h.hexdigest()


def pins(lock: Path) -> dict[str, str]:
    """Name -> version of a lock file."""
    lines = (line.partition("#")[0].strip() for line in lock.read_text("utf-8").splitlines())
    pairs = (line.partition("==") for line in lines if line)
    return {name.strip().lower(): version.strip() for name, _, version in pairs}


def read_stamp(venv: Path = VENV) -> dict[str, str]:
    """What the last set-up installed; empty when it did not finish."""
    try:
        stamp = json.loads((venv / "crystalgui-stamp.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str], venv: Path = VENV) -> None:
    """Remember a finished set-up."""
    path = venv / "crystalgui-stamp.json"
    path.with_suffix(".tmp").write_text(json.dumps(stamp, indent=1), "utf-8")
    os.replace(path.with_suffix(".tmp"), path)


def _call(command: Sequence[str], failed: str) -> None:
    """Run a step of the set-up and stop with a clear sentence if it fails."""
    if subprocess.call([str(part) for part in command], cwd=CHECKOUT) != 0:
        raise SetupError(failed)


def _works(python: Path) -> bool:
    """Whether an interpreter starts and is the version that runs this file."""
    question = (
        "import sys; print(sys.version_info[:2] == " + repr(tuple(sys.version_info[:2])) + ")"
    )
    try:
        answer = subprocess.run([str(python), "-c", question], capture_output=True, text=True)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == "True"


def make_venv(say: Say) -> None:
    """Create ``.venv``; one that broke, or belongs to another Python, is replaced."""
    python = venv_python()
    if python.exists() and _works(python):
        return
    if VENV.exists():
        say("The environment in .venv belongs to another Python: making it anew.")
        shutil.rmtree(VENV)
    say(f"Making .venv with Python {sys.version.split()[0]}")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    _call(
        [sys.executable, "-m", "venv", str(VENV)],
        "Python could not make a virtual environment. On Debian and Ubuntu install it with\n"
        f"    sudo apt-get install python{version}-venv\nand run this command again.",
    )


def _install(what: Sequence[str], failed: str) -> None:
    """``pip install`` inside the environment."""
    pip = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "-qq"]
    _call([*pip, *what], failed)


_OFFLINE = (
    "Installing did not finish; the reason stands above. This step needs the network once\n"
    "(afterwards the program never uses it). Run the same command again to continue."
)


def install(tests: bool, say: Say) -> None:
    """Install the lock files and the project into ``.venv``."""
    torch = pins(LOCK)["torch"]
    say(f"Installing torch {torch} (the largest part)")
    index = os.environ.get(TORCH_INDEX)
    there = any(VENV.glob("**/site-packages/torch-*.dist-info"))
    plain = sys.platform.startswith("linux") and not index and not shutil.which("nvidia-smi")
    if plain and not there:
        say(
            f"  It may bring libraries for NVIDIA cards. Set {TORCH_INDEX} to the address of a\n"
            "  CPU-only package index of torch to avoid that."
        )
    _install([f"torch=={torch}", *(["--index-url", index] if index else [])], _OFFLINE)
    say("Installing the other packages, pinned exactly (a few minutes, once)")
    locks = [LOCK, TEST_LOCK] if tests else [LOCK]
    _install([part for lock in locks for part in ("-r", str(lock))], _OFFLINE)
    say("Installing crystalgui from this checkout")
    _install(
        ["--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)],
        "The checkout could not be installed; the reason stands above.",
    )


def prepare(*, tests: bool, say: Say) -> Path:
    """Make the environment ready and return its interpreter.

    Parameters
    ----------
    tests : bool
        Also install what the tests need.
    say : callable
        Receives a line for each step.
    """
    project = CHECKOUT / "pyproject.toml"
    wanted = {"run": digest(LOCK, project), "folder": str(CHECKOUT)}
    stamp = read_stamp()
    if tests or "test" in stamp:
        wanted["test"] = digest(LOCK, TEST_LOCK, project)
    if stamp == wanted and _works(venv_python()):
        return venv_python()
    make_venv(say)
    install("test" in wanted, say)
    write_stamp(wanted)
    return venv_python()
