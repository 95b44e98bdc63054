"""The rows behind a feature of an open deal, from the records that its run published: no warehouse."""

import difflib
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from data.errors import UsageError
from features.assemble import known_spine
from features.catalogue import STREAMS, catalogue
from features.evidence import measures_behind, rows_of_measures
from features.families.custom import CustomField
from features.feature import Feature, Measure
from features.program import Program
from features.record_shapes import ASKED, input_schemas, put_ready, record_schemas
from features.snapshots import Snapshots
from serving.live import HeldRun
from serving.records import FIELDS, deal_records

__all__ = ["EvidenceRow", "RowsBehind", "rows_behind"]

_OF_OTHERS = {
    "account": "the account's other deals, contracts and use",
    "owner": "the seller's other deals",
    "all": "everybody's deals",
}
_LOAD = "sponsor_load"


@dataclass(frozen=True)
class EvidenceRow:
    """A row that a value rests on: table, key, when it happened, since when it may be seen (UTC), facts."""

    source: str
    row_id: str | None
    happened_at: datetime | None
    visible_at: datetime | None
    what: str


@dataclass(frozen=True)
class RowsBehind:
    """The rows, latest first. note: which rows the published records do not hold; None if these are all."""

    rows: tuple[EvidenceRow, ...]
    note: str | None

    @property
    def is_complete(self) -> bool:
        """Whether every row that the value rests on is here."""
        return self.note is None


def rows_behind(run: HeldRun, opportunity_id: str, feature: str) -> RowsBehind:
    """The rows that a feature of an open deal rests on at the run's as_of, as `features.evidence` finds them.

    Empty for a deal that was not scored. Rows of other deals (of the account, of the seller) are not among
    the published records: the note says so. Raises UsageError, with near matches, for an unknown feature;
    PublishError if the records cannot be read. Call it from a worker thread: the first call for a feature
    takes longer.
    """
    reader: _Reader = run.memo("evidence", lambda: _Reader.of(run), large=True)
    return reader.rows(run, opportunity_id, feature)


@dataclass(frozen=True)
class _Reader:
    """The gate and the streams over records put in; the SQL of each feature asked for so far."""

    features: dict[str, Feature]
    schemas: dict[str, pa.Schema]
    program: Program
    sql: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, run: HeldRun) -> "_Reader":
        fields = tuple(CustomField(**row) for row in run.table(FIELDS).to_pylist())
        schemas = record_schemas(fields)
        program = Program(input_schemas(schemas), {})
        program.seal(run.as_of.replace(microsecond=0))
        return cls({one.name: one for one in catalogue(fields)}, schemas, program)

    def rows(self, run: HeldRun, opportunity_id: str, name: str) -> RowsBehind:
        """See `rows_behind`."""
        if name not in self.features:
            near = difflib.get_close_matches(name, list(self.features), n=3, cutoff=0.6)
            remedy = f"Near matches: {', '.join(near)}." if near else "The catalogue lists the features."
            raise UsageError(f"feature: no feature is called {name!r}. {remedy}")
        measures = measures_behind(self.features[name])
        held = [one for one in measures if _is_held(one)]
        if not held:
            return RowsBehind((), _note(measures))
        records = deal_records(run, opportunity_id)
        rows, instant = put_ready(records, self.schemas, run.as_of)
        found = self.program.ask(self._sql_of(name, held), rows, instant)
        return RowsBehind(tuple(EvidenceRow(**row) for row in found.to_pylist()), _note(measures))

    def _sql_of(self, name: str, measures: list[Measure]) -> str:
        """The SQL of a feature's rows, compiled when first asked for."""
        with self.lock:
            if name not in self.sql:
                instant = self.program.instant
                tables = {table: self.program.table(table) for table in self.schemas}
                spine, known = known_spine(tables, Snapshots(self.program.table(ASKED), instant))
                self.sql[name] = self.program.compile(rows_of_measures(measures, spine, known, instant))
            return self.sql[name]


def _is_held(measure: Measure) -> bool:
    """Whether a deal's own records hold rows of the measure."""
    stream = STREAMS[measure.stream]
    return stream.entity in ("deal", "opportunity") or stream.name == "accounts"


def _note(measures: Any) -> str | None:
    """What the records do not hold of what the measures read."""
    others = [_OF_OTHERS[STREAMS[one.stream].entity] for one in measures if not _is_held(one)]
    if any(one.stream == _LOAD for one in measures):
        others.append("what the deal's sponsors carry on other deals")
    if not others:
        return None
    named = " and ".join(dict.fromkeys(others))
    return f"Not listed here, since the published records are the deal's own: {named}."
