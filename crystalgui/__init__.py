"""crystalgui: crystals, tight-binding topology and the networks that read them.

Importing this package imports nothing heavy; ``crystalgui.core`` is a plain
Python library without Qt or VTK.
"""

import os

# PySide6 makes each class when it is first used, and not safely in two threads: the window dies
# when it builds a page while another thread imports one.  All at once takes a tenth of a second.
os.environ.setdefault("PYSIDE6_OPTION_LAZY", "0")

__version__ = "0.1.0"
