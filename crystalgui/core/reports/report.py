"""Write a report: from files and predictions to report.pdf and predictions.csv.

The window, the worker and the command line all come through `write_report`.
Whatever cannot be computed for one input becomes a sentence in its section;
only a report with nothing in it is refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from crystalgui import __version__
from crystalgui.core.atomic import check_target, write_atomic
from crystalgui.core.errors import CrystalError, DataError, FileError
from crystalgui.core.messages import (
    REPORT_SECTIONS,
    Event,
    Prediction,
    Progress,
    ReportJob,
    ReportWritten,
)
from crystalgui.core.reports.csv import write_predictions
from crystalgui.core.reports.diagram import read_diagram
from crystalgui.core.store.files import sha256

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.reports.sections import InputFile
    from crystalgui.core.structures.hoppings.model import Hoppings

PDF_NAME = "report.pdf"
CSV_NAME = "predictions.csv"
SLICE_POINTS = 96
STEPS = 4  # of progress for a Hamiltonian
MOST_HASHES = 300  # files of predictions whose hash is printed


@dataclass(slots=True)
class _Content:
    """What has been gathered so far."""

    blocks: list[Any] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)
    refused: list[CrystalError] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    tables: list[tuple[str, str]] = field(default_factory=list)  # file name, CSV

    def count(self, what: str) -> None:
        """One more crystal, Hamiltonian or prediction."""
        self.counts[what] = self.counts.get(what, 0) + 1


def targets(job: ReportJob) -> tuple[Path | None, Path | None]:
    """Paths of the PDF and of the CSV; None for what is not written."""
    ending = job.out.suffix.lower()
    if ending == ".pdf":
        return job.out, None
    if ending == ".csv":
        return None, job.out
    return (
        job.out / PDF_NAME if "pdf" in job.formats else None,
        job.out / CSV_NAME if "csv" in job.formats and job.predictions else None,
    )


def write_report(job: ReportJob) -> Iterator[Event]:
    """Write the files of a report.

    Parameters
    ----------
    job : ReportJob

    Yields
    ------
    Progress, then one ReportWritten

    Raises
    ------
    DataError
        When there is nothing to report.
    FileError
        When none of the inputs can be read.
    ResourceError
        When a file cannot be written.
    """
    pdf_path, csv_path = targets(job)
    if csv_path is not None and not job.predictions:
        raise DataError("There are no predictions to write.", "Classify some files first.")
    if not (job.crystals or job.hoppings or job.predictions):
        raise DataError(
            "There is nothing to report.", "Choose a crystal, a Hamiltonian or predictions."
        )
    written = [path for path in (csv_path, pdf_path) if path is not None]
    for path in written:
        check_target(path)
    tables: list[tuple[str, str]] = []
    if pdf_path is not None:
        tables = yield from _write_pdf(job, pdf_path)
    if csv_path is not None:
        write_predictions(csv_path, job.predictions)
    if pdf_path is not None and pdf_path != job.out and "csv" in job.formats:
        for name, text in tables:
            write_atomic(job.out / name, text)
            written.append(job.out / name)
    yield ReportWritten(paths=tuple(written))


def _write_pdf(job: ReportJob, path: Path) -> Generator[Event, None, list[tuple[str, str]]]:
    """Gather the sections, set the pages, write the file; the tables of certificates."""
    total = len(job.crystals) + STEPS * len(job.hoppings) + 2
    yield Progress(done=0, total=total, text="Preparing the report")
    from crystalgui.core.reports import pdf, sections

    content = _Content()
    colours = sections.colours_of(job.predictions, job.trained)
    names = sections.short_names([*job.crystals, *job.hoppings])
    done = 0
    for file in job.crystals:
        _add_crystal(job, file, names[file], content, colours)
        done += 1
        yield Progress(done=done, total=total, text=file.name)
    for file in job.hoppings:
        for text in _add_hoppings(job, file, names[file], content):
            done += 1
            yield Progress(done=done, total=total, text=f"{file.name}: {text}")
        done = len(job.crystals) + STEPS * (1 + job.hoppings.index(file))
    if content.refused and not content.blocks and all(row.error for row in job.predictions):
        raise content.refused[0]
    if job.predictions:
        content.counts["prediction"] = len(job.predictions)
        if "predictions" in job.sections:
            content.blocks += sections.predictions(job.predictions, _model_name(job), colours)
        _add_predicted_inputs(job.predictions, content)
    if job.trained is not None and "model" in job.sections:
        kept = read_diagram(Path(job.trained.folder)) if job.trained.folder else None
        content.blocks += sections.model_card(job.trained, kept)
    yield Progress(done=total - 1, total=total, text="Setting the pages")
    date = job.date or datetime.date.today().isoformat()
    story = sections.title(job.heading, _lead(content, date)) + content.blocks
    if content.inputs:
        story += sections.inputs(content.inputs)
    if content.refused:
        story += sections.refused([str(error) for error in content.refused])
    if "versions" in job.sections:
        story += sections.versions()
    foot = f"{job.heading} · {date} · crystalgui {__version__}"
    write_atomic(path, pdf.build(story, job.heading, foot))
    yield Progress(done=total, total=total, text="Written")
    return content.tables


def _model_name(job: ReportJob) -> str:
    """Name of the model that made the predictions."""
    if job.trained is not None:
        return job.trained.name
    return job.model or next((row.model for row in job.predictions if row.model), "")


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _lead(content: _Content, date: str) -> str:
    """The line under the title."""
    words = {"crystal": "crystal", "hoppings": "Hamiltonian", "prediction": "prediction"}
    parts = [_plural(content.counts[k], w) for k, w in words.items() if content.counts.get(k)]
    return " · ".join([date, *parts])


def _note_input(file: Path, content: _Content) -> None:
    """Hash a file for the list of inputs, once."""
    from crystalgui.core.reports.sections import InputFile

    if file not in [known.path for known in content.inputs]:
        content.inputs.append(InputFile(path=file, size=file.stat().st_size, sha256=sha256(file)))


def _readable(file: Path) -> CrystalError | None:
    """The reason why a file cannot be opened at all."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        return FileError("It is not an ordinary file.", "Choose a file.", path=file)
    try:
        with open(file, "rb") as stream:
            stream.read(1)
    except OSError as error:
        return FileError(
            f"It cannot be read: {error.strerror or error}.",
            "Check that the file exists and may be read.",
            path=file,
        )
    return None


def prediction_of(file: Path, rows: Sequence[Prediction]) -> Prediction | None:
    """The row that belongs to a file: the same path, else the same name, if only one has it."""
    exact = [row for row in rows if Path(row.file) == file]
    named = exact or [row for row in rows if Path(row.file).name == file.name]
    return named[0] if exact or len(named) == 1 else None


def _add_crystal(
    job: ReportJob, file: Path, name: str, content: _Content, colours: dict[str, str]
) -> None:
    """Read a crystal and add its section."""
    from crystalgui.core.reports import sections
    from crystalgui.core.structures.files import read_crystal
    from crystalgui.core.structures.symmetry import symmetry

    try:
        if error := _readable(file):
            raise error
        crystal = read_crystal(file)
    except CrystalError as reason:
        content.refused.append(reason)
        return
    _note_input(file, content)
    content.count("crystal")
    found, note = None, ""
    try:
        found = symmetry(crystal)
    except CrystalError as reason:
        note = str(reason)
    if "structure" in job.sections:
        row = prediction_of(file, job.predictions) if "predictions" in job.sections else None
        content.blocks += sections.crystal(crystal, name, found, note, row, colours)


def _add_hoppings(job: ReportJob, file: Path, name: str, content: _Content) -> Iterator[str]:
    """Read a Hamiltonian and add its section; yields what was done."""
    from crystalgui.core.physics.bands import bands
    from crystalgui.core.physics.gaps import gaps
    from crystalgui.core.reports import sections
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    try:
        if error := _readable(file):
            raise error
        hoppings = read_hoppings(file, job.companions.get(str(file), ()))
    except CrystalError as reason:
        content.refused.append(reason)
        return
    for used in hoppings.assumptions.files or (str(file),):
        beside = file.parent / Path(used).name
        if beside.is_file():
            _note_input(beside, content)
    content.count("hoppings")
    if not {"bands", "slice", "topology"} & set(job.sections):
        return
    yield "read"
    notes: list[str] = []
    lines = found = image = None
    occupied = _occupied(job, file, hoppings, notes)
    if {"bands", "slice"} & set(job.sections):
        try:
            if "bands" in job.sections:
                lines = bands(hoppings)
                yield "bands"
            found = gaps(hoppings, occupied) if hoppings.n_orbitals > 1 else None
            if "slice" in job.sections and found is not None:
                image = _slice(hoppings, found.occupied, found.direct.k_lower)
                yield "zone slice"
        except CrystalError as reason:
            notes.append(str(reason))
        content.blocks += sections.hamiltonian(hoppings, name, lines, found, image, notes)
    if "topology" in job.sections and hoppings.n_orbitals > 1:
        yield "certificate"
        _add_topology(hoppings, occupied, name, content)


def _occupied(job: ReportJob, file: Path, hoppings: Hoppings, notes: list[str]) -> int:
    """The occupation that was asked for, or a guessed one with the reason as a note."""
    from crystalgui.core.physics.gaps import guess_occupation

    occupied = job.occupied.get(str(file), job.occupied.get(file.name, 0))
    if not occupied and hoppings.n_orbitals > 1:
        occupied, reason = guess_occupation(hoppings)
        notes.append(f"{reason[:1].upper()}{reason[1:]}.")
    return occupied


def _add_topology(hoppings: Hoppings, occupied: int, name: str, content: _Content) -> None:
    """Certify a Hamiltonian; its page and its table."""
    from crystalgui.core.physics.classify import classify
    from crystalgui.core.physics.planes import whole_planes
    from crystalgui.core.reports import pdf, sections
    from crystalgui.core.reports.certificate import certificate_csv
    from crystalgui.core.reports.topology import topology

    head = sections.hamiltonian_head(hoppings, name)
    try:
        certificate = classify(hoppings, occupied)
        if not certificate.flows:
            certificate = replace(certificate, flows=whole_planes(hoppings, certificate))
    except CrystalError as reason:
        content.blocks += [
            pdf.text(f"{head} · topology", "h1"),
            pdf.text(escape(name), "caption"),
            pdf.text(escape(str(reason)), "warning"),
        ]
        return
    content.blocks += topology(certificate, head, name)
    file = f"{name.replace('/', '-')}-certificate.csv"
    content.tables.append((file, certificate_csv(certificate)))


def _slice(hoppings: Hoppings, occupied: int, k: Any) -> Any:
    """The direct gap on the plane normal to c that holds the smallest one."""
    from crystalgui.core.physics.brillouin import zone
    from crystalgui.core.physics.slices import Slice, plane_of, take_slice

    offset = float(k[2])
    polyhedron = zone(hoppings.lattice) if hoppings.lattice is not None else None
    plane = plane_of(hoppings.lattice, (0, 0, 1), offset, polyhedron)
    # A point outside the first zone has an image inside, on another plane.
    shown = offset if len(plane.outline) else 0.0
    request = Slice(hkl=(0, 0, 1), offset=shown, quantity="gap", band=occupied, n=SLICE_POINTS)
    return take_slice(hoppings, request, polyhedron, threads=1)


def _add_predicted_inputs(rows: Iterable[Prediction], content: _Content) -> None:
    """Hashes of the classified files, as long as the list stays readable."""
    for row in rows:
        if len(content.inputs) >= MOST_HASHES:
            return
        file = Path(row.file)
        if not row.error and file.is_file():
            _note_input(file, content)


def report_from_files(
    files: Iterable[Path | str],
    out: Path | str,
    *,
    heading: str = "crystalgui report",
    predictions: Sequence[Prediction] = (),
    trained: TrainedModel | None = None,
    occupied: dict[str, int] | None = None,
    formats: tuple[str, ...] = ("pdf", "csv"),
    sections: Sequence[str] = tuple(REPORT_SECTIONS),
    date: str = "",
) -> Iterator[Event]:
    """Sort files into crystals and Hamiltonians, then `write_report`.

    Parameters
    ----------
    files : iterable of Path
        Structure files, hopping files with their companions, folders of them.
    out : Path
        Folder, or a file that ends in ``.pdf`` or ``.csv``.
    occupied : dict of file name to number of occupied bands
    sections : sequence of str
        Names of `messages.REPORT_SECTIONS`.

    Raises
    ------
    DataError
        When there is no section of that name.
    """
    for section in sections:
        if section not in REPORT_SECTIONS:
            raise DataError(
                f"A report has no section {section}.", f"Choose from {', '.join(REPORT_SECTIONS)}."
            )
    crystals, hoppings, companions = sort_files(files)
    job = ReportJob(
        out=Path(out),
        heading=heading,
        crystals=tuple(crystals),
        hoppings=tuple(hoppings),
        predictions=tuple(predictions),
        trained=trained,
        occupied=dict(occupied or {}),
        formats=formats,
        sections=tuple(sections),
        companions=_pair(crystals, hoppings, companions),
        date=date,
    )
    return write_report(job)


def _pair(
    crystals: Sequence[Path], hoppings: Sequence[Path], companions: Sequence[Path]
) -> dict[str, tuple[Path, ...]]:
    """Which of the given files belong to a hopping file of another folder.

    Only a single hopping file can be meant, and a crystal only when it is the
    only one and the folder of the hoppings has no lattice of its own.
    """
    from crystalgui.core.structures.hoppings.companions import find_companions

    if len(hoppings) != 1:
        return {}
    given = tuple(companions)
    if len(crystals) == 1 and find_companions(hoppings[0]).lattice is None:
        given += tuple(crystals)
    return {str(hoppings[0]): given} if given else {}


def sort_files(files: Iterable[Path | str]) -> tuple[list[Path], list[Path], list[Path]]:
    """Crystals, hoppings and companions among files and folders, in order.

    A file of unknown kind counts as a crystal, so that its reason is printed.
    """
    from crystalgui.core.structures.files import sniff

    crystals: list[Path] = []
    hoppings: list[Path] = []
    companions: list[Path] = []
    for given in map(Path, files):
        inside = sorted(p for p in given.rglob("*") if p.is_file()) if given.is_dir() else [given]
        for file in inside:
            kind = sniff(file) if file.is_file() else "unknown"
            if kind == "hoppings":
                hoppings.append(file)
            elif kind == "companion":
                companions.append(file)
            elif kind == "crystal" or not given.is_dir():
                crystals.append(file)
    return crystals, hoppings, companions
