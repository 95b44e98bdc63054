"""Planted leaks are caught by name, and clean columns are left alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from features.feature import Feature, Measure
from models.audit import audit, present_values
from models.audit.findings import CHECKS
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


def test_a_leak_in_few_deals_is_seen_where_it_is_filled():
    rng, by_deal, y = _outcomes(600)
    held = np.repeat(rng.random(len(by_deal)) < 0.2, 3)
    shapes = pa.array(np.where(y > 0.5, "round", "square").tolist(), pa.string(), mask=~held)
    report = _audited(
        {"x_shape": shapes}, {"x_shape": pa.nulls(100, pa.string())}, {"x_shape": "category"}, y
    )
    assert {f.check for f in report.findings} == {"filled_part_auc", "decisive_value"}


def test_a_value_that_comes_with_losses_alone_is_named_and_one_that_mostly_does_is_not():
    rng, by_deal, y = _outcomes(600)
    lost = by_deal < 0.5
    rare, often = np.repeat(rng.random((2, len(by_deal))) < 0.3, 3, axis=1)
    honest = np.repeat(rng.random(len(by_deal)) < np.where(lost, 0.3, 0.06), 3)
    columns = {
        "x_topic": _texts(["price" if r and v < 0.5 else "fit" for r, v in zip(rare, y, strict=True)]),
        "x_gone": pa.array(often & (y < 0.5)),
        "x_worry": pa.array(honest),
    }
    kinds = {"x_topic": "category", "x_gone": "flag", "x_worry": "flag"}
    open_ = {"x_topic": _texts(["fit", "price"] * 50), "x_gone": pa.array([False, True] * 50),
             "x_worry": pa.array([False, True] * 50)}  # fmt: skip
    report = _audited(columns, open_, kinds, y)
    assert report.dropped == ("x_gone", "x_topic")
    said = {f.feature: f.evidence for f in report.findings}
    assert "deals whose value is 'price' were lost" in said["x_topic"]
    assert "where it is set were lost" in said["x_gone"]


def test_a_code_whose_first_letters_know_the_outcome_is_named():
    rng, by_deal, y = _outcomes(300)
    codes = [f"{'AK' if w else 'BR'}{n}" for w, n in zip(by_deal > 0.5, rng.permutation(300), strict=True)]
    report = _audited(
        {"x_case": _texts(np.repeat(codes, 3))}, {"x_case": _texts([f"AK{n}" for n in range(900, 1000)])},
        {"x_case": "category"}, y,
    )  # fmt: skip
    assert ("x_case", "single_feature_auc") in {(f.feature, f.check) for f in report.findings}


def test_a_leak_that_began_late_is_seen_on_the_newest_deals():
    rng, by_deal, y = _outcomes(900)
    newest = np.arange(900) >= 620
    value = np.where(newest, by_deal + rng.normal(0, 0.2, 900), rng.normal(0, 1, 900))
    closed, open_ = {"x_score": pa.array(np.repeat(value, 3))}, {"x_score": pa.array(rng.random(100))}
    report = _audited(closed, open_, {"x_score": "number"}, y)
    assert [f.check for f in report.findings] == ["holdout_auc"]


def test_a_flag_that_every_closed_deal_has_and_no_open_one_is_set_at_close():
    _, _, y = _outcomes()
    n = len(y)
    closed, open_ = {"x_filed": pa.array(np.ones(n, bool))}, {"x_filed": pa.array(np.zeros(100, bool))}
    _, keys = _keys(100, 1, "late")
    lately = keys.append_column("x_filed", pa.array(np.ones(100, bool)))
    report = _audited(closed, open_, {"x_filed": "flag"}, y, closed_frame=lately)
    assert [f.check for f in report.findings] == ["set_at_close"]
    assert "not set in 100% of 100 deals open" in report.findings[0].evidence
    too_few = _audited(closed, open_, {"x_filed": "flag"}, y, closed_frame=lately.slice(0, 5))
    assert too_few.dropped == ()


def test_a_field_that_a_team_ceased_to_use_is_not_taken_for_one_filled_at_close():
    rng, _, y = _outcomes()
    closed = {"x_old": _texts([["a", "b"][i] for i in rng.integers(0, 2, len(y))])}
    open_ = {"x_old": pa.nulls(100, pa.string())}
    _, keys = _keys(100, 1, "late")
    lately = keys.append_column("x_old", pa.nulls(100, pa.string()))
    assert _audited(closed, open_, {"x_old": "category"}, y, closed_frame=lately).dropped == ()
    still = keys.append_column("x_old", _texts(["a", "b"] * 50))
    report = _audited(closed, open_, {"x_old": "category"}, y, closed_frame=still)
    assert [f.check for f in report.findings] == ["fill_rate_jump"]


@pytest.mark.parametrize(
    "name", ["opportunities_x_Loss_Reason__c", "x_is_won_history", "accounts_x_hs_closed_amount"]
)
def test_a_field_named_as_one_of_the_close_is_left_out_whatever_it_holds(name):
    rng, _, y = _outcomes()
    report = _audited(
        {name: pa.array(rng.random(len(y)))}, {name: pa.array(rng.random(100))}, {name: "number"}, y
    )
    assert [(f.feature, f.check) for f in report.findings] == [(name, "banned_name")]


def test_a_present_state_is_banned_as_a_column_and_welcome_as_a_history():
    rng, _, y = _outcomes()
    for name, dropped in (("opportunities_x_probability", True), ("x_probability_history", False)):
        report = _audited(
            {name: pa.array(rng.random(len(y)))}, {name: pa.array(rng.random(100))}, {name: "number"}, y
        )
        assert bool(report.dropped) is dropped


def test_a_stage_that_says_closed_while_deals_are_open_is_left_out_with_what_follows_from_it():
    rng, _, y = _outcomes(400)
    early = np.repeat(rng.random(400) < 0.1, 3) & (np.arange(1200) % 3 == 2)
    stage = _texts(np.where(early, "6 - Closed Won", "Negotiation"))
    position = pa.array(np.where(early, 6.0, 5.0))
    kinds = {"stage": "category", "stage_position": "number"}
    open_ = {"stage": _texts(["Negotiation"] * 100), "stage_position": pa.array(np.full(100, 5.0))}
    report = _audited({"stage": stage, "stage_position": position}, open_, kinds, y, family="momentum")
    assert {(f.feature, f.check) for f in report.findings} == {
        ("stage", "closed_stage"), ("stage_position", "closed_stage"),
    }  # fmt: skip
    once = _texts(np.where(np.arange(1200) == 5, "Closed Won", "Negotiation"))
    few = _audited({"stage": once}, {"stage": open_["stage"]}, {"stage": "category"}, y, family="momentum")
    assert few.dropped == ()


def test_each_check_has_a_verdict_with_its_features():
    _, _, y = _outcomes()
    report = _audited({"x_paid": pa.array(y)}, {"x_paid": pa.array(np.zeros(100))}, {"x_paid": "number"}, y)
    verdicts = {result.check: result for result in report.results}
    assert list(verdicts) == list(CHECKS)
    assert verdicts["single_feature_auc"].verdict == "failed"
    assert verdicts["single_feature_auc"].evidence == "x_paid"
    assert verdicts["banned_name"].verdict == "passed"
    assert verdicts["end_state"].verdict == "not applicable"
    assert not any(result.structural for result in report.failed)
    allowed = _audited(
        {"x_paid": pa.array(y)},
        {"x_paid": pa.array(np.zeros(100))},
        {"x_paid": "number"},
        y,
        allow=("x_paid",),
    )
    assert {result.check: result.verdict for result in allowed.results}["single_feature_auc"] == "waived"


def test_every_check_is_explained_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [check for check in CHECKS if f"`{check}`" not in page] == []
