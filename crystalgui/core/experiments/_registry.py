"""The registry of published experiments: a decorator, a discovery and the context of a run.

An experiment is one module of this package with a generator function

    @experiment(ExperimentCard(name=..., title=..., shows=..., paper=..., rows=...,
                               presets={"quick": "...", "paper": "..."},
                               minutes={"quick": 8, "paper": 400}))
    def run(context: Context) -> Generator[Event, None, Results]:
        ...

that yields events (progress, log lines, those of generators it delegates to
with ``yield from``) and returns its `Results`.  The minutes of its card are
the author's; once a run is recorded, its minutes take their place, scaled by
the speed of this machine.  Modules import nothing heavy: torch comes inside
the function.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crystalgui.core import stopping
from crystalgui.core.atomic import write_atomic
from crystalgui.core.cards import ExperimentCard
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.experiments import speed
from crystalgui.core.experiments.results import (
    FIGURES,
    STEPS,
    TABLES,
    Cell,
    Figure,
    Record,
    Results,
    Table,
    records,
    table_text,
)
from crystalgui.core.messages import Event, Progress
from crystalgui.core.plugins import guarded

if TYPE_CHECKING:
    from crystalgui.core.experiments.figures import Draw

NOT_EXPERIMENTS = frozenset({"catalogue", "claims", "figures", "results", "run", "speed"})
_KEY = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(slots=True)
class Context:
    """What a running experiment is given.

    Attributes
    ----------
    preset : str
        One of the card's presets.
    device : {"cpu", "cuda"}
        Never ``"auto"``.
    out : Path
        Folder of the results.
    stop : Flag or None
        Hand it to the generators that are delegated to.
    """

    preset: str
    device: Literal["cpu", "cuda"]
    out: Path
    stop: stopping.Flag | None = None
    clock: Callable[[], float] = field(default=lambda: 0.0)
    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    # ------------------------------------------------------------------ steps

    def done(self, key: str) -> dict[str, Any] | None:
        """What `keep` kept under ``key``, in this run or before it was cut off; else None."""
        try:
            content = json.loads(self._step(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        kept: dict[str, Any] = content["numbers"]
        return kept

    def keep(self, key: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the outcome of a step, in one write, so that a killed run goes on after it.

        ``numbers`` are what JSON can hold, and numpy arrays and numbers,
        which become lists and floats.  Returns what `done` will return.
        """
        content = {"numbers": numbers, "seconds": self.clock()}
        write_atomic(self._step(key), json.dumps(content, default=_plain))
        kept = self.done(key)
        assert kept is not None
        return kept

    def take(
        self, key: str, folder: Path, wanted: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any] | None:
        """Keep here, too, what the run of another experiment in ``folder`` kept under ``key``.

        Its seconds come along.  None when nothing is there, or not what is ``wanted``.
        """
        try:
            text = (folder / STEPS / f"{key}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if not wanted(json.loads(text)["numbers"]):
            return None
        write_atomic(self._step(key), text)
        return self.done(key)

    def folder(self, key: str) -> Path:
        """A folder for the larger things of a step (data sets, checkpoints); made when missing."""
        path = self._step(key).with_suffix("")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _step(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no name of a step: use letters, digits and . + - _")
        return self.out / STEPS / f"{key}.json"

    def check(self) -> None:
        """End here (`errors.Stopped`) when that was asked for; a ``yield`` does it, too."""
        stopping.check(self.stop)

    def progress(self, done: float, total: float, text: str) -> Progress:
        """An event to yield: ``done`` of ``total`` of the whole experiment."""
        return Progress(done=done, total=total, text=text)

    # ---------------------------------------------------------------- outcome

    def table(
        self, name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = ""
    ) -> None:
        """Write ``tables/<name>.csv``; its units belong into the header."""
        file = f"{TABLES}/{name}.csv"
        write_atomic(self.out / file, table_text(header, rows))
        self.tables[name] = Table(name=name, title=title or name, file=file)

    def figure(
        self,
        name: str,
        draw: Draw,
        title: str = "",
        width: float = 340.0,
        height: float = 220.0,
    ) -> None:
        """Write ``figures/<name>.pdf``, ``.png`` and ``-dark.png``.

        Parameters
        ----------
        name, title : str
        draw : callable of (matplotlib Figure, Style)
            Called once for each theme; ``style.axes(figure, rows, columns)``
            gives axes, and ``style`` the colours.
        width, height : float, points
        """
        from crystalgui.core.experiments.figures import write_figure

        write_figure(self.out / FIGURES / name, draw, width, height)
        self.figures[name] = Figure(name=name, title=title or name, stem=f"{FIGURES}/{name}")


def _plain(value: object) -> object:
    """Numpy arrays and numbers as lists and floats, paths as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be kept")


Function = Callable[[Context], Generator[Event, None, Results]]
Estimate = Callable[[str, str, float], float]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A registered experiment: its card as written, and its functions."""

    card: ExperimentCard
    run: Function
    estimate: Estimate | None = None


_EXPERIMENTS: dict[str, Experiment] = {}
_BROKEN: dict[str, ExperimentCard] = {}
_found = False


def experiment(
    card: ExperimentCard, estimate: Estimate | None = None
) -> Callable[[Function], Function]:
    """Decorator: make an experiment known under ``card.name``.

    Parameters
    ----------
    card : ExperimentCard
        ``minutes`` by preset are the author's own on two cores.
    estimate : callable of (preset, device, speed), optional
        Minutes on a machine with that speed (`speed.measure`), where scaling
        a record would mislead.

    Raises
    ------
    DataError
        When another experiment has that name.
    """

    def enter(function: Function) -> Function:
        known = _EXPERIMENTS.get(card.name)
        if known is not None and known.run.__module__ != function.__module__:
            raise DataError(
                f"Two experiments are called {card.name!r}: "
                f"{known.run.__module__} and {function.__module__}.",
                "Rename one of them.",
            )
        _EXPERIMENTS[card.name] = Experiment(card, function, estimate)
        return function

    return enter


def forget(name: str) -> None:
    """Take an experiment out of the registry (a test puts its own in)."""
    _EXPERIMENTS.pop(name, None)


def find(name: str) -> Experiment:
    """The experiment called ``name``.

    Raises
    ------
    DataError
        When there is none, or its module cannot be imported.
    """
    _discover()
    if name in _EXPERIMENTS:
        return _EXPERIMENTS[name]
    if name in _BROKEN:
        raise DataError(
            f"The experiment {name} could not be loaded.", f"Mend this first: {_BROKEN[name].error}"
        )
    known = ", ".join(sorted(_EXPERIMENTS)) or "none"
    raise DataError(f"There is no experiment called {name!r}.", f"Known experiments: {known}.")


def cards(device: str = "cpu") -> tuple[ExperimentCard, ...]:
    """Cards of all experiments with minutes on this ``device`` and what is recorded.

    Greyed cards of experiments that cannot be loaded come last.
    """
    _discover()
    return (*(_dated(e, device) for _, e in sorted(_EXPERIMENTS.items())), *_BROKEN.values())


def _dated(found: Experiment, device: str) -> ExperimentCard:
    """The card with its records and minutes."""
    try:
        kept = records(found.card.name)
    except CrystalError as error:
        return replace(found.card, error=str(error))
    here = {preset: minutes(found, preset, device, kept) for preset in found.card.presets}
    return replace(
        found.card,
        minutes={preset: value for preset, value in here.items() if value is not None},
        recorded=tuple(record.recorded for record in kept),
    )


def minutes(found: Experiment, preset: str, device: str, kept: Sequence[Record]) -> float | None:
    """Estimated minutes of a preset on this machine; None when nothing is known.

    The experiment's own estimate, else the minutes recorded on such a device
    scaled by the speeds, else the author's.
    """
    if found.estimate is not None:
        return found.estimate(preset, device, speed.measure(device))
    for record in kept:
        if (record.preset, record.device) == (preset, device) and record.speed > 0:
            return record.minutes * record.speed / speed.measure(device)
    return found.card.minutes.get(preset)


def _discover() -> None:
    global _found
    if _found:
        return
    _found = True
    package = importlib.import_module(__package__ or "crystalgui.core.experiments")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_") or module.name in NOT_EXPERIMENTS:
            continue
        error = guarded(partial(importlib.import_module, f"{package.__name__}.{module.name}"))
        if error:
            name = module.name.replace("_", "-")
            _BROKEN[name] = ExperimentCard(
                name=name,
                title=name,
                shows="This experiment could not be loaded.",
                paper="",
                error=error,
            )
