"""The phase of a Hamiltonian, or of a mixture of two: ``topology``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystalgui.cli.terminal import (
    UNCHECKED,
    Terminal,
    check_targets,
    existing,
    settings_of,
    write,
)
from crystalgui.core.errors import PhysicsError

if TYPE_CHECKING:
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.core.structures.hoppings.model import Hoppings


def topology(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Hoppings.", **UNCHECKED)
    ] = None,
    structure: Annotated[
        Path | None, typer.Option(help="Crystal that gives the lattice.", **UNCHECKED)
    ] = None,
    occupied: Annotated[int | None, typer.Option(help="Number of occupied bands.")] = None,
    fermi: Annotated[
        float | None, typer.Option(help="Fermi energy in eV, instead of a number of bands.")
    ] = None,
    dimension: Annotated[
        int | None, typer.Option("--dim", help="1, 2 or 3; found without it.")
    ] = None,
    nodes: Annotated[
        bool, typer.Option("--nodes/--no-nodes", help="Search for Weyl and Dirac nodes.")
    ] = True,
    tolerance_gap: Annotated[
        float, typer.Option(help="Direct gaps below it (eV) are not resolved.")
    ] = 1e-4,
    symmetrise: Annotated[
        bool, typer.Option("--symmetrise", help="Restore a slightly broken time reversal.")
    ] = False,
    model: Annotated[str, typer.Option(help="A model Hamiltonian instead of a file.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of the model.")
    ] = None,
    path: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Mix two files from A to B.", **UNCHECKED),
    ] = None,
    steps: Annotated[int, typer.Option(help="Mixtures along the path.")] = 21,
    csv: Annotated[
        Path | None, typer.Option(help="Table of a path; stdout without.", **UNCHECKED)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Phase, invariants, gap and nodes of a Hamiltonian, with what supports them."""
    check_targets(csv)
    if (file is not None) + bool(model) + (path is not None) != 1:
        raise PhysicsError(
            "Give one Hamiltonian: a FILE, --model NAME or --path A B.",
            "For example: crystalgui topology wannier90_hr.dat --occupied 18 --json",
        )
    if not tolerance_gap > 0:
        raise PhysicsError(
            f"A gap tolerance of {tolerance_gap} eV is impossible.", "Give one such as 1e-4."
        )
    if settings and not model:
        raise PhysicsError("--set belongs to --model.", "Leave it out for files.")
    options: dict[str, Any] = {
        "dimension": dimension,
        "gap_tolerance": tolerance_gap,
        "nodes": nodes,
        "symmetrise": symmetrise,
    }
    if path is not None:
        ends = (_read(path[0], structure), _read(path[1], structure))
        _path(ends, _filling(ends[0], occupied, fermi), steps, options, csv, as_json)
        return
    h = _build(model, settings or []) if file is None else _read(file, structure)
    from crystalgui.core.physics.certificate import certificate_json
    from crystalgui.core.physics.classify import classify

    filling, reason = _filling(h, occupied, fermi)
    certificate = classify(h, filling, **options)
    if not as_json:
        print(_words(certificate, reason))
        return
    facts = certificate_json(certificate)
    facts["assumptions"]["occupied"] = reason
    print(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False))


def _read(file: Path, structure: Path | None) -> Hoppings:
    from crystalgui.core.structures.files import read_crystal
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    if structure is None:
        return read_hoppings(existing(file))
    read_crystal(existing(structure))  # what is no crystal is refused, not passed over
    return read_hoppings(existing(file), (structure,))


def _build(name: str, pairs: list[str]) -> Hoppings:
    from crystalgui.core.physics import zoo

    return zoo.build(name, **settings_of(pairs))


def _filling(h: Hoppings, occupied: int | None, fermi: float | None) -> tuple[int, str]:
    """Number of occupied bands, and where it comes from."""
    from crystalgui.core.physics.gaps import check_occupation, guess_occupation, occupied_below

    if occupied is not None and fermi is not None:
        raise PhysicsError("--occupied and --fermi contradict each other.", "Give one of them.")
    if fermi is not None:
        return occupied_below(h, fermi), f"bands below {fermi:g} eV"
    count, reason = guess_occupation(h) if occupied is None else (occupied, "as asked")
    check_occupation(h, count)
    return count, reason


def _words(c: Certificate, reason: str) -> str:
    """The certificate for a person."""
    from crystalgui.core.physics.overview import k_text

    lines = [f"{c.label} ({c.status})" + (f": {c.remark}" if c.remark else "")]
    lines.append(f"{c.occupied} occupied bands ({reason}), {c.dimension} dimensions")
    i = c.indices
    indices = [
        f"Z2 = {c.z2_text}" if i.z2 is not None else "",
        f"Z4 = {i.z4}" if i.z4 is not None else "",
        f"Chern = {', '.join(map(str, i.chern))}" if i.chern is not None else "",
        *(f"mirror Chern {name} = {n}" for name, n in i.mirror_chern or ()),
        f"winding = {i.winding}" if i.winding is not None else "",
    ]
    lines.append("; ".join(filter(None, indices)) or "no index applies")
    if c.gaps is not None:
        direct, indirect = c.gaps.direct, c.gaps.indirect
        lines.append(f"direct gap {direct.energy:.4f} eV at {k_text(direct.k_lower)}")
        lines.append(f"indirect gap {indirect.energy:.4f} eV")
    for node in c.nodes:
        charge = f"{node.chirality:+d}" if node.chirality else "0"
        lines.append(f"{node.kind} at {k_text(node.k)}, {node.energy:.4f} eV, chirality {charge}")
    for check in c.checks:
        mark = {True: "ok", False: "FAILED", None: "note"}[check.passed]
        value = check.value if isinstance(check.value, str) else f"{check.value:.3g}"
        lines.append(f"  {mark:<6} {check.name}: {value}  {check.text}".rstrip())
    lines.append(c.assumptions.sentence())
    lines.append(f"{c.seconds:.2f} s")
    return "\n".join(lines)


def _path(
    ends: tuple[Hoppings, Hoppings],
    filling: tuple[int, str],
    steps: int,
    options: dict[str, Any],
    csv: Path | None,
    as_json: bool,
) -> None:
    """Phase diagram along a mixture of two files."""
    from crystalgui.core.physics.labels import label_path, path_csv, path_json

    if steps < 2:
        raise PhysicsError(f"{steps} steps make no path.", "Give at least 2.")
    terminal = Terminal()
    samples = []
    for done, sample in enumerate(label_path(*ends, filling[0], steps, **options), start=1):
        samples.append(sample)
        terminal.show(f"{100 * done / steps:3.0f} % alpha = {sample.alpha:.4f} {sample.label}")
    terminal.clear()
    samples.sort(key=lambda sample: sample.alpha)
    text = path_csv(samples)
    if as_json:
        facts = path_json(samples, replace(ends[0].assumptions))
        facts["occupied"] = filling[0]
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if csv is None:
        sys.stdout.write(text)
    else:
        write(csv, text)
