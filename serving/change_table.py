"""The table of what changed since the run before, as it is published: one row per term of a deal's change.

Terms too small to be told are summed by kind and family, so that a deal's rows add up exactly, its families'
too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import FloatArray, IntArray
from models.change import KINDS, Change, ChangeKind
from models.change_words import NEW_MODEL, SMALL, change_sentence, shown

__all__ = ["CHANGES", "Shown", "change_table", "no_changes"]

CHANGES = "win_changes.parquet"
"""What changed since the run before; see `models.change`."""

_SMALLEST = 0.005
"""Log-odds; less moves a probability by about a tenth of a point, and is not told by itself."""
_EACH_KIND = 6
_NOTHING = 1e-9

_TOLD = pa.dictionary(pa.int32(), pa.string())
"""Texts that repeat from deal to deal: held once, since a server keeps the table in memory."""
_SCHEMA = pa.schema([
    ("opportunity_id", pa.string()),
    ("kind", _TOLD),
    ("feature", _TOLD),
    ("family", _TOLD),
    ("log_odds", pa.float64()),
    ("points", pa.float64()),
    ("value_before", _TOLD),
    ("value_after", _TOLD),
    ("sentence", _TOLD),
])  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """Values as people read them (`Encoder.decode`), one row per deal: as in `models.change.Views`."""

    as_seen: pa.Table
    recomputed: pa.Table
    by_clock: pa.Table
    now: pa.Table

    def around(self, kind: ChangeKind) -> tuple[pa.Table, pa.Table]:
        """The values that the terms of a kind lie between."""
        between = {
            "corrected": (self.as_seen, self.recomputed),
            "time": (self.recomputed, self.by_clock),
            "event": (self.by_clock, self.now),
        }
        return between[kind]


@dataclass
class _Rows:
    """Rows under way, in no order; `deal` and `rank` sort them."""

    deal: list[int]
    kind: list[str]
    feature: list[str | None]
    family: list[str | None]
    log_odds: list[float]
    told: list[tuple[str | None, str | None, str | None]]

    def add(self, deal: int, kind: str, feature: str | None, family: str | None, log_odds: float,
            told: tuple[str | None, str | None, str | None] = (None, None, None)) -> None:  # fmt: skip
        """Append a row. told: value before, value after, sentence."""
        self.deal.append(deal)
        self.kind.append(kind)
        self.feature.append(feature)
        self.family.append(family)
        self.log_odds.append(log_odds)
        self.told.append(told)


def no_changes() -> pa.Table:
    """The table where there is no run before, or no deal in both."""
    return _SCHEMA.empty_table()


def change_table(
    ids: Sequence[str],
    change: Change,
    per_log_odds: FloatArray,
    *,
    families: Mapping[str, str],
    values: Shown,
    features: Mapping[str, Feature],
) -> pa.Table:
    """The rows of these deals, by deal and then the largest term first.

    ids: sorted, one per row of the change. per_log_odds: `points_per_log_odds`, (n,). families: by feature,
    in the order of the change's columns. Columns: opportunity_id, kind (model, corrected, time, event),
    feature (null for a model's term; `small` for those of a family that are too small to be told), family
    (null for a model's), log_odds and points (percentage points), each of which adds up to the deal's
    difference; value_before, value_after and sentence, null where there is nothing to tell.
    """
    names = tuple(families)
    rows = _Rows([], [], [], [], [], [])
    for deal in np.flatnonzero(change.model).tolist():
        rows.add(deal, "model", None, None, float(change.model[deal]), (None, None, NEW_MODEL))
    for kind, terms in change.of_features():
        large = _large(terms)
        for place, name in enumerate(names):
            deals = np.flatnonzero(large[:, place])
            if deals.size:
                _add_told(rows, kind, name, families[name], deals, terms[deals, place], values, features)
        _add_small(rows, kind, np.where(large, 0.0, terms), families)
    return _table(ids, rows, per_log_odds)


def _large(terms: FloatArray) -> Any:
    """Which terms are told by themselves, (n, k): large enough, and among a deal's largest."""
    size = np.abs(terms)
    most = min(_EACH_KIND, terms.shape[1])
    if not size.size or not most:
        return np.zeros(terms.shape, dtype=bool)
    order = np.argsort(-size, axis=1, kind="stable")[:, :most]
    among = np.zeros(terms.shape, dtype=bool)
    np.put_along_axis(among, order, True, axis=1)
    return among & (size >= _SMALLEST)


def _add_told(
    rows: _Rows, kind: ChangeKind, name: str, family: str, deals: IntArray, log_odds: FloatArray,
    values: Shown, features: Mapping[str, Feature],
) -> None:  # fmt: skip
    """The rows of one feature's terms, told with its values."""
    feature = features.get(name)
    place = pa.array(deals)
    before, after, now = (
        table[name].take(place).to_pylist() for table in (*values.around(kind), values.now)
    )  # fmt: skip
    for deal, term, was, became, is_now in zip(
        deals.tolist(), log_odds.tolist(), before, after, now, strict=True
    ):
        said = change_sentence(kind, name, feature, was, became, is_now)
        rows.add(deal, kind, name, family, term, (shown(feature, was), shown(feature, became), said))


def _add_small(rows: _Rows, kind: ChangeKind, rest: FloatArray, families: Mapping[str, str]) -> None:
    """What is left of each family, where it is anything."""
    of = np.array(list(families.values()))
    for family in sorted(set(families.values())):
        summed = rest[:, of == family].sum(axis=1)
        for deal in np.flatnonzero(np.abs(summed) > _NOTHING).tolist():
            rows.add(deal, kind, SMALL, family, float(summed[deal]))


def _table(ids: Sequence[str], rows: _Rows, per_log_odds: FloatArray) -> pa.Table:
    deals = np.array(rows.deal, dtype=np.int64)
    log_odds = np.array(rows.log_odds, dtype=np.float64)
    kinds = np.array([KINDS.index(kind) for kind in rows.kind], dtype=np.int64)
    order = np.lexsort((np.arange(deals.size), kinds, -np.abs(log_odds), deals))
    told = zip(*rows.told, strict=True) if rows.told else ((), (), ())
    texts = [pa.array(held, pa.string()) for held in (rows.kind, rows.feature, rows.family, *told)]
    kind, feature, family, before, after, said = (held.dictionary_encode() for held in texts)
    ids_of = pa.array(list(ids), pa.string()).take(pa.array(deals))
    points = log_odds * per_log_odds[deals]
    table = pa.table([ids_of, kind, feature, family, log_odds, points, before, after, said], schema=_SCHEMA)
    return table.take(pa.array(order))
