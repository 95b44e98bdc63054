"""A copy of a deal after a step has the features that the engine gives once the step is recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.context import context_of
from features.snapshots import Calendar
from features.steps import feasible_steps
from features.steps_deal import Standing, Step
from features.steps_rows import BEFORE, joined_group, merged_rows, met, moment, named
from features.steps_state import people_of
from features.steps_variants import Variant, VariantFeatures, moved_by_steps
from pipelines.records import record_tables
from serving.records import RECORDS, records_file
from tests.features.worlds import END, Rows, bare, day, frame_of, generate

AT = END - BEFORE
WEEK_S = 7 * 86_400
LOAD = ("sponsor_open_deals", "sponsor_meetings_30d")


def prepared(rows: Rows) -> VariantFeatures:
    tables = memory_tables(rows)
    deals = frame_of(tables, Calendar(END, WEEK_S), [])
    ids = [row["opportunity_id"] for row in deals.to_pylist() if row["as_of"] == END]
    made = record_tables(tables, END, ids)
    con = tables["opportunities"].get_backend()
    work = context_of(con, tables, END, ()).work
    return VariantFeatures(catalogue(), {name: made[records_file(name)] for name in RECORDS}, work, END)


def engine(rows: Rows) -> dict[str, dict[str, Any]]:
    """The features of the deals open at the end, by deal, from the whole history."""
    frame = frame_of(rows, Calendar(END, WEEK_S), moved_by_steps(catalogue()))
    return {row.pop("opportunity_id"): row for row in frame.to_pylist() if row.pop("as_of") == END}


def with_rows(rows: Rows, deal: str, steps: Sequence[Step], account: str | None = None) -> Rows:
    """The history with the steps' rows written into it."""
    grown = {table: list(held) for table, held in rows.items()}
    for place, step in enumerate(steps):
        for table, added in named(step.rows, deal, account, f"{deal}-step{place}-").items():
            grown.setdefault(table, []).extend(added)
    return grown


def step(rows: Mapping[str, Any]) -> Step:
    return Step("by hand", "By hand", "", (), frozenset(), rows)


@pytest.fixture(scope="module")
def history() -> Rows:
    return generate(5, deals=14)


@pytest.fixture(scope="module")
def measured(history: Rows) -> VariantFeatures:
    return prepared(history)


@pytest.mark.slow
def test_a_copy_without_a_step_has_the_deals_own_features(history: Rows, measured: VariantFeatures) -> None:
    known = engine(history)
    frame = measured.frame([Variant(deal, ()) for deal in known])
    assert frame.to_pylist() == list(known.values())


@pytest.mark.slow
def test_a_copy_after_a_step_has_what_the_engine_gives_once_it_is_recorded(
    history: Rows, measured: VariantFeatures
) -> None:
    """Each deal takes another step, and all are recorded in one history; what sponsors carry is tested apart,
    since their other deals then take steps too."""
    deals = list(engine(history))
    tables = memory_tables(history)
    people = people_of(tables, END, deals)
    taken: dict[str, Step] = {}
    for place, deal in enumerate(deals):
        missing = {"role": "legal", "engaged": False, "expected_share": 0.5, "alike": "won deals"}
        values = {"days_since_two_way": 20.0, "offline_share": 0.0, "promised_feature_dependence": 0.5}
        offered = feasible_steps(Standing(END, people.get(deal, ()), values, roles=[missing]))
        taken[deal] = offered[place % len(offered)]
    assert len({one.id.split(":")[0] for one in taken.values()}) >= 5
    grown = history
    for deal, one in taken.items():
        grown = with_rows(grown, deal, [one])
    after = engine(grown)
    frame = measured.frame([Variant(deal, (one,)) for deal, one in taken.items()])
    for deal, row in zip(taken, frame.to_pylist(), strict=True):
        told = {name: value for name, value in after[deal].items() if name not in LOAD}
        assert {name: row[name] for name in told} == told, (deal, taken[deal].id)


def deal(key: str) -> dict[str, Any]:
    return {"opportunity_id": key, "account_id": "a1", "owner_id": "u1", "created_at": day(0)}


@pytest.fixture(scope="module")
def two_deals() -> Rows:
    """A champion of two deals, who sat in a meeting of each lately."""
    return bare() | {
        "opportunities": [deal("o1"), deal("o2")],
        "contacts": [{"contact_id": "c1", "known_at": day(0)}],
        "opportunity_contacts": [
            {"opportunity_id": key, "contact_id": "c1", "buying_role": "champion", "known_at": day(1)}
            for key in ("o1", "o2")
        ],
        "activities": [
            {"activity_id": f"v-{key}", "opportunity_id": key, "kind": "meeting", "occurred_at": day(160)}
            for key in ("o1", "o2")
        ],
        "activity_participants": [
            {"activity_id": f"v-{key}", "contact_id": "c1", "attended": True} for key in ("o1", "o2")
        ],
    }


@pytest.fixture(scope="module")
def of_two(two_deals: Rows) -> VariantFeatures:
    return prepared(two_deals)


def test_copies_do_not_count_one_another(of_two: VariantFeatures) -> None:
    once = step(met(["c1"], AT, "meeting"))
    frame = of_two.frame(
        [Variant("o1", ()), Variant("o1", (once,)), Variant("o2", (once,)), Variant("o1", (once, once))]
    )
    # the champion's two meetings, and those that the copy itself adds; two deals throughout
    assert frame["sponsor_meetings_30d"].to_pylist() == [2.0, 3.0, 3.0, 4.0]
    assert frame["sponsor_open_deals"].to_pylist() == [2.0, 2.0, 2.0, 2.0]
    assert frame["meetings_held"].to_pylist() == [1, 2, 2, 3]


def test_a_meeting_with_a_new_economic_buyer_moves_what_a_seller_expects(of_two: VariantFeatures) -> None:
    buyer = joined_group("new", "economic_buyer", AT, seniority="c_level")
    rows = merged_rows(buyer, met(["new", "c1"], AT, "meeting"), moment("sponsor_backing", AT, contact="new"))
    (row,) = of_two.frame([Variant("o1", (step(rows),))]).to_pylist()
    expected = {
        "economic_buyer_touches": 1, "economic_buyer_engaged": True, "champion_touches": 2,
        "stakeholders_known": 2, "stakeholders_engaged": 2, "is_single_threaded": False,
        "attendance_latest_meeting": 2.0, "highest_seniority": 5.0, "colleagues_brought": 1,
        "sponsor_backing_evidence": 1, "has_senior_backing": True, "days_since_two_way": 1 / 86_400,
        "veto_exposure": 0, "next_meeting_booked": False,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_a_meeting_booked_ahead_counts_as_booked_and_as_nothing_else(of_two: VariantFeatures) -> None:
    before, after = of_two.frame(
        [Variant("o1", ()), Variant("o1", (step(met(["c1"], AT, "meeting", ahead=True)),))]
    ).to_pylist()  # fmt: skip
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {"next_meeting_booked", "meetings_booked"}


@pytest.mark.slow
def test_rows_recorded_at_or_after_as_of_move_no_copy(two_deals: Rows, of_two: VariantFeatures) -> None:
    later = {table: list(rows) for table, rows in two_deals.items()}
    later["activities"].append(
        {"activity_id": "late", "opportunity_id": "o1", "kind": "meeting", "occurred_at": day(160),
         "known_at": END}
    )  # fmt: skip
    later["activity_participants"].append({"activity_id": "late", "contact_id": "c1", "attended": True})
    later["opportunity_contacts"].append(
        {"opportunity_id": "o1", "contact_id": "c2", "buying_role": "blocker", "known_at": END}
    )
    variants = [Variant("o1", (step(met(["c1"], AT, "call")),)), Variant("o2", ())]
    assert prepared(later).frame(variants).equals(of_two.frame(variants))


def test_many_copies_are_measured_part_by_part_in_the_order_given(
    of_two: VariantFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = [
        Variant(key, (step(met(["c1"], AT, "call")),) * n)
        for n, key in enumerate(("o2", "o1", "o1", "o2", "o1"))
    ]
    whole = of_two.frame(variants)
    monkeypatch.setattr("features.steps_variants._AT_ONCE", 4)
    assert of_two.frame(variants).equals(whole)
    assert whole["activities_ever"].to_pylist() == [1, 2, 3, 4, 5]


def test_what_the_customer_the_seller_and_own_fields_say_is_moved_by_no_step() -> None:
    moved = {feature.name for feature in moved_by_steps(catalogue())}
    assert {"economic_buyer_touches", "questions_agreed", "promises_open", "sponsor_open_deals"} <= moved
    still = {"seller_win_rate", "account_wins", "employees", "stage", "amount", "close_date_pushes",
             "seller_role_completeness", "consumption_growth", "expected_roles_missing"}  # fmt: skip
    assert not moved & still
