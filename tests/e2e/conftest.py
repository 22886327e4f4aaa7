"""A started program for every end-to-end test, ended as a person would end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.desk import Desk, binary_crystals


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    """Sixty crystals in two classes, with ``labels.csv`` beside the folder."""
    return binary_crystals(tmp_path / "data")
