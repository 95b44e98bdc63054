"""One deal: its chance taken apart, when it will be won, who is missing, what was promised and answered."""

from datetime import timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from starlette.responses import Response

from models.explain import drivers
from models.track_record import wilson_interval
from serving.access.gate import Seen, allow
from serving.access.hidden import OTHER, OTHER_TITLE
from serving.api.deal_parts import (
    Contribution,
    Curve,
    CurvePoint,
    DealView,
    DriverAnswer,
    EvidenceAnswer,
    MomentAnswer,
    PromiseAnswer,
    QualificationAnswer,
    ReasonAnswer,
    RoleAnswer,
    SpiralAnswer,
    SpiralStep,
    TrendAnswer,
)
from serving.api.deal_rows import deal_row
from serving.api.factors import Factors, factors_of, told_of, values_of, visible_features
from serving.api.stamped import stamp
from serving.grade import trend_of
from serving.live import HeldRun
from serving.live.memo import Memo
from serving.room import MOMENTS, PROMISES, QUALIFICATION, ROLES, SPIRAL, DealRoom
from serving.timing import KNOTS, TIMING, CloseCurve

__all__ = ["curve_of", "deal_body", "deal_view", "evidence_answer", "room_answers", "room_of", "router"]

router = APIRouter(tags=["deals"])

_BODIES = 512


def deal_view(seen: Seen, opportunity_id: str) -> DealView:
    """Everything about the deal. Raises NotFound for one that is not there or not seen."""
    rank = seen.rank_of(opportunity_id)
    run, deals, factors = seen.run, seen.run.deals, factors_of(seen, rank)
    mask = seen.scope.mask(run)
    speaks_for, speaks_against = _reasons(seen, rank)
    return DealView(
        **stamp(run),
        deal=deal_row(seen, rank),
        rank=int(mask[: rank + 1].sum()),
        of=int(mask.sum()),
        log_odds=float(deals.log_odds[rank]),
        base_log_odds=float(deals.base_log_odds[rank]),
        evidence=evidence_answer(run, float(deals.p_win[rank]), deals.evidence[rank]),
        trend=_trend(run, rank),
        drivers=_drivers(run, factors),
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        contributions=_contributions(run, rank, factors),
        other_log_odds=factors.other,
        n_other=factors.n_other,
        curve=curve_of(run, rank),
        **room_answers(room_of(run, opportunity_id)),
    )


def deal_body(seen: Seen, opportunity_id: str) -> bytes:
    """The view as JSON, written once for all who see the same of the run."""
    bodies = seen.run.memo("deal bodies", lambda: Memo(_BODIES))
    return bodies.get(
        (opportunity_id, seen.scope.key, seen.run.notices()),
        lambda: deal_view(seen, opportunity_id).model_dump_json().encode(),
    )


@router.get("/deals/{opportunity_id}", response_model=DealView)
async def get_deal(seen: Annotated[Seen, allow("deals")], opportunity_id: str) -> Response:
    """One open deal, in full."""
    return Response(deal_body(seen, opportunity_id), media_type="application/json")


def evidence_answer(run: HeldRun, p: float, note: str | None) -> EvidenceAnswer:
    """How past deals with a like probability ended, from the model's track record where it is at hand."""
    held = next((one for one in run.track_record if one.low <= p < one.high or p == one.high == 1), None)
    if held is None or not held.deals:
        return EvidenceAnswer(
            note=note, past_deals=held.deals if held else None, scored_from=held.low if held else None,
            scored_to=held.high if held else None, won_share=None, won_low=None, won_high=None,
        )  # fmt: skip
    low, high = wilson_interval(held.won, held.deals)
    return EvidenceAnswer(
        note=note, past_deals=held.deals, scored_from=held.low, scored_to=held.high,
        won_share=held.won / held.deals, won_low=low, won_high=high,
    )  # fmt: skip


def curve_of(run: HeldRun, rank: int) -> Curve | None:
    """The deal's curve with its dates; None in a run published without curves."""
    rows = run.rows(TIMING, run.deals.ids[rank])
    if not rows:
        return None
    held = CloseCurve((0, *KNOTS), (0.0, *(rows[0][f"p_won_by_{days}"] for days in KNOTS)), rows[0]["p_win"])
    start = run.as_of.date()
    closes = run.deals.expected_close_on[rank].item()
    ahead = None if closes is None else max(0.0, (closes - start).days + 1.0)
    return Curve(
        points=tuple(
            CurvePoint(days=days, on=start + timedelta(days=days), p_won_by=p)
            for days, p in zip(held.days, held.p_won_by, strict=True)
        ),
        expected_close_on=closes,
        p_won_by_expected_close=None
        if ahead is None
        else held.at(ahead if (closes - start).days >= 0 else 0.0),
    )


def room_of(run: HeldRun, opportunity_id: str) -> DealRoom:
    """What stands beside the score, as `serving.room.deal_room` reads it."""
    return DealRoom(
        *(tuple(run.rows(name, opportunity_id)) for name in (ROLES, PROMISES, SPIRAL, QUALIFICATION, MOMENTS))
    )


def room_answers(room: DealRoom) -> dict[str, Any]:
    """What stands beside a score, by the fields of `DealView`."""
    return {
        "roles": tuple(_role(row) for row in room.roles),
        "promises": _copied(PromiseAnswer, room.promises),
        "spiral": SpiralAnswer(phase=room.phase, steps=_copied(SpiralStep, room.spiral)),
        "qualification": _copied(QualificationAnswer, room.qualification),
        "moments": _copied(MomentAnswer, room.moments),
    }


def _trend(run: HeldRun, rank: int) -> TrendAnswer | None:
    before, now = float(run.deals.previous_p_win[rank]), float(run.deals.p_win[rank])
    held = trend_of([now] if np.isnan(before) else [before, now])
    return None if held is None else TrendAnswer(**vars(held))


def _drivers(run: HeldRun, factors: Factors) -> tuple[DriverAnswer, ...]:
    told = told_of(run)
    found = [
        DriverAnswer(family=one.family, title=one.title, log_odds=one.log_odds)
        for one in drivers(factors.visible, {name: told[name].family for name in factors.visible})
    ]
    if factors.n_other:
        found.append(DriverAnswer(family=OTHER, title=OTHER_TITLE, log_odds=factors.other))
    return tuple(found)


def _contributions(run: HeldRun, rank: int, factors: Factors) -> tuple[Contribution, ...]:
    told, values = told_of(run), values_of(run, rank)
    ranked = sorted(factors.visible.items(), key=lambda held: (-abs(held[1]), held[0]))
    # not validated one by one: two hundred of them are half of the time that a deal takes
    return tuple(
        Contribution.model_construct(
            feature=name, title=told[name].title, family=told[name].family, unit=told[name].unit,
            value=_shown(values[name]), log_odds=log_odds,
        )
        for name, log_odds in ranked
    )  # fmt: skip


def _shown(value: Any) -> Any:
    """A feature's value; None where it is not a number that JSON can hold."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _reasons(seen: Seen, rank: int) -> tuple[tuple[ReasonAnswer, ...], tuple[ReasonAnswer, ...]]:
    rows = seen.run.rows("win_reasons.parquet", seen.run.deals.ids[rank])
    shown = visible_features(seen, rank, [row["feature"] for row in rows])
    told = [_reason(row) for row in rows if row["feature"] in shown]
    return tuple(one for one in told if one.log_odds > 0), tuple(one for one in told if one.log_odds < 0)


def _reason(row: dict[str, Any]) -> ReasonAnswer:
    return ReasonAnswer(feature=row["feature"], log_odds=row["log_odds"], sentence=row["sentence"])


def _role(row: dict[str, Any]) -> RoleAnswer:
    held = {name: row[name] for name in RoleAnswer.model_fields if name != "missing"}
    return RoleAnswer(**held, missing=not row["engaged"] and bool(row["expected_share"]))


def _copied(kind: type[Any], rows: tuple[dict[str, Any], ...]) -> tuple[Any, ...]:
    """The rows as answers; what a row holds beside the answer's fields is left out."""
    names = list(kind.model_fields)
    return tuple(kind(**{name: row[name] for name in names}) for row in rows)
