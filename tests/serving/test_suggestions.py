"""What would help, as readers get it: ranked, labelled, and said plainly where there is nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.explain import Driver
from serving.publish import publish
from serving.published import Published, open_published
from serving.suggestions import (
    ALIKE,
    ASSOCIATION,
    SCHEMAS,
    SUGGESTIONS,
    Alike,
    alike_of,
    no_suggestions,
    suggestion_of,
    suggestions,
)
from tests.serving.test_publish import FIRST, publication

ROW: dict[str, Any] = {
    "opportunity_id": "A-1", "rank": 1, "steps": "backing+meet:legal", "title": None, "sentence": None,
    "feature": "sponsor_backing_evidence",
    "value_before": 0.0, "value_after": 1.0, "p_before": 0.5, "p_after": 0.7310585786300049,
    "gain_log_odds": 1.0, "gain_points": 23.105857863000487, "similar_deals": 41, "similar_won": 24,
    "seen": True, "low": 1.0, "high": 3.0, "drivers": '{"motive":0.75,"other":-0.25,"touchpoints":0.5}',
}  # fmt: skip
BACKING: dict[str, Any] = ROW | {
    "rank": 2, "steps": "backing", "title": "Get the backing of Ada",
    "sentence": "Nobody senior backs the deal.",
}  # fmt: skip
LEGAL: dict[str, Any] = ROW | {
    "rank": 3, "steps": "meet:legal", "title": "Meet the legal", "sentence": "40 % had met legal.",
    "similar_deals": 1, "similar_won": 0, "value_before": None,
}  # fmt: skip
BEYOND: dict[str, Any] = LEGAL | {
    "opportunity_id": "B-1", "rank": 1, "similar_deals": 0, "seen": False, "low": None, "high": None,
}  # fmt: skip


def published(workspace: Path, **replaced: Any) -> Published:
    alike = [{"opportunity_id": "A-1", "group_id": "1-2", "alike": "deals at stage Proposal",
              "alike_deals": 90, "alike_won": 30}]  # fmt: skip
    beside = {
        SUGGESTIONS: pa.Table.from_pylist([ROW, BACKING, LEGAL, BEYOND], schema=SCHEMAS[SUGGESTIONS]),
        ALIKE: pa.Table.from_pylist(alike, schema=SCHEMAS[ALIKE]),
    }
    publish(workspace, FIRST, publication(**({"beside": beside} | replaced)))
    return open_published(workspace)


def test_suggestions_come_by_rank_with_the_drivers_that_add_up_to_the_gain(tmp_path: Path) -> None:
    first, second, third = suggestions(published(tmp_path), "A-1")
    assert first.steps == ("backing", "meet:legal")
    assert first.drivers == (
        Driver("motive", "Why they buy", 0.75),
        Driver("touchpoints", "Contact with each role", 0.5),
        Driver("other", "Customer, seller and everything else", -0.25),
    )
    assert sum(one.log_odds for one in first.drivers) == first.gain_log_odds
    assert (second.steps, third.steps, third.value_before) == (("backing",), ("meet:legal",), None)


def test_a_pair_is_told_in_the_words_of_its_steps(tmp_path: Path) -> None:
    (pair,) = suggestions(published(tmp_path), "A-1", 1)
    assert pair.title == "Get the backing of Ada; meet the legal"
    assert pair.sentence == "Nobody senior backs the deal. 40 % had met legal."


def test_a_suggestion_says_how_far_the_past_speaks_for_it(tmp_path: Path) -> None:
    run = published(tmp_path)
    assert [one.label for one in suggestions(run, "A-1")] == [
        "seen in 41 similar deals, 24 won", "seen in 41 similar deals, 24 won",
        "seen in 1 similar deal, 0 won",
    ]  # fmt: skip
    assert suggestions(run, "B-1")[0].label == "beyond what was seen"
    assert "association" in ASSOCIATION


def test_as_many_come_as_are_asked_for_and_a_pair_is_found_in_either_order(tmp_path: Path) -> None:
    run = published(tmp_path)
    assert len(suggestions(run, "A-1", 1)) == 1
    found = suggestion_of(run, "A-1", ("meet:legal", "backing"))
    assert found == suggestions(run, "A-1")[0]
    assert suggestion_of(run, "A-1", ("meet:legal", "fly")) is None
    assert suggestions(run, "A-2") == suggestions(run, "nobody") == ()


def test_the_past_deals_that_a_deal_is_compared_with_are_told(tmp_path: Path) -> None:
    run = published(tmp_path)
    assert alike_of(run, "A-1") == Alike("1-2", "deals at stage Proposal", 90, 30)
    assert alike_of(run, "A-2") is None


def test_why_there_is_nothing_is_said(tmp_path: Path) -> None:
    run = published(tmp_path / "with")
    assert no_suggestions(run).startswith("The model holds that none of the steps")
    without = published(tmp_path / "without", beside={})
    assert suggestions(without, "A-1") == ()
    assert alike_of(without, "A-1") is None
    assert "Publish again" in no_suggestions(without)
    rate = dataclasses.replace(run, manifest=run.manifest | {"model_version": "baseline-1"})
    assert "base rate" in no_suggestions(rate)
