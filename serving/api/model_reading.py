"""From a run's files about its models to what is answered: figures as they are, absent ones null."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from models.ledger import Entry
from serving.api.model_parts import (
    AuditAnswer,
    BacktestAnswer,
    BacktestScore,
    DataAnswer,
    Decision,
    DirectionAnswer,
    DirectionCounts,
    LiftPoint,
    Measure,
    Metrics,
    ModelAnswer,
    ReliabilityBin,
    Slice,
    Versus,
    Window,
    WorthAnswer,
    WorthPart,
)
from serving.model_files import FILES, ModelFiles, Subject

__all__ = ["backtest_answer", "data_answer", "decision_answer", "model_answer", "worth_answer"]

Document = Mapping[str, Any]
_POSITIVE = ("won", "renewed")
_NEGATIVE = ("lost", "churned")
_CASES = ("deals", "contracts")


def model_answer(files: ModelFiles, subject: Subject, run_id: str, *, serving: str | None) -> ModelAnswer:
    """The model that the run evaluated. serving: the version whose scores are published."""
    held = subject.evaluations[run_id]
    _, predictions_file, audit_file = FILES[subject.name]
    predictions = _predictions(files.predictions(run_id, predictions_file))
    audit = files.json(run_id, audit_file)
    directions = files.json(run_id, "directions.json") if subject.name == "win" else None
    if directions is not None and directions["model_version"] != held["model_version"]:
        directions = None
    decision = subject.decision_of(run_id)
    return ModelAnswer(
        model_version=held["model_version"],
        run_id=run_id,
        is_serving=held["model_version"] == serving,
        as_of=held["as_of"],
        headline=held["headline"],
        claims_skill=held["claims_skill"],
        decision=None if decision is None else decision_answer(decision),
        train=_window(held["train"]),
        calibration=_window(held["calibration"]),
        test=_window(held["test"]),
        metrics=tuple(_metrics(name, one) for name, one in held["metrics"].items()),
        versus=tuple(_versus(name, one) for name, one in held["versus"].items()),
        by_stage=tuple(_slice(one["stage"], one, one) for one in held.get("by_stage", ())),
        by_age=tuple(_slice(_age(one), one, one) for one in held.get("by_age", ())),
        by_days_left=tuple(_days_left(one, subject.name) for one in held.get("by_horizon", ())),
        reliability=_reliability(predictions),
        lift=_lift(predictions) if subject.name == "win" else (),
        audit=None if audit is None else AuditAnswer.model_validate(_only(AuditAnswer, audit)),
        directions=None if directions is None else DirectionCounts.model_validate(directions["counts"]),
        contradictions=_contradictions(directions),
        notes=tuple(held["notes"]),
    )


def decision_answer(entry: Entry) -> Decision:
    """A line of the ledger."""
    return Decision.model_validate({name: getattr(entry, name) for name in Decision.model_fields})


def worth_answer(files: ModelFiles) -> WorthAnswer | None:
    """What families are worth, as measured last; None where it was not."""
    found = files.newest("worth.json")
    if found is None:
        return None
    run_id, held = found
    return WorthAnswer(
        run_id=run_id,
        as_of=held["as_of"],
        test_deals=held["rows"]["test_deals"],
        full_log_loss=held["log_loss"]["full"],
        baseline_log_loss=held["log_loss"]["baseline"],
        base_rate_log_loss=held["log_loss"]["base_rate"],
        families=tuple(_worth(one) for one in held["families"]),
        beliefs=tuple(_worth(one) for one in held["beliefs"]),
        notes=tuple(held["notes"]),
    )


def backtest_answer(files: ModelFiles) -> BacktestAnswer | None:
    """How forecasts of the past did, as measured last; None where it was not."""
    found = files.newest("backtest.json")
    if found is None:
        return None
    run_id, held = found
    scores = [one for one in held["scores"] if one["level"] == "total"]
    return BacktestAnswer(
        run_id=run_id,
        as_of=held["as_of"],
        origins=tuple(held["origins"]),
        horizon_months=held["horizon_months"],
        headlines=tuple(held["headline"]),
        scores=tuple(
            BacktestScore(
                part=one["part"], period_kind=one["period_kind"], months_ahead=one["months_ahead"],
                model=one["model"], wape=_measure(one, "wape"), bias=_measure(one, "bias"),
                coverage=_measure(one, "coverage"),
            )
            for one in scores
        ),
    )  # fmt: skip


def data_answer(files: ModelFiles, run_id: str) -> DataAnswer | None:
    """The load that the run stood on; None for a run that did not say."""
    held = files.json(run_id, "data.json")
    if held is None:
        return None
    return DataAnswer.model_validate({**_only(DataAnswer, held), "run_id": run_id})


def _only(kind: type[Any], held: Document) -> dict[str, Any]:
    """What the answer and its parts have fields for: files may hold more than is answered."""
    parts: dict[str, Any] = {name: held[name] for name in kind.model_fields if name in held}
    if kind is AuditAnswer:
        parts["checks"] = [
            {name: one[name] for name in ("check", "verdict", "evidence")} for one in held["checks"]
        ]
        wanted = ("feature", "check", "evidence", "remedy", "waived", "reason")
        parts["findings"] = [{name: one[name] for name in wanted} for one in held["findings"]]
    return parts


def _predictions(table: pa.Table | None) -> pa.Table | None:
    """Test predictions with the model's in `p_win`, whatever is predicted."""
    if table is None or "p_renew" not in table.column_names:
        return table
    return table.rename_columns(["p_win" if name == "p_renew" else name for name in table.column_names])


def _reliability(predictions: pa.Table | None) -> tuple[ReliabilityBin, ...]:
    if predictions is None or not predictions.num_rows:
        return ()
    from models.charts import reliability_table  # brings drawing libraries, which no start should wait for

    return tuple(
        ReliabilityBin(
            mean_p=row["mean_p"], share=row["won_share"], low=row["low"], high=row["high"],
            rows=int(row["rows"]), cases=int(row["deals"]),
        )
        for row in reliability_table(predictions).to_pylist()
    )  # fmt: skip


def _lift(predictions: pa.Table | None) -> tuple[LiftPoint, ...]:
    if predictions is None or not predictions.num_rows:
        return ()
    from models.charts import lift_table

    return tuple(
        LiftPoint(model=row["model"], looked_at=row["looked_at"], found=row["wins_found"])
        for row in lift_table(predictions, points=20).to_pylist()
    )


def _metrics(name: str, held: Document) -> Metrics:
    kept = ("auc", "log_loss", "brier", "ece", "slope")
    return Metrics(model=name, **{one: _measure(held, one) for one in kept})


def _measure(held: Document, name: str) -> Measure | None:
    """A figure and its interval; None where it could not be worked out."""
    value, interval = held.get(name), held.get(f"{name}_interval") or (None, None)
    if value is None or not np.isfinite(value):
        return None
    return Measure(value=value, low=interval[0], high=interval[1])


def _versus(name: str, held: Document) -> Versus:
    return Versus(
        baseline=name,
        difference=_measure(held, "log_loss_difference"),
        lower_bound=held.get("log_loss_difference_lower_bound"),
    )


def _window(held: Document) -> Window:
    def count(*names: str) -> int:
        return int(next(held[name] for name in names if name in held))

    return Window(
        as_of_min=held["as_of_min"],
        as_of_max=held["as_of_max"],
        label_max=held["label_max"],
        rows=count("rows"),
        cases=count(*_CASES),
        positive=count(*_POSITIVE),
        negative=count(*_NEGATIVE),
        censored_rows=count("censored_rows"),
    )


def _slice(name: str, held: Document, scores: Document) -> Slice:
    cases = next((held[one] for one in _CASES if one in held), None)
    share = held["won_share"] if "won_share" in held else held["renewed_share"]
    return Slice(
        name=name, rows=held["rows"], cases=cases, share=share, mean_p=held["mean_p"],
        auc=scores["auc"], log_loss=scores["log_loss"],
    )  # fmt: skip


def _days_left(held: Document, subject: str) -> Slice:
    return _slice(f"{held['days_left']:g} days left", held, held["metrics"][subject])


def _age(held: Document) -> str:
    end = held["age_to_days"]
    return (
        f"{held['age_from_days']:g} days or more"
        if end is None
        else f"{held['age_from_days']:g} to {end:g} days"
    )


def _contradictions(directions: Document | None) -> tuple[DirectionAnswer, ...]:
    rows = directions["features"] if directions is not None else ()
    return tuple(
        DirectionAnswer(**{name: row.get(name) for name in DirectionAnswer.model_fields})
        for row in rows
        if row["verdict"] == "contradicts"
    )


def _worth(held: Document) -> WorthPart:
    def measured(name: str) -> Measure | None:
        one = held[name]
        return (
            None
            if one is None
            else Measure(value=one["difference"], low=one["interval"][0], high=one["interval"][1])
        )

    kept = ("name", "title", "columns", "filled_columns", "share", "sentence")
    return WorthPart(
        **{name: held[name] for name in kept}, left_out=measured("left_out"), alone=measured("alone")
    )
