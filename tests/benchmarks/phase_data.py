"""Check a finished data set of Hamiltonians, and measure what a sample costs.

``python tests/benchmarks/phase_data.py FOLDER [--labels 100] [--kramers 200] [--out FILE]``:
random samples get a fresh certificate, which must say what their label says;
Kramers pairs must be degenerate at the eight TRIM to 1e-12 of the largest
energy; no sample may be there twice.  The answer is JSON, also for a record
in ``results``; the exit code is 1 when anything disagrees.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crystalgui.core.datasets.hamiltonians.dataset import VIA, PhaseDataset
from crystalgui.core.datasets.hamiltonians.generate import LINE, draw
from crystalgui.core.datasets.hamiltonians.labelling import Labeller, Line
from crystalgui.core.physics.bloch import hamiltonian, one_thread

TRIM = np.indices((2, 2, 2)).reshape(3, -1).T / 2
_FRESH = 1_000_000_000
"""Numbers of draws that no data set has: samples for the measurement of time."""


def labels(data: PhaseDataset, count: int, seed: int) -> dict[str, Any]:
    """Random samples against a fresh certificate."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(data), min(count, len(data)), replace=False)
    begin, wrong, apart = time.process_time(), [], 0.0
    for i in rows.tolist():
        found = data.certificate(i)
        if found.label != data.summary.classes[data.label[i]]:
            wrong.append([i, found.label, data.summary.classes[data.label[i]]])
        elif not found.nodes and found.gaps is not None:
            apart = max(apart, float(data.gap[i] - found.gaps.direct.energy))
    return {
        "checked": len(rows),
        "disagree": wrong,
        "gap above that of the certificate, at most, eV": apart,
        "cpu seconds a certificate": (time.process_time() - begin) / max(1, len(rows)),
    }


def kramers(data: PhaseDataset, count: int) -> float:
    """Largest splitting at the TRIM, in parts of the largest energy."""
    worst = 0.0
    rows = np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)
    for some in np.array_split(rows, max(1, len(rows) // 50)):
        for matrices in data.matrices(some):
            h = replace(data.start, matrices=matrices)
            e = np.linalg.eigvalsh(hamiltonian(h, TRIM))
            worst = max(worst, float(np.abs(e[:, ::2] - e[:, 1::2]).max() / np.abs(e).max()))
    return worst


def cost(data: PhaseDataset, count: int) -> dict[str, Any]:
    """CPU seconds a sample, for samples that are in no data set."""
    line = Line.from_plain(json.loads((data.summary.folder / LINE).read_text("utf-8")))
    labeller = Labeller(data.recipe, data.start, data.end, data.occupied, line)
    seconds: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for number in range(_FRESH, _FRESH + count):
        begin = time.process_time()
        via = labeller.label(*draw(data.recipe, number)).via
        seconds[via] += time.process_time() - begin
        times[via] += 1
    return {
        "samples": count,
        "cpu seconds a sample": sum(seconds.values()) / count,
        "of each kind": {via: seconds[via] / times[via] for via in times},
    }


def main() -> int:
    """Check, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--kramers", type=int, default=200)
    parser.add_argument("--cost", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    data = PhaseDataset.load(given.folder)
    pairs = np.stack([data.alpha.view(np.int64), data.noise_seed], axis=1)
    with one_thread():
        answer = {
            "name": data.summary.name,
            "digest": data.summary.digest,
            "samples": len(data),
            "shares": {
                name: count / len(data)
                for name, count in zip(data.summary.classes, data.summary.counts, strict=True)
            },
            "via": {word: int((data.via == code).sum()) for code, word in enumerate(VIA)},
            "apart": {
                word: int((data.apart.label == code).sum())
                for code, word in enumerate(data.reasons)
            },
            "bytes": sum(p.stat().st_size for p in data.summary.folder.iterdir() if p.is_file()),
            "twice": len(data) - len(np.unique(pairs, axis=0)),
            "kramers splitting, relative": kramers(data, given.kramers),
            "cost": cost(data, given.cost),
            "labels": labels(data, given.labels, given.seed),
        }
    text = json.dumps(answer, indent=1)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    good = not answer["twice"] and not answer["labels"]["disagree"]  # type: ignore[index]
    return 0 if good and answer["kramers splitting, relative"] < 1e-12 else 1  # type: ignore[operator]


if __name__ == "__main__":
    raise SystemExit(main())
