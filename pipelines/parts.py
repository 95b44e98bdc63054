"""Single parts of a run on a workspace, each under its lock."""

from rich.console import Console

from data.extract import ExtractReport
from data.lock import workspace_lock
from data.settings import Settings
from pipelines.progress import Progress
from pipelines.run import directly, new_job
from pipelines.steps import load_source

__all__ = ["extract_part"]


def extract_part(settings: Settings, console: Console) -> ExtractReport:
    """Load the source. Raises WarehouseBusyError if another process keeps the workspace."""
    job = new_job(settings)
    with (
        workspace_lock(
            settings.workspace,
            command="dealcast extract",
            run_id=job.run_id,
            wait_seconds=settings.lock_wait_seconds,
        ),
        Progress(console) as progress,
    ):
        return directly(progress)(load_source, job)
