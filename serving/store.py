"""The server's small store: one SQLite file in the workspace that outlives restarts.

Each subject declares its tables on `metadata`, beside the code that reads and writes them; the store makes
those that are not there yet.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data.answers import STORE_FILE, answers_metadata
from data.errors import DealcastError

__all__ = ["Store", "StoreError", "metadata"]

metadata = sa.MetaData()
"""Where subjects declare their tables (`sa.Table("name", metadata, ...)`); times are of type `Instant`."""

_VERSION = 1
"""Kept in the file; raised when a table that exists changes its columns."""

_WAIT_SECONDS = 10

_secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)


class StoreError(DealcastError):
    """The store's file is damaged, or of another version."""


class Store:
    """WORKSPACE/serve.db; one for a server, shared by its threads.

    Created on first use, readable by its owner only. Raises StoreError if the file is no store of this
    version.
    """

    def __init__(self, workspace: Path) -> None:
        self.file = workspace / STORE_FILE
        _create_private(self.file)
        self.engine = _engine(self.file)
        self._secrets: dict[str, bytes] = {}
        try:
            self._prepare()
        except sa.exc.DatabaseError as error:
            self.engine.dispose()
            said = str(error.orig).splitlines()[0]
            raise StoreError(
                f"{self.file}: cannot be opened as a store ({said}). Restore it from a backup, or move it "
                "away to begin with an empty one."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the store until it is closed; it never waits for writers."""
        with self.engine.connect() as con:
            yield con

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that holds the store's write lock: committed at the end, undone on an error.

        To be kept short. What is read in it cannot change before it is committed.
        """
        with self.engine.connect().execution_options(dealcast_writes=True) as con, con.begin():
            yield con

    def secret(self, name: str) -> bytes:
        """The key of that name: 32 random bytes, made when it is first asked for."""
        if name not in self._secrets:
            with self.writing() as con:
                found = con.scalar(sa.select(_secrets.c.value).where(_secrets.c.name == name))
                if found is None:
                    found = secrets.token_bytes(32)
                    con.execute(_secrets.insert().values(name=name, value=found))
                self._secrets[name] = bytes(found)
        return self._secrets[name]

    def close(self) -> None:
        """Give the file back."""
        self.engine.dispose()

    def _prepare(self) -> None:
        with self.writing() as con:
            found = con.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found not in (0, _VERSION):
                raise StoreError(
                    f"{self.file}: expected a store of version {_VERSION}, found version {found}. Use the "
                    "dealcast that wrote it, or move the file away to begin with an empty one."
                )
            for tables in (answers_metadata, metadata):
                tables.create_all(con)
            con.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")


def _create_private(file: Path) -> None:
    """Make the file, for its owner's eyes only; SQLite gives its log beside it the same mode."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    file.chmod(0o600)


def _engine(file: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file.absolute())),
        connect_args={"timeout": _WAIT_SECONDS, "check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(con: sqlite3.Connection, _record: Any) -> None:
    # the driver's own transactions begin too late to hold a read and the write that follows together
    con.isolation_level = None
    with closing(con.cursor()) as cursor:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")


def _begin(con: sa.Connection) -> None:
    writes = con.get_execution_options().get("dealcast_writes", False)
    con.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
