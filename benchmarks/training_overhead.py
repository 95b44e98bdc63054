"""What training costs around LightGBM: our path against lightgbm.train alone, in one run.

    python benchmarks/training_overhead.py --deals 3000 --runs 5

Both use the same matrix, parameters and rounds; the search is left out of both. Ours also weights,
encodes, calibrates and describes. Runs take turns; medians of CPU and wall seconds, one thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import lightgbm as lgb
import pyarrow as pa
from made_deals import make_deals

from models.arrays import known_outcomes
from models.boosting import Shape, fixed_params
from models.censoring import window_weights
from models.encoding import Encoder
from models.search import Found
from models.training import fit_win

SEED = 7


def timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deals", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    deals = make_deals(given.deals, 1)
    y, rows, shape = known_outcomes(deals.labels), deals.split.train.known, Shape()
    weight = window_weights(deals.labels, deals.split.train, deal_power=0.0)
    encoder = Encoder.fit(deals.frame, y, rows=rows, weight=weight, features=deals.features)
    X = encoder.transform(deals.frame.filter(pa.array(rows)))

    def alone() -> None:
        params = fixed_params(SEED) | shape.as_dict()
        data = lgb.Dataset(X, label=y[rows], weight=weight[rows], params=params)
        lgb.train(params, data, num_boost_round=given.rounds)

    def ours() -> None:
        found = Found(shape, given.rounds, ())
        fit_win(
            deals.frame, deals.labels, deals.split, deals.features, found=found, deal_power=0.0, seed=SEED
        )

    times: dict[str, list[tuple[float, float]]] = {"alone": [], "ours": []}
    for _ in range(given.runs):
        times["alone"].append(timed(alone))
        times["ours"].append(timed(ours))
    print(
        f"{X.shape[0]:,} training rows of {deals.frame.num_rows:,}, {X.shape[1]} features, "
        f"{given.rounds} rounds"
    )
    median = {name: [statistics.median(t[i] for t in taken) for i in (0, 1)] for name, taken in times.items()}
    for name, (cpu, wall) in median.items():
        print(f"{name:6} CPU {cpu:7.2f} s   wall {wall:7.2f} s")
    ratios = [median["ours"][i] / median["alone"][i] for i in (0, 1)]
    print(f"ratio  CPU {ratios[0]:7.3f}     wall {ratios[1]:7.3f}")


if __name__ == "__main__":
    main()
