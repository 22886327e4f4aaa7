"""Names of heads, and what is said of those that choose nothing: in the log and in the window.

A softmax over atoms (Nop et al. 2025, Fig. 4) cannot be shut as a sigmoid can,
so nothing of `saturation` holds for it.  It has two other ends: all weight of
each row on a single atom (collapsed), or the same weight on all of them, which
is a mean.  Both are facts about the crystals that are watched, not faults: a
network before training is near a mean, and a head may well need one atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from crystalgui.core.messages import AttentionReady
from crystalgui.core.reports.saturation import layers

_HEAD = ", head "


def split(name: str) -> tuple[str, str]:
    """``("layer 2", "3")`` of ``layer 2, head 3``; no head where it is a layer of another kind."""
    layer, found, head = name.rpartition(_HEAD)
    return (layer, head) if found else (name, "")


def groups(names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Layers in order, and how many heads each has; empty where layers have no heads."""
    own = [split(name) for name in names]
    if not own or not all(head for _, head in own):
        return ()
    return tuple((layer, len(list(every))) for layer, every in groupby(own, lambda two: two[0]))


def without_choice(readings: Sequence[AttentionReady], epoch: int) -> str:
    """What is said of heads at one of their ends at an epoch; empty where there are none.

    Nothing before training, when every network is near a mean.
    """
    until = [r for r in readings if r.epoch <= epoch]
    if not until or not until[-1].epoch:
        return ""
    now = until[-1]
    said = []
    for kind, words in (
        ("single", "Collapsed, each row with all its weight on one"),
        ("alike", "As good as a mean, all alike in each row"),
    ):
        at = [i for i, flag in enumerate(getattr(now, kind)) if flag]
        if not at:
            continue
        since = now.epoch
        for older in reversed(until):
            flags = getattr(older, kind)
            if older.layers != now.layers or not all(flags[i] for i in at):
                break
            since = older.epoch
        when = f"since epoch {since}" if since else "from the start"
        said.append(f"{words}: {_named([now.layers[i] for i in at])}, {when}.")
    return " ".join(said)


def _named(names: Sequence[str]) -> str:
    """``heads 1 and 3 of layer 2, head 4 of pooling``."""
    own = [split(name) for name in names]
    parts = [
        f"{layers([head for _, head in every], 'head')} of {layer}"
        for layer, every in groupby(own, lambda two: two[0])
    ]
    return "; ".join(parts)
