"""Arrow columns from arrays of codes and epoch seconds, without a Python loop over rows."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from data.simulator.rng import Bools

__all__ = ["Values", "flags", "floats", "glue", "identifiers", "integers", "moments_of", "pick"]

Values: TypeAlias = "pa.Array[Any]"
"""A column, as Arrow holds it."""

_UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


def pick(names: Sequence[str], codes: ArrayLike) -> Values:
    """The names at the codes; null where the code is negative.

    >>> pick(("a", "b"), [1, -1]).to_pylist()
    ['b', None]
    """
    codes = np.asarray(codes, dtype=np.int64)
    return pa.array(list(names), pa.string()).take(pa.array(codes, mask=codes < 0))


def identifiers(prefix: str, numbers: ArrayLike) -> Values:
    """Identifiers such as D0000042; null where the number is negative.

    >>> identifiers("D", [42, -1]).to_pylist()
    ['D0000042', None]
    """
    numbers = np.asarray(numbers, dtype=np.int64)
    text = pc.utf8_lpad(pa.array(numbers, mask=numbers < 0).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(prefix, text, "")


def glue(*parts: "Values | str") -> Values:
    """Texts joined row by row; a null part counts as nothing."""
    texts: Any = (*parts, "")
    return pc.binary_join_element_wise(*texts, null_handling="skip")


def moments_of(seconds: ArrayLike, missing: Bools | None = None) -> Values:
    """UTC timestamps of epoch seconds; null where `missing`."""
    micros = np.asarray(seconds, dtype=np.int64) * 1_000_000
    return pa.array(micros, pa.int64(), mask=missing).cast(_UTC_MICROSECONDS)


def floats(values: ArrayLike, missing: Bools | None = None) -> Values:
    """Numbers; null where `missing`."""
    return pa.array(np.asarray(values, dtype=np.float64), mask=missing)


def integers(values: ArrayLike, missing: Bools | None = None) -> Values:
    """Whole numbers; null where `missing`."""
    return pa.array(np.asarray(values, dtype=np.int64), mask=missing)


def flags(values: ArrayLike, missing: Bools | None = None) -> Values:
    """True or false; null where `missing`."""
    return pa.array(np.asarray(values, dtype=bool), mask=missing)
