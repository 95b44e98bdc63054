"""Reading published runs: follow the pointer, verify every byte, then trust the tables."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import PublishError
from serving.durable import file_sha256
from serving.publish import MANIFEST, MANIFEST_SUM, POINTER, published_folder
from serving.run_id import check_run_id, is_run_id

__all__ = ["Published", "current_run_id", "glance", "open_published", "published_runs"]

_AGAIN = "Publish again with `dealcast score` or `dealcast run`."


@dataclass(frozen=True)
class Published:
    """A published run whose files matched their manifest when it was opened."""

    run_id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def as_of(self) -> datetime:
        """The UTC instant that the scores stand at."""
        return datetime.fromisoformat(self.manifest["as_of"])

    @property
    def model_version(self) -> str:
        """The version of the model that made the scores."""
        return str(self.manifest["model_version"])

    @property
    def is_baseline(self) -> bool:
        """Whether the scores are a plain rate, not a model's."""
        return self.model_version.startswith("baseline")

    def table(self, name: str) -> pa.Table:
        """The table in the file of that name, from bytes that match the manifest."""
        content = (self.folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest["files"][name]["sha256"]:
            raise _altered(self.folder / name)
        # not read_table: it imports pyarrow.dataset and pandas, longer than all else a reader does
        return pq.ParquetFile(pa.BufferReader(content)).read()


def current_run_id(workspace: Path) -> str | None:
    """The run that the pointer names, None where nothing was published yet."""
    pointer = published_folder(workspace) / POINTER
    try:
        text = pointer.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    check_run_id(text, str(pointer))
    return text


def open_published(
    workspace: Path, run_id: str | None = None, *, digest: Callable[[Path], str] = file_sha256
) -> Published:
    """The published run, by default the one that the pointer names, with every file verified.

    digest: gives a file's sha256; whoever keeps the bytes reads them there. Raises PublishError that names
    the file if nothing was published, or a byte differs from the manifest.
    """
    if run_id is None:
        run_id = current_run_id(workspace)
        if run_id is None:
            raise PublishError(
                f"{published_folder(workspace) / POINTER}: nothing is published in this workspace yet. "
                "`dealcast run --source DIR --mapping NAME --workspace DIR` publishes scores."
            )
    check_run_id(run_id, "run id")
    folder = published_folder(workspace) / run_id
    manifest = _read_manifest(folder, run_id)
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise PublishError(f"{path}: missing, though the manifest lists it. {_AGAIN}")
        if digest(path) != entry["sha256"]:
            raise _altered(path)
    return Published(run_id=run_id, folder=folder, manifest=manifest)


def glance(workspace: Path, run_id: str) -> Published:
    """The published run with only its manifest verified; a table is when it is read.

    For a look at one file of an earlier run. Raises PublishError as `open_published` does.
    """
    check_run_id(run_id, "run id")
    folder = published_folder(workspace) / run_id
    return Published(run_id=run_id, folder=folder, manifest=_read_manifest(folder, run_id))


def published_runs(workspace: Path) -> tuple[str, ...]:
    """The ids of the runs whose folders are there, newest first."""
    root = published_folder(workspace)
    if not root.is_dir():
        return ()
    return tuple(sorted((one.name for one in root.iterdir() if is_run_id(one.name)), reverse=True))


def _read_manifest(folder: Path, run_id: str) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        expected = (folder / MANIFEST_SUM).read_text(encoding="ascii", errors="replace").split()[0]
    except FileNotFoundError as error:
        raise PublishError(f"{error.filename}: missing, so the run cannot be trusted. {_AGAIN}") from error
    except IndexError as error:
        raise PublishError(f"{folder / MANIFEST_SUM}: expected a sha256, found nothing. {_AGAIN}") from error
    if hashlib.sha256(raw).hexdigest() != expected:
        raise PublishError(f"{path}: differs from its sha256 in {MANIFEST_SUM}. {_AGAIN}")
    manifest: dict[str, Any] = orjson.loads(raw)
    if manifest["run_id"] != run_id:
        raise PublishError(f"{path}: expected run {run_id}, found {manifest['run_id']!r}. {_AGAIN}")
    return manifest


def _altered(path: Path) -> PublishError:
    return PublishError(
        f"{path}: its sha256 differs from {MANIFEST}; the file was altered or cut off. {_AGAIN}"
    )
