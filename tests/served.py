"""A workspace with two published runs, a week apart, made once for all test processes."""

import fcntl
import os
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.simulator import simulate
from tests.pipelines.conftest import dealcast

__all__ = ["make_served", "served"]

_DEALS = 500
_SEED = 21


def make_served(folder: Path) -> Path:
    """Simulate into folder/source, run as of a week before the newest change, then as of the end."""
    source, workspace = folder / "source", folder / "workspace"
    simulate(source, deals=_DEALS, seed=_SEED)
    changed = pq.read_table(source / "opportunity_changes.parquet")["changed_at"].to_pylist()
    week_before = (max(at for at in changed if at is not None) - timedelta(days=7)).date()
    for arguments in (["--as-of", str(week_before)], []):
        done = dealcast(
            "run", "--source", source, "--mapping", "canonical", "-w", workspace, "--direct", *arguments,
            DEALCAST_SIGNALS="shipped",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace; read only, since every test process shares it: copy it to write.

    DEALCAST_TEST_SERVED names one that `make_served` made before, which saves a minute.
    """
    if os.environ.get("DEALCAST_TEST_SERVED"):
        return Path(os.environ["DEALCAST_TEST_SERVED"])
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "served"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            make_served(folder)
            (folder / "ready").touch()
    return folder / "workspace"
