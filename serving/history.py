"""A deal's probability over the published runs, and what happened on the deal meanwhile."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.errors import PublishError
from serving.deals import rows_of
from serving.published import Published, glance, published_runs
from serving.records import deal_rows, records_file
from serving.room import MOMENTS, PROMISES

__all__ = ["DealEvent", "ScoreHistory", "ScorePoint", "deal_events", "score_history"]

_MOST = 60
_SCORES = "win_scores.parquet"
_MEETINGS = ("meeting", "demo", "workshop")
_FIELDS = {
    "stage": "Stage",
    "close_date": "Expected close",
    "amount": "Amount",
    "forecast_category": "Forecast category",
}
_PROMISED = {"promised_at": "Promised", "delivered_at": "Delivered", "withdrawn_at": "Withdrawn"}


@dataclass(frozen=True)
class ScorePoint:
    """A deal's probability of being won (0 to 1) and its log-odds, as a run published them."""

    run_id: str
    as_of: datetime
    p_win: float
    log_odds: float
    model_version: str


@dataclass(frozen=True)
class DealEvent:
    """Something that happened on a deal: when, what kind (stage, meeting, promise, moment ...), in words.

    happened_at: UTC, may lie ahead (a meeting that is planned). text: as the CRM has it, never longer than a
    line.
    """

    happened_at: datetime
    kind: str
    text: str


@dataclass(frozen=True)
class ScoreHistory:
    """A deal's points, oldest first, and the events from the first point to the last.

    unread: runs that cannot be read or trusted, newest first: earlier ones lack their point, the present one
    its events.
    """

    opportunity_id: str
    points: tuple[ScorePoint, ...]
    events: tuple[DealEvent, ...]
    unread: tuple[str, ...] = ()


def score_history(run: Published, opportunity_id: str, *, at_most: int = _MOST) -> ScoreHistory:
    """The deal's score in this run and in those published before it, at most so many, the newest.

    Of several runs as of one instant the latest counts. Empty for a deal that no run scored.
    """
    points: list[ScorePoint] = []
    unread: list[str] = []
    workspace = run.folder.parent.parent
    earlier = [one for one in published_runs(workspace) if one < run.run_id]
    for run_id in [run.run_id, *earlier][:at_most]:
        try:
            scores = _scores_of(run) if run_id == run.run_id else _earlier_scores(workspace, run_id)
        except PublishError:
            unread.append(run_id)
            continue
        point = scores.point(opportunity_id)
        if point is not None and (not points or point.as_of < points[-1].as_of):
            points.append(point)
    if not points:
        return ScoreHistory(opportunity_id, (), (), tuple(unread))
    points.reverse()
    try:
        events = deal_events(run, opportunity_id)
    except PublishError:
        unread, events = [run.run_id, *unread], ()
    between = tuple(one for one in events if points[0].as_of <= one.happened_at < points[-1].as_of)
    return ScoreHistory(opportunity_id, tuple(points), between, tuple(unread))


def deal_events(run: Published, opportunity_id: str) -> tuple[DealEvent, ...]:
    """What the run published of the deal's records as events, oldest first; ties by kind and text.

    Changes of stage, close date, amount and forecast category, meetings, promises with what became of them,
    and moments of the purchase. Raises PublishError if a file of the run is gone or damaged.
    """
    held = run.manifest["files"]
    found: list[DealEvent] = []
    for name, tell in _BESIDE.items():
        rows = rows_of(run.table(name), opportunity_id) if name in held else ()
        found += [event for row in rows for event in tell(row)]
    for name, tell in _RECORDS.items():
        records = deal_rows(run, name, opportunity_id).to_pylist() if records_file(name) in held else ()
        found += [event for row in records for event in tell(row)]
    return tuple(sorted(found, key=lambda event: (event.happened_at, event.kind, event.text)))


@dataclass(frozen=True)
class _Scores:
    """The scores of a run: opportunity_id, p_win, log_odds, sorted by deal."""

    run_id: str
    as_of: datetime
    model_version: str
    table: pa.Table

    def point(self, opportunity_id: str) -> ScorePoint | None:
        """The deal's point; None if the run did not score it."""
        rows: list[dict[str, Any]] = rows_of(self.table, opportunity_id)
        if not rows:
            return None
        return ScorePoint(self.run_id, self.as_of, rows[0]["p_win"], rows[0]["log_odds"], self.model_version)


def _scores_of(run: Published) -> _Scores:
    table = run.table(_SCORES).select(["opportunity_id", "p_win", "log_odds"])
    return _Scores(run.run_id, run.as_of, run.model_version, table)


@lru_cache(maxsize=2 * _MOST)
def _earlier_scores(workspace: Path, run_id: str) -> _Scores:
    """The scores of an earlier run; kept, since every deal asks for them and they never change."""
    return _scores_of(glance(workspace, run_id))


def _of_change(row: dict[str, Any]) -> tuple[DealEvent, ...]:
    field, new = row["field"], row["new_value"]
    if field not in _FIELDS or row["old_value"] == new:
        return ()
    told = f"{_FIELDS[field]}: {_value(field, row['old_value'])} → {_value(field, new)}"
    return (DealEvent(row["changed_at"], field, told),)


def _value(field: str, value: str | None) -> str:
    """A value of a history as people write it.

    >>> _value("close_date", "2026-03-31T00:00:00Z"), _value("amount", "15500.0"), _value("stage", None)
    ('2026-03-31', '15,500', 'not set')
    """
    if not value:
        return "not set"
    if field == "close_date":
        return value[:10]
    if field == "amount":
        with suppress(ValueError):
            return f"{float(value):,.0f}"
    return value


def _of_activity(row: dict[str, Any]) -> tuple[DealEvent, ...]:
    if row["kind"] not in _MEETINGS or row["occurred_at"] is None:
        return ()
    return (DealEvent(row["occurred_at"], "meeting", row["kind"].capitalize()),)


def _of_promise(row: dict[str, Any]) -> tuple[DealEvent, ...]:
    what = row["feature"] or "a feature"
    return tuple(
        DealEvent(row[name], "promise", f"{words}: {what}")
        for name, words in _PROMISED.items()
        if row[name] is not None
    )


def _of_moment(row: dict[str, Any]) -> tuple[DealEvent, ...]:
    return (DealEvent(row["happened_at"], "moment", row["kind"].replace("_", " ").capitalize()),)


_Tell = Callable[[dict[str, Any]], tuple[DealEvent, ...]]
_BESIDE: dict[str, _Tell] = {PROMISES: _of_promise, MOMENTS: _of_moment}
_RECORDS: dict[str, _Tell] = {"opportunity_changes": _of_change, "activities": _of_activity}
