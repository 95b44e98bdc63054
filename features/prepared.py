"""The feature code compiled once, for the rows of a few deals at a time.

The same streams, measures and formulas as `features.assemble.feature_frame` at one instant: what they
express is compiled once to SQL (`features.program`), since planning it takes seconds and running it on the
rows of one deal milliseconds. What other deals say comes from a context.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.assemble import ARROW_TYPES, Measured, assembled, measured_streams
from features.context import Context
from features.families.custom import CustomField
from features.feature import Feature, Learnt
from features.program import Program
from features.record_shapes import Records, conformed, record_schemas
from features.snapshots import Snapshots

__all__ = ["PreparedFeatures"]

_ASKED = "asked"
_ASKED_SCHEMA = pa.schema({
    "opportunity_id": pa.string(), "account_id": pa.string(), "slot": pa.int64(),
})  # fmt: skip
_KEPT = "kept_"


class PreparedFeatures:
    """The features of deals from their own rows and a context; safe for threads.

    features: the catalogue; `Learnt` ones are left out. fields: the user's own fields that it was made with
    (their columns are read where rows have them). workers: how many calls run at a time. Making one takes
    seconds.
    """

    def __init__(
        self, features: Sequence[Feature], context: Context, fields: Sequence[CustomField] = (), *,
        workers: int = 1,
    ) -> None:  # fmt: skip
        self.features = tuple(one for one in features if not isinstance(one.value, Learnt))
        self.context = context
        self._schemas = record_schemas(fields)
        inputs = {name: ibis.Schema.from_pyarrow(schema) for name, schema in self._schemas.items()}
        held = {f"context_{name}": table for name, table in context.tables().items()}
        self._program = Program(inputs | {_ASKED: ibis.Schema.from_pyarrow(_ASKED_SCHEMA)}, held)
        self._names: list[str] = []
        self._compile()
        self._program.seal(workers)

    def frame(self, records: Records, as_of: datetime) -> pa.Table:
        """The feature frame of the deals in `records["opportunities"]` at as_of, sorted by opportunity_id.

        Columns as `feature_frame` gives them. records: the deals' own rows; what becomes known at or after
        as_of changes nothing.
        """
        shift_us = as_of.microsecond
        rows = {
            name: conformed(table, self._schemas[name], shift_us=shift_us) for name, table in records.items()
        }
        deals = rows["opportunities"]
        asked = pa.table(
            [
                deals["opportunity_id"],
                deals["account_id"],
                pa.repeat(pa.scalar(0, pa.int64()), deals.num_rows),
            ],
            schema=_ASKED_SCHEMA,
        )
        found = self._program.run(rows | {_ASKED: asked}, as_of - timedelta(microseconds=shift_us))
        columns = {
            name: column
            for part in found.values()
            for name, column in zip(part.column_names, part.columns, strict=True)
        }
        ids = columns["opportunity_id"]
        at = pa.repeat(pa.scalar(as_of, pa.timestamp("us", "UTC")), len(ids))
        values = [columns[one.name].cast(ARROW_TYPES[one.kind]) for one in self.features]
        return pa.table([ids, at, *values], ["opportunity_id", "as_of", *(one.name for one in self.features)])

    def _compile(self) -> None:
        """Every statement, in the order in which they read one another."""
        program = self._program
        groups = _by_streams(self.features)
        alone = {next(iter(streams)) for streams in groups if len(streams) == 1}
        shared = {name for streams in groups if len(streams) > 1 for name in streams}

        def keep(name: str, table: ir.Table) -> ir.Table:
            stream = name.removesuffix("_measures")
            if stream in alone - shared:
                return table
            return program.keep(_KEPT + name, table)

        instant = program.instant
        snapshots = Snapshots(program.table(_ASKED), instant)
        tables = {name: program.table(name) for name in self._schemas}
        context = {name: program.table(f"context_{name}") for name in self.context.tables()}
        measured = measured_streams(tables, snapshots, self.features, keep, context)
        for place, (streams, features) in enumerate(groups.items()):
            part = Measured(snapshots, measured.spine, {name: measured.streams[name] for name in streams})
            table = assembled(part, features, None).order_by("opportunity_id").drop("slot")
            if place:
                table = table.drop("opportunity_id")
            program.result(f"features_{place}", table)


def _by_streams(features: Sequence[Feature]) -> dict[frozenset[str], list[Feature]]:
    """The features that read the same streams, together."""
    groups: dict[frozenset[str], list[Feature]] = {}
    for feature in features:
        streams = frozenset(part.stream for part in feature.evidence_parts())
        groups.setdefault(streams, []).append(feature)
    return groups
