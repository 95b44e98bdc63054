"""The command that tests segments: do headcount bands, or does decision structure, tell deals apart?"""

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOf, Config, Debug, Snapshots, Workspace, settings_of

__all__ = ["segments"]


def segments(
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Test decision structure and headcount bands: does either separate won from lost deals out of time?

    Each headcount boundary is held against boundaries drawn at random. Example: dealcast segments -w demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.segments import segments_part, segments_view

        job, report = segments_part(settings, output.err)
        found = {"status": "done", "run_id": job.run_id, "run": job.run_dir, **report.as_dict()}
        output.result(found, segments_view(report))
