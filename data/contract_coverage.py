"""What is odd about contracts, use, currencies and sheets, and the rule by which each oddity is handled.

None of these is a reason to reject a row: the rows stay, the coverage report counts them, and the data
contract's page tells the rule.
"""
# ruff: noqa: S608 -- identifiers cannot be bound; these are all written here

from dataclasses import dataclass

import duckdb

from data.schema import TABLES
from data.sheet_rows import SHEET_ROWS

__all__ = ["ODDITIES", "UNRATED", "Oddity", "unrated"]


@dataclass(frozen=True)
class Oddity:
    """Something that the coverage report counts: what it is about, in words, and what becomes of it.

    query: the number of rows. reads: "table.column" that the source must have.
    """

    table: str
    column: str
    note: str
    rule: str
    query: str
    reads: frozenset[str]


_ON_SHEET = f"source_row IN (SELECT source_row FROM {SHEET_ROWS})"
_NEWEST = " UNION ALL ".join(
    f'SELECT max("{table.clock}") AS newest FROM "{table.name}"'
    + f" WHERE NOT {_ON_SHEET}" * (table.name == "qualification")
    for table in TABLES.values()
    if table.clock and table.name not in ("usage", "exchange_rates")
)
_END = (
    f"(SELECT max(newest) FROM ({_NEWEST} "
    "UNION ALL SELECT quantile_disc(known_at, 0.99) FROM usage WHERE known_at IS NOT NULL))"
)
"""Where the source ends: the newest time recorded, answers to sheets and a few stray rows of use aside."""
_CODES = " UNION ALL ".join(
    f"SELECT upper(trim(currency)) AS code FROM {table} WHERE trim(currency) <> ''"
    for table in ("opportunities", "contracts")
)
_USE_OF_TERM = "usage AS u JOIN contracts AS c ON c.contract_id = u.contract_id"
_ONE_USE = "account_id, contract_id, product"
_GAP_DAYS = 62
_LAG_DAYS = 7


def _oddity(table: str, column: str, note: str, rule: str, query: str, *reads: str) -> Oddity:
    return Oddity(table, column, note, rule, query, frozenset({f"{table}.{column}", *reads}))


def _nameless(table: str) -> Oddity:
    return _oddity(
        table, "currency", "no currency, where others have one",
        "its amounts stay outside every total; where no deal and no contract names a currency, all are taken "
        "to be in the reporting currency",
        f"SELECT count(*) FROM {table} WHERE coalesce(trim(currency), '') = '' "
        f"AND EXISTS (SELECT * FROM ({_CODES}))",
    )  # fmt: skip


ODDITIES = (
    _nameless("opportunities"),
    _oddity(
        "qualification", "known_at",
        f"answered on a sheet more than {_LAG_DAYS} days after the source's newest row",
        "unless `as_of` is set, a run stands after them, and everything else has been silent since",
        f"SELECT count(*) FROM qualification WHERE {_ON_SHEET} "
        f"AND known_at > {_END} + INTERVAL {_LAG_DAYS} DAY",
    ),
    _oddity(
        "contracts", "start_at", "overlaps an earlier contract of its account",
        "each counts by itself, with the use that names it",
        "SELECT count(*) FROM (SELECT start_at, max(end_at) OVER (PARTITION BY account_id "
        "ORDER BY start_at, contract_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until "
        "FROM contracts WHERE account_id IS NOT NULL) WHERE start_at < busy_until",
        "contracts.account_id", "contracts.end_at",
    ),
    _oddity(
        "contracts", "end_at", "no end of the term", "it never falls due",
        "SELECT count(*) FROM contracts WHERE end_at IS NULL",
    ),
    _oddity(
        "contracts", "outcome", "the term is over, and there is no outcome yet",
        "it is overdue: due in the month of `as_of`, for `overdue_days` after its term",
        f"SELECT count(*) FROM contracts WHERE outcome IS NULL AND end_at < {_END}",
        "contracts.end_at",
    ),
    _oddity(
        "contracts", "outcome", "there is no time at which it was decided", "it is never seen",
        "SELECT count(*) FROM contracts WHERE outcome IS NOT NULL AND decided_at IS NULL",
    ),
    _oddity(
        "contracts", "contract_id", "begun, and without any use so far", "its use counts as none",
        f"SELECT count(*) FROM contracts WHERE start_at < {_END} "
        "AND contract_id NOT IN (SELECT contract_id FROM usage WHERE contract_id IS NOT NULL)",
        "contracts.start_at", "usage.contract_id",
    ),
    _nameless("contracts"),
    _oddity(
        "usage", "usage_date", "dated before its contract starts",
        "it counts for the account, not against the commitment",
        f"SELECT count(*) FROM {_USE_OF_TERM} WHERE u.usage_date < c.start_at",
        "usage.contract_id", "contracts.start_at",
    ),
    _oddity(
        "usage", "usage_date", "dated after its contract ends",
        "it counts for the account, not against the commitment",
        f"SELECT count(*) FROM {_USE_OF_TERM} WHERE u.usage_date >= c.end_at",
        "usage.contract_id", "contracts.end_at",
    ),
    _oddity(
        "usage", "usage_date", "dated more than a year after everything else",
        "no run before its date sees it",
        f"SELECT count(*) FROM usage WHERE usage_date > {_END} + INTERVAL 366 DAY",
    ),
    _oddity(
        "usage", "usage_date", "one of several rows of the same account, contract, product and date",
        "they add up; a figure put right must come as the difference",
        f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM usage WHERE usage_date IS NOT NULL "
        f"GROUP BY {_ONE_USE}, usage_date HAVING count(*) > 1)",
    ),
    _oddity(
        "usage", "usage_date", f"the first after more than {_GAP_DAYS} days without a row",
        "time without rows between two rows of an account, contract and product is time without use",
        f"SELECT count(*) FROM (SELECT usage_date, lag(usage_date) OVER "
        f"(PARTITION BY {_ONE_USE} ORDER BY usage_date) AS last_date FROM usage) "
        f"WHERE date_diff('day', last_date, usage_date) > {_GAP_DAYS}",
    ),
    _oddity(
        "usage", "amount", "below zero", "a correction (a credit note): it is subtracted on its date",
        "SELECT count(*) FROM usage WHERE amount < 0",
    ),
    _oddity(
        "usage", "account_id", "the contract is another account's", "it counts for the account it names",
        f"SELECT count(*) FROM {_USE_OF_TERM} WHERE u.account_id <> c.account_id",
        "usage.contract_id", "contracts.account_id",
    ),
)  # fmt: skip
"""In the order of the tables. Currencies without a rate are told by name, by `unrated`."""

UNRATED = "amounts in it stay outside every total"


def unrated(con: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """The currencies of deals and contracts that no exchange rate names, with the rows that have them.

    The commonest is left out: unless another is set it is the one reported in.
    """
    return con.execute(
        f"WITH counts AS (SELECT code, count(*) AS n FROM ({_CODES}) GROUP BY code) "
        "SELECT code, n FROM counts WHERE code <> (SELECT code FROM counts ORDER BY n DESC, code LIMIT 1) "
        "AND code NOT IN (SELECT upper(trim(unnest([from_currency, to_currency]))) FROM exchange_rates) "
        "ORDER BY code"
    ).fetchall()
