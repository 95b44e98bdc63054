"""The records of the open deals, as published: what a reader sees of a deal without the warehouse."""

import bisect
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import PublishError
from serving.published import Published

__all__ = [
    "CONTEXT",
    "FIELDS",
    "RECORDS",
    "STAGES",
    "deal_records",
    "deal_rows",
    "records_file",
]

RECORDS = (
    "opportunities", "accounts", "contacts", "opportunity_changes", "opportunity_contacts", "activities",
    "activity_participants", "moments", "promises", "qualification", "text_moments", "text_promises",
)  # fmt: skip
"""The tables whose rows are published for each open deal, as `records_file` names them.

Each begins with `opportunity_id`, the deal that the row is published for (a contact of two deals stands there
twice), and is sorted by it. Rows recorded at or after as_of are not there, nor subjects, bodies or addresses.
"""

STAGES = "records_stages.parquet"
"""The stages, which belong to no deal."""

CONTEXT = {name: f"context_{name}.parquet" for name in ("accounts", "owners", "everyone", "work")}
"""The files of the context of a run, by the names of `features.context.Context.tables`."""

FIELDS = "context_fields.parquet"
"""The user's own fields that the run's features were made with: table, name, reading."""

_DEAL = "opportunity_id"
_BY_OTHER_KEYS = ("accounts", "contacts", "activity_participants")


def records_file(table: str) -> str:
    """The name of the file that holds a table's rows.

    >>> records_file("activities")
    'records_activities.parquet'
    """
    return f"records_{table}.parquet"


def deal_records(run: Published, opportunity_id: str) -> dict[str, pa.Table]:
    """The rows of an open deal by table, and the `stages`: what scores the deal again.

    Each table has its own columns, and no rows for a deal that was not scored. Read from the run's files as
    they lie on the disk (page checksums are verified), a few row groups of each: the records of all deals are
    too many to be held. Tables that the run was published without are absent. Raises PublishError if a file
    is gone or damaged.
    """
    found = {}
    for name in RECORDS:
        if _holds(run, records_file(name)):
            rows = deal_rows(run, name, opportunity_id)
            found[name] = rows.drop_columns([_DEAL]) if name in _BY_OTHER_KEYS else rows
    if _holds(run, STAGES):
        found["stages"] = run.table(STAGES)
    return found


def deal_rows(run: Published, table: str, opportunity_id: str) -> pa.Table:
    """The rows of one table (of `RECORDS`) that are published for a deal, in their order."""
    path = run.folder / records_file(table)
    try:
        file = pq.ParquetFile(path, metadata=_metadata(path), page_checksum_verification=True)
        groups = [place for place in range(file.num_row_groups) if _may_hold(file, place, opportunity_id)]
        rows = file.read_row_groups(groups) if groups else file.schema_arrow.empty_table()
    except (FileNotFoundError, OSError, pa.ArrowInvalid) as error:
        raise PublishError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}). Publish again with `dealcast run`."
        ) from error
    first, last = _span(rows[_DEAL], opportunity_id)
    return rows.slice(first, last - first)


@lru_cache(maxsize=64)
def _metadata(path: Path) -> pq.FileMetaData:
    """The footer of a file; published files never change."""
    return pq.read_metadata(path)


def _may_hold(file: pq.ParquetFile, place: int, opportunity_id: str) -> bool:
    """Whether a row group's range of deals spans the deal; its first column is the deal."""
    held = file.metadata.row_group(place).column(0).statistics
    if held is None or not held.has_min_max:
        return True
    return bool(held.min <= opportunity_id <= held.max)


def _span(ids: Any, opportunity_id: str) -> tuple[int, int]:
    """The rows of a deal in a sorted column: the first, and the one after the last."""
    every = range(len(ids))
    first = bisect.bisect_left(every, opportunity_id, key=lambda place: ids[place].as_py())
    return first, bisect.bisect_right(every, opportunity_id, key=lambda place: ids[place].as_py())


def _holds(run: Published, name: str) -> bool:
    return name in run.manifest["files"]
