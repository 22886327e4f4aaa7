"""Answers: what jobs yield on their way and at their end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crystalgui.core.cards import Card, ExperimentCard, TrainedModel
from crystalgui.core.messages.values import DatasetSummary, ErrorInfo, PhasePoint, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


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
    experiments: tuple[ExperimentCard, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReady(Event):
    """An import ended well."""

    summary: DatasetSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReady(Event):
    """Measured cost of a recipe: seconds an epoch, peak bytes, parameters.

    ``leakage`` counts what is on both sides of the split, ``prototypes`` is the
    share of test crystals whose prototype is trained on; NaN for other data.
    """

    parameters: int
    seconds_per_epoch: float
    memory_bytes: int
    device: str
    sizes: tuple[int, int, int]
    leakage: int
    prototypes: float = float("nan")


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
class Spread:
    """Distributions of a quantity, one for each layer.

    ``mean`` and ``std`` (L,), ``quantiles`` (L, 5) at 5, 25, 50, 75 and 95 %.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionReady(Event):
    """How attention is spread in a network, after an epoch; never lost.

    ``measure`` says what is told: the weights of read-outs, each by itself
    (``sigmoid``) or shared out among all (``softmax``), or the weights of
    ``heads``, of one atom on another; empty where an older version did not say.

    Over the samples that were looked at: ``mean`` and ``std`` (L,) of the
    attention of each of ``layers``, and its ``quantiles`` (L, 5) at 5, 25, 50,
    75 and 95 %.  ``saturated`` (L,) are those that are at the ``least`` or the
    ``most`` that they can be for every sample alike (Bird 2023, Fig. 28).
    ``floor`` is the epsilon of eps + (1 - eps) sigma.  ``network`` says which
    network of a sweep it is, empty where there is one.

    Heads are layers of their own, ``layer 2, head 3``; they have neither ends
    nor floor and are never saturated.  ``entropy`` is that of each row by the
    logarithm of the number of what it may look at: 0 looks at one, 1 at all
    alike.  ``single`` (L,) are heads that look at one alone in every row of
    every crystal, ``alike`` (L,) those that look at all alike; ``lost`` (L,)
    is the mean weight on padding, which counts nowhere else.
    """

    run_id: str
    epoch: int
    layers: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]
    saturated: tuple[bool, ...]
    samples: int
    floor: float = 0.0
    least: float = 0.0
    most: float = 1.0
    network: str = ""
    measure: Literal["", "sigmoid", "softmax", "heads"] = ""
    entropy: Spread | None = None
    single: tuple[bool, ...] = ()
    alike: tuple[bool, ...] = ()
    lost: tuple[float, ...] = ()

    @property
    def weights(self) -> Spread:
        """Distributions of the weights."""
        return Spread(mean=self.mean, std=self.std, quantiles=self.quantiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientsReady(Event):
    """Gradients inside the layers of a network, from input to output, after an epoch; never lost.

    ``norm`` (L,) is the root mean square of the gradient of the cost by the
    activations, ``homogeneous`` (L,) the share of its square that is the same
    at every point of a sample and channel (the first part of eq. 20 of Bird
    2023), NaN where there is one point only, ``alike`` (L,) the mean modulus of
    the cosine between the gradients of the kernels of the layer: 1 means that
    all of them learn the same up to a factor; NaN for layers without kernels.
    ``network`` as in `AttentionReady`.
    """

    run_id: str
    epoch: int
    layers: tuple[str, ...]
    norm: tuple[float, ...]
    homogeneous: tuple[float, ...]
    alike: tuple[float, ...]
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint(Event):
    """One trained network of a sweep: its accuracy and cost on the test rows; never lost."""

    run_id: str
    network: str
    rolling: int
    repeat: int
    accuracy: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariancePoint(Event):
    """Accuracy and mean cost of each member of a model at a degree of rolling; never lost.

    ``changed`` is the share of answers that differ from those without rolling;
    ``samples`` rows were asked, each rolled several times.
    """

    rolling: int
    accuracy: tuple[float, ...]
    cost: tuple[float, ...]
    changed: float = 0.0
    samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerErrors(Event):
    """Equivariance error by layer: |f(T x) - T' f(x)| / |f(x)|, mean over samples and shifts."""

    layers: tuple[str, ...]
    error: tuple[float, ...]


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
class PhasePoints(Event):
    """Some points of a phase diagram; never lost, a later point replaces an earlier one."""

    points: tuple[PhasePoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDataProgress(Event):
    """How many samples of each phase there are so far; a later one replaces an earlier one."""

    done: int
    total: int
    counts: tuple[tuple[str, int], ...]
    certificates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckPoint(Event):
    """Reconstruction error of an autoencoder, as a share of the variance; never lost."""

    width: int
    train_error: float
    test_error: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhaseAnswer(Event):
    """What a network says of a Hamiltonian.

    ``probabilities`` are (phase, probability), calibrated on validation data,
    largest first.  ``evidence`` (n1, n2, n3) float32, in [0, 1], says how much
    the answer rests on the neighbourhood of k = (2 a - n) / 2 n (reduced,
    eq. 13 of Bird 2023), by ``method``.  ``warnings`` are sentences, e.g. that
    the mesh is odd or that nothing like it was in the training data.
    """

    model: str
    title: str
    probabilities: tuple[tuple[str, float], ...]
    evidence: Floats
    method: Literal["gradient", "occlusion"] = "occlusion"
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentReady(Event):
    """An experiment ended; ``folder`` holds results.json, tables and figures."""

    name: str
    preset: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomPair:
    """How much one atom looks at another, in one head of one layer.

    ``start`` looks at ``end`` (atoms of the file's cell) with ``weight``;
    ``distance`` in Angstrom is that of the nearest images of ``end``, and
    ``images`` are all of them, as whole cells to add to its coordinates.
    Attention does not tell images of an atom apart: the weight is of all.
    """

    start: int
    end: int
    weight: float
    distance: float
    images: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttentionMap:
    """Who looks at whom in one head of one layer; nothing is averaged.

    Attributes
    ----------
    layer : str
        E.g. ``"layer 1"``, ``"pooling"``.
    head : int
        From 1.
    queries, keys : {"atoms", "seeds", "points"}
        What looks, and at what. Seeds pool the crystal, points induce.
    matrix : (q, k) float32
        Rows sum to 1. Where queries or keys are atoms, it has one row or column for
        each token: `ExplainReady.over_atoms` gives it for the atoms of the cell.
        Empty, (0, 0), where a large crystal has too many numbers to be sent.
    entropy : (q,) float64
        Of each row in nats, counted over atoms of the cell: 0 looks at one, ``most`` at
        all alike.
    mean : float
        Mean of the entropy over the atoms of the cell, or over seeds or points.
    most : float
    lost : float
        Mean share that falls on padding; 0 for masked networks.
    pairs : tuple of AtomPair
        The strongest between different atoms, where atoms look at atoms.
    """

    layer: str
    head: int
    queries: Literal["atoms", "seeds", "points"]
    keys: Literal["atoms", "seeds", "points"]
    matrix: Floats
    entropy: Floats
    mean: float
    most: float
    lost: float = 0.0
    pairs: tuple[AtomPair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Saliency:
    """How the answer is shared among the atoms of the file's cell.

    What is shared is ``answer - reference``: the logarithm of the probability
    of the class asked about (nats), or the value in the unit of the target.
    ``values`` (n,) of the atoms add up to ``total``.

    ``"occlusion"``: Shapley values (Lundberg, Lee 2017): elements are replaced
    by others, orbit by orbit in random orders; ``reference`` is the mean
    answer with all replaced, ``error`` (n,) the standard error of a value, and
    the sum is exact.  ``"gradient"``: integrated gradients (Sundararajan, Taly,
    Yan 2017) by the vectors of the atoms, from zero to their own;
    ``reference`` is the answer when they are zero and all else is as it is,
    and the sum is as exact as the quadrature.
    """

    method: Literal["occlusion", "gradient"]
    by: Literal["orbits", "elements", "atoms"]
    values: Floats
    error: Floats
    answer: float
    reference: float
    total: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainReady(Event):
    """What the answer of a model for one crystal rests on.

    Attributes
    ----------
    prediction : Prediction
        The row of the Classify page.
    asked : str
        Class whose probability is explained; empty for values.
    unit : str
        Of the saliency: ``"nat"``, or the unit of the target.
    lattice : (3, 3) float64, Angstrom, rows
    frac : (n, 3) float64
    species : (n,) int64
        The cell of the file; every atom index below counts these.
    token : (n,) int64
        Row and column of each atom in matrices between atoms: orbits share one.
    saliency : Saliency
    attention : tuple of AttentionMap
        Of network ``member`` alone, layer by layer and head by head; empty for models
        without attention.
    member, members : int
        Which network's attention it is (from 0), of how many.
    warnings : tuple of str
    """

    prediction: Prediction
    asked: str
    unit: str
    lattice: Floats
    frac: Floats
    species: NDArray[np.int64]
    token: NDArray[np.int64]
    saliency: Saliency
    attention: tuple[AttentionMap, ...] = ()
    member: int = 0
    members: int = 1
    warnings: tuple[str, ...] = ()

    def over_atoms(self, shown: AttentionMap) -> Floats:
        """The matrix of a map with a row or column for each atom of the cell.

        An atom looks as its orbit does, and what falls on an orbit is shared
        by its atoms, so rows still sum to 1.
        """
        matrix = shown.matrix
        if not matrix.size:
            return matrix
        if shown.queries == "atoms":
            matrix = matrix[self.token]
        if shown.keys == "atoms":
            alike = (self.token[:, None] == self.token).sum(0)
            matrix = matrix[:, self.token] / alike
        return matrix


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimitCurve:
    """What a model says of a crystal while its atoms are pulled apart.

    Attributes
    ----------
    model, target, unit : str
    classes : tuple of str
        Empty for a value.
    values : (f, k) float64
        Probabilities of the classes, or (f, 1) values, for each factor.
    trivial : str
        The class of the atomic limit; empty where the classes know none.
    turns : float
        Factor from which on the answer is trivial; NaN when it does not stay so.
    """

    model: str
    target: str
    unit: str
    classes: tuple[str, ...]
    values: Floats
    trivial: str
    turns: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AtomicLimitReady(Event):
    """The atomic limit of a crystal: ``factors`` (f,) of every length, a curve a model.

    ``lattice`` (3, 3) in Angstrom, ``frac`` (n, 3) and ``species`` (n,) are the
    crystal at factor 1.
    """

    file: str
    factors: Floats
    curves: tuple[LimitCurve, ...]
    lattice: Floats
    frac: Floats
    species: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """A crystal of a data set that lies near an example in the latent space of a model.

    ``distance`` is in standard deviations of the data set, per latent dimension.
    ``same`` says that it is the example itself, or one of its composition and space group.
    """

    id: str
    formula: str
    space_group: int
    label: str
    prediction: str
    distance: float
    same: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarReady(Event):
    """The nearest crystals of a data set, the nearest first.

    ``typical`` is the median distance of a crystal of the data set to its nearest
    neighbour, to read the distances by.
    """

    file: str
    model: str
    dataset: str
    prediction: Prediction
    found: tuple[Similar, ...]
    typical: float
