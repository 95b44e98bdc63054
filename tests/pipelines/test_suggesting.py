"""What a run publishes about what would help: every gain is the model's own, ranked, and never trivial."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pytest

from data.settings import load_settings
from data.warehouse import open_warehouse
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.snapshots import DAY, Calendar, deal_snapshots
from features.steps_rows import BEFORE, joined_group, merged_rows, met, moment, named
from features.steps_state import people_of, usual_levels
from features.steps_variants import moved_by_steps
from models.alike import ENOUGH_DEALS
from models.steps_effect import WORTH_TELLING
from models.win_model import baseline_model
from pipelines.job import Job
from pipelines.progress import silent
from pipelines.steps import Built, View, readable
from pipelines.suggesting import suggestion_tables
from serving.live import HeldRun, hold
from serving.publish import Publication
from serving.suggestions import ALIKE, RANGES, SCHEMAS, SOURCES, SUGGESTIONS, alike_of, suggestions

pytestmark = pytest.mark.slow

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def run(served: Path) -> HeldRun:
    return hold(served)


@pytest.fixture(scope="module")
def rows(run: HeldRun) -> list[dict[str, Any]]:
    return run.table(SUGGESTIONS).to_pylist()


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_gains_are_told_from_the_published_probability_and_add_up(
    run: HeldRun, rows: list[dict[str, Any]]
) -> None:
    published = dict(zip(run.deals.ids.tolist(), run.deals.p_win.tolist(), strict=True))
    assert rows
    for row in rows:
        assert row["p_before"] == pytest.approx(published[row["opportunity_id"]], abs=1e-12)
        assert row["gain_points"] == pytest.approx(100 * (row["p_after"] - row["p_before"]))
        assert logit(row["p_after"]) - logit(row["p_before"]) == pytest.approx(row["gain_log_odds"], abs=1e-8)
    for deal in run.deals.ids.tolist():
        for one in suggestions(run, deal):
            assert sum(driver.log_odds for driver in one.drivers) == pytest.approx(
                one.gain_log_odds, abs=1e-8
            )


def test_no_step_is_told_that_gains_nothing_and_no_pair_that_its_better_step_alone_would(
    run: HeldRun,
) -> None:
    n_pairs = 0
    for deal in run.deals.ids.tolist():
        told = suggestions(run, deal)
        gains = [one.p_after - one.p_before for one in told]
        assert [one.rank for one in told] == list(range(1, len(told) + 1))
        assert gains == sorted(gains, reverse=True)
        assert all(gain >= WORTH_TELLING for gain in gains)
        singles = {one.steps[0]: one.p_after for one in told if len(one.steps) == 1}
        pairs = [one for one in told if len(one.steps) == 2]
        assert len(singles) <= 5
        assert len(pairs) <= 3
        assert all(len(one.steps) in (1, 2) for one in told)
        for pair in pairs:
            assert set(pair.steps) <= set(singles)
            assert pair.p_after >= max(singles.values()) + WORTH_TELLING
        n_pairs += len(pairs)
    assert n_pairs


def test_each_step_moves_what_it_is_to_move_and_says_who_stood_there(
    run: HeldRun, rows: list[dict[str, Any]]
) -> None:
    for row in rows:
        alike = alike_of(run, row["opportunity_id"])
        assert alike is not None
        assert row["value_before"] != row["value_after"]
        assert 0 <= row["similar_won"] <= row["similar_deals"] <= alike.deals
        assert row["seen"] == (row["similar_deals"] > 0) == (row["low"] is not None)
        if row["seen"]:
            assert row["low"] <= row["high"]
    assert any(row["seen"] for row in rows)


def test_every_deal_is_compared_with_past_deals_whose_ranges_are_told(run: HeldRun) -> None:
    compared = run.table(ALIKE).to_pylist()
    assert [row["opportunity_id"] for row in compared] == sorted(run.deals.ids.tolist())
    groups = {row["group_id"] for row in run.table(RANGES).to_pylist()}
    assert {row["group_id"] for row in compared} == groups
    assert all(0 <= row["alike_won"] <= row["alike_deals"] for row in compared)
    assert all(row["alike_deals"] >= ENOUGH_DEALS for row in compared)
    sources = run.table(SOURCES).to_pylist()
    assert {"feature": "economic_buyer_touches", "source": "activity_participants"} in sources


def test_a_steps_gain_is_what_the_model_gives_once_the_engine_has_measured_its_rows(
    served: Path, run: HeldRun, rows: list[dict[str, Any]]
) -> None:
    """The rows of one deal's `backing` are written into the whole warehouse by hand."""
    model, as_of = run.model(), run.as_of
    assert model is not None
    with open_warehouse(served) as warehouse:
        tables = warehouse.tables(as_of)
        asked = [row for row in rows if row["steps"] == "backing"]
        people = people_of(tables, as_of, [row["opportunity_id"] for row in asked])
        told = next(
            row for row in asked
            if people[row["opportunity_id"]][0].touches
            and not any("executive_sponsor" in one.roles for one in people[row["opportunity_id"]])
        )  # fmt: skip
        deal, at = told["opportunity_id"], as_of - BEFORE
        in_touch = people[deal][0].contact_id
        level = usual_levels(tables, as_of)["executive_sponsor"]
        by_hand = merged_rows(
            joined_group("new", "executive_sponsor", at, seniority=level),
            met(["new", in_touch], at, "meeting"),
            moment("sponsor_backing", at, contact="new"),
        )
        grown = dict(tables)
        for name, added in named(by_hand, deal, None, "by-hand-").items():
            new = warehouse.con.create_table(f"by_hand_{name}", _table(tables[name], added), temp=True)
            grown[name] = tables[name].union(new)
        calendar = Calendar(as_of, 7 * DAY)
        features = catalogue(custom_fields(tables, as_of))
        now = deal_snapshots(tables, calendar, first_slot=calendar.last_slot)
        before = feature_frame(warehouse.con, tables, now, features)
        after = feature_frame(warehouse.con, grown, now, moved_by_steps(features))
    place = before["opportunity_id"].to_pylist().index(deal)
    row = before.slice(place, 1)
    for name in after.column_names[2:]:
        row = row.set_column(row.schema.get_field_index(name), name, after[name].slice(place, 1))
    log_odds = float(model.log_odds(readable(row, model))[0])
    assert log_odds - logit(told["p_before"]) == pytest.approx(told["gain_log_odds"], abs=TOLERANCE)


def _table(like: ir.Table, added: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows by hand with the columns of a table."""
    return pa.Table.from_pylist([dict(row) for row in added], schema=like.schema().to_pyarrow())


def test_what_the_simulated_world_rewards_helps_more_than_what_it_does_not(
    rows: list[dict[str, Any]],
) -> None:
    """Planted in `data.simulator.strengths`: a first touch of the economic buyer or the blocker moves the
    log-odds by 1.05, one of a user, an influencer or a technical evaluator by nothing."""
    gains: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        kind = "blocker" if row["feature"] == "blockers_untouched" else row["steps"].removeprefix("meet:")
        if "+" not in row["steps"]:
            gains[kind].append(row["gain_log_odds"])
    unplanted = [gain for kind in ("user", "influencer", "technical_evaluator") for gain in gains[kind]]
    assert np.mean(gains["economic_buyer"]) > np.mean(unplanted)
    assert np.mean(gains["blocker"]) > np.mean(unplanted)


def test_a_base_rate_suggests_nothing(tmp_path: Path) -> None:
    as_of = Calendar(datetime(2026, 1, 1, tzinfo=UTC), 7 * DAY)
    frame = pa.table({
        "opportunity_id": ["o1"], "as_of": pa.array([as_of.as_of], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    model = baseline_model(frame, np.array([np.nan]), weight=np.ones(1), features=(), reason="thin")
    job = Job(load_settings(workspace=tmp_path), "20260101T000000Z-00000a")
    nothing = pa.table({"opportunity_id": pa.array([], pa.string())})
    made = Publication(as_of.as_of, model.version, "data", *[nothing] * 6)
    found = suggestion_tables(job, View(as_of, 0, 0, "data"), Built((), frame, frame), model, made, silent)
    assert {name: table.num_rows for name, table in found.items()} == dict.fromkeys(SCHEMAS, 0)
