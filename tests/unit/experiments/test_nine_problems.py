"""The experiment of the nine problems, in a size that takes seconds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.experiments import nine_problems
from crystalgui.core.experiments.nine_outcome import DEEP, FRESH, PROBLEMS, TRAINED
from crystalgui.core.experiments.nine_problems import Size, digits
from crystalgui.core.experiments.results import load_record, read_table
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import ExperimentJob, ExperimentReady

TINY = Size(epochs=1, repeats=2, fresh=2, width=4, rows=200)


def test_nine_numbers_and_their_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nine_problems.SIZES, "quick", TINY)
    job = ExperimentJob(name="nine-problems", out=tmp_path / "out", device="cpu")
    events = run_experiment(job)
    while not (tmp_path / "out/steps/padded.json").is_file():
        next(events)
    events.close()  # as if it was killed
    before = (tmp_path / "out/steps/padded.json").stat().st_mtime_ns
    assert isinstance(list(run_experiment(job))[-1], ExperimentReady)
    assert (tmp_path / "out/steps/padded.json").stat().st_mtime_ns == before
    record = load_record(tmp_path / "out")
    numbers = {n.name.partition(":")[0]: n.value for n in record.numbers}
    assert list(numbers) == [f"P{i}" for i in range(1, 10)]
    assert numbers["P3"] == pytest.approx(100)  # eq. 20 behind a mean alone
    assert numbers["P1"] > 0.1
    assert 100 / 64 < numbers["P4"] < 100
    assert numbers["P7"] > 2
    verdicts = {claim.text.partition(":")[0]: claim for claim in record.claims}
    assert set(verdicts) == {*numbers, "P3, P4"}
    for problem, words in (("P1", "at most (.*) on a torus"), ("P9", "shallower one to (.*)")):
        found = re.search(words, verdicts[problem].numbers)
        assert found is not None
        assert float(found[1]) < 1e-5
    assert verdicts["P3"].verdict == "held"
    header, rows = read_table(tmp_path / "out", record.tables[0])
    assert [row[0] for row in rows] == [p for p, _, _, _ in PROBLEMS]
    assert header[2] == "value"
    _, trained = read_table(tmp_path / "out", record.tables[1])
    assert [row[0] for row in trained] == [title for title, _ in TRAINED.values()]
    for row in trained[1:]:  # toroidal networks do not notice that they are rolled
        assert row[1] == row[2]
        assert row[3] == "0"
    _, gradients = read_table(tmp_path / "out", record.tables[2])
    assert len(gradients) == DEEP * len(FRESH)
    assert (tmp_path / "out/figures/problems-dark.png").is_file()


def test_the_digits_are_those_of_scikit_learn() -> None:
    data = digits()
    assert data.values.shape == (1797, 1, 8, 8)
    assert data.values.max() == 255
    assert int(data.is_test.sum()) == 449
    assert np.array_equal(np.bincount(data.label), data.summary.counts)
