"""Labelled crystals: import, purify, split, graphs, batches."""
