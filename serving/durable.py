"""Writing files so that a crash leaves either the old state or the new one, never a mixture."""

import hashlib
import os
from pathlib import Path

__all__ = ["file_sha256", "replace_text", "settle_folder", "write_durably"]


def write_durably(path: Path, content: bytes) -> None:
    """Write the file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def settle_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries, such as a rename within it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_text(path: Path, text: str) -> None:
    """Put a small text file in place in one step: readers see the old text or the new one."""
    beside = path.with_name(f".{path.name}.new")
    write_durably(beside, text.encode())
    beside.replace(path)
    settle_folder(path.parent)


def file_sha256(path: Path) -> str:
    """The file's sha256, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
