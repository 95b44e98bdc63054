"""The simulation: means, spreads and sums against what can be worked out by hand."""

from itertools import product

import numpy as np
import pytest

from data.errors import ModelContractError, UsageError
from models.forecast.book import OpenDeals
from models.forecast.groups import OTHERS, TOTAL, UNASSIGNED, Group
from models.forecast.shocks import BOOKINGS, CONSUMPTION, NOT_YET_CREATED, OPEN_DEALS, RENEWALS, Shocks
from models.forecast.simulate import simulate
from tests.models.forecast_books import book, consumption, deals, logit, new_deals, random_book, renewals

DRAWS = 4000
EVEN = [1 / 3, 2 / 3, 1.0]
LARGE = Shocks(1.0, 1.0, 0.3, 0.5, 1.0, 0.3, 0.8)


def column(figures, name, **wanted):
    """The column where the others hold what is wanted."""
    rows = range(len(figures["part"]))
    return [figures[name][r] for r in rows if all(figures[k][r] == v for k, v in wanted.items())]


def test_a_deal_that_is_won_for_sure_is_booked_in_its_month_in_every_draw():
    held = book(deals=deals([("d", 1.0, [0, 1, 1], 1234.56, "north", "ann")]))
    money = simulate(held, draws=50).money(OPEN_DEALS)
    assert money.tolist() == [[0.0] * 50, [1234.56] * 50, [0.0] * 50]


def test_a_lost_deal_and_one_won_beyond_the_horizon_are_never_booked():
    rows = [("lost", 0.0, EVEN, 100, "north", "ann"), ("late", 1.0, [0, 0, 0], 100, "north", "ann")]
    assert not simulate(book(deals=deals(rows)), draws=200).money(OPEN_DEALS).any()


def test_the_total_of_a_few_deals_has_the_distribution_of_all_their_outcomes():
    rows = [
        ("a", 0.5, [1, 1, 1], 1, "n", "x"),
        ("b", 0.2, [1, 1, 1], 2, "n", "x"),
        ("c", 0.7, [1, 1, 1], 4, "n", "x"),
    ]
    totals = simulate(book(deals=deals(rows)), draws=20_000).money(OPEN_DEALS).sum(axis=0)
    for outcome in product((0, 1), repeat=3):
        chance = np.prod([row[1] if won else 1 - row[1] for row, won in zip(rows, outcome, strict=True)])
        total = sum(row[3] for row, won in zip(rows, outcome, strict=True) if won)
        share = (totals == total).mean()
        assert share == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 20_000))


def test_the_months_of_a_deal_come_as_its_curve_says():
    held = book(deals=deals([("d", 0.5, [0.2, 0.5, 0.6], 1, "n", "x")]))
    by_month = simulate(held, draws=20_000).money(OPEN_DEALS).mean(axis=1)
    assert by_month == pytest.approx([0.10, 0.15, 0.05], abs=0.009)


@pytest.mark.parametrize("shocks", [Shocks.none(), LARGE])
def test_the_mean_of_the_draws_is_the_expectation_with_and_without_shocks(shocks):
    held = random_book(3, n=60, shocks=shocks)
    drawn = simulate(held, draws=20_000, seed=1)
    for part in (OPEN_DEALS, NOT_YET_CREATED, RENEWALS, CONSUMPTION):
        for level in (TOTAL, "region"):
            for key in drawn.keys(part, level):
                money, mean = drawn.money(part, level, key), drawn.expected.months(part, level, key)
                noise = money.std(axis=1) / np.sqrt(20_000)
                assert (np.abs(money.mean(axis=1) - mean) <= 5 * noise + 1e-6 * mean.max()).all(), (part, key)


def test_the_expectation_of_an_open_deal_is_chance_times_month_times_amount():
    held = book(deals=deals([("d", 0.25, [0.2, 0.5, 0.6], 1000, "n", "x")]))
    means = simulate(held, draws=1).expected.months(OPEN_DEALS)
    assert means == pytest.approx([50, 75, 25])


def test_draws_of_the_keys_of_a_level_add_up_to_the_total_in_every_draw():
    drawn = simulate(random_book(5, n=40), draws=300)
    for part, level in (
        (OPEN_DEALS, "owner"),
        (BOOKINGS, "owner"),
        (RENEWALS, "region"),
        (CONSUMPTION, "product"),
    ):
        summed = sum(drawn.money(part, level, key) for key in drawn.keys(part, level))
        assert summed == pytest.approx(drawn.money(part), rel=1e-12)


def test_deals_to_come_have_no_owner_yet():
    drawn = simulate(random_book(5), draws=20)
    assert UNASSIGNED in drawn.keys(BOOKINGS, "owner")
    assert UNASSIGNED not in drawn.keys(OPEN_DEALS, "owner")


def test_bookings_are_summed_within_each_draw_not_by_their_quantiles():
    drawn = simulate(random_book(2, n=20), draws=500)
    figures = drawn.figures()
    total = drawn.money(OPEN_DEALS).sum(axis=0) + drawn.money(NOT_YET_CREATED).sum(axis=0)
    asked = {"level": TOTAL, "period_kind": "horizon"}
    assert column(figures, "p90", part=BOOKINGS, **asked) == [pytest.approx(np.quantile(total, 0.9))]
    tops = [column(figures, "p90", part=part, **asked)[0] for part in (OPEN_DEALS, NOT_YET_CREATED)]
    assert sum(tops) > column(figures, "p90", part=BOOKINGS, **asked)[0]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    one, again, other = (simulate(random_book(7), draws=100, seed=seed) for seed in (1, 1, 2))
    for part in one.parts:
        assert np.array_equal(one.money(part), again.money(part))
        assert not np.array_equal(one.money(part), other.money(part))


def test_the_order_of_the_deals_changes_no_bit():
    held = random_book(7, n=30).deals
    back = np.arange(30)[::-1]
    groups = {name: Group(group.codes[back], group.keys) for name, group in held.groups.items()}
    ids = tuple(held.ids[row] for row in back)
    turned = OpenDeals(ids, held.log_odds[back], held.share_closed[back], held.amount[back], groups, 0.3)
    money = [
        simulate(book(4, deals=one, shocks=LARGE), draws=200).money(OPEN_DEALS) for one in (held, turned)
    ]
    assert np.array_equal(*money)


def test_a_deal_more_leaves_the_draws_of_all_others_as_they_were():
    rows = [(f"d{i}", 0.4, EVEN, 100 + i, "n", "x") for i in range(5)]
    few, alone, all_five = (
        simulate(book(deals=deals(some), shocks=LARGE), draws=300).money(OPEN_DEALS)
        for some in (rows[:4], rows[4:], rows)
    )
    assert all_five == pytest.approx(few + alone, rel=1e-12)


def test_deals_are_drawn_independently_of_each_other_without_a_common_shock():
    rows = [(f"d{i}", 0.5, [1, 1, 1], 1, f"r{i}", "x") for i in range(12)]
    drawn = simulate(book(deals=deals(rows)), draws=10_000)
    won = np.stack([drawn.money(OPEN_DEALS, "region", f"r{i}")[0] for i in range(12)])
    between = np.corrcoef(won)[np.triu_indices(12, 1)]
    assert np.abs(between).max() < 0.045


def test_a_common_shock_widens_the_interval_of_a_total_of_many_deals():
    """Variance of the number won: n·mean p(1-p) on its own; with a shock, n²·var(p over levels) more."""
    rows = [(f"d{i}", 0.3, [1, 1, 1], 1, "n", "x") for i in range(400)]
    held = deals(rows)
    alone = simulate(book(deals=held), draws=DRAWS).money(OPEN_DEALS)[0]
    shocked = simulate(book(deals=held, shocks=Shocks(0.4, 0, 0, 0, 0, 0, 0)), draws=DRAWS).money(OPEN_DEALS)[
        0
    ]
    assert alone.std() == pytest.approx(np.sqrt(400 * 0.3 * 0.7), rel=0.06)
    # p(1-p)·0.4 is nearly the sd of p under a shift in log-odds of sd 0.4
    assert shocked.std() == pytest.approx(np.hypot(alone.std(), 400 * 0.3 * 0.7 * 0.4), rel=0.08)
    assert shocked.mean() == pytest.approx(120, abs=4 * shocked.std() / np.sqrt(DRAWS))


def test_a_shock_in_timing_moves_months_but_not_what_is_won_in_the_end():
    rows = [(f"d{i}", 1.0, [0.4, 0.8, 1.0], 1, "n", "x") for i in range(300)]
    money = simulate(book(deals=deals(rows), shocks=Shocks(0, 0.8, 0, 0, 0, 0, 0)), draws=DRAWS).money(
        OPEN_DEALS
    )
    assert (money.sum(axis=0) == 300).all()
    assert money[0].std() > 3 * np.sqrt(300 * 0.4 * 0.6)


def test_an_amount_that_is_unknown_is_in_no_total_and_is_counted():
    held = book(deals=deals([("a", 0.9, EVEN, np.nan, "n", "x"), ("b", 1.0, EVEN, 5, "n", "x")]))
    assert simulate(held, draws=10).money(OPEN_DEALS).sum(axis=0).tolist() == [5.0] * 10
    assert held.unpriced == {"open deals": 1}


def test_the_spread_of_an_amount_holds_its_mean():
    one = deals([("d", 1.0, EVEN, 1000, "n", "x")], spread=0.5)
    worth = simulate(book(deals=one), draws=20_000).money(OPEN_DEALS).sum(axis=0)
    assert worth.mean() == pytest.approx(1000, rel=0.02)
    assert np.log(worth).std() == pytest.approx(0.5, rel=0.05)


def test_a_renewal_lands_in_its_month_at_its_ratio_or_not_at_all():
    held = book(renewals=renewals([("c", 0.6, 1, 1000, 1.1, 0.0, "n"), ("late", 1.0, 3, 1000, 1, 0.0, "n")]))
    money = simulate(held, draws=DRAWS).money(RENEWALS)
    assert set(money[1].tolist()) == {0.0, 1100.0}
    assert not money[[0, 2]].any()
    assert (money[1] > 0).mean() == pytest.approx(0.6, abs=0.03)


def test_the_ratio_of_a_renewal_spreads_as_it_says():
    money = simulate(book(renewals=renewals([("c", 1.0, 0, 1000, 1.1, 0.22, "n")])), draws=20_000).money(
        RENEWALS
    )[0]
    assert money.mean() == pytest.approx(1100, rel=0.01)
    assert money.std() == pytest.approx(220, rel=0.05)


def test_use_after_the_term_comes_in_the_very_draws_in_which_the_contract_renews():
    held = book(
        renewals=renewals([("c", 0.5, 1, 1000, 1.0, 0.0, "n")]),
        consumption=consumption([(10, 0.0, 0, 1, "n", "core"), (7, 0.0, -1, 0, "n", "core")], 3),
        shocks=Shocks(0, 0, 0, 0, 1.0, 0.0, 0.0),
    )
    drawn = simulate(held, draws=500)
    used, renewed = drawn.money(CONSUMPTION), drawn.money(RENEWALS)[1] > 0
    assert used[0].tolist() == [17.0] * 500
    assert used[1].tolist() == used[2].tolist() == np.where(renewed, 17.0, 7.0).tolist()
    assert 0.4 < renewed.mean() < 0.6


def test_errors_of_series_on_their_own_average_out_and_common_ones_do_not():
    rows = [(100, 0.4, -1, 3, f"r{i % 4}", "core") for i in range(100)]
    shared = Shocks(0, 0, 0, 0, 0, 0.1, 0.0)
    for shocks, relative in ((Shocks.none(), 0.04), (shared, np.hypot(0.04, 0.1))):
        used = simulate(book(consumption=consumption(rows, 3), shocks=shocks), draws=DRAWS).money(
            CONSUMPTION
        )[0]
        assert used.std() / used.mean() == pytest.approx(relative, rel=0.08)
        assert used.min() > 0


def test_common_errors_of_consumption_last_from_month_to_month():
    rows, lasting = [(100, 0.0, -1, 3, "n", "core")], Shocks(0, 0, 0, 0, 0, 0.2, 0.7)
    used = simulate(book(consumption=consumption(rows, 3), shocks=lasting), draws=10_000).money(CONSUMPTION)
    assert np.corrcoef(used)[0, 1] == pytest.approx(0.7, abs=0.03)
    assert np.corrcoef(used)[0, 2] == pytest.approx(0.49, abs=0.04)


def test_what_deals_to_come_bring_is_a_compound_poisson_sum():
    """Mean: days' worth of landings; variance: number times mean square of an amount."""
    amounts = (50.0, 100.0, 300.0)
    new = new_deals(rate=(2.0,), share_won=(0.3,), amounts=amounts)
    money = simulate(book(new=new), draws=10_000).money(NOT_YET_CREATED)
    # ten days of November are left; a deal created x days before their end is won by then with chance x/100:
    # the integral of x/100 over ten days is half a day's worth of deals
    wins = 2.0 * 0.3 * 0.5
    assert money[0].mean() == pytest.approx(wins * np.mean(amounts), rel=0.04)
    assert money[0].var() == pytest.approx(wins * np.mean(np.square(amounts)), rel=0.08)


def test_a_rate_that_varies_from_month_to_month_widens_what_is_to_come():
    steady, unsteady = (
        simulate(book(6, new=new_deals(rate=(5.0,), spread=spread)), draws=DRAWS).money(NOT_YET_CREATED)
        for spread in (0.0, 0.5)
    )
    assert unsteady.mean() == pytest.approx(steady.mean(), rel=0.03)
    assert unsteady.sum(axis=0).std() > 1.5 * steady.sum(axis=0).std()


def test_a_width_stretches_the_interval_about_the_mean_and_stops_at_zero():
    rows = [(f"d{i}", 0.3, EVEN, 1, "n", "x") for i in range(50)]
    plain, wide, huge = (
        simulate(
            book(deals=deals(rows), shocks=Shocks(0, 0, 0, 0, 0, 0, 0, {OPEN_DEALS: width})), draws=DRAWS
        ).figures()
        for width in (1.0, 1.5, 20.0)
    )
    asked = {"part": OPEN_DEALS, "level": TOTAL, "period_kind": "horizon"}
    for name in ("p10", "p90"):
        was, now = column(plain, name, **asked)[0], column(wide, name, **asked)[0]
        assert now - 15 == pytest.approx(1.5 * (was - 15))
    assert column(wide, "mean", **asked) == column(plain, "mean", **asked) == [pytest.approx(15)]
    assert column(huge, "p10", **asked) == [0.0]


def test_an_interval_of_a_quarter_is_that_of_its_months_summed_in_each_draw():
    drawn = simulate(random_book(4, n=30), draws=400)
    total = drawn.money(OPEN_DEALS)[[0, 1]].sum(axis=0)
    asked = {"part": OPEN_DEALS, "level": TOTAL, "period": "2026-Q4"}
    assert column(drawn.figures(), "p50", **asked) == [pytest.approx(np.median(total))]


def test_quantiles_never_cross_and_every_row_names_its_currency():
    figures = simulate(random_book(9, n=30), draws=200).figures()
    bounds = np.array([figures["p10"], figures["p50"], figures["p90"]])
    assert (np.diff(bounds, axis=0) >= 0).all()
    assert set(figures["currency"]) == {"EUR"}


def test_the_owners_beyond_the_two_hundred_commonest_are_told_together():
    rows = [(f"d{i}", 0.5, EVEN, 1, "n", f"owner {i}") for i in range(230)]
    drawn = simulate(book(deals=deals(rows)), draws=5)
    keys = drawn.keys(OPEN_DEALS, "owner")
    assert len(keys) == 200
    assert drawn.expected.months(OPEN_DEALS, "owner", OTHERS).sum() == pytest.approx(0.5 * 31)


def test_a_book_with_nothing_in_it_gives_an_empty_summary():
    drawn = simulate(book(), draws=10)
    assert drawn.figures()["part"] == []
    assert drawn.summary().num_rows == 0


def test_an_unknown_level_is_refused_with_those_that_there_are():
    held = random_book(1)
    with pytest.raises(UsageError, match=r"told apart by colour\. Choose among owner, product, region"):
        simulate(held, draws=5, by=["colour"])
    with pytest.raises(UsageError, match="not simulated by owner"):
        simulate(held, draws=5, by=["region"]).figures(["owner"])
    with pytest.raises(UsageError, match="draws"):
        simulate(held, draws=0)


def test_rows_that_cannot_be_are_refused_by_name():
    with pytest.raises(ModelContractError, match=r"do not fall from month to month.*'d'"):
        deals([("d", 0.5, [0.5, 0.4, 0.6], 1, "n", "x")])
    with pytest.raises(ModelContractError, match="each id once"):
        deals([("d", 0.5, EVEN, 1, "n", "x")] * 2)
    with pytest.raises(ModelContractError, match=r"log_odds.*missing, first 'd'"):
        OpenDeals(("d",), np.array([np.nan]), np.array([EVEN]), np.ones(1))
    with pytest.raises(ModelContractError, match=r"months: expected 3"):
        book(deals=OpenDeals(("d",), logit(np.array([0.5])), np.ones((1, 2)), np.ones(1)))
