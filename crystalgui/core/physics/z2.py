"""Z2 of insulators with time reversal, T^2 = -1, from the flow of charge centres.

Over half of a plane that time reversal maps to itself, the number of Wannier
charge centres that the middle of the largest gap passes is even or odd
(Soluyanov and Vanderbilt, Phys. Rev. B 83, 235401 (2011)): that is Z2 of Fu
and Kane, Phys. Rev. B 74, 195312 (2006).  In three dimensions the six planes
k_i = 0 and k_i = 1/2 give (nu0; nu1 nu2 nu3) of Fu, Kane and Mele, Phys. Rev.
Lett. 98, 106803 (2007), and nu0 three times.

An index always comes with a status: without a gap there is none, and where a
check fails it is not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.certificate import Check, Status
from crystalgui.core.physics.lines import circular_distance
from crystalgui.core.physics.symmetries import layer_normal
from crystalgui.core.physics.wilson import Convergence, Surface, WilsonFlow, flow
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlaneZ2:
    """Z2 of one plane.

    Attributes
    ----------
    value : int or None
        None unless the status is ``converged``.
    status : {"converged", "unresolved", "undefined"}
        ``undefined``: the direct gap closes on the plane, or the occupied
        bands are odd; ``unresolved``: the flow or the pairing did not pass.
    flow : WilsonFlow
        Over half of the plane, t = 0 and t = 1 on lines that time reversal
        maps to themselves.
    crossed : int
        Charge centres passed by the middle of the largest gap.
    splitting : float
        Largest distance of the two centres of a Kramers pair on those lines.
    """

    value: int | None
    status: Status
    flow: WilsonFlow
    crossed: int
    splitting: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Z2:
    """Z2 of a crystal.

    Attributes
    ----------
    indices : tuple of int or None
        (nu,) in two dimensions, (nu0, nu1, nu2, nu3) in three; None unless the
        status is ``converged``.
    status : {"converged", "unresolved", "undefined"}
    planes : tuple of (name, PlaneZ2)
        Names as ``"k1 = 0"`` and ``"k1 = 1/2"``.
    checks : tuple of Check
    """

    indices: tuple[int, ...] | None
    status: Status
    planes: tuple[tuple[str, PlaneZ2], ...]
    checks: tuple[Check, ...]


def half_plane(axis: int, offset: float) -> Surface:
    """Half of the plane k_axis = offset; the loops run along the axis after the next one."""
    unit = np.eye(3)
    return Surface(
        origin=offset * unit[axis],
        across=unit[(axis + 1) % 3] / 2,
        along=unit[(axis + 2) % 3],
        name=_name(axis, offset),
    )


def z2_plane(
    h: Hoppings,
    occupied: int,
    surface: Surface,
    *,
    options: Convergence | None = None,
    gap_tolerance: float = 1e-6,
    threads: int | None = 1,
) -> PlaneZ2:
    """Z2 of a plane that time reversal maps to itself.

    Parameters
    ----------
    h : Hoppings
        With time reversal, T^2 = -1 (not tested here, but see ``splitting``).
    occupied : int
    surface : Surface
        Half of the plane: its first and last lines map to themselves.
    options : Convergence, optional
    gap_tolerance : float, eV
        A smaller direct gap on the plane counts as closed.
    threads : int or None
        Threads over k-points; None for one a core.
    """
    options = options or Convergence()
    centres = flow(h, surface, occupied, options, gap_tolerance=gap_tolerance, threads=threads)
    crossed = _crossed(centres)
    split = max(_splitting(centres.centres[0]), _splitting(centres.centres[-1]))
    status: Status = "converged"
    if centres.smallest_gap < gap_tolerance or occupied % 2:
        status = "undefined"
    elif not centres.converged or split > 2 * options.pos_tol:
        status = "unresolved"
    return PlaneZ2(
        value=crossed % 2 if status == "converged" else None,
        status=status,
        flow=centres,
        crossed=crossed,
        splitting=split,
    )


def z2(
    h: Hoppings,
    occupied: int,
    dimension: int = 3,
    *,
    options: Convergence | None = None,
    gap_tolerance: float = 1e-6,
    threads: int | None = 1,
    known: Mapping[str, PlaneZ2] | None = None,
) -> Z2:
    """Z2 of a crystal with time reversal, T^2 = -1.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    dimension : {2, 3}
        2: the plane of k1 and k2.
    options, gap_tolerance, threads
        As for `z2_plane`.
    known : mapping of names to PlaneZ2, optional
        Planes of an earlier attempt; those that converged are not done again.
    """
    if dimension not in (2, 3):
        raise PhysicsError(
            f"There is no Z2 index of Kramers pairs in {dimension} dimensions here.",
            "Choose 2 or 3 dimensions.",
            path=h.source,
        )
    options = options or Convergence()
    flat = [(layer_normal(h), 0.0)]
    places = flat if dimension == 2 else [(i, x) for i in range(3) for x in (0.0, 0.5)]
    done = {name: plane for name, plane in (known or {}).items() if plane.status == "converged"}
    planes = tuple(
        (
            _name(axis, offset),
            done.get(_name(axis, offset))
            or z2_plane(
                h,
                occupied,
                half_plane(axis, offset),
                options=options,
                gap_tolerance=gap_tolerance,
                threads=threads,
            ),
        )
        for axis, offset in places
    )
    checks = [_gap_check(planes, gap_tolerance), _flow_check(planes), _kramers(planes, options)]
    status = _worst([plane.status for _, plane in planes])
    indices: tuple[int, ...] | None = None
    values = [plane.value for _, plane in planes if plane.value is not None]
    if status == "converged" and dimension == 2:
        indices = (values[0],)
    elif status == "converged":
        strong = [(values[2 * i] + values[2 * i + 1]) % 2 for i in range(3)]
        agree = len(set(strong)) == 1
        checks.append(
            Check(
                name="strong index along three axes",
                passed=agree,
                value=" ".join(map(str, strong)),
                text="Z2(k_i = 0) + Z2(k_i = 1/2) must be the same for i = 1, 2, 3.",
            )
        )
        status = "converged" if agree else "unresolved"
        indices = (strong[0], values[1], values[3], values[5]) if agree else None
    return Z2(indices=indices, status=status, planes=planes, checks=tuple(checks))


def _name(axis: int, offset: float) -> str:
    return f"k{axis + 1} = {'1/2' if offset == 0.5 else f'{offset:g}'}"


def _crossed(flow_: WilsonFlow) -> int:
    """Centres of the next line between the middles of the largest gaps of two lines."""
    low = np.minimum(flow_.gap[:-1], flow_.gap[1:])[:, None]
    high = np.maximum(flow_.gap[:-1], flow_.gap[1:])[:, None]
    following = flow_.centres[1:]
    return int(((following > low) & (following <= high)).sum())


def _splitting(centres: Floats) -> float:
    """Largest distance in the best pairing of neighbours on the circle."""
    if len(centres) % 2:
        return 0.5
    one = circular_distance(centres[::2, None], centres[1::2, None]).max()
    other = circular_distance(np.roll(centres, 1)[::2, None], np.roll(centres, 1)[1::2, None])
    return float(min(one, other.max()))


def _worst(statuses: list[Status]) -> Status:
    for status in ("undefined", "unresolved"):
        if status in statuses:
            return status
    return "converged"


def _gap_check(planes: tuple[tuple[str, PlaneZ2], ...], tolerance: float) -> Check:
    name, lowest = min(planes, key=lambda item: item[1].flow.smallest_gap)
    return Check(
        name="gap on the planes",
        passed=lowest.flow.smallest_gap >= tolerance,
        value=lowest.flow.smallest_gap,
        text=f"Smallest direct gap in eV, on the plane {name}.",
    )


def _flow_check(planes: tuple[tuple[str, PlaneZ2], ...]) -> Check:
    failed = [
        f"{name}: "
        + ", ".join(
            what
            for what, value, tolerance in plane.flow.worst
            if (value < tolerance if what == "gap" else value > tolerance)
        )
        for name, plane in planes
        if not plane.flow.converged
    ]
    good = len(planes) - len(failed)
    text = "Movement of the charge centres and their distance from the gap line, on every plane."
    if failed:
        text = "Charge centres did not converge on " + "; ".join(failed) + "."
    return Check(
        name="charge centres converge",
        passed=not failed,
        value=f"{good} of {len(planes)} planes",
        text=text,
    )


def _kramers(planes: tuple[tuple[str, PlaneZ2], ...], options: Convergence) -> Check:
    name, worst = max(planes, key=lambda item: item[1].splitting)
    return Check(
        name="kramers",
        passed=worst.splitting <= 2 * options.pos_tol,
        value=worst.splitting,
        text="Largest distance of paired charge centres on the lines that time reversal maps "
        f"to themselves, on the plane {name}.",
    )
