"""Deals as they would be recorded after a step: copies under their own ids, measured by the features' code.

A copy shares nothing with the deal it was made from, nor with other copies: its activities and people get
ids of their own too. What its people carry on other deals comes from the context of the run, so that copies
do not count each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.schema import SOURCE_ROW
from features.catalogue import STREAMS
from features.context import Context
from features.feature import Feature
from features.prepared import PreparedFeatures
from features.record_shapes import Records
from features.steps_deal import Step
from features.steps_rows import named

__all__ = ["Variant", "VariantFeatures", "moved_by_steps"]

_TOUCHED = frozenset(
    ("contacts", "opportunity_contacts", "activities", "activity_participants", "moments", "promises",
     "qualification")
)  # fmt: skip
"""Tables that steps add rows to."""

_OF_DEALS = (
    "opportunities", "opportunity_changes", "opportunity_contacts", "contacts", "activities",
    "activity_participants", "moments", "promises", "qualification", "text_moments", "text_promises",
)  # fmt: skip
_WORK = "context_work"
_IDS = ("activity_id", "contact_id")
_LAST = 10**9
"""Beyond every `source_row`."""

_AT_ONCE = 50_000
"""Copied activities that are measured at a time, so that memory stays bounded."""


@dataclass(frozen=True)
class Variant:
    """A deal after steps."""

    opportunity_id: str
    steps: tuple[Step, ...]


def moved_by_steps(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """The features that rows of a deal's own can move; those of account, seller and everybody stay.

    So do fields of one's own, of which nobody knows what moves them.
    """
    found = []
    for feature in features:
        streams = [STREAMS[part.stream] for part in feature.evidence_parts()]
        own = all(stream.entity in ("deal", "opportunity") for stream in streams)
        if own and feature.family != "custom" and any(stream.source in _TOUCHED for stream in streams):
            found.append(feature)
    return tuple(found)


class VariantFeatures:
    """The features of open deals after steps.

    features: the catalogue, of which those are measured that steps can move. records: the deals' rows known
    before as_of, each table with the `opportunity_id` it belongs to and sorted by it (`serving.records`).
    work: what people carry over all deals (`features.context`). Making one takes seconds.
    """

    def __init__(
        self, features: Sequence[Feature], records: Records, work: pa.Table, as_of: datetime
    ) -> None:
        self.features = moved_by_steps(features)
        self._as_of = as_of
        self._ids: dict[str, int] = {
            one: place for place, one in enumerate(records["opportunities"]["opportunity_id"].to_pylist())
        }
        self._accounts: list[Any] = records["opportunities"]["account_id"].to_pylist()
        self._records = {name: _Sorted.of(records[name], self._ids) for name in _OF_DEALS}
        self._work = work
        self._prepared = _WithWork(self.features, work, as_of)

    def frame(self, variants: Sequence[Variant]) -> pa.Table:
        """The features of each variant at as_of, row by row in the order given; no keys."""
        parts = [self._measured(part) for part in self._parts(variants)]
        return pa.concat_tables(parts)

    def _parts(self, variants: Sequence[Variant]) -> list[Sequence[Variant]]:
        sizes = self._records["activities"].sizes
        rows = np.cumsum([1 + sizes[self._ids[one.opportunity_id]] for one in variants])
        cuts = np.flatnonzero(np.diff(rows // _AT_ONCE)) + 1
        edges = [0, *cuts.tolist(), len(variants)]
        return [variants[first:last] for first, last in pairwise(edges)]

    def _measured(self, variants: Sequence[Variant]) -> pa.Table:
        deals = np.array([self._ids[one.opportunity_id] for one in variants], dtype=np.int64)
        added = self._added(variants)
        copies: dict[str, pa.Table] = {}
        for name, held in self._records.items():
            places, owner = held.rows_of(deals)
            copies[name] = _extended(_copied(held.rows.take(pa.array(places)), owner), added.get(name, ()))
        copies[_WORK] = self._elsewhere(copies["opportunity_contacts"], variants)
        frame = self._prepared.frame(copies, self._as_of)
        return frame.drop_columns(["opportunity_id", "as_of"])  # sorted by id, which is the variants' order

    def _added(self, variants: Sequence[Variant]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The rows of all variants' steps, by table."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for place, one in enumerate(variants):
            own, account = _id(place), self._accounts[self._ids[one.opportunity_id]]
            for nth, step in enumerate(one.steps):
                held = named(step.rows, own, account, f"{own}/~{nth}", known=f"{own}/")
                for table, rows in held.items():
                    found.setdefault(table, []).extend(rows)
        return found

    def _elsewhere(self, roles: pa.Table, variants: Sequence[Variant]) -> pa.Table:
        """What the copies' people carry on deals other than the one copied, under the copies' ids."""
        group = roles.select(["opportunity_id", "contact_id"]).group_by(["opportunity_id", "contact_id"])
        pairs: Any = group.aggregate([])
        copy: Any = pc.cast(pairs["opportunity_id"], pa.int64())
        origins = pa.array([one.opportunity_id for one in variants], pa.string())
        person: Any = pc.utf8_slice_codeunits(pairs["contact_id"], len(_id(0)) + 1)
        joined = pa.table(
            {"copied": pairs["contact_id"], "who": person, "origin": origins.take(copy.combine_chunks())}
        )
        rows = joined.join(self._work, "who", join_type="inner")
        other: Any = pc.fill_null(pc.not_equal(rows["opportunity_id"], rows["origin"]), True)
        rows = rows.filter(other)
        return (
            rows.drop_columns(["who", "origin"])
            .rename_columns({"copied": "who"})
            .select(self._work.column_names)
        )


class _WithWork(PreparedFeatures):
    """Prepared features whose records bring along what people carry elsewhere, as one more table."""

    def __init__(self, features: Sequence[Feature], work: pa.Table, as_of: datetime) -> None:
        nothing = pa.table({"key": pa.array([], pa.string())})
        super().__init__(features, Context(as_of, nothing, nothing, nothing, work.schema.empty_table()))
        self._schemas[_WORK] = work.schema


@dataclass(frozen=True)
class _Sorted:
    """A table's rows by deal: those of deal number d begin at starts[d]."""

    rows: pa.Table
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table, ids: Mapping[str, int]) -> "_Sorted":
        """The table, whose first column is the deal."""
        values = pa.array(list(ids), pa.string())
        codes: Any = pc.index_in(table["opportunity_id"].combine_chunks(), value_set=values)
        starts = np.searchsorted(codes.to_numpy(zero_copy_only=False), np.arange(len(ids) + 1))
        return cls(table.combine_chunks(), starts.astype(np.int64))

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How many rows each deal has."""
        return np.diff(self.starts)

    def rows_of(self, deals: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places of the rows of these deals one after the other, and which of the deals each is of."""
        sizes = self.sizes[deals]
        owner = np.repeat(np.arange(len(deals)), sizes)
        begins = np.cumsum(sizes) - sizes
        return np.arange(int(sizes.sum())) - begins[owner] + self.starts[deals][owner], owner


def _copied(rows: pa.Table, owner: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of copies under the copies' ids. owner: which copy each row is of."""
    names = pa.array([_id(place) for place in range(int(owner.max()) + 1 if owner.size else 0)], pa.string())
    copy = names.take(pa.array(owner))
    rows = rows.set_column(rows.schema.get_field_index("opportunity_id"), "opportunity_id", copy)
    for name in _IDS:
        if name in rows.column_names:
            own: Any = pc.binary_join_element_wise(copy, rows[name], "/")
            rows = rows.set_column(rows.schema.get_field_index(name), name, own)
    return rows


def _extended(rows: pa.Table, added: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows with those of steps, which come last."""
    new = [{SOURCE_ROW: _LAST + place, **row} for place, row in enumerate(added)]
    columns = [pa.array([row.get(one.name) for row in new], one.type) for one in rows.schema]
    return pa.concat_tables([rows, pa.table(columns, schema=rows.schema)]) if new else rows


def _id(place: int) -> str:
    return f"{place:08d}"
