"""`dealcast backtest`: past forecasts of a simulated world, with nothing from after their origins."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from data.errors import ModelContractError, UsageError
from data.extract import extract
from data.settings import Settings, load_settings
from data.simulator import simulate
from models.backtest.stored import read_shocks
from pipelines.backtest import BACKTEST_FILE, ROWS_FILE, Backtested, backtest_part
from pipelines.backtest_plan import Plan, months_of
from pipelines.show_backtest import backtest_view

PLAN = Plan(origins=2, every=1, horizon=4, by=("region",))
SEED = 17


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest") / "source"
    simulate(folder, deals=500, seed=SEED)
    return folder


def loaded(source: Path, workspace: Path) -> Settings:
    workspace.mkdir()
    extract(source=source, mapping="canonical", workspace=workspace, max_reject_share=0.01, signals="off")
    return load_settings(workspace=workspace, n_trials=0, draws=500, signals="off")


@pytest.fixture(scope="module")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Backtested:
    settings = loaded(world, tmp_path_factory.mktemp("done") / "workspace")
    return backtest_part(settings, Console(quiet=True), PLAN)


@pytest.fixture(scope="module")
def rows(done: Backtested) -> pa.Table:
    return pq.read_table(done.job.run_dir / ROWS_FILE)


pytestmark = pytest.mark.slow


def test_every_part_is_scored_beside_its_baselines(done: Backtested, rows: pa.Table) -> None:
    found = {(one["part"], one["model"]) for one in done.document["scores"]}
    for part in ("open_deals", "not_yet_created", "bookings", "renewals", "consumption"):
        assert (part, "dealcast") in found
    assert {"rep_commit", "rep_categories", "stage_probability"} <= {m for p, m in found if p == "open_deals"}
    assert {"base_rate", "all_renew"} <= {m for p, m in found if p == "renewals"}
    assert {"last_value", "seasonal_naive"} <= {m for p, m in found if p == "consumption"}
    assert {"same_month_last_year", "mean_of_last_year"} <= {m for p, m in found if p == "bookings"}
    assert len(set(rows["origin"].to_pylist())) == 2


def test_regions_add_up_to_the_total_in_what_came_and_in_what_was_expected(rows: pa.Table) -> None:
    ours = rows.filter((pc.field("model") == "dealcast") & (pc.field("part") == "open_deals"))
    sums = ours.group_by(["origin", "period", "level"]).aggregate([("actual", "sum"), ("mean", "sum")])
    by_level = {
        level: sums.filter(pc.field("level") == level).sort_by(
            [("origin", "ascending"), ("period", "ascending")]
        )
        for level in ("total", "region")
    }
    assert np.allclose(by_level["total"]["actual_sum"], by_level["region"]["actual_sum"])
    # a region in which nothing came has no cell of its own
    assert np.all(
        np.array(by_level["region"]["mean_sum"]) <= np.array(by_level["total"]["mean_sum"]) * (1 + 1e-9)
    )


def test_open_and_coming_deals_add_up_to_all_bookings(rows: pa.Table) -> None:
    def total(part: str, column: str) -> float:
        wanted = (
            (pc.field("part") == part) & (pc.field("level") == "total") & (pc.field("model") == "dealcast")
        )
        return float(pc.sum(rows.filter(wanted)[column]).as_py())

    for column in ("actual", "mean"):
        parts = total("open_deals", column) + total("not_yet_created", column)
        assert total("bookings", column) == pytest.approx(parts)


def test_the_findings_are_written_shown_and_kept_for_later_runs(done: Backtested) -> None:
    written = json.loads((done.job.run_dir / BACKTEST_FILE).read_text())
    assert written["scores"] == json.loads(json.dumps(done.document["scores"]))
    end = datetime.fromisoformat(done.document["as_of"])
    shocks = read_shocks(done.job.workspace, end)
    assert read_shocks(done.job.workspace, end - timedelta(days=1)) is None
    assert shocks is not None
    assert shocks.to_dict() == done.document["shocks"]
    assert "2 origins" in shocks.source
    console = Console(width=200, record=True, quiet=True)
    console.print(backtest_view(done.document))
    assert done.mlflow_run is not None


def test_nothing_that_came_later_changes_what_was_forecast(
    world: Path, rows: pa.Table, tmp_path: Path
) -> None:
    last = max(rows["origin"].to_pylist())
    source = tmp_path / "source"
    source.mkdir()
    for file in sorted(world.iterdir()):
        pq.write_table(_poisoned(pq.read_table(file), file.stem, last), source / file.name)
    again = backtest_part(loaded(source, tmp_path / "workspace"), Console(quiet=True), PLAN)
    other = pq.read_table(again.job.run_dir / ROWS_FILE)
    keys = ("origin", "part", "level", "key", "period", "model")
    forecasts = [
        {tuple(row[key] for key in keys): (row["mean"], row["p10"], row["p90"]) for row in table.to_pylist()}
        for table in (
            one.filter(pc.field("level") == "total").sort_by([(key, "ascending") for key in keys])
            for one in (rows, other)
        )
    ]
    assert forecasts[0] == forecasts[1]
    assert not rows["actual"].equals(other["actual"])


def _poisoned(table: pa.Table, name: str, after: object) -> pa.Table:
    """The table with what was recorded at or after an instant turned into something absurd."""
    if name == "opportunity_changes":
        return _where(table, "changed_at", after, {"new_value": lambda old: _amounts(table, old)})
    if name == "opportunities":
        return _where(table, "closed_at", after, {"outcome": _swapped("won", "lost")})
    if name == "usage":
        return _where(table, "known_at", after, {"amount": lambda old: pc.multiply(old, 10.0)})
    if name == "contracts":
        return _where(table, "decided_at", after, {"renewed_amount": lambda old: pc.multiply(old, 3.0)})
    return table


def _amounts(table: pa.Table, old: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(table["field"], "amount"), "31", old)


def _swapped(one: str, other: str) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    return lambda old: pc.if_else(pc.equal(old, one), other, pc.if_else(pc.equal(old, other), one, old))


def _where(
    table: pa.Table,
    clock: str,
    after: object,
    change: dict[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]],
) -> pa.Table:
    late = pc.fill_null(pc.greater_equal(table[clock], pa.scalar(after, table[clock].type)), False)
    for name, made in change.items():
        new = pc.if_else(late, made(table[name]), table[name])
        table = table.set_column(table.schema.get_field_index(name), name, new)
    return table


def test_without_a_champion_none_can_be_replayed_as_it_was(done: Backtested) -> None:
    with pytest.raises(ModelContractError, match="expected a champion, found none"):
        backtest_part(done.job.settings, Console(quiet=True), Plan(origins=2, horizon=4, refit=False))


def test_a_plan_that_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="horizon of 1 to 12"):
        Plan(horizon=13)
    with pytest.raises(UsageError, match="--by"):
        Plan(by=("weekday",))
    with pytest.raises(UsageError, match="--every"):
        months_of("--every", "1w")
