"""One file per schema version; each brings a database from the version before.

A migration is a tuple of SQL statements.  `MIGRATIONS` lists them by name
(not by looking into the folder, which a frozen program does not have).
"""

from __future__ import annotations

from crystalgui.core.store.migrations import m0001

MIGRATIONS: tuple[tuple[str, ...], ...] = (m0001.STATEMENTS,)
VERSION = len(MIGRATIONS)
