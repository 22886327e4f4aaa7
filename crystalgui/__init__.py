"""crystalgui: crystals, tight-binding topology and the networks that read them.

Importing this package imports nothing heavy; ``crystalgui.core`` is a plain
Python library without Qt or VTK.
"""

__version__ = "0.1.0"
