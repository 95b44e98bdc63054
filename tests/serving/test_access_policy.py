"""One function decides; whatever it does not grant is denied."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from serving.access.actor import OWNER, Actor, Identity, actor_of
from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.access.hidden import (
    hidden_features,
    seen_drivers,
    seen_factors,
    seen_renewal_factors,
    seen_top_reason,
)
from serving.access.policy import ACTIONS, MIN_CELL, Scope, allowed_actions, decide, people_in
from serving.feature_facts import RENEWAL_CATALOGUE
from serving.live import HeldRun, hold
from serving.people import People, Person
from serving.publish import publish
from tests.serving.access_world import FIRST, PEOPLE_ROWS, person, publication, published


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    return hold(published(tmp_path_factory.mktemp("w")))


@pytest.fixture
def seen(run: HeldRun) -> Callable[..., Seen]:
    def made(user_id: str, *roles: str, action: str = "deals") -> Seen:
        actor = actor_of(person(user_id, *roles), people_in(run))
        scope = decide(actor, action, run)
        assert scope is not None
        return Seen(run, actor, scope)

    return made


def owned(run: HeldRun, scope: Scope | None) -> list[str]:
    assert scope is not None
    return sorted(run.deals.ids[scope.mask(run)])


@pytest.mark.parametrize(
    ("user_id", "roles", "deals"),
    [
        ("R1", ["rep"], ["D1", "D2"]),
        ("R2", ["rep"], ["D3"]),
        ("M1", ["rep"], []),
        ("M1", ["manager"], ["D1", "D2", "D3", "D5"]),
        ("M2", ["manager"], ["D4"]),
        ("B1", ["manager"], ["D1", "D2", "D3", "D4", "D5"]),
        ("R3", ["manager"], ["D4"]),
        ("R1", ["rep", "manager"], ["D1", "D2"]),
        ("M2", ["rep", "finance"], []),
        ("nobody", ["ops"], ["D1", "D2", "D3", "D4", "D5", "D6"]),
        ("R1", ["ops", "rep"], ["D1", "D2", "D3", "D4", "D5", "D6"]),
    ],
)
def test_a_rep_sees_own_deals_a_manager_the_team_below_ops_everything(
    run: HeldRun, user_id: str, roles: list[str], deals: list[str]
) -> None:
    actor = actor_of(person(user_id, *roles), people_in(run))
    assert owned(run, decide(actor, "deals", run)) == deals
    assert owned(run, decide(actor, "act", run)) == deals


def test_each_role_may_do_its_actions_and_no_other(run: HeldRun) -> None:
    granted = {
        role: allowed_actions(actor_of(person("R1", role), people_in(run)), run)
        for role in ("rep", "manager", "finance", "ops", "intern")
    }
    assert granted == {
        "rep": ("public", "me", "deals", "act"),
        "manager": ("public", "me", "deals", "act"),
        "finance": ("public", "me", "renewals", "forecast", "scenario", "export"),
        "ops": ACTIONS,
        "intern": ("public", "me"),
    }


def test_several_roles_give_the_union_and_a_figure_for_finance_keeps_its_least_count(run: HeldRun) -> None:
    both = actor_of(person("R1", "rep", "finance"), people_in(run))
    assert decide(both, "deals", run) == Scope("deals", frozenset({"R1"}), 1)
    assert decide(both, "forecast", run) == Scope("forecast", None, MIN_CELL)
    ops = actor_of(person("R1", "ops", "finance"), people_in(run))
    assert decide(ops, "forecast", run) == Scope("forecast", None, 1)


def test_nobody_and_who_was_deactivated_see_nothing(run: HeldRun) -> None:
    gone = actor_of(person("R4", "rep", "ops"), people_in(run))
    assert not gone.is_active
    for action in ACTIONS[1:]:
        assert decide(None, action, run) is None
        assert decide(gone, action, run) is None
    assert decide(None, "public", run) is not None


def test_an_unknown_action_is_an_error_not_a_denial(run: HeldRun) -> None:
    with pytest.raises(ValueError, match="action 'deal': expected one of"):
        decide(None, "deal", run)
    with pytest.raises(ValueError, match="action 'deal'"):
        allow("deal")


def test_finance_sees_no_single_deal_even_through_a_scope_over_everybody(run: HeldRun) -> None:
    scope = decide(actor_of(person("nobody", "finance"), people_in(run)), "forecast", run)
    assert scope is not None
    assert not scope.single_deals
    assert not scope.sees("R1")
    assert not scope.sees(None)
    assert not scope.mask(run).any()


def test_scopes_share_a_cache_key_only_if_they_show_the_same() -> None:
    scopes = [
        Scope("deals", None),
        Scope("act", None),
        Scope("forecast", None, 5),
        Scope("forecast", None),
        Scope("deals", frozenset()),
        Scope("deals", frozenset({"a", "b"})),
        Scope("deals", frozenset({"a\n1 b"})),
        Scope("deals", frozenset({"a"})),
        Scope("deals", frozenset({"all"})),
    ]
    assert len({scope.key for scope in scopes}) == len(scopes)
    assert Scope("deals", frozenset(["a", "b"])).key == Scope("deals", frozenset(["b", "a"])).key


def test_a_circle_of_managers_is_walked_once() -> None:
    people = People(reports={"a": ("b",), "b": ("c", "b"), "c": ("a",)})
    assert people.team("a") == {"a", "b", "c"}
    assert people.team("stranger") == {"stranger"}


def test_a_deep_chain_of_managers_is_walked_to_its_end() -> None:
    people = People(reports={str(one): (str(one + 1),) for one in range(5000)})
    assert len(people.team("0")) == 5001


def test_of_several_people_with_one_address_the_active_one_is_meant_and_of_two_active_nobody() -> None:
    def some(**active: bool) -> People:
        by_id = {one: Person(one, None, None, is_active) for one, is_active in active.items()}
        return People(by_id, {}, {"hash": tuple(by_id)})

    assert some(old=False, new=True).match(None, "hash") == Person("new", None, None, True)
    assert some(one=True, two=True).match(None, "hash") is None
    assert some(gone=False).match(None, "hash") == Person("gone", None, None, False)
    assert some(gone=False, gone_too=False).match(None, "hash") is None
    assert some(one=True, two=True).match("two", "hash") == Person("two", None, None, True)
    assert some(one=True).match("stranger", None) is None


def test_a_subject_that_looks_like_a_user_id_is_not_that_user(run: HeldRun) -> None:
    actor = actor_of(Identity("R1", "Mallory", frozenset({"rep"}), "sign-in"), people_in(run))
    assert actor == Actor("sign-in:R1", "Mallory", frozenset({"rep"}), "sign-in")
    assert decide(actor, "deals", run) is None


def test_whom_the_crm_does_not_know_has_no_deals_whatever_their_role(run: HeldRun) -> None:
    for role in ("rep", "manager"):
        actor = actor_of(person("nobody", role), people_in(run))
        assert allowed_actions(actor, run) == ("public", "me")


def test_the_owner_of_the_workspace_is_ops(run: HeldRun) -> None:
    assert allowed_actions(actor_of(OWNER, people_in(run)), run) == ACTIONS


def test_rights_follow_the_people_of_the_run_at_hand(tmp_path: Path) -> None:
    moved = tuple((one, name, "M2" if one == "R1" else to, is_on) for one, name, to, is_on in PEOPLE_ROWS)
    later = hold(published(tmp_path, people=moved))
    actor = actor_of(person("M1", "manager"), people_in(later))
    assert owned(later, decide(actor, "deals", later)) == ["D3", "D5"]


def test_a_deal_of_somebody_else_is_not_found_like_one_that_does_not_exist(seen: Callable[..., Seen]) -> None:
    for one in ("D3", "D6", "stranger"):
        with pytest.raises(NotFound) as found:
            seen("R1", "rep").rank_of(one)
        assert str(found.value) == "There is nothing here, or nothing that you may see."
    assert seen("R1", "rep").run.deals.ids[seen("R1", "rep").rank_of("D2")] == "D2"
    with pytest.raises(NotFound):
        seen("R1", "rep").narrowed("models")


@pytest.mark.parametrize(
    ("user_id", "role", "deal", "hidden"),
    [
        ("R1", "rep", "D1", []),
        ("R1", "rep", "D2", ["account_wins"]),
        ("M1", "manager", "D2", []),
        ("M2", "manager", "D4", ["account_wins"]),
        ("B1", "manager", "D4", []),
        ("M1", "manager", "D5", ["account_wins"]),
        ("nobody", "ops", "D5", []),
    ],
)
def test_what_rests_on_deals_that_the_viewer_does_not_see_is_summed_into_other(
    seen: Callable[..., Seen], user_id: str, role: str, deal: str, hidden: list[str]
) -> None:
    view = seen(user_id, role)
    table = view.run.table("win_contributions.parquet")
    given = next(row for row in table.to_pylist() if row.pop("opportunity_id") == deal)
    visible, other = seen_factors(view, deal, given)
    assert sorted(set(given) - set(visible)) == hidden
    assert other == sum(given[name] for name in hidden)
    assert sum(visible.values()) + other == pytest.approx(sum(given.values()), abs=1e-12)
    told = seen_drivers(view, visible, other)
    assert sum(one.log_odds for one in told) == pytest.approx(sum(given.values()), abs=1e-12)
    assert [one.title for one in told if one.family == "other"] == (["Other records"] if hidden else [])


def test_the_strongest_reason_is_the_strongest_that_may_be_read(seen: Callable[..., Seen]) -> None:
    rep, ops = seen("R1", "rep"), seen("nobody", "ops")
    assert seen_top_reason(rep, rep.rank_of("D2")) == "meetings_held of D2."
    assert seen_top_reason(ops, ops.rank_of("D2")) == "account_wins of D2."


def test_a_feature_that_the_catalogue_does_not_know_counts_as_made_of_all_deals_around(
    seen: Callable[..., Seen],
) -> None:
    assert hidden_features(seen("R1", "rep"), "D2", ["new_one"]) == {"new_one"}
    assert hidden_features(seen("R1", "rep"), "D1", ["new_one"]) == frozenset()


def test_hidden_factors_of_a_foreign_deal_are_not_told_at_all(seen: Callable[..., Seen]) -> None:
    with pytest.raises(NotFound):
        seen_factors(seen("R1", "rep"), "D3", {"meetings_held": 1.0})


def test_finance_sees_of_a_contract_what_is_not_made_of_single_deals(tmp_path: Path) -> None:
    made = publication()
    facts = pa.Table.from_pylist(
        [
            {"feature": name, "family": family, "title": "", "kind": "number", "unit": "", "description": "",
             "expected": "depends", "of": of, "actionable": False}
            for name, family, of in (
                ("burn_ratio", "use", "contract"), ("days_since_contact", "people", "deal"),
            )
        ]
    )  # fmt: skip
    publish(tmp_path, FIRST, replace(made, further={**made.further, RENEWAL_CATALOGUE: facts}))
    run = hold(tmp_path)
    moved = {"burn_ratio": 0.5, "days_since_contact": -0.25, "new_one": 0.125}
    views = [
        Seen(run, actor, decide(actor, "renewals", run))  # type: ignore[arg-type]
        for actor in (actor_of(person("F1", role), people_in(run)) for role in ("finance", "ops"))
    ]
    assert seen_renewal_factors(views[0], moved) == ({"burn_ratio": 0.5}, -0.125)
    assert seen_renewal_factors(views[1], moved) == (moved, 0.0)
    told = seen_drivers(views[0], {"burn_ratio": 0.5}, -0.125, subject="contract")
    assert [(one.family, one.log_odds) for one in told] == [("use", 0.5), ("other", -0.125)]


def test_the_mask_is_in_the_order_of_the_ranking(run: HeldRun) -> None:
    scope = Scope("deals", frozenset({"R1", "R3"}))
    assert run.deals.ids.tolist() == ["D1", "D4", "D2", "D3", "D5", "D6"]
    np.testing.assert_array_equal(scope.mask(run), [True, True, True, False, False, False])
