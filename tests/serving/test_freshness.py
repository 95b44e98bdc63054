"""Old figures and an old model say so, after the set ages, in every answer that shows figures."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.settings import load_settings
from models.manifest import write_manifest
from serving.app import create_app
from serving.live.freshness import run_notices
from serving.publish import publish
from serving.published import open_published
from tests.serving.running import entered
from tests.serving.test_publish import AS_OF, FIRST, publication

TRAINED = datetime(2025, 12, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    publish(tmp_path, FIRST, publication())
    folder = tmp_path / "models" / "win-0123456789ab"
    told = b'{"trained": {"as_of": "2025-12-01T00:00:00+00:00"}}'
    write_manifest(folder, {"model.json": told}, {"version": "win-0123456789ab"})
    return tmp_path


@pytest.mark.parametrize(
    ("hours", "notices"),
    [
        (24, ()),
        (
            24.5,
            ("These figures stand at 2026-01-05 00:00 UTC, 24 hours ago. "
             "What happened since is not in them; `dealcast run` brings them up to date.",),
        ),
    ],
)  # fmt: skip
def test_figures_older_than_the_set_age_say_so(
    workspace: Path, hours: float, notices: tuple[str, ...]
) -> None:
    settings = load_settings(workspace=workspace, stale_after_hours=24)
    told = run_notices(open_published(workspace), None, settings, AS_OF + timedelta(hours=hours))
    assert told == notices


def test_a_model_trained_long_ago_says_so_beside_fresh_figures(workspace: Path) -> None:
    settings = load_settings(workspace=workspace, model_stale_after_days=30)
    published = open_published(workspace)
    assert run_notices(published, TRAINED, settings, TRAINED + timedelta(days=30)) == ()
    assert run_notices(published, TRAINED, settings, AS_OF) == (
        "The model win-0123456789ab learnt from what was known at 2025-12-01, 35 days ago. "
        "`dealcast run` trains a challenger.",
    )


def test_answers_and_pages_say_that_they_are_old_once_the_clock_passes_the_age(workspace: Path) -> None:
    clock = [AS_OF + timedelta(hours=1)]
    settings = load_settings(
        workspace=workspace, stale_after_hours=24, model_stale_after_days=40, session_hours=7 * 24
    )
    with entered(create_app(settings, now=lambda: clock[0])) as client:
        assert client.get("/api/v1/deals").json()["notices"] == []
        assert "These figures stand at" not in client.get("/deals").text
        clock[0] = AS_OF + timedelta(days=6)
        told = client.get("/api/v1/deals").json()["notices"]
        assert [text.partition(",")[0] for text in told] == [
            "These figures stand at 2026-01-05 00:00 UTC",
            "The model win-0123456789ab learnt from what was known at 2025-12-01",
        ]
        for path in ("/deals", "/deals/A-1"):
            page = client.get(path).text
            assert "These figures stand at" in page, path
            assert "The model win-0123456789ab learnt" in page, path
        assert client.get("/api/v1/deals/A-1").json()["notices"] == told
