"""Raw canonical rows checked as a load checks them: what breaks the contract is set aside, with a reason."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from data.errors import UsageError
from data.schema import CUSTOM_PREFIX, SOURCE_ROW, TABLES, Column, Table
from data.signals.tables import TEXT_TABLES
from serving.score.values import expected_of, fault_of, read, text

__all__ = ["MOST_DEALS", "PAIR_RULES", "CheckedRows", "RejectedRow", "checked_rows"]

MOST_DEALS = 1000
"""Deals of one request."""

_SHOWN = 5
_LONGEST = 200
_REPEATS = "repeats the key of a row that is kept"
Row = dict[str, Any]


@dataclass(frozen=True)
class RejectedRow:
    """A row that breaks the data contract, and is left out as a whole.

    row: its place in the table as given, from 1. found: its value as text, None where it is missing.
    reason: as a load words it.
    """

    table: str
    row: int
    key: str | None
    column: str
    found: str | None
    expected: str
    reason: str


@dataclass(frozen=True)
class CheckedRows:
    """The rows that keep the contract, by table, and those that do not, in the order they were given.

    open_deals, closed_deals: the deals kept, by whether they are open at as_of. ignored: columns that nobody
    reads (the user's own, unknown to the run), as `table.column`.
    """

    tables: dict[str, pa.Table]
    rejected: tuple[RejectedRow, ...]
    open_deals: tuple[str, ...]
    closed_deals: tuple[str, ...]
    ignored: tuple[str, ...]


PAIR_RULES: dict[str, tuple[tuple[str, str, str, Callable[[Row], bool]], ...]] = {
    "opportunities": (
        ("closed_at", "not before created_at", "closed_at lies before created_at",
         lambda row: _before(row["closed_at"], row["created_at"])),
        ("outcome", "closed_at with it", "outcome without closed_at cannot be placed in time",
         lambda row: row["outcome"] is not None and row["closed_at"] is None),
    ),
    "contracts": (
        ("end_at", "not before start_at", "end_at lies before start_at",
         lambda row: _before(row["end_at"], row["start_at"])),
        ("outcome", "decided_at with it", "outcome without decided_at cannot be placed in time",
         lambda row: row["outcome"] is not None and row["decided_at"] is None),
    ),
    "usage": (
        ("usage_date", "at most 31 days after known_at", "recorded more than 31 days before it took place",
         lambda row: None not in (row["usage_date"], row["known_at"])
         and (row["usage_date"] - row["known_at"]).total_seconds() > 31 * 86_400),
    ),
    "exchange_rates": (
        ("rate", "above 0", "rate is not above 0", lambda row: row["rate"] <= 0),
    ),
    "activity_participants": (
        ("contact_id", "either a contact_id or a user_id",
         "exactly one of contact_id and user_id is expected",
         lambda row: (row["contact_id"] is None) == (row["user_id"] is None)),
    ),
}  # fmt: skip
"""What `data.validation.ROW_RULES` asks of two columns of a row: column, expected, reason, when broken."""

_TEXTS = {
    name: Table(name, tuple(Column(column, dtype, True, "") for column, dtype in columns))  # type: ignore[arg-type]
    for name, columns in TEXT_TABLES.items()
}
_KNOWN_TABLES: dict[str, Table] = {**TABLES, **_TEXTS}


def checked_rows(
    records: Mapping[str, Sequence[Mapping[str, Any]]], schemas: Mapping[str, pa.Schema], as_of: datetime
) -> CheckedRows:
    """The rows cast to the schemas, each that breaks the contract set aside.

    schemas: the columns of each table (`features.record_shapes.record_schemas`). Of rows that repeat a key
    the one known last before as_of stands. Raises UsageError, with all that is wrong, for unknown tables or
    columns, no deals, or more than `MOST_DEALS`.
    """
    _check_shape(records)
    rejected: list[RejectedRow] = []
    kept: dict[str, list[tuple[int, Row]]] = {}
    ignored: list[str] = []
    for name, table in _KNOWN_TABLES.items():
        if name not in records:
            continue
        own = [one.name for one in schemas[name] if one.name.startswith(CUSTOM_PREFIX)]
        ignored += _ignored(name, records[name], own)
        read_rows = _read_rows(table, records[name], own, rejected)
        kept[name] = _without_repeats(table, read_rows, as_of, rejected)
    kept["opportunities"] = _existing(kept["opportunities"], as_of, rejected)
    _drop_orphans(kept, rejected)
    tables = {
        name: pa.Table.from_pylist(_placed([row for _, row in rows], schemas[name]), schema=schemas[name])
        for name, rows in kept.items()
    }
    deals = {True: list[str](), False: list[str]()}
    for _, row in kept["opportunities"]:
        is_open = row["outcome"] is None or row["closed_at"] >= as_of
        deals[is_open].append(row["opportunity_id"])
    return CheckedRows(tables, tuple(rejected), tuple(deals[True]), tuple(deals[False]), tuple(ignored))


def _check_shape(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Raise UsageError unless every table and column is known, and there are deals to score."""
    faults = [
        f"no table is called {name!r}{_near(name, _KNOWN_TABLES)}"
        for name in records
        if name not in _KNOWN_TABLES
    ]
    for name, rows in records.items():
        if name not in _KNOWN_TABLES:
            continue
        known = {*_KNOWN_TABLES[name].column_names, SOURCE_ROW}
        own = _KNOWN_TABLES[name].custom
        found = {column: None for row in rows for column in row}
        faults += [
            f"{name} has no column {column!r}{_near(column, known)}"
            for column in found
            if column not in known and not (own and column.startswith(CUSTOM_PREFIX))
        ]
    deals = len(records.get("opportunities", ()))
    if not deals:
        faults.append("the table 'opportunities' holds no row; give one per deal to score")
    elif deals > MOST_DEALS:
        faults.append(f"expected at most {MOST_DEALS:,} deals, found {deals:,}; send several requests")
    if faults:
        more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
        raise UsageError(f"records: {'; '.join(faults[:_SHOWN])}{more}. See docs/data-contract.md.")


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f" (near match: {near[0]!r})" if near else ""


def _ignored(name: str, rows: Sequence[Mapping[str, Any]], own: Sequence[str]) -> list[str]:
    found = {column for row in rows for column in row if column.startswith(CUSTOM_PREFIX)}
    return [f"{name}.{column}" for column in sorted(found - set(own))]


def _read_rows(
    table: Table, rows: Sequence[Mapping[str, Any]], own: Sequence[str], rejected: list[RejectedRow]
) -> list[tuple[int, Row]]:
    """The rows in their types, numbered from 1; a row's first fault rejects it."""
    kept = []
    for number, given in enumerate(rows, start=1):
        row, fault = _read_row(table, given, own)
        if fault is not None:
            rejected.append(_rejected(table, number, given, *fault))
            continue
        if table.clock and table.business_time and row[table.clock] is None:
            row[table.clock] = row[table.business_time]
        kept.append((number, row))
    return kept


def _read_row(
    table: Table, given: Mapping[str, Any], own: Sequence[str]
) -> tuple[Row, tuple[str, str, str] | None]:
    """The row in its types, and its first fault: column, expected, reason."""
    row: Row = {}
    for column in table.columns:
        try:
            row[column.name] = read(column, given.get(column.name))
        except (ValueError, TypeError):
            return row, (column.name, expected_of(column), f"not a {column.dtype}")
        wrong = fault_of(column, row[column.name])
        if wrong is not None:
            return row, (column.name, *wrong)
    for column_name, expected, reason, breaks in PAIR_RULES.get(table.name, ()):
        if breaks(row):
            return row, (column_name, expected, reason)
    for name in own:
        value = given.get(name)
        try:
            row[name] = None if value is None or value == "" else text(_worded(value))
        except ValueError:
            return row, (name, "a text, a number, or true or false", "not a string")
    if isinstance(given.get(SOURCE_ROW), int):
        row[SOURCE_ROW] = given[SOURCE_ROW]
    return row, None


def _worded(value: Any) -> Any:
    """A flag of one's own as the warehouse writes it."""
    return str(value).lower() if isinstance(value, bool) else value


def _rejected(
    table: Table, number: int, row: Mapping[str, Any], column: str, expected: str, reason: str
) -> RejectedRow:
    key, found = _shown(row.get(table.key or table.column_names[0])), _shown(row.get(column))
    return RejectedRow(table.name, number, key, column, found, expected, reason)


def _shown(value: Any) -> str | None:
    """A value as text that can be sent, cut to a length."""
    value = value.isoformat() if isinstance(value, datetime) else value
    return None if value is None else str(value)[:_LONGEST].encode(errors="replace").decode()


def _without_repeats(
    table: Table, rows: list[tuple[int, Row]], as_of: datetime, rejected: list[RejectedRow]
) -> list[tuple[int, Row]]:
    """Of rows that repeat a key, the one known last before as_of; the first given, where none is later."""
    if table.key is None:
        return rows
    best: dict[Any, tuple[int, Row]] = {}
    for number, row in rows:
        held = best.get(row[table.key])
        if held is None or _standing(table, row, as_of) > _standing(table, held[1], as_of):
            best[row[table.key]] = (number, row)
    for number, row in rows:
        if best[row[table.key]][0] != number:
            rejected.append(_rejected(table, number, row, table.key, "one row per key", _REPEATS))
    return [(number, row) for number, row in rows if best[row[table.key]][0] == number]


def _standing(table: Table, row: Row, as_of: datetime) -> tuple[bool, float]:
    known = row[table.clock] if table.clock else None
    return (known is not None and known < as_of, known.timestamp() if known is not None else 0.0)


def _existing(
    deals: list[tuple[int, Row]], as_of: datetime, rejected: list[RejectedRow]
) -> list[tuple[int, Row]]:
    """The deals that exist at as_of."""
    for number, row in deals:
        if row["created_at"] >= as_of:
            reason = "the deal does not exist yet at as_of"
            expected = f"before as_of ({as_of.isoformat()})"
            rejected.append(_rejected(TABLES["opportunities"], number, row, "created_at", expected, reason))
    return [(number, row) for number, row in deals if row["created_at"] < as_of]


def _drop_orphans(kept: dict[str, list[tuple[int, Row]]], rejected: list[RejectedRow]) -> None:
    """Reject rows whose deal or activity is not among the rows that are kept."""
    for name, table in _KNOWN_TABLES.items():
        if name not in kept:
            continue
        for column, target, key in _references(table):
            known = {row[key] for _, row in kept.get(target, ())}
            found = [
                (number, row) for number, row in kept[name] if row[column] in known or row[column] is None
            ]
            at = {number for number, _ in found}
            rejected += [
                _rejected(table, number, row, column, f"a row of {target}", f"not found in {target}")
                for number, row in kept[name]
                if number not in at
            ]
            kept[name] = found


def _references(table: Table) -> Iterator[tuple[str, str, str]]:
    """Columns whose value must be found in another table: column, table, its key."""
    if table.name in TEXT_TABLES:
        yield "opportunity_id", "opportunities", "opportunity_id"
    for column in table.columns:
        if column.references and column.orphans != "report":
            target, key = column.references.split(".")
            yield column.name, target, key


def _placed(rows: list[Row], schema: pa.Schema) -> list[Row]:
    """Rows of a table without a key with their place in the order given."""
    if SOURCE_ROW not in schema.names:
        return rows
    return [{SOURCE_ROW: place, **row} for place, row in enumerate(rows, start=1)]


def _before(later: datetime | None, earlier: datetime | None) -> bool:
    return later is not None and earlier is not None and later < earlier
