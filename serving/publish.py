"""Publishing a scoring run: an immutable folder of Parquet files, then one atomic move of the pointer."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import PublishError
from serving.durable import file_sha256, replace_text, settle_folder, write_durably
from serving.run_id import check_run_id

__all__ = ["MANIFEST", "POINTER", "Publication", "publish", "published_folder"]

POINTER = "CURRENT"
MANIFEST = "manifest.json"
MANIFEST_SUM = "manifest.json.sha256"
_SCHEMA_VERSION = 1
_TOLERANCE = 1e-6
_ROWS_OF_RECORDS = 4096
"""Rows of a row group of `records_` files, so that one deal is read without the others."""
_LARGEST_LOGIT = 15.0
"""Beyond this size a probability in double precision no longer holds its log-odds to the tolerance."""


@dataclass(frozen=True)
class Publication:
    """What a scoring run hands over; the tables of deals have `opportunity_id`, a row or more per open deal.

    scores: opportunity_id, as_of, p_win, log_odds, base_log_odds, model_version. contributions and
    features: the same feature columns, in log-odds and as the model sees them. drivers, reasons and
    deals: what a reader needs to explain a score without the model. beside: further tables of these deals
    by file name (see `serving.room`). further: tables of contracts, consumption and the forecast by file
    name, checked where they were made. about: plain facts for the manifest (evidence, warnings).
    """

    as_of: datetime
    model_version: str
    data_version: str
    scores: pa.Table
    contributions: pa.Table
    features: pa.Table
    drivers: pa.Table
    reasons: pa.Table
    deals: pa.Table
    beside: Mapping[str, pa.Table] = field(default_factory=dict)
    further: Mapping[str, pa.Table] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, pa.Table]:
        """The Parquet files by name."""
        return {
            "win_scores.parquet": self.scores,
            "win_contributions.parquet": self.contributions,
            "win_features.parquet": self.features,
            "win_drivers.parquet": self.drivers,
            "win_reasons.parquet": self.reasons,
            "win_deals.parquet": self.deals,
            **self.beside,
            **self.further,
        }


def published_folder(workspace: Path) -> Path:
    """The folder that holds the published runs and the pointer."""
    return workspace / "published"


def publish(workspace: Path, run_id: str, publication: Publication) -> Path:
    """Write the run's folder and point readers to it; return the folder.

    Everything is checked first and written to a hidden folder beside its final place, so that a
    reader, or a run killed half way, never sees a part. The caller holds the workspace lock.
    Raises PublishError if contributions do not add up, tables do not match, or the run exists.
    """
    check_run_id(run_id, "run id")
    check_publication(publication)
    root = published_folder(workspace)
    root.mkdir(parents=True, exist_ok=True)
    final = root / run_id
    if final.exists():
        raise PublishError(
            f"{final}: this run is already published. Published runs never change; start a new run."
        )
    _sweep(root)
    building = root / f".building-{run_id}"
    building.mkdir()
    manifest = _write_files(building, run_id, publication)
    raw = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    write_durably(building / MANIFEST, raw)
    write_durably(building / MANIFEST_SUM, f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}\n".encode())
    settle_folder(building)
    building.rename(final)
    settle_folder(root)
    replace_text(root / POINTER, run_id)
    return final


def check_publication(publication: Publication) -> None:
    """Raise PublishError unless the tables describe the same deals and the contributions add up."""
    scores, contributions, features = publication.scores, publication.contributions, publication.features
    if contributions.column_names != features.column_names:
        odd = sorted(set(contributions.column_names) ^ set(features.column_names))
        raise PublishError(f"win_contributions and win_features differ in their columns: {odd[:5]}.")
    for name, table in (("win_contributions", contributions), ("win_features", features)):
        if table.column("opportunity_id").to_pylist() != scores.column("opportunity_id").to_pylist():
            raise PublishError(f"{name}: expected the deals of win_scores, in the same order; found others.")
    ids: list[Any] = scores.column("opportunity_id").to_pylist()
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise PublishError(
            "win_scores: expected one row per deal, sorted by opportunity_id; found otherwise."
        )
    for name, table in publication.beside.items():
        found: list[Any] = table.column("opportunity_id").to_pylist()
        if found != sorted(found) or not set(found) <= set(ids):
            raise PublishError(
                f"{name}: expected rows of the deals of win_scores, sorted by deal; found otherwise. "
                "Nothing was published."
            )
    _check_additivity(scores, contributions)


def _check_additivity(scores: pa.Table, contributions: pa.Table) -> None:
    columns = contributions.column_names[1:]
    total = scores.column("base_log_odds").to_numpy().astype(float)
    for name in columns:
        total = total + contributions.column(name).to_numpy()
    served = scores.column("log_odds").to_numpy()
    p = scores.column("p_win").to_numpy()
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    off = np.maximum(
        np.abs(total - served), np.where(np.abs(served) < _LARGEST_LOGIT, np.abs(logit - served), 0)
    )
    bad = np.flatnonzero(~(off <= _TOLERANCE) | ~np.isfinite(served))
    if bad.size:
        deal = scores.column("opportunity_id")[int(bad[0])].as_py()
        raise PublishError(
            f"win_contributions: base plus contributions should equal the log-odds of p_win to "
            f"{_TOLERANCE:g}; {bad.size} deals differ, first {deal!r} by {off[bad[0]]:.3g}. "
            "Nothing was published."
        )


def _write_files(folder: Path, run_id: str, publication: Publication) -> dict[str, Any]:
    """Write and settle the Parquet files; return the manifest that describes them."""
    files = {}
    for name, table in publication.files().items():
        path = folder / name
        rows = _ROWS_OF_RECORDS if name.startswith("records_") else None
        pq.write_table(table, path, compression="zstd", write_page_checksum=True, row_group_size=rows)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[name] = {
            "rows": table.num_rows,
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            "schema": {column.name: str(column.type) for column in table.schema},
        }
    return {
        "schema_version": _SCHEMA_VERSION,
        "run_id": run_id,
        "as_of": publication.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "model_version": publication.model_version,
        "data_version": publication.data_version,
        "files": files,
        "about": publication.about,
    }


def _sweep(root: Path) -> None:
    """Remove what killed runs left half built; the lock says that none is at work."""
    for left in root.glob(".building-*"):
        shutil.rmtree(left)
