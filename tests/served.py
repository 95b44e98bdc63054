"""A workspace whose deals one model scored twice, a week apart, made once for all test processes."""

import fcntl
import os
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.simulator import simulate
from serving.published import open_published
from tests.pipelines.conftest import dealcast

__all__ = ["make_served", "served"]

_DEALS = 500
_SEED = 21


def make_served(folder: Path) -> Path:
    """Simulate into folder/source, run as of a week before the newest change, then as of the end.

    So few deals may teach too little to pass the gate: it is overruled, and the model scores the week before
    again, so that what changed since can be told.
    """
    source, workspace = folder / "source", folder / "workspace"
    simulate(source, deals=_DEALS, seed=_SEED)
    changed = pq.read_table(source / "opportunity_changes.parquet")["changed_at"].to_pylist()
    week_before = str((max(at for at in changed if at is not None) - timedelta(days=7)).date())
    whole = ("run", "--source", source, "--mapping", "canonical", "--direct")
    _dealcast(workspace, *whole, "--as-of", week_before)
    if open_published(workspace).is_baseline:
        _dealcast(workspace, "promote", "--force", "for tests of what a model says")
        _dealcast(workspace, "score", "--as-of", week_before)
    _dealcast(workspace, *whole)
    return workspace


def _dealcast(workspace: Path, *arguments: object) -> None:
    done = dealcast(*arguments, "-w", workspace, DEALCAST_SIGNALS="shipped")
    assert done.returncode == 0, done.stderr


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
