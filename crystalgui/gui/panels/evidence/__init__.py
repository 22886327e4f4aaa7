"""The Evidence page: what a model knows of a crystal, drawn on the crystal."""

from crystalgui.gui.panels.evidence.page import EvidencePanel

__all__ = ["EvidencePanel"]
