import json

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from features.feature import AgainstNorm, Feature, Measure
from models.encoding import OTHER, Encoder
from models.typical import typical_of, typical_values


def feature(name, kind, value=None):
    said = dict.fromkeys(("unit", "description", "rationale", "absent"), "")
    return Feature(
        name=name, family="momentum", kind=kind, expected="depends", sentence="{value}", **said,
        value=value or Measure("hand", "current", name),
    )  # fmt: skip


REGION = feature("region", "category")
AMOUNT = feature("amount", "number")
CALLS = feature("calls", "count")
MET = feature("met", "flag")
RATIO = feature("ratio", "number", AgainstNorm("amount", "stage"))
ALL = (REGION, AMOUNT, CALLS, MET, RATIO)


def fit(frame, y, features, rows=None):
    rows = np.ones(frame.num_rows, dtype=bool) if rows is None else rows
    return Encoder.fit(
        frame, np.array(y, float), rows=rows, weight=np.ones(frame.num_rows), features=features
    )


def regions(values):
    return pa.table({"region": pa.array(values, pa.string())})


def training(n=80):
    """Half north (lost), half south (won); every fourth amount null; stages of different pace."""
    return pa.table(
        {
            "region": pa.array(["north", "south"] * (n // 2)),
            "amount": pa.array([None if i % 4 == 0 else 10.0 * (i % 2 + 1) for i in range(n)], pa.float64()),
            "calls": pa.array(list(range(n)), pa.int64()),
            "met": pa.array([None if i % 4 == 0 else i % 2 == 1 for i in range(n)], pa.bool_()),
            "stage": pa.array(["late"] * n),
        }
    ), [i % 2 for i in range(n)]


def test_levels_are_coded_in_the_order_of_their_win_rate_and_rare_ones_share_a_level():
    frame = regions(["best"] * 30 + ["worst"] * 30 + ["rare"] * 5)
    encoder = fit(frame, [1] * 30 + [0] * 30 + [1, 0, 1, 0, 1], (REGION,))
    assert encoder.columns[0].levels == ("worst", OTHER, "best")
    codes = encoder.transform(regions(["worst", "rare", "never seen", "best"]))[:, 0]
    assert codes.tolist() == [0, 1, 1, 2]


def test_at_most_sixty_levels_are_kept_the_most_frequent_ones():
    names = [f"r{i:02d}" for i in range(70) for _ in range(20 + (i < 60))]
    levels = fit(regions(names), [i % 2 for i in range(len(names))], (REGION,)).columns[0].levels
    assert len(levels) == 61
    assert "r59" in levels
    assert "r60" not in levels


def test_missing_and_unseen_are_told_apart_where_training_rows_had_nulls():
    frame = regions(["north"] * 30 + ["south"] * 30 + [None] * 25)
    encoder = fit(frame, [0] * 30 + [1] * 30 + [1] * 25, (REGION,))
    unseen, missing = encoder.transform(regions(["never seen", None]))[:, 0]
    assert unseen == encoder.columns[0].levels.index(OTHER)
    assert np.isnan(missing)


def test_a_null_that_training_rows_never_held_is_scored_as_the_middle_not_as_zero():
    frame, y = training()
    region, calls = fit(frame, y, (REGION, CALLS)).columns
    nulls = pa.table({"region": pa.array([None], pa.string()), "calls": pa.array([None], pa.int64())})
    assert region.levels[int(region.encode(nulls)[0])] == OTHER
    assert calls.encode(nulls).tolist() == [39.5]
    assert calls.decode(nulls).to_pylist() == [None]


def test_numbers_counts_and_flags_pass_as_they_are_and_null_is_nan():
    frame, y = training()
    matrix = fit(frame, y, (AMOUNT, CALLS, MET)).transform(frame.slice(0, 3))
    assert np.array_equal(matrix, [[np.nan, 0, np.nan], [20, 1, 1], [10, 2, 0]], equal_nan=True)
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous


def test_infinite_numbers_count_as_missing():
    frame, y = training()
    infinite = frame.set_column(1, "amount", pa.array([np.inf] * frame.num_rows))
    assert np.isnan(fit(frame, y, (AMOUNT,)).transform(infinite)).all()


def test_only_the_rows_asked_for_are_learnt_from():
    frame = regions(["north"] * 30 + ["south"] * 30)
    rows = np.array([True] * 30 + [False] * 30)
    assert fit(frame, [0] * 30 + [np.nan] * 30, (REGION,), rows).columns[0].levels == ("north", OTHER)


def test_a_ratio_to_the_norm_divides_by_the_median_of_won_deals_in_the_same_category():
    n = 25
    frame = pa.table(
        {
            "amount": pa.array([10.0] * n + [40.0] * n + [1000.0] * n, pa.float64()),
            "stage": pa.array(["early"] * n + ["late"] * n + ["late"] * n),
        }
    )
    encoder = fit(frame, [1] * n + [1] * n + [0] * n, (RATIO,))
    asked = pa.table(
        {
            "amount": pa.array([20.0, 20.0, 50.0, None], pa.float64()),
            "stage": pa.array(["early", "late", "never seen", "late"]),
        }
    )
    # norms: early 10, late 40, and 25 over all won rows; null stays null
    assert encoder.columns[0].read(asked).tolist()[:3] == [2.0, 0.5, 2.0]
    assert encoder.decode(asked)["ratio"].to_pylist() == [2.0, 0.5, 2.0, None]


def test_a_norm_of_zero_is_no_norm():
    frame = pa.table({"amount": pa.array([0.0] * 30), "stage": pa.array(["early"] * 30)})
    assert np.isnan(fit(frame, [1] * 30, (RATIO,)).transform(frame)).all()


def test_shuffled_and_extra_columns_give_the_same_matrix():
    frame, y = training()
    encoder = fit(frame, y, ALL)
    shuffled = frame.select(["met", "stage", "calls", "region", "amount"]).append_column(
        "extra", frame["calls"]
    )
    assert np.array_equal(encoder.transform(frame), encoder.transform(shuffled), equal_nan=True)


@pytest.mark.parametrize("name", ["region", "amount", "calls", "met", "stage"])
def test_a_missing_column_is_refused_by_name(name):
    frame, y = training()
    with pytest.raises(ModelContractError, match=f"'{name}'.*no such column"):
        fit(frame, y, ALL).transform(frame.drop_columns([name]))


@pytest.mark.parametrize(
    ("name", "values"),
    [("region", [1, 2]), ("amount", ["1", "2"]), ("calls", [True, False]), ("met", [0, 1])],
)
def test_a_column_of_another_type_is_refused_by_name(name, values):
    frame, y = training(2)
    swapped = frame.set_column(frame.column_names.index(name), name, pa.array(values))
    with pytest.raises(ModelContractError, match=f"'{name}'.*type"):
        fit(frame, y, ALL).transform(swapped)


def test_a_wholly_null_column_of_no_type_is_scored_as_missing():
    frame, y = training()
    empty = pa.table({name: pa.nulls(3) for name in frame.column_names})
    matrix = fit(frame, y, (AMOUNT, MET)).transform(empty)
    assert np.isnan(matrix).all()


def test_an_encoder_survives_json_to_the_last_bit():
    frame, y = training()
    frame = frame.set_column(1, "amount", pa.array(np.random.default_rng(1).normal(size=frame.num_rows)))
    encoder = fit(frame, y, ALL)
    assert Encoder.from_dict(json.loads(json.dumps(encoder.as_dict()))) == encoder


def test_decoded_frames_show_categories_as_the_model_sees_them():
    frame, y = training()
    encoder = fit(frame, y, ALL)
    asked = pa.table(
        {
            "opportunity_id": ["x", "y"],
            "region": pa.array(["north", "never seen"]),
            "amount": pa.array([None, 2.5], pa.float64()),
            "calls": pa.array([3, None], pa.int64()),
            "met": pa.array([True, None], pa.bool_()),
            "stage": pa.array(["late", None], pa.string()),
        }
    )
    assert encoder.decode(asked).to_pydict() == {
        "opportunity_id": ["x", "y"],
        "region": ["north", OTHER],
        "amount": [None, 2.5],
        "calls": [3, None],
        "met": [True, None],
        "ratio": [None, 0.125],
    }


def test_typical_values_are_those_of_won_deals_at_the_stage_and_overall_where_it_saw_too_few():
    frame = pa.table(
        {
            "stage": pa.array(["early"] * 20 + ["late"] * 20 + ["rare"] * 2),
            "amount": pa.array([10.0] * 20 + [40.0] * 20 + [40.0] * 2),
            "region": pa.array(["north"] * 20 + ["south"] * 22),
            "met": pa.array([True, False] * 10 + [True] * 22),
        }
    )
    encoder = fit(frame, [1] * 42, (AMOUNT, REGION, MET))
    typical = typical_values(frame, encoder, rows=np.ones(42, dtype=bool))
    assert typical_of(typical, "early") == {"amount": 10.0, "region": "north", "met": 0.5}
    assert typical_of(typical, "late") == {"amount": 40.0, "region": "south", "met": 1.0}
    assert typical_of(typical, "rare") == typical_of(typical, None)
    assert typical_of(typical, None)["amount"] == 40.0
