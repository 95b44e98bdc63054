"""What a forecast says of itself before anybody reads a figure."""

from datetime import UTC, datetime

from data.warehouse import memory_tables
from pipelines.forecasting import _long_after

NEWEST = datetime(2026, 1, 4, tzinfo=UTC)
TABLES = memory_tables({"accounts": [{"account_id": "A", "created_at": NEWEST, "known_at": NEWEST}]})


def test_a_forecast_long_after_the_newest_row_says_so() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert _long_after(TABLES, datetime(2026, 2, 1, tzinfo=UTC), now) == ()
    (told,) = _long_after(TABLES, datetime(2026, 7, 1, tzinfo=UTC), now)
    assert "the newest row is of 2026-01-04, 177 days before 2026-07-01" in told
