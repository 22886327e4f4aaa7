"""Experiments against the degree of rolling: claims on made-up points, runs on tiny images."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crystalgui.core.experiments import (
    figures,
    rolling,
    rolling_cifar_bandwidth,
    rolling_cifar_collated,
    rolling_cifar_comparators,
    rolling_cifar_extractor,
    rolling_cifar_hybrid,
    rolling_cifar_residual,
    rolling_cifar_sampling,
    rolling_mnist_conv,
    rolling_mnist_fcn,
)
from crystalgui.core.experiments.degrees import CONVOLUTIONS, FCN, SUM, Points, name
from crystalgui.core.experiments.results import Record, load_record, read_table
from crystalgui.core.experiments.rolling import Size, mark, recipe_of
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import ExperimentJob, ExperimentReady, SweepPoint
from crystalgui.core.models import _registry as registry

STUDIES = [
    module.STUDY
    for module in (
        rolling_mnist_fcn,
        rolling_mnist_conv,
        rolling_cifar_residual,
        rolling_cifar_extractor,
        rolling_cifar_bandwidth,
        rolling_cifar_hybrid,
        rolling_cifar_collated,
        rolling_cifar_sampling,
        rolling_cifar_comparators,
    )
]
TINY = Size(
    rollings=(0, 3),
    repeats=2,
    epochs=1,
    rate=1e-2,
    batch=16,
    test=16,
    points=8,
    params={"halvings": 1, "depth": 1, "width": 2, "basis": 2, "wide": 4},
)


def made_up(study: rolling.Study, seed: int = 0) -> Points:
    """Accuracies of 50 % with noise of 1 %."""
    titles = tuple(n.title for n in study.networks(study.sizes["quick"]))
    rollings = study.sizes["quick"].rollings
    accuracy = np.random.default_rng(seed).normal(50, 1, (len(titles), len(rollings), 3))
    return Points(titles, rollings, accuracy, np.exp(-accuracy / 50))


# --------------------------------------------------------------------- claims


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.networks(s.sizes["quick"])[0].title)
def test_claims_name_networks_of_the_study(study: rolling.Study) -> None:
    claims = study.claims(made_up(study))
    assert len({claim.text for claim in claims}) == len(claims) >= 3
    for claim in claims:
        assert "noise" in claim.numbers
    titles = {n.title for n in study.networks(study.sizes["quick"])}
    for chart in study.charts:
        for panel in chart.panels:
            assert set(panel.curves.values()) <= titles


def test_presets_say_how_many_networks_there_are() -> None:
    """As many as the captions of Figs. 15 to 19 say, with the networks that figures share."""
    many = [study.presets["paper"].partition(" ")[0] for study in STUDIES]
    assert many == ["252", "504", "576", "864", "576", "864", "1,728", "1,152", "960"]


def test_comparators_are_as_large_as_extractors_or_as_published() -> None:
    sizes: dict[str, list[int]] = {}
    for preset, shape in (("quick", (3, 16, 16)), ("paper", (3, 32, 32))):
        sizes[preset] = []
        for network in rolling_cifar_comparators.networks(rolling.CIFAR_SIZES[preset]):
            params, _ = registry.settings(network.model, network.preset, network.params)
            built = registry.build(network.model, 10, params, shape)
            assert built.symmetries == (("origin",) if network.title.endswith(SUM) else ())
            sizes[preset].append(sum(p.numel() for p in built.parameters()))
    extractors, others = sizes["quick"][:4], sizes["quick"][4:]
    assert all(0.9 < b / a < 1.7 for a in extractors for b in others)
    assert sizes["paper"][4:8] == [269722, 269722, 1019722, 1019722]


def test_a_plain_difference_is_seen_and_noise_is_not() -> None:
    points = made_up(rolling_cifar_residual.STUDY)
    flat, best = rolling_cifar_residual.claims(points)[:2]
    assert flat.verdict == "held"
    assert best.verdict == "within noise"
    row = points.titles.index(name("residual", SUM))
    points.accuracy[row, -1] -= 20
    assert rolling_cifar_residual.claims(points)[0].verdict == "did not hold"
    for kind in rolling_cifar_residual.KINDS:
        points.accuracy[points.titles.index(name(kind, FCN))] += 20
    assert rolling_cifar_residual.claims(points)[1].verdict == "held"


def test_what_diverged_is_left_out_of_means() -> None:
    points = made_up(rolling_cifar_bandwidth.STUDY)
    title = name("free", SUM)
    points.accuracy[points.titles.index(title), 0, 0] = np.nan
    assert np.isfinite(points.across(title)).all()
    assert all("nan" not in c.numbers for c in rolling_cifar_bandwidth.claims(points))


def test_points_keep_their_places() -> None:
    size = Size(rollings=(4, 0), repeats=2, epochs=1, rate=1.0)
    recipe = recipe_of(size, size.kinds("free"), Path("data"), "cpu")
    found = [
        SweepPoint(run_id="", network=n.title, rolling=chi, repeat=r, accuracy=0.1 * r + 0.01 * chi,
                   cost=10.0**-chi)
        for n in recipe.networks for chi in (0, 4) for r in (0, 1)
    ]  # fmt: skip
    points = Points.of(recipe, found)
    assert points.at(name("free", FCN), 4) == pytest.approx([4, 14])
    assert points.across(name("free", FCN)) == pytest.approx([2, 12])
    assert points.across(name("free", FCN), least=1) == pytest.approx([4, 14])
    assert points.values(name("free", SUM), "cost")[0] == pytest.approx([-4, -4])
    assert (points.largest, points.rolled) == (4, 4)


def test_a_mark_is_of_all_that_a_point_depends_on() -> None:
    def of(digest: str = "a", folder: str = "data", **changes: Any) -> str:
        size = Size(**{"rollings": (0,), "repeats": 1, "epochs": 2, "rate": 0.1, **changes})
        recipe = recipe_of(size, size.kinds("free"), Path(folder), "cpu")
        return mark(recipe, recipe.networks[0], digest)

    same = [of(), of(folder="/elsewhere"), of(rollings=(0, 5)), of(repeats=3)]
    assert len(set(same)) == 1
    others = [of("b"), of(epochs=3), of(rate=0.2), of(train=7), of(params={"width": 3})]
    assert len({of(), *others}) == 6


# ----------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a few pictures in three classes."""
    data = tmp_path_factory.mktemp("data")
    (data / "images").mkdir()
    draw = np.random.default_rng(0)
    with tarfile.open(data / rolling.CIFAR.path, "w:xz") as archive:
        for part, many in (("train", 16), ("test", 8)):
            for number, kind in enumerate(("red", "green", "blue")):
                for i in range(many):
                    values = draw.integers(0, 120, (10, 10, 3), dtype=np.uint8)
                    values[..., number] += 100
                    buffer = io.BytesIO()
                    Image.fromarray(values).save(buffer, "JPEG", quality=95)
                    info = tarfile.TarInfo(f"{part}/{kind}/{i}.jpg")
                    info.size = buffer.tell()
                    buffer.seek(0)
                    archive.addfile(info, buffer)
    return data


@pytest.fixture(scope="module")
def beside(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments that share three networks, the first one cut off once."""
    home = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYSTALGUI_DATA", str(shared))
        patch.setitem(rolling.CIFAR_SIZES, "quick", TINY)
        patch.setattr(figures, "DOTS_PER_INCH", 40)
        for experiment in ("rolling-cifar-residual", "rolling-cifar-bandwidth"):
            job = ExperimentJob(name=experiment, out=home / experiment, device="cpu")
            events = run_experiment(job)
            for event in events:
                if isinstance(event, SweepPoint):
                    break
            events.close()
        for experiment in ("rolling-cifar-residual", "rolling-cifar-extractor"):
            job = ExperimentJob(name=experiment, out=home / experiment, device="cpu")
            assert isinstance(list(run_experiment(job))[-1], ExperimentReady)
    return home


def record_of(home: Path, experiment: str) -> Record:
    return load_record(home / experiment)


def test_a_run_ends_in_numbers_claims_tables_and_figures(beside: Path) -> None:
    record = record_of(beside, "rolling-cifar-residual")
    assert len(record.numbers) == 6 * 3
    assert all(0 <= n.value <= 100 for n in record.numbers)
    assert len(record.claims) == 5
    said = " ".join(record.differs)
    assert "lossy JPEG edition of CIFAR-10" in said
    assert "24 networks: chi = 0, 3, 2 repeats, 1 epochs on all images of 8 x 8 points" in said
    tables = {table.name: table for table in record.tables}
    header, rows = read_table(beside / record.name, tables["points"])
    assert len(rows) == 24
    place = header.index("accuracy (%)")
    numbers = {n.name: n.value for n in record.numbers}
    for convolution in CONVOLUTIONS:
        title = name("residual", convolution)
        values = [float(row[place]) for row in rows if row[0] == title]
        assert numbers[f"{title}: accuracy, mean over chi"] == pytest.approx(np.mean(values), 1e-4)
    for figure in record.figures:
        assert (beside / record.name / f"{figure.stem}-dark.png").stat().st_size > 1000
        assert (beside / record.name / f"{figure.stem}.pdf").stat().st_size > 1000


def test_nothing_is_trained_twice(beside: Path) -> None:
    """Residual networks are those of the finished run, free ones partly of the one cut off."""
    first, second = (record_of(beside, f"rolling-cifar-{n}") for n in ("residual", "extractor"))
    said = " ".join(second.differs)
    assert "12 of the networks were trained by the run of rolling-cifar-residual" in said
    assert "of the networks were trained by the run of rolling-cifar-bandwidth" in said
    assert not any("trained by the run" in words for words in first.differs)
    numbers = {n.name: n.value for n in first.numbers}
    again = {n.name: n.value for n in second.numbers}
    shared = [words for words in numbers if words.startswith("residual")]
    assert shared
    assert all(numbers[words] == again[words] for words in shared)
    folders = list(beside.glob("*/steps/data-cifar-10-jpeg-8/dataset.json"))
    assert len(folders) == 1  # the images were read once


def test_images_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crystalgui.core.errors import DataError

    monkeypatch.setenv("CRYSTALGUI_DATA", str(tmp_path))
    job = ExperimentJob(name="rolling-mnist-fcn", out=tmp_path / "out", device="cpu")
    with pytest.raises(DataError, match="MNIST is not on this machine") as caught:
        list(run_experiment(job))
    assert "CRYSTALGUI_DATA" in caught.value.hint
