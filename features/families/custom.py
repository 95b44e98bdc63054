"""The user's own fields become features without code (subject to the leakage audit)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import ibis
import ibis.expr.types as ir

from data.schema import TABLES
from features.feature import Feature, Formula, Measure
from features.measures import all_of, current, last, number, total
from features.snapshots import DAY
from features.streams.custom import FLAGS, custom_columns
from features.streams.stream import DATE_PATTERN, numeric_text

__all__ = ["CustomField", "custom_features", "custom_fields"]

_BELIEF = "The organisation's own knowledge."
_STREAMS = {
    "opportunities": "deals", "accounts": "accounts", "contacts": "contact_facts",
    "contracts": "account_contracts", "opportunity_changes": "custom_changes",
}  # fmt: skip
_WORDS = {
    "opportunities": "the deal", "accounts": "the account", "contacts": "the buying group's contacts",
    "contracts": "the account's latest contract", "opportunity_changes": "the deal's history",
}  # fmt: skip


@dataclass(frozen=True)
class CustomField:
    """A user's own field: the table it stands in, its name and what its values look like."""

    table: str
    name: str
    reading: Literal["number", "flag", "category", "day"]


def custom_fields(tables: Mapping[str, ir.Table], as_of: datetime) -> tuple[CustomField, ...]:
    """The user's own fields that hold a value before as_of, typed by those values alone.

    A flag holds only yes/no words, a number only numbers, a date only ISO dates; all else is a category.
    """
    found = [
        CustomField(table, name, reading)
        for table, name, values in _texts(tables, as_of)
        if (reading := _reading(values)) is not None
    ]
    return tuple(found)


def custom_features(fields: tuple[CustomField, ...]) -> tuple[Feature, ...]:
    """One feature per field, named `<table>_<field>`, or `<field>_history` for a history."""
    return tuple(_feature(field) for field in fields)


def _texts(tables: Mapping[str, ir.Table], as_of: datetime) -> Iterator[tuple[str, str, ir.StringColumn]]:
    for table_name in ("accounts", "contacts", "contracts", "opportunities"):
        table = tables[table_name]
        known = table.filter(table[str(TABLES[table_name].clock)] < as_of)
        for column in custom_columns(table):
            yield table_name, column, known[column]
    changes = tables["opportunity_changes"]
    changes = changes.filter(changes.field.startswith("x_") & (changes.changed_at < as_of))
    for field in sorted(changes.select("field").distinct().to_pyarrow().column("field").to_pylist()):
        yield "opportunity_changes", field, changes.filter(changes.field == field).new_value


def _reading(values: ir.StringColumn) -> Literal["number", "flag", "category", "day"] | None:
    filled = values.as_table().select(text=values).filter(lambda t: t.text.notnull())
    counts = (
        filled.agg(
            n=filled.count(),
            flag=filled.count(where=filled.text.strip().lower().isin(FLAGS)),
            number=numeric_text(filled.text).count(),
            day=filled.count(where=filled.text.re_search(DATE_PATTERN)),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    if counts["n"] == 0:
        return None
    for reading in ("flag", "number", "day"):
        if counts[reading] == counts["n"]:
            return reading
    return "category"


def _feature(field: CustomField) -> Feature:
    stream, words = _STREAMS[field.table], _WORDS[field.table]
    is_history = field.table == "opportunity_changes"
    name = f"{field.name}_history" if is_history else f"{field.table}_{field.name}"
    label = field.name.removeprefix("x_").replace("_", " ")
    kind = {"number": "number", "flag": "flag", "category": "category", "day": "number"}[field.reading]
    unit = {"number": "", "flag": "", "category": "category", "day": "days"}[field.reading]
    how = {
        "number": "The value",
        "flag": "Whether it is set",
        "category": "The value",
        "day": "Days to as_of",
    }
    return Feature(
        name, "custom", kind, unit,  # type: ignore[arg-type]
        f"{how[field.reading]} of your own field {field.name} of {words}, as known at as_of; null if empty.",
        _BELIEF, "depends",
        f"{label} is {{value}}" if field.reading != "flag" else f"{label} is set",
        f"{label} is empty" if field.reading != "flag" else f"{label} is not set",
        _value(field, stream, is_history),
    )  # fmt: skip


def _value(field: CustomField, stream: str, is_history: bool) -> Measure | Formula:
    column = f"{'value' if is_history else field.name}__{field.reading}"
    where = {"field": field.name} if is_history else {}
    if field.table == "contacts" and field.reading == "flag":
        return all_of(lambda n, ones: ibis.ifelse(n.notnull(), ones > 0, ibis.null("boolean")),
                      last(stream, column), total(stream, column))  # fmt: skip
    if field.table == "contacts" and field.reading in ("number", "day"):
        value = last(stream, column)
    else:
        value = current(stream, column, **where)
    if field.reading == "day":
        return Formula(lambda as_of_s, day: number(as_of_s) / number(DAY) - number(day), (value,))
    if field.reading == "flag":
        return all_of(lambda flag: flag == 1, value)
    return value
