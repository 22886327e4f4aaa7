"""The OpenGL surface format, to be set before the first window exists.

A format set later, or for one widget only, leaves that widget black on some
compositors, because its context cannot share with that of the window.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtWidgets import QApplication


def set_default_surface_format() -> None:
    """Ask for a desktop OpenGL 3.2 core context, everywhere in the program."""
    form = QSurfaceFormat()
    form.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    form.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    form.setVersion(3, 2)
    form.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
    form.setRedBufferSize(8)
    form.setGreenBufferSize(8)
    form.setBlueBufferSize(8)
    form.setAlphaBufferSize(8)
    form.setDepthBufferSize(8)
    form.setStencilBufferSize(0)
    form.setSamples(0)
    if QSurfaceFormat.defaultFormat() != form:  # Qt warns of every change after the first window
        QSurfaceFormat.setDefaultFormat(form)
    if QApplication.instance() is None:
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
