"""The headless door: everything the window does, through the same core functions.

Errors that a person can act on are one line on stderr and exit code 2; what
can be read by a program (JSON, CSV) goes to stdout or to a file.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from crystalgui import __version__
from crystalgui.core.cards import Scalar, TrainedModel
from crystalgui.core.errors import CrystalError, DataError, FileError, ModelError, ResourceError
from crystalgui.core.messages import (
    ClassifyJob,
    DatasetReady,
    Device,
    EpochMetrics,
    ErrorInfo,
    Event,
    LogLine,
    Predicted,
    Prediction,
    Progress,
    ReportJob,
    ReportWritten,
)

app = typer.Typer(
    name="crystalgui",
    help="Crystals, tight-binding bands, and the networks that read them. "
    "Without a command, or with files only, the window opens (crystalgui gui --help).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

UNCHECKED: dict[str, Any] = {"readable": False}
"""typer's own check takes four lines, and one unreadable file would end a classification."""
Files = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Files, folders or zips.", **UNCHECKED)
]
MOST_DRAWN = 20
DeviceOption = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    from typer.exceptions import TyperException

    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except CrystalError as error:
        return _fail(str(error))
    except typer.Exit as stop:
        return int(stop.exit_code)
    except TyperException as error:
        show = getattr(error, "show", None)
        return _fail(str(error)) if show is None else show() or 2
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError) as error:
        info = ErrorInfo.of(error)
        return _fail(_os_sentence(error) if isinstance(error, OSError) else _sentence(info))
    except Exception as error:  # noqa: BLE001 - a defect of the program, never a traceback
        return _defect(error)
    return code if isinstance(code, int) else 0


def _fail(text: str) -> int:
    print(" ".join(text.split()), file=sys.stderr)
    return 2


def _sentence(info: ErrorInfo) -> str:
    return f"{info.title} {info.hint}".strip()


def _defect(error: Exception) -> int:
    """One line for the person, the traceback for the log; 1, or 2 when memory ran out."""
    info = ErrorInfo.of(error)
    if info.kind == "memory":
        return _fail(_sentence(info))
    path = _log_file()
    where = f"The details are in {path}."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as log:
            log.write(info.details)
    except OSError:
        where = "The log cannot be written."
    _fail(f"{info.title} This is a defect of the program. {where}")
    return 1


def _log_file() -> Path:
    from crystalgui.core.settings import home

    return home() / "logs" / "crystalgui.log"


def _os_sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Check the path, its permissions and the free space."


# ------------------------------------------------------------- small words


class _Terminal:
    """Progress on one line of a terminal; nothing when stderr is a file."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._on:
            print(f"\r{text[:100]:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = min(100, len(text))

    def line(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        print(text, file=sys.stderr)

    def clear(self) -> None:
        """Remove the progress."""
        if self._on and self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr)
            self._width = 0


def _follow(
    events: Iterable[Event], take: Callable[[Event], object], *, quiet: bool = False
) -> None:
    """Run a core generator to its end; progress and log lines go to the terminal."""
    terminal = _Terminal()
    try:
        for event in events:
            if isinstance(event, Progress):
                share = f"{100 * event.done / event.total:3.0f} %" if event.total else ""
                terminal.show(f"{share} {event.text}".strip())
            elif isinstance(event, LogLine):
                if not quiet or event.level != "info":
                    terminal.line(event.text)
            else:
                take(event)
    finally:
        terminal.clear()


def _existing(path: Path, what: str = "file") -> Path:
    if not path.exists():
        raise FileError(f"There is no such {what}.", "Check the path.", path=path)
    return path


def _device(name: str) -> Device:
    if name not in ("auto", "cpu", "cuda"):
        raise ResourceError(f"There is no device called {name!r}.", "Choose auto, cpu or cuda.")
    return cast(Device, name)


def _settings(pairs: Sequence[str]) -> dict[str, Scalar]:
    """``key=value`` words; numbers and truth values become such."""
    found: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise ModelError(f"{pair!r} is not key=value.", "For example: --set width=64")
        found[key.strip()] = _scalar(text.strip())
    return found


def _scalar(text: str) -> Scalar:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.casefold(), text)


# -------------------------------------------------------------- commands


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A crystal or a hopping file.", **UNCHECKED)],
    tolerance: Annotated[float, typer.Option(help="For the symmetry, in Angstrom.")] = 1e-2,
    symbols: Annotated[str, typer.Option(help='Elements of a VASP 4 file, e.g. "Bi Te I".')] = "",
) -> None:
    """What is in a file, as JSON."""
    from crystalgui.core.structures.files import read_crystal, sniff

    _existing(file)
    if not 0 < tolerance < math.inf:
        raise DataError(
            f"A tolerance of {tolerance} Angstrom is impossible.", "Give one such as 0.01."
        )
    facts: dict[str, Any]
    if sniff(file) == "hoppings":
        from crystalgui.core.structures.hoppings.info import hoppings_info_of

        facts = dict(hoppings_info_of(file))
    else:
        from crystalgui.core.structures.info import crystal_info

        named = symbols.replace(",", " ").split() or None
        facts = crystal_info(read_crystal(file, symbols=named), tolerance)
    print(json.dumps(facts, indent=2, ensure_ascii=False, default=_jsonable))


def _jsonable(value: object) -> object:
    """Numpy values as plain ones."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


@app.command()
def bands(
    hoppings: Annotated[Path, typer.Argument(metavar="HR", help="wannier90_hr.dat", **UNCHECKED)],
    kpoints: Annotated[Path, typer.Option(help="Reduced k-points, one a line.", **UNCHECKED)],
    csv: Annotated[
        Path | None, typer.Option(help="Where to write; stdout without.", **UNCHECKED)
    ] = None,
) -> None:
    """Energies in eV at k-points, one row a point."""
    from crystalgui.core.physics.kpoints import energies_table

    _check_targets(csv)
    k, energies = energies_table(_existing(hoppings), _existing(kpoints))
    head = ["k1", "k2", "k3", *(f"e{i}" for i in range(1, energies.shape[1] + 1))]
    lines = [",".join(head)]
    for point, row in zip(k, energies, strict=True):
        lines.append(",".join(f"{v:.10g}" for v in (*point, *row)))
    text = "\n".join(lines) + "\n"
    if csv is None:
        sys.stdout.write(text)
    else:
        _write(csv, text)


def _write(path: Path, text: str) -> None:
    from crystalgui.core.atomic import write_atomic

    write_atomic(path, text)


def _check_targets(csv: Path | None, pdf: Path | None = None) -> None:
    """Refuse before the work what could not be written after it."""
    from crystalgui.core.atomic import check_target

    if csv is not None:
        check_target(csv)
    if pdf is not None and not pdf.is_dir():
        check_target(pdf)


@app.command()
def classify(
    paths: Files,
    model: Annotated[str, typer.Option(help="Name or folder; the shipped one without.")] = "",
    csv: Annotated[Path | None, typer.Option(help="Where to write the table.", **UNCHECKED)] = None,
    pdf: Annotated[Path | None, typer.Option(help="Where to write a report.", **UNCHECKED)] = None,
    device: DeviceOption = "auto",
) -> int:
    """Predict the class of crystals."""
    for path in paths:
        _existing(path, "file or folder")
    _check_targets(csv, pdf)
    rows = _predict(paths, model, device)
    good = [r for r in rows if not r.error]
    if not good:
        why = f" {rows[0].file}: {rows[0].error}" if rows else ""
        return _fail(f"Nothing could be classified.{why}")
    from crystalgui.core.reports.csv import predictions_text, write_predictions

    if csv is not None:
        write_predictions(csv, rows)
    if pdf is not None:
        from crystalgui.core.reports.report import sort_files, write_report

        crystals = sort_files(p for p in paths if p.suffix.lower() != ".zip")[0]
        job = ReportJob(
            out=pdf,
            # A page for each of thousands of crystals is not a report.
            crystals=tuple(crystals) if len(crystals) <= MOST_DRAWN else (),
            predictions=tuple(rows),
            trained=_card(model or _shipped()),
        )
        _written(write_report(job))
    if csv is None and pdf is None:
        sys.stdout.write(predictions_text(rows))
    return 0


def _predict(paths: Sequence[Path], model: str, device: str) -> list[Prediction]:
    """Rows of all files, in their order."""
    from crystalgui.core.models.predict import classify as predict

    rows: list[Prediction] = []
    job = ClassifyJob(paths=tuple(paths), model=model or _shipped(), device=_device(device))

    def take(event: Event) -> None:
        if isinstance(event, Predicted):
            rows.extend(event.rows)

    _follow(predict(job), take, quiet=True)
    return rows


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


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder or zip of structure files.", **UNCHECKED)],
    labels: Annotated[Path, typer.Option(help="CSV with id,label.", **UNCHECKED)],
    model: Annotated[str, typer.Option(help="Model family, e.g. cgnn.")],
    out: Annotated[Path, typer.Option(help="Folder of the trained model.", **UNCHECKED)],
    preset: Annotated[str, typer.Option(help="small, paper, …")] = "small",
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and split.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting.")
    ] = None,
    device: DeviceOption = "auto",
) -> int:
    """Train a model on labelled crystals."""
    from crystalgui.core.training.session import train_from_files

    _existing(data, "folder or zip")
    _existing(labels)
    overrides = {"device": device, **_settings(settings or [])}
    _device(str(overrides["device"]))
    if out.exists() and not out.is_dir():
        raise FileError("This is not a folder.", "Choose another folder with --out.", path=out)
    events = train_from_files(data, labels, model, out, preset, epochs, seed, overrides)

    def take(event: Event) -> None:
        if isinstance(event, DatasetReady):
            summary = event.summary
            print(f"{summary.size:,} crystals, {summary.task}", file=sys.stderr)
        elif isinstance(event, EpochMetrics):
            print(_epoch_line(event), file=sys.stderr)

    _follow(events, take)
    print(out)
    return 0


def _epoch_line(event: EpochMetrics) -> str:
    parts = [f"{name} {value:.4g}" for name, value in event.values.items()]
    return f"epoch {event.epoch}: " + "  ".join(parts)


@app.command()
def report(
    paths: Files,
    out: Annotated[Path, typer.Option(help="The PDF, or a folder for PDF and CSV.", **UNCHECKED)],
    model: Annotated[str, typer.Option(help="Classify the crystals with this model.")] = "",
    heading: Annotated[str, typer.Option(help="Title of the report.")] = "crystalgui report",
    occupied: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE=N", help="Number of occupied bands of a hopping file."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write a report of crystals and hoppings: PDF and CSV."""
    from crystalgui.core.reports.report import report_from_files, sort_files

    for path in paths:
        _existing(path, "file or folder")
    rows = _predict(sort_files(paths)[0], model, device) if model else []
    events = report_from_files(
        paths,
        out,
        heading=heading,
        predictions=rows,
        trained=_card(model) if rows else None,
        occupied=_occupations(occupied or []),
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

    _follow(events, take, quiet=True)
    return tuple(written)


# ------------------------------------------------------- doctor and bench

PACKAGES = (
    "PySide6-Essentials",
    "vtk",
    "pyvistaqt",
    "pyqtgraph",
    "torch",
    "numpy",
    "scipy",
    "pymatgen",
    "spglib",
    "seekpath",
    "vesin",
    "SQLAlchemy",
    "matplotlib",
    "reportlab",
)
_PROBE = "from crystalgui.scene.picture import graphics_information; print(graphics_information())"


@app.command()
def doctor() -> None:
    """Versions, graphics and paths of this machine."""
    from importlib import metadata

    lines = [("crystalgui", __version__), ("Python", sys.version.split()[0])]
    lines += [("System", platform.platform()), ("Processor", _processor())]
    for name in PACKAGES:
        try:
            lines.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            lines.append((name, "missing"))
    lines += _graphics()
    lines += _places()
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        print(f"{name:<{width}}{value}")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {os.cpu_count()} threads"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} threads"


def _graphics() -> list[tuple[str, str]]:
    """GPU for computing (torch) and OpenGL."""
    try:
        import torch

        cuda = (
            ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
            or "none that torch can use"
        )
    except (ImportError, OSError, RuntimeError) as error:
        cuda = f"torch cannot be loaded: {error}"
    opengl = _opengl()
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if not sys.platform.startswith("linux"):
        display = "of the system"
    return [("GPU", cuda), ("OpenGL", opengl), ("Display", display or "none")]


def _opengl() -> str:
    """What draws the crystals, asked in a process of its own: a bad driver may crash."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_probe_opengl, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        answer = str(here.recv()) if here.poll(60) else "no answer in a minute"
    except EOFError:
        process.join(5)
        answer = f"3D pictures fail: the driver ended the process ({process.exitcode})"
    process.join(5)
    if process.is_alive():
        process.kill()
    return answer


def _probe_opengl(connection: Any) -> None:
    """Draw a small picture off screen and say who drew it."""
    try:
        from crystalgui.scene.picture import graphics_information

        connection.send(graphics_information())
    except Exception as error:  # noqa: BLE001 - whatever the driver does is the answer
        connection.send(f"3D pictures fail: {type(error).__name__}: {error}")


def _places() -> list[tuple[str, str]]:
    from crystalgui.core.resources import root
    from crystalgui.core.settings import cache, default_project, home

    return [
        ("Program", sys.executable),
        ("Resources", str(root())),
        ("Settings", str(home())),
        ("Log", str(_log_file())),
        ("Cache", str(cache())),
        ("Project", str(default_project())),
    ]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def bench(context: typer.Context) -> int:
    """Measure what the program promises (only in a checkout)."""
    import subprocess

    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / "tests" / "benchmarks" / "run.py").is_file():
        return _fail("The benchmarks are part of the source checkout. Run this command there.")
    command = [sys.executable, "-m", "tests.benchmarks.run", *context.args]
    return subprocess.run(command, cwd=checkout, check=False).returncode
