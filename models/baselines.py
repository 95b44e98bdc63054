"""What users would otherwise have: four plain ways to a win probability, on the same rows.

Everything is fitted on labelled training rows; a column may be wholly null, absent from the rows
to score, or hold values never seen, and a probability comes out all the same.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import FloatArray

__all__ = [
    "BASELINES",
    "Baselines",
    "Predictor",
    "column_numbers",
    "column_texts",
    "fit_baselines",
    "stage_age_table",
]

BASELINES = ("base_rate", "stage_probability", "naive_bayes", "logistic")

Predictor = Callable[[pa.Table], FloatArray]
TextArray = npt.NDArray[np.object_]
AnyArray = npt.NDArray[Any]

_MISSING = "(missing)"
_OTHER = "(other)"
_LOGISTIC_ROWS = 100_000


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines by name; `notes` says in words what each rests on."""

    predictors: dict[str, Predictor]
    notes: dict[str, str]

    def predict(self, frame: pa.Table) -> dict[str, FloatArray]:
        """P(won) per baseline, each of shape (rows,), within (0, 1)."""
        return {name: predict(frame) for name, predict in self.predictors.items()}


def fit_baselines(
    frame: pa.Table, y: FloatArray, *, weight: FloatArray, features: Sequence[Feature]
) -> Baselines:
    """The four baselines of training rows. frame: a feature frame; y: 0 or 1; weight: at least 0.

    features: the catalogue entries whose columns may be used, where the frame has them. Raises
    ModelContractError without rows, or if lengths differ.
    """
    if not frame.num_rows == len(y) == len(weight) or not len(y) or weight.sum() <= 0:
        raise ModelContractError(
            f"Baselines need labelled rows of positive weight: found {frame.num_rows} rows, {len(y)} labels "
            f"and a total weight of {weight.sum()}. Fit them only where outcomes are known."
        )
    used = [feature for feature in features if feature.name in frame.column_names]
    base = float(np.clip(np.average(y, weights=weight), 0.001, 0.999))
    stage, stage_note = _stage_probability(frame, y, weight, base)
    one_class = y.min() == y.max()
    return Baselines(
        predictors={
            "base_rate": lambda rows: np.full(rows.num_rows, base),
            "stage_probability": stage,
            "naive_bayes": _naive_bayes(frame, y, weight, used, base),
            "logistic": _constant(base) if one_class else _logistic(frame, y, weight, used),
        },
        notes={
            "base_rate": f"The share won among training rows, {base:.3f}, for every deal.",
            "stage_probability": stage_note,
            "naive_bayes": "Frequencies of categories and flags, won and lost, with 0.1 added to each count.",
            "logistic": "Logistic regression on all features, ridge penalty 1/C = 10 on standardised columns."
            + (" One outcome only in training: the base rate instead." if one_class else ""),
        },
    )


def column_numbers(frame: pa.Table, name: str) -> FloatArray:
    """A count, number or flag column as floats, null as NaN; all NaN if the frame lacks it."""
    if name not in frame.column_names or pa.types.is_null(frame.schema.field(name).type):
        return np.full(frame.num_rows, np.nan)
    return np.asarray(pc.cast(frame[name], pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def column_texts(frame: pa.Table, name: str) -> TextArray:
    """A column's values as text, null as '(missing)'; all missing if the frame lacks it."""
    if name not in frame.column_names:
        return np.full(frame.num_rows, _MISSING, dtype=object)
    texts = pc.cast(frame[name], pa.string()).to_pylist()
    return np.array([_MISSING if text is None else text for text in texts], dtype=np.object_)


def _constant(p: float) -> Predictor:
    return lambda rows: np.full(rows.num_rows, p)


def _stage_probability(
    frame: pa.Table, y: FloatArray, weight: FloatArray, base: float
) -> tuple[Predictor, str]:
    """The CRM's own probability where 8 of 10 training rows have one; else a table of stage and age.

    The CRM's figure may be a share or a percentage; it is held within 0.01 to 0.99, since deals that
    are still open are neither certain nor hopeless. Rows without it fall back on the table.
    """
    table = stage_age_table(frame, y, weight, base)
    crm = column_numbers(frame, "crm_stage_probability")
    filled = np.isfinite(crm)
    if filled.mean() < 0.8 or np.ptp(crm[filled]) == 0:
        return (
            table,
            "The share won by stage and age among training rows: the CRM gives no probability by stage.",
        )
    scale = 100.0 if crm[filled].max() > 1 else 1.0

    def predict(rows: pa.Table) -> FloatArray:
        given = column_numbers(rows, "crm_stage_probability") / scale
        return np.clip(np.where(np.isfinite(given), given, table(rows)), 0.01, 0.99)

    return predict, "The CRM's own probability of the stage, held within 0.01 to 0.99."


def stage_age_table(frame: pa.Table, y: FloatArray, weight: FloatArray, base: float) -> Predictor:
    """Share won by stage and age quartile, each pulled to its stage, and stages to the base rate.

    The pull is that of 20 average rows. An unseen stage has the base rate. base: within (0, 1).
    """
    age = column_numbers(frame, "deal_age_days")
    edges = np.unique(np.nanquantile(age, [0.25, 0.5, 0.75])) if np.isfinite(age).any() else np.array([])
    pull = 20.0 * float(weight.mean())
    stages, code = np.unique(column_texts(frame, "stage").astype(str), return_inverse=True)
    cell = code * 5 + _age_bin(age, edges)
    won, total = np.bincount(code, weight * y), np.bincount(code, weight)
    by_stage = (won + pull * base) / (total + pull)
    cells = len(stages) * 5
    won, total = np.bincount(cell, weight * y, cells), np.bincount(cell, weight, cells)
    rates = ((won + pull * np.repeat(by_stage, 5)) / (total + pull)).reshape(-1, 5)
    known = {str(stage): i for i, stage in enumerate(stages)}
    rates = np.vstack([rates, np.full(5, base)])

    def predict(rows: pa.Table) -> FloatArray:
        stage = np.array(
            [known.get(str(text), len(known)) for text in column_texts(rows, "stage")], dtype=int
        )
        return rates[stage, _age_bin(column_numbers(rows, "deal_age_days"), edges)]

    return predict


def _age_bin(age: FloatArray, edges: FloatArray) -> npt.NDArray[np.int64]:
    """0 to 3 by quartile edges, 4 where the age is missing."""
    return np.where(np.isfinite(age), np.searchsorted(edges, age, side="right"), 4).astype(np.int64)


def _naive_bayes(
    frame: pa.Table, y: FloatArray, weight: FloatArray, features: Sequence[Feature], base: float
) -> Predictor:
    """A lead score as Odoo's CRM computes it: per field the frequency of each value, won and lost.

    Each count begins at 0.1; missing and unseen values say nothing; the score is kept within 0.0001 to
    0.9999. Fields: flags, and categories of up to 20 levels (rarer levels of a stage count as one).
    Source: Odoo, addons/crm, predictive lead scoring (`_pls_get_naive_bayes_probabilities`).
    """
    fields = [f.name for f in features if f.kind in ("flag", "category")]
    tables: dict[str, dict[str, float]] = {}
    for name in fields:
        texts = column_texts(frame, name)
        if name == "stage":
            texts = _common(texts, 20)
        levels, code = np.unique(texts.astype(str), return_inverse=True)
        seen = levels != _MISSING
        if not 0 < seen.sum() <= 20 + (name == "stage"):
            continue
        won = np.bincount(code, weight * y)[seen] + 0.1
        lost = np.bincount(code, weight * (1 - y))[seen] + 0.1
        gain = np.log(won / won.sum()) - np.log(lost / lost.sum())
        tables[name] = dict(zip(levels[seen].tolist(), gain.tolist(), strict=True))
    start = float(np.log(base / (1 - base)))

    def predict(rows: pa.Table) -> FloatArray:
        total = np.full(rows.num_rows, start)
        for name, gains in tables.items():
            rest = gains.get(_OTHER, 0.0)
            unseen = {text: rest for text in set(column_texts(rows, name)) if text != _MISSING}
            weights = {**unseen, **gains, _MISSING: 0.0}
            total += np.array([weights[text] for text in column_texts(rows, name)], dtype=np.float64)
        return np.clip(1 / (1 + np.exp(-np.clip(total, -50, 50))), 0.0001, 0.9999)

    return predict


def _common(texts: TextArray, most: int) -> TextArray:
    """The texts with all but the `most` commonest levels made '(other)'; ties go by name."""
    levels, counts = np.unique(texts.astype(str), return_counts=True)
    if len(levels) <= most:
        return texts
    kept = set(levels[np.lexsort((levels, -counts))][:most].tolist())
    return np.array([text if text in kept else _OTHER for text in texts], dtype=object)


def _logistic(frame: pa.Table, y: FloatArray, weight: FloatArray, features: Sequence[Feature]) -> Predictor:
    """Ridge logistic regression; of more than 100,000 training rows an even share is used.

    Numbers: null becomes the training median and is marked, then standardised and held within ±5, so
    that one absurd amount cannot decide. Categories: one column per level held by 1 % of rows, 30 at
    most; other levels, unseen ones too, count as one.
    """
    numbers = [f.name for f in features if f.kind != "category" and _any_value(frame, f.name)]
    texts = [f.name for f in features if f.kind == "category"]
    rows = np.unique(np.linspace(0, frame.num_rows - 1, min(frame.num_rows, _LOGISTIC_ROWS)).astype(int))
    fitted, labels, weights = frame.take(rows), y[rows], weight[rows]
    if labels.min() == labels.max() or not (numbers or texts):
        return _constant(float(np.clip(np.average(y, weights=weight), 0.001, 0.999)))
    design = make_union(
        make_pipeline(
            FunctionTransformer(lambda table: _matrix(table, numbers, column_numbers)),
            SimpleImputer(strategy="median", add_indicator=True),
            StandardScaler(),
            FunctionTransformer(lambda x: np.clip(x, -5, 5)),
        )
        if numbers
        else "drop",
        make_pipeline(
            FunctionTransformer(lambda table: _matrix(table, texts, column_texts)),
            OneHotEncoder(
                min_frequency=0.01,
                max_categories=30,
                handle_unknown="infrequent_if_exist",
                sparse_output=False,
            ),
        )
        if texts
        else "drop",
    )
    model = make_pipeline(design, LogisticRegression(C=0.1, max_iter=1000))
    with warnings.catch_warnings():
        # a line search that stops short of its tolerance still leaves a fair baseline
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(fitted, labels, logisticregression__sample_weight=weights / weights.mean())
    return lambda scored: np.asarray(model.predict_proba(scored)[:, 1], dtype=np.float64)


def _matrix(frame: pa.Table, names: Sequence[str], read: Callable[[pa.Table, str], AnyArray]) -> AnyArray:
    return np.column_stack([read(frame, name) for name in names])


def _any_value(frame: pa.Table, name: str) -> bool:
    return bool(np.isfinite(column_numbers(frame, name)).any())
