"""Requests: what the window and the command line ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crystalgui.core.cards import Scalar, TrainedModel
from crystalgui.core.messages.values import (
    Device,
    HamiltonianSource,
    PhaseDataRecipe,
    Prediction,
    SweepRecipe,
    TrainRecipe,
    ZoneDataRecipe,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


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
    """Read structures and labels, or images without ``labels``, into a data set of the project.

    ``size`` scales and crops images to so many points along both sides (0: as they are).
    ``derive`` names another target that follows from the labels, or from the
    structures (`datasets.targets.DERIVED`).  ``purify`` takes out crystals with
    ``atoms`` or more atoms in the primitive cell, doubles and contradictions.
    """

    project: Path
    source: Path
    name: str
    labels: Path | None = None
    size: int = 0
    derive: str = ""
    purify: bool = False
    atoms: int = 60

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
class SweepJob(Job):
    """Train the networks of a sweep as one run, or resume ``run_id``; answers `SweepPoint`."""

    project: Path
    recipe: SweepRecipe
    run_id: str = ""

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Sweep {self.recipe.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceJob(Job):
    """Measure how a trained model answers when its inputs are rolled.

    Answers `InvariancePoint` for each of ``rollings`` and `LayerErrors`.
    ``samples`` of the test rows are used (0: all), each rolled ``draws``
    times; ``out`` takes the report (CSV, JSON and figures).
    """

    model: str
    dataset: Path
    rollings: tuple[int, ...] = (0, 1, 2, 4, 8)
    draws: int = 4
    samples: int = 1000
    seed: int = 0
    device: Device = "auto"
    project: Path | None = None
    out: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Invariance of {self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyJob(Job):
    """Classify files, folders and zips with one or more trained models; answers `Predicted`.

    ``out`` is a table that is written while the rows come; a job that was cut
    off goes on where its table ends.  ``scheduler`` is the address of a Dask
    scheduler whose workers do the work, e.g. ``tcp://10.0.0.5:8786``.
    """

    paths: tuple[Path, ...]
    models: tuple[str, ...]
    device: Device = "auto"
    project: Path | None = None
    out: Path | None = None
    scheduler: str = ""

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Classify with {', '.join(self.models)}"


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
class MixtureJob(Job):
    """Gap and phase of (1 - x) start + x end, for each strength of noise.

    ``strengths`` are those of `physics.perturb.noise` with ``seed``, ``envelope``
    and ``normalisation`` (``"rms"``: eV; ``"mean"``: of the mean modulus of the
    start); answers `PhasePoints` with x = mixing and y = strength.
    """

    start: HamiltonianSource
    end: HamiltonianSource
    occupied: int = 0
    steps: int = 41
    strengths: tuple[float, ...] = (0.0,)
    seed: int = 0
    normalisation: Literal["rms", "mean"] = "rms"
    envelope: Literal["flat", "hoppings"] = "flat"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDataJob(Job):
    """Make a data set of Hamiltonians, or go on with one that was cut off.

    It lies in the folder ``out``, or under its name in the ``project``.
    ``processes`` 0 is one a core.  Answers `PhaseDataProgress` on the way and
    `DatasetReady`.
    """

    recipe: PhaseDataRecipe | ZoneDataRecipe
    project: Path | None = None
    out: Path | None = None
    processes: int = 0

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Make {self.recipe.title or self.recipe.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckJob(Job):
    """Intrinsic dimension of a data set by autoencoders with ``widths`` neurons in the middle.

    Answers `BottleneckPoint` for each width.
    """

    dataset: Path
    widths: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    samples: int = 2000
    epochs: int = 60
    seed: int = 0

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Intrinsic dimension of {self.dataset.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseAnswerJob(Job):
    """Ask a network of Brillouin zones for the phase of a Hamiltonian; answers `PhaseAnswer`.

    ``model`` is the name of a trained model, empty for the shipped one.
    ``occupied`` 0 takes the filling that the Hamiltonian is known to have.
    """

    source: HamiltonianSource
    occupied: int = 0
    model: str = ""
    method: Literal["gradient", "occlusion"] = "occlusion"
    device: Device = "auto"
    project: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Phase of {self.source.name} by a network"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentJob(Job):
    """Run a published experiment into the folder ``out``, or go on with it; `ExperimentReady`.

    ``fresh`` first removes what an earlier run of it left there.
    """

    name: str
    out: Path
    preset: str = "quick"
    device: Device = "auto"
    fresh: bool = False

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Experiment {self.name} ({self.preset})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainJob(Job):
    """Ask a trained model what its answer for one crystal rests on; answers `ExplainReady`.

    ``path`` is a structure file, or a folder or zip of which ``entry`` names
    one.  ``method`` is how the answer is shared among the atoms and ``by``
    what is replaced at once; ``parity`` replaces elements only by those of the
    same parity, which leaves the electron count even or odd.  ``asked`` is the
    class whose probability is explained, the predicted one without.  ``member``
    is the network whose attention is shown.  ``seed`` is of the replacements.
    """

    path: Path
    model: str
    entry: str = ""
    method: Literal["occlusion", "gradient"] = "occlusion"
    by: Literal["orbits", "elements"] = "orbits"
    parity: bool = False
    asked: str = ""
    member: int = 0
    seed: int = 0
    device: Device = "auto"
    project: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"What {self.model} knows of {self.entry or self.path.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomicLimitJob(Job):
    """Pull the atoms of a crystal apart and ask again; answers `AtomicLimitReady`.

    Every length is multiplied by each of ``factors`` (Nop et al. 2025, Figs. 1
    and 2).  ``path`` is a structure file, or a folder or zip of which
    ``entry`` names one.
    """

    path: Path
    models: tuple[str, ...]
    entry: str = ""
    factors: tuple[float, ...] = tuple(1 + 0.1 * i for i in range(41))
    device: Device = "auto"
    project: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Atomic limit of {self.entry or self.path.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarJob(Job):
    """Find the crystals of a data set that a model sees as most alike; answers `SimilarReady`.

    ``path`` and ``entry`` name the example as in `AtomicLimitJob`; ``dataset``
    is the folder of an imported data set; ``count`` are found.
    """

    path: Path
    model: str
    dataset: Path
    entry: str = ""
    count: int = 12
    device: Device = "auto"
    project: Path | None = None

    @property
    def title(self) -> str:
        """What the job list shows."""
        return f"Crystals like {self.entry or self.path.name}"
