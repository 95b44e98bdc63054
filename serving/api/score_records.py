"""Raw records scored through the feature code that made the published scores, as the API answers it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.explain import Driver
from serving.api.deal import evidence_answer, room_answers
from serving.api.deal_parts import DriverAnswer, ReasonAnswer
from serving.api.score_parts import RecordsGiven, RecordsView, Rejected, ScoredCurvePoint, ScoredDealAnswer
from serving.api.stamped import known, stamp
from serving.deals import Reason
from serving.live import HeldRun
from serving.timing import CloseCurve

if TYPE_CHECKING:
    from serving.score import ScoredDeal

__all__ = ["records_view"]


def records_view(run: HeldRun, given: RecordsGiven) -> RecordsView:
    """The deals' scores. Takes a tenth of a second and more: call it from a worker thread.

    Raises UsageError and ModelContractError as `serving.score.score_records` does.
    """
    from serving.score import score_records  # brings the feature code, which no start should wait for

    scored = score_records(run, given.records, given.as_of, beside=given.beside)
    return RecordsView(
        **stamp(run),
        scored_as_of=scored.as_of,
        context_as_of=scored.context_as_of,
        deals=tuple(_deal(run, one) for one in scored.deals),
        rejected=tuple(
            Rejected(**{name: getattr(one, name) for name in Rejected.model_fields})
            for one in scored.rejected
        ),
        remarks=scored.notes,
    )


def _deal(run: HeldRun, one: "ScoredDeal") -> ScoredDealAnswer:
    return ScoredDealAnswer(
        opportunity_id=one.opportunity_id,
        p_win=one.p_win,
        log_odds=one.log_odds,
        base_log_odds=one.base_log_odds,
        drivers=_drivers(one.drivers),
        contributions=one.contributions,
        features={
            name: known(held) if isinstance(held, float) else held for name, held in one.features.items()
        },
        speaks_for=_reasons(one.up),
        speaks_against=_reasons(one.down),
        evidence=evidence_answer(run, one.p_win, one.evidence),
        curve=_curve(one.p_won_by),
        **room_answers(one.room),
    )


def _drivers(held: Sequence[Driver]) -> tuple[DriverAnswer, ...]:
    return tuple(DriverAnswer(family=one.family, title=one.title, log_odds=one.log_odds) for one in held)


def _reasons(held: Sequence[Reason]) -> tuple[ReasonAnswer, ...]:
    return tuple(
        ReasonAnswer(feature=one.feature, log_odds=one.log_odds, sentence=one.sentence) for one in held
    )


def _curve(held: CloseCurve | None) -> tuple[ScoredCurvePoint, ...]:
    if held is None:
        return ()
    return tuple(
        ScoredCurvePoint(days=days, p_won_by=p) for days, p in zip(held.days, held.p_won_by, strict=True)
    )
