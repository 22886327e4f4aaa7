#!/usr/bin/env python3
"""Set crystalgui up in its own ``.venv`` and start it, or test it.

    python3 installer/bootstrap.py run  [-- FILES or a crystalgui command]
    python3 installer/bootstrap.py test [-- arguments of pytest]

Needs nothing but Python's standard library.  This file keeps to words that
every Python 3 understands, so that an old one says what is wrong instead of
printing a syntax error; the work is in the modules beside it.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)


def fits(version):
    """Whether the program runs on this (major, minor)."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def another_python():
    """Path of an installed Python that fits, or an empty string."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        path = shutil.which("python3.%d" % minor)  # noqa: UP031
        if path:
            question = "import sys; print(*sys.version_info[:2])"
            try:
                answer = subprocess.check_output([path, "-c", question], stderr=subprocess.DEVNULL)
            except (OSError, subprocess.CalledProcessError):
                continue
            if fits(tuple(int(part) for part in answer.split())):
                return path
    return ""


def refusal(version):
    """What a person with the wrong Python reads."""
    words = (".".join(str(part) for part in v[:2]) for v in (OLDEST, NEWEST, version))
    return (
        "crystalgui needs Python {} to {}; this is Python {}.\n"
        "Install a newer one from python.org or your system's packages, then run\n"
        "    python3.12 installer/bootstrap.py run"
    ).format(*words)


def main(arguments):
    """Check the Python, then hand over; returns the exit code."""
    if not fits(sys.version_info):
        path = another_python()
        if not path:
            print(refusal(sys.version_info), file=sys.stderr)
            return 2
        return subprocess.call([path, os.path.abspath(__file__), *arguments])
    import commands

    return commands.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
