"""A certificate in words, rows and CSV: one source for the window, the PDF and files.

Nothing here is typeset and nothing is heavy to import; each function turns a
`Certificate` into text that people and spreadsheets read.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from crystalgui.core.physics.certificate import Certificate, Check, Node
    from crystalgui.core.physics.wilson import Surface, WilsonFlow

Floats = NDArray[np.float64]
Rows = list[tuple[str, str]]

BADGES: dict[str, str] = {
    "trivial insulator": "trivial",
    "topological insulator": "TI",
    "Weyl semimetal": "Weyl",
    "Dirac semimetal": "Dirac",
    "metal": "metal",
    "undefined": "undefined",
    "unresolved": "unresolved",
}
"""The label in one word, for lists."""

NODE_HEAD = ("k", "E (eV)", "χ", "kind")
PARITY_HEAD = ("TRIM", "odd", "gap (eV)")
CSV_HEAD = ("record", "name", "value", "unit", "passed", "k1", "k2", "k3", "chirality", "text")
WORST = {
    "pos": "movement with more k-points",
    "move": "movement between lines, in gaps",
    "gap": "distance from the neighbour's gap, in gaps",
    "resolution": "fall of the gap between lines; 1: it could close",
}


# -------------------------------------------------------------------- rows


def minus(text: str) -> str:
    """With true minus signs."""
    return text.replace("-", "−")


def sentence(text: str) -> str:
    """With a capital letter, and true minus signs before numbers."""
    text = re.sub(r"(?<![\w.;)])-(?=\d)", "−", text)
    return text[:1].upper() + text[1:]


def index_rows(certificate: Certificate) -> Rows:
    """The indices that apply, as people write them."""
    i = certificate.indices
    rows: Rows = []
    if i.z2 is not None:
        name = "Z₂" if len(i.z2) == 1 else "Z₂ (ν₀;ν₁ν₂ν₃)"
        rows.append((name, certificate.z2_text))
    if i.z4 is not None:
        rows.append(("Z₄", str(i.z4)))
    if i.chern is not None:
        rows.append(("Chern number", minus(", ".join(map(str, i.chern)))))
    rows += [(f"Mirror Chern, {name}", minus(str(value))) for name, value in i.mirror_chern or ()]
    if i.winding is not None:
        rows.append(("Zak phase / π", str(i.winding)))
    return rows


def gap_rows(certificate: Certificate) -> Rows:
    """Gaps in eV, each with its k-point."""
    from crystalgui.core.physics.overview import k_text

    found = certificate.gaps
    if found is None:
        return []
    direct, indirect = found.direct, found.indirect
    overlap = indirect.energy < 0
    rows = [
        ("Direct gap", f"{amount(direct.energy)} eV at {k_text(direct.k_lower)}"),
        ("Band overlap" if overlap else "Indirect gap", f"{amount(abs(indirect.energy))} eV"),
        ("Valence top at", k_text(indirect.k_lower)),
        ("Conduction bottom at", k_text(indirect.k_upper)),
    ]
    return rows


def amount(value: float) -> str:
    """An energy in eV: four decimals, or a power of ten when it is tiny."""
    if value == 0 or abs(value) >= 5e-4:
        return minus(f"{value + 0.0:.4f}")
    return minus(f"{value:.1e}")


def facts(certificate: Certificate) -> Rows:
    """Filling, dimension and time."""
    rows = [
        ("Occupied bands", str(certificate.occupied)),
        ("Dimension", str(certificate.dimension)),
        ("Computed in", f"{certificate.seconds:.2f} s"),
    ]
    return rows


def node_cells(node: Node) -> tuple[str, ...]:
    """Cells of a node under `NODE_HEAD`."""
    from crystalgui.core.physics.overview import k_text

    energy = minus(f"{node.energy + 0.0:.4f}")
    return (k_text(node.k), energy, charge(node.chirality), node.kind)


def charge(chirality: int) -> str:
    """``+1``, ``−1``, ``0``."""
    return minus(f"{chirality:+d}") if chirality else "0"


def parity_rows(certificate: Certificate) -> list[tuple[str, ...]]:
    """Cells of each TRIM under `PARITY_HEAD`; none without inversion.

    ``odd`` counts Kramers pairs where there are some, else states.
    """
    from crystalgui.core.physics.overview import k_text

    found = certificate.parities
    if found is None:
        return []
    odd = found.odd_pairs if len(found.odd_pairs) else found.odd_states
    return [
        (k_text(k), str(int(count)), amount(float(gap)))
        for k, count, gap in zip(found.trim, odd, found.gaps, strict=True)
    ]


def parity_title(certificate: Certificate) -> str:
    """What the column ``odd`` counts."""
    found = certificate.parities
    pairs = found is not None and len(found.odd_pairs)
    return "Odd Kramers pairs" if pairs else "Odd states"


def check_value(check: Check) -> str:
    """The number that was tested, short."""
    value = check.value
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "–"
    return minus(str(int(value)) if float(value).is_integer() else f"{value:.3g}")


def score(certificate: Certificate) -> str:
    """``12 checks, all passed``, or how many failed and how many only inform."""
    outcomes = [check.passed for check in certificate.checks]
    failed, open_ = outcomes.count(False), outcomes.count(None)
    if not outcomes:
        return "no checks"
    words = [f"{outcomes.count(True)} of {len(outcomes)} passed"]
    if failed:
        words.append(f"{failed} failed")
    if open_:
        words.append(f"{open_} for information" if not failed else f"{open_} open")
    return ", ".join(words)


# -------------------------------------------------------------------- flow


def surface_words(surface: Surface) -> str:
    """``(0, ½ t, s)``: the k-points of a surface as a formula."""
    from crystalgui.core.physics.overview import fraction_text

    parts = []
    for origin, across, along in zip(surface.origin, surface.across, surface.along, strict=True):
        words = ""
        for value, name in ((float(origin), ""), (float(across), "t"), (float(along), "s")):
            if abs(value) < 1e-9:
                continue
            size = "" if name and abs(abs(value) - 1) < 1e-9 else fraction_text(abs(value))
            term = f"{size} {name}".strip()
            sign = "−" if value < 0 else "+"
            words += f" {sign} {term}" if words else (f"−{term}" if value < 0 else term)
        parts.append(words or "0")
    return "(" + ", ".join(parts) + ")"


def no_flow(certificate: Certificate) -> str:
    """Why no plane was followed; empty where one was, or where a Chern number has its plane."""
    c = certificate
    if c.flows or (c.indices.chern is not None and c.dimension > 1):
        return ""
    if c.dimension == 1:
        return "a line has no plane to follow them on"
    if c.nodes:
        return "not followed: bands touch at the nodes"
    return "not followed: the gap is not resolved" if c.label == "undefined" else "not followed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReading:
    """What the charge centres of a surface say, read like a physicist does.

    Attributes
    ----------
    crossed : int
        Charge centres that the line of largest gaps passes from one line of
        k-points to the next, all together; its parity is Z2 where the surface
        is half of a plane that time reversal maps to itself.
    winding : int
        Turns of the sum of all centres; the Chern number where the surface is
        a whole plane, up to the orientation of the surface.
    half : bool
        The surface is half a plane.
    rings : (t, centre), two tuples of float
        The charge centres that were passed.
    """

    crossed: int
    winding: int
    half: bool
    rings: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def text(self) -> str:
        """``Z₂ = 1`` or ``C = −1``."""
        return f"Z₂ = {self.crossed % 2}" if self.half else minus(f"C = {self.winding}")


def read_flow(flow: WilsonFlow) -> FlowReading:
    """Count what the line of largest gaps crosses, and the turns of the sum.

    Between neighbouring lines the gap's centre moves the short way round; a
    centre of the later line on that arc was crossed (Soluyanov and
    Vanderbilt, Phys. Rev. B 83, 235401 (2011), section IV).
    """
    across = np.asarray(flow.surface.across, dtype=np.float64)
    half = not np.allclose(across, np.round(across), atol=1e-9)
    places: list[tuple[float, float]] = []
    for line in range(1, len(flow.t)):
        start, stop, row = flow.gap[line - 1], flow.gap[line], flow.centres[line]
        low, high = min(start, stop), max(start, stop)
        between = (row >= low) & (row < high)
        if high - low > 0.5:
            between = ~between
        places += [(float(flow.t[line]), float(x)) for x in row[between]]
    total = flow.centres.sum(axis=1)
    steps = np.diff(total)
    turns = float((steps - np.round(steps)).sum())
    rings = (tuple(t for t, _ in places), tuple(x for _, x in places))
    return FlowReading(crossed=len(places), winding=round(turns), half=half, rings=rings)


def wrapped_line(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """A line on the cylinder y mod 1: each step the short way, cut where it leaves [0, 1)."""
    xs: list[float] = []
    ys: list[float] = []
    for i in range(len(t) - 1):
        xs.append(float(t[i]))
        ys.append(float(y[i]))
        turn = float(np.round(y[i + 1] - y[i]))
        if turn:
            far = y[i + 1] - turn  # where the next point lies, seen from this one
            edge, other = (0.0, 1.0) if turn > 0 else (1.0, 0.0)
            x = t[i] + (t[i + 1] - t[i]) * (edge - y[i]) / ((far - y[i]) or 1.0)
            xs += [float(x), float("nan"), float(x)]
            ys += [edge, float("nan"), other]
    if len(t):
        xs.append(float(t[-1]))
        ys.append(float(y[-1]))
    return np.array(xs), np.array(ys)


def flow_rows(flow: WilsonFlow) -> Rows:
    """Size and convergence of a flow."""
    points = flow.points
    size = str(points.min()) if points.min() == points.max() else f"{points.min()}–{points.max()}"
    rows: Rows = [
        ("Lines", str(len(flow.t))),
        ("k-points on a line", size),
        ("Smallest gap met", f"{amount(flow.smallest_gap)} eV"),
    ]
    rows += [
        (f"{name} ({'≥' if name == 'gap' else '≤'} {limit:g})", minus(f"{value:.3g}"))
        for name, value, limit in flow.worst
    ]
    return rows


def worst_passed(name: str, value: float, limit: float) -> bool:
    """Whether a convergence value is inside its tolerance (``gap`` is a distance)."""
    return value >= limit if name == "gap" else value <= limit


# --------------------------------------------------------------------- CSV


def certificate_csv(certificate: Certificate) -> str:
    """Everything in one tidy table: a record a line, `CSV_HEAD` above.

    Records are ``certificate``, ``index``, ``gap``, ``node``, ``parity`` and
    ``check``; energies are in eV, k reduced.  The same inputs give the same
    bytes: the time it took is left out.
    """
    c = certificate
    lines: list[tuple[Any, ...]] = [
        _line("certificate", "label", c.label, text=c.remark),
        _line("certificate", "status", c.status),
        _line("certificate", "title", c.title),
        _line("certificate", "occupied", c.occupied),
        _line("certificate", "dimension", c.dimension),
        _line("certificate", "assumptions", "", text=c.assumptions.sentence()),
    ]
    lines += [
        _line("index", name, value.replace("−", "-")) for name, value in _plain_indices(certificate)
    ]
    if c.gaps is not None:
        direct, edge = c.gaps.direct, c.gaps.indirect
        lines += [
            _line("gap", "direct", repr(float(direct.energy)), "eV", k=direct.k_lower),
            _line("gap", "indirect", repr(float(edge.energy)), "eV"),
            _line("gap", "valence top", repr(float(edge.lower)), "eV", k=edge.k_lower),
            _line("gap", "conduction bottom", repr(float(edge.upper)), "eV", k=edge.k_upper),
        ]
    lines += [
        _line(
            "node",
            n.kind,
            repr(float(n.energy)),
            "eV",
            k=n.k,
            chirality=n.chirality,
            text=f"{n.degeneracy} bands meet; gap left {n.gap:.1e} eV",
        )
        for n in c.nodes
    ]
    if c.parities is not None:
        p = c.parities
        odd = p.odd_pairs if len(p.odd_pairs) else p.odd_states
        name = parity_title(c).lower()
        lines += [
            _line("parity", name, int(count), k=k) for k, count in zip(p.trim, odd, strict=True)
        ]
    lines += [
        _line("check", check.name, _number(check.value), passed=check.passed, text=check.text)
        for check in c.checks
    ]
    return _table(CSV_HEAD, lines)


def flow_csv(flow: WilsonFlow) -> str:
    """Charge centres line by line: t, k-points, largest gap, centres."""
    n = flow.centres.shape[1]
    head = ("t", "points", "gap_centre", "gap_size", *(f"centre_{i + 1}" for i in range(n)))
    rows = [
        (repr(float(t)), int(p), *(f"{float(x):.9f}" for x in (g, s, *row)))
        for t, p, g, s, row in zip(
            flow.t, flow.points, flow.gap, flow.gap_size, flow.centres, strict=True
        )
    ]
    return _table(head, rows)


def _plain_indices(certificate: Certificate) -> Rows:
    i = certificate.indices
    rows: Rows = []
    if i.z2 is not None:
        names = ("nu",) if len(i.z2) == 1 else ("nu0", "nu1", "nu2", "nu3")
        rows += [(f"z2 {name}", str(v)) for name, v in zip(names, i.z2, strict=True)]
    if i.z4 is not None:
        rows.append(("z4", str(i.z4)))
    rows += [(f"chern {n}", str(v)) for n, v in enumerate(i.chern or (), 1)]
    rows += [(f"mirror chern {name}", str(v)) for name, v in i.mirror_chern or ()]
    if i.winding is not None:
        rows.append(("winding", str(i.winding)))
    return rows


def _line(
    record: str,
    name: str,
    value: object,
    unit: str = "",
    *,
    passed: bool | None = None,
    k: Any = None,
    chirality: int | None = None,
    text: str = "",
) -> tuple[Any, ...]:
    verdict = {True: "yes", False: "no", None: "open" if record == "check" else ""}[passed]
    place = ("", "", "") if k is None else tuple(f"{float(x) + 0.0:.9f}" for x in k)
    return (record, name, value, unit, verdict, *place, "" if chirality is None else chirality,
            " ".join(text.split()))  # fmt: skip


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return repr(float(value)) if math.isfinite(value) else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return buffer.getvalue()
