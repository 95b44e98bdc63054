import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.answers import answered
from data.errors import UsageError
from data.schema import QUESTIONS
from serving.access.errors import NotFound
from serving.sheets.links import links_of, revoke_link, share_sheet, visit
from serving.sheets.listing import sheet_lines
from serving.sheets.sheets import (
    ConflictError,
    new_round,
    open_sheet,
    read_sheet,
    save_draft,
    submit,
    take_back,
)
from serving.sheets.tables import links
from serving.sheets.typed import Answer, read_answer
from serving.store import Store
from serving.typed_text import cleaned

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
OURS = {question: Answer(3, "seen by us") for question in QUESTIONS}
THEIRS = {**{question: Answer(3, "told by them") for question in QUESTIONS}, "when": Answer(1, "no date")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def sheet(store: Store) -> str:
    return _opened(store)


def _opened(store: Store, deal: str = "D1") -> str:
    return open_sheet(store, deal, vendor_name="Acme", deal_name="Data platform", by="U1", now=NOW)


def test_a_half_finished_draft_is_kept_for_its_side_alone(store: Store, sheet: str) -> None:
    save_draft(store, sheet, "vendor", {"why": Answer(2, "half a thought")}, version=0, now=NOW)
    ours, theirs = read_sheet(store, sheet, "vendor"), read_sheet(store, sheet, "customer")
    assert (ours.draft["why"], ours.draft["means"]) == (Answer(2, "half a thought"), Answer())
    assert theirs.draft["why"] == Answer()
    assert "half a thought" not in repr(theirs)
    assert read_sheet(Store(store.file.parent), sheet, "vendor").draft == ours.draft


def test_neither_side_sees_the_others_answers_before_both_are_in(store: Store, sheet: str) -> None:
    submit(store, sheet, "vendor", OURS, version=0, by="U1", now=NOW)
    ours, theirs = read_sheet(store, sheet, "vendor"), read_sheet(store, sheet, "customer")
    assert (ours.waits, theirs.is_open) == (True, True)
    assert ours.round.half("vendor").answers == OURS
    assert theirs.round.half("vendor").submitted_at == NOW
    assert "seen by us" not in repr(theirs)
    assert ours.round.comparison == theirs.round.comparison == ()


def test_once_both_are_in_both_see_both_with_the_gaps(store: Store, sheet: str) -> None:
    submit(store, sheet, "vendor", OURS, version=0, by="U1", now=NOW)
    submit(store, sheet, "customer", THEIRS, version=0, by="L1", now=LATER)
    for side in ("vendor", "customer"):
        view = read_sheet(store, sheet, side).round
        assert view.known_at == LATER
        assert [half.submitted_at for half in view.halves] == [NOW, LATER]
        assert [(one.question, one.gap, one.says) for one in view.comparison] == [
            ("means", 0, "agreed"),
            ("decision_process", 0, "agreed"),
            ("why", 0, "agreed"),
            ("when", 2, "the vendor is 2 levels more confident"),
        ]
        assert view.n_agreed == 3


def test_complete_rounds_become_rows_for_the_load_and_open_ones_do_not(store: Store, sheet: str) -> None:
    submit(store, sheet, "vendor", OURS, version=0, by="U1", now=NOW)
    assert answered(store.file.parent).num_rows == 0
    submit(store, sheet, "customer", THEIRS, version=0, by="L1", now=LATER)
    rows = answered(store.file.parent).to_pylist()
    assert len(rows) == 8
    assert rows[4] == {
        "opportunity_id": "D1", "question": "when", "side": "customer", "answer": 1, "evidence": "no date",
        "known_at": LATER, "sheet_id": sheet, "round": 1, "submitted_at": LATER,
    }  # fmt: skip


def test_an_open_question_keeps_the_draft_and_submits_nothing(store: Store, sheet: str) -> None:
    given = {**OURS, "why": Answer(None, "still asking"), "when": Answer()}
    with pytest.raises(UsageError, match=r"^Why, When: expected a level from 0 to 4, found none"):
        submit(store, sheet, "vendor", given, version=0, by="U1", now=NOW)
    view = read_sheet(store, sheet, "vendor")
    assert (view.is_open, view.draft["why"], view.draft_version) == (True, Answer(None, "still asking"), 1)


def test_a_draft_saved_elsewhere_in_between_is_not_overwritten(store: Store, sheet: str) -> None:
    assert save_draft(store, sheet, "vendor", {"why": Answer(1, "first")}, version=0, now=NOW) == 1
    with pytest.raises(ConflictError, match="saved elsewhere"):
        save_draft(store, sheet, "vendor", {"why": Answer(2, "second")}, version=0, now=NOW)
    assert read_sheet(store, sheet, "vendor").draft["why"] == Answer(1, "first")
    assert save_draft(store, sheet, "vendor", {"why": Answer(2, "second")}, version=1, now=NOW) == 2


def test_submitted_answers_are_taken_back_only_until_the_other_side_is_in(store: Store, sheet: str) -> None:
    submit(store, sheet, "vendor", OURS, version=0, by="U1", now=NOW)
    take_back(store, sheet, "vendor", now=NOW)
    view = read_sheet(store, sheet, "vendor")
    assert (view.is_open, dict(view.draft)) == (True, OURS)
    with pytest.raises(ConflictError, match="nothing to take back"):
        take_back(store, sheet, "vendor", now=NOW)
    submit(store, sheet, "vendor", OURS, version=view.draft_version, by="U1", now=NOW)
    submit(store, sheet, "customer", THEIRS, version=0, by="L1", now=LATER)
    with pytest.raises(ConflictError, match="both have seen it"):
        take_back(store, sheet, "vendor", now=LATER)


def test_a_new_round_begins_empty_once_the_last_is_complete_and_keeps_it(store: Store, sheet: str) -> None:
    with pytest.raises(ConflictError, match="Round 1 is still open"):
        new_round(store, sheet)
    submit(store, sheet, "vendor", OURS, version=0, by="U1", now=NOW)
    submit(store, sheet, "customer", THEIRS, version=0, by="L1", now=LATER)
    assert new_round(store, sheet) == 2
    save_draft(store, sheet, "customer", {"why": Answer(4, "newer thought")}, version=0, now=LATER)
    view = read_sheet(store, sheet, "vendor")
    assert [(one.number, one.known_at) for one in view.rounds] == [(1, LATER), (2, None)]
    assert len(view.rounds[0].comparison) == 4
    assert view.is_open
    assert "newer thought" not in repr(view)


def test_two_submits_at_once_give_one_submission(store: Store, sheet: str) -> None:
    outcomes: list[str] = []

    def send(level: int) -> None:
        given = {question: Answer(level) for question in QUESTIONS}
        try:
            submit(store, sheet, "customer", given, version=0, by=f"L{level}", now=NOW)
            outcomes.append("in")
        except ConflictError:
            outcomes.append("conflict")

    _together([lambda level=level: send(level) for level in range(5)])
    assert sorted(outcomes) == ["conflict"] * 4 + ["in"]
    levels = {
        one.level for one in read_sheet(store, sheet, "customer").round.half("customer").answers.values()
    }
    assert len(levels) == 1


def _together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_deal_has_one_sheet_and_the_list_says_how_far_each_has_come(store: Store, sheet: str) -> None:
    assert open_sheet(store, "D1", vendor_name="Acme", deal_name="Renamed", by="U2", now=LATER) == sheet
    other = _opened(store, "D2")
    submit(store, sheet, "customer", THEIRS, version=0, by="L1", now=LATER)
    lines = sheet_lines(store, ["D1", "D2"])
    assert [(one.opportunity_id, one.deal_name, one.vendor_in, one.customer_in) for one in lines] == [
        ("D1", "Renamed", False, True), ("D2", "Data platform", False, False),
    ]  # fmt: skip
    assert [one.touched_at for one in lines] == [LATER, NOW]
    assert sheet_lines(store, ["D3"]) == ()
    assert other != sheet


def test_a_link_opens_its_sheet_until_it_runs_out(store: Store, sheet: str) -> None:
    token, line = share_sheet(store, sheet, recipient="Dana", by="U1", now=NOW)
    assert line.expires_at == NOW + timedelta(days=14)
    assert visit(store, token, now=NOW).sheet_id == sheet
    assert (
        visit(Store(store.file.parent), token, now=line.expires_at - timedelta(seconds=1)).sheet_id == sheet
    )
    with pytest.raises(NotFound):
        visit(store, token, now=line.expires_at)


def test_every_link_that_opens_nothing_is_answered_in_the_same_words(store: Store, sheet: str) -> None:
    token, line = share_sheet(store, sheet, recipient="", by="U1", now=NOW)
    revoked, gone = share_sheet(store, sheet, recipient="", by="U1", now=NOW)
    revoke_link(store, sheet, gone.link_id, now=NOW)
    elsewhere = Store(store.file.parent / "elsewhere")
    foreign, _ = share_sheet(elsewhere, _opened(elsewhere), recipient="", by="U1", now=NOW)
    body, _, signature = token.rpartition(".")
    bad = [revoked, foreign, token[:-2], f"{body}x.{signature}", "", "x" * 5000, token + "\0", "é" * 10]
    said = {str(_refusal(store, one)) for one in bad} | {str(_refusal(store, token, at=line.expires_at))}
    assert len(said) == 1


def _refusal(store: Store, token: str, at: datetime = NOW) -> NotFound:
    with pytest.raises(NotFound) as refused:
        visit(store, token, now=at)
    return refused.value


def test_a_signed_token_whose_hash_the_store_does_not_hold_opens_nothing(store: Store, sheet: str) -> None:
    token, line = share_sheet(store, sheet, recipient="", by="U1", now=NOW)
    twin, _ = share_sheet(store, sheet, recipient="", by="U1", now=NOW)
    with store.writing() as con:
        con.execute(links.update().where(links.c.link_id == line.link_id).values(token_sha256="0" * 64))
    _refusal(store, token)
    assert visit(store, twin, now=NOW).sheet_id == sheet


def test_the_store_holds_no_token(store: Store, sheet: str) -> None:
    token, _ = share_sheet(store, sheet, recipient="Dana", by="U1", now=NOW)
    store.close()
    with sa.create_engine(f"sqlite:///{store.file}").connect() as con:
        dumped = "\n".join(con.connection.driver_connection.iterdump())  # type: ignore[union-attr]
        con.engine.dispose()
    assert token not in dumped
    assert "Dana" in dumped


def test_links_are_listed_for_our_side_and_one_of_another_sheet_is_not_found(
    store: Store, sheet: str
) -> None:
    _, line = share_sheet(store, sheet, recipient=" Dana\x00 ", by="U1", now=NOW, days=3)
    other = _opened(store, "D2")
    with pytest.raises(NotFound):
        revoke_link(store, other, line.link_id, now=NOW)
    revoke_link(store, sheet, line.link_id, now=LATER)
    revoke_link(store, sheet, line.link_id, now=LATER + timedelta(days=1))
    (listed,) = links_of(store, sheet)
    assert (listed.recipient, listed.revoked_at, listed.opens(LATER)) == ("Dana", LATER, False)
    with pytest.raises(UsageError, match="days: expected 1 to 90, found 91"):
        share_sheet(store, sheet, recipient="", by="U1", now=NOW, days=91)


def test_what_a_stranger_typed_is_cleaned_and_bounded() -> None:
    assert (
        read_answer("why", 2, "two\r\nlines\x1b[31m\u202e and\u200b more  ").evidence
        == "two\nlines[31m and more"
    )
    assert cleaned("a\tb\u2028c\x00\n\n\x1b ", "note", longest=30, lines=True) == "a b\nc"
    assert cleaned("a\tb\nc", "name", longest=30) == "a b c"
    assert cleaned("<script>alert(1)</script>", "note", longest=30) == "<script>alert(1)</script>"
    with pytest.raises(UsageError, match="Why: evidence: expected at most 2,000 characters, found 2,001"):
        read_answer("why", 2, "x" * 2001)
    with pytest.raises(UsageError, match="Means: expected a level from 0 to 4, found 5"):
        read_answer("means", 5, "")
    with pytest.raises(UsageError, match="Our name: expected a text, found none"):
        cleaned(" \u200b ", "Our name", longest=10, needed=True)
