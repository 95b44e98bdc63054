"""A folder whose files are vouched for by sha256 in manifest.json."""

import hashlib
from pathlib import Path
from typing import Any

import orjson

from data.errors import ModelContractError

__all__ = ["MANIFEST", "sha256_of", "verified_files", "write_manifest"]

MANIFEST = "manifest.json"


def sha256_of(content: bytes) -> str:
    """The sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_manifest(directory: Path, files: dict[str, bytes], facts: dict[str, Any]) -> None:
    """Write the files and, last, the manifest with their sha256 and size, beside some facts."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    listed = {name: {"sha256": sha256_of(content), "bytes": len(content)} for name, content in files.items()}
    document = orjson.dumps({**facts, "files": listed}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    (directory / MANIFEST).write_bytes(document + b"\n")


def verified_files(directory: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The bytes of each listed file, checked against the manifest, and the manifest itself.

    Raises ModelContractError naming the first file that is absent, unreadable or altered.
    """
    path = directory / MANIFEST
    try:
        manifest = orjson.loads(path.read_bytes())
        listed = {
            name: (str(entry["sha256"]), int(entry["bytes"])) for name, entry in manifest["files"].items()
        }
    except FileNotFoundError:
        raise ModelContractError(f"{path}: no such file. {_REMEDY}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelContractError(f"{path}: not a model's manifest ({error}). {_REMEDY}") from None
    contents = {}
    for name, (sha256, size) in listed.items():
        contents[name] = _read(directory, name)
        found = sha256_of(contents[name])
        if (found, len(contents[name])) != (sha256, size):
            raise ModelContractError(
                f"{directory / name}: expected {size} bytes with sha256 {sha256[:16]}… as in {MANIFEST}, "
                f"found {len(contents[name])} bytes with {found[:16]}…. It was altered. {_REMEDY}"
            )
    return contents, manifest


def _read(directory: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise ModelContractError(
            f"{directory / MANIFEST}: lists {name!r}, a file outside the folder. {_REMEDY}"
        )
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise ModelContractError(
            f"{directory / name}: listed in {MANIFEST}, cannot be read ({error.strerror}). {_REMEDY}"
        ) from None


_REMEDY = "Restore the model's folder from the registry, or train again."
