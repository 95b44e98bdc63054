"""Renewals in JSON: the published figures, filters, pages; factors made of deals only for who sees deals."""

from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from fastapi import FastAPI

from data.errors import UsageError
from serving.access.actor import OWNER
from serving.access.errors import NotFound
from serving.access.hidden import OTHER
from serving.api.cursors import Cursor, GoneError
from serving.api.renewal import renewal_view
from serving.api.renewal_parts import RenewalQuery
from serving.api.renewals import renewals_view
from serving.app import create_app
from serving.consumption import use_rows
from serving.feature_facts import RENEWAL_CATALOGUE
from serving.live import HeldRun, hold
from serving.renewals import SCORES, explain_renewal, rank_renewals
from tests.serving.access_world import Client, published, settings
from tests.serving.api_world import ops, viewer

SORTS = ("p_renew", "-p_renew", "days_left", "-days_left", "-committed_amount", "-change")


@pytest.fixture(scope="module")
def run(served: Path, tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    workspace = tmp_path_factory.mktemp("copied") / "workspace"
    copytree(served, workspace, ignore=ignore_patterns("*.duckdb", "mlartifacts"))
    return hold(workspace)


@pytest.fixture(scope="module")
def app(run: HeldRun) -> FastAPI:
    return create_app(settings(run.folder.parent.parent))


def pages(run: HeldRun, limit: int = 200, **asked: object) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    cursor = None
    while True:
        view = renewals_view(ops(run, "renewals"), RenewalQuery(limit=limit, cursor=cursor, **asked))
        found += [one.contract_id for one in view.contracts]
        cursor = view.next_cursor
        if cursor is None:
            assert view.total == len(found)
            return found


def in_order(run: HeldRun, sort: str) -> list[str]:
    """The published contracts in that order, worked out anew."""
    name, rows = sort.lstrip("-"), run.table(SCORES).to_pylist()
    for row in rows:
        before = row["previous_p_renew"]
        row["change"] = None if before is None else row["p_renew"] - before
    known = [row for row in rows if row[name] is not None]
    sign = -1 if sort.startswith("-") else 1
    known.sort(key=lambda row: (sign * row[name], row["contract_id"]))
    return [row["contract_id"] for row in known] + sorted(
        row["contract_id"] for row in rows if row[name] is None
    )


def test_the_list_is_the_published_ranking(run: HeldRun) -> None:
    ranked = rank_renewals(run)
    view = renewals_view(ops(run, "renewals"), RenewalQuery(limit=200))
    assert [one.contract_id for one in view.contracts] == [one.contract_id for one in ranked][:200]
    first, held = view.contracts[0], ranked[0]
    assert (first.p_renew, first.days_left, first.overdue) == (held.p_renew, held.days_left, held.overdue)
    assert first.ends_on is not None
    assert first.ends_on.isoformat() == held.ends_on
    assert first.expected_amount == pytest.approx((held.committed_amount or 0) * held.expected_ratio)
    assert view.expected_renewals == pytest.approx(sum(one.p_renew for one in ranked))


def test_filters_keep_what_was_asked_for(run: HeldRun) -> None:
    rows = run.table(SCORES).to_pylist()
    region = rows[0]["region"]
    assert set(pages(run, region=(region,))) == {
        row["contract_id"] for row in rows if row["region"] == region
    }
    soon = {row["contract_id"] for row in rows if row["days_left"] is not None and row["days_left"] <= 60}
    assert set(pages(run, within_days=60)) == soon
    assert pages(run, q=rows[0]["contract_id"].lower()) == [rows[0]["contract_id"]]
    assert pages(run, region=("no such region",)) == []
    low = {row["contract_id"] for row in rows if row["p_renew"] <= 0.5}
    assert set(pages(run, p_max=0.5)) == low


def test_sums_stand_by_currency(run: HeldRun) -> None:
    view = renewals_view(ops(run, "renewals"), RenewalQuery())
    rows = run.table(SCORES).to_pylist()
    for one in view.by_currency:
        held = [row for row in rows if row["currency"] == one.currency]
        assert one.contracts == len(held)
        assert one.committed_amount == pytest.approx(sum(row["committed_amount"] or 0 for row in held))
    assert sum(one.contracts for one in view.by_currency) == len(rows)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [17, 200])
def test_pages_put_together_are_the_list_in_its_order_unknown_values_last(
    run: HeldRun, sort: str, limit: int
) -> None:
    assert pages(run, limit, sort=sort) == in_order(run, sort)


def test_cursors_of_another_run_or_list_are_refused(run: HeldRun) -> None:
    with pytest.raises(GoneError):
        renewals_view(ops(run, "renewals"), RenewalQuery(cursor=Cursor("other", "p_renew", "K1").text()))
    with pytest.raises(UsageError, match="of these contracts"):
        renewals_view(ops(run, "renewals"), RenewalQuery(cursor=Cursor(run.run_id, "p_renew", "nope").text()))


def test_a_contract_adds_up_to_its_published_score(run: HeldRun) -> None:
    for one in rank_renewals(run)[:20]:
        view, held = (
            renewal_view(ops(run, "renewals"), one.contract_id),
            explain_renewal(run, one.contract_id),
        )
        assert (view.log_odds, view.base_log_odds, view.evidence) == (
            held.log_odds, held.base_log_odds, held.evidence,
        )  # fmt: skip
        parts = sum(part.log_odds for part in view.contributions) + view.other_log_odds
        assert abs(view.base_log_odds + parts - view.log_odds) < 1e-6
        assert sum(part.log_odds for part in view.drivers) == pytest.approx(parts, abs=1e-9)
        assert [part.sentence for part in (*view.speaks_for, *view.speaks_against)] == [
            part.sentence for part in (*held.up, *held.down)
        ]


def test_expected_use_is_the_published_one(run: HeldRun) -> None:
    account = next(
        one for one in rank_renewals(run) if use_rows(run, "account_product", account_id=one.account_id)
    )
    view = renewal_view(ops(run, "renewals"), account.contract_id)
    rows = use_rows(run, "account_product", account_id=account.account_id)
    assert [(one.period_start, one.mean, one.low80) for one in view.use] == [
        (row.period_start, row.mean, row.low80) for row in rows
    ]


def test_finance_reads_no_factor_made_of_deals(run: HeldRun) -> None:
    finance = viewer(run, "renewals", "F1", "finance")
    closed = {row["feature"] for row in run.table(RENEWAL_CATALOGUE).to_pylist() if row["of"] == "deal"}
    view = renewal_view(finance, rank_renewals(run)[0].contract_id)
    assert not closed & {one.feature for one in view.contributions}
    assert view.n_other == len(closed)
    assert (view.drivers[-1].family == OTHER) == bool(closed)
    parts = sum(part.log_odds for part in view.contributions) + view.other_log_odds
    assert abs(view.base_log_odds + parts - view.log_odds) < 1e-6


def test_an_unknown_contract_is_not_found(run: HeldRun, app: FastAPI) -> None:
    with pytest.raises(NotFound):
        renewal_view(ops(run, "renewals"), "nothing")
    assert Client(app, OWNER).get("/api/v1/renewals/nothing").status_code == 404


def test_a_run_without_renewals_has_an_empty_page_and_says_so(tmp_path: Path) -> None:
    run = hold(published(tmp_path))
    view = renewals_view(ops(run, "renewals"), RenewalQuery())
    assert (view.published, view.total, view.contracts, view.renewal_model_version) == (False, 0, (), None)
    with pytest.raises(NotFound):
        renewal_view(ops(run, "renewals"), "K1")


def test_over_http_the_answers_are_the_views(run: HeldRun, app: FastAPI) -> None:
    owner = Client(app, OWNER)
    page = owner.get("/api/v1/renewals?limit=3&sort=-p_renew").json()
    assert [one["contract_id"] for one in page["contracts"]] == in_order(run, "-p_renew")[:3]
    assert owner.get("/api/v1/renewals?sort=evil").status_code == 422
    assert owner.get("/api/v1/renewals?limit=0").status_code == 422
