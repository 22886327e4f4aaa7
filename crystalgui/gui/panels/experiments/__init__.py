"""The Experiments page: what was published, run again and compared."""

from crystalgui.gui.panels.experiments.panel import ExperimentsPanel

__all__ = ["ExperimentsPanel"]
