"""Do 80 % intervals cover 80 %? Simulated worlds, each replayed at past origins with what was known there.

    python benchmarks/forecast_coverage.py --deals 1500 --seeds 101 102 103 104

Every world is another seed, loaded and backtested by the product's own steps. Cells of one world share what
happened in it, so the intervals draw whole worlds. Nothing here is tuned on: the shocks that a forecast
reckons with come from its own origin's test window. With --keep the rows stay, for a look at what went wrong.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from data.extract import extract
from data.settings import load_settings
from data.simulator import simulate
from models.backtest.metrics import score_cells, wape
from pipelines.backtest import ROWS_FILE, backtest_part
from pipelines.backtest_plan import Plan

PARTS = ("open_deals", "not_yet_created", "bookings", "renewals", "consumption")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, default=1500)
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104])
    parser.add_argument("--origins", type=int, default=6)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    tables = []
    for seed in asked.seeds:
        tables.append(world_rows(asked, seed))
        if asked.keep:
            pq.write_table(pa.concat_tables(tables), asked.keep)
    rows = pa.concat_tables(tables)
    print(f"{len(asked.seeds)} worlds of {asked.deals} deals, {asked.origins} origins, six months ahead")
    print(
        "| part | level | period | cells | 80 % covers (95 % interval) | WAPE | bias | best baseline WAPE |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for part in PARTS:
        for level in ("total", "region", "segment"):
            for kind in ("month", "quarter", "horizon"):
                print_cells(rows, part, level, kind)


def world_rows(asked: argparse.Namespace, seed: int) -> pa.Table:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        source, workspace = Path(folder) / "source", Path(folder) / "workspace"
        simulate(source, deals=asked.deals, seed=seed, years=asked.years)
        workspace.mkdir()
        settings = load_settings(workspace=workspace, source=source, signals="off", n_trials=0, draws=2000)
        extract(source=source, mapping="canonical", workspace=workspace, max_reject_share=0.01, signals="off")
        done = backtest_part(settings, Console(quiet=True), Plan(origins=asked.origins))
        rows = pq.read_table(done.job.run_dir / ROWS_FILE)
    print(f"seed {seed}: {rows.num_rows:,} rows in {time.perf_counter() - began:.0f} s", flush=True)
    return rows.append_column("world", pa.array(np.full(rows.num_rows, seed)))


def print_cells(rows: pa.Table, part: str, level: str, kind: str) -> None:
    wanted = (pc.field("part") == part) & (pc.field("level") == level) & (pc.field("period_kind") == kind)
    cells = rows.filter(wanted)
    ours = cells.filter(pc.field("model") == "dealcast")
    if not ours.num_rows:
        return
    actual, mean, low, high = (ours[name].to_numpy() for name in ("actual", "mean", "p10", "p90"))
    quantiles = {"p10": low, "p50": ours["p50"].to_numpy(), "p90": high}
    scored = score_cells(actual, mean, quantiles, ours["p_none"].to_numpy(), ours["world"].to_numpy())
    ends = scored["coverage_interval"]
    interval = f" ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})" if ends else ""
    rivals = {
        name: wape(of["actual"].to_numpy(), of["mean"].to_numpy())
        for name in sorted(set(cells["model"].to_pylist()) - {"dealcast"})
        for of in [cells.filter(pc.field("model") == name)]
    }
    best = min(rivals, key=lambda name: rivals[name], default=None)
    said = f"{best.replace('_', ' ')} {rivals[best]:.2f}" if best else "–"
    print(
        f"| {part} | {level} | {kind} | {actual.size:,} | {100 * scored['coverage']:.0f} %{interval} | "
        f"{100 * scored['evened_coverage']:.0f} % | {scored['wape']:.2f} | {scored['bias']:+.2f} | {said} |"
    )


if __name__ == "__main__":
    main()
