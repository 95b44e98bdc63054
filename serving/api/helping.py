"""What would help a deal, and what if: steps as published, and features changed by hand, both rescored."""

from collections.abc import Collection, Iterable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, model_validator
from starlette.responses import Response

from data.errors import UsageError
from serving.access.gate import Seen, allow
from serving.access.hidden import OTHER, OTHER_TITLE, hidden_features
from serving.api.deal_parts import DriverAnswer, Value
from serving.api.factors import words
from serving.api.stamped import Answered, Given, Stamped, answer, known, stamp
from serving.suggestions import ASSOCIATION, Suggestion, alike_of, no_suggestions, suggestions
from serving.what_if import what_if, what_if_steps
from serving.what_if_parts import Change, FeatureMove, WhatIf

__all__ = [
    "SuggestionsView", "WhatIfGiven", "WhatIfView", "router", "suggestions_view", "what_if_view",
]  # fmt: skip

router = APIRouter(tags=["deals"])

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class SuggestionAnswer(Answered):
    """A step, or a pair of steps, rescored by the real model."""

    rank: int
    steps: tuple[str, ...] = Field(description="Ids of the steps.")
    title: str
    sentence: str
    label: str = Field(description="How far the past speaks for it.")
    feature: str = Field(description="What the step is to move first.")
    value_before: float | None = Field(description="In the feature's unit.")
    value_after: float | None
    p_before: float = Field(description="Probability of being won, 0 to 1.")
    p_after: float = Field(description="The same after the step.")
    gain_log_odds: float = Field(description="log-odds(p_after) − log-odds(p_before) = Σ drivers.")
    gain_points: float = Field(description="Percentage points of probability.")
    similar_deals: int = Field(description="Past deals alike that once stood there.")
    similar_won: int
    seen: bool = Field(description="False: beyond what was seen in past deals.")
    low: float | None = Field(description="Lower end of the middle 80 % of the feature's values in them.")
    high: float | None
    drivers: tuple[DriverAnswer, ...] = Field(description="What the step moves, by family.")


class SuggestionsView(Stamped):
    """What would help a deal most: associations that the model learnt, not proof."""

    opportunity_id: str
    suggestions: tuple[SuggestionAnswer, ...] = Field(description="The largest gain first.")
    compared_with: str | None = Field(description="The past deals alike, in words.")
    alike_deals: int | None
    alike_won: int | None
    why_none: str | None = Field(description="Why there are none.")
    note: str = Field(description="What kind of knowledge this is.")


class WhatIfGiven(Given):
    """What is changed: features, or steps as suggested."""

    changes: dict[_Name, bool | int | float | str] = Field(
        default={}, max_length=50, description="Actionable features and their values, in their units."
    )
    steps: tuple[_Name, ...] = Field(default=(), max_length=5, description="Ids of suggested steps.")

    @model_validator(mode="after")
    def _check_one(self) -> "WhatIfGiven":
        if bool(self.changes) == bool(self.steps):
            raise ValueError("expected changes or steps, one of the two")
        return self


class ChangeAnswer(Answered):
    """A feature that was changed."""

    feature: str
    before: Value
    after: Value
    smallest: float | None = Field(description="The smallest value in past deals alike; null if unknown.")
    low: float | None = Field(description="The middle 80 % begins here.")
    high: float | None = Field(description="The middle 80 % ends here.")
    largest: float | None
    beyond: bool = Field(description="Outside of what was seen in past deals alike.")


class MoveAnswer(Answered):
    """A contribution before and after, in log-odds."""

    name: str = Field(description="Of a feature, or of a family of them.")
    title: str
    before: float
    after: float
    moved: float


class WhatIfView(Stamped):
    """A deal's score as published and as it would be; log_odds_after − log_odds_before = Σ moved, to 1e-6."""

    opportunity_id: str
    p_before: float = Field(description="Probability of being won as published, 0 to 1.")
    p_after: float = Field(description="As it would be.")
    points: float = Field(description="The difference, in percentage points.")
    log_odds_before: float
    log_odds_after: float
    suggestion: SuggestionAnswer | None = Field(description="The steps asked for; null where features were.")
    changes: tuple[ChangeAnswer, ...]
    drivers: tuple[MoveAnswer, ...] = Field(description="By family, those that moved most first.")
    features: tuple[MoveAnswer, ...] = Field(description="Those that moved, the most first.")
    recomputed: tuple[str, ...] = Field(description="Features that the model works out from changed ones.")
    unmoved: tuple[str, ...] = Field(description="Made of the same records, and left as they were.")
    compared_with: str | None = Field(description="The past deals alike, in words.")
    note: str


def suggestions_view(seen: Seen, opportunity_id: str, top: int | None = None) -> SuggestionsView:
    """What would help the deal, at most `top`. Raises NotFound for one not seen."""
    seen.rank_of(opportunity_id)
    found = suggestions(seen.run, opportunity_id, top)
    alike = alike_of(seen.run, opportunity_id)
    return SuggestionsView(
        **stamp(seen.run),
        opportunity_id=opportunity_id,
        suggestions=tuple(_suggestion(one) for one in found),
        compared_with=alike.words if alike else None,
        alike_deals=alike.deals if alike else None,
        alike_won=alike.won if alike else None,
        why_none=None if found else no_suggestions(seen.run),
        note=ASSOCIATION,
    )


def what_if_view(seen: Seen, opportunity_id: str, given: WhatIfGiven) -> WhatIfView:
    """The deal's score if it stood otherwise. Raises NotFound for one not seen, UsageError otherwise."""
    seen.rank_of(opportunity_id)
    if given.steps:
        return _of_steps(seen, opportunity_id, what_if_steps(seen.run, opportunity_id, given.steps))
    closed = hidden_features(seen, opportunity_id, given.changes)
    if closed:
        raise UsageError(f"{min(closed)}: not a feature that you can change on this deal.")
    return _of_features(seen, what_if(seen.run, opportunity_id, given.changes))


@router.get("/deals/{opportunity_id}/suggestions", response_model=SuggestionsView)
def get_suggestions(
    seen: Annotated[Seen, allow("deals")],
    opportunity_id: str,
    top: Annotated[int | None, Query(ge=1, le=100, description="At most so many.")] = None,
) -> Response:
    """What would help a deal, ranked by gain."""
    return answer(suggestions_view(seen, opportunity_id, top))


@router.post("/deals/{opportunity_id}/what-if", response_model=WhatIfView)
def post_what_if(seen: Annotated[Seen, allow("deals")], opportunity_id: str, given: WhatIfGiven) -> Response:
    """A deal rescored with features changed, or with steps taken. Nothing is kept."""
    return answer(what_if_view(seen, opportunity_id, given))


def _of_features(seen: Seen, held: WhatIf) -> WhatIfView:
    features, other = _moves(seen, held)
    drivers = _by_family(held, {one.name for one in features})
    return WhatIfView(
        **stamp(seen.run),
        opportunity_id=held.opportunity_id,
        p_before=held.p_before,
        p_after=held.p_after,
        points=100 * (held.p_after - held.p_before),
        log_odds_before=held.log_odds_before,
        log_odds_after=held.log_odds_after,
        suggestion=None,
        changes=tuple(_change(one) for one in held.changes),
        drivers=(*drivers, *other),
        features=tuple(one for one in (*features, *other) if one.moved),
        recomputed=_seen_names(seen, held.opportunity_id, held.recomputed),
        unmoved=_seen_names(seen, held.opportunity_id, held.unmoved),
        compared_with=held.compared_with,
        note=held.note,
    )


def _of_steps(seen: Seen, opportunity_id: str, one: Suggestion) -> WhatIfView:
    rank, alike = seen.rank_of(opportunity_id), alike_of(seen.run, opportunity_id)
    before = float(seen.run.deals.log_odds[rank])
    moved = [
        MoveAnswer(name=held.family, title=held.title, before=0.0, after=held.log_odds, moved=held.log_odds)
        for held in one.drivers
    ]
    return WhatIfView(
        **stamp(seen.run),
        opportunity_id=opportunity_id,
        p_before=one.p_before,
        p_after=one.p_after,
        points=one.gain_points,
        log_odds_before=before,
        log_odds_after=before + one.gain_log_odds,
        suggestion=_suggestion(one),
        changes=(),
        drivers=tuple(moved),
        features=(),
        recomputed=(),
        unmoved=(),
        compared_with=alike.words if alike else None,
        note=ASSOCIATION,
    )


def _suggestion(one: Suggestion) -> SuggestionAnswer:
    names = set(SuggestionAnswer.model_fields) - {"drivers", "low", "high", "value_before", "value_after"}
    return SuggestionAnswer(
        **{name: getattr(one, name) for name in names},
        low=known(one.low),
        high=known(one.high),
        value_before=known(one.value_before),
        value_after=known(one.value_after),
        drivers=tuple(
            DriverAnswer(family=held.family, title=held.title, log_odds=held.log_odds) for held in one.drivers
        ),
    )


def _change(one: Change) -> ChangeAnswer:
    held = one.range
    return ChangeAnswer(
        feature=one.feature,
        before=known(one.before) if isinstance(one.before, float) else one.before,
        after=one.after,
        smallest=held.smallest if held else None,
        low=held.low if held else None,
        high=held.high if held else None,
        largest=held.largest if held else None,
        beyond=one.beyond,
    )


def _moves(seen: Seen, held: WhatIf) -> tuple[list[MoveAnswer], list[MoveAnswer]]:
    """Every feature that the viewer may see, those that moved most first; and the others summed, if any."""
    closed = hidden_features(seen, held.opportunity_id, [one.feature for one in held.features])
    shown = [
        _move(one.feature, words(one.feature), [one]) for one in held.features if one.feature not in closed
    ]
    hidden = [one for one in held.features if one.feature in closed]
    return shown, [_move(OTHER, OTHER_TITLE, hidden)] if hidden else []


def _by_family(held: WhatIf, shown: Collection[str]) -> tuple[MoveAnswer, ...]:
    moves = [
        _move(
            one.family, one.title, [f for f in held.features if f.family == one.family and f.feature in shown]
        )
        for one in held.drivers
    ]
    return tuple(sorted(moves, key=lambda one: (-abs(one.moved), one.name)))


def _move(name: str, title: str, parts: Iterable[FeatureMove]) -> MoveAnswer:
    every = list(parts)
    before, after = sum(one.before for one in every), sum(one.after for one in every)
    return MoveAnswer(
        name=name, title=title, before=before, after=after, moved=sum(one.moved for one in every)
    )


def _seen_names(seen: Seen, opportunity_id: str, names: tuple[str, ...]) -> tuple[str, ...]:
    closed = hidden_features(seen, opportunity_id, names)
    return tuple(name for name in names if name not in closed)
