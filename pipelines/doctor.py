"""Is everything in order: versions, workspace, published scores, warehouse, registry, disk."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from data.errors import DealcastError
from data.lock import LOCK_FILE, workspace_lock
from data.settings import Settings
from pipelines.progress import Say
from serving.published import current_run_id, open_published

__all__ = ["Finding", "examine"]

State = Literal["ok", "note", "broken"]

_PINS = (
    "duckdb",
    "ibis-framework",
    "lightgbm",
    "mlflow-skinny",
    "prefect",
    "pyarrow",
    "pandas",
    "sqlglot",
    "fastapi",
)
_LEAST_FREE_GB = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing examined: ok, worth a note, or broken; and what was found."""

    what: str
    state: State
    said: str


def examine(settings: Settings, say: Say) -> tuple[Finding, ...]:
    """All findings, in the order in which a run would need the things examined."""
    workspace = settings.workspace
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("versions", _versions),
        ("workspace", lambda: _workspace(workspace)),
        ("disk", lambda: _disk(workspace)),
        ("lock", lambda: _lock(workspace)),
        ("warehouse", lambda: _warehouse(workspace)),
        ("registry", lambda: _registry(settings)),
        ("published", lambda: _published(workspace)),
    )
    findings = []
    for what, check in checks:
        say(what)
        try:
            findings.append(check())
        except DealcastError as error:
            findings.append(Finding(what, "broken", str(error)))
    return tuple(findings)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "broken", version)


def _versions() -> Finding:
    """The libraries whose other versions are known to break something, against what dealcast asks for."""
    wanted = dict(
        requirement.partition(";")[0].strip().replace("[duckdb]", "").split("==")
        for requirement in metadata.requires("dealcast") or ()
        if "==" in requirement and "extra" not in requirement
    )
    found = {name: metadata.version(name) for name in _PINS}
    wrong = [
        f"{name} {found[name]} (expected {wanted[name]})"
        for name in _PINS
        if wanted.get(name, found[name]) != found[name]
    ]
    if wrong:
        return Finding("versions", "broken", f"{', '.join(wrong)}. Install the locked set again: make.")
    return Finding("versions", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _workspace(workspace: Path) -> Finding:
    if not workspace.is_dir():
        return Finding("workspace", "note", f"{workspace} is not there yet; the first run makes it")
    if not os.access(workspace, os.W_OK):
        return Finding("workspace", "broken", f"{workspace} cannot be written to. Change its permissions.")
    runs = sorted(path.name for path in (workspace / "runs").glob("*"))
    return Finding("workspace", "ok", f"{workspace.absolute()}, {len(runs)} runs")


def _disk(workspace: Path) -> Finding:
    place = workspace if workspace.is_dir() else Path()
    free = shutil.disk_usage(place).free / 1e9
    state: State = "ok" if free >= _LEAST_FREE_GB else "broken"
    return Finding("disk", state, f"{free:.1f} GB free; {_LEAST_FREE_GB:g} GB are needed")


def _lock(workspace: Path) -> Finding:
    """Who holds the workspace, if anyone; found by trying."""
    if not (workspace / LOCK_FILE).is_file():
        return Finding("lock", "ok", "free")
    try:
        with workspace_lock(workspace, command="dealcast doctor", run_id=None, wait_seconds=0):
            return Finding("lock", "ok", "free")
    except DealcastError:
        holder = json.loads((workspace / LOCK_FILE).read_text() or "{}")
        return Finding(
            "lock", "note", f"held: {', '.join(f'{name} {value}' for name, value in holder.items())}"
        )


def _warehouse(workspace: Path) -> Finding:
    from data.warehouse import WAREHOUSE_FILE, open_warehouse

    if not (workspace / WAREHOUSE_FILE).is_file():
        return Finding("warehouse", "note", "nothing loaded yet")
    with open_warehouse(workspace) as warehouse:
        deals = warehouse.tables()["opportunities"].count().to_pyarrow().as_py()
        coverage = warehouse.coverage()
    absent = f"; the source has no {', '.join(coverage.absent_tables)}" if coverage.absent_tables else ""
    return Finding(
        "warehouse", "ok", f"readable, {deals:,} deals{absent}; {len(coverage.notes)} coverage notes"
    )


def _registry(settings: Settings) -> Finding:
    from models.ledger import read_ledger
    from models.promotion import ledger_path
    from models.registry import CHAMPION, alias_version, load_champion, store_at

    store = store_at(settings.workspace, tracking_uri=settings.mlflow_tracking_uri)
    if store.database is not None and not store.database.exists():
        return Finding("registry", "note", "no model registered yet")
    decisions = len(read_ledger(ledger_path(store)))
    champion = load_champion(store) if alias_version(store, CHAMPION) else None
    if champion is None:
        return Finding("registry", "note", f"reachable, no champion yet, {decisions} decisions in the ledger")
    if champion.degraded:
        return Finding("registry", "broken", champion.degraded)
    name = f"{champion.model_version} (version {champion.version})"
    said = f"reachable; champion {name} verified, {decisions} decisions in the ledger"
    return Finding("registry", "ok", said)


def _published(workspace: Path) -> Finding:
    run_id = current_run_id(workspace)
    if run_id is None:
        return Finding("published", "note", "nothing published yet")
    published = open_published(workspace, run_id)
    rows = published.manifest["files"]["win_scores.parquet"]["rows"]
    said = f"run {run_id}: {rows:,} deals, model {published.model_version}, every file matches its manifest"
    return Finding("published", "ok", said)
