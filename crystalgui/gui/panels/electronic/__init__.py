"""The Electronic page: bands, zone, slice, gaps."""

from crystalgui.gui.panels.electronic.page import ElectronicPanel

__all__ = ["ElectronicPanel"]
