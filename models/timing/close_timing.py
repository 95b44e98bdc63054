"""How long an open deal still takes: the share of its wins that will have come by a day.

Two boosters on pairs of snapshot and bin: whether a deal that is still open closes in the bin, and
whether one that closes in it is won. Together they are the full likelihood of what was followed, open
deals included. Beside them stand the plain curves by stage and age, which serve where they are better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import orjson
import pyarrow as pa

from models.arrays import FloatArray, IntArray
from models.calibration import sigmoid
from models.columns import numbers
from models.encoding import Encoder
from models.timing.hazards import Hazards, checked_days
from models.timing.stage_age import StageAge

__all__ = [
    "AGE",
    "EXPECTED",
    "TIME_FEATURES",
    "CloseTiming",
    "Trees",
    "clocks_of",
    "matrix",
    "timing_columns",
]

Basis = Literal["model", "stage_age"]

AGE, EXPECTED = "deal_age_days", "days_to_expected_close"

TIME_FEATURES = frozenset({
    # where the deal stands, how it came there and how fast
    AGE, EXPECTED, "stage", "stage_position", "crm_stage_probability", "forecast_category", "days_in_stage",
    "days_in_stage_vs_norm", "stage_changes", "stage_regressions", "close_date_pushes", "days_pushed",
    "furthest_step", "steps_reached", "advances_90d", "days_to_furthest_step", "days_since_step",
    "pace_vs_won",
    # whether it moves now
    "days_since_two_way", "days_since_activity", "activities_30d", "activities_90d", "weekly_activity_slope",
    "next_meeting_booked", "meetings_booked", "buyer_acts_30d",
    # who decides, and who was heard
    "decision_structure", "decision_structure_inferred", "blockers_untouched", "days_blockers_untouched",
    "economic_buyer_engaged", "procurement_touches", "legal_touches", "spiral_phase",
    # what was said of the when, and what kind of deal it is
    "when_level_vendor", "when_level_customer", "days_answer_to_proposal", "amount", "type", "region",
    "industry",
})  # fmt: skip

_BATCH = 8192


def timing_columns(encoder: Encoder) -> Encoder:
    """The part of an encoder that close timing reads: where a deal stands, how fast it came there, what is
    due, and the user's own fields."""
    return Encoder(
        tuple(one for one in encoder.columns if one.name in TIME_FEATURES or one.family == "custom")
    )


@dataclass(frozen=True)
class Trees:
    """The two boosters, as LightGBM's own text, and the encoder of what they read."""

    encoder: Encoder
    closing_text: str
    won_text: str

    def hazards(self, frame: pa.Table, edges: FloatArray) -> Hazards:
        """The hazards of each deal of the frame."""
        bins = edges.size - 1
        X, clocks = self.encoder.transform(frame), clocks_of(frame, self.encoder.names)
        row = np.repeat(np.arange(frame.num_rows), bins)
        asked = matrix(X, clocks, row, np.tile(np.arange(bins), frame.num_rows), edges)
        shape = (frame.num_rows, bins)
        return Hazards(edges, _p(self._closing, asked).reshape(shape), _p(self._won, asked).reshape(shape))

    @cached_property
    def _closing(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.closing_text)

    @cached_property
    def _won(self) -> lgb.Booster:
        return lgb.Booster(model_str=self.won_text)


@dataclass(frozen=True)
class CloseTiming:
    """The time to close of open deals, learnt by `models.timing.learn`.

    edges: days at which the bins of time ahead begin and end. basis: what is served, the trees or the
    plain curves by stage and age. trees: None where there was too little to learn them from, or the plain
    curves serve.
    """

    edges: tuple[float, ...]
    stage_age: StageAge
    trees: Trees | None = None

    @property
    def basis(self) -> Basis:
        """What is served: the model, or the curves by stage and age."""
        return "stage_age" if self.trees is None else "model"

    def share_closed(self, frame: pa.Table, days: FloatArray) -> FloatArray:
        """Given that a deal will be won, the probability that it is by each day ahead; (n, m).

        days: days after the snapshot, at least 0, inf for the limit, shape (m,). Each row is 0 at day 0,
        1 in the limit and never decreases. Raises ModelContractError for other days, or if a column that
        the model reads is absent.
        """
        asked = checked_days(days)
        share = np.empty((frame.num_rows, asked.size))
        for start in range(0, frame.num_rows, _BATCH):
            part = frame.slice(start, _BATCH)
            share[start : start + _BATCH] = self._hazards(part).share_won_by(asked)
        return share

    def p_won_by(self, frame: pa.Table, days: FloatArray) -> FloatArray:
        """The probability of being won by each day ahead as the hazards alone have it, (n, m).

        Not what is published: `WinModel.p_won_by` rests on the win model's probability.
        """
        asked = checked_days(days)
        parts = [frame.slice(start, _BATCH) for start in range(0, frame.num_rows, _BATCH)]
        held = [self._hazards(part).p_won_by(asked)[0] for part in parts]
        return np.vstack(held) if held else np.empty((0, asked.size))

    def plainly(self) -> "CloseTiming":
        """The plain curves by stage and age alone."""
        return CloseTiming(self.edges, self.stage_age)

    def to_json(self) -> bytes:
        """JSON, the trees as LightGBM's own text; `from_json` gives back an equal timing."""
        trees = self.trees and {
            "encoder": self.trees.encoder.as_dict(),
            "closing": self.trees.closing_text,
            "won": self.trees.won_text,
        }
        stored = {"edges": self.edges, "stage_age": self.stage_age.as_dict(), "trees": trees}
        return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)

    @classmethod
    def from_json(cls, content: bytes) -> "CloseTiming":
        """The timing that `to_json` wrote."""
        stored = orjson.loads(content)
        held: dict[str, Any] | None = stored["trees"]
        trees = held and Trees(Encoder.from_dict(held["encoder"]), held["closing"], held["won"])
        return cls(tuple(stored["edges"]), StageAge.from_dict(stored["stage_age"]), trees or None)

    def _hazards(self, frame: pa.Table) -> Hazards:
        edges = np.array(self.edges)
        return (
            self.stage_age.hazards(frame, edges) if self.trees is None else self.trees.hazards(frame, edges)
        )


def clocks_of(frame: pa.Table, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Each deal's age and the days to its expected close, in days; NaN where not known or not read."""
    age, expected = (
        numbers(frame, name, "number") if name in names else np.full(frame.num_rows, np.nan)
        for name in (AGE, EXPECTED)
    )
    return age, expected


def matrix(
    X: FloatArray, clocks: tuple[FloatArray, FloatArray], row: IntArray, held: IntArray, edges: FloatArray
) -> FloatArray:
    """What the boosters read of each pair of snapshot and bin: the encoded snapshot and three clocks.

    The clocks, in days at the middle of the bin: since the snapshot, since the deal began, and past the
    expected close.
    """
    ahead = ((edges[1:] + edges[:-1]) / 2)[held]
    age, expected = clocks
    return np.column_stack([X[row], ahead, age[row] + ahead, ahead - expected[row]])


def _p(booster: lgb.Booster, asked: FloatArray) -> FloatArray:
    if not len(asked):
        return np.empty(0)
    return sigmoid(np.asarray(booster.predict(asked, raw_score=True, num_threads=1), dtype=np.float64))
