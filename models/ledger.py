"""The promotion ledger: one JSON line per decision, chained by sha256, only ever appended to.

It is written, and on disk, before the registry's alias moves: after a crash between the two it tells
what was meant. Each line holds the sha256 of the line before, so that a changed or missing line shows.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from data.errors import ModelContractError
from models.manifest import sha256_of

__all__ = ["LEDGER_FILE", "Action", "Entry", "append", "locked", "read_ledger"]

LEDGER_FILE = "promotions.jsonl"

Action = Literal["promote", "reject", "rollback", "undo", "external"]

_FIRST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One decision. from_version and to_version: the champion before and after, None for none.

    action: promote, reject (the champion stays), rollback, undo (an unfinished move was given up) or
    external (the alias was moved by other means). at: UTC, ISO 8601. candidate: the version judged. model:
    the name it is registered under; lines without one are of "win".
    """

    at: str
    action: Action
    from_version: str | None
    to_version: str | None
    candidate: str | None
    reasons: tuple[str, ...]
    headline: dict[str, Any]
    run_id: str
    model: str = "win"


def read_ledger(path: Path) -> tuple[Entry, ...]:
    """All entries, the oldest first; none if there is no file.

    A last line without its line end was being written when the process died; it never took effect and
    is passed over. Raises ModelContractError naming the line whose chain or content is broken.
    """
    if not path.exists():
        return ()
    entries, previous = [], _FIRST
    for number, line in enumerate(_whole_lines(path.read_bytes()), start=1):
        try:
            document = orjson.loads(line)
            chained = document.pop("previous_sha256")
            document["reasons"] = tuple(document["reasons"])
            entry = Entry(**document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _broken(path, number, f"is not an entry ({error})") from None
        if chained != previous:
            raise _broken(
                path, number, f"expected previous_sha256 {previous[:16]}…, found {str(chained)[:16]}…"
            )
        entries.append(entry)
        previous = sha256_of(line)
    return tuple(entries)


def append(path: Path, entry: Entry) -> None:
    """Add an entry and wait until it is on disk. Call it inside `locked`."""
    read_ledger(path)
    content = path.read_bytes() if path.exists() else b""
    lines = _whole_lines(content)
    previous = sha256_of(lines[-1]) if lines else _FIRST
    line = orjson.dumps({**asdict(entry), "previous_sha256": previous}) + b"\n"
    with path.open("ab") as file:
        # a torn last line is cut off, or it would run into the new one
        file.truncate(sum(len(whole) + 1 for whole in lines))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the ledger alone: decisions on one workspace happen one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _whole_lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _broken(path: Path, number: int, what: str) -> ModelContractError:
    return ModelContractError(
        f"{path}, line {number}: {what}. The ledger was edited or damaged: restore it from a backup; "
        "promotions wait until then."
    )
