"""Generated deals for measurements: eighty features of every kind, some of which matter.

Also reads a feature frame and its labels from Parquet, so that the same measurements run on real ones.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.feature import Feature, Kind, Measure
from models.split import Split, time_split

END = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 1095
NUMBERS, COUNTS, FLAGS = 40, 20, 12
LEVELS = (4, 5, 6, 8, 12, 20, 30, 60)


@dataclass(frozen=True)
class Deals:
    """Feature frame and label frame, row for row, with their split."""

    frame: pa.Table
    labels: pa.Table
    features: tuple[Feature, ...]
    split: Split


def read_deals(frame: Path, labels: Path, step_days: float) -> Deals:
    """Deals from two Parquet files; what a feature is follows from its column's type."""
    table, outcomes = pq.read_table(frame), pq.read_table(labels)
    as_of = max(outcomes["as_of"].to_pylist()) + timedelta(seconds=1)
    return _deals(table, outcomes, as_of, step_days)


def make_deals(n: int, seed: int) -> Deals:
    """n deals over three years, seen weekly while open; losses take twice as long as wins."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(n, NUMBERS + COUNTS + FLAGS))
    groups = np.column_stack([rng.integers(0, levels, n) for levels in LEVELS])
    effect = [rng.normal(size=levels) for levels in LEVELS]
    z = -1.0 + own[:, :8] @ np.array([0.6, -0.5, 0.4, 0.4, -0.3, 0.3, 0.2, 0.2])
    z += 0.5 * own[:, 0] * own[:, 1] - 0.4 * np.abs(own[:, 2]) + 0.5 * (own[:, NUMBERS + COUNTS] > 0)
    z += sum(0.3 * effect[i][groups[:, i]] for i in (2, 4, 6))
    won = rng.random(n) < 1 / (1 + np.exp(-z))
    created = rng.uniform(0, DAYS, n)
    closed = created + 7 + rng.exponential(np.where(won, 60, 110))
    deal, at = _weekly(created, closed)
    frame = _frame(rng, deal, at - created[deal], own, groups, at)
    labels = _labels(deal, at, closed, won)
    return _deals(frame, labels, END, 7)


def _deals(frame: pa.Table, labels: pa.Table, as_of: datetime, step_days: float) -> Deals:
    kinds: dict[str, Kind] = {}
    for column in frame.schema:
        if column.name not in ("opportunity_id", "as_of"):
            kinds[column.name] = _kind(column.type)
    features = tuple(_feature(name, kind) for name, kind in kinds.items())
    return Deals(frame, labels, features, time_split(labels, as_of=as_of, step_days=step_days))


def _kind(type_: pa.DataType) -> Kind:
    if pa.types.is_boolean(type_):
        return "flag"
    if pa.types.is_integer(type_):
        return "count"
    return "number" if pa.types.is_floating(type_) else "category"


def _feature(name: str, kind: Kind) -> Feature:
    return Feature(
        name,
        "custom",
        kind,
        "",
        "Made.",
        "None.",
        "depends",
        "{value}",
        "none",
        Measure("made", "current", name),
    )


def _weekly(created: np.ndarray, closed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deal and day of each weekly snapshot, in order of deal and day."""
    first = DAYS - 7 * np.floor((DAYS - created) / 7)
    last = np.minimum(closed, DAYS)
    weeks = np.maximum(np.floor((last - first) / 7).astype(int) + 1, 0)
    deal = np.repeat(np.arange(created.size), weeks)
    within = np.arange(deal.size) - np.repeat(np.cumsum(weeks) - weeks, weeks)
    return deal, first[deal] + 7 * within


def _frame(
    rng: np.random.Generator,
    deal: np.ndarray,
    age: np.ndarray,
    own: np.ndarray,
    groups: np.ndarray,
    at: np.ndarray,
) -> pa.Table:
    seen = own[deal] + 0.5 * rng.normal(size=(deal.size, own.shape[1])) / (1 + age[:, None] / 60)
    columns = {"opportunity_id": _ids(deal), "as_of": _times(at)}
    for i in range(NUMBERS):
        missing = rng.random(deal.size) < (0.2 if i % 2 else 0.0)
        columns[f"number_{i:02d}"] = pa.array(age if i == NUMBERS - 1 else seen[:, i], mask=missing)
    for i in range(COUNTS):
        rate = np.exp(0.4 * seen[:, NUMBERS + i]) * (1 + age / 30)
        columns[f"count_{i:02d}"] = pa.array(rng.poisson(rate).astype(np.int64))
    for i in range(FLAGS):
        columns[f"flag_{i:02d}"] = pa.array(seen[:, NUMBERS + COUNTS + i] > 0)
    for i in range(len(LEVELS)):
        names = np.array([f"level {level:02d}" for level in range(LEVELS[i])])
        columns[f"category_{i}"] = pa.array(names[groups[deal, i]], mask=rng.random(deal.size) < 0.05)
    return pa.table(columns)


def _labels(deal: np.ndarray, at: np.ndarray, closed: np.ndarray, won: np.ndarray) -> pa.Table:
    unknown = closed[deal] >= DAYS
    return pa.table(
        {
            "opportunity_id": _ids(deal),
            "as_of": _times(at),
            "y": pa.array(won[deal].astype(np.int8), mask=unknown),
            "closed_at": _times(np.minimum(closed, DAYS)[deal], unknown),
        }
    )


def _ids(deal: np.ndarray) -> pa.Array:
    return pa.array(np.char.mod("deal-%06d", deal).astype(object), pa.string())


def _times(days: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
    end = int(END.timestamp()) * 1_000_000
    micros = end - np.round((DAYS - days) * 86_400).astype(np.int64) * 1_000_000
    return pa.array(micros, pa.int64(), mask=mask).cast(pa.timestamp("us", "UTC"))
