"""A forecast learnt and made anew, as it would have been at an earlier instant; nothing is published."""

from rich.console import Console

from data.settings import Settings
from pipelines.auditing import GATE, audit_features
from pipelines.consuming import forecast_consumption
from pipelines.contracts import learn_renewals, score_unregistered
from pipelines.forecasting import Parts, forecast_publication
from pipelines.learning import (
    baseline,
    evaluate_model,
    kept_features,
    label_and_split,
    learn_the_timing,
    train_model,
)
from pipelines.run import working
from pipelines.steps import build_features, choose_instant
from serving.publish import publish
from serving.published import Published, open_published

__all__ = ["forecast_as_of"]


def forecast_as_of(settings: Settings, console: Console) -> Published:
    """The run as of the settings' instant: models trained on what was known then, and what they forecast.

    Kept in the run's own folder, apart from what readers see; no model is registered. A model that shows no
    skill beyond the base rate gives way to the baseline, as in every run.
    """
    with working(settings, "forecast", console) as (job, do, progress):
        view = do(choose_instant, job)
        built = do(build_features, job, view)
        rows = do(label_and_split, job, view, built)
        audited = do(audit_features, job, view, built, rows, GATE)
        audited.check_structure()
        features = kept_features(built, audited)
        model = do(train_model, job, view, rows, features)
        model = do(learn_the_timing, job, rows, model)
        evaluation = do(evaluate_model, job, rows, features, model)
        if evaluation is not None and not evaluation.claims_skill:
            model = baseline(view, rows, features, str(evaluation.document["headline"]))
        learnt = do(learn_renewals, job, view)
        used = do(forecast_consumption, job, view)
        with progress.stage("Forecasting") as say:
            renewals = score_unregistered(job, view, learnt, say)
            parts = Parts(renewals, used, predictions=evaluation.predictions if evaluation else None)
            made = forecast_publication(job, view, built, model, parts, renewals.warnings, say)
            publish(job.run_dir, job.run_id, made)
        return open_published(job.run_dir, job.run_id)
