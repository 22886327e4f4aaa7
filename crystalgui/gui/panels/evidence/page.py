"""The Evidence page: what a trained model knows of one crystal.

One place, reached from the Structure page (the crystal that is open) and from
the Classify page (a row): four rooms ask four questions, and all of them draw
on the one crystal at the left.  A fifth goes through the crystals that models
get wrong, and needs neither model nor crystal.  A room and its plots are built
when its tab is opened, and asks when it is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QSplitter,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import ErrorInfo, ExplainJob, Job
from crystalgui.core.settings import cache
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import begun, in_turns, rest_of
from crystalgui.gui.panels.evidence.actions import rows_of
from crystalgui.gui.panels.evidence.attention_room import AttentionRoom
from crystalgui.gui.panels.evidence.crystal_card import CrystalCard
from crystalgui.gui.panels.evidence.limit_room import LimitRoom
from crystalgui.gui.panels.evidence.names import ROOMS, SECOND, TITLES
from crystalgui.gui.panels.evidence.room import Asking, AskingRoom, Room, crystal_models
from crystalgui.gui.panels.evidence.saliency_room import SaliencyRoom
from crystalgui.gui.panels.evidence.second_look_room import SecondLookRoom
from crystalgui.gui.panels.evidence.similar_room import SimilarRoom
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.scale import picture_above
from crystalgui.gui.state import evidence
from crystalgui.gui.state.evidence import Found, Subject
from crystalgui.gui.theme import SPACE, theme
from crystalgui.gui.widgets import Card, Chip, EmptyState

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

NO_CRYSTAL = (
    "crystal",
    "No crystal to ask about",
    "Open a crystal, or pick a row of the Classify page; then see what a model's answer "
    "for it rests on.",
)
SIDE_BY_SIDE = 700


class EvidencePanel(QWidget):
    """Crystal, model, and the rooms.

    Signals
    -------
    page_wanted(str)
        Another page shall come to the stage.
    """

    page_wanted = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.state = session, session.evidence
        self._rooms: dict[str, Any] = {}
        self._found: Found | None = None
        self._lost: ErrorInfo | None = None
        self._begun: dict[str, tuple[Found, str]] = {}
        self._model = ""
        self._linking = False
        self._build()
        self._connect()
        self._take_models()

    # ------------------------------------------------------------ building

    def _build(self) -> None:
        self.stage = QStackedWidget(self)
        steps = [*self._openings(), ("Second look", lambda: self.show_room(SECOND))]
        self.empty = EmptyState(*NO_CRYSTAL, steps, self.stage)
        self.stage.addWidget(self.empty)
        self.crystal = CrystalCard(self.session, self)
        self.card = self._room_card()
        self.split = QSplitter(Qt.Orientation.Horizontal, self.stage)
        self.split.addWidget(self.crystal)
        self.split.addWidget(self.card)
        self.split.setHandleWidth(SPACE[2])
        self.split.setChildrenCollapsible(False)
        self.split.setStretchFactor(0, 5)
        self.split.setStretchFactor(1, 6)
        self.split.setSizes([460, 560])
        self.stage.addWidget(self.split)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stage)

    def _openings(self) -> list[tuple[str, Callable[[], object]]]:
        """Where a crystal can come from."""
        return [
            ("Structure page", lambda: self.page_wanted.emit("structure")),
            ("Classify page", lambda: self.page_wanted.emit("classify")),
        ]

    def _room_card(self) -> Card:
        card = Card("Evidence", "")
        self.csv_chip = Chip("CSV", tooltip="Write the numbers of this room as CSV")
        self.csv_chip.clicked.connect(self.ask_csv)
        self.stop_chip = Chip("Cancel", tooltip="Stop asking")
        self.stop_chip.clicked.connect(self.cancel)
        self.stop_chip.hide()
        card.tools.addWidget(self.stop_chip)
        card.tools.addWidget(self.csv_chip)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.models = ChoiceBox()
        self.models.setObjectName("evidenceModel")
        self.models.setAccessibleName("Trained model")
        self.models.setMinimumWidth(140)
        row.addWidget(self.models, 1)
        card.body.addLayout(row)
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tabs.setAccessibleName("Rooms of the Evidence page")
        for name in ROOMS:
            self.tabs.addTab(TITLES[name])
        card.body.addWidget(self.tabs)
        self.rooms = QStackedWidget()
        card.body.addWidget(self.rooms, 1)
        card.setMinimumWidth(300)
        return card

    def _connect(self) -> None:
        project = self.session.project
        self.state.subject_changed.connect(self._subject_changed)
        project.current_changed.connect(self._current_changed)
        project.file_changed.connect(self._file_changed)
        project.catalogue_changed.connect(self._take_models)
        self.models.activated.connect(lambda _: self._model_chosen())
        self.tabs.currentChanged.connect(lambda _: self._bring())
        self.crystal.picked.connect(self._picked)
        self.crystal.picture_wanted.connect(self.ask_picture)
        self.session.selection.atoms_changed.connect(self._selected_elsewhere)
        theme().changed.connect(self._redress)
        for question in (self.state.explained, self.state.limit, self.state.similar):
            question.answered.connect(self._status)
            question.moved.connect(self._status)
            question.ended.connect(self._status)
        self.state.answered.connect(self._tell)
        self.state.list_wanted.connect(self._list_wanted)
        if self.state.wanted_list is not None:
            self._list_wanted()

    # -------------------------------------------------------------- subject

    def showEvent(self, event: QShowEvent) -> None:
        """Without a subject, take the crystal that is open; ask what was put off."""
        super().showEvent(event)
        current = self.session.project.current
        if self.state.subject is None and current is not None:
            self.state.show_file(current)
        elif self._found is None and self.state.subject is not None:
            self._subject_changed(self.state.subject)
        QTimer.singleShot(0, self, self._bring)

    def _current_changed(self, file: OpenFile | None) -> None:
        if file is not None and (self.state.subject is not None or self.isVisible()):
            self.state.show_file(file)

    def _file_changed(self, file: OpenFile) -> None:
        subject = self.state.subject
        of_row = subject is not None and subject.crystal is None
        if file is self.session.project.current and not of_row:
            self._current_changed(file)

    def _subject_changed(self, subject: Subject | None) -> None:
        self._found = self._lost = None
        self._begun.clear()
        self.crystal.show_crystal(None)
        self._pass(None)
        self._set_stage()
        if subject is None or not self.isVisible():
            return
        if subject.model:
            self._choose(subject.model)
        self._entitle()
        self.session.lane.ask(
            "evidence:find",
            evidence.find,
            subject,
            cache() / "evidence",
            on_answer=lambda found: self._take(subject, found),
            on_error=lambda error: self._not_found(subject, error),
            owner=self,
        )

    def _set_stage(self) -> None:
        """The rooms, or what to do when there is no crystal and none of them can do without."""
        some = self.state.subject is not None or self.current == SECOND
        self.stage.setCurrentWidget(self.split if some else self.empty)

    def _entitle(self) -> None:
        subject, room = self.state.subject, self.room
        named = Path(subject.name).name if subject is not None else ""
        alone = room is not None and room.alone
        self.models.setVisible(self.current != SECOND)
        self.card.set_title("Evidence", room.title if alone else named)

    def _list_wanted(self) -> None:
        """A list of misclassified crystals shall be gone through."""
        self.tabs.setCurrentIndex(ROOMS.index(SECOND))
        self._bring()

    def _take(self, subject: Subject, found: Found) -> None:
        if subject is not self.state.subject:
            return
        self._found, self.state.crystal = found, found.crystal
        self.crystal.show_crystal(found.crystal)
        self._bring()

    def _not_found(self, subject: Subject, error: ErrorInfo) -> None:
        if subject is not self.state.subject:
            return
        self._lost = error
        self._bring()

    # --------------------------------------------------------------- models

    @property
    def model(self) -> TrainedModel | None:
        """The model that is asked."""
        return self.session.project.model(self._model)

    def _take_models(self) -> None:
        found = crystal_models(self.session)
        self.models.blockSignals(True)
        self.models.clear()
        for model in found:
            self.models.addItem(f"{model.title or model.name}  ·  {model.target}", model.name)
        self.models.setPlaceholderText("" if found else "models are being loaded…")
        names = [m.name for m in found]
        kept = self._model if self._model in names else (names[0] if names else "")
        self.models.setCurrentIndex(names.index(kept) if kept else -1)
        self.models.blockSignals(False)
        self._set_model(kept)

    def _choose(self, name: str) -> None:
        index = self.models.findData(name)
        if index >= 0:
            self.models.setCurrentIndex(index)
            self._set_model(name)

    def choose_model(self, name: str) -> None:
        """Ask another model."""
        self._choose(name)

    def _model_chosen(self) -> None:
        self._set_model(self.models.currentData() or "")

    def _set_model(self, name: str) -> None:
        if name == self._model:
            return
        self._model = name
        model = self.model
        for key in ("attention", "saliency"):
            room = self._rooms.get(key)
            if isinstance(room, AttentionRoom):
                room.forget_member()
            elif isinstance(room, SaliencyRoom):
                room.offer(model.classes if model is not None else ())
        self._bring()

    # ---------------------------------------------------------------- rooms

    @property
    def current(self) -> str:
        """Name of the room in front."""
        return ROOMS[self.tabs.currentIndex()]

    @property
    def room(self) -> Any:
        """The room in front, when it has been built."""
        return self._rooms.get(self.current)

    def show_room(self, name: str) -> None:
        """Bring a room to the front."""
        self.tabs.setCurrentIndex(ROOMS.index(name))
        self._bring()

    def _make(self, name: str) -> Room:
        state = self.state
        made: Room
        if name == "attention":
            made = AttentionRoom(self.session, state.explained, self._explain_job, self)
        elif name == "saliency":
            made = SaliencyRoom(self.session, state.explained, self._explain_job, self)
            made.offer(self.model.classes if self.model is not None else ())
        elif name == "limit":
            made = LimitRoom(self.session, state.limit, self)
        elif name == "similar":
            made = SimilarRoom(self.session, state.similar, self)
        else:
            made = begun(SecondLookRoom, self.session, self)
            made.titled.connect(self._entitle)
        made.look_changed.connect(lambda: self._look_changed(made))
        if isinstance(made, AskingRoom):
            made.asked.connect(lambda: self._asked(name))
        made.atoms_wanted.connect(self._wanted)
        made.page_wanted.connect(self.page_wanted)
        self.rooms.addWidget(made)
        self._rooms[name] = made
        if isinstance(made, SecondLookRoom):
            in_turns(self, rest_of(made), self._bring, self._broken)
        return made

    def _broken(self, error: Exception) -> None:
        """A room that cannot be built must not take the page along; the next click tries again."""
        room = self._rooms.pop(SECOND)
        self.rooms.removeWidget(room)
        room.deleteLater()
        self.session.notify.error(ErrorInfo.of(error))

    def _explain_job(self, asking: Asking) -> Job:
        """One job for attention and saliency."""
        attention, saliency = self._rooms.get("attention"), self._rooms.get("saliency")
        return ExplainJob(
            path=asking.found.path,
            model=asking.model.name,
            member=attention.chosen_member if attention is not None else 0,
            device=self.session.settings.device,
            project=self.session.project.folder,
            **(saliency.wanted if saliency is not None else {}),
        )

    def _bring(self) -> None:
        """The room in front asks, if it has not asked this yet."""
        if not self.isVisible():
            return
        name = self.current
        if name == SECOND:
            self._set_stage()
        elif self.stage.currentWidget() is self.empty:
            return
        room = self._rooms.get(name) or self._make(name)
        self.rooms.setCurrentWidget(room)
        self._entitle()
        if room.alone:
            room.refresh()
        elif self.state.subject is None:
            room.begin(None)
            room.say(*NO_CRYSTAL, self._openings())
        else:
            self._bring_asking(name, room)
        self._status()

    def _bring_asking(self, name: str, room: AskingRoom) -> None:
        model = self.model
        if self._found is None or model is None:
            room.begin(None)
            if self._lost is not None:
                room.say("error", self._lost.title, self._lost.hint)
            elif model is None and self.session.project.cards:
                words = "Train one on the Train page; then it can be asked here."
                step = ("Train page", lambda: self.page_wanted.emit("train"))
                room.say("model", "No trained model reads crystals", words, [step])
            return
        now = (self._found, model.name)
        if self._begun.get(name) != now:
            self._begun[name] = now
            self._begin(room)
        else:
            room.refresh()

    def _begin(self, room: AskingRoom) -> None:
        model, subject = self.model, self.state.subject
        if self._found is not None and model is not None and subject is not None:
            room.begin(Asking(found=self._found, name=subject.name, model=model))

    def _pass(self, asking: Asking | None) -> None:
        for room in self._rooms.values():
            if isinstance(room, AskingRoom):
                room.begin(asking)

    def _asked(self, name: str) -> None:
        """A room asks something else; one that shares its job asks again when it is seen."""
        shared = ("attention", "saliency")
        for other in shared if name in shared else ():
            self._begun.pop(other, None)
        if name in self._rooms:
            self._begin(self._rooms[name])
            if self._found is not None and self.model is not None:
                self._begun[name] = (self._found, self.model.name)
        self._status()

    def cancel(self) -> None:
        """Stop what the room in front asks."""
        if self.room is not None:
            self.room.cancel()

    def _status(self) -> None:
        room = self.room
        self.stop_chip.setVisible(room is not None and room.busy)
        self.csv_chip.setEnabled(room is not None and room.answering)

    def _tell(self) -> None:
        """The inspector shows the prediction that was explained."""
        ready = self.state.explanation
        if ready is not None and self.isVisible():
            self.session.selection.select_prediction(ready.prediction)

    # -------------------------------------------------------------- crystal

    def _look_changed(self, room: Room) -> None:
        if room is self.room and self.isVisible():
            self.crystal.set_look(room.look())
            self._status()

    def _redress(self) -> None:
        if self.room is not None and self.isVisible():
            self.crystal.set_look(self.room.look())

    @property
    def linked(self) -> bool:
        """Whether the atoms that are drawn are those of the crystal that is open."""
        file = self.session.project.current
        same = file is not None and self.state.describes(file.crystal)
        return same and self.crystal.shows_subject

    def _picked(self, atoms: tuple[int, ...]) -> None:
        """A person selected atoms in the view."""
        self._select(atoms, by_hand=True)

    def _wanted(self, atoms: tuple[int, ...]) -> None:
        """A room wants atoms selected."""
        self.crystal.select_atoms(atoms)
        self._select(atoms, by_hand=False)

    def _select(self, atoms: tuple[int, ...], *, by_hand: bool) -> None:
        if self.room is not None:
            self.room.atoms_selected(atoms, by_hand=by_hand)
        if by_hand:  # the look may have changed and with it what is drawn
            self.crystal.select_atoms(atoms)
        if self.linked:
            self._linking = True
            self.session.selection.select_atoms(atoms)
            self._linking = False

    def _selected_elsewhere(self, atoms: tuple[int, ...]) -> None:
        if not self._linking and self.isVisible() and self.linked:
            self.crystal.select_atoms(atoms)
            if self.room is not None:
                self.room.atoms_selected(atoms, by_hand=False)

    # --------------------------------------------------------------- export

    def ask_csv(self) -> None:
        """Choose a file for the numbers of the room in front."""
        room = self.room
        if room is None or not room.answering:
            return
        start = str(Path.home() / f"{self._stem()}-{self.current}.csv")
        found, _ = QFileDialog.getSaveFileName(self, "Export numbers", start, "CSV (*.csv)")
        if found:
            self.write_csv(Path(found))

    def _stem(self) -> str:
        """Name of what is shown, for the names of files."""
        subject = self.state.subject
        if self.room is not None and self.room.alone:
            return self.room.stem
        return Path(subject.name).name.partition(".")[0] if subject is not None else "crystal"

    def write_csv(self, path: Path) -> None:
        """Write the numbers of the room in front."""
        text = self.room.csv_text() if self.room is not None else ""
        if text:
            self.session.lane.run(
                write_atomic,
                path,
                text,
                on_answer=lambda _: self.session.notify.info(f"Wrote {path.name}."),
                on_error=self.session.notify.error,
                owner=self,
            )

    def ask_picture(self) -> None:
        """Ask for the size of a picture of the crystal and save it."""
        from crystalgui.gui.panels.structure.export import PictureDialog

        view = self.crystal.view
        if view is None or view.geometry3d is None:
            return
        name = f"{self._stem()}-{self.current}.png"
        PictureDialog(view.canvas.device_size, name, self.save_picture, self).open()

    def save_picture(
        self,
        path: Path,
        size: tuple[int, int],
        transparent: bool = False,
        legend: bool = False,
        refit: bool = True,
    ) -> None:
        """Write the crystal as it is drawn with the scale of its colours, as PNG of exact size."""
        from crystalgui.gui.panels.structure.requests import save_png

        view, scale = self.crystal.view, self.crystal.bar.scale
        if view is None:
            return
        width, height = size
        below = round(min(size) * 0.09) if scale is not None else 0
        legend = legend and view.scene.tints is None
        try:
            image = view.picture(
                (width, height - below), transparent=transparent, legend=legend, refit=refit
            )
        except CrystalError as error:
            self.session.notify.error(error)
            return
        if scale is not None:
            image = picture_above(image, scale, height, transparent=transparent)
        self.session.lane.run(
            save_png,
            image,
            path,
            on_answer=lambda _: self.session.notify.info(f"Saved {path.name}."),
            on_error=self.session.notify.error,
            owner=self,
        )

    # -------------------------------------------------------------- actions

    def actions(self) -> list[ActionInfo]:
        """Rows for the Structure menu and the palette."""
        return rows_of(self)

    def go(self, name: str) -> None:
        """Bring the page to the stage, and a room to its front."""
        self.page_wanted.emit("evidence")
        self.show_room(name)

    def go_and(self, name: str, act: str) -> None:
        """Do something in a room that comes to the front for it."""
        self.go(name)
        self.within(name, act)

    def within(self, name: str, act: str, *values: Any) -> None:
        """Do something in a room, when it is in front."""
        ready = self.room is not None and (name != SECOND or self.room.complete)
        if self.current == name and ready and self.isVisible():
            getattr(self.room, act)(*values)

    # ------------------------------------------------------------------ rest

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Side by side, or below each other in a narrow window."""
        super().resizeEvent(event)
        wide = self.width() >= SIDE_BY_SIDE
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.split.orientation() != wanted:
            self.split.setOrientation(wanted)
            self.split.setSizes([460, 560])

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        self.crystal.close()
        super().closeEvent(event)
