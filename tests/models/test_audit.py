"""Planted leaks are caught by name, and clean columns are left alone."""

from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from features.feature import Feature, Measure
from models.audit import audit, present_values
from models.metrics import auc

START = datetime(2025, 1, 6, tzinfo=UTC)


def _feature(name, kind, family="custom"):
    return Feature(
        name, family, kind, "", "", "", "depends", "{value}", "absent", Measure("deals", "current", name)
    )


def _keys(deals, rows_each=3, prefix="d"):
    rows = np.repeat(np.arange(deals), rows_each)
    at = [START + timedelta(days=int(d) + 7 * i) for d in range(deals) for i in range(rows_each)]
    return rows, pa.table(
        {
            "opportunity_id": [f"{prefix}{d}" for d in rows],
            "as_of": pa.array(at, pa.timestamp("us", "UTC")),
        }
    )


def _audited(closed, open_, kinds, y, family="custom", **settings):
    """Audit columns given per row for closed and for open deals."""
    _, keys = _keys(len(y) // 3)
    _, open_keys = _keys(100, 1, "o")
    frame, open_frame = keys, open_keys
    for name in kinds:
        frame = frame.append_column(name, closed[name])
        open_frame = open_frame.append_column(name, open_[name])
    features = [_feature(name, kind, family) for name, kind in kinds.items()]
    return audit(frame, y, weight=np.ones(len(y)), features=features, open_frame=open_frame, **settings)


def _outcomes(deals=300, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(deals) < 0.4).astype(float)
    return rng, y, np.repeat(y, 3)


def _texts(values):
    return pa.array(values, pa.string())


def test_planted_leaks_are_caught_by_name_and_by_the_check_that_sees_them():
    rng, by_deal, y = _outcomes()
    n = len(y)
    won = y > 0.5
    value = np.repeat(rng.lognormal(3, 1, len(by_deal)), 3)
    closed = {
        # zero for losses, the price for wins: written at close
        "x_close_value": pa.array(np.where(won, value, 0.0)),
        "x_final_status": _texts(["signed" if w else "gone" for w in won]),
        "x_loss_reason": _texts([None if w else ["price", "timing"][i % 2] for i, w in enumerate(won)]),
        "x_signed_on": pa.array(np.where(won, value, np.nan), from_pandas=True),
        # says nothing of the outcome, but is only ever filled at close
        "x_approver": _texts([["ann", "bob"][i] for i in rng.integers(0, 2, n)]),
        "x_is_paid": pa.array([bool(w) for w in won]),
    }
    empty = {"x_close_value": pa.nulls(100, pa.float64()), "x_signed_on": pa.nulls(100, pa.float64()),
             "x_is_paid": pa.nulls(100, pa.bool_())}  # fmt: skip
    open_ = {name: empty.get(name, pa.nulls(100, pa.string())) for name in closed}
    kinds = {"x_close_value": "number", "x_final_status": "category", "x_loss_reason": "category",
             "x_signed_on": "number", "x_approver": "category", "x_is_paid": "flag"}  # fmt: skip
    report = _audited(closed, open_, kinds, y)
    assert set(report.dropped) == set(kinds)
    seen = {(f.feature, f.check) for f in report.findings}
    assert ("x_close_value", "single_feature_auc") in seen
    assert ("x_close_value", "fill_rate_jump") in seen
    assert ("x_final_status", "single_feature_auc") in seen
    assert ("x_loss_reason", "presence_auc") in seen
    assert ("x_signed_on", "presence_auc") in seen
    assert [f.check for f in report.findings if f.feature == "x_approver"] == ["fill_rate_jump"]


@pytest.mark.parametrize("deals", [30, 300])
def test_at_most_one_in_a_hundred_clean_columns_is_flagged_few_deals_or_many(deals):
    rng, _, y = _outcomes(deals)
    closed, open_, kinds = {}, {}, {}
    for i in range(100):
        for kind in ("number", "category", "rare", "flag"):
            name = f"x_{kind}_{i}"
            kinds[name] = "category" if kind == "rare" else kind
            for rows, each, columns in ((deals, 3, closed), (100, 1, open_)):
                values = np.repeat(rng.integers(0, rows if kind == "rare" else 5, rows), each)
                absent = np.repeat(rng.random(rows) < 0.3, each)
                if kind == "flag":
                    columns[name] = pa.array(values > 2, mask=absent)
                elif kind == "number":
                    columns[name] = pa.array(values + rng.random(len(values)), mask=absent)
                else:
                    columns[name] = pa.array([f"v{v}" for v in values], mask=absent)
    assert len(_audited(closed, open_, kinds, y).dropped) <= len(kinds) * 0.01


def test_a_strong_but_honest_feature_is_kept():
    rng, by_deal, y = _outcomes(2000)
    signal = np.repeat(1.5 * by_deal + rng.normal(0, 1, len(by_deal)), 3)
    assert 0.84 < auc(y, signal, np.ones(len(y))) < 0.87
    bands = _texts([f"band {b}" for b in np.floor(signal).astype(int)])
    now = rng.normal(0.6, 1, 100)
    open_ = {"x_signal": pa.array(now), "x_band": _texts([f"band {b}" for b in np.floor(now).astype(int)])}
    report = _audited(
        {"x_signal": pa.array(signal), "x_band": bands},
        open_,
        {"x_signal": "number", "x_band": "category"},
        y,
    )
    assert report.findings == ()


def test_a_column_of_unique_texts_does_not_seem_to_know_the_outcome():
    rng, by_deal, y = _outcomes(200)
    names = np.repeat([f"Deal {i}" for i in rng.permutation(len(by_deal))], 3)
    open_names = _texts([f"Deal {i}" for i in range(500, 600)])
    report = _audited({"x_name": _texts(names)}, {"x_name": open_names}, {"x_name": "category"}, y)
    assert report.dropped == ()


def test_fewer_deals_than_ten_of_an_outcome_accuse_nothing_and_the_report_says_so():
    y = np.repeat([1.0] * 5 + [0.0] * 40, 3)
    report = _audited({"x_paid": pa.array(y)}, {"x_paid": pa.array(np.zeros(100))}, {"x_paid": "number"}, y)
    assert report.findings == ()
    assert "fewer than 10 won" in report.notes[0]


def test_an_allowed_leak_stays_and_is_reported_as_waived():
    _, _, y = _outcomes()
    closed, open_ = {"x_paid": pa.array(y)}, {"x_paid": pa.array(np.zeros(100))}
    report = _audited(closed, open_, {"x_paid": "number"}, y, allow=("x_paid",))
    assert report.dropped == ()
    assert report.waived == ("x_paid",)
    assert report.findings[0].waived


def test_a_reversed_leak_counts_as_much_as_a_straight_one():
    _, _, y = _outcomes()
    report = _audited(
        {"x_lost": pa.array(1 - y)}, {"x_lost": pa.array(np.zeros(100))}, {"x_lost": "number"}, y
    )
    assert report.dropped == ("x_lost",)


def test_fill_rates_are_compared_only_for_columns_without_history():
    rng, _, y = _outcomes()
    closed, open_ = {"days_quiet": pa.array(rng.random(len(y)))}, {"days_quiet": pa.nulls(100, pa.float64())}
    assert _audited(closed, open_, {"days_quiet": "number"}, y, family="momentum").dropped == ()
    assert _audited(closed, open_, {"days_quiet": "number"}, y, family="custom").dropped == ("days_quiet",)
    catalogue = [_feature("x_a", "flag"), _feature("lead_source", "category", "commercial"),
                 _feature("stage", "category", "momentum")]  # fmt: skip
    assert present_values(catalogue) == ("x_a", "lead_source")


def test_the_report_becomes_json_with_figures_thresholds_and_remedies():
    _, _, y = _outcomes()
    report = _audited({"x_paid": pa.array(y)}, {"x_paid": pa.array(np.zeros(100))}, {"x_paid": "number"}, y)
    read = orjson.loads(orjson.dumps(report.as_dict()))
    assert read["dropped"] == ["x_paid"]
    finding = read["findings"][0]
    assert finding["figure"] == 1.0
    assert finding["figure"] >= finding["bound"] > finding["threshold"] == 0.9
    assert "allow it by name" in finding["remedy"]


def test_the_order_of_rows_changes_no_finding():
    rng, by_deal, y = _outcomes(150)
    _, keys = _keys(150)
    texts = np.repeat(np.where(by_deal > 0, "a", "b"), 3)
    texts[rng.random(len(texts)) < 0.05] = "c"
    frame = keys.append_column("x_a", _texts(texts)).append_column("x_b", pa.array(rng.random(len(y))))
    features = [_feature("x_a", "category"), _feature("x_b", "number")]
    _, open_frame = _keys(100, 1, "o")
    turned = rng.permutation(len(y))
    straight = audit(frame, y, weight=np.ones(len(y)), features=features, open_frame=open_frame)
    other = audit(
        frame.take(turned), y[turned], weight=np.ones(len(y)), features=features, open_frame=open_frame
    )
    assert straight.dropped == other.dropped == ("x_a", "x_b")


def test_labels_of_other_rows_are_refused():
    _, keys = _keys(4)
    with pytest.raises(ModelContractError, match="12 rows, 3 labels"):
        audit(keys, np.ones(3), weight=np.ones(3), features=(), open_frame=keys)


def test_an_empty_history_is_no_error():
    _, keys = _keys(4)
    report = audit(keys.slice(0, 0), np.ones(0), weight=np.ones(0), features=(), open_frame=keys.slice(0, 0))
    assert report.findings == ()
