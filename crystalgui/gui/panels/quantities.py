"""Numbers as people read them: durations, sizes, counts, metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping

from crystalgui.core.cards import Level

UNKNOWN = "–"
METRIC_NAMES = {
    "accuracy_surest_half": "accuracy on the half it is surest of",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1 (macro)",
    "coarse_accuracy": "accuracy, merged classes",
    "accuracy_coarse": "accuracy, merged classes",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "r2": "R²",
    "loss": "loss",
}
SMALLER_IS_BETTER = ("loss", "mae", "rmse", "mse")


def duration(seconds: float) -> str:
    """``"4.2 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(nbytes: float) -> str:
    """``"512 kB"``, ``"1.3 GB"`` (powers of 1000)."""
    if nbytes <= 0:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000 or unit == "GB":
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if nbytes >= 100 or unit == "B" else f"{nbytes:.1f} {unit}"


def count(number: float) -> str:
    """``"29,389"``."""
    return f"{number:,.0f}" if math.isfinite(number) else UNKNOWN


def real(number: float, digits: int = 4) -> str:
    """A metric with a few significant digits."""
    return f"{number:.{digits}g}" if math.isfinite(number) else UNKNOWN


def metric_name(key: str) -> str:
    """``"val/mae"`` -> ``"mean absolute error"``."""
    name = key.rpartition("/")[2]
    own = name.removesuffix("_within")
    said = METRIC_NAMES.get(own, own.replace("_", " "))
    return said if own == name else f"{said}, within the size limit"


def invariance(holds: Mapping[str, Level]) -> str:
    """What `Card.holds` says, in a sentence; empty when it says nothing."""
    words = {
        "exact": "exactly invariant under",
        "approximate": "approximately under",
        "no": "not under",
    }
    parts = []
    for level, text in words.items():
        names = [name for name, own in holds.items() if own == level]
        if names:
            parts.append(f"{text} {', '.join(names)}")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}." if said else ""
