"""A published run whose every text is an attack: pages show it as text, and no script runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, expect

from serving.live import HeldRun, hold
from serving.publish import Publication, publish
from tests.browser.site import Site, open_site, watched

pytestmark = pytest.mark.slow

_ATTACK = (
    '"></script><script>window.owned=1;alert(1)</script><img src=x onerror="window.owned=1">'
    "<svg onload=alert(2)>{{7*7}}${7*7}' onmouseover='alert(3)"
)
_KEPT = {
    "opportunity_id", "contract_id", "account_id", "owner_id", "feature", "family", "currency", "state",
    "kind", "part", "level", "period", "period_kind", "term", "largest_id", "model",
    "model_version", "group_id", "steps", "drivers", "question", "side", "role", "p_next_basis",
    "source", "row_id", "user_id",
    "manager_id", "email_sha256", "of", "since_run_id", "field", "direction", "channel", "type",
}  # fmt: skip
"""Columns that the program itself fills, or that other rows are found by."""
_OURS = ("context_", "win_sources")
"""Tables of names that the program itself made."""
_NAMED = ("win_scores", "win_contributions", "win_features", "win_drivers", "win_reasons", "win_deals")


@pytest.fixture(scope="module")
def attacked(served: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    workspace = tmp_path_factory.mktemp("attacked")
    _publish_attacked(hold(served), workspace)
    with open_site(workspace) as held:
        yield held


def test_hostile_texts_are_shown_and_never_run(browser: Browser, attacked: Site) -> None:
    context = attacked.context(browser, "ops")
    held = watched(context, attacked.url)
    paths = [*attacked.pages_of("ops"), "/deals?q=%3Cscript%3Ealert(4)%3C/script%3E&sort=name"]
    for path in paths:
        held.go(attacked.url + path)
        assert held.page.evaluate("window.owned") is None, path
    held.go(attacked.url + "/deals")
    expect(held.page.locator(".deal-name a").first).to_contain_text(
        "<script>window.owned=1;alert(1)</script>"
    )
    context.close()
    assert held.wrong == []


def test_an_attack_in_an_address_is_shown_and_never_runs(browser: Browser, attacked: Site) -> None:
    context = attacked.context(browser, "ops")
    held = watched(context, attacked.url)
    for path in ("/deals?stage=%3Cimg%20src%3Dx%20onerror%3Dalert(5)%3E", "/forecast?of=%22%3E%3Cscript%3E"):
        held.go(attacked.url + path)
    for path in ("/deals?sort=%3Cscript%3Ealert(6)%3C/script%3E", "/forecast?by=%3Cscript%3E"):
        answer = held.page.goto(attacked.url + path)
        assert answer is not None
        assert answer.status == 400
        assert held.page.evaluate("window.owned") is None
    context.close()
    assert [one for one in held.wrong if "status of 400" not in one] == []


def _publish_attacked(run: HeldRun, workspace: Path) -> None:
    tables = {
        name: run.table(name) if name.startswith(_OURS) else _attacked(run.table(name))
        for name in run.manifest["files"]
    }
    named = {one.removeprefix("win_"): tables.pop(f"{one}.parquet") for one in _NAMED}
    publish(
        workspace,
        run.run_id,
        Publication(
            as_of=run.as_of, model_version=run.model_version, data_version=run.manifest["data_version"],
            further=tables, about={**run.manifest["about"], "warnings": [_ATTACK], "previous_run_id": None},
            **named,
        ),
    )  # fmt: skip


def _attacked(table: pa.Table) -> pa.Table:
    """The table with the attack for every text that is not a name of the program's."""
    made: Any = table
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and field.name not in _KEPT:
            texts = [
                None if one is None else f"{one[:12]} {_ATTACK}" for one in table[field.name].to_pylist()
            ]
            made = made.set_column(place, field.name, pa.array(texts, pa.string()))
    return made
