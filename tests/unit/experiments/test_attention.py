"""Attention and gradients watched: claims on made-up numbers, whole runs on small images."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.images.dataset import ImageDataset, Origin, assemble
from crystalgui.core.experiments import attention, gradient_diffusion
from crystalgui.core.experiments import attention_by_epoch as by_epoch
from crystalgui.core.experiments import attention_saturation as saturation
from crystalgui.core.experiments.attention import Seen, Size
from crystalgui.core.experiments.results import load_record
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import Event, ExperimentJob, ExperimentReady, Progress

PARAMS = {"width": 2, "halvings": 1, "depth": 1, "basis": 2, "wide": 4}
L, E = 16, 9


def seen(mean: np.ndarray, std: float = 0.1, floor: float = 0.0, accuracy: float = 50.0) -> Seen:
    """Attention (epochs, layers) without the rest."""
    full = (np.full_like(mean, std) == 0) & ((mean < floor + 1e-3) | (mean > 1 - 1e-3))
    return Seen(
        layers=tuple(f"{i}" for i in range(mean.shape[1])),
        epochs=np.arange(len(mean)),
        mean=mean,
        std=np.full_like(mean, std),
        saturated=full,
        accuracy=accuracy,
        floor=floor,
    )


def ground_up(seed: int, rising: bool = True) -> Seen:
    """A bump that starts at the first layer and climbs (or stays there)."""
    draw = np.random.default_rng(seed)
    layer, mean = np.arange(L), np.full((E, L), 0.5)
    for epoch in range(1, E):
        top = (epoch - 1) * (L - 1) / (E - 2) if rising else 0
        mean[epoch] = 0.1 + 0.8 * np.exp(-(((layer - top) / 2) ** 2))
    if rising:
        mean[-1, list(by_epoch.OUTSTANDING)] = 0.95
    return seen(mean + draw.normal(0, 0.005, mean.shape))


def verdicts(found: list[Seen]) -> list[str]:
    return [claim.verdict for claim in by_epoch.claims(found)]


class TestByEpoch:
    def test_ground_up_is_recognised(self) -> None:
        assert verdicts([ground_up(s) for s in range(3)]) == ["held"] * 5

    def test_attention_that_stays_below_does_not_rise(self) -> None:
        even, down, up, order, _ = verdicts([ground_up(s, rising=False) for s in range(3)])
        assert (even, down) == ("held", "held")
        assert "held" not in (up, order)

    def test_uneven_start(self) -> None:
        found = [ground_up(s) for s in range(3)]
        for own in found:
            own.mean[0, :4] = 0.8
        assert verdicts(found)[0] == "did not hold"

    def test_the_lowest_is_neither_first_nor_last(self) -> None:
        assert by_epoch.lowest(np.array([[0.0, 5.0, 3.0, 4.0, 1.0]])) == 2

    def test_epochs_that_are_drawn(self) -> None:
        assert by_epoch._shown(12)[0] == 0
        assert by_epoch._shown(12)[-1] == 12
        assert len(by_epoch._shown(15)) == 6
        assert by_epoch._shown(2) == [0, 1, 2]


class TestSaturation:
    def found(self, mended: float = 55.0) -> dict[saturation.Key, list[Seen]]:
        draw = np.random.default_rng(0)
        calm = np.full((4, 5), 0.5)
        wild = calm.copy()
        wild[2:, 1:4] = 0.0
        stuck = [seen(wild + 0, std=0.0, accuracy=30 + draw.normal()) for _ in range(3)]
        high = [seen(calm, floor=0.05, accuracy=mended + draw.normal()) for _ in range(3)]
        low = [seen(calm, accuracy=50 + draw.normal()) for _ in range(3)]
        return {(0.01, 0.0): low, (0.01, 0.05): low, (1.0, 0.0): stuck, (1.0, 0.05): high}

    def test_what_the_paper_says(self) -> None:
        assert [c.verdict for c in saturation.claims(self.found())] == ["held"] * 5

    def test_layers_that_come_back_are_told(self) -> None:
        found = self.found()
        found[1.0, 0.0][0].saturated[-1, 1] = False
        claim = saturation.claims(found)[1]
        assert claim.verdict == "did not hold"
        assert claim.numbers == "8 of 9 layers"

    def test_floor_that_costs_accuracy(self) -> None:
        assert saturation.claims(self.found(mended=10.0))[3].verdict == "did not hold"

    def test_attention_at_its_floor_is_counted(self) -> None:
        at = np.full((2, 5), 0.05)
        at[1, 0] = 0.5
        own = seen(at, std=0.0, floor=0.05)
        assert saturation.floored(own).tolist() == [5, 4]
        assert own.saturated.sum(1).tolist() == [5, 4]
        assert saturation.stuck(own).tolist() == [0, 0]  # what they read arrives
        wide = seen(np.array([[0.05, 1.0, 0.5]]), std=0.0, floor=0.05)
        assert saturation.stuck(wide).tolist() == [1]


# ------------------------------------------------------------------- whole runs


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageDataset:
    """160 images of noise in ten classes, in place of the published ones."""
    draw = np.random.default_rng(0)
    label = np.arange(160) % 10
    made = assemble(
        "noise", tmp_path / "images", draw.integers(0, 256, (160, 1, 8, 8), dtype=np.uint8), label,
        np.arange(160) >= 120, tuple(map(str, range(10))),
        Origin(title="Noise", edition="lossy edition"),
    )  # fmt: skip
    made.save()

    def give(*_: object) -> Generator[Event, None, ImageDataset]:
        yield Progress(done=0)
        return made

    monkeypatch.setattr(attention, "images", give)
    monkeypatch.setattr(attention, "SAMPLES", 30)
    monkeypatch.setattr(gradient_diffusion, "images", give)
    return made


def run(name: str, out: Path) -> None:
    job = ExperimentJob(name=name, out=out, device="cpu")
    assert isinstance(list(run_experiment(job))[-1], ExperimentReady)


@pytest.mark.usefixtures("images")
def test_attention_by_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Size(repeats=2, epochs=2, rates=(1e-2,), train=40, test=20, preset="", params=PARAMS)
    monkeypatch.setitem(by_epoch.SIZES, "quick", tiny)
    run("attention-by-epoch", tmp_path / "out")
    record = load_record(tmp_path / "out")
    assert len(record.claims) == 10
    assert "lossy edition of Noise" in record.differs[0]
    assert {f.name for f in record.figures} == {
        "distribution-batch",
        "distribution-tensor",
        "history",
    }
    rows = (tmp_path / "out" / record.tables[0].file).read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 * 3 * 5  # norms, networks, epochs, read-outs


@pytest.mark.usefixtures("images")
def test_attention_saturation_and_divergence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Size(
        repeats=1, epochs=2, rates=(1e-3, 1e30), floors=(0.0, 0.1), train=40, test=20, preset="",
        params=PARAMS,
    )  # fmt: skip
    monkeypatch.setitem(saturation.SIZES, "quick", tiny)
    run("attention-saturation", tmp_path / "out")
    record = load_record(tmp_path / "out")
    numbers = {n.name: n.value for n in record.numbers}
    assert np.isfinite(numbers["rate 0.001, eps 0: accuracy on test images"])
    assert numbers["rate 1e+30, eps 0: accuracy on test images"] == pytest.approx(10)
    assert record.differs[-1] == "2 networks diverged; they count as guessing."


@pytest.mark.usefixtures("images")
def test_gradient_diffusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(
        gradient_diffusion.SIZES["quick"], depth=3, channels=3, repeats=2, epochs=1, train=40,
        test=20, looked=20,
    )  # fmt: skip
    monkeypatch.setitem(gradient_diffusion.SIZES, "quick", tiny)
    run("gradient-diffusion", tmp_path / "out")
    record = load_record(tmp_path / "out")
    numbers = {n.name: n.value for n in record.numbers}
    assert numbers["mean: homogeneous share, last layer"] == pytest.approx(1)
    assert numbers["mean, max and min: homogeneous share, last layer"] < 0.5
    words = "gradient of the first layer against the last, powers of ten"
    assert numbers[f"vanishing: {words}"] < numbers[f"mean: {words}"]
    assert numbers[f"exploding: {words}"] > numbers[f"mean: {words}"]
    verdict = {claim.text: claim.verdict for claim in record.claims}
    assert next(v for text, v in verdict.items() if "eq. 20" in text) == "held"
