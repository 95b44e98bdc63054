"""How long a simulated forecast takes, and how much memory: `python -m benchmarks.forecast_speed`.

A made book of 20,000 open deals (5 regions, 8 segments, 60 owners), 12 months, 10,000 draws; then the same
with deals to come, 4,000 contracts and 12,000 series of consumption; then scenarios. Each case runs in a
process of its own, so that its peak memory is its own. Prints wall and CPU seconds and peak memory.
"""

import argparse
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np

from models.arrays import DAY_US, to_micros
from models.forecast.arrivals import new_business
from models.forecast.book import Book, Consumption, OpenDeals, Renewals, no_consumption, no_renewals
from models.forecast.groups import Group, grouped
from models.forecast.months import Months
from models.forecast.scenario import (
    Change,
    Churned,
    DealLost,
    DealMoved,
    DealWon,
    PriceChange,
    UsageGrowth,
    scenario,
)
from models.forecast.simulate import simulate

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
SCENARIOS: dict[str, list[Change]] = {
    "a deal won, one lost, one moved": [DealWon("d3"), DealLost("d4"), DealMoved("d5", days=40)],
    "a price for all": [PriceChange(1.1)],
    "a price for one region of five": [PriceChange(1.1, "region", "k1")],
    "use of one segment of eight grows": [UsageGrowth(1.2, "segment", "k1")],
    "a contract churns": [Churned("c3")],
}


def made_book(n: int, *, every_part: bool) -> Book:
    rng, months = np.random.default_rng(0), Months(AS_OF, 12)

    def group(keys: int, rows: int) -> Group:
        return grouped([f"k{key}" for key in rng.integers(0, keys, rows)])

    share = 1 - np.exp(-months.end_days / rng.gamma(2, 60, n)[:, None])
    deals = OpenDeals(
        tuple(f"d{i}" for i in range(n)),
        rng.normal(-1, 1.2, n),
        share,
        np.round(np.exp(rng.normal(10, 1, n)), 2),
        {"region": group(5, n), "segment": group(8, n), "owner": group(60, n)},
    )
    if not every_part:
        return Book(months, "EUR", deals, None, no_renewals(), no_consumption(months))
    c = n // 5
    contracts = Renewals(
        tuple(f"c{i}" for i in range(c)), rng.normal(1, 1, c), rng.integers(0, 15, c),
        np.exp(rng.normal(10, 1, c)), np.full(c, 1.02), np.full(c, 0.2),
        {"region": group(5, c), "segment": group(8, c)},
    )  # fmt: skip
    s = 3 * c
    series = Consumption(
        np.exp(rng.normal(6, 1, (s, 12))), np.full((s, 12), 0.3), np.repeat(np.arange(c), 3),
        np.tile((np.arange(12) >= 6).astype(float), (s, 1)),
        {"region": group(5, s), "segment": group(8, s), "product": group(3, s)},
    )  # fmt: skip
    created = to_micros(AS_OF) - (rng.random(n) * 900 * DAY_US).astype(np.int64) - 1
    closed = created + (rng.gamma(2, 45, n) * DAY_US).astype(np.int64)
    won, amount = (rng.random(n) < 0.3).astype(float), np.exp(rng.normal(10, 1, n))
    keys = {"region": group(5, n).named(), "segment": group(8, n).named()}
    new = new_business(created, closed, won, amount, keys, AS_OF)
    return Book(months, "EUR", deals, new, contracts, series)


def run_case(case: str, deals: int, draws: int) -> None:
    book = made_book(deals, every_part=case != "open deals")
    wall, cpu = time.perf_counter(), time.process_time()
    drawn = simulate(book, draws=draws, seed=1)
    _say(f"{case}: simulate", wall, cpu)
    wall, cpu = time.perf_counter(), time.process_time()
    rows = len(drawn.figures()["part"])
    _say(f"{case}: summary of {rows} rows", wall, cpu)
    if case != "open deals":
        for name, changes in SCENARIOS.items():
            wall, cpu = time.perf_counter(), time.process_time()
            scenario(book, drawn, changes)
            _say(name, wall, cpu)


def _say(what: str, wall: float, cpu: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"| {what} | {time.perf_counter() - wall:.2f} | {time.process_time() - cpu:.2f} | {peak:.2f} |",
        flush=True,
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--deals", type=int, default=20_000)
    asked.add_argument("--draws", type=int, default=10_000)
    asked.add_argument("--case", choices=["open deals", "every part"])
    given = asked.parse_args()
    if given.case:
        run_case(given.case, given.deals, given.draws)
        return
    print("| what | wall s | CPU s | peak GB |\n|---|---|---|---|", flush=True)
    for case in ("open deals", "every part"):
        sizes = ["--deals", str(given.deals), "--draws", str(given.draws)]
        subprocess.run(
            [sys.executable, "-m", "benchmarks.forecast_speed", "--case", case, *sizes], check=True
        )


if __name__ == "__main__":
    main()
