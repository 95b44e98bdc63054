"""What other deals say about a deal: its account's, its seller's and everybody's measures, and who is busy.

Features of one deal read the rows of others: the account's history, the seller's record, what the sponsors
carry elsewhere. A context holds that part, worked out once at `as_of`, so that a deal can be scored from its
own rows alone. See `features.assemble.feature_frame`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.errors import ModelContractError
from features.catalogue import STREAMS
from features.feature import Feature, Measure
from features.gate import Known, gate
from features.running import measures_at
from features.snapshots import DAY, Calendar
from features.streams.owners import people_met
from features.streams.sponsors import WORK, work
from features.streams.stream import Entity, Stream

__all__ = ["CONTEXT_TABLES", "Context", "context_of", "held_measures", "measure_name", "measures_by_stream"]

CONTEXT_TABLES: dict[Entity, str] = {"account": "accounts", "owner": "owners", "all": "everyone"}
"""The table of a context that holds the measures of each entity, by `key`."""

_KEY = pa.schema({"key": pa.string()})


@dataclass(frozen=True)
class Context:
    """Measures of accounts, sellers and everybody at `as_of`, and the work that people carry over all deals.

    accounts, owners, everyone: `key` and a column per measure, named by `measure_name`. work: the columns
    `features.streams.sponsors.WORK` of what lasts at or beyond as_of.
    """

    as_of: datetime
    accounts: pa.Table
    owners: pa.Table
    everyone: pa.Table
    work: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """The tables by name."""
        return {
            "accounts": self.accounts,
            "owners": self.owners,
            "everyone": self.everyone,
            "work": self.work,
        }


def context_of(
    con: ibis.BaseBackend, tables: Mapping[str, ir.Table], as_of: datetime, features: Sequence[Feature],
    on_step: Callable[[str], None] | None = None,
) -> Context:  # fmt: skip
    """The context of every account, seller and contact known in the tables before as_of.

    tables: the whole warehouse. Intermediate tables are temporary.
    """
    kept: list[str] = []

    def keep(name: str, table: ir.Table) -> ir.Table:
        kept.append(f"dealcast_context_{name}")
        return con.create_table(kept[-1], table, temp=True, overwrite=True)

    calendar = Calendar(as_of, DAY)
    try:
        nothing = tables["opportunities"].limit(0).select("opportunity_id", deal=ibis.literal(0, "int64"))
        known: Known = gate(tables, calendar, nothing)
        known = {**known, "people_met": keep("people_met", people_met(known))}
        keys = _keys(known)
        found: dict[str, pa.Table] = {}
        for entity, name in CONTEXT_TABLES.items():
            if on_step is not None:
                on_step(f"context of {name}")
            wanted = {
                stream: measures
                for stream, measures in measures_by_stream(features).items()
                if STREAMS[stream].entity == entity
            }
            found[name] = _measured(known, keep(f"keys_{name}", keys[entity]), wanted, calendar, keep)
        everybody = known["all_opportunity_contacts"].select(who="contact_id").distinct()
        rows = work(known, everybody)
        rows = rows.filter((rows.seen_s < calendar.anchor_s) & (rows.ends_s >= calendar.anchor_s))
        found["work"] = rows.order_by(*WORK).to_pyarrow()
    finally:
        for name in kept:
            con.drop_table(name, force=True)
    return Context(as_of, **found)


def measures_by_stream(features: Sequence[Feature]) -> dict[str, list[Measure]]:
    """The distinct measures of each stream that the features are made of."""
    by_stream: dict[str, list[Measure]] = {}
    for feature in features:
        for measure in feature.evidence_parts():
            measures = by_stream.setdefault(measure.stream, [])
            if measure not in measures:
                measures.append(measure)
    return by_stream


def measure_name(measure: Measure) -> str:
    """A measure's name as a column.

    >>> measure_name(Measure("owner_people", "count", "", (("fact", "met"),), 90))
    'owner_people.count[fact=met].90d'
    """
    tests = ",".join(f"{name}={value}" for name, value in measure.where)
    parts = [measure.stream, measure.how, measure.column]
    name = ".".join(part for part in parts if part) + (f"[{tests}]" if tests else "")
    return name if measure.days is None else f"{name}.{measure.days}d"


def held_measures(held: ir.Table, names: Mapping[Measure, str]) -> ir.Table:
    """A context's measures of one stream by `key`, under the names given.

    Raises ModelContractError if the context lacks one: it was made for another catalogue.
    """
    absent = [measure_name(one) for one in names if measure_name(one) not in held.columns]
    if absent:
        raise ModelContractError(
            f"Context: expected a column {absent[0]!r}, found none. It was made for other features: publish "
            "again with `dealcast run`."
        )
    return held.select("key", **{name: held[measure_name(measure)] for measure, name in names.items()})


def _keys(known: Known) -> dict[Entity, ir.Table]:
    """The accounts and sellers of any known row, and the one key that stands for everybody."""
    deals, changes, users = known["opportunities"], known["opportunity_changes"], known["users"]
    accounts = [known[name].select(key="account_id") for name in ("accounts", "contracts", "usage")]
    owners = changes.filter(changes.field == "owner").select(key="new_value")
    found: dict[Entity, ir.Table] = {
        "account": ibis.union(deals.select(key="account_id"), *accounts),
        "owner": ibis.union(deals.select(key="owner_id"), owners, users.select(key="user_id")),
        "all": deals.agg(n=deals.count()).select(key=ibis.literal("all")),
    }
    return {
        entity: table.filter(table.key.notnull()).distinct().mutate(slot=ibis.literal(0, "int64"))
        for entity, table in found.items()
    }


def _measured(
    known: Known, keys: ir.Table, wanted: Mapping[str, Sequence[Measure]], calendar: Calendar,
    keep: Callable[[str, ir.Table], ir.Table],
) -> pa.Table:  # fmt: skip
    """The measures of the streams wanted for each key, sorted by it."""
    wide = keys.drop("slot")
    for name, measures in wanted.items():
        run = _at(STREAMS[name], known, measures, keys, calendar)
        run = run.rename(run_key="key")
        wide = wide.left_join(keep(name, run), [("key", "run_key")]).drop("run_key")
    return wide.order_by("key").to_pyarrow() if wanted else _KEY.empty_table()


def _at(
    stream: Stream, known: Known, measures: Sequence[Measure], keys: ir.Table, calendar: Calendar
) -> ir.Table:
    rows = stream.rows(known)
    names = [measure_name(measure) for measure in measures]
    if stream.single:
        facts = rows.filter(rows.seen_s < calendar.anchor_s)
        return facts.select("key", **{n: facts[m.column] for n, m in zip(names, measures, strict=True)})
    run = measures_at(rows, measures, keys, calendar.anchor_s)
    return run.drop("slot").rename({name: f"m{i}" for i, name in enumerate(names)})
