"""The steps of the tour, as a table: what is told, what is done, what the program says.

The worked example is hexagonal Gd2O3, with which Nop et al. (2025), section 2,
explain what is learned of a crystal: its space group, formation energy, magnetic
ordering and topological class.  What they published is told; what this program
answers is read from its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalgui.core.messages import AtomicLimitReady
from crystalgui.gui.state.predictions import task_of

if TYPE_CHECKING:
    from crystalgui.core.messages import Answer, Prediction
    from crystalgui.gui.panels.tour import Tour

CRYSTAL = "structures/Gd2O3.vasp"
HOPPINGS = "hoppings/kane-mele/kane-mele_hr.dat"
EXPERIMENT = "atomic-limit"
NO_MODEL = "No trained model reads crystals here: the Train page makes one. The tour goes on."
WAITING = "…"


def _nothing(_: Tour) -> bool:
    """There is no more to do than to show the page."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stop.

    Attributes
    ----------
    title, text : str
    page : str
        The page that comes to the stage.
    said : callable
        What the program says, now; "…" while an answer is awaited.
    file : str
        An example that becomes the current file.
    act : callable
        Does what the text says; asked again at everything new until it was done.
    """

    title: str
    text: str
    page: str
    said: Callable[[Tour], str]
    file: str = ""
    act: Callable[[Tour], bool] = _nothing


# ------------------------------------------------------------------ the crystal


def _facts(tour: Tour) -> str:
    file = tour.file
    if file is None or file.crystal is None:
        return WAITING
    return f"{file.name}: {file.crystal.n_atoms} atoms a cell, space group {file.badge or WAITING}."


def _select_bond(tour: Tour) -> bool:
    """A Gd atom and the oxygen above it, once the crystal is drawn."""
    view = tour.page.view if tour.page is not None else None
    if view is None or view.geometry3d is None or tour.file is None:
        return False
    if tour.file.crystal is view.geometry3d.crystal and tour.once():
        tour.session.selection.select_atoms((0, 3))
    return True


def _measured(tour: Tour) -> str:
    words = tour.page.strip.measured if tour.page is not None else ""
    return f"Selected: {words}" if words else ""


# ------------------------------------------------------------------- the models


def _row(tour: Tour) -> Prediction | None:
    """The row of the crystal with an answer to each task."""
    state, file = tour.session.predictions, tour.file
    wanted = {model.name for model in tour.best or tour.models[:1]}
    if file is None or file.path not in state.paths or not wanted <= set(state.models):
        return None
    return next((row for row in state.rows if Path(row.file).name == file.name), None)


def _others(tour: Tour) -> bool:
    """Whether the table is a person's: the tour leaves it alone."""
    state, file = tour.session.predictions, tour.file
    return bool(state.rows or state.job) and (file is None or file.path not in state.paths)


def _classify(tour: Tour) -> bool:
    file, row = tour.file, _row(tour)
    if row is None:
        if file is not None and tour.models and not _others(tour) and tour.once():
            tour.window.classify([file.path])
        return False
    if tour.page is None:
        return False
    place = tour.page.table.place_of(row)
    if place < 0 or tour.session.predictions.job is not None:
        return False  # the table takes it in its turn
    tour.page.view.setCurrentIndex(tour.page.table.index(place, 0))
    return True


def _classes(tour: Tour) -> str:
    if tour.no_models:
        return NO_MODEL
    row = _row(tour)
    if row is None:
        if _others(tour):
            return (
                "The table holds other crystals, and the tour leaves them there. “Classify” in "
                "the inspector asks about this one."
            )
        job = tour.session.predictions.job
        failed = job is None and tour.asked
        return "There is no answer; the list of jobs tells why." if failed else WAITING
    if row.error:
        return row.error
    tasks = {model.name: task_of(model) for model in tour.models}
    answers = [f"{tasks.get(a.model, a.target)}: {_answer(a)}" for a in row.answers]
    return f"The models say {'; '.join(answers)}."


def _answer(answer: Answer) -> str:
    """``"SEBR (0.80)"``, ``"−3.70 eV/atom"``."""
    if answer.probabilities:
        return f"{answer.prediction} ({answer.probability:.2f})"
    return answer.prediction.replace("-", "−", 1)


# ----------------------------------------------------------------- the evidence


def _attentive(tour: Tour) -> Any:
    """The network whose attention is shown, or else any."""
    models = tour.models
    return next((m for m in models if m.family == "cann"), models[0] if models else None)


def _ask(tour: Tour, room: str) -> bool:
    model, file = _attentive(tour), tour.file
    if tour.page is None or model is None or file is None:
        return False
    if tour.once():
        tour.session.evidence.show_file(file)
        tour.page.choose_model(model.name)
        tour.page.show_room(room)
    return True


def _attention(tour: Tour) -> str:
    from crystalgui.gui.panels.evidence.names import atom_name

    question, model = tour.session.evidence.explained, _attentive(tour)
    ready = tour.session.evidence.explanation
    if tour.no_models:
        return NO_MODEL
    if question.error is not None:
        return f"There is no answer: {question.error.title}"
    if ready is None or model is None or ready.prediction.model != model.name:
        return WAITING
    words = f"“{model.title or model.name}” says {_answer(ready.prediction.first)}."
    maps = [shown for shown in ready.attention if shown.pairs]
    if not maps:
        return f"{words} It weighs no atoms against each other."
    shown = max(maps, key=lambda one: one.pairs[0].weight)
    pair = shown.pairs[0]
    return (
        f"{words} Of {len(ready.attention)} heads, head {shown.head} of {shown.layer} has the "
        f"strongest pair: {atom_name(ready, pair.start)} looks at {atom_name(ready, pair.end)} "
        f"with {pair.weight:.2f}, {pair.distance:.2f} Å away."
    )


def _limit(tour: Tour) -> str:
    from crystalgui.gui.plots.limit import answer_words, turning_words

    question, model = tour.session.evidence.limit, _attentive(tour)
    ready = question.ready
    if tour.no_models:
        return NO_MODEL
    if question.error is not None:
        return f"There is no answer: {question.error.title}"
    if not isinstance(ready, AtomicLimitReady) or model is None:
        return WAITING
    curve = next((one for one in ready.curves if one.model == model.name), None)
    if curve is None:
        return WAITING
    start = answer_words(curve, 0)
    return f"At r = 1 it says {start}; {turning_words(curve, ready.factors)}."


# ---------------------------------------------------------------- the electrons


def _certify(tour: Tour) -> bool:
    if tour.page is None or tour.file is None:
        return False
    tour.listen(tour.page.rooms, "room_built")
    tour.page.rooms.show_room("topology")
    return True


def _certificate(tour: Tour) -> str:
    from crystalgui.core.reports.certificate import index_rows

    if tour.page is None:
        return WAITING
    room, file = tour.page.rooms.room("topology"), tour.file
    if room is None or file is None:
        return WAITING
    if not hasattr(room, "k_points"):
        return "The Topology room could not be opened; the log tells why. The tour goes on."
    tour.listen(room, "k_points")
    certificate = room.card.certificate
    if certificate is None or tour.session.project.current is not file:
        return WAITING
    found = [f"{name}: {value}" for name, value in index_rows(certificate)]
    return f"The certificate says: {'; '.join([certificate.label, *found])}."


# --------------------------------------------------------------------- the rest


def _datasets(tour: Tour) -> str:
    count = len(tour.session.project.datasets)
    if not count:
        return "This project has no data set yet."
    return f"This project has {count} data set{'s' if count > 1 else ''}."


def _experiment(tour: Tour) -> Any:
    """The card of the experiment that is chosen on the page, None before the list is there."""
    return tour.page.card if tour.page is not None else None


def _choose_experiment(tour: Tour) -> bool:
    if tour.page is None:
        return False
    tour.listen(tour.page.state, "listed")
    if _experiment(tour) is None:
        return False
    tour.page.choose(EXPERIMENT)
    return True


def _experiments(tour: Tour) -> str:
    count, chosen = len(tour.session.project.experiments), _experiment(tour)
    if not count or chosen is None:
        return WAITING
    words = f"{count} published experiment{'s' if count > 1 else ''} can be run again"
    if chosen.name != EXPERIMENT:
        return f"{words}."
    return f"{words}. Chosen is “{chosen.title}”: the slider of before, for many crystals."


def _report(tour: Tour) -> str:
    if tour.page is None:
        return WAITING
    tour.listen(tour.page, "drawn")
    return f"The report has {tour.page.card.subtitle}." if tour.page.pages.images else WAITING


STEPS: tuple[Step, ...] = (
    Step(
        title="A crystal",
        text="Hexagonal Gd₂O₃ is the worked example of Nop et al. (2025), and of this tour. It "
        "was opened as any POSCAR or CIF is that you drop on the window. Published: space group "
        "164.",
        page="structure",
        file=CRYSTAL,
        said=_facts,
    ),
    Step(
        title="Look around",
        text="Drag to turn, wheel to zoom; a, b, c and hkl in the head of the picture look along "
        "a direction. Hold Ctrl and click two atoms for their distance, three for an angle, four "
        "for a dihedral.",
        page="structure",
        file=CRYSTAL,
        act=_select_bond,
        said=_measured,
    ),
    Step(
        title="Ask the models",
        text="Every task has its shipped model; the row has all answers. Published for Gd₂O₃: "
        "ferromagnetic, class SEBR (a split elementary band representation, topological), −3.723 "
        "eV/atom. It is not one of the models' test crystals: they may have learned from it.",
        page="classify",
        file=CRYSTAL,
        act=_classify,
        said=_classes,
    ),
    Step(
        title="What an answer rests on",
        text="A network of attention weighs atoms against each other. Choose a head: its "
        "strongest pairs are drawn on the crystal; click an atom to see at what it looks. Heads "
        "are never averaged.",
        page="evidence",
        file=CRYSTAL,
        act=lambda tour: _ask(tour, "attention"),
        said=_attention,
    ),
    Step(
        title="Pull the atoms apart",
        text="Isolated atoms are trivial. Move the slider: every length of the crystal grows by "
        "r, and the curve tells whether the network notices.",
        page="evidence",
        file=CRYSTAL,
        act=lambda tour: _ask(tour, "limit"),
        said=_limit,
    ),
    Step(
        title="Electrons",
        text="Bands need hoppings: this is the model of Kane and Mele, a quantum spin Hall "
        "insulator. Its certificate is computed, not learned, by routes that have to agree; the "
        "tab Bands has gap, zone and slice.",
        page="electronic",
        file=HOPPINGS,
        act=_certify,
        said=_certificate,
    ),
    Step(
        title="Train your own",
        text="Data come from a folder or zip of structures with a table id,label, from images, "
        "or from Hamiltonians made here. Choose a network and start: loss and metrics are live, "
        "and a run can be stopped and resumed.",
        page="train",
        said=_datasets,
    ),
    Step(
        title="Published experiments",
        text="Each one lists what the paper found, what this program found on a machine that is "
        "named, and the minutes that it would take on yours. Run it: it goes on after a cancel "
        "or a crash.",
        page="experiments",
        act=_choose_experiment,
        said=_experiments,
    ),
    Step(
        title="Take it along",
        text="The report holds what you tick: crystals, bands, predictions, model cards, with "
        "the SHA-256 of every input. The preview is the PDF itself. All that was opened on this "
        "tour stays open; Help brings the tour back.",
        page="report",
        said=_report,
    ),
)
"""Nine stops, two minutes."""
