"""The whole forecast on every level: it agrees to the cent and keeps to what was known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.currency import Rates
from data.warehouse import memory_tables
from features.panel import Panel, consumption_panel
from models.consumption.forecast import PanelForecast
from models.consumption.hierarchy import Level, levels_of, min_trace, summed
from models.consumption.rollup import common_error, roll_up
from models.consumption.table import FORECAST_SCHEMA
from models.consumption.use import UseForecast, forecast_use

AS_OF = datetime(2025, 7, 10, tzinfo=UTC)
Row = dict[str, Any]
KEYS = {
    "total": [],
    "region": ["region"],
    "segment": ["segment"],
    "product": ["product"],
    "account": ["account_id"],
    "account_product": ["account_id", "product"],
}


def month(n: int) -> datetime:
    return datetime(2023 + n // 12, n % 12 + 1, 1, tzinfo=UTC)


def rows_of(accounts: int = 40, seed: int = 1) -> dict[str, list[Row]]:
    """Accounts with a contract and two products each, used monthly; two whose contract has no use yet."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Row]] = {"accounts": [], "contracts": [], "usage": []}
    for i in range(accounts + 2):
        one, start = f"a{i:03d}", int(rng.integers(0, 18)) if i < accounts else 30
        found["accounts"].append(
            {
                "account_id": one,
                "region": ("north", "south")[i % 2],
                "industry": ("bank", "steel", None)[i % 3],
                "created_at": month(0),
                "known_at": month(0),
            }
        )
        found["contracts"].append(
            {
                "contract_id": f"k{i:03d}",
                "account_id": one,
                "start_at": month(start),
                "end_at": month(start + 24),
                "billing": ("commit", "postpay", "prepaid")[i % 3],
                "committed_amount": 12_000.0,
                "currency": "EUR",
                "known_at": month(start) - timedelta(days=5),
            }
        )
        for n in range(start, 30 if i < accounts else start):
            for product, share in (("core", 1.0), ("extra", 0.4)):
                found["usage"].append(
                    {
                        "account_id": one,
                        "contract_id": f"k{i:03d}",
                        "product": product,
                        "usage_date": month(n),
                        "amount": round(float(500 * share * rng.gamma(20, 0.05)), 2),
                        "known_at": month(n + 1) + timedelta(days=1),
                    }
                )
    return found


def panel_of(rows: dict[str, list[Row]], as_of: datetime = AS_OF) -> Panel:
    tables = memory_tables(rows)
    return consumption_panel(
        tables, as_of, period="monthly", rates=Rates.read(tables, as_of), segment="industry"
    )


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return rows_of()


@pytest.fixture(scope="module")
def used(rows: dict[str, list[Row]]) -> UseForecast:
    return forecast_use(panel_of(rows), horizon=6, seed=1, overdue_days=90)


def cents(table: pa.Table, name: str) -> np.ndarray:
    values: Any = table[name].to_numpy()
    return np.asarray(np.round(values * 100)).astype(np.int64)


def test_every_level_agrees_with_the_total_to_the_cent(used: UseForecast) -> None:
    for name in ("mean", "drawdown", "overage", "postpay", "uncontracted", "after_term"):
        sums = []
        for level in KEYS:
            table = used.table.filter(pc.equal(used.table["level"], level))
            at = np.array(table["period_start"].to_pylist())
            sums.append([int(cents(table, name)[at == one].sum()) for one in sorted(set(at))])
        assert all(one == sums[0] for one in sums), name
        assert len(sums[0]) == 6


def test_the_parts_add_up_to_the_mean_to_the_cent(used: UseForecast) -> None:
    parts = sum(cents(used.table, name) for name in ("drawdown", "overage", "postpay", "uncontracted"))
    assert np.array_equal(parts, cents(used.table, "mean"))
    assert (cents(used.table, "after_term") <= cents(used.table, "mean")).all()


def test_the_table_has_its_columns_and_each_level_the_keys_that_tell_its_rows_apart(
    used: UseForecast,
) -> None:
    assert used.table.schema == FORECAST_SCHEMA
    for level, keys in KEYS.items():
        table = used.table.filter(pc.equal(used.table["level"], level)).to_pylist()
        told = {(*(row[name] for name in keys), row["period_start"]) for row in table}
        assert len(told) == len(table)
        if level in ("total", "region", "segment", "product"):
            assert all(row["account_id"] is None for row in table)
    assert {row["period_start"] for row in used.table.to_pylist()} == {month(n).date() for n in range(30, 36)}


def test_bounds_lie_around_the_mean_on_every_level_and_never_below_zero(used: UseForecast) -> None:
    low95, low80, mean, high80, high95 = (
        cents(used.table, name) for name in ("low95", "low80", "mean", "high80", "high95")
    )
    assert (low95 >= 0).all()
    for lower, upper in ((low95, low80), (low80, mean), (mean, high80), (high80, high95)):
        assert (lower <= upper).all()


def test_the_interval_of_the_total_is_narrower_than_the_sum_of_its_series(used: UseForecast) -> None:
    def width(level: str) -> int:
        table = used.table.filter(pc.equal(used.table["level"], level))
        return int((cents(table, "high80") - cents(table, "low80")).sum())

    assert 0 < width("total") < 0.6 * width("account_product")


def test_contracts_without_use_are_forecast_from_how_others_began(used: UseForecast) -> None:
    """The two begin in July; others used 700 a month (500 and 200) from their first month on."""
    table = used.table.filter(pc.equal(used.table["model"], "cohort"))
    assert sorted(set(table["account_id"].to_pylist())) == ["a040", "a041"]
    assert set(table["product"].to_pylist()) == {"core"}
    assert table["mean"].to_numpy().tolist() == pytest.approx([700.0] * 12, rel=0.1)
    assert used.about["contracts_without_use_not_forecast"] == 0


def test_the_forecast_is_near_what_each_account_uses(used: UseForecast) -> None:
    going = np.array([product == "core" for _, product in used.ids])
    assert used.mean[going][:, 0].mean() == pytest.approx(500, rel=0.1)
    assert used.relative_sd[going][:, 0].mean() == pytest.approx(0.22, abs=0.08)
    assert used.common_sd.shape == (6,)


def test_what_is_recorded_at_or_after_as_of_changes_no_byte(
    rows: dict[str, list[Row]], used: UseForecast
) -> None:
    late = {name: list(held) for name, held in rows.items()}
    late["usage"].append(rows["usage"][0] | {"amount": 1e9, "known_at": AS_OF})
    late["contracts"] = [
        row | {"outcome": "churned", "decided_at": AS_OF + timedelta(days=1)} for row in rows["contracts"]
    ]
    again = forecast_use(panel_of(late), horizon=6, seed=1, overdue_days=90)
    assert again.table.equals(used.table)


def test_without_use_there_is_an_empty_table(rows: dict[str, list[Row]]) -> None:
    made = forecast_use(panel_of({**rows, "usage": []}), horizon=3, seed=1, overdue_days=90)
    assert made.table.num_rows == 0
    assert made.table.schema == FORECAST_SCHEMA
    assert made.panel is None


def test_the_month_before_as_of_is_forecast_where_it_is_not_recorded_yet(rows: dict[str, list[Row]]) -> None:
    made = forecast_use(
        panel_of(rows, datetime(2025, 7, 1, 12, tzinfo=UTC)), horizon=2, seed=1, overdue_days=90
    )
    assert made.about["periods_not_complete_before_as_of"] == 1
    assert made.table["period_start"][0].as_py() == datetime(2025, 7, 1).date()  # noqa: DTZ001


def _forecast(used: UseForecast) -> PanelForecast:
    assert used.panel is not None
    return used.panel


def test_minimum_trace_moves_series_towards_a_surer_total_and_stays_above_zero() -> None:
    """Two series forecast at 10 each, a total known to be 30: each takes its share of the ten by variance."""
    total = Level("total", ("total",), np.zeros(2, dtype=np.int64))
    moved = min_trace(np.full((2, 1), 10.0), np.array([[30.0]]), [total], np.array([1e-4, 1.0, 3.0]))
    assert moved[:, 0].tolist() == pytest.approx([12.5, 17.5], rel=0.01)
    low = min_trace(np.array([[1.0], [10.0]]), np.array([[2.0]]), [total], np.array([1e-4, 1.0, 1.0]))
    assert (low >= 0).all()


def test_the_common_error_is_what_sums_miss_beyond_their_series(
    rows: dict[str, list[Row]], used: UseForecast
) -> None:
    """Errors of the world's series are their own: little is common. A shared shock of a fifth is found."""
    made, panel = _forecast(used), panel_of(rows)
    total = levels_of(panel.series)[0]
    assert common_error(made, total).relative.max() < 0.08
    shock = np.array([0.2, -0.2] * 4)[: len(made.past.origins), None, None]
    shifted = made.past_blend * (1 + shock)
    missed = PanelForecast(**{**vars(made), "past_blend": shifted})
    assert common_error(missed, total).relative[-1] == pytest.approx(0.2, abs=0.07)
    narrow, wide = roll_up(made, made.mean, [total])[0], roll_up(missed, made.mean, [total])[0]
    assert (wide.high[0.80] > narrow.high[0.80]).all()
    assert summed(total, made.mean).tolist() == wide.mean.tolist()
