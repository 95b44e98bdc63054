"""Regret of renewal probabilities on simulated worlds: `python -m benchmarks.renewal_regret [worlds] [deals]`

The simulator knows each contract's true probability of renewal. Regret is the expected log-loss under it,
less that of the truth itself, on the test rows of `models.renewal.account_split` (out of time, on accounts
never learnt from), weighted as the evaluation weighs them: no luck of single outcomes is in it. Shown per
world for the model and its baselines; each world is split three times, with other lots of accounts. Beside
it, how much nearer the ratio of renewed to committed amount comes than 1 for every contract, and the share
within its 80 % interval. Good is: less regret than every baseline, in the mean over worlds.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.settings import Settings
from data.simulator import simulate
from data.warehouse import open_warehouse
from features.origin import ORIGIN_FEATURES, contract_origins
from models.arrays import FloatArray, known_outcomes
from models.censoring import window_weights
from models.renewal import (
    AccountSplit,
    account_split,
    evaluate_renewal,
    fit_renewal_baselines,
    renewal_labels,
    train_renewal,
)
from models.renewal.baselines import RENEWAL_BASELINES
from pipelines.progress import silent
from pipelines.renewing import RenewalsBuilt, build_renewals
from pipelines.run import new_job
from pipelines.steps import View, build_features, choose_instant, load_source

LOTS = (0, 1, 2)


def world(folder: Path, deals: int, seed: int) -> tuple[View, RenewalsBuilt, pa.Table, pa.Table]:
    """The view, the frame of renewals, their labels and the truth of a simulated world."""
    simulate(folder / "source", deals=deals, seed=seed)
    job = new_job(Settings(source=folder / "source", workspace=folder / "workspace", signals="off"))
    load_source(job, silent)
    view = choose_instant(job, silent)
    found = build_features(job, view, silent, only=frozenset(ORIGIN_FEATURES))
    frame = pa.concat_tables([found.past, found.open])
    with open_warehouse(job.workspace) as warehouse:
        origins = contract_origins(frame, warehouse.tables(view.as_of), view.as_of)
    built = build_renewals(job, view, origins, silent)
    if built is None:
        raise SystemExit("No contract was decided in this world; simulate more deals.")
    with open_warehouse(job.workspace) as warehouse:
        labels = renewal_labels(warehouse.tables(view.as_of)["contracts"], built.past, view.as_of)
    return view, built, labels, pq.read_table(folder / "source-truth" / "contract_truth.parquet")


def regrets(built: RenewalsBuilt, rows: AccountSplit, truth: pa.Table) -> dict[str, float]:
    """Regret by way, in nats, and figures of the ratio."""
    model = train_renewal(built.past, rows, built.features, seed=7, n_trials=0)
    windows = (rows.split.train, rows.split.calibration)
    fitted = windows[0].known | windows[1].known
    weight = sum(window_weights(rows.labels, one) for one in windows)
    baselines = fit_renewal_baselines(
        built.past.filter(pa.array(fitted)),
        known_outcomes(rows.labels)[fitted],
        weight=np.asarray(weight)[fitted],
        features=built.features,
    )
    evaluation = evaluate_renewal(built.past, rows, model=model, baselines=baselines)
    found = evaluation.predictions
    place = pc.index_in(found["contract_id"], value_set=truth["contract_id"].combine_chunks())
    p_true, counted = truth["p_renew"].take(place).to_numpy(), found["weight"].to_numpy()

    def expected(p: FloatArray) -> float:
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return float(np.average(-(p_true * np.log(p) + (1 - p_true) * np.log1p(-p)), weights=counted))

    best = expected(p_true)
    ways = {"model": "p_renew", **{name: name for name in RENEWAL_BASELINES}}
    told = {way: expected(found[column].to_numpy()) - best for way, column in ways.items()}
    ratio = evaluation.document["ratio"]["if_renewed"]
    return told | {
        "ratio_saved_against_1": ratio["saved_against_one"]["value"],
        "ratio_within_80": ratio["within_interval"]["value"],
    }


def main(worlds: int = 4, deals: int = 4000) -> None:
    """Print the regrets of each world and their means."""
    shown: list[dict[str, float]] = []
    for seed in range(21, 21 + worlds):
        with tempfile.TemporaryDirectory() as folder:
            view, built, labels, truth = world(Path(folder), deals, seed)
        for lot in LOTS:
            rows = account_split(labels, as_of=view.as_of, step_days=view.step_days, seed=lot)
            shown.append(regrets(built, rows, truth))
            figures = "  ".join(f"{name} {value:.4f}" for name, value in shown[-1].items())
            train, test = rows.split.train.known.sum(), rows.split.test.known.sum()
            print(f"world {seed}, lots {lot}, {train} training and {test} test rows: {figures}", flush=True)
    means = {name: float(np.mean([one[name] for one in shown])) for name in shown[0]}
    print("mean: " + "  ".join(f"{name} {value:.4f}" for name, value in means.items()))
    print(f"of the base rate's regret the model captures {1 - means['model'] / means['base_rate']:.0%}")


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:3]))
