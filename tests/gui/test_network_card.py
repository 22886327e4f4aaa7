"""The network's answer beside the certificate: words, bars, evidence, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog

from crystalgui.core.messages import (
    Done,
    ErrorInfo,
    Failed,
    ImportJob,
    PhaseAnswer,
    PhaseAnswerJob,
    Progress,
    Started,
)
from crystalgui.core.physics.evidence import Evidence
from crystalgui.gui.panels.electronic.network_card import (
    NO_FILE,
    NO_MODEL,
    NOTHING,
    NetworkCard,
    agreement,
)
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import PHASE_COLOURS
from tests import certificates
from tests.gui.sessions import SHIPPED

ZONE = replace(
    SHIPPED,
    name="universal-zone",
    family="zone",
    title="Universal zone network",
    classes=("trivial insulator", "topological insulator", "Weyl semimetal"),
    metrics={"accuracy": 0.913},
    notes="Leave one family out: right on 71 % of families that it has never seen.",
)
FILE = OpenFile(
    path=Path("somewhere/haldane_hr.dat"), kind="hoppings", companions=(Path("POSCAR"),)
)


def hill() -> np.ndarray:
    """Evidence around (0, 0, 1/2)."""
    k = Evidence(values=np.zeros((4, 4, 4))).k()
    return np.exp(np.cos(2 * np.pi * (k - np.array([0, 0, 0.5]))).sum(axis=-1) - 3)


def says(phase: str = "topological insulator", share: float = 0.9, **more: Any) -> PhaseAnswer:
    other = "trivial insulator" if phase != "trivial insulator" else "topological insulator"
    facts: dict[str, Any] = {
        "model": "universal-zone",
        "title": "Universal zone network",
        "probabilities": ((phase, share), (other, 1 - share)),
        "evidence": hill().astype(np.float32),
        "seconds": 1.25,
    }
    return PhaseAnswer(**{**facts, **more})


@pytest.fixture
def card(played: Any, qtbot: Any) -> Iterator[NetworkCard]:
    session, _ = played
    made = NetworkCard(session)
    made.resize(420, 420)
    made.show()
    qtbot.waitExposed(made)
    session.project.set_catalogue((), (ZONE,))
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def asked(card: NetworkCard, played: Any) -> NetworkCard:
    """A card whose question has been asked after a certificate."""
    h, made = certificates.topological()
    card.begin(h, 2, FILE)
    card.show_certificate(made)
    return card


def test_the_network_is_asked_after_a_certificate(asked: NetworkCard, played: Any) -> None:
    _, engine = played
    (job,) = engine.jobs
    assert isinstance(job, PhaseAnswerJob)
    assert job.source.path == FILE.path
    assert job.source.companions == FILE.companions
    assert (job.occupied, job.model, job.method) == (2, "universal-zone", "occlusion")
    assert asked.bar.isVisible()
    assert asked.stop.isVisible()
    assert not asked.ask.isVisible()
    assert asked.subtitle == "asking…"
    engine.send(Started(title="Phase"), Progress(done=3, total=8, text="Looking for the evidence"))
    assert asked.subtitle == "Looking for the evidence"
    assert asked.bar.value() == 375


def test_an_answer_is_read(asked: NetworkCard, played: Any, qtbot: Any) -> None:
    _, engine = played
    with qtbot.waitSignal(asked.evidence) as told:
        engine.send(says(warnings=("The filling is not known.",)))
    engine.end(Done())
    (shown,) = told.args
    assert shown.ink == PHASE_COLOURS["topological"]
    assert np.allclose(shown.evidence.values, hill())
    assert asked.phase.text() == "Topological insulator"
    assert asked.sure.text == "90%"
    assert asked.bars.values == [
        ("topological insulator", 0.9, PHASE_COLOURS["topological"]),
        ("trivial insulator", pytest.approx(0.1), PHASE_COLOURS["trivial"]),
    ]
    assert asked.agrees.text() == "Agrees with the certificate."
    assert asked.agrees.property("role") == "good"
    assert asked.doubts.text() == "The filling is not known."
    assert "91.3%" in asked.limits.text()
    assert "never seen" in asked.limits.text()
    assert asked.subtitle == "Universal zone network · 1.2 s"
    assert not asked.bar.isVisible()
    assert not asked.words.isVisible()
    with qtbot.waitSignal(asked.k_chosen) as chosen:
        asked.place.click()
    assert np.allclose(chosen.args[0], [0, 0, -0.5])


def test_agreement_is_said_in_words() -> None:
    _, made = certificates.topological()
    cases = [
        (says(share=0.9), made, "Agrees with the certificate.", "good"),
        (says(share=0.6), made, "Agrees with the certificate. It is not sure: trivial", "warn"),
        (says("trivial insulator", 0.8), made, "Disagrees with the certificate, which says", "bad"),
        (says("trivial insulator", 0.8), made, "gives that 0.20. Trust the certificate.", "bad"),
        (says(), replace(made, label="metal"), "says metal, a phase that this network", "warn"),
        (
            says(),
            replace(made, label="unresolved", status="unresolved"),
            "certificate is unresolved, so nothing confirms",
            "warn",
        ),
        (says(), None, "no certificate to compare with", "muted"),
        (says(probabilities=()), made, "names no phase", "muted"),
    ]
    for answer, certificate, words, role in cases:
        found = agreement(answer, certificate)
        assert words in found[0]
        assert found[1] == role


def test_without_a_network_there_is_a_sentence_and_no_job(
    card: NetworkCard, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, engine = played
    session.project.set_catalogue((), (SHIPPED,))
    h, made = certificates.topological()
    card.begin(h, 2, FILE)
    card.show_certificate(made)
    assert card.words.text() == NO_MODEL
    assert not card.ask.isEnabled()
    card.ask_now()
    assert not engine.jobs
    session.project.set_catalogue((), (SHIPPED, ZONE))  # it was trained meanwhile
    assert card.ask.isEnabled()
    assert len(engine.jobs) == 1


def test_a_model_hamiltonian_without_a_file_is_not_asked_about(
    card: NetworkCard, played: Any
) -> None:
    h, made = certificates.topological()
    card.begin(h, 2, None)
    card.show_certificate(made)
    assert card.words.text() == NO_FILE
    assert not played[1].jobs


def test_a_failure_is_said_in_place(asked: NetworkCard, played: Any) -> None:
    _, engine = played
    engine.end(Failed(error=ErrorInfo(title="There is no model 'universal-zone'.", hint="Train.")))
    assert asked.words.text() == "There is no model 'universal-zone'. Train."
    assert asked.words.isVisible()
    assert asked.ask.isVisible()
    assert not asked.area.isVisible()


def test_nothing_is_asked_by_itself_while_other_jobs_run_or_when_auto_is_off(
    card: NetworkCard, played: Any
) -> None:
    session, engine = played
    h, made = certificates.topological()
    session.jobs.submit(ImportJob(project=Path(), source=Path(), labels=Path(), name="busy"))
    card.begin(h, 2, FILE)
    card.show_certificate(made)
    assert len(engine.jobs) == 1
    engine.end(Done())
    card.auto.setChecked(False)
    card.show_certificate(made)
    assert len(engine.jobs) == 1
    assert card.words.text() == NOTHING
    card.ask.click()
    assert isinstance(engine.jobs[-1], PhaseAnswerJob)


def test_another_hamiltonian_forgets_the_answer_and_the_first_one_remembers_it(
    asked: NetworkCard, played: Any, qtbot: Any
) -> None:
    _, engine = played
    engine.send(says())
    engine.end(Done())
    first = asked._h
    other, _ = certificates.topological()
    with qtbot.waitSignal(asked.evidence) as told:
        asked.begin(other, 2, FILE)
    assert told.args == [None]
    assert asked.answer is None
    assert asked.words.text() == NOTHING
    asked.begin(first, 2, FILE)
    assert asked.answer is not None
    assert asked.phase.text() == "Topological insulator"
    assert len(engine.jobs) == 1
    asked.begin(first, 1, FILE)  # another filling is another question
    assert asked.answer is None


def test_an_answer_that_comes_too_late_is_dropped(asked: NetworkCard, played: Any) -> None:
    _, engine = played
    late = engine.jobs[-1].job_id
    asked.leave()
    assert engine.cancelled == [late]
    engine.send(says())
    assert asked.answer is None


def test_another_method_asks_again(asked: NetworkCard, played: Any) -> None:
    _, engine = played
    engine.send(says())
    engine.end(Done())
    asked.method.setCurrentIndex(asked.method.findData("gradient"))
    assert engine.jobs[-1].method == "gradient"
    engine.send(says(share=0.8, method="gradient"))
    engine.end(Done())
    asked.method.setCurrentIndex(asked.method.findData("occlusion"))
    assert asked.sure.text == "90%"  # remembered
    assert len(engine.jobs) == 2


def test_stopping_asks_no_more(asked: NetworkCard, played: Any) -> None:
    _, engine = played
    asked.stop.click()
    assert engine.cancelled == [engine.jobs[-1].job_id]
    assert asked.ask.isVisible()
    assert asked.words.text() == NOTHING


def test_flat_evidence_is_said_and_not_drawn(asked: NetworkCard, played: Any, qtbot: Any) -> None:
    _, engine = played
    with qtbot.waitSignal(asked.evidence) as told:
        engine.send(says(evidence=np.zeros((4, 4, 4), np.float32)))
    assert told.args == [None]
    assert "No part of the zone" in asked.flat.text()
    assert not asked.place.isVisible()


def test_several_networks_can_be_chosen(card: NetworkCard, played: Any) -> None:
    session, engine = played
    assert not card.models.isVisible()
    session.project.set_catalogue((), (ZONE, replace(ZONE, name="mine", title="Mine")))
    assert card.models.isVisible()
    h, made = certificates.topological()
    card.begin(h, 2, FILE)
    card.models.setCurrentIndex(1)
    card.show_certificate(made)
    assert engine.jobs[-1].model == "mine"


def test_probabilities_and_evidence_are_exported(
    asked: NetworkCard, played: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, engine = played
    assert not asked.export.isEnabled()
    engine.send(says())
    engine.end(Done())
    target = tmp_path / "phase.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    asked.export.click()
    assert "topological insulator,0.900000" in target.read_text()
    lines = (tmp_path / "phase-evidence.csv").read_text().splitlines()
    assert lines[-65] == "k1,k2,k3,evidence"
    assert len(lines[-1].split(",")) == 4


def test_the_page_draws_the_evidence_in_the_zone_and_offers_it_to_the_slice(
    window: Any, session: Any, qtbot: Any
) -> None:
    from crystalgui.core.resources import examples
    from crystalgui.gui.panels.electronic.network_card import Shown

    session.project.open_paths([examples() / "hoppings" / "cubic-topological"])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.project.busy)
    window.show_page("electronic")
    qtbot.waitUntil(lambda: window.page_widget("electronic") is not None)
    page = window.page_widget("electronic")
    qtbot.waitUntil(lambda: page._filling is not None and page.zone.view is not None)
    quantity = page.slice.quantity
    assert quantity.findData("evidence") < 0
    assert not page.zone.evidence.isVisible()
    page._show_evidence(Shown(Evidence(values=hill(), method="occlusion"), "#e69f00"))
    scene = page.zone.view.scene
    qtbot.waitUntil(lambda: "evidence 1" in scene.actors)
    assert page.zone.evidence.isVisible()
    assert "evidence of the network" in page.zone.key.items[-1][1]
    page.zone.evidence.setChecked(False)
    assert "evidence 0" not in scene.actors
    page.zone.evidence.setChecked(True)
    assert "evidence 0" in scene.actors
    quantity.setCurrentIndex(quantity.findData("evidence"))
    qtbot.waitUntil(lambda: page.slice.cut.image.request.quantity == "evidence")
    assert "evidence of the network" in page.slice.subtitle
    assert not page.slice.band.isEnabled()
    assert page.slice.cut.image.limits == (0.0, 1.0)
    assert "value_1" in page.slice.value_table()()
    page._show_evidence(None)
    assert quantity.findData("evidence") < 0
    assert quantity.currentData() == "gap"
    assert page.slice.band.isEnabled()
    assert not any(name.startswith("evidence") for name in scene.actors)
    qtbot.waitUntil(lambda: page.slice.cut.image.request.quantity == "gap")
