"""Edge effects: maps against counting by hand, and a whole run in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.experiments import edge_effects
from crystalgui.core.experiments.edge_effects import PADDINGS, Size, convolved, map_of, ring
from crystalgui.core.experiments.results import load_record
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import ExperimentJob, ExperimentReady

TINY = Size(points=8, depth=2, groups=6, networks=6, inputs=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("edges") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(edge_effects.SIZES, "quick", TINY)
        job = ExperimentJob(name="edge-effects", out=out, device="cpu")
        assert isinstance(list(run_experiment(job))[-1], ExperimentReady)
    return out


def test_paths_are_counted() -> None:
    """After one layer a corner of the image meets 1, 4, 9 and 9 points of the kernel."""
    corners = {"none": 1 / 9, "zero, same": 4 / 9, "zero, full": 1.0, "torus": 1.0}
    for padding in PADDINGS:
        paths = edge_effects._paths(TINY, padding)
        values = np.sqrt(paths[0][0])
        assert values[0, 0] == pytest.approx(corners[padding])
        assert values[3, 4] == pytest.approx(1.0)
    kept = {"paths": edge_effects._paths(TINY, "none")}
    # 4 corners of 1/9 and 24 other points of 1/3 * (1, 2/3 beside the corners)
    expected = (4 * 1 / 9 + 8 * 2 / 9 + 16 * 3 / 9) / 28
    assert ring(map_of(kept, "paths", 1)) == pytest.approx(expected)


def test_paddings_have_their_sizes_and_the_torus_moves_along() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, 8, 6, 6, generator=draw, dtype=torch.float64)
    kernels = [torch.randn(8, 8, 3, 3, generator=draw, dtype=torch.float64) for _ in range(2)]
    sizes = {name: convolved(x, kernels, name).shape[-1] for name in PADDINGS}
    assert sizes == {"none": 2, "zero, same": 6, "zero, full": 10, "torus": 6}
    moved = convolved(x.roll((2, 5), (2, 3)), kernels, "torus")
    assert torch.allclose(moved, convolved(x, kernels, "torus").roll((2, 5), (2, 3)), atol=1e-10)


def test_only_the_torus_has_no_edge(folder: Path) -> None:
    record = load_record(folder)
    numbers = {n.name: n.value for n in record.numbers}
    errors = {p: numbers[f"padding {p}: equivariance error after 2 layers"] for p in PADDINGS}
    assert errors["torus"] < 1e-3
    assert min(value for p, value in errors.items() if p != "torus") > 10
    verdicts = {claim.text: claim.verdict for claim in record.claims}
    assert verdicts["Without padding the derivatives have edge effects"] == "held"
    assert verdicts["Zero padding (same) lets all inputs contribute evenly"] == "did not hold"
    assert verdicts["Zero padding (full) lets all inputs contribute evenly"] == "held"
    text = (folder / "claims.csv").read_text("utf-8")
    assert len(text.splitlines()) == 1 + len(record.claims)
    for figure in record.figures:
        assert (folder / f"{figure.stem}.pdf").stat().st_size > 1000
