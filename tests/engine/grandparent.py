"""A program with an engine, to be killed by the orphan test.

Prints the pid of its compute process while a job runs, then waits.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QCoreApplication

from crystalgui.core.messages import LogLine
from crystalgui.engine.engine import Engine
from tests.engine import jobs


def _tell(events: list[object]) -> None:
    for event in events:
        if isinstance(event, LogLine):
            print(event.text.split()[0], flush=True)


def main() -> None:
    if "forget" in sys.argv:  # leaves without a shutdown
        sys.exit(_forget())
    application = QCoreApplication(sys.argv)
    engine = Engine(handlers="tests.engine.jobs:HANDLERS")
    engine.events.connect(_tell)
    engine.submit(jobs.PidJob())
    engine.submit(jobs.EndlessJob())
    application.exec()


def _forget() -> int:
    """Start a runner without any Qt, ask for something endless, and just end."""
    from crystalgui.engine.runners import ProcessRunner

    runner = ProcessRunner(lambda: None, handlers="tests.engine.jobs:HANDLERS")
    runner.start()
    runner.run(jobs.StuckJob(job_id="s", deaf=True))
    while not any(isinstance(e, LogLine) for e in runner.mailbox.take()):
        runner.mailbox.wait()
    print(runner.pid, flush=True)
    return 0


if __name__ == "__main__":
    main()
