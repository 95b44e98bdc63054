"""The command that replays past forecasts."""

from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOf, Config, Debug, Snapshots, Workspace, settings_of

__all__ = ["backtest"]

_ORIGINS = "How many past instants to forecast from, the latest that can be judged."
_EVERY = "Months from one to the next, such as 1m."
_HORIZON = "Months that each forecast runs, such as 6m; at most 12m."
_REFIT = (
    "Fit models anew at each instant on what was known then; or take the champion as it stands, at instants "
    "after its training alone."
)
_BY = "Levels beside the total, by commas: region, segment, product."


def backtest(
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    origins: Annotated[int, typer.Option("--origins", help=_ORIGINS)] = 6,
    every: Annotated[str, typer.Option("--every", help=_EVERY)] = "1m",
    horizon: Annotated[str, typer.Option("--horizon", help=_HORIZON)] = "6m",
    refit: Annotated[bool, typer.Option("--refit/--as-were", help=_REFIT)] = True,
    by: Annotated[str, typer.Option("--by", help=_BY)] = "region,segment",
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Replay past forecasts with only what was known then, and score them beside baselines; takes minutes.

    How large the common shocks were is kept for later runs. Example: dealcast backtest -w demo --origins 4
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.backtest import backtest_part
        from pipelines.backtest_plan import Plan, months_of
        from pipelines.show_backtest import backtest_view

        levels = tuple(level.strip() for level in by.split(",") if level.strip())
        plan = Plan(origins, months_of("--every", every), months_of("--horizon", horizon), refit, levels)
        found = backtest_part(settings, output.err, plan)
        output.warn(list(found.warnings))
        told = {"status": "done", "run": found.job.run_dir, "mlflow_run": found.mlflow_run, **found.document}
        output.result(told, backtest_view(found.document))
