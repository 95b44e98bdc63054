"""What is learnt about when deals close, what travels with the model, and how it is judged out of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import ModelContractError
from features.catalogue import catalogue
from models.arrays import micros, to_micros
from models.encoding import Encoder
from models.split import Window, time_split
from models.timing.close_timing import TIME_FEATURES, CloseTiming, timing_columns
from models.timing.judge import Standpoint, judge_timing
from models.timing.learn import learn_timing, plain_timing
from models.timing.study import study_timing
from models.training import train_win
from models.win_model import WinModel
from tests.models.conftest import feature

START = datetime(2023, 1, 1, tzinfo=UTC)
AS_OF = datetime(2025, 1, 1, tzinfo=UTC)
FEATURES = (
    feature("stage", "category"),
    feature("deal_age_days", "number"),
    feature("days_to_expected_close", "number"),
    feature("x_heat", "number", "custom"),
)
DAYS = np.array([7.0, 14.0, 28.0, 56.0, 91.0])


def world(deals=900, *, told=True, seed=5):
    """Weekly snapshots of deals that close about their expected date, if it is `told`, else at any time.

    Half are won, whatever their time; a deal's odds are told by x_heat.
    """
    rng = np.random.default_rng(seed)
    created, lasts = rng.uniform(0, 730, deals), rng.exponential(70, deals) + 3
    heat = rng.normal(size=deals)
    won = rng.random(deals) < 1 / (1 + np.exp(-1.5 * heat))
    guess = created + (lasts * np.exp(rng.normal(0, 0.15, deals)) if told else rng.exponential(70, deals))
    deal, at = np.nonzero(
        (created[:, None] < np.arange(0, 731, 7)) & (np.arange(0, 731, 7) <= (created + lasts)[:, None])
    )
    at = at * 7.0
    closes = [START + timedelta(days=float(day)) for day in (created + lasts)[deal]]
    known = np.array([close < AS_OF for close in closes])
    instant = pa.timestamp("us", "UTC")
    keys = {
        "opportunity_id": pa.array([f"d{i:04d}" for i in deal]),
        "as_of": pa.array([START + timedelta(days=day) for day in at.tolist()], instant),
    }
    frame = pa.table({
        **keys,
        "stage": pa.array(rng.choice(["early", "late"], deal.size)),
        "deal_age_days": pa.array(at - created[deal]),
        "days_to_expected_close": pa.array(guess[deal] - at, mask=rng.random(deal.size) < 0.05),
        "x_heat": pa.array(heat[deal]),
    })  # fmt: skip
    labels = pa.table({
        **keys,
        "y": pa.array(won[deal].astype(np.int8), mask=~known),
        "closed_at": pa.array(closes, instant, mask=~known),
    })  # fmt: skip
    return frame, labels, time_split(labels, as_of=AS_OF, step_days=7)


def encoder_of(frame, labels, split):
    rows, y = split.train.known, pc.fill_null(labels["y"], 0).to_numpy()
    return Encoder.fit(frame, y.astype(float), rows=rows, weight=np.ones(rows.size), features=FEATURES)


@pytest.fixture(scope="module")
def told():
    return world()


@pytest.fixture(scope="module")
def model(told):
    trained = train_win(*told, FEATURES, seed=0, n_trials=0)
    timing, document = study_timing(trained, *told, seed=0)
    return trained.with_timing(timing), document


def test_close_dates_that_hold_true_are_learnt_and_beat_the_plain_curves(told, model):
    timed, document = model
    assert timed.timing.basis == "model"
    due, far = (
        timed.timing.share_closed(_asked(told[0], days), np.array([28.0]))[0, 0] for days in (7.0, 200.0)
    )
    assert due > 0.6
    assert far < 0.2
    for part in document["horizons"][:3]:
        assert part["versus"]["win_stage_age"]["lower_bound"] > 0
        assert part["metrics"]["model"]["log_loss"] < part["metrics"]["stage_age"]["log_loss"]
    assert "than the same win probability with those curves' timing by more than noise at" in document["note"]


def _asked(frame, days):
    one = frame.slice(0, 1)
    place = one.column_names.index("days_to_expected_close")
    return one.set_column(place, "days_to_expected_close", pa.array([days]))


def test_where_nothing_tells_the_time_the_plain_curves_serve_and_hold_the_truth():
    frame, labels, split = world(600, told=False)
    bare = frame.drop_columns(["x_heat", "days_to_expected_close"])
    features = FEATURES[:2]
    encoder = Encoder.fit(
        bare, pc.fill_null(labels["y"], 0).to_numpy().astype(float), rows=split.train.known,
        weight=np.ones(frame.num_rows), features=features,
    )  # fmt: skip
    timing, learnt = learn_timing(bare, labels, split, encoder, seed=0)
    assert timing.basis == learnt["basis"] == "stage_age"
    assert learnt["trial"]["log_loss"]["trees"] >= learnt["trial"]["log_loss"]["stage_age"]
    later = bare.filter(pa.array(split.test.inside))
    # without memory, beyond the three days that every deal lasts at least
    assert timing.share_closed(later, DAYS).mean(axis=0) == pytest.approx(1 - np.exp(-DAYS / 70), abs=0.06)


def test_too_few_deals_are_not_fitted_and_the_reason_is_told():
    frame, labels, split = world(60)
    timing, learnt = learn_timing(frame, labels, split, encoder_of(frame, labels, split), seed=0)
    assert timing.trees is None
    assert learnt["trial"]["reason"].startswith("fewer than 20 won or lost deals")


def test_what_comes_after_the_calibration_window_changes_no_bit(told):
    frame, labels, split = told
    encoder = encoder_of(*told)
    end = to_micros(split.calibration.end)
    later = (micros(labels["as_of"]) >= end) | (micros(labels["closed_at"]) >= end)
    hidden = pa.array(later)
    blank = labels.set_column(2, "y", pc.if_else(hidden, pa.scalar(None, pa.int8()), labels["y"]))
    blank = blank.set_column(
        3, "closed_at", pc.if_else(hidden, pa.scalar(None, pa.timestamp("us", "UTC")), labels["closed_at"])
    )
    after = pa.array(micros(frame["as_of"]) >= end)
    poisoned = frame
    for name, value in (("deal_age_days", -1e9), ("x_heat", 1e9), ("stage", "absurd")):
        place = frame.column_names.index(name)
        poisoned = poisoned.set_column(place, name, pc.if_else(after, value, frame[name]))
    once, _ = learn_timing(frame, labels, split, encoder, seed=0)
    again, _ = learn_timing(poisoned, blank, split, encoder, seed=0)
    assert once.trees is not None
    assert once.to_json() == again.to_json()


def test_same_rows_and_seed_give_the_same_bytes_and_another_seed_other_trees(told):
    encoder = encoder_of(*told)
    once, again, other = (learn_timing(*told, encoder, seed=seed)[0].to_json() for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_the_timing_travels_with_the_model_and_is_part_of_its_version(model, tmp_path):
    timed, _ = model
    loaded = WinModel.load(timed.save(tmp_path))
    assert loaded == timed
    assert loaded.timing == CloseTiming.from_json(timed.timing.to_json())
    assert (
        timed.with_timing(None).version != timed.version != timed.with_timing(timed.timing.plainly()).version
    )
    assert not (timed.with_timing(None).save(tmp_path / "without") / "timing.json").exists()


def test_a_model_that_knows_no_timing_says_so(told, model):
    with pytest.raises(ModelContractError, match=r"timing\.json.*Train again"):
        model[0].with_timing(None).p_won_by(told[0].slice(0, 1), DAYS)


ROW = st.fixed_dictionaries({
    "stage": st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["early", "late"])),
    **{
        name: st.one_of(st.none(), st.floats(allow_nan=False), st.floats(-500, 500))
        for name in ("deal_age_days", "days_to_expected_close", "x_heat")
    },
})  # fmt: skip
SCHEMA = pa.schema(
    [
        ("stage", pa.string()),
        *((name, pa.float64()) for name in ("deal_age_days", "days_to_expected_close", "x_heat")),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    rows=st.lists(ROW, min_size=1, max_size=6),
    days=st.lists(st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=8),
    plain=st.booleans(),
)
def test_for_any_deal_p_won_by_never_falls_with_the_days_and_its_limit_is_p_win(model, rows, days, plain):
    timed = model[0].with_timing(model[0].timing.plainly()) if plain else model[0]
    frame = pa.Table.from_pylist(rows, schema=SCHEMA)
    curves, p_win = timed.p_won_by(frame, np.sort([0.0, *days, np.inf])), timed.p_win(frame)
    assert (curves[:, 0] == 0).all()
    assert (np.diff(curves, axis=1) >= 0).all()
    assert (curves <= p_win[:, None]).all()
    assert curves[:, -1] == pytest.approx(p_win, abs=1e-12)


def test_each_deal_has_the_curve_it_has_alone_however_many_are_asked_about(told, model):
    frame = told[0]
    share = model[0].timing.share_closed(frame, DAYS)
    assert frame.num_rows > 8192
    for place in (0, 8191, 8192, frame.num_rows - 1):
        assert (model[0].timing.share_closed(frame.slice(place, 1), DAYS) == share[place]).all()


def test_only_columns_that_may_tell_of_time_are_read(told):
    columns = timing_columns(encoder_of(*told)).names
    assert columns == ("stage", "deal_age_days", "days_to_expected_close", "x_heat")
    unread = replace(encoder_of(*told).columns[3], name="champion_met", family="stakeholders")
    assert timing_columns(Encoder((unread,))).names == ()


def test_every_feature_of_time_stands_in_the_catalogue():
    assert sorted(TIME_FEATURES - {one.name for one in catalogue(())}) == []


def judged(mean_days, *, p_win=0.5, window_days=120, deals=3000):
    """What is found on deals of which half are won, after a time without memory, if nobody knows more."""
    rng = np.random.default_rng(8)
    end = AS_OF + timedelta(days=window_days)
    starts, after, won = (
        rng.uniform(0, window_days, deals),
        rng.exponential(40, deals),
        rng.random(deals) < 0.5,
    )
    seen = starts + after < window_days
    instant = pa.timestamp("us", "UTC")
    at = [AS_OF + timedelta(days=day) for day in starts.tolist()]
    closes = [AS_OF + timedelta(days=day) for day in (starts + after).tolist()]
    labels = pa.table({
        "opportunity_id": [f"d{i}" for i in range(deals)],
        "as_of": pa.array(at, instant),
        "y": pa.array(won.astype(np.int8), mask=~seen),
        "closed_at": pa.array(closes, instant, mask=~seen),
    })  # fmt: skip
    frame = labels.select(["opportunity_id", "as_of"])
    inside = np.ones(deals, dtype=bool)
    timing = plain_timing(frame, labels, end)
    if mean_days != 40:
        grown = np.array(timing.edges) * mean_days / 40
        timing = CloseTiming(tuple(grown.tolist()), timing.stage_age)
    window = Window(AS_OF, end, inside, seen)
    found = judge_timing(frame, labels, [Standpoint(timing, window, np.full(deals, p_win))], seed=0)
    return {part["weeks"]: part for part in found["horizons"]}, found["note"]


def test_open_deals_are_stood_for_so_that_the_observed_share_is_the_true_one():
    parts, _ = judged(40)
    for weeks in (2, 4, 8, 13):
        truth = 0.5 * (1 - np.exp(-7 * weeks / 40))
        low, high = parts[weeks]["observed_interval"]
        assert low - 0.01 < truth < high + 0.01
        assert parts[weeks]["observed"] == pytest.approx(truth, abs=0.03)
        assert parts[weeks]["expected"]["model"] == pytest.approx(truth, abs=0.03)


def test_a_timing_that_is_too_slow_expects_fewer_wins_than_come():
    parts, _ = judged(120)
    for weeks in (2, 4, 8):
        assert parts[weeks]["expected"]["model"] < 0.6 * parts[weeks]["observed"]


def test_a_horizon_longer_than_any_follow_up_is_not_judged_and_the_note_says_so():
    parts, note = judged(40)
    assert not parts[26]["judged"]
    assert parts[26]["reason"] == "too few snapshots could be followed for so long"
    assert note.endswith("Not judged at 26 weeks: too few deals could be followed, or were won.")


def test_long_horizons_are_judged_on_earlier_snapshots_and_say_from_when(told, model):
    split, parts = told[2], {part["weeks"]: part for part in model[1]["horizons"]}
    assert parts[2]["from"] == split.test.start.isoformat()
    assert parts[26]["judged"]
    assert parts[26]["from"] == split.train.end.isoformat()


def test_without_a_judged_horizon_nothing_is_claimed():
    _, note = judged(40, window_days=10)
    assert note == "Too few later deals could be followed to judge when deals close."
