"""The two rows of tools over the crystal: views, and how it is drawn."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.theme import SPACE
from crystalgui.gui.views.mouse import PRESETS, WORDS
from crystalgui.gui.widgets import Chip, FlowLayout, PrimaryButton, SectionTitle

VIEWS = ("a", "b", "c", "a*", "b*", "c*")
KINDS = ("ball-and-stick", "space-filling", "sticks", "wireframe")
SCHEMES = {"jmol": "Jmol", "vesta": "VESTA", "custom": "My colours"}
SIZES = {"0.7": "Small balls", "1.0": "Medium balls", "1.4": "Large balls"}
LABELS = {"none": "No labels", "element": "Elements", "index": "Elements and numbers"}
PRESET_NAMES = {"vesta": "VESTA", "ovito": "OVITO", "ase": "ASE", "blender": "Blender"}


class HklPopup(QWidget):
    """Three spin boxes and a button: look perpendicular to planes (hkl)."""

    chosen = Signal(int, int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setProperty("popup", True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACE[2], SPACE[1], SPACE[2], SPACE[2])
        layout.addWidget(SectionTitle("View perpendicular to (hkl)"))
        row = QHBoxLayout()
        row.setSpacing(SPACE[0])
        self.boxes: list[QSpinBox] = []
        for name, value in (("h", 1), ("k", 1), ("l", 1)):
            box = QSpinBox(self)
            box.setRange(-20, 20)
            box.setValue(value)
            box.setAccessibleName(name)
            box.setPrefix(f"{name} ")
            box.setMinimumWidth(72)
            box.valueChanged.connect(self._check)
            self.boxes.append(box)
            row.addWidget(box)
        layout.addLayout(row)
        self.button = PrimaryButton("Look", self)
        self.button.clicked.connect(self._choose)
        layout.addWidget(self.button)

    @property
    def indices(self) -> tuple[int, int, int]:
        """h, k, l."""
        h, k, l = (box.value() for box in self.boxes)
        return h, k, l

    def open_below(self, widget: QWidget) -> None:
        """Show under a button, inside its window."""
        self.adjustSize()
        at = widget.mapToGlobal(QPoint(0, widget.height() + 4))
        right = widget.window().mapToGlobal(QPoint(widget.window().width(), 0)).x()
        self.move(min(at.x(), right - self.width() - 8), at.y())
        self.show()
        self.boxes[0].setFocus()
        self.boxes[0].selectAll()

    def _check(self) -> None:
        self.button.setEnabled(any(self.indices))

    def _choose(self) -> None:
        if any(self.indices):
            self.hide()
            self.chosen.emit(*self.indices)


class ViewTools(QWidget):
    """Chips a b c a* b* c* hkl, fit, PNG and evidence, for the head of the card."""

    view_wanted = Signal(str, tuple)
    fit_wanted = Signal()
    picture_wanted = Signal()
    evidence_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[0])
        self.chips: dict[str, Chip] = {}
        for name in VIEWS:
            how = "perpendicular to the other two" if name.endswith("*") else "down the vector"
            chip = Chip(name, tooltip=f"View along {name}: {how}")
            chip.clicked.connect(lambda _=False, n=name: self.view_wanted.emit(n, (0, 0, 1)))
            self.chips[name] = chip
            row.addWidget(chip)
        self.popup = HklPopup(self)
        self.popup.chosen.connect(lambda h, k, l: self.view_wanted.emit("hkl", (h, k, l)))
        hkl = Chip("hkl", tooltip="View perpendicular to lattice planes (hkl)")
        hkl.clicked.connect(lambda: self.popup.open_below(hkl))
        fit = Chip("", tooltip="Fit to the picture (F)", icon_name="fit")
        fit.clicked.connect(self.fit_wanted)
        png = Chip("PNG…", tooltip="Save a picture of exact size")
        png.clicked.connect(self.picture_wanted)
        tip = "What a model knows of this crystal: attention, saliency, atomic limit, similar ones"
        evidence = Chip("", tooltip=tip, icon_name="evidence")
        evidence.clicked.connect(self.evidence_wanted)
        self.chips |= {"hkl": hkl, "fit": fit, "png": png, "evidence": evidence}
        for chip in (hkl, fit, png, evidence):
            row.addWidget(chip)


class DrawTools(QWidget):
    """What is drawn and how: toggles, menus, and the supercell.

    Signals
    -------
    toggled(str, bool)
        ``bonds``, ``polyhedra``, ``boundary``, ``legend``, ``perspective``,
        ``box``, ``cell`` or ``axes``.
    chosen(str, str)
        ``kind``, ``scale``, ``scheme``, ``labels`` or ``mouse``, and the value.
    repeats_changed(tuple)
    colours_wanted()
        The person wants to choose own element colours.
    """

    toggled = Signal(str, bool)
    chosen = Signal(str, str)
    repeats_changed = Signal(tuple)
    colours_wanted = Signal()

    TOGGLES = (
        ("bonds", "bonds", True, "Bonds between neighbours"),
        ("polyhedra", "polyhedra", False, "Coordination polyhedra around cations"),
        ("boundary", "boundary", True, "Copies of the atoms that lie on the faces of the cell"),
        ("legend", "legend", False, "Element legend in the picture"),
        ("perspective", "perspective", False, "Perspective instead of orthographic (P)"),
        ("box", "", False, "Drag selects a box of atoms (or Ctrl+drag)"),
    )

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        flow = FlowLayout(self)
        self.chips: dict[str, Chip] = {}
        for name, text, on, tip in self.TOGGLES:
            chip = Chip(text, True, tip, icon_name="" if text else "ph.selection")
            chip.setChecked(on)
            chip.toggled.connect(lambda state, n=name: self.toggled.emit(n, state))
            self.chips[name] = chip
            flow.addWidget(chip)
        self.menus: dict[str, QActionGroup] = {}
        kinds = {k: k for k in KINDS}
        style = self._menu("style", [("kind", kinds), ("scale", SIZES), ("labels", LABELS)])
        self.choose("scale", "1.0")
        style.menu().addSeparator()
        self.switches: dict[str, QAction] = {}
        for name, words in (("cell", "Unit cell"), ("axes", "Axes")):
            action = style.menu().addAction(words)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(lambda on, n=name: self.toggled.emit(n, on))
            self.switches[name] = action
        colours = self._menu("colours", [("scheme", SCHEMES)])
        colours.menu().addSeparator()
        own = colours.menu().addAction("Choose my colours…")
        own.triggered.connect(lambda *_: self.colours_wanted.emit())
        mouse = self._menu("", [("mouse", {k: PRESET_NAMES[k] for k in PRESETS})])
        for action in self.menus["mouse"].actions():
            action.setToolTip(WORDS[action.data()])
        mouse.menu().setToolTipsVisible(True)
        for button in (style, colours, mouse):
            flow.addWidget(button)
        flow.addWidget(self._supercell())

    def _menu(self, text: str, groups: list[tuple[str, dict[str, str]]]) -> Chip:
        if text:
            button = Chip(f"{text} ▾", tooltip=f"Choose: {text}")
        else:
            button = Chip("", tooltip="Mouse conventions", icon_name="ph.mouse")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        for index, (name, values) in enumerate(groups):
            if index:
                menu.addSeparator()
            group = QActionGroup(menu)
            group.setExclusive(True)
            for first, (value, words) in enumerate(values.items()):
                action = QAction(words, group)
                action.setData(value)
                action.setCheckable(True)
                action.setChecked(first == 0)
                menu.addAction(action)
            group.triggered.connect(lambda a, n=name: self.chosen.emit(n, a.data()))
            self.menus[name] = group
        button.setMenu(menu)
        return button

    def _supercell(self) -> QWidget:
        holder = QWidget(self)
        row = QHBoxLayout(holder)
        row.setContentsMargins(SPACE[0], 0, 0, 0)
        row.setSpacing(SPACE[0])
        caption = QLabel("cells", holder)
        caption.setToolTip("Supercell")
        caption.setProperty("role", "muted")
        row.addWidget(caption)
        self.repeats: list[QSpinBox] = []
        for axis in "abc":
            box = QSpinBox(holder)
            box.setRange(1, 9)
            box.setAccessibleName(f"Cells along {axis}")
            box.setToolTip(f"Cells along {axis}")
            box.setProperty("compact", True)
            box.setFixedWidth(42)
            box.valueChanged.connect(self._repeat)
            self.repeats.append(box)
            if axis != "a":
                row.addWidget(QLabel("×", holder))
            row.addWidget(box)
        return holder

    def _repeat(self) -> None:
        self.repeats_changed.emit(self.supercell)

    @property
    def supercell(self) -> tuple[int, int, int]:
        """Cells along a, b, c."""
        a, b, c = (box.value() for box in self.repeats)
        return a, b, c

    def set_supercell(self, repeats: tuple[int, int, int]) -> None:
        """Set the three boxes; one signal at most."""
        if repeats == self.supercell:
            return
        for box, value in zip(self.repeats, repeats, strict=True):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self._repeat()

    def chosen_value(self, menu: str) -> str:
        """The entry that is ticked."""
        return next(str(a.data()) for a in self.menus[menu].actions() if a.isChecked())

    def choose(self, menu: str, value: str) -> None:
        """Tick an entry without a signal."""
        for action in self.menus[menu].actions():
            action.setChecked(action.data() == value)


__all__ = ["DrawTools", "HklPopup", "ViewTools"]
