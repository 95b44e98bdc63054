"""The steps of a run that learn: label, split, train, evaluate. The audit is in `pipelines.auditing`.

Plain functions like those in `pipelines.steps`.
"""

from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa

from data.warehouse import open_warehouse
from features.feature import Feature, Learnt
from features.meetings import meeting_history
from models.arrays import BoolArray, deal_codes, known_outcomes
from models.audit import AuditReport
from models.baselines import fit_baselines
from models.censoring import window_weights
from models.evaluation import Evaluation, evaluate, write_evaluation
from models.labels import label_frame
from models.room.room import learn_room
from models.split import Split, Window, time_split
from models.timing.learn import plain_timing
from models.timing.study import TIMING_FILE, study_timing
from models.training import train_win
from models.win_model import WinModel, baseline_model
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.steps import Built, View

__all__ = [
    "ROOM_FILE", "Labelled", "baseline", "evaluate_model", "kept_features", "label_and_split",
    "learn_the_room", "learn_the_timing", "train_model",
]  # fmt: skip

ROOM_FILE = "room.json"


@dataclass(frozen=True)
class Labelled:
    """Past snapshots with their labels and split; `thin` says why no model can be learnt, if so."""

    frame: pa.Table
    labels: pa.Table
    split: Split
    thin: str | None


def label_and_split(job: Job, view: View, built: Built, say: Say) -> Labelled:
    """Label the past snapshots by what was known at as_of, and split them by time."""
    with open_warehouse(job.workspace) as warehouse:
        deals = warehouse.tables(view.as_of)["opportunities"]
        labels = label_frame(deals, built.past, view.as_of)
    embargo = job.settings.embargo_days or None
    split = time_split(labels, as_of=view.as_of, step_days=view.step_days, embargo_days=embargo)
    return Labelled(built.past, labels, split, _thin(view, split, job.settings.min_closed_per_outcome))


def kept_features(built: Built, report: AuditReport) -> tuple[Feature, ...]:
    """The catalogue without what the audit dropped, and without what is learnt from it."""
    dropped = set(report.dropped)
    return tuple(
        feature
        for feature in built.features
        if feature.name not in dropped
        and not (isinstance(feature.value, Learnt) and dropped & set(feature.value.reads))
    )


def train_model(job: Job, view: View, rows: Labelled, features: tuple[Feature, ...], say: Say) -> WinModel:
    """A calibrated win model on the given features; the baseline where there is too little to learn from."""
    if rows.thin:
        say(rows.thin)
        return baseline(view, rows, features, rows.thin)
    return train_win(
        rows.frame,
        rows.labels,
        rows.split,
        features,
        seed=job.settings.seed,
        n_trials=job.settings.n_trials,
        on_step=say,
    )


def learn_the_room(job: Job, view: View, rows: Labelled, model: WinModel, say: Say) -> WinModel:
    """The model with what won deals teach about the room; write room.json, which says how well it holds.

    A baseline is returned as it is: there is too little to learn from.
    """
    if model.kind == "baseline":
        return model
    with open_warehouse(job.workspace) as warehouse:
        history = meeting_history(warehouse.tables(view.as_of), view.as_of)
    room, found = learn_room(rows.frame, rows.labels, rows.split, history, seed=job.settings.seed)
    say(found["attendance"]["note"])
    (job.run_dir / ROOM_FILE).write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    return model.with_room(room)


def learn_the_timing(job: Job, rows: Labelled, model: WinModel, say: Say) -> WinModel:
    """The model with what was learnt about when deals close; write timing.json, which says how well it holds.

    A baseline is returned as it is: it has the plain curves already.
    """
    if model.kind == "baseline":
        return model
    timing, found = study_timing(
        model, rows.frame, rows.labels, rows.split, seed=job.settings.seed, on_step=say
    )
    say(found["note"])
    (job.run_dir / TIMING_FILE).write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    return model.with_timing(timing)


def evaluate_model(
    job: Job, rows: Labelled, features: tuple[Feature, ...], model: WinModel, say: Say
) -> Evaluation | None:
    """Score the model and the baselines out of time; write evaluation.json and the predictions behind it.

    None for a baseline, which is no model and claims nothing.
    """
    if model.kind == "baseline":
        return None
    labels, split = rows.labels, rows.split
    y, test = known_outcomes(labels), split.test.known
    fitted: BoolArray = split.train.known | split.calibration.known
    weight = window_weights(labels, split.train) + window_weights(labels, split.calibration)
    say("fitting the baselines")
    baselines = fit_baselines(
        rows.frame.filter(pa.array(fitted)),
        y[fitted],
        weight=weight[fitted],
        features=features,
    )
    say("scoring the test rows")
    frame = rows.frame.filter(pa.array(test))
    evaluation = evaluate(
        rows.frame,
        labels,
        split=split,
        weight=window_weights(labels, split.test)[test],
        p_win=model.p_win(frame),
        baselines=baselines.predict(frame),
        model_version=model.version,
        seed=job.settings.seed,
    )
    write_evaluation(evaluation, job.run_dir)
    return evaluation


def baseline(view: View, rows: Labelled, features: tuple[Feature, ...], reason: str) -> WinModel:
    """One rate for every deal: the share won of the deals that closed, corrected for those still open; and
    the plain curves of when deals close."""
    labels = rows.labels
    y = known_outcomes(labels)
    every = np.ones(labels.num_rows, dtype=np.bool_)
    window = Window(view.as_of, view.as_of, inside=every, known=~np.isnan(y))
    weight = window_weights(labels, window, deal_power=1.0)
    if weight.sum() > 0:
        # the rows of a deal count as one, against the smoothing too
        weight *= np.unique(deal_codes(labels)[window.known]).size / weight.sum()
    model = baseline_model(rows.frame, y, weight=weight, features=features, reason=reason)
    return model.with_timing(plain_timing(rows.frame, labels, view.as_of))


def _thin(view: View, split: Split, needed: int) -> str | None:
    """Why there is too little to learn from, in words; None if there is enough."""
    if min(view.won, view.lost) < needed:
        return (
            f"not enough closed deals ({view.won} won, {view.lost} lost; {needed} of each are needed): "
            "every deal gets a baseline score, the share won so far."
        )
    if split.thin:
        return f"not enough closed deals to train, calibrate and test out of time. {split.thin}"
    return None
