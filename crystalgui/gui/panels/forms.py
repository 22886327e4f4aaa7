"""Forms made from declared parameters: model cards, optimiser settings, splits.

One field a `Param`: its label, an editor of the right kind with the declared
bounds, its unit, and its help as tooltip.  Only values that differ from the
baseline (the preset) are reported as overrides, and they are marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QValidator, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from crystalgui.core.cards import Param, Scalar

INT_LIMIT = 2**31 - 1


class WholeBox(QSpinBox):
    """A spin box for whole numbers that the page can be scrolled over."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the value only when focused, so that scrolling is safe."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class RealBox(QDoubleSpinBox):
    """A spin box for real numbers over many decades: shows 3e-4, steps by factors."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(12)

    def textFromValue(self, value: float) -> str:
        """Shortest text that reads back as the value."""
        return f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
        """Read ordinary and scientific notation."""
        body = text.removeprefix(self.prefix()).removesuffix(self.suffix()).strip()
        return float(body.replace(",", "."))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept what `float` reads and is in bounds; let a person type on."""
        try:
            value = self.valueFromText(text)
        except ValueError:
            return QValidator.State.Intermediate, text, position
        if not math.isfinite(value):
            return QValidator.State.Invalid, text, position
        inside = self.minimum() <= value <= self.maximum()
        state = QValidator.State.Acceptable if inside else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps: int) -> None:
        """One step is a fifth of the leading decade, so that every scale is usable."""
        value = self.value()
        scale = 10.0 ** math.floor(math.log10(abs(value))) if value else 1e-4
        self.setValue(value + steps * scale / 5 if abs(value) >= 1e-12 else steps * scale)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the value only when focused, so that scrolling is safe."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceBox(QComboBox):
    """A combo box that the page can be scrolled over."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the choice only when focused, so that scrolling is safe."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ParamForm(QWidget):
    """A two-column form over parameters.

    Signals
    -------
    edited : Signal(str)
        Name of the parameter that a person changed.
    """

    edited = Signal(str)

    def __init__(self, params: Iterable[Param] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(0, 1)
        self._params: dict[str, Param] = {}
        self._labels: dict[str, QLabel] = {}
        self._editors: dict[str, QWidget] = {}
        self._baseline: dict[str, Scalar] = {}
        self.set_params(params)

    # ------------------------------------------------------------ content

    def set_params(
        self, params: Iterable[Param], baseline: Mapping[str, Scalar] | None = None
    ) -> None:
        """Build the fields; ``baseline`` overrides the declared defaults."""
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._params = {p.name: p for p in params}
        self._labels, self._editors = {}, {}
        for line, param in enumerate(self._params.values()):
            self._add(line, param)
        self.set_baseline(baseline or {})

    def set_baseline(self, values: Mapping[str, Scalar]) -> None:
        """Take a preset: every field shows it, nothing is an override."""
        self._baseline = {p.name: values.get(p.name, p.default) for p in self._params.values()}
        for name, value in self._baseline.items():
            self.set_value(name, value)

    def _add(self, line: int, param: Param) -> None:
        label = QLabel(f"{param.label}, {param.unit}" if param.unit else param.label)
        editor = self._editor(param)
        editor.setObjectName(f"param.{param.name}")
        editor.setAccessibleName(param.label)
        label.setBuddy(editor)
        tip = param.help or param.label
        label.setToolTip(tip)
        editor.setToolTip(tip)
        self._grid.addWidget(label, line, 0)
        self._grid.addWidget(editor, line, 1)
        self._labels[param.name] = label
        self._editors[param.name] = editor

    def _editor(self, param: Param) -> QWidget:
        name = param.name
        if isinstance(param.default, bool):
            box = QCheckBox()
            box.toggled.connect(lambda _on: self._touched(name))
            return box
        if param.choices:
            combo = ChoiceBox()
            combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            for choice in param.choices:
                combo.addItem(choice, choice)
            combo.currentIndexChanged.connect(lambda _i: self._touched(name))
            return combo
        if isinstance(param.default, int):
            whole = WholeBox()
            whole.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            whole.setRange(
                -INT_LIMIT if param.minimum is None else int(param.minimum),
                INT_LIMIT if param.maximum is None else int(param.maximum),
            )
            whole.setKeyboardTracking(False)
            whole.valueChanged.connect(lambda _v: self._touched(name))
            return whole
        if isinstance(param.default, float):
            real = RealBox()
            real.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            real.setRange(
                -1e9 if param.minimum is None else param.minimum,
                1e9 if param.maximum is None else param.maximum,
            )
            real.setKeyboardTracking(False)
            real.valueChanged.connect(lambda _v: self._touched(name))
            return real
        line = QLineEdit()
        line.editingFinished.connect(lambda: self._touched(name))
        return line

    def _touched(self, name: str) -> None:
        self._mark(name)
        self.edited.emit(name)

    def _mark(self, name: str) -> None:
        role = "accent" if self.value(name) != self._baseline.get(name) else "muted"
        label = self._labels[name]
        if label.property("role") != role:
            label.setProperty("role", role)
            label.style().unpolish(label)
            label.style().polish(label)

    # ------------------------------------------------------------- values

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters in order."""
        return tuple(self._params)

    def editor(self, name: str) -> QWidget:
        """The field of a parameter."""
        return self._editors[name]

    def set_shown(self, name: str, on: bool) -> None:
        """Show a field with its label, or hide both."""
        self._labels[name].setVisible(on)
        self._editors[name].setVisible(on)

    def set_choices(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        """Replace the choices of a field by ``(value, label)`` pairs, keeping the choice."""
        combo = self._editors[name]
        if not isinstance(combo, QComboBox):
            raise TypeError(f"{name} is not a choice")
        kept = combo.currentData()
        with QSignalBlocker(combo):
            combo.clear()
            for value, label in choices:
                combo.addItem(label, value)
            combo.setCurrentIndex(max(0, combo.findData(kept)))

    def value(self, name: str) -> Scalar:
        """What a field says, in the type of the parameter's default."""
        editor = self._editors[name]
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        if isinstance(editor, QComboBox):
            return str(editor.currentData())
        if isinstance(editor, QSpinBox | QDoubleSpinBox):
            return editor.value()
        if isinstance(editor, QLineEdit):
            return editor.text()
        raise TypeError(f"no value in {type(editor).__name__}")

    def set_value(self, name: str, value: Scalar) -> None:
        """Show a value without reporting it as an edit."""
        editor = self._editors[name]
        with QSignalBlocker(editor):
            if isinstance(editor, QCheckBox):
                editor.setChecked(bool(value))
            elif isinstance(editor, QComboBox):
                editor.setCurrentIndex(max(0, editor.findData(str(value))))
            elif isinstance(editor, QSpinBox):
                editor.setValue(int(value))
            elif isinstance(editor, QDoubleSpinBox):
                editor.setValue(float(value))
            elif isinstance(editor, QLineEdit):
                editor.setText(str(value))
        self._mark(name)

    def values(self) -> dict[str, Scalar]:
        """Every field."""
        return {name: self.value(name) for name in self._params}

    def overrides(self) -> dict[str, Scalar]:
        """Fields that differ from the baseline."""
        return {
            name: value for name, value in self.values().items() if value != self._baseline[name]
        }
