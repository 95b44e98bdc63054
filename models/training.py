"""From labelled rows to a win model: search, encode, fit, calibrate, describe."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import case_key, deal_codes, known_outcomes, micros, moment
from models.boosting import Rows, Shape, fit_booster
from models.calibration import IDENTITY, Calibration, fit_calibration, sigmoid
from models.censoring import window_weights
from models.directions import held_directions
from models.encoding import Encoder
from models.linear import PENALTY_PER_ROW, LinearPart
from models.search import Found, search
from models.split import Split, Window
from models.track_record import Bin, track_record
from models.typical import typical_values
from models.win_model import WinModel

__all__ = [
    "CALIBRATION_DEAL_POWER",
    "TrainingParams",
    "fit_encoder",
    "fit_rows",
    "fit_win",
    "train_win",
    "window_rows",
]

CALIBRATION_DEAL_POWER = 0.5
"""A line from few deals is steadier if the longest of them do not speak for all; see `window_weights`."""


@dataclass(frozen=True)
class TrainingParams:
    """How to train; the defaults serve without a search.

    deal_power: how far a deal's many rows share one weight, from 0 (each row counts alike) to 1
    (each deal counts alike). line_penalty: of the linear half's squared slopes, per row.
    """

    shape: Shape = field(default_factory=Shape)
    deal_power: float = 0.0
    line_penalty: float = PENALTY_PER_ROW


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
    return fit_win(
        frame, labels, split, features, found=found, deal_power=params.deal_power, seed=seed,
        line_penalty=params.line_penalty,
    )  # fmt: skip


def fit_win(
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    features: Sequence[Feature],
    *,
    found: Found,
    deal_power: float,
    seed: int,
    line_penalty: float = PENALTY_PER_ROW,
) -> WinModel:
    """The win model of a shape and number of rounds that are settled: all of training but the search."""
    _check_rows(frame, labels, split)
    encoder, train = fit_encoder(frame, labels, split.train, features, deal_power=deal_power)
    calibration = window_rows(frame, labels, split.calibration, encoder, deal_power=CALIBRATION_DEAL_POWER)
    held = held_directions(features)
    line = LinearPart.fit(train.X, train.y, train.weight, held=held, penalty=line_penalty)
    model = fit_rows(encoder, train, calibration, found=found, held=held, seed=seed, line=line)
    return replace(
        model,
        trained=_describe(labels, split, found, deal_power, seed, features),
        typical=typical_values(frame.filter(pa.array(split.train.known)), encoder, rows=train.y == 1),
        record=_record(model, calibration),
        note=model.calibration.note,
    )


def fit_encoder(
    frame: pa.Table, labels: pa.Table, window: Window, features: Sequence[Feature], *, deal_power: float = 0.0
) -> tuple[Encoder, Rows]:
    """What is learnt of each column from a window's rows of known outcome, and these rows encoded by it."""
    rows = window.known
    seen, y = frame.filter(pa.array(rows)), known_outcomes(labels)[rows]
    weight = window_weights(labels, window, deal_power=deal_power)[rows]
    encoder = Encoder.fit(seen, y, rows=np.ones(y.size, dtype=bool), weight=weight, features=features)
    return encoder, Rows(encoder.transform(seen), y, weight, deal_codes(labels)[rows])


def window_rows(
    frame: pa.Table, labels: pa.Table, window: Window, encoder: Encoder, *, deal_power: float = 0.0
) -> Rows:
    """The rows of known outcome in a window, as the encoder makes them."""
    rows = window.known
    X = encoder.transform(frame.filter(pa.array(rows)))
    weight = window_weights(labels, window, deal_power=deal_power)
    return Rows(X, known_outcomes(labels)[rows], weight[rows], deal_codes(labels)[rows])


def fit_rows(
    encoder: Encoder,
    train: Rows,
    calibration: Rows,
    *,
    found: Found,
    held: Sequence[int],
    seed: int,
    line: LinearPart | None = None,
) -> WinModel:
    """Trees and line on rows that are encoded already, calibrated; it knows nothing else about itself.

    held: per column 1, -1 or 0, see `held_directions`. line: one fitted on these very rows before.
    """
    booster = fit_booster(train.binned(seed), found.shape, rounds=found.rounds, seed=seed, held=held)
    raw = WinModel(
        kind="lightgbm",
        encoder=encoder,
        booster_text=booster.model_to_string(),
        linear=line or LinearPart.fit(train.X, train.y, train.weight, held=held),
        calibration=Calibration(1.0, 0.0),
        base=0.0,
        trained={},
        typical={},
        record=(),
    )
    if not calibration.y.size:
        return replace(raw, calibration=IDENTITY)
    calibrated = fit_calibration(
        raw.log_odds_of(calibration.X),
        calibration.y,
        calibration.weight,
        n_deals=np.unique(calibration.deal).size,
    )
    return replace(raw, calibration=calibrated)


def _record(model: WinModel, calibration: Rows) -> tuple[Bin, ...]:
    if not calibration.y.size:
        return ()
    p_win = sigmoid(model.log_odds_of(calibration.X))
    return track_record(calibration.deal.tolist(), (calibration.y == 1).tolist(), p_win.tolist())


def _describe(
    labels: pa.Table,
    split: Split,
    found: Found,
    deal_power: float,
    seed: int,
    features: Sequence[Feature],
) -> dict[str, Any]:
    windows = {"train": split.train, "calibration": split.calibration}
    return {
        "as_of": split.as_of.isoformat(),
        "seed": seed,
        "deal_power": deal_power,
        "shape": asdict(found.shape),
        "rounds": found.rounds,
        "held": {
            feature.name: sign
            for feature, sign in zip(features, held_directions(features), strict=True)
            if sign
        },
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
    if not all(frame[key].equals(labels[key]) for key in (case_key(frame), "as_of")):
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
