"""Pages made from the code are up to date, and every command has its words."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWITCHES = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "PREFECT_SERVER_ANALYTICS_ENABLED", "CI")


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_data_contract_page_says_what_the_schema_says() -> None:
    """`make docs` writes it anew."""
    made = pytest.importorskip("data.contract_doc", reason="the data contract page is not made yet")
    assert _read("docs/data-contract.md") == made.contract_markdown()


def test_the_feature_page_says_what_the_catalogue_says() -> None:
    """`make docs` writes it anew."""
    made = pytest.importorskip("features.dictionary", reason="the feature page is not made yet")
    assert _read("docs/features.md") == made.features_markdown()


def test_every_command_stands_in_the_readme_or_the_docs() -> None:
    command_line = pytest.importorskip("pipelines.cli", reason="there is no command line yet")
    if not hasattr(command_line, "main"):
        pytest.skip("the command line has no entry point yet")
    shown = subprocess.run(
        [Path(sys.executable).with_name("dealcast"), "--help"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"},
    ).stdout
    commands = set(re.findall(r"^[│|]? {1,2}([a-z][a-z-]*)(?:  |$)", shown, re.MULTILINE))
    assert {"demo", "run", "deals"} <= commands, shown
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    words = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [name for name in sorted(commands) if not re.search(rf"dealcast {name}\b", words)] == []


@pytest.mark.parametrize(
    "verdict",
    [
        "from mlflow.telemetry.utils import is_telemetry_disabled as off; print(off())",
        "from prefect._internal.analytics.enabled import is_telemetry_enabled as on; print(not on())",
    ],
    ids=["mlflow", "prefect"],
)
def test_no_library_reports_home_even_where_the_user_said_nothing(verdict: str) -> None:
    """Each library is asked itself, in a process whose environment has none of the switches."""
    pytest.importorskip("pipelines.environment", reason="the edge does not set the environment yet")
    asked = f"from pipelines.environment import quiet_libraries; quiet_libraries(); {verdict}"
    silent = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=silent, check=False, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True"], done.stderr
