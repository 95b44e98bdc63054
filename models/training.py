"""From labelled rows to a win model: search, encode, fit, calibrate, describe."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import deal_codes, known_outcomes, micros, moment
from models.boosting import Shape, dataset, fit_booster
from models.calibration import IDENTITY, Calibration, fit_calibration, sigmoid
from models.censoring import window_weights
from models.encoding import Encoder
from models.linear import LinearPart
from models.search import Found, search
from models.split import Split, Window
from models.track_record import Bin, track_record
from models.typical import typical_values
from models.win_model import WinModel

__all__ = ["TrainingParams", "fit_win", "train_win"]

_CALIBRATION_DEAL_POWER = 0.5
"""A line from few deals is steadier if the longest of them do not speak for all; see `window_weights`."""


@dataclass(frozen=True)
class TrainingParams:
    """How to train; the defaults serve without a search.

    deal_power: how far a deal's many rows share one weight, from 0 (each row counts alike) to 1
    (each deal counts alike).
    """

    shape: Shape = field(default_factory=Shape)
    deal_power: float = 0.0


def train_win(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: Sequence[Feature],
    *,
    params: TrainingParams | None = None,
    seed: int,
    n_trials: int = 12,
    on_step: Callable[[str], None] | None = None,
) -> WinModel:
    """A calibrated win model; same rows and seed, same bytes.

    frame, labels: row for row alike. n_trials: shapes tried beyond the default one; 0 searches only
    the number of rounds. on_step: told in a few words what goes on. Raises ModelContractError if the
    train window holds no won or no lost deal (use `baseline_model`), or frame and labels differ.
    """
    params = params or TrainingParams()
    say = on_step or (lambda _: None)
    _check_rows(frame, labels, split)
    say("searching for the shape of trees" if n_trials else "searching for the number of rounds")
    found = search(
        frame,
        labels,
        split,
        tuple(features),
        start=params.shape,
        deal_power=params.deal_power,
        seed=seed,
        n_trials=n_trials,
        on_step=on_step,
    )
    say(f"fitting {found.rounds} rounds")
    return fit_win(frame, labels, split, features, found=found, deal_power=params.deal_power, seed=seed)


def fit_win(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: Sequence[Feature],
    *,
    found: Found,
    deal_power: float,
    seed: int,
) -> WinModel:
    """The win model of a shape and number of rounds that are settled: all of training but the search."""
    _check_rows(frame, labels, split)
    y, rows = known_outcomes(labels), split.train.known
    weight = window_weights(labels, split.train, deal_power=deal_power)
    seen, y, weight = frame.filter(pa.array(rows)), y[rows], weight[rows]
    encoder = Encoder.fit(seen, y, rows=np.ones(y.size, dtype=bool), weight=weight, features=features)
    X = encoder.transform(seen)
    binned = dataset(X, y, weight, seed=seed)
    booster = fit_booster(binned, found.shape, rounds=found.rounds, seed=seed)
    raw = WinModel(
        kind="lightgbm",
        encoder=encoder,
        booster_text=booster.model_to_string(),
        linear=LinearPart.fit(X, y, weight),
        calibration=Calibration(1.0, 0.0),
        base=0.0,
        trained={},
        typical={},
        record=(),
    )
    calibration, record = _calibrate(raw, frame, labels, split.calibration)
    return replace(
        raw,
        calibration=calibration,
        trained=_describe(labels, split, found, deal_power, seed),
        typical=typical_values(seen, encoder, rows=y == 1),
        record=record,
        note=calibration.note,
    )


def _calibrate(
    raw: WinModel, frame: pa.Table, labels: pa.Table, window: Window
) -> tuple[Calibration, tuple[Bin, ...]]:
    rows = window.known
    if not rows.any():
        return IDENTITY, ()
    y, deals = known_outcomes(labels)[rows], deal_codes(labels)[rows]
    log_odds = raw.log_odds(frame.filter(pa.array(rows)))
    weight = window_weights(labels, window, deal_power=_CALIBRATION_DEAL_POWER)[rows]
    calibration = fit_calibration(log_odds, y, weight, n_deals=np.unique(deals).size)
    p_win = sigmoid(calibration.apply(log_odds))
    return calibration, track_record(deals.tolist(), (y == 1).tolist(), p_win.tolist())


def _describe(labels: pa.Table, split: Split, found: Found, deal_power: float, seed: int) -> dict[str, Any]:
    windows = {"train": split.train, "calibration": split.calibration}
    return {
        "as_of": split.as_of.isoformat(),
        "seed": seed,
        "deal_power": deal_power,
        "shape": asdict(found.shape),
        "rounds": found.rounds,
        "trials": list(found.trials),
        "windows": {name: _window_facts(labels, window) for name, window in windows.items()},
    }


def _window_facts(labels: pa.Table, window: Window) -> dict[str, Any]:
    rows = window.known
    at, won = micros(labels["as_of"])[rows], known_outcomes(labels)[rows] == 1
    closed, deals = micros(labels["closed_at"])[rows], deal_codes(labels)[rows]
    ends = (at.min(), at.max(), closed.max()) if at.size else (None, None, None)
    won_deals = np.unique(deals[won]).size
    return {
        **{
            name: None if us is None else moment(int(us)).isoformat()
            for name, us in zip(("as_of_min", "as_of_max", "label_max"), ends, strict=True)
        },
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "rows": int(rows.sum()),
        "censored_rows": int(window.inside.sum() - rows.sum()),
        "won_deals": int(won_deals),
        "lost_deals": int(np.unique(deals).size - won_deals),
    }


def _check_rows(frame: pa.Table, labels: pa.Table, split: Split) -> None:
    if not all(frame[key].equals(labels[key]) for key in ("opportunity_id", "as_of")):
        raise ModelContractError(
            "Training: expected the label frame to have the feature frame's keys, row for row, found other "
            "keys. Make the labels from this very frame (models.labels.label_frame)."
        )
    y = known_outcomes(labels)[split.train.known]
    won, lost = int((y == 1).sum()), int((y == 0).sum())
    if not won or not lost:
        raise ModelContractError(
            f"Training: expected won and lost deals that closed before {split.train.end:%Y-%m-%d}, found "
            f"{won} won and {lost} lost rows. Use the baseline until more deals have closed."
        )
