"""The main job without a display: load, classify, report, and a picture of the window.

Runs with the interpreter of ``.venv``.  Works on the files that are given, or
on the examples that come with the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
# Inside the checkout, where git ignores it.
OUT = CHECKOUT / "build" / "crystalgui-demo"
SCREEN = "1600x1000x24"
PICTURE_SECONDS = 180


def is_command(arguments: Sequence[str]) -> bool:
    """Whether the arguments are a command of crystalgui and not files to open."""
    return bool(arguments) and arguments[0] != "gui" and not Path(arguments[0]).exists()


def window_command(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment that open the window on a virtual display.

    Without Xvfb, Qt draws into memory; everything but the 3D views is there.
    """
    command = [sys.executable, "-m", "crystalgui", "gui", *arguments]
    variables = dict(os.environ)
    if shutil.which("Xvfb") and shutil.which("xvfb-run"):
        return ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", *command], variables
    variables["QT_QPA_PLATFORM"] = "offscreen"
    return command, variables


def examples() -> list[Path]:
    """Crystals and hoppings that come with the program."""
    from crystalgui.core.resources import examples as folder

    structures = sorted((folder() / "structures").iterdir())
    return [*structures, folder() / "hoppings" / "bitei" / "bitei_hr.dat.gz"]


def classify(files: Sequence[Path]) -> tuple[list, object]:
    """Predictions of the shipped model, and its card; nothing without a model."""
    from crystalgui.core.messages import ClassifyJob, Predicted
    from crystalgui.core.models.screening import classify as run
    from crystalgui.core.models.trained import shipped

    card = next((known for known in shipped() if known.task == "classification"), None)
    if card is None:
        print("  no trained model comes with this checkout: nothing is classified")
        return [], None
    rows = []
    for event in run(ClassifyJob(paths=tuple(files), models=(card.name,), device="cpu")):
        if isinstance(event, Predicted):
            rows += event.rows
    return rows, card


def show(rows: Sequence) -> None:
    """The predictions in the terminal."""
    for row in rows:
        name = Path(row.file).name
        answer = row.error or f"{row.prediction:<8} {row.probability:6.2f}"
        print(f"  {name:<18} {row.formula:<14} {row.space_group:<16} {answer}")


def picture(files: Sequence[Path], target: Path) -> bool:
    """A picture of the window with the files open; whether it worked."""
    names = [str(file) for file in files]
    command, variables = window_command(
        [*names, "--page", "structure", "--screenshot", str(target)]
    )
    try:
        done = subprocess.run(command, env=variables, timeout=PICTURE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"  the window could not be pictured: {error}")
        return False
    return done.returncode == 0 and target.exists()


def main(arguments: Sequence[str]) -> int:
    """Do the job; the exit code."""
    if is_command(arguments):
        return subprocess.call([sys.executable, "-m", "crystalgui", *arguments])
    if arguments[:1] == ["gui"]:
        command, variables = window_command(arguments[1:])
        return subprocess.call(command, env=variables)
    from crystalgui.core.errors import CrystalError
    from crystalgui.core.reports.report import report_from_files, sort_files

    print("There is no display here, so the window cannot open.")
    print("Doing the same job without it: load, classify, report.\n")
    files = [Path(a) for a in arguments] or examples()
    crystals, hoppings, _ = sort_files(files)
    print(f"Crystals: {len(crystals)}, Hamiltonians: {len(hoppings)}")
    try:
        rows, card = classify(crystals)
        show(rows)
        for _event in report_from_files(
            files, OUT, heading="crystalgui: first run", predictions=rows, trained=card
        ):
            pass
    except CrystalError as error:
        print(error, file=sys.stderr)
        return 2
    print("\nTaking a picture of the window on a virtual display")
    pictured = picture([*crystals[:3], *hoppings[:1]], OUT / "window.png")
    print("\nWritten:")
    for path in sorted(OUT.iterdir()):
        print(f"  {path}")
    return 0 if pictured else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
