"""The frontier of out-of-time log-loss against the price of an exact explanation, by shape of trees.

    python benchmarks/model_shape.py --deals 3000
    python benchmarks/model_shape.py --frame frame.parquet --labels labels.parquet

Every shape gets its rounds from early stopping within the train window, is fitted again on all of it,
calibrated on the next window and judged on the last. One thread; CPU seconds.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from made_deals import Deals, make_deals, read_deals

from models.arrays import deal_codes, known_outcomes
from models.boosting import Shape, fit_booster, fit_with_early_stopping, fixed_params
from models.calibration import fit_calibration, sigmoid
from models.censoring import window_weights
from models.encoding import Encoder
from models.metrics import log_loss
from models.split import Window, inner_split

SEED = 7
EXPLAINED_ROWS = 2_000
SHAPES = {
    "31 leaves, free, native categories": (Shape(num_leaves=31, max_depth=-1), True),
    "31 leaves, free": (Shape(num_leaves=31, max_depth=-1), False),
    "31 leaves, depth 6": (Shape(num_leaves=31, max_depth=6), False),
    "15 leaves, depth 6": (Shape(num_leaves=15, max_depth=6), False),
    "15 leaves, depth 5": (Shape(num_leaves=15, max_depth=5), False),
    "15 leaves, depth 5, native categories": (Shape(num_leaves=15, max_depth=5), True),
    "15 leaves, depth 4": (Shape(num_leaves=15, max_depth=4), False),
    "8 leaves, depth 4": (Shape(num_leaves=8, max_depth=4), False),
    "8 leaves, depth 3": (Shape(num_leaves=8, max_depth=3), False),
    "4 leaves, depth 2": (Shape(num_leaves=4, max_depth=2), False),
}


@dataclass(frozen=True)
class Point:
    rounds: int
    log_loss: float
    fit_s: float
    explain_ms: float


def measure(deals: Deals, shape: Shape, native: bool, deal_power: float) -> Point:
    y = known_outcomes(deals.labels)
    inner = inner_split(deals.labels, deals.split)
    if inner is None:
        raise SystemExit("Too few deals to validate on; give more deals.")

    def binned(window: Window, encoder: Encoder, like: lgb.Dataset | None = None) -> lgb.Dataset:
        rows = window.known
        weight = window_weights(deals.labels, window, deal_power=0.0 if like else deal_power)[rows]
        codes = [i for i, column in enumerate(encoder.columns) if column.kind == "category"] if native else []
        return lgb.Dataset(
            encoder.transform(deals.frame.filter(pa.array(rows))),
            label=y[rows],
            weight=weight,
            reference=like,
            categorical_feature=codes,
            params=fixed_params(SEED),
        ).construct()

    def fitted(window: Window) -> Encoder:
        weight = window_weights(deals.labels, window, deal_power=deal_power)
        return Encoder.fit(deals.frame, y, rows=window.known, weight=weight, features=deals.features)

    encoder = fitted(inner[0])
    fit_rows = binned(inner[0], encoder)
    rounds, _ = fit_with_early_stopping(fit_rows, binned(inner[1], encoder, fit_rows), shape, seed=SEED)
    encoder = fitted(deals.split.train)
    began = time.process_time()
    booster = fit_booster(binned(deals.split.train, encoder), shape, rounds=rounds, seed=SEED)
    fit_s = time.process_time() - began

    def scored(window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        X = encoder.transform(deals.frame.filter(pa.array(window.known)))
        weight = window_weights(deals.labels, window)[window.known]
        return booster.predict(X, raw_score=True, num_threads=1), y[window.known], weight

    z, won, weight = scored(deals.split.calibration)
    n_deals = np.unique(deal_codes(deals.labels)[deals.split.calibration.known]).size
    line = fit_calibration(z, won, weight, n_deals=n_deals)
    z, won, weight = scored(deals.split.test)
    rows = encoder.transform(deals.frame.slice(0, EXPLAINED_ROWS))
    began = time.process_time()
    booster.predict(rows, pred_contrib=True, num_threads=1)
    explain_ms = 1_000 * (time.process_time() - began) / len(rows)
    return Point(rounds, log_loss(won, sigmoid(line.apply(z)), weight), fit_s, explain_ms)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deals", type=int, default=3000, help="how many deals to generate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frame", type=Path, help="a feature frame (Parquet) instead of generated deals")
    parser.add_argument("--labels", type=Path, help="its label frame (Parquet)")
    parser.add_argument("--step-days", type=float, default=7.0)
    parser.add_argument("--deal-power", type=float, default=0.0)
    given = parser.parse_args()
    if given.frame:
        deals = read_deals(given.frame, given.labels, given.step_days)
    else:
        deals = make_deals(given.deals, given.seed)
    print(
        f"{deals.frame.num_rows:,} rows, {len(deals.features)} features; "
        f"{deals.split.test.known.sum():,} rows to test on"
    )
    print(
        f"{'shape':40} {'rounds':>6} {'log-loss':>9} {'vs free':>8} {'fit s':>7} {'ms/row':>7} {'faster':>7}"
    )
    free: Point | None = None
    for name, (shape, native) in SHAPES.items():
        point = measure(deals, shape, native, given.deal_power)
        free = free or point
        print(
            f"{name:40} {point.rounds:6d} {point.log_loss:9.5f} {point.log_loss / free.log_loss - 1:+8.2%} "
            f"{point.fit_s:7.2f} {point.explain_ms:7.3f} {free.explain_ms / point.explain_ms:6.1f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
