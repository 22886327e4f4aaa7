"""How fast Hamiltonians are read, diagonalised and cut.

``python -m tests.benchmarks.bench_physics`` prints a table.  Rows have name,
value, unit, and, where there is one, the peer's value and the ratio
peer / ours (larger is better for us).  Frames are also given in processor
time, which says more on a machine that does other things at the same time.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
DATA = Path(os.environ.get("CRYSTALGUI_DATA", Path(__file__).parents[3] / "shared" / "data"))
GRID = (24, 24, 24)


def _row(name: str, value: float, unit: str, peer: float | None = None, **promise: Any) -> Row:
    ratio = None if peer is None else peer / value
    return {"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio, **promise}


def _seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median of ``repeats`` runs after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _processor(work: Callable[[], object], repeats: int = 5) -> float:
    """Least processor time of ``repeats`` runs: two ways are compared fairly under load."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def _frames(h: Any, name: str, hkl: tuple[int, int, int], frames: int, **promise: Any) -> list[Row]:
    """Zone slices at offsets of a slider, with their level lines, 64 x 64 points."""
    from crystalgui.core.physics.overview import cut, overview
    from crystalgui.core.physics.slices import Slice, plane_of

    view = overview(h)
    reach = plane_of(h.lattice, hkl, 0.0, view.zone).reach
    wall, processor = [], []
    for offset in np.linspace(-0.9 * reach, 0.9 * reach, frames + 1):
        start, used = time.perf_counter(), time.process_time()
        cut(h, Slice(hkl=hkl, offset=float(offset), band=view.occupied, n=64), view)
        wall.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - used))
    where = f"{name}, ({''.join(map(str, hkl))})"
    return [
        _row(f"slice frame, {where}", statistics.median(wall[1:]), "ms", **promise),
        _row(f"slice frame, {where}, best", min(wall[1:]), "ms"),
        _row(f"slice frame, {where}, processor", statistics.median(processor[1:]), "ms"),
    ]


def _phase_product(h: Any, k: Any) -> Any:
    """H(k) as textbooks write it: one exponential for each k-point and lattice vector."""
    phases = np.exp(2j * np.pi * (k @ h.cells.T))
    n = h.n_orbitals
    return (phases @ h.matrices.reshape(h.n_cells, n * n)).reshape(len(k), n, n)


def _hamiltonians(h: Any, name: str) -> Row:
    """H(k) on a regular mesh, without its eigenvalues, against the phase product."""
    from crystalgui.core.physics.bloch import _by_first, half_sum, one_blas_thread, plane_sum

    axes = [np.arange(m) / m for m in GRID]
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

    def ours() -> None:
        first, rest, blocks = _by_first(*half_sum(h))
        weight = np.exp(2j * np.pi * np.outer(axes[0], first))
        for row in weight:
            plane_sum(rest, np.tensordot(row, blocks, axes=(0, 0)), axes[1], axes[2])

    def naive() -> None:
        for start in range(0, len(k), 576):
            _phase_product(h, k[start : start + 576])

    with one_blas_thread():
        own, peer = _processor(ours), _processor(naive)
    return _row(f"H(k) on {'x'.join(map(str, GRID))} points, {name}", own, "s", peer)


def _check(h: Any) -> None:
    """Both ways must give the same matrices, or their times mean nothing."""
    from crystalgui.core.physics.bloch import hamiltonian

    k = np.random.default_rng(0).random((8, 3))
    assert np.abs(hamiltonian(h, k) - _phase_product(h, k)).max() < 1e-9


def run() -> list[Row]:
    """Measure; imports are not counted."""
    from crystalgui.core.physics.bands import bands
    from crystalgui.core.physics.brillouin import k_path
    from crystalgui.core.resources import examples
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    bitei = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"
    h = read_hoppings(bitei)
    _check(h)
    path = k_path(h, 60.0)
    rows = _frames(h, "18 bands", (0, 0, 1), 60, limit=50.0)
    rows += _frames(h, "18 bands", (1, 1, 1), 30)
    count = len(path.k)
    rows.append(_row(f"bands, 18 bands, {count} points", _seconds(lambda: bands(h, path)), "s"))
    rows.append(_hamiltonians(h, "18 bands"))
    large = DATA / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz"
    if large.is_file():
        h = read_hoppings(large)
        _check(h)
        path = k_path(h, 60.0)
        rows.append(_row("read Bi2Se3, 30 bands", _seconds(lambda: read_hoppings(large), 3), "s"))
        rows += _frames(h, "30 bands", (0, 0, 1), 20)
        count = len(path.k)
        rows.append(_row(f"bands, 30 bands, {count} points", _seconds(lambda: bands(h, path)), "s"))
        rows.append(_hamiltonians(h, "30 bands"))
    return rows


if __name__ == "__main__":
    for row in run():
        peer = f"   naive {row['peer']:.3f}, ratio {row['ratio']:.1f}" if row["peer"] else ""
        print(f"{row['name']:<44}{row['value']:>9.3f} {row['unit']}{peer}")
