"""Deals scored from raw records: `POST /score`'s core."""

from serving.score.answer import Scored, ScoredDeal
from serving.score.rows import MOST_DEALS, RejectedRow
from serving.score.scorer import score_records, scorer_of

__all__ = ["MOST_DEALS", "RejectedRow", "Scored", "ScoredDeal", "score_records", "scorer_of"]
