"""How good the win model is out of time, beside what users would otherwise have.

Every figure is computed from the rows of one table, the test predictions, which is kept beside the
document: whoever doubts a figure can compute it again. The schema is models/evaluation.schema.json,
told in words in docs/evaluation.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import ModelContractError
from models.arrays import BoolArray, FloatArray, deal_codes, known_outcomes, micros, moment
from models.baselines import BASELINES, column_numbers, column_texts
from models.metrics import Resampling, log_loss_difference, score
from models.split import Split, Window

__all__ = [
    "EVALUATION_FILE",
    "PREDICTIONS_FILE",
    "Evaluation",
    "Sampled",
    "evaluate",
    "outcomes_of",
    "scores_of",
    "versus_of",
    "write_evaluation",
]

EVALUATION_FILE = "evaluation.json"
PREDICTIONS_FILE = "win_test_predictions.parquet"

_MODELS = {"win": "p_win", **{name: name for name in BASELINES}}
_SCORES = ("auc", "log_loss", "brier", "brier_skill", "ece", "slope", "intercept")
_AGE_EDGES = (0, 2, 7, 14, 30, 60, 90, 180, 365, np.inf)
_MIN_AGES = (2, 7, 30)
_DEALS_FOR_SKILL = 10
"""With fewer won, or fewer lost, test deals no skill is claimed, whatever the figures."""


@dataclass(frozen=True)
class Evaluation:
    """The test predictions and the document computed from them.

    predictions: opportunity_id, as_of, y, weight, p_win, then one column per baseline; one row per
    test snapshot of known outcome. document: what evaluation.json holds. subject: of a renewal model
    the predictions are by contract_id with account_id, its own in p_renew (see models.renewal.evaluation).
    """

    predictions: pa.Table
    document: dict[str, Any]
    subject: Literal["win", "renewal"] = "win"

    @property
    def claims_skill(self) -> bool:
        """True if the model beats the plain baselines by more than noise."""
        return bool(self.document["claims_skill"])

    @property
    def plain_baselines(self) -> str:
        """What it has to beat to claim skill, in words."""
        if self.subject == "win":
            return "base rate and stage probability"
        return "the base rate and the rate by days left, and is not behind the rate by segment and use"

    @property
    def case(self) -> str:
        """What is scored, in a word."""
        return "deal" if self.subject == "win" else "contract"

    @property
    def probabilities(self) -> FloatArray:
        """The model's own probabilities, one per test row."""
        return column_numbers(self.predictions, "p_win" if self.subject == "win" else "p_renew")

    @property
    def scores(self) -> dict[str, Any]:
        """The model's own scores and their intervals."""
        found: dict[str, Any] = self.document["metrics"][self.subject]
        return found

    @property
    def units(self) -> npt.NDArray[Any]:
        """What is drawn whole for intervals: the deal of each test row, or a contract's account."""
        if self.subject == "win":
            return deal_codes(self.predictions)
        return column_texts(self.predictions, "account_id").astype(str)


def evaluate(
    frame: pa.Table,
    labels: pa.Table,
    *,
    split: Split,
    weight: FloatArray,
    p_win: FloatArray,
    baselines: Mapping[str, FloatArray],
    model_version: str,
    replicates: int = 300,
    seed: int = 0,
) -> Evaluation:
    """Score the test rows of known outcome, out of time.

    frame, labels: a feature frame and its labels, row by row alike. weight, p_win, baselines: for the
    rows `split.test.known`, in their order; weights correct for censoring. Raises ModelContractError
    if lengths differ or a baseline is missing.
    """
    rows = np.flatnonzero(split.test.known)
    predictions = _predictions(labels.take(rows), weight, p_win, baselines)
    notes = list(_notes(predictions))
    sampled = _Sampled(replicates, seed)
    age = column_numbers(frame, "deal_age_days")[rows]
    metrics = {name: scores_of(predictions, _MODELS[name], sampled) for name in _MODELS}
    versus = {name: versus_of(predictions, "p_win", name, sampled) for name in BASELINES}
    skill = _skill(predictions, versus)
    document = {
        "schema_version": 1,
        "model_version": model_version,
        "as_of": _iso(split.as_of),
        "train": _part(labels, split.train),
        "calibration": _part(labels, split.calibration),
        "test": _part(labels, split.test),
        "claims_skill": skill,
        "headline": _headline(metrics, versus, skill),
        "metrics": metrics,
        "versus": versus,
        "per_deal": {name: scores_of(_once_per_deal(predictions), _MODELS[name], None) for name in _MODELS},
        "by_stage": list(_by_stage(predictions, column_texts(frame, "stage")[rows])),
        "by_age": list(_by_age(predictions, age)),
        "by_min_age_days": list(_by_min_age(predictions, age, sampled)),
        "bootstrap": {"unit": "opportunity_id", "replicates": replicates, "seed": seed, "level": 0.95},
        "notes": notes,
    }
    return Evaluation(predictions, document)


def write_evaluation(evaluation: Evaluation, run_dir: Path) -> tuple[Path, Path]:
    """Write the document and the predictions into run_dir; returns both paths."""
    run_dir.mkdir(parents=True, exist_ok=True)
    document, predictions = run_dir / EVALUATION_FILE, run_dir / PREDICTIONS_FILE
    pq.write_table(evaluation.predictions, predictions)
    document.write_bytes(orjson.dumps(evaluation.document, option=orjson.OPT_INDENT_2) + b"\n")
    return document, predictions


class Sampled(Protocol):
    """How to draw the independent units of any rows: deals, or accounts."""

    def of(self, predictions: pa.Table) -> Resampling:
        """The draws of these rows."""


@dataclass(frozen=True)
class _Sampled:
    """How to draw deals; the draws of the rows at hand are made from it."""

    replicates: int
    seed: int

    def of(self, predictions: pa.Table) -> Resampling:
        return Resampling.over(deal_codes(predictions), replicates=self.replicates, seed=self.seed)


def _predictions(
    labels: pa.Table, weight: FloatArray, p_win: FloatArray, baselines: Mapping[str, FloatArray]
) -> pa.Table:
    columns = {"weight": weight, "p_win": p_win, **{name: baselines.get(name) for name in BASELINES}}
    for name, values in columns.items():
        if values is None or len(values) != labels.num_rows:
            raise ModelContractError(
                f"Test predictions, column '{name}': expected {labels.num_rows} values, one per test row of "
                f"known outcome, found {'none' if values is None else len(values)}. Predict these rows."
            )
    y = pa.array(known_outcomes(labels).astype(np.int8))
    table = labels.select(["opportunity_id", "as_of"]).append_column("y", y)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(np.asarray(values), pa.float64()))
    return table


def _arrays(predictions: pa.Table, *names: str) -> list[FloatArray]:
    return [column_numbers(predictions, name) for name in names]


def scores_of(predictions: pa.Table, column: str, sampled: Sampled | None) -> dict[str, Any]:
    """The scores of a column's probabilities; all null where there is nothing to score, or one is not finite.

    predictions: y, weight, base_rate and the column. sampled: how to draw intervals, None for none.
    """
    y, weight, p, base = _arrays(predictions, "y", "weight", column, "base_rate")
    if not len(y) or weight.sum() <= 0 or not np.isfinite(p).all() or not np.isfinite(base).all():
        keys = [key for s in _SCORES for key in ((s, f"{s}_interval") if sampled else (s,))]
        return dict.fromkeys(keys)
    resampling = sampled.of(predictions) if sampled else None
    return score(y, p, weight, base_rate=base, resampling=resampling)


def versus_of(predictions: pa.Table, own: str, other: str, sampled: Sampled) -> dict[str, Any]:
    """The log-loss that the probabilities of one column save against another's; above 0, they are better."""
    y, weight, p, against = _arrays(predictions, "y", "weight", own, other)
    keys = ("log_loss_difference", "log_loss_difference_interval", "log_loss_difference_lower_bound")
    if not len(y) or weight.sum() <= 0 or not (np.isfinite(p).all() and np.isfinite(against).all()):
        return dict.fromkeys(keys)
    found = log_loss_difference(y, p, against, weight, sampled.of(predictions))
    return dict(zip(keys, (found["difference"], found["interval"], found["lower_bound"]), strict=True))


def outcomes_of(predictions: pa.Table) -> tuple[int, int]:
    """Deals won and lost, or contracts renewed and churned, among the rows."""
    cases, good = deal_codes(predictions), column_numbers(predictions, "y") > 0.5
    return len(np.unique(cases[good])), len(np.unique(cases[~good]))


def _skill(predictions: pa.Table, versus: dict[str, dict[str, Any]]) -> bool:
    bounds = [versus[name]["log_loss_difference_lower_bound"] for name in ("base_rate", "stage_probability")]
    enough = min(outcomes_of(predictions)) >= _DEALS_FOR_SKILL
    return enough and all(bound is not None and bound > 0 for bound in bounds)


def _notes(predictions: pa.Table) -> Iterator[str]:
    won, lost = outcomes_of(predictions)
    if not won + lost:
        yield "No test row has a known outcome: nothing could be scored."
    elif not won or not lost:
        yield f"All {won + lost} test deals were {'won' if won else 'lost'}: ranking cannot be judged."
    elif min(won, lost) < _DEALS_FOR_SKILL:
        yield (
            f"{won} won and {lost} lost test deals are too few to claim skill; "
            f"{_DEALS_FOR_SKILL} of each are needed."
        )
    for column in _MODELS.values():
        broken = int((~np.isfinite(column_numbers(predictions, column))).sum())
        if broken:
            yield f"{broken} values of '{column}' are not finite: it was not scored."


def _headline(metrics: dict[str, Any], versus: dict[str, Any], skill: bool) -> str:
    """The result in one sentence that promises nothing the figures do not hold."""
    win, gain = metrics["win"], versus["base_rate"]["log_loss_difference"]
    if win["log_loss"] is None:
        return "The model could not be scored out of time."
    against = metrics["base_rate"]["log_loss"]
    share = f"{abs(gain) / against:.1%}" if against else "0.0%"
    if skill:
        return (
            f"Out of time, the model's log-loss is {share} below that of the base rate, and it beats the "
            "stage probabilities too, by more than noise."
        )
    where = "below" if gain > 0 else "above"
    base = versus["base_rate"]["log_loss_difference_lower_bound"]
    if base is not None and base > 0:
        return (
            f"Out of time, the model's log-loss is {share} below that of the base rate, but no skill beyond "
            "the stage probabilities is shown."
        )
    return (
        f"No skill beyond the base rate is shown: out of time, the log-loss is {share} {where} that of "
        "giving every deal the base rate."
    )


def _part(labels: pa.Table, window: Window) -> dict[str, Any]:
    """First and last snapshot of the labelled rows, when labels were cut, and counts."""
    known = labels.filter(pa.array(window.known))
    at = micros(known["as_of"])
    deals, won = deal_codes(known), known_outcomes(known) == 1
    n_won = len(np.unique(deals[won]))
    n_deals = len(np.unique(deals))
    return {
        "as_of_min": _iso(moment(int(at.min()))) if len(at) else None,
        "as_of_max": _iso(moment(int(at.max()))) if len(at) else None,
        "label_max": _iso(window.end),
        "rows": known.num_rows,
        "deals": n_deals,
        "won": n_won,
        "lost": n_deals - n_won,
        "censored_rows": int((window.inside & ~window.known).sum()),
    }


def _once_per_deal(predictions: pa.Table) -> pa.Table:
    """The same rows, weighted so that each deal counts as much as another, however long it lived."""
    deals, weight = deal_codes(predictions), column_numbers(predictions, "weight")
    total = np.bincount(deals, weight)[deals] if len(deals) else weight
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return predictions.set_column(predictions.column_names.index("weight"), "weight", pa.array(share))


def _slice(predictions: pa.Table, chosen: BoolArray) -> dict[str, Any]:
    part = predictions.filter(pa.array(chosen))
    y, weight, p = _arrays(part, "y", "weight", "p_win")
    whole = weight.sum() > 0
    scores = {name: scores_of(part, _MODELS[name], None) for name in _MODELS}
    return {
        "rows": part.num_rows,
        "deals": len(np.unique(deal_codes(part))),
        "won_share": float(np.average(y, weights=weight)) if whole else None,
        "mean_p": float(np.average(p, weights=weight)) if whole and np.isfinite(p).all() else None,
        "auc": scores["win"]["auc"],
        "log_loss": scores["win"]["log_loss"],
        "baseline_log_loss": {name: scores[name]["log_loss"] for name in BASELINES},
    }


def _by_stage(predictions: pa.Table, stage: Any) -> Iterator[dict[str, Any]]:
    """One slice per stage, the most frequent first."""
    levels, counts = np.unique(stage.astype(str), return_counts=True)
    for level in levels[np.lexsort((levels, -counts))]:
        yield {"stage": str(level), **_slice(predictions, np.asarray(stage == level, dtype=np.bool_))}


def _by_age(predictions: pa.Table, age: FloatArray) -> Iterator[dict[str, Any]]:
    """One slice per span of deal age that has rows; ages in days, the upper end excluded."""
    for low, high in pairwise(_AGE_EDGES):
        chosen = (age >= low) & (age < high)
        if chosen.any():
            ends = {"age_from_days": low, "age_to_days": None if high == np.inf else high}
            yield {**ends, **_slice(predictions, chosen)}


def _by_min_age(predictions: pa.Table, age: FloatArray, sampled: _Sampled) -> Iterator[dict[str, Any]]:
    """All metrics with intervals for deals of at least so many days: where quick decisions are over."""
    for least in _MIN_AGES:
        part = predictions.filter(pa.array(age >= least))
        if part.num_rows:
            yield {
                "min_age_days": least,
                "rows": part.num_rows,
                "deals": len(np.unique(deal_codes(part))),
                "metrics": {name: scores_of(part, _MODELS[name], sampled) for name in _MODELS},
            }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
