"""What moved the forecast since the run before, as published; single deals told only to who may see them."""

from typing import Any

from serving.access.gate import Seen
from serving.access.suppress import seen_terms
from serving.api.forecast_parts import ChangePart, ChangeTerm
from serving.forecast import CHANGE_FILE

__all__ = ["change_parts", "change_rows"]

Row = dict[str, Any]


def change_parts(seen: Seen) -> tuple[ChangePart, ...]:
    """By part what moved it; none without a comparable run before."""
    by_part: dict[str, list[Row]] = {}
    for row in change_rows(seen):
        by_part.setdefault(row["part"], []).append(row)
    return tuple(_part(part, rows) for part, rows in by_part.items())


def change_rows(seen: Seen) -> list[Row]:
    """The published rows, as the viewer may see them."""
    if not seen.run.has(CHANGE_FILE):
        return []
    return seen_terms(seen, seen.run.table(CHANGE_FILE).to_pylist())


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
