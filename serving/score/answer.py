"""What is answered about deals that were scored from raw records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.explain import Driver
from serving.deals import Reason
from serving.room import DealRoom
from serving.score.rows import RejectedRow
from serving.timing import CloseCurve

__all__ = ["Scored", "ScoredDeal"]


@dataclass(frozen=True)
class ScoredDeal:
    """A deal's probability taken apart: base_log_odds + sum of the contributions = log_odds = logit(p_win).

    contributions: log-odds by feature; features: the values as the model sees them, by the same names.
    drivers: contributions summed by family. up, down: the strongest reasons, each with its sentence.
    evidence: what became of past deals scored like this one. p_won_by: None where the model holds no timing.
    room: expected roles, promises, spiral, both sides' answers and moments; empty where not asked for.
    """

    opportunity_id: str
    p_win: float
    log_odds: float
    base_log_odds: float
    contributions: dict[str, float]
    features: dict[str, Any]
    drivers: tuple[Driver, ...]
    up: tuple[Reason, ...]
    down: tuple[Reason, ...]
    evidence: str | None
    p_won_by: CloseCurve | None
    room: DealRoom


@dataclass(frozen=True)
class Scored:
    """An answer: the deals by opportunity_id, and what was left out.

    as_of: the UTC instant that the deals were scored at; context_as_of: the one that measures of accounts,
    sellers and everybody stand at. notes: what to know beside the figures, in sentences.
    """

    as_of: datetime
    context_as_of: datetime
    model_version: str
    deals: tuple[ScoredDeal, ...]
    rejected: tuple[RejectedRow, ...]
    notes: tuple[str, ...]
