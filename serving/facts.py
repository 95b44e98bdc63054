"""Facts about a deal as a reader knows it: its name, its customer, its owner, where it stood at `as_of`."""

from collections.abc import Mapping
from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.accounts import accounts_known

__all__ = ["deal_facts"]

_HISTORIES = ("stage", "amount", "close_date", "owner")


def deal_facts(
    tables: Mapping[str, ir.Table], as_of: datetime, opportunity_ids: list[str], segment: str = "industry"
) -> pa.Table:
    """One row per given deal, in the given order.

    Columns: opportunity_id, name, account_id, account, region, segment, owner_id, owner, type, currency,
    stage, amount (in `currency`), expected_close_on (date). segment: the column of accounts that it is
    taken from, null where the source has none of that name. Stage, amount, expected close and owner come
    from the deal's history before `as_of`; unknown is null. Names and groups are the
    present ones of accounts recorded before `as_of`.
    """
    deals = tables["opportunities"]
    deals = deals.select("opportunity_id", "name", "account_id", "type", "currency", first_owner="owner_id")
    deals = deals.left_join(_latest(tables["opportunity_changes"], as_of), "opportunity_id")
    deals = deals.mutate(owner_id=ibis.coalesce(deals.last_owner, deals.first_owner))
    accounts = accounts_known(tables, as_of)
    grouped = accounts[segment].cast("string") if segment in accounts.columns else ibis.null("string")
    accounts = accounts.select("account_id", "region", account="name", segment=grouped)
    users = tables["users"].select("user_id", owner="name")
    named = deals.left_join(accounts, "account_id").left_join(users, [("owner_id", "user_id")])
    facts = named.select(
        "opportunity_id", "name", "account_id", "account", "region", "segment", "owner_id", "owner", "type",
        "currency", "stage", "amount", "expected_close_on",
    ).to_pyarrow()  # fmt: skip
    ids = pa.array(opportunity_ids, pa.string())
    wanted = pa.table({"opportunity_id": ids, "place": pa.array(range(len(ids)), pa.int64())})
    return wanted.join(facts, "opportunity_id").sort_by("place").drop_columns(["place"])


def _latest(changes: ir.Table, as_of: datetime) -> ir.Table:
    """Per deal the newest value, known before as_of, of each history that readers look at."""
    known = changes.filter(
        changes.field.isin(_HISTORIES), changes.changed_at < ibis.literal(as_of, type="timestamp('UTC')")
    )
    newest_first = ibis.row_number().over(
        group_by=["opportunity_id", "field"], order_by=[ibis.desc("changed_at"), ibis.desc("source_row")]
    )
    newest = known.mutate(place=newest_first).filter(lambda row: row.place == 0)
    wide = newest.group_by("opportunity_id").agg(
        **{f"last_{field}": newest.new_value.max(where=newest.field == field) for field in _HISTORIES}
    )
    return wide.select(
        "opportunity_id",
        "last_owner",
        stage=wide.last_stage,
        amount=wide.last_amount.try_cast("float64"),
        expected_close_on=wide.last_close_date.substr(0, 10).try_cast("date"),
    )
