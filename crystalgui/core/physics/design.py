"""Gradient descent from a Hamiltonian to wanted bands.

Because every step from a distortion T in R^(3x3) to a band gap is
differentiable, T can be descended until the gap, a band or a phase boundary
is where it is wanted; so can the hoppings themselves, and a Zeeman field.
Gradients are those of `gradients` (Hellmann-Feynman), optionally clipped.  A
step is shortened where the linear model says that it would overshoot.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import DesignJob, DesignReady, DesignStep, Event, Progress
from crystalgui.core.physics.bands import Bands, bands
from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.brillouin import k_path
from crystalgui.core.physics.deformable import model as model_of
from crystalgui.core.physics.freedoms import Entries, Field, Freedom, Strain, Variable
from crystalgui.core.physics.gaps import (
    Gaps,
    check_occupation,
    default_mesh,
    gaps,
    guess_occupation,
)
from crystalgui.core.physics.gradients import (
    Levels,
    adjoint,
    band_weights,
    gap_weights,
    levels,
    multiplets,
    slopes_along,
)
from crystalgui.core.physics.strain import Allowed, hoppings
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

DENSITY = 25.0
"""Points per 1/Angstrom of the live bands."""
SECONDS_BETWEEN = 0.05
"""Events are at least this far apart."""
PATIENCE = 60
"""Steps without a new smallest loss after which a design gives up."""
_LOOK_AROUND = 12
"""Steps after which the whole zone is searched for a smaller gap."""
_TIMID = 1e-12


class Flag(Protocol):
    """What stops a design gently: a ``threading.Event`` does."""

    def is_set(self) -> bool:
        """Whether it was raised."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opening:
    """What a design starts from: Hamiltonian, bands along its path, gaps."""

    hoppings: Hoppings
    bands: Bands
    gaps: Gaps
    occupied: int


def opening(h: Hoppings, occupied: int = 0) -> Opening:
    """Bands and gaps before the design, at a filling (0: stated or guessed)."""
    occupied = occupied or guess_occupation(h)[0]
    check_occupation(h, occupied)
    shown = bands(h, k_path(h, DENSITY))
    return Opening(hoppings=h, bands=shown, gaps=gaps(h, occupied), occupied=occupied)


def opening_of_model(name: str) -> Opening:
    """The same for a model that follows a strain."""
    return opening(hoppings(model_of(name)))


# -------------------------------------------------------------- targets


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """A target at fixed k: ``weights`` (p, q, n) times levels (p, n) minus ``goal`` (p, q).

    The loss is the mean square of these residuals, eV^2.
    """

    found: Levels
    weights: Floats
    goal: Floats

    @property
    def residual(self) -> Floats:
        """(p, q) eV."""
        at = np.einsum("pqn,pn->pq", self.weights, self.found.energies)
        return np.asarray(at - self.goal)

    @property
    def loss(self) -> float:
        """eV^2."""
        return float((self.residual**2).mean())

    @property
    def slopes(self) -> Floats:
        """(p, n): derivative of the loss by the levels, eV."""
        r = self.residual
        return np.asarray(np.einsum("pqn,pq->pn", self.weights, r) * (2 / r.size))

    def along(self, slopes: Floats) -> float:
        """The best multiple of a step whose linear effect on the levels is ``slopes`` (p, n)."""
        r, dr = self.residual, np.einsum("pqn,pn->pq", self.weights, slopes)
        size = float((dr * dr).sum())
        return -float((r * dr).sum()) / size if size > 0 else 0.0


def aim(h: Hoppings, job: DesignJob, occupied: int, k: Floats) -> Aim:
    """The target of a job, with ``k`` (3,) where the watched gap is."""
    if job.target == "bands":
        assert job.points is not None
        assert job.reference is not None
        found = levels(h, job.points)
        mean = multiplets(found.energies)
        return Aim(found, mean, np.einsum("pqn,pn->pq", mean, job.reference))
    found = levels(h, k[None])
    if job.target == "band":
        return Aim(found, band_weights(found.energies, job.band - 1), np.array([[job.value]]))
    goal = 0.0 if job.target == "close" else job.value
    return Aim(found, gap_weights(found.energies, occupied), np.array([[goal]]))


def gradient(freedom: Freedom, x: Variable, cells: NDArray[np.int64], at: Aim) -> Variable:
    """Gradient of the loss by the variable, without constraints."""
    return freedom.pull(x, adjoint(cells, at.found, at.slopes))


# ------------------------------------------------------------- the gap


def direct_gap(h: Hoppings, k: Floats, occupied: int) -> Floats:
    """Direct gap (p,) in eV at k (p, 3)."""
    e = energies(h, k)
    return np.asarray(e[:, occupied] - e[:, occupied - 1])


def follow(h: Hoppings, k: Floats, occupied: int, radius: float = 0.02) -> Floats:
    """The local minimum (3,) of the direct gap next to k (3,), by pattern search."""
    live = (h.cells[np.abs(h.matrices).max(axis=(1, 2)) > 1e-9] != 0).any(axis=0)
    steps = np.array(list(product(*[(0.0, -1.0, 1.0) if x else (0.0,) for x in live])))
    for _ in range(60):
        trial = k + radius * steps
        best = int(direct_gap(h, trial, occupied).argmin())
        k = trial[best]
        if best == 0:
            radius /= 3
            if radius < 2e-6:
                break
    return np.asarray(k)


def smaller_elsewhere(h: Hoppings, k: Floats, occupied: int) -> Floats:
    """K (3,), or a minimum of the whole zone with a gap at least 1 meV smaller."""
    mesh = default_mesh(h)
    table = grid_energies(h, mesh)
    field = table[..., occupied] - table[..., occupied - 1]
    place = np.array(np.unravel_index(int(field.argmin()), field.shape)) / mesh
    place = follow(h, place, occupied, 0.5 / max(mesh))
    here, there = direct_gap(h, np.stack([k, place]), occupied)
    return place if there < here - 1e-3 else k


# ---------------------------------------------------------- the descent


class Descent:
    """Plain or Adam steps (Kingma and Ba, 2015), with clipping by the norm.

    Clipping: R. Pascanu, T. Mikolov and Y. Bengio, ICML 2013.
    """

    def __init__(self, kind: str, rate: float, clip: float) -> None:
        self.kind, self.rate, self.clip = kind, rate, clip
        self._count = 0
        self._mean: Variable | None = None
        self._square: Floats | None = None

    def direction(self, gradient: Variable) -> Variable:
        """The step for this gradient."""
        size = float(np.linalg.norm(gradient))
        if self.clip > 0 and size > self.clip:
            gradient = gradient * (self.clip / size)
        if self.kind == "plain":
            return -self.rate * gradient
        self._count += 1
        first, second = 0.9, 0.999
        mean = np.zeros_like(gradient) if self._mean is None else self._mean
        square = np.zeros(gradient.shape) if self._square is None else self._square
        self._mean = first * mean + (1 - first) * gradient
        self._square = second * square + (1 - second) * np.abs(gradient) ** 2
        m = self._mean / (1 - first**self._count)
        v = self._square / (1 - second**self._count)
        step: Variable = -self.rate * m / (np.sqrt(v) + 1e-12)
        return step

    def forget(self) -> None:
        """No momentum any more: it led away."""
        self._count, self._mean, self._square = 0, None, None


def step(
    freedom: Freedom, x: Variable, h: Hoppings, at: Aim, descent: Descent
) -> tuple[Variable, bool]:
    """The next variable, and whether it moved."""
    g = freedom.project(x, gradient(freedom, x, h.cells, at))
    if float(np.linalg.norm(g)) < _TIMID:
        return x, False
    u = freedom.project(x, descent.direction(g))
    share = at.along(slopes_along(h.cells, at.found, freedom.push(x, u)))
    if share <= 0:  # old momentum goes uphill
        descent.forget()
        u = freedom.project(x, descent.direction(g))
        share = at.along(slopes_along(h.cells, at.found, freedom.push(x, u)))
    new = freedom.moved(x, u * min(1.0, share))
    return new, bool(np.abs(new - x).max() > _TIMID)


# -------------------------------------------------------------- the job


COLUMNS = (
    "step",
    "loss (eV²)",
    "value (eV)",
    "gap (eV)",
    "k1",
    "k2",
    "k3",
    *(f"T_{a}{b}" for a in "xyz" for b in "xyz"),
    "B_x (eV)",
    "B_y (eV)",
    "B_z (eV)",
    "rms change of hoppings (eV)",
)


def freedom_of(job: DesignJob) -> Freedom:
    """What the job may change.

    Raises
    ------
    CrystalError
        Unknown model, unreadable file, or settings that cannot be.
    """
    if not (0 < job.learning_rate < 10 and job.steps > 0 and job.tolerance > 0 and job.bound > 0):
        raise PhysicsError(
            "Learning rate, steps, tolerance and bound of a design must be positive.",
            "Give other numbers.",
        )
    if job.freedom == "strain":
        allowed = Allowed(
            shape=job.shape,
            rotations=job.rotations,
            symmetry=job.symmetry,
            volume=job.volume,
            bound=job.bound,
        )
        if job.source is not None:
            raise PhysicsError(
                "The hoppings of a file do not say how they follow a strain.",
                "Design the hoppings themselves or a field, or choose a built-in model.",
                path=job.source,
            )
        return Strain(model_of(job.model), allowed)
    if job.source is None:
        h = hoppings(model_of(job.model))
    else:
        from crystalgui.core.structures.hoppings.reader import read_hoppings

        h = read_hoppings(job.source, job.companions)
    return Entries(h) if job.freedom == "hoppings" else Field(h, job.bound)


def design(job: DesignJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Descend until the target is reached, the steps are used up or ``stop`` is raised."""
    yield from Run(job, freedom_of(job), stop).events()


class Run:
    """One design: its variable, the k that it watches, and its history."""

    def __init__(self, job: DesignJob, freedom: Freedom, stop: Flag | None = None) -> None:
        self.job, self.freedom, self._stop = job, freedom, stop
        self.x = freedom.start()
        self.h = freedom.hoppings(self.x)
        self.first = opening(self.h, job.occupied)
        self.occupied = self.first.occupied
        self._check()
        self.k = np.array(self.first.gaps.direct.k_lower if job.k is None else job.k, dtype=float)
        self.history: list[list[float]] = []
        self.descent = Descent(job.optimiser, job.learning_rate, job.clip_norm)

    def _check(self) -> None:
        job, n = self.job, self.h.n_orbitals
        if job.target == "band" and not 1 <= job.band <= n:
            raise PhysicsError(f"There is no band {job.band} of {n}.", f"Choose 1 to {n}.")
        if job.target == "gap" and job.value < 0:
            raise PhysicsError("A gap cannot be negative.", "Choose 0 eV or more.")
        if job.target == "bands" and (
            job.points is None
            or job.reference is None
            or np.shape(job.reference) != (len(job.points), n)
        ):
            raise PhysicsError(
                "The reference bands do not fit the Hamiltonian.",
                f"Give k-points and {n} energies at each of them.",
            )

    def events(self) -> Generator[Event, None, None]:
        """All events of the design."""
        began = time.monotonic()
        last, number, reason, reached = -1e9, 0, "all steps were used", False
        for number in range(self.job.steps + 1):
            at = self._look(number)
            reached = float(np.abs(at.residual).max()) <= self.job.tolerance
            if reached and self._watching():  # is it the smallest gap of the zone, too?
                elsewhere = smaller_elsewhere(self.h, self.k, self.occupied)
                if elsewhere is not self.k:
                    self.k, reached = elsewhere, False
                    at = aim(self.h, self.job, self.occupied, self.k)
            self._note(number, at)
            if reached:
                reason = "the target is reached"
                break
            if self._stop is not None and self._stop.is_set():
                reason = "stopped by you"
                break
            if time.monotonic() - last >= SECONDS_BETWEEN:
                last = time.monotonic()
                yield self._event()
                yield self._progress(number, last - began)
            if number == self.job.steps:
                break
            if self._stuck():
                reason = "it comes no closer any more"
                break
            self.x, moved = step(self.freedom, self.x, self.h, at, self.descent)
            if not moved:
                reason = "no allowed change brings it closer"
                break
            self.h = self.freedom.hoppings(self.x)
        yield self._event()
        yield self._ready(reached, reason, time.monotonic() - began)

    def _stuck(self) -> bool:
        """Whether the last steps have not lowered the smallest loss so far."""
        losses = [row[1] for row in self.history]
        return len(losses) > PATIENCE and min(losses[-PATIENCE:]) >= min(losses[:-PATIENCE])

    def _watching(self) -> bool:
        """Whether the k of the smallest gap is followed."""
        return self.job.k is None and self.job.target in ("gap", "close")

    def _look(self, number: int) -> Aim:
        if self._watching() and number:
            self.k = follow(self.h, self.k, self.occupied)
            if number % _LOOK_AROUND == 0:
                self.k = smaller_elsewhere(self.h, self.k, self.occupied)
        return aim(self.h, self.job, self.occupied, self.k)

    def _note(self, number: int, at: Aim) -> None:
        value = float((at.residual + at.goal).mean())
        if self.job.target == "bands":
            value = float(np.sqrt(at.loss))
        gap = float(direct_gap(self.h, self.k[None], self.occupied)[0])
        strain, field, change = self._moved()
        row = [number, at.loss, value, gap, *self.k, *strain.ravel(), *field, change]
        self.history.append([float(x) for x in row])

    def _moved(self) -> tuple[Floats, Floats, float]:
        strain, field, change = np.zeros((3, 3)), np.zeros(3), 0.0
        if isinstance(self.freedom, Strain):
            strain = np.array(self.x.real)
        elif isinstance(self.freedom, Field):
            field = np.array(self.x.real)
        else:
            apart = np.abs(self.x - self.freedom.start())
            there = np.abs(self.first.hoppings.matrices) > 0
            change = float(np.sqrt((apart[there] ** 2).mean())) if there.any() else 0.0
        return strain, field, change

    def _event(self) -> DesignStep:
        row = self.history[-1]
        strain, field, change = self._moved()
        return DesignStep(
            step=int(row[0]),
            loss=row[1],
            value=row[2],
            gap=row[3],
            k=(row[4], row[5], row[6]),
            strain=strain,
            field=field,
            change=change,
            bands=energies(self.h, self.first.bands.path.k),
            lattice=self.h.lattice,
            frac=self.h.frac,
        )

    def _progress(self, number: int, seconds: float) -> Progress:
        text = f"step {number}, gap {self.history[-1][3]:.4f} eV"
        return Progress(done=number, total=self.job.steps, text=text)

    def _ready(self, reached: bool, reason: str, seconds: float) -> DesignReady:
        found = gaps(self.h, self.occupied).direct
        gap, k = found.energy, found.k_lower
        watched = float(direct_gap(self.h, self.k[None], self.occupied)[0])
        if watched < gap:  # a closing point, better known from following it
            gap, k = watched, self.k
        out = self.job.out
        if out is not None:
            from crystalgui.core.structures.hoppings.compact import write_compact

            out.parent.mkdir(parents=True, exist_ok=True)
            write_compact(self.h, out)
        k1, k2, k3 = (float(x) for x in k)
        return DesignReady(
            reached=reached,
            reason=reason,
            last=self._event(),
            gap=gap,
            k=(k1, k2, k3),
            seconds=seconds,
            history=np.array(self.history),
            columns=COLUMNS,
            out=out,
        )
