"""Trained models on disk: weights in safetensors and a card in JSON.

A folder with ``model.safetensors`` and ``card.json`` is a model.  The card
says everything that is needed to answer (family, parameters, classes,
temperature, what was seen in training) and everything a reader should know
(data, split, seed, metrics, date, licence).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.targets import TQC_COARSE
from crystalgui.core.errors import CrystalError, ModelError
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from crystalgui.core.models._tensors import read_tensors, write_tensors
from crystalgui.core.models.blend import Blend, Part
from crystalgui.core.resources import models_folder

FORMAT = 1
MOST_MEMBERS = 100
MOST_SIZE, MOST_FEATURES = 4096, 2**24
WEIGHTS, CARD = "model.safetensors", "card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What a trained model needs besides its weights.

    Attributes
    ----------
    temperature : float
        Divides the logits; fitted on validation rows.
    mean, std : float
        Of the regression target.
    elements, space_groups : tuple of int
        Seen in training.
    most_atoms : int
        Largest primitive cell seen in training.
    members : int
        Networks whose probabilities (or values) are averaged.
    shape : tuple of int
        Of one input, where the network must know it.
    default : tuple of float
        Answer for crystals that a network cannot read: frequencies of the classes
        in training, or the median target.
    parts : tuple of Part
        What an ensemble of several families is made of; empty for one family.
    blend : Blend
        How its parts make one answer.
    """

    temperature: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    elements: tuple[int, ...] = ()
    space_groups: tuple[int, ...] = ()
    most_atoms: int = 0
    members: int = 1
    shape: tuple[int, ...] = ()
    default: tuple[float, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    blend: Blend = field(default_factory=Blend)


def parts_of(card: TrainedModel, inference: Inference) -> tuple[Part, ...]:
    """What a model is made of: its parts, or itself as the only one."""
    own = Part(
        title=card.name,
        family=card.family,
        params=card.params,
        members=inference.members,
        temperature=inference.temperature,
    )
    return inference.parts or (own,)


def coarse_classes(classes: tuple[str, ...]) -> dict[str, str]:
    """Map of the five TQC classes to semimetal, insulator and trivial; else empty."""
    return dict(TQC_COARSE) if set(classes) == set(TQC_COARSE) else {}


def write_model(
    folder: Path, card: TrainedModel, inference: Inference, members: list[Mapping[str, Tensor]]
) -> TrainedModel:
    """Write a model folder; returns its card with the folder filled in."""
    from crystalgui.core.store.files import write_atomic

    folder.mkdir(parents=True, exist_ok=True)
    card = replace(card, folder=str(folder))
    tensors = {f"{i}.{k}": v for i, member in enumerate(members) for k, v in member.items()}
    meta = {"crystalgui-model": str(FORMAT), "family": card.family, "name": card.name}
    write_tensors(folder / WEIGHTS, tensors, meta)
    plain = {
        "format": FORMAT,
        "card": {**dataclasses.asdict(card), "folder": "", "shipped": False},
        "inference": dataclasses.asdict(replace(inference, members=len(members))),
    }
    write_atomic(folder / CARD, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return card


def read_card(folder: Path) -> tuple[TrainedModel, Inference]:
    """The card of a model folder.

    Raises
    ------
    ModelError
        When there is none, or it is of another version.
    """
    path = Path(folder) / CARD
    try:
        plain = json.loads(path.read_text("utf-8"))
        if plain["format"] != FORMAT:
            raise ModelError(
                f"The model was written by another version of the program "
                f"(format {plain['format']}, this is {FORMAT}).",
                "Train it again, or install the version that wrote it.",
                path=path,
            )
        card = {**plain["card"], "folder": str(folder), "classes": tuple(plain["card"]["classes"])}
        inference = dict(plain["inference"])
        for name in ("elements", "space_groups", "shape", "default"):
            inference[name] = tuple(inference.get(name, ()))
        inference["parts"] = tuple(Part(**part) for part in inference.get("parts", ()))
        blend = {**inference.get("blend", {})}
        for name in ("weights", "bias"):
            blend[name] = tuple(blend.get(name, ()))
        inference["blend"] = Blend(**blend)
        return _sound(TrainedModel(**card), Inference(**inference))
    except OSError as error:
        raise ModelError(
            "This folder holds no trained model (no card.json).",
            "Choose a folder with model.safetensors and card.json.",
            str(error),
            path=folder,
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            "The card of the model is damaged or of another version.",
            "Train the model again, or install the version that wrote it.",
            str(error),
            path=path,
        ) from error


def _sound(card: TrainedModel, inference: Inference) -> tuple[TrainedModel, Inference]:
    """Both as they are; `ValueError` when a value in them is impossible."""
    numbers = (inference.temperature, inference.mean, inference.std)
    if not all(math.isfinite(number) for number in numbers) or inference.temperature <= 0:
        raise ValueError(f"temperature, mean or std is impossible: {numbers}")
    if not all(math.isfinite(number) for number in inference.default) or (
        len(inference.default) not in (0, max(len(card.classes), 1))
    ):
        raise ValueError(f"default answer {inference.default}")
    if not 1 <= inference.members <= MOST_MEMBERS:
        raise ValueError(f"{inference.members} members")
    if parts := inference.parts:
        if sum(part.members for part in parts) != inference.members:
            raise ValueError("the members of its parts are not its members")
        blend = inference.blend
        own = (blend.temperature, *blend.weights, *blend.bias, *(p.temperature for p in parts))
        whole = len(blend.weights) == len(parts) and len(blend.bias) in (0, len(card.classes) or 1)
        if not whole or not all(math.isfinite(number) for number in own):
            raise ValueError(f"its blend is impossible: {blend}")
    if card.task not in ("classification", "regression"):
        raise ValueError(f"task {card.task!r}")
    if card.task == "classification" and len(card.classes) < 2:
        raise ValueError(f"{len(card.classes)} classes")
    sizes = [n for n in inference.shape if isinstance(n, int) and 0 < n <= MOST_SIZE]
    if len(sizes) != len(inference.shape) or math.prod(sizes) > MOST_FEATURES:
        raise ValueError(f"shape {inference.shape}")
    if not isinstance(card.params, dict):
        raise TypeError("params is no mapping")
    return card, inference


def read_model(folder: Path) -> tuple[TrainedModel, Inference, list[Network]]:
    """A model folder, ready to answer on the CPU.

    Raises
    ------
    ModelError
        When weights and card do not belong together, or are damaged.
    """
    card, inference = read_card(folder)
    path = Path(folder) / WEIGHTS
    tensors, meta = read_tensors(path)
    if meta.get("crystalgui-model") != str(FORMAT) or meta.get("family") != card.family:
        raise ModelError(
            "The weights belong to another model or another version of the program.",
            "Use the weights that were written together with this card.",
            f"weights: {meta}; card: {card.family}",
            path=path,
        )
    if not all(bool(t.isfinite().all()) for t in tensors.values() if t.is_floating_point()):
        raise ModelError(
            "The weights hold numbers that are not finite: the training went wrong.",
            "Train the model again, with a smaller learning rate.",
            path=path,
        )
    networks: list[Network] = []
    outputs = max(len(card.classes), 1)
    for part in parts_of(card, inference):
        # Ranges are checked before anything is allocated.
        params, _ = registry.settings(part.family, "", part.params)
        for _ in range(part.members):
            network = registry.build(part.family, outputs, params, inference.shape)
            start = f"{len(networks)}."
            own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            try:
                network.load_state_dict(own)
            except RuntimeError as error:
                raise ModelError(
                    "The weights do not fit the network that the card describes.",
                    "The checkpoint is of another model or version; train it again.",
                    str(error),
                    path=path,
                ) from error
            networks.append(network.eval())
    return card, inference, networks


def shipped() -> list[TrainedModel]:
    """Cards of the models that came with the program; damaged ones are left out.

    The best one for topological classes comes first: it is asked when none is named.
    """
    found = _cards_below(models_folder(), True)
    return sorted(found, key=lambda m: (not m.coarse, -m.metrics.get("accuracy", 0.0)))


def of_project(project: Path) -> list[TrainedModel]:
    """Cards of the models of a project."""
    return _cards_below(Path(project) / ".crystalgui" / "models", False)


def find(name: str, project: Path | None = None) -> Path:
    """Folder of a model by name, or by its own path.

    Raises
    ------
    ModelError
        When there is none of that name.
    """
    folder = Path(name)
    if len(folder.parts) > 1 and folder.is_dir() and not (folder / CARD).is_file():
        raise ModelError(
            "This folder holds no trained model (no card.json).",
            "Choose a folder with model.safetensors and card.json.",
            path=folder,
        )
    if (folder / CARD).is_file():
        return folder
    if folder.suffix == ".safetensors" and (folder.parent / CARD).is_file():
        return folder.parent
    known = shipped() + (of_project(project) if project is not None else [])
    for card in reversed(known):
        if name in (card.name, Path(card.folder).name):
            return Path(card.folder)
    names = ", ".join(c.name for c in known) or "none"
    raise ModelError(
        f"There is no trained model called {name!r}.",
        f"Known models: {names}; a folder with card.json works too.",
    )


def _cards_below(folder: Path, came_with_program: bool) -> list[TrainedModel]:
    found = []
    for path in sorted(folder.glob(f"*/{CARD}")) if folder.is_dir() else []:
        try:
            found.append(replace(read_card(path.parent)[0], shipped=came_with_program))
        except CrystalError:
            continue
    return found
