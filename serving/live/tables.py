"""Published tables in memory: decoded compactly, and where each subject's rows begin."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["decoded", "row_starts"]

_LONG = frozenset({
    "win_drivers.parquet", "win_moments.parquet", "win_promises.parquet", "win_qualification.parquet",
    "win_changes.parquet", "win_reasons.parquet", "win_roles.parquet", "win_spiral.parquet",
    "win_suggestions.parquet",
})  # fmt: skip
"""Tables with several rows per deal, which are only ever read row by row."""


def decoded(name: str, content: bytes) -> pa.Table:
    """The table in a Parquet file; in long tables a text that repeats is held once, and coded."""
    file = pq.ParquetFile(pa.BufferReader(content))
    if name not in _LONG:
        return file.read()
    texts = [column.name for column in file.schema_arrow if column.type == pa.string()]
    return pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts).read().unify_dictionaries()


def row_starts(table: pa.Table, key: str) -> tuple[Any, npt.NDArray[np.int64]]:
    """Of a table sorted by its key: the subjects in their order, and where each one's rows begin."""
    keys = table[key].combine_chunks()
    coded = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
    runs = pc.run_end_encode(coded.indices)
    ends = np.asarray(np.from_dlpack(runs.run_ends), dtype=np.int64)
    return coded.dictionary.take(runs.values), np.append(0, ends)
