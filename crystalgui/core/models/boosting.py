"""Boosted trees on composition, symmetry and electron counts.

Claussen, Bernevig, Regnault (2020), "Detection of topological materials with
machine learning", Phys. Rev. B 101, 245117: gradient boosted trees on the
composition, the space group and the electron count find most topological
classes without a band structure.  The ``paper`` preset is that model on our
columns of composition and symmetry; ``small`` also has neighbours.

The trees are grown by xgboost, an epoch is some rounds of it, and what has
grown is a buffer of bytes beside a prior.  So training, saving, classifying
and ensembles treat it like any network; nothing is pickled.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalgui.core.cards import INVARIANCES, Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.features import CUTOFF, GROUPS, Sites, features, names
from crystalgui.core.errors import ModelError
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register

_CHOICES = {
    "all": GROUPS,
    "symmetry": ("composition", "symmetry"),
    "composition": ("composition",),
}
MOST_BYTES = 2**29


@register(
    Card(
        name="boosting",
        title="Boosted trees",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Claussen, Bernevig, Regnault, Phys. Rev. B 101, 245117 (2020)",
        rows=("N15",),
        summary=(
            "Thousands of small decision trees on a table of composition, symmetry, electron "
            "counts and bonds. Trains in minutes, needs no tuning, and tells little about why."
        ),
        params=(
            Param(
                name="features",
                label="Features",
                default="all",
                choices=tuple(_CHOICES),
                help="composition: elements only; symmetry: also space group, sites and electron "
                "counts; all: also volumes, bonds and neighbours.",
            ),
            Param(name="trees", label="Rounds an epoch", default=10, minimum=1, maximum=200,
                  help="Each round grows one tree a class."),
            Param(name="depth", label="Depth", default=7, minimum=1, maximum=14),
            Param(name="rate", label="Shrinkage", default=0.08, minimum=0.001, maximum=1.0,
                  help="What a tree adds is multiplied by this."),
            Param(name="rows", label="Rows a tree", default=0.8, minimum=0.05, maximum=1.0,
                  help="Share of the training rows that each tree sees."),
            Param(name="columns", label="Columns a tree", default=0.3, minimum=0.02, maximum=1.0,
                  help="Share of the columns that each tree sees."),
            Param(name="leaf", label="Least weight of a leaf", default=3.0, minimum=0.0,
                  maximum=1000.0),
            Param(name="ridge", label="Ridge", default=1.0, minimum=0.0, maximum=1000.0,
                  help="Penalty on the squared values of leaves."),
        ),
        presets={
            "small": {"epochs": 25, "batch_size": 1024},
            "paper": {
                "features": "symmetry",
                "depth": 6,
                "rate": 0.1,
                "rows": 1.0,
                "columns": 1.0,
                "leaf": 1.0,
                "epochs": 30,
                "batch_size": 1024,
            },
        },
        symmetries=("permutation", "translation", "rotation", "supercell"),
        invariances=dict.fromkeys(INVARIANCES, "exact"),
    )
)  # fmt: skip
class Boosting(CrystalModel):
    """Row N15 of the model reference: a prior and the trees that correct it."""

    grows: ClassVar[bool] = True

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        self.params = params
        self.groups = _CHOICES[str(params["features"])]
        self.prior = nn.Parameter(torch.zeros(outputs))
        self.trees: Tensor
        self.register_buffer("trees", torch.zeros(0, dtype=torch.uint8))
        self._grown: Any = None
        self._seen: Any = None

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """Inequivalent sites; with edges when bonds are asked for."""
        return GraphSpec("orbits", CUTOFF if params["features"] == "all" else 0.0)

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """Whether more than the composition is read (its counts are of a primitive cell)."""
        return params["features"] != "composition"

    @torch.no_grad()
    def start(self, targets: Tensor) -> None:
        """Frequencies of the classes, or the median of the standardised target."""
        if self.outputs > 1:
            counts = torch.bincount(targets, minlength=self.outputs).float()
            self.prior.copy_(((counts + 1e-3) / counts.sum()).log())
        else:
            self.prior.fill_(float(targets.median()))

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs): the prior and what the trees add to it."""
        prior = self.prior.expand(batch.size, -1)
        if not len(self.trees):
            return prior
        values = self._columns(batch)
        added = self._booster().inplace_predict(values, predict_type="margin")
        own = torch.from_numpy(np.array(added, np.float32)).reshape(batch.size, self.outputs)
        return prior + own.to(prior)

    def grow(
        self,
        batches: Callable[[], Iterable[Batch]],
        targets: Tensor,
        seed: int,
        weights: Tensor | None = None,
    ) -> Iterator[tuple[float, Tensor]]:
        """Rounds of an epoch; see `Network.grow`.

        What the next round depends on is the seed, by which batches are
        drawn where chance makes them, and the buffer of trees, so a resumed
        run grows the same trees.
        """
        rows = self._table(batches, targets, seed, weights)
        booster = self._booster([rows], seed)
        rounds = int(self.params["trees"])
        for done in range(1, rounds + 1):
            booster.update(rows, booster.num_boosted_rounds())
            margins = booster.predict(rows, output_margin=True)
            out = torch.from_numpy(margins.reshape(len(targets), self.outputs))
            yield done / rounds, out.to(targets.device)
        packed = zlib.compress(bytes(booster.save_raw("ubj")), 6)
        self.trees = torch.frombuffer(bytearray(packed), dtype=torch.uint8).to(self.prior.device)
        self._grown = None

    def _table(
        self,
        batches: Callable[[], Iterable[Batch]],
        targets: Tensor,
        seed: int,
        weights: Tensor | None,
    ) -> Any:
        """The training rows, made once, and the same whenever the seed is."""
        from xgboost import DMatrix

        if self._seen is None:
            here = self.prior.device
            with torch.random.fork_rng([here] if here.type == "cuda" else []):
                torch.manual_seed(seed)
                values = np.concatenate([self._columns(batch) for batch in batches()])
            prior = self.prior.detach().cpu().numpy()
            self._seen = DMatrix(
                values,
                label=targets.cpu().numpy(),
                weight=None if weights is None else weights.cpu().numpy(),
                base_margin=np.tile(prior, (len(values), 1)),
                nthread=torch.get_num_threads(),
            )
        return self._seen

    def _columns(self, batch: Batch) -> NDArray[np.float32]:
        return features(Sites.of_batch(batch), self.groups)[0]

    def _booster(self, rows: Sequence[Any] = (), seed: int | None = None) -> Any:
        """The trees as xgboost has them; with rows and a seed, a copy that can grow."""
        if seed is None and self._grown is not None:
            return self._grown
        from xgboost import Booster
        from xgboost.core import XGBoostError

        raw = _unpacked(self.trees) if len(self.trees) else None
        try:
            booster = Booster(self._settings(seed or 0), rows, raw)
        except XGBoostError as error:
            raise _damaged(str(error)) from error
        if raw is not None and booster.num_features() != len(names(self.groups)):
            raise _damaged(f"{booster.num_features()} columns, not {len(names(self.groups))}")
        if seed is None:
            self._grown = booster
        return booster

    def _settings(self, seed: int) -> dict[str, Any]:
        p = self.params
        aim: dict[str, Any] = {"objective": "reg:squarederror"}
        if self.outputs > 1:
            aim = {"objective": "multi:softprob", "num_class": self.outputs}
        return aim | {
            "tree_method": "hist",
            "base_score": 0.0,
            "max_bin": 256,
            "max_depth": int(p["depth"]),
            "eta": float(p["rate"]),
            "subsample": float(p["rows"]),
            "colsample_bytree": float(p["columns"]),
            "min_child_weight": float(p["leaf"]),
            "reg_lambda": float(p["ridge"]),
            "nthread": torch.get_num_threads(),
            "seed": seed % 2**31,
            "seed_per_iteration": True,
            "disable_default_eval_metric": True,
        }

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Trees of any length fit."""
        found = state_dict.get(f"{prefix}trees")
        if isinstance(found, Tensor) and found.ndim == 1:
            self.trees = torch.zeros_like(found, device=self.trees.device)
        self._grown = None
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _unpacked(trees: Tensor) -> bytearray:
    """The bytes that xgboost wrote."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(trees.cpu().numpy().tobytes(), MOST_BYTES)
    except zlib.error as error:
        raise _damaged(str(error)) from error
    if not unpacker.eof:
        raise _damaged("the bytes end too early or are too many")
    return bytearray(raw)


def _damaged(details: str) -> ModelError:
    return ModelError(
        "The trees of the model are damaged or of another version of the program.",
        "Train the model again.",
        details,
    )
