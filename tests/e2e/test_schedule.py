"""The schedule, against a real Prefect server: triggered twice, it works once at a time."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from data.simulator import simulate
from tests.pipelines.conftest import COMMAND, FAST

pytestmark = pytest.mark.slow


def ask(address: str, body: dict[str, Any]) -> Any:
    """The server's answer; a 503 (its store is busy) is asked again, as Prefect's own client does."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    for _ in range(20):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.5)
    raise AssertionError(f"{address}: the server was busy for ten seconds")


def test_a_run_triggered_while_one_works_is_cancelled_and_the_schedule_goes_on(tmp_path: Path) -> None:
    simulate(tmp_path / "source", deals=400, seed=11)
    options = ["--cron", "0 5 * * 1", "--source", str(tmp_path / "source"), "-w", str(tmp_path / "w")]
    process = subprocess.Popen(
        [*COMMAND, "schedule", *options, "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **FAST},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        told = json.loads(text)
        assert len(told["next_runs"]) == 3
        api = told["api_url"]
        deployments = wait_for(lambda: ask(f"{api}/deployments/filter", {}))
        trigger = f"{api}/deployments/{deployments[0]['id']}/create_flow_run"
        first = ask(trigger, {"state": {"type": "SCHEDULED"}, "idempotency_key": "first"})
        time.sleep(1)
        second = ask(trigger, {"state": {"type": "SCHEDULED"}, "idempotency_key": "second"})
        ended = wait_for(lambda: finished(api, [first["id"], second["id"]]))
        assert sorted(ended) == ["CANCELLED", "COMPLETED"]
        assert (tmp_path / "w" / "published" / "CURRENT").is_file()
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def finished(api: str, runs: list[str]) -> list[str] | None:
    found = ask(f"{api}/flow_runs/filter", {"flow_runs": {"id": {"any_": runs}}})
    states = [run["state_type"] for run in found]
    return (
        states if all(state in ("CANCELLED", "COMPLETED", "FAILED", "CRASHED") for state in states) else None
    )


def wait_for(look: Any) -> Any:
    for _ in range(180):
        found = look()
        if found:
            return found
        time.sleep(1)
    raise AssertionError("nothing happened within three minutes")
