"""Where the lists of crystals are that every model gets wrong.

A run of the experiment ``misclassified`` leaves one in its folder, together
with the data set that its models learnt; `results.keep_record` keeps a copy of
the list with the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystalgui.core.datasets.dataset import SUMMARY
from crystalgui.core.errors import CrystalError
from crystalgui.core.experiments.results import LISTS, STEPS, records_folder, standing

EXPERIMENT = "misclassified"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundList:
    """A list on the disk; ``datasets`` are the folders of what the run has learnt."""

    title: str
    path: Path
    datasets: tuple[Path, ...] = ()


def missed_lists(experiments: Path) -> tuple[FoundList, ...]:
    """Lists of finished runs below a folder, the newest first, then those kept with the program.

    Runs that cannot be read are left out; the Experiments page says why.
    """
    found = []
    for folder in sorted(experiments.glob(f"{EXPERIMENT}-*")):
        try:
            record = standing(folder).record
        except CrystalError:
            continue
        for table in record.tables if record is not None else ():
            path = folder / table.file
            if record is not None and table.name in LISTS and path.is_file():
                title = f"{record.preset}, run of {record.date}"
                found.append((record.date, FoundList(
                    title=title, path=path, datasets=datasets_of(path)
                )))  # fmt: skip
    found.sort(key=lambda pair: pair[0], reverse=True)
    kept = [
        FoundList(title=f"{path.stem.removesuffix(f'-{name}')}, recorded", path=path)
        for name in LISTS
        for path in sorted(records_folder(EXPERIMENT).glob(f"*-{name}.csv"))
    ]
    return (*(one for _, one in found), *kept)


def datasets_of(path: Path) -> tuple[Path, ...]:
    """The data sets that the run of a list has imported; none for a list from elsewhere."""
    steps = path.parent.parent / STEPS
    return tuple(p.parent for p in sorted(steps.glob(f"*/.crystalgui/datasets/*/{SUMMARY}")))
