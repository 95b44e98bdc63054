"""The command line: one JSON object, sound exit codes, answers at once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from data.lock import workspace_lock
from pipelines.cli.app import app
from tests.pipelines.conftest import COMMAND, dealcast

Ran = tuple[Path, dict[str, Any], str]
HEAVY = {"prefect", "mlflow", "lightgbm", "ibis", "duckdb", "pandas", "sklearn", "optuna", "altair"}
COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    help_text = dealcast(command, "--help", COLUMNS="200", TERM="dumb")
    assert help_text.returncode == 0
    assert f"dealcast {command}" in help_text.stdout.partition("Example:")[2]


def test_a_run_prints_one_json_object_and_everything_else_to_standard_error(ran: Ran) -> None:
    workspace, result, stderr = ran
    assert result["status"] == "done"
    assert result["run_id"] == (workspace / "published" / "CURRENT").read_text()
    assert set(result["metrics"]) == {"win", "base_rate", "stage_probability", "naive_bayes", "logistic"}
    assert set(result["metrics"]["win"]) >= {"auc", "log_loss", "brier", "ece"}
    assert "Training" in stderr


def test_the_paths_of_a_run_lead_to_its_files(ran: Ran) -> None:
    workspace, result, _ = ran
    run = workspace / "runs" / result["run_id"]
    assert Path(result["paths"]["published"]) == workspace / "published" / result["run_id"]
    assert Path(result["paths"]["evaluation"]) == run / "evaluation.json"
    for name in ("evaluation.json", "win_test_predictions.parquet", "audit.json", "report.html"):
        assert (run / name).is_file(), name
    assert json.loads((run / "evaluation.json").read_text())["metrics"] == result["metrics"]


def test_one_row_is_published_per_open_deal_with_the_columns_of_the_contract(ran: Ran) -> None:
    workspace, result, _ = ran
    folder = workspace / "published" / result["run_id"]
    scores = pq.read_table(folder / "win_scores.parquet")
    assert scores.column_names == [
        "opportunity_id", "as_of", "p_win", "log_odds", "base_log_odds", "model_version",
    ]  # fmt: skip
    features = pq.read_table(folder / "win_features.parquet")
    contributions = pq.read_table(folder / "win_contributions.parquet")
    assert features.column_names == contributions.column_names
    assert scores.num_rows == features.num_rows == contributions.num_rows == result["open_deals"] > 0
    assert set(scores["model_version"].to_pylist()) == {result["model_version"]}


def test_deals_and_explain_answer_from_published_files_alone(ran: Ran) -> None:
    workspace, result, _ = ran
    ranked = json.loads(dealcast("deals", "-w", workspace, "--top", 3, "--json").stdout)
    assert ranked["run_id"] == result["run_id"]
    chances = [deal["p_win"] for deal in ranked["deals"]]
    assert len(chances) == 3
    assert chances == sorted(chances, reverse=True)
    deal = ranked["deals"][0]["opportunity_id"]
    explanation = json.loads(dealcast("explain", deal, "-w", workspace, "--json").stdout)
    total = explanation["base_log_odds"] + sum(driver["log_odds"] for driver in explanation["drivers"])
    assert total == pytest.approx(explanation["log_odds"], abs=1e-9)


@pytest.mark.parametrize("command", [("deals",), ("explain", "no-such-deal")])
def test_commands_that_read_published_results_import_no_heavy_library(
    ran: Ran, command: tuple[str, ...]
) -> None:
    script = (
        "import sys; from pipelines.cli.app import app\n"
        "try: app(sys.argv[1:], prog_name='dealcast')\n"
        "except SystemExit: pass\n"
        "print('imported', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "-w", str(ran[0])],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = done.stderr.partition("imported ")[2].split()
    assert "serving.published" in imported
    assert HEAVY.isdisjoint(imported)


def test_an_unknown_deal_is_wrong_usage_with_near_matches(ran: Ran) -> None:
    workspace, _, _ = ran
    deal = json.loads(dealcast("deals", "-w", workspace, "--json").stdout)["deals"][0]["opportunity_id"]
    done = dealcast("explain", f"{deal}x", "-w", workspace)
    assert done.returncode == 2
    assert f"Near matches: {deal}" in done.stderr
    assert "Traceback" not in done.stderr


def test_evidence_lists_rows_known_before_the_instant(ran: Ran) -> None:
    workspace, result, _ = ran
    deal = json.loads(dealcast("deals", "-w", workspace, "--json").stdout)["deals"][0]["opportunity_id"]
    done = dealcast("evidence", deal, "stage", "-w", workspace, "--json")
    found = json.loads(done.stdout)
    assert found["as_of"] == result["as_of"]
    assert len(found["rows"]) == 1
    assert found["value"] in found["rows"][0]["what"]
    assert found["rows"][0]["visible_at"] < found["as_of"]


def test_a_failed_check_exits_with_1_and_says_so_in_json(tmp_path: Path) -> None:
    done = dealcast("deals", "-w", tmp_path, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"
    assert "nothing is published" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    assert dealcast("run", "--as-of", "yesterday", "-w", tmp_path).returncode == 2
    assert dealcast("run", "--no-such-option").returncode == 2


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in dealcast("deals", "-w", tmp_path, "--debug").stderr


def test_markup_and_escapes_in_crm_text_are_shown_not_obeyed() -> None:
    from rich.console import Console

    from pipelines.show import cell

    console = Console(force_terminal=True, width=80, color_system="standard")
    with console.capture() as capture:
        console.print(cell("[red]Acme[/red]\x1b[31m"))
    assert capture.get().strip() == "[red]Acme[/red][31m"


def test_init_never_overwrites_without_force(tmp_path: Path) -> None:
    assert dealcast("init", tmp_path).returncode == 0
    file = tmp_path / "dealcast.toml"
    file.write_text("seed = 1\n")
    assert dealcast("init", tmp_path).returncode == 2
    assert file.read_text() == "seed = 1\n"
    assert dealcast("init", tmp_path, "--force").returncode == 0
    assert "workspace" in file.read_text()


@pytest.mark.slow
def test_the_doctor_finds_a_flipped_byte_by_name(ran: Ran, tmp_path: Path) -> None:
    workspace, result, _ = ran
    assert dealcast("doctor", "-w", workspace, "--json").returncode == 0
    path = workspace / "published" / result["run_id"] / "win_features.parquet"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        done = dealcast("doctor", "-w", workspace, "--json")
    finally:
        path.write_bytes(whole)
    assert done.returncode == 1
    broken = [finding for finding in json.loads(done.stdout)["findings"] if finding["state"] == "broken"]
    assert [finding["what"] for finding in broken] == ["published"]
    assert "win_features.parquet" in broken[0]["said"]


@pytest.mark.slow
def test_a_run_beside_another_says_so_and_is_skipped(world: Path, tmp_path: Path) -> None:
    with workspace_lock(tmp_path, command="dealcast run", run_id="20260105T000000Z-00000a", wait_seconds=0):
        done = dealcast("run", "--source", world, "-w", tmp_path, "--json", DEALCAST_LOCK_WAIT_SECONDS="0")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "skipped"
    assert "already running (run 20260105T000000Z-00000a, pid" in done.stderr
    assert not (tmp_path / "published").exists()


@pytest.mark.slow
def test_an_extract_beside_a_run_fails_and_names_the_holder(world: Path, tmp_path: Path) -> None:
    with workspace_lock(tmp_path, command="dealcast run", run_id="20260105T000000Z-00000a", wait_seconds=0):
        done = dealcast("extract", "--source", world, "-w", tmp_path, DEALCAST_LOCK_WAIT_SECONDS="0")
    assert done.returncode == 1
    assert "dealcast run" in done.stderr


def test_the_command_of_the_package_is_this_one() -> None:
    from importlib.metadata import entry_points

    script = next(iter(entry_points(group="console_scripts", name="dealcast")))
    assert script.value == "pipelines.cli:main"
    assert COMMAND[0] == sys.executable


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "init", "--json", str(tmp_path)],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
