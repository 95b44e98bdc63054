"""The user's own fields (`x_…`): text in the warehouse, read as what their known values look like."""

import ibis
import ibis.expr.types as ir

from data.schema import CUSTOM_PREFIX
from features.streams.stream import day_number, numeric_text

__all__ = ["FLAGS", "custom_columns", "typed"]

TRUE = ("true", "t", "yes", "y")
FALSE = ("false", "f", "no", "n")
FLAGS = (*TRUE, *FALSE)


def custom_columns(table: ir.Table) -> list[str]:
    """The names of a table's own fields, sorted."""
    return sorted(name for name in table.columns if name.lower().startswith(CUSTOM_PREFIX))


def typed(name: str, text: ir.StringValue) -> dict[str, ir.Value]:
    """The readings of a text column: as category, number, flag (1/0) and day number."""
    lowered = text.strip().lower()
    flag = ibis.cases(
        (lowered.isin(TRUE), ibis.literal(1, "int64")),
        (lowered.isin(FALSE), ibis.literal(0, "int64")),
        else_=ibis.null("int64"),
    )
    return {
        f"{name}__category": text,
        f"{name}__number": numeric_text(text),
        f"{name}__flag": flag,
        f"{name}__day": day_number(text),
    }
