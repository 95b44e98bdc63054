"""The records behind a factor of a deal: what happened, when, and since when it may be known."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from serving.access.errors import NotFound
from serving.access.gate import Seen, allow
from serving.access.hidden import hidden_features
from serving.api.deal_parts import Value
from serving.api.deal_rows import values_at
from serving.api.factors import told_of
from serving.api.stamped import Answered, Stamped, answer, known, stamp

__all__ = ["EvidenceView", "evidence_view", "router"]

router = APIRouter(tags=["deals"])


class EvidenceRowAnswer(Answered):
    """A row that the value rests on."""

    source: str = Field(description="The canonical table.")
    row_id: str | None = Field(description="Its key there; null for a table without a single key.")
    happened_at: AwareDatetime | None
    visible_at: AwareDatetime | None = Field(description="Since when it may be seen.")
    what: str = Field(description="Its facts, as the CRM has them.")


class EvidenceView(Stamped):
    """The rows behind a feature of a deal."""

    opportunity_id: str
    feature: str
    title: str
    unit: str
    value: Value = Field(description="As the model sees it, in `unit`; null if missing or not published.")
    rows: tuple[EvidenceRowAnswer, ...] = Field(description="The latest first.")
    note: str | None = Field(description="Which rows are not listed here; null if these are all.")


def evidence_view(seen: Seen, opportunity_id: str, feature: str) -> EvidenceView:
    """The rows behind the feature. Raises NotFound for a deal or factor not seen, UsageError for none."""
    rank = seen.rank_of(opportunity_id)
    if hidden_features(seen, opportunity_id, [feature]):
        raise NotFound
    from serving.evidence import rows_behind  # brings the feature code, which no start should wait for

    held = rows_behind(seen.run, opportunity_id, feature)
    told = told_of(seen.run).get(feature)
    value = values_at(seen.run, rank, [feature]).get(feature)
    return EvidenceView(
        **stamp(seen.run),
        opportunity_id=opportunity_id,
        feature=feature,
        title=told.title if told else feature,
        unit=told.unit if told else "",
        value=known(value) if isinstance(value, float) else value,
        rows=tuple(EvidenceRowAnswer(**vars(one)) for one in held.rows),
        note=held.note,
    )


@router.get("/deals/{opportunity_id}/evidence/{feature}", response_model=EvidenceView)
def get_evidence(seen: Annotated[Seen, allow("deals")], opportunity_id: str, feature: str) -> Response:
    """The records that a feature of a deal is computed from."""
    return answer(evidence_view(seen, opportunity_id, feature))
