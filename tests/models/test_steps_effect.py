"""Of the steps taken in thought those are told that the model holds to help, by as much as it says."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.context import context_of
from features.steps_deal import Reached, Step
from features.steps_rows import BEFORE, joined_group, merged_rows, met
from features.steps_variants import VariantFeatures
from models.boosting import Shape, dataset, fit_booster
from models.calibration import Calibration
from models.encoding import Encoder
from models.steps_alike import Threshold
from models.steps_effect import OpenDeals, Trial, driver_moves
from models.win_model import WinModel
from pipelines.records import record_tables
from serving.records import RECORDS, records_file
from tests.features.worlds import END, bare, day

BY_NAME = {feature.name: feature for feature in catalogue()}
FEATURES = tuple(
    BY_NAME[name]
    for name in ("economic_buyer_touches", "questions_agreed", "meetings_booked", "seller_win_rate")
)
AT = END - BEFORE


def planted() -> WinModel:
    """A model of a world in which a met economic buyer is worth much, agreed questions something, a booked
    meeting nothing; a better seller wins more."""
    rng = np.random.default_rng(3)
    n = 4_000
    buyer, agreed, booked = rng.integers(0, 3, n), rng.integers(0, 5, n), rng.integers(0, 2, n)
    seller = rng.uniform(0, 1, n)
    log_odds = -2 + 2.0 * (buyer > 0) + 0.5 * agreed + 1.0 * seller
    y = (rng.uniform(0, 1, n) < 1 / (1 + np.exp(-log_odds))).astype(np.float64)
    frame = pa.table({
        "economic_buyer_touches": buyer, "questions_agreed": agreed, "meetings_booked": booked,
        "seller_win_rate": seller,
    })  # fmt: skip
    every, weight = np.ones(n, dtype=np.bool_), np.ones(n)
    encoder = Encoder.fit(frame, y, rows=every, weight=weight, features=FEATURES)
    shape = Shape(learning_rate=0.2)
    booster = fit_booster(dataset(encoder.transform(frame), y, weight, seed=1), shape, rounds=60, seed=1)
    return WinModel(
        kind="lightgbm", encoder=encoder, booster_text=booster.model_to_string(),
        calibration=Calibration(1.0, 0.0), base=0.0, trained={}, typical={}, record=(),
    )  # fmt: skip


BUYER = Step(
    "meet:economic_buyer", "Meet the economic buyer", "", (Reached("economic_buyer_touches", level=1),),
    frozenset({"role:economic_buyer"}),
    merged_rows(joined_group("new", "economic_buyer", AT), met(["new"], AT, "call")),
)  # fmt: skip
WHY = Step(
    "answer:why", "Answer together: why they buy", "", (Reached("questions_agreed"),),
    frozenset({"question:why"}),
    {"qualification": tuple({"question": "why", "side": side, "answer": 3, "known_at": AT}
                            for side in ("vendor", "customer"))},
)  # fmt: skip
BOOK = Step(
    "next_meeting", "Book the next meeting", "", (Reached("meetings_booked", level=1),),
    frozenset({"next_meeting"}), met([], AT, "meeting", ahead=True),
)  # fmt: skip
CALL = Step(
    "call", "Call", "", (Reached("questions_agreed"),), frozenset({"call"}),
    merged_rows(joined_group("new", "economic_buyer", AT), met(["new"], AT, "call")),
)  # fmt: skip


@pytest.fixture(scope="module")
def trial() -> Trial:
    """One open deal of which little is recorded: p is low, and everything can be done."""
    rows: dict[str, list[dict[str, Any]]] = bare() | {
        "qualification": [{"opportunity_id": "o1", "question": "when", "side": "vendor", "answer": 1,
                           "known_at": day(5)}],
    }  # fmt: skip
    tables = memory_tables(rows)
    made = record_tables(tables, END, ["o1"])
    work = context_of(tables["opportunities"].get_backend(), tables, END, ()).work
    records = {name: made[records_file(name)] for name in RECORDS}
    model = planted()
    frame = pa.table({
        "opportunity_id": ["o1"], "economic_buyer_touches": [0], "questions_agreed": [0],
        "meetings_booked": [0], "seller_win_rate": [0.4],
    })  # fmt: skip
    deals = OpenDeals(frame, ["o1"], model.log_odds(frame))
    return Trial(deals, VariantFeatures(FEATURES, records, work, END), model)


def p_after(trial: Trial, **values: int) -> float:
    """What the model says of the deal with these values."""
    row = trial.deals.frame
    for name, value in values.items():
        row = row.set_column(row.schema.get_field_index(name), name, pa.array([value]))
    return float(trial.model.p_win(row)[0])


def test_steps_that_are_planted_to_help_are_told_by_gain_and_others_are_not(trial: Trial) -> None:
    (told,) = trial.singles({0: [BOOK, WHY, BUYER]}).values()
    assert [one.steps for one in told] == [(BUYER,), (WHY,)]
    before = p_after(trial)
    assert told[0].gain == pytest.approx(p_after(trial, economic_buyer_touches=1) - before, abs=1e-12)
    assert told[1].gain == pytest.approx(p_after(trial, questions_agreed=1) - before, abs=1e-12)
    assert told[0].headline == (0.0, 1.0)
    assert told[0].thresholds == (Threshold("economic_buyer_touches", True, 1),)


def test_a_pair_of_both_is_told_where_it_gains_more_than_the_better_alone(trial: Trial) -> None:
    singles = trial.singles({0: [BOOK, WHY, BUYER]})
    (pair,) = trial.pairs(singles)[0]
    assert pair.steps == (BUYER, WHY)
    both = p_after(trial, economic_buyer_touches=1, questions_agreed=1) - p_after(trial)
    assert pair.gain == pytest.approx(both, abs=1e-12)
    assert pair.gain > singles[0][0].gain
    assert pair.thresholds == (
        Threshold("economic_buyer_touches", True, 1), Threshold("questions_agreed", True, 1.0),
    )  # fmt: skip


def test_a_step_is_not_told_for_what_it_moves_beside_what_it_is_for(trial: Trial) -> None:
    """The call would help by whom it reaches, but leaves the answers, which it is said to be about."""
    assert trial.singles({0: [CALL]}) == {}


def test_nothing_asked_or_nothing_helping_is_no_suggestion(trial: Trial) -> None:
    assert trial.singles({}) == trial.singles({0: []}) == trial.singles({0: [BOOK]}) == {}
    assert trial.pairs({}) == trial.pairs(trial.singles({0: [WHY]})) == {}


def test_drivers_add_up_to_the_gain_and_put_what_is_not_the_deals_own_under_one_name(trial: Trial) -> None:
    (told,) = trial.singles({0: [WHY, BUYER]}).values()
    own = {"economic_buyer_touches", "questions_agreed", "meetings_booked"}
    moves = driver_moves(trial.model, trial.deals, told, own=own, other="other")
    for one, moved in zip(told, moves, strict=True):
        assert set(moved) <= {"touchpoints", "qualification", "momentum", "other"}
        assert sum(moved.values()) == pytest.approx(one.log_odds - trial.deals.log_odds[0], abs=1e-12)
    assert moves[0]["touchpoints"] > 0.5
    assert moves[1]["qualification"] > 0.1
