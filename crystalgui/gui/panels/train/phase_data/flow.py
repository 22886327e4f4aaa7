"""Making a phase data set in four steps: ends, noise, size, make.

The steps stand beside each other's summaries; nothing is asked in a dialog,
and every step can be gone back to.  Recipes that come with the program fill
all of them in at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from crystalgui.core.messages import ErrorInfo, PhaseDataJob, PhaseDataRecipe
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.panels.train.phase_data.ends import EndsStep
from crystalgui.gui.panels.train.phase_data.making import MakingStep
from crystalgui.gui.panels.train.phase_data.noise import NoiseStep
from crystalgui.gui.panels.train.phase_data.size import SizeStep
from crystalgui.gui.panels.train.phase_data.steps import OfferButton, Stepper
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.state.phase_data import PhaseDataState
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import PlainButton, PrimaryButton, SectionTitle, Text, scrolled

if TYPE_CHECKING:
    from PySide6.QtGui import QHideEvent

    from crystalgui.gui.panels.train.phase_data.work import Ends, Unfinished
    from crystalgui.gui.session import Session

TITLES = ("Two ends", "Noise", "Size and name", "Make")
SIDE = 218
"""Width of the column of steps, pixels."""


class PhaseDataFlow(Growing, QWidget):
    """The four steps.

    Signals
    -------
    made(DatasetSummary)
        A data set is complete.
    explore_asked(DatasetSummary), train_asked(DatasetSummary)
    """

    made = Signal(object)
    explore_asked = Signal(object)
    train_asked = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._offers: tuple[PhaseDataRecipe, ...] = ()
        self._base: PhaseDataRecipe | None = None
        self._ends: Ends | None = None
        self._asked: object = None
        self.state = PhaseDataState(session.jobs, self)
        self.grow(self._build(), at_once)

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self.ends = EndsStep()
        yield
        self.noise = NoiseStep(self._session)
        yield
        self.size_step, self.making = SizeStep(), MakingStep()
        yield
        self._lay_out()
        yield
        self._connect()
        self._take_files()
        self._changed()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[2])
        side = QWidget()
        side.setFixedWidth(SIDE)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[0])
        self.stepper = Stepper(TITLES)
        column.addWidget(self.stepper)
        column.addSpacing(SPACE[2])
        self._offers_title = SectionTitle("Start from a recipe")
        self._offers_title.hide()
        column.addWidget(self._offers_title)
        self._offer_column = QVBoxLayout()
        self._offer_column.setSpacing(0)
        column.addLayout(self._offer_column)
        self.offer_buttons: list[OfferButton] = []
        column.addStretch(1)
        row.addWidget(side)
        right = QVBoxLayout()
        right.setSpacing(SPACE[1])
        self.pages = QStackedWidget()
        for step in (self.ends, self.noise, self.size_step, self.making):
            self.pages.addWidget(scrolled(step))
        right.addWidget(self.pages, 1)
        foot = QHBoxLayout()
        foot.setSpacing(SPACE[1])
        self.words = Text("", "muted")
        self.back = PlainButton("Back", icon_name="left")
        self.next = PrimaryButton("Next")
        foot.addWidget(self.words, 1)
        foot.addWidget(self.back)
        foot.addWidget(self.next)
        right.addLayout(foot)
        row.addLayout(right, 1)

    def _connect(self) -> None:
        project = self._session.project
        for signal in (project.file_changed, project.file_removed):
            signal.connect(self._take_files)
        self.ends.edited.connect(self._ends_changed)
        self.noise.edited.connect(self._changed)
        self.size_step.edited.connect(self._changed)
        self.stepper.chosen.connect(self.show_step)
        self.back.clicked.connect(lambda: self.show_step(self.step - 1))
        self.next.clicked.connect(self._go)
        self.making.cancel_asked.connect(self.state.cancel)
        self.making.resume_asked.connect(self.state.resume)
        self.making.unfinished_asked.connect(self._go_on)
        self.making.explore_asked.connect(lambda: self.explore_asked.emit(self.state.summary))
        self.making.train_asked.connect(lambda: self.train_asked.emit(self.state.summary))
        self.state.moved.connect(lambda: clock().mark(self))
        self.state.ended.connect(self._ended)

    # --------------------------------------------------------------- offers

    def set_offers(self, recipes: Sequence[PhaseDataRecipe]) -> None:
        """Recipes that come with the program."""
        self._offers = tuple(recipes)
        for button in self.offer_buttons:
            self._offer_column.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.offer_buttons = []
        self._offers_title.setVisible(bool(recipes))
        for recipe in recipes:
            total = recipe.train + recipe.test
            noise = "noise" if recipe.strength else "no noise"
            button = OfferButton(recipe.title or recipe.name, f"{total:,} samples, {noise}", SIDE)
            button.setToolTip(
                f"{recipe.start.name} → {recipe.end.name}, "
                f"{recipe.train + recipe.test:,} samples. Fills in all steps."
            )
            button.clicked.connect(lambda _=False, r=recipe: self.set_recipe(r))
            self._offer_column.addWidget(button)
            self.offer_buttons.append(button)

    def set_recipe(self, recipe: PhaseDataRecipe) -> None:
        """Fill in all steps."""
        self._base = recipe
        self.ends.choose(self.ends.start, recipe.start)
        self.ends.choose(self.ends.end, recipe.end)
        self.ends.occupied.setValue(recipe.occupied)
        noise, size = self.noise, self.size_step
        noise.unit.setCurrentIndex(noise.unit.findData(recipe.normalisation))
        noise.envelope.setCurrentIndex(noise.envelope.findData(recipe.envelope))
        noise.mode.setCurrentIndex(noise.mode.findData(recipe.mode))
        noise.strength.setValue(recipe.strength)
        size.name.setText(recipe.name)
        size.set_size(recipe.train, recipe.test)
        size.low.setValue(recipe.alpha[0])
        size.high.setValue(recipe.alpha[1])
        size.tolerance.setValue(recipe.gap_tolerance)
        size.seed.setValue(recipe.seed)
        self._changed()
        self.show_step(len(TITLES) - 1)

    # --------------------------------------------------------------- recipe

    def missing(self) -> tuple[int, str]:
        """The first step that lacks something, and what; (-1, "") when nothing does."""
        size = self.size_step
        if self._ends is None:
            return 0, self.ends.words.text() or "Choose two ends that fit together."
        name = size.name.text().strip()
        if not name:
            return 2, "Give the data set a name."
        if any(d.name == name for d in self._session.project.datasets):
            return 2, f"There is a data set {name}; choose another name."
        low, high = size.alpha
        if not low < high:
            return 2, "The mixing must grow from its smallest to its largest value."
        return -1, ""

    def recipe(self) -> PhaseDataRecipe | None:
        """What the steps describe; None while something is missing."""
        if self.missing()[1]:
            return None
        start, end = self.ends.sources
        noise, size = self.noise, self.size_step
        made = PhaseDataRecipe(
            name=size.name.text().strip(),
            start=start,
            end=end,
            occupied=self.ends.filling,
            train=size.train.value(),
            test=size.test.value(),
            alpha=size.alpha,
            strength=noise.strength.value(),
            normalisation=noise.unit.currentData(),
            envelope=noise.envelope.currentData(),
            mode=noise.mode.currentData(),
            gap_tolerance=size.tolerance.value(),
            seed=size.seed.value(),
            title=size.name.text().strip(),
        )
        return self._as_shipped(made)

    def _as_shipped(self, made: PhaseDataRecipe) -> PhaseDataRecipe:
        """A recipe of the program that was not changed keeps its title and its notes."""
        base = self._base
        if base is None:
            return made
        same = replace(made, title=base.title, notes=base.notes)
        plain = replace(base, start=made.start, end=made.end, occupied=made.occupied)
        same_ends = self._same(base)
        return same if same_ends and plain == same else made

    def _same(self, base: PhaseDataRecipe) -> bool:
        """Whether the ends are those of a recipe; forms may add settings at their defaults."""
        for source, other in zip(self.ends.sources, (base.start, base.end), strict=True):
            if (source.path, source.model, source.part) != (other.path, other.model, other.part):
                return False
            if any(source.settings.get(k) != v for k, v in other.settings.items()):
                return False
        return True

    # ---------------------------------------------------------------- steps

    @property
    def step(self) -> int:
        """Where the person is, from 0."""
        return self.pages.currentIndex()

    def show_step(self, number: int) -> None:
        """Go to a step."""
        self.stepper.show_step(number)
        self.pages.setCurrentIndex(number)
        self._changed()
        if number == 3:
            self._look_for_unfinished()

    def _go(self) -> None:
        """The next step, or make it."""
        if self.step < len(TITLES) - 1:
            self.show_step(self.step + 1)
            return
        recipe = self.recipe()
        if recipe is not None and not self.state.alive:
            self.state.begin(PhaseDataJob(recipe=recipe, project=self._session.project.folder))
            self._changed()

    def _go_on(self, found: Unfinished) -> None:
        self.state.begin(
            PhaseDataJob(
                recipe=found.recipe, project=self._session.project.folder, out=found.folder
            )
        )
        self._changed()

    def _take_files(self, *_: object) -> None:
        self.ends.set_files(self._session.project.files)

    def _ends_changed(self) -> None:
        """Ask whether the two fit; the newest question wins."""
        asked = (*self.ends.sources, self.ends.filling)
        if asked == self._asked:
            return
        self._asked, self._ends = asked, None
        self.ends.say("looking at both …")
        self._session.lane.ask(
            "phase-data-ends",
            work.check_ends,
            *asked,
            on_answer=lambda found: self._ends_known(asked, found),
            on_error=lambda error: self._ends_wrong(asked, error),
            owner=self,
            slow=True,
        )
        self._changed()

    def _ends_known(self, asked: object, found: Ends) -> None:
        if asked == self._asked:
            self._ends = found
            self.ends.say(found.words, "good")
            self._changed()

    def _ends_wrong(self, asked: object, error: ErrorInfo) -> None:
        if asked == self._asked:
            self.ends.say(f"{error.title} {error.hint}".strip(), "bad")
            self._changed()

    def _changed(self, *_: object) -> None:
        steps = self.stepper.steps
        steps[0].set_summary(self.ends.summary)
        steps[1].set_summary(self.noise.summary)
        steps[2].set_summary(self.size_step.summary)
        self.noise.set_ends(*self.ends.sources, self.ends.filling)
        place, why = self.missing()
        self.size_step.say(why if place == 2 else "", "warn")
        last = self.step == len(TITLES) - 1
        self.back.setVisible(self.step > 0)
        self.next.setText("Make" if last else "Next")
        can_go = not (self.step == 0 and place == 0)
        showing = self._shows_job()
        can_make = place < 0 and not self.state.alive and not (showing and self.state.resumable)
        self.next.setEnabled(can_make if last else can_go)
        self.making.set_recipe(self.state.job.recipe if showing else self.recipe(), why)  # type: ignore[union-attr,arg-type]
        self.words.setText(why if last and place >= 0 and not showing else "")
        self.redraw()

    def _shows_job(self) -> bool:
        """Whether the last step is about the job, not about what could be made next."""
        job = self.state.job
        if job is None:
            return False
        name = self.size_step.name.text().strip()
        return self.state.alive or job.recipe.name == name

    def redraw(self) -> None:
        """Bring the last step up to date with the job; the clock calls it."""
        self.making.show_state(self.state)
        row = self.state.row
        if row is None:
            self.stepper.steps[3].set_summary("")
        elif row.alive:
            share = f"{100 * row.fraction:.0f} %" if row.fraction == row.fraction else row.text
            self.stepper.steps[3].set_summary(share)
        else:
            self.stepper.steps[3].set_summary("made" if self.state.summary else row.status)

    def _ended(self) -> None:
        self._changed()
        if self.state.summary is not None:
            self.made.emit(self.state.summary)
        else:
            self._look_for_unfinished()

    def _look_for_unfinished(self) -> None:
        self._session.lane.ask(
            "phase-data-unfinished",
            work.unfinished,
            self._session.project.folder,
            on_answer=self._take_unfinished,
            on_error=lambda _: None,
            owner=self,
            slow=True,
        )

    def _take_unfinished(self, found: tuple[Unfinished, ...]) -> None:
        mine = self.state.job.recipe.name if self.state.job is not None else ""
        self.making.set_unfinished(tuple(u for u in found if u.recipe.name != mine))

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while hidden."""
        super().showEvent(event)
        if not self._offers:
            self._session.lane.ask(
                "phase-data-offers",
                work.offers,
                on_answer=self.set_offers,
                owner=self,
                slow=True,
            )
        clock().mark(self)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let the clock rest."""
        super().hideEvent(event)
        clock().rest()
