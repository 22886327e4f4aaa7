"""Hamiltonians with wanted bands, and diagrams of phases: ``design`` and ``phases``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crystalgui.cli.terminal import (
    UNCHECKED,
    check_targets,
    existing,
    fail,
    follow,
    settings_of,
    write,
)
from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import (
    DesignJob,
    DesignReady,
    DesignStep,
    Event,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
)

FREEDOMS = ("strain", "hoppings", "field")
SHAPES = ("free", "in-plane", "along-c", "uniform")


def design(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Hoppings to change.", **UNCHECKED)
    ] = None,
    model: Annotated[str, typer.Option(help="A model that can be strained, e.g. bitei.")] = "",
    freedom: Annotated[str, typer.Option(help="strain, hoppings or field.")] = "strain",
    gap: Annotated[float | None, typer.Option(help="Wanted direct gap in eV.")] = None,
    close: Annotated[bool, typer.Option("--close", help="Close the gap instead.")] = False,
    shape: Annotated[str, typer.Option(help=f"Of a strain: {', '.join(SHAPES)}.")] = "free",
    bound: Annotated[float, typer.Option(help="Largest strain, or field in eV.")] = 0.15,
    occupied: Annotated[int, typer.Option(help="Number of occupied bands.")] = 0,
    steps: Annotated[int, typer.Option(help="At most.")] = 500,
    poscar: Annotated[
        Path | None, typer.Option(help="Where to write the strained crystal.", **UNCHECKED)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write the Hamiltonian (.hoppings.safetensors).", **UNCHECKED),
    ] = None,
) -> int:
    """Descend a strain, the hoppings or a field until the gap is what is wanted."""
    from crystalgui.core.physics import design as designs

    check_targets(out)
    check_targets(poscar)
    if freedom not in FREEDOMS or shape not in SHAPES:
        raise PhysicsError(
            f"There is no freedom {freedom!r} or shape {shape!r}.",
            f"Choose one of {', '.join(FREEDOMS)} and one of {', '.join(SHAPES)}.",
        )
    if (file is None) == (not model):
        raise PhysicsError("Give one Hamiltonian: FILE or --model.", "Leave the other out.")
    if close == (gap is not None):
        raise PhysicsError("Give one target: --gap EV or --close.", "Leave the other out.")
    if poscar is not None and freedom != "strain":
        raise PhysicsError("Only a strain changes the crystal.", "Leave --poscar out.")
    job = DesignJob(
        freedom=freedom,  # type: ignore[arg-type]
        model=model,
        source=None if file is None else existing(file),
        occupied=occupied,
        target="close" if close else "gap",
        value=gap or 0.0,
        shape=shape,  # type: ignore[arg-type]
        bound=bound,
        steps=steps,
        out=out,
    )
    ends: list[DesignReady] = []

    def take(event: Event) -> None:
        if isinstance(event, DesignStep):
            words = f"step {event.step}: gap {event.gap:.5f} eV"
            if sys.stderr.isatty():
                print(f"\r{words}", end="", file=sys.stderr)
        elif isinstance(event, DesignReady):
            ends.append(event)

    follow(designs.design(job), take)
    if not ends:
        return fail("The design ended without an answer.")
    ready = ends[0]
    print(f"{ready.reason}; {ready.last.step} steps, {ready.seconds:.1f} s")
    print(f"direct gap {ready.gap:.5f} eV at {' '.join(f'{x:.5f}' for x in ready.k)}")
    if freedom == "strain":
        print("strain T of r -> r (1 + T):")
        for row in ready.last.strain:
            print("  " + " ".join(f"{x:+.6f}" for x in row))
    if poscar is not None:
        _write_crystal(poscar, model, ready.last)
    return 0 if ready.reached else 1


def _write_crystal(path: Path, model: str, last: DesignStep) -> None:
    from crystalgui.core.physics.design import opening_of_model
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.files import write_poscar

    h = opening_of_model(model).hoppings
    if last.lattice is None or last.frac is None or h.species is None:
        raise PhysicsError(f"The atoms of {model} are not known.", "Leave --poscar out.")
    title = f"{model}, strained to a gap of {last.gap:.4f} eV"
    write_poscar(
        Crystal(lattice=last.lattice, frac=last.frac, species=h.species, title=title), path
    )


Axis = tuple[str, float, float, int]


def phases(
    model: Annotated[str, typer.Option(help="A model Hamiltonian.")],
    x: Annotated[Axis, typer.Option(metavar="NAME FROM TO POINTS", help="First axis.")],
    y: Annotated[Axis, typer.Option(metavar="NAME FROM TO POINTS", help="Second axis.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Other settings.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Where to write; stdout without.")] = None,
) -> None:
    """Certified phases of a model in the plane of two of its settings, as CSV."""
    from crystalgui.core.physics.phases import phase_map

    check_targets(csv)
    points: list[PhasePoint] = []

    def take(event: Event) -> None:
        if isinstance(event, PhasePoints):
            points.extend(event.points)

    chosen: dict[str, Any] = settings_of(settings or [])
    follow(phase_map(PhaseMapJob(model=model, settings=chosen, x=x, y=y)), take)
    lines = [f"{x[0]},{y[0]},label,status,direct_gap_eV,remark"]
    for p in sorted(points, key=lambda point: (point.y, point.x)):
        remark = p.remark.replace('"', "'")
        lines.append(f'{p.x:.8g},{p.y:.8g},{p.label},{p.status},{p.gap:.8f},"{remark}"')
    text = "\n".join(lines) + "\n"
    if csv is None:
        sys.stdout.write(text)
    else:
        write(csv, text)
