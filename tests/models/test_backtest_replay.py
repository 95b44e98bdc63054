"""One origin replayed: the book as it stood, simulated, beside what came."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.currency import Rates
from data.warehouse import memory_tables
from models.backtest.bookings import BookingsAt
from models.backtest.contracts import read_contracts
from models.backtest.history import read_deals
from models.backtest.renewals import RenewalsAt
from models.backtest.replay import Origin, Replayed, replay
from models.backtest.scores import score_rows, sentences
from models.forecast.book import OpenDeals, Renewals
from models.forecast.groups import grouped
from models.forecast.months import Months
from models.forecast.shocks import Shocks

NOW = datetime(2025, 7, 1, tzinfo=UTC)
ORIGIN = datetime(2025, 3, 3, tzinfo=UTC)
MONTHS = Months(ORIGIN, 3)


def on(month: int, day: int = 1) -> datetime:
    return datetime(2025, month, day, tzinfo=UTC)


def tables() -> dict[str, Any]:
    """Forty open deals of 100 in the north, every fourth won in April; ten contracts, all renewed in May."""
    names = [f"d{i:02}" for i in range(40)]
    deals = [
        {"opportunity_id": name, "account_id": "a", "created_at": on(2), "type": "new", "currency": "EUR",
         "closed_at": on(4, 10), "outcome": "lost" if i % 4 else "won"}
        for i, name in enumerate(names)
    ]  # fmt: skip
    said = [
        {"opportunity_id": name, "field": "amount", "new_value": "100", "changed_at": on(2, 2)}
        for name in names
    ]
    contracts = [
        {"contract_id": f"k{i}", "account_id": "a", "currency": "EUR", "committed_amount": 50.0,
         "known_at": on(1), "end_at": on(5, 5), "outcome": "renewed", "renewed_amount": 60.0,
         "decided_at": on(5, 1)}
        for i in range(10)
    ]  # fmt: skip
    accounts = [{"account_id": "a", "region": "north", "known_at": on(1)}]
    return memory_tables(
        {"accounts": accounts, "opportunities": deals, "opportunity_changes": said, "contracts": contracts}
    )


@pytest.fixture(scope="module")
def origin() -> Origin:
    world = tables()
    rates = Rates.read(world, ORIGIN)
    bookings = BookingsAt.of(read_deals(world, NOW, segment="industry"), MONTHS, rates, due=())
    ids = tuple(bookings.deals.ids)
    share = np.tile(np.array([0.2, 0.6, 1.0]), (40, 1))
    book = OpenDeals(ids, np.zeros(40), share, np.full(40, 100.0), {"region": grouped(["north"] * 40)})
    renewals = RenewalsAt(read_contracts(world, NOW, segment="industry"), MONTHS, rates, 90)
    ones = np.ones(10)
    due = Renewals(
        tuple(renewals.contracts.ids), 9.0 * ones, np.full(10, 2), 50.0 * ones, 1.2 * ones, 0.0 * ones,
        {"region": grouped(["north"] * 10)},
    )  # fmt: skip
    return Origin(MONTHS, "EUR", NOW, (bookings, book, None), (renewals, due))


@pytest.fixture(scope="module")
def replayed(origin: Origin) -> Replayed:
    return replay(origin, Shocks.none(), by=("region",), stage_probabilities={}, draws=2000, seed=1)


def ours(rows: pa.Table, part: str, level: str = "total") -> pa.Table:
    return rows.filter(
        (pc.field("part") == part) & (pc.field("level") == level) & (pc.field("model") == "dealcast")
        & (pc.field("period_kind") == "month")
    )  # fmt: skip


def test_what_was_expected_stands_beside_what_came_month_by_month(replayed: Replayed) -> None:
    rows = ours(replayed.rows, "open_deals")
    assert rows["period"].to_pylist() == ["2025-03", "2025-04", "2025-05"]
    # every second deal of 100 is expected to be won, a fifth of them in March
    assert rows["mean"].to_pylist() == pytest.approx([400.0, 800.0, 800.0])
    assert rows["actual"].to_pylist() == [0.0, 1000.0, 0.0]
    columns = (rows[name].to_pylist() for name in ("p10", "mean", "p90"))
    assert all(low < mean < high for low, mean, high in zip(*columns, strict=True))


def test_groups_are_replayed_as_the_total_is(replayed: Replayed) -> None:
    total, north = ours(replayed.rows, "open_deals"), ours(replayed.rows, "open_deals", "region")
    assert north["key"].to_pylist() == ["north"] * 3
    assert north["actual"].equals(total["actual"])


def test_renewals_stand_in_the_month_that_their_term_ends(replayed: Replayed) -> None:
    rows = ours(replayed.rows, "renewals")
    assert rows["actual"].to_pylist() == [0.0, 0.0, 600.0]
    assert rows["mean"].to_pylist() == pytest.approx([0.0, 0.0, 600.0], abs=0.5)
    assert rows["p_none"].to_pylist()[:2] == [1.0, 1.0]


def test_shifts_say_how_far_off_the_expectation_was(replayed: Replayed) -> None:
    shift = replayed.shifts["logit_sd"]
    assert shift is not None
    # a quarter was won where a half was expected
    assert shift.value == pytest.approx(np.log(0.25 / 0.75), abs=1e-6)


def test_scores_are_told_in_a_sentence_a_part(replayed: Replayed) -> None:
    said = sentences(score_rows(replayed.rows))
    assert said[0].startswith("Bookings from open deals: off by 140 % of what came, month by month")
    assert "bias +100 %" in said[0]
    assert any(sentence.startswith("Renewals: off by 0 %") for sentence in said)


def test_the_same_seed_gives_the_same_rows(origin: Origin, replayed: Replayed) -> None:
    again = replay(origin, Shocks.none(), by=("region",), stage_probabilities={}, draws=2000, seed=1)
    assert again.rows.equals(replayed.rows)
