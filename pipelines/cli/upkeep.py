"""Commands that look after an installation: init, doctor, schedule."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, Config, Debug, Mapping, Snapshots, Source, Workspace, settings_of

__all__ = ["doctor", "init", "schedule"]


def init(
    directory: Annotated[Path, typer.Argument(help="Folder of the settings file.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file that is there.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a commented settings file to start from.

    Example: dealcast init
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from rich.text import Text

        from data.errors import UsageError
        from data.settings import SETTINGS_FILE, starter_toml

        file = directory / SETTINGS_FILE
        if file.exists() and not force:
            raise UsageError(f"{file} is there already and stays as it is. Replace it with --force.")
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(starter_toml(), encoding="utf-8")
        output.result(
            {"status": "done", "file": file}, Text(f"wrote {file}; every setting is in it, commented")
        )


def doctor(
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check versions, the workspace, published scores, the warehouse and the registry.

    Exits with 1 if something is broken. Example: dealcast doctor --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace)
        from pipelines.doctor import examine
        from pipelines.progress import Progress
        from pipelines.show_work import findings_table

        with Progress(output.err) as progress, progress.stage("Examining") as say:
            findings = examine(settings, say)
        broken = [finding for finding in findings if finding.state == "broken"]
        found = {
            "status": "broken" if broken else "ok",
            "workspace": settings.workspace,
            "findings": [asdict(finding) for finding in findings],
        }
        output.result(found, findings_table(findings))
        if broken:
            raise typer.Exit(1)


def schedule(
    cron: Annotated[str, typer.Option("--cron", help="When, in cron's five fields, UTC.")],
    source: Source = None,
    mapping: Mapping = None,
    workspace: Workspace = None,
    snapshots: Snapshots = None,
    port: Annotated[int, typer.Option("--port", min=0, help="Of the local server; 0: any free one.")] = 4200,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Keep the run on a schedule in this process, with a page that shows its runs.

    Uses the Prefect server that PREFECT_API_URL names, or starts one on this machine. A failed run is
    shown and the next one comes all the same; a run that is due while one works is cancelled.

    Example: dealcast schedule --cron '0 5 * * 1' --source export --workspace demo
    """
    given = {"source": source, "mapping": mapping, "workspace": workspace, "snapshots": snapshots}
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, **given)
        output.workspace = settings.workspace
        from pipelines.schedule import keep_schedule

        keep_schedule(settings, given, config, cron=cron, port=port, tell=output.result)
