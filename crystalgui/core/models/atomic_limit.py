"""The atomic limit: a crystal whose atoms are pulled apart must become trivial.

Nop et al. (2025), Figs. 1 and 2: every length of a crystal C is multiplied by
r, rC.  For large r the atoms do not see each other, so its bands are those of
isolated orbitals and the phase is the trivial one.  A network that learned the
labels of a database knows no such crystals; whether it turns trivial says
what it has learned: lengths, or only composition and symmetry.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.reading import named
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.datasets.targets import trivial_class
from crystalgui.core.errors import DataError
from crystalgui.core.messages import AtomicLimitJob, AtomicLimitReady, Event, LimitCurve, Progress
from crystalgui.core.models.predict import Classifier

Floats = NDArray[np.float64]
MOST = 10.0


def expanded(record: Record, factor: float) -> Record:
    """The crystal with every length multiplied; its symmetry stays."""
    crystal = replace(record.crystal, lattice=record.crystal.lattice * factor)
    return replace(record, crystal=crystal)


def curve(classifier: Classifier, record: Record, factors: Sequence[float]) -> LimitCurve:
    """What a model says of a crystal at each factor."""
    table = Records.stack([f"{f:g}" for f in factors], [expanded(record, f) for f in factors])
    values = classifier.outputs(table)
    card = classifier.card
    trivial = trivial_class(card.classes)
    turns = float("nan")
    if trivial:
        is_trivial = values.argmax(1) == card.classes.index(trivial)
        turns = turning_point(np.asarray(factors, np.float64), is_trivial)
    return LimitCurve(
        model=card.name,
        target=card.target,
        unit=card.unit,
        classes=card.classes,
        values=values,
        trivial=trivial,
        turns=turns,
    )


def turning_point(factors: Floats, is_trivial: NDArray[np.bool_]) -> float:
    """The factor from which on all answers are trivial; NaN where the last is not."""
    if not is_trivial[-1]:
        return float("nan")
    others = np.flatnonzero(~is_trivial)
    return float(factors[others[-1] + 1 if len(others) else 0])


def share_trivial(classifier: Classifier, records: Records, factors: Sequence[float]) -> Floats:
    """Share of some crystals that a model calls trivial at each factor.

    Returns
    -------
    (f,) float64

    Raises
    ------
    DataError
        When its classes know no trivial phase.
    """
    trivial = trivial_class(classifier.card.classes)
    if not trivial:
        raise DataError(
            f"{classifier.card.title} does not tell phases, so none is trivial.",
            "Choose a model of topological classes.",
        )
    number = classifier.card.classes.index(trivial)
    shares = []
    for factor in factors:
        scaled = replace(records, lattice=records.lattice * factor)
        shares.append(float((classifier.outputs(scaled).argmax(1) == number).mean()))
    return np.array(shares)


def atomic_limit(job: AtomicLimitJob) -> Generator[Event, None, None]:
    """Pull a crystal apart; yields `Progress` and one `AtomicLimitReady`.

    Raises
    ------
    ModelError, ResourceError
        When a model cannot be used.
    DataError, FileError
        When there is no such crystal, it cannot be read, or a factor is impossible.
    """
    factors = np.array(job.factors, np.float64)
    if not len(factors) or not ((factors > 0) & (factors <= MOST)).all():
        raise DataError(
            "A crystal cannot be scaled by these factors.", f"Give numbers above 0, up to {MOST:g}."
        )
    name, read = named(job.path, job.entry)
    record = describe(read())
    curves = []
    for i, model in enumerate(job.models):
        yield Progress(done=i, total=len(job.models), text=f"Asking {model}")
        classifier = Classifier.load(model, job.device, job.project)
        curves.append(curve(classifier, record, factors.tolist()))
    yield AtomicLimitReady(
        file=name,
        factors=factors,
        curves=tuple(curves),
        lattice=record.crystal.lattice,
        frac=record.crystal.frac,
        species=record.crystal.species,
    )
