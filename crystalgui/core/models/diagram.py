"""The diagram of a network from the parameters of its card, in the convention of Bird (2023).

The abstraction pipeline runs downwards in the green part, every layer with its
kernel, channels and points; read-outs go to the right through the global pools
of each channel and the change of basis to the interpretive network in the
purple part (Figs. 8, 10 to 12, 26 and 27; fully connected networks as in Fig.
4).  Nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crystalgui.core.cards import Scalar
from crystalgui.core.models.architecture import Architecture, Layer, architecture
from crystalgui.core.reports.diagram import Box, Diagram, Label, Line, Part

ROW, TALL, GAP = 25.0, 17.0, 18.0
EDGE, TOP = 10.0, 30.0
LEFT, WIDE = 34.0, 118.0
POOL, BASIS = 66.0, 46.0


@dataclass(slots=True)
class _Sheet:
    """What has been drawn so far."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, text: str, part: Part,
            height: float = TALL) -> None:  # fmt: skip
        """A layer with its name inside; ``y`` is its middle."""
        self.boxes.append(Box(x=x, y=y - height / 2, width=width, height=height, part=part))
        self.labels.append(Label(x=x + width / 2, y=y, text=text, size="small", part=part))

    def arrow(self, part: Part, *points: tuple[float, float], dashed: bool = False) -> None:
        """An arrow along points."""
        self.lines.append(Line(points=points, part=part, dashed=dashed))

    def region(self, x: float, y: float, width: float, height: float, part: Part,
               title: str) -> None:  # fmt: skip
        """A part of the network."""
        self.boxes.append(Box(x=x, y=y, width=width, height=height, part=part, level="region"))
        self.labels.append(
            Label(x=x + 8, y=y + 11, text=title, align="left", size="title", part=part)
        )


def network_diagram(
    family: str, params: Mapping[str, Scalar], shape: tuple[int, ...], outputs: int
) -> Diagram | None:
    """The diagram of a network of a family; None for families without one.

    Parameters
    ----------
    family : str
        Name of the card.
    params : mapping
        Complete parameters of the card.
    shape : tuple of int
        Of one input; without one, that of a handwritten digit stands for it.
    outputs : int
        Classes, or 1.
    """
    if family == "extractor":
        return draw(architecture(params, shape or (1, 28, 28), outputs))
    if family == "dense":
        sizes = [int(params["width"])] * int(params["depth"])
        sizes += [int(params["narrow"])] * int(params["tail"])
        return draw_dense(math.prod(shape or (1, 28, 28)), sizes, outputs)
    if family == "cann":
        return draw_attention(params, outputs)
    return None


def draw(plan: Architecture) -> Diagram:
    """A pipeline with its read-outs and its interpretation."""
    sheet = _Sheet()
    rows = {i: TOP + 22 + i * ROW for i in range(len(plan.layers))}
    _pipeline(sheet, plan, rows)
    right = LEFT + WIDE + GAP
    ends = _readouts(sheet, plan, rows, right)
    bottom = rows[len(rows) - 1] + TALL / 2 + 14
    width, height = _interpretation(sheet, plan, ends, bottom)
    return Diagram(
        width=width,
        height=height,
        boxes=tuple(sheet.boxes),
        lines=tuple(sheet.lines),
        labels=tuple(sheet.labels),
        summary=described(plan),
    )


def described(plan: Architecture) -> str:
    """The network in a sentence."""
    kinds = [layer.kind for layer in plan.layers]
    convolutions, pools = kinds.count("convolution"), kinds.count("pooling")
    reads = "after every layer" if len(plan.reads) > 1 else "at its end"
    attention = {"": "no attention", "tuned": "tuned attention"}.get(
        plan.attention, f"free attention ({plan.attention})"
    )
    return (
        f"{plan.kind.capitalize()} network, {plan.convolution}: "
        f"{convolutions} convolution{'s' * (convolutions != 1)} and "
        f"{pools} local pool{'s' * (pools != 1)} with "
        f"{plan.parameters:,} parameters, read {reads} by {', '.join(plan.pools)}; {attention}."
    )


def named(layer: Layer) -> str:
    """What a layer does: ``"conv 3×3 torus /2"``."""
    if layer.kind == "input":
        return "input"
    size = "×".join(str(n) for n in layer.kernel)
    if layer.kind == "pooling":
        return f"pool {size}"
    if set(layer.kernel) == {1}:
        size = "1"
    where = "torus" if layer.wrap == "torus" else "valid" if layer.padding == "valid" else "same"
    step = f" /{max(layer.stride)}" if layer.reduces else ""
    return f"conv {size} |{where}|{step}"


def sized(layer: Layer) -> str:
    """Channels and points after a layer: ``"16 · 28×28"``."""
    points = "×".join(str(n) for n in layer.size)
    return f"{layer.outputs} · {points}" if points else f"{layer.outputs} channels"


def _pipeline(sheet: _Sheet, plan: Architecture, rows: Mapping[int, float]) -> None:
    """The green part."""
    last = len(plan.layers) - 1
    height = rows[last] + TALL / 2 + 8 - (TOP - 20)
    sheet.region(EDGE, TOP - 20, LEFT + WIDE - EDGE + 8, height, "abstraction", "Abstraction")
    for i, layer in enumerate(plan.layers):
        part: Part = "data" if layer.kind == "input" else "abstraction"
        sheet.box(LEFT, rows[i], WIDE, f"{named(layer)}   {sized(layer)}", part)
        if i:
            sheet.arrow(
                "abstraction",
                (LEFT + WIDE / 2, rows[i - 1] + TALL / 2),
                (LEFT + WIDE / 2, rows[i] - TALL / 2),
            )
        if layer.bypassed:
            aside = LEFT - 9
            sheet.arrow(
                "abstraction",
                (LEFT + 14, rows[i - 1] + TALL / 2),
                (LEFT + 14, rows[i - 1] + TALL / 2 + 3),
                (aside, rows[i - 1] + TALL / 2 + 3),
                (aside, rows[i]),
                (LEFT, rows[i]),
                dashed=True,
            )


def _readouts(
    sheet: _Sheet, plan: Architecture, rows: Mapping[int, float], x: float
) -> list[tuple[float, float]]:
    """Global pools and basis changes; where their arrows begin."""
    ends = []
    pools = " ".join(plan.pools)
    for i, length in zip(plan.reads, plan.vectors, strict=True):
        y = rows[i]
        sheet.arrow("interpretation", (LEFT + WIDE, y), (x + 8, y))
        sheet.box(x + 8, y, POOL, f"{pools}  {length}", "interpretation")
        end = x + 8 + POOL
        if plan.basis:
            sheet.arrow("interpretation", (end, y), (end + GAP, y))
            sheet.box(end + GAP, y, BASIS, f"FC  {plan.basis}", "interpretation")
            end += GAP + BASIS
        ends.append((end, y))
    return ends


def _interpretation(
    sheet: _Sheet, plan: Architecture, ends: list[tuple[float, float]], bottom: float
) -> tuple[float, float]:
    """What joins the read-outs and answers; the size of the whole drawing."""
    part: Part = "interpretation"
    start = ends[0][0]
    middle = (ends[0][1] + ends[-1][1]) / 2
    free = plan.attention in ("softmax", "sigmoid")
    x = start
    if free:
        x = _attention(sheet, plan, ends)
        ends = [(x, y) for _, y in ends]
    if plan.basis:
        x = _joined(sheet, ends, x + GAP)
    sheet.arrow(part, (x, middle), (x + GAP, middle))
    sheet.box(x + GAP, middle, BASIS, f"FC  {plan.wide}", part)
    x += GAP + BASIS
    sheet.arrow(part, (x, middle), (x + GAP, middle))
    sheet.box(x + GAP, middle, BASIS, f"FC  {plan.outputs}", part)
    x += GAP + BASIS
    top, left = TOP - 20, LEFT + WIDE + GAP
    width = x + 10 - left
    sheet.region(left, top, width, max(bottom - top - 6, 62.0), part, "Interpretation")
    return x + 10 + EDGE, max(bottom + 4, top + 72.0)


def _joined(sheet: _Sheet, ends: list[tuple[float, float]], x: float) -> float:
    """A bar that the read-outs end in: their direct sum; its right edge."""
    for end in ends:
        sheet.arrow("interpretation", end, (x, end[1]))
    top, low = ends[0][1] - TALL / 2, ends[-1][1] + TALL / 2
    sheet.boxes.append(
        Box(x=x, y=top, width=10, height=low - top, part="interpretation", level="mark")
    )
    sheet.labels.append(
        Label(x=x + 5, y=top - 8, text="direct sum", size="small", part="interpretation")
    )
    return x + 10


def _attention(sheet: _Sheet, plan: Architecture, ends: list[tuple[float, float]]) -> float:
    """The network that asks, and the values that modulate; where the read-outs go on."""
    part: Part = "interpretation"
    x = ends[0][0]
    bar = _joined(sheet, ends, x + GAP)
    middle = (ends[0][1] + ends[-1][1]) / 2
    ask = bar + GAP
    sheet.arrow(part, (bar, middle), (ask, middle))
    low = ends[-1][1] + TALL / 2
    high = ends[0][1] - TALL / 2
    sheet.boxes.append(Box(x=ask, y=high, width=BASIS, height=low - high, part=part))
    words: tuple[str, ...] = (f"FC  {plan.wide}", f"FC  {len(plan.reads)}", plan.attention)
    if plan.floor:
        words = (*words, f"ε {plan.floor:g}")
    for i, text in enumerate(words):
        y = middle + (i - (len(words) - 1) / 2) * 11
        sheet.labels.append(Label(x=ask + BASIS / 2, y=y, text=text, size="small", part=part))
    end = ask + BASIS
    for i, (_, y) in enumerate(ends):
        sheet.arrow(part, (end, y), (end + GAP + 8, y))
        sheet.boxes.append(
            Box(x=end + GAP + 8, y=y - 6, width=26, height=12, part=part, level="mark")
        )
        sheet.labels.append(
            Label(x=end + GAP + 21, y=y, text=f"× a{_low(i)}", size="small", part=part)
        )
    return end + GAP + 34


def _low(number: int) -> str:
    """A number as a subscript."""
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def draw_dense(inputs: int, sizes: list[int], outputs: int) -> Diagram:
    """A fully connected network: one box a layer (Figs. 3 and 4)."""
    sheet = _Sheet()
    widths = [inputs, *sizes, outputs]
    part: Part = "interpretation"
    tallest = math.log(max(widths) + 1)
    x, middle = EDGE + 12, TOP + 52.0
    for i, neurons in enumerate(widths):
        height = max(TALL, 84 * math.log(neurons + 1) / tallest)
        if i:
            sheet.arrow(part, (x - GAP, middle), (x, middle))
        sheet.box(x, middle, 38.0, f"{neurons:,}", part if i else "data", height)
        x += 38.0 + GAP
    width = x - GAP + 12 - EDGE
    sheet.region(EDGE, TOP - 20, width, 128.0, part, "Fully connected")
    listed = ", ".join(str(n) for n in widths)
    return Diagram(
        width=width + 2 * EDGE,
        height=128.0 + 2 * EDGE,
        boxes=tuple(sheet.boxes),
        lines=tuple(sheet.lines),
        labels=tuple(sheet.labels),
        summary=f"Fully connected network: {listed}.",
    )


def draw_attention(params: Mapping[str, Scalar], outputs: int) -> Diagram:
    """A set attention network of crystals: Fig. 4 of Nop et al. (2025), and its pooling."""
    sheet = _Sheet()
    width, depth = int(params["width"]), int(params["depth"])
    paper, form = params["features"] == "paper", str(params["form"])
    each = {"symmetry": "orbit", "paper": "atom", "geometry": "atom"}[str(params["features"])]
    knows = {"symmetry": "element, site", "paper": "element, position", "geometry": "element"}
    rows: list[tuple[Part, str, bool]] = [
        ("data", f"{knows[str(params['features'])]}, global: each {each}", False),
        ("abstraction", f"tokens   n × {width}", False),
    ]
    looks = f"attention   {params['heads']} × {params['key']}"
    if form == "induced":
        looks = f"through {params['points']} points   {params['heads']} × {params['key']}"
    hidden = [width, width // 2, width // 2] if paper else [2 * width]
    thinks = f"feed forward   {'-'.join(str(n) for n in (*hidden, width))}"
    for layer in range(depth):
        rows.append(("abstraction", looks, True))
        rows.append(("abstraction", thinks, form != "alternating" or layer < depth - 1))
    _column(sheet, rows, LEFT)
    pools = [f"pooled by {params['seeds']} seeds", "attention of seeds"]
    wide = int(params["wide"])
    sizes = (wide, wide // 2, wide // 4) if paper else (wide, wide // 2)
    answers = ["mean over atoms"] if form == "alternating" else pools
    answers += [f"FC   {'-'.join(str(n) for n in (*sizes, outputs))}"]
    right = LEFT + WIDE + GAP + 16
    _column(sheet, [("interpretation", text, False) for text in answers], right)
    low = TOP + 22 + (len(rows) - 1) * ROW
    out, middle = low + TALL / 2 + 3, LEFT + WIDE / 2
    sheet.arrow("interpretation", (middle, out - 3), (middle, out), (right - 14, out),
                (right - 14, TOP + 22), (right, TOP + 22))  # fmt: skip
    height = low + TALL / 2 + 8 - (TOP - 20)
    sheet.region(EDGE, TOP - 20, LEFT + WIDE - EDGE + 8, height, "abstraction", "Atoms as a set")
    sheet.region(right - 8, TOP - 20, WIDE + 16, height, "interpretation", "Answer")
    return Diagram(
        width=right + WIDE + 8 + EDGE,
        height=TOP - 20 + height + EDGE,
        boxes=tuple(sheet.boxes),
        lines=tuple(sheet.lines),
        labels=tuple(sheet.labels),
        summary=(
            f"Attention network, {form}: {depth} block{'s' * (depth != 1)} of "
            f"{params['heads']} heads on {each}s, {outputs} answers; dashed lines are skips."
        ),
    )


def _column(sheet: _Sheet, rows: Sequence[tuple[Part, str, bool]], x: float) -> None:
    """Layers one below the other; (part, text, whether a skip leads past it)."""
    for i, (part, text, skip) in enumerate(rows):
        y = TOP + 22 + i * ROW
        sheet.box(x, y, WIDE, text, part)
        if i:
            middle = x + WIDE / 2
            sheet.arrow(part, (middle, y - ROW + TALL / 2), (middle, y - TALL / 2))
        if skip:
            start, end = y - TALL / 2 - 5, y + TALL / 2 + 3
            sheet.arrow(part, (x + WIDE / 2, start), (x - 9, start), (x - 9, end),
                        (x + WIDE / 2, end), dashed=True)  # fmt: skip
