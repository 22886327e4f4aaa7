"""The answer that needs no crystal: the majority class, the median or the mean.

Row N16: every network must beat it.  It is a network with one vector of
parameters, so training, saving and classifying treat it like the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crystalgui.core.cards import INVARIANCES, Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register


@register(
    Card(
        name="majority",
        title="Majority class, median or mean",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Nop, Mundy, Smith, Paudyal, npj Comput. Mater. (2025), baselines of Tables 1-3",
        rows=("N16",),
        summary=(
            "Answers the same for every crystal: the frequencies of the classes, or the median "
            "or mean of the target. The floor that every other model must beat."
        ),
        params=(
            Param(
                name="number",
                label="Number",
                default="median",
                choices=("median", "mean"),
                help="For a target that is a number: the median has the smallest absolute error, "
                "the mean the smallest squared one.",
            ),
        ),
        presets={"small": {"epochs": 1, "batch_size": 1024}, "paper": {"epochs": 1}},
        symmetries=("permutation", "translation", "rotation", "supercell"),
        invariances=dict.fromkeys(INVARIANCES, "exact"),
    )
)
class Majority(CrystalModel):
    """Row N16 of the model reference."""

    constant: ClassVar[bool] = True

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        self.mean = params["number"] == "mean"
        self.answer = nn.Parameter(torch.zeros(outputs))

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """The smallest graphs there are."""
        return GraphSpec("orbits", 0.0)

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """It does not look."""
        return False

    @torch.no_grad()
    def start(self, targets: Tensor) -> None:
        """Frequencies of the classes, or the median (mean) of the standardised target."""
        if self.outputs > 1:
            counts = torch.bincount(targets, minlength=self.outputs).float()
            self.answer.copy_(((counts + 1e-3) / counts.sum()).log())
        else:
            middle = targets.float().mean() if self.mean else targets.float().quantile(0.5)
            self.answer.fill_(float(middle))

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs), the same row for every crystal."""
        return self.answer.to(batch.weight.dtype).expand(batch.size, -1)
