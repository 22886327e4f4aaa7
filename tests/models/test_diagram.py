"""The network diagram says what the network is, without torch, in the window and on paper."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG

from crystalgui.core.cards import Scalar
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.architecture import CONVOLUTIONS, KINDS, REDUCTIONS, architecture
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.reports.diagram import Box, Diagram, Line, figure, head

SHAPES = ((1, 28, 28), (3, 32, 32), (41,))


def settings(**params: Scalar) -> dict[str, Scalar]:
    return registry.settings("extractor", "small", params)[0]


def drawn(shape: tuple[int, ...] = (3, 32, 32), **params: Scalar) -> Diagram:
    found = network_diagram("extractor", settings(**params), shape, 10)
    assert found is not None
    return found


def words(diagram: Diagram) -> list[str]:
    return [label.text for label in diagram.labels]


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_and_every_readout_is_drawn(kind: str) -> None:
    for shape, convolution, reduce in itertools.product(SHAPES, CONVOLUTIONS, REDUCTIONS):
        params = settings(kind=kind, convolution=convolution, reduce=reduce)
        plan = architecture(params, shape, 10)
        diagram = drawn(shape, **params)
        green = [b for b in diagram.boxes if b.part == "abstraction" and b.level == "layer"]
        assert len(green) == len(plan.layers) - 1
        pooled = [text for text in words(diagram) if text.startswith(" ".join(plan.pools) + "  ")]
        assert [int(text.split()[-1]) for text in pooled] == list(plan.vectors)
        dashed = [line for line in diagram.lines if line.dashed]
        assert len(dashed) == sum(layer.bypassed for layer in plan.layers)
        values = [text for text in words(diagram) if text.startswith("× a")]
        free = plan.attention in ("softmax", "sigmoid")
        assert len(values) == (len(plan.reads) if free else 0)
        assert f"FC  {plan.outputs}" in words(diagram)


def test_names_kernels_channels_and_sizes_are_written() -> None:
    text = words(drawn(halvings=1, depth=1, width=8, convolution="toroidal-fcn", floor=0.1))
    assert "input   3 · 32×32" in text
    assert "conv 3×3 |torus|   8 · 32×32" in text
    assert "pool 2×2   8 · 16×16" in text
    assert "conv 16×16 |valid|   8 · 1×1" in text
    assert "ε 0.1" in text
    assert "conv 3×3 |same|   8 · 32×32" in words(drawn(convolution="convolution", width=8))
    assert "conv 3×3 |torus| /2   8 · 16×16" in words(drawn(reduce="full", width=8))
    assert any("channels" in word for word in words(drawn((41,))))


def test_what_belongs_together_does_not_overlap_and_all_lies_inside() -> None:
    for kind, shape in itertools.product(KINDS, SHAPES):
        diagram = drawn(shape, kind=kind, depth=3)
        layers = [b for b in diagram.boxes if b.level != "region"]
        for one, other in itertools.combinations(layers, 2):
            apart = (
                one.x + one.width <= other.x + 1e-9
                or other.x + other.width <= one.x + 1e-9
                or one.y + one.height <= other.y + 1e-9
                or other.y + other.height <= one.y + 1e-9
            )
            assert apart
        points = [p for line in diagram.lines for p in line.points]
        points += [(label.x, label.y) for label in diagram.labels]
        points += [(b.x + b.width, b.y + b.height) for b in diagram.boxes]
        points += [(b.x, b.y) for b in diagram.boxes]
        assert all(0 <= x <= diagram.width and 0 <= y <= diagram.height for x, y in points)


def test_a_fully_connected_network_is_a_row_of_layers() -> None:
    params, _ = registry.settings("dense", "mnist-large")
    diagram = network_diagram("dense", params, (1, 28, 28), 10)
    assert diagram is not None
    numbers = [label.text for label in diagram.labels if label.size == "small"]
    assert numbers == ["784", *["525"] * 6, "10"]
    assert "784, 525" in diagram.summary
    assert network_diagram("cgnn", {}, (), 3) is None


def test_the_summary_counts() -> None:
    params = settings(kind="tuned")
    plan = architecture(params, (1, 28, 28), 10)
    diagram = drawn((1, 28, 28), kind="tuned")
    assert f"{plan.parameters:,} parameters" in diagram.summary
    assert "tuned attention" in diagram.summary
    assert "7 convolutions and 2 local pools" in diagram.summary


@pytest.mark.filterwarnings("error")
def test_on_paper_it_is_vectors_that_fit() -> None:
    import io

    diagram = drawn(kind="hybrid")
    whole = figure(diagram)
    assert whole.get_size_inches()[0] * 72 == pytest.approx(diagram.width)
    small = figure(diagram, width=300, height=10_000)
    assert small.get_size_inches()[0] * 72 == pytest.approx(300)
    ratio = diagram.height / diagram.width
    assert small.get_size_inches()[1] / small.get_size_inches()[0] == pytest.approx(ratio)
    page = io.StringIO()
    FigureCanvasSVG(small).print_svg(page)
    assert page.getvalue().count("<path") > len(diagram.boxes)
    assert "<image" not in page.getvalue()


def test_an_arrow_head_ends_where_the_line_ends() -> None:
    x, y = head(Line(points=((0, 0), (0, 3), (10, 3)), part="data"), 4.0)
    assert (x[0], y[0]) == (10, 3)
    assert x[1:] == [6, 6]
    assert sorted(y[1:]) == pytest.approx([1.4, 4.6])


def test_it_is_made_without_torch() -> None:
    code = (
        "import sys; from crystalgui.core.models import architecture, diagram; "
        "from crystalgui.core.reports import diagram as d; "
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("change", [{"depth": 4}, {"halvings": 3}, {"kind": "standard"}])
def test_it_follows_the_parameters(change: dict[str, Any]) -> None:
    before, after = drawn(), drawn(**change)
    assert before != after
    assert drawn() == before

    def layers(diagram: Diagram) -> list[Box]:
        return [b for b in diagram.boxes if b.level == "layer"]

    assert len(layers(after)) != len(layers(before))
