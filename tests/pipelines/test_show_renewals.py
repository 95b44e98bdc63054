"""How ranked renewals look on a terminal."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pipelines.show_renewals import renewals_table
from serving.renewals import RenewalScore
from tests.serving.forecast_runs import deal, published, renewal, tables

SCORE = RenewalScore(
    rank=1, contract_id="K1", account_id="A1", account="Acme", region="north", segment="retail",
    billing="commit", currency="EUR", committed_amount=1000.0, ends_on="2026-12-15", days_left=24.0,
    overdue=False, p_renew=0.8, ratio_if_renewed=1.1, expected_ratio=0.88, ratio_low=0.0, ratio_high=1.2,
    change=None, top_reason=None,
)  # fmt: skip


def shown(workspace: Path, *scores: RenewalScore, model: str) -> str:
    held = tables([deal("D1")], [renewal("K1") | {"model_version": model}])
    run = published(workspace, "20261121T000000Z-000001", held)
    file = io.StringIO()
    Console(file=file, width=80).print(renewals_table(scores, run))
    return file.getvalue()


def test_base_rates_are_called_so_and_take_no_columns_for_what_they_lack(tmp_path: Path) -> None:
    said = shown(tmp_path, SCORE, model="baseline-1")
    assert "BASELINE: one rate for every contract" in said
    assert "change" not in said
    assert "moves it most" not in said
    assert "88% (0%–120%)" in said


def test_a_model_is_named_with_what_moved_and_why(tmp_path: Path) -> None:
    said = shown(tmp_path, replace(SCORE, change=-0.05, top_reason="No use."), model="renewal-1")
    assert "BASELINE" not in said
    assert "model renewal-1" in said
    assert "-5.0" in said
    assert "No use." in said
