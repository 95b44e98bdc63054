"""The command that says what changed since an earlier run."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, Config, Debug, Workspace, settings_of

__all__ = ["changes"]

_DEAL = "A deal's id, as `deals` shows it; without one, the deals that moved most."
_SINCE = "Compare with this published run; default: the run before. Only with a deal."


def changes(
    deal: Annotated[str | None, typer.Argument(metavar="DEAL", help=_DEAL)] = None,
    workspace: Workspace = None,
    since: Annotated[str | None, typer.Option("--since", metavar="RUN", help=_SINCE)] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Show at most so many each way.")] = 5,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what changed since the run before: a deal's terms, which add up exactly, or the largest moves.

    Time passing, new events, corrected records and another model are told apart.

    Example: dealcast changes D0001393 --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from data.errors import UsageError
        from pipelines.show_changes import change_view, movers_view
        from serving.changes import deal_change
        from serving.deals import explain_deal
        from serving.history import deal_events
        from serving.movers import movers
        from serving.published import open_published

        published = open_published(settings_of(config, workspace=workspace).workspace)
        if deal is None:
            if since is not None:
                raise UsageError("--since: expected a deal beside it. Name one, or leave --since out.")
            moved = movers(published, top=top)
            about = {"as_of": published.as_of, "model_version": published.model_version}
            output.result(asdict(moved) | about, movers_view(moved, published))
            return
        scored = explain_deal(published, deal).deal
        change = deal_change(published, deal, since=since)
        events = () if change.since_as_of is None else deal_events(published, deal)
        happened = [
            one
            for one in events
            if change.since_as_of and change.since_as_of <= one.happened_at < change.as_of
        ]
        output.result(
            asdict(change) | {"happened": [asdict(one) for one in happened]},
            change_view(change, scored, happened, top=top),
        )
