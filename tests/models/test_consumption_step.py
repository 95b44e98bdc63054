"""The step of a run, from a loaded source to the table that is published, and its reader."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from data.settings import load_settings
from data.simulator import simulate
from models.consumption.table import FORECAST_SCHEMA
from pipelines.consuming import CONSUMPTION_REPORT, forecast_consumption
from pipelines.job import Job
from pipelines.steps import View, choose_instant, load_source
from serving.consumption import CONSUMPTION, USE_LEVELS
from serving.run_id import new_run_id

pytestmark = pytest.mark.slow


def quiet(_: str) -> None:
    """Nobody listens."""


def loaded(folder: Path) -> tuple[Job, View]:
    held = load_settings(
        source=folder / "source", workspace=folder / "workspace", signals="off", horizon_months=4
    )
    job = Job(held, new_run_id(datetime(2026, 1, 5, 6, tzinfo=UTC), "0a1b2c"))
    load_source(job, quiet)
    return job, choose_instant(job, quiet)


def test_the_step_gives_the_table_of_every_level_and_says_how_it_was_made(tmp_path: Path) -> None:
    simulate(tmp_path / "source", deals=250, seed=4)
    job, view = loaded(tmp_path)
    part = forecast_consumption(job, view, quiet)
    table = part.tables[CONSUMPTION]
    assert table.schema == FORECAST_SCHEMA
    assert set(table["level"].to_pylist()) == set(USE_LEVELS)
    starts = sorted(set(table["period_start"].to_pylist()))
    assert len(starts) == 4
    assert (starts[0].year, starts[0].month) == (view.as_of.year, view.as_of.month)
    assert orjson.loads((job.run_dir / CONSUMPTION_REPORT).read_bytes())["past_origins"] > 0
    assert forecast_consumption(job, view, quiet).tables[CONSUMPTION].equals(table)


def test_a_source_without_use_is_skipped_with_a_note(tmp_path: Path) -> None:
    simulate(tmp_path / "source", deals=60, seed=4)
    next((tmp_path / "source").glob("usage.*")).unlink()
    part = forecast_consumption(*loaded(tmp_path), quiet)
    assert part.tables == {}
    assert part.notes == ("no use is recorded in a complete period: no consumption is forecast",)
