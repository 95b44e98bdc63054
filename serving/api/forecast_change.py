"""What moved the forecast since the run before, as published; single deals told only to who may see them."""

from typing import Any

from serving.access.gate import Seen
from serving.api.forecast_parts import ChangePart, ChangeTerm
from serving.forecast import CHANGE_FILE

__all__ = ["change_parts", "change_rows"]

_POOLED, _POOLED_TITLE = "others", "other causes"
Row = dict[str, Any]


def change_parts(seen: Seen) -> tuple[ChangePart, ...]:
    """By part what moved it; none without a comparable run before."""
    by_part: dict[str, list[Row]] = {}
    for row in change_rows(seen):
        by_part.setdefault(row["part"], []).append(row)
    return tuple(_part(part, rows) for part, rows in by_part.items())


def change_rows(seen: Seen) -> list[Row]:
    """The published rows; where single deals are not seen, without their names, and small terms pooled.

    A term of fewer deals than the smallest cell is joined with the next smallest until together they are one.
    """
    if not seen.run.has(CHANGE_FILE):
        return []
    rows: list[Row] = seen.run.table(CHANGE_FILE).to_pylist()
    if seen.scope.single_deals:
        return rows
    found: list[Row] = []
    for part in dict.fromkeys(row["part"] for row in rows):
        found += _pooled([row for row in rows if row["part"] == part], seen.scope.min_cell)
    return found


def _part(part: str, rows: list[Row]) -> ChangePart:
    held = {row["term"]: row for row in rows}
    terms = [row for row in rows if row["term"] not in ("before", "after")]
    terms.sort(key=lambda row: (-abs(row["amount"]), row["term"]))
    return ChangePart.model_validate({
        "part": part,
        "before": held["before"]["amount"],
        "after": held["after"]["amount"],
        "headline": held["after"]["sentence"],
        "terms": [{name: row[name] for name in ChangeTerm.model_fields} for row in terms],
    })  # fmt: skip


def _pooled(rows: list[Row], least: int) -> list[Row]:
    first, *terms, last = rows
    counted = sorted((row for row in terms if row["largest_id"] is not None), key=lambda row: row["items"])
    n = sum(row["items"] < least for row in counted)
    while 0 < n < len(counted) and (n < 2 or sum(row["items"] for row in counted[:n]) < least):
        n += 1
    small = counted[:n]
    kept = [_nameless(row) for row in terms if row not in small]
    if small:
        amount = sum(row["amount"] for row in small)
        items = sum(row["items"] for row in small)
        pool = {**small[0], "term": _POOLED, "title": _POOLED_TITLE, "amount": amount, "items": items}
        kept.append(_nameless(pool))
    return [first, *kept, last]


def _nameless(row: Row) -> Row:
    sentence = row["sentence"].partition(" (")[0].rstrip(".") + "."
    if row["term"] == _POOLED:
        sentence = f"{'Up' if row['amount'] > 0 else 'Down'}: {_POOLED_TITLE}."
    return {**row, "largest_id": None, "largest_amount": None, "sentence": sentence}
