"""Laws over the whole catalogue: what lies at or after as_of changes no bit, whatever it is."""

from copy import deepcopy
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.schema import TABLES
from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.feature import Learnt
from features.snapshots import Calendar
from tests.features.worlds import DAY, END, Rows, bare, day, features_at, frame_of, generate

WEEK_S = 7 * 86_400
CUT = END - 10 * 7 * DAY
CALENDAR, CUT_CALENDAR = Calendar(END, WEEK_S), Calendar(CUT, WEEK_S)
ABSURD = 1e15
TEXTS = {"text_moments": "moments", "text_promises": "promises"}
"""What was read from texts, with the table it stands beside."""


def known_at(table: str, row: dict[str, Any]) -> datetime | None:
    """The clock of a row, as a load fills it."""
    declared = TABLES[TEXTS.get(table, table)]
    if declared.clock is None:
        return None
    return row.get(declared.clock) or row.get(declared.business_time or "")


def truncated(rows: Rows, cut: datetime) -> Rows:
    """The history as far as it was known just before the cut."""
    out = {
        name: [
            dict(row, source_row=number)
            for number, row in enumerate(table, start=1)
            if TABLES[TEXTS.get(name, name)].clock is None
            or ((clock := known_at(name, row)) is not None and clock < cut)
        ]
        for name, table in rows.items()
    }
    for deal in out["opportunities"]:
        if deal.get("closed_at") and deal["closed_at"] >= cut:
            deal |= {"closed_at": None, "outcome": None, "loss_reason": None}
    for role in out["opportunity_contacts"]:
        if role.get("removed_at") and role["removed_at"] >= cut:
            role["removed_at"] = None
    for contract in out["contracts"]:
        if contract["decided_at"] and contract["decided_at"] >= cut:
            contract |= {"decided_at": None, "outcome": None}
    for name in TEXTS:
        for row in out[name]:
            if row["superseded_at"] and row["superseded_at"] >= cut:
                row["superseded_at"] = None
    met = {row["activity_id"] for row in out["activities"]}
    out["activity_participants"] = [row for row in out["activity_participants"] if row["activity_id"] in met]
    return out


def poisoned(rows: Rows, cut: datetime, seed: int) -> Rows:
    """The history with everything that becomes known at or after the cut made absurd, and more of it."""
    random = Random(seed)
    out = deepcopy(rows)
    for name, table in out.items():
        for row in table:
            clock = known_at(name, row)
            if clock is not None and clock >= cut:
                _overwrite(name, row, cut)
    _poison_facts(out, cut, random)
    deals = [row["opportunity_id"] for row in rows["opportunities"]]
    people = [row["contact_id"] for row in rows["contacts"]]
    for i, deal in enumerate(deals):
        for late in (cut, cut + DAY):
            _add_absurd_rows(out, deal, random.choice(people), f"z{i}{late:%d}", late)
    out["opportunities"].append(
        {"opportunity_id": "zz", "account_id": rows["opportunities"][0]["account_id"], "owner_id": "u1",
         "created_at": cut, "closed_at": cut, "outcome": "won", "x_score": "poison", "x_hot": "maybe"}
    )  # fmt: skip
    return out


def _overwrite(name: str, row: dict[str, Any], cut: datetime) -> None:
    """Absurd values in every cell but keys and references."""
    table = TABLES[TEXTS.get(name, name)]
    for column in table.columns:
        if column.name in (table.clock, table.key) or column.references or column.name not in row:
            continue
        if column.dtype == "timestamp":
            row[column.name] = cut - 400 * DAY if column.name != "closed_at" else row[column.name]
        elif column.dtype == "string" and column.name not in ("field", "outcome"):
            row[column.name] = column.values[-1] if column.values else "99999999"
        elif column.dtype in ("int64", "float64"):
            row[column.name] = 10**12
    if table.clock == "known_at":
        row["known_at"] = cut + DAY
    row |= {column: "poison" for column in row if column.startswith("x_")}


def _poison_facts(out: Rows, cut: datetime, random: Random) -> None:
    """Outcomes, removals, decisions and attendance that become known at or after the cut."""
    for contract in out["contracts"]:
        if contract["decided_at"] is None or contract["decided_at"] >= cut:
            contract |= {"decided_at": cut + random.choice([0, 1, 300]) * DAY, "outcome": "churned",
                         "renewed_amount": ABSURD}  # fmt: skip
    for row in (row for name in TEXTS for row in out[name]):
        if row["superseded_at"] is None or row["superseded_at"] >= cut:
            row["superseded_at"] = cut + random.choice([0, 1, 300]) * DAY
    for deal in out["opportunities"]:
        if deal.get("closed_at") is None or deal.get("outcome") is None or deal["closed_at"] >= cut:
            ends = max(cut, deal["created_at"]) + random.choice([0, 1, 300]) * DAY
            deal |= {"closed_at": ends, "outcome": random.choice(["won", "lost"]), "loss_reason": "poison"}
    for role in out["opportunity_contacts"]:
        if role.get("removed_at") is None or role["removed_at"] >= cut:
            role["removed_at"] = cut + random.choice([0, 1, 300]) * DAY
    ahead = {
        row["activity_id"] for row in out["activities"]
        if max(row.get(c) or cut - DAY for c in ("occurred_at", "known_at")) >= cut
    }  # fmt: skip
    for row in out["activity_participants"]:
        if row["activity_id"] in ahead:
            row["attended"] = random.choice([True, False])


def _add_absurd_rows(out: Rows, deal: str, person: str, key: str, late: datetime) -> None:
    for field, value in [("stage", "sign"), ("amount", str(ABSURD)), ("close_date", "9999-12-31"),
                         ("owner", "u3"), ("forecast_category", "odd"), ("x_health", "poison")]:  # fmt: skip
        out["opportunity_changes"].append(
            {
                "opportunity_id": deal,
                "field": field,
                "old_value": "poison",
                "new_value": value,
                "changed_at": late,
            }
        )
    long_ago = late - 300 * DAY
    out["contacts"].append({"contact_id": key, "seniority": "c_level", "known_at": late})
    for role in ("blocker", "champion", "economic_buyer"):
        out["opportunity_contacts"].append(
            {
                "opportunity_id": deal,
                "contact_id": person,
                "buying_role": role,
                "stance": "opponent",
                "known_at": late,
            }
        )
    for kind in ("meeting", "email"):
        out["activities"].append(
            {"activity_id": key + kind, "opportunity_id": deal, "kind": kind, "direction": "inbound",
             "channel": "in_person", "occurred_at": long_ago, "known_at": late}
        )  # fmt: skip
        out["activity_participants"].append(
            {"activity_id": key + kind, "contact_id": person, "attended": True}
        )
    for event in ("promised", "rescheduled", "delivered", "withdrawn"):
        out["promises"].append(
            {"promise_id": key + event, "opportunity_id": deal, "feature": "sso", "event": event,
             "due_at": long_ago, "occurred_at": long_ago, "known_at": late}
        )  # fmt: skip
        out["text_promises"].append(
            {"activity_id": key + event, "opportunity_id": deal, "feature": "sso", "event": event,
             "due_at": long_ago, "occurred_at": long_ago, "known_at": late, "superseded_at": late}
        )  # fmt: skip
    for kind in ("fomo", "bake_off", "reference_delivered"):
        out["text_moments"].append(
            {"activity_id": key + kind, "opportunity_id": deal, "kind": kind, "occurred_at": long_ago,
             "known_at": late, "superseded_at": None}
        )  # fmt: skip
    for side in ("vendor", "customer"):
        out["qualification"].append(
            {"opportunity_id": deal, "question": "why", "side": side, "answer": 4, "known_at": late}
        )
    out["moments"].append(
        {
            "moment_id": key,
            "opportunity_id": deal,
            "kind": "bake_off",
            "occurred_at": long_ago,
            "known_at": late,
        }
    )


def up_to_cut(frame: pa.Table) -> pa.Table:
    return frame.filter(pc.field("as_of") <= pa.scalar(CUT, pa.timestamp("us", "UTC")))


def assert_same_bits(found: pa.Table, expected: pa.Table) -> None:
    """Equal to the last bit, row for row; names the columns that differ."""
    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows > 0
    found, expected = found.combine_chunks(), expected.combine_chunks()
    wrong = {
        name: [
            (key, a, b)
            for key, a, b in zip(
                expected["opportunity_id"].to_pylist(),
                found[name].to_pylist(),
                expected[name].to_pylist(),
                strict=True,
            )
            if a != b
        ][:3]
        for name in expected.column_names
        if not found[name].equals(expected[name])
    }
    assert not wrong, f"{len(wrong)} columns differ: {dict(list(wrong.items())[:8])}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_nothing_known_at_or_after_as_of_changes_a_bit(seed: int) -> None:
    rows = generate(seed, deals=15)
    short = truncated(rows, CUT)
    bitter = poisoned(rows, CUT, seed)
    fields = [custom_fields(memory_tables(history), CUT) for history in (rows, short, bitter)]
    assert fields[0] == fields[1] == fields[2]
    features = catalogue(fields[0])
    expected = frame_of(short, CUT_CALENDAR, features)
    assert_same_bits(up_to_cut(frame_of(rows, CALENDAR, features)), expected)
    assert_same_bits(up_to_cut(frame_of(bitter, CALENDAR, features)), expected)
    assert_same_bits(frame_of(bitter, CUT_CALENDAR, features), expected)


@pytest.mark.slow
def test_neither_poison_nor_truncation_of_what_came_later_changes_a_bit() -> None:
    rows = generate(9, deals=10)
    features = features_at(memory_tables(rows), CUT)
    expected = frame_of(truncated(rows, CUT), CUT_CALENDAR, features)
    assert_same_bits(up_to_cut(frame_of(poisoned(rows, CUT, 9), CALENDAR, features)), expected)


@pytest.mark.slow
def test_the_order_of_rows_changes_no_bit() -> None:
    rows = generate(6, deals=12)
    numbered = {
        name: [dict(row, source_row=i) for i, row in enumerate(table, start=1)]
        for name, table in rows.items()
    }
    shuffled = {name: Random(1).sample(table, len(table)) for name, table in numbered.items()}
    assert_same_bits(frame_of(shuffled, CALENDAR), frame_of(numbered, CALENDAR))


@pytest.mark.slow
def test_putting_the_columns_together_in_parts_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = generate(6, deals=12)
    expected = frame_of(rows, CALENDAR)
    monkeypatch.setattr("features.assemble._ROWS_AT_ONCE", expected.num_rows // 3)
    assert_same_bits(frame_of(rows, CALENDAR), expected)


@pytest.mark.slow
def test_repeated_rows_of_tables_without_a_key_give_one_row_per_snapshot() -> None:
    rows = generate(7, deals=8)
    for name in ("activity_participants", "opportunity_contacts", "opportunity_changes"):
        rows[name] = [row for row in rows[name] for _ in range(2)]
    frame = frame_of(rows, CALENDAR)
    keys = list(zip(frame["opportunity_id"].to_pylist(), frame["as_of"].to_pylist(), strict=True))
    assert len(keys) == len(set(keys))
    assert keys == sorted(keys)
    assert_same_bits(frame, frame_of(generate(7, deals=8), CALENDAR))


ALWAYS_KNOWN = {"deal_age_days"}


def test_a_deal_of_which_nothing_is_recorded_has_zeros_and_nulls_as_declared() -> None:
    row = frame_of(bare(), Calendar(day(7), WEEK_S)).to_pylist()[0]
    for feature in catalogue():
        if isinstance(feature.value, Learnt) or feature.name in ALWAYS_KNOWN:
            continue
        declared = {"count": 0, "flag": False, "number": None, "category": None}[feature.kind]
        assert row[feature.name] is declared or row[feature.name] == declared, feature.name
        if feature.kind == "number":
            assert "null" in feature.description, feature.name
        if feature.kind == "count":
            assert "zero" in feature.description or feature.name == "seller_open_deals", feature.name


def meeting(occurred: datetime, known: datetime, **more: Any) -> Rows:
    """A bare deal with one meeting."""
    activity = {"activity_id": "v1", "opportunity_id": "o1", "kind": "meeting", "occurred_at": occurred,
                "known_at": known}  # fmt: skip
    came = {"activity_id": "v1", "contact_id": "c1", **more}
    return bare() | {"activities": [activity], "activity_participants": [came]}


def daily(rows: Rows, name: str, until: float) -> list[Any]:
    """A feature at midnight of days 1, 2 … of the deal."""
    wanted = [feature for feature in catalogue() if feature.name == name]
    return list(frame_of(rows, Calendar(day(until), 86_400), wanted)[name].to_pylist())


def test_a_call_logged_late_is_invisible_until_it_was_logged() -> None:
    assert daily(meeting(day(1.5), day(3.5)), "meetings_held", 5) == [0, 0, 0, 1, 1]


def test_what_is_recorded_exactly_at_as_of_is_not_seen_yet() -> None:
    assert daily(meeting(day(2), day(2)), "activities_ever", 4) == [0, 0, 1, 1]


def test_a_meeting_in_the_diary_counts_as_booked_until_it_begins() -> None:
    rows = meeting(day(4), day(1))
    assert daily(rows, "meetings_booked", 6) == [0, 1, 1, 1, 0, 0]
    assert daily(rows, "next_meeting_booked", 6) == [False, True, True, True, False, False]
    assert daily(rows, "meetings_held", 6) == [0, 0, 0, 0, 1, 1]


def test_who_came_is_unknown_before_the_meeting() -> None:
    assert daily(meeting(day(3), day(1), attended=False), "no_shows_90d", 5) == [0, 0, 0, 1, 1]


def test_a_meeting_whose_time_nobody_noted_happened_when_it_was_recorded() -> None:
    rows = meeting(day(1), day(1))
    rows["activities"][0]["occurred_at"] = None
    assert daily(rows, "days_since_activity", 4) == [None, 1.0, 2.0, 3.0]
    rows["activities"].append(dict(rows["activities"][0], activity_id="v2", known_at=day(2)))
    rows["activity_participants"].append({"activity_id": "v2", "contact_id": "c1"})
    assert daily(rows, "stakeholders_engaged", 4) == [0, 1, 1, 1]


def test_a_window_of_thirty_days_still_holds_its_thirtieth_day() -> None:
    assert daily(meeting(day(1), day(1)), "activities_30d", 33)[-4:] == [1, 1, 0, 0]


def test_a_fraction_of_a_second_decides() -> None:
    half = timedelta(milliseconds=500)
    rows = meeting(day(2) + half, day(2) + half)
    wanted = [feature for feature in catalogue() if feature.name == "activities_ever"]
    early, exact, late = (
        frame_of(rows, Calendar(day(2) + fraction, WEEK_S), wanted)
        for fraction in (half - timedelta(microseconds=1), half, half + timedelta(microseconds=1))
    )
    assert [frame["activities_ever"].to_pylist()[-1] for frame in (early, exact, late)] == [0, 0, 1]
    assert late["as_of"].to_pylist()[-1] == day(2) + half + timedelta(microseconds=1)


@pytest.mark.slow
def test_the_session_time_zone_changes_no_bit() -> None:
    tables = memory_tables(generate(8, deals=6))
    features = features_at(tables, END)
    expected = frame_of(tables, CALENDAR, features)
    tables["accounts"].get_backend().raw_sql("SET TimeZone = 'Pacific/Auckland'")
    assert_same_bits(frame_of(tables, CALENDAR, features), expected)
