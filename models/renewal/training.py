"""From labelled contracts to a renewal model: the win model's own machinery, then the ratio."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import Feature
from models.arrays import FloatArray, deal_codes, known_outcomes
from models.baselines import column_numbers
from models.boosting import Shape
from models.censoring import window_weights
from models.encoding import Encoder
from models.linear import PENALTY_PER_ROW
from models.renewal.model import RenewalModel
from models.renewal.ratio import RatioModel, RatioRows, fit_ratio
from models.renewal.split import AccountSplit
from models.split import Window
from models.training import TrainingParams, train_win
from models.win_model import WinModel, baseline_model

__all__ = ["SHAPE", "baseline_renewal", "ratio_rows", "train_renewal"]

SHAPE = Shape(
    learning_rate=0.03, num_leaves=4, max_depth=3, min_data_in_leaf=50, lambda_l2=10.0, feature_fraction=0.3
)
"""Contracts are fewer than deals and their snapshots alike, so the trees are smaller; chosen on simulated
worlds by the regret against their true probabilities (benchmarks/renewal_regret.py)."""

_LINE_PRIOR_CONTRACTS = 50.0
"""How many contracts' worth of evidence a slope of the linear half needs; chosen likewise."""

_CONTRACTS_TO_SEARCH = 1000
"""With fewer, validation cannot tell shapes apart, and the search costs skill instead of adding any."""


def train_renewal(
    frame: pa.Table,
    rows: AccountSplit,
    features: Sequence[Feature],
    *,
    params: TrainingParams | None = None,
    seed: int,
    n_trials: int = 12,
    on_step: Callable[[str], None] | None = None,
) -> RenewalModel:
    """A calibrated renewal model; same rows and seed, same bytes.

    frame: a feature frame, row for row like rows.labels. n_trials: shapes tried beyond the default one, where
    there are 1,000 training contracts; else only the number of rounds is searched. Raises
    ModelContractError if the train window holds no renewed or no churned contract (use `baseline_renewal`),
    or frame and labels differ.
    """
    contracts = np.unique(deal_codes(rows.labels)[rows.split.train.known]).size
    chance = train_win(
        frame,
        rows.labels,
        rows.split,
        features,
        params=params or _params(contracts),
        seed=seed,
        n_trials=n_trials if contracts >= _CONTRACTS_TO_SEARCH else 0,
        on_step=on_step,
    )
    if on_step is not None:
        on_step("fitting the ratio of renewed to committed amount")
    return RenewalModel(replace(chance, subject="renewal"), _ratio(frame, rows, chance.encoder, seed))


def baseline_renewal(
    frame: pa.Table, rows: AccountSplit, features: Sequence[Feature], *, reason: str, seed: int
) -> RenewalModel:
    """One rate for every contract: the share renewed of those decided, corrected for those that are not.

    reason: why there is no better model, kept as its note.
    """
    labels = rows.labels
    y = known_outcomes(labels)
    everything = np.ones(labels.num_rows, dtype=np.bool_)
    window = Window(rows.split.as_of, rows.split.as_of, inside=everything, known=~np.isnan(y))
    weight = window_weights(labels, window, deal_power=1.0)
    if weight.sum() > 0:
        # the rows of a contract count as one, against the smoothing too
        weight *= np.unique(deal_codes(labels)[window.known]).size / weight.sum()
    chance: WinModel = baseline_model(frame, y, weight=weight, features=features, reason=reason)
    return RenewalModel(replace(chance, subject="renewal"), _ratio(frame, rows, chance.encoder, seed))


def ratio_rows(frame: pa.Table, labels: pa.Table, window: Window, encoder: Encoder) -> RatioRows:
    """A window's rows whose contract renewed and whose ratio is known."""
    ratio = column_numbers(labels, "ratio")
    chosen = window.known & (known_outcomes(labels) == 1) & np.isfinite(ratio)
    kept = frame.filter(pa.array(chosen))
    weight: FloatArray = window_weights(labels, window)
    return RatioRows(
        frame=kept,
        X=encoder.transform(kept),
        ratio=ratio[chosen],
        weight=weight[chosen],
        contract=deal_codes(labels)[chosen],
        account=_codes(labels["account_id"])[chosen],
    )


def _params(contracts: int) -> TrainingParams:
    """Small trees, and a line that is held back the more, the fewer contracts there are."""
    return TrainingParams(
        shape=SHAPE, line_penalty=max(PENALTY_PER_ROW, _LINE_PRIOR_CONTRACTS / max(contracts, 1))
    )


def _ratio(frame: pa.Table, rows: AccountSplit, encoder: Encoder, seed: int) -> RatioModel:
    train = ratio_rows(frame, rows.labels, rows.split.train, encoder)
    return fit_ratio(train, ratio_rows(frame, rows.labels, rows.split.calibration, encoder), seed=seed)


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    encoded = pc.dictionary_encode(pc.fill_null(column, "")).combine_chunks()
    return np.asarray(encoded.indices, dtype=np.int64)
