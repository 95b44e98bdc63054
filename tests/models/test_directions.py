"""Learnt directions beside the expected ones."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.arrays import known_outcomes
from models.boosting import Shape
from models.directions import directions_document, learnt_directions, write_directions
from models.report import render_report
from models.search import Found
from models.split import time_split
from models.training import fit_win


def found(world, expected: dict[str, str], **columns: pa.Array):
    """Verdicts by feature, for a model of the hand-made world whose columns may be replaced."""
    frame = world.frame
    for name, column in columns.items():
        frame = frame.set_column(frame.column_names.index(name), name, column)
    features = tuple(replace(one, expected=expected.get(one.name, "depends")) for one in world.features)
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    settled = Found(Shape(), 80, ())
    model = fit_win(frame, world.labels, split, features, found=settled, deal_power=0.0, seed=1)
    known = split.train.known
    directions = learnt_directions(
        model,
        frame.filter(pa.array(known)),
        features,
        y=known_outcomes(world.labels)[known],
        weight=np.ones(known.sum()),
    )
    return {one.feature: one for one in directions}


def test_what_the_world_plants_agrees_and_the_opposite_expectation_is_contradicted(world) -> None:
    # in the world, a met champion and more meetings help, and losers are slower
    right = {
        "champion_met": "higher is better",
        "meetings": "higher is better",
        "days_in_stage": "lower is better",
    }
    wrong = {
        "champion_met": "lower is better",
        "meetings": "lower is better",
        "days_in_stage": "higher is better",
    }
    assert [one.verdict for one in found(world, right).values()] == ["agrees"] * 3
    contradicted = found(world, wrong)
    assert [one.verdict for one in contradicted.values()] == ["contradicts"] * 3
    assert contradicted["champion_met"].in_outcomes == "contradicts"
    assert contradicted["champion_met"].correlation == pytest.approx(0.86, abs=0.05)


def test_features_without_an_expected_direction_are_not_judged(world) -> None:
    assert list(found(world, {"meetings": "higher is better"})) == ["meetings"]


def test_a_column_of_one_value_is_absent_and_has_no_correlation(world) -> None:
    n = world.frame.num_rows
    one = found(world, {"meetings": "higher is better"}, meetings=pa.array([3] * n, pa.int64()))["meetings"]
    assert (one.verdict, one.correlation, one.interval, one.rows > 0) == ("absent", None, None, True)


def test_a_column_never_filled_is_absent(world) -> None:
    empty = pa.nulls(world.frame.num_rows, pa.float64())
    one = found(world, {"days_in_stage": "lower is better"}, days_in_stage=empty)["days_in_stage"]
    assert (one.verdict, one.rows) == ("absent", 0)


def test_a_direction_that_turns_within_the_range_is_mixed(world) -> None:
    rng = np.random.default_rng(4)
    ids = world.labels["opportunity_id"].to_pylist()
    y = known_outcomes(world.labels)
    # won deals have middling values, lost ones high or low
    chosen = {
        name: rng.choice([3, 4, 5, 6] if won == 1 else [0, 1, 7, 8, 9, 9])
        for name, won in zip(ids, y, strict=True)
    }
    one = found(world, {"meetings": "higher is better"}, meetings=pa.array([int(chosen[i]) for i in ids]))
    assert one["meetings"].verdict == "mixed"
    assert one["meetings"].spread > 0.3


def test_a_shadow_is_told_from_a_belief_that_does_not_hold(world) -> None:
    met = np.array(world.frame["champion_met"].fill_null(False).to_pylist())
    rng = np.random.default_rng(2)
    # more meetings where a champion was met, and for that alone: beside the champion they count for nothing
    meetings = np.where(met, 6, 2) + rng.integers(0, 3, met.size)
    one = found(world, {"meetings": "higher is better"}, meetings=pa.array(meetings.astype(int)))["meetings"]
    assert one.in_outcomes == "agrees"
    assert one.outcome_correlation > 0.1


def test_the_document_counts_every_verdict_and_is_what_the_file_holds(world, tmp_path) -> None:
    directions = tuple(
        found(world, {"meetings": "lower is better", "champion_met": "higher is better"}).values()
    )
    document = directions_document(directions, model_version="win-1")
    assert document["counts"] == {"contradicts": 1, "mixed": 0, "agrees": 1, "flat": 0, "absent": 0}
    assert [one["feature"] for one in document["features"]] == ["meetings", "champion_met"]
    held = json.loads(write_directions(document, tmp_path).read_bytes())
    assert held["features"][0]["interval"] == list(document["features"][0]["interval"])


def test_contradictions_stand_in_the_report_with_what_the_outcomes_say(world) -> None:
    directions = found(world, {"meetings": "lower is better", "champion_met": "higher is better"})
    document = directions_document(tuple(directions.values()), model_version="win-1")
    window = {
        "as_of_min": None, "as_of_max": None, "label_max": None, "rows": 0, "deals": 0, "won": 0, "lost": 0,
        "censored_rows": 0,
    }  # fmt: skip
    evaluation = {
        "model_version": "win-1", "as_of": "2025-07-01T00:00:00Z", "claims_skill": False, "headline": "None.",
        "notes": [], "metrics": {}, "versus": {}, "by_min_age_days": [], "by_stage": [], "by_age": [],
        "train": window, "calibration": window, "test": window,
    }  # fmt: skip
    page = render_report(evaluation, charts={}, directions=document)
    assert "1 move the model that way, 1 the other way" in page
    row = page[page.index("<code>meetings</code>") :]
    assert row.index("contradicts") < row.index("go the other way too")
    assert "<code>champion_met</code>" not in page
    assert "expected directions" not in render_report(evaluation, charts={})
