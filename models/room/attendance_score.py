"""How good the attendance model is out of time, beside frequencies that need no model."""

from dataclasses import replace
from typing import Any

import numpy as np

from models.metrics import Resampling, log_loss, log_loss_difference, score
from models.room.attendance import BASELINES, Attendance, Rows
from models.room.meeting_rows import HORIZON_DAYS

__all__ = ["judge_attendance"]

_REPLICATES = 200
_ENOUGH_DEALS = 20


def judge_attendance(attendance: Attendance, rows: Rows, *, seed: int) -> tuple[Attendance, dict[str, Any]]:
    """The model with the basis that it may serve, and the figures behind that.

    rows: of later snapshots than it was fitted on. The model is served if its log-loss beats that of the
    better frequency by more than noise (5 % bound of a bootstrap over deals above zero), else that frequency.
    """
    known = rows.labelled()
    found: dict[str, Any] = {
        "question": f"Does the role come to the deal's next meeting, within {HORIZON_DAYS} days?",
        "rows": known.y.size,
        "deals": int(np.unique(known.deal).size),
        "rows_without_a_next_meeting": rows.y.size - known.y.size,
        "bootstrap": {"unit": "opportunity_id", "replicates": _REPLICATES, "seed": seed, "level": 0.95},
    }
    if found["deals"] < _ENOUGH_DEALS or not 0 < known.y.sum() < known.y.size:
        note = f"Too few later meetings to judge the model ({found['deals']} deals): frequencies are served."
        return replace(attendance, basis="deal_frequency"), {**found, "basis": "deal_frequency", "note": note}
    weight, given = np.ones(known.y.size), attendance.predictions(known)
    draws = Resampling.over(known.deal, replicates=_REPLICATES, seed=seed)
    best = min(BASELINES, key=lambda name: log_loss(known.y, given[name], weight))
    versus = {
        name: log_loss_difference(known.y, given["model"], given[name], weight, draws) for name in BASELINES
    }
    better = versus[best]["lower_bound"] > 0
    note = (
        f"The model beats the {best.replace('_', ' ')} by more than noise."
        if better
        else f"The model does not beat the {best.replace('_', ' ')} by more than noise, so that is served."
    )
    metrics = {
        name: score(known.y, p, weight, base_rate=given["role_frequency"], resampling=draws)
        for name, p in given.items()
    }
    served = replace(attendance, basis="model" if better else best)
    by_role = [_of_role(known, given["model"], place, name) for place, name in enumerate(attendance.roles)]
    figures = {"metrics": metrics, "versus": versus, "by_role": by_role}
    return served, {**found, **figures, "basis": served.basis, "note": note}


def _of_role(rows: Rows, p: Any, place: int, name: str) -> dict[str, Any]:
    """Of one role: how often it came, and how often the model said it would."""
    mine = rows.role == place
    n = int(mine.sum())
    shares = (float(rows.y[mine].mean()), float(p[mine].mean())) if n else (None, None)
    return {"role": name, "rows": n, "came_share": shares[0], "mean_p": shares[1]}
