"""Changed features of a published deal, rescored by the model that serves."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.errors import ModelContractError, UsageError
from features.actionable import ACTIONABLE, checked_value, is_actionable
from features.catalogue import catalogue
from models.win_model import WinModel
from serving.live import HeldRun, hold
from serving.suggestions import suggestions
from serving.what_if import what_if, what_if_steps

pytestmark = pytest.mark.slow

CATALOGUE = {feature.name: feature for feature in catalogue()}


@pytest.fixture(scope="module")
def run(served: Path) -> HeldRun:
    return hold(served)


@pytest.fixture(scope="module")
def model(run: HeldRun) -> WinModel:
    found = run.model()
    assert found is not None, run.model_problem
    return found


def unmet(run: HeldRun) -> str:
    """A deal whose economic buyer nobody has met, of those with the lowest scores."""
    features = run.table("win_features.parquet")
    ids = features["opportunity_id"].to_pylist()
    met = features["economic_buyer_engaged"].to_pylist()
    left = {one for one, is_met in zip(ids, met, strict=True) if not is_met}
    return next(str(one) for one in reversed(run.deals.ids.tolist()) if one in left)


def test_a_deal_of_which_nothing_changes_has_its_published_probability(run: HeldRun) -> None:
    for deal, p in zip(run.deals.ids.tolist(), run.deals.p_win.tolist(), strict=True):
        told = what_if(run, deal, {})
        assert told.p_before == pytest.approx(p, abs=1e-12)
        assert told.p_after == told.p_before
        assert {one.moved for one in told.features} == {0.0}
        assert (told.changes, told.recomputed, told.unmoved) == ((), (), ())


def test_a_change_to_what_a_deal_has_already_changes_nothing(run: HeldRun) -> None:
    deal = unmet(run)
    same = what_if(run, deal, {"economic_buyer_engaged": False, "economic_buyer_touches": 0})
    assert same.p_after == same.p_before


def test_the_changed_deal_is_scored_by_the_very_model(run: HeldRun, model: WinModel) -> None:
    deal = unmet(run)
    changes = {"economic_buyer_engaged": True, "next_meeting_booked": True, "why_level_customer": 4}
    place = run.place_of(deal)
    assert place is not None
    row = run.table("win_features.parquet").slice(place, 1)
    for name, value in changes.items():
        at = row.schema.get_field_index(name)
        row = row.set_column(at, name, pa.array([value], row.schema.field(name).type))
    told = what_if(run, deal, changes)
    assert told.recomputed == ()
    assert told.log_odds_after == pytest.approx(model.log_odds(row)[0], abs=1e-12)
    assert told.p_after > told.p_before


def test_moves_of_features_and_drivers_add_up_to_the_change_and_contributions_to_the_scores(
    run: HeldRun,
) -> None:
    told = what_if(run, unmet(run), {"economic_buyer_touches": 3, "blockers_untouched": 0})
    moved = told.log_odds_after - told.log_odds_before
    assert sum(one.moved for one in told.features) == pytest.approx(moved, abs=1e-9)
    assert sum(one.moved for one in told.drivers) == pytest.approx(moved, abs=1e-9)
    for which, total in (("before", told.log_odds_before), ("after", told.log_odds_after)):
        parts = sum(getattr(one, which) for one in told.features)
        assert told.base_log_odds + parts == pytest.approx(total, abs=1e-9)
    assert np.log(told.p_after / (1 - told.p_after)) == pytest.approx(told.log_odds_after, abs=1e-9)


def test_what_the_model_works_out_from_a_change_follows_and_what_the_records_would_does_not(
    run: HeldRun,
) -> None:
    told = what_if(run, unmet(run), {"economic_buyer_touches": 2})
    assert told.recomputed == ("expected_roles_missing",)
    # the same touch would be one of the people engaged, too: said, not assumed
    assert {"stakeholders_engaged", "economic_buyer_engaged"} <= set(told.unmoved)
    assert not {"economic_buyer_touches", "expected_roles_missing", "amount", "stage"} & set(told.unmoved)


def test_a_value_that_no_deal_alike_had_is_flagged(run: HeldRun) -> None:
    far, near = what_if(run, unmet(run), {"meetings_held": 900, "activities_30d": 5}).changes
    assert far.range is not None
    assert far.beyond
    assert far.range.smallest <= far.range.low <= far.range.high <= far.range.largest < 900
    assert not near.beyond


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"economic_buyer_touch": 1}, "Near matches: economic_buyer_touches"),
        ({"zzz": 1}, "not a feature of this run's model"),
        ({"stage": "Proposal"}, "not a feature that a seller can move"),
        ({"expected_roles_missing": 1.0}, "not a feature that a seller can move"),
        (
            {"economic_buyer_touches": 1.5},
            r"expected a whole number from 0 to 999 \(touchpoints\), found 1.5",
        ),
        ({"economic_buyer_touches": True}, "found True"),
        ({"economic_buyer_touches": -1}, "found -1"),
        ({"economic_buyer_engaged": 1}, "expected true or false, found 1"),
        ({"offline_share": 1.2}, "expected a number from 0 to 1"),
        ({"offline_share": float("nan")}, "found nan"),
        ({"why_level_customer": "4"}, "found '4'"),
        ({"why_level_customer": None}, "found None"),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(run: HeldRun, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        what_if(run, unmet(run), changes)


def test_a_deal_that_was_not_scored_is_refused(run: HeldRun) -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        what_if(run, "nobody", {})


def test_a_base_rate_cannot_be_asked(run: HeldRun) -> None:
    rate = dataclasses.replace(run, manifest=run.manifest | {"model_version": "baseline-0123456789ab"})
    object.__setattr__(rate, "_large", type(run._large)(1))
    with pytest.raises(UsageError, match="base rate"):
        what_if(rate, unmet(run), {})


def test_scores_that_the_model_does_not_give_are_not_explained(run: HeldRun) -> None:
    scores = run.table("win_scores.parquet")
    off = pa.array([value + 0.001 for value in scores["log_odds"].to_pylist()])
    scores = scores.set_column(scores.schema.get_field_index("log_odds"), "log_odds", off)
    altered = dataclasses.replace(run, _tables={**run._tables, "win_scores.parquet": scores})
    with pytest.raises(ModelContractError, match="expected the published log-odds"):
        what_if(altered, unmet(run), {})


def test_steps_are_answered_from_what_was_published(run: HeldRun) -> None:
    deal = next(one for one in run.deals.ids.tolist() if suggestions(run, one))
    best = suggestions(run, deal)[0]
    assert what_if_steps(run, deal, list(reversed(best.steps))) == best
    with pytest.raises(UsageError, match="Suggested are: "):
        what_if_steps(run, deal, ["fly"])


def test_every_actionable_feature_is_in_the_catalogue_and_takes_its_own_bounds() -> None:
    assert set(ACTIONABLE) <= set(CATALOGUE)
    for name, allowed in ACTIONABLE.items():
        kind = CATALOGUE[name].kind
        assert is_actionable(CATALOGUE[name])
        assert kind != "category"
        if kind == "flag":
            assert (allowed.low, allowed.high) == (0, 1)
        else:
            for bound in (allowed.low, allowed.high):
                assert checked_value(name, kind, bound) == bound
            with pytest.raises(UsageError):
                checked_value(name, kind, allowed.high + 1)
    assert not any(is_actionable(CATALOGUE[name]) for name in ("amount", "stage", "seller_win_rate"))
