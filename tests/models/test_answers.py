"""A network's answer for a Hamiltonian: probabilities, evidence, doubts."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, describe
from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.datasets.hamiltonians.zone_dataset import CLASSES
from crystalgui.core.errors import ModelError, Stopped
from crystalgui.core.messages import HamiltonianSource, PhaseAnswer, PhaseAnswerJob, Progress
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.answers import ZoneClassifier, answer, evidence_steps
from crystalgui.core.models.trained import Inference, write_model
from crystalgui.core.models.zone import ZoneNetwork
from crystalgui.core.physics.zoo.registry import build


def network(seed: int) -> ZoneNetwork:
    """Trained for a moment to tell Haldane's two phases apart on a mesh of 4."""
    torch.manual_seed(seed)
    params, _ = registry.settings("zone", "small", {"width": 8, "wide": 8, "mesh": 4})
    model = registry.build("zone", 4, params, (len(CHANNELS),))
    assert isinstance(model, ZoneNetwork)
    zones = [describe(build("haldane", mass=m), 1, 4).values for m in (0, 0.1, 0.2, 0.8, 0.9, 1)]
    batch = ZoneBatch(torch.from_numpy(np.stack(zones)), torch.full((6,), 2))
    target = torch.tensor([1, 1, 1, 0, 0, 0])
    steps = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(model(batch), target)
        steps.zero_grad()
        loss.backward()
        steps.step()
    with torch.no_grad():
        for _ in range(150):  # what training looked like, for the weights at its end
            model(batch)
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "zones"
    params, _ = registry.settings("zone", "small", {"width": 8, "wide": 8, "mesh": 4})
    card = TrainedModel(
        name="zones", family="zone", title="test", folder="", task="classification",
        target="phase", classes=CLASSES, params=params,
    )  # fmt: skip
    inference = Inference(temperature=1.3, shape=(len(CHANNELS),))
    write_model(folder, card, inference, [network(s).state_dict() for s in (0, 1)])
    return folder


def ask(model: Path | str, name: str = "haldane", **more: object) -> PhaseAnswer:
    settings = more.pop("settings", {})
    source = HamiltonianSource(model=name, settings=settings)  # type: ignore[arg-type]
    job = PhaseAnswerJob(source=source, model=str(model), device="cpu", **more)  # type: ignore[arg-type]
    *before, last = answer(job)
    assert all(isinstance(event, Progress) for event in before)
    assert isinstance(last, PhaseAnswer)
    return last


def test_it_tells_phases_with_calibrated_probabilities(model: Path) -> None:
    inside, outside = ask(model), ask(model, settings={"mass": 0.9})
    assert inside.probabilities[0][0] == "topological insulator"
    assert outside.probabilities[0][0] == "trivial insulator"
    for got in (inside, outside):
        assert sorted(n for n, _ in got.probabilities) == sorted(CLASSES)
        values = [p for _, p in got.probabilities]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-6)
        assert got.model == "zones"


def test_probabilities_are_the_mean_of_members_at_the_temperature(model: Path) -> None:
    job = PhaseAnswerJob(source=HamiltonianSource(model="haldane"), model=str(model), device="cpu")
    classifier = ZoneClassifier.load(job)
    values = torch.from_numpy(describe(build("haldane"), 1, 4).values)[None]
    batch = classifier.batch(values)
    with torch.no_grad():
        parts = [(n(batch) / 1.3).softmax(1)[0] for n in classifier.networks]
    expected = dict(zip(CLASSES, torch.stack(parts).mean(0).tolist(), strict=True))
    assert dict(ask(model).probabilities) == pytest.approx(expected, abs=1e-6)
    logs = classifier.log_probabilities(values)[0].exp().tolist()
    assert logs == pytest.approx(list(expected.values()), abs=1e-6)


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
def test_evidence_is_a_map_of_the_zone(model: Path, method: str) -> None:
    got = ask(model, method=method)
    assert got.method == method
    assert got.evidence.shape == (4, 4, 1)
    assert got.evidence.dtype == np.float32
    assert got.evidence.min() >= 0
    assert got.evidence.max() == 1
    assert got.evidence.std() > 0.01


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
def test_evidence_moves_with_the_origin_of_the_mesh(model: Path, method: str) -> None:
    job = PhaseAnswerJob(source=HamiltonianSource(model="haldane"), model=str(model), device="cpu")
    classifier = ZoneClassifier.load(job)
    values = torch.from_numpy(describe(build("haldane", mass=0.2), 1, 4).values)[None]

    def found(x: torch.Tensor) -> np.ndarray:  # type: ignore[type-arg]
        steps = evidence_steps(classifier, x, 1, method)  # type: ignore[arg-type]
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return np.asarray(end.value)

    moved = found(values.roll((1, 2), (2, 3)))
    np.testing.assert_allclose(moved, np.roll(found(values), (1, 2), (0, 1)), atol=2e-3)


def test_doubts_are_said(model: Path) -> None:
    assert any("training data" in words for words in ask(model, "cubic").warnings)
    assert not any("training data" in words for words in ask(model).warnings)
    assert any("do not hold all hoppings" in w for w in ask(model, "bitei").warnings)


def test_an_unknown_filling_is_said(model: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from crystalgui.core.structures.hoppings.compact import write_compact

    path = tmp_path / "chain.hoppings.safetensors"
    write_compact(replace(build("ssh"), occupied=None), path)
    job = PhaseAnswerJob(source=HamiltonianSource(path=path), model=str(model), device="cpu")
    *_, got = answer(job)
    assert isinstance(got, PhaseAnswer)
    assert got.evidence.shape == (4, 1, 1)
    assert any("filling is not known" in words for words in got.warnings)


def test_a_network_of_crystals_is_refused() -> None:
    with pytest.raises(ModelError, match="does not name phases"):
        ask("cgnn-tqc5")


def extractor(folder: Path, shape: tuple[int, ...]) -> Path:
    """A fresh medium extractor, saved."""
    params, _ = registry.settings("extractor", "zone", {"width": 4, "wide": 4, "mesh": 4})
    card = TrainedModel(
        name="free", family="extractor", title="an extractor", folder="", task="classification",
        target="phase", classes=CLASSES, params=params,
    )  # fmt: skip
    network = registry.build("extractor", len(CLASSES), params, shape)
    write_model(folder, card, Inference(shape=shape), [network.state_dict()])
    return folder


def test_a_medium_extractor_of_zones_answers_as_well(tmp_path: Path) -> None:
    got = ask(extractor(tmp_path / "zones", (len(CHANNELS),)))
    assert sum(p for _, p in got.probabilities) == pytest.approx(1, abs=1e-6)
    assert got.evidence.shape == (4, 4, 1)
    assert not any("training data" in words for words in got.warnings)
    with pytest.raises(ModelError, match="does not name phases"):
        ask(extractor(tmp_path / "images", (3, 8, 8)))


def test_it_can_be_stopped(model: Path) -> None:
    flag = threading.Event()
    job = PhaseAnswerJob(source=HamiltonianSource(model="haldane"), model=str(model), device="cpu")
    steps = answer(job, flag)
    next(steps)
    flag.set()
    with pytest.raises(Stopped):
        list(steps)
