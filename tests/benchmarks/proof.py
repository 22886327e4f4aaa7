"""Do the routes to a phase ever contradict each other?  Random samples with time reversal.

    python -m tests.benchmarks.proof [--count 100] [--processes 2] [--out FILE]

Half of the samples are Fu-Kane-Mele models with random bonds, staggered
potential and noise, half are Bi2Se3 with random spin-orbit coupling and
noise; every fifth keeps inversion, and of Bi2Se3 another fifth lies in the
window of the inversion of its bands under strong noise, where nodes can be.
Each is certified.  A certificate that
says ``converged`` is then tested by what it did not use: the same routes with
finer controls, a search for nodes on another mesh that knows no symmetry, and,
where inversion was kept, Fu-Kane parities computed here from the inversion of
the clean crystal.  Samples depend on their number only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.certificate import Certificate
from crystalgui.core.physics.classify import FINER, classify
from crystalgui.core.physics.node_search import search_mesh
from crystalgui.core.physics.perturb import add, noise, spin_orbit_path
from crystalgui.core.physics.representations import Representation, inversion
from crystalgui.core.physics.reversal import symmetrised, time_reversal
from crystalgui.core.physics.weyl import find_nodes
from crystalgui.core.physics.z2 import z2
from crystalgui.core.structures.hoppings.model import Hoppings

DATA = Path(os.environ.get("CRYSTALGUI_DATA", Path(__file__).parents[3] / "shared" / "data"))
FAMILIES = ("Fu-Kane-Mele", "Bi2Se3")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """A Hamiltonian, how it was made, and its inversion where that was kept."""

    h: Hoppings
    occupied: int
    settings: dict[str, Any]
    inversion: Representation | None


@lru_cache(maxsize=1)
def _crystal() -> Hoppings:
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    return read_hoppings(DATA / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")


def sample(family: str, number: int) -> Sample:
    """Sample of a number; every fifth keeps inversion."""
    rng = np.random.default_rng([FAMILIES.index(family), number])
    even = number % 5 == 0
    if family == "Bi2Se3":
        near = number % 5 == 1
        strength = float(rng.uniform(0.5, 0.55) if near else rng.uniform(0.2, 1.0))
        clean, occupied = spin_orbit_path(_crystal(), strength), 18
        rms = float(10 ** (rng.uniform(-3.3, -2.6) if near else rng.uniform(-4.7, -3.5)))
        settings: dict[str, Any] = {"spin_orbit": strength}
    else:
        bonds = [float(x) for x in 1 + rng.uniform(-0.5, 0.5, 4)]
        staggered = 0.0 if even else float(rng.uniform(0, 0.5))
        clean, occupied = zoo.fu_kane_mele(bonds=bonds, staggered=staggered), 2
        rms = float(10 ** rng.uniform(-2.5, -1))
        settings = {"bonds": bonds, "staggered": staggered}
    centre = inversion(clean) if even else None
    mode: Any = "time-reversal" if centre is None else "inversion-and-time-reversal"
    delta = noise(clean, rms, number, mode=mode, inversion=centre)
    settings |= {"noise_rms_ev": rms, "mode": mode}
    return Sample(h=add(clean, delta), occupied=occupied, settings=settings, inversion=centre)


def parities_here(
    h: Hoppings, occupied: int, centre: Representation
) -> tuple[tuple[int, int, int, int], float]:
    """(nu0; nu1 nu2 nu3) of Fu and Kane from P(k) of the clean crystal, and its sharpness.

    The number of odd pairs at each TRIM is read off the trace of P in the
    occupied states; nu_i is the product over k_i = 1/2.
    """
    trim = np.array(list(product((0.0, 0.5), repeat=3)))
    _, states = np.linalg.eigh(hamiltonian(h, trim))
    below = states[:, :, :occupied]
    inside = below.conj().swapaxes(-1, -2) @ centre.at(trim) @ below
    values = np.linalg.eigvals(inside)
    odd = (values.real < 0).sum(axis=1) // 2
    strong = int(odd.sum() % 2)
    weak = [int(odd[trim[:, axis] == 0.5].sum() % 2) for axis in range(3)]
    return (strong, weak[0], weak[1], weak[2]), float(np.abs(np.abs(values) - 1).max())


def examine(made: Sample, found: Certificate, *, thorough: bool = True) -> list[str]:
    """What contradicts a converged certificate, in words; empty when nothing does."""
    if found.status != "converged":
        return []
    wrong = [f"failed check: {check.name}" for check in found.checks if check.passed is False]
    h, occupied = made.h, made.occupied
    reversal = time_reversal(h)
    h = symmetrised(h, reversal)
    indices = found.indices.z2
    if indices is not None:
        finer = z2(h, occupied, 3, options=FINER)
        if finer.indices != indices:
            wrong.append(f"finer charge centres: {finer.indices} ({finer.status})")
        if made.inversion is not None:
            pairs, blurred = parities_here(h, occupied, made.inversion)
            if blurred < 0.5 and pairs != tuple(indices):
                wrong.append(f"parities computed here: {pairs}")
    if thorough:
        mesh = np.array(search_mesh(h, 3, finer=True)) + 1
        nodes = find_nodes(h, occupied, mesh=(int(mesh[0]), int(mesh[1]), int(mesh[2])))
        kinds = Counter(node.kind for node in nodes.nodes)
        if kinds != Counter(node.kind for node in found.nodes):
            failed = [check.name for check in nodes.checks if check.passed is False]
            doubt = f", which fails: {', '.join(failed)}" if failed else ""
            wrong.append(f"nodes without symmetry on {mesh.tolist()}: {dict(kinds)}{doubt}")
    return wrong


def certify(task: tuple[str, int, bool]) -> dict[str, Any]:
    """One row: the certificate of a sample, its cost and what contradicts it."""
    family, number, thorough = task
    made = sample(family, number)
    with one_blas_thread():
        begin = time.process_time()
        found = classify(made.h, made.occupied)
        seconds = time.process_time() - begin
        wrong = examine(made, found, thorough=thorough)
    return {
        "family": family,
        "number": number,
        **made.settings,
        "label": found.label,
        "status": found.status,
        "z2": found.indices.z2,
        "parities": None if found.parities is None else found.parities.z2,
        "direct_gap_ev": found.gaps.direct.energy,
        "nodes": dict(Counter(node.kind for node in found.nodes)),
        "cpu_seconds": seconds,
        "remark": found.remark,
        "contradictions": wrong,
        "thorough": thorough,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares, costs and contradictions of one family."""
    status = Counter(row["status"] for row in rows)
    seconds = [row["cpu_seconds"] for row in rows]
    return {
        "samples": len(rows),
        "labels": dict(Counter(row["label"] for row in rows)),
        "unresolved": status["unresolved"] / len(rows),
        "undefined": status["undefined"] / len(rows),
        "contradictions": sum(bool(row["contradictions"]) for row in rows),
        "with_inversion": sum(row["mode"] != "time-reversal" for row in rows),
        "cpu_seconds_median": statistics.median(seconds),
        "cpu_seconds_worst": max(seconds),
    }


def _line(row: dict[str, Any]) -> str:
    z2_text = "" if row["z2"] is None else "({};{}{}{})".format(*row["z2"])
    words = "; ".join(row["contradictions"]) or row["remark"]
    return (
        f"{row['family']:<13}{row['number']:>4}  {row['label']:<22}{z2_text:<9}{row['status']:<11}"
        f"{row['direct_gap_ev']:>9.4f} eV {row['cpu_seconds']:>6.2f} s  "
        f"{'CONTRADICTED ' if row['contradictions'] else ''}{words}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Certify all samples; 1 when something was contradicted."""
    from tests.benchmarks.run import HERE, machine, versions

    parser = argparse.ArgumentParser(prog="tests.benchmarks.proof", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="samples of each family")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument(
        "--thorough", type=int, default=1, help="every how many-th sample of Bi2Se3"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    tasks = [
        (family, i, family != "Bi2Se3" or i % options.thorough == 0)
        for family in options.family or FAMILIES
        for i in range(options.count)
    ]
    rows = []
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for row in pool.map(certify, tasks):
            rows.append(row)
            print(_line(row), flush=True)
    families = {
        name: summary(some)
        for name in FAMILIES
        if (some := [row for row in rows if row["family"] == name])
    }
    result = {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "summary": families,
        "rows": rows,
    }
    out = options.out or HERE / "results" / f"{now:%Y-%m-%d}-topology-proof.json"
    out.write_text(json.dumps(result, indent=1, default=float) + "\n", "utf-8")
    print(json.dumps(families, indent=1))
    print(f"written: {out}")
    return 1 if any(row["contradictions"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
