"""A change of forecast: its terms by hand, and that they add up whatever the books."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ModelContractError, UsageError
from models.forecast.change import Outcome, Rescored, Standing, change_between
from models.forecast.shocks import BOOKINGS, CONSUMPTION, OPEN_DEALS, RENEWALS
from models.forecast.simulate import simulate
from models.forecast.telling import change_sentences, change_table, money
from tests.models.forecast_books import (
    AS_OF,
    book,
    consumption,
    deals,
    logit,
    new_deals,
    random_book,
    renewals,
)

EVEN = [0.2, 0.6, 1.0]


def stood(held):
    """The book's standing, its series named by their place."""
    return Standing(held, [f"s{i}" for i in range(len(held.consumption.mean))])


def change(before, after, part=BOOKINGS, **how):
    """The change of one part, and its terms by name."""
    standings = [one if isinstance(one, Standing) else stood(one) for one in (before, after)]
    found = {one.part: one for one in change_between(*standings, **how)}[part]
    return found, {term.name: term for term in found.terms if term.amount}


def test_nothing_changed_is_told_as_nothing():
    held = random_book(1)
    for part in (BOOKINGS, RENEWALS, CONSUMPTION):
        found, terms = change(held, held, part)
        assert found.change == 0
        assert terms == {}


def test_each_reason_has_its_own_term_worked_out_by_hand():
    before = book(deals=deals([
        ("kept", 0.5, EVEN, 100, "n", "x"),
        ("won", 0.8, EVEN, 1000, "n", "x"),
        ("lost", 0.4, EVEN, 500, "n", "x"),
        ("gone", 0.1, EVEN, 10, "n", "x"),
    ]))  # fmt: skip
    after = book(deals=deals([
        ("kept", 0.6, [0.0, 0.5, 0.9], 120, "n", "x"),
        ("fresh", 0.3, EVEN, 200, "n", "x"),
    ]))  # fmt: skip
    ends = {"won": Outcome(True, 900.0), "lost": Outcome(False)}
    found, terms = change(before, after, outcomes=ends)
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({
        "new_deals": 0.3 * 200,
        "won": -800, "lost": -200, "left": -1,
        "amount": 0.5 * 20,
        "timing": 0.5 * 120 * -0.1,
        "probability": 0.1 * 120 * 0.9,
    })  # fmt: skip
    assert terms["won"].booked == 900.0
    assert (found.before, found.after) == pytest.approx((50 + 800 + 200 + 1, 0.6 * 120 * 0.9 + 60))


def test_a_currency_that_moved_is_told_apart_from_an_amount_that_changed():
    before, after = (book(deals=deals([("d", 0.5, EVEN, amount, "n", "x")])) for amount in (100.0, 132.0))
    found, terms = change(
        Standing(before, deal_rates=np.array([1.0])), Standing(after, deal_rates=np.array([1.2]))
    )
    # from 100 to 110 in its own currency, then from 1.0 to 1.2 each
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({"amount": 5, "currency": 11})
    assert found.change == pytest.approx(16)


def test_a_currency_that_moved_alone_leaves_no_rounding_behind_as_an_amount_that_changed():
    rates = np.linspace(0.9, 1.1, 50)
    for rate in rates:
        held = [
            Standing(
                book(
                    deals=deals([("d", 0.5, EVEN, 49.3 * one, "n", "x")]),
                    renewals=renewals([("k", 0.5, 1, 49.3 * one, 1.0, 0.0, "n")]),
                ),
                deal_rates=np.array([one]),
                contract_rates=np.array([one]),
            )
            for one in (0.7, rate)
        ]
        for part in (BOOKINGS, RENEWALS):
            found, terms = change(*held, part)
            assert list(terms) == ["currency"]
            assert found.change == pytest.approx(0.5 * 49.3 * (rate - 0.7))


def test_a_model_changed_is_told_where_the_old_one_scored_todays_rows():
    before, after = (book(deals=deals([("d", p, EVEN, 100, "n", "x")])) for p in (0.5, 0.7))
    scored = Rescored(deal_log_odds=logit(np.array([0.4])))
    assert {n: t.amount for n, t in change(before, after, rescored=scored)[1].items()} == pytest.approx(
        {"probability": -10, "model": 30}
    )
    assert {n: t.amount for n, t in change(before, after)[1].items()} == pytest.approx({"probability": 20})


def test_a_month_that_has_passed_and_one_that_came_are_the_window():
    share = [0.25, 0.5, 0.75]
    before = book(deals=deals([("d", 1.0, share, 100, "n", "x")]))
    december = datetime(2026, 12, 5, tzinfo=UTC)
    after = book(deals=deals([("d", 1.0, share, 100, "n", "x")]), as_of=december)
    found, terms = change(before, after)
    # November's 25 passed, February's 25 came; December and January hold 50 in both
    assert (found.first, found.last) == ("2026-12", "2027-01")
    assert found.change == 0
    assert terms == {}
    later = book(deals=deals([("d", 1.0, [0.5, 0.5, 0.9], 100, "n", "x")]), as_of=december)
    assert change(before, later)[1]["window"].amount == pytest.approx(-25 + 40)


def test_months_that_a_shorter_forecast_lacks_are_the_window_too():
    before = book(deals=deals([("d", 1.0, [0.25, 0.5, 0.75], 100, "n", "x")]))
    after = book(2, deals=deals([("d", 1.0, [0.25, 0.5], 100, "n", "x")]))
    found, terms = change(before, after)
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({"window": -25})
    assert (found.before, found.after) == pytest.approx((75, 50))


def test_runs_without_a_month_in_common_differ_by_the_window_alone():
    before, after = random_book(1), random_book(2, as_of=AS_OF + timedelta(days=400))
    found, terms = change(before, after)
    assert set(terms) == {"window"}
    assert found.first == ""


def test_renewals_are_decided_come_newly_due_and_change_their_probability():
    before = book(renewals=renewals([
        ("done", 0.9, 0, 1000, 1.0, 0, "n"),
        ("kept", 0.5, 1, 100, 1.0, 0, "n"),
        ("due", 0.5, 2, 10, 1.0, 0, "n"),
    ]))  # fmt: skip
    after = book(renewals=renewals([
        ("kept", 0.7, 1, 120, 1.1, 0, "n"),
        ("new", 0.5, 0, 60, 1.0, 0, "n"),
        ("due", 0.5, 3, 10, 1.0, 0, "n"),
    ]))  # fmt: skip
    _, terms = change(before, after, RENEWALS)
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({
        "decided": -900, "new_contracts": 30, "amount": 10, "ratio": 6, "timing": -5,
        "renewal_probability": 0.2 * 132,
    })  # fmt: skip


def test_consumption_changes_by_use_by_terms_and_by_the_chance_of_a_renewal():
    def standing(p, mean, ends, names):
        rows = [(mean, 0.1, 0, ends, "n", "core"), (5, 0.1, -1, 3, "n", "core")]
        due = renewals([("c", p, 1, 1, 1.0, 0, "n")])
        return Standing(book(renewals=due, consumption=consumption(rows, 3)), names)

    _, terms = change(standing(0.5, 10, 2, ["a", "b"]), standing(0.8, 12, 1, ["a", "z"]), CONSUMPTION)
    # a: 12 + 12 + 12·½ less 10 + 10 + 10·½; then half of the second month goes; then ·0.8 for ·0.5, twice
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({
        "usage": 5, "terms": -6, "renewal_probability": 0.3 * 24, "ended": -15, "started": 15,
    })  # fmt: skip


def test_deals_not_yet_created_are_told_apart():
    _, terms = change(book(), book(new=new_deals()))
    expected = simulate(book(new=new_deals()), draws=1).expected.months("not_yet_created").sum()
    assert {name: term.amount for name, term in terms.items()} == pytest.approx({"not_yet_created": expected})


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 200),
    st.booleans(),
    st.floats(0.1, 5),
    st.floats(0.5, 2),
)
def test_the_terms_add_up_to_the_change_whatever_the_books(one, other, days, rescored, rate, price):
    before = random_book(one)
    after = replace(random_book(other, 5, as_of=AS_OF + timedelta(days=days)), price={OPEN_DEALS: price})
    n, contracts = len(after.deals.ids), len(after.renewals.ids)
    rng = np.random.default_rng(one)
    old_model = Rescored(
        rng.normal(0, 1, n), np.sort(rng.random((n, 5)), axis=1), rng.normal(0, 1, contracts)
    )
    standings = (
        Standing(before, [f"s{i}" for i in range(8)], np.full(len(before.deals.ids), rate)),
        Standing(after, [f"s{i}" for i in range(3, 11)]),
    )
    outcomes = {gone: Outcome(bool(place % 2)) for place, gone in enumerate(before.deals.ids[::2])}
    for part in change_between(*standings, outcomes=outcomes, rescored=old_model if rescored else None):
        size = max(abs(part.before), abs(part.after), *(abs(term.amount) for term in part.terms))
        assert part.before + sum(term.amount for term in part.terms) == pytest.approx(
            part.after, abs=1e-9 * size
        )


def test_before_and_after_are_the_published_means():
    before, after = random_book(4), random_book(5)
    for part in (BOOKINGS, RENEWALS, CONSUMPTION):
        found, _ = change(before, after, part)
        for held, said in ((before, found.before), (after, found.after)):
            assert simulate(held, draws=1).expected.months(part).sum() == pytest.approx(said, rel=1e-12)


def test_runs_in_the_wrong_order_and_unlike_currencies_are_refused():
    held = book()
    with pytest.raises(UsageError, match="at or after 2026-11-21"):
        change(held, book(as_of=AS_OF - timedelta(days=1)))
    with pytest.raises(UsageError, match="EUR, found 2026-11-21 in USD"):
        change(held, replace(held, currency="USD"))


def test_names_and_rates_that_do_not_fit_the_book_are_refused():
    with pytest.raises(ModelContractError, match=r"series.*expected 8, found 2"):
        Standing(random_book(1), ["a", "b"])
    with pytest.raises(ModelContractError, match=r"deal_rates.*expected 0, found 1"):
        Standing(book(), deal_rates=np.ones(1))


def test_the_change_is_told_in_sentences_the_largest_first():
    before = book(deals=deals([
        ("d1", 0.5, EVEN, 1_000_000, "n", "x"), ("d2", 0.5, EVEN, 600_000, "n", "x"),
        ("d3", 0.5, EVEN, 40_000, "n", "x"), ("d4", 1.0, EVEN, 90_000, "n", "x"),
    ]))  # fmt: skip
    ends = {"d1": Outcome(False), "d2": Outcome(False), "d4": Outcome(True, 95_000.0)}
    found, _ = change(before, book(deals=deals([("d3", 0.6, EVEN, 40_000, "n", "x")])), outcomes=ends)
    assert change_sentences(found, "EUR", {"d1": "Acme rollout"}) == [
        "Expected bookings are down 886 k EUR to 24 k EUR (2026-11 to 2027-01 are in both forecasts).",
        "Down 800 k EUR: lost (2 deals, the largest Acme rollout, -500 k EUR).",
        "Down 90 k EUR: won, and so forecast no more (1 deal, booked for 95 k EUR, d4).",
        "Up 4,000 EUR: win probability changed (1 deal, d3).",
    ]


def test_the_table_of_a_change_adds_up_in_the_file_too():
    parts = change_between(stood(random_book(1)), stood(random_book(2)))
    rows = change_table(parts, "EUR").to_pylist()
    for part in (BOOKINGS, RENEWALS, CONSUMPTION):
        terms = {row["term"]: row["amount"] for row in rows if row["part"] == part}
        after = terms.pop("after")
        assert sum(terms.values()) == pytest.approx(after, rel=1e-9)
    assert {row["currency"] for row in rows} == {"EUR"}


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0.0, "0 EUR"),
        (-9_949.6, "-9,950 EUR"),
        (12_345.0, "12.35 k EUR"),
        (999_700.0, "1 m EUR"),
        (2.5e6, "2.5 m EUR"),
    ],
)
def test_amounts_are_said_shortly(amount, said):
    assert money(amount, "EUR") == said
