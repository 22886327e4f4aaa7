"""The Structure page: a crystal in 3D, its symmetry, measurements, pictures."""

from crystalgui.gui.panels.structure.page import StructurePanel

__all__ = ["StructurePanel"]
