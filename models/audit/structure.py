"""Whether the rows to learn from are what they claim: open when looked at, labelled by what was known.

A failure here means that no feature can be trusted, so it stops a run.
"""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from models.arrays import (
    DAY_US,
    NEVER,
    BoolArray,
    case_key,
    deal_codes,
    known_outcomes,
    micros,
    moment,
    to_micros,
)
from models.audit.findings import CheckResult
from models.censoring import window_weights
from models.split import Split, Window

__all__ = ["structure_results"]

_FILE_A_REPORT = "Load the source again; if it stays so, the split is at fault and no figure of it holds."


def structure_results(labels: pa.Table, split: Split, *, embargo: timedelta) -> tuple[CheckResult, ...]:
    """Verdicts on a label frame and its split. embargo: the least gap between the last label and the test."""
    return (
        _open_rows(labels),
        _label_maturity(labels, split),
        _deal_overlap(labels, split),
        _embargo(labels, split, embargo),
        _censoring(labels, split),
    )


def _windows(split: Split) -> dict[str, Window]:
    return {"train": split.train, "calibration": split.calibration, "test": split.test}


def _open_rows(labels: pa.Table) -> CheckResult:
    """No row after its deal's close; one exactly at it is still open, as the contract has it."""
    closed, at = micros(labels["closed_at"]), micros(labels["as_of"])
    late = (closed != NEVER) & (at > closed)
    return _structural(
        "no_row_after_close",
        late,
        f"{labels.num_rows:,} snapshots, none after the close of its deal",
        f"{int(late.sum()):,} snapshots stand after the close of their deal{_first(labels, late)}",
        "Draw snapshots only while a deal is open: look at created_at and closed_at of those deals.",
    )


def _label_maturity(labels: pa.Table, split: Split) -> CheckResult:
    """No label that became known after its window's end, or at or after the cut-off."""
    closed = micros(labels["closed_at"])
    wrong = np.zeros(labels.num_rows, dtype=np.bool_)
    for window in _windows(split).values():
        wrong |= window.known & ((closed >= to_micros(window.end)) | (closed >= to_micros(split.as_of)))
    ends = ", ".join(f"{name} by {window.end:%Y-%m-%d}" for name, window in _windows(split).items())
    return _structural(
        "label_maturity",
        wrong,
        f"every label was known before its window's end: {ends}",
        f"{int(wrong.sum()):,} rows carry a label from after their window's end{_first(labels, wrong)}",
        _FILE_A_REPORT,
    )


def _deal_overlap(labels: pa.Table, split: Split) -> CheckResult:
    """No deal whose outcome is learnt from in one window and tested in another."""
    deal = deal_codes(labels)
    seen = np.zeros((3, int(deal.max()) + 1 if len(deal) else 0), dtype=np.int64)
    for place, window in enumerate(_windows(split).values()):
        seen[place, deal[window.known]] = 1
    shared = (seen.sum(axis=0) > 1)[deal] if len(deal) else np.zeros(0, dtype=np.bool_)
    counts = ", ".join(
        f"{int(n.sum()):,} {name}" for name, n in zip(_windows(split), seen, strict=True)
    )  # fmt: skip
    return _structural(
        "deal_overlap",
        shared,
        f"no deal with an outcome in two windows ({counts})",
        f"{len(np.unique(deal[shared])):,} deals have labelled rows in two windows{_first(labels, shared)}",
        _FILE_A_REPORT,
    )


def _embargo(labels: pa.Table, split: Split, embargo: timedelta) -> CheckResult:
    """The latest label learnt from, plus the embargo, lies before the first snapshot of the test."""
    closed, at = micros(labels["closed_at"]), micros(labels["as_of"])
    learnt, tested = split.train.known | split.calibration.known, split.test.inside
    if not learnt.any() or not tested.any():
        return CheckResult("embargo", "not applicable", "no rows to learn from, or none to test on")
    last, first = int(closed[learnt].max()), int(at[tested].min())
    gap = (first - last) / DAY_US
    wrong = learnt & (closed + embargo // timedelta(microseconds=1) > first)
    said = f"last label {moment(last):%Y-%m-%d}, first test snapshot {moment(first):%Y-%m-%d}"
    return _structural(
        "embargo",
        wrong,
        f"{said}: {gap:.1f} days apart, at least {embargo / timedelta(days=1):g} wanted",
        f"{said}: {gap:.1f} days apart, at least {embargo / timedelta(days=1):g} are wanted",
        "Raise embargo_days, or look for closes that lie after the calibration window.",
    )


def _censoring(labels: pa.Table, split: Split) -> CheckResult:
    """The share won among closed rows, and corrected for those still open. Shown, not judged."""
    train = split.train
    if not train.known.any():
        return CheckResult("censoring", "not applicable", "no training row has a known outcome")
    y = known_outcomes(labels)[train.known]
    weight = window_weights(labels, train)[train.known]
    naive, corrected = float(y.mean()), float(np.average(y, weights=weight))
    still_open = 1 - train.known.sum() / max(train.inside.sum(), 1)
    said = (
        f"{still_open:.0%} of {int(train.inside.sum()):,} training rows were still open at its end; won: "
        f"{naive:.3f} of the closed ones alone, {corrected:.3f} corrected for the open ones"
    )
    figures = {"open_share": float(still_open), "won_closed_only": naive, "won_corrected": corrected}
    return CheckResult("censoring", "passed", said, figures=figures)


def _structural(check: str, wrong: BoolArray, passed: str, failed: str, remedy: str) -> CheckResult:
    n = int(wrong.sum())
    if n:
        return CheckResult(check, "failed", f"{failed}.", remedy, structural=True, figures={"rows": n})
    return CheckResult(check, "passed", passed, structural=True, figures={"rows": 0})


def _first(labels: pa.Table, wrong: BoolArray) -> str:
    """The first offender, in words."""
    places = np.flatnonzero(wrong)
    if not places.size:
        return ""
    row = labels.slice(int(places[0]), 1).to_pylist()[0]
    return f" (first: {row[case_key(labels)]!r} at {row['as_of']}, closed {row['closed_at']})"
