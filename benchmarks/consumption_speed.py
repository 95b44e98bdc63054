"""Time and memory of a consumption forecast: fit, intervals and reconciliation on every level.

    python -m benchmarks.consumption_speed [bottom_up|min_trace]

1,000 accounts x 3 products x 36 months, made here: seasonal, with zeros, two fifths younger than the rest.
Good: under 90 seconds on two cores.
"""

import resource
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from data.currency import Rates
from data.warehouse import memory_tables
from features.panel import consumption_panel
from models.consumption.use import forecast_use

ACCOUNTS, PRODUCTS, MONTHS = 1000, ("core", "analytics", "integration"), 36


def made_tables(seed: int) -> dict[str, pa.Table]:
    """Accounts, a contract each, and monthly use of every product."""
    rng = np.random.default_rng(seed)
    starts = [datetime(2023 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(MONTHS + 1)]
    ids = [f"a{i:05d}" for i in range(ACCOUNTS)]
    first = np.where(rng.random(ACCOUNTS) < 0.4, rng.integers(0, MONTHS - 2, ACCOUNTS), 0)
    accounts = {
        "account_id": ids, "region": [f"r{i % 5}" for i in range(ACCOUNTS)],
        "industry": [f"s{i % 8}" for i in range(ACCOUNTS)], "known_at": [starts[0]] * ACCOUNTS,
    }  # fmt: skip
    contracts = {
        "contract_id": [f"k{i:05d}" for i in range(ACCOUNTS)], "account_id": ids,
        "start_at": [starts[n] for n in first], "end_at": [starts[n] + timedelta(days=1460) for n in first],
        "billing": [("commit", "postpay", "prepaid")[i % 3] for i in range(ACCOUNTS)],
        "committed_amount": [50_000.0] * ACCOUNTS, "currency": ["EUR"] * ACCOUNTS,
        "known_at": [starts[n] for n in first],
    }  # fmt: skip
    rows: dict[str, list[object]] = {
        name: [] for name in ("account_id", "contract_id", "product", "usage_date", "amount", "known_at")
    }
    for i in range(ACCOUNTS):
        for product in PRODUCTS:
            level, idle = rng.lognormal(6, 1.2), rng.beta(1, 8)
            for n in range(first[i], MONTHS):
                swing = 1 + 0.15 * np.sin(2 * np.pi * n / 12)
                amount = level * swing * rng.gamma(8, 1 / 8) * (rng.random() > idle)
                values = (ids[i], f"k{i:05d}", product, starts[n], round(float(amount), 2), starts[n + 1])
                for name, value in zip(rows, values, strict=True):
                    rows[name].append(value)
    return {name: pa.table(table) for name, table in
            (("accounts", accounts), ("contracts", contracts), ("usage", rows))}  # fmt: skip


if __name__ == "__main__":
    how = "min_trace" if sys.argv[1:] == ["min_trace"] else "bottom_up"
    tables = memory_tables(made_tables(1))
    as_of = datetime(2026, 1, 3, tzinfo=UTC)
    wall, cpu = time.perf_counter(), time.process_time()
    panel = consumption_panel(
        tables, as_of, period="monthly", rates=Rates.read(tables, as_of), segment="industry"
    )
    read = time.perf_counter() - wall
    used = forecast_use(panel, horizon=12, seed=7, overdue_days=90, reconciliation=how)  # type: ignore[arg-type]
    print(
        f"{panel.series.num_rows} series, {panel.amounts.num_rows} months, {used.table.num_rows} rows, {how}"
    )
    whole = time.perf_counter() - wall
    print(f"panel {read:.1f} s; all {whole:.1f} s wall, {time.process_time() - cpu:.1f} s CPU")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
