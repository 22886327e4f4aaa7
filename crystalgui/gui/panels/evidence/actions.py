"""What the Evidence page adds to menus and palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.evidence.names import ROOMS, SECOND, TITLES

if TYPE_CHECKING:
    from crystalgui.gui.panels.evidence.page import EvidencePanel


def rows_of(page: EvidencePanel) -> list[ActionInfo]:
    """Rows for the Structure menu and the palette."""
    tips = {SECOND: "Go through the crystals that models get wrong, one by one"}
    rows = [
        ActionInfo(
            f"evidence.{name}",
            f"Evidence: {TITLES[name]}",
            lambda n=name: page.go(n),
            menu="Structure",
            tip=tips.get(name, f"What a model knows of the crystal: {TITLES[name].lower()}"),
            group=6,
        )
        for name in ROOMS
    ]
    rows += [
        ActionInfo(
            "evidence.csv",
            "Evidence: numbers as CSV…",
            page.ask_csv,
            icon="export",
            enabled=lambda: page.room is not None and page.room.answering,
        ),
        ActionInfo("evidence.picture", "Evidence: save picture…", page.ask_picture),
        ActionInfo("evidence.fit", "Evidence: fit to the picture", page.crystal.fit),
        ActionInfo("evidence.cancel", "Evidence: stop asking", page.cancel),
        *_head_rows(page),
        *_limit_rows(page),
        *_second_rows(page),
    ]
    return rows


def _head_rows(page: EvidencePanel) -> list[ActionInfo]:
    return [
        ActionInfo(
            f"evidence.head.{word}",
            f"Attention: {text}",
            lambda s=step: page.within("attention", "step_head", s),
            tip="Heads of all layers in turn",
            enabled=lambda: page.current == "attention",
        )
        for word, text, step in (("next", "next head", 1), ("last", "previous head", -1))
    ]


def _limit_rows(page: EvidencePanel) -> list[ActionInfo]:
    return [
        ActionInfo(
            f"evidence.limit.{word}",
            f"Atomic limit: {text}",
            lambda s=steps: page.within("limit", "step", s),
            enabled=lambda: page.current == "limit",
        )
        for word, text, steps in (("apart", "pull apart", 3), ("together", "push together", -3))
    ]


def _second_rows(page: EvidencePanel) -> list[ActionInfo]:
    """Going through a list; the keys work wherever the focus is while the room is in front."""
    rows = (
        ("next", "next crystal", "Alt+Right", "step", 1),
        ("last", "previous crystal", "Alt+Left", "step", -1),
        ("wrong", "label looks wrong", "Alt+W", "judge", "wrong"),
        ("right", "label looks right", "Alt+R", "judge", "right"),
        ("unclear", "cannot say", "Alt+U", "judge", "unclear"),
        ("note", "write a note", "Alt+N", "write_note"),
        ("open", "open the crystal in the Structure page", "", "open_front"),
    )
    made = [
        ActionInfo(
            f"evidence.second-look.{word}",
            f"Second look: {text}",
            lambda act=act, values=values: page.within(SECOND, act, *values),
            shortcut=key,
            menu="Structure" if key else "",
            group=7,
            enabled=lambda: page.current == SECOND and page.room is not None,
        )
        for word, text, key, act, *values in rows
    ]
    for word, text, act in (
        ("list", "open a list (CSV)…", "ask_list"),
        ("crystals", "crystals from a folder…", "ask_folder"),
        ("archive", "crystals from a zip archive…", "ask_archive"),
    ):
        made.append(
            ActionInfo(
                f"evidence.second-look.{word}",
                f"Second look: {text}",
                lambda act=act: page.go_and(SECOND, act),
                tip="Crystals that models get wrong, and their structures",
            )
        )
    return made
