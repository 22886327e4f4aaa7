"""Whether what a paper says in words holds for repeated measurements.

Bird (2023), section 3.2, reads its figures by eye: this network is better than
that one, this curve is flat.  Here a difference counts when it exceeds the
least significant difference of two means of that many repeats: the deviation
inside groups, pooled over all groups, times a quantile of Student's t for two
groups (Fisher 1935), of the studentized range for the extremes of more (Tukey
1949).  What is smaller is within noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, Verdict

Floats = NDArray[np.float64]

LEVEL = 0.95


def least_difference(groups: Sequence[Floats], among: int = 2, level: float = LEVEL) -> float:
    """How far the means of two of these groups must be apart to count.

    Parameters
    ----------
    groups : sequence of (r,) float64
        Repeats of each of the things that are compared, as many of each; NaN for one that
        came to nothing.
    among : int
        Means of which the two are the largest and the smallest: of more than
        two these are further apart by chance (Tukey's studentized range; for
        two it is Student's t).
    level : float
        Of confidence.

    Returns
    -------
    float
        In their unit; infinite when nothing was repeated.
    """
    values = np.asarray(groups, np.float64)
    freedom = values.shape[0] * (values.shape[1] - 1)
    if freedom < 1:
        return math.inf
    deviation = math.sqrt(float(np.nanmean(np.nanvar(values, axis=1, ddof=1))))
    return _quantile(level, among, freedom) * deviation / math.sqrt(values.shape[1])


def blocked_difference(values: Floats, level: float = LEVEL) -> float:
    """How far the extremes of means over the same repeats must be apart to count.

    Repeats that begin with the same seed are good or bad together; what they
    have in common is taken out (a randomised block design).

    Parameters
    ----------
    values : (k, r) float64
        k things measured in r repeats; repeats with NaN are left out.
    level : float
    """
    values = values[:, ~np.isnan(values).any(axis=0)]
    things, repeats = values.shape
    freedom = (things - 1) * (repeats - 1)
    if freedom < 1:
        return math.inf
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    deviation = math.sqrt(float(np.square(rest).sum()) / freedom)
    return _quantile(level, things, freedom) * deviation / math.sqrt(repeats)


@lru_cache(maxsize=64)
def _quantile(level: float, among: int, freedom: int) -> float:
    """Of the studentized range, which takes a second of integrals; for two of Student's t."""
    from scipy.stats import studentized_range, t

    if among == 2:
        return math.sqrt(2) * float(t.ppf(0.5 + level / 2, freedom))
    return float(studentized_range.ppf(level, among, freedom))


def confidence(values: Floats, level: float = LEVEL) -> float:
    """Half the confidence interval of the mean of ``values`` (r,) float64, by Student's t."""
    from scipy.stats import t

    repeats = len(values)
    if repeats < 2:
        return math.inf
    deviation = float(np.std(values, ddof=1)) / math.sqrt(repeats)
    return float(t.ppf(0.5 + level / 2, repeats - 1)) * deviation


def verdict(difference: float, noise: float) -> Verdict:
    """Of something that is said to be larger by more than nothing."""
    if difference > noise:
        return "held"
    return "did not hold" if difference < -noise else "within noise"


def weakest(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a claim with several parts: held when all of them did."""
    for found in ("did not hold", "within noise"):
        if found in verdicts:
            return found
    return "held"


def larger(
    text: str, first: Floats, others: Mapping[str, Floats], noise: float, unit: str = "%"
) -> Claim:
    """That ``first`` is larger than each of ``others``.

    Parameters
    ----------
    text : str
        What the paper says.
    first, others : (r,) float64
        Repeats.
    noise : float
        As from `least_difference`.
    unit : str
    """
    apart = {name: float(np.nanmean(first) - np.nanmean(other)) for name, other in others.items()}
    said = ", ".join(f"{signed(value)} {unit} over {name}" for name, value in apart.items())
    verdicts = [verdict(value, noise) for value in apart.values()]
    return Claim(text=text, verdict=weakest(verdicts), numbers=f"{said}; noise {noise:.2g} {unit}")


def flat(text: str, means: Floats, noise: float, unit: str = "%") -> Claim:
    """That ``means`` (n,) float64 are one number: none is further from another than ``noise``."""
    apart = float(np.ptp(means))
    return Claim(
        text=text,
        verdict="held" if apart <= noise else "did not hold",
        numbers=f"range {apart:.2g} {unit}; noise {noise:.2g} {unit}",
    )


def signed(value: float) -> str:
    """With its sign, to two digits behind the point."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
