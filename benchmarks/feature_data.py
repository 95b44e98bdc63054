"""Generated CRM history for the feature benchmarks: deals with activities, participants and roles.

    python benchmarks/feature_data.py DIR --deals 100000 --per-deal 100

Weekly snapshots over ten weeks of life give ten snapshots a deal. Plain random rows: speed, not sense.
"""

import argparse
from pathlib import Path

import duckdb

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
    }
    for name, query in queries.items():
        kept = "COLUMNS(c -> c NOT IN ('i', 'j'))"
        target = directory / f"{name}.parquet"
        con.execute(f"COPY (SELECT {kept} FROM ({query}) q) TO '{target}' (FORMAT parquet)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--per-deal", type=int, default=100)
    arguments = parser.parse_args()
    generate(arguments.directory, arguments.deals, arguments.per_deal)


if __name__ == "__main__":
    main()
