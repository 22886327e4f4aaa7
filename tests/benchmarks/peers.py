"""What other programs need for the same work; runs in an interpreter that has them.

    python peers.py TASK MODEL.npz REPEATS

MODEL.npz holds ``cells`` (m, 3), ``matrices`` (m, n, n), ``lattice`` (3, 3),
``centres`` (n, 3), ``occupied`` and ``k`` (p, 3).  The last line written is
JSON: processor seconds of each repeat, and the answer.  Nothing of this
project is imported, and making the model and importing are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

PEERS = ("z2pack", "tbmodels", "pythtb", "wannierberri")


def repeated(work: Any, repeats: int) -> tuple[list[float], Any]:
    """Processor seconds of each run, and the last answer."""
    seconds, answer = [], None
    for _ in range(repeats):
        start = time.process_time()
        answer = work()
        seconds.append(time.process_time() - start)
    return seconds, answer


def tbmodels_model(data: Any) -> Any:
    """The same hoppings as a TBmodels model."""
    import tbmodels

    hop = {tuple(map(int, r)): m for r, m in zip(data["cells"], data["matrices"], strict=True)}
    return tbmodels.Model(hop=hop, uc=data["lattice"], occ=int(data["occupied"]), contains_cc=True)


def pythtb_model(data: Any) -> Any:
    """The same hoppings as a PythTB model of two dimensions."""
    import pythtb

    model = pythtb.tb_model(2, 2, data["lattice"][:2, :2], data["centres"][:, :2])
    n = len(data["centres"])
    for cell, matrix in zip(data["cells"], data["matrices"], strict=True):
        if not cell.any():
            model.set_onsite(np.diag(matrix).real)
        for i in range(n):
            for j in range(n):
                home_pair = not cell.any() and i >= j
                if tuple(cell) < (0, 0, 0) or home_pair or abs(matrix[i, j]) < 1e-14:
                    continue
                model.set_hop(complex(matrix[i, j]), i, j, [int(x) for x in cell[:2]])
    return model


def tbmodels_bands(data: Any, repeats: int) -> tuple[list[float], Any]:
    """Energies at scattered k, in one call."""
    model = tbmodels_model(data)
    k = data["k"].tolist()
    seconds, answer = repeated(lambda: model.eigenval(k), repeats)
    return seconds, np.array(answer).tolist()


def tbmodels_single(data: Any, repeats: int) -> tuple[list[float], Any]:
    """The same, one k after the other."""
    model = tbmodels_model(data)
    k = data["k"].tolist()
    seconds, answer = repeated(lambda: [model.eigenval(one) for one in k], repeats)
    return seconds, np.array(answer).tolist()


def pythtb_bands(data: Any, repeats: int) -> tuple[list[float], Any]:
    """Energies at scattered k."""
    model = pythtb_model(data)
    k = data["k"][:, :2]
    seconds, answer = repeated(lambda: model.solve_all(k), repeats)
    return seconds, np.array(answer).T.tolist()


def pythtb_flow(data: Any, repeats: int) -> tuple[list[float], Any]:
    """Chern number and the flow of the sum of charge centres on a mesh of 41 x 41."""
    import pythtb

    model, occupied = pythtb_model(data), list(range(int(data["occupied"])))

    def work() -> list[Any]:
        states = pythtb.wf_array(model, [41, 41])
        states.solve_on_grid([0.0, 0.0])
        flux = float(states.berry_flux(occupied))
        return [flux / (2 * np.pi), np.array(states.berry_phase(occupied, 1)).tolist()]

    return repeated(work, repeats)


def z2pack_planes(data: Any, repeats: int) -> tuple[list[float], Any]:
    """(nu0; nu1 nu2 nu3) from six planes with the default controls of Z2Pack."""
    import logging

    import z2pack

    logging.disable(logging.CRITICAL)
    system = z2pack.tb.System(tbmodels_model(data))

    def surface(axis: int, offset: float) -> Any:
        def at(t: float, s: float) -> list[float]:
            k = [0.0, 0.0, 0.0]
            k[axis], k[(axis + 1) % 3], k[(axis + 2) % 3] = offset, t / 2, s
            return k

        return at

    def work() -> list[int]:
        values = [
            z2pack.invariant.z2(
                z2pack.surface.run(system=system, surface=surface(axis, offset)),
                check_kramers_pairs=False,
            )
            for axis in range(3)
            for offset in (0.0, 0.5)
        ]
        strong = {(values[2 * i] + values[2 * i + 1]) % 2 for i in range(3)}
        return [strong.pop() if len(strong) == 1 else -1, values[1], values[3], values[5]]

    return repeated(work, repeats)


def wannierberri_hall(data: Any, repeats: int) -> tuple[list[float], Any]:
    """Anomalous Hall conductivity of its Haldane model; the mesh is doubled until it stands."""
    import wannierberri as wb
    from wannierberri.models import Haldane_ptb
    from wannierberri.system import System_R

    system = System_R.from_pythtb(Haldane_ptb(delta=0.2, hop1=-1.0, hop2=0.15))

    def value(points: int) -> float:
        result = wb.run(
            system,
            grid=wb.Grid(system, NK=[points, points, 1], NKFFT=[points, points, 1]),
            calculators={"ahc": wb.calculators.static.AHC(Efermi=np.array([0.0]))},
            parallel=False,
            print_progress_step_time=1e9,
            fout_name="",
        )
        return float(np.abs(result.results["ahc"].data).max())

    def work() -> list[float]:
        points, before, now = 12, np.inf, value(12)
        while abs(now - before) > 1e-4 * abs(now):
            points, before, now = 2 * points, now, value(2 * points)
        return [now, points]

    return repeated(work, repeats)


TASKS = {
    "tbmodels_bands": tbmodels_bands,
    "tbmodels_single": tbmodels_single,
    "pythtb_bands": pythtb_bands,
    "pythtb_flow": pythtb_flow,
    "z2pack_planes": z2pack_planes,
    "wannierberri_hall": wannierberri_hall,
}


def main() -> None:
    """Run one task."""
    if sys.argv[1] == "versions":
        print(json.dumps({name: metadata.version(name) for name in PEERS}))
        return
    task, path, repeats = sys.argv[1:4]
    with np.load(path) as stored:
        data = {name: stored[name] for name in stored.files}
    seconds, answer = TASKS[task](data, int(repeats))
    print("\n" + json.dumps({"cpu": seconds, "answer": answer}))


if __name__ == "__main__":
    main()
