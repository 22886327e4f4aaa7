"""System libraries that Qt and VTK open on Linux, and how to get them.

Wheels cannot carry them: they belong to the graphics driver and the X server.
The list is what ``ldd`` shows for Qt's ``libqxcb.so`` and VTK's rendering
libraries beyond the C library.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """A shared object, and the package that holds it in three families of Linux."""

    file: str
    apt: str
    dnf: str
    pacman: str


LIBRARIES = (
    Library("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd"),
    Library("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd"),
    Library("libOpenGL.so.0", "libopengl0", "libglvnd-opengl", "libglvnd"),
    Library("libX11.so.6", "libx11-6", "libX11", "libx11"),
    Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libx11"),
    Library("libxcb.so.1", "libxcb1", "libxcb", "libxcb"),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor"),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm"),
    Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image", "xcb-util-image"),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms"),
    Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb", "libxcb"),
    Library("libxcb-render.so.0", "libxcb-render0", "libxcb", "libxcb"),
    Library(
        "libxcb-render-util.so.0",
        "libxcb-render-util0",
        "xcb-util-renderutil",
        "xcb-util-renderutil",
    ),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb"),
    Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb", "libxcb"),
    Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb", "libxcb"),
    Library("libxcb-util.so.1", "libxcb-util1", "xcb-util", "xcb-util"),
    Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb", "libxcb"),
    Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb", "libxcb"),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon"),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11"),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig", "fontconfig"),
    Library("libfreetype.so.6", "libfreetype6", "freetype", "freetype2"),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "dbus"),
    Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2", "glib2"),
)
XVFB = Library("Xvfb", "xvfb", "xorg-x11-server-Xvfb", "xorg-server-xvfb")
XAUTH = Library("xauth", "xauth", "xorg-x11-xauth", "xorg-xauth")  # asked for by xvfb-run
INSTALL = {
    "apt": ("apt-get", "install", "-y", "--no-install-recommends"),
    "dnf": ("dnf", "install", "-y"),
    "pacman": ("pacman", "-S", "--needed", "--noconfirm"),
}

Say = Callable[[str], None]


def _opens(file: str) -> bool:
    """Whether the loader finds a shared object."""
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True


def missing(need_xvfb: bool, opens: Callable[[str], bool] = _opens) -> tuple[Library, ...]:
    """Libraries (and Xvfb) that this machine lacks."""
    absent = [library for library in LIBRARIES if not opens(library.file)]
    if need_xvfb and not (shutil.which("Xvfb") and shutil.which("xvfb-run")):
        absent.append(XVFB)
    if need_xvfb and not shutil.which("xauth"):
        absent.append(XAUTH)
    return tuple(absent)


def installer_of_this_system() -> str:
    """``"apt"``, ``"dnf"``, ``"pacman"``, or empty for another Linux."""
    for name, command in INSTALL.items():
        if shutil.which(command[0]):
            return name
    return ""


def packages(absent: Sequence[Library], system: str) -> list[str]:
    """Package names without repetition, in order; file names for an unknown system."""
    names = [getattr(library, system) if system else library.file for library in absent]
    return list(dict.fromkeys(names))


def _apt_install(names: Sequence[str]) -> bool:
    """Install through apt as root; True when it worked."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = subprocess.call(["apt-get", "update", "-qq"], env=variables)
    command = [*INSTALL["apt"], "-qq", *names]
    return update == 0 and subprocess.call(command, env=variables) == 0


def provide(*, need_xvfb: bool, say: Say) -> tuple[Library, ...]:
    """Install what is missing, or say exactly how to; returns what is still missing.

    Parameters
    ----------
    need_xvfb : bool
        Whether a virtual display is wanted too.
    say : callable
        Receives a line for each step.
    """
    if not sys.platform.startswith("linux"):
        return ()
    absent = missing(need_xvfb)
    if not absent:
        return ()
    system = installer_of_this_system()
    names = packages(absent, system)
    if system == "apt" and os.geteuid() == 0:
        say(f"Installing system libraries: {' '.join(names)}")
        _apt_install(names)
        absent = missing(need_xvfb)
        names = packages(absent, system)
    if absent:
        how = (
            f"    sudo {' '.join((*INSTALL[system], *names))}"
            if system
            else "    " + " ".join(names)
        )
        say("These system libraries are missing; install them with\n" + how)
    return absent
