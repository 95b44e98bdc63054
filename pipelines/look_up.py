"""Looking up the rows behind a value."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ibis

from data.errors import PublishError, UsageError
from data.lock import workspace_lock
from data.settings import Settings
from data.warehouse import Warehouse, open_warehouse
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.evidence import evidence
from features.families.custom import custom_fields
from features.feature import Feature, Learnt
from features.snapshots import DAY, Calendar, default_as_of, snapshots_from_keys
from serving.published import open_published

__all__ = ["RowsBehind", "rows_behind"]


@dataclass(frozen=True)
class RowsBehind:
    """A feature's value at a deal and instant, and the rows it rests on, latest first."""

    opportunity_id: str
    feature: str
    description: str
    as_of: datetime
    value: Any
    rows: tuple[dict[str, Any], ...]


def rows_behind(settings: Settings, opportunity_id: str, name: str) -> RowsBehind:
    """The rows behind a deal's feature at the settings' as_of, else at that of the published scores.

    Raises UsageError with near matches for an unknown deal or feature.
    """
    with (
        workspace_lock(
            settings.workspace,
            command="dealcast evidence",
            run_id=None,
            wait_seconds=settings.lock_wait_seconds,
        ),
        open_warehouse(settings.workspace) as warehouse,
    ):
        tables = warehouse.tables()
        as_of = settings.as_of or _published_as_of(settings) or default_as_of(tables, datetime.now(UTC))
        tables = warehouse.tables(as_of)
        features = catalogue(custom_fields(tables, as_of))
        feature = _chosen(name, features)
        deals = tables["opportunities"].select("opportunity_id").to_pyarrow()["opportunity_id"].to_pylist()
        if opportunity_id not in deals:
            raise UsageError(_unknown("deal", opportunity_id, deals))
        rows = evidence(tables, feature, opportunity_id, as_of).to_pyarrow().to_pylist()
        value = _value(warehouse, feature, opportunity_id, as_of)
    return RowsBehind(opportunity_id, feature.name, feature.description, as_of, value, tuple(rows))


def _published_as_of(settings: Settings) -> datetime | None:
    try:
        return open_published(settings.workspace).as_of
    except PublishError:
        return None


def _chosen(name: str, features: Sequence[Feature]) -> Feature:
    named = {feature.name: feature for feature in features}
    if name not in named:
        raise UsageError(_unknown("feature", name, list(named)))
    return named[name]


def _unknown(kind: str, asked: str, known: list[str]) -> str:
    near = difflib.get_close_matches(asked, known, n=3, cutoff=0.5)
    remedy = f"Near matches: {', '.join(near)}." if near else f"There are {len(known)} of them."
    return f"no {kind} is called {asked!r}. {remedy}"


def _value(warehouse: Warehouse, feature: Feature, opportunity_id: str, as_of: datetime) -> Any:
    """The feature's value; None for one that is learnt from training deals."""
    if isinstance(feature.value, Learnt):
        return None
    calendar = Calendar(as_of, DAY)
    keys = ibis.memtable({"opportunity_id": [opportunity_id], "slot": [calendar.last_slot]})
    tables = warehouse.tables(as_of)
    frame = feature_frame(warehouse.con, tables, snapshots_from_keys(tables, keys, calendar), [feature])
    return frame[feature.name][0].as_py() if frame.num_rows else None
