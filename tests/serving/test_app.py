"""The app as a whole: quick to import, and one place decides who passes."""

import subprocess
import sys
from pathlib import Path

from data.settings import load_settings
from serving.app import create_app
from serving.live import Live
from serving.publish import publish
from tests.serving.running import entered
from tests.serving.test_publish import FIRST, publication


def test_importing_the_server_loads_nothing_that_takes_seconds() -> None:
    heavy = "{'ibis', 'duckdb', 'mlflow', 'prefect', 'typer', 'lightgbm', 'sklearn', 'pandas', 'vl_convert'}"
    code = f"import sys, serving.app; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_needs_no_model_library_either(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from serving.app import create_app; "
        "from data.settings import load_settings; "
        f"app = create_app(load_settings(workspace=Path({str(tmp_path)!r}))); "
        "run = app.state.live.run(); run.notices(); run.explain('A-1'); "
        "found = {'lightgbm', 'sklearn', 'pandas'} & set(sys.modules); assert not found, found"
    )
    publish(tmp_path, FIRST, publication())
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_app_keeps_what_routes_ask_it_for(tmp_path: Path) -> None:
    settings, live = load_settings(workspace=tmp_path), Live(tmp_path)
    state = create_app(settings, live=live).state
    assert (state.settings, state.live) == (settings, live)
    assert state.store.file.parent == tmp_path
    assert state.now().tzinfo is not None


def test_a_warehouse_or_a_registry_that_is_gone_or_locked_changes_nothing_for_readers(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    (tmp_path / "warehouse.duckdb").write_bytes(b"not a database")
    (tmp_path / "mlflow.db").write_bytes(b"not a database")
    (tmp_path / "workspace.lock").write_text('{"pid": 1, "command": "run"}')
    with entered(create_app(load_settings(workspace=tmp_path))) as client:
        for path in ("/api/v1/deals", "/api/v1/deals/A-1", "/deals", "/deals/A-1", "/models"):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:500])
