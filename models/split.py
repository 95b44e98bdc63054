"""The split by time: fit on the past, calibrate on what came next, test on the latest.

------ train ------ T1 -- calibration -- T2 - embargo - test ------- as_of
A row belongs to the window that holds its snapshot; its label counts if the deal closed
before that window's end. A deal closes once, so its labelled rows lie in one window only.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError
from models.arrays import DAY_US, BoolArray, IntArray, deal_codes, known_outcomes, micros, moment, to_micros

__all__ = ["Split", "Window", "inner_split", "time_split"]

_TEST_SHARE = 0.20
_CALIBRATION_SHARE = 0.15
_WIDEN_BY = 0.05
_TRAIN_SHARE_AT_LEAST = 0.30
_VALIDATION_SHARE = 0.20


@dataclass(frozen=True)
class Window:
    """The rows of one span of snapshots, `start` <= as_of < `end`.

    inside: all of them; known: those whose deal closed before `end`. The others are censored:
    they carry no label, but tell how long deals could be followed.
    """

    start: datetime
    end: datetime
    inside: BoolArray
    known: BoolArray


@dataclass(frozen=True)
class Split:
    """Train, calibration and test windows; `thin` says why they hold too little, None if they do not."""

    as_of: datetime
    train: Window
    calibration: Window
    test: Window
    thin: str | None


@dataclass(frozen=True)
class _Rows:
    """Labels as arrays: snapshot and close in microseconds, outcome, deal."""

    at: IntArray
    closed: IntArray
    won: BoolArray
    deal: IntArray

    @classmethod
    def of(cls, labels: pa.Table) -> "_Rows":
        won = known_outcomes(labels) == 1
        return cls(micros(labels["as_of"]), micros(labels["closed_at"]), won, deal_codes(labels))

    def window(self, start: int, end: int) -> Window:
        inside = (self.at >= start) & (self.at < end)
        return Window(moment(start), moment(end), inside, inside & (self.closed < end))

    def outcomes(self, window: Window) -> tuple[int, int]:
        """Deals won and lost among the window's labelled rows."""
        won = np.unique(self.deal[window.known & self.won]).size
        return won, np.unique(self.deal[window.known]).size - won


def time_split(
    labels: pa.Table,
    *,
    as_of: datetime,
    step_days: float,
    embargo_days: float | None = None,
    min_deals: int = 10,
    min_window_days: float = 0.0,
) -> Split:
    """Windows of about 65 %, 15 % and 20 % of the closed deals, by the time of their close.

    labels: a label frame. step_days: the calendar's step, on which the cuts lie. embargo_days: the
    gap between T2 and the first test snapshot, one step unless given. min_deals: won, and lost,
    deals that each window needs; the test, then the calibration window widens backwards until it has
    them, and what cannot be had is said in `thin`. min_window_days: how long the calibration and the test
    window should be at least, so that rows which wait long for their outcome are among the known.
    """
    rows = _Rows.of(labels)
    end = to_micros(as_of)
    step = round(step_days * DAY_US)
    embargo = step if embargo_days is None else round(embargo_days * DAY_US)
    closes = _close_times(rows, end)
    first = int(rows.at.min()) if rows.at.size else end

    def cut(share: float) -> int:
        if not closes.size:
            return first
        close = int(closes[min(int(share * closes.size), closes.size - 1)])
        return end - -((close - end) // step) * step

    test_share, test = _TEST_SHARE, rows.window(cut(1 - _TEST_SHARE) + embargo, end)
    least = round(min_window_days * DAY_US)

    def too_little(window: Window) -> bool:
        days_us = to_micros(window.end) - to_micros(window.start)
        return min(rows.outcomes(window)) < min_deals or days_us < least

    while too_little(test) and test_share < 0.5:
        test_share += _WIDEN_BY
        test = rows.window(cut(1 - test_share) + embargo, end)
    t2 = cut(1 - test_share)

    share = test_share + _CALIBRATION_SHARE
    calibration = rows.window(cut(1 - share), t2)
    while too_little(calibration) and share < 1 - _TRAIN_SHARE_AT_LEAST:
        share += _WIDEN_BY
        calibration = rows.window(cut(1 - share), t2)
    train = rows.window(min(first, cut(1 - share)), cut(1 - share))

    windows = {"train": train, "calibration": calibration, "test": test}
    _check_deals_on_one_side(rows, tuple(windows.values()))
    return Split(as_of, train, calibration, test, _thin(rows, windows, min_deals))


def inner_split(labels: pa.Table, split: Split, *, min_deals: int = 5) -> tuple[Window, Window] | None:
    """The train window cut once more by time: rows to fit on, and later ones to validate on.

    For early stopping and search, so that neither sees the calibration or the test window. Where the labels
    name accounts, those that are validated on are not fitted on. None if either part would have fewer than
    min_deals won or lost deals.
    """
    rows = _Rows.of(labels)
    start, end = to_micros(split.train.start), to_micros(split.train.end)
    closes = _close_times(rows, end)
    if not closes.size:
        return None
    share = _VALIDATION_SHARE
    while share <= 0.5:
        cut = int(closes[int((1 - share) * closes.size)])
        fit, validation = rows.window(start, max(cut, start)), rows.window(max(cut, start), end)
        if "account_id" in labels.column_names:
            fit = _without_accounts(labels, fit, validation)
        if min(*rows.outcomes(fit), *rows.outcomes(validation)) >= min_deals:
            return fit, validation
        share += _WIDEN_BY
    return None


def _without_accounts(labels: pa.Table, fit: Window, validation: Window) -> Window:
    """The window less the labels of accounts that the other one has labels of."""
    validated = labels.filter(pa.array(validation.known))["account_id"]
    shared: Any = pc.is_in(labels["account_id"], value_set=validated.combine_chunks())
    return replace(fit, known=fit.known & ~np.asarray(shared, dtype=np.bool_))


def _close_times(rows: _Rows, end: int) -> IntArray:
    """Sorted close times, one per deal that closed before `end` and was seen open before."""
    known = (rows.closed < end) & (rows.at < end)
    _, once = np.unique(rows.deal[known], return_index=True)
    return np.sort(rows.closed[known][once])


def _thin(rows: _Rows, windows: dict[str, Window], min_deals: int) -> str | None:
    for name, window in windows.items():
        won, lost = rows.outcomes(window)
        if min(won, lost) < min_deals:
            return (
                f"The {name} window ({window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}) has {won} won and "
                f"{lost} lost deals; {min_deals} of each are needed."
            )
    return None


def _check_deals_on_one_side(rows: _Rows, windows: tuple[Window, ...]) -> None:
    seen = [np.unique(rows.deal[window.known]) for window in windows]
    shared = np.concatenate([np.intersect1d(seen[0], seen[1]), np.intersect1d(seen[0], seen[2]),
                             np.intersect1d(seen[1], seen[2])])  # fmt: skip
    if shared.size:
        raise ModelContractError(
            f"Split by time: expected each deal's labelled rows in one window, found {shared.size} deals in "
            "two. Their closed_at differs between rows; label the frame again."
        )
