"""How a deal stands against won deals alike: the same stage, the same span of age, similar accounts.

Learnt on training deals; what is learnt travels with the model.
"""

from data.schema import BUYING_ROLES
from features.families.entries import Entries
from features.feature import AgainstNorm, RolesMissing

__all__ = ["EXPECTED_ROLES", "FEATURES"]

_ROOM = "Belief 5: who should be in the room by now can be learnt from won deals alike."
_PACE = "Belief 5: a purchase is a series of micro-moments; deals that lag behind winners stall."

EXPECTED_ROLES = RolesMissing(
    tuple((role, f"{role}_touches") for role in BUYING_ROLES if role != "unknown"),
    category="stage", age="deal_age_days", segments=("decision_structure", "industry"),
)  # fmt: skip
"""Which won deals are alike, and the roles that are looked for."""

_room = Entries("stakeholders", _ROOM)
_journey = Entries("journey", _PACE)

FEATURES = (
    _room(
        "group_size_vs_won", "number", "times", AgainstNorm("stakeholders_engaged", "stage", "deal_age_days"),
        "People engaged so far, divided by the median of won training deals at the same stage and of like age "
        "(of the stage, then of all, where fewer than 10 such deals were won); null where that median is zero.",
        "higher is better", "{value} times as many people are engaged as in won deals of this stage and age",
        "There is nothing to compare the group with yet",
    ),
    _room(
        "expected_roles_missing", "number", "roles",
        EXPECTED_ROLES,
        "Roles that won training deals alike (stage, age, decision structure or else industry) had engaged by then "
        "and this deal has not: the sum of the shares of those deals that had; small groups lean on larger ones.",
        "lower is better", "{value} of the roles that won deals alike had engaged by now are missing",
        "No won deal to compare the room with",
    ),
    _journey(
        "pace_vs_won", "number", "times", AgainstNorm("furthest_step", age="deal_age_days"),
        "The furthest step recorded, divided by the median of won training deals of like age; null if no step is.",
        "higher is better", "The purchase is {value} times as far as won deals of this age were",
        "No step of the purchase is recorded",
    ),
)  # fmt: skip
