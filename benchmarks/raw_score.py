"""Raw records scored: one deal alone, and batches, through the compiled feature code of a published run.

    python benchmarks/raw_score.py WORKSPACE [--calls 200] [--batches 100 1000]

The records of the run's open deals are sent as a request would bring them (lists of plain rows). One deal:
p50 and p99 of so many calls, wall and CPU, with and without what stands beside a score; and at a later one
than the run's. Batches: milliseconds per deal; deals are repeated under new ids where there are too few. One
thread. `calibration` is a fixed loop of plain Python, to compare machines and how busy they were.
"""

import argparse
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from serving.live import HeldRun, hold
from serving.records import deal_records
from serving.score import score_records, scorer_of

Rows = dict[str, list[dict[str, Any]]]
KEYS = ("opportunity_id", "activity_id", "moment_id", "promise_id")


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("workspace", type=Path)
    asked.add_argument("--calls", type=int, default=200)
    asked.add_argument("--batches", type=int, nargs="*", default=[100, 1000])
    given = asked.parse_args()
    run = hold(given.workspace)
    ids = [str(one) for one in sorted(run.deals.ids)]
    deals = [rows_of(run, one) for one in ids]
    begun = time.perf_counter()
    scorer_of(run)
    print(
        f"{len(ids)} open deals, {np.mean([sum(map(len, one.values())) for one in deals]):.0f} rows each; "
        f"ready after {time.perf_counter() - begun:.1f} s; calibration {calibration():.0f} ms CPU"
    )
    later = run.as_of + timedelta(days=3)
    for words, ask in (
        ("one deal, score alone", lambda rows: score_records(run, rows, beside=False)),
        ("one deal, all beside it", lambda rows: score_records(run, rows)),
        ("one deal, score alone, later", lambda rows: score_records(run, rows, later, beside=False)),
    ):  # fmt: skip
        told(words, ask, deals, given.calls)
    for size in given.batches:
        rows = together(deals, size)
        begun, cpu = time.perf_counter(), time.thread_time()
        score_records(run, rows)
        wall, cpu = time.perf_counter() - begun, time.thread_time() - cpu
        print(f"{size} deals: {1000 * wall / size:.1f} ms a deal (CPU {1000 * cpu / size:.1f})")
    print(f"calibration {calibration():.0f} ms CPU")


def told(words: str, ask: Callable[[Rows], Any], deals: list[Rows], calls: int) -> None:
    """Print the p50 and p99 of calls over the deals in turn."""
    ask(deals[0])
    wall, cpu = [], []
    for _, rows in zip(range(calls), cycle(deals), strict=False):
        begun, used = time.perf_counter(), time.thread_time()
        ask(rows)
        wall.append(1000 * (time.perf_counter() - begun))
        cpu.append(1000 * (time.thread_time() - used))
    half, most = np.percentile(wall, [50, 99])
    half_cpu, most_cpu = np.percentile(cpu, [50, 99])
    print(
        f"{words}: p50 {half:.0f} ms, p99 {most:.0f} ms (CPU {half_cpu:.0f}, {most_cpu:.0f}), {calls} calls"
    )


def rows_of(run: HeldRun, deal: str) -> Rows:
    """The deal's records as a request brings them."""
    return {name: table.to_pylist() for name, table in deal_records(run, deal).items()}


def together(deals: list[Rows], size: int) -> Rows:
    """The rows of so many deals, repeated under new ids where there are too few."""
    found: Rows = {}
    for place, rows in zip(range(size), cycle(deals), strict=False):
        turn = place // len(deals)
        for name, table in rows.items():
            if name == "stages" and place:
                continue
            found.setdefault(name, []).extend(renamed(row, turn) for row in table)
    for name, key in (("accounts", "account_id"), ("contacts", "contact_id")):
        found[name] = list({row[key]: row for row in found[name]}.values())
    return found


def renamed(row: dict[str, Any], turn: int) -> dict[str, Any]:
    """The row of another deal like it."""
    return row | {key: f"{row[key]}-{turn}" for key in KEYS if turn and row.get(key) is not None}


def calibration() -> float:
    """Milliseconds of CPU of a fixed loop."""
    used = time.thread_time()
    sum(number * number for number in range(3_000_000))
    return 1000 * (time.thread_time() - used)


if __name__ == "__main__":
    main()
