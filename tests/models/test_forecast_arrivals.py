"""Deals not yet created: learnt from the past without taking young deals for poor ones."""

import json
from datetime import timedelta

import numpy as np
import pytest

from models.arrays import DAY_US, NEVER, to_micros
from models.forecast.arrivals import NewBusiness, new_business, won_by_age
from models.forecast.coming import expected_new_business, landing_days
from models.forecast.groups import OTHERS
from models.forecast.months import Months
from tests.models.forecast_books import AS_OF, new_deals

NOW = to_micros(AS_OF)


def world(n=4000, *, share_won=0.3, days=700, mean_won=120.0, mean_lost=60.0, seed=0):
    """Deals created evenly, whose wins take longer than their losses: created, closed, won, amount."""
    rng = np.random.default_rng(seed)
    created = NOW - (rng.random(n) * days * DAY_US).astype(np.int64) - 1
    won = (rng.random(n) < share_won).astype(float)
    takes = rng.exponential(np.where(won == 1, mean_won, mean_lost)) * DAY_US
    return created, created + takes.astype(np.int64), won, np.exp(rng.normal(8, 1, n))


def test_the_share_won_by_age_counts_a_deal_while_it_can_be_seen():
    """Four deals: won on day 0, lost on day 1, open at 1.5 days, won on day 2."""
    days, won_by = won_by_age(
        np.array([0.5, 1.2, 1.5, 2.5]),
        np.array([True, True, False, True]),
        np.array([True, False, False, True]),
    )
    # day 0: 1 of 4 won. day 1: 3 at risk, 1 lost; 3/4 · 2/3 get through. day 2: the one left is won.
    assert days.tolist() == [1, 2, 3]
    assert won_by == pytest.approx([1 / 4, 1 / 4, 1 / 4 + 3 / 4 * 2 / 3])


def test_young_cohorts_do_not_make_the_share_won_look_poor():
    created, closed, won, amount = world(days=400)
    new = new_business(created, closed, won, amount, {}, AS_OF)
    ended = closed < NOW
    assert won[ended].mean() < 0.27
    assert (won * ended).mean() < 0.23
    assert new.share_won[0] == pytest.approx(0.3, abs=0.025)


def test_the_rate_of_creation_and_the_times_to_a_win_are_those_of_the_world():
    new = new_business(*world(), {}, AS_OF)
    assert new.rate.sum() == pytest.approx(4000 / 700, rel=0.06)
    for days in (60, 120, 240):
        at = np.interp(days, new.days, new.won_by)
        assert at == pytest.approx(1 - np.exp(-days / 120), abs=0.05)


def test_a_rate_that_doubled_is_followed():
    created, closed, won, amount = world()
    late = created > NOW - 350 * DAY_US
    twice = np.concatenate([np.arange(created.size), np.flatnonzero(late)])
    new = new_business(created[twice], closed[twice], won[twice], amount[twice], {}, AS_OF)
    assert new.rate.sum() > 1.6 * 4000 / 700


def test_deals_that_come_evenly_are_not_overdispersed_and_bursts_are():
    created, closed, won, amount = world()
    month = (NOW - created) // (int(30.4375 * DAY_US))
    kept = (month % 2 == 0) | (np.arange(created.size) % 4 == 0)
    even = new_business(created, closed, won, amount, {}, AS_OF)
    bursts = new_business(created[kept], closed[kept], won[kept], amount[kept], {}, AS_OF)
    assert even.overdispersion < 0.02
    assert bursts.overdispersion > 0.2


def test_what_becomes_known_at_or_after_as_of_changes_nothing():
    created, closed, won, amount = world(1000)
    keys = ["n"] * 1000
    honest = new_business(
        created, np.where(closed < NOW, closed, NEVER), won, amount, {"region": keys}, AS_OF
    )
    later = (closed >= NOW) & (closed != NEVER)
    poisoned = new_business(
        np.append(created, [NOW, NOW + DAY_US]),
        np.append(closed, [NOW, NOW + DAY_US]),
        np.append(np.where(later, 1 - won, won), [1.0, 1.0]),
        np.append(np.where(later, 1e12, amount), [1e12, 1e12]),
        {"region": [*keys, "poison", "poison"]},
        AS_OF,
    )
    assert poisoned.to_dict() == honest.to_dict()


def test_too_few_deals_or_wins_say_nothing():
    assert new_business(*world(29), {}, AS_OF) is None
    assert new_business(*world(200, share_won=0.0), {}, AS_OF) is None


def test_a_win_without_an_amount_adds_to_no_total_to_come():
    created, closed, won, amount = world()
    half = np.where(np.arange(created.size) % 2 == 0, np.nan, amount)
    whole, less = (new_business(created, closed, won, one, {}, AS_OF) for one in (amount, half))
    assert less.share_won[0] == pytest.approx(whole.share_won[0] / 2, rel=0.12)


def test_amounts_are_kept_as_spans_that_hold_their_mean():
    created, closed, won, amount = world()
    new = new_business(created, closed, won, amount, {}, AS_OF)
    paid = amount[(won == 1) & (closed < NOW)]
    assert new.amounts.size == 200
    assert new.mean_amount == pytest.approx(paid.mean(), rel=1e-9)


def test_a_region_that_sells_more_and_dearer_is_told_apart_and_a_small_one_leans_on_the_whole():
    created, closed, won, amount = world()
    region = np.where(np.arange(created.size) % 4 == 0, "south", "north").astype(object)
    region[:3] = "tiny"
    amount = np.where(region == "south", amount * 3, amount)
    new = new_business(created, closed, won, amount, {"region": list(region)}, AS_OF)
    place = {new.groups["region"].keys[code]: n for n, code in enumerate(new.groups["region"].codes)}
    assert new.rate[place["north"]] == pytest.approx(3 * new.rate[place["south"]], rel=0.15)
    assert new.amount_scale[place["south"]] > 1.7 * new.amount_scale[place["north"]]
    assert new.amount_scale[place["tiny"]] == pytest.approx(1.0, abs=0.2)


def test_cells_beyond_the_commonest_are_one_of_others():
    keys = [f"k{i % 250}" for i in range(4000)]
    new = new_business(*world(), {"segment": keys}, AS_OF)
    assert len(new.groups["segment"].keys) == 151
    assert OTHERS in new.groups["segment"].keys
    assert new.rate.sum() == pytest.approx(4000 / 700, rel=0.06)


def test_it_comes_back_from_json_as_it_was():
    new = new_business(*world(), {"region": ["a", "b"] * 2000}, AS_OF)
    again = NewBusiness.from_dict(json.loads(json.dumps(new.to_dict())))
    assert again.to_dict() == new.to_dict()


def test_deals_of_a_month_land_in_it_and_later_never_earlier():
    landed = landing_days(Months(AS_OF, 4), np.array([1.0, 30.0]), np.array([0.1, 1.0]))
    assert (landed[np.tril_indices(4, -1)] == 0).all()
    # a day's worth of deals created each day and all won: at most the days of the month of creation
    assert landed.sum(axis=1)[:2] == pytest.approx([10.0, 31.0], abs=0.01)


def test_the_expected_bookings_to_come_equal_a_slow_sum_over_days():
    new, months = (
        new_deals(rate=(0.7,), share_won=(0.4,), scale=(1.5,), amounts=(100.0, 300.0)),
        Months(AS_OF, 3),
    )
    edges = [0.0, *months.end_days]
    slow = np.zeros(3)
    for hour in range(int(edges[-1] * 24)):
        created = (hour + 0.5) / 24
        for month in range(3):
            upto, since = (min(max(edges[month + end] - created, 0) / 100, 1) for end in (1, 0))
            slow[month] += 0.7 / 24 * 0.4 * (upto - since) * 1.5 * 200
    assert expected_new_business(new, months)[0] == pytest.approx(slow, rel=1e-3)


def test_an_as_of_a_month_later_sees_other_months_but_the_same_past():
    created, closed, won, amount = world()
    later = new_business(created, closed, won, amount, {}, AS_OF + timedelta(days=30))
    assert later.rate.sum() < new_business(created, closed, won, amount, {}, AS_OF).rate.sum()
