"""Challenges to a factor: both numbers, who may raise and see them, and the ledger by team."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from fastapi import FastAPI

from data.errors import UsageError
from serving.access.actor import actor_of
from serving.access.errors import NotFound
from serving.access.gate import Seen
from serving.access.policy import decide, people_in
from serving.app import create_app
from serving.challenges.challenges import (
    AlreadyChallengedError,
    Challenge,
    challenge_table,
    challenges_seen,
    raise_challenge,
    withdraw_challenge,
)
from serving.challenges.ledger import track_record
from serving.challenges.numbers import checked_correction
from serving.live import HeldRun, hold
from serving.publish import publish
from serving.store import Store
from tests.serving.access_world import (
    FIRST,
    SECOND,
    Client,
    person,
    publication,
    published,
    settings,
)

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
CLOSED = datetime(2026, 1, 9, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return published(tmp_path)


@pytest.fixture
def store(workspace: Path) -> Iterator[Store]:
    made = Store(workspace)
    yield made
    made.close()


@pytest.fixture
def run(workspace: Path) -> HeldRun:
    return hold(workspace)


def seen_by(run: HeldRun, user_id: str, *roles: str) -> Seen:
    actor = actor_of(person(user_id, *(roles or ("rep",))), people_in(run))
    scope = decide(actor, "act", run)
    assert scope is not None
    return Seen(run, actor, scope)


def raised(store: Store, run: HeldRun, user: str, deal: str, feature: str = "meetings_held") -> Challenge:
    return raise_challenge(store, seen_by(run, user), deal, feature=feature, note="not so", now=NOW)


def after(workspace: Path, won: dict[str, bool], at: datetime = CLOSED) -> HeldRun:
    """The next run, in which these deals have closed."""
    closed = pa.table({
        "opportunity_id": sorted(won), "won": [won[one] for one in sorted(won)],
        "closed_at": pa.array([at] * len(won), pa.timestamp("us", "UTC")),
        "amount": [1.0] * len(won), "currency": ["EUR"] * len(won),
    })  # fmt: skip
    made = publication()
    publish(
        workspace,
        SECOND,
        type(made)(**{**vars(made), "further": {**made.further, "closed_deals.parquet": closed}}),
    )
    return hold(workspace)


def test_a_disputed_factor_is_taken_out_of_the_log_odds_and_both_numbers_are_kept(
    store: Store, run: HeldRun
) -> None:
    # D1 scores 0.5 + 0.25 + 0.125 = 0.875 in log-odds
    held = raised(store, run, "R1", "D1")
    assert held.kind == "set_aside"
    assert held.p_model == pytest.approx(1 / (1 + math.exp(-0.875)), abs=1e-12)
    assert held.p_challenged == pytest.approx(1 / (1 + math.exp(-0.375)), abs=1e-12)
    assert (held.value_model, held.value_corrected, held.note) == (0.5, None, "not so")
    assert (held.user_id, held.team_id, held.run_id) == ("R1", "M1", FIRST)
    assert challenges_seen(Store(store.file.parent), seen_by(run, "R1"), "D1") == (held,)


def test_only_deals_and_factors_that_one_sees_can_be_challenged(store: Store, run: HeldRun) -> None:
    # around D2 is a deal of R2, so R1 may not see what is made of the account's other deals
    for user, deal, feature in (
        ("R2", "D1", "meetings_held"), ("R1", "D99", "meetings_held"), ("R1", "D2", "account_wins"),
        ("R1", "D1", "no_such_feature"), ("R1", "D1", "opportunity_id"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            raised(store, run, user, deal, feature)
    assert raised(store, run, "R1", "D1", "account_wins").feature == "account_wins"


def test_a_challenge_needs_a_reason_and_another_value(store: Store, run: HeldRun) -> None:
    seen = seen_by(run, "R1")
    with pytest.raises(UsageError, match="Why it is wrong: expected a text, found none"):
        raise_challenge(store, seen, "D1", feature="meetings_held", note=" \x00 ", now=NOW)
    with pytest.raises(UsageError, match="expected another value than the model's"):
        raise_challenge(store, seen, "D1", feature="meetings_held", note="x", corrected=0.5, now=NOW)
    with pytest.raises(UsageError, match=r"a base rate, not a model's.*Dispute the factor without a value"):
        raise_challenge(store, seen, "D1", feature="meetings_held", note="x", corrected=3, now=NOW)


@pytest.mark.parametrize("wrong", ["many", "nan", "inf", 10**400, True, None, [1]])
def test_a_corrected_value_must_be_one_that_the_feature_can_have(run: HeldRun, wrong: object) -> None:
    with pytest.raises(UsageError, match="meetings_held: expected a number, found"):
        checked_correction(run, "meetings_held", wrong)
    assert checked_correction(run, "meetings_held", " 1,250.5 ") == 1250.5


def test_one_person_challenges_a_factor_of_a_deal_once_until_it_is_withdrawn(
    store: Store, run: HeldRun
) -> None:
    held = raised(store, run, "R1", "D1")
    with pytest.raises(AlreadyChallengedError):
        raised(store, run, "R1", "D1")
    assert raised(store, run, "R1", "D1", "account_wins")
    withdraw_challenge(store, seen_by(run, "R1"), held.challenge_id, now=NOW)
    assert raised(store, run, "R1", "D1").is_open


def test_a_challenge_is_withdrawn_by_its_author_alone_and_stays_as_withdrawn(
    store: Store, run: HeldRun
) -> None:
    held = raised(store, run, "R1", "D1")
    for user, role in (("M1", "manager"), ("B1", "ops")):
        with pytest.raises(NotFound):
            withdraw_challenge(store, seen_by(run, user, role), held.challenge_id, now=NOW)
    withdraw_challenge(store, seen_by(run, "R1"), held.challenge_id, now=NOW)
    with pytest.raises(NotFound):
        withdraw_challenge(store, seen_by(run, "R1"), held.challenge_id, now=NOW)
    assert [one.withdrawn_at for one in challenges_seen(store, seen_by(run, "R1"))] == [NOW]
    assert challenges_seen(store, seen_by(run, "M1", "manager")) == ()
    assert [(one.open, one.withdrawn) for one in track_record(store, run).teams] == [(0, 1)]


def test_a_challenge_is_seen_by_those_who_see_deal_and_factor(store: Store, run: HeldRun) -> None:
    raised(store, run, "R1", "D1")
    raise_challenge(store, seen_by(run, "B1", "ops"), "D2", feature="account_wins", note="no", now=NOW)
    counts = {
        who: len(challenges_seen(store, seen_by(run, who, role)))
        for who, role in (("R1", "rep"), ("R2", "rep"), ("M1", "manager"), ("M2", "manager"), ("B1", "ops"))
    }
    # R1 sees D2 but not the factor on it; M1 sees R2's deals as well, and so the factor
    assert counts == {"R1": 1, "R2": 0, "M1": 2, "M2": 0, "B1": 2}


def test_the_ledger_scores_both_numbers_once_a_deal_has_ended(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    for user, deal in (("R1", "D1"), ("R1", "D2"), ("R2", "D3")):
        raised(store, run, user, deal)
    raised(store, run, "R1", "D1", "account_wins")
    ops = seen_by(run, "B1", "ops")
    raise_challenge(store, ops, "D5", feature="account_wins", note="no", now=NOW)
    assert [one.settled for one in track_record(store, run).teams] == [0]
    (record,) = track_record(
        store, after(workspace, {"D1": True, "D2": False, "D3": True, "D5": False})
    ).teams
    assert (set(record.teams), record.settled, record.open) == ({"M1", None}, 5, 0)
    # log-odds of the model and without the factor, and the outcome, by hand
    by_hand = [(0.875, 0.375, 1), (0.375, 0.875, 0), (0.25, -0.75, 1), (0.875, 0.625, 1), (0.0, -1.0, 0)]
    losses = [[math.log1p(math.exp(-z if won else z)) for z in pair] for *pair, won in by_hand]
    assert record.log_loss_model == pytest.approx(sum(one[0] for one in losses) / 5, abs=1e-12)
    assert record.log_loss_challenged == pytest.approx(sum(one[1] for one in losses) / 5, abs=1e-12)
    assert record.n_challenger_better == 1


def _many(store: Store, run: HeldRun, user: str, team: str, deals: list[str]) -> None:
    """Challenges as somebody of another, larger team would have raised them."""
    with store.writing() as con:
        for place, deal in enumerate(deals):
            con.execute(challenge_table.insert().values(
                challenge_id=f"{team}-{user}-{deal}-{place}", opportunity_id=deal, deal=deal, owner_id="R1",
                feature="meetings_held", kind="set_aside", value_model=1, value_corrected=None, note="n",
                user_id=user, user_name=user, team_id=team, run_id=run.run_id, as_of=run.as_of,
                model_version="baseline-1", p_model=0.5, p_challenged=0.8, raised_at=NOW,
            ))  # fmt: skip


def test_small_teams_are_pooled_and_no_figure_rests_on_one_person(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    for user in ("U1", "U2", "U3"):
        _many(store, run, user, "large", ["D1", "D2"])
        _many(store, run, user, "second", ["D1", "D3"])
    _many(store, run, "U9", "loner", ["D1"] * 9)
    _many(store, run, "U8", "small", ["D1", "D2"])
    later = after(workspace, {"D1": True, "D2": False, "D3": True})
    found = track_record(store, later).teams
    # the loner's nine and the small team's two rest on two people: the smaller full team joins them
    assert [(one.teams, one.settled) for one in found] == [
        (("large",), 6), (("second", "loner", "small"), 17),
    ]  # fmt: skip
    large = found[0]
    # three won at 0.5 and 0.8, three lost at 0.5 and 0.8
    assert large.log_loss_model == pytest.approx(math.log(2))
    assert large.log_loss_challenged == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2)
    assert large.n_challenger_better == 3


def test_a_team_without_settled_challenges_takes_no_figures_from_another(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    for user in ("U1", "U2", "U3"):
        _many(store, run, user, "large", ["D1", "D2"])
    _many(store, run, "U8", "waiting", ["D4"])
    found = track_record(store, after(workspace, {"D1": True, "D2": False})).teams
    assert [(one.teams, one.settled, one.open) for one in found] == [(("large",), 6, 0), (("waiting",), 0, 1)]
    assert [one.log_loss_model is None for one in found] == [False, True]


def test_too_few_settled_challenges_give_counts_and_no_figures(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    raised(store, run, "R1", "D1")
    (record,) = track_record(store, after(workspace, {"D1": True})).teams
    assert (record.settled, record.log_loss_model, record.n_challenger_better) == (1, None, None)


def test_a_challenge_raised_or_withdrawn_after_the_close_is_no_way_to_be_right(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    late = raise_challenge(
        store, seen_by(run, "R1"), "D1", feature="meetings_held", note="x", now=CLOSED + timedelta(hours=1)
    )
    early = raised(store, run, "R1", "D2")
    in_time = raised(store, run, "R2", "D3")
    withdraw_challenge(store, seen_by(run, "R1"), early.challenge_id, now=CLOSED + timedelta(hours=1))
    withdraw_challenge(store, seen_by(run, "R2"), in_time.challenge_id, now=NOW + timedelta(hours=1))
    (record,) = track_record(store, after(workspace, {"D1": True, "D2": False, "D3": True})).teams
    assert late.is_open
    assert (record.late, record.settled, record.withdrawn, record.open) == (1, 1, 1, 0)


def test_settled_challenges_are_listed_for_their_author_alone(
    workspace: Path, store: Store, run: HeldRun
) -> None:
    raised(store, run, "R1", "D1")
    later = after(workspace, {"D1": True})
    track_record(store, later)
    assert [one.won for one in challenges_seen(store, seen_by(later, "R1"))] == [True]
    assert challenges_seen(store, seen_by(later, "M1", "manager")) == ()


@pytest.fixture
def app(workspace: Path) -> Iterator[FastAPI]:
    made = create_app(settings(workspace), now=lambda: NOW)
    yield made
    made.state.store.close()


def test_both_numbers_stand_on_the_page_and_in_the_json(app: FastAPI) -> None:
    rep = Client(app, person("R1", "rep"))
    form = rep.get("/deals/D1/challenge?feature=meetings_held")
    assert form.status_code == 200
    sent = rep.post(
        "/deals/D1/challenge",
        data={"feature": "meetings_held", "note": "We met twice more <b>by phone</b>", "corrected": ""},
    )
    assert sent.status_code == 303
    page = rep.get(sent.headers["location"]).text
    assert "We met twice more &lt;b&gt;by phone&lt;/b&gt;" in page
    assert "70.6\xa0%" in page
    assert "59.3\xa0%" in page
    assert "Withdraw that challenge first" in page
    assert 'name="note"' not in page
    (held,) = rep.get("/api/v1/deals/D1/challenges").json()["challenges"]
    assert (round(held["p_model"], 4), round(held["p_challenged"], 4)) == (0.7058, 0.5927)
    assert (held["state"], held["is_own"], held["title"]) == ("open", True, "Meetings held")
    assert "59.3\xa0%" in Client(app, person("M1", "manager")).get("/challenges").text
    assert "by phone" not in Client(app, person("R2", "rep")).get("/challenges").text
    assert rep.post(f"/challenges/{held['challenge_id']}/withdraw").status_code == 303
    assert rep.get("/api/v1/challenges").json()["challenges"][0]["state"] == "withdrawn"


def test_what_was_typed_is_shown_again_beside_what_is_wrong(app: FastAPI) -> None:
    rep = Client(app, person("R1", "rep"))
    sent = rep.post(
        "/deals/D1/challenge", data={"feature": "meetings_held", "note": "kept text", "corrected": "many"}
    )
    assert sent.status_code == 422
    assert "expected a number, found &#39;many&#39;" in sent.text
    assert "kept text" in sent.text


def test_the_json_refuses_what_is_not_ones_own(app: FastAPI) -> None:
    rep, other = Client(app, person("R1", "rep")), Client(app, person("R2", "rep"))
    given = {"feature": "meetings_held", "note": "no"}
    made = rep.post("/api/v1/deals/D1/challenges", json=given)
    assert made.status_code == 201
    assert rep.post("/api/v1/deals/D1/challenges", json=given).status_code == 409
    key = made.json()["challenge"]["challenge_id"]
    tried = [
        other.post("/api/v1/deals/D1/challenges", json=given), other.get("/api/v1/deals/D1/challenges"),
        other.request("DELETE", f"/api/v1/challenges/{key}"), other.get("/deals/D1/challenge"),
        other.post("/deals/D1/challenge", data=given), other.post(f"/challenges/{key}/withdraw"),
        rep.get("/deals/D2/challenge?feature=account_wins"),
        Client(app, person("R1", "finance")).get("/api/v1/challenges"),
    ]  # fmt: skip
    assert {response.status_code for response in tried} == {404}
    assert rep.request("DELETE", f"/api/v1/challenges/{key}").json()["challenge"]["state"] == "withdrawn"


def test_a_team_reads_its_own_line_of_the_ledger_and_ops_reads_all(app: FastAPI, run: HeldRun) -> None:
    store: Store = app.state.store
    for user in ("U1", "U2", "U3"):
        _many(store, run, user, "M1", ["D1", "D2"])
        _many(store, run, user, "M2", ["D1", "D2"])
    after(app.state.settings.workspace, {"D1": True, "D2": False})
    app.state.live.check()
    read = {
        who: [
            one["title"]
            for one in Client(app, person(who, role)).get("/api/v1/challenges/track-record").json()["teams"]
        ]
        for who, role in (("R1", "rep"), ("R3", "rep"), ("M2", "manager"), ("B1", "ops"))
    }
    assert read == {"R1": ["Mia"], "R3": ["Noa"], "M2": ["Noa"], "B1": ["Mia", "Noa"]}
    page = Client(app, person("B1", "ops")).get("/challenges").text
    assert "0.693" in page
