"""`dealcast audit`, and the gate before training: what they say, where they stop, what may stand."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.simulator import simulate
from data.simulator.leaks import plant_leaks
from models.audit.findings import CHECKS
from tests.pipelines.conftest import dealcast

pytestmark = pytest.mark.slow

LEAKY = "opportunities_x_reference"
STRUCTURAL = ("no_row_after_close", "label_maturity", "deal_overlap", "embargo", "rebuilt_features",
              "shuffled_labels")  # fmt: skip
COUNTED = ("censoring", "recorded_late", "written_after_close", "reopened")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that holds 300 deals, with a contract number that won deals alone have."""
    folder = tmp_path_factory.mktemp("leaky")
    simulate(folder / "world", deals=300, seed=12)
    plant_leaks(folder / "world", folder / "source", kinds=("presence of a contract number",), seed=12)
    workspace = folder / "workspace"
    loaded = dealcast("extract", "--source", folder / "source", "-w", workspace)
    assert loaded.returncode == 0, loaded.stderr
    return workspace


def test_the_audit_names_what_leaks_with_evidence_and_remedy_and_exits_with_1(leaky: Path) -> None:
    done = dealcast("audit", "-w", leaky, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == "failed"
    assert found["dropped"] == [LEAKY]
    verdicts = {check["check"]: check["verdict"] for check in found["checks"]}
    assert set(verdicts) == {*CHECKS, *STRUCTURAL, *COUNTED}
    assert verdicts["presence_auc"] == "failed"
    assert {verdicts[check] for check in STRUCTURAL} == {"passed"}
    said = next(one for one in found["findings"] if one["check"] == "presence_auc")
    assert said["bound"] > said["threshold"] == 0.9
    assert "being filled or empty alone" in said["evidence"]
    assert "allow it by name" in said["remedy"]
    stored = json.loads(Path(found["audit"]).read_text())
    assert stored["checks"] == found["checks"]
    rebuilt = next(check for check in found["checks"] if check["check"] == "rebuilt_features")
    assert rebuilt["figures"]["instants"] == 2
    assert rebuilt["figures"]["features"] == found["checked"]


def test_a_waiver_with_a_reason_lets_it_stand_and_exits_with_0(leaky: Path, tmp_path: Path) -> None:
    waivers = leaky / "audit-waivers.toml"
    waivers.write_text(
        f'[[waiver]]\nfeature = "{LEAKY}"\nreason = "drawn when the draft goes out"\nby = "Ada"\n'
        '[[waiver]]\nfeature = "amount"\nreason = "to be sure"\n'
    )
    try:
        done = dealcast("audit", "-w", leaky)
    finally:
        waivers.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is left out." in done.stdout
    assert f"{LEAKY}: waived for" in done.stdout
    assert "drawn when the draft goes out, Ada" in done.stdout
    assert "amount: waived, but nothing was found: take the waiver out" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("presence_auc"))
    assert "waived" in line


def test_a_wrong_file_of_waivers_is_wrong_usage(leaky: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'[[waiver]]\nfeature = "{LEAKY}"\n')
    done = dealcast("audit", "-w", leaky, DEALCAST_AUDIT_WAIVERS=str(file))
    assert done.returncode == 2
    assert "mine.toml, waiver 1" in done.stderr
    assert "reason: expected a text" in done.stderr


def test_a_run_goes_through_the_same_audit_first(ran: tuple[Path, dict[str, Any], str]) -> None:
    _, result, _ = ran
    document = json.loads(Path(result["paths"]["audit"]).read_text())
    verdicts = {check["check"]: check["verdict"] for check in document["checks"]}
    assert set(verdicts) == {*CHECKS, *STRUCTURAL, *COUNTED}
    assert "failed" not in {verdicts[check] for check in STRUCTURAL}
    assert document["dropped"] == []
