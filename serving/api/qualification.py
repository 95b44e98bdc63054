"""Mutual-qualification sheets: what our side types, submits and shares; how both sides' answers compare."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.api.sheet_parts import (
    Level,
    LinkAnswer,
    QuestionAnswer,
    QuestionsAnswer,
    SharedLink,
    SheetAnswer,
    SheetRow,
    SheetsAnswer,
    sheet_answer,
)
from serving.api.stamped import Given, answer, stamp
from serving.sheets.links import LINK_DAYS, MOST_LINK_DAYS, links_of, revoke_link, share_sheet
from serving.sheets.listing import sheet_lines, sheet_of_deal
from serving.sheets.questions import QUESTION_TEXTS
from serving.sheets.sheets import (
    new_round,
    open_sheet,
    read_sheet,
    save_draft,
    submit,
    take_back,
)
from serving.sheets.typed import Answer, read_answer
from serving.store import Store
from serving.typed_text import LONGEST_NAME, LONGEST_NOTE

__all__ = ["customer_address", "router", "sheet_id_of", "sheets_answer"]

router = APIRouter(tags=["qualification"])

Question = Literal["means", "decision_process", "why", "when"]


class NamesGiven(Given):
    """What the customer reads at the head of the sheet."""

    vendor_name: str = Field(min_length=1, max_length=LONGEST_NAME)
    deal_name: str = Field(min_length=1, max_length=LONGEST_NAME)


class AnswerGiven(Given):
    """An answer as typed."""

    level: Level | None = None
    evidence: str = Field("", max_length=LONGEST_NOTE)


class DraftGiven(Given):
    """Our side's answers; a question left out counts as open."""

    version: int = Field(description="`draft_version` of the sheet that was read.")
    answers: dict[Question, AnswerGiven]

    def typed(self) -> Mapping[str, Answer]:
        """The answers as they are kept."""
        return {name: read_answer(name, one.level, one.evidence) for name, one in self.answers.items()}


class LinkGiven(Given):
    """A link that is wanted."""

    recipient: str = Field("", max_length=LONGEST_NAME, description="For our side's own list.")
    days: int = Field(LINK_DAYS, ge=1, le=MOST_LINK_DAYS, description="How long it opens, in days.")


Acting = Annotated[Seen, allow("act")]


@router.get("/qualification/questions", response_model=QuestionsAnswer)
def get_questions(seen: Acting) -> Response:
    """The four questions, and what each level of an answer means."""
    texts = [
        QuestionAnswer(
            question=text.name, title=text.title, asks_vendor=text.asks["vendor"],
            asks_customer=text.asks["customer"], levels=text.levels,
        )
        for text in QUESTION_TEXTS.values()
    ]  # fmt: skip
    return answer(QuestionsAnswer(questions=tuple(texts)))


@router.get("/qualification/sheets", response_model=SheetsAnswer)
def list_sheets(request: Request, seen: Acting) -> Response:
    """The sheets of one's open deals."""
    return answer(sheets_answer(request.app.state.store, seen))


@router.get("/deals/{opportunity_id}/sheet", response_model=SheetAnswer)
def get_sheet(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """The deal's sheet, as our side sees it."""
    return _answer(request, seen, opportunity_id)


@router.put("/deals/{opportunity_id}/sheet", response_model=SheetAnswer)
def put_sheet(request: Request, seen: Acting, opportunity_id: str, given: NamesGiven) -> Response:
    """Begin the deal's sheet, or change the names that the customer reads."""
    seen.rank_of(opportunity_id)
    state = request.app.state
    open_sheet(
        state.store, opportunity_id, vendor_name=given.vendor_name, deal_name=given.deal_name,
        by=seen.actor.user_id, now=state.now(),
    )  # fmt: skip
    return _answer(request, seen, opportunity_id)


@router.put("/deals/{opportunity_id}/sheet/draft", response_model=SheetAnswer)
def put_draft(request: Request, seen: Acting, opportunity_id: str, given: DraftGiven) -> Response:
    """Keep what our side has typed so far; nobody else sees it."""
    state = request.app.state
    sheet_id = sheet_id_of(state.store, seen, opportunity_id)
    save_draft(state.store, sheet_id, "vendor", given.typed(), version=given.version, now=state.now())
    return _answer(request, seen, opportunity_id)


@router.post("/deals/{opportunity_id}/sheet/submission", response_model=SheetAnswer)
def post_submission(request: Request, seen: Acting, opportunity_id: str, given: DraftGiven) -> Response:
    """Submit our side's four answers of the open round."""
    state = request.app.state
    sheet_id = sheet_id_of(state.store, seen, opportunity_id)
    submit(
        state.store, sheet_id, "vendor", given.typed(), version=given.version, by=seen.actor.user_id,
        now=state.now(),
    )  # fmt: skip
    return _answer(request, seen, opportunity_id)


@router.delete("/deals/{opportunity_id}/sheet/submission", response_model=SheetAnswer)
def delete_submission(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """Turn our side's answers into a draft again, while the customer's side has not submitted."""
    state = request.app.state
    take_back(state.store, sheet_id_of(state.store, seen, opportunity_id), "vendor", now=state.now())
    return _answer(request, seen, opportunity_id)


@router.post("/deals/{opportunity_id}/sheet/rounds", response_model=SheetAnswer)
def post_round(request: Request, seen: Acting, opportunity_id: str) -> Response:
    """Open a new round; the complete ones are kept."""
    store = request.app.state.store
    new_round(store, sheet_id_of(store, seen, opportunity_id))
    return _answer(request, seen, opportunity_id)


@router.post("/deals/{opportunity_id}/sheet/links", response_model=SharedLink, status_code=201)
def post_link(request: Request, seen: Acting, opportunity_id: str, given: LinkGiven) -> Response:
    """Make a link by which the customer's side answers, without an account."""
    state = request.app.state
    token, line = share_sheet(
        state.store, sheet_id_of(state.store, seen, opportunity_id), recipient=given.recipient,
        by=seen.actor.user_id, now=state.now(), days=given.days,
    )  # fmt: skip
    shared = SharedLink(
        **stamp(seen.run), address=customer_address(request, token), link=LinkAnswer(**vars(line))
    )
    return answer(shared, status=201)


@router.delete("/deals/{opportunity_id}/sheet/links/{link_id}", response_model=SheetAnswer)
def delete_link(request: Request, seen: Acting, opportunity_id: str, link_id: str) -> Response:
    """Withdraw a link: from now on it opens nothing."""
    state = request.app.state
    revoke_link(state.store, sheet_id_of(state.store, seen, opportunity_id), link_id, now=state.now())
    return _answer(request, seen, opportunity_id)


def sheet_id_of(store: Store, seen: Seen, opportunity_id: str) -> str:
    """The id of the deal's sheet. Raises NotFound for a deal that is not seen, or has none."""
    seen.rank_of(opportunity_id)
    found = sheet_of_deal(store, opportunity_id)
    if found is None:
        raise NotFound("This deal has no sheet yet.")
    return found


def sheets_answer(store: Store, seen: Seen) -> SheetsAnswer:
    """The sheets of the open deals that the viewer sees."""
    ids = seen.run.deals.ids[seen.scope.mask(seen.run)].tolist()
    rows = tuple(SheetRow(**vars(line)) for line in sheet_lines(store, ids))
    return SheetsAnswer(**stamp(seen.run), sheets=rows)


def customer_address(request: Request, token: str) -> str:
    """Where the customer's side finds its half of the sheet."""
    base = request.app.state.settings.public_url or str(request.base_url)
    return f"{base.rstrip('/')}/customer/{token}"


def _answer(request: Request, seen: Seen, opportunity_id: str) -> Response:
    store = request.app.state.store
    sheet_id = sheet_id_of(store, seen, opportunity_id)
    return answer(sheet_answer(seen, read_sheet(store, sheet_id, "vendor"), links_of(store, sheet_id)))
