"""Starting a run from the command line: through Prefect, or the same steps without it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.settings import Settings
from pipelines.environment import use_prefect_home
from pipelines.job import Job, RunResult
from pipelines.local_server import local_server
from pipelines.progress import Progress
from pipelines.run import directly, held, new_job, win_run

__all__ = ["launch"]


def launch(
    settings: Settings, arguments: dict[str, Any], config: Path | None, *, direct: bool, progress: Progress
) -> RunResult:
    """A run's result; `skipped` if another run holds the workspace.

    arguments, config: what `settings` were made of, for the flow to make them again. direct: without Prefect.
    """

    def work(job: Job) -> RunResult:
        if direct:
            return replace(win_run(job, directly(progress)), seconds=progress.seconds)
        return _through_prefect(job, arguments, config, progress)

    return held(new_job(settings), work, progress)


def _through_prefect(
    job: Job, arguments: dict[str, Any], config: Path | None, progress: Progress
) -> RunResult:
    """Run the flow against the user's server, or one that lives as long as the run."""
    home = use_prefect_home(job.workspace)
    given = {name: str(value) for name, value in arguments.items() if value is not None}
    if os.environ.get("PREFECT_API_URL"):
        return _call(job, given, config)
    with local_server(home) as server:
        # before Prefect is imported: it reads its settings then
        os.environ["PREFECT_API_URL"] = server.api_url
        with progress.stage("Starting Prefect"):
            import pipelines.flow  # noqa: F401

            server.wait()
        try:
            return _call(job, given, config)
        finally:
            _send_last_logs()


def _call(job: Job, arguments: dict[str, Any], config: Path | None) -> RunResult:
    from pipelines.flow import run_flow

    result: RunResult = run_flow(arguments, str(config) if config else None, job.run_id)
    return result


def _send_last_logs() -> None:
    """Let Prefect hand over its last log lines while the server still listens."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
