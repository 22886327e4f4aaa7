"""The sections of a report, each a list of blocks made from values.

A section never reads a file and never decides what belongs into the report:
`report` does both, and turns what cannot be computed into a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from reportlab.platypus import KeepTogether

from crystalgui.core.messages import Prediction
from crystalgui.core.reports import pdf
from crystalgui.core.reports.tables import (
    cell_rows,
    hoppings_rows,
    model_rows,
    site_rows,
    symmetry_rows,
    version_rows,
)
from crystalgui.core.reports.typography import OKABE_ITO, formula_markup, group_markup
from crystalgui.core.structures.elements import formula

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.physics.bands import Bands
    from crystalgui.core.physics.gaps import Gaps
    from crystalgui.core.physics.slices import SliceImage
    from crystalgui.core.reports.diagram import Diagram
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.core.structures.symmetry import Symmetry

Blocks = list[Any]

PICTURE = (206.0, 196.0)
BANDS = (pdf.WIDTH, 196.0)
SLICE = (236.0, 186.0)
TALLEST = 560.0  # of a diagram: it fits on a page with its words
LONGEST = 600  # characters of a cell
FEW_SITES = 12  # so many rows stay on the page of their crystal


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file that went into the report."""

    path: Path
    size: int
    sha256: str


def clipped(text: str) -> str:
    """One cell's worth of text: a row must fit on a page."""
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip() + "…"


def short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names, with as many folders in front as it takes to tell them apart."""
    names = {path: path.name for path in paths}
    for depth in range(2, 6):
        seen: dict[str, int] = {}
        for name in names.values():
            seen[name] = seen.get(name, 0) + 1
        doubled = [path for path, name in names.items() if seen[name] > 1]
        for path in doubled:
            names[path] = Path(*path.parts[-depth:]).as_posix()
    return names


def colours_of(rows: Sequence[Prediction], trained: TrainedModel | None) -> dict[str, str]:
    """One colour for each class, in the order of the model's classes."""
    names = list(trained.classes) if trained is not None else []
    for row in rows:
        names += [name for name, _ in row.probabilities if name not in names]
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(names)}


def title(heading: str, lead: str) -> Blocks:
    """The head of the first page."""
    return [pdf.text(escape(heading), "title"), pdf.text(escape(lead), "lead"), pdf.Rule(3)]


def crystal(
    value: Crystal,
    name: str,
    found: Symmetry | None,
    note: str,
    prediction: Prediction | None,
    colours: dict[str, str],
) -> Blocks:
    """One crystal: drawing, cell, symmetry, sites and its prediction."""
    from crystalgui.core.reports.picture import structure_figure
    from crystalgui.core.reports.vector import FigureBlock

    head = formula_markup(formula(value)).replace('size="6.2"', 'size="10"')
    rows = cell_rows(value) + (symmetry_rows(found) if found is not None else [])
    width = pdf.WIDTH - PICTURE[0] - 20
    right: Blocks = [pdf.key_values(rows, width, 96)]
    if note:
        right.append(pdf.text(escape(note), "warning"))
    if prediction is not None and not prediction.error:
        right += [pdf.gap(4), *_answer(prediction, colours, width)]
    drawing = FigureBlock(structure_figure(value, *PICTURE))
    group = f" · {group_markup(found.international)}" if found is not None else ""
    first: Blocks = [
        pdf.text(f"{head}{group}", "h1"),
        pdf.text(escape(name), "caption"),
        pdf.side_by_side(drawing, right, PICTURE[0]),
    ]
    sites = _sites(value, found) if found is not None else []
    if found is None or len(set(map(int, found.equivalent_atoms))) <= FEW_SITES:
        return [KeepTogether(first + sites)]
    return [KeepTogether(first), *sites]


def _sites(value: Crystal, found: Symmetry) -> Blocks:
    """Inequivalent atoms with their Wyckoff positions."""
    rows, more = site_rows(value, found)
    widths = [62.0, 70.0, 92.0, *[(pdf.WIDTH - 224) / 3] * 3]
    head = ("Element", "Wyckoff", "Site symmetry", "x", "y", "z")
    blocks: Blocks = [
        pdf.text("INEQUIVALENT ATOMS, FRACTIONAL COORDINATES", "h2"),
        pdf.grid(head, rows, widths, right=(3, 4, 5)),
    ]
    if more:
        blocks.append(pdf.text(f"and {more:,} more sites", "caption"))
    return blocks


def _answer(row: Prediction, colours: dict[str, str], width: float) -> Blocks:
    """The prediction of one crystal: words, bars, warnings."""
    blocks: Blocks = [pdf.text("PREDICTION", "h2")]
    if row.probabilities:
        values = [(name, p, colours[name]) for name, p in row.probabilities]
        blocks.append(pdf.ProbabilityBars(values, width))
        if row.coarse:
            merged = [
                (name, p, OKABE_ITO[i % len(OKABE_ITO)]) for i, (name, p) in enumerate(row.coarse)
            ]
            blocks += [pdf.gap(5), pdf.ProbabilityBars(merged, width)]
    else:
        blocks.append(pdf.text(escape(row.prediction), "value"))
    blocks += [pdf.text(escape(w), "warning") for w in row.warnings]
    return blocks


def hamiltonian(
    value: Hoppings,
    name: str,
    lines: Bands | None,
    found: Gaps | None,
    image: SliceImage | None,
    notes: Sequence[str],
) -> Blocks:
    """One Hamiltonian: bands, gaps with their k-points, a slice of the zone."""
    from crystalgui.core.reports import figures
    from crystalgui.core.reports.vector import FigureBlock

    head = f"{hamiltonian_head(value, name)} · bands"
    blocks: Blocks = [pdf.text(head, "h1"), pdf.text(escape(name), "caption")]
    if lines is not None:
        occupied = found.occupied if found is not None else max(1, value.n_orbitals // 2)
        figure = figures.bands_figure(lines, occupied, found, *BANDS)
        caption = f"Bands along {lines.path.title}. {lines.path.note}".strip()
        blocks.append(KeepTogether([FigureBlock(figure), pdf.text(escape(caption), "caption")]))
    width = pdf.WIDTH - SLICE[0] - 20
    facts: Blocks = [pdf.key_values(hoppings_rows(value) + _gap_rows(found), width, 100)]
    facts += [pdf.text(escape(note), "warning") for note in notes]
    if image is None:
        blocks.append(pdf.key_values(hoppings_rows(value) + _gap_rows(found)))
        blocks += [pdf.text(escape(note), "warning") for note in notes]
        return blocks
    from crystalgui.core.physics.slices import points_on

    points = points_on(image.plane, lines.path) if lines is not None else []
    figure = figures.slice_figure(image, points, *SLICE)
    left = [FigureBlock(figure), pdf.text(_slice_caption(image), "caption")]
    blocks.append(KeepTogether([pdf.side_by_side(left, facts, SLICE[0])]))
    return blocks


def hamiltonian_head(value: Hoppings, name: str) -> str:
    """Markup of a Hamiltonian's title: its formula, else the name of its file."""
    if value.species is None or not len(value.species):
        return escape(Path(name).name)
    counts = {int(z): int((value.species == z).sum()) for z in value.species}
    return formula_markup(formula(counts)).replace('size="6.2"', 'size="10"')


def _slice_caption(image: SliceImage) -> str:
    """What the slice shows, as markup."""
    h, k, m = image.plane.hkl
    band = image.request.band
    what = (
        f"Direct gap between bands {band} and {band + 1}"
        if image.request.quantity == "gap"
        else f"Energy of band {band}"
    )
    plane = f"({h} {k} {m}) at {image.plane.offset + 0.0:.3f}".replace("-", "−")
    return f"{what} on the plane {plane}"


def k_text(k: Any) -> str:
    """A k-point in reduced coordinates."""
    return "(" + ", ".join(f"{float(v) + 0.0:.4f}" for v in k).replace("-", "−") + ")"


def _gap_rows(found: Gaps | None) -> list[tuple[str, str]]:
    """Gaps with their k-points, reduced coordinates."""
    if found is None:
        return []
    rows = [
        ("Occupied bands", str(found.occupied)),
        ("Fermi energy", f"{found.fermi:.4f} eV"),
        ("Direct gap", f"{found.direct.energy:.4f} eV at k = {k_text(found.direct.k_lower)}"),
    ]
    gap = found.indirect
    name = "Indirect gap" if not found.metal else "Overlap of bands"
    rows += [
        (name, f"{abs(gap.energy):.4f} eV"),
        ("Highest occupied", f"{gap.lower:.4f} eV at k = {k_text(gap.k_lower)}"),
        ("Lowest empty", f"{gap.upper:.4f} eV at k = {k_text(gap.k_upper)}"),
    ]
    return rows


def predictions(rows: Sequence[Prediction], model: str, colours: dict[str, str]) -> Blocks:
    """The table of all predictions; files that could not be read come last."""
    names = short_names([Path(row.file) for row in rows])
    good = [row for row in rows if not row.error]
    bad = [row for row in rows if row.error]
    lead = f"{len(good):,} of {len(rows):,} files" + (f" · model {model}" if model else "")
    blocks: Blocks = [pdf.text("Predictions", "h1"), pdf.text(escape(lead), "caption")]
    if good:
        if colours:
            blocks.append(pdf.Legend(list(colours.items())))
        blocks.append(_prediction_table(good, colours, names))
    if bad:
        reasons = [(names[Path(row.file)], row.error) for row in bad]
        blocks.append(pdf.text("COULD NOT BE READ", "h2"))
        blocks.append(
            pdf.grid(
                ("File", "Reason"),
                [(escape(clipped(name)), escape(clipped(why))) for name, why in reasons],
                (150, pdf.WIDTH - 150),
            )
        )
    return blocks


def _prediction_table(
    rows: Sequence[Prediction], colours: dict[str, str], names: dict[Path, str]
) -> Any:
    """One row a crystal, and a row over the whole width for its warnings."""
    bars = any(row.probabilities for row in rows)
    widths = [128.0, 92.0, 78.0, 92.0] + ([62.0, pdf.WIDTH - 452] if bars else [])
    widths[-1] += pdf.WIDTH - sum(widths)
    head = ["File", "Formula", "Space group", "Prediction"]
    head += ["Probability", ""] if bars else []
    cells: list[list[Any]] = []
    spans = []
    for row in rows:
        line: list[Any] = [
            escape(clipped(names[Path(row.file)])),
            formula_markup(clipped(row.formula)),
            group_markup(row.space_group),
            escape(clipped(row.prediction)),
        ]
        if bars:
            shares = [(p, colours[name]) for name, p in row.probabilities]
            line.append(pdf.ShareBar(shares, widths[4] - 8))
            line.append(f"{row.probability:.2f}" if math.isfinite(row.probability) else "")
        cells.append(line)
        if row.warnings:
            spans.append(len(cells))
            text = pdf.text(escape(clipped("; ".join(row.warnings))), "warning")
            cells.append([text, *[""] * (len(head) - 1)])
    return pdf.grid(head, cells, widths, right=(5,), spans=spans)


def model_card(card: TrainedModel, diagram: Diagram | None = None) -> Blocks:
    """What answered, how well it is known to answer, and the network that it is."""
    blocks: Blocks = [
        KeepTogether(
            [
                pdf.text("Model card", "h1"),
                pdf.text(escape(card.title), "caption"),
                pdf.key_values(model_rows(card)),
            ]
        )
    ]
    if diagram is not None:
        from crystalgui.core.reports.diagram import figure
        from crystalgui.core.reports.vector import FigureBlock

        drawn = FigureBlock(figure(diagram, pdf.WIDTH, TALLEST))
        words = pdf.text(escape(diagram.summary), "small")
        blocks.append(KeepTogether([pdf.text("NETWORK", "h2"), drawn, words]))
    return blocks


def inputs(files: Sequence[InputFile]) -> Blocks:
    """Files with sizes and hashes, so that the report can be checked."""
    names = short_names([f.path for f in files])
    rows = [[escape(names[f.path]), f"{f.size:,}", pdf.text(f.sha256, "digest")] for f in files]
    widths = (150.0, 68.0, pdf.WIDTH - 218)
    return [
        pdf.text("Inputs", "h1"),
        pdf.grid(("File", "Bytes", "SHA-256"), rows, widths, right=(1,)),
    ]


def versions() -> Blocks:
    """What computed the report."""
    line = ", ".join(f"{name} {value}" for name, value in version_rows())
    return [
        KeepTogether(
            [
                pdf.text("VERSIONS", "h2"),
                pdf.text(escape(line), "small"),
                pdf.text(
                    "The same inputs and versions give the same report, byte for byte, "
                    "except for its date.",
                    "small",
                ),
            ]
        )
    ]


def refused(reasons: Sequence[str]) -> Blocks:
    """Inputs that could not be read."""
    return [
        pdf.text("COULD NOT BE READ", "h2"),
        *(pdf.text(escape(reason), "error") for reason in reasons),
    ]
