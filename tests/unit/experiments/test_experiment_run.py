"""Experiments: results of a real run, resuming after kill -9, refusals, records."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core import stopping
from crystalgui.core.cards import Measured
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.experiments import _registry, results, speed
from crystalgui.core.experiments.results import Record, load_record, standing
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import Event, ExperimentJob, ExperimentReady, LogLine, Stopped
from tests.unit.experiments import walk

NAME = walk.CARD.name


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    walk.register()
    yield
    _registry.forget(NAME)


def job(out: Path, **more: object) -> ExperimentJob:
    return replace(ExperimentJob(name=NAME, out=out, device="cpu"), **more)


def run(out: Path, **more: object) -> list[Event]:
    return list(run_experiment(job(out, **more)))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    walk.register()
    out = tmp_path_factory.mktemp("walk") / "out"
    events = run(out)
    assert events[-1] == ExperimentReady(name=NAME, preset="quick", folder=out)
    return out


def test_a_run_ends_in_numbers_tables_and_figures(done: Path) -> None:
    record = load_record(done)
    assert (record.name, record.preset, record.device) == (NAME, "quick", "cpu")
    (number,) = record.numbers
    assert number.value == pytest.approx(1.0, abs=0.3)
    assert number.published == 1.0
    assert record.minutes >= 0
    assert record.speed > 0
    assert str(done) not in record.command
    assert {"numpy", "crystalgui"} <= set(record.versions)
    (table,), (figure,) = record.tables, record.figures
    header, rows = results.read_table(done, table)
    assert header == ("part", "mean square distance / n")
    assert len(rows) == walk.PARTS
    assert (done / f"{figure.stem}.pdf").read_bytes().startswith(b"%PDF")
    light, dark = (
        (done / f"{figure.stem}{ending}").read_bytes() for ending in (".png", "-dark.png")
    )
    assert light[:4] == dark[:4] == b"\x89PNG"
    assert light != dark
    lines = (done / "comparison.csv").read_text().splitlines()
    assert lines[0].split(",")[2] == "ours"
    assert len(lines) == 2


def test_strict_json(done: Path) -> None:
    def refuse(word: str) -> float:
        raise AssertionError(word)

    assert json.loads((done / "results.json").read_text(), parse_constant=refuse)["name"] == NAME


def test_a_killed_run_goes_on(tmp_path: Path, done: Path) -> None:
    """kill -9 after the first part; the rest is done, the first part is not done again."""
    out = tmp_path / "out"
    program = [sys.executable, "-m", "tests.unit.experiments.walk", str(out), "slow"]
    child = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert any("waiting" in line for line in child.stdout)
    with pytest.raises(CrystalError, match="in use"):
        run(out, preset="slow")
    child.kill()
    child.wait()
    child.stdout.close()
    assert child.returncode == -9 or sys.platform == "win32"
    assert standing(out).state == "begun"
    first = out / "steps" / "part-0.json"
    written = first.stat().st_mtime_ns
    (out / "experiment.json").write_text(
        (out / "experiment.json").read_text().replace("slow", "quick")
    )  # the same parts, without waiting
    events = run(out)
    assert isinstance(events[0], LogLine)
    assert "1 steps" in events[0].text
    assert first.stat().st_mtime_ns == written
    assert load_record(out).numbers == load_record(done).numbers


def test_a_stopped_run_goes_on(tmp_path: Path, done: Path) -> None:
    flag = threading.Event()
    events = []
    for event in run_experiment(job(tmp_path), flag):
        events.append(event)
        if len(events) == 3:
            flag.set()
    assert events[-1] == Stopped()
    assert standing(tmp_path).steps == 2
    run(tmp_path)
    assert load_record(tmp_path).numbers == load_record(done).numbers
    assert load_record(tmp_path).tables == load_record(done).tables


def test_a_cancelled_run_lets_go_of_its_folder(tmp_path: Path) -> None:
    generator = run_experiment(job(tmp_path))
    next(generator)
    generator.close()
    assert standing(tmp_path).state == "begun"
    assert isinstance(run(tmp_path)[-1], ExperimentReady)


def test_fresh_starts_again(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "steps" / "part-0.json").write_text('{"numbers": {"squares": [0]}, "seconds": 0}')
    (tmp_path / "mine.txt").write_text("stays")
    assert not isinstance(run(tmp_path, fresh=True)[0], LogLine)
    assert load_record(tmp_path).numbers[0].value > 0.5
    assert (tmp_path / "mine.txt").exists()


def test_a_folder_of_something_else_is_refused(done: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds the experiment random-walk \(quick\), not"):
        run(done, preset="slow")
    (tmp_path / "tables").mkdir()
    with pytest.raises(DataError, match="something else"):
        run(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="need a folder"):
        run(tmp_path / "file")


@pytest.mark.parametrize(
    ("more", "words"), [({"name": "no-such"}, "no experiment"), ({"preset": "huge"}, "no preset")]
)
def test_unknown_names_are_refused_before_anything_is_written(
    more: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words) as found:
        run(tmp_path / "out", **more)
    assert found.value.hint
    assert not (tmp_path / "out").exists()


def test_steps_come_back_as_they_were_kept(tmp_path: Path) -> None:
    import numpy as np

    context = _registry.Context(preset="quick", device="cpu", out=tmp_path)
    assert context.done("a") is None
    kept = context.keep("a", {"x": np.eye(2), "n": np.int64(3), "nan": float("nan")})
    assert kept["x"] == [[1.0, 0.0], [0.0, 1.0]]
    assert kept["n"] == 3
    assert kept["nan"] != kept["nan"]
    assert context.folder("a").is_dir()
    with pytest.raises(ValueError, match="no name of a step"):
        context.keep("../a", {})


def test_records_come_from_finished_runs(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "resource", tmp_path.joinpath)
    with pytest.raises(DataError, match="finished run"):
        results.keep_record(tmp_path)
    path = results.keep_record(done)
    assert path == tmp_path / "experiments" / NAME / "quick-cpu.json"
    card = next(c for c in _registry.cards() if c.name == NAME)
    (recorded,) = card.recorded
    assert recorded.numbers == load_record(done).numbers
    assert recorded.device.startswith("cpu (")


def test_minutes_are_scaled_by_the_speed_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _registry.find(NAME)
    record = Record(
        name=NAME, preset="quick", device="cpu", date="", minutes=6.0, command="", speed=100.0
    )
    monkeypatch.setattr(speed, "measure", lambda device: 50.0)
    assert _registry.minutes(found, "quick", "cpu", [record]) == 12.0
    assert _registry.minutes(found, "quick", "cuda", [record]) == 0.01  # the author's
    assert _registry.minutes(found, "slow", "cpu", [record]) is None
    own = replace(found, estimate=lambda preset, device, rate: rate / 10)
    assert _registry.minutes(own, "quick", "cpu", [record]) == 5.0


def test_this_machine_has_a_speed() -> None:
    assert 1 < speed.measure("cpu") < 1e6


def test_listing_needs_no_torch() -> None:
    program = (
        "import sys; from crystalgui.core.experiments import _registry as r; "
        "broken = [c.error for c in r.cards() if c.error]; "
        "assert not broken, broken; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_names_are_unique() -> None:
    with pytest.raises(DataError, match="Two experiments"):

        @_registry.experiment(walk.CARD)
        def other(context: _registry.Context):  # type: ignore[no-untyped-def]
            yield from ()


def test_numbers_in_words() -> None:
    assert results.with_spread(61.234, 0.456) == "61.23 ± 0.46"
    assert results.with_spread(61.234, float("nan")) == "61.234"
    assert results.with_spread(float("nan"), 1.0) == ""
    words = results.comparison_words(
        (Measured(name="trace", value=181.25, spread=1.5, published=179.6),)
    )
    assert "181.2 ± 1.5" in words
    assert "179.6" in words


def test_long_physics_inside_an_experiment_can_be_stopped(tmp_path: Path) -> None:
    """What looks at the flag of its thread ends, though nothing was yielded."""
    flag = threading.Event()

    @_registry.experiment(replace(walk.CARD, name="long"))
    def long(context: _registry.Context):  # type: ignore[no-untyped-def]
        yield context.progress(0, 1, "begun")
        flag.set()
        stopping.check()
        raise AssertionError("it went on")

    try:
        events = list(run_experiment(job(tmp_path, name="long"), flag))
    finally:
        _registry.forget("long")
    assert events[-1] == Stopped()
