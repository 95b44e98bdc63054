"""Months, groups and shocks: the plain parts of a forecast."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ModelContractError
from models.calibration import sigmoid
from models.forecast.groups import OTHERS, UNKNOWN, cells_of, grouped
from models.forecast.months import Months
from models.forecast.shocks import BOOKINGS, Shocks, centred

AS_OF = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_first_month_is_what_is_left_of_the_one_that_holds_as_of():
    months = Months(AS_OF, 3)
    assert months.names == ("2026-11", "2026-12", "2027-01")
    assert months.end_days.tolist() == [9.5, 40.5, 71.5]


def test_an_instant_on_the_first_of_a_month_belongs_to_that_month():
    assert Months(datetime(2027, 1, 1, tzinfo=UTC), 1).names == ("2027-01",)
    assert Months(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 1).names == ("2026-12",)


def test_quarters_are_those_of_the_calendar_as_far_as_they_lie_in_the_horizon():
    periods = {period.name: period.months for period in Months(AS_OF, 6).periods if period.kind == "quarter"}
    assert periods == {"2026-Q4": (0, 1), "2027-Q1": (2, 3, 4), "2027-Q2": (5,)}


def test_an_overdue_term_falls_due_now_and_a_late_or_endless_one_beyond_the_horizon():
    ends = [
        AS_OF - timedelta(days=80),
        AS_OF,
        datetime(2027, 1, 31, tzinfo=UTC),
        datetime(2027, 2, 1, tzinfo=UTC),
    ]
    assert Months(AS_OF, 3).due([*ends, None]).tolist() == [0, 0, 2, 3, 3]


def test_a_month_outside_the_horizon_is_named_with_those_that_are_in_it():
    with pytest.raises(ModelContractError, match=r"'2027-02' lies outside .* 2026-11 to 2027-01"):
        Months(AS_OF, 3).place_of("2027-02")


def test_a_naive_as_of_and_an_empty_horizon_are_refused():
    for as_of, count in ((AS_OF.replace(tzinfo=None), 3), (AS_OF, 0)):
        with pytest.raises(ModelContractError, match="at least one month"):
            Months(as_of, count)


def test_keys_beyond_the_commonest_are_one_of_others_and_a_missing_one_is_unknown():
    group = grouped(["a", "b", "a", None, "c", "a", "b"], at_most=2)
    assert group.named() == ["a", "b", "a", OTHERS, OTHERS, "a", "b"]
    assert grouped([None, "x"]).keys == (UNKNOWN, "x")


def test_cells_are_the_combinations_that_occur():
    groups = {"region": grouped(["n", "s", "n", "n"]), "owner": grouped(["a", "a", "b", "a"])}
    cells = cells_of(groups, ("region", "owner", "product"), 4, at_most=10)
    assert [cells.names[cell] for cell in cells.cell] == ["n|a", "s|a", "n|b", "n|a"]


@given(
    st.lists(st.floats(-12, 12), min_size=1, max_size=5),
    st.floats(0, 3),
    st.integers(1, 40),
)
def test_a_shock_in_log_odds_leaves_the_mean_probability_where_it_was(log_odds, sd, levels):
    shifts = sd * np.linspace(-2, 2, levels)
    held = np.array(log_odds)
    moved = centred(held, shifts)
    assert sigmoid(moved[:, None] + shifts).mean(axis=1) == pytest.approx(sigmoid(held), abs=1e-12)


def test_what_is_settled_stays_settled_under_a_shock():
    settled = np.array([-np.inf, np.inf])
    assert centred(settled, np.array([-1.0, 1.0])).tolist() == [-np.inf, np.inf]


def test_shocks_come_back_from_json_as_they_were():
    shocks = Shocks(logit_sd=0.2, consumption_sd=0.1, width={BOOKINGS: 1.4}, source="8 origins")
    assert Shocks.from_dict(shocks.to_dict()) == shocks


@pytest.mark.parametrize(
    "wrong", [{"logit_sd": -0.1}, {"width": {"sales": 1.0}}, {"consumption_persistence": 2}]
)
def test_shocks_that_cannot_be_are_refused(wrong):
    with pytest.raises(ModelContractError, match="shocks"):
        Shocks(**wrong)
