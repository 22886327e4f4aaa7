"""What this machine has, and how fast it is: ``doctor`` and ``bench``."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import typer

from crystalgui import __version__
from crystalgui.cli.terminal import fail, log_file

PACKAGES = (
    "PySide6-Essentials",
    "vtk",
    "pyvistaqt",
    "pyqtgraph",
    "torch",
    "numpy",
    "scipy",
    "pymatgen",
    "spglib",
    "seekpath",
    "vesin",
    "SQLAlchemy",
    "matplotlib",
    "reportlab",
)
_PROBE = "from crystalgui.scene.picture import graphics_information; print(graphics_information())"


def doctor() -> None:
    """Versions, graphics and paths of this machine."""
    from importlib import metadata

    lines = [("crystalgui", __version__), ("Python", sys.version.split()[0])]
    lines += [("System", platform.platform()), ("Processor", _processor())]
    for name in PACKAGES:
        try:
            lines.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            lines.append((name, "missing"))
    lines += _graphics()
    lines += _places()
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        print(f"{name:<{width}}{value}")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {os.cpu_count()} threads"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} threads"


def _graphics() -> list[tuple[str, str]]:
    """GPU for computing (torch) and OpenGL."""
    try:
        import torch

        cuda = (
            ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
            or "none that torch can use"
        )
    except (ImportError, OSError, RuntimeError) as error:
        cuda = f"torch cannot be loaded: {error}"
    opengl = _opengl()
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if not sys.platform.startswith("linux"):
        display = "of the system"
    return [("GPU", cuda), ("OpenGL", opengl), ("Display", display or "none")]


def _opengl() -> str:
    """What draws the crystals, asked in a process of its own: a bad driver may crash."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_probe_opengl, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        answer = str(here.recv()) if here.poll(60) else "no answer in a minute"
    except EOFError:
        process.join(5)
        answer = f"3D pictures fail: the driver ended the process ({process.exitcode})"
    process.join(5)
    if process.is_alive():
        process.kill()
    return answer


def _probe_opengl(connection: Any) -> None:
    """Draw a small picture off screen and say who drew it."""
    try:
        from crystalgui.scene.picture import graphics_information

        connection.send(graphics_information())
    except Exception as error:  # noqa: BLE001 - whatever the driver does is the answer
        connection.send(f"3D pictures fail: {type(error).__name__}: {error}")


def _places() -> list[tuple[str, str]]:
    from crystalgui.core.resources import root
    from crystalgui.core.settings import cache, default_project, home

    return [
        ("Program", sys.executable),
        ("Resources", str(root())),
        ("Settings", str(home())),
        ("Log", str(log_file())),
        ("Cache", str(cache())),
        ("Project", str(default_project())),
    ]


def bench(context: typer.Context) -> int:
    """Measure what the program promises (only in a checkout)."""
    import subprocess

    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "tests" / "benchmarks" / "run.py").is_file():
        return fail("The benchmarks are part of the source checkout. Run this command there.")
    command = [sys.executable, "-m", "tests.benchmarks.run", *context.args]
    return subprocess.run(command, cwd=checkout, check=False).returncode
