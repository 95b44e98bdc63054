"""How good P(won by a day) is out of time, beside what a user would otherwise have.

Judged on snapshots later than all that was learnt. Whether a deal was won within a horizon is known if it
closed, or could be followed for so long; these snapshots are weighted by the inverse share that could be
followed as long (see `models.censoring`), so that open deals are stood for and not dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrays import DAY_US, BoolArray, FloatArray, IntArray, deal_codes
from models.censoring import MAX_WEIGHT, censoring_weights
from models.metrics import Resampling, log_loss_difference, score
from models.split import Window
from models.timing.at_risk import Followed
from models.timing.close_timing import CloseTiming

__all__ = ["BASELINES", "WEEKS", "Standpoint", "judge_timing"]

WEEKS = (2, 4, 8, 13, 26)

BASELINES = {
    "stage_age": "Curves by stage and age",
    "win_stage_age": "Win probability, timed by stage and age",
}
"""The plain curves alone (Aalen-Johansen by stage and age band); and the same win probability with their
timing, which the model differs from in its timing alone."""

_REPLICATES = 200
_LEAST_WON = 10


@dataclass(frozen=True)
class Standpoint:
    """What was known at an instant, and the later snapshots to judge it on.

    window: the snapshots from that instant on, and its end, until which they were followed. p_win: of the
    snapshots inside, in their order; neither it nor the timing knows of anything after the window's start.
    """

    timing: CloseTiming
    window: Window
    p_win: FloatArray


def judge_timing(
    frame: pa.Table, labels: pa.Table, standpoints: Sequence[Standpoint], *, seed: int
) -> dict[str, Any]:
    """The figures at each horizon, and in words what they show; plain values.

    frame, labels: row for row alike. standpoints: the one that serves first; a horizon that its window is
    too short for is judged from the next, and one that none can judge says why.
    """
    seen = [_Given.of(frame, labels, one) for one in standpoints]
    horizons = [_judged(weeks, place, seen, seed) for place, weeks in enumerate(WEEKS)]
    return {
        "question": "Is the deal won within so many weeks of the snapshot?",
        "horizons": horizons,
        "bootstrap": {"unit": "opportunity_id", "replicates": _REPLICATES, "seed": seed, "level": 0.95},
        "note": _told(horizons, standpoints[0].timing),
    }


@dataclass(frozen=True)
class _Given:
    """A standpoint's snapshots: what followed, and probabilities at the horizons, (n, horizons), by way."""

    window: Window
    followed: Followed
    deal: IntArray
    given: dict[str, FloatArray]

    @classmethod
    def of(cls, frame: pa.Table, labels: pa.Table, standpoint: Standpoint) -> "_Given":
        rows = np.flatnonzero(standpoint.window.inside)
        later, plain = frame.take(rows), standpoint.timing.plainly()
        days, p_win = np.array([7.0 * weeks for weeks in WEEKS]), standpoint.p_win[:, None]
        given = {
            "model": p_win * standpoint.timing.share_closed(later, days),
            "stage_age": plain.p_won_by(later, days),
            "win_stage_age": p_win * plain.share_closed(later, days),
        }
        followed = Followed.of(labels, standpoint.window.end).take(rows)
        return cls(standpoint.window, followed, deal_codes(later), given)


def _judged(weeks: int, place: int, seen: Sequence[_Given], seed: int) -> dict[str, Any]:
    """The figures at one horizon from the first standpoint that has them."""
    found: dict[str, Any] = {}
    for one in seen:
        asked = _Asked.of(one.followed, 7.0 * weeks)
        at = {name: p[asked.known, place] for name, p in one.given.items()}
        window = {"from": one.window.start.isoformat(), "until": one.window.end.isoformat()}
        found = {"weeks": weeks, **window, **_figures(asked, one.deal, at, seed)}
        if found["judged"]:
            break
    return found


@dataclass(frozen=True)
class _Asked:
    """Snapshots of which it is known whether they were won within the horizon: y and weight, and how many
    of all could be followed so long."""

    known: BoolArray
    y: FloatArray
    weight: FloatArray
    followed_share: float

    @classmethod
    def of(cls, followed: Followed, days: float) -> "_Asked":
        closed, long_enough = followed.after < days, followed.until >= days
        known = closed | long_enough
        # one microsecond short of the horizon: who could be followed up to it counts as followed
        wait = np.minimum(np.where(closed, followed.after, days) * DAY_US, days * DAY_US - 1).astype(np.int64)
        until = np.round(followed.until * DAY_US).astype(np.int64)
        weight = censoring_weights(wait, until, known)[known]
        y = (closed & followed.won)[known].astype(np.float64)
        return cls(known, y, weight, float(long_enough.mean()) if known.size else 0.0)


def _figures(asked: _Asked, deal: IntArray, given: dict[str, FloatArray], seed: int) -> dict[str, Any]:
    """Scores of the model and the baselines at one horizon, or why there are none."""
    y, weight, deal = asked.y, asked.weight, deal[asked.known]
    facts: dict[str, Any] = {
        "rows": int(y.size),
        "deals": int(np.unique(deal).size),
        "won_deals": int(np.unique(deal[y == 1]).size),
        "followed_share": asked.followed_share,
    }
    if asked.followed_share < 1 / MAX_WEIGHT:
        return facts | {"judged": False, "reason": "too few snapshots could be followed for so long"}
    if min(facts["won_deals"], int(np.unique(deal[y == 0]).size)) < _LEAST_WON:
        return facts | {"judged": False, "reason": "too few deals were won, or were not"}
    draws = Resampling.over(deal, replicates=_REPLICATES, seed=seed)
    shares = draws.means(y, weight)
    return facts | {
        "judged": True,
        "observed": float(np.average(y, weights=weight)),
        "observed_interval": np.quantile(shares, [0.025, 0.975]).tolist(),
        "expected": {name: float(np.average(p, weights=weight)) for name, p in given.items()},
        "metrics": {
            name: score(y, p, weight, base_rate=given["stage_age"], resampling=draws)
            for name, p in given.items()
        },
        "versus": {
            name: log_loss_difference(y, given["model"], given[name], weight, draws) for name in BASELINES
        },
    }


def _told(horizons: list[dict[str, Any]], timing: CloseTiming) -> str:
    """What the figures show, in words that claim no more."""
    judged = [one for one in horizons if one["judged"]]
    if not judged:
        return "Too few later deals could be followed to judge when deals close."
    said = [_against(judged, "stage_age", "the curves by stage and age")]
    if timing.basis == "model":
        said.append(_against(judged, "win_stage_age", "the same win probability with those curves' timing"))
    else:
        said.append(
            "The curves by stage and age tell the time: trees told no more, or had too little to learn from."
        )
    missing = [one["weeks"] for one in horizons if not one["judged"]]
    if missing:
        said.append(f"Not judged at {_weeks(missing)}: too few deals could be followed, or were won.")
    return " ".join(said)


def _against(judged: list[dict[str, Any]], name: str, title: str) -> str:
    bounds = {one["weeks"]: one["versus"][name]["lower_bound"] for one in judged}
    better = [weeks for weeks, bound in bounds.items() if bound is not None and bound > 0]
    rest = [weeks for weeks in bounds if weeks not in better]
    if not better:
        return f"P(won by a date) is not shown to be better than {title} at {_weeks(rest)}."
    said = f"P(won by a date) is better than {title} by more than noise at {_weeks(better)}"
    return f"{said}, which is not shown at {_weeks(rest)}." if rest else f"{said}."


def _weeks(weeks: list[int]) -> str:
    """Weeks as people list them.

    >>> _weeks([2, 4, 8]), _weeks([26])
    ('2, 4 and 8 weeks', '26 weeks')
    """
    *first, last = map(str, weeks)
    return f"{', '.join(first)} and {last} weeks" if first else f"{last} weeks"
