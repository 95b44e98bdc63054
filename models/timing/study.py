"""Learning when deals close and judging it, each from what was known at the time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from models.arrays import micros, to_micros
from models.calibration import IDENTITY
from models.split import Split, Window, inner_split
from models.timing.close_timing import CloseTiming
from models.timing.judge import Standpoint, judge_timing
from models.timing.learn import learn_timing
from models.win_model import WinModel

__all__ = ["TIMING_FILE", "study_timing"]

TIMING_FILE = "timing.json"
"""How well a run knows when deals close, in the folder of the run."""


def study_timing(
    model: WinModel,
    frame: pa.Table,
    labels: pa.Table,
    split: Split,
    *,
    seed: int,
    on_step: Callable[[str], None] | None = None,
) -> tuple[CloseTiming, dict[str, Any]]:
    """The timing that goes with a win model, and what timing.json holds about it.

    frame, labels, split: those that the model was trained on. The timing is judged on the test window.
    Horizons that this is too short for are judged on all snapshots after the train window, by a timing
    learnt within that window and the win probability before its calibration, which came later.
    """
    say = on_step or (lambda _: None)
    say("learning when deals close")
    timing, learnt = learn_timing(frame, labels, split, model.encoder, seed=seed)
    say("judging it out of time")
    standpoints = [_standpoint(model, timing, frame, split.test)]
    earlier = _earlier(labels, split)
    if earlier is not None:
        before, _ = learn_timing(frame, labels, earlier, model.encoder, seed=seed)
        raw = replace(model, calibration=IDENTITY)
        standpoints.append(_standpoint(raw, before, frame, earlier.test))
    judged = judge_timing(frame, labels, standpoints, seed=seed)
    return timing, {"schema_version": 1, "learnt": learnt, **judged}


def _standpoint(model: WinModel, timing: CloseTiming, frame: pa.Table, window: Window) -> Standpoint:
    return Standpoint(timing, window, model.p_win(frame.filter(pa.array(window.inside))))


def _earlier(labels: pa.Table, split: Split) -> Split | None:
    """The split as it would have been at the train window's end, tested on all that came after; None if the
    train window holds too little to be cut once more."""
    inner = inner_split(labels, split)
    if inner is None:
        return None
    start, end = split.train.end, split.as_of
    inside = micros(labels["as_of"]) >= to_micros(start)
    later = Window(start, end, inside, inside & (micros(labels["closed_at"]) < to_micros(end)))
    return Split(end, *inner, later, None)
