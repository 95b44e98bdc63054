"""Commands that read: published scores at once, and the rows behind a value from the warehouse."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOfPublished, Config, Debug, Workspace, settings_of

__all__ = ["deals", "evidence", "explain", "renewals"]


def deals(
    workspace: Workspace = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Show at most so many deals.")] = 20,
    owner: Annotated[str | None, typer.Option("--owner", help="Only this owner's, by id or name.")] = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rank the open deals by their published probability of winning.

    Example: dealcast deals --workspace demo --top 10
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from pipelines.show import deals_table
        from serving.deals import rank_deals
        from serving.published import open_published

        published = open_published(settings_of(config, workspace=workspace).workspace)
        ranked = rank_deals(published, top=top, owner=owner)
        found = {
            "run_id": published.run_id,
            "as_of": published.as_of,
            "model_version": published.model_version,
            "is_baseline": published.is_baseline,
            "deals": [asdict(deal) for deal in ranked],
        }
        output.result(found, deals_table(ranked, published))


def renewals(
    workspace: Workspace = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Show at most so many contracts.")] = 20,
    within: Annotated[
        float | None, typer.Option("--within", min=0, help="Only terms that end within so many days.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rank the contracts that wait for their renewal, the least likely to renew first.

    Example: dealcast renewals --workspace demo --within 120
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from pipelines.show_renewals import renewals_table
        from serving.published import open_published
        from serving.renewals import is_baseline, rank_renewals, renewal_versions

        published = open_published(settings_of(config, workspace=workspace).workspace)
        ranked = rank_renewals(published, top=top, within_days=within)
        found = {
            "run_id": published.run_id,
            "as_of": published.as_of,
            "model_versions": (versions := renewal_versions(published)),
            "is_baseline": is_baseline(versions),
            "renewals": [asdict(contract) for contract in ranked],
        }
        output.result(found, renewals_table(ranked, published))


def explain(
    subject_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A deal's or a contract's id, as `deals` and `renewals` show them."
        ),
    ],
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say why a deal, or a contract, has its probability: drivers that add up exactly, and sentences.

    Of a deal also what changed since the run before, and the room: who is missing compared with won
    deals alike, what was promised, where the spiral of promises stands, how both sides answer the
    four questions.

    Example: dealcast explain OPP-000123 --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        from rich.console import Group

        from data.errors import UsageError
        from pipelines.show import explanation_view
        from pipelines.show_changes import headline_view
        from pipelines.show_room import room_view
        from serving.changes import deal_change
        from serving.deals import explain_deal
        from serving.published import open_published
        from serving.renewals import explain_renewal, is_contract, not_a_contract
        from serving.room import deal_room

        settings = settings_of(config, workspace=workspace)
        published = open_published(settings.workspace)
        if is_contract(published, subject_id):
            from pipelines.show_renewals import renewal_view

            renewal = explain_renewal(published, subject_id)
            output.result(asdict(renewal), renewal_view(renewal, top=settings.explain_top))
            return
        try:
            explanation = explain_deal(published, subject_id)
        except UsageError as error:
            raise UsageError(f"{error} {not_a_contract(published, subject_id)}".rstrip()) from error
        room, change = deal_room(published, subject_id), deal_change(published, subject_id)
        output.result(
            asdict(explanation) | {"room": asdict(room), "changed": change.headline},
            Group(
                explanation_view(explanation, top=settings.explain_top),
                headline_view(change),
                room_view(room),
            ),
        )


def evidence(
    opportunity_id: Annotated[str, typer.Argument(help="The deal's id.")],
    feature: Annotated[
        str, typer.Argument(help="The feature's name, as `dealcast explain --json` shows it.")
    ],
    workspace: Workspace = None,
    as_of: AsOfPublished = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the rows behind a value of a deal's feature, with the times they happened and became known.

    Example: dealcast evidence D0001393 meetings_held --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of)
        output.workspace = settings.workspace
        from pipelines.look_up import rows_behind
        from pipelines.show_work import evidence_table

        found = rows_behind(settings, opportunity_id, feature)
        at = f"{found.opportunity_id}, as of {found.as_of:%Y-%m-%d %H:%M} UTC"
        title = f"{found.feature} = {found.value} ({at})"
        output.result(asdict(found), evidence_table(title, found.rows))
