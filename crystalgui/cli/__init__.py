"""The headless door: everything the window does, through the same core functions.

Errors that a person can act on are one line on stderr and exit code 2; what
can be read by a program (JSON, CSV) goes to stdout or to a file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from crystalgui.cli import experiments, files, learning, machine
from crystalgui.cli.datasets import dataset
from crystalgui.cli.design import design, phases
from crystalgui.cli.evaluation import evaluate
from crystalgui.cli.explain import explain
from crystalgui.cli.invariance import invariance
from crystalgui.cli.knowledge import atomic_limit, similar
from crystalgui.cli.network import network
from crystalgui.cli.sweeps import sweep
from crystalgui.cli.terminal import fail, log_file, sentence
from crystalgui.cli.topology import topology
from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import ErrorInfo

app = typer.Typer(
    name="crystalgui",
    help="Crystals, tight-binding bands, and the networks that read them. "
    "Without a command, or with files only, the window opens (crystalgui gui --help).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    files.info,
    files.bands,
    topology,
    phases,
    design,
    dataset,
    learning.classify,
    evaluate,
    explain,
    atomic_limit,
    similar,
    learning.train,
    sweep,
    invariance,
    network,
    learning.report,
    machine.doctor,
):
    app.command(_command.__name__.replace("_", "-"))(_command)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)(machine.bench)
app.add_typer(experiments.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    from typer.exceptions import TyperException

    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except CrystalError as error:
        return fail(str(error))
    except typer.Exit as stop:
        return int(stop.exit_code)
    except TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError) as error:
        info = ErrorInfo.of(error)
        return fail(_os_sentence(error) if isinstance(error, OSError) else sentence(info))
    except Exception as error:  # noqa: BLE001 - a defect of the program, never a traceback
        return _defect(error)
    return code if isinstance(code, int) else 0


def _usage(error: Exception) -> int:
    """Words that no command knows: one line, and where help is."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    words: list[str] = []
    while context is not None and context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    command = " ".join(["crystalgui", *words])
    return fail(f"{message.rstrip('.')}. Usage: {command} --help")


def _defect(error: Exception) -> int:
    """One line for the person, the traceback for the log; 1, or 2 when memory ran out."""
    info = ErrorInfo.of(error)
    if info.kind == "memory":
        return fail(sentence(info))
    path = log_file()
    where = f"The details are in {path}."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as log:
            log.write(info.details)
    except OSError:
        where = "The log cannot be written."
    fail(f"{info.title} This is a defect of the program. {where}")
    return 1


def _os_sentence(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. Check the path, its permissions and the free space."
