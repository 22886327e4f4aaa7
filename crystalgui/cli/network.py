"""What a network would be, without training it: ``network``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from crystalgui.cli.terminal import UNCHECKED, settings_of
from crystalgui.core.cards import Scalar
from crystalgui.core.errors import FileError, ModelError

FORMATS = (".pdf", ".svg", ".png")


def network(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Family, e.g. extractor, dense.")],
    shape: Annotated[str, typer.Option(help="Of one input: channels, then points.")] = "1x28x28",
    classes: Annotated[int, typer.Option(help="Answers it tells apart.", min=1)] = 10,
    preset: Annotated[str, typer.Option(help="small, mnist, cifar, …")] = "small",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value; may be given again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Diagram: .pdf, .svg or .png.", **UNCHECKED)
    ] = None,
) -> int:
    """List the layers of a network, and draw its diagram; of crystals, what leaves it the same."""
    if out is not None and out.suffix.lower() not in FORMATS:
        raise FileError(
            "A diagram cannot be written in this format.",
            f"Choose a name that ends with {', '.join(FORMATS)}.",
            path=out,
        )
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models.diagram import network_diagram

    params, _ = registry.settings(model, preset, settings_of(set_ or []))
    if registry.family(model).card.reads("crystal") and out is None:
        return _of_crystals(model, params, classes)
    sizes = shape_of(shape)
    diagram = network_diagram(model, params, sizes, classes)
    if diagram is None:
        raise ModelError(
            f"{registry.family(model).card.title} has no diagram.", "Choose extractor or dense."
        )
    if out is not None:
        from crystalgui.core.atomic import write_atomic
        from crystalgui.core.reports.diagram import figure

        buffer = io.BytesIO()
        kind = out.suffix.lower()[1:]
        stamp = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
        figure(diagram).savefig(buffer, format=kind, dpi=200, facecolor="white", metadata=stamp)
        write_atomic(out, buffer.getvalue())
    sys.stdout.write(layers_csv(params, sizes, classes) if model == "extractor" else "")
    print(diagram.summary, file=sys.stderr)
    return 0


def _of_crystals(model: str, params: Mapping[str, Scalar], classes: int) -> int:
    """Print which invariances hold, the size and the limit of a network of crystals."""
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models._limits import size_limit

    family = registry.family(model)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["invariance", "holds"])
    rows.writerows(family.card.holds(params).items())
    sys.stdout.write(text.getvalue())
    built = registry.build(model, classes, params)
    size = sum(p.numel() for p in built.parameters())
    limit = size_limit(family, params)
    reads = f"crystals of at most {limit}" if limit is not None else "crystals of any size"
    print(f"{family.card.title}: {size:,} parameters; reads {reads}", file=sys.stderr)
    return 0


def shape_of(text: str) -> tuple[int, ...]:
    """``"3x32x32"`` as numbers."""
    try:
        found = tuple(int(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ModelError(
            f"{text!r} is no shape of an input.", "Write channels and points, e.g. 3x32x32."
        )
    return found


def layers_csv(params: Mapping[str, Scalar], shape: tuple[int, ...], classes: int) -> str:
    """One line for each layer of the abstraction pipeline of an extractor."""
    from crystalgui.core.models.architecture import architecture

    plan = architecture(params, shape, classes)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["layer", "kernel", "stride", "edges", "channels", "points", "parameters",
                   "bypassed", "read"])  # fmt: skip
    for i, layer in enumerate(plan.layers):
        edges: str = "" if layer.kind == "input" else layer.wrap
        if layer.kind == "convolution" and layer.wrap == "flat":
            edges = layer.padding
        rows.writerow([
            layer.name, *("x".join(map(str, each)) for each in (layer.kernel, layer.stride)), edges,
            layer.outputs, "x".join(map(str, layer.size)), layer.parameters,
            int(layer.bypassed), int(i in plan.reads),
        ])  # fmt: skip
    return text.getvalue()
