"""The life of a run: created or gone on with, running, and at its end done, stopped or failed.

Training a network and training a sweep differ in what they do between; this
is what is said of them in the store meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from crystalgui.core import errors
from crystalgui.core.messages import Event, RunCreated, Stopped
from crystalgui.core.store.project import Project
from crystalgui.core.store.run import Run

Begin = Callable[[Project], Run]
Work = Callable[[Project, Run], Generator[Event, None, bool]]


def lived(folder: Path, begin: Begin, work: Work) -> Generator[Event, None, None]:
    """Do the work of a run and keep its status in the project of a folder.

    Closing the generator leaves the run as "stopped", an error as "failed"
    with a line in its log.

    Parameters
    ----------
    folder : Path
        Of the project.
    begin : callable
        Creates the run or finds it; what cannot be trained is refused here,
        before there is one.
    work : callable
        True when it is over; False when it was stopped and can go on, which
        is told by `Stopped`.
    """
    project = Project.open(folder)
    run: Run | None = None
    try:
        begun = begin(project)
        begun.set_status("running")
        run = begun  # a run that another process trains is not ours to end
        yield RunCreated(run_id=run.id, folder=run.folder)
        finished = yield from work(project, run)
        run.set_status("done" if finished else "stopped")
        if not finished:
            yield Stopped(run_id=run.id)
    except (GeneratorExit, KeyboardInterrupt, errors.Stopped):
        if run is not None:
            run.set_status("stopped")
        raise
    except BaseException as error:
        if run is not None:
            run.log(f"failed: {error}")
            run.set_status("failed")
        raise
    finally:
        project.close()
