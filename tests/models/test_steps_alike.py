"""Past deals alike: who they are, how many once stood there, how far they went."""

from typing import Any

import pyarrow as pa
import pytest

from models.steps_alike import PastDeals, Range, Threshold
from models.steps_effect import best_pairs
from tests.models.conftest import END


def past(*snapshots: tuple[str, str, float, int, bool, int | None]) -> PastDeals:
    """Snapshots as (deal, stage, age in days, meetings, backed, 1 won, 0 lost, None open)."""
    ids, stages, ages, meetings, backed, y = zip(*snapshots, strict=True)
    keys: dict[str, Any] = {
        "opportunity_id": pa.array(ids),
        "as_of": pa.array([END] * len(ids), pa.timestamp("us", "UTC")),
    }
    frame = pa.table(
        keys | {
            "stage": pa.array(stages), "deal_age_days": pa.array(ages, pa.float64()),
            "meetings": pa.array(meetings, pa.int64()), "backed": pa.array(backed),
        }
    )  # fmt: skip
    return PastDeals.of(frame, pa.table(keys | {"y": pa.array(y, pa.int8())}))


def open_deals(*rows: tuple[str | None, float]) -> pa.Table:
    stages, ages = zip(*rows, strict=True)
    return pa.table({"stage": pa.array(stages, pa.string()), "deal_age_days": pa.array(ages, pa.float64())})


TWELVE = [(f"d{n}", "offer", 40.0, n, n % 2 == 0, int(n >= 8)) for n in range(12)]
"""Twelve deals of one stage and age, with 0 to 11 meetings; the four with most were won."""


def test_deals_that_stood_there_are_counted_with_those_won() -> None:
    held = past(*TWELVE)
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    seen = held.seen(group, [Threshold("meetings", True, 6.0)])
    assert (seen.alike_deals, seen.alike_won, seen.deals, seen.won) == (12, 4, 6, 4)
    assert seen.alike == "deals at stage offer, 30 to 60 days old"
    assert (seen.low, seen.high) == (6.0, 11.0)
    both = held.seen(group, [Threshold("meetings", True, 6.0), Threshold("backed", True, 1.0)])
    assert (both.deals, both.won) == (3, 2)
    few = held.seen(group, [Threshold("meetings", False, 1.0)])
    assert (few.deals, few.won, few.low, few.high) == (2, 0, 0.0, 1.0)
    none = held.seen(group, [Threshold("meetings", True, 12.0)])
    assert (none.deals, none.won, none.low, none.high) == (0, 0, None, None)


def test_a_deal_with_many_snapshots_counts_once_with_how_far_it_went() -> None:
    held = past(*TWELVE, *[("d0", "offer", 41.0 + n, 20 + n, False, 0) for n in range(5)])
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    seen = held.seen(group, [Threshold("meetings", True, 11.0)])
    assert (seen.alike_deals, seen.deals, seen.won, seen.high) == (12, 2, 1, 24.0)


def test_features_that_stood_there_at_different_times_are_no_deal_that_stood_there() -> None:
    held = past(*TWELVE, ("d13", "offer", 40.0, 15, False, 1), ("d13", "offer", 41.0, 0, True, 1))
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    assert held.seen(group, [Threshold("meetings", True, 12.0)]).deals == 1
    assert held.seen(group, [Threshold("meetings", True, 12.0), Threshold("backed", True, 1.0)]).deals == 0


def test_open_deals_are_no_evidence() -> None:
    held = past(*TWELVE, ("d14", "offer", 40.0, 30, True, None))
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    assert held.seen(group, [Threshold("meetings", True, 12.0)]).deals == 0
    assert held.seen(group, ()).alike_deals == 12


def test_where_few_are_alike_the_stage_tells_and_else_all() -> None:
    held = past(*TWELVE, ("d15", "offer", 400.0, 1, False, 0), ("d16", "lead", 40.0, 1, False, 0))
    old, lead, new = held.groups_of(open_deals(("offer", 300.0), ("lead", 40.0), ("never seen", 1.0)))
    assert held.words(old) == "deals at stage offer"
    assert held.seen(old, ()).alike_deals == 13
    assert held.words(lead) == held.words(new) == "all deals"
    assert held.seen(new, ()).alike_deals == 14


def test_the_middle_eighty_percent_of_ten_deals_or_more_is_told_in_values_that_were_seen() -> None:
    held = past(*[(f"d{n}", "offer", 40.0, n, False, 0) for n in range(100)])
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    seen = held.seen(group, [Threshold("meetings", True, 0.0)])
    assert (seen.low, seen.high) == (9.0, 89.0)
    assert held.range_of(group, "meetings") == Range(0.0, 9.0, 89.0, 99.0)


def test_a_feature_without_values_has_no_range_and_no_past_no_deals() -> None:
    held = past(*[(f"d{n}", "offer", 40.0, None, False, 0) for n in range(12)])  # type: ignore[misc]
    (group,) = held.groups_of(open_deals(("offer", 35.0)))
    assert held.range_of(group, "meetings") is None
    nothing = past(("d1", "offer", 40.0, 1, False, None))
    (group,) = nothing.groups_of(open_deals(("offer", 35.0)))
    seen = nothing.seen(group, [Threshold("meetings", True, 1.0)])
    assert (seen.alike_deals, seen.deals) == (0, 0)


@pytest.mark.parametrize(
    ("gains", "of", "expected"),
    [
        ([0.3, 0.2, 0.1], ["a", "b", "c"], [(0, 1), (0, 2), (1, 2)]),
        ([0.3, 0.2, 0.1], ["a", "a", "b"], [(0, 2), (1, 2)]),
        ([0.1, 0.2, 0.3, 0.4], ["a", "b", "c", "d"], [(3, 2), (3, 1), (2, 1)]),
        ([0.1], ["a"], []),
    ],
)
def test_pairs_are_of_the_three_best_steps_on_different_things(
    gains: list[float], of: list[str], expected: list[tuple[int, int]]
) -> None:
    assert best_pairs(gains, [{one} for one in of]) == expected
