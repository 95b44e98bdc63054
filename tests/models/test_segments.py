"""Segments are judged out of time, and a boundary is held against random ones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from models.segment_report import SegmentReport, verdicts
from models.segments import judge_segments
from models.split import time_split

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)
INSTANT = pa.timestamp("us", "UTC")
Chance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def made_deals(chance: Chance, *, deals: int = 3_000, seed: int = 1) -> tuple[pa.Table, pa.Table]:
    """Frame and labels: each deal seen twice, a week apart, and closed a month later.

    chance: P(won) from headcount, structure (1 centralised, 0 distributed, -1 unknown) and stage (0, 1).
    """
    rng = np.random.default_rng(seed)
    headcount = np.exp(rng.uniform(np.log(20), np.log(20_000), deals)).astype(int)
    structure = rng.choice([0, 1, -1], deals, p=[0.45, 0.45, 0.1])
    stage = rng.integers(0, 2, deals)
    won = rng.random(deals) < chance(headcount, structure, stage)
    start = np.sort(rng.integers(60, 900, deals))[::-1]
    deal = np.repeat(np.arange(deals), 2)
    weeks = np.tile([0, 7], deals)
    ids = [f"d{one:05d}" for one in deal]
    begun = [AS_OF - timedelta(days=int(start[one])) for one in deal]
    at = [day + timedelta(days=int(week)) for day, week in zip(begun, weeks, strict=True)]
    names = np.array(["distributed", "centralised", ""])
    frame = pa.table({
        "opportunity_id": ids,
        "as_of": pa.array(at, INSTANT),
        "employees": pa.array(headcount[deal].astype(float)),
        "decision_structure": pa.array(names[structure[deal]], mask=structure[deal] < 0),
        "stage": [("early", "late")[one] for one in stage[deal]],
        "deal_age_days": weeks.astype(float),
    })  # fmt: skip
    labels = pa.table({
        "opportunity_id": ids,
        "as_of": pa.array(at, INSTANT),
        "y": won[deal].astype(np.int8),
        "closed_at": pa.array([day + timedelta(days=30) for day in begun], INSTANT),
    })  # fmt: skip
    return frame, labels


def judged(frame: pa.Table, labels: pa.Table, **changes: object) -> SegmentReport:
    split = time_split(labels, as_of=AS_OF, step_days=7)
    return judge_segments(frame, labels, split, **{"n_random": 200, **changes})


def nothing_counts(headcount: np.ndarray, structure: np.ndarray, stage: np.ndarray) -> np.ndarray:
    return np.full(len(headcount), 0.35)


def a_thousand_counts(headcount: np.ndarray, structure: np.ndarray, stage: np.ndarray) -> np.ndarray:
    return np.where(headcount >= 1_000, 0.6, 0.2)


def structure_counts(headcount: np.ndarray, structure: np.ndarray, stage: np.ndarray) -> np.ndarray:
    return np.where(structure == 1, 0.55, 0.25)


def size_counts_smoothly(headcount: np.ndarray, structure: np.ndarray, stage: np.ndarray) -> np.ndarray:
    return np.clip(0.1 + 0.09 * np.log(headcount / 20), 0, 0.75)


@pytest.fixture(scope="module")
def planted() -> SegmentReport:
    return judged(*made_deals(a_thousand_counts))


@pytest.fixture(scope="module")
def structured() -> SegmentReport:
    return judged(*made_deals(structure_counts))


def standing_out(report: SegmentReport) -> set[tuple[tuple[int, ...], str]]:
    return {(one.boundaries, one.context) for one in report.boundaries if one.stands_out}


def test_a_planted_boundary_stands_out_and_its_neighbours_do_not(planted: SegmentReport) -> None:
    alone = {cut for cut, _ in standing_out(planted) if len(cut) == 1}
    assert alone == {(1_000,)}
    said = next(said for said in verdicts(planted) if said.startswith("The boundary at 1,000 gains"))
    assert "also beyond a smooth effect of size" in said


def test_a_planted_boundary_gains_what_the_shares_say(planted: SegmentReport) -> None:
    # by hand: half of log-uniform headcounts lie at 1,000 or more (ln 20 to ln 20,000: 0.434 of them)
    above, p = 0.434, np.array([0.2, 0.6])
    mix = (1 - above) * p[0] + above * p[1]
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    expected = -(mix * np.log(mix) + (1 - mix) * np.log(1 - mix)) - entropy @ [1 - above, above]
    gain = next(one.gain for one in planted.boundaries if one.boundaries == (1_000,))
    assert gain is not None
    assert gain.interval is not None
    assert gain.interval[0] < expected < gain.interval[1]


def test_where_size_counts_for_nothing_no_boundary_matters_more_than_a_random_one() -> None:
    report = judged(*made_deals(nothing_counts))
    assert standing_out(report) == set()
    assert any(
        said.startswith("No headcount boundary matters more than a random") for said in verdicts(report)
    )
    assert not any(one.gains["base_rate"].is_clear for one in report.segmentations)


def test_where_size_counts_smoothly_bands_help_but_no_boundary_is_special() -> None:
    report = judged(*made_deals(size_counts_smoothly))
    bands = next(one for one in report.segmentations if one.name == "headcount_bands")
    assert bands.gains["base_rate"].is_clear
    assert {context for _, context in standing_out(report)} <= {"base_rate", "stage_and_age"}
    said = " ".join(verdicts(report))
    assert "once a smooth effect of size is allowed for" in said
    assert "also beyond a smooth effect of size" not in said


def test_decision_structure_that_counts_separates_and_tells_more_than_headcount(
    structured: SegmentReport,
) -> None:
    by_name = {one.name: one for one in structured.segmentations}
    assert by_name["decision_structure"].gains["base_rate"].is_clear
    assert not by_name["headcount_bands"].gains["base_rate"].is_clear
    assert all(one.gain.is_clear for one in structured.versus)
    said = " ".join(verdicts(structured))
    assert "Decision structure as given: separates won from lost deals" in said
    assert "Decision structure as given tells more than headcount bands" in said


def test_levels_show_deals_and_shares_of_both_sides(structured: SegmentReport) -> None:
    levels = {one.name: one for one in structured.segmentations[0].levels}
    assert list(levels) == ["centralised", "distributed", "unknown"]
    assert [one.name for one in structured.segmentations[-1].levels] == [
        "under 200", "200 to 999", "1,000 to 4,999", "5,000 or more",
    ]  # fmt: skip
    assert sum(one.fitted_deals for one in levels.values()) == structured.fitted_deals
    assert sum(one.test_deals for one in levels.values()) == structured.test_deals
    assert levels["centralised"].smoothed_share_won == pytest.approx(0.55, abs=0.05)
    assert levels["distributed"].test_share_won == pytest.approx(0.25, abs=0.07)


def test_a_small_segment_claims_little() -> None:
    frame, labels = made_deals(nothing_counts)
    rows = frame.num_rows
    # four deals, all won, are a segment of their own
    few = np.arange(rows) < 8
    structure = np.where(few, "family owned", "distributed")
    y = np.where(few, 1, labels["y"].to_numpy()).astype(np.int8)
    frame = frame.set_column(
        frame.schema.get_field_index("decision_structure"), "decision_structure", [structure]
    )
    labels = labels.set_column(labels.schema.get_field_index("y"), "y", [y])
    level = next(one for one in judged(frame, labels).segmentations[0].levels if one.name == "family owned")
    assert (level.fitted_deals, level.fitted_share_won) == (4, 1.0)
    assert 0.35 < level.smoothed_share_won < 0.55


def test_a_segment_that_only_repeats_the_stage_gains_nothing_beyond_it() -> None:
    frame, labels = made_deals(lambda headcount, structure, stage: np.where(stage == 1, 0.6, 0.2))
    repeated = pa.array(
        ["centralised" if one == "late" else "distributed" for one in frame["stage"].to_pylist()]
    )
    frame = frame.set_column(
        frame.schema.get_field_index("decision_structure"), "decision_structure", repeated
    )
    report = judged(frame, labels)
    gains = report.segmentations[0].gains
    assert gains["base_rate"].is_clear
    assert not gains["stage_and_age"].is_clear
    assert "but not clearly beyond stage and age" in verdicts(report)[0]


def test_what_the_data_lacks_is_said_and_not_judged() -> None:
    frame, labels = made_deals(structure_counts, deals=600)
    rows = frame.num_rows
    for name, kind in (("decision_structure", pa.string()), ("employees", pa.float64())):
        frame = frame.set_column(frame.schema.get_field_index(name), name, pa.nulls(rows, kind))
    report = judged(frame, labels)
    assert [one.absent for one in report.segmentations] == ["is not given in this data"] * 2
    assert report.versus == ()
    assert all(one.gain is None and one.absent for one in report.boundaries)
    said = verdicts(report)
    assert said[0].startswith("Decision structure as given: is not given in this data")
    assert said[-2] == "No headcount boundary could be tested: headcount is not given in this data."


def test_a_boundary_beyond_every_headcount_is_not_judged() -> None:
    report = judged(*made_deals(nothing_counts, deals=600), bands=(200, 50_000))
    absent = {one.boundaries: one.absent for one in report.boundaries}
    assert absent[(200,)] is None
    assert absent[(50_000,)] == absent[(200, 50_000)] == "a band holds no earlier deal"
    assert any("50,000 could not be tested" in said for said in verdicts(report))


def test_an_inferred_structure_is_judged_beside_the_given_one() -> None:
    frame, labels = made_deals(structure_counts, deals=900)
    frame = frame.append_column(
        "decision_structure_inferred", frame["decision_structure"].fill_null("distributed")
    )
    report = judged(frame, labels)
    assert [one.name for one in report.segmentations] == [
        "decision_structure", "decision_structure_inferred", "headcount_bands",
    ]  # fmt: skip
    assert {one.first for one in report.versus} == {"decision_structure", "decision_structure_inferred"}


def test_the_same_rows_and_seed_give_the_same_report() -> None:
    frame, labels = made_deals(structure_counts, deals=600)
    assert judged(frame, labels, n_random=20).as_dict() == judged(frame, labels, n_random=20).as_dict()
