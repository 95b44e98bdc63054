"""A panel of use as matrices: one row per series, one column per period, the periods ahead included."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import ModelContractError
from features.periods import SEASON, Period
from models.arrays import BoolArray, FloatArray, IntArray

__all__ = ["History", "group_of", "history_of", "level_of"]

_LEAST_EXPOSURE = 0.2
"""Below it, a period says too little of the rate of use: the rate beside it stands in."""
_WINDOW: dict[Period, int] = {"monthly": 12, "weekly": 26}
_SHORT: dict[Period, int] = {"monthly": 6, "weekly": 13}
_OFTEN_ZERO = 0.3


@dataclass(frozen=True)
class History:
    """Amounts (n, T) of n series in T periods: NaN before a series' first period and after its last.

    ids: unique_id, sorted. dates: first days of the T past periods and of those ahead. exposure: (n, T +
    ahead), the part of a mean period in which use can be recorded. ahead: what else is known of each period,
    past or ahead, by name, each (n, T + ahead). alive: whether the series goes on after period T.
    """

    ids: tuple[str, ...]
    dates: npt.NDArray[np.datetime64]
    amounts: FloatArray
    exposure: FloatArray
    ahead: dict[str, FloatArray]
    period: Period

    @property
    def periods(self) -> int:
        """T."""
        return self.amounts.shape[1]

    @property
    def season(self) -> int:
        """Periods in a year."""
        return SEASON[self.period]

    @property
    def first(self) -> IntArray:
        """The first period of each series."""
        return np.argmax(~np.isnan(self.amounts), axis=1)

    @property
    def alive(self) -> BoolArray:
        """Whether each series has a value in the last period."""
        return ~np.isnan(self.amounts[:, -1])

    def rates(self) -> FloatArray:
        """Amounts by exposure, never below zero; where there is too little exposure, the rate before it."""
        floor = np.maximum(self.amounts, 0.0)
        exposed = self.exposure[:, : self.periods]
        enough = exposed >= _LEAST_EXPOSURE
        found = np.where(enough, floor / np.where(enough, exposed, 1.0), np.nan)
        inside = ~np.isnan(self.amounts)
        return np.where(inside, _carried(np.where(inside, found, np.nan)), np.nan)

    def until(self, origin: int) -> "History":
        """The history as it stood with `origin` periods known, of the series that were alive then."""
        kept = ~np.isnan(self.amounts[:, origin - 1])
        return History(
            tuple(np.array(self.ids, dtype=object)[kept]), self.dates, self.amounts[kept][:, :origin],
            self.exposure[kept], {name: values[kept] for name, values in self.ahead.items()}, self.period,
        )  # fmt: skip


def history_of(
    frame: pd.DataFrame, *, horizon: int, period: Period, known_ahead: pd.DataFrame | None = None
) -> History:
    """The matrices of a long frame.

    frame: unique_id, ds (first day of the period), y; gaps within a series are zeros. known_ahead: unique_id,
    ds and numbers known for past periods and for those ahead: `exposure` (1 where absent) and whatever else
    may help. Raises ModelContractError for a repeated or missing key, or a y that is not finite.
    """
    _check(frame)
    ids, row = np.unique(frame["unique_id"].to_numpy(dtype=str), return_inverse=True)
    number = _numbers(frame["ds"], period)
    base, last = int(number.min()), int(number.max())
    width = last - base + 1
    amounts = np.full((len(ids), width), np.nan)
    amounts[row, number - base] = frame["y"].to_numpy(dtype=np.float64)
    seen = ~np.isnan(amounts)
    first, final = np.argmax(seen, axis=1), width - 1 - np.argmax(seen[:, ::-1], axis=1)
    column = np.arange(width)
    inside = (column >= first[:, None]) & (column <= final[:, None])
    amounts = np.where(inside & ~seen, 0.0, amounts)
    ahead = _known(known_ahead, ids, base, width + horizon, period)
    exposure = ahead.pop("exposure", np.ones((len(ids), width + horizon)))
    exposure = np.where(np.isnan(exposure), 1.0, exposure)
    dates = _dates(frame["ds"], number, base, width + horizon, period)
    return History(tuple(ids.tolist()), dates, amounts, exposure, ahead, period)


def level_of(rates: FloatArray, period: Period) -> FloatArray:
    """The mean rate of each series over its last year (half a year of weeks), or what there is of it."""
    recent = rates[:, -_WINDOW[period] :]
    known = ~np.isnan(recent)
    return np.where(known, recent, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def group_of(rates: FloatArray, period: Period) -> IntArray:
    """What kind of history each series has: 0 regular, 1 intermittent (zeros are common), 2 short."""
    recent = rates[:, -_WINDOW[period] :]
    known = ~np.isnan(recent)
    zeros = (np.where(known, recent, 1.0) <= 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    group = np.where(zeros > _OFTEN_ZERO, 1, 0)
    return np.where((~np.isnan(rates)).sum(axis=1) < _SHORT[period], 2, group)


def _carried(rates: FloatArray) -> FloatArray:
    """Each gap filled with the value before it, or with the first one after it."""
    filled = pd.DataFrame(rates.T).ffill().bfill()
    return np.nan_to_num(filled.to_numpy(dtype=np.float64).T, nan=0.0)


def _check(frame: pd.DataFrame) -> None:
    missing = [name for name in ("unique_id", "ds", "y") if name not in frame.columns]
    if missing or frame.empty:
        raise ModelContractError(
            f"consumption frame: expected rows with unique_id, ds and y, found {len(frame)} rows without "
            f"{', '.join(missing) or 'anything missing'}. Give one row per series and period."
        )
    twice = frame.duplicated(["unique_id", "ds"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise ModelContractError(
            f"consumption frame: {int(twice.sum())} rows repeat a series and period, the first "
            f"{row['unique_id']!r} at {row['ds']}. Add them up first."
        )
    wrong = ~np.isfinite(frame["y"].to_numpy(dtype=np.float64))
    if wrong.any():
        row = frame[wrong].iloc[0]
        raise ModelContractError(
            f"consumption frame: y must be a number, found {row['y']!r} in series {row['unique_id']!r} at "
            f"{row['ds']} ({int(wrong.sum())} in all). Leave the row out, or give 0."
        )


def _numbers(column: "pd.Series[pd.Timestamp]", period: Period) -> IntArray:
    """Whole numbers that rise by one from period to period; weeks may begin on any one weekday."""
    days = column.to_numpy(dtype="datetime64[D]")
    if period == "monthly":
        return days.astype("datetime64[M]").astype(np.int64)
    return days.astype(np.int64) // 7


def _dates(
    column: "pd.Series[pd.Timestamp]", number: IntArray, base: int, width: int, period: Period
) -> npt.NDArray[np.datetime64]:
    """The first day of each period from the base on."""
    every = np.arange(base, base + width)
    if period == "monthly":
        return every.astype("datetime64[M]").astype("datetime64[D]")
    offset = int(column.to_numpy(dtype="datetime64[D]").astype(np.int64)[0] - number[0] * 7)
    return (every * 7 + offset).astype("datetime64[D]")


def _known(
    known_ahead: pd.DataFrame | None, ids: npt.NDArray[np.str_], base: int, width: int, period: Period
) -> dict[str, FloatArray]:
    """Each column of known_ahead as a matrix, NaN where it says nothing."""
    if known_ahead is None or known_ahead.empty:
        return {}
    place = np.searchsorted(ids, known_ahead["unique_id"].to_numpy(dtype=str))
    place = np.minimum(place, len(ids) - 1)
    number = _numbers(known_ahead["ds"], period) - base
    ours = (ids[place] == known_ahead["unique_id"].to_numpy(dtype=str)) & (number >= 0) & (number < width)
    found = {}
    for name in known_ahead.columns.drop(["unique_id", "ds"]):
        matrix = np.full((len(ids), width), np.nan)
        matrix[place[ours], number[ours]] = known_ahead[name].to_numpy(dtype=np.float64)[ours]
        found[str(name)] = matrix
    return found
