"""The Qt widget of a VTK window, without the plotting library it comes with.

``pyvistaqt.rwi`` needs Qt and VTK only, but importing it by name runs the
package's own start, which brings pyvista and matplotlib.pyplot with it: two
seconds in which the window answers late.  While its one module is imported,
the package is stood in for by an empty one, and its choice of VTK modules by
the standard ones.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

os.environ.setdefault("QT_API", "pyside6")

PACKAGE = "pyvistaqt"
BACKEND = f"{PACKAGE}._vtk"


def load() -> Any:
    """The module ``pyvistaqt.rwi``.

    Raises
    ------
    ImportError
        When the package is not installed.
    """
    if PACKAGE in sys.modules:
        return import_module(f"{PACKAGE}.rwi")
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{PACKAGE} is not installed", name=PACKAGE)
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[PACKAGE], sys.modules[BACKEND] = package, _backend()
    package._vtk = sys.modules[BACKEND]
    try:
        return import_module(f"{PACKAGE}.rwi")
    finally:
        del sys.modules[PACKAGE], sys.modules[BACKEND]


def _backend() -> ModuleType:
    """The VTK classes that the widget takes from its package."""
    from vtkmodules.vtkRenderingOpenGL2 import vtkGenericOpenGLRenderWindow
    from vtkmodules.vtkRenderingUI import vtkGenericRenderWindowInteractor

    backend = ModuleType(BACKEND)
    backend.VTK_BACKEND = "vtkmodules"
    backend.vtkGenericOpenGLRenderWindow = vtkGenericOpenGLRenderWindow
    backend.vtkGenericRenderWindowInteractor = vtkGenericRenderWindowInteractor
    return backend


rwi = load()
