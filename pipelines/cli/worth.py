"""The command that asks what each belief is worth on the user's own data."""

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOf, Config, Debug, Snapshots, Workspace, settings_of

__all__ = ["worth"]


def worth(
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure what each family of features and each belief is worth out of time; takes minutes.

    Each is left out, and set alone beside the columns that every CRM has. Example: dealcast worth -w demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.show_worth import worth_view
        from pipelines.worth import worth_part

        measured = worth_part(settings, output.err)
        output.warn(list(measured.warnings))
        found = {
            "status": "done",
            "run": measured.job.run_dir,
            "mlflow_run": measured.mlflow_run,
            **measured.worth,
            "directions": measured.directions,
        }
        output.result(found, worth_view(measured.worth, measured.directions))
