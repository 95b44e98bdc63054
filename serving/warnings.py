"""What a seller should look at on a deal: warnings, each from published features, each naming its feature.

The limits are ours, not the model's: a warning says what stands out, the contributions say what it weighs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["RULES", "Rule", "Severity", "Warned", "features_read", "warnings_of"]

Severity = Literal["high", "medium"]
_Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """code: its name for programs. title: in two or three words. feature: the one it rests on.

    says: the sentence for a deal's values, None where there is nothing to warn of. reads: further features in
    the sentence.
    """

    code: str
    severity: Severity
    title: str
    feature: str
    says: Callable[[_Values], str | None]
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warned:
    """A warning on a deal. value: of `feature`, as the model sees it."""

    code: str
    severity: Severity
    title: str
    sentence: str
    feature: str
    value: float | bool


_SILENT_DAYS = 30
_SLOW = 2.0
_PUSHES = 3
_SPIRAL_PHASE = 3
_STALE_DAYS = 60
_IDLE_DAYS = 14


def _count(name: str, one: str, several: str, at_least: int = 1) -> Callable[[_Values], str | None]:
    """A sentence from a count; nothing below `at_least`."""

    def says(values: _Values) -> str | None:
        n = values.get(name)
        if n is None or n < at_least:
            return None
        return one if n == 1 else several.format(n=int(n))

    return says


def _flag(name: str, said: str) -> Callable[[_Values], str | None]:
    return lambda values: said if values.get(name) else None


def _overdue(values: _Values) -> str | None:
    days = values.get("days_to_expected_close")
    if days is None or days >= 0:
        return None
    return f"The expected close date passed {_days(-days)} ago."


def _silent(values: _Values) -> str | None:
    days = values.get("days_since_two_way")
    return None if days is None or days < _SILENT_DAYS else f"Nothing heard from the buyer for {_days(days)}."


def _slow(values: _Values) -> str | None:
    times, days = values.get("days_in_stage_vs_norm"), values.get("days_in_stage")
    if times is None or times < _SLOW:
        return None
    spent = f" for {_days(days)}" if days is not None else ""
    return f"In this stage{spent}, {times:.1f} times as long as deals that were won."


def _stale(side: str, whose: str) -> Callable[[_Values], str | None]:
    def says(values: _Values) -> str | None:
        days = values.get(f"answer_age_{side}")
        return None if days is None or days < _STALE_DAYS else f"{whose} answers are {_days(days)} old."

    return says


def _one_sided(values: _Values) -> str | None:
    ours, theirs = values.get("questions_answered_vendor"), values.get("questions_answered_customer")
    return "The buyer has answered none of the four questions." if ours and theirs == 0 else None


def _idle(values: _Values) -> str | None:
    if values.get("next_meeting_booked") is not False:
        return None
    days = values.get("days_since_activity")
    if days is None or days < _IDLE_DAYS:
        return None
    return f"No meeting is booked, and nothing has happened for {_days(days)}."


def _days(days: float) -> str:
    whole = max(1, round(days))
    return f"{whole:,} day{'' if whole == 1 else 's'}"


RULES: tuple[Rule, ...] = (
    Rule(
        "close_date_passed", "high", "Close date passed", "days_to_expected_close", _overdue,
    ),
    Rule(
        "stalled_on_blocker", "high", "Stalled on a blocker", "is_stalled_on_blocker",
        _flag("is_stalled_on_blocker",
              "No two-way contact for two weeks while a blocker was never spoken to."),
    ),
    Rule(
        "veto_untouched", "high", "Veto untouched", "blockers_untouched",
        _count("blockers_untouched", "A blocker is known whom nobody has spoken to.",
               "{n} blockers are known whom nobody has spoken to."),
    ),
    Rule(
        "promise_overdue", "high", "Promise overdue", "promises_overdue",
        _count("promises_overdue", "A promised feature is overdue.", "{n} promised features are overdue."),
    ),
    Rule(
        "spiral", "high", "Promise spiral", "spiral_phase",
        _count("spiral_phase", "", "The spiral of promises has reached phase {n} of 7.", _SPIRAL_PHASE),
    ),
    Rule("silent", "high", "Buyer silent", "days_since_two_way", _silent),
    Rule("stalled", "medium", "Slow in its stage", "days_in_stage_vs_norm", _slow, ("days_in_stage",)),
    Rule(
        "single_threaded", "medium", "Single-threaded", "is_single_threaded",
        _flag("is_single_threaded", "One contact alone took part in the last 90 days."),
    ),
    Rule(
        "close_date_pushed", "medium", "Close date pushed", "close_date_pushes",
        _count("close_date_pushes", "", "The expected close date was pushed {n} times.", _PUSHES),
    ),
    Rule(
        "fomo_only", "medium", "Fear of missing out alone", "is_fomo_only",
        _flag("is_fomo_only", "Fear of missing out is the only motive on record."),
    ),
    Rule(
        "qualification_one_sided", "medium", "One-sided qualification", "questions_answered_customer",
        _one_sided, ("questions_answered_vendor",),
    ),
    Rule(
        "qualification_stale", "medium", "Stale qualification", "answer_age_vendor",
        _stale("vendor", "Our"),
    ),
    Rule(
        "buyer_answers_stale", "medium", "Stale qualification", "answer_age_customer",
        _stale("customer", "The buyer's"),
    ),
    Rule(
        "no_next_step", "medium", "No next step", "next_meeting_booked", _idle, ("days_since_activity",),
    ),
)  # fmt: skip
"""Every warning there is, the gravest first."""


def features_read() -> tuple[str, ...]:
    """The features that the warnings need, each once."""
    return tuple(dict.fromkeys(name for rule in RULES for name in (rule.feature, *rule.reads)))


def warnings_of(values: Mapping[str, Any]) -> tuple[Warned, ...]:
    """The warnings on a deal, the gravest first, from its published features by name.

    A feature that was not published, or is missing, warns of nothing.

    >>> [held.sentence for held in warnings_of({"days_to_expected_close": -12.2, "promises_overdue": 2})]
    ['The expected close date passed 12 days ago.', '2 promised features are overdue.']
    """
    found = []
    for rule in RULES:
        said = rule.says(values)
        if said is not None:
            found.append(
                Warned(rule.code, rule.severity, rule.title, said, rule.feature, values[rule.feature])
            )
    return tuple(found)
