"""The topology room: certificates by hand, by the lane, and what a person does with them."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.brillouin import fold, reciprocal_of
from crystalgui.core.physics.certificate import LABELS, Certificate
from crystalgui.core.reports.certificate import wrapped_line
from crystalgui.core.reports.typography import PHASE_COLOURS as PRINTED
from crystalgui.core.resources import examples
from crystalgui.core.stopping import check
from crystalgui.gui.panels.electronic import topology_room
from crystalgui.gui.panels.electronic.topology_room import TopologyRoom
from crystalgui.gui.theme import OKABE_ITO, PHASE_COLOURS, phase_colour, theme
from tests import certificates


@pytest.fixture
def room(played: Any, qtbot: Any) -> Iterator[TopologyRoom]:
    session, _ = played
    made = TopologyRoom(session)
    made.resize(1000, 760)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()


def give(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[Any]:
    """Have the lane answer this certificate (or raise); the questions that came."""
    asked: list[Any] = []

    def certify(question: Any) -> Certificate:
        asked.append(question)
        found = answer(question) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(topology_room, "certify", certify)
    return asked


def shown(room: TopologyRoom, qtbot: Any) -> Certificate:
    qtbot.waitUntil(lambda: room.card.certificate is not None)
    qtbot.waitUntil(lambda: not room._session.lane.busy)
    room.flow.plot.redraw()
    return room.card.certificate


def test_an_empty_room_says_what_to_do(room: TopologyRoom) -> None:
    assert room._stack.currentIndex() == 0
    room.begin(None, 0, None)
    assert room._stack.currentIndex() == 0
    assert room.card.certificate is None


def test_the_phases_keep_one_colour_each() -> None:
    assert PRINTED == PHASE_COLOURS
    coloured = {label: phase_colour(label) for label in LABELS}
    assert coloured["Weyl semimetal"] == PHASE_COLOURS["weyl"]
    assert coloured["undefined"] == coloured["unresolved"] == PHASE_COLOURS["unresolved"]
    assert len(set(coloured.values())) == len(PHASE_COLOURS)


def test_a_certificate_is_read(room: TopologyRoom, qtbot: Any, monkeypatch: Any) -> None:
    h, made = certificates.topological()
    asked = give(monkeypatch, made)
    room.begin(h, 2, None)
    assert room.card.subtitle.startswith("checking")
    assert room.again.isHidden()
    assert not room.stop.isHidden()
    assert not room.bar.isHidden()
    shown(room, qtbot)
    assert asked[0].h is h
    assert (asked[0].occupied, asked[0].dimension, asked[0].nodes) == (2, None, True)
    card = room.card
    assert not room.again.isHidden()
    assert room.stop.isHidden()
    assert room.bar.isHidden()
    assert card.headline.label.text() == "Topological insulator"
    assert card.headline.ink == PHASE_COLOURS["topological"]
    assert (card.headline.status.text, card.headline.status.tone) == ("converged", "good")
    assert card.headline.remark.text() == "Quantum spin Hall insulator"
    assert card.indices.rows == [("Z₂", "1"), ("Mirror Chern, m_z", "−1")]
    assert dict(card.gaps.rows)["Direct gap"].startswith(f"{made.gaps.direct.energy:.4f} eV at (")
    assert not card.nodes.isVisible()
    assert not card.parities.isVisible()
    assert (
        card.checks.text().splitlines()[1] == "for information\tinversion\tnot found\tNo parities."
    )
    assert card._titles["Checks"].text() == "Checks · 2 of 3 passed, 1 for information"
    assert card.assumed.text() == h.assumptions.sentence()
    assert room.flow.answer.text() == "Z₂ = 1"
    assert "once: odd" in room.flow.reason.text()


@pytest.mark.parametrize(
    ("label", "status", "tone"),
    [
        ("unresolved", "unresolved", "warn"),
        ("undefined", "undefined", "muted"),
        ("trivial insulator", "converged", "good"),
    ],
)
def test_the_badge_says_how_sure(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any, label: str, status: str, tone: str
) -> None:
    h, made = certificates.topological()
    give(monkeypatch, certificates.relabelled(made, label, status))
    room.begin(h, 2, None)
    shown(room, qtbot)
    assert room.card.headline.status.tone == tone
    assert room.card.headline.status.isHidden() == (label == status)  # never said twice
    assert room.card.headline.ink == phase_colour(label)


def test_nodes_sort_copy_and_are_marked(room: TopologyRoom, qtbot: Any, monkeypatch: Any) -> None:
    h, made = certificates.weyl()
    give(monkeypatch, made)
    points: list[Any] = []
    room.k_points.connect(points.append)
    room.begin(h, 2, None)
    shown(room, qtbot)
    assert points[0] == []  # those of before are taken away at once
    marks = points[-1]
    assert [name for _, name, _ in marks] == ["+1", "−1", "−1", "+1"]
    assert marks[0][2] == OKABE_ITO[3] != marks[1][2]
    folded = fold(made.nodes[0].k, reciprocal_of(h.lattice))
    assert np.allclose(marks[0][0], folded)
    table = room.card.nodes
    assert room.card._titles["Nodes"].text() == "Nodes (4)"
    assert table.text().splitlines()[1] == "(0.0490, 0.4956, 0.5436)\t0.0000\t+1\tWeyl"
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert table.text().splitlines()[1].startswith("(−0.0490, 0.5044, 0.4564)\t0.0300")
    where = table.visualRect(table.rows.index(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert room._session.selection.k == pytest.approx(tuple(made.nodes[3].k))
    assert room.card.checks.text().splitlines()[1].startswith("failed\tslices\t–")
    assert room.flow.isHidden()
    assert dict(room.card.facts.rows)["Charge centres"] == "not followed: bands touch at the nodes"


def test_answers_for_another_filling_are_dropped(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    h, made = certificates.topological()
    gate = threading.Event()

    def answer(question: Any) -> Certificate:
        if question.occupied == 1:
            assert gate.wait(10)
            return certificates.relabelled(made, "metal", "converged")
        return made

    asked = give(monkeypatch, answer)
    room.begin(h, 1, None)
    qtbot.waitUntil(lambda: len(asked) == 1)
    room.begin(h, 2, None)
    gate.set()
    assert shown(room, qtbot).label == "topological insulator"
    qtbot.waitUntil(lambda: not room._session.lane.busy)
    assert room.card.certificate is made
    assert [q.occupied for q in asked] == [1, 2]


def test_a_known_certificate_comes_back_at_once(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    (h, made), (other, second) = certificates.topological(), certificates.weyl()
    asked = give(monkeypatch, lambda q: made if q.h is h else second)
    room.begin(h, 2, None)
    shown(room, qtbot)
    room.begin(other, 2, None)
    assert shown(room, qtbot) is second
    room.begin(h, 2, None)
    assert room.card.certificate is made
    assert len(asked) == 2


def test_options_reach_the_question(room: TopologyRoom, qtbot: Any, monkeypatch: Any) -> None:
    h, made = certificates.topological()
    asked = give(monkeypatch, made)
    room.begin(h, 2, None)
    shown(room, qtbot)
    room.dimension.setCurrentIndex(room.dimension.findText("3D"))
    room.tolerance.setValue(0.002)
    room.nodes.click()
    room.symmetrise.click()
    assert len(asked) == 1
    qtbot.mouseClick(room.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(asked) == 2 and not room._session.lane.busy)
    last = asked[-1]
    assert (last.dimension, last.nodes, last.symmetrise) == (3, False, True)
    assert last.gap_tolerance == pytest.approx(0.002)


def test_errors_stand_in_place_with_their_remedy(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    h, made = certificates.topological()
    answers: list[Any] = [
        PhysicsError("2 dimensions do not fit.", "Leave the dimension out."),
        made,
    ]
    give(monkeypatch, lambda _: answers.pop(0))
    room.begin(h, 2, None)
    qtbot.waitUntil(lambda: not room.error.isHidden())
    assert room.error.text() == "2 dimensions do not fit. Leave the dimension out."
    assert not room.again.isHidden()
    room.certify_again()
    assert shown(room, qtbot) is made
    assert room.error.isHidden()
    room.begin(h, h.n_orbitals, None)
    assert "All bands are occupied" in room.error.text()
    assert room.card.certificate is None
    assert not room._session.lane.busy


def test_json_and_csv_leave_the_room(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    h, made = certificates.topological()
    give(monkeypatch, made)
    room.begin(h, 2, None)
    shown(room, qtbot)
    qtbot.mouseClick(room.card.copy, Qt.MouseButton.LeftButton)
    said = json.loads(QGuiApplication.clipboard().text())
    assert said["label"] == "topological insulator"
    assert said["indices"]["z2"] == [1]
    room.write(tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text("utf-8")) == said
    room.write(tmp_path / "c.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text("utf-8"))))
    assert [r["value"] for r in rows if r["name"] == "z2 nu"] == ["1"]
    assert [r["passed"] for r in rows if r["record"] == "check"] == ["yes", "open", "yes"]
    flow = np.genfromtxt(tmp_path / "c-zone.csv", delimiter=",", skip_header=1)
    assert np.allclose(flow[:, 4:], made.flows[0][1].centres, atol=1e-8)
    room.write(tmp_path / "none" / "x" / "c.csv" / "c.json")
    room.write(tmp_path)  # a folder: said, not raised


def test_the_flow_is_the_picture_of_the_physicist(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    h, made = certificates.topological()
    give(monkeypatch, made)
    room.begin(h, 2, None)
    shown(room, qtbot)
    plot, flow = room.flow.plot, made.flows[0][1]
    assert len(plot._dots.data) == flow.centres.size
    assert len(plot._crossed.data) % 2 == 1
    assert plot._gap.isVisible()
    assert not plot._sum.isVisible()
    box = plot.getPlotItem().getViewBox()
    at = box.mapViewToScene(QPointF(float(flow.t[3]), 0.5))
    assert plot.nearest(at) == 3
    where = plot.mapFromScene(at)
    qtbot.mouseMove(plot.viewport(), where)
    qtbot.waitUntil(lambda: plot.readout.startswith(f"t = {flow.t[3]:.3f}"))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=where)
    expected = flow.surface.origin + flow.t[3] * flow.surface.across
    assert room._session.selection.k == pytest.approx(tuple(expected))
    before = plot._dots.opts["brush"].color().name()
    theme().set_mode("dark")
    assert plot._dots.opts["brush"].color().name() != before
    theme().set_mode("light")
    room.flow.export.write(tmp_path / "f.pdf")
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    room.flow.export.write(tmp_path / "f.csv")
    assert "centre_2" in (tmp_path / "f.csv").read_text("utf-8")


def test_a_chern_insulator_shows_the_sum_of_its_centres(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    h, made = certificates.chern()
    give(monkeypatch, replace(made, flows=()))
    room.begin(h, 1, None)
    shown(room, qtbot)
    qtbot.waitUntil(lambda: room.flow.flow is not None)
    room.flow.plot.redraw()
    assert room.flow.answer.text() == "C = −1"
    assert room.flow.plot._sum.isVisible()
    assert not room.flow.plot._gap.isVisible()
    assert room.card.certificate.flows[0][0] == "zone"


def test_lines_are_cut_where_they_wrap() -> None:
    x, y = wrapped_line(np.array([0.0, 0.5, 1.0]), np.array([0.9, 0.1, 0.2]))
    assert np.isnan(y).sum() == 1
    cut = int(np.flatnonzero(np.isnan(y))[0])
    assert (y[cut - 1], y[cut + 1]) == (1.0, 0.0)
    assert x[cut - 1] == x[cut + 1] == pytest.approx(0.25)
    assert len(wrapped_line(np.array([0.0, 1.0]), np.array([0.2, 0.6]))[0]) == 2


def test_cards_stand_side_by_side_where_there_is_room(room: TopologyRoom, qtbot: Any) -> None:
    assert room.splitter.orientation() == Qt.Orientation.Horizontal
    room.resize(500, 700)
    qtbot.waitUntil(lambda: room.splitter.orientation() == Qt.Orientation.Vertical)


def test_no_index_is_read_off_a_flow_that_did_not_converge(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    h, made = certificates.topological()
    name, flow = made.flows[0]
    worst = (("pos", 0.5, 0.01), *flow.worst[1:])
    failed = replace(flow, converged=False, worst=worst)
    give(monkeypatch, replace(made, flows=((name, failed),)))
    room.begin(h, 2, None)
    shown(room, qtbot)
    assert room.flow.answer.text() == "not converged"
    assert room.flow._limits["pos"].text() == "pos 0.5 ≥ 0.01"
    assert room.flow._limits["pos"].property("role") == "bad"
    assert room.flow._limits["move"].property("role") == "good"


def test_the_real_lane_certifies_an_example(window: Any, session: Any, qtbot: Any) -> None:
    session.project.open_paths([examples() / "hoppings" / "kane-mele" / "kane-mele_hr.dat"])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.project.busy)
    window.show_page("electronic")
    qtbot.waitUntil(lambda: window.page_widget("electronic") is not None)
    rooms = window.page_widget("electronic").rooms
    qtbot.waitUntil(lambda: window.page_widget("electronic")._filling is not None)
    rooms.show_room("topology")
    qtbot.waitUntil(lambda: rooms.room("topology") is not None)
    room = rooms.room("topology")
    made = shown(room, qtbot)
    assert (made.label, made.status) == ("topological insulator", "converged")
    assert made.z2_text == "1"
    assert session.project.current.badge == "TI"
    assert room.flow.answer.text() == "Z₂ = 1"
    assert {row.id for row in room.actions()} == {
        "topology.certify",
        "topology.network",
        "topology.stop",
        "topology.copy",
        "topology.export",
    }


def test_a_certificate_under_way_can_be_stopped(
    room: TopologyRoom, qtbot: Any, monkeypatch: Any
) -> None:
    h, made = certificates.topological()
    entered, ended = threading.Event(), threading.Event()

    def endless(_: Any) -> Certificate:
        entered.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    give(monkeypatch, endless)
    room.begin(h, 2, None)
    assert entered.wait(20)
    qtbot.mouseClick(room.stop, Qt.MouseButton.LeftButton)
    assert ended.wait(20)
    assert room.stop.isHidden()
    assert room.error.text() == "Stopped. Certify starts again."
    give(monkeypatch, made)
    qtbot.mouseClick(room.again, Qt.MouseButton.LeftButton)
    assert shown(room, qtbot) is made
    assert room.error.isHidden()


def test_a_hidden_room_stops_and_begins_anew(
    session: Any, window: Any, qtbot: Any, monkeypatch: Any
) -> None:
    _, made = certificates.topological()
    entered, ended = threading.Event(), threading.Event()

    def endless(_: Any) -> Certificate:
        entered.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    give(monkeypatch, endless)
    folder = examples() / "hoppings"
    session.project.open_paths([folder / "kane-mele" / "kane-mele_hr.dat"])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.project.busy)
    window.show_page("electronic")
    qtbot.waitUntil(lambda: window.page_widget("electronic") is not None)
    page = window.page_widget("electronic")
    page.rooms.show_room("topology")
    assert wait(entered, qtbot)
    page.rooms.show_room("bands")
    qtbot.waitUntil(lambda: page.rooms.stack.currentWidget() is page.rooms.room("bands"))
    assert not ended.is_set()  # looking elsewhere stops nothing
    session.project.open_paths([folder / "haldane" / "haldane_hr.dat"])
    assert wait(ended, qtbot)  # another Hamiltonian does
    asked = give(monkeypatch, made)
    page.rooms.show_room("topology")
    qtbot.waitUntil(lambda: page.rooms.room("topology").card.certificate is made)
    assert asked[0].h is session.project.current.hoppings


def wait(flag: threading.Event, qtbot: Any) -> bool:
    qtbot.waitUntil(flag.is_set)
    return True
