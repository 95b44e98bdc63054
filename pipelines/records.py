"""What is published so that deals can be scored from raw records, and their records be seen: a step of a run.

The records of the open deals, cut to what was known before as_of, and the context: what all other deals say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.schema import SOURCE_ROW
from data.warehouse import open_warehouse
from features.context import context_of
from features.cut import tables_before
from features.families.custom import custom_fields
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.steps import Built, View
from serving.publish import Publication
from serving.records import CONTEXT, FIELDS, RECORDS, STAGES, records_file

__all__ = ["record_tables", "with_records"]

_DEAL = "opportunity_id"
_UNTOLD = {"activities": ("subject", "body")}
"""What was typed stays in the warehouse; what was read from it is in `text_moments` and `text_promises`."""


def with_records(job: Job, view: View, built: Built, made: Publication, say: Say) -> Publication:
    """The publication with the records of its deals beside the scores, and the context of the run."""
    ids: list[Any] = made.scores[_DEAL].to_pylist()
    say(f"records of {len(ids):,} open deals, and what other deals say of them")
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        beside = record_tables(tables, view.as_of, ids)
        context = context_of(warehouse.con, tables, view.as_of, built.features).tables()
        fields = custom_fields(tables, view.as_of)
        stages = tables["stages"].order_by("stage").to_pyarrow()
    further = {CONTEXT[name]: table for name, table in context.items()}
    own = [{"table": one.table, "name": one.name, "reading": one.reading} for one in fields]
    further[FIELDS] = pa.Table.from_pylist(
        own, schema=pa.schema({name: pa.string() for name in ("table", "name", "reading")})
    )
    further[STAGES] = stages
    return replace(made, beside={**made.beside, **beside}, further={**made.further, **further})


def record_tables(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Sequence[str]
) -> dict[str, pa.Table]:
    """The rows of `serving.records.RECORDS` that belong to the deals and were recorded before as_of.

    By file name; each table begins with opportunity_id and is sorted by it, then by key. Of rows without a
    key `source_row` counts their order within the deal alone, so that a row recorded later moves none.
    """
    of_deals = _of_deals(tables_before(tables, as_of), deals)
    found = {}
    for name in RECORDS:
        table = of_deals[name]
        columns = [one for one in table.columns if one != _DEAL and one not in _UNTOLD.get(name, ())]
        table = table.select(_DEAL, *columns)
        order = columns
        if SOURCE_ROW in columns:
            place = ibis.row_number().over(ibis.window(group_by=_DEAL, order_by=SOURCE_ROW))
            table, order = table.mutate(**{SOURCE_ROW: place.cast("int64") + 1}), [SOURCE_ROW]
        found[records_file(name)] = table.order_by(_DEAL, *order).to_pyarrow()
    return found


def _of_deals(known: Mapping[str, ir.Table], deals: Sequence[str]) -> dict[str, ir.Table]:
    """The rows of each table with the deal that they are published for."""
    wanted = ibis.memtable(pa.table({_DEAL: pa.array(sorted(deals), pa.string())}))
    found = {name: known[name].semi_join(wanted, _DEAL) for name in RECORDS if _DEAL in known[name].columns}
    accounts = found["opportunities"].select(_DEAL, "account_id").inner_join(known["accounts"], "account_id")
    held = found["activities"].select(_DEAL, "activity_id")
    came = held.inner_join(known["activity_participants"], "activity_id")
    people = ibis.union(
        found["opportunity_contacts"].select(_DEAL, "contact_id"),
        found["moments"].select(_DEAL, "contact_id"),
        came.select(_DEAL, "contact_id"),
    ).distinct()
    contacts = people.inner_join(known["contacts"], "contact_id")
    return found | {"accounts": accounts, "activity_participants": came, "contacts": contacts}
