"""The shipped lexicon reads what it has never seen: wording held apart from it, and labelled sentences."""

from typing import Any

import orjson
import pytest

from data.schema import MOMENT_KINDS
from data.simulator.events import PROMISE_CODES
from data.simulator.held_out import HELD_OUT
from tests.data import signal_judge as judge

OWN_KINDS = ("reference_delivered", "data_shared", "advisor_involved")
KINDS = (*MOMENT_KINDS, *PROMISE_CODES, *OWN_KINDS)


AIM = (0.9, 0.8)
"""Precision and recall that every kind is to reach on held-out phrasings."""

SHORT_OF_THE_AIM = {
    "beta_or_launch_partner": (0.9, 0.75),
    "delivered": (0.8, 0.8),
    "fomo": (0.85, 0.8),
    "objection": (0.7, 0.8),
    "problem_recognised": (0.85, 0.65),
    "promised": (0.85, 0.75),
    "rescheduled": (0.85, 0.65),
    "scoping": (0.9, 0.75),
    "sign_off": (0.9, 0.75),
    "solution_visualised": (0.85, 0.8),
    "withdrawn": (0.75, 0.7),
}
"""Kinds that miss the aim, most by one phrasing of nine, with what they are held to meanwhile.

A better lexicon is welcome to shorten this list; these sentences must stay unseen by whoever writes it."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return judge.figures()


def test_every_kind_has_eight_held_out_phrasings_and_five_labelled_sentences() -> None:
    sentences = judge.labelled_sentences()
    assert len(sentences) == 200
    assert sum(not one.kinds for one in sentences) == 60
    for kind in KINDS:
        assert len(set(HELD_OUT[kind])) >= 8, kind
        assert sum(kind in one.kinds for one in sentences) >= 5, kind
    assert set().union(*(one.kinds for one in sentences)) == set(KINDS)


def test_no_sentence_that_judges_the_lexicon_stands_in_it() -> None:
    lexicon = " ".join(judge.lexicon_patterns()).lower()
    for phrase in judge.judged_phrases():
        longest = max(phrase.split("{}"), key=len).strip(" .,;:!?").lower()
        if len(longest.split()) >= 3:
            assert longest not in lexicon, phrase


def test_no_pattern_is_a_copy_of_a_sentence_that_judges_it() -> None:
    sentences = set().union(*(judge.five_words(phrase) for phrase in judge.judged_phrases()))
    copies = [text for text in judge.lexicon_patterns() if judge.five_words(text) & sentences]
    assert copies == []


def test_five_words_see_through_the_signs_of_a_regular_expression() -> None:
    assert judge.five_words(r"\bdown\s+to (?:three|two)\s+now\b") == {
        ("down", "to", "three", "two", "now"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_phrasings_in_notes_are_read(measured: dict[str, Any], kind: str) -> None:
    scores = measured["held_out"][kind]
    precision, recall = SHORT_OF_THE_AIM.get(kind, AIM)
    assert scores["precision"] >= precision, scores
    assert scores["recall"] >= recall, scores


def test_held_out_phrasings_of_all_kinds_together_are_read(measured: dict[str, Any]) -> None:
    scores = measured["held_out"]["all"]
    assert (scores["precision"], scores["recall"]) >= AIM
    assert scores["recall"] >= AIM[1]


def test_the_features_of_held_out_promises_are_named(measured: dict[str, Any]) -> None:
    features = measured["promises"]["held_out_features"]
    assert features["right"] >= 0.9 * features["found"] > 0


def test_labelled_sentences_are_read_well_on_the_whole(measured: dict[str, Any]) -> None:
    overall = measured["labelled"]["all"]
    assert overall["precision"] >= 0.75, overall
    assert overall["recall"] >= 0.5, overall


def test_the_documented_figures_are_those_of_today(measured: dict[str, Any]) -> None:
    documented = orjson.loads(judge.FIGURES.read_bytes())
    assert documented == measured, "run: python -m tests.data.signal_judge"
