"""The command that audits: which features know the outcome, and whether the training rows are sound."""

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOf, Config, Debug, Snapshots, Workspace, settings_of

__all__ = ["audit"]


def audit(
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check the loaded data for leaks: features that know the outcome, rows that know the future.

    Exits with 1 if a check failed and its finding is not waived; a run would leave such features out, and
    stop where rows are at fault. Writes runs/<run_id>/audit.json. What each check means: docs/audit.md.

    Example: dealcast audit --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.auditing import AUDIT_FILE
        from pipelines.parts import audit_part
        from pipelines.show_audit import audit_view

        job, report = audit_part(settings, output.err)
        file = job.run_dir / AUDIT_FILE
        status = "failed" if report.failed else "done"
        found = {"status": status, "run_id": job.run_id, "audit": file, **report.as_dict()}
        output.result(found, audit_view(report, file))
        if report.failed:
            raise typer.Exit(1)
