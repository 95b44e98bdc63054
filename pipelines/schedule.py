"""Runs on a schedule, in one process that never lets two of them overlap."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from data.errors import UsageError
from data.settings import Settings
from pipelines.environment import use_prefect_home
from pipelines.local_server import start_server

__all__ = ["DEPLOYMENT", "keep_schedule"]

DEPLOYMENT = "dealcast-schedule"
_NEXT_RUNS = 3


def keep_schedule(
    settings: Settings, arguments: dict[str, Any], config: Path | None, *,
    cron: str, port: int, tell: Callable[[Any, RenderableType], None],
) -> None:  # fmt: skip
    """Serve the flow until the process is ended.

    arguments, config: what `settings` were made of. cron: five fields, UTC. port: of the server that is
    started here if PREFECT_API_URL names none. tell: gets what was set up, once it is. Raises UsageError
    for a cron text that is not one, or without a source.
    """
    if settings.source is None:
        raise UsageError("setting 'source': a schedule needs the folder to load. Give --source DIR.")
    home = use_prefect_home(settings.workspace)
    if not os.environ.get("PREFECT_API_URL"):
        # it ends with this process, not before: Prefect hands over its last lines at exit
        server = start_server(home, port=port, services=True)
        # before Prefect is imported: it reads its settings then
        os.environ["PREFECT_API_URL"] = server.api_url
        server.wait()
    due = _next_runs(cron)
    address = os.environ["PREFECT_API_URL"]
    lines = [f"{at:%Y-%m-%d %H:%M} UTC" for at in due]
    shown = f"next runs: {', '.join(lines)}\nruns are shown at {address.removesuffix('/api')}"
    tell({"status": "serving", "cron": cron, "next_runs": due, "api_url": address}, Text(shown))
    _serve(arguments, config, cron)


def _serve(arguments: dict[str, Any], config: Path | None, cron: str) -> None:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.flows import EntrypointType

    from pipelines.flow import run_flow

    given = {name: _absolute(value) for name, value in arguments.items() if value is not None}
    run_flow.serve(
        name=DEPLOYMENT,
        cron=cron,
        parameters={"arguments": given, "config": str(config.absolute()) if config else None},
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        print_starting_message=False,
    )


def _absolute(value: Any) -> str:
    """A path made absolute, anything else as text: the run may begin in another folder."""
    return str(value.absolute()) if isinstance(value, Path) else str(value)


def _next_runs(cron: str) -> list[datetime]:
    """The next times of the schedule, UTC."""
    from prefect.server.schemas.schedules import CronSchedule

    try:
        return asyncio.run(
            CronSchedule(cron=cron, timezone="UTC").get_dates(_NEXT_RUNS, start=datetime.now(UTC))
        )
    except ValueError as error:
        raise UsageError(
            f"--cron: expected five fields like '0 5 * * 1' (Mondays at 05:00 UTC), found {cron!r}."
        ) from error
