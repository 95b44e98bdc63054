"""What a reader asks of published renewals: which contracts are at risk, and why.

Reads only published files; light enough for a command that answers at once.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from data.errors import UsageError
from models.explain import Driver
from serving.deals import Reason, rows_of
from serving.published import Published

__all__ = [
    "CONTRIBUTIONS",
    "DRIVERS",
    "FEATURES",
    "REASONS",
    "SCORES",
    "RenewalExplanation",
    "RenewalScore",
    "explain_renewal",
    "has_renewals",
    "is_baseline",
    "is_contract",
    "not_a_contract",
    "rank_renewals",
    "renewal_versions",
]

SCORES = "renewal_scores.parquet"
"""One row per contract that waits for its renewal; see `serving.renewal_scoring`."""
CONTRIBUTIONS = "renewal_contributions.parquet"
"""What each feature adds to the log-odds of renewal; with the base in renewal_scores it is the whole."""
FEATURES = "renewal_features.parquet"
"""The features as the model sees them."""
DRIVERS = "renewal_drivers.parquet"
"""Contributions summed by family."""
REASONS = "renewal_reasons.parquet"
"""The strongest contributions, as sentences."""


@dataclass(frozen=True)
class RenewalScore:
    """A contract that waits for its renewal, and its probability of being renewed, 0 to 1.

    committed_amount: of the term that ends, in `currency`. ends_on: ISO date. days_left: negative once the
    term is over; overdue: it is, and no outcome is known. ratio_if_renewed: mean of renewed ÷ committed
    amount if it renews. expected_ratio, ratio_low, ratio_high: the same with churn as 0, and its 80 %
    interval. change: probability now minus that of the run before, where that run scored the contract.
    """

    rank: int
    contract_id: str
    account_id: str | None
    account: str | None
    region: str | None
    segment: str | None
    billing: str | None
    currency: str | None
    committed_amount: float | None
    ends_on: str | None
    days_left: float | None
    overdue: bool
    p_renew: float
    ratio_if_renewed: float
    expected_ratio: float
    ratio_low: float
    ratio_high: float
    change: float | None
    top_reason: str | None


@dataclass(frozen=True)
class RenewalExplanation:
    """A renewal's probability taken apart: base_log_odds + sum of the drivers = log_odds = logit(p_renew)."""

    contract: RenewalScore
    as_of: datetime
    model_version: str
    base_log_odds: float
    log_odds: float
    evidence: str | None
    drivers: tuple[Driver, ...]
    up: tuple[Reason, ...]
    down: tuple[Reason, ...]


def has_renewals(published: Published) -> bool:
    """Whether the run published renewals at all."""
    return SCORES in published.manifest["files"]


def renewal_versions(published: Published) -> tuple[str, ...]:
    """The versions of the models that scored the contracts; none where none waited."""
    if not has_renewals(published):
        return ()
    return tuple(sorted(set(published.table(SCORES)["model_version"].to_pylist())))


def is_baseline(versions: Sequence[str]) -> bool:
    """Whether some contract has a base rate instead of a model's prediction."""
    return any(version.startswith("baseline") for version in versions)


def is_contract(published: Published, subject_id: str) -> bool:
    """Whether the id is that of a contract whose renewal was scored."""
    return has_renewals(published) and subject_id in published.table(SCORES)["contract_id"].to_pylist()


def not_a_contract(published: Published, subject_id: str) -> str:
    """That the id is of no contract either, with near matches; nothing where no contract was scored."""
    if not has_renewals(published):
        return ""
    ids: list[str] = published.table(SCORES)["contract_id"].to_pylist()
    near = difflib.get_close_matches(subject_id, ids, n=3, cutoff=0.6)
    remedy = f" Near matches: {', '.join(near)}." if near else ""
    return (
        f"Nor is it one of the {len(ids)} contracts that waited for their renewal; "
        f"`dealcast renewals` lists those.{remedy}"
    )


def rank_renewals(
    published: Published, *, top: int | None = None, within_days: float | None = None
) -> tuple[RenewalScore, ...]:
    """The contracts that wait for their renewal, the least likely to renew first; ties by id.

    top: at most so many. within_days: only those whose term ends within so many days, overdue ones included.
    Raises UsageError if the run published no renewals.
    """
    ranked = _ranked(published)
    rows: list[dict[str, Any]] = ranked.to_pylist()
    if within_days is not None:
        rows = [row for row in rows if row["days_left"] is not None and row["days_left"] <= within_days]
    return tuple(_score(rank, row) for rank, row in enumerate(rows[:top], start=1))


def explain_renewal(published: Published, contract_id: str) -> RenewalExplanation:
    """Why the contract has its probability. Raises UsageError with near matches for an unknown contract."""
    ranked = _ranked(published)
    ids: list[Any] = ranked["contract_id"].to_pylist()
    if contract_id not in ids:
        near = difflib.get_close_matches(contract_id, ids, n=3, cutoff=0.6)
        remedy = f"Near matches: {', '.join(near)}." if near else "Ask for one of those that are ranked."
        raise UsageError(
            f"{contract_id!r} is not among the {len(ids)} contracts that waited for their renewal at "
            f"{published.as_of:%Y-%m-%d %H:%M} UTC (run {published.run_id}). {remedy}"
        )
    place = ids.index(contract_id)
    row: dict[str, Any] = ranked.slice(place, 1).to_pylist()[0]
    reasons = [
        Reason(one["feature"], one["log_odds"], one["sentence"])
        for one in rows_of(published.table(REASONS), contract_id, "contract_id")
    ]
    return RenewalExplanation(
        contract=_score(place + 1, row),
        as_of=published.as_of,
        model_version=row["model_version"],
        base_log_odds=row["base_log_odds"],
        log_odds=row["log_odds"],
        evidence=row["evidence"],
        drivers=tuple(
            Driver(one["family"], one["title"], one["log_odds"])
            for one in rows_of(published.table(DRIVERS), contract_id, "contract_id")
        ),
        up=tuple(one for one in reasons if one.log_odds > 0),
        down=tuple(one for one in reasons if one.log_odds < 0),
    )


def _ranked(published: Published) -> pa.Table:
    """The scores, the least likely to renew first."""
    if not has_renewals(published):
        raise UsageError(
            f"Run {published.run_id} published no renewals: its source has no contracts, or none was decided "
            "yet. Give the source a table `contracts` with outcomes."
        )
    return published.table(SCORES).sort_by([("p_renew", "ascending"), ("contract_id", "ascending")])


def _score(rank: int, row: dict[str, Any]) -> RenewalScore:
    before, ends = row["previous_p_renew"], row["end_at"]
    copied = (
        "contract_id", "account_id", "account", "region", "segment", "billing", "currency",
        "committed_amount", "days_left", "overdue", "p_renew", "ratio_if_renewed", "expected_ratio",
        "ratio_low", "ratio_high", "top_reason",
    )  # fmt: skip
    return RenewalScore(
        rank=rank,
        ends_on=ends.date().isoformat() if ends is not None else None,
        change=row["p_renew"] - before if before is not None else None,
        **{name: row[name] for name in copied},
    )
