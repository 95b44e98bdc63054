"""Small worlds, and one whole run that several tests read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.simulator import simulate

Dealcast = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = (sys.executable, "-c", "from pipelines.cli import main; main()")
FAST = {"DEALCAST_N_TRIALS": "0", "DEALCAST_SIGNALS": "off", "OMP_WAIT_POLICY": "passive"}


def dealcast(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, without a search for parameters, and without reading texts."""
    return subprocess.run(
        [*COMMAND, *(str(argument) for argument in arguments)],
        capture_output=True, text=True, check=False, timeout=600, env={**os.environ, **FAST, **environment},
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a whole run is slow, whatever it does with it."""
    for item in items:
        if "ran" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 simulated deals, enough for a model."""
    folder = tmp_path_factory.mktemp("world") / "source"
    simulate(folder, deals=400, seed=11)
    return folder


@pytest.fixture(scope="session")
def ran(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A workspace after one run without Prefect: the folder, the JSON result, standard error."""
    workspace = tmp_path_factory.mktemp("workspace")
    done = dealcast(
        "run", "--source", world, "--mapping", "canonical", "-w", workspace, "--direct", "--json",
        DEALCAST_SIGNALS="shipped",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return workspace, json.loads(done.stdout), done.stderr


@pytest.fixture
def few_deals(tmp_path: Path) -> Callable[..., Path]:
    """Writes a source of hand-made deals: `few_deals(won=1, lost=2, open=3)`."""

    def write(*, won: int, lost: int, still_open: int) -> Path:
        folder = tmp_path / "export"
        folder.mkdir()
        outcomes = ["won"] * won + ["lost"] * lost + [None] * still_open
        n = len(outcomes)
        created = ["2025-03-01T00:00:00Z"] * n
        closed = ["2025-09-01T00:00:00Z" if outcome else None for outcome in outcomes]
        text = pa.string()
        deals = pa.table({
            "opportunity_id": pa.array([f"D{i}" for i in range(n)], text),
            "account_id": pa.array(["A"] * n, text),
            "created_at": pa.array(created, text),
            "closed_at": pa.array(closed, text),
            "outcome": pa.array(outcomes, text),
        })  # fmt: skip
        pq.write_table(deals, folder / "opportunities.parquet")
        accounts = {"account_id": ["A"], "created_at": ["2024-01-01T00:00:00Z"]}
        pq.write_table(pa.table(accounts), folder / "accounts.parquet")
        return folder

    return write
