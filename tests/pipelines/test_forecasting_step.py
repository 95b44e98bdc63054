"""What the last step of a run settles: what a forecast rests on, and what it may know."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from data.settings import load_settings
from data.warehouse import memory_tables
from models.forecast.shocks import Shocks
from pipelines import forecasting
from pipelines.champion import hindsight
from pipelines.consuming import UsePart
from pipelines.contracts import RenewalPart
from pipelines.forecasting import Parts
from pipelines.steps import published_before
from serving.renewals import SCORES
from tests.serving.forecast_runs import AS_OF, deal, published, tables

RUN = "20261121T000000Z-00000a"


def settled(renewals: RenewalPart) -> dict[str, Any]:
    """What is written down of a source of 40 new deals, 40 renewals and a contract not decided yet."""
    created = datetime(2026, 1, 1, tzinfo=UTC)
    deals: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for i in range(80):
        deals.append({
            "opportunity_id": f"D{i:02d}", "account_id": "A", "type": ("new", "renewal")[i % 2],
            "currency": "EUR", "created_at": created + timedelta(days=i),
            "closed_at": created + timedelta(days=i + 60), "outcome": "won",
        })  # fmt: skip
        changes.append({
            "opportunity_id": f"D{i:02d}", "field": "amount", "new_value": "100",
            "changed_at": created + timedelta(days=i),
        })  # fmt: skip
    contract = {"contract_id": "K1", "account_id": "A", "currency": "EUR", "known_at": created}
    source = memory_tables(
        {
            "accounts": [{"account_id": "A"}],
            "opportunities": deals,
            "opportunity_changes": changes,
            "contracts": [contract],
        }
    )
    job = SimpleNamespace(settings=load_settings(), now=AS_OF)
    view = SimpleNamespace(as_of=AS_OF)
    found: dict[str, Any] = forecasting._about(job, view, source, Shocks(), Parts(renewals, UsePart()))  # type: ignore[arg-type]
    return found


def test_renewals_to_come_are_forecast_once_and_never_not_at_all() -> None:
    assert settled(RenewalPart())["new_business"]["created"] == 80
    scored = RenewalPart({SCORES: pa.table({"contract_id": ["K1"]})})
    assert settled(scored)["new_business"]["created"] == 40


def test_a_run_published_with_a_later_as_of_is_no_run_before(tmp_path: Path) -> None:
    assert published_before(tmp_path, AS_OF) is None
    published(tmp_path, RUN, tables([deal("a")]))
    found = published_before(tmp_path, AS_OF)
    assert found is not None
    assert found.run_id == RUN
    assert published_before(tmp_path, AS_OF - timedelta(days=1)) is None


@pytest.mark.parametrize(("trained", "warned"), [({}, False), ({"as_of": AS_OF.isoformat()}, True)])
def test_a_model_that_learnt_from_later_says_so(trained: dict[str, str], warned: bool) -> None:
    model: Any = SimpleNamespace(version="win-1", trained=trained)
    assert bool(hindsight(model, AS_OF - timedelta(days=1))) is warned
    assert hindsight(model, AS_OF) == ()
