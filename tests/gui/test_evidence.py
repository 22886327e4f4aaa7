"""What a model knows of a crystal, on its page: played events, and a real small network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PySide6.QtGui import QImage

from crystalgui.core.cards import TrainedModel
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    Answer,
    AtomicLimitJob,
    AtomicLimitReady,
    AtomPair,
    AttentionMap,
    CatalogueReady,
    Done,
    ErrorInfo,
    ExplainJob,
    ExplainReady,
    Failed,
    LimitCurve,
    Prediction,
    Saliency,
    Similar,
    SimilarJob,
    SimilarReady,
)
from crystalgui.core.resources import examples
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from crystalgui.gui.theme import colour, theme
from tests.gui.sessions import CGNN, CLASSES, SHIPPED, tqc

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from crystalgui.gui.panels.evidence.page import EvidencePanel
    from crystalgui.gui.session import Session

LATTICE = 4.1 * np.eye(3)
FRAC = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.0]])
SPECIES = np.array([22, 8, 8])


def map_of(layer: str, head: int, strong: float) -> AttentionMap:
    rest = (1 - strong) / 2
    matrix = np.array([[rest, strong, rest], [strong, rest, rest], [0.2, 0.2, 0.6]], np.float32)
    pairs = (
        AtomPair(start=0, end=1, weight=strong, distance=3.55, images=((0, 0, 0), (-1, 0, 0))),
        AtomPair(start=1, end=0, weight=rest, distance=3.55, images=((1, 0, 0),)),
        AtomPair(start=0, end=2, weight=rest / 4, distance=2.9, images=((0, 0, 0),)),
    )
    return AttentionMap(
        layer=layer, head=head, queries="atoms", keys="atoms", matrix=matrix,
        entropy=np.full(3, 0.7), mean=0.7, most=float(np.log(3)), pairs=pairs,
    )  # fmt: skip


def pooling(head: int) -> AttentionMap:
    matrix = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    return AttentionMap(
        layer="pooling", head=head, queries="seeds", keys="atoms", matrix=matrix,
        entropy=np.array([0.8, 0.6]), mean=0.7, most=float(np.log(3)),
    )  # fmt: skip


def explained(*, attention: bool = True) -> ExplainReady:
    answer = Answer(
        model="cgnn-tqc5", target="tqc", prediction="ES", probability=0.8,
        probabilities=(("ES", 0.8), ("NLC", 0.2)),
    )  # fmt: skip
    values = np.array([0.4, -0.25, 0.05])
    return ExplainReady(
        prediction=Prediction(file="x", formula="TiO2", answers=(answer,)),
        asked="ES",
        unit="nat",
        lattice=LATTICE,
        frac=FRAC,
        species=SPECIES,
        token=np.arange(3),
        saliency=Saliency(
            method="occlusion", by="orbits", values=values, error=np.full(3, 0.02),
            answer=-0.2, reference=-0.4, total=0.2, samples=16,
        ),
        attention=(
            map_of("layer 1", 1, 0.9), map_of("layer 1", 2, 0.5), pooling(1), pooling(2),
        ) if attention else (),
    )  # fmt: skip


def limit() -> AtomicLimitReady:
    factors = np.linspace(1, 3, 61)
    trivial = 1 / (1 + np.exp(-8 * (factors - 1.6)))
    values = np.stack([0 * factors, 0 * factors, 1 - trivial, 0 * factors, trivial], axis=1)
    first = LimitCurve(
        model="cgnn-tqc5", target="tqc", unit="", classes=CLASSES, values=values,
        trivial="LCEBR", turns=float("nan"),
    )  # fmt: skip
    first = replace(first, trivial="NLC", turns=float(factors[np.argmax(trivial > 0.5)]))
    return AtomicLimitReady(
        file="x", factors=factors, curves=(first,), lattice=LATTICE, frac=FRAC, species=SPECIES
    )


def similar() -> SimilarReady:
    found = tuple(
        Similar(id=f"id-{k}", formula="SrO", space_group=225, label="NLC",
                prediction=("NLC", "ES")[k % 2], distance=0.1 * (k + 1), same=k == 0)
        for k in range(3)
    )  # fmt: skip
    return SimilarReady(
        file="x", model="cgnn-tqc5", dataset="tqc", prediction=explained().prediction,
        found=found, typical=0.2,
    )  # fmt: skip


@pytest.fixture
def crystal_file(tmp_path: Path) -> Path:
    path = tmp_path / "rutile-like.vasp"
    write_poscar(Crystal(lattice=LATTICE, frac=FRAC, species=SPECIES), path)
    return path


@pytest.fixture
def page(
    played: Any, qtbot: QtBot, crystal_file: Path
) -> Iterator[tuple[EvidencePanel, Any, Session]]:
    from crystalgui.gui.panels.evidence import EvidencePanel

    session, engine = played
    session.project.set_catalogue((CGNN,), (SHIPPED,))
    session.project.open_paths([crystal_file])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.lane.busy)
    made = EvidencePanel(session)
    made.resize(1100, 720)
    made.show()
    qtbot.waitExposed(made)
    qtbot.waitUntil(lambda: bool(engine.jobs) and made.crystal.view is not None)
    yield made, engine, session
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.close()
    made.deleteLater()


def answer(engine: Any, ready: Any) -> None:
    engine.send(ready)
    engine.end(Done())


def test_a_model_without_attention_says_so(page: Any, crystal_file: Path) -> None:
    """The open crystal is asked about at once; rooms are built when their tab is opened."""
    made, engine, session = page
    (job,) = engine.jobs
    assert isinstance(job, ExplainJob)
    assert (job.path, job.model) == (crystal_file, "cgnn-tqc5")
    assert "Asking" in made.room.said
    answer(engine, explained(attention=False))
    assert "no attention" in made.room.said
    assert made.crystal.bar.scale is None
    assert session.selection.prediction.prediction == "ES"
    assert list(made._rooms) == ["attention"]
    made.show_room("limit")
    assert list(made._rooms) == ["attention", "limit"]


class TestAttention:
    def test_sticks_are_those_of_one_head(self, page: Any, qtbot: QtBot, tmp_path: Path) -> None:
        made, engine, _ = page
        answer(engine, explained())
        room = made.room
        assert [(c.layer, c.head) for c in room.heads.cells] == [
            ("layer 1", 1), ("layer 1", 2), ("pooling", 1), ("pooling", 2),
        ]  # fmt: skip
        for cell in room.heads.cells:
            assert cell.counts.sum() == pytest.approx(1)
        assert "nothing is averaged" in room.words.text()
        scene = made.crystal.view.scene
        assert len(scene.pairs) == 4  # every nearest image of the three pairs
        weights = np.array([p.weight for p in made.room.shown.pairs])
        scale = made.crystal.bar.scale
        assert scale.kind == "log"
        places = scale.shares(weights)
        order = np.argsort(weights)
        assert (np.diff(places[order]) >= 0).all()
        assert places[order][0] < places[order][-1]
        np.testing.assert_array_equal(scene.pairs.colours, scale.colours(weights)[scene.pairs.pair])
        wanted = (FRAC[1] + [-1, 0, 0] - FRAC[0]) @ LATTICE
        np.testing.assert_allclose(scene.pairs.end[1] - scene.pairs.start[1], wanted, atol=1e-6)
        made.room.step_head(1)
        assert made.room.shown.head == 2
        assert made.crystal.bar.scale.high == pytest.approx(0.5)
        made.room.count.setValue(1)
        assert len(scene.pairs) == 2
        made.write_csv(tmp_path / "a.csv")
        qtbot.waitUntil((tmp_path / "a.csv").is_file)
        lines = (tmp_path / "a.csv").read_text().splitlines()
        assert sum(line.startswith("pair,layer 1,2") for line in lines) == 3
        assert sum(line.startswith("saliency,") for line in lines) == 3

    def test_an_atom_that_is_clicked_shows_its_row(self, page: Any) -> None:
        made, engine, session = page
        answer(engine, explained())
        view = made.crystal.view
        drawn = int(np.flatnonzero(view.geometry3d.atom == 0)[0])
        view.select((drawn,))  # what a click does
        room = made.room
        assert room.in_row
        assert room.bars.bars[0].name == "O2"
        assert sum(bar.value for bar in room.bars.bars) == pytest.approx(1, abs=1e-6)
        assert session.selection.atoms == (0,)
        scale = made.crystal.bar.scale
        np.testing.assert_array_equal(view.scene.tints, scale.colours([0.05, 0.9, 0.05]))
        sticks = view.scene.pairs  # from it to all others, by their nearest images
        lengths = np.linalg.norm(sticks.end - sticks.start, axis=1)
        np.testing.assert_allclose(lengths, [2.05 * 3**0.5] * 8 + [2.05 * 2**0.5] * 4)
        assert view.cell_atoms() == (0,)
        room.bars.clicked.emit(0)
        assert session.selection.atoms == (0, 1)
        assert room.in_row
        view.select(())
        assert not room.in_row
        made.room.heads.choose("pooling", 2)
        assert made.room.in_row
        assert made.room.query.itemText(0) == "seed 1"
        assert made.crystal.view.scene.pairs is None
        made.room.show_row(1)
        assert made.room.bars.bars[0].name == "O3"


class TestSaliency:
    def test_colours_are_balanced_and_bars_add_up(
        self, page: Any, qtbot: QtBot, tmp_path: Path
    ) -> None:
        from crystalgui.gui.panels.inspector import Inspector

        made, engine, session = page
        answer(engine, explained())
        made.show_room("saliency")
        room, scene = made.room, made.crystal.view.scene
        assert len(engine.jobs) == 1  # the answer is shared with the attention
        scale = made.crystal.bar.scale
        assert (scale.kind, scale.low, scale.high, scale.unit) == ("balanced", -0.4, 0.4, "nat")
        np.testing.assert_allclose(scale.shares([-0.4, 0, 0.4]), [0, 0.5, 1])
        np.testing.assert_array_equal(scene.tints, scale.colours([0.4, -0.25, 0.05]))
        assert scene.pairs is None
        assert sum(bar.value for bar in room.bars.bars) == pytest.approx(0.2)
        made.save_picture(tmp_path / "shares.png", (300, 260))
        qtbot.waitUntil((tmp_path / "shares.png").is_file)
        image = QImage(str(tmp_path / "shares.png"))
        assert (image.width(), image.height()) == (300, 260)
        ends = [image.pixelColor(x, 248).getRgb()[:3] for x in (11, 223)]  # the scale below
        np.testing.assert_allclose(ends, scale.colours([-0.4, 0.4]), atol=24)
        room._chips["element"].click()
        assert {bar.name: round(bar.value, 6) for bar in room.bars.bars} == {
            "Ti": 0.4, "2 × O": -0.2,
        }  # fmt: skip
        oxygen = next(b for b in room.bars.bars if b.name == "2 × O")
        assert oxygen.error == pytest.approx(0.02 * np.sqrt(2))
        assert "Shapley" in room.words.text()
        room.bars.clicked.emit(room.bars.bars.index(oxygen))
        assert session.selection.atoms == (1, 2)
        inspector = Inspector(session)
        qtbot.addWidget(inspector)
        assert ("Share of the answer", "−0.25 nat") in inspector.atoms.values.rows
        box = made.room.asked_class
        box.setCurrentIndex(box.findData("NLC"))
        box.activated.emit(box.currentIndex())
        assert [job.asked for job in engine.jobs] == ["", "NLC"]
        engine.end(Failed(error=ErrorInfo(title="No.", hint="Do this.", kind="input")))
        assert "No." in made.room.said
        made.room.again()
        assert len(engine.jobs) == 3


class TestAtomicLimit:
    def test_the_slider_reads_the_curve_and_the_crystal_breathes(self, page: Any) -> None:
        made, engine, session = page
        answer(engine, explained())
        made.show_room("limit")
        job = engine.jobs[-1]
        assert isinstance(job, AtomicLimitJob)
        assert job.factors[0] == 1
        assert job.factors[-1] == 3
        answer(engine, limit())
        room, view = made.room, made.crystal.view
        asked = len(engine.jobs)
        camera = view.scene.camera
        scale, small = camera.GetParallelScale(), view.geometry3d.positions.copy()
        np.testing.assert_allclose(np.linalg.det(view.geometry3d.crystal.lattice), 4.1**3)
        room.slider.setValue(60)
        assert room.factor == pytest.approx(3)
        np.testing.assert_allclose(view.geometry3d.positions, 3 * small)
        assert camera.GetParallelScale() == pytest.approx(scale)  # the frame of the largest
        assert not len(view.geometry3d.bonds)
        view.canvas.fit()
        assert camera.GetParallelScale() == pytest.approx(scale, rel=1e-3)
        assert "NLC" in room.values.rows[0][1]
        assert room.plot.turns == [pytest.approx(1.633, abs=0.04)]
        room.set_factor(1.0)
        np.testing.assert_allclose(view.geometry3d.positions, small)
        assert len(engine.jobs) == asked  # nothing is computed anew
        assert room.csv_text().count("\n") == 62
        # other models of the same target can be compared
        twin = replace(SHIPPED, name="twin", title="Twin")
        other = replace(SHIPPED, name="gap", target="band_gap", classes=(), task="regression")
        session.project.set_catalogue((CGNN,), (SHIPPED, twin, other))
        assert [m.name for m in made.room.comparable(made.room.asking)] == ["twin"]
        made.room.compare("twin", on=True)
        assert engine.jobs[-1].models == ("cgnn-tqc5", "twin")

    def test_another_crystal_may_have_fewer_curves(self, page: Any) -> None:
        made, engine, _ = page
        made.show_room("limit")
        one = limit()
        answer(engine, replace(one, curves=(*one.curves, replace(one.curves[0], model="twin"))))
        room = made.room
        room.slider.setValue(30)
        assert len(room.values.rows) == 2
        room.fill(replace(one, file="y"))
        assert room.slider.value() == 0
        assert len(room.values.rows) == 1


class TestSimilar:
    def test_a_row_is_drawn_in_place_of_the_example(
        self, page: Any, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from crystalgui.gui.panels.evidence import similar_room

        made, engine, session = page
        answer(engine, explained())
        made.show_room("similar")
        assert "No data set" in made.room.said
        session.project.set_datasets([tqc(tmp_path)])
        job = engine.jobs[-1]
        assert isinstance(job, SimilarJob)
        assert job.dataset == tmp_path / "tqc"
        answer(engine, similar())
        room = made.room
        assert room.model.rowCount() == 3
        assert [room.model.item(r, 5).text() for r in range(3)] == ["0.5", "1.0", "1.5"]
        theme().set_mode("dark")
        try:
            assert room.model.item(1, 3).foreground().color() == colour("warn")
        finally:
            theme().set_mode("light")
        other = Crystal(lattice=5 * np.eye(3), frac=FRAC[:2], species=np.array([38, 8]))
        monkeypatch.setattr(similar_room, "member", lambda folder, name: other)
        room.table.setCurrentIndex(room.model.index(1, 0))
        qtbot.waitUntil(lambda: made.crystal.base is not None and room.look().crystal is other)
        qtbot.waitUntil(lambda: made.crystal.view.geometry3d.crystal is other)
        assert made.crystal.title == "SrO"
        made.crystal.view.select((1,))
        assert session.selection.atoms == ()  # an atom of another crystal
        room.forget_row()
        qtbot.waitUntil(lambda: made.crystal.view.geometry3d.crystal.n_atoms == 3)

    def test_the_inspector_is_told_when_a_person_looks(self, page: Any, tmp_path: Path) -> None:
        made, engine, session = page
        session.project.set_datasets([tqc(tmp_path)])
        made.show_room("similar")
        made.hide()
        ready = similar()
        answer(engine, ready)
        assert session.selection.prediction is None
        made.show()
        assert session.selection.prediction is ready.prediction

    def test_rows_come_from_the_data_set_that_was_searched(
        self,
        page: Any,
        qtbot: QtBot,
        crystal_file: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from crystalgui.gui.panels.evidence import similar_room

        made, engine, session = page
        searched = tqc(tmp_path)
        session.project.set_datasets([searched, replace(searched, folder=tmp_path / "other")])
        made.show_room("similar")
        answer(engine, similar())
        room, read = made.room, []
        crystal = Crystal(lattice=LATTICE, frac=FRAC, species=SPECIES)
        monkeypatch.setattr(similar_room, "member", lambda *a: read.append(a) or crystal)
        monkeypatch.setattr(similar_room, "write_member", lambda *a: read.append(a) or crystal_file)
        room.data.setCurrentIndex(1)
        room.table.setCurrentIndex(room.model.index(1, 0))
        room.open_front()
        qtbot.waitUntil(lambda: len(read) == 2 and not session.lane.busy)
        assert {(folder, name) for folder, name, *_ in read} == {(searched.folder, "id-1")}


def test_the_error_of_another_crystal_is_not_said(
    page: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crystalgui.gui.panels.evidence import crystal_card

    made, _, _ = page
    card, draw = made.crystal, crystal_card.draw
    good = card.base.crystal
    bad, begun, go = replace(good, lattice=2 * LATTICE), Event(), Event()

    def drawn(crystal: Crystal) -> Any:
        if crystal is not bad:
            return draw(crystal)
        begun.set()
        go.wait(60)
        raise DataError("It cannot be drawn.", "")

    monkeypatch.setattr(crystal_card, "draw", drawn)
    card.show_crystal(bad)
    qtbot.waitUntil(begun.is_set)
    card.show_crystal(good)
    go.set()
    qtbot.waitUntil(lambda: card.base is not None)
    assert card.note.text() == ""


def tiny_attention(folder: Path) -> TrainedModel:
    """A crystal attention network with random weights."""
    import torch

    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models.trained import Inference, write_model

    sizes = {"width": 16, "wide": 24, "key": 8, "gaussians": 6, "heads": 2, "depth": 1}
    params, _ = registry.settings("cann", "small", sizes)
    torch.manual_seed(0)
    network = registry.build("cann", 3, params)
    card = TrainedModel(
        name=folder.name, family="cann", title="Tiny CANN", folder="", task="classification",
        target="x", classes=("a", "b", "c"), params=params,
    )  # fmt: skip
    elements = Inference(elements=tuple(range(1, 84)))
    write_model(folder, card, elements, [dict(network.state_dict())])
    return replace(card, name=str(folder), folder=str(folder))


def test_a_real_network_is_asked_from_the_structure_page(
    session: Session, qtbot: QtBot, window: Any
) -> None:
    """Open a crystal, click evidence, choose the network: its pairs are on the crystal."""
    model = tiny_attention(session.project.folder / "models" / "tiny")
    window.open_paths([examples() / "structures" / "Bi2Se3.vasp"])
    qtbot.waitUntil(lambda: session.project.current is not None)
    session.jobs.event.emit(
        CatalogueReady(job_id="", cards=(), models=(model,), devices=(), experiments=())
    )
    qtbot.waitUntil(lambda: window.page_widget("structure") is not None)
    structure = window.page_widget("structure")
    qtbot.waitUntil(structure.is_ready)
    structure.ask_evidence()
    qtbot.waitUntil(lambda: window.page_widget("evidence") is not None)
    made = window.page_widget("evidence")
    qtbot.waitUntil(
        lambda: made.room is not None and made.room.answering and made.crystal.view is not None
        and made.crystal.view.scene.pairs is not None
    )  # fmt: skip
    ready = session.evidence.explanation
    assert ready.attention
    drawn = made.crystal.view.scene.pairs
    shown = made.room.shown.pairs[: made.room.count.value()]
    assert len(drawn) == sum(len(p.images) for p in shown)
    lengths = np.linalg.norm(drawn.end - drawn.start, axis=1)
    np.testing.assert_allclose(lengths, [shown[k].distance for k in drawn.pair], atol=2e-3)
    assert {"evidence.attention", "evidence.csv", "structure.evidence"} <= set(
        window.actions_table.infos
    )


def test_a_row_of_the_classify_page_is_asked_about(played: Any, qtbot: QtBot) -> None:
    """The button of the preview brings the row's file and its model to the page."""
    from crystalgui.core.messages import Predicted
    from crystalgui.gui.panels.classify import ClassifyPanel
    from crystalgui.gui.panels.evidence import EvidencePanel

    session, engine = played
    twin = replace(SHIPPED, name="twin", title="Twin")
    session.project.set_catalogue((CGNN,), (SHIPPED, twin))
    classify = ClassifyPanel(session)
    qtbot.addWidget(classify)
    folder = examples() / "structures"
    session.predictions.classify([folder], ("twin",))
    row = Prediction(file="TaAs.vasp", formula="TaAs", answers=(Answer(model="twin"),))
    answer(engine, Predicted(rows=(row,)))
    classify.view.setCurrentIndex(classify.view.model().index(0, 0))
    asked: list[str] = []
    classify.page_wanted.connect(asked.append)
    classify.preview.evidence_button.click()
    assert asked == ["evidence"]
    made = EvidencePanel(session)
    made.resize(900, 600)
    made.show()
    qtbot.waitUntil(lambda: isinstance(engine.jobs[-1], ExplainJob))
    job = engine.jobs[-1]
    assert (job.path, job.model) == (folder / "TaAs.vasp", "twin")
    qtbot.waitUntil(lambda: made.crystal.view is not None and not session.lane.busy)
    assert not made.linked  # no crystal is open
    session.project.open_paths([folder / "Si.vasp"])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.lane.busy)
    session.evidence.show_row(row, (folder,))
    session.project.file_changed.emit(session.project.current)  # e.g. its badge
    assert session.evidence.subject.name == "TaAs.vasp"
    made.close()
    made.deleteLater()
