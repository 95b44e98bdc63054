"""Factors made of records that the viewer may not see: left unnamed, their sum kept as "other"."""

from collections.abc import Iterable, Mapping
from typing import Any

from models.explain import Driver, drivers
from serving.access.gate import Seen
from serving.feature_facts import CATALOGUE, NEIGHBOURS, RENEWAL_CATALOGUE, FeatureFact, feature_facts

__all__ = [
    "OTHER",
    "OTHER_TITLE",
    "hidden_features",
    "seen_drivers",
    "seen_factors",
    "seen_renewal_factors",
    "seen_top_reason",
]

OTHER = "other"
"""The family of what is summed up."""
OTHER_TITLE = "Other records"

_FACTS: Mapping[str, str] = {"deal": CATALOGUE, "contract": RENEWAL_CATALOGUE}


def seen_factors(
    seen: Seen, opportunity_id: str, contributions: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """The contributions that the viewer may see, and the sum of the others; all in log-odds.

    Nothing is lost: the visible ones and the sum add up to what was given. Raises NotFound for a deal that
    the viewer does not see.
    """
    return _parted(contributions, hidden_features(seen, opportunity_id, contributions))


def seen_renewal_factors(seen: Seen, contributions: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """The same of a contract: who sees no single deal sees no factor made of deals and their people."""
    if seen.scope.single_deals and seen.scope.owners is None:
        return dict(contributions), 0.0
    facts = _facts(seen, "contract")
    return _parted(
        contributions, {one for one in contributions if one not in facts or facts[one].of == "deal"}
    )


def hidden_features(seen: Seen, opportunity_id: str, features: Iterable[str]) -> frozenset[str]:
    """Which of these features of the deal rest on records that the viewer may not see.

    A feature that the run's catalogue does not know counts as resting on all deals around. Raises NotFound
    for a deal that the viewer does not see.
    """
    rank = seen.rank_of(opportunity_id)
    if seen.scope.owners is None:
        return frozenset()
    closed: set[str] = set()
    if not _sees_neighbours(seen, opportunity_id):
        closed.add("account")
    if not seen.scope.sees(seen.run.deals.owner_id[rank]):
        closed.add("seller")
    facts = _facts(seen, "deal")
    return frozenset(one for one in features if (facts[one].of if one in facts else "account") in closed)


def seen_drivers(
    seen: Seen, visible: Mapping[str, float], other: float, *, subject: str = "deal"
) -> tuple[Driver, ...]:
    """The visible contributions by family, largest first, and last the sum of the others if it hides any.

    They sum to what the contributions did. subject: "deal" or "contract".
    """
    facts = _facts(seen, subject)
    families = {name: facts[name].family if name in facts else "custom" for name in visible}
    found = drivers(visible, families)
    return (*found, Driver(OTHER, OTHER_TITLE, other)) if other else found


def seen_top_reason(seen: Seen, rank: int) -> str | None:
    """The strongest reason of the deal at that place of `run.deals` that the viewer may read."""
    deals = seen.run.deals
    if seen.scope.owners is None:
        top: str | None = deals.top_reason[rank]
        return top
    rows: list[dict[str, Any]] = seen.run.rows("win_reasons.parquet", deals.ids[rank])
    hidden = hidden_features(seen, deals.ids[rank], [row["feature"] for row in rows])
    return next((row["sentence"] for row in rows if row["feature"] not in hidden), None)


def _parted(
    contributions: Mapping[str, float], hidden: frozenset[str] | set[str]
) -> tuple[dict[str, float], float]:
    visible = {name: value for name, value in contributions.items() if name not in hidden}
    return visible, float(sum(value for name, value in contributions.items() if name in hidden))


def _facts(seen: Seen, subject: str) -> Mapping[str, FeatureFact]:
    """The catalogue of the run, read once."""
    file = _FACTS[subject]
    return seen.run.memo(("catalogue", file), lambda: feature_facts(seen.run, file))


def _sees_neighbours(seen: Seen, opportunity_id: str) -> bool:
    """Whether the viewer sees every other deal around this one; not if the run does not name them."""
    if not seen.run.has(NEIGHBOURS):
        return False
    return all(seen.scope.sees(row["owner_id"]) for row in seen.run.rows(NEIGHBOURS, opportunity_id))
