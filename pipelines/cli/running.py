"""Commands that work on data: demo, run, extract, simulate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import (
    AsJson,
    AsOf,
    Config,
    Debug,
    Mapping,
    Snapshots,
    Source,
    Workspace,
    settings_of,
)

__all__ = ["demo", "extract", "run", "simulate"]


def run(
    source: Source = None,
    mapping: Mapping = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    direct: Annotated[bool, typer.Option("--direct", help="Run the same steps without Prefect.")] = False,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Do everything from a CRM's files to published probabilities and forecasts.

    Load, check, build features, train, evaluate, promote if better, score open deals and contracts, forecast
    bookings, renewals and consumption, publish.

    Example: dealcast run --source export --mapping canonical --workspace demo
    """
    given = {
        "source": source,
        "mapping": mapping,
        "workspace": workspace,
        "as_of": as_of,
        "snapshots": snapshots,
    }
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, **given)
        output.workspace = settings.workspace
        from pipelines.launch import launch
        from pipelines.progress import Progress
        from pipelines.show_work import run_view

        with Progress(output.err) as progress:
            result = launch(settings, given, config, direct=direct, progress=progress)
        output.warn(list(result.warnings))
        output.result(asdict(result), run_view(result))


def extract(
    source: Source = None,
    mapping: Mapping = None,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Load a source's files into the warehouse, checked against the data contract.

    Example: dealcast extract --source export --mapping canonical --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, source=source, mapping=mapping, workspace=workspace)
        output.workspace = settings.workspace
        from pipelines.parts import extract_part
        from pipelines.show_work import facts_table

        report = extract_part(settings, output.err)
        output.warn(list(report.warnings))
        facts = [
            ("load", report.load_id),
            ("unchanged since the last load", "yes" if report.unchanged else "no"),
        ]
        rows = [(table, f"{n:,} rows") for table, n in report.rows.items()]
        output.result({"status": "done", **asdict(report)}, facts_table("Loaded", [*facts, *rows]))


def simulate(
    directory: Annotated[
        Path, typer.Argument(help="Folder to write; the truth goes to DIR-truth beside it.")
    ],
    deals: Annotated[int, typer.Option("--deals", min=1, help="How many deals.")] = 3000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 7,
    years: Annotated[float, typer.Option("--years", min=0.1, help="Over how many years deals begin.")] = 3.0,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="When the world ends: date, or time with zone.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a made-up B2B world, with its hidden truth apart, in the canonical tables.

    Example: dealcast simulate world --deals 3000 --seed 7
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from data.settings import parse_as_of
        from data.simulator import simulate as make
        from pipelines.progress import Progress
        from pipelines.show_work import facts_table

        end = parse_as_of(as_of) if as_of else None
        with Progress(output.err) as progress, progress.stage("Simulating") as say:
            report = make(directory, deals=deals, seed=seed, years=years, as_of=end, on_step=say)
        output.result({"status": "done", **asdict(report)}, facts_table("Simulated", asdict(report).items()))


def demo(
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Folder to put everything in.")] = Path(
        "demo"
    ),
    deals: Annotated[int, typer.Option("--deals", min=1, help="How many deals to make up.")] = 3000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same world.")] = 7,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Show at most so many deals.")] = 10,
    direct: Annotated[bool, typer.Option("--direct", help="Run the same steps without Prefect.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve its pages at the end, until Ctrl-C.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make up a sales organisation, run everything on it, and show its deals.

    Example: dealcast demo --serve
    """
    with reporting(as_json=as_json, debug=debug) as output:
        workspace.mkdir(parents=True, exist_ok=True)
        output.workspace = workspace
        from rich.console import Group
        from rich.text import Text

        from models.forecast.months import QUARTER
        from pipelines.demo import demonstrate, look_next
        from pipelines.forecast import published_forecast
        from pipelines.progress import Progress
        from pipelines.show import deals_table, explanation_view
        from pipelines.show_forecast import forecast_view
        from pipelines.show_work import run_view
        from pipelines.what_if import Asked

        with Progress(output.err) as progress:
            shown = demonstrate(workspace, deals=deals, seed=seed, top=top, direct=direct, progress=progress)
        output.warn(list(shown.result.warnings))
        following = look_next(workspace, shown)
        parts = [run_view(shown.result), Text(), deals_table(shown.ranked, shown.published), Text()]
        if shown.explained:
            parts += [explanation_view(shown.explained, top=3), Text()]
        asked = published_forecast(shown.published)
        parts += [forecast_view(asked, Asked((), (QUARTER,))), Text()]
        parts += [Text("Look next", "bold"), *(Text(f"  {line}") for line in following)]
        found = {
            **asdict(shown.result),
            "deals": [asdict(deal) for deal in shown.ranked],
            "look_next": following,
        }
        output.result(found, Group(*parts))
        if serve:
            from pipelines.cli.serving import serve_workspace

            serve_workspace(settings_of(None, workspace=workspace), output, open_browser=False)
