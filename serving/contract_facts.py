"""Facts about a contract as a reader knows it: its customer, its terms, how far off its end is."""

from collections.abc import Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.accounts import accounts_known
from models.arrays import DAY_US, NEVER, micros, to_micros

__all__ = ["contract_facts"]


def contract_facts(
    tables: Mapping[str, ir.Table], as_of: datetime, contract_ids: list[str], segment: str = "industry"
) -> pa.Table:
    """One row per given contract, in the given order.

    Columns: contract_id, account_id, account, region, segment, billing, currency, committed_amount (in
    `currency`), start_at, end_at, days_left (from as_of to the end of the term, negative once over; null
    without an end), overdue (the term is over and no outcome was known before as_of). segment: the column of
    accounts that it is taken from, null where the source has none of that name. Unknown is null, as is all
    of an account recorded at or after as_of.
    """
    accounts = accounts_known(tables, as_of)
    grouped = accounts[segment].cast("string") if segment in accounts.columns else ibis.null("string")
    accounts = accounts.select("account_id", "region", account="name", segment=grouped)
    facts = tables["contracts"].left_join(accounts, "account_id").select(
        "contract_id", "account_id", "account", "region", "segment", "billing", "currency",
        "committed_amount", "start_at", "end_at",
    ).to_pyarrow()  # fmt: skip
    place = pc.index_in(pa.array(contract_ids, pa.string()), value_set=facts["contract_id"].combine_chunks())
    facts = facts.take(place)
    ends = micros(facts["end_at"])
    left = (np.where(ends == NEVER, 0, ends) - to_micros(as_of)) / DAY_US
    facts = facts.append_column("days_left", pa.array(left, pa.float64(), mask=ends == NEVER))
    return facts.append_column("overdue", pa.array((ends != NEVER) & (left <= 0)))
