"""Run every ``bench_*.py`` beside this file and keep the numbers.

    python -m tests.benchmarks.run [--only NAME]... [--out FILE]

A benchmark is a module with ``run() -> list[dict]``; each row has ``name``,
``value``, ``unit`` and, where the program promises something, ``limit`` and
``better`` ("lower" or "higher"); one that could not be measured here says why
in ``missing``.  Rows go to a JSON file with date, machine
and versions, so that two results can be compared honestly.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGES = ("PySide6-Essentials", "vtk", "torch", "numpy", "scipy", "vesin", "spglib", "pyqtgraph")

Row = dict[str, Any]


def names() -> list[str]:
    """Benchmarks in this folder, without their prefix."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def processor() -> str:
    """Model name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def graphics() -> str:
    """Name of the first NVIDIA card, empty without one."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().splitlines()[0]


def machine() -> dict[str, Any]:
    """Where the numbers were measured."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "graphics": graphics(),
        "system": platform.platform(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
    }


def versions() -> dict[str, str]:
    """Versions that decide the numbers."""
    from crystalgui import __version__

    found = {"crystalgui": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def kept(row: Row) -> bool | None:
    """Whether a promise was kept; None when there is none."""
    if row.get("limit") is None or "missing" in row:
        return None
    if row.get("better", "lower") == "higher":
        return bool(row["value"] >= row["limit"])
    return bool(row["value"] <= row["limit"])


def measure(name: str) -> list[Row]:
    """Rows of one benchmark; a failure is a row, too."""
    started = time.perf_counter()
    try:
        rows = importlib.import_module(f"tests.benchmarks.bench_{name}").run()
    except Exception:  # noqa: BLE001 - the other benchmarks still run
        return [{"bench": name, "name": f"{name} failed", "error": traceback.format_exc()}]
    for row in rows:
        row["bench"] = name
        row["kept"] = kept(row)
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return list(rows)


def show(row: Row) -> str:
    """One line for the terminal."""
    if "error" in row:
        return f"  failed  {row['name']}\n{row['error']}"
    if "missing" in row:
        return f"  {'-':>10} {'':<10} {row['name']} ({row['missing']})"
    mark = {True: "kept", False: "MISSED", None: ""}[row["kept"]]
    promise = f"  (promised {row['limit']:g} {row['unit']})" if row.get("limit") is not None else ""
    return f"  {row['value']:>10.4g} {row['unit']:<10} {row['name']}{promise} {mark}".rstrip()


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; 1 when a promise was missed or one failed."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.run", description=__doc__)
    parser.add_argument("--only", action="append", choices=names(), help="run this one")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    rows = [row for name in options.only or names() for row in measure(name)]
    for row in rows:
        print(show(row))
    out = options.out or HERE / "results" / f"{now:%Y-%m-%d}-{platform.node()}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
    }
    out.write_text(json.dumps(result, indent=1, default=float) + "\n", "utf-8")
    print(f"written: {out}")
    return 0 if all("error" not in row and row["kept"] is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
