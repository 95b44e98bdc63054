"""Commands that work on models: train, evaluate, score, promote, rollback."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.cli.console import reporting
from pipelines.cli.options import AsJson, AsOf, Config, Debug, Snapshots, Workspace, settings_of

__all__ = ["evaluate", "promote", "rollback", "score", "train"]


def train(
    workspace: Workspace = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train and evaluate a challenger on the loaded data, and register it; nothing is promoted.

    Example: dealcast train --workspace demo --as-of 2025-06-30
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.parts import train_part
        from pipelines.show_work import trained_view

        trained = train_part(settings, output.err)
        document = trained.evaluation.document if trained.evaluation else None
        found = {
            "status": "done",
            "run_id": trained.job.run_id,
            "model_version": trained.model.version,
            "registered_version": trained.registered.version if trained.registered else None,
            "note": trained.model.note,
            "audit_dropped": trained.audited.dropped,
            "claims_skill": document["claims_skill"] if document else None,
            "metrics": document["metrics"] if document else None,
            "run": trained.job.run_dir,
        }
        output.result(found, trained_view(found, document))


def evaluate(
    workspace: Workspace = None,
    model_version: Annotated[
        str | None, typer.Option("--model-version", help="Version in the registry; default: the champion.")
    ] = None,
    as_of: AsOf = None,
    snapshots: Snapshots = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score a registered model and the baselines on rows later than all it learnt from.

    Example: dealcast evaluate --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of, snapshots=snapshots)
        output.workspace = settings.workspace
        from pipelines.parts import evaluate_part
        from pipelines.show_work import trained_view

        job, evaluation = evaluate_part(settings, model_version, output.err)
        document = evaluation.document
        found = {"status": "done", "run_id": job.run_id, "run": job.run_dir, **document}
        shown = {"model_version": document["model_version"], "run": job.run_dir}
        output.result(found, trained_view(shown, document))


def score(
    workspace: Workspace = None,
    as_of: AsOf = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Score the open deals with the champion and publish them.

    Example: dealcast score --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, as_of=as_of)
        output.workspace = settings.workspace
        from pipelines.parts import score_part
        from pipelines.show import deals_table
        from serving.deals import rank_deals

        published = score_part(settings, output.err)
        output.warn(published.manifest["about"]["warnings"])
        found = {
            "status": "done",
            "run_id": published.run_id,
            "as_of": published.as_of,
            "model_version": published.model_version,
            "open_deals": published.manifest["files"]["win_scores.parquet"]["rows"],
            "published": published.folder,
            "warnings": published.manifest["about"]["warnings"],
        }
        output.result(found, deals_table(rank_deals(published, top=5), published))


def promote(
    version: Annotated[
        str | None, typer.Argument(help="Version in the registry; default: the challenger.")
    ] = None,
    force: Annotated[
        str | None, typer.Option("--force", help="Promote without the gate, for the reason given here.")
    ] = None,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make a registered model the champion, if it is better by more than noise.

    Exits with 1 if it is not. Example: dealcast promote 3 --workspace demo
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace)
        output.workspace = settings.workspace
        from rich.text import Text

        from pipelines.parts import promote_part

        judged = promote_part(settings, version, force, output.err)
        verdict = f"version {judged.version} {'is the champion' if judged.promoted else 'was not promoted'}"
        said = f"{verdict}. {' '.join(judged.reasons)}"
        output.result({"status": "done", **asdict(judged)}, Text(said))
        if not judged.promoted:
            raise typer.Exit(1)


def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the ledger.")] = "no reason given",
    renewals: Annotated[
        bool, typer.Option("--renewals", help="The model of renewals instead of that of wins.")
    ] = False,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Return to the champion before the present one; the next scoring uses it.

    Example: dealcast rollback --workspace demo --reason 'new model overrates renewals'
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace)
        output.workspace = settings.workspace
        from rich.text import Text

        from pipelines.parts import rollback_part

        version = rollback_part(settings, reason, output.err, renewals=renewals)
        said = f"version {version} is the champion again. Score with it: dealcast score"
        output.result({"status": "done", "champion": version}, Text(said))
