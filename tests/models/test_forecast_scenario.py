"""Scenarios equal a simulation of the changed book, and leave alone what they do not touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ModelContractError, UsageError
from models.forecast.groups import TOTAL
from models.forecast.scenario import (
    Churned,
    DealLost,
    DealMoved,
    DealWon,
    PriceChange,
    Renewed,
    UsageGrowth,
    changed_book,
    scenario,
)
from models.forecast.shocks import BOOKINGS, CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS
from models.forecast.simulate import simulate
from tests.models.forecast_books import book, consumption, deals, random_book, renewals

DRAWS = 60
BOOKS = {seed: random_book(seed) for seed in range(3)}
DRAWN = {seed: simulate(held, draws=DRAWS, seed=seed) for seed, held in BOOKS.items()}


def changes_of(held):
    """Any change that can be made to the book."""
    one = st.sampled_from(held.deals.ids)
    month, factor = st.sampled_from(held.months.names), st.floats(0, 3)
    group = st.sampled_from(
        [(TOTAL, TOTAL), ("region", "region0"), ("region", "region1"), ("owner", "owner2")]
    )
    used = st.sampled_from([(TOTAL, TOTAL), ("region", "region0"), ("product", "extra")])
    contract = st.sampled_from(held.renewals.ids)
    return st.one_of(
        st.builds(DealWon, one, st.none() | month),
        st.builds(DealLost, one),
        st.builds(DealMoved, one, month=month),
        st.builds(DealMoved, one, days=st.floats(-200, 200)),
        st.builds(Renewed, contract),
        st.builds(Churned, contract),
        st.builds(lambda f, g: PriceChange(f, *g), factor, group),
        st.builds(lambda f, g: UsageGrowth(f, *g), factor, used),
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_scenario_equals_a_simulation_of_the_changed_book_to_the_last_bit(data):
    seed = data.draw(st.sampled_from(sorted(BOOKS)))
    held = BOOKS[seed]
    changes = data.draw(st.lists(changes_of(held), min_size=1, max_size=4))
    fast = scenario(held, DRAWN[seed], changes)
    slow = simulate(changed_book(held, changes), draws=DRAWS, seed=seed)
    for part in slow.parts:
        for level in (TOTAL, *slow.by):
            for key in slow.keys(part, level):
                assert np.array_equal(fast.money(part, level, key), slow.money(part, level, key))
    assert fast.figures() == slow.figures()


def test_what_a_scenario_does_not_touch_stays_as_it_was_in_every_draw():
    held, drawn = BOOKS[0], DRAWN[0]
    after = scenario(held, drawn, [DealWon("d1" if "d1" in held.deals.ids else held.deals.ids[0])])
    for part in (NOT_YET_CREATED, RENEWALS, CONSUMPTION):
        assert np.array_equal(after.money(part), drawn.money(part))


def test_a_deal_forced_won_in_a_month_is_booked_there_in_every_draw():
    rows = [("a", 0.3, [0.2, 0.6, 1.0], 500, "n", "x"), ("b", 0.4, [0.5, 0.7, 0.9], 80, "n", "y")]
    held = book(deals=deals(rows))
    drawn = simulate(held, draws=DRAWS)
    after = scenario(held, drawn, [DealWon("a", "2026-12")])
    assert after.money(OPEN_DEALS, "owner", "x").tolist() == [[0.0] * DRAWS, [500.0] * DRAWS, [0.0] * DRAWS]
    assert np.array_equal(after.money(OPEN_DEALS, "owner", "y"), drawn.money(OPEN_DEALS, "owner", "y"))
    lost = scenario(held, drawn, [DealLost("a")])
    assert not lost.money(OPEN_DEALS, "owner", "x").any()


def test_a_deal_moved_keeps_its_chance_and_lands_later():
    held = book(deals=deals([("a", 0.5, [0.5, 1.0, 1.0], 500, "n", "x")]))
    drawn = simulate(held, draws=DRAWS)
    moved = scenario(held, drawn, [DealMoved("a", month="2027-01")])
    assert not moved.money(OPEN_DEALS)[:2].any()
    assert np.array_equal(moved.money(OPEN_DEALS).sum(axis=0), drawn.money(OPEN_DEALS).sum(axis=0))
    # 10 days are left of November: what was to come by its end comes by the tenth of December, and so on
    later = changed_book(held, [DealMoved("a", days=10)]).deals.share_closed[0]
    assert later == pytest.approx([0.0, 0.5 + 0.5 * 21 / 31, 1.0])


def test_a_price_for_one_region_moves_its_amounts_and_no_other():
    rows = [("a", 0.5, [1, 1, 1], 500, "n", "x"), ("b", 0.5, [1, 1, 1], 80, "s", "x")]
    held = book(deals=deals(rows), renewals=renewals([("c", 0.5, 0, 100, 1.0, 0.0, "n")]))
    drawn = simulate(held, draws=DRAWS)
    after = scenario(held, drawn, [PriceChange(1.1, "region", "n", parts=(OPEN_DEALS,))])
    money = [one.money(OPEN_DEALS, "region", "n") for one in (drawn, after)]
    assert money[1] == pytest.approx(money[0] * 1.1)
    assert np.array_equal(after.money(OPEN_DEALS, "region", "s"), drawn.money(OPEN_DEALS, "region", "s"))
    assert np.array_equal(after.money(RENEWALS), drawn.money(RENEWALS))


def test_a_price_for_all_moves_every_part_by_the_factor_and_twice_by_its_square():
    held, drawn = BOOKS[1], DRAWN[1]
    after = scenario(held, drawn, [PriceChange(1.1), PriceChange(1.1)])
    for part in (BOOKINGS, RENEWALS, CONSUMPTION):
        assert after.money(part) == pytest.approx(drawn.money(part) * 1.21)


def test_a_contract_that_churns_takes_the_use_after_its_term_with_it():
    held = book(
        renewals=renewals([("c", 0.5, 1, 1000, 1.0, 0.0, "n")]),
        consumption=consumption([(10, 0.0, 0, 1, "n", "core")], 3),
    )
    drawn = simulate(held, draws=DRAWS)
    gone, goes_on = (scenario(held, drawn, [change]) for change in (Churned("c"), Renewed("c")))
    assert gone.money(CONSUMPTION).sum(axis=0).tolist() == [10.0] * DRAWS
    assert goes_on.money(CONSUMPTION).sum(axis=0).tolist() == [30.0] * DRAWS
    assert gone.expected.months(CONSUMPTION).tolist() == [10, 0, 0]


def test_a_deal_may_be_won_and_change_its_price_at_once():
    held = book(deals=deals([("a", 0.3, [0.2, 0.6, 0.8], 500, "n", "x")]))
    changes = [PriceChange(1.1, "region", "n"), DealWon("a", "2026-12")]
    after = scenario(held, simulate(held, draws=DRAWS), changes)
    assert after.money(OPEN_DEALS)[1] == pytest.approx(np.full(DRAWS, 550.0))
    assert not after.money(OPEN_DEALS)[[0, 2]].any()


def test_a_scenario_can_follow_another():
    held, drawn = BOOKS[2], DRAWN[2]
    first, second = DealLost(held.deals.ids[0]), UsageGrowth(1.5, "product", "core")
    stepwise = scenario(held, drawn, [first])
    stepwise = scenario(stepwise.book, stepwise, [second])
    at_once = scenario(held, drawn, [first, second])
    assert stepwise.figures() == at_once.figures()


def test_an_unknown_deal_is_refused_with_near_matches():
    held, drawn = BOOKS[0], DRAWN[0]
    with pytest.raises(UsageError, match="no deal 'd999' is in the forecast"):
        scenario(held, drawn, [DealWon("d999")])
    with pytest.raises(UsageError, match=r"no region 'regoin1'.* Near matches: region1"):
        scenario(held, drawn, [PriceChange(1.1, "region", "regoin1")])
    with pytest.raises(UsageError, match="factor"):
        scenario(held, drawn, [UsageGrowth(-1.0)])
    with pytest.raises(UsageError, match="moved where"):
        scenario(held, drawn, [DealMoved(held.deals.ids[0])])
    with pytest.raises(UsageError, match="expected parts among"):
        scenario(held, drawn, [PriceChange(1.1, parts=("sales",))])


def test_draws_of_another_book_are_refused():
    with pytest.raises(ModelContractError, match="another book"):
        scenario(BOOKS[0], DRAWN[1], [])
