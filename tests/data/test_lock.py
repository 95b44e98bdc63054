import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import UsageError, WarehouseBusyError
from data.lock import LOCK_FILE, workspace_lock

_HOLDER = """
import sys
from pathlib import Path
from data.lock import workspace_lock
with workspace_lock(Path(sys.argv[1]), command="dealcast run", run_id="R7", wait_seconds=0):
    print("held", flush=True)
    sys.stdin.read()
"""


def _start_holder(workspace: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(workspace)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_told_who_holds_the_workspace_and_for_how_long_it_waited(tmp_path: Path) -> None:
    with _start_holder(tmp_path) as holder:
        with (
            pytest.raises(WarehouseBusyError) as caught,
            workspace_lock(tmp_path, command="dealcast train", run_id=None, wait_seconds=0.2),
        ):
            pytest.fail("the lock was given twice")
        holder.communicate("")
    assert f"is in use by `dealcast run` (pid {holder.pid}, run R7, since 2" in str(caught.value)
    assert "waited 0.2 s" in str(caught.value)
    assert caught.value.holder["pid"] == str(holder.pid)


def test_the_lock_is_free_once_its_holder_ends_or_is_killed(tmp_path: Path) -> None:
    with _start_holder(tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with workspace_lock(tmp_path, command="dealcast train", run_id="R8", wait_seconds=0):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["run_id"] == "R8"
    with workspace_lock(tmp_path, command="dealcast train", run_id=None, wait_seconds=0):
        assert "run_id" not in json.loads((tmp_path / LOCK_FILE).read_text())
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_a_waiting_process_gets_the_workspace_when_the_holder_is_done(tmp_path: Path) -> None:
    with _start_holder(tmp_path) as holder:
        assert holder.stdin is not None
        holder.stdin.close()
        with workspace_lock(tmp_path, command="dealcast train", run_id=None, wait_seconds=30):
            pass


def test_a_workspace_that_is_a_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    with (
        pytest.raises(UsageError, match=r"taken: expected a folder .* --workspace DIR"),
        workspace_lock(tmp_path / "taken", command="run", run_id=None, wait_seconds=0),
    ):
        pass
