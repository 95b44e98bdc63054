"""The page where a seller tries what a change would do to a deal's chance. Nothing is kept."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from data.errors import UsageError
from features.actionable import ACTIONABLE
from serving.access.gate import Seen, allow
from serving.api.deal import deal_view
from serving.api.deal_parts import Contribution, DealView
from serving.api.helping import WhatIfGiven, WhatIfView, suggestions_view, what_if_view
from serving.api.queries import made
from serving.feature_facts import FeatureFact, feature_facts
from serving.pages import words
from serving.pages.charting import Chart
from serving.pages.render import page
from serving.pages.step_charts import CHANCE, step_rows, step_spec

__all__ = ["router"]

router = APIRouter()

_ROWS = 3
_TRUE, _FALSE = ("yes", "true", "1"), ("no", "false", "0")
_Names = Annotated[list[str], Query(max_length=50)]


@router.get("/deals/{opportunity_id}/what-if")
def what_if_page(
    request: Request,
    seen: Annotated[Seen, allow("deals")],
    opportunity_id: str,
    feature: _Names = [],  # noqa: B006 - FastAPI copies it
    value: _Names = [],  # noqa: B006
    steps: _Names = [],  # noqa: B006
) -> Response:
    """A deal rescored with features changed, or with steps taken. feature and value go in pairs."""
    view = deal_view(seen, opportunity_id)
    facts = feature_facts(seen.run)
    pairs = [
        (name, text.strip()) for name, text in zip(feature, value, strict=False) if name and text.strip()
    ]
    result, problem = None, None
    try:
        if steps:
            result = what_if_view(seen, opportunity_id, made(WhatIfGiven, {"steps": tuple(steps)}))
        elif pairs:
            changes = {name: _value(text, facts.get(name), view, name) for name, text in pairs}
            result = what_if_view(seen, opportunity_id, made(WhatIfGiven, {"changes": changes}))
    except UsageError as error:
        problem = str(error)
    return page(
        request, "what_if.html", seen,
        view=view, deal=view.deal, made=result, problem=problem, chart=_chart(result),
        choices=_choices(view, facts), rows=[*pairs, *[("", "")] * _ROWS][:max(_ROWS, len(pairs))],
        suggested=suggestions_view(seen, opportunity_id), steps=steps,
        titles={one.feature: one.title for one in view.contributions},
    )  # fmt: skip


def _value(text: str, fact: FeatureFact | None, view: DealView, name: str) -> bool | float | str:
    """The value that was typed, as the feature's kind has it."""
    held = next((one.value for one in view.contributions if one.feature == name), None)
    if (fact is not None and fact.kind == "flag") or isinstance(held, bool):
        if text.casefold() in (*_TRUE, *_FALSE):
            return text.casefold() in _TRUE
        raise UsageError(f"{name}: expected yes or no, found {text[:40]!r}.")
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return text
    if not math.isfinite(number):
        raise UsageError(f"{name}: expected a number, found {text[:40]!r}.")
    return number


def _choices(view: DealView, facts: Any) -> list[tuple[str, str]]:
    """The features that a seller can move, with what they are now."""
    movable = [one for one in view.contributions if one.feature in ACTIONABLE]
    return sorted(((one.feature, _said(one)) for one in movable), key=lambda pair: pair[1].casefold())


def _said(one: Contribution) -> str:
    return f"{one.title} (now {words.told(one.value, one.unit)})"


def _chart(held: WhatIfView | None) -> Chart | None:
    """From the published chance to the changed one; each driver by its share of the log-odds."""
    if held is None or not held.drivers:
        return None
    whole = held.log_odds_after - held.log_odds_before
    change = held.p_after - held.p_before
    if not whole:
        return None
    terms = [(one.title, change * one.moved / whole) for one in held.drivers if one.moved]
    rows = step_rows(
        ("As published", held.p_before), terms, ("As it would be", held.p_after),
        whole=words.percent, part=lambda one: words.points(one, 1).partition(" ")[0],
    )  # fmt: skip
    told = words.percent(held.p_before), words.percent(held.p_after)
    title = f"{words.points(change).capitalize()}: {told[0]} would be {told[1]}"
    note = "Each driver’s part of the change, shared out by log-odds."
    columns = (("step", "Driver", ""), ("label", "Points", ""))
    return Chart("what-if", title, note, step_spec(rows, CHANCE), columns, rows)
