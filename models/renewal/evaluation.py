"""How good the renewal model is out of time, beside what users would otherwise have.

Every figure is computed from the rows of one table, the test predictions, which is kept beside the document.
Intervals come from draws of whole accounts, since contracts of one account are alike.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from models.arrays import BoolArray, FloatArray, deal_codes, known_outcomes, micros, moment
from models.baselines import Baselines, column_numbers
from models.censoring import window_weights
from models.evaluation import Evaluation, outcomes_of, scores_of, versus_of
from models.metrics import Resampling
from models.renewal.baselines import PLAIN_RATES, RENEWAL_BASELINES
from models.renewal.model import RenewalModel
from models.renewal.ratio_evaluation import score_ratio
from models.renewal.split import AccountSplit
from models.split import Window

__all__ = [
    "RENEWAL_EVALUATION_FILE",
    "RENEWAL_PREDICTIONS_FILE",
    "evaluate_renewal",
    "write_renewal_evaluation",
]

RENEWAL_EVALUATION_FILE = "renewal_evaluation.json"
RENEWAL_PREDICTIONS_FILE = "renewal_test_predictions.parquet"

_MODELS = {"renewal": "p_renew", **{name: name for name in RENEWAL_BASELINES}}
_RATES = {
    "base_rate": "the base rate",
    "horizon_rate": "the rate by days left",
    "segment_rate": "the rate by segment and use",
}
_HORIZONS = (180, 120, 90, 60, 30)
_NEAR_DAYS = 10
_CONTRACTS_FOR_SKILL = 10
"""With fewer renewed, or fewer churned, test contracts no skill is claimed, whatever the figures."""


def evaluate_renewal(
    frame: pa.Table,
    rows: AccountSplit,
    *,
    model: RenewalModel,
    baselines: Baselines,
    replicates: int = 300,
    seed: int = 0,
) -> Evaluation:
    """Score the test rows of known outcome, out of time and on accounts that were never learnt from.

    frame: row for row like rows.labels. predictions of the result: contract_id, as_of, account_id, days_left,
    y, weight (it corrects for censoring and for rows left out of other windows), p_renew, one column per
    baseline; ratio (renewed ÷ committed, 0 where churned, null where unknown), the model's mean, low and
    high of that, and its median, low and high if renewed.
    """
    labels, split = rows.labels, rows.split
    predictions = _predictions(frame, rows, model, baselines)
    drawn = _Draws(replicates, seed)
    metrics = {name: scores_of(predictions, _MODELS[name], drawn) for name in _MODELS}
    versus = {name: versus_of(predictions, "p_renew", name, drawn) for name in RENEWAL_BASELINES}
    skill = min(outcomes_of(predictions)) >= _CONTRACTS_FOR_SKILL and not _unbeaten(versus)
    document = {
        "schema_version": 1,
        "subject": "renewal",
        "model_version": model.version,
        "as_of": _iso(split.as_of),
        "train": _part(labels, split.train),
        "calibration": _part(labels, split.calibration),
        "test": _part(labels, split.test),
        "accounts_in_several_windows": rows.moved,
        "claims_skill": skill,
        "headline": _headline(metrics, versus, skill),
        "metrics": metrics,
        "versus": versus,
        "by_horizon": list(_by_horizon(predictions, drawn)),
        "ratio": score_ratio(predictions, model.ratio, drawn.of(predictions)),
        "baselines": dict(baselines.notes),
        "bootstrap": {"unit": "account_id", "replicates": replicates, "seed": seed, "level": 0.95},
        "notes": list(_notes(predictions)),
    }
    return Evaluation(predictions, document, subject="renewal")


def write_renewal_evaluation(evaluation: Evaluation, run_dir: Path) -> tuple[Path, Path]:
    """Write the document and the predictions into run_dir; returns both paths."""
    run_dir.mkdir(parents=True, exist_ok=True)
    document, predictions = run_dir / RENEWAL_EVALUATION_FILE, run_dir / RENEWAL_PREDICTIONS_FILE
    pq.write_table(evaluation.predictions, predictions)
    document.write_bytes(orjson.dumps(evaluation.document, option=orjson.OPT_INDENT_2) + b"\n")
    return document, predictions


class _Draws:
    """How accounts are drawn, for any rows."""

    def __init__(self, replicates: int, seed: int) -> None:
        self.replicates, self.seed = replicates, seed

    def of(self, predictions: pa.Table) -> Resampling:
        accounts = np.array(predictions["account_id"].to_pylist(), dtype=np.str_)
        return Resampling.over(accounts, replicates=self.replicates, seed=self.seed)


def _predictions(frame: pa.Table, rows: AccountSplit, model: RenewalModel, baselines: Baselines) -> pa.Table:
    test = rows.split.test.known
    seen, labels = frame.filter(pa.array(test)), rows.labels.filter(pa.array(test))
    y = known_outcomes(labels)
    ratio = np.where(y == 0, 0.0, column_numbers(labels, "ratio"))
    mean, low, high = model.expected_ratio(seen)
    _, low_if, high_if = model.ratio_if_renewed(seen)
    columns = {
        "weight": window_weights(rows.labels, rows.split.test)[test],
        "p_renew": model.p_renew(seen),
        **baselines.predict(seen),
        "expected_ratio": mean,
        "ratio_low": low,
        "ratio_high": high,
        "median_if_renewed": model.median_if_renewed(seen),
        "low_if_renewed": low_if,
        "high_if_renewed": high_if,
    }
    table = labels.select(["contract_id", "as_of", "account_id", "days_left"])
    table = table.append_column("y", pa.array(y.astype(np.int8)))
    table = table.append_column("ratio", pa.array(ratio, mask=np.isnan(ratio)))
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.float64()))
    return table


def _by_horizon(predictions: pa.Table, drawn: _Draws) -> Iterator[dict[str, Any]]:
    """All scores for the snapshots near each distance from the term's end, the farthest first."""
    left = column_numbers(predictions, "days_left")
    for days in _HORIZONS:
        part = predictions.filter(pa.array(np.abs(left - days) <= _NEAR_DAYS))
        if part.num_rows:
            yield {
                "days_left": days,
                "rows": part.num_rows,
                **dict(zip(("renewed", "churned"), outcomes_of(part), strict=True)),
                **_means(part),
                "metrics": {name: scores_of(part, _MODELS[name], drawn) for name in _MODELS},
                "versus_base_rate": versus_of(part, "p_renew", "base_rate", drawn),
            }


def _means(part: pa.Table) -> dict[str, float]:
    y, weight, p = (column_numbers(part, name) for name in ("y", "weight", "p_renew"))
    return {
        "renewed_share": float(np.average(y, weights=weight)),
        "mean_p": float(np.average(p, weights=weight)),
    }


def _notes(predictions: pa.Table) -> Iterator[str]:
    renewed, churned = outcomes_of(predictions)
    if not renewed + churned:
        yield "No test row has a known outcome: nothing could be scored."
    elif min(renewed, churned) < _CONTRACTS_FOR_SKILL:
        yield (
            f"{renewed} renewed and {churned} churned test contracts are too few to claim skill; "
            f"{_CONTRACTS_FOR_SKILL} of each are needed."
        )


def _unbeaten(versus: dict[str, dict[str, Any]]) -> list[str]:
    """The rates that the model does not beat: by more than noise, the rate by segment and use at all.

    That rate is a small model of use itself; not to be behind it is enough to serve, since what would serve
    instead is the base rate.
    """
    key = dict.fromkeys(PLAIN_RATES, "log_loss_difference_lower_bound")
    key["segment_rate"] = "log_loss_difference"
    return [name for name in PLAIN_RATES if not (versus[name][key[name]] or 0.0) > 0]


def _headline(metrics: dict[str, Any], versus: dict[str, Any], skill: bool) -> str:
    """The result in one sentence that promises nothing the figures do not hold."""
    own, gain = metrics["renewal"], versus["base_rate"]["log_loss_difference"]
    if own["log_loss"] is None:
        return "The renewal model could not be scored out of time."
    against = metrics["base_rate"]["log_loss"]
    share = f"{abs(gain) / against:.1%}" if against else "0.0%"
    clearly = (versus["segment_rate"]["log_loss_difference_lower_bound"] or 0.0) > 0
    if skill and clearly:
        return (
            f"Out of time, the renewal model's log-loss is {share} below that of the base rate, and it beats "
            "the rates by days left and by segment and use too, by more than noise."
        )
    if skill:
        return (
            f"Out of time, the renewal model's log-loss is {share} below that of the base rate, and it beats "
            "the rate by days left too, by more than noise; against the rate by segment and use it is ahead, "
            "but within noise."
        )
    unbeaten = [_RATES[name] for name in _unbeaten(versus)]
    if unbeaten and _RATES["base_rate"] not in unbeaten:
        return (
            f"Out of time, the renewal model's log-loss is {share} below that of the base rate, but no skill "
            f"beyond {' and '.join(unbeaten)} is shown."
        )
    if not unbeaten:
        return (
            f"Out of time, the renewal model's log-loss is {share} below that of the base rate, on too few "
            "contracts to claim skill."
        )
    where = "below" if gain > 0 else "above"
    return (
        f"No skill beyond the base rate is shown: out of time, the renewal model's log-loss is {share} "
        f"{where} that of giving every contract the base rate."
    )


def _part(labels: pa.Table, window: Window) -> dict[str, Any]:
    """First and last snapshot of the labelled rows, when labels were cut, and counts."""
    known = labels.filter(pa.array(window.known))
    at: FloatArray | Any = micros(known["as_of"])
    contracts, renewed = deal_codes(known), known_outcomes(known) == 1
    n, n_renewed = (len(np.unique(found)) for found in (contracts, contracts[renewed]))
    return {
        "as_of_min": _iso(moment(int(at.min()))) if len(at) else None,
        "as_of_max": _iso(moment(int(at.max()))) if len(at) else None,
        "label_max": _iso(window.end),
        "rows": known.num_rows,
        "contracts": n,
        "accounts": len(set(known["account_id"].to_pylist())),
        "renewed": n_renewed,
        "churned": n - n_renewed,
        "censored_rows": _count(window.inside & ~window.known),
    }


def _count(rows: BoolArray) -> int:
    return int(rows.sum())


def _iso(at: Any) -> str:
    return str(at.isoformat()).replace("+00:00", "Z")
