"""Scoring contracts that wait for their renewal: from a model and a feature frame to what is published."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from data.errors import PublishError
from features.feature import Feature
from models.arrays import FloatArray
from models.calibration import sigmoid
from models.explain import drivers, reasons
from models.renewal.model import RenewalModel
from models.track_record import evidence_note
from serving.renewals import CONTRIBUTIONS, DRIVERS, FEATURES, REASONS, SCORES

__all__ = ["check_renewals", "renewal_tables"]

COMPARED_WITH = "renewed contracts"
_REASONS_EACH_WAY = 8
_BATCH = 4096
_TOLERANCE = 1e-6
_LARGEST_LOGIT = 15.0
"""Beyond this size a probability in double precision no longer holds its log-odds to the tolerance."""


def renewal_tables(
    model: RenewalModel,
    frame: pa.Table,
    *,
    facts: pa.Table,
    features: Mapping[str, Feature],
    as_of: datetime,
    before: Mapping[str, float] | None = None,
) -> dict[str, pa.Table]:
    """What is published about the contracts of a frame, by file name, each sorted by contract_id.

    frame: the rows at as_of, one per contract, sorted by contract_id. facts: `contract_facts`, row for row
    alike. features: the catalogue by name, for the sentences. before: probabilities of the run before, by
    contract. renewal_scores adds to the facts: p_renew and the log-odds it is made of; ratio_if_renewed
    (mean of renewed ÷ committed amount if it renews) with the ends of its 80 % interval and its standard
    deviation; expected_ratio with ratio_low and ratio_high (the same with churn as 0); note, evidence,
    top_reason. Raises PublishError if contributions do not add up, ModelContractError if the model cannot
    read the frame.
    """
    chance, ids = model.chance, frame["contract_id"]
    base, parts = chance.contributions(frame)
    shown = chance.encoder.decode(frame)
    names = chance.feature_names
    summed, told = _explanations(model, frame, shown, parts, features)
    tables = {
        SCORES: _scores(model, frame, facts, base, as_of, told, before or {}),
        CONTRIBUTIONS: pa.table(
            [ids, *(pa.array(parts[:, i]) for i in range(len(names)))], ["contract_id", *names]
        ),
        FEATURES: pa.table([ids, *(shown[name] for name in names)], ["contract_id", *names]),
        DRIVERS: summed,
        REASONS: told,
    }
    check_renewals(tables)
    return tables


def check_renewals(tables: Mapping[str, pa.Table]) -> None:
    """Raise PublishError unless the tables are of the same contracts and the contributions add up."""
    scores = tables[SCORES]
    ids: list[Any] = scores["contract_id"].to_pylist()
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise PublishError(
            f"{SCORES}: expected one row per contract, sorted by contract_id; found otherwise."
        )
    for name in (CONTRIBUTIONS, FEATURES):
        if tables[name]["contract_id"].to_pylist() != ids:
            raise PublishError(
                f"{name}: expected the contracts of {SCORES}, in the same order; found others."
            )
    total = scores["base_log_odds"].to_numpy().astype(float)
    for column in tables[CONTRIBUTIONS].column_names[1:]:
        total = total + tables[CONTRIBUTIONS][column].to_numpy()
    served, p = scores["log_odds"].to_numpy(), scores["p_renew"].to_numpy()
    with np.errstate(divide="ignore"):
        logit = np.log(p) - np.log1p(-p)
    rounded = np.where(np.abs(served) < _LARGEST_LOGIT, np.abs(logit - served), 0)
    off = np.maximum(np.abs(total - served), rounded)
    bad = np.flatnonzero(~(off <= _TOLERANCE) | ~np.isfinite(served))
    if bad.size:
        raise PublishError(
            f"{CONTRIBUTIONS}: base plus contributions should equal the log-odds of p_renew to "
            f"{_TOLERANCE:g}; {bad.size} contracts differ, first {ids[int(bad[0])]!r} by "
            f"{off[bad[0]]:.3g}. Nothing was published."
        )


def _scores(
    model: RenewalModel, frame: pa.Table, facts: pa.Table, base: float, as_of: datetime, told: pa.Table,
    before: Mapping[str, float],
) -> pa.Table:  # fmt: skip
    rows = frame.num_rows
    log_odds = model.chance.log_odds(frame)
    p_renew = sigmoid(log_odds)
    if_renewed, low_if, high_if = model.ratio_if_renewed(frame)
    expected, low, high = model.expected_ratio(frame)
    ids: list[Any] = frame["contract_id"].to_pylist()
    columns: dict[str, Any] = {
        "as_of": pa.array([as_of] * rows, pa.timestamp("us", "UTC")),
        "p_renew": p_renew,
        "log_odds": log_odds,
        "base_log_odds": np.full(rows, base),
        "ratio_if_renewed": if_renewed,
        "ratio_if_renewed_low": low_if,
        "ratio_if_renewed_high": high_if,
        "ratio_if_renewed_sd": model.ratio.sd_of(if_renewed),
        "expected_ratio": expected,
        "ratio_low": low,
        "ratio_high": high,
        "previous_p_renew": pa.array([before.get(one) for one in ids], pa.float64()),
        "model_version": pa.array([model.version] * rows, pa.string()),
        "evidence": pa.array(_evidence(model, p_renew), pa.string()),
        "top_reason": pa.array(_first_reasons(told, ids), pa.string()),
    }
    for name, values in columns.items():
        column = values if isinstance(values, pa.Array) else pa.array(values, pa.float64())
        facts = facts.append_column(name, column)
    return facts


def _evidence(model: RenewalModel, p_renew: FloatArray) -> list[str]:
    """What each score rests on, in words."""
    if model.is_baseline:
        return [model.note] * len(p_renew)
    record = model.chance.record
    return [evidence_note(p, record, cases="contracts", ended="renewed") for p in p_renew.tolist()]


def _first_reasons(told: pa.Table, ids: list[Any]) -> list[str | None]:
    first: dict[str, str] = {}
    for row in told.select(["contract_id", "sentence"]).to_pylist():
        first.setdefault(row["contract_id"], row["sentence"])
    return [first.get(one) for one in ids]


def _explanations(
    model: RenewalModel, frame: pa.Table, shown: pa.Table, parts: FloatArray, features: Mapping[str, Feature]
) -> tuple[pa.Table, pa.Table]:
    """Drivers and reasons of each contract as long tables, strongest first within a contract."""
    chance = model.chance
    names, families, typical = chance.feature_names, chance.families, chance.typical_for(None)
    summed: list[tuple[Any, ...]] = []
    told: list[tuple[Any, ...]] = []
    ids = frame["contract_id"].to_pylist()
    for contract, part, values in zip(ids, parts.tolist(), _rows(shown, names), strict=True):
        moved = dict(zip(names, part, strict=True))
        summed += [(contract, one.family, one.title, one.log_odds) for one in drivers(moved, families)]
        up, down = reasons(
            moved, values, features, typical, top=_REASONS_EACH_WAY, compared_with=COMPARED_WITH
        )
        for one in sorted((*up, *down), key=lambda reason: -abs(reason.log_odds)):
            told.append((contract, one.feature, one.log_odds, one.sentence))
    return (
        _long_table(summed, "family", "title", "log_odds"),
        _long_table(told, "feature", "log_odds", "sentence"),
    )


def _rows(shown: pa.Table, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The values of each contract by feature, a batch at a time."""
    for batch in shown.select(list(names)).to_batches(max_chunksize=_BATCH):
        yield from batch.to_pylist()


def _long_table(rows: list[tuple[Any, ...]], *names: str) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(names) + 1)
    types = [pa.float64() if name == "log_odds" else pa.string() for name in ("contract_id", *names)]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, ["contract_id", *names])
