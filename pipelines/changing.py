"""What changed since the run before, for each deal open in both: a step of publishing a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.warehouse import Warehouse, open_warehouse
from features.assemble import feature_frame
from features.cut import tables_before
from features.feature import Feature
from features.snapshots import DAY, Calendar, snapshots_from_keys
from models.arrays import FloatArray
from models.change import Views, decompose, points_per_log_odds
from models.encoding import OTHER
from models.win_model import WinModel
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.steps import Built, View, published_before, readable
from serving.change_table import CHANGES, Shown, change_table, no_changes
from serving.publish import Publication
from serving.published import Published

__all__ = ["frames_between", "with_changes"]

_SCORES = "win_scores.parquet"


def with_changes(
    job: Job, view: View, built: Built, model: WinModel, made: Publication, say: Say
) -> Publication:
    """The publication with `win_changes` beside the scores; an empty table where no run went before."""
    before = published_before(job.workspace, view.as_of)
    if before is None:
        return replace(made, beside={**made.beside, CHANGES: no_changes()})
    table = _since(job, view, built, model, made, before, say)
    about = {
        "previous_as_of": before.manifest["as_of"],
        "previous_model_version": before.model_version,
    }
    return replace(made, beside={**made.beside, CHANGES: table}, about={**made.about, **about})


def frames_between(
    warehouse: Warehouse, since: datetime, until: datetime, deals: Sequence[str],
    features: Sequence[Feature], say: Say,
) -> tuple[pa.Table, pa.Table]:  # fmt: skip
    """The features of deals at two instants, `since` < `until`, both from rows recorded before `since`.

    One row per deal, sorted. The second frame is what the clock alone would have made of the first.
    """
    tables = tables_before(warehouse.tables(since), since, deals=deals)
    span = until - since
    if span % timedelta(seconds=1):
        # instants with different fractions of a second lie on no calendar together
        first, second = (_frame(warehouse, tables, Calendar(at, DAY), deals, features, 1, say)
                         for at in (since, until))  # fmt: skip
        return first, second
    both = _frame(warehouse, tables, Calendar(until, span // timedelta(seconds=1)), deals, features, 2, say)
    is_first = pc.equal(both["as_of"], pa.scalar(since, both["as_of"].type))
    return both.filter(is_first), both.filter(pc.invert(is_first))


def _since(
    job: Job, view: View, built: Built, model: WinModel, made: Publication, before: Published, say: Say
) -> pa.Table:
    then, now = before.table(_SCORES), made.scores
    both = sorted(set(_ids(then)) & set(_ids(now)))
    if not both:
        return no_changes()
    then, now = _rows_of(then, both), _rows_of(now, both)
    say(f"what changed since run {before.run_id} on {len(both):,} deals")
    views, values = _looked_at(job, view, built, model, made, before, both, say)
    log_odds = [_floats(table, "log_odds") for table in (then, now)]
    change = decompose(
        views, log_odds[0], log_odds[1], same_model=before.model_version == model.version
    )  # fmt: skip
    return change_table(
        both,
        change,
        points_per_log_odds(_floats(then, "p_win"), _floats(now, "p_win"), *log_odds),
        families=model.families,
        values=values,
        features={feature.name: feature for feature in built.features},
    )


def _looked_at(
    job: Job, view: View, built: Built, model: WinModel, made: Publication, before: Published,
    both: Sequence[str], say: Say,
) -> tuple[Views, Shown]:  # fmt: skip
    """The deals in four ways, as the model takes them apart and as people read them."""
    names = list(model.feature_names)
    frame = _rows_of(built.open, both)
    at_first, by_clock = frame, frame
    if model.kind != "baseline" and before.as_of < view.as_of:
        with open_warehouse(job.workspace) as warehouse:
            at_first, by_clock = frames_between(
                warehouse, before.as_of, view.as_of, both, built.features, say
            )  # fmt: skip
    at_first, by_clock = (readable(_rows_of(one, both), model) for one in (at_first, by_clock))
    published = _rows_of(before.table("win_features.parquet"), both)
    if before.model_version == model.version:
        seen = _matrix(_rows_of(before.table("win_contributions.parquet"), both), names)
        shown = published
    else:
        as_seen = _as_seen(published, at_first)
        seen, shown = model.contributions(as_seen)[1], model.encoder.decode(as_seen)
    views = Views(
        base=float(made.scores["base_log_odds"][0].as_py()),
        as_seen=seen,
        recomputed=model.contributions(at_first)[1],
        by_clock=model.contributions(by_clock)[1],
        now=_matrix(_rows_of(made.contributions, both), names),
    )
    values = Shown(
        shown, model.encoder.decode(at_first), model.encoder.decode(by_clock), _rows_of(made.features, both)
    )  # fmt: skip
    return views, values


def _as_seen(published: pa.Table, recomputed: pa.Table) -> pa.Table:
    """The values that a run published, as a frame that another model can read.

    What it did not publish, or in another type, is taken from the frame recomputed; so is a category that
    its model could not tell from others.
    """
    for place, name in enumerate(recomputed.column_names):
        if name not in published.column_names or name == "opportunity_id":
            continue
        column, now = published[name], recomputed[name]
        if column.type != now.type:
            continue
        if pa.types.is_string(column.type):
            unknown = pc.fill_null(pc.equal(column, OTHER), False)
            column = pc.if_else(unknown, now, column)
        recomputed = recomputed.set_column(place, name, column)
    return recomputed


def _frame(
    warehouse: Warehouse, tables: Mapping[str, ir.Table], calendar: Calendar, deals: Sequence[str],
    features: Sequence[Feature], instants: int, say: Say,
) -> pa.Table:  # fmt: skip
    """The features of the deals at the last instants of the calendar."""
    slots = range(calendar.last_slot - instants + 1, calendar.last_slot + 1)
    keys = pa.table({
        "opportunity_id": pa.array(np.repeat(np.array(deals, dtype=object), instants), pa.string()),
        "slot": pa.array(np.tile(np.array(slots, dtype=np.int64), len(deals))),
    })  # fmt: skip
    snapshots = snapshots_from_keys(tables, ibis.memtable(keys), calendar)
    return feature_frame(warehouse.con, tables, snapshots, features, say)


def _ids(table: pa.Table) -> list[str]:
    found: Any = table["opportunity_id"].to_pylist()
    return list(found)


def _rows_of(table: pa.Table, ids: Sequence[str]) -> pa.Table:
    """The rows of these deals, in their order; each is there once."""
    return table.take(pc.index_in(pa.array(ids, pa.string()), value_set=table["opportunity_id"]))


def _matrix(table: pa.Table, names: Sequence[str]) -> FloatArray:
    return np.column_stack([_floats(table, name) for name in names])


def _floats(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)
