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
from crystalgui.core.experiments.results import LISTS, STEPS, Record, records_folder, standing

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
        path = list_of(folder, record)
        if record is not None and path is not None:
            title = f"{record.preset}, run of {record.date}"
            one = FoundList(title=title, path=path, datasets=datasets_of(path))
            found.append((record.date, one))
    found.sort(key=lambda pair: pair[0], reverse=True)
    kept = [
        FoundList(title=f"{path.stem.removesuffix(f'-{name}')}, recorded", path=path)
        for name in LISTS
        for path in sorted(records_folder(EXPERIMENT).glob(f"*-{name}.csv"))
    ]
    return (*(one for _, one in found), *kept)


def list_of(folder: Path, record: Record | None) -> Path | None:
    """The list that a finished run has left in its folder."""
    for table in record.tables if record is not None else ():
        if table.name in LISTS and (folder / table.file).is_file():
            return folder / table.file
    return None


def recorded_list(experiment: str, preset: str) -> Path | None:
    """The list that is kept with the record of a preset."""
    kept = (p for name in LISTS for p in records_folder(experiment).glob(f"{preset}-*-{name}.csv"))
    return next(iter(sorted(kept)), None)


def datasets_of(path: Path) -> tuple[Path, ...]:
    """The data sets that the run of a list has imported; none for a list from elsewhere."""
    steps = path.parent.parent / STEPS
    return tuple(p.parent for p in sorted(steps.glob(f"*/.crystalgui/datasets/*/{SUMMARY}")))
