"""The Niggli-reduced cell of many lattices at once.

A lattice has many cells; its reduced one is made of the shortest vectors and
is the same from whichever cell one starts.  Krivy and Gruber (1976) with the
tolerances of Grosse-Kunstleve, Sauter and Adams (2004), Acta Cryst. A60, 1.
Only the lattice is looked at, never the atoms.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 100
TOLERANCE = 1e-3
"""Of squared lengths, relative to the power 2/3 of the volume."""


def niggli(lattice: Tensor, tolerance: float = TOLERANCE) -> Tensor:
    """(b, 3, 3) rows are vectors -> (b, 3, 3): ``change @ lattice`` is reduced.

    The entries are whole numbers and the determinant is 1.
    """
    metric = (lattice @ lattice.mT).double()
    epsilon = tolerance * torch.linalg.det(metric).abs() ** (1 / 3)
    change = torch.eye(3, dtype=metric.dtype, device=metric.device).repeat(len(metric), 1, 1)
    for _ in range(STEPS):
        step, moved = _step(metric, epsilon)
        if not bool(moved.any()):
            break
        metric = step @ metric @ step.mT
        change = step @ change
    return change.to(lattice.dtype)


def _parts(g: Tensor) -> tuple[Tensor, ...]:
    """A, B, C, xi, eta, zeta of Niggli."""
    return g[:, 0, 0], g[:, 1, 1], g[:, 2, 2], 2 * g[:, 1, 2], 2 * g[:, 0, 2], 2 * g[:, 0, 1]


def _step(g: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """One step of each lattice: (b, 3, 3) and whether it did anything (b,)."""
    a, b, c, x, y, z = _parts(g)
    eye = torch.eye(3, dtype=g.dtype, device=g.device)
    out = eye.repeat(len(g), 1, 1)
    open_ = torch.ones(len(g), dtype=torch.bool, device=g.device)

    def same(u: Tensor, v: Tensor) -> Tensor:
        return (u - v).abs() <= e

    def use(mask: Tensor, matrix: Tensor) -> None:
        nonlocal out, open_
        mask = mask & open_
        out = torch.where(mask[:, None, None], matrix, out)
        open_ = open_ & ~mask

    use((a > b + e) | (same(a, b) & (x.abs() > y.abs() + e)),
        g.new_tensor([[0, -1, 0], [-1, 0, 0], [0, 0, -1]]))  # fmt: skip
    use((b > c + e) | (same(b, c) & (y.abs() > z.abs() + e)),
        g.new_tensor([[-1, 0, 0], [0, 0, -1], [0, -1, 0]]))  # fmt: skip
    signs = _signs(x, y, z, e)
    use((signs < 0).any(1), torch.diag_embed(signs))
    plus, zero = torch.ones_like(x), torch.zeros_like(x)
    sx, sy, sz = (torch.where(v < 0, -plus, plus) for v in (x, y, z))
    far = (x.abs() > b + e) | (same(x, b) & (2 * y < z - e)) | (same(x, -b) & (z < -e))
    use(far, _added(eye, zero, -sx))
    far = (y.abs() > a + e) | (same(y, a) & (2 * x < z - e)) | (same(y, -a) & (z < -e))
    use(far, _added(eye, -sy, zero))
    far = (z.abs() > a + e) | (same(z, a) & (2 * x < y - e)) | (same(z, -a) & (y < -e))
    row = eye.repeat(len(g), 1, 1)
    row[:, 1, 0] = -sz
    use(far, row)
    whole = x + y + z + a + b
    use((whole < -e) | (same(whole, zero) & (2 * (a + y) + z > e)), _added(eye, plus, plus))
    return out, ~open_


def _added(eye: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Third vector plus so many of the first and of the second."""
    out = eye.repeat(len(first), 1, 1)
    out[:, 2, 0], out[:, 2, 1] = first, second
    return out


def _signs(x: Tensor, y: Tensor, z: Tensor, e: Tensor) -> Tensor:
    """(b, 3) of 1 and -1 that make all angles acute, or none."""
    angles = torch.stack([x, y, z], 1)
    above, below = angles > e[:, None], angles < -e[:, None]
    zero = ~above & ~below
    acute = ~zero.any(1) & ((below.sum(1) % 2) == 0)
    wanted = torch.where(acute[:, None], below, above)  # angles that must change their sign
    # The vectors i and j of an angle change it when one of them is turned round.  What an odd
    # number of changes leaves over is put on an angle of 90 degrees, where nothing shows it.
    odd = (wanted.sum(1) % 2) == 1
    free = zero & (zero.long().cumsum(1) == 1)
    wanted = torch.where(odd[:, None], wanted ^ free, wanted)
    turn_all = (wanted.sum(1) % 2) == 1
    wanted = wanted & ~turn_all[:, None]
    # Wanted is none, or two angles: their common vector is turned, and the other two instead,
    # so that the cell stays right-handed.
    common = ~wanted & wanted.any(1, keepdim=True)
    return torch.where(common, 1.0, torch.where(wanted, -1.0, 1.0)).to(x.dtype)
