"""The feature code compiled once, for the rows of a few deals at a time.

The same streams, measures and formulas as `features.assemble.feature_frame` at one instant: what they
express is compiled once to SQL (`features.program`), since planning it takes seconds and running it on the
rows of one deal milliseconds. What other deals say comes from a context.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from features.assemble import ARROW_TYPES, OWN, Measured, assembled, measured_streams
from features.catalogue import STREAMS
from features.context import CONTEXT_TABLES, Context
from features.families.custom import CustomField
from features.feature import Feature, Learnt
from features.meetings import meetings_of
from features.program import Program
from features.promise_ledger import ledger_of
from features.record_shapes import ASKED, Records, input_schemas, put_ready, record_schemas
from features.snapshots import Snapshots
from features.spiral import phases_of
from features.streams.moments import moment_rows
from features.streams.people import known_roles, role_touches
from features.streams.promises import promise_events, promise_states
from features.streams.qualification import answer_rows
from features.streams.spiral import first_slip
from features.timeline import answers_of, moments_of

__all__ = ["BESIDE", "PreparedFeatures"]

BESIDE = ("promises", "spiral", "moments", "qualification", "held", "came", "members", "owners")
"""What stands beside the features of deals, as `features.promise_ledger`, `features.spiral`,
`features.timeline` and `features.meetings` (its three tables) give it; and each deal's owner at as_of."""

_SHARED = {
    "known_roles": known_roles, "role_touches": role_touches, "moment_rows": moment_rows,
    "answer_rows": answer_rows, "promise_events": promise_events, "promise_states": promise_states,
    "first_slip": first_slip,
}  # fmt: skip
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
        held = {f"context_{name}": table for name, table in context.tables().items()}
        self._program = Program(input_schemas(self._schemas), held)
        self._known: dict[str, frozenset[str]] = {
            entity: frozenset(context.tables()[CONTEXT_TABLES[entity]]["key"].to_pylist())
            for entity in ("account", "owner")
        }
        self._own: dict[str, str] = {}
        self._compile()
        self._program.seal(context.as_of.replace(microsecond=0), workers)

    def frame(self, records: Records, as_of: datetime, deals: Collection[str] | None = None) -> pa.Table:
        """The feature frame of deals at as_of, sorted by opportunity_id; columns as in `feature_frame`.

        records: the deals' own rows; what becomes known at or after as_of changes nothing. deals: which to
        tell of, by default all of `records["opportunities"]`. Others there only count in the history of
        accounts and sellers that the context does not know.
        """
        return self._frame(self._run(records, as_of, deals, skip=BESIDE), as_of)

    def deals(
        self, records: Records, as_of: datetime, deals: Collection[str] | None = None
    ) -> tuple[pa.Table, dict[str, pa.Table]]:
        """The same frame, and what stands beside it: the tables `BESIDE` of these deals, by name."""
        found = self._run(records, as_of, deals)
        return self._frame(found, as_of), {name: found.pop(name) for name in BESIDE}

    def _run(
        self, records: Records, as_of: datetime, wanted: Collection[str] | None, skip: Collection[str] = ()
    ) -> dict[str, pa.Table]:
        rows, instant = put_ready(records, self._schemas, as_of, wanted)
        return self._program.run(rows, instant, {*skip, *self._not_needed(rows)})

    def _frame(self, found: Mapping[str, pa.Table], as_of: datetime) -> pa.Table:
        columns = {
            name: column
            for part, table in found.items()
            if part not in BESIDE
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        ids = columns["opportunity_id"]
        at = pa.repeat(pa.scalar(as_of, pa.timestamp("us", "UTC")), len(ids))
        values = [columns[one.name].cast(ARROW_TYPES[one.kind]) for one in self.features]
        return pa.table([ids, at, *values], ["opportunity_id", "as_of", *(one.name for one in self.features)])

    def _not_needed(self, rows: Records) -> set[str]:
        """The statements that measure accounts or sellers from rows, where the context knows all of them."""
        found = {"account": set(rows[ASKED]["account_id"].to_pylist()), "owner": set[str | None]()}
        if "opportunities" in rows:
            found["owner"] |= set(rows["opportunities"]["owner_id"].to_pylist())
        if "opportunity_changes" in rows:
            changes = rows["opportunity_changes"]
            named = changes["new_value"].filter(pc.equal(changes["field"], "owner"))
            found["owner"] |= set(named.to_pylist())
        known = {entity for entity, keys in found.items() if keys - {None} <= self._known[entity]}
        return {name for name, entity in self._own.items() if entity in known}

    def _compile(self) -> None:
        """Every statement, in the order in which they read one another."""
        program = self._program
        groups = _by_streams(self.features)
        alone = {next(iter(streams)) for streams in groups if len(streams) == 1}
        shared = {name for streams in groups if len(streams) > 1 for name in streams}

        def keep(name: str, table: ir.Table) -> ir.Table:
            if name.removesuffix("_measures") in alone - shared:
                return table
            if name == "people_met" or name.endswith(f"_{OWN}"):
                stream = "owner_people" if name == "people_met" else name.removesuffix(f"_{OWN}")
                self._own[_KEPT + name] = STREAMS[stream].entity
            return program.keep(_KEPT + name, table)

        instant = program.instant
        snapshots = Snapshots(program.table(ASKED), instant)
        tables = {name: program.table(name) for name in self._schemas}
        context = {name: program.table(f"context_{name}") for name in self.context.tables()}
        measured = measured_streams(tables, snapshots, self.features, keep, context, _SHARED)
        for place, (streams, features) in enumerate(groups.items()):
            part = Measured(
                snapshots, measured.known, measured.spine, {name: measured.streams[name] for name in streams}
            )
            table = assembled(part, features, None).order_by("opportunity_id").drop("slot")
            if place:
                table = table.drop("opportunity_id")
            program.result(f"features_{place}", table)
        keys = program.table(f"{_KEPT}numbered").select("opportunity_id", "deal")
        held, came, members = meetings_of(measured.known, instant, keys)
        beside = (
            ledger_of(measured.known, instant), phases_of(measured.known, instant),
            moments_of(measured.known, instant, keys), answers_of(measured.known, instant, keys),
            held, came, members,
            measured.spine.select("opportunity_id", "owner_id").order_by("opportunity_id"),
        )  # fmt: skip
        for name, table in zip(BESIDE, beside, strict=True):
            program.result(name, table)


def _by_streams(features: Sequence[Feature]) -> dict[frozenset[str], list[Feature]]:
    """The features that read the same streams, together."""
    groups: dict[frozenset[str], list[Feature]] = {}
    for feature in features:
        streams = frozenset(part.stream for part in feature.evidence_parts())
        groups.setdefault(streams, []).append(feature)
    return groups
