"""One process at a time in a workspace: a lock file that dies with its holder.

The lock is never put on the warehouse file: any open and close of that file within the process that
has it open would silently drop DuckDB's own lock.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from data.errors import UsageError, WarehouseBusyError

__all__ = ["LOCK_FILE", "workspace_lock"]

LOCK_FILE = "workspace.lock"
_POLL_SECONDS = 0.05


@contextmanager
def workspace_lock(
    workspace: Path, *, command: str, run_id: str | None, wait_seconds: float
) -> Iterator[None]:
    """Hold the workspace until the end of the block; the system frees it if the process dies.

    command, run_id: what others are told about the holder. Raises WarehouseBusyError, naming the
    holder, if the workspace is still in use after `wait_seconds`. It cannot be taken twice, not even
    by one process. Raises UsageError if the workspace is no folder, or cannot be written to.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(workspace / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f"workspace {workspace}: expected a folder that can be written to, found none "
            f"({error.strerror or error}: {error.filename}). Give another with --workspace DIR, or change "
            "its permissions."
        ) from error
    try:
        _acquire(descriptor, workspace, wait_seconds)
        holder = {
            "pid": str(os.getpid()),
            "command": command,
            "since": datetime.now(UTC).isoformat("T", "seconds"),
        }
        _write(descriptor, json.dumps({**holder, **({"run_id": run_id} if run_id else {})}))
        try:
            yield
        finally:
            _write(descriptor, "")
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, workspace: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                break
        time.sleep(_POLL_SECONDS)
    holder = _holder(descriptor)
    run = f", run {holder['run_id']}" if "run_id" in holder else ""
    known = f" by `{holder['command']}` (pid {holder['pid']}{run}, since {holder['since']})" if holder else ""
    stop = f", or end process {holder['pid']}" if holder else ""
    raise WarehouseBusyError(
        f"workspace {workspace} is in use{known}; waited {wait_seconds:g} s. Wait for it to finish{stop}, "
        "or use another workspace.",
        holder,
    )


def _holder(descriptor: int) -> dict[str, str]:
    """What the holder wrote about itself; empty in the instant before it has."""
    try:
        said = json.loads(os.pread(descriptor, 65_536, 0))
    except ValueError:
        return {}
    return {name: str(value) for name, value in said.items()}


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
