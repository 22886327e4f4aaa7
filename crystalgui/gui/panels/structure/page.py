"""The Structure page.

The page asks; the lane finds bonds, polyhedra and symmetry.  VTK is imported
in the lane's second thread after the page stands, so that the window never
waits for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import ErrorInfo
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import NAMES, SYMBOLS, formula, number, subscripts
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.structure.export import ColoursDialog, PictureDialog
from crystalgui.gui.panels.structure.requests import (
    draw,
    load_view,
    measured,
    other_cell,
    save_png,
)
from crystalgui.gui.panels.structure.rows import structure_actions
from crystalgui.gui.panels.structure.strip import Element, Strip
from crystalgui.gui.panels.structure.symmetry_card import (
    SymmetryAnswer,
    SymmetryCard,
    find_symmetry,
)
from crystalgui.gui.panels.structure.tools import DrawTools, ViewTools
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.widgets import Card, EmptyState

if TYPE_CHECKING:
    from crystalgui.gui.views.crystal_view import CrystalView
    from crystalgui.scene.geometry import Geometry

HINT = "Click an atom; Ctrl+click adds: two give a distance, three an angle, four a dihedral"


class StructurePanel(QWidget):
    """The crystal of the current file.

    Signals
    -------
    page_wanted(str)
        Another page shall come to the stage.
    """

    page_wanted = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.view: CrystalView | None = None
        self._asked_view = False
        self._shown: Crystal | None = None
        self._file: OpenFile | None = None
        self._waiting: Geometry | None = None
        self._originals: dict[Path, Crystal] = {}
        self._kinds: dict[Path, str] = {}
        self._changing_cell = False
        self._all_bonds = False
        self._space_group = ""
        self._build()
        self._connect()
        self._follow(session.project.current)

    # ------------------------------------------------------------ building

    def _build(self) -> None:
        self.card = Card("Structure", "", self)
        self.views = ViewTools(self.card)
        self.card.tools.addWidget(self.views)
        self.tools = DrawTools(self.card)
        self.card.body.addWidget(self.tools)
        self.stage = QStackedWidget(self.card)
        self.stage.setMinimumHeight(120)
        self.notice = EmptyState("crystal", "", "", (), self.stage)
        self.blank = QWidget(self.stage)
        self.stage.addWidget(self.blank)
        self.stage.addWidget(self.notice)
        self.card.body.addWidget(self.stage, 1)
        self.strip = Strip(self.card)
        self.strip.set_hint(HINT)
        self.card.body.addWidget(self.strip)
        self.symmetry = SymmetryCard(self.session.settings.symmetry_tolerance, self)
        self.splitter = QSplitter(Qt.Orientation.Vertical, self)
        self.splitter.addWidget(self.card)
        self.splitter.addWidget(self.symmetry)
        self.splitter.setHandleWidth(12)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        self.splitter.setCollapsible(0, False)
        self.splitter.setSizes([560, 196])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)
        self.tools.choose("scheme", self.session.settings.colours)
        self.tools.choose("mouse", self.session.settings.mouse)

    def _connect(self) -> None:
        project = self.session.project
        project.current_changed.connect(self._follow)
        project.file_changed.connect(self._file_changed)
        self.session.selection.atoms_changed.connect(self._select_from_outside)
        self.views.view_wanted.connect(self.look)
        self.views.fit_wanted.connect(self.fit)
        self.views.picture_wanted.connect(self.ask_picture)
        self.views.evidence_wanted.connect(self.ask_evidence)
        self.tools.toggled.connect(self._toggle)
        self.tools.chosen.connect(self._choose)
        self.tools.repeats_changed.connect(lambda _: self._request())
        self.tools.colours_wanted.connect(self.ask_colours)
        self.strip.hidden_changed.connect(lambda hidden: self._style(hidden=hidden))
        self.strip.bonds_wanted.connect(self._draw_all_bonds)
        self.symmetry.tolerance_changed.connect(self._set_tolerance)
        self.symmetry.cell_wanted.connect(self.show_cell)
        self.symmetry.orbit_picked.connect(self._select_orbit)

    def showEvent(self, event: QShowEvent) -> None:
        """Fetch VTK when the page is first seen."""
        super().showEvent(event)
        if not self._asked_view:
            self._asked_view = True
            self.session.lane.run(
                load_view, on_answer=self._view_loaded, on_error=self._view_failed
            )

    def _view_loaded(self, _module: str) -> None:
        from crystalgui.gui.views.crystal_view import CrystalView

        self.view = CrystalView(self.stage)
        self.stage.addWidget(self.view)
        self.view.canvas.preset = self.session.settings.mouse
        self.view.selection_changed.connect(self._selected)
        self.view.hovered.connect(lambda text: self.strip.set_hint(text or HINT))
        self.view.perspective_wanted.connect(lambda: self.tools.chips["perspective"].toggle())
        self.view.set_style(**self._wanted_style())
        if self._waiting is not None:
            self._drawn(self._waiting)

    def _view_failed(self, error: ErrorInfo) -> None:
        self.session.notify.error(error)
        self._say("error", "The 3D view cannot be opened", error.hint or error.title)

    # ------------------------------------------------------------- content

    def _file_changed(self, file: OpenFile) -> None:
        if file is self._file and file.kind != "loading" and file.crystal is not self._shown:
            self._follow(file)

    def _follow(self, file: OpenFile | None) -> None:
        """Show the crystal of a file, or why there is none."""
        other = file is not self._file
        self._file = file
        crystal = file.crystal if file is not None else None
        if crystal is None:
            self._shown = None
            self._explain(file)
            return
        if crystal is self._shown:
            return
        assert file is not None
        if not self._changing_cell:
            self._originals[file.path] = crystal
            self._kinds[file.path] = "read"
        self._changing_cell = False
        self._shown = crystal
        self._space_group = ""
        self._all_bonds = False
        if other:
            self.strip.show_all()
            self._style(hidden=frozenset())
        self.symmetry.set_cell(self._kinds.get(file.path, "read"))
        self._enable(True)
        self._title()
        self._ask_symmetry()
        self._request()

    def _explain(self, file: OpenFile | None) -> None:
        self._enable(False)
        self.session.lane.forget("structure:draw")
        self._waiting = None
        if file is None:
            self._say("crystal", "No crystal is open", "Open a file, or drop one anywhere.")
            self.card.set_title("Structure")
        elif file.kind == "error" and file.error is not None:
            self._say(
                "error", f"{file.name} cannot be shown", f"{file.error.title}\n{file.error.hint}"
            )
            self.card.set_title(file.name, f"line {file.line}" if file.line else "error")
        elif file.kind == "hoppings":
            self._say(
                "hoppings",
                "This Hamiltonian names no atoms",
                "Drop its POSCAR or .win file together with it to see the crystal.",
            )
            self.card.set_title(file.name)
        else:
            self._say("clock", f"Reading {file.name}", "")
            self.card.set_title(file.name)

    def _say(self, icon: str, title: str, text: str) -> None:
        self.stage.removeWidget(self.notice)
        self.notice.deleteLater()
        self.notice = EmptyState(icon, title, text, (), self.stage)
        self.stage.addWidget(self.notice)
        self.stage.setCurrentWidget(self.notice)

    def _enable(self, on: bool) -> None:
        for widget in (self.views, self.tools, self.strip, self.symmetry):
            widget.setVisible(on)

    def _title(self) -> None:
        crystal = self._shown
        if crystal is None:
            return
        parts = [self._space_group, f"{crystal.n_atoms:,} atoms"]
        if crystal.n_atoms == 1:
            parts[1] = "1 atom"
        repeats = self.tools.supercell
        if repeats != (1, 1, 1):
            parts.append("supercell " + "×".join(map(str, repeats)))
        self.card.set_title(subscripts(formula(crystal)), " · ".join(p for p in parts if p))

    def _request(self) -> None:
        """Ask the lane what is to be drawn."""
        crystal = self._shown
        if crystal is None:
            return
        self._title()
        chips = self.tools.chips
        options = {name: chips[name].isChecked() for name in ("boundary", "bonds", "polyhedra")}
        if self.tools.chosen_value("kind") in ("sticks", "wireframe"):
            options["bonds"] = True
        self.session.lane.ask(
            "structure:draw",
            draw,
            crystal,
            self.tools.supercell,
            options,
            10**9 if self._all_bonds else None,
            on_answer=self._drawn,
            on_error=self._draw_failed,
        )

    def _drawn(self, geometry: Geometry) -> None:
        if geometry.crystal is not self._shown:
            return
        if self.view is None:
            self._waiting = geometry
            self.stage.setCurrentWidget(self.blank)
            return
        self._waiting = None
        old = self.view.geometry3d
        same = old is not None and old.crystal is geometry.crystal
        self.view.show_geometry(geometry, keep_camera=same)
        self.stage.setCurrentWidget(self.view)
        self.strip.set_deferred(len(geometry) if geometry.deferred else 0)
        self._fill_legend()

    def _draw_failed(self, error: ErrorInfo) -> None:
        self.session.notify.error(error)

    def _draw_all_bonds(self) -> None:
        self._all_bonds = True
        self.strip.set_deferred(0)
        self._request()

    def _fill_legend(self) -> None:
        if self.view is not None:
            self.strip.set_elements(self._elements())

    def _elements(self) -> list[Element]:
        if self.view is None:
            return []
        return [(z, SYMBOLS[z], NAMES[z], rgb) for z, rgb in self.view.scene.elements()]

    # ---------------------------------------------------------------- style

    def _wanted_style(self) -> dict[str, Any]:
        chips, chosen = self.tools.chips, self.tools.chosen_value
        style: dict[str, Any] = {n: chosen(n) for n in ("kind", "scheme", "labels")}
        style["scale"] = float(chosen("scale"))
        for name in ("bonds", "polyhedra", "legend", "perspective"):
            style[name] = chips[name].isChecked()
        for name, action in self.tools.switches.items():
            style[name] = action.isChecked()
        return style | {"colours": self._own_colours(), "hidden": self.strip.hidden}

    def _own_colours(self) -> dict[int, tuple[float, float, float]]:
        own = {}
        for symbol, text in self.session.settings.element_colours.items():
            r, g, b = bytes.fromhex(text.lstrip("#"))
            own[number(symbol)] = (r / 255, g / 255, b / 255)
        return own

    def _style(self, **changes: Any) -> None:
        if self.view is not None:
            self.view.set_style(**changes)

    def _toggle(self, name: str, on: bool) -> None:
        if name == "box":
            if self.view is not None:
                self.view.canvas.box_tool = on
            return
        if name != "boundary":
            self._style(**{name: on})
        if name in ("boundary", "bonds", "polyhedra"):
            self._request()

    def _choose(self, menu: str, value: str) -> None:
        if menu == "mouse":
            self.session.update_settings(mouse=value)
            if self.view is not None:
                self.view.canvas.preset = value
            return
        self._style(**{menu: float(value) if menu == "scale" else value})
        if menu == "scheme":
            self.session.update_settings(colours=value)
            self._fill_legend()
        if menu == "kind":
            self._request()

    def _set_own_colour(self, symbol: str, colour: str) -> None:
        own = {**self.session.settings.element_colours, symbol: colour}
        self.session.update_settings(element_colours=own, colours="custom")
        self.tools.choose("scheme", "custom")
        self._style(scheme="custom", colours=self._own_colours())
        self._fill_legend()

    def ask_colours(self) -> None:
        """Let the person choose element colours."""
        ColoursDialog(self._elements(), self._set_own_colour, self).open()

    # --------------------------------------------------------------- camera

    def look(self, name: str, hkl: tuple[int, int, int] = (0, 0, 1)) -> None:
        """Turn to a named view and say which."""
        if self.view is None or self._shown is None:
            return
        self.view.canvas.look(name, hkl)
        words = "({} {} {})".format(*hkl) if name == "hkl" else name
        along = "perpendicular to" if name == "hkl" else "along"
        self.strip.set_hint(f"View {along} {words}" if name != "standard" else HINT)

    def fit(self) -> None:
        """Show everything."""
        if self.view is not None:
            self.view.canvas.fit()

    # ------------------------------------------------------------ selection

    def _selected(self, _drawn: tuple[int, ...]) -> None:
        view = self.view
        if view is None:
            return
        if view.geometry3d is not None:
            words = measured(view.geometry3d, view.selected)
            self.strip.set_measured(
                words or (view.describe(view.selected[0]) if view.selected else "")
            )
        atoms = view.cell_atoms()
        if atoms != self.session.selection.atoms:
            self.session.selection.select_atoms(atoms)

    def _select_from_outside(self, atoms: tuple[int, ...]) -> None:
        if self.view is not None and atoms != self.view.cell_atoms():
            self.view.select_atoms(atoms)

    def _select_orbit(self, atoms: tuple[int, ...]) -> None:
        if self.view is not None:
            self.view.select_atoms(atoms)

    # ------------------------------------------------------------- symmetry

    def _ask_symmetry(self) -> None:
        if self._shown is None:
            return
        self.session.lane.ask(
            "symmetry",
            find_symmetry,
            self._shown,
            self.symmetry.tolerance.value(),
            on_answer=self._symmetry_found,
            on_error=self._symmetry_failed,
        )

    def _symmetry_found(self, answer: SymmetryAnswer) -> None:
        self._space_group = answer.label
        self.symmetry.show_answer(answer)
        self._title()

    def _symmetry_failed(self, error: ErrorInfo) -> None:
        self._space_group = ""
        self.symmetry.show_error(error)
        self._title()

    def _set_tolerance(self, value: float) -> None:
        self.session.update_settings(symmetry_tolerance=value)
        self._ask_symmetry()

    def show_cell(self, kind: str) -> None:
        """Show the conventional or primitive cell, or the one of the file."""
        file = self._file
        if file is None or self._shown is None:
            return
        original = self._originals.get(file.path, self._shown)
        if kind == "read":
            self._replace(file, original, kind)
            return
        self.session.lane.ask(
            "structure:cell",
            other_cell,
            original,
            kind,
            self.symmetry.tolerance.value(),
            on_answer=lambda crystal: self._replace(file, crystal, kind),
            on_error=self.session.notify.error,
            owner=self,
        )

    def _replace(self, file: OpenFile, crystal: Crystal, kind: str) -> None:
        if file is not self._file:
            return
        self._kinds[file.path] = kind
        self._changing_cell = True
        self.session.project.replace_crystal(file, crystal)
        self._changing_cell = False

    def ask_evidence(self) -> None:
        """Show what a model knows of this crystal."""
        if self._file is not None and self._shown is not None:
            self.session.evidence.show_file(self._file)
            self.page_wanted.emit("evidence")

    # -------------------------------------------------------------- picture

    def ask_picture(self) -> None:
        """Ask for the size of a picture and save it."""
        if self.view is None or self._shown is None:
            return
        name = f"{formula(self._shown)}.png"
        PictureDialog(self.view.canvas.device_size, name, self.save_picture, self).open()

    def save_picture(
        self,
        path: Path,
        size: tuple[int, int],
        transparent: bool = False,
        legend: bool = True,
        refit: bool = True,
    ) -> None:
        """Write what is seen as PNG of exact size."""
        if self.view is None:
            return
        try:
            image = self.view.picture(size, transparent=transparent, legend=legend, refit=refit)
        except CrystalError as error:
            self.session.notify.error(error)
            return
        words = f"Saved {path.name}, {size[0]} × {size[1]} pixels."
        self.session.lane.run(
            save_png,
            image,
            path,
            on_answer=lambda _: self.session.notify.info(words),
            on_error=self.session.notify.error,
            owner=self,
        )

    # ------------------------------------------------------------------ rest

    def actions(self) -> list[ActionInfo]:
        """Rows for the Structure menu and the palette."""
        return structure_actions(self)

    def is_ready(self) -> bool:
        """Whether a crystal is shown."""
        return self.view is not None and self._shown is not None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The keys of the view work wherever on the page the focus is."""
        if self.view is not None and self.stage.currentWidget() is self.view:
            self.view.canvas.keyPressEvent(event)
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        if self.view is not None:
            self.view.close()
        super().closeEvent(event)
