"""Time and memory of reading signals from activity texts: `python -m benchmarks.text_signals [activities]`.

Notes of about 300 characters are put together from small talk; every fifth holds a sentence of the
simulator's that tells something. Written once as Parquet, then read by `derive_signals` on two threads.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.signals import derive_signals, load_lexicon
from data.signals.tables import create_text_tables, signal_counts
from data.simulator.phrases import NEUTRAL, PHRASES

SMALL_TALK = (
    *NEUTRAL,
    "Spent most of the hour on the calendar and on who travels where in which week.",
    "The room was full and the projector did what it wanted, as ever.",
    "Wolfgang showed us round the new hall and explained how the shifts work.",
    "We compared notes on the trade fair and on the weather in Porto.",
    "Action items went round by mail the same evening, with names behind each.",
    "She will be out of office until the 14th and asked us to copy her deputy.",
    "The interface to their warehouse software needs another look by somebody technical.",
    "They have a new office on the third floor, so the visitor badges took a while.",
    "A few points on licences were left open and will be picked up in the next call.",
)


def notes(n: int, seed: int = 1) -> list[str]:
    """n notes, a fifth of them with a sentence that tells something."""
    rng = np.random.default_rng(seed)
    talk = np.array(SMALL_TALK)
    told = [
        one.replace("{due}", "by Q3").replace("{}", "audit trail")
        for kind in PHRASES.values()
        for one in kind
    ]
    texts = []
    for row in rng.integers(0, len(talk), (n, 5)):
        sentences = list(talk[row])
        if rng.random() < 0.2:
            sentences[rng.integers(0, 5)] = told[rng.integers(0, len(told))]
        texts.append(" ".join(sentences))
    return texts


def write(folder: Path, n: int) -> Path:
    """The notes as activities of 100 each to a deal."""
    texts = notes(n)
    print(f"{n:,} activities of {sum(map(len, texts)) / n:.0f} characters")
    at = pa.array(np.full(n, np.datetime64("2026-01-15T00:00:00", "us")), pa.timestamp("us", "UTC"))
    file = folder / "activities.parquet"
    deals = pa.array([f"D{i // 100}" for i in range(n)])
    rows = {"activity_id": pa.array([f"A{i}" for i in range(n)]), "opportunity_id": deals, "body": texts}
    pq.write_table(pa.table({**rows, "occurred_at": at, "known_at": at}), file)
    return file


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "w.duckdb")) as con:
        file = write(Path(folder), n)
        con.execute("SET TimeZone = 'UTC'; SET threads = 2; SET memory_limit = '3GB'")
        con.execute(
            f"CREATE TABLE activities AS SELECT activity_id, opportunity_id, occurred_at, known_at, "
            f"NULL::VARCHAR AS subject, body FROM '{file}'"
        )
        none = "opportunity_id VARCHAR, occurred_at TIMESTAMPTZ, known_at TIMESTAMPTZ"
        con.execute(
            f"CREATE TABLE moments (kind VARCHAR, {none}); CREATE TABLE promises (event VARCHAR, {none})"
        )
        create_text_tables(con)
        wall, cpu = time.perf_counter(), time.process_time()
        derive_signals(con, load_lexicon(None))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"wall {wall:.1f} s, CPU {cpu:.1f} s, peak memory of the process {peak:.2f} GB")
        print(f"{sum(signal_counts(con).values()):,} signals: {signal_counts(con)}")


if __name__ == "__main__":
    main()
