"""Every cell of the feature frame equals what plain loops over the rows give."""

import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.warehouse import memory_tables
from features.snapshots import Calendar
from tests.features.oracle import oracle_rows
from tests.features.worlds import END, Rows, features_at, frame_of, generate

FAMILIES = (
    "stakeholders", "touchpoints", "momentum", "journey", "motive", "qualification", "promises", "commercial",
    "custom",
)  # fmt: skip


def differences(frame: pa.Table, expected: list[dict[str, Any]]) -> list[str]:
    """What differs between a frame and the oracle's rows, cell by cell; floats to 1e-9."""
    found = frame.to_pylist()
    keys = [(row["opportunity_id"], row["as_of"]) for row in found]
    wanted = [(row["opportunity_id"], row["as_of"]) for row in expected]
    if keys != wanted:
        return [f"snapshots differ: {sorted(set(keys) ^ set(wanted))[:5]}, {len(keys)} against {len(wanted)}"]
    return [
        f"{row['opportunity_id']} at {row['as_of']:%m-%d %H:%M}: {name} is {row[name]!r}, expected {value!r}"
        for row, truth in zip(found, expected, strict=True)
        for name, value in truth.items()
        if not _equal(row[name], value)
    ]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return bool(a == b)


def check(rows: Rows, calendar: Calendar) -> None:
    tables = memory_tables(rows)
    features = [feature for feature in features_at(tables, calendar.as_of) if feature.family in FAMILIES]
    frame = frame_of(tables, calendar, features)
    expected = oracle_rows(rows, calendar.as_of, timedelta(seconds=calendar.step_s))
    assert set(frame.column_names) == set(expected[0]), "the oracle covers each of these families whole"
    wrong = differences(frame, expected)
    names = sorted({line.split(": ")[1].split(" is ")[0] for line in wrong if " is " in line})
    assert not wrong, f"{len(wrong)} cells differ, of {names}\n" + "\n".join(wrong[:20])


@pytest.mark.slow
@pytest.mark.parametrize("step_days", [7, 1], ids=["weekly", "daily"])
def test_every_cell_equals_the_oracle(step_days: int) -> None:
    check(generate(11, deals=20 if step_days == 7 else 6), Calendar(END, step_days * 86_400))


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    deals=st.integers(25, 50),
    density=st.sampled_from([0.3, 1.0, 2.0]),
    gaps=st.sampled_from([0.0, 0.15, 0.5]),
)
def test_every_cell_equals_the_oracle_on_any_history(
    seed: int, deals: int, density: float, gaps: float
) -> None:
    check(generate(seed, deals, density, gaps), Calendar(END, 7 * 86_400))
