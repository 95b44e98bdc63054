"""Common shocks: what moves many deals, contracts or series at once, so that totals do not look too certain.

Errors of one deal average out over thousands of them; those of a quarter (a market turns, every close slips)
do not. Each shock is one number per draw, shared by all that it touches. Each is centred: with shocks on, the
mean over draws stays what the models expect, though log-odds are not linear in probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from data.errors import ModelContractError
from models.arrays import FloatArray
from models.calibration import sigmoid

__all__ = [
    "BOOKINGS",
    "CONSUMPTION",
    "NOT_YET_CREATED",
    "OPEN_DEALS",
    "PARTS",
    "RENEWALS",
    "Shocks",
    "centred",
]

OPEN_DEALS = "open_deals"
NOT_YET_CREATED = "not_yet_created"
BOOKINGS = "bookings"
RENEWALS = "renewals"
CONSUMPTION = "consumption"
PARTS = (OPEN_DEALS, NOT_YET_CREATED, BOOKINGS, RENEWALS, CONSUMPTION)
"""The parts of a forecast; `bookings` is open deals and those not yet created, summed within each draw."""

_ROUNDS = 12


@dataclass(frozen=True)
class Shocks:
    """Sizes of the common shocks (standard deviations), and how much wider each part's intervals are made.

    logit_sd: of all open and coming deals' log-odds of being won. timing_sd: of the log-odds of having closed
    by any date, given a win (a shift in log time where times are log-logistic). amount_sd: log of the
    amounts. creation_sd: log of the rate at which deals are created. renewal_logit_sd: of all contracts'
    log-odds. consumption_sd: log of all consumption, None for what the consumption forecast itself says
    (see `Book`); consumption_persistence: its correlation from month to month. width: factor by part on the
    distance of a quantile from the mean, 1 where it is not named. source: where the sizes come from, in
    words. The defaults are deliberately wide; they hold where no backtest has measured anything better.
    """

    logit_sd: float = 0.30
    timing_sd: float = 0.35
    amount_sd: float = 0.05
    creation_sd: float = 0.20
    renewal_logit_sd: float = 0.30
    consumption_sd: float | None = None
    consumption_persistence: float = 0.80
    width: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    source: str = "stated defaults: nothing was backtested yet"

    def __post_init__(self) -> None:
        sizes = {one.name: getattr(self, one.name) for one in fields(self) if one.name.endswith("_sd")}
        sizes |= {f"width of {part}": factor for part, factor in self.width.items()}
        bad = {name: size for name, size in sizes.items() if size is not None and not 0 <= size < 100}
        unknown = sorted(set(self.width) - set(PARTS))
        if bad or unknown or not 0 <= self.consumption_persistence <= 1:
            raise ModelContractError(
                f"shocks: expected sizes from 0 to below 100, a persistence from 0 to 1 and widths of parts "
                f"in {', '.join(PARTS)}; found {bad or unknown or self.consumption_persistence}. "
                "Estimate them again with `dealcast backtest`."
            )

    def width_of(self, part: str) -> float:
        """The factor on the part's intervals, 1 unless given."""
        return float(self.width.get(part, 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"width": dict(self.width)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Shocks":
        """The shocks whose plain values are given."""
        return cls(**stored)

    @classmethod
    def none(cls) -> "Shocks":
        """No common shock at all: everything varies on its own."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, source="none")


def centred(log_odds: FloatArray, shifts: FloatArray) -> FloatArray:
    """Log-odds x, of the shape of `log_odds`, such that the mean over shifts of sigmoid(x + shift) is
    sigmoid(log_odds).

    shifts: shape (k,), each as likely as the others. Infinite log-odds stay. Newton's method in log-odds,
    where the mean is nearly a line; it agrees to 1e-12 in probability.
    """
    x = np.array(log_odds, dtype=np.float64)
    if not np.any(shifts):
        return x
    finite = np.isfinite(x)
    target = np.clip(x[finite], -40.0, 40.0)
    moved = target.copy()
    for _ in range(_ROUNDS):
        won = sigmoid(moved[:, None] + shifts)
        mean, slope = won.mean(axis=1), (won * (1.0 - won)).mean(axis=1)
        lost = sigmoid(-moved[:, None] - shifts).mean(axis=1)
        step = (np.log(mean) - np.log(lost) - target) * mean * lost / slope
        moved = moved - step
        if np.abs(step).max(initial=0.0) < 1e-12:
            break
    x[finite] = moved
    return x
