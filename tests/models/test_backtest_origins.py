"""Where a backtest stands."""

from datetime import UTC, datetime

import pytest

from data.errors import UsageError
from features.snapshots import DAY, Calendar
from models.backtest.origins import choose_origins, origin_slots

CALENDAR = Calendar(datetime(2026, 1, 5, tzinfo=UTC), 7 * DAY)


def test_origins_are_the_first_instants_of_months_whose_whole_horizon_has_passed() -> None:
    origins = choose_origins(CALENDAR, count=3, every=1, horizon=6)
    assert [f"{origin:%Y-%m-%d}" for origin in origins] == ["2025-05-05", "2025-06-02", "2025-07-07"]


def test_origins_lie_on_the_calendar_and_apart_as_asked() -> None:
    origins = choose_origins(CALENDAR, count=2, every=3, horizon=3)
    assert [f"{origin:%Y-%m}" for origin in origins] == ["2025-07", "2025-10"]
    assert [CALENDAR.instant(slot) for slot in origin_slots(CALENDAR, origins)] == list(origins)


def test_no_origin_lies_before_the_first_one_allowed() -> None:
    first = datetime(2025, 6, 1, tzinfo=UTC)
    assert len(choose_origins(CALENDAR, count=6, every=1, horizon=6, first=first)) == 2
    with pytest.raises(UsageError, match="shorter --horizon"):
        choose_origins(CALENDAR, count=6, every=1, horizon=6, first=datetime(2025, 9, 1, tzinfo=UTC))
