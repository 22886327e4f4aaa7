"""Plots: bands, slices, curves, matrices, and the one redraw clock."""
