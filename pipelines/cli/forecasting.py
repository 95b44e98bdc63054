"""The command that finance asks: what will be booked, renewed and consumed, and what if."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOfPublished, Config, Debug, Workspace, settings_of

__all__ = ["forecast"]

_HORIZON = "Months ahead, such as 6m; at most those of the run, unless --as-of makes it anew."
_BY = "Levels and periods, by commas: region, segment, product, owner, account, month, quarter."
_MOVE = "What if the deal closes in another month, or later: ID=2026-03, ID=+30d, ID=-2w."
_PRICE = "What if prices change by a factor: 1.05, or region:EMEA=1.05."
_USAGE = "What if consumption changes by a factor: 0.9, or account:A1=1.2."
_EXPORT = "Write the run, and the scenario asked for: a workbook (NAME.xlsx), or a folder of CSV files."


def forecast(
    workspace: Workspace = None,
    as_of: AsOfPublished = None,
    horizon: Annotated[str | None, typer.Option("--horizon", help=_HORIZON)] = None,
    by: Annotated[str, typer.Option("--by", help=_BY)] = "quarter",
    won: Annotated[
        list[str] | None, typer.Option("--won", help="What if the deal is won: ID, or ID=2026-03.")
    ] = None,
    lost: Annotated[list[str] | None, typer.Option("--lost", help="What if the deal is lost: ID.")] = None,
    move: Annotated[list[str] | None, typer.Option("--move", help=_MOVE)] = None,
    renewed: Annotated[
        list[str] | None, typer.Option("--renewed", help="What if the contract renews: ID.")
    ] = None,
    churned: Annotated[
        list[str] | None, typer.Option("--churned", help="What if the contract ends: ID.")
    ] = None,
    price: Annotated[list[str] | None, typer.Option("--price", help=_PRICE)] = None,
    usage: Annotated[list[str] | None, typer.Option("--usage", help=_USAGE)] = None,
    export: Annotated[Path | None, typer.Option("--export", help=_EXPORT)] = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Forecast bookings, renewals and consumption, with intervals, and ask what if.

    Reads the published run at once. With --as-of it learns and forecasts anew from what was known then, which
    takes minutes and publishes nothing. What-if options may be given several times.

    Example: dealcast forecast -w demo --by region,month --usage 0.9 --export forecast.xlsx
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of)
        output.workspace = settings.workspace
        from pipelines.forecast import exported, forecast_part
        from pipelines.show_forecast import forecast_view
        from pipelines.what_if import asked_of, changes_of, months_asked

        asked = asked_of(by)
        changes = changes_of(
            won=won or (), lost=lost or (), move=move or (), renewed=renewed or (), churned=churned or (),
            price=price or (), usage=usage or (),
        )  # fmt: skip
        found = forecast_part(
            settings, asked.levels, months_asked(horizon), changes, output.err, anew=as_of is not None
        )
        written = exported(found, export) if export is not None else None
        output.result(
            found.as_dict() | {"export": written},
            forecast_view(found, asked),
        )
