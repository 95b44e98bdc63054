"""The list of deals: filters, orders, pages and sums, from a run said by hand."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.errors import UsageError
from models.calibration import sigmoid
from serving.access.errors import NotFound
from serving.api.cursors import Cursor, GoneError
from serving.api.deal_filters import DealQuery
from serving.api.deals import choices_view, deals_view
from serving.live import HeldRun
from tests.serving.api_world import DEALS, Deal, listed_run, ops, viewer

SORTS = (
    "-p_win", "p_win", "-change", "change", "-amount", "amount", "expected_close_on", "-expected_close_on",
    "name", "-name", "account", "-account", "owner", "-owner", "stage", "-stage",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    return listed_run(tmp_path_factory.mktemp("listed"))


def ids(run: HeldRun, **asked: object) -> list[str]:
    return [one.opportunity_id for one in deals_view(ops(run), DealQuery(**asked)).deals]


def test_the_likeliest_come_first_and_ties_stand_by_id(run: HeldRun) -> None:
    assert ids(run) == ["D5", "D2", "D1", "D4", "D3"]


def test_a_row_holds_what_was_published(run: HeldRun) -> None:
    row = deals_view(ops(run), DealQuery()).deals[2]
    assert (row.opportunity_id, row.name, row.region, row.owner) == (
        "D1",
        "Zeta roll-out",
        "south",
        "Owner R1",
    )
    assert (row.amount, row.currency, row.expected_close_on) == (100.0, "EUR", date(2026, 2, 1))
    assert row.p_win == 0.5
    assert row.previous_p_win == 0.4
    assert row.change_points == pytest.approx(10.0, abs=1e-12)
    assert row.top_reason == "account_wins of D1."


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"owner": ("R2",)}, ["D2", "D3"]),
        ({"owner": ("R1", "R3")}, ["D1", "D4"]),
        ({"owner": ("(unknown)",)}, ["D5"]),
        ({"team": "M1"}, ["D2", "D1", "D3"]),
        ({"team": "nobody"}, []),
        ({"region": ("south",)}, ["D1"]),
        ({"region": ("(unknown)", "south")}, ["D1", "D4"]),
        ({"stage": ("Demo",)}, ["D4"]),
        ({"type": ("renewal",)}, ["D5"]),
        ({"p_min": 0.5, "p_max": 0.75}, ["D2", "D1", "D4"]),
        ({"change_min": 5.0}, ["D5", "D1"]),
        ({"change_max": -5.0}, ["D2"]),
        ({"closing_within": 0}, ["D3"]),
        ({"closing_within": 27}, ["D2", "D1", "D4", "D3"]),
        ({"q": "ROLL"}, ["D1"]),
        ({"q": "acme"}, ["D5", "D2", "D1", "D4", "D3"]),
        ({"q": "d3"}, ["D3"]),
        ({"q": "  "}, ["D5", "D2", "D1", "D4", "D3"]),
        ({"region": ("north",), "owner": ("R2",), "p_max": 0.5}, ["D3"]),
    ],
)  # fmt: skip
def test_filters_keep_what_all_of_them_ask_for(
    run: HeldRun, asked: dict[str, object], expected: list[str]
) -> None:
    assert ids(run, **asked) == expected
    assert deals_view(ops(run), DealQuery(**asked)).total == len(expected)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("p_win", ["D3", "D1", "D4", "D2", "D5"]),
        ("-amount", ["D5", "D3", "D1", "D4", "D2"]),
        ("amount", ["D4", "D1", "D3", "D5", "D2"]),
        ("-change", ["D5", "D1", "D4", "D2", "D3"]),
        ("change", ["D2", "D4", "D1", "D5", "D3"]),
        ("expected_close_on", ["D3", "D1", "D2", "D4", "D5"]),
        ("-expected_close_on", ["D1", "D2", "D4", "D3", "D5"]),
        ("name", ["D2", "D3", "D1", "D4", "D5"]),
        ("-name", ["D1", "D3", "D2", "D4", "D5"]),
        ("-owner", ["D4", "D2", "D3", "D1", "D5"]),
    ],
)
def test_orders_put_the_unknown_last_both_ways_and_ties_by_id(
    run: HeldRun, sort: str, expected: list[str]
) -> None:
    assert ids(run, sort=sort) == expected


def test_an_order_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(ValidationError, match="sort"):
        DealQuery.model_validate({"sort": "p_win; DROP TABLE deals"})
    with pytest.raises(ValidationError, match="evil"):
        DealQuery.model_validate({"evil": 1})
    with pytest.raises(ValidationError, match="p_min and p_max"):
        DealQuery.model_validate({"p_min": 0.6, "p_max": 0.5})


def test_amounts_are_summed_by_currency_and_never_across(run: HeldRun) -> None:
    view = deals_view(ops(run), DealQuery())
    sums = {one.currency: one for one in view.by_currency}
    assert set(sums) == {"EUR", "USD", "XAU"}
    assert (sums["EUR"].deals, sums["EUR"].deals_without_amount, sums["EUR"].amount) == (2, 1, 100.0)
    assert sums["EUR"].expected_amount == 50.0
    assert sums["USD"].amount == 550.0
    assert sums["USD"].expected_amount == pytest.approx(500 * sigmoid(np.array(-1.0)) + 25.0)
    assert view.expected_wins == pytest.approx(float(sum(sigmoid(np.array([0.0, 1.0, -1.0, 0.0, 2.0])))))
    assert view.reported is None


def test_a_total_in_the_reporting_currency_says_what_it_leaves_out(tmp_path: Path) -> None:
    about = {"forecast": {"currency": "EUR", "rates": {"EUR": 1.0, "USD": 0.5}}}
    view = deals_view(ops(listed_run(tmp_path, about=about)), DealQuery())
    assert view.reported is not None
    assert (view.reported.currency, view.reported.deals, view.reported.deals_left_out) == ("EUR", 3, 2)
    assert view.reported.amount == 100.0 + 0.5 * 550.0


def test_sums_are_of_all_pages_not_of_this_one(run: HeldRun) -> None:
    page = deals_view(ops(run), DealQuery(limit=1))
    assert page.by_currency == deals_view(ops(run), DealQuery()).by_currency
    assert (len(page.deals), page.total) == (1, 5)


def pages(run: HeldRun, asked: dict[str, object]) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        view = deals_view(ops(run), DealQuery(**asked, cursor=cursor))
        found += [one.opportunity_id for one in view.deals]
        cursor = view.next_cursor
        if cursor is None:
            return found


@given(
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 7),
    asked=st.sampled_from(
        [{}, {"region": ("north",)}, {"owner": ("R2", "(unknown)")}, {"p_max": 0.5}, {"q": "a"}]
    ),
)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_put_together_are_the_list(
    run: HeldRun, sort: str, limit: int, asked: dict[str, object]
) -> None:
    assert pages(run, {"sort": sort, "limit": limit, **asked}) == ids(run, sort=sort, limit=200, **asked)


@given(
    st.lists(
        st.builds(
            Deal,
            id=st.integers(0, 999).map("D{:03}".format),
            log_odds=st.sampled_from([-1.0, 0.5, 1.0]),
            amount=st.sampled_from([None, 1.0, 2.0]),
            closes=st.sampled_from([None, date(2026, 1, 6)]),
            before=st.sampled_from([None, 0.5]),
        ),
        min_size=1, max_size=12, unique_by=lambda one: one.id,
    ),
    st.sampled_from(SORTS), st.integers(1, 5),
)  # fmt: skip
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ties_lose_no_deal_and_repeat_none(
    tmp_path_factory: pytest.TempPathFactory, deals: list[Deal], sort: str, limit: int
) -> None:
    run = listed_run(tmp_path_factory.mktemp("ties"), deals)
    found = pages(run, {"sort": sort, "limit": limit})
    assert sorted(found) == sorted(one.id for one in deals)
    assert found == ids(run, sort=sort, limit=200)


def test_a_cursor_of_another_run_is_gone_and_says_what_to_do(run: HeldRun) -> None:
    other = Cursor("20260101T000000Z-ffffff", "-p_win", "D1").text()
    with pytest.raises(GoneError, match="Begin again without `cursor`") as caught:
        deals_view(ops(run), DealQuery(cursor=other))
    assert caught.value.status == 410


@pytest.mark.parametrize("text", ["", "nonsense", "W10", "bnVsbA", "é", "a" * 900])
def test_what_is_no_cursor_is_refused(run: HeldRun, text: str) -> None:
    with pytest.raises(UsageError, match="next_cursor"):
        deals_view(ops(run), DealQuery(cursor=text))


def test_a_cursor_of_another_order_is_refused(run: HeldRun) -> None:
    cursor = deals_view(ops(run), DealQuery(limit=1)).next_cursor
    with pytest.raises(UsageError, match="sorted by amount, found one of -p_win"):
        deals_view(ops(run), DealQuery(limit=1, cursor=cursor, sort="amount"))


def test_a_cursor_cannot_ask_where_a_foreign_deal_stands(run: HeldRun) -> None:
    rep = viewer(run, "deals", "R1", "rep")
    forged = Cursor(run.run_id, "-p_win", "D2").text()
    unknown = Cursor(run.run_id, "-p_win", "D999").text()
    said = []
    for text in (forged, unknown):
        with pytest.raises(UsageError) as caught:
            deals_view(rep, DealQuery(cursor=text))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_rep_lists_counts_and_sums_own_deals_alone(run: HeldRun) -> None:
    view = deals_view(viewer(run, "deals", "R2", "rep"), DealQuery())
    assert [one.opportunity_id for one in view.deals] == ["D2", "D3"]
    assert view.total == 2
    assert {one.currency for one in view.by_currency} == {"EUR", "USD"}
    assert deals_view(viewer(run, "deals", "R2", "rep"), DealQuery(owner=("R1",))).total == 0
    assert deals_view(viewer(run, "deals", "R2", "rep"), DealQuery(q="Zeta")).total == 0


def test_a_rep_does_not_read_reasons_made_of_deals_that_are_not_theirs(run: HeldRun) -> None:
    (own,) = deals_view(viewer(run, "deals", "R1", "rep"), DealQuery()).deals
    assert own.top_reason is None


def test_choices_are_those_of_the_deals_that_are_seen(run: HeldRun) -> None:
    every = choices_view(ops(run))
    assert [(one.value, one.deals) for one in every.owners] == [
        ("(unknown)", 1), ("R1", 1), ("R2", 2), ("R3", 1),
    ]  # fmt: skip
    assert [(one.value, one.title, one.deals) for one in every.teams] == [
        ("B1", "Bea", 4), ("M1", "Mia", 3), ("M2", "Noa", 1),
    ]  # fmt: skip
    manager = choices_view(viewer(run, "deals", "M1", "manager"))
    assert {one.value for one in manager.owners} == {"R1", "R2"}
    assert [one.value for one in manager.teams] == ["M1"]
    assert [(one.value, one.deals) for one in manager.regions] == [("north", 2), ("south", 1)]


def test_a_run_without_open_deals_has_an_empty_page(tmp_path: Path) -> None:
    view = deals_view(ops(listed_run(tmp_path, ())), DealQuery())
    assert (view.total, view.deals, view.by_currency, view.next_cursor) == (0, (), (), None)
    assert view.expected_wins == 0.0
    assert choices_view(ops(listed_run(tmp_path / "b", ()))).owners == ()


def test_a_deal_that_is_not_seen_is_not_found_like_one_that_is_not_there(run: HeldRun) -> None:
    rep = viewer(run, "deals", "R1", "rep")
    for deal in ("D2", "D999"):
        with pytest.raises(NotFound, match="There is nothing here, or nothing that you may see"):
            rep.rank_of(deal)


def test_the_world_is_as_it_was_said(run: HeldRun) -> None:
    assert sorted(run.deals.ids) == [one.id for one in DEALS]
