"""Steps about what is said: answers both sides owe, references asked for, promises to end honestly."""

from collections.abc import Iterator, Sequence

from data.schema import QUESTIONS, SIDES
from features.steps_deal import LATELY_DAYS, Reached, Standing, Step, id_part
from features.steps_rows import Rows, answered, merged_rows, met, moment

__all__ = ["answers", "demo", "partnership", "reference"]

_FOUNDED = 3
"""The level from which on an answer is well founded, see `features.streams.motive`."""

_MOST_PROMISES = 2
_AROUND = 3
_LONGEST = 60
_ABOUT = {
    "means": "the means",
    "decision_process": "the decision process",
    "why": "why they buy",
    "when": "when they buy",
}


def answers(deal: Standing) -> Iterator[Step]:
    """Answer an open question on both sides, well founded; and all open ones together."""
    held = {(row["question"], row["side"]): row["answer"] for row in deal.answers}
    given = {question: tuple(held.get((question, side)) for side in SIDES) for question in QUESTIONS}
    still_open = [question for question in QUESTIONS if any((one or 0) < _FOUNDED for one in given[question])]
    steps = [_answer(deal, question, given[question]) for question in still_open]
    yield from steps
    if len(steps) > 1:
        listed = [_ABOUT[question] for question in still_open]
        yield Step(
            "answer:all",
            "Fill in the qualification sheet together",
            f"Open are {', '.join(listed[:-1])} and {listed[-1]}. Share the sheet, and bring both sides to "
            f"level {_FOUNDED} of 4 (well founded).",
            (steps[0].about[0], Reached("questions_agreed"), *(one for step in steps for one in step.about)),
            frozenset().union(*(step.of for step in steps)),
            merged_rows(*(step.rows for step in steps)),
        )


def _answer(deal: Standing, question: str, given: Sequence[int | None]) -> Step:
    vendor, customer = ("no answer" if one is None else f"level {one} of 4" for one in given)
    rows = [
        answered(question, side, _FOUNDED, deal.at)
        for side, level in zip(SIDES, given, strict=True)
        if level is None or level < _FOUNDED
    ]
    moved = [row["qualification"][0]["side"] for row in rows]
    reached = sorted(SIDES, key=lambda side: (side not in moved, side))  # the customer's answer comes first
    return Step(
        f"answer:{question}",
        f"Answer together: {_ABOUT[question]}",
        f"On {_ABOUT[question]}, our side stands at {vendor} and the buyer at {customer}. Bring both to "
        f"level {_FOUNDED} (well founded).",
        tuple(Reached(f"{question}_level_{side}", level=_FOUNDED) for side in reached),
        frozenset({f"question:{question}"}),
        merged_rows(*rows),
    )


def reference(deal: Standing) -> Iterator[Step]:
    """Bring the reference that was asked for and has not come."""
    asked, came = deal.days_since("reference_requested"), deal.days_since("reference_delivered")
    if asked is None or (came is not None and came <= asked):
        return
    call = met(deal.with_contact(), deal.at, "call")
    brought = {
        "activity_id": "call",
        "kind": "reference_delivered",
        "occurred_at": deal.at,
        "known_at": deal.at,
    }
    yield Step(
        "reference",
        "Bring the reference they asked for",
        f"A reference was asked for {_ago(asked)}, and none is recorded since. Let a customer of yours "
        "speak with them.",
        (Reached("ways_out_seen"),),
        frozenset({"reference"}),
        merged_rows(call, {"text_moments": (brought,)}),
    )


def partnership(deal: Standing) -> Iterator[Step]:
    """Offer beta or launch partnership instead of what was promised: those longest overdue first."""
    since = deal.days_since("beta_or_launch_partner")
    if since is not None and since <= LATELY_DAYS:
        return
    still_open = [row for row in deal.promises if row["state"] == "open"]
    still_open.sort(
        key=lambda row: (-(row["days_overdue"] or 0), -row["days_outstanding"], row["feature"] or "")
    )
    for place, row in enumerate(still_open[:_MOST_PROMISES]):
        feature, late = row["feature"], row["days_overdue"]
        what = f"“{_short(feature)}”" if feature else "the promised feature"
        ended = {"feature": feature, "event": "withdrawn", "occurred_at": deal.at, "known_at": deal.at}
        if row["derived"]:  # what a note promised is withdrawn by a note: threads of their own
            withdrawn: Rows = {"text_promises": ({**ended, "activity_id": "note"},)}
        else:
            withdrawn = {"promises": (ended,)}
        state = f"overdue by {late:.0f} days" if late else f"open for {row['days_outstanding']:.0f} days"
        yield Step(
            f"partner:{id_part(feature or str(place))}",
            f"Offer beta or launch partnership for {what}",
            f"{what[:1].upper()}{what[1:]} is promised and {state}. Say openly that it is not shipped, and "
            "offer a part in its beta instead of the promise.",
            (Reached("beta_offers"), Reached("promises_open", up=False)),
            frozenset({"partner", f"promise:{feature}"}),
            merged_rows(withdrawn, moment("beta_or_launch_partner", deal.at)),
        )


def demo(deal: Standing) -> Iterator[Step]:
    """Show what exists where the deal rests on what does not."""
    dependence = deal.values.get("promised_feature_dependence")
    people = [one.contact_id for one in deal.people if one.touches][:_AROUND]
    if not dependence or not people:
        return
    yield Step(
        "demo",
        "Show what is shipped today",
        f"{100 * dependence:.0f} % of what the deal rests on is not shipped. Hold a demo of what exists "
        "with those who are in touch.",
        (Reached("promised_feature_dependence", up=False),),
        frozenset({"demo"}),
        met(people, deal.at, "demo"),
    )


def _ago(days: float) -> str:
    return "today" if days < 1 else f"{days:.0f} {'day' if round(days) == 1 else 'days'} ago"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
