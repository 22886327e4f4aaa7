"""The page's actions as rows: menu, palette and shortcut sheet read them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crystalgui.gui.actions.info import ActionInfo

if TYPE_CHECKING:
    from crystalgui.gui.panels.structure.page import StructurePanel


def structure_actions(page: StructurePanel) -> list[ActionInfo]:
    """Rows for the Structure menu and the palette."""
    ready = page.is_ready
    rows = [
        ActionInfo("structure.fit", "Fit to the picture", page.fit, tip="Key F", enabled=ready),
        ActionInfo(
            "structure.standard",
            "Standard orientation",
            lambda: page.look("standard"),
            tip="Key R",
            enabled=ready,
        ),
    ]
    for name in ("a", "b", "c", "a*", "b*", "c*", "x", "y", "z"):
        rows.append(
            ActionInfo(
                f"structure.view.{name}",
                f"View along {name}",
                lambda n=name: page.look(n),
                enabled=ready,
                group=1,
            )
        )
    for name, text in (
        ("conventional", "Conventional cell"),
        ("primitive", "Primitive cell"),
        ("read", "Cell as read"),
    ):
        rows.append(
            ActionInfo(
                f"structure.cell.{name}",
                text,
                lambda n=name: page.show_cell(n),
                enabled=ready,
                group=2,
            )
        )
    rows += [
        ActionInfo(
            f"structure.{name}",
            f"Show {text}" if name != "perspective" else "Perspective",
            page.tools.chips[name].setChecked,
            checkable=True,
            checked=page.tools.chips[name].isChecked,
            enabled=ready,
            group=3,
        )
        for name, text in (
            ("bonds", "bonds"),
            ("polyhedra", "polyhedra"),
            ("boundary", "boundary atoms"),
            ("perspective", "perspective"),
        )
    ]
    rows.append(
        ActionInfo(
            "structure.picture",
            "Save picture…",
            page.ask_picture,
            icon="picture",
            tip="PNG of exact size",
            enabled=ready,
            group=4,
        )
    )
    rows.append(
        ActionInfo(
            "structure.evidence",
            "What a model knows of it",
            page.ask_evidence,
            icon="evidence",
            tip="Attention, saliency, the atomic limit and similar crystals",
            enabled=ready,
            group=5,
        )
    )
    return [replace(row, menu="Structure") for row in rows]
