"""Consumption forecasts on real data: the blend beats the seasonal-naive forecast, and intervals hold."""

from pathlib import Path

import pytest

from benchmarks.consumption_real import clients, customers, measure

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not beside this checkout"),
]


def test_customers_of_a_wholesaler_are_forecast_better_than_by_their_last_month() -> None:
    """Under a year of history: the seasonal-naive forecast is the last month."""
    found = measure(customers(SHARED), (8, 9)).groupby("forecast").mean(numeric_only=True)
    blend, naive = found.loc["blend"], found.loc["seasonal_naive"]
    assert blend["wape"] < 0.95 * naive["wape"]
    assert blend["mase"] < 1.02 * naive["mase"]
    assert 0.70 <= blend["cover80"] <= 0.90
    assert 0.88 <= blend["cover95"] <= 0.99


def test_electricity_clients_are_forecast_better_than_by_the_year_before() -> None:
    found = measure(clients(SHARED), (108, 132)).groupby("forecast").mean(numeric_only=True)
    blend, naive = found.loc["blend"], found.loc["seasonal_naive"]
    assert blend["wape"] < naive["wape"]
    assert blend["mase"] < 0.9 * naive["mase"]
    assert 0.70 <= blend["cover80"] <= 0.92
    assert 0.88 <= blend["cover95"] <= 0.99
