"""Canonical Parquet files, written in parts."""

from pathlib import Path as FilePath
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from data.schema import TABLES

__all__ = ["CUSTOM", "Files", "canonical_schema"]

CUSTOM: dict[str, dict[str, pa.DataType]] = {
    "accounts": {"x_segment": pa.string()},
    "contacts": {"x_newsletter": pa.bool_()},
    "opportunities": {"x_partner_involved": pa.bool_()},
}
_TYPES = {
    "string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


def canonical_schema(name: str) -> pa.Schema:
    """The Arrow schema of a canonical table as the simulator writes it, custom fields included."""
    fields = [pa.field(column.name, _TYPES[column.dtype]) for column in TABLES[name].columns]
    return pa.schema(fields + [pa.field(x, kind) for x, kind in CUSTOM.get(name, {}).items()])


class Files:
    """Parquet writers of one folder, opened on first use and closed together; `rows` counts by name."""

    def __init__(self, directory: FilePath) -> None:
        self.directory = directory
        self.rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, name: str, table: pa.Table) -> None:
        """Append rows to a file; canonical tables are put into their declared columns and types."""
        if name in TABLES:
            schema = canonical_schema(name)
            table = table.select(schema.names).cast(schema)
        if name not in self._writers:
            path = self.directory / f"{name}.parquet"
            self._writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        self._writers[name].write_table(table)
        self.rows[name] = self.rows.get(name, 0) + len(table)

    def paths(self) -> dict[str, FilePath]:
        """The files written, by table."""
        return {name: self.directory / f"{name}.parquet" for name in self.rows}
