"""Every cell of the renewal frame equals what plain loops over the rows give."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.warehouse import memory_tables
from features.renewals import contract_snapshots, renewal_catalogue, renewal_frame
from tests.features.oracle_renewals import complete, oracle_keys, oracle_renewals
from tests.features.renewal_worlds import HORIZONS, renewal_world
from tests.features.worlds import END, Rows, day


def check(rows: Rows) -> None:
    tables = memory_tables(rows)
    also_at = [day(100), day(130.5)]
    snapshots = contract_snapshots(tables, END, HORIZONS, also_at, overdue_days=20)
    features = [feature for feature in renewal_catalogue() if feature.family != "origin"]
    frame = renewal_frame(tables["accounts"].get_backend(), tables, snapshots, features, None).to_pylist()
    whole = complete(rows)
    keys = oracle_keys(whole, END, HORIZONS, also_at, 20)
    assert [(row["contract_id"], row["as_of"]) for row in frame] == keys
    assert len(keys) > 0
    expected = oracle_renewals(whole, keys)
    assert set(expected[0]) == set(frame[0]), "the oracle covers the families whole"
    wrong = [
        f"{row['contract_id']} at {row['as_of']:%m-%d %H:%M}: {name} is {row[name]!r}, expected {value!r}"
        for row, truth in zip(frame, expected, strict=True)
        for name, value in truth.items()
        if not _equal(row[name], value)
    ]
    names = sorted({line.split(": ")[1].split(" is ")[0] for line in wrong})
    assert not wrong, f"{len(wrong)} cells differ, of {names}\n" + "\n".join(wrong[:20])


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return bool(a == b)


def test_every_cell_equals_the_oracle() -> None:
    check(renewal_world(11, accounts=8))


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip
@given(
    seed=st.integers(0, 10**6),
    accounts=st.integers(3, 12),
    density=st.sampled_from([0.5, 1.0]),
    gaps=st.sampled_from([0.0, 0.15, 0.4]),
)
def test_every_cell_equals_the_oracle_on_any_history(
    seed: int, accounts: int, density: float, gaps: float
) -> None:
    check(renewal_world(seed, accounts, density, gaps))
