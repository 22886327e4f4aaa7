"""Topology: certified labels, and the same questions put to Z2Pack, TBmodels, PythTB, WannierBerri.

The peers run in their own process with the interpreter named by the variable
CRYSTALGUI_PEERS (or this one, if it has them: the ``bench`` extra).  Both sides
are measured in processor seconds with one BLAS thread, medians of repeats,
without imports and without reading files; ``ratio`` is peer / ours.  Answers
must agree, or the row is an error.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
DATA = Path(os.environ.get("CRYSTALGUI_DATA", Path(__file__).parents[3] / "shared" / "data"))
ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
NOTE = "CPU seconds of one process, one BLAS thread on both sides"


def run() -> list[Row]:
    """All rows; a part that fails says so and the others go on."""
    rows: list[Row] = []
    for part in (z2_of_bi2se3, bands, hall, flow, certificates, path_labels, screening):
        rows += part()
    return rows


# ------------------------------------------------------------------ the peers


def interpreter() -> str:
    """Python that has the peers."""
    return os.environ.get("CRYSTALGUI_PEERS", sys.executable)


@lru_cache(maxsize=1)
def peers() -> dict[str, str]:
    """Their versions; empty where one is missing."""
    command = [interpreter(), str(Path(__file__).with_name("peers.py")), "versions"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def peer(task: str, h: Any, k: Any = None, repeats: int = 3) -> tuple[float, Any]:
    """Median processor seconds and answer of a peer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        np.savez(
            path,
            cells=h.cells,
            matrices=h.matrices,
            lattice=np.eye(3) if h.lattice is None else h.lattice,
            centres=np.zeros((h.n_orbitals, 3)) if h.centres is None else h.centres,
            occupied=h.occupied or 0,
            k=np.zeros((1, 3)) if k is None else k,
        )
        done = subprocess.run(
            [interpreter(), str(Path(__file__).with_name("peers.py")), task, path, str(repeats)],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            cwd=folder,
            env=os.environ | ONE,
        )
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return statistics.median(found["cpu"]), found["answer"]


def missing(name: str, reason: str) -> Row:
    """A row that says why nothing was measured."""
    return {"name": name, "value": None, "unit": "", "missing": f"not measured: {reason}"}


def against(
    name: str, ours: float, theirs: float, who: str, limit: float | None = None, **more: Any
) -> Row:
    """A ratio of processor seconds."""
    row: Row = {
        "name": f"{name}: {who} / ours",
        "value": theirs / ours,
        "unit": "x",
        "ours_cpu_s": ours,
        "peer_cpu_s": theirs,
        "note": NOTE,
        **more,
    }
    return row | ({} if limit is None else {"limit": limit, "better": "higher"})


# ------------------------------------------------------------------ measuring


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, so that no thread pool is made, and BLAS on one thread."""
    from crystalgui.core.physics.bloch import one_blas_thread

    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if before:
        os.sched_setaffinity(0, {max(before)})
    try:
        with one_blas_thread():
            yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


def processor(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Median processor seconds after a run that is not counted, and the answer."""
    work()
    seconds, answer = [], None
    for _ in range(repeats):
        start = time.process_time()
        answer = work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), answer


@lru_cache(maxsize=1)
def bi2se3() -> Any:
    """The hoppings, None where the data folder is missing."""
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    path = DATA / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz"
    return replace(read_hoppings(path), occupied=18) if path.is_file() else None


# ------------------------------------------------------------------ the rows


def z2_of_bi2se3() -> list[Row]:
    """Six planes: Z2Pack with its default controls, ours with equal or tighter ones."""
    from crystalgui.core.physics.z2 import z2

    name = "six-plane Z2 of Bi2Se3 (30 orbitals)"
    h = bi2se3()
    if h is None:
        return [missing(name, "no data folder")]
    with one_core():
        ours, found = processor(lambda: z2(h, 18))
    assert found.indices == (1, 0, 0, 0)
    rows: list[Row] = [{"name": name, "value": ours, "unit": "CPU s"}]
    if not peers():
        return [*rows, missing(f"{name}: Z2Pack", "peers not installed")]
    theirs, indices = peer("z2pack_planes", h)
    assert tuple(indices) == found.indices
    return [*rows, against(name, ours, theirs, "Z2Pack + TBmodels", 5.0, answer=indices)]


def bands() -> list[Row]:
    """Energies at scattered k of a large and of small Hamiltonians."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.bloch import energies

    rng = np.random.default_rng(0)
    path = np.linspace(0, 1, 1000)[:, None] * [1.0, 0.5, 0.0]
    jobs = [
        ("Bi2Se3, 200 scattered k", bi2se3(), rng.random((200, 3)), "tbmodels_bands", 10.0),
        ("Bi2Se3, 200 scattered k", bi2se3(), rng.random((200, 3)), "tbmodels_single", 10.0),
        ("Haldane, 1000 k", zoo.haldane(), path, "pythtb_bands", None),
        ("Kane-Mele, 1000 k", zoo.kane_mele(rashba=0.05), path, "pythtb_bands", None),
    ]
    titles = {
        "tbmodels_bands": "TBmodels, all k in one call",
        "tbmodels_single": "TBmodels, k by k",
        "pythtb_bands": "PythTB",
    }
    rows: list[Row] = []
    for name, h, k, who, limit in jobs:
        if h is None:
            rows.append(missing(f"bands, {name}", "no data folder"))
            continue
        if not peers():
            rows.append(missing(f"bands, {name}", "peers not installed"))
            continue
        with one_core():
            ours, mine = processor(lambda h=h, k=k: energies(h, k), 15)
        theirs, answer = peer(who, h, k)
        apart = float(np.abs(np.sort(np.array(answer), axis=1) - mine).max())
        assert apart < 1e-12 * max(1.0, float(np.abs(mine).max())), apart
        more = {"largest_difference": apart}
        rows.append(against(f"bands, {name}", ours, theirs, titles[who], limit, **more))
    return rows


def hall() -> list[Row]:
    """Anomalous Hall conductivity of the Haldane model in its gap."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.conductivity import anomalous_hall

    name, exact = "anomalous Hall conductivity, Haldane", 387404.586
    h = zoo.haldane(t1=-1, t2=0.15, mass=0.2, c=1.0)
    with one_core():
        ours, found = processor(lambda: anomalous_hall(h, 0.0, tolerance=1e-4))
    mine = float(np.abs(found.sigma).max())
    assert abs(mine / exact - 1) < 1e-4, mine
    if not peers():
        return [missing(f"{name}: WannierBerri", "peers not installed")]
    theirs, (value, points) = peer("wannierberri_hall", h)
    assert abs(value / exact - 1) < 1e-4, value
    more = {"ours_s_per_m": mine, "peer_s_per_m": value, "ours_points": found.points}
    return [against(name, ours, theirs, "WannierBerri", peer_mesh=points, **more)]


def flow() -> list[Row]:
    """Chern number and charge centres of the Haldane model on 41 lines."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.chern import chern
    from crystalgui.core.physics.wilson import Convergence, Surface
    from crystalgui.core.physics.wilson import flow as centres

    name = "Chern number and Wannier centres, Haldane, 41 lines"
    h = zoo.haldane()
    unit = np.eye(3)
    plane = Surface(origin=np.zeros(3), across=unit[0], along=unit[1], name="plane")

    def work() -> tuple[Any, Any]:
        return chern(h, 1), centres(h, plane, 1, Convergence(lines=41))

    with one_core():
        ours, (number, lines) = processor(work)
    assert number.value == -1
    assert lines.converged
    if not peers():
        return [missing(f"{name}: PythTB", "peers not installed")]
    theirs, (value, _) = peer("pythtb_flow", h)
    assert abs(abs(value) - 1) < 1e-6
    return [against(name, ours, theirs, "PythTB", lines=len(lines.t))]


def certificates() -> list[Row]:
    """Full certificates of mixtures of the 18-orbital BiTeI model, half of them noisy."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.classify import classify
    from crystalgui.core.physics.perturb import add, interpolate, noise

    ends = zoo.bitei_p22(0.0), zoo.bitei_p22(2.0)
    seconds, labels = [], set()
    with one_core():
        classify(ends[0], 12)
        for i, alpha in enumerate(np.linspace(0, 1, 16)):
            h = interpolate(*ends, float(alpha))
            if i % 2:
                h = add(h, noise(h, 3e-4, i))
            start = time.process_time()
            found = classify(h, 12)
            seconds.append(time.process_time() - start)
            labels.add(found.label)
            assert found.status == "converged", (alpha, found.remark)
    assert labels == {"trivial insulator", "topological insulator"}
    name = "certified label, 18 orbitals, one core"
    return [
        {"name": name, "value": statistics.median(seconds), "unit": "CPU s", "limit": 0.5},
        {"name": f"{name}, worst of {len(seconds)}", "value": max(seconds), "unit": "CPU s"},
    ]


def path_labels(count: int = 400) -> list[Row]:
    """Labels along the pressure path of BiTeI with two processes."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.classify import classify
    from crystalgui.core.physics.labels import Mixture, label_path

    a, b = zoo.bitei_p22(0.0), zoo.bitei_p22(2.0)
    alphas = np.sort(np.random.default_rng(1).random(count))
    start, used = time.perf_counter(), sum(os.times()[:4])
    samples = list(label_path(a, b, 12, alphas, processes=2))
    wall, used = time.perf_counter() - start, sum(os.times()[:4]) - used
    own = sum(sample.via == "certificate" for sample in samples)
    mixture = Mixture(a, b, 12)
    for sample in np.random.default_rng(2).choice(np.array(samples, dtype=object), 6, False):
        found = classify(mixture.at(sample.alpha), 12)
        assert (found.label, found.status) == (sample.label, sample.status), sample.alpha
        assert found.indices.z2 == sample.certificate.indices.z2
    name = f"labels along a path, {count} samples of 18 orbitals, two processes"
    return [
        {"name": name, "value": count / wall, "unit": "/s", "limit": 10.0, "better": "higher"},
        {"name": f"{name}, each of two busy cores", "value": 2 * count / used, "unit": "/CPU s"},
        {"name": f"{name}: certificates", "value": own, "unit": "of them"},
    ]


def screening(samples: int = 64, mesh: tuple[int, int, int] = (16, 16, 12)) -> list[Row]:
    """Smallest gaps on a mesh, and which are proven open, many samples at once."""
    from crystalgui.core.physics import zoo
    from crystalgui.core.physics.screen import screen_family

    a, b = zoo.bitei_p22(0.0), zoo.bitei_p22(2.0)
    name = "screening, 18 orbitals"
    rows: list[Row] = []
    with one_core():
        few = np.linspace(0, 1, 8)
        seconds, plain = processor(lambda: screen_family(a, b, few, 12, mesh), 3)
        rows.append({"name": f"{name}, numpy, one core", "value": 8 / seconds, "unit": "/CPU s"})
    import torch

    if not torch.cuda.is_available():
        return [*rows, missing(f"{name}, CUDA", "no CUDA device on this machine")]
    device = torch.device("cuda")
    alphas = np.linspace(0, 1, samples)

    def work() -> Any:
        answer = screen_family(a, b, alphas, 12, mesh, xp=torch, device=device)
        torch.cuda.synchronize()
        return answer

    work()
    start = time.perf_counter()
    answer = work()
    wall = time.perf_counter() - start
    same = np.abs(np.interp(few, alphas, answer.gap)[[0, -1]] - plain.gap[[0, -1]]).max()
    assert same < 1e-9, same
    limit = {"limit": 1000.0, "better": "higher"}
    return [*rows, {"name": f"{name}, CUDA", "value": samples / wall, "unit": "/s", **limit}]


if __name__ == "__main__":
    for line in run():
        print(line)
