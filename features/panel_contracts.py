"""The contracts that consumption is forecast under, as known at an instant, in the reporting currency."""

from collections.abc import Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from data.currency import Rates
from features.snapshots import DAY, Calendar

__all__ = ["contracts_known"]


def contracts_known(tables: Mapping[str, ir.Table], as_of: datetime, rates: Rates) -> pa.Table:
    """One row per contract recorded before as_of, by account_id, start and contract_id.

    Columns: contract_id, account_id, currency (as recorded), start_day and end_day (days since 1970, null
    where not recorded), billing, committed (reporting currency; NaN without an amount or a rate), outcome
    (null unless decided before as_of) and known_day (when it was recorded).
    """
    calendar, now = Calendar(as_of, DAY), ibis.literal(as_of, type="timestamp('UTC')")
    rows = tables["contracts"].filter(lambda row: row.known_at < now)
    decided = rows.decided_at < now
    rows = rows.select(
        "contract_id", "account_id", "currency", "billing", "committed_amount",
        start_s=calendar.seconds(rows.start_at), end_s=calendar.seconds(rows.end_at),
        known_s=calendar.seconds(rows.known_at),
        outcome=ibis.ifelse(decided, rows.outcome, ibis.null("string")),
    )  # fmt: skip
    found = rows.order_by("account_id", "start_s", "contract_id").to_pyarrow()
    committed = found["committed_amount"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    converted = rates.convert(committed, found["currency"], as_of)
    return pa.table({
        "contract_id": found["contract_id"].cast(pa.string()),
        "account_id": found["account_id"].cast(pa.string()),
        "currency": found["currency"].cast(pa.string()),
        "start_day": _days(found["start_s"]), "end_day": _days(found["end_s"]),
        "billing": found["billing"].cast(pa.string()),
        "committed": pa.array(converted.amounts),
        "outcome": found["outcome"].cast(pa.string()),
        "known_day": _days(found["known_s"]),
    })  # fmt: skip


def _days(seconds: "pa.ChunkedArray") -> "pa.Array":
    """Whole days since 1970 of epoch seconds; null stays null."""
    values = seconds.to_numpy(zero_copy_only=False).astype(np.float64)
    days = np.floor(values / DAY)
    return pa.array(np.where(np.isnan(days), 0, days).astype(np.int64), mask=np.isnan(days))
