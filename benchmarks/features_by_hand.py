"""The benchmark's columns as hand-written DuckDB SQL, the fastest formulation found (see docs/design.md).

Same idea as the engine's (rows enter at the first snapshot that sees them, running sums per deal), freed
from what makes the engine general: no repeated participants, no gaps between snapshots, one final window.
"""

from collections.abc import Iterator

ROLES = (
    "champion", "mobilizer", "economic_buyer", "decision_maker", "executive_sponsor", "technical_evaluator",
    "user", "influencer", "procurement", "legal", "finance", "blocker",
)  # fmt: skip
WEEK, DAY = 604_800, 86_400
WINDOWS = (21, 30, 42, 63, 84, 90)


def statements(anchor_s: int, life_days: int) -> Iterator[str]:
    """The SQL in order; the last leaves the columns in table `features`."""
    base = anchor_s % WEEK
    yield f"""
        CREATE TEMP TABLE spans AS
        SELECT opportunity_id, row_number() OVER () AS deal,
               greatest((epoch(created_at)::BIGINT - {base}) // {WEEK} + 1, 0) AS f,
               least((epoch(created_at)::BIGINT + {life_days * DAY} - {base}) // {WEEK},
                     ({anchor_s} - {base}) // {WEEK}) AS l
        FROM opportunities"""
    yield "CREATE TEMP TABLE snaps AS SELECT deal, opportunity_id, unnest(range(f, l + 1)) AS slot FROM spans"
    yield """
        CREATE TEMP TABLE touch AS
        SELECT deal, f, l, contact_id, h, seen, max(h) OVER w AS prev, row_number() OVER w AS nth
        FROM (SELECT s.deal, s.f, s.l, p.contact_id, epoch(a.occurred_at)::BIGINT AS h,
                     greatest(epoch(a.known_at)::BIGINT, epoch(a.occurred_at)::BIGINT) AS seen
              FROM activities a JOIN spans s USING (opportunity_id)
              JOIN activity_participants p USING (activity_id))
        WINDOW w AS (PARTITION BY deal, contact_id ORDER BY seen, h
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"""
    roles = """(SELECT deal, contact_id, buying_role AS rl, min(epoch(known_at)::BIGINT) AS k
                FROM opportunity_contacts JOIN spans USING (opportunity_id)
                WHERE buying_role <> 'unknown' GROUP BY ALL)"""
    yield f"""
        CREATE TEMP TABLE role_touch AS
        SELECT t.deal, t.f, t.l, t.h, greatest(t.seen, r.k) AS seen, r.rl
        FROM touch t JOIN {roles} r ON r.deal = t.deal AND r.contact_id = t.contact_id"""
    yield f"""
        CREATE TEMP TABLE roled AS
        SELECT t.deal, t.f, t.l, t.h, greatest(t.seen, r.k) AS seen
        FROM touch t JOIN (SELECT deal, contact_id, min(k) AS k FROM {roles} GROUP BY ALL) r
        ON r.deal = t.deal AND r.contact_id = t.contact_id"""
    yield """
        CREATE TEMP TABLE act AS
        SELECT s.deal, s.f, s.l, kind, direction, epoch(occurred_at)::BIGINT AS h,
               greatest(epoch(known_at)::BIGINT, epoch(occurred_at)::BIGINT) AS seen
        FROM activities a JOIN spans s USING (opportunity_id)"""

    def bucket(name: str, source: str, clock: str, columns: str, where: str = "true") -> str:
        slot = f"({clock} - {base}) // {WEEK} + 1"
        return f"""
            CREATE TEMP TABLE {name} AS
            SELECT deal, greatest({slot}, f) AS slot, {columns}
            FROM {source} WHERE {where} AND {slot} <= l GROUP BY ALL"""

    def by_role(prefix: str) -> str:
        return ", ".join(f"count(*) FILTER (WHERE rl = '{r}') AS {prefix}{i}" for i, r in enumerate(ROLES))

    latest = ", ".join(f"max(h) FILTER (WHERE rl = '{r}') AS m{i}" for i, r in enumerate(ROLES))
    yield bucket("r_e", "role_touch", "seen", by_role("n") + ", " + latest)
    yield bucket("r_90", "role_touch", f"greatest(h + {90 * DAY}, seen)", by_role("b"))
    first = "count(*) FILTER (WHERE prev IS NULL) AS d"
    yield bucket("t_e", "touch", "seen", f"count(*) AS t, {first}, max(nth) AS x")
    for days in (30, 90):
        window = days * DAY
        enter = f"(CASE WHEN prev IS NULL OR prev + {window} < seen THEN seen ELSE prev + {window} END)"
        lasts = f"h + {window} > {enter}"
        yield bucket(f"t_in{days}", "touch", enter, f"count(*) AS in{days}", lasts)
        yield bucket(f"t_out{days}", "touch", f"(h + {window})", f"count(*) AS out{days}", lasts)
    yield bucket(
        "a_e", "act", "seen",
        "count(*) AS ae, count(*) FILTER (WHERE direction = 'inbound') AS ai, "
        "count(*) FILTER (WHERE direction IN ('inbound', 'outbound')) AS ad, max(h) AS am, "
        "max(h) FILTER (WHERE direction = 'inbound' OR kind IN ('meeting', 'call', 'demo')) AS aw",
    )  # fmt: skip
    for days in WINDOWS:
        inbound = ", count(*) FILTER (WHERE direction = 'inbound') AS ai30" if days == 30 else ""
        clock = f"greatest(h + {days * DAY}, seen)"
        yield bucket(f"a_{days}", "act", clock, f"count(*) AS a{days}{inbound}")
    yield bucket("u_e", "roled", "seen", "count(*) AS ue")
    yield from _final(base)


def _final(base: int) -> Iterator[str]:
    tables = ["r_e", "r_90", "t_e", "t_in30", "t_out30", "t_in90", "t_out90", "a_e", "u_e"]
    tables += [f"a_{days}" for days in WINDOWS]
    sums = [f"{p}{i}" for p in "nb" for i in range(len(ROLES))]
    sums += ["t", "d", "in30", "out30", "in90", "out90", "ae", "ai", "ad", "ai30", "ue"]
    sums += [f"a{days}" for days in WINDOWS]
    maxima = [f"m{i}" for i in range(len(ROLES))] + ["x", "am", "aw"]
    running = [f"coalesce(sum({c}) OVER w, 0)::BIGINT AS {c}" for c in sums]
    running += [f"max({c}) OVER w AS {c}" for c in maxima]
    joins = " ".join(f"LEFT JOIN {table} USING (deal, slot)" for table in tables)
    yield f"""
        CREATE TEMP TABLE wide AS SELECT opportunity_id, slot, {", ".join(running)} FROM snaps {joins}
        WINDOW w AS (PARTITION BY deal ORDER BY slot ROWS UNBOUNDED PRECEDING)"""
    now = f"(slot * {WEEK} + {base})"
    columns = []
    for i, role in enumerate(ROLES):
        columns += [
            f"n{i} AS {role}_touches", f"n{i} - b{i} AS {role}_touches_90d",
            f"({now} - m{i}) / {DAY} AS days_since_{role}",
        ]  # fmt: skip
    columns += [
        "d AS stakeholders_engaged", "in30 - out30 AS stakeholders_engaged_30d",
        "in90 - out90 AS stakeholders_engaged_90d", "x / nullif(t, 0) AS top_contact_share",
        "t - ue AS unknown_role_touches", "ai / nullif(ad, 0) AS inbound_share", "ai - ai30 AS inbound_30d",
        "ae AS activities_ever", "ae - a30 AS activities_30d", "ae - a90 AS activities_90d",
        f"({now} - am) / {DAY} AS days_since_activity", f"({now} - aw) / {DAY} AS days_since_two_way",
        "CASE WHEN ae > a84 THEN (3 * (ae - a21) + (a21 - a42) - (a42 - a63) - 3 * (a63 - a84)) / 90 END "
        "AS weekly_activity_slope",
    ]  # fmt: skip
    yield f"CREATE TEMP TABLE features AS SELECT opportunity_id, slot, {', '.join(columns)} FROM wide"
