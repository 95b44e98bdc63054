"""Which deals are looked at when; chosen snapshots equal the calendar's; who owned the deal then."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import ibis
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.snapshots import (
    Calendar,
    calendar_step_days,
    deal_snapshots,
    default_as_of,
    snapshots_from_keys,
)
from tests.features.worlds import DAY, END, Rows, bare, day, features_at, frame_of, generate

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def deal(key: str, created: float, closed: float | None = None, **more: Any) -> dict[str, Any]:
    ends = None if closed is None else day(closed)
    outcome = more.pop("outcome", None if closed is None else "won")
    return {"opportunity_id": key, "account_id": "a1", "created_at": day(created), "closed_at": ends,
            "outcome": outcome} | more  # fmt: skip


def days_of(rows: Rows, as_of: float, step: int = 1) -> dict[str, list[float]]:
    """The days at which each deal has a snapshot."""
    tables = memory_tables(rows)
    calendar = Calendar(day(as_of), step * 86_400)
    spine = deal_snapshots(tables, calendar).table.order_by("opportunity_id", "slot").to_pyarrow().to_pylist()
    out: dict[str, list[float]] = {}
    for row in spine:
        instant = calendar.instant(row["slot"])
        assert calendar.slot_of(instant) == row["slot"]
        out.setdefault(row["opportunity_id"], []).append((instant - day(0)) / DAY)
    return out


def test_a_deal_is_looked_at_after_its_creation_up_to_the_instant_of_its_close() -> None:
    rows = {"opportunities": [
        deal("closed_at_as_of", 1, 3), deal("closed_between", 1.5, 2.5), deal("open", 3),
        deal("unborn", 5), deal("expected", 3, 4, outcome=None), deal("brief", 2.2, 2.4),
    ]}  # fmt: skip
    assert days_of(rows, 5) == {
        "closed_at_as_of": [2, 3],
        "closed_between": [2],
        "open": [4, 5],
        "expected": [4, 5],
    }


def test_the_calendar_is_anchored_at_as_of_and_steps_back_from_it() -> None:
    assert days_of({"opportunities": [deal("o1", 0)]}, 16, step=7) == {"o1": [2, 9, 16]}


def test_as_of_stands_just_after_the_newest_time_known_and_expected_dates_do_not_count() -> None:
    rows = bare() | {
        "activities": [
            {"activity_id": "v1", "opportunity_id": "o1", "occurred_at": day(90), "known_at": day(5)},
        ],
        "promises": [{"promise_id": "p1", "opportunity_id": "o1", "feature": "sso", "event": "promised",
                      "due_at": day(80), "occurred_at": day(4), "known_at": day(4)}],
    }  # fmt: skip
    rows["opportunities"] += [deal("o2", 0, 70, outcome=None), deal("o3", 0, 9999)]
    assert default_as_of(memory_tables(rows), NOW) == day(5) + DAY / 86_400
    rows["opportunities"].append(deal("o4", 0, 6.5))
    assert default_as_of(memory_tables(rows), NOW) == day(6.5) + DAY / 86_400


def test_a_row_dated_ahead_does_not_carry_as_of_into_the_future() -> None:
    rows: Rows = {
        "opportunities": [deal("o1", 2)],
        "usage": [{"account_id": "a1", "usage_date": day(3), "known_at": day(3)}],
        "exchange_rates": [{"from_currency": "USD", "to_currency": "EUR", "rate": 0.9, "known_at": day(9)}],
    }
    assert default_as_of(memory_tables(rows), day(5)) == day(3) + DAY / 86_400
    assert default_as_of(memory_tables(rows), day(9)) == day(9) + DAY / 86_400


def test_as_of_is_now_where_nothing_is_known() -> None:
    assert default_as_of(memory_tables({}), NOW) == NOW


@pytest.mark.parametrize(("lived", "step"), [((27, 27.9, 90), 1), ((28, 28, 3), 7), ((), 7)])
def test_the_step_is_a_day_where_the_median_deal_lived_under_four_weeks(
    lived: tuple[float, ...], step: int
) -> None:
    deals = [deal(f"o{i}", 0, days) for i, days in enumerate(lived)]
    deals += [deal("open", 0), deal("later", 110, 111), deal("later_too", 110, 112)]
    assert calendar_step_days(memory_tables({"opportunities": deals}), day(100)) == step


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_chosen_snapshots_with_gaps_equal_the_calendars_own(step: int) -> None:
    tables = memory_tables(generate(21, deals=8))
    calendar = Calendar(END, step * 86_400)
    features = features_at(tables, END)
    full = frame_of(tables, calendar, features)
    chosen = sorted(Random(1).sample(range(full.num_rows), full.num_rows // 3))
    some = full.take(chosen)
    slots = pa.array([calendar.slot_of(instant) for instant in some["as_of"].to_pylist()], pa.int64())
    keys = ibis.memtable(pa.table({"opportunity_id": some["opportunity_id"], "slot": slots}))
    found = frame_of(tables, calendar, features, lambda t: snapshots_from_keys(t, keys, calendar))
    assert found.equals(some)


def test_the_owner_is_the_one_of_then() -> None:
    rows: Rows = {
        "opportunities": [
            deal("moved", 0, owner_id="bea"), deal("anns", 0, 2, owner_id="ann"),
            deal("beas", 0, 3, owner_id="bea"),
        ],
        "opportunity_changes": [
            {"opportunity_id": "moved", "field": "owner", "new_value": "ann", "changed_at": day(0)},
            {"opportunity_id": "moved", "field": "owner", "new_value": "bea", "changed_at": day(4)},
        ],
    }  # fmt: skip
    names = ("seller_deals_closed", "seller_open_deals")
    wanted = [feature for feature in catalogue() if feature.name in names]
    frame = frame_of(rows, Calendar(day(6), 86_400), wanted).to_pylist()
    moved = [tuple(row[name] for name in names) for row in frame if row["opportunity_id"] == "moved"]
    assert moved == [(0, 2), (0, 2), (1, 1), (1, 1), (1, 1), (1, 1)]
