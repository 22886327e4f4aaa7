"""The Report page: what goes in, the pages as they will be printed, and the files."""

from crystalgui.gui.panels.report.panel import ReportPanel

__all__ = ["ReportPanel"]
