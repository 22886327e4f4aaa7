"""The tables of the newest schema version; `migrations` says how to get there."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()

files = Table(
    "files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("added", Text, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("summary", Text, nullable=False),
    Column("added", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("former", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("ended", Text, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("best", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("note", Text, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("added", Text, nullable=False),
)

state = Table(
    "state",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
