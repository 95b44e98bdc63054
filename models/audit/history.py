"""What the tables say about when things were written down: late, after the close, or at it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from data.banned import is_closed_word
from data.schema import CUSTOM_PREFIX
from features.feature import Feature
from models.audit.findings import CheckResult, Finding, finding
from models.audit.names import own_name
from models.audit.separation import DEALS_AT_LEAST, share_bounds

__all__ = ["late_history_findings", "recorded_late", "reopened", "written_after_close"]

_DAY_S = 86_400
_NEAR_DAYS = 2
_NEAR_SHARE_OF_LIFE = 0.1
_MAX_SHARE_AT_CLOSE = 0.5
_LATE_DAYS = 7
_RECORDED = ("activities", "moments", "promises")


def late_history_findings(
    tables: Mapping[str, ir.Table], features: Sequence[Feature], as_of: datetime
) -> list[Finding]:
    """Own histories that are written within two days of the close, or the last tenth of a shorter life.

    What a deal is created with does not count: of the changes after it, each deal's share that lies at
    its close (or later), averaged over deals.
    """
    histories = {own_name(f): f.name for f in features if f.name.endswith("_history") and own_name(f)}
    if not histories:
        return []
    found = []
    for row in _shares_at_close(tables, as_of).to_pyarrow().to_pylist():
        name, deals, share = histories.get(row["field"]), row["deals"], row["share"]
        if name is None or deals < DEALS_AT_LEAST:
            continue
        bound = share_bounds(share * deals, deals)[0]
        if bound > _MAX_SHARE_AT_CLOSE:
            said = (
                f"in {deals} closed deals, {share:.0%} of its changes after the deal's creation were made "
                f"within {_NEAR_DAYS} days of the close, or after it"
            )
            found.append(finding(name, "filled_at_close", share, bound, _MAX_SHARE_AT_CLOSE, said))
    return found


def _shares_at_close(tables: Mapping[str, ir.Table], as_of: datetime) -> ir.Table:
    closed, changes = _closed(tables, as_of), _recorded(tables, "opportunity_changes", "changed_at", as_of)
    changes = changes.filter(changes.field.startswith(CUSTOM_PREFIX))
    both = changes.inner_join(closed, "opportunity_id")
    life = both.closed_at.epoch_seconds() - both.created_at.epoch_seconds()
    near = ibis.least(life * _NEAR_SHARE_OF_LIFE, float(_NEAR_DAYS * _DAY_S))
    at, began, ended = (both[name].epoch_seconds() for name in ("changed_at", "created_at", "closed_at"))
    both = both.filter(at > began + near).mutate(at_close=(at >= ended - near).cast("float64"))
    by_deal = both.group_by("field", "opportunity_id").agg(share=both.at_close.mean())
    return by_deal.group_by("field").agg(deals=by_deal.count(), share=by_deal.share.mean())


def recorded_late(tables: Mapping[str, ir.Table], as_of: datetime) -> CheckResult:
    """How many rows were written down over a week after they happened: each counts only from then."""
    figures: dict[str, Any] = {}
    for name in _RECORDED:
        rows = _recorded(tables, name, "known_at", as_of)
        behind = rows.known_at.epoch_seconds() - rows.occurred_at.epoch_seconds()
        counted = rows.agg(rows=rows.count(), late=rows.count(where=behind > _LATE_DAYS * _DAY_S))
        figures[name] = counted.to_pyarrow().to_pylist()[0]
    said = ", ".join(f"{n['late']:,} of {n['rows']:,} {name}" for name, n in figures.items() if n["rows"])
    words = f"recorded over {_LATE_DAYS} days after they happened: {said}" if said else "no rows with a clock"
    return CheckResult(
        "recorded_late", "passed", f"{words}; each is seen from its record on", figures=figures
    )


def written_after_close(tables: Mapping[str, ir.Table], as_of: datetime) -> CheckResult:
    """How many changes and activities were written after their deal's close: no snapshot sees them."""
    closed = _closed(tables, as_of)
    changes = _recorded(tables, "opportunity_changes", "changed_at", as_of).inner_join(
        closed, "opportunity_id"
    )
    late = changes.filter(changes.changed_at > changes.closed_at)
    by_field = late.group_by("field").agg(rows=late.count()).order_by("field").to_pyarrow().to_pylist()
    activities = _recorded(tables, "activities", "known_at", as_of).inner_join(closed, "opportunity_id")
    after = activities.count(where=activities.known_at > activities.closed_at).to_pyarrow().as_py()
    figures = {"changes": {row["field"]: row["rows"] for row in by_field}, "activities": after}
    edits = ", ".join(f"{row['rows']:,} of {row['field']}" for row in by_field) or "none"
    said = f"changes after the close: {edits}; activities recorded after it: {after:,}; no snapshot sees them"
    return CheckResult("written_after_close", "passed", said, figures=figures)


def reopened(tables: Mapping[str, ir.Table], as_of: datetime) -> CheckResult:
    """How many deals stood at a stage that says closed and then at another one again.

    The policy: `closed_at` and `outcome` of the deal decide. It counts as open up to `closed_at`, whatever
    its stages said, and has the one outcome that stands there.
    """
    changes = _recorded(tables, "opportunity_changes", "changed_at", as_of)
    changes = changes.filter(changes.field == "stage")
    stages = changes.select(stage=changes.new_value).distinct().to_pyarrow()["stage"].to_pylist()
    closed = [stage for stage in stages if stage is not None and is_closed_word(stage)]
    if not closed:
        return CheckResult("reopened", "not applicable", "no stage's name says that a deal has closed")
    marked = changes.mutate(is_closed=changes.new_value.isin(closed))
    by_deal = marked.group_by("opportunity_id").agg(
        shut=marked.changed_at.min(where=marked.is_closed),
        opened=marked.changed_at.max(where=~marked.is_closed),
    )
    n = by_deal.filter(by_deal.opened > by_deal.shut).count().to_pyarrow().as_py()
    said = (
        f"{n:,} deals left a stage that says closed; each counts as open until its closed_at and has the "
        "one outcome that opportunities give it"
    )
    return CheckResult("reopened", "passed", said, figures={"deals": n})


def _closed(tables: Mapping[str, ir.Table], as_of: datetime) -> ir.Table:
    deals = tables["opportunities"]
    at = ibis.literal(as_of, type="timestamp('UTC')")
    closed = deals.filter(deals.outcome.notnull() & (deals.closed_at < at))
    return closed.select("opportunity_id", "created_at", "closed_at")


def _recorded(tables: Mapping[str, ir.Table], name: str, clock: str, as_of: datetime) -> ir.Table:
    table = tables[name]
    return table.filter(table[clock] < ibis.literal(as_of, type="timestamp('UTC')"))
