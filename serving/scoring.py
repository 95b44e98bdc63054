"""Scoring open deals: from a model and a feature frame to everything that is published about them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import FloatArray
from models.calibration import sigmoid
from models.explain import drivers, reasons
from models.track_record import evidence_note
from models.win_model import WinModel
from serving.publish import Publication

__all__ = ["readable", "score_deals"]

_REASONS_EACH_WAY = 8
_BATCH = 4096


def score_deals(
    model: WinModel,
    frame: pa.Table,
    *,
    facts: pa.Table,
    features: Mapping[str, Feature],
    as_of: datetime,
    data_version: str,
    before: Mapping[str, float] | None = None,
    beside: Mapping[str, pa.Table] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Publication:
    """What is published about the deals open at as_of: scores, contributions, features, drivers, reasons.

    frame: their feature frame. facts: `deal_facts`, row for row alike. features: the catalogue by name,
    for the sentences. before: probabilities of the run before, by deal. beside: further tables of the deals,
    by file name. Raises ModelContractError if
    the model cannot read the frame.
    """
    matrix = model.encoder.transform(frame)
    base, parts = model.contributions_of(matrix)
    log_odds = model.log_odds_of(matrix)
    p_win = sigmoid(log_odds)
    ids: Any = frame["opportunity_id"]
    rows = frame.num_rows
    shown = model.encoder.decode(frame)
    summed, told = _explanations(model, frame, shown, parts, features)
    scores = pa.table({
        "opportunity_id": ids,
        "as_of": pa.array([as_of] * rows, pa.timestamp("us", "UTC")),
        "p_win": pa.array(p_win, pa.float64()),
        "log_odds": pa.array(log_odds, pa.float64()),
        "base_log_odds": pa.array(np.full(rows, base), pa.float64()),
        "model_version": pa.array([model.version] * rows, pa.string()),
    })  # fmt: skip
    names = model.feature_names
    return Publication(
        as_of=as_of,
        model_version=model.version,
        data_version=data_version,
        scores=scores,
        contributions=pa.table(
            [ids, *(pa.array(parts[:, i]) for i in range(len(names)))], ["opportunity_id", *names]
        ),
        features=pa.table([ids, *(shown[name] for name in names)], ["opportunity_id", *names]),
        drivers=summed,
        reasons=told,
        deals=_deals(model, facts, p_win, told, before or {}),
        beside=dict(beside or {}),
        about=dict(about or {}),
    )


def readable(frame: pa.Table, model: WinModel) -> pa.Table:
    """The frame, with an empty column for each of the user's own fields that only the model knows."""
    for column in model.encoder.columns:
        if column.family == "custom" and column.name not in frame.column_names:
            frame = frame.append_column(column.name, pa.nulls(frame.num_rows))
    return frame


def _explanations(
    model: WinModel, frame: pa.Table, shown: pa.Table, parts: FloatArray, features: Mapping[str, Feature]
) -> tuple[pa.Table, pa.Table]:
    """Drivers and reasons of each deal as long tables, strongest first within a deal."""
    names, families = model.feature_names, model.families
    stages = frame["stage"].to_pylist() if "stage" in frame.column_names else [None] * frame.num_rows
    typical = {stage: model.typical_for(stage) for stage in set(stages)}
    summed: list[tuple[Any, ...]] = []
    told: list[tuple[Any, ...]] = []
    for deal, stage, part, values in zip(
        frame["opportunity_id"].to_pylist(), stages, parts.tolist(), _rows(shown, names), strict=True
    ):
        moved = dict(zip(names, part, strict=True))
        summed += [(deal, one.family, one.title, one.log_odds) for one in drivers(moved, families)]
        up, down = reasons(moved, values, features, typical[stage], top=_REASONS_EACH_WAY)
        for one in sorted((*up, *down), key=lambda reason: -abs(reason.log_odds)):
            told.append((deal, one.feature, one.log_odds, one.sentence))
    return _long_table(summed, "family", "title", "log_odds"), _long_table(
        told, "feature", "log_odds", "sentence"
    )


def _rows(shown: pa.Table, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The values of each deal by feature, a batch of deals at a time."""
    for batch in shown.select(list(names)).to_batches(max_chunksize=_BATCH):
        yield from batch.to_pylist()


def _long_table(rows: list[tuple[Any, ...]], *names: str) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(names) + 1)
    types = [pa.float64() if name == "log_odds" else pa.string() for name in ("opportunity_id", *names)]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, ["opportunity_id", *names])


def _deals(
    model: WinModel, facts: pa.Table, p_win: FloatArray, told: pa.Table, before: Mapping[str, float]
) -> pa.Table:
    """The facts with what each score rests on: evidence, the run before, the strongest reason."""
    first: dict[str, str] = {}
    for row in told.select(["opportunity_id", "sentence"]).to_pylist():
        first.setdefault(row["opportunity_id"], row["sentence"])
    ids: list[Any] = facts["opportunity_id"].to_pylist()
    evidence = [
        evidence_note(p, model.record) if model.kind == "lightgbm" else model.note for p in p_win.tolist()
    ]
    facts = facts.append_column("previous_p_win", pa.array([before.get(deal) for deal in ids], pa.float64()))
    facts = facts.append_column("evidence", pa.array(evidence, pa.string()))
    return facts.append_column("top_reason", pa.array([first.get(deal) for deal in ids], pa.string()))
