"""How fast this machine is, in a tenth of a second, to scale recorded minutes.

Experiments spend their time in batched small eigenproblems and in matrix
products, so that is what is measured.  The unit is a rate; only ratios count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from crystalgui.core.physics.bloch import one_blas_thread

SECONDS = 0.06
"""Time given to each of the kernels."""


def _rate(work: Callable[[], object]) -> float:
    """Repetitions a second, the best of several short looks."""
    work()  # the first time loads libraries
    best, end = 0.0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = max(best, 1.0 / max(time.perf_counter() - start, 1e-9))
    return best


@lru_cache(maxsize=2)
def measure(device: str = "cpu") -> float:
    """Speed of a core of ``"cpu"``, or of ``"cuda"``: geometric mean of the rates, 1/s."""
    rng = np.random.default_rng(0)
    if device == "cpu":
        h = rng.normal(size=(64, 18, 18)) + 1j * rng.normal(size=(64, 18, 18))
        h = h + h.conj().swapaxes(1, 2)
        a, b = (rng.normal(size=(s)).astype(np.float32) for s in ((256, 2048), (2048, 256)))
        with one_blas_thread():  # or what else runs here would be measured
            rates = [_rate(lambda: np.linalg.eigvalsh(h)), _rate(lambda: a @ b)]
        return float(np.sqrt(rates[0] * rates[1]))
    import torch

    x = torch.randn(4096, 4096, device=device)

    def product() -> None:
        (x @ x).sum().item()

    return _rate(product)
