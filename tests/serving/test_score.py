"""Raw records are scored as the run scored them: to 1e-9, alone and in a batch, with all that goes along."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UsageError
from serving.live import HeldRun, hold
from serving.records import deal_records
from serving.room import deal_room
from serving.score import Scored, ScoredDeal, score_records
from serving.timing import close_curve

pytestmark = pytest.mark.slow

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run(served: Path) -> HeldRun:
    return hold(served)


def raw(run: HeldRun, deal: str) -> Rows:
    """The deal's records as a request brings them."""
    return {name: table.to_pylist() for name, table in deal_records(run, deal).items()}


def together(run: HeldRun, deals: list[str]) -> Rows:
    """The records of several deals, each account and contact once."""
    found: Rows = {}
    for deal in deals:
        for name, rows in raw(run, deal).items():
            held = found.setdefault(name, [])
            held += [row for row in rows if name not in ("accounts", "contacts", "stages") or row not in held]
    return found


@pytest.fixture(scope="module")
def batch(run: HeldRun) -> Scored:
    return score_records(run, together(run, [str(one) for one in sorted(run.deals.ids)]))


def test_every_open_deal_has_its_published_score_contributions_and_features(
    run: HeldRun, batch: Scored
) -> None:
    assert batch.rejected == ()
    scores = run.table("win_scores.parquet")
    assert [one.opportunity_id for one in batch.deals] == scores["opportunity_id"].to_pylist()
    for name in ("p_win", "log_odds", "base_log_odds"):
        found = [getattr(one, name) for one in batch.deals]
        assert np.allclose(found, scores[name].to_numpy(), rtol=0, atol=1e-9)
    parts, values = run.table("win_contributions.parquet"), run.table("win_features.parquet")
    for name in parts.column_names[1:]:
        found = [one.contributions[name] for one in batch.deals]
        assert np.allclose(found, parts[name].to_numpy(), rtol=0, atol=1e-9), name
        shown: list[Any] = [one.features[name] for one in batch.deals]
        assert shown == pytest.approx(values[name].to_pylist(), abs=1e-9, nan_ok=True), name


def test_what_stands_beside_a_score_is_what_was_published(run: HeldRun, batch: Scored) -> None:
    for one in batch.deals:
        assert one.room == deal_room(run, one.opportunity_id)
        curve = close_curve(run, one.opportunity_id)
        assert curve is not None
        assert one.p_won_by is not None
        assert one.p_won_by.p_won_by == pytest.approx(curve.p_won_by, abs=1e-9)
        explained = run.explain(one.opportunity_id)
        assert explained is not None
        assert one.evidence == explained.evidence
        assert [reason.sentence for reason in one.up] == [reason.sentence for reason in explained.up]


def test_a_deal_alone_is_scored_as_among_others(run: HeldRun, batch: Scored) -> None:
    for expected in (batch.deals[0], batch.deals[-1]):
        assert score_records(run, raw(run, expected.opportunity_id)).deals == (expected,)


def test_contributions_add_up_to_the_probability(batch: Scored) -> None:
    for one in batch.deals:
        total = one.base_log_odds + sum(one.contributions.values())
        assert total == pytest.approx(one.log_odds, abs=1e-6)
        assert total == pytest.approx(np.log(one.p_win / (1 - one.p_win)), abs=1e-6)


def without_room(run: HeldRun, rows: Rows, **also: Any) -> tuple[Scored, ScoredDeal]:
    """The answer on one deal, without what stands beside."""
    found = score_records(run, rows, beside=False, **also)
    return found, found.deals[0]


def test_a_new_row_moves_the_score_and_one_that_comes_later_does_not(run: HeldRun, batch: Scored) -> None:
    expected = batch.deals[0]
    rows = raw(run, expected.opportunity_id)
    email = {"activity_id": "new", "opportunity_id": expected.opportunity_id, "kind": "email"}

    def with_email(days: float) -> Rows:
        at = (run.as_of + timedelta(days=days)).isoformat()
        return rows | {"activities": [*rows["activities"], {**email, "occurred_at": at, "known_at": at}]}

    _, moved = without_room(run, with_email(-1))
    assert moved.features["activities_ever"] == expected.features["activities_ever"] + 1
    _, same = without_room(run, with_email(0))
    assert same.log_odds == expected.log_odds


def test_at_a_later_instant_the_deal_is_older_and_the_answer_says_where_the_others_stand(
    run: HeldRun, batch: Scored
) -> None:
    found, later = without_room(
        run, raw(run, batch.deals[0].opportunity_id), as_of=run.as_of + timedelta(days=10)
    )
    assert later.features["deal_age_days"] == pytest.approx(batch.deals[0].features["deal_age_days"] + 10)
    assert found.context_as_of == run.as_of
    assert any("Measures of accounts" in note for note in found.notes)
    for off in (timedelta(seconds=-1), timedelta(days=400)):
        with pytest.raises(UsageError, match="as_of: expected"):
            score_records(run, raw(run, batch.deals[0].opportunity_id), run.as_of + off)


def test_a_deal_of_an_account_that_nobody_knows_is_scored_from_its_rows(run: HeldRun) -> None:
    deal = {"opportunity_id": "fresh", "account_id": "unheard of", "owner_id": "nobody",
            "created_at": (run.as_of - timedelta(days=30)).isoformat()}  # fmt: skip
    won = {**deal, "opportunity_id": "before", "outcome": "won", "closed_at": deal["created_at"]}
    _, alone = without_room(run, {"opportunities": [deal]})
    found, known = without_room(run, {"opportunities": [deal, won]})
    assert (alone.features["account_wins"], known.features["account_wins"]) == (0, 1)
    assert len(found.deals) == 1
    assert any("before" in note for note in found.notes)


def test_that_texts_are_not_read_is_said_only_where_nothing_read_from_them_was_given(run: HeldRun) -> None:
    rows = raw(run, str(min(run.deals.ids)))
    rows["activities"] = [{**row, "subject": "They saw the demo"} for row in rows["activities"]]
    assert rows["activities"]
    told = {"text_moments", "text_promises"}
    silent = score_records(run, {name: held for name, held in rows.items() if name not in told}, beside=False)
    assert any("not read for signals" in note for note in silent.notes)
    read = score_records(run, {**rows, "text_moments": rows.get("text_moments", [])}, beside=False)
    assert not any("not read for signals" in note for note in read.notes)


def test_a_bad_row_is_listed_and_the_deal_scored_without_it(run: HeldRun, batch: Scored) -> None:
    expected = batch.deals[0]
    rows = raw(run, expected.opportunity_id)
    rows["activities"] = [*rows["activities"], {"activity_id": "bad", "kind": "fax"}]
    found, deal = without_room(run, rows)
    assert [(one.table, one.row, one.column, one.found) for one in found.rejected] == [
        ("activities", len(rows["activities"]), "kind", "fax")
    ]
    assert deal.log_odds == expected.log_odds
