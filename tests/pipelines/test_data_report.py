"""What a run says of its data: rows, rejects with their reasons, coverage."""

import json
from pathlib import Path

from data.extract import extract
from data.settings import Settings
from data.warehouse import open_warehouse
from pipelines.data_report import DATA_FILE, write_data_report
from pipelines.job import Job
from serving.api.model_reading import data_answer
from serving.model_files import ModelFiles

RUN_ID = "20260105T000000Z-00000a"
ACCOUNTS = "account_id,name,region,created_at\nA1,Acme,north,2025-01-01\nA2,Beta,,2025-01-01\n"
DEALS = (
    "opportunity_id,account_id,created_at,closed_at,outcome\n"
    "D1,A1,2025-02-01,,\n"
    "D2,A1,2025-02-01,2025-01-15,won\n"
    "D3,A2,2025-02-01,2025-03-01,lost\n"
)


def test_rows_rejects_and_coverage_are_told_by_table(tmp_path: Path) -> None:
    source, workspace = tmp_path / "source", tmp_path / "workspace"
    source.mkdir()
    (source / "accounts.csv").write_text(ACCOUNTS)
    (source / "opportunities.csv").write_text(DEALS)
    extract(source=source, mapping="canonical", workspace=workspace, max_reject_share=0.5)
    with open_warehouse(workspace) as warehouse:
        write_data_report(Job(Settings(workspace=workspace), RUN_ID), warehouse)
    held = json.loads((workspace / "runs" / RUN_ID / DATA_FILE).read_text())
    tables = {one["table"]: one for one in held["tables"]}
    assert (tables["opportunities"]["mapped"], tables["opportunities"]["rejected"]) == (3, 1)
    (why,) = tables["opportunities"]["reasons"]
    assert (why["column"], why["rows"]) == ("closed_at", 1)
    assert tables["accounts"]["filled"]["region"] == 0.5
    assert tables["activities"] == {
        "table": "activities", "present": False, "mapped": 0, "rejected": 0, "filled": {}, "reasons": [],
    }  # fmt: skip
    assert held["mapping"] == "canonical"


def test_the_api_answers_what_was_written(tmp_path: Path) -> None:
    test_rows_rejects_and_coverage_are_told_by_table(tmp_path)
    told = data_answer(ModelFiles(tmp_path / "workspace", (RUN_ID,)), RUN_ID)
    assert told is not None
    tables = {one.table: one for one in told.tables}
    assert tables["opportunities"].reasons[0].column == "closed_at"
    assert not tables["usage"].present
