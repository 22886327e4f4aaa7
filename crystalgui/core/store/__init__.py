"""The project database and the run folders.

``Project.open(folder)`` in `crystalgui.core.store.project` is the door;
`files` has what needs no database: atomic writes, digests, locks.
"""
