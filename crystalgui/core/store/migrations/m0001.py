"""Version 1: files, datasets, runs, models and the state of the project."""

from __future__ import annotations

STATEMENTS = (
    """CREATE TABLE files (
        path TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, sha256 TEXT NOT NULL,
        added TEXT NOT NULL)""",
    """CREATE TABLE datasets (
        name TEXT NOT NULL PRIMARY KEY, summary TEXT NOT NULL, added TEXT NOT NULL)""",
    """CREATE TABLE runs (
        id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, model TEXT NOT NULL,
        preset TEXT NOT NULL, recipe TEXT NOT NULL, status TEXT NOT NULL,
        former TEXT NOT NULL, created TEXT NOT NULL, ended TEXT NOT NULL,
        epochs INTEGER NOT NULL, best TEXT NOT NULL, tags TEXT NOT NULL,
        note TEXT NOT NULL)""",
    """CREATE TABLE models (
        name TEXT NOT NULL PRIMARY KEY, model TEXT NOT NULL, added TEXT NOT NULL)""",
    "CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
)
