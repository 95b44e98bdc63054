"""While runs are published under the server, no request fails and no answer mixes two runs."""

import threading
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from data.settings import load_settings
from models.calibration import sigmoid
from serving.app import create_app
from serving.live import Live
from serving.publish import publish, published_folder
from tests.serving.running import serving
from tests.serving.test_publish import AS_OF, BASE, IDS, publication

_RUNS = 12
_READERS = 4


def run_id(number: int) -> str:
    return f"20260105T0000{number:02d}Z-0000{number:02d}"


def numbered(number: int) -> dict[str, object]:
    """A run whose every probability tells its number."""
    log_odds = np.full(3, BASE + number / 10)
    scores = pa.table({
        "opportunity_id": IDS, "as_of": pa.array([AS_OF] * 3, pa.timestamp("us", "UTC")),
        "p_win": sigmoid(log_odds), "log_odds": log_odds, "base_log_odds": [BASE] * 3,
        "model_version": [f"win-{number}"] * 3,
    })  # fmt: skip
    moved = {"meetings": np.full(3, number / 10), "stage": np.zeros(3)}
    return {
        "scores": scores,
        "contributions": pa.table({"opportunity_id": IDS, **moved}),
        "model_version": f"win-{number}",
    }


def publish_numbered(workspace: Path, number: int) -> None:
    publish(workspace, run_id(number), publication(**numbered(number)))


def test_runs_published_under_load_fail_no_request_and_mix_in_no_answer(tmp_path: Path) -> None:
    publish_numbered(tmp_path, 0)
    settings = load_settings(workspace=tmp_path, rate_limit_per_minute=10_000_000)
    app = create_app(settings, live=Live(tmp_path, poll_seconds=0.01))
    done, wrong, seen = threading.Event(), [], set()
    wanted = {
        run_id(n): {round(float(p), 9) for p in sigmoid(np.array([BASE + n / 10]))} for n in range(_RUNS)
    }

    def read(url: str, cookies: httpx.Cookies) -> None:
        with httpx.Client(base_url=url, cookies=cookies, timeout=30) as client:
            while not done.is_set():
                answer = client.get("/api/v1/deals")
                if answer.status_code != 200:
                    wrong.append(answer.text)
                    return
                told = answer.json()
                seen.add(told["run_id"])
                model = f"win-{int(told['run_id'][13:15])}"
                found = {round(row["p_win"], 9) for row in told["deals"]}
                if told["model_version"] != model or found != wanted[told["run_id"]]:
                    wrong.append(told)

    with serving(app) as served, served.client() as client:
        client.get(app.state.access.new_link(served.url))
        readers = [threading.Thread(target=read, args=(served.url, client.cookies)) for _ in range(_READERS)]
        for reader in readers:
            reader.start()
        wait_until(lambda: run_id(0) in seen)
        for number in range(1, _RUNS):
            publish_numbered(tmp_path, number)
            folder = published_folder(tmp_path) / run_id(number)
            if number % 3 == 0:  # every third run is damaged before anyone can take it, or just after
                (folder / "win_scores.parquet").write_bytes(b"PAR1")
            wait_until(lambda number=number: number % 3 == 0 or run_id(number) in seen)
        done.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert {run_id(number) for number in range(_RUNS) if number % 3 or not number} <= seen


def wait_until(happened) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if happened():
            return
        pause.wait(0.01)
    raise AssertionError("did not happen within 30 seconds")
