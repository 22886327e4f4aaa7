"""Random samples with time reversal: no converged certificate is contradicted.

A few of those of ``tests.benchmarks.proof``, which does it for 200.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.physics.classify import classify
from tests.benchmarks.proof import certify, examine, parities_here, sample


@pytest.mark.parametrize("number", range(12))
def test_fu_kane_mele(number: int) -> None:
    row = certify(("Fu-Kane-Mele", number, True))
    assert row["contradictions"] == []
    assert row["status"] == "converged"


@pytest.mark.data
@pytest.mark.parametrize("number", [0, 1])
def test_bi2se3(shared_data: Path, number: int) -> None:
    """One that keeps inversion, and one near the inversion of its bands."""
    row = certify(("Bi2Se3", number, False))
    assert row["contradictions"] == []
    assert row["status"] == "converged"


def test_the_examination_notices_a_wrong_certificate() -> None:
    made, other = sample("Fu-Kane-Mele", 0), sample("Fu-Kane-Mele", 5)
    assert made.inversion is not None
    right, wrong = (classify(one.h, one.occupied) for one in (made, other))
    assert right.indices.z2 != wrong.indices.z2
    assert examine(made, right) == []
    found = examine(made, wrong)
    assert any("finer" in text for text in found)
    assert any("parities" in text for text in found)


def test_the_parities_of_the_proof_are_those_of_the_model() -> None:
    made = sample("Fu-Kane-Mele", 0)
    assert made.inversion is not None
    indices, blurred = parities_here(made.h, made.occupied, made.inversion)
    assert indices == classify(made.h, made.occupied).indices.z2
    assert blurred < 1e-9


def test_samples_depend_on_their_number_only() -> None:
    one, two = sample("Fu-Kane-Mele", 7), sample("Fu-Kane-Mele", 7)
    assert np.array_equal(one.h.matrices, two.h.matrices)
    assert one.settings == two.settings
    assert not np.array_equal(one.h.matrices, sample("Fu-Kane-Mele", 8).h.matrices)
