"""Values that requests and answers carry: recipes, summaries, errors as text."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crystalgui.core.cards import Scalar, Task
from crystalgui.core.errors import CrystalError

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An error as text: what happened, what to do, details for the log.

    ``kind`` lets the window offer the right retry: ``"input"``,
    ``"memory"``, ``"nan"``, ``"device"`` or ``"internal"``.
    """

    title: str
    hint: str = ""
    details: str = ""
    kind: Literal["input", "memory", "nan", "device", "internal"] = "internal"

    @classmethod
    def of(cls, error: BaseException) -> ErrorInfo:
        """Describe any exception; a traceback goes into ``details`` only."""
        if isinstance(error, CrystalError):
            head = f"{error.where}: {error.title}" if error.where else error.title
            return cls(title=head, hint=error.hint, details=error.details, kind=error.kind)
        text = "".join(traceback.format_exception(error))
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return cls(
                title="Not enough memory for this job.",
                hint="Choose a smaller batch or a smaller model and try again.",
                details=text,
                kind="memory",
            )
        return cls(
            title=f"Unexpected {type(error).__name__}: {error}",
            hint="The details are in the log; nothing that was open is lost.",
            details=text,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSpec:
    """How a data set is divided.

    ``composition`` keeps a formula on one side; ``given`` takes the test rows
    that the data set itself names (data sets of Hamiltonians do); ``family``
    tests on the family ``left_out`` alone, ``element`` on all crystals that
    hold the element ``left_out``, ``prototype`` on those of the prototype
    ``left_out``, or without one keeps every prototype on one side.  ``random``
    is for comparing with published numbers.  ``seed`` fixes the test rows; the
    others form folds of the size of ``validation``, and ``fold`` says which of
    them validates.
    """

    kind: Literal["composition", "random", "given", "family", "element", "prototype"] = (
        "composition"
    )
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    fold: int = 0
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """Everything that determines a training run; stored in ``run.json``.

    ``dataset`` is the folder of an imported data set.  ``params`` overrides
    the family's preset.  ``accumulate`` divides a batch over several passes.
    ``cost`` is what is minimised: cross-entropy, focal loss, or minus the
    differentiable, class-normalised trace of the confusion matrix;
    ``resample`` draws the classes equally often.  ``replicas`` networks with
    seeds ``seed``, ``seed + 1`` ... are trained together as one batch; they see
    the rows in one order, that of ``seed``, and differ by their initial weights.
    ``rolling`` is the degree of rolling of images and zones: in training and in
    evaluation every sample is shifted periodically by up to so many points
    along each axis, anew in each batch (Bird 2023, section 2.10).
    ``expanded`` is the share of the training crystals that are seen a second
    time with their atoms pulled apart and the label of the trivial phase
    (Nop et al. 2025, Figs. 1 and 2).  ``patience`` ends training after so many
    epochs without a better one, ``until`` when the accuracy on the training
    rows reaches it (0: neither).
    """

    model: str
    dataset: Path
    preset: str = "small"
    params: dict[str, Scalar] = field(default_factory=dict)
    split: SplitSpec = field(default_factory=SplitSpec)
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: float = 0.05
    clip_norm: float = 1.0
    accumulate: int = 1
    ema: float = 0.0
    cost: Literal["cross-entropy", "focal", "trace"] = "cross-entropy"
    class_weights: bool = False
    resample: bool = False
    replicas: int = 1
    rolling: int = 0
    expanded: float = 0.0
    patience: int = 0
    until: float = 0.0
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    device: Device = "auto"
    threads: int = 0
    seed: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepNetwork:
    """One of the networks that a sweep compares; ``group`` puts curves into one panel."""

    title: str
    model: str
    preset: str = ""
    params: dict[str, Scalar] = field(default_factory=dict)
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecipe:
    """Many networks over degrees of rolling and repeats, kept as one run.

    Every network is trained ``repeats`` times for each of ``rollings``, with
    what ``base`` says (its ``model``, ``preset``, ``params``, ``rolling`` and
    ``replicas`` are not used) and seeds ``base.seed``, ``base.seed + 1`` ...
    ``train`` and ``test`` limit the rows (0: all); fewer are drawn by the seed,
    every class as often as in the whole.
    """

    title: str
    base: TrainRecipe
    networks: tuple[SweepNetwork, ...]
    rollings: tuple[int, ...] = (0,)
    repeats: int = 3
    train: int = 0
    test: int = 0

    @property
    def size(self) -> int:
        """Networks that are trained."""
        return len(self.networks) * len(self.rollings) * self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What an import found, as shown on the Train page.

    ``problems`` are lines a person can read: unreadable files, missing
    labels, duplicates, conflicts (same crystal, two labels).  ``kind`` says
    which networks can learn it: crystals, cropped hoppings of one crystal,
    Brillouin zones of any, or images.  ``apart`` samples have no certified label and are
    kept out of training.  ``families`` are what a test can leave out.  ``shape``
    is that of one input, (channels, n1, ...), where all have the same; (channels,)
    for zones, whose mesh is free.  ``edition`` is what every result must say of
    the source, e.g. that its images are a lossy JPEG edition.  ``elements`` and
    the commonest ``prototypes`` of crystals can be left out of training, too;
    ``removed`` counts by reason what was taken out to purify the data set.
    """

    name: str
    folder: Path
    task: Task
    target: str
    size: int
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    formulas: int = 0
    duplicates: int = 0
    conflicts: int = 0
    unreadable: int = 0
    problems: tuple[str, ...] = ()
    digest: str = ""
    kind: Literal["crystals", "hoppings", "zones", "images"] = "crystals"
    apart: int = 0
    families: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    edition: str = ""
    elements: tuple[str, ...] = ()
    prototypes: tuple[str, ...] = ()
    removed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one model says of one crystal.

    Attributes
    ----------
    model, target : str
        Name of the trained model, and what it predicts.
    prediction : str
        The class, or the number as text with its unit.
    value : float
        The number, in the target's unit; NaN for a class.
    probability : float
        Of the predicted class; NaN for a number.
    probabilities, coarse : tuple of (name, probability)
        The largest first; ``coarse`` of coarser classes where the model has them.
    spread : float
        Standard deviation over the members of an ensemble, of the probability
        of the predicted class or of the value; NaN for a single network.
    default : bool
        Whether the crystal is beyond what the model can read, so that this is
        the answer of the baseline.
    """

    model: str
    target: str = ""
    prediction: str = ""
    value: float = float("nan")
    probability: float = float("nan")
    probabilities: tuple[tuple[str, float], ...] = ()
    coarse: tuple[tuple[str, float], ...] = ()
    spread: float = float("nan")
    default: bool = False


NO_ANSWER = Answer(model="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One crystal: a row of the Classify page, of predictions.csv and of the report.

    A file that could not be read has ``error`` and nothing else.  Several
    models give several ``answers``, in their order; ``prediction`` and what
    else is asked of the row itself are those of the first.  ``atoms`` are those
    of a primitive cell; 0 where a table does not tell.
    """

    file: str
    formula: str = ""
    space_group: str = ""
    answers: tuple[Answer, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""
    atoms: int = field(default=0, compare=False)

    @property
    def first(self) -> Answer:
        """The answer of the first model; an empty one where there is none."""
        return self.answers[0] if self.answers else NO_ANSWER

    @property
    def prediction(self) -> str:
        """Of the first model."""
        return self.first.prediction

    @property
    def probability(self) -> float:
        """Of the first model."""
        return self.first.probability

    @property
    def probabilities(self) -> tuple[tuple[str, float], ...]:
        """Of the first model."""
        return self.first.probabilities

    @property
    def coarse(self) -> tuple[tuple[str, float], ...]:
        """Of the first model."""
        return self.first.coarse

    @property
    def model(self) -> str:
        """Name of the first model."""
        return self.first.model


@dataclass(frozen=True, slots=True, kw_only=True)
class HamiltonianSource:
    """A Hamiltonian by name: a file with its companions, or a model with settings.

    ``part`` ``"spinless"`` is the real mean of its two spin blocks, the start
    of the spin-orbit path (`physics.perturb.spin_orbit_path`).
    """

    path: Path | None = None
    companions: tuple[Path, ...] = ()
    model: str = ""
    settings: dict[str, Scalar] = field(default_factory=dict)
    part: Literal["whole", "spinless"] = "whole"

    @property
    def name(self) -> str:
        """File name, or model and settings."""
        if self.path is not None:
            return self.path.name
        words = ", ".join(f"{key} = {value}" for key, value in self.settings.items())
        return f"{self.model} ({words})" if words else self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePoint:
    """A point of a phase diagram: smallest direct gap (eV), its reduced k, the phase.

    An empty ``label`` says that only the gap is known so far.
    """

    x: float
    y: float
    gap: float
    k: tuple[float, float, float]
    label: str = ""
    status: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDataRecipe:
    """Everything that determines a data set of Hamiltonians of one crystal with phases.

    Sample i is H = (1 - a) start + a end + noise, with a uniform in ``alpha``
    and a noise of its own, both drawn from ``seed`` and i alone (rows B05-B08).
    ``strength``, ``normalisation``, ``envelope`` and ``mode`` are those of
    `physics.perturb.noise`; strength 0 is the unperturbed set.  ``train`` and
    ``test`` count labelled samples.  ``gap_tolerance`` is in eV.  ``notes``
    are sentences for the data card, e.g. what differs from a paper.
    """

    name: str
    start: HamiltonianSource
    end: HamiltonianSource
    occupied: int = 0
    train: int = 5400
    test: int = 600
    alpha: tuple[float, float] = (0.0, 1.0)
    strength: float = 0.0
    normalisation: Literal["rms", "mean"] = "rms"
    envelope: Literal["flat", "hoppings"] = "flat"
    mode: Literal["time-reversal", "paper-literal"] = "time-reversal"
    gap_tolerance: float = 1e-4
    seed: int = 0
    title: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDataRecipe:
    """Everything that determines a data set of Brillouin zones of many Hamiltonians.

    ``families`` name the generators (`datasets.hamiltonians.families`), each
    of which gives ``samples`` certified Hamiltonians with random settings;
    each is sampled on ``mesh`` points along every reciprocal vector (eq. 13 of
    Bird 2023) and kept as gauge-invariant descriptors.
    """

    name: str
    families: tuple[str, ...] = ()
    samples: int = 200
    mesh: int = 8
    seed: int = 0
    title: str = ""
