"""The only words spoken between window, engine and worker.

Requests (`Job`) flow down, answers (`Event`) flow up; all are frozen and hold
plain values or small arrays, so they can cross a process boundary.  An event
carries the id of its job; the runner stamps it (core generators leave it
empty), and events of unknown jobs are dropped.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crystalgui.core.cards import Card, Scalar, Task, TrainedModel
from crystalgui.core.errors import CrystalError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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


# --------------------------------------------------------------- values


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSpec:
    """How a data set is divided. ``composition`` keeps a formula on one side.

    ``seed`` fixes the test rows; the others form folds of the size of
    ``validation``, and ``fold`` says which of them validates.
    """

    kind: Literal["composition", "random"] = "composition"
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    fold: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """Everything that determines a training run; stored in ``run.json``.

    ``dataset`` is the folder of an imported data set.  ``params`` overrides
    the family's preset.  ``accumulate`` divides a batch over several passes.
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
    class_weights: bool = False
    patience: int = 0
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    device: Device = "auto"
    threads: int = 0
    seed: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What an import found, as shown on the Train page.

    ``problems`` are lines a person can read: unreadable files, missing
    labels, duplicates, conflicts (same crystal, two labels).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row of the Classify page, of predictions.csv and of the report.

    A file that could not be read has ``error`` and nothing else.  For
    regression, ``prediction`` is the number as text with its unit and
    ``probability`` is NaN.
    """

    file: str
    formula: str = ""
    space_group: str = ""
    prediction: str = ""
    probability: float = float("nan")
    probabilities: tuple[tuple[str, float], ...] = ()
    coarse: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""
    model: str = ""


# ------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request. The engine assigns ``job_id`` when it is submitted."""

    job_id: str = ""

    @property
    def title(self) -> str:
        """What the job list shows."""
        return type(self).__name__.removesuffix("Job")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueJob(Job):
    """Import torch and the model families; answer `CatalogueReady`."""

    project: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob(Job):
    """Read structures and labels into a data set of the project."""

    project: Path
    source: Path
    labels: Path
    name: str

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Import {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateJob(Job):
    """Measure a few steps of a recipe; answer `EstimateReady`."""

    recipe: TrainRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob(Job):
    """Train a recipe, or resume ``run_id`` of the project."""

    project: Path
    recipe: TrainRecipe
    run_id: str = ""

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Train {self.recipe.title or self.recipe.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyJob(Job):
    """Classify files, folders and zips with a trained model."""

    paths: tuple[Path, ...]
    model: str
    device: Device = "auto"
    project: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Classify with {self.model}"


REPORT_SECTIONS: dict[str, str] = {
    "structure": "Crystals: drawing, cell, symmetry",
    "bands": "Bands and gaps",
    "slice": "Slice through the zone",
    "topology": "Topology: certificate and Wilson flow",
    "predictions": "Predictions",
    "model": "Model card",
    "versions": "Versions",
}
"""Sections of a report by name, with the words that offer them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportJob(Job):
    """Write a report.

    ``out`` is a folder (report.pdf and predictions.csv go into it) or a file
    whose ending names the one format wanted.  ``crystals`` and ``hoppings``
    are files; ``predictions`` are rows that the Classify page already has and
    ``trained`` the card of the model that made them; ``formats`` is any of
    "pdf", "csv" (in a folder, each certificate of the PDF as a table too);
    ``companions`` are files to read with a hopping file, by its path as text;
    ``sections`` is what goes into the PDF; ``date`` replaces today's date, so
    that reports can be compared byte for byte.
    """

    out: Path
    heading: str = "crystalgui report"
    crystals: tuple[Path, ...] = ()
    hoppings: tuple[Path, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    model: str = ""
    occupied: dict[str, int] = field(default_factory=dict)
    formats: tuple[str, ...] = ("pdf", "csv")
    trained: TrainedModel | None = None
    companions: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    sections: tuple[str, ...] = tuple(REPORT_SECTIONS)
    date: str = ""

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Report {self.out.name}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignJob(Job):
    """Descend from a Hamiltonian to a wanted gap or band; answers `DesignStep`, `DesignReady`.

    ``freedom`` is what may change: the ``"strain"`` of the named ``model``,
    or the ``"hoppings"`` or a Zeeman ``"field"`` of the model or of the file
    ``source`` (with its ``companions``).  ``target`` is ``"gap"`` (direct gap
    of ``value`` eV), ``"close"`` (the gap closes: a phase boundary),
    ``"band"`` (band number ``band``, from 1, lies at ``value`` eV) or
    ``"bands"`` (mean-square distance of all bands from ``reference`` (p, n)
    eV at ``points`` (p, 3) reduced).  ``k`` fixes the k-point of a gap or
    band; None follows the smallest gap.  ``shape`` .. ``bound`` constrain a
    strain (`physics.strain.Allowed`); ``bound`` in eV limits a field.
    ``clip_norm`` 0 does not clip.  ``tolerance`` is in eV.  ``out`` takes the
    designed Hamiltonian (``.hoppings.safetensors``).
    """

    freedom: Literal["strain", "hoppings", "field"] = "strain"
    model: str = ""
    source: Path | None = None
    companions: tuple[Path, ...] = ()
    occupied: int = 0
    target: Literal["gap", "close", "band", "bands"] = "gap"
    value: float = 0.0
    k: tuple[float, float, float] | None = None
    band: int = 1
    points: Floats | None = None
    reference: Floats | None = None
    shape: Literal["free", "in-plane", "along-c", "uniform"] = "free"
    rotations: bool = False
    symmetry: bool = True
    volume: bool = False
    bound: float = 0.15
    optimiser: Literal["plain", "adam"] = "adam"
    learning_rate: float = 2e-3
    clip_norm: float = 1.0
    steps: int = 500
    tolerance: float = 1e-4
    out: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Design {self.model or (self.source.name if self.source else '')}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class HamiltonianSource:
    """A Hamiltonian by name: a file with its companions, or a model with settings."""

    path: Path | None = None
    companions: tuple[Path, ...] = ()
    model: str = ""
    settings: dict[str, Scalar] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """File name, or model and settings."""
        if self.path is not None:
            return self.path.name
        words = ", ".join(f"{key} = {value}" for key, value in self.settings.items())
        return f"{self.model} ({words})" if words else self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureJob(Job):
    """Gap and phase of (1 - x) start + x end, for each strength of noise.

    ``strengths`` are those of `physics.perturb.noise` with ``seed`` and
    ``normalisation`` (``"rms"``: eV; ``"mean"``: of the mean modulus of the
    start); answers `PhasePoints` with x = mixing and y = strength.
    """

    start: HamiltonianSource
    end: HamiltonianSource
    occupied: int = 0
    steps: int = 41
    strengths: tuple[float, ...] = (0.0,)
    seed: int = 0
    normalisation: Literal["rms", "mean"] = "rms"
    labels: bool = True

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Phases from {self.start.name} to {self.end.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMapJob(Job):
    """Phases of a model in the plane of two of its settings.

    ``x`` and ``y`` are (setting, first, last, points); answers `PhasePoints`.
    """

    model: str
    settings: dict[str, Scalar] = field(default_factory=dict)
    x: tuple[str, float, float, int] = ("", 0.0, 1.0, 2)
    y: tuple[str, float, float, int] = ("", 0.0, 1.0, 2)

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Phase diagram of {self.model}"


# -------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An answer; ``job_id`` is stamped by the runner."""

    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """The job left the queue. ``resumable``: a soft stop keeps its work."""

    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """``done`` of ``total`` (0 = unknown), a phrase, seconds left (NaN = unknown)."""

    done: float
    total: float = 0.0
    text: str = ""
    eta: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(Event):
    """A line for the log panel."""

    text: str
    level: Literal["info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueReady(Event):
    """Families, trained models and devices that this machine has."""

    cards: tuple[Card, ...]
    models: tuple[TrainedModel, ...]
    devices: tuple[tuple[str, str], ...] = (("cpu", "CPU"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReady(Event):
    """An import ended well."""

    summary: DatasetSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReady(Event):
    """Measured cost of a recipe: seconds an epoch, peak bytes, parameters."""

    parameters: int
    seconds_per_epoch: float
    memory_bytes: int
    device: str
    sizes: tuple[int, int, int]
    leakage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated(Event):
    """The run has a folder in the store."""

    run_id: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics(Event):
    """Running training loss within an epoch; may be coalesced."""

    run_id: str
    step: int
    epoch: float
    loss: float
    samples_per_second: float
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochMetrics(Event):
    """Metrics after an epoch; never lost. Keys: ``train/loss``, ``val/accuracy`` ..."""

    run_id: str
    epoch: int
    values: dict[str, float]
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionReady(Event):
    """Counts with rows = true class, columns = predicted class."""

    run_id: str
    epoch: int
    split: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted(Event):
    """Some rows are ready; never lost."""

    rows: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """Files of a finished report."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignStep(Event):
    """Where a design is; at most 20 a second.

    ``gap`` eV is the direct gap that is watched, at ``k`` reduced; ``value``
    what the target asks about (that gap, or a band position).  ``strain``
    (3, 3) is T of r -> (1 + T) r; ``field`` (3,) eV; ``change`` eV the rms
    change of the hoppings that are there.  ``bands`` (m, n) eV along the path
    of the Hamiltonian without design.
    """

    step: int
    loss: float
    value: float
    gap: float
    k: tuple[float, float, float]
    strain: Floats
    field: Floats
    change: float
    bands: Floats
    lattice: Floats | None = None
    frac: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignReady(Event):
    """The end of a design; ``reason`` in words, ``reached`` within the tolerance.

    ``gap`` eV is the smallest direct gap of the whole zone at the end, searched
    anew, at ``k``.  ``history`` has a row for every step and the columns
    ``columns``.
    """

    reached: bool
    reason: str
    last: DesignStep
    gap: float
    k: tuple[float, float, float]
    seconds: float
    history: Floats
    columns: tuple[str, ...]
    out: Path | None = None


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
class PhasePoints(Event):
    """Some points of a phase diagram; never lost, a later point replaces an earlier one."""

    points: tuple[PhasePoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Event):
    """Outcome: everything was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """Outcome: the user stopped it; ``run_id`` can be resumed when not empty."""

    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """Outcome: it raised an error."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed(Event):
    """Outcome: the worker process died; a new one is started."""

    error: ErrorInfo
    exit_code: int | None = None


Outcome = Done | Stopped | Failed | Crashed
