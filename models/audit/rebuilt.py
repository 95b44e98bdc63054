"""Features of the past, made again from the tables as they stood then: they must not differ by one bit.

So edits after a close and rows written down late cannot have reached an earlier snapshot, whatever the
data; and a few deals alone give what all deals gave together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from data.schema import TABLES
from features.assemble import feature_frame
from features.feature import Feature
from features.snapshots import Calendar, snapshots_from_keys
from models.arrays import micros
from models.audit.findings import CheckResult

__all__ = ["known_before", "rebuilt_features"]

_MOST_DEALS = 300
_FACTS = {
    "opportunities": ("closed_at", ("closed_at", "outcome", "loss_reason")),
    "opportunity_contacts": ("removed_at", ("removed_at",)),
    "contracts": ("decided_at", ("decided_at", "outcome", "renewed_amount")),
    "text_moments": ("superseded_at", ("superseded_at",)),
    "text_promises": ("superseded_at", ("superseded_at",)),
}
"""Facts with a time of their own, and the columns that are empty until then."""


def known_before(tables: Mapping[str, ir.Table], instant: datetime) -> dict[str, ir.Table]:
    """The tables as they stood just before the instant: rows by their clock, later facts emptied."""
    at = ibis.literal(instant, type="timestamp('UTC')")
    cut = {}
    for name, table in tables.items():
        clock = TABLES[name].clock if name in TABLES else "known_at"
        rows = table.filter(table[clock] < at) if clock is not None else table
        if name in _FACTS:
            when, emptied = _FACTS[name]
            later = rows[when] >= at
            rows = rows.mutate(**{c: ibis.ifelse(later, ibis.null(rows[c].type()), rows[c]) for c in emptied})
        cut[name] = rows
    met = cut["activities"].select("activity_id")
    cut["activity_participants"] = tables["activity_participants"].semi_join(met, "activity_id")
    return cut


def rebuilt_features(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], frame: pa.Table, features: Sequence[Feature], *,
    calendar: Calendar, instants: int, seed: int, most: int | None = None,
) -> CheckResult:  # fmt: skip
    """Whether a frame's rows at a few past instants come out the same from tables cut there.

    frame: snapshots on the calendar. At each instant up to 300 deals are made again. most: a sample of so
    many features, drawn by the seed; all of them by default. Bounded: an instant costs about what the
    features of a small world cost, most of it planning, and a third of that for two dozen features.
    """
    every = np.unique(micros(frame["as_of"]))
    if not len(every):
        return CheckResult("rebuilt_features", "not applicable", "there are no past snapshots")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(every, min(instants, len(every)), replace=False))
    if most is not None and most < len(features):
        features = [features[i] for i in np.sort(rng.choice(len(features), most, replace=False))]
    names = [feature.name for feature in features if feature.name in frame.column_names]
    wrong: dict[str, int] = {}
    n_rows, first = 0, ""
    for us in chosen.tolist():
        then = _at(frame, us, rng)
        again = _again(con, tables, then, features, calendar)
        n_rows += then.num_rows
        for name in names:
            if name not in again.column_names:
                continue
            differ = _differ(then[name], again[name])
            if differ.any():
                wrong[name] = wrong.get(name, 0) + int(differ.sum())
                first = first or _example(then, again, name, int(np.flatnonzero(differ)[0]))
    return _verdict(wrong, n_rows, len(chosen), len(names), first)


def _at(frame: pa.Table, us: int, rng: np.random.Generator) -> pa.Table:
    """Some rows of one instant, in order of their deals."""
    rows = np.flatnonzero(micros(frame["as_of"]) == us)
    kept = np.sort(rng.choice(rows, min(len(rows), _MOST_DEALS), replace=False))
    return frame.take(kept).sort_by("opportunity_id")


def _again(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], then: pa.Table, features: Sequence[Feature],
    calendar: Calendar,
) -> pa.Table:  # fmt: skip
    instant = then["as_of"][0].as_py()
    there = Calendar(instant, calendar.step_s)
    keys = pa.table(
        {
            "opportunity_id": then["opportunity_id"].combine_chunks(),
            "slot": pa.array([there.last_slot] * then.num_rows, pa.int64()),
        }
    )
    cut = {}
    try:
        for name, table in known_before(tables, instant).items():
            cut[name] = con.create_table(f"audit_{name}", table, temp=True, overwrite=True)
        snapshots = snapshots_from_keys(cut, ibis.memtable(keys), there)
        return feature_frame(con, cut, snapshots, features).sort_by("opportunity_id")
    finally:
        for name in cut:
            con.drop_table(f"audit_{name}", force=True)


def _differ(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray:
    """Which rows differ, nulls being equal to nulls."""
    if len(one) != len(other):
        return np.ones(len(one), dtype=np.bool_)
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return np.array([a != b and not (a != a and b != b) for a, b in pairs], dtype=np.bool_)


def _example(then: pa.Table, again: pa.Table, name: str, row: int) -> str:
    if row >= again.num_rows or then.num_rows != again.num_rows:
        return f"{then.num_rows} snapshots became {again.num_rows}"
    deal, at = then["opportunity_id"][row].as_py(), then["as_of"][row].as_py()
    return (
        f"{name} of {deal!r} at {at}: {then[name][row].as_py()!r} now, {again[name][row].as_py()!r} from the "
        "tables of that day"
    )


def _verdict(wrong: Mapping[str, int], n_rows: int, instants: int, names: int, first: str) -> CheckResult:
    scope = f"{n_rows:,} snapshots at {instants} past instants, {names} features"
    figures = {"snapshots": n_rows, "instants": instants, "features": names, "differ": dict(wrong)}
    if not wrong:
        said = f"{scope}: equal to the last bit from the tables of that day"
        return CheckResult("rebuilt_features", "passed", said, structural=True, figures=figures)
    shown = ", ".join(sorted(wrong)[:5])
    said = f"{scope}: {len(wrong)} features differ from those of that day's tables ({shown}; {first})."
    remedy = (
        "A later row reaches earlier snapshots through these features: leave them out until that is mended."
    )
    return CheckResult("rebuilt_features", "failed", said, remedy, structural=True, figures=figures)
