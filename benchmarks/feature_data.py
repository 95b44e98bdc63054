"""Generated CRM history for the feature benchmarks: deals with activities, participants and roles.

    python benchmarks/feature_data.py DIR --deals 100000 --per-deal 100

Weekly snapshots over ten weeks of life give ten snapshots a deal. Plain random rows: speed, not sense.
"""

import argparse
from pathlib import Path

import duckdb

from data.schema import BILLINGS, MOMENT_KINDS, PROMISE_EVENTS, QUESTIONS, SENIORITIES, SIDES

ROLES = (
    "champion", "mobilizer", "economic_buyer", "decision_maker", "executive_sponsor", "technical_evaluator",
    "user", "influencer", "procurement", "legal", "finance", "blocker", "unknown",
)  # fmt: skip
DAY = 86_400
START = 1_700_000_000 // DAY * DAY
LIFE_DAYS = 70


def generate(directory: Path, deals: int, per_deal: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'; SET preserve_insertion_order=false")
    con.execute("SELECT setseed(0.5)")
    roles = "[" + ", ".join(f"'{role}'" for role in ROLES) + "]"
    queries = {
        "opportunities": f"""
            SELECT 'deal-' || i AS opportunity_id, 'account-' || (i // 3) AS account_id,
                   'seller-' || (i % 500) AS owner_id,
                   to_timestamp({START} + (hash(i) % (600 * {DAY}))::BIGINT) AS created_at, i
            FROM range({deals}) d(i)""",
        "activities": f"""
            SELECT 'act-' || i || '-' || j AS activity_id, 'deal-' || i AS opportunity_id,
                   ['meeting', 'call', 'email', 'demo'][1 + (hash(i, j, 1) % 4)::INT] AS kind,
                   ['inbound', 'outbound'][1 + (hash(i, j, 2) % 2)::INT] AS direction,
                   to_timestamp({START} + (hash(i) % (600 * {DAY}))::BIGINT + offset_s) AS occurred_at,
                   to_timestamp({START} + (hash(i) % (600 * {DAY}))::BIGINT + offset_s
                                + (hash(i, j, 4) % (3 * {DAY}))::BIGINT) AS known_at, i, j
            FROM (SELECT i, j, (hash(i, j, 3) % ({LIFE_DAYS} * {DAY}))::BIGINT AS offset_s
                  FROM range({deals}) d(i), range({per_deal}) a(j))""",
        "activity_participants": f"""
            SELECT 'act-' || i || '-' || j AS activity_id,
                   'contact-' || i || '-' || (hash(i, j, 5) % 10)::INT AS contact_id
            FROM range({deals}) d(i), range({per_deal}) a(j)""",
        "opportunity_contacts": f"""
            SELECT 'deal-' || i AS opportunity_id, 'contact-' || i || '-' || c AS contact_id,
                   {roles}[1 + (hash(i, c, 6) % 13)::INT] AS buying_role,
                   to_timestamp({START} + (hash(i) % (600 * {DAY}))::BIGINT
                                + (hash(i, c, 7) % (20 * {DAY}))::BIGINT) AS known_at
            FROM range({deals}) d(i), range(10) c(c)""",
        **beside_activities(deals),
    }
    for name, query in queries.items():
        kept = "COLUMNS(c -> c NOT IN ('i', 'j'))"
        target = directory / f"{name}.parquet"
        con.execute(f"COPY (SELECT {kept} FROM ({query}) q) TO '{target}' (FORMAT parquet)")


def beside_activities(deals: int) -> dict[str, str]:
    """The other tables, in the proportions of a well-kept CRM; a third as many accounts as deals."""

    def of(values: tuple[str, ...], salt: int, *keys: str) -> str:
        listed = ", ".join(f"'{value}'" for value in values)
        return f"[{listed}][1 + (hash(i, {', '.join(keys)}, {salt}) % {len(values)})::INT]"

    def at(salt: int, *keys: str, of_deal: bool = True) -> str:
        born = f"(hash(i) % (600 * {DAY}))::BIGINT" if of_deal else "0"
        life = LIFE_DAYS if of_deal else 700
        since = f"(hash(i, {', '.join(keys)}, {salt}) % ({life} * {DAY}))::BIGINT"
        return f"to_timestamp({START} + {born} + {since})"

    def rows(per: int, n: int = deals) -> str:
        return f"FROM range({n}) d(i), range({per}) r(j)"

    deal, accounts = "'deal-' || i AS opportunity_id", deals // 3 + 1
    moment = f"'moment-' || i || '-' || j AS moment_id, {deal}, {of(MOMENT_KINDS, 11, 'j')} AS kind"
    feature = f"{of(('sso', 'audit', 'api'), 13, 'j')} AS feature"
    return {
        "accounts": f"""
            SELECT 'account-' || i AS account_id, {of(("north", "south"), 8, "i")} AS region,
                   {of(("bank", "steel", "retail"), 9, "i")} AS industry,
                   (hash(i, 10) % 5000)::BIGINT AS employees,
                   to_timestamp({START}) AS created_at, to_timestamp({START}) AS known_at, i
            FROM range({accounts}) d(i)""",
        "contacts": f"""
            SELECT 'contact-' || i || '-' || j AS contact_id, 'account-' || (i // 3) AS account_id,
                   {of(SENIORITIES, 20, "j")} AS seniority,
                   {of(("it", "finance", "ops"), 21, "j")} AS department,
                   to_timestamp({START}) AS known_at, i, j {rows(10)}""",
        "opportunity_changes": f"""
            SELECT {deal}, {of(("stage", "amount", "close_date", "owner"), 22, "j")} AS field,
                   CASE field WHEN 'stage' THEN 'stage-' || (hash(i, j, 23) % 5)
                              WHEN 'amount' THEN (hash(i, j, 24) % 100000)::VARCHAR
                              WHEN 'owner' THEN 'seller-' || (hash(i, j, 25) % 500)
                              ELSE '2025-06-30' END AS new_value,
                   {at(26, "j")} AS changed_at, i, j {rows(8)}""",
        "moments": f"SELECT {moment}, {at(12, 'j')} AS occurred_at, occurred_at AS known_at, i, j {rows(5)}",
        "promises": f"""
            SELECT 'promise-' || i || '-' || j AS promise_id, {deal}, {feature},
                   {of(PROMISE_EVENTS, 14, "j")} AS event, {at(15, "j")} AS occurred_at,
                   occurred_at AS known_at, occurred_at + INTERVAL 20 DAY AS due_at, i, j {rows(2)}""",
        "qualification": f"""
            SELECT {deal}, {of(QUESTIONS, 16, "j")} AS question, {of(SIDES, 17, "j")} AS side,
                   (hash(i, j, 18) % 5)::BIGINT AS answer, {at(19, "j")} AS known_at, i, j {rows(8)}""",
        "contracts": f"""
            SELECT 'contract-' || i AS contract_id, 'account-' || i AS account_id,
                   {of(BILLINGS, 27, "i")} AS billing,
                   to_timestamp({START}) AS start_at, to_timestamp({START + 365 * DAY}) AS end_at,
                   10000.0 AS committed_amount, to_timestamp({START}) AS known_at, i
            FROM range({accounts}) d(i)""",
        "usage": f"""
            SELECT 'account-' || i AS account_id, 'contract-' || i AS contract_id, 'core' AS product,
                   {at(28, "j", of_deal=False)} AS usage_date, usage_date AS known_at,
                   (hash(i, j, 29) % 10000) / 100.0 AS amount,
                   (hash(i, j, 30) % 50)::BIGINT AS active_users, i, j
            {rows(50, accounts)}""",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--per-deal", type=int, default=100)
    arguments = parser.parse_args()
    generate(arguments.directory, arguments.deals, arguments.per_deal)


if __name__ == "__main__":
    main()
