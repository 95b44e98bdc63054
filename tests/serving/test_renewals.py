"""Published renewals: scores that add up, sentences people can read, readers that need nothing heavy."""

import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest

from data.errors import PublishError, UsageError
from models.renewal import RenewalModel, account_split, baseline_renewal, renewal_labels, train_renewal
from serving.contract_facts import contract_facts
from serving.publish import Publication, publish
from serving.published import Published, open_published
from serving.renewal_scoring import check_renewals, renewal_tables
from serving.renewals import (
    CONTRIBUTIONS,
    DRIVERS,
    FEATURES,
    REASONS,
    SCORES,
    explain_renewal,
    has_renewals,
    is_baseline,
    not_a_contract,
    rank_renewals,
    renewal_versions,
)
from tests.models.renewal_world import RenewalWorld, make_renewals

RUN = "20250701T000000Z-0a1b2c"


@cache
def learnt() -> tuple[RenewalWorld, RenewalModel, RenewalModel]:
    world = make_renewals(250, 1)
    rows = account_split(renewal_labels(world.contracts, world.frame, world.as_of), as_of=world.as_of)
    model = train_renewal(world.frame, rows, world.features, seed=3, n_trials=0)
    return world, model, baseline_renewal(world.frame, rows, world.features, reason="too few", seed=1)


def waiting(world: RenewalWorld) -> pa.Table:
    """One row, the latest, of each contract that is not decided."""
    undecided = {row["contract_id"] for row in world.contracts.to_pylist() if row["outcome"] is None}
    latest = {row["contract_id"]: i for i, row in enumerate(world.frame.select([0]).to_pylist())}
    return world.frame.take(sorted(i for one, i in latest.items() if one in undecided))


def facts_of(world: RenewalWorld, frame: pa.Table) -> pa.Table:
    contracts = world.contracts
    empty = pa.nulls(contracts.num_rows, pa.string())
    whole = contracts.append_column("start_at", pa.nulls(contracts.num_rows, pa.timestamp("us", "UTC")))
    whole = whole.append_column("billing", empty).append_column(
        "currency", pa.array(["EUR"] * contracts.num_rows)
    )
    accounts = pa.table({
        "account_id": sorted(set(contracts["account_id"].to_pylist())),
    })  # fmt: skip
    n = accounts.num_rows
    accounts = accounts.append_column("name", pa.array([f"Customer {i}" for i in range(n)]))
    accounts = accounts.append_column("region", pa.array(["north"] * n))
    accounts = accounts.append_column("industry", pa.array(["energy"] * n))
    accounts = accounts.append_column("known_at", pa.nulls(n, pa.timestamp("us", "UTC")))
    tables = {"contracts": ibis.memtable(whole), "accounts": ibis.memtable(accounts)}
    return contract_facts(tables, world.as_of, frame["contract_id"].to_pylist())


def tables_of(model: RenewalModel, before: dict[str, float] | None = None) -> dict[str, pa.Table]:
    world = learnt()[0]
    frame = waiting(world)
    return renewal_tables(
        model,
        frame,
        facts=facts_of(world, frame),
        features={feature.name: feature for feature in world.features},
        as_of=world.as_of,
        before=before,
    )


def published(tmp_path: Path, tables: dict[str, pa.Table]) -> Published:
    none = pa.table({"opportunity_id": pa.array([], pa.string())})
    floats = pa.array([], pa.float64())
    scores = none.append_column("p_win", floats).append_column("log_odds", floats)
    publication = Publication(
        as_of=learnt()[0].as_of,
        model_version="win-0",
        data_version="d",
        scores=scores.append_column("base_log_odds", floats),
        contributions=none,
        features=none,
        drivers=none,
        reasons=none,
        deals=none,
        further=tables,
    )
    publish(tmp_path, RUN, publication)
    return open_published(tmp_path, RUN)


def test_base_and_contributions_add_up_to_the_probability_that_is_published() -> None:
    tables = tables_of(learnt()[1])
    scores, parts = tables[SCORES], tables[CONTRIBUTIONS]
    assert scores.num_rows > 20
    total = scores["base_log_odds"].to_numpy() + sum(
        parts[name].to_numpy() for name in parts.column_names[1:]
    )
    p = scores["p_renew"].to_numpy()
    assert np.abs(total - np.log(p / (1 - p))).max() < 1e-6
    assert parts.column_names == tables[FEATURES].column_names
    assert tables[FEATURES]["contract_id"].equals(scores["contract_id"])


def test_drivers_sum_to_the_contributions() -> None:
    tables = tables_of(learnt()[1])
    parts = tables[CONTRIBUTIONS].to_pylist()[0]
    contract = parts.pop("contract_id")
    drivers = [row for row in tables[DRIVERS].to_pylist() if row["contract_id"] == contract]
    assert sum(row["log_odds"] for row in drivers) == pytest.approx(sum(parts.values()))
    assert {row["title"] for row in drivers} == {"What they use", "The contract and the customer"}


def test_sentences_compare_with_renewed_contracts() -> None:
    told = tables_of(learnt()[1])[REASONS].to_pylist()
    burn = [row["sentence"] for row in told if row["feature"] == "burn_ratio"]
    assert burn
    assert all("(renewed contracts: " in sentence for sentence in burn)
    assert not [row for row in told if "deals" in row["sentence"]]


def test_expected_amounts_hang_together() -> None:
    scores = tables_of(learnt()[1])[SCORES]
    p, if_renewed, expected, low, high = (
        scores[name].to_numpy()
        for name in ("p_renew", "ratio_if_renewed", "expected_ratio", "ratio_low", "ratio_high")
    )
    assert expected == pytest.approx(p * if_renewed)
    assert (low <= high).all()
    assert (low[p < 0.9] == 0).all()
    assert (scores["ratio_if_renewed_low"].to_numpy() < if_renewed).all()
    assert (scores["ratio_if_renewed_sd"].to_numpy() > 0).all()


def test_facts_tell_the_days_left_and_what_is_overdue() -> None:
    as_of = datetime(2025, 7, 1, tzinfo=UTC)
    instant = pa.timestamp("us", "UTC")
    ends = [datetime(2025, 7, 31, tzinfo=UTC), as_of, None]
    contracts = ibis.memtable(pa.table({
        "contract_id": ["K1", "K2", "K3"], "account_id": ["A1", "A9", "A1"],
        "billing": ["commit", None, "postpay"], "currency": ["EUR", "USD", None],
        "committed_amount": [10.0, 20.0, None], "start_at": pa.array([None] * 3, instant),
        "end_at": pa.array(ends, instant),
    }))  # fmt: skip
    accounts = ibis.memtable(pa.table({
        "account_id": ["A1", "A9"], "name": ["Nord", "Late"], "region": ["EU", "EU"],
        "known_at": pa.array([datetime(2025, 6, 1, tzinfo=UTC), as_of], instant),
    }))  # fmt: skip
    facts = contract_facts({"contracts": contracts, "accounts": accounts}, as_of, ["K3", "K1", "K2"])
    assert facts["contract_id"].to_pylist() == ["K3", "K1", "K2"]
    assert facts["days_left"].to_pylist() == [None, 30.0, 0.0]
    assert facts["overdue"].to_pylist() == [False, False, True]
    assert facts["account"].to_pylist() == ["Nord", "Nord", None]
    assert facts["segment"].to_pylist() == [None, None, None]


def test_a_baseline_says_what_it_is_and_gives_no_reasons() -> None:
    tables = tables_of(learnt()[2])
    scores = tables[SCORES]
    assert len(set(scores["p_renew"].to_pylist())) == 1
    assert scores["evidence"][0].as_py() == learnt()[2].note
    assert tables[REASONS].num_rows == 0


def test_no_contract_waiting_gives_empty_tables() -> None:
    world, model, _ = learnt()
    none = waiting(world).slice(0, 0)
    tables = renewal_tables(model, none, facts=facts_of(world, none), features={}, as_of=world.as_of)
    assert {table.num_rows for table in tables.values()} == {0}
    assert tables[SCORES].schema.field("p_renew").type == pa.float64()


def test_contributions_that_do_not_add_up_are_not_published() -> None:
    tables = tables_of(learnt()[1])
    parts = tables[CONTRIBUTIONS]
    wrong = parts.set_column(1, parts.column_names[1], pa.array(parts.column(1).to_numpy() + 1e-3))
    with pytest.raises(PublishError, match=r"renewal_contributions.*contracts differ.*Nothing was published"):
        check_renewals({**tables, CONTRIBUTIONS: wrong})
    with pytest.raises(PublishError, match="in the same order"):
        check_renewals({**tables, FEATURES: tables[FEATURES].slice(1)})


def test_the_least_likely_to_renew_come_first(tmp_path: Path) -> None:
    tables = tables_of(learnt()[1])
    ranked = rank_renewals(published(tmp_path, tables))
    chances = [one.p_renew for one in ranked]
    assert chances == sorted(chances)
    assert [one.rank for one in ranked[:3]] == [1, 2, 3]
    assert ranked[0].account is not None
    assert ranked[0].change is None


def test_contracts_can_be_asked_for_by_how_soon_they_end(tmp_path: Path) -> None:
    run = published(tmp_path, tables_of(learnt()[1]))
    soon = rank_renewals(run, within_days=60)
    assert 0 < len(soon) < len(rank_renewals(run))
    assert all(one.days_left is not None and one.days_left <= 60 for one in soon)
    assert len(rank_renewals(run, top=2)) == 2


def test_the_change_since_the_run_before_is_told(tmp_path: Path) -> None:
    first = tables_of(learnt()[1])[SCORES]["contract_id"][0].as_py()
    ranked = rank_renewals(published(tmp_path, tables_of(learnt()[1], before={first: 0.25})))
    found = next(one for one in ranked if one.contract_id == first)
    assert found.change == pytest.approx(found.p_renew - 0.25)


def test_an_explanation_takes_the_probability_apart(tmp_path: Path) -> None:
    run = published(tmp_path, tables_of(learnt()[1]))
    contract = rank_renewals(run)[0].contract_id
    found = explain_renewal(run, contract)
    assert found.base_log_odds + sum(one.log_odds for one in found.drivers) == pytest.approx(found.log_odds)
    assert found.down
    assert all(one.log_odds < 0 for one in found.down)
    assert found.evidence is not None
    assert "contracts" in found.evidence


def test_an_unknown_contract_is_answered_with_near_matches(tmp_path: Path) -> None:
    run = published(tmp_path, tables_of(learnt()[1]))
    known = rank_renewals(run)[0].contract_id
    with pytest.raises(UsageError, match=f"Near matches: .*{known[:3]}"):
        explain_renewal(run, known + "x")


def test_an_id_that_is_no_deal_is_told_apart_from_contracts_too(tmp_path: Path) -> None:
    run = published(tmp_path, tables_of(learnt()[1]))
    known = rank_renewals(run)
    said = not_a_contract(run, known[0].contract_id + "x")
    assert f"one of the {len(known)} contracts" in said
    assert known[0].contract_id in said.partition("Near matches:")[2]
    assert not_a_contract(published(tmp_path / "none", {}), "K1") == ""


def test_readers_learn_whether_a_model_or_a_base_rate_scored_the_contracts(tmp_path: Path) -> None:
    _, model, baseline = learnt()
    by_model = renewal_versions(published(tmp_path / "model", tables_of(model)))
    by_rate = renewal_versions(published(tmp_path / "rate", tables_of(baseline)))
    assert (len(by_model), is_baseline(by_model)) == (1, False)
    assert (len(by_rate), is_baseline(by_rate)) == (1, True)
    assert renewal_versions(published(tmp_path / "none", {})) == ()


def test_a_run_without_renewals_says_so(tmp_path: Path) -> None:
    run = published(tmp_path, {})
    assert not has_renewals(run)
    with pytest.raises(UsageError, match="published no renewals"):
        rank_renewals(run)


def test_readers_need_neither_pandas_nor_a_model() -> None:
    code = (
        "import sys, serving.renewals; heavy = ('pandas', 'ibis', 'lightgbm', 'mlflow', 'prefect');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
