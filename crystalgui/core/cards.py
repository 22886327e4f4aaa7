"""Cards: everything the program needs to know of a model without torch.

A model family declares one `Card`; forms, the command line, tables, the
contract test and the documentation are all made from it.  Cards are plain
values, so that they can cross from the worker to the window and be cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scalar = bool | int | float | str
Task = Literal["classification", "regression"]
Verdict = Literal["held", "did not hold", "within noise"]
Level = Literal["exact", "approximate", "no"]
INVARIANCES = ("translation", "permutation", "rotation", "supercell", "cell choice")
"""Other descriptions of one crystal: another origin, order of the atoms, orientation, a
multiple of the cell, an equivalent cell of the same size (e.g. Niggli's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One adjustable parameter of a model.

    ``minimum`` and ``maximum`` bound numbers (inclusive); ``choices`` lists
    the allowed strings.  ``unit`` is shown beside the field.
    """

    name: str
    label: str
    default: Scalar
    help: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model family.

    Attributes
    ----------
    name : str
        Registry key, e.g. ``"cgnn"``.
    title : str
        Name shown to people.
    tasks : tuple of {"classification", "regression"}
    inputs : str
        Kinds of input the model eats, with spaces between: ``"crystal"``, ``"image zone"``.
    paper : str
        Author, year, equation or section.
    rows : tuple of str
        Rows of the model reference, e.g. ``("N10",)``.
    summary : str
        Two sentences for the form.
    params : tuple of Param
    presets : mapping of preset name to parameter overrides; ``"small"``
        trains well on two cores, ``"paper"`` has the published sizes.  Keys
        that name optimiser settings of the recipe (``learning_rate``,
        ``batch_size``, ``weight_decay``, ``epochs``) set those.
    symmetries : tuple of str
        Invariances that hold exactly, each tested by the contract test:
        ``"permutation"``, ``"translation"``, ``"rotation"``, ``"supercell"``.
    invariances : mapping of str to {"exact", "approximate", "no"}
        For crystals, whether each of `INVARIANCES` holds with the default
        parameters; what is left out is "exact" where ``symmetries`` has it.
    depends : mapping of str to mapping
        What differs for a value of a parameter: ``{"features=paper": {"rotation": "no"}}``.
    taps : tuple of str
        Names of the attention (or gate) taps; ``heads`` for attention between atoms.
    error : str
        Not empty when the family could not be loaded: the card is greyed.
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    inputs: str
    paper: str
    rows: tuple[str, ...] = ()
    summary: str = ""
    params: tuple[Param, ...] = ()
    presets: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    symmetries: tuple[str, ...] = ()
    invariances: dict[str, Level] = field(default_factory=dict)
    depends: dict[str, dict[str, Level]] = field(default_factory=dict)
    taps: tuple[str, ...] = ()
    error: str = ""

    def reads(self, kind: str) -> bool:
        """Whether it eats inputs of this kind."""
        return kind in self.inputs.split()

    def param(self, name: str) -> Param:
        """The parameter called ``name``; KeyError when there is none."""
        for p in self.params:
            if p.name == name:
                return p
        raise KeyError(name)

    def holds(self, params: Mapping[str, Scalar] | None = None) -> dict[str, Level]:
        """Which of `INVARIANCES` hold with these parameters (the others at their defaults).

        The weakest of what applies counts; empty when the card says nothing of them.
        """
        if not self.invariances:
            return {}
        values = {p.name: p.default for p in self.params} | dict(params or {})
        said: list[Mapping[str, Level]] = [self.invariances]
        for condition, differing in self.depends.items():
            name, _, value = condition.partition("=")
            if str(values.get(name)) == value:
                said.append(differing)
        ranks: tuple[Level, ...] = ("no", "approximate", "exact")
        exact: dict[str, Level] = dict.fromkeys(self.symmetries, "exact")
        found: dict[str, Level] = {}
        for name in INVARIANCES:
            levels = [own[name] for own in said if name in own] or [exact.get(name, "no")]
            found[name] = min(levels, key=ranks.index)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A checkpoint that can answer, as shown in lists and reports.

    Attributes
    ----------
    name : str
        Unique name used by ``--model``, e.g. ``"cgnn-tqc5"``.
    family : str
        Registry key of its `Card`.
    title : str
    folder : str
        Folder that holds ``model.safetensors`` and ``card.json``.
    task : {"classification", "regression"}
    classes : tuple of str
        Class names in output order; empty for regression.
    target : str
        What is predicted, e.g. ``"tqc"``; with ``unit`` for regression.
    metrics : dict
        Measured on its own test split, e.g. ``{"accuracy": 0.83}``.
    data, split, seed, date, licence : str
        Provenance shown on the model card.
    coarse : dict
        Optional map from class to a coarser class (e.g. 5 -> 3 classes).
    shipped : bool
        Whether it came with the program.
    """

    name: str
    family: str
    title: str
    folder: str
    task: Task
    target: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    data: str = ""
    split: str = ""
    seed: int = 0
    date: str = ""
    licence: str = ""
    parameters: int = 0
    params: dict[str, Scalar] = field(default_factory=dict)
    coarse: dict[str, str] = field(default_factory=dict)
    notes: str = ""
    shipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number of an experiment beside the published one.

    ``published`` is NaN where the paper gives none; ``spread`` is the standard
    deviation over the repeats.
    """

    name: str
    value: float
    spread: float = float("nan")
    published: float = float("nan")
    published_spread: float = float("nan")
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a paper says, and whether the numbers of an experiment bear it out.

    ``numbers`` are the differences that decided, and the noise beside them.
    """

    text: str
    verdict: Verdict
    numbers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run of an experiment whose results are kept with the program.

    ``command`` repeats it; ``differs`` says in sentences what is not as in
    the paper.
    """

    preset: str
    device: str
    date: str
    minutes: float
    command: str
    numbers: tuple[Measured, ...] = ()
    differs: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentCard:
    """A published experiment, as the list and the page of experiments show it.

    Attributes
    ----------
    name : str
        Registry key, e.g. ``"bitei-perturbed"``.
    title, shows : str
        Heading, and one or two sentences: what it shows.
    paper : str
        Author, year, section, tables.
    rows : tuple of str
        Rows of the model reference.
    presets : dict
        Name to a sentence on its size.
    minutes : dict
        Name of a preset to its estimated minutes on this machine.
    recorded : tuple of Recorded
    error : str
        Not empty when it could not be loaded: the card is greyed.
    """

    name: str
    title: str
    shows: str
    paper: str
    rows: tuple[str, ...] = ()
    presets: dict[str, str] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    recorded: tuple[Recorded, ...] = ()
    error: str = ""
