"""A deal's sheet: what one side may see of it, and what each step does to it.

Until both sides have submitted a round, each sees its own half and whether the other half is in. Afterwards
both see both, and the round never changes again; a new round begins with open answers.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from data.answers import answers
from data.errors import DealcastError
from data.schema import QUESTIONS, SIDES
from serving.access.errors import NotFound
from serving.sheets.tables import drafts, sheets, submissions
from serving.sheets.typed import Answer, complete
from serving.sheets.views import Half, Round, SheetView
from serving.store import Store
from serving.typed_text import LONGEST_NAME, cleaned

__all__ = [
    "ConflictError", "Side", "new_round", "open_sheet", "read_sheet", "save_draft", "submit", "take_back",
]  # fmt: skip

Side = Literal["vendor", "customer"]
_OTHER = {"vendor": "customer", "customer": "vendor"}


class ConflictError(DealcastError):
    """The sheet has moved on since its page was read. HTTP 409."""

    status = 409
    code = "sheet_moved_on"


def open_sheet(
    store: Store, opportunity_id: str, *, vendor_name: str, deal_name: str, by: str, now: datetime
) -> str:
    """The id of the deal's sheet, made now unless there is one; the names are then set anew.

    vendor_name and deal_name: all that the customer reads about the deal. by: the user's id. Raises
    UsageError for a name that is empty or too long.
    """
    names = {
        "vendor_name": cleaned(vendor_name, "Our name", longest=LONGEST_NAME, needed=True),
        "deal_name": cleaned(deal_name, "Name of the project", longest=LONGEST_NAME, needed=True),
    }
    with store.writing() as con:
        found = con.scalar(sa.select(sheets.c.sheet_id).where(sheets.c.opportunity_id == opportunity_id))
        if found is not None:
            con.execute(sheets.update().where(sheets.c.sheet_id == found).values(**names))
            return str(found)
        sheet_id = secrets.token_hex(8)
        con.execute(
            sheets.insert().values(
                sheet_id=sheet_id,
                opportunity_id=opportunity_id,
                round=1,
                created_at=now,
                created_by=by,
                **names,
            )
        )
    return sheet_id


def read_sheet(store: Store, sheet_id: str, side: Side) -> SheetView:
    """The sheet as that side may see it. Raises NotFound if there is none."""
    with store.reading() as con:
        return _view(con, sheet_id, side)


def save_draft(
    store: Store, sheet_id: str, side: Side, given: Mapping[str, Answer], *, version: int, now: datetime
) -> int:
    """Keep what the side has typed, for itself alone; returns the draft's new version.

    version: of the draft that was read. Raises ConflictError, keeping nothing, if it was saved elsewhere in
    between or the round is submitted.
    """
    with store.writing() as con:
        return _keep_draft(con, sheet_id, side, given, version=version, now=now)


def submit(
    store: Store,
    sheet_id: str,
    side: Side,
    given: Mapping[str, Answer],
    *,
    version: int,
    by: str,
    now: datetime,
) -> None:
    """Submit the side's four answers of the open round. by: the user's or the link's id.

    Raises UsageError while a question is open (what was given is kept as the draft), and ConflictError as
    `save_draft` does.
    """
    with store.writing() as con:
        _keep_draft(con, sheet_id, side, given, version=version, now=now)
    complete(given)
    with store.writing() as con:
        sheet = _sheet(con, sheet_id)
        _refuse_submitted(con, sheet, side)
        key = {"sheet_id": sheet_id, "round": sheet.round, "side": side}
        con.execute(submissions.insert().values(**key, submitted_at=now, submitted_by=by))
        con.execute(
            answers.insert(),
            [
                {**key, "opportunity_id": sheet.opportunity_id, "submitted_at": now, "question": question,
                 "answer": given[question].level, "evidence": given[question].evidence}
                for question in QUESTIONS
            ],
        )  # fmt: skip
        con.execute(drafts.delete().where(drafts.c.sheet_id == sheet_id, drafts.c.side == side))


def take_back(store: Store, sheet_id: str, side: Side, *, now: datetime) -> None:
    """Turn the side's submitted answers into a draft again, as long as the other side has not submitted.

    Nobody has seen them so far. Raises ConflictError once both are in, or if there is nothing to take back.
    """
    with store.writing() as con:
        sheet = _sheet(con, sheet_id)
        done = _submitted(con, sheet_id, sheet.round)
        if side not in done:
            raise ConflictError("There is nothing to take back: the answers are not submitted.")
        if _OTHER[side] in done:
            raise ConflictError("Both sides have answered, and both have seen it. Open a new round instead.")
        held = _answers(con, sheet_id, sheet.round, side)
        for table in (answers, submissions):
            con.execute(
                table.delete().where(
                    table.c.sheet_id == sheet_id, table.c.round == sheet.round, table.c.side == side
                )
            )
        _keep_draft(con, sheet_id, side, held, version=0, now=now)


def new_round(store: Store, sheet_id: str) -> int:
    """Open the next round, keeping those before; returns its number.

    Raises ConflictError while the open round is not complete.
    """
    with store.writing() as con:
        sheet = _sheet(con, sheet_id)
        if len(_submitted(con, sheet_id, sheet.round)) < len(SIDES):
            raise ConflictError(
                f"Round {sheet.round} is still open: it ends when both sides have answered. Until then "
                "answers that were submitted can be taken back and changed."
            )
        con.execute(sheets.update().where(sheets.c.sheet_id == sheet_id).values(round=sheet.round + 1))
        return int(sheet.round) + 1


def _sheet(con: sa.Connection, sheet_id: str) -> Any:
    row = con.execute(sa.select(sheets).where(sheets.c.sheet_id == sheet_id)).one_or_none()
    if row is None:
        raise NotFound
    return row


def _submitted(con: sa.Connection, sheet_id: str, number: int) -> dict[str, datetime]:
    """When each side submitted the round, of those that did."""
    wanted = sa.select(submissions.c.side, submissions.c.submitted_at).where(
        submissions.c.sheet_id == sheet_id, submissions.c.round == number
    )
    return {row.side: row.submitted_at for row in con.execute(wanted)}


def _answers(con: sa.Connection, sheet_id: str, number: int, side: str) -> dict[str, Answer]:
    wanted = sa.select(answers).where(
        answers.c.sheet_id == sheet_id, answers.c.round == number, answers.c.side == side
    )
    held = {row.question: Answer(row.answer, row.evidence) for row in con.execute(wanted)}
    return {question: held[question] for question in QUESTIONS if question in held}


def _refuse_submitted(con: sa.Connection, sheet: Any, side: str) -> None:
    if side in _submitted(con, sheet.sheet_id, sheet.round):
        raise ConflictError(f"The answers of round {sheet.round} are in already. Read the sheet anew.")


def _keep_draft(
    con: sa.Connection, sheet_id: str, side: str, given: Mapping[str, Answer], *, version: int, now: datetime
) -> int:
    sheet = _sheet(con, sheet_id)
    _refuse_submitted(con, sheet, side)
    here = sa.and_(drafts.c.sheet_id == sheet_id, drafts.c.side == side)
    held = con.execute(sa.select(drafts).where(here, drafts.c.round == sheet.round)).one_or_none()
    if (held.version if held else 0) != version:
        raise ConflictError(
            "These answers were saved elsewhere after this page was read. Read the sheet anew before saving."
        )
    con.execute(drafts.delete().where(here))
    kept = {question: [one.level, one.evidence] for question, one in given.items()}
    con.execute(
        drafts.insert().values(
            sheet_id=sheet_id, side=side, round=sheet.round, version=version + 1, answers=kept, saved_at=now
        )
    )
    return version + 1


def _view(con: sa.Connection, sheet_id: str, side: Side) -> SheetView:
    sheet = _sheet(con, sheet_id)
    rounds = []
    for number in range(1, sheet.round + 1):
        done = _submitted(con, sheet_id, number)
        seen = SIDES if len(done) == len(SIDES) else (side,)
        halves = {one: _answers(con, sheet_id, number, one) for one in seen if one in done}
        rounds.append(
            Round(
                number,
                tuple(Half(one, done.get(one), halves.get(one, {})) for one in SIDES),
            )
        )
    held = con.execute(
        sa.select(drafts).where(
            drafts.c.sheet_id == sheet_id, drafts.c.side == side, drafts.c.round == sheet.round
        )
    ).one_or_none()
    draft = {name: Answer(*one) for name, one in held.answers.items()} if held else {}
    return SheetView(
        sheet_id=sheet_id,
        opportunity_id=sheet.opportunity_id,
        vendor_name=sheet.vendor_name,
        deal_name=sheet.deal_name,
        side=side,
        rounds=tuple(rounds),
        draft={question: draft.get(question, Answer()) for question in QUESTIONS},
        draft_version=held.version if held else 0,
        saved_at=held.saved_at if held else None,
    )
