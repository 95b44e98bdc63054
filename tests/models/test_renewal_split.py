"""Windows by time of decision, each account in one of them, without a lean towards small accounts."""

import numpy as np
import pyarrow as pa

from models.arrays import known_outcomes, micros, to_micros
from models.audit.structure import structure_results
from models.censoring import window_weights
from models.renewal import AccountSplit, account_split, renewal_labels
from models.renewal.account_overlap import account_overlap
from models.split import Window
from tests.models.renewal_world import DAY, make_renewals


def split_of(accounts: int = 250, seed: int = 1, lots: int = 0) -> AccountSplit:
    world = make_renewals(accounts, seed)
    labels = renewal_labels(world.contracts, world.frame, world.as_of)
    return account_split(labels, as_of=world.as_of, seed=lots)


def accounts_of(rows: AccountSplit, window: Window) -> set[str]:
    return set(rows.labels.filter(pa.array(window.known))["account_id"].to_pylist())


def test_no_account_is_labelled_in_two_windows() -> None:
    rows = split_of()
    train, calibration, test = (
        accounts_of(rows, window) for window in (rows.split.train, rows.split.calibration, rows.split.test)
    )
    assert min(len(train), len(calibration), len(test)) > 0
    assert not train & calibration
    assert not train & test
    assert not calibration & test
    assert rows.moved > 20
    assert account_overlap(rows).verdict == "passed"


def test_rows_left_out_lose_their_label_and_count_as_censored() -> None:
    world = make_renewals()
    labels = renewal_labels(world.contracts, world.frame, world.as_of)
    rows = account_split(labels, as_of=world.as_of)
    lost = known_outcomes(rows.labels) != known_outcomes(labels)
    lost &= ~np.isnan(known_outcomes(labels))
    assert lost.any()
    emptied = rows.labels.filter(pa.array(lost))
    assert all(emptied[name].null_count == emptied.num_rows for name in ("y", "closed_at", "ratio"))
    inside = rows.split.train.inside | rows.split.calibration.inside | rows.split.test.inside
    assert inside[lost].all()


def test_windows_follow_in_time_and_labels_end_with_them() -> None:
    rows = split_of()
    split = rows.split
    assert split.thin is None
    assert split.train.end == split.calibration.start
    assert split.calibration.end <= split.test.start
    closed, at = micros(rows.labels["closed_at"]), micros(rows.labels["as_of"])
    learnt = split.train.known | split.calibration.known
    assert closed[learnt].max() < at[split.test.inside].min()
    for window in (split.train, split.calibration, split.test):
        assert (closed[window.known] < to_micros(window.end)).all()
    assert not [r for r in structure_results(rows.labels, split, embargo=7 * DAY) if r.verdict == "failed"]


def test_calibration_and_test_are_long_enough_to_hold_the_farthest_snapshots() -> None:
    rows = split_of(400)
    for window in (rows.split.calibration, rows.split.test):
        held = rows.labels.filter(pa.array(window.known))
        assert 180.0 in held["days_left"].to_pylist()


def test_an_account_goes_the_same_way_whatever_else_is_in_the_data() -> None:
    world = make_renewals(200)
    labels = renewal_labels(world.contracts, world.frame, world.as_of)
    first = account_split(labels, as_of=world.as_of, seed=3)
    shuffled = labels.take(np.random.default_rng(0).permutation(labels.num_rows))
    second = account_split(shuffled, as_of=world.as_of, seed=3)
    assert accounts_of(first, first.split.test) == accounts_of(second, second.split.test)
    other = account_split(labels, as_of=world.as_of, seed=4)
    assert accounts_of(first, first.split.test) != accounts_of(other, other.split.test)


def test_weights_keep_the_share_renewed_of_the_whole_window() -> None:
    """Accounts with several contracts renewed; to leave them out by lot without weights would show in y."""
    world = make_renewals(500, 5)
    labels = renewal_labels(world.contracts, world.frame, world.as_of)
    y = known_outcomes(labels)
    plain, weighted, unweighted = [], [], []
    for seed in range(40):
        rows = account_split(labels, as_of=world.as_of, seed=seed)
        test = rows.split.test
        everyone = (micros(labels["as_of"]) >= to_micros(test.start)) & ~np.isnan(y)
        plain.append(y[everyone].mean())
        weight = np.array(rows.labels["weight"])[test.known]
        weighted.append(np.average(y[test.known], weights=weight))
        unweighted.append(y[test.known].mean())
    assert abs(np.mean(weighted) - np.mean(plain)) < 0.01
    assert abs(np.mean(unweighted) - np.mean(plain)) > 0.01


def test_the_weight_of_a_kept_row_is_the_inverse_of_its_chance() -> None:
    rows = split_of()
    weight = np.array(rows.labels["weight"])
    test = rows.split.test.known
    # lots of 0.5, 0.2 and 0.3: a test account lay in test alone, or beside calibration, train, or both
    possible = [1, (0.2 + 0.3) / 0.3, (0.5 + 0.3) / 0.3, 1 / 0.3]
    assert np.abs(weight[test][:, None] - possible).min(axis=1).max() < 1e-9
    assert weight[test].max() > 1
    counted = window_weights(rows.labels, rows.split.test)[test]
    assert abs(counted.mean() - 1) < 1e-9
    assert len(set(np.round(counted / weight[test], 9))) > 1


def test_too_few_contracts_are_said_in_words() -> None:
    rows = split_of(12)
    assert rows.split.thin is not None
    assert "churned contracts; 10 of each are needed" in rows.split.thin


def test_nothing_decided_is_thin_and_no_error() -> None:
    world = make_renewals(5)
    empty = world.frame.slice(0, 0)
    rows = account_split(renewal_labels(world.contracts, empty, world.as_of), as_of=world.as_of)
    assert rows.split.thin is not None
    assert rows.labels.num_rows == 0
