"""Features of rows recorded before an instant, looked at later: nothing of what came in between."""

from datetime import timedelta

import ibis
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.assemble import feature_frame
from features.cut import tables_before
from features.families.custom import custom_fields
from features.snapshots import Calendar, snapshots_from_keys
from tests.features.test_laws import CUT, assert_same_bits, poisoned, truncated
from tests.features.worlds import DAY, day, features_at, generate

LATER = CUT + 7 * DAY


def at_both(tables, features, deals):
    """The features at the cut and a week later."""
    calendar = Calendar(LATER, int((LATER - CUT).total_seconds()))
    slots = [calendar.last_slot - 1, calendar.last_slot]
    keys = pa.table(
        {
            "opportunity_id": [one for one in deals for _ in slots],
            "slot": pa.array(slots * len(deals), pa.int64()),
        }
    )
    con = tables["opportunities"]._find_backend()
    return feature_frame(con, tables, snapshots_from_keys(tables, ibis.memtable(keys), calendar), features)


def open_at(rows, instant):
    def is_over(deal):
        return bool(deal.get("outcome") and deal["closed_at"] and deal["closed_at"] < instant)

    deals = [one for one in rows["opportunities"] if one["created_at"] < CUT and not is_over(one)]
    return sorted(one["opportunity_id"] for one in deals)


@pytest.mark.slow
def test_rows_cut_in_the_engine_are_those_cut_by_hand_and_poison_in_between_moves_no_bit():
    rows = generate(3, deals=15)
    deals = open_at(rows, LATER)
    assert deals
    features = features_at(memory_tables(rows), CUT)
    by_hand = memory_tables(ahead_unheld(truncated(rows, CUT)))
    expected = at_both(by_hand, features, deals)
    assert_same_bits(at_both(tables_before(memory_tables(rows), CUT), features, deals), expected)
    bitter = memory_tables(poisoned(rows, CUT, 3))
    assert_same_bits(at_both(tables_before(bitter, CUT), features, deals), expected)
    instants = expected["as_of"].to_pylist()
    ages = expected["deal_age_days"].to_pylist()
    assert instants[:2] == [CUT, LATER]
    assert ages[1] - ages[0] == pytest.approx(7)


def ahead_unheld(rows):
    """Who came to meetings that lie ahead of the cut is not known yet."""
    ahead = {
        one["activity_id"] for one in rows["activities"] if one["occurred_at"] and one["occurred_at"] >= CUT
    }
    for person in rows["activity_participants"]:
        if person["activity_id"] in ahead:
            person["attended"] = None
    return rows


def meeting(known, occurred, attended):
    return {
        "accounts": [{"account_id": "a", "created_at": day(0)}],
        "contacts": [{"contact_id": "c", "account_id": "a", "known_at": day(0)}],
        "opportunities": [{"opportunity_id": "d", "account_id": "a", "created_at": day(1)}],
        "activities": [
            {"activity_id": "v", "opportunity_id": "d", "kind": "meeting", "occurred_at": occurred,
             "known_at": known}
        ],
        "activity_participants": [{"activity_id": "v", "contact_id": "c", "attended": attended}],
    }  # fmt: skip


def looked_at(rows, names):
    tables = memory_tables(rows)
    features = [one for one in features_at(tables, CUT) if one.name in names]
    frame = at_both(tables_before(tables, CUT, deals=["d"]), features, ["d"])
    return {name: frame[name].to_pylist() for name in names}


NAMES = ("meetings_held", "next_meeting_booked", "no_shows_90d", "deal_age_days", "stakeholders_engaged")


def test_a_meeting_booked_before_takes_place_by_the_clock_and_nobody_knows_yet_who_stayed_away():
    found = looked_at(meeting(CUT - DAY, CUT + 3 * DAY, attended=False), NAMES)
    assert found["next_meeting_booked"] == [True, False]
    assert found["meetings_held"] == [0, 1]
    assert found["no_shows_90d"] == [0, 0]
    assert found["stakeholders_engaged"] == [0, 1]


def test_a_meeting_recorded_at_the_cut_is_not_there_a_week_later():
    found = looked_at(meeting(CUT, CUT - DAY, attended=True), NAMES)
    assert found["meetings_held"] == [0, 0]
    age = (CUT - day(1)) / timedelta(days=1)
    assert found["deal_age_days"] == [age, age + 7]


def test_a_deal_that_was_scored_stays_though_it_is_now_recorded_as_created_later():
    rows = meeting(CUT - DAY, CUT - DAY, attended=True)
    rows["opportunities"][0]["created_at"] = CUT + DAY
    assert looked_at(rows, NAMES)["meetings_held"] == [1, 1]


def test_own_fields_keep_their_values():
    rows = meeting(CUT - DAY, CUT - DAY, attended=True)
    rows["opportunities"][0]["x_tier"] = "gold"
    tables = tables_before(memory_tables(rows), CUT)
    assert custom_fields(tables, LATER) == custom_fields(memory_tables(rows), LATER)
