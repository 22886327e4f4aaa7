"""Networks and reports: ``classify``, ``train`` and ``report``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import typer

from crystalgui.cli.terminal import (
    UNCHECKED,
    DeriveOption,
    DeviceOption,
    Files,
    PurifyOption,
    check_targets,
    device_named,
    existing,
    fail,
    follow,
    settings_of,
)
from crystalgui.core.cards import TrainedModel
from crystalgui.core.errors import DataError, FileError, ModelError
from crystalgui.core.messages import (
    REPORT_SECTIONS,
    ClassifyJob,
    DatasetReady,
    EpochMetrics,
    Event,
    Predicted,
    Prediction,
    ReportJob,
    ReportWritten,
)

MOST_DRAWN = 20


def classify(
    paths: Files,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Name or folder; the shipped one without; may repeat."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Where to write the table.", **UNCHECKED)] = None,
    pdf: Annotated[Path | None, typer.Option(help="Where to write a report.", **UNCHECKED)] = None,
    device: DeviceOption = "auto",
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler whose workers do it, tcp://…")
    ] = "",
) -> int:
    """Predict classes and properties of crystals.

    The table of --csv is written as it goes; the same command goes on where it was cut off.
    """
    for path in paths:
        existing(path, "file or folder")
    check_targets(csv, pdf)
    models = tuple(model or [_shipped()])
    rows: list[Prediction] = []
    seen = _Seen(sys.stdout if csv is None and pdf is None else None)

    def take(some: Sequence[Prediction]) -> None:
        seen.take(some)
        if pdf is not None:
            rows.extend(some)

    _predict(paths, models, device, take, csv, scheduler)
    if not seen.good:
        return fail(f"Nothing could be classified.{seen.why}")
    if pdf is not None:
        from crystalgui.core.reports.report import sort_files, write_report

        crystals = sort_files(p for p in paths if p.suffix.lower() != ".zip")[0]
        job = ReportJob(
            out=pdf,
            # A page for each of thousands of crystals is not a report.
            crystals=tuple(crystals) if len(crystals) <= MOST_DRAWN else (),
            predictions=tuple(rows),
            trained=_card(models[0]),
        )
        _written(write_report(job))
    return 0


class _Seen:
    """What a command must know of rows that it does not keep, and the table that it prints.

    The head of the table names the models, which a row that could not be read
    does not know: rows wait for the first that could.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.good, self.why = 0, ""
        self._stream = stream
        self._waiting: list[Prediction] = []
        self._models: tuple[str, ...] | None = None

    def take(self, rows: Sequence[Prediction]) -> None:
        """Count rows and print them."""
        from crystalgui.core.reports.csv import cells, columns, lines, models_of

        good = [row for row in rows if not row.error]
        self.good += len(good)
        if not self.good and not self.why and rows:
            self.why = f" {rows[0].file}: {rows[0].error}"
        if self._stream is None:
            return
        self._waiting += rows
        if self.good:
            if self._models is None:
                self._models = models_of(good)
                self._stream.write(lines([columns(self._models)]))
            self._stream.write(lines(cells(row, self._models) for row in self._waiting))
            self._stream.flush()
            self._waiting.clear()


def _predict(
    paths: Sequence[Path],
    models: tuple[str, ...],
    device: str,
    take: Callable[[Sequence[Prediction]], object],
    csv: Path | None = None,
    scheduler: str = "",
) -> None:
    """Hand over rows of all files, in their order, as they come."""
    from crystalgui.core.models.screening import classify as predict

    job = ClassifyJob(
        paths=tuple(paths),
        models=models,
        device=device_named(device),
        out=csv,
        scheduler=scheduler,
    )

    def see(event: Event) -> None:
        if isinstance(event, Predicted):
            take(event.rows)

    follow(predict(job), see, quiet=True)


def _shipped() -> str:
    """Name of the model that came with the program."""
    from crystalgui.core.models.trained import shipped

    found = shipped()
    if not found:
        raise ModelError(
            "No trained model came with this installation.",
            "Train one with `crystalgui train` and name its folder with --model.",
        )
    return found[0].name


def train(
    model: Annotated[str, typer.Option(help="Model family, e.g. cgnn, dense.")],
    out: Annotated[Path, typer.Option(help="Folder of the trained model.", **UNCHECKED)],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Structure files (folder or zip), or images, which need no labels.", **UNCHECKED
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV with id,label.", **UNCHECKED)] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Folder of a data set, in place of --data and --labels.", **UNCHECKED),
    ] = None,
    preset: Annotated[str, typer.Option(help="small, paper, …")] = "small",
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and split.")] = 0,
    derive: DeriveOption = "",
    purify: PurifyOption = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting.")
    ] = None,
    device: DeviceOption = "auto",
) -> int:
    """Train a model on labelled crystals, on images, or on a data set of Hamiltonians."""
    from crystalgui.core.datasets.images.importer import is_images
    from crystalgui.core.datasets.kinds import NOUNS
    from crystalgui.core.training.session import train_from_files, train_on

    overrides = {"device": device, **settings_of(settings or [])}
    device_named(str(overrides["device"]))
    if out.exists() and not out.is_dir():
        raise FileError("This is not a folder.", "Choose another folder with --out.", path=out)
    if dataset is not None and data is None and labels is None:
        existing(dataset, "folder")
        if derive or purify:
            raise DataError(
                "A data set that is made already is neither derived nor purified.",
                "Make it anew: crystalgui dataset crystals STRUCTURES LABELS --out DIR --purify.",
            )
        events = train_on(dataset, model, out, preset, epochs, seed, overrides)
    elif dataset is None and data is not None and (labels is not None or is_images(data)):
        existing(data, "folder or zip")
        if labels is not None:
            existing(labels)
        events = train_from_files(
            data, labels, model, out, preset, epochs, seed, overrides, derive=derive, purify=purify
        )
    else:
        raise DataError(
            "It is not clear what to train on.",
            "Give --data with --labels, or --dataset with the folder of a data set.",
        )

    def take(event: Event) -> None:
        if isinstance(event, DatasetReady):
            summary = event.summary
            print(f"{summary.size:,} {NOUNS[summary.kind]}, {summary.task}", file=sys.stderr)
        elif isinstance(event, EpochMetrics):
            print(_epoch_line(event), file=sys.stderr)

    follow(events, take)
    print(out)
    return 0


def _epoch_line(event: EpochMetrics) -> str:
    parts = [f"{name} {value:.4g}" for name, value in event.values.items()]
    return f"epoch {event.epoch}: " + "  ".join(parts)


def report(
    paths: Files,
    out: Annotated[Path, typer.Option(help="The PDF, or a folder for PDF and CSV.", **UNCHECKED)],
    model: Annotated[str, typer.Option(help="Classify the crystals with this model.")] = "",
    heading: Annotated[str, typer.Option(help="Title of the report.")] = "crystalgui report",
    occupied: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE=N", help="Number of occupied bands of a hopping file."),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only this: {', '.join(REPORT_SECTIONS)}; may repeat."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write a report of crystals and hoppings: PDF and CSV."""
    from crystalgui.core.reports.report import report_from_files, sort_files

    for path in paths:
        existing(path, "file or folder")
    rows: list[Prediction] = []
    if model:
        _predict(sort_files(paths)[0], (model,), device, rows.extend)
    events = report_from_files(
        paths,
        out,
        heading=heading,
        predictions=rows,
        trained=_card(model) if rows else None,
        occupied=_occupations(occupied or []),
        sections=section or tuple(REPORT_SECTIONS),
    )
    for path in _written(events):
        print(path)


def _occupations(pairs: Sequence[str]) -> dict[str, int]:
    """``FILE=N`` words."""
    found: dict[str, int] = {}
    for pair in pairs:
        name, _, count = pair.rpartition("=")
        if not name or not count.isdecimal() or int(count) < 1:
            raise DataError(
                f"--occupied {pair} is not FILE=N with a number of bands.",
                "For example: --occupied wannier90_hr.dat=12",
            )
        found[name] = int(count)
    return found


def _card(model: str) -> TrainedModel:
    """The card of a trained model by name or folder."""
    from crystalgui.core.models.trained import find, read_card

    return read_card(find(model))[0]


def _written(events: Iterable[Event]) -> tuple[Path, ...]:
    """Write the files of a report; their paths."""
    written: list[Path] = []

    def take(event: Event) -> None:
        if isinstance(event, ReportWritten):
            written.extend(event.paths)

    follow(events, take, quiet=True)
    return tuple(written)
