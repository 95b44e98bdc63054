"""What a customer-success team would otherwise have: four plain ways to a renewal probability."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import FloatArray, IntArray
from models.baselines import Baselines, Predictor, column_numbers, column_texts, fit_baselines
from models.renewal.bands import UseBands

__all__ = ["PLAIN_RATES", "RENEWAL_BASELINES", "fit_renewal_baselines"]

RENEWAL_BASELINES = ("base_rate", "horizon_rate", "segment_rate", "logistic")
PLAIN_RATES = ("base_rate", "horizon_rate", "segment_rate")
"""What a model has to beat, each of them, to claim skill."""

_HORIZON_EDGES = (45.0, 75.0, 105.0, 150.0)
"""Days to the term's end, midway between the distances at which snapshots are drawn."""

_N_SPANS = len(_HORIZON_EDGES) + 2
_PULL = 20.0


def fit_renewal_baselines(
    frame: pa.Table,
    y: FloatArray,
    *,
    weight: FloatArray,
    features: Sequence[Feature],
    segment: str = "industry",
) -> Baselines:
    """The baselines of labelled rows. frame: a feature frame; y: 1 renewed, 0 churned; weight: at least 0.

    segment: the frame's column of segments; without it only the bands of use count. Raises
    ModelContractError without rows, or if lengths differ.
    """
    plain = fit_baselines(frame, y, weight=weight, features=features)
    base = float(np.clip(np.average(y, weights=weight), 0.001, 0.999))
    bands = UseBands.fit(frame)
    by = f"quartile of {bands.column}" if bands.column else "no band: no column of use is filled"
    return Baselines(
        predictors={
            "base_rate": plain.predictors["base_rate"],
            "horizon_rate": _horizon_rate(frame, y, weight, base),
            "segment_rate": _segment_rate(frame, y, weight, base, bands, segment),
            "logistic": plain.predictors["logistic"],
        },
        notes={
            "base_rate": f"The share renewed among training rows, {base:.3f}, for every contract.",
            "horizon_rate": "The share renewed by the days that are left of the term: what has not "
            "churned by then is the likelier to renew.",
            "segment_rate": f"The share renewed by {segment} and band of use ({by}).",
            "logistic": plain.notes["logistic"],
        },
    )


def _horizon_rate(frame: pa.Table, y: FloatArray, weight: FloatArray, base: float) -> Predictor:
    """Share renewed by the days that are left, each span pulled to the base rate by 20 average rows."""
    pull = _PULL * float(weight.mean())
    span = _spans(frame)
    renewed, total = (np.bincount(span, values, _N_SPANS) for values in (weight * y, weight))
    rates = (renewed + pull * base) / (total + pull)
    return lambda rows: np.asarray(rates[_spans(rows)], dtype=np.float64)


def _spans(frame: pa.Table) -> IntArray:
    """The span of days left that each row lies in; the last is for contracts without an end."""
    left = column_numbers(frame, "days_to_term")
    place = np.searchsorted(np.array(_HORIZON_EDGES), left)
    return np.where(np.isfinite(left), place, _N_SPANS - 1).astype(np.int64)


def _segment_rate(
    frame: pa.Table, y: FloatArray, weight: FloatArray, base: float, bands: UseBands, segment: str
) -> Predictor:
    """Share renewed by band and segment, each cell pulled to its band, and bands to the base rate.

    The pull is that of 20 average rows. An unseen segment has its band's rate.
    """
    pull = _PULL * float(weight.mean())
    names, code = np.unique(column_texts(frame, segment).astype(str), return_inverse=True)
    band = bands.of(frame)
    renewed, total = (np.bincount(band, values, bands.n) for values in (weight * y, weight))
    by_band = (renewed + pull * base) / (total + pull)
    cell = code * bands.n + band
    cells = len(names) * bands.n
    renewed, total = (np.bincount(cell, values, cells) for values in (weight * y, weight))
    rates = (renewed + pull * np.tile(by_band, len(names))) / (total + pull)
    table = np.vstack([rates.reshape(-1, bands.n), by_band])
    known = {str(name): place for place, name in enumerate(names)}

    def predict(rows: pa.Table) -> FloatArray:
        place = [known.get(str(text), len(known)) for text in column_texts(rows, segment)]
        return table[np.array(place, dtype=int), bands.of(rows)]

    return predict
