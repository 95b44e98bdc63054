"""The worth of families and features, on a hand-made world whose truth is known."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.boosting import Rows, Shape
from models.feature_worth import contribution_shares, filled_columns
from models.metrics import log_loss
from models.split import time_split
from models.worth import BASELINE_FEATURES, BELIEFS, measure_worth
from models.worth_charts import draw_worth, worth_table
from models.worth_page import directions_lines, worth_lines


@pytest.fixture(scope="module")
def measured(make):
    """A world where the champion counts (stakeholders), the region does not; promises are never filled."""
    world = make(deals=3000, seed=3)
    n = world.frame.num_rows
    frame = world.frame.append_column("promises_open", pa.array([0] * n, pa.int64()))
    promise = replace(world.features[1], name="promises_open", family="promises")
    features = (*world.features, promise)
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    said: list[str] = []
    worth = measure_worth(frame, world.labels, split, features, shape=Shape(), fits=2, on_step=said.append)
    return worth, said


def entry(worth, name: str, kind: str = "families") -> dict:
    return next(one for one in worth.document[kind] if one["name"] == name)


def test_what_counts_is_worth_something_left_out_and_alone(measured) -> None:
    people = entry(measured[0], "stakeholders")
    assert people["left_out"]["interval"][0] > 0
    assert people["alone"]["interval"][0] > 0
    assert people["sentence"].startswith("worth 0.")


def test_what_says_nothing_is_not_distinguishable_from_nothing(measured) -> None:
    region = entry(measured[0], "commercial")
    low, high = region["left_out"]["interval"]
    assert low <= 0 <= high
    assert region["sentence"].startswith("not distinguishable from nothing")


def test_a_family_without_any_filled_column_is_absent_not_zero(measured) -> None:
    promises = entry(measured[0], "promises")
    assert (promises["columns"], promises["filled_columns"]) == (1, 0)
    assert promises["left_out"] is promises["alone"] is None
    assert promises["sentence"].startswith("absent")


def test_the_baseline_columns_are_no_familys(measured) -> None:
    document = measured[0].document
    assert document["baseline"]["columns"] == ["stage"]
    assert entry(measured[0], "momentum")["columns"] == 2
    shares = [document["baseline"]["share"], *(one["share"] for one in document["families"])]
    assert sum(shares) == pytest.approx(1)


def test_a_belief_of_one_family_has_that_familys_worth_and_costs_no_fit(measured) -> None:
    worth, said = measured
    assert entry(worth, "commercial", "beliefs")["left_out"] == entry(worth, "commercial")["left_out"]
    # the full model, the baseline, and three families left out and alone
    assert len(said) == 8


def test_every_figure_can_be_computed_from_the_predictions(measured) -> None:
    worth = measured[0]
    rows = worth.predictions.to_pandas()
    assert sorted(rows["fit"].unique()) == [0, 1]

    def loss(name: str, fit: int) -> float:
        part = rows[rows["fit"] == fit]
        y, p, weight = (part[column].to_numpy(dtype=float) for column in ("y", name, "weight"))
        return log_loss(y, p, weight)

    without = np.mean([loss("without_stakeholders", fit) - loss("full", fit) for fit in (0, 1)])
    assert entry(worth, "stakeholders")["left_out"]["difference"] == pytest.approx(without, abs=1e-12)
    assert worth.document["log_loss"]["full"] == pytest.approx(np.mean([loss("full", 0), loss("full", 1)]))


def test_the_same_seed_gives_the_same_document(make) -> None:
    world = make(deals=300, seed=3)
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    first, again = (
        measure_worth(world.frame, world.labels, split, world.features, shape=Shape(), fits=1).document
        for _ in range(2)
    )
    assert first == again


def test_on_shuffled_outcomes_nothing_is_claimed(make) -> None:
    world = make(deals=500, seed=4, shuffled=True)
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    document = measure_worth(world.frame, world.labels, split, world.features, shape=Shape(), fits=2).document
    assert "noise" in document["notes"][0]


def test_features_that_count_earn_their_place_and_noise_is_a_candidate(measured) -> None:
    rows = {row["feature"]: row for row in measured[0].document["features"]}
    champion, promise = rows["champion_met"], rows["promises_open"]
    assert champion["lower_bound"] > 0
    assert champion["in_trees"] > 0
    assert champion["in_line"]
    assert not champion["candidate"]
    # what is never filled is no candidate here: this data says nothing about it
    assert (promise["filled"], promise["in_trees"], promise["in_line"], promise["candidate"]) == (
        False, 0, False, False,
    )  # fmt: skip
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)


def test_a_column_is_filled_if_it_tells_two_rows_apart_by_evidence() -> None:
    nan = np.nan
    X = np.array([[1, 2, nan, 0, 3, 0], [1, 3, nan, nan, nan, nan]], dtype=float)
    kinds = ("count", "number", "number", "number", "number", "category")
    assert filled_columns(X, kinds).tolist() == [False, True, False, False, True, True]
    assert filled_columns(X[:0], kinds).tolist() == [False] * 6


def test_shares_are_of_sums_so_contributions_that_cancel_count_for_nothing() -> None:
    parts = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, -0.5]])
    shares = contribution_shares(parts, ("a", "a", "b"), np.array([1.0, 3.0]))
    assert shares == {"a": {"log_odds": 0.0, "share": 0.0}, "b": {"log_odds": 0.5, "share": 1.0}}


def test_rows_keep_their_outcomes_when_columns_are_chosen() -> None:
    rows = Rows(np.arange(6.0).reshape(2, 3), np.array([0.0, 1.0]), np.ones(2), np.array([0, 1]))
    assert rows.only([2, 0]).X.tolist() == [[2, 0], [5, 3]]
    assert rows.only([2, 0]).y is rows.y


def test_beliefs_and_baseline_name_what_the_catalogue_has() -> None:
    from features.catalogue import catalogue
    from features.feature import FAMILIES

    assert sorted(name for belief in BELIEFS for name in belief.families) == sorted(FAMILIES)
    assert set(BASELINE_FEATURES) <= {feature.name for feature in catalogue()}


def test_the_chart_and_the_page_show_each_measured_family_with_its_interval(measured) -> None:
    document = measured[0].document
    table = worth_table(document)
    assert table.num_rows == 6
    assert table["title"].to_pylist()[0] == "Who is in the room"
    assert all(
        low < high for low, high in zip(table["low"].to_pylist(), table["high"].to_pylist(), strict=True)
    )
    assert draw_worth(table, "caption").to_dict()["layer"]
    page = "\n".join(worth_lines(document))
    assert "Promised features | 0 of 1 | – | – |" in page
    counts = {"agrees": 1, "contradicts": 1, "mixed": 0, "flat": 0, "absent": 0}
    against = {"feature": "region_rank", "verdict": "contradicts", "in_outcomes": "unclear"}
    lines = directions_lines({"counts": counts, "features": [against]})
    assert "- The outcomes alone show no clear direction: `region_rank`." in lines
