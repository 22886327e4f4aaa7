"""What is said of attention that is stuck: the same sentence in the log and in the window.

Bird (2023), section 3.2 and Fig. 28: sigmoids of free attention saturate, and
a layer that is shut for every sample alike stays cut off for good.  The remedy
there is a floor, eps + (1 - eps) sigma.  A layer that rests on that floor for
every sample is stuck just as well: what it reads arrives, but the attention no
longer depends on the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from crystalgui.core.messages import AttentionReady

FLOOR = 0.05
"""The epsilon that is suggested where attention saturates without any."""
HIGHEST = 0.5
"""No higher epsilon is suggested: more leaves attention little to say."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """Read-outs whose attention is the same for every sample, and what may help.

    Attributes
    ----------
    since : int
        They have been so in every reading since this epoch.
    low : tuple of str
        Those at the least attention that there is: shut, or on the floor.
    open : tuple of str
        Those at the most.
    least : float
        That least attention; 0 without a floor.
    floor : float
        The epsilon to try instead of ``now``; 0 when raising it would not help.
    now : float
    """

    since: int
    low: tuple[str, ...]
    open: tuple[str, ...]
    least: float
    floor: float
    now: float

    @property
    def title(self) -> str:
        """What is seen, in a sentence."""
        parts = []
        if self.low:
            where = "shut" if self.least <= 0 else f"at the floor {self.least:.3g}"
            parts.append(f"{layers(self.low)} {_is(self.low)} {where}")
        if self.open:
            parts.append(f"{layers(self.open)} {_is(self.open)} open")
        said = " and ".join(parts)
        since = f"since epoch {self.since}" if self.since else "from the start"
        return f"{said[:1].upper()}{said[1:]} for every sample alike {since}: saturated."

    @property
    def hint(self) -> str:
        """What to do."""
        if not self.low:
            return "A lower learning rate keeps attention where it can still move."
        said = "Lower the learning rate"
        if self.floor:
            why = ", so that none is shut for good," if self.now <= 0 else ""
            said = f"Raise the floor ε of the attention from {self.now:g} to {self.floor:g}{why}"
            said += " or lower the learning rate"
        more = "; against open layers a lower rate alone helps" if self.open and self.floor else ""
        return f"{said}{more}."

    @property
    def sentence(self) -> str:
        """Both: the line of the log."""
        return f"{self.title} {self.hint}"


def saturation(readings: Sequence[AttentionReady], epoch: int) -> Saturation | None:
    """What is saturated at an epoch (or the newest reading before it); None when nothing is."""
    until = [r for r in readings if r.epoch <= epoch]
    if not until or not any(until[-1].saturated):
        return None
    r = until[-1]
    at = [i for i, flag in enumerate(r.saturated) if flag]
    since = r.epoch
    for older in reversed(until):
        if len(older.saturated) != len(r.saturated) or not all(older.saturated[i] for i in at):
            break
        since = older.epoch
    low = [i for i in at if r.mean[i] < (r.least + r.most) / 2]
    higher = min(HIGHEST, 2 * r.floor) if r.floor > 0 else FLOOR
    own = numbers(r.layers)
    return Saturation(
        since=since,
        low=tuple(own[i] for i in low),
        open=tuple(own[i] for i in at if i not in low),
        least=r.least,
        floor=higher if low and higher > r.floor else 0.0,
        now=r.floor,
    )


def numbers(names: Sequence[str]) -> tuple[str, ...]:
    """What a layer is called on an axis: the number its name begins with, else its place.

    Read-outs begin with the input and stages with the first layer, so their
    places differ where their numbers (``"3 pool"``) are the same.
    """
    own = tuple(name.partition(" ")[0] for name in names)
    if all(word.isdigit() for word in own) and len(set(own)) == len(own):
        return own
    return tuple(str(place) for place in range(len(names)))


def layers(places: Sequence[str], noun: str = "layer") -> str:
    """``layer 3``, ``layers 0 and 4``, ``layers 1–3 and 7``."""
    runs = []
    whole = sorted(int(place) for place in places)
    for _, group in groupby(enumerate(whole), lambda pair: pair[1] - pair[0]):
        block = [place for _, place in group]
        if len(block) > 2:
            runs.append(f"{block[0]}–{block[-1]}")
        else:
            runs += [str(place) for place in block]
    words = runs[0] if len(runs) == 1 else f"{', '.join(runs[:-1])} and {runs[-1]}"
    return f"{noun if len(places) == 1 else f'{noun}s'} {words}"


def _is(places: Sequence[str]) -> str:
    return "is" if len(places) == 1 else "are"
