"""The rows to learn from are checked themselves: a row too many in the wrong place is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from data.errors import LeakageError
from models.audit.findings import AuditReport
from models.audit.structure import structure_results
from models.split import Split, Window

DAY = timedelta(days=1)
START = datetime(2025, 1, 1, tzinfo=UTC)


def day(n: float) -> datetime:
    return START + n * DAY


def labels_of(*rows: tuple[str, float, int | None, float | None]) -> pa.Table:
    """Rows of (deal, day of the snapshot, outcome, day of the close)."""
    instant = pa.timestamp("us", "UTC")
    return pa.table({
        "opportunity_id": pa.array([row[0] for row in rows], pa.string()),
        "as_of": pa.array([day(row[1]) for row in rows], instant),
        "y": pa.array([row[2] for row in rows], pa.int8()),
        "closed_at": pa.array([None if row[3] is None else day(row[3]) for row in rows], instant),
    })  # fmt: skip


def split_of(labels: pa.Table, cuts: tuple[float, float, float, float]) -> Split:
    """Windows of [0, a), [a, b), [c, d): cuts are a, b, c, d."""
    at, closed = labels["as_of"].to_pylist(), labels["closed_at"].to_pylist()
    a, b, c, d = (day(cut) for cut in cuts)

    def window(start: datetime, end: datetime) -> Window:
        inside = np.array([start <= t < end for t in at])
        known = np.array([i and t is not None and t < end for i, t in zip(inside, closed, strict=True)])
        return Window(start, end, inside, known)

    return Split(d, window(START, a), window(a, b), window(c, d), None)


SOUND = labels_of(
    ("a", 1, 1, 5), ("a", 3, 1, 5), ("b", 2, 0, 8), ("c", 4, None, None), ("d", 12, 0, 15), ("e", 30, 1, 35)
)  # fmt: skip
CUTS = (10, 20, 27, 40)


def verdicts(labels: pa.Table, split: Split, embargo_days: float = 7) -> dict[str, str]:
    results = structure_results(labels, split, embargo=embargo_days * DAY)
    return {result.check: result.verdict for result in results}


def test_sound_rows_pass_every_check() -> None:
    found = verdicts(SOUND, split_of(SOUND, CUTS))
    assert found == dict.fromkeys(
        ("no_row_after_close", "label_maturity", "deal_overlap", "embargo", "censoring"), "passed"
    )


def test_a_row_after_its_deals_close_fails_and_one_at_the_close_does_not() -> None:
    at_close = labels_of(("a", 5, 1, 5), ("b", 2, 0, 8), ("e", 30, 1, 35))
    assert verdicts(at_close, split_of(at_close, CUTS))["no_row_after_close"] == "passed"
    after = labels_of(("a", 5.01, 1, 5), ("b", 2, 0, 8), ("e", 30, 1, 35))
    assert verdicts(after, split_of(after, CUTS))["no_row_after_close"] == "failed"


def test_a_label_from_after_its_windows_end_fails() -> None:
    split = split_of(SOUND, CUTS)
    known = split.train.known.copy()
    known[2] = True
    late = labels_of(
        ("a", 1, 1, 5), ("a", 3, 1, 5), ("b", 2, 0, 10), ("c", 4, None, None), ("d", 12, 0, 15),
        ("e", 30, 1, 35),
    )  # fmt: skip
    split = replace(split, train=replace(split.train, known=known))
    assert verdicts(late, split)["label_maturity"] == "failed"


def test_a_deal_with_outcomes_in_two_windows_fails_and_is_named() -> None:
    labels = labels_of(("a", 1, 1, 5), ("b", 2, 0, 8), ("d", 12, 0, 15), ("a", 30, 1, 35))
    split = split_of(labels, CUTS)
    results = {r.check: r for r in structure_results(labels, split, embargo=7 * DAY)}
    assert results["deal_overlap"].verdict == "failed"
    assert "1 deals have labelled rows in two windows (first: 'a'" in results["deal_overlap"].evidence


def test_the_test_begins_an_embargo_after_the_last_label() -> None:
    split = split_of(SOUND, CUTS)
    assert verdicts(SOUND, split, embargo_days=15)["embargo"] == "passed"
    assert verdicts(SOUND, split, embargo_days=15.5)["embargo"] == "failed"


def test_the_share_won_is_shown_with_and_without_the_open_deals() -> None:
    labels = labels_of(
        ("a", 1, 1, 1.5), ("b", 1, 0, 9), ("c", 9, 1, 9.5), ("d", 9, None, None), ("e", 30, 1, 35)
    )
    results = {r.check: r for r in structure_results(labels, split_of(labels, CUTS), embargo=7 * DAY)}
    figures = results["censoring"].figures
    assert figures["open_share"] == pytest.approx(0.25)
    assert figures["won_closed_only"] == pytest.approx(2 / 3)
    # b took 8 days, and 2 of 4 rows could be followed for longer: it stands for two
    assert figures["won_corrected"] == pytest.approx(2 / 4)


def test_a_structural_failure_stops_a_run_with_evidence_and_remedy() -> None:
    after = labels_of(("a", 6, 1, 5), ("b", 2, 0, 8), ("e", 30, 1, 35))
    results = structure_results(after, split_of(after, CUTS), embargo=7 * DAY)
    with pytest.raises(LeakageError, match=r"no_row_after_close: 1 snapshots .* Draw snapshots only"):
        AuditReport((), 0, results=results).check_structure()
    AuditReport((), 0, results=structure_results(SOUND, split_of(SOUND, CUTS), embargo=DAY)).check_structure()
