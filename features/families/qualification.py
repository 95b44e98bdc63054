"""Mutual qualification (belief 4: both sides must answer means, decision process, why and when)."""

from features.families.entries import Entries
from features.feature import Feature
from features.measures import count, days_since, last, ratio, total

__all__ = ["FEATURES"]

_BELIEF = "Belief 4: qualification is mutual; the sides must agree. Not yet tested."

_feature = Entries("qualification", _BELIEF)


def _of_side(side: str, whom: str) -> tuple[Feature, ...]:
    return (
        _feature(
            f"questions_answered_{side}", "count", "questions", count("answers", side=side),
            f"Of means, decision process, why and when: how many {whom} has answered; zero if none.",
            "higher is better", f"{whom.capitalize()} answered {{value}} of 4 questions",
            f"{whom.capitalize()} has answered no question",
        ),
        _feature(
            f"answer_level_{side}", "number", "level of 4",
            ratio(total("answers", "answer", side=side), count("answers", side=side)),
            f"Mean level (0 to 4) of the answers of {whom}; null without an answer.",
            "higher is better", f"The answers of {whom} are at level {{value}} of 4",
            f"{whom.capitalize()} has answered no question",
        ),
    )  # fmt: skip


FEATURES = (
    *_of_side("vendor", "our side"),
    *_of_side("customer", "the buyer"),
    _feature(
        "questions_agreed", "count", "questions", count("agreements", agrees=True),
        "Questions answered by both sides at most one level apart; zero if none.",
        "higher is better", "Both sides agree on {value} of 4 questions", "The sides agree on no question yet",
    ),
    _feature(
        "answer_gap", "number", "levels", ratio(total("agreements", "gap"), count("agreements")),
        "Mean distance of the sides' answers, over questions that both answered; null if none.",
        "lower is better", "The sides' answers lie {value} levels apart", "No question was answered by both sides",
    ),
    _feature(
        "days_since_qualification", "number", "days", days_since(last("answers")),
        "Days since either side last answered a question; null if never.",
        "lower is better", "The last answer is {value} days old", "No question was ever answered",
    ),
)  # fmt: skip
