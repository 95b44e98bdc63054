"""Reading a feature frame's columns by name, with their types checked."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError
from models.arrays import FloatArray, case_key

__all__ = ["numbers", "only", "texts"]


def numbers(frame: pa.Table, name: str, kind: str) -> FloatArray:
    """A count, number or flag (0, 1) column as float64; null and what is not finite become NaN.

    Raises ModelContractError if the column is absent or of another type.
    """
    column = _column(frame, name)
    kinds = pa.types
    fits = kinds.is_boolean if kind == "flag" else _is_number
    if not (fits(column.type) or kinds.is_null(column.type)):
        raise _wrong_type(name, "true/false" if kind == "flag" else "a number", column.type)
    if kinds.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    filled: Any = pc.fill_null(pc.cast(column, pa.float64(), safe=False), float("nan"))
    values = np.asarray(filled, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def texts(frame: pa.Table, name: str) -> Any:
    """A category column as an Arrow array of text.

    Raises ModelContractError if the column is absent or not text.
    """
    column = _column(frame, name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise _wrong_type(name, "text", column.type)
    text: Any = pc.cast(column, pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def only(frame: pa.Table, names: Collection[str]) -> pa.Table:
    """The frame's keys and those of the columns named that it has: few columns are cheap to filter."""
    wanted = {case_key(frame), "as_of", *names}
    return frame.select([place for place, name in enumerate(frame.column_names) if name in wanted])


def _column(frame: pa.Table, name: str) -> Any:
    places = frame.schema.get_all_field_indices(name)
    if len(places) != 1:
        found = len(places)
        raise ModelContractError(
            f"Feature frame, column {name!r}: expected once, found {found or 'no such column'}. "
            "Assemble the frame with the features this model was trained on."
        )
    return frame.column(places[0])


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _wrong_type(name: str, expected: str, found: Any) -> ModelContractError:
    return ModelContractError(
        f"Feature frame, column {name!r}: expected {expected}, found type {found}. "
        "Give the column the type it had when the model was trained, or train again."
    )
