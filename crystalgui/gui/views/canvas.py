"""The OpenGL widget that shows a scene, and how mouse and keys move its camera.

It draws when something changed and never otherwise: no interactor style, no
repeating timer.  Qt pixels become device pixels in one place (`_device`).
"""

from __future__ import annotations

from typing import Any, Protocol

from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QSurfaceFormat, QWheelEvent
from PySide6.QtWidgets import QApplication, QRubberBand, QWidget

from crystalgui.gui.views.mouse import DEFAULT, Gesture, gesture
from crystalgui.gui.views.render_widget import rwi
from crystalgui.scene import camera as cam
from crystalgui.scene.camera import Margins

DEGREES_PER_PIXEL = 0.45
STILL_MS = 160


class _SettledFormat(QSurfaceFormat):
    """The default format was set before the first window (`surface`).

    pyvistaqt sets it again with every widget, and Qt warns each time that a
    shared context exists already.
    """

    @staticmethod
    def setDefaultFormat(form: QSurfaceFormat) -> None:
        """Leave it."""


rwi.QSurfaceFormat = _SettledFormat


class Scene(Protocol):
    """What the canvas needs of a scene."""

    camera: Any

    def attach(self, window: Any) -> None:
        """Enter a window."""

    def detach(self) -> None:
        """Leave it."""

    def prepare(self, size: tuple[int, int]) -> None:
        """Lay out before drawing."""

    def set_ratio(self, ratio: float) -> None:
        """Device pixels a logical pixel."""

    def set_quick(self, quick: bool) -> None:
        """The camera moves: speed before smoothness."""

    def fit(self, size: tuple[int, int], margins: Margins | None = None) -> None:
        """Show everything."""

    def look(self, name: str, hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to a named view."""

    def pick(self, x: float, y: float, size: tuple[int, int]) -> int:
        """What is under a device pixel."""


class SceneCanvas(rwi.QVTKRenderWindowInteractor):
    """A scene in a widget.

    Signals
    -------
    clicked(int, bool)
        What was under the pointer (-1: nothing), and whether to add to the
        selection.
    boxed(tuple, tuple, bool)
        Two corners in device pixels, and whether to add.
    hovered(int)
        What is under the resting pointer.
    centred(int)
        Double click: rotation centre.
    moved()
        The camera moved.
    cleared()
        Esc.
    perspective_wanted()
        P.
    """

    clicked = Signal(int, bool)
    boxed = Signal(tuple, tuple, bool)
    hovered = Signal(int)
    centred = Signal(int)
    moved = Signal()
    cleared = Signal()
    perspective_wanted = Signal()

    def __init__(self, scene: Scene, parent: QWidget | None = None) -> None:
        super().__init__(None)
        self.setParent(parent)
        self.scene = scene
        self.preset = DEFAULT
        self.margins = Margins()
        self.box_tool = False
        self.centre: Any = None
        self._auto_fit = True
        self._gesture: Gesture | None = None
        self._button = Qt.MouseButton.NoButton
        self._start = self._last = QPointF()
        self._dragging = False
        self._under = -1
        self._band: QRubberBand | None = None
        self._open = True
        window = self.GetRenderWindow()
        window.SetMultiSamples(0)
        window.SetAlphaBitPlanes(True)
        self._Iren.SetInteractorStyle(None)
        scene.attach(window)
        self._Iren.Initialize()
        self._still = QTimer(self)
        self._still.setSingleShot(True)
        self._still.setInterval(STILL_MS)
        self._still.timeout.connect(self._at_rest)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(120, 100)
        self.setAccessibleName("3D view")

    # ------------------------------------------------------------ drawing

    @property
    def device_size(self) -> tuple[int, int]:
        """Width and height in device pixels."""
        ratio = self.devicePixelRatioF()
        return max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))

    @property
    def is_open(self) -> bool:
        """Whether `shut` was not called yet."""
        return self._open

    @property
    def fitted(self) -> bool:
        """Whether the picture was not zoomed or moved since the last fit."""
        return self._auto_fit

    def paintGL(self) -> None:
        """Lay the scene out, draw it."""
        if not self._open:
            return
        self.scene.set_ratio(self.devicePixelRatioF())
        self.scene.prepare(self.device_size)
        super().paintGL()

    def resizeGL(self, width: int, height: int) -> None:
        """Follow the size; a fitted crystal stays fitted."""
        super().resizeGL(width, height)
        # scenes give text in device pixels; a resolution would scale it once more
        self.GetRenderWindow().SetDPI(72)
        if self._open and self._auto_fit:
            self.scene.set_ratio(self.devicePixelRatioF())
            self.scene.fit(self.device_size, self.margins)

    def sizeHint(self) -> QSize:
        """As large as a page."""
        return QSize(640, 420)

    def redraw(self) -> None:
        """Draw at the next opportunity."""
        if self._open:
            self.update()

    def shut(self) -> None:
        """Free the scene and the OpenGL resources; the canvas stays blank."""
        if not self._open:
            return
        self._open = False
        self._still.stop()
        self.scene.detach()
        self.Finalize()
        self._remove_observers()
        self._drop_fallback_context()

    # ------------------------------------------------------------- camera

    def fit(self) -> None:
        """Show everything."""
        self._auto_fit = True
        self.scene.fit(self.device_size, self.margins)
        self._moved()

    def look(self, name: str, hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to a named view and show everything."""
        self.centre = None
        self.scene.look(name, hkl)
        self.fit()

    def orbit(self, dx: float, dy: float) -> None:
        """Turn by degrees about the rotation centre."""
        cam.orbit(self.scene.camera, dx, dy, self.centre)
        self._moved()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Magnify, at the pointer or at the centre."""
        place = self._device(at) if at is not None else self._middle()
        cam.zoom(self.scene.camera, factor, place, self.device_size)
        self._auto_fit = False
        self._moved()

    def _middle(self) -> tuple[float, float]:
        width, height = self.device_size
        return width / 2, height / 2

    def _moved(self) -> None:
        self.redraw()
        self.moved.emit()

    def _device(self, at: QPointF) -> tuple[float, float]:
        ratio = self.devicePixelRatioF()
        return at.x() * ratio, at.y() * ratio

    def _hurry(self) -> None:
        self.scene.set_quick(True)
        self._still.start()

    def _at_rest(self) -> None:
        if self._open:
            self.scene.set_quick(False)
            self.redraw()

    # -------------------------------------------------------------- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Note where a click or a drag begins."""
        if self._gesture is not None and self._dragging:
            return
        self._button = event.button()
        self._start = self._last = event.position()
        self._dragging = False
        self._gesture = gesture(self.preset, event.button(), event.modifiers())
        if self.box_tool and event.button() == Qt.MouseButton.LeftButton:
            add = event.modifiers() & (
                Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            )
            self._gesture = "add box" if add else "box"
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag, or report what is under the pointer."""
        at = event.position()
        if event.buttons() == Qt.MouseButton.NoButton:
            self._hover(at)
            return
        far = (at - self._start).manhattanLength() >= QApplication.startDragDistance() / 2
        if not self._dragging and not far:
            return
        self._dragging = True
        step, self._last = at - self._last, at
        if self._gesture == "orbit":
            self._hurry()
            self.orbit(step.x() * DEGREES_PER_PIXEL, step.y() * DEGREES_PER_PIXEL)
        elif self._gesture == "pan":
            self._hurry()
            ratio = self.devicePixelRatioF()
            cam.pan(self.scene.camera, step.x() * ratio, step.y() * ratio, self.device_size)
            self._auto_fit = False
            self._moved()
        elif self._gesture == "zoom":
            self._hurry()
            self.zoom(1.01 ** (-step.y()), self._start)
        elif self._gesture == "roll":
            self._hurry()
            cam.roll(self.scene.camera, step.x() * DEGREES_PER_PIXEL)
            self._moved()
        elif self._gesture in ("box", "add box"):
            self._stretch(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag, or click."""
        if event.button() != self._button:
            return
        if self._dragging and self._gesture in ("box", "add box"):
            self._close_band()
            first, second = self._device(self._start), self._device(event.position())
            self.boxed.emit(first, second, self._gesture == "add box")
        elif not self._dragging and event.button() == Qt.MouseButton.LeftButton:
            add = event.modifiers() & (
                Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            )
            hit = self.scene.pick(*self._device(event.position()), self.device_size)
            self.clicked.emit(hit, bool(add))
        self._button = Qt.MouseButton.NoButton
        self._gesture, self._dragging = None, False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Take what is under the pointer as rotation centre."""
        if event.button() == Qt.MouseButton.LeftButton:
            hit = self.scene.pick(*self._device(event.position()), self.device_size)
            self.centred.emit(hit)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer."""
        turn = event.angleDelta().y()
        if turn:
            self._hurry()
            self.zoom(1.0015**turn, event.position())
        event.accept()

    def leaveEvent(self, event: Any) -> None:
        """Nothing is under the pointer any more."""
        self._report(-1)

    def enterEvent(self, event: Any) -> None:
        """Nothing to do; VTK is not told."""

    def _hover(self, at: QPointF) -> None:
        self._report(self.scene.pick(*self._device(at), self.device_size))

    def _report(self, hit: int) -> None:
        if hit != self._under:
            self._under = hit
            self.hovered.emit(hit)

    def _stretch(self, at: QPointF) -> None:
        if self._band is None:
            self._band = QRubberBand(QRubberBand.Shape.Rectangle, self)
        corner: QPoint = self._start.toPoint()
        self._band.setGeometry(QRect(corner, at.toPoint()).normalized())
        self._band.show()

    def _close_band(self) -> None:
        if self._band is not None:
            self._band.hide()

    # --------------------------------------------------------------- keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """F fit, R standard, P perspective, Esc clear, arrows turn, plus and minus zoom."""
        turns = {
            Qt.Key.Key_Left: (-15, 0),
            Qt.Key.Key_Right: (15, 0),
            Qt.Key.Key_Up: (0, -15),
            Qt.Key.Key_Down: (0, 15),
        }
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_F:
            self.fit()
        elif key == Qt.Key.Key_R:
            self.look("standard")
        elif key == Qt.Key.Key_P:
            self.perspective_wanted.emit()
        elif key == Qt.Key.Key_Escape:
            self.cleared.emit()
        elif key in turns:
            self.orbit(*turns[key])
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(1.2)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / 1.2)
        else:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Nothing to do; VTK is not told."""
        event.ignore()
