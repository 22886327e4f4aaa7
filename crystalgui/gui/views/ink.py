"""The theme's colours as the plain tuples that scenes understand."""

from __future__ import annotations

from crystalgui.gui.theme import Tokens
from crystalgui.scene.style import Ink, rgb


def ink_of(tokens: Tokens) -> Ink:
    """Ground, text, lines and accent of a scene on a card."""
    return Ink(
        ground=rgb(tokens.surface),
        text=rgb(tokens.text),
        line=rgb(tokens.muted),
        accent=rgb(tokens.accent),
    )
