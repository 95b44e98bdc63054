"""Which model serves, where the champion cannot be read."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from data.settings import load_settings
from models.manifest import write_manifest
from pipelines.champion import champion_or_none
from pipelines.job import Job
from serving.run_id import new_run_id


def test_a_champion_written_by_another_version_does_not_serve_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "champion"
    write_manifest(folder, {"model.json": orjson.dumps({"format": 2})}, {"version": "win-0123456789ab"})
    found = SimpleNamespace(folder=folder, degraded=None)
    monkeypatch.setattr("pipelines.judging.load_champion", lambda store: found)
    job = Job(load_settings(workspace=tmp_path / "w"), new_run_id(datetime(2026, 1, 5, tzinfo=UTC)))
    champion, warnings = champion_or_none(job)
    assert champion is None
    assert "another version of dealcast" in warnings[0]
