"""A project in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crystalgui.core.messages import TrainRecipe
from crystalgui.core.store.project import Project


@pytest.fixture
def recipe(tmp_path: Path) -> TrainRecipe:
    return TrainRecipe(
        model="cgnn",
        dataset=tmp_path / "project" / ".crystalgui" / "datasets" / "tqc",
        params={"depth": 3, "cutoff": 5.0, "pool": "mean", "gate": True},
        seed=7,
        title="First try",
    )


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.open(tmp_path / "project") as opened:
        yield opened
