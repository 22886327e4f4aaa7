"""What other processes do to a project in the tests (started by ``spawn``)."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from crystalgui.core.messages import TrainRecipe
from crystalgui.core.store.files import FolderLock
from crystalgui.core.store.project import Project


def train_and_die(folder: Path, connection: Connection) -> None:
    """Hold a run with two epochs, then wait to be killed."""
    project = Project.open(folder)
    run = project.create_run(TrainRecipe(model="cgnn", dataset=folder / "data"))
    run.set_status("running")
    run.append_metrics({"epoch": 1, "train/loss": 0.9})
    run.append_metrics({"epoch": 2, "train/loss": 0.8}, best=True)
    run.write("last.safetensors", b"weights")
    run.write_state({"epoch": 2})
    connection.send(run.id)
    signal.pause() if hasattr(signal, "pause") else connection.recv()


def die_while_writing(folder: Path, connection: Connection) -> None:
    """Append metrics and rewrite a checkpoint until killed."""
    project = Project.open(folder)
    run = project.create_run(TrainRecipe(model="cgnn", dataset=folder / "data"))
    run.set_status("running")
    connection.send(run.id)
    for epoch in range(1, 100_000):
        run.append_metrics({"epoch": epoch, "train/loss": 1 / epoch}, best=True)
        run.write("last.safetensors", bytes([epoch % 256]) * 200_000)
        run.write_state({"epoch": epoch})


def write_runs(folder: Path, count: int, connection: Connection) -> None:
    """Create and update runs as a worker does."""
    with Project.open(folder) as project:
        for i in range(count):
            run = project.create_run(TrainRecipe(model=f"m{i}", dataset=folder))
            run.set_status("running")
            for epoch in (1, 2, 3):
                run.append_metrics({"epoch": epoch, "loss": 1.0 / epoch}, best=True)
            run.set_status("done")
    connection.send("done")


def open_and_count(folder: Path, connection: Connection) -> None:
    """Open a new project at the same time as others."""
    with Project.open(folder) as project:
        project.set_state(f"pid {os.getpid()}", 1)
    connection.send("opened")


def hold_lock(folder: Path, connection: Connection) -> None:
    """Hold a lock until killed or told to go."""
    lock = FolderLock(folder)
    assert lock.acquire()
    connection.send(lock.holder())
    connection.recv()
