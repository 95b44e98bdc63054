"""Whether a field repeats how its deal or account ended, though the outcome alone may not show it.

A count of all meetings ever held, the last amount, the day of the close: each is known only at the end,
and a model would learn from it how near the end is. So the user's own fields are held against end states
that can be counted from the tables, on one snapshot per deal, the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import Feature
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros
from models.audit.findings import Finding, finding
from models.audit.names import own_name
from models.audit.separation import Z, share_bounds
from models.baselines import column_numbers, column_texts

__all__ = ["EndStates", "end_state_findings", "end_states"]

_MIN_DEALS = 30
_MAX_CORRELATION = 0.9
_MAX_EQUAL = 0.5
_DAY_US = 86_400_000_000.0
_OF_DEALS = {
    "n_activities": "all activities of the deal's life",
    "lifetime_days": "the days from creation to close",
}
_OF_ACCOUNTS = {
    "n_deals": "all deals of the account",
    "n_won": "all won deals of the account",
    "n_lost": "all lost deals of the account",
    "share_won": "the share of the account's deals that were won",
    "won_amount": "what the account's won deals came to",
}
_LAST = {"stage": "the last stage", "amount": "the last amount", "forecast_category": "the last forecast"}


@dataclass(frozen=True)
class EndStates:
    """How each deal ended, one row per deal that closed; `table` has opportunity_id and the end states."""

    table: pa.Table


def end_states(tables: Mapping[str, ir.Table], instant: Any) -> EndStates:
    """End states of the deals whose close was known before the instant (an aware datetime), by Ibis."""
    at = ibis.literal(instant, type="timestamp('UTC')")
    deals = tables["opportunities"]
    closed = deals.filter(deals.outcome.notnull() & (deals.closed_at < at))
    table = closed.select("opportunity_id", "account_id", "created_at", "closed_at", "outcome")
    activities = tables["activities"].filter(lambda t: (t.known_at < at) & t.opportunity_id.notnull())
    counts = activities.group_by("opportunity_id").agg(n_activities=activities.count().cast("float64"))
    table = table.left_join(counts, "opportunity_id").drop("opportunity_id_right")
    for name in _LAST:
        last = _last_change(tables["opportunity_changes"], closed, name)
        table = table.left_join(last, "opportunity_id").drop("opportunity_id_right")
    amount = table.last_amount.try_cast("float64")
    won = (table.outcome == "won").cast("float64")
    table = table.mutate(
        n_activities=table.n_activities.fill_null(0.0),
        lifetime_days=(table.closed_at.epoch_seconds() - table.created_at.epoch_seconds()) / 86_400.0,
        is_won=won, of_won=won * amount.fill_null(0.0),
    )  # fmt: skip
    by_account = table.group_by("account_id").agg(
        n_deals=table.count().cast("float64"), n_won=table.is_won.sum(), won_amount=table.of_won.sum()
    )
    by_account = by_account.mutate(
        n_lost=by_account.n_deals - by_account.n_won, share_won=by_account.n_won / by_account.n_deals
    )
    table = table.left_join(by_account, "account_id").drop("account_id_right")
    return EndStates(table.order_by("opportunity_id").to_pyarrow())


def _last_change(changes: ir.Table, closed: ir.Table, name: str) -> ir.Table:
    """The last value of a field up to the close, the last one before it, and the first."""
    mine = changes.filter(changes.field == name)
    mine = mine.inner_join(closed.select("opportunity_id", "closed_at"), "opportunity_id")
    mine = mine.filter(mine.changed_at <= mine.closed_at)
    order = [mine.changed_at, mine.source_row] if "source_row" in changes.columns else [mine.changed_at]
    placed = mine.mutate(
        place=ibis.row_number().over(group_by="opportunity_id", order_by=[ibis.desc(each) for each in order]),
        first=ibis.row_number().over(group_by="opportunity_id", order_by=order),
        open_place=ibis.row_number().over(
            group_by=["opportunity_id", mine.changed_at < mine.closed_at],
            order_by=[ibis.desc(each) for each in order],
        ),
    )
    return placed.group_by("opportunity_id").agg(
        **{
            f"last_{name}": placed.new_value.max(where=placed.place == 0),
            f"last_open_{name}": placed.new_value.max(
                where=(placed.open_place == 0) & (placed.changed_at < placed.closed_at)
            ),
            f"first_{name}": placed.new_value.max(where=placed["first"] == 0),
        }
    )


def end_state_findings(frame: pa.Table, feature: Feature, ends: EndStates) -> list[Finding]:
    """The end state that one of the user's own fields repeats, if any. frame: training rows.

    Histories are left out: they are cut at as_of, and late deals may well show their last value.
    """
    if own_name(feature) is None or feature.name.endswith("_history"):
        return []
    first = _first_rows(frame)
    place: Any = pc.index_in(frame["opportunity_id"].take(first), ends.table["opportunity_id"])
    known = np.asarray(place.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    rows, ended = first[known], ends.table.take(place.drop_null())
    sample = frame.take(rows)
    if feature.kind == "category":
        return _equal(feature, column_texts(sample, feature.name).astype(str), ended)
    if feature.kind == "flag":
        return []
    values = column_numbers(sample, feature.name)
    shown = pc.cast(pc.round(pa.array(values, from_pandas=True), 6), pa.float64())
    ahead = (micros(ended["closed_at"]) - micros(sample["as_of"])) / _DAY_US
    return _ranked(feature, values, ended, ahead) or _equal(feature, shown, ended)


def _first_rows(frame: pa.Table) -> IntArray:
    """The row of each deal's earliest snapshot."""
    deal, at = deal_codes(frame), micros(frame["as_of"])
    order = np.lexsort((at, deal))
    _, begins = np.unique(deal[order], return_index=True)
    return np.asarray(order[begins], dtype=np.int64)


def _ranked(feature: Feature, values: FloatArray, ended: pa.Table, ahead: FloatArray) -> list[Finding]:
    """Ranks like an end state: of the deal, or of the account for a field of the account."""
    words = _OF_ACCOUNTS if feature.name.startswith("accounts_") else _OF_DEALS
    states = {name: np.asarray(ended[name].to_numpy(), dtype=np.float64) for name in words}
    if words is _OF_DEALS:
        words, states = (
            words | {"ahead": "the days from the snapshot to the close"},
            states | {"ahead": ahead},
        )
    best: tuple[float, float, str, int] | None = None
    for name, state in states.items():
        both = np.isfinite(values) & np.isfinite(state)
        found = _spearman(values[both], state[both])
        n = int(both.sum())
        if found is None or n < _MIN_DEALS:
            continue
        bound = float(np.tanh(np.arctanh(min(abs(found), 1 - 1e-9)) - Z * np.sqrt(1.06 / (n - 3))))
        if bound > _MAX_CORRELATION and (best is None or bound > best[1]):
            best = (abs(found), bound, words[name], n)
    if best is None:
        return []
    said = (
        f"at the first snapshot of {best[3]} deals it already ranks like {best[2]} (Spearman {best[0]:.3f})"
    )
    return [finding(feature.name, "end_state", best[0], best[1], _MAX_CORRELATION, said)]


def _spearman(x: FloatArray, y: FloatArray) -> float | None:
    """The rank correlation, ties at their mean rank; None where either does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(x: FloatArray) -> FloatArray:
    _, code, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[code]


def _equal(feature: Feature, values: Any, ended: pa.Table) -> list[Finding]:
    """Equals the last state of a field in deals where that state changed during their life."""
    for name, words in _LAST.items():
        for last, when in ((f"last_{name}", ""), (f"last_open_{name}", " before the close")):
            state, began = _alike(ended[last], values), _alike(ended[f"first_{name}"], values)
            filled = np.array([value is not None for value in _listed(values)])
            compared = filled & _changed(state, began)
            n = int(compared.sum())
            if n < _MIN_DEALS:
                continue
            same = int(np.sum(np.array(_listed(values), dtype=object)[compared] == state[compared]))
            bound = share_bounds(same, n)[0]
            if bound > _MAX_EQUAL:
                said = (
                    f"at the first snapshot it already equals {words}{when} in {same} of {n} deals "
                    "in which that changed"
                )
                return [finding(feature.name, "end_state", same / n, bound, _MAX_EQUAL, said)]
    return []


def _listed(values: Any) -> list[Any]:
    """Plain values; None where missing."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return list(values.to_pylist())
    return [None if value == "(missing)" else value for value in values.tolist()]


def _alike(column: Any, values: Any) -> Any:
    """A column of texts in the type of the values: texts, or numbers where these are numbers."""
    texts = column.to_pylist()
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        return np.array(texts, dtype=object)
    return np.array([_number(text) for text in texts], dtype=object)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else round(float(text), 6)
    except ValueError:
        return None


def _changed(state: Any, began: Any) -> BoolArray:
    there = np.array([a is not None and b is not None for a, b in zip(state, began, strict=True)])
    return np.asarray(there & (state != began), dtype=np.bool_)
