"""How well P(won by a date) holds out of time, what learning it costs, and how fast deals get their curves.

    python benchmarks/close_timing.py --deals 3000
    python benchmarks/close_timing.py --source ../shared/data/bpic2012 --mapping bpic2012

Good: better than the curves by stage and age at every horizon judged; learning it adds less than 10 CPU
seconds to a run on 3,000 simulated deals; 100,000 deals get their curves in seconds. The win model is
trained without a search. The second baseline has the same win probability, so it judges timing alone.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.settings import load_settings
from data.simulator import simulate
from models.timing.close_timing import CloseTiming
from models.timing.judge import BASELINES
from models.timing.study import study_timing
from pipelines.auditing import GATE, audit_features
from pipelines.learning import Labelled, kept_features, label_and_split, train_model
from pipelines.progress import silent
from pipelines.run import new_job
from pipelines.steps import build_features, choose_instant, load_source
from serving.timing import KNOTS

SCORED = 100_000


def rows_of(source: Path, mapping: str, folder: Path) -> tuple[Labelled, Any]:
    """Labelled rows of the source, and the win model trained on them."""
    job = new_job(load_settings(None, workspace=folder, source=source, mapping=mapping, n_trials=0))
    load_source(job, silent)
    view = choose_instant(job, silent)
    built = build_features(job, view, silent)
    rows = label_and_split(job, view, built, silent)
    features = kept_features(built, audit_features(job, view, built, rows, GATE, silent))
    return rows, train_model(job, view, rows, features, silent)


def tell(found: dict[str, Any]) -> None:
    """A line per horizon: share won, what was expected, log-losses, and what is saved."""
    for part in found["horizons"]:
        if not part["judged"]:
            print(f"{part['weeks']:2} weeks: not judged, {part['reason']}")
            continue
        losses = "  ".join(f"{name} {one['log_loss']:.4f}" for name, one in part["metrics"].items())
        saved = "  ".join(
            f"{name} {one['difference']:+.4f} ({one['interval'][0]:+.4f} to {one['interval'][1]:+.4f})"
            for name, one in ((name, part["versus"][name]) for name in BASELINES)
        )
        low, high = part["observed_interval"]
        print(
            f"{part['weeks']:2} weeks: {part['rows']:,} snapshots from {part['from'][:10]}, "
            f"{part['won_deals']} deals won; share {part['observed']:.3f} ({low:.3f} to {high:.3f}), "
            f"expected {part['expected']['model']:.3f}, slope {part['metrics']['model']['slope']:.2f}\n"
            f"    log-loss: {losses}\n    saved against: {saved}"
        )
    print(found["note"])


def scoring_seconds(timing: CloseTiming, frame: pa.Table) -> float:
    """CPU seconds in which 100,000 deals get their curves."""
    many = frame.take(np.arange(SCORED) % frame.num_rows)
    started = time.process_time()
    timing.share_closed(many, np.array(KNOTS, dtype=np.float64))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deals", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--mapping", default="canonical")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = given.source
        if source is None:
            source = Path(folder) / "world"
            simulate(source, deals=given.deals, seed=given.seed)
        rows, model = rows_of(source, given.mapping, Path(folder) / "workspace")
    started = time.process_time()
    timing, found = study_timing(model, rows.frame, rows.labels, rows.split, seed=given.seed)
    cpu = time.process_time() - started
    print(f"{rows.frame.num_rows:,} snapshots; learning and judging {cpu:.1f} CPU s; {timing.basis} serves")
    print(f"{SCORED:,} deals get their curves in {scoring_seconds(timing, rows.frame):.1f} CPU s")
    tell(found)


if __name__ == "__main__":
    main()
