"""What is seen inside a network while it trains, kept beside its metrics.

``monitors.jsonl`` of a run folder has a line for each `AttentionReady` and
`GradientsReady` (Bird 2023, Figs. 6, 22 and 28).  A line that is written
again for the same epoch of the same network replaces the former one, so that
an epoch that a killed run repeats is there once.  A run of a sweep has lines
of several networks, in the order in which they were trained.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from crystalgui.core.atomic import write_atomic
from crystalgui.core.messages import AttentionReady, GradientsReady
from crystalgui.core.store.encode import from_plain, to_plain

FILE = "monitors.jsonl"

Monitored = AttentionReady | GradientsReady
KINDS: dict[str, type[AttentionReady] | type[GradientsReady]] = {
    "attention": AttentionReady,
    "gradients": GradientsReady,
}


def append(folder: Path, event: Monitored) -> None:
    """Add an event to the file of a run folder."""
    text = _line(event)
    with open(folder / FILE, "ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":  # a torn line of a run that was killed
                text = "\n" + text
        stream.write(text.encode())
        stream.flush()


def read(folder: Path, run_id: str = "") -> list[Monitored]:
    """The events of a run folder by network and epoch, each once; torn lines are skipped."""
    found: dict[tuple[int, int, str], Monitored] = {}
    networks: dict[str, int] = {}
    with (
        suppress(FileNotFoundError),
        open(folder / FILE, encoding="utf-8", errors="replace") as stream,
    ):
        for line in stream:
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                row = json.loads(line)
                event: Monitored = from_plain(KINDS[row.pop("kind")], row, folder.absolute())
                kind = type(event).__name__
                place = networks.setdefault(event.network, len(networks))
                found[place, event.epoch, kind] = replace(event, run_id=run_id or event.run_id)
    return [found[key] for key in sorted(found)]


def truncate(folder: Path, epoch: int, network: str = "") -> None:
    """Forget what was seen of a network after ``epoch``."""
    if (folder / FILE).is_file():
        every = read(folder)
        kept = [event for event in every if event.network != network or event.epoch <= epoch]
        if len(kept) == len(every):
            return
        write_atomic(folder / FILE, "".join(_line(event) for event in kept))


def _line(event: Monitored) -> str:
    kind = next(name for name, own in KINDS.items() if isinstance(event, own))
    plain = to_plain(event, Path.cwd())
    plain.pop("job_id")
    return json.dumps({"kind": kind, **plain}, allow_nan=False) + "\n"
