"""The simulated world's truth: is the probability it calls true the one at which deals are won?"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.simulator import simulate
from data.simulator.contracts import make_contracts
from data.simulator.deals import Deals, starting_parts
from data.simulator.journey import Path as Lives
from data.simulator.journey import running
from data.simulator.rng import sigmoid, stream
from data.simulator.simulation import live
from data.simulator.strengths import BELIEFS
from data.simulator.world import World

AS_OF = datetime(2026, 1, 5, tzinfo=UTC)


@cache
def whole_lives() -> tuple[World, Deals, Lives]:
    return live(11, deals=12_000, years=3.0, as_of=AS_OF)


def snapshots() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deal, true probability and eventual outcome at every week of every deal's open life."""
    _, deals, lives = whole_lives()
    won = np.zeros(len(deals), dtype=bool)
    won[lives.deal[lives.won]] = True
    open_ = ~lives.closing
    return lives.deal[open_], sigmoid(lives.log_odds[open_]), won[lives.deal[open_]]


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(np.where(y, np.log(p), np.log(1 - p))))


def auc(y: np.ndarray, p: np.ndarray) -> float:
    rank = np.empty(len(p))
    rank[np.argsort(p, kind="stable")] = np.arange(1, len(p) + 1)
    wins = int(y.sum())
    return float((rank[y].sum() - wins * (wins + 1) / 2) / (wins * (len(y) - wins)))


def test_of_the_weeks_given_a_true_probability_that_share_is_won_in_every_bin() -> None:
    deal, p, y = snapshots()
    group = np.minimum((p * 10).astype(int), 9)
    for number in range(10):
        chosen = group == number
        # weeks of one deal share its outcome, so the error is that of deals, not of weeks
        error = np.bincount(deal[chosen], weights=(y - p)[chosen], minlength=12_000)
        spread = np.sqrt((error**2).sum())
        assert abs(error.sum()) < 3.5 * spread, f"bin {number}: {y[chosen].mean()} against {p[chosen].mean()}"
        assert abs(error.sum()) / chosen.sum() < 0.05


@pytest.mark.parametrize("belief", BELIEFS)
def test_the_truth_is_calibrated_along_every_part_of_the_latent_state(belief: str) -> None:
    _, _, lives = whole_lives()
    deal, p, y = snapshots()
    part = lives.parts[~lives.closing, BELIEFS.index(belief)]
    error = np.bincount(deal, weights=(y - p) * (part - part.mean()), minlength=12_000)
    assert abs(error.sum()) < 3.5 * np.sqrt((error**2).sum())


def test_the_truth_beats_every_cruder_predictor() -> None:
    world, deals, lives = whole_lives()
    deal, p, y = snapshots()
    open_ = ~lives.closing
    at_start = sigmoid(starting_parts(world, deals).sum(axis=1))[deal]
    without = {
        belief: lives.log_odds[open_] - lives.parts[open_, place] + lives.parts[open_, place].mean()
        for place, belief in enumerate(BELIEFS)
    }
    cruder = {"base rate": np.full(len(y), y.mean()), "first day": at_start}
    cruder |= {f"without {belief}": sigmoid(z) for belief, z in without.items()}
    for name, predictor in cruder.items():
        assert log_loss(y, p) < log_loss(y, predictor), name


def test_beliefs_weigh_in_the_order_that_the_strengths_plant() -> None:
    _, _, lives = whole_lives()
    _, p, y = snapshots()
    open_ = ~lives.closing

    def loss_without(*beliefs: str) -> float:
        """Mean rise of the log-loss when one belief's part is taken at its mean for every deal."""
        places = [BELIEFS.index(belief) for belief in beliefs]
        parts = lives.parts[open_]
        rises = [
            log_loss(y, sigmoid(parts.sum(axis=1) - parts[:, at] + parts[:, at].mean())) for at in places
        ]
        return float(np.mean(rises)) - log_loss(y, p)

    strongest = loss_without("stakeholders", "promises")
    middle = loss_without("momentum"), loss_without("motive", "qualification")
    weakest = loss_without("structure", "deal", "seller")
    assert strongest > middle[0] > middle[1] > weakest > loss_without("hidden") > 0


def test_outcomes_are_far_from_certain_and_far_from_chance() -> None:
    _, p, y = snapshots()
    assert 0.80 < auc(y, p) < 0.86
    assert 0.25 < whole_lives()[2].won.sum() / 12_000 < 0.35


def test_quick_wins_and_slow_losses_bias_those_who_look_at_closed_deals_only() -> None:
    _, deals, lives = whole_lives()
    closed = lives.deal[lives.closing], lives.age[lives.closing]
    won = lives.won[lives.closing]
    assert np.median(closed[1][won]) + 2 <= np.median(closed[1][~won])
    cohort = deals.week[closed[0]] >= 130  # created in the half-year before as_of
    seen = cohort & (deals.week[closed[0]] + closed[1] < 156)
    assert won[seen].mean() > won[cohort].mean() + 0.02


def test_cycles_last_from_weeks_to_a_year_with_a_median_near_a_quarter() -> None:
    _, _, lives = whole_lives()
    weeks = np.percentile(lives.age[lives.closing] + 1, [1, 50, 99])
    assert weeks[0] <= 5
    assert 10 <= weeks[1] <= 17
    assert weeks[2] >= 45


def test_what_sellers_believe_holds_in_the_direction_that_the_world_plants() -> None:
    _, deals, lives = whole_lives()
    won = np.zeros(len(deals), dtype=bool)
    won[lives.deal[lives.won]] = True
    final = lives.closing
    spiral = np.zeros(len(deals), dtype=bool)
    spiral[lives.deal[lives.spiral >= 2]] = True
    assert won[~spiral].mean() > won[spiral].mean() + 0.05
    week = np.flatnonzero(lives.age == 8)  # at one age, since slow losses have the time to meet everyone
    met = running(lives, lives.first)[week].sum(axis=1) / deals.present[lives.deal[week]].sum(axis=1)
    later = won[lives.deal[week]]
    assert later[met > np.median(met)].mean() > later[met <= np.median(met)].mean() + 0.05
    blocked = deals.present[:, 12] & (np.bincount(lives.deal, weights=lives.first[:, 12]) == 0)
    stalled = lives.age[final][np.argsort(lives.deal[final])]
    assert stalled[blocked].mean() > stalled[~deals.present[:, 12]].mean()
    assert won[deals.motive == 0].mean() > won[deals.motive == 2].mean() + 0.1
    assert won[~deals.distributed].mean() > won[deals.distributed].mean() + 0.03


def test_headcount_says_nothing_once_the_decision_structure_is_known() -> None:
    world, deals, lives = whole_lives()
    won = np.zeros(len(deals), dtype=bool)
    won[lives.deal[lives.won]] = True
    large = world.employees[deals.account] > np.median(world.employees)
    for structure in (False, True):
        chosen = deals.distributed == structure
        assert abs(won[chosen & large].mean() - won[chosen & ~large].mean()) < 0.035


def test_contracts_renew_at_their_true_rate_and_fear_of_missing_out_does_not_renew() -> None:
    _, deals, lives = whole_lives()
    closed = np.full(len(lives.deal), int(AS_OF.timestamp()) - 86_400)
    contracts = make_contracts(
        stream(1, "contracts"),
        deals,
        lives,
        closed,
        np.full(len(lives.deal), 10_000.0),
        as_of_s=int(AS_OF.timestamp()),
    )
    error = contracts.renewed - contracts.p_renew
    assert abs(error.sum()) < 3.5 * np.sqrt((contracts.p_renew * (1 - contracts.p_renew)).sum())
    motive = deals.motive[contracts.deal]
    assert contracts.renewed[motive == 0].mean() > contracts.renewed[motive == 1].mean() + 0.25


def test_contracts_renew_for_their_expected_ratio_of_the_commitment(tmp_path: Path) -> None:
    simulate(tmp_path / "w", deals=1500, seed=5)
    truth = pq.read_table(tmp_path / "w-truth" / "contract_truth.parquet").to_pandas()
    contracts = pq.read_table(tmp_path / "w" / "contracts.parquet").to_pandas()
    both = truth.merge(contracts, on="contract_id")
    ratio = both["renewed_amount_eventually"] / both["committed_amount"]
    renewed = both["renewed_eventually"]
    assert (ratio.notna() == renewed).all()
    off = (ratio - both["expected_ratio_if_renewed"])[renewed & (both["committed_amount"] > 1000)]
    assert abs(off.mean()) < 3.5 * off.std() / np.sqrt(len(off))
    off = ratio.fillna(0) - both["expected_renewed_ratio"]
    assert abs(off.mean()) < 3.5 * off.std() / np.sqrt(len(off))
    told = both.dropna(subset="outcome")
    assert ((told["outcome"] == "renewed") == told["renewed_eventually"]).all()
    assert (told["renewed_amount"].fillna(0) == told["renewed_amount_eventually"].fillna(0)).all()


def test_use_adds_up_to_the_expected_consumption(tmp_path: Path) -> None:
    simulate(tmp_path / "w", deals=600, seed=5)
    truth = pq.read_table(tmp_path / "w-truth" / "contract_truth.parquet").to_pandas()
    assert np.allclose(
        truth["expected_consumption_monthly"].map(sum), truth["expected_consumption_total"], rtol=1e-9
    )
    contracts = pq.read_table(tmp_path / "w" / "contracts.parquet").to_pandas()
    usage = pq.read_table(tmp_path / "w" / "usage.parquet").to_pandas()
    over = contracts[contracts["end_at"] < AS_OF]["contract_id"]
    used = usage.groupby("contract_id")["amount"].sum().reindex(over).fillna(0).sum()
    expected = truth.set_index("contract_id")["expected_consumption_total"].reindex(over).sum()
    assert abs(used / expected - 1) < 0.04
