"""The served workspace with a model that scores, made once for all test processes."""

import fcntl
import shutil
from pathlib import Path

from serving.published import open_published
from tests.pipelines.conftest import dealcast

__all__ = ["modelled"]


def modelled(served: Path) -> Path:
    """`served` where a model scored its deals; else a copy in which the model that was trained does.

    Few deals teach little, so the gate may have left the scores at a base rate: here it is overruled.
    """
    if not open_published(served).is_baseline:
        return served
    workspace = served.parent / "modelled"
    with (served.parent / "modelled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (workspace / "ready").exists():
            shutil.rmtree(workspace, ignore_errors=True)
            shutil.copytree(served, workspace)
            for command in (["promote", "--force", "for tests of what a model says"], ["score"]):
                done = dealcast(*command, "-w", workspace, DEALCAST_SIGNALS="shipped")
                assert done.returncode == 0, done.stderr
            (workspace / "ready").touch()
    return workspace
