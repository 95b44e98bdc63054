"""The demonstration: a made-up world, the real run, and where to look next."""

from dataclasses import dataclass
from pathlib import Path

from data.settings import Settings, load_settings
from data.simulator import simulate
from pipelines.job import RunResult
from pipelines.launch import launch
from pipelines.progress import Progress
from serving.deals import DealScore, Explanation, explain_deal, rank_deals
from serving.published import Published, open_published

__all__ = ["Demonstration", "demonstrate", "look_next"]

_YEARS = 3.0


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration made, and the deals to show."""

    result: RunResult
    published: Published
    ranked: tuple[DealScore, ...]
    explained: Explanation | None


def demonstrate(
    workspace: Path, *, deals: int, seed: int, top: int, direct: bool, progress: Progress
) -> Demonstration:
    """Simulate a world into WORKSPACE/source, run everything on it, and rank the open deals."""
    source = workspace / "source"
    with progress.stage(f"Simulating {deals:,} deals") as say:
        simulate(source, deals=deals, seed=seed, years=_YEARS, on_step=say)
    arguments = {"source": source, "mapping": "canonical", "workspace": workspace}
    settings: Settings = load_settings(None, **arguments)
    result = launch(settings, arguments, None, direct=direct, progress=progress)
    published = open_published(workspace)
    ranked = rank_deals(published, top=top)
    explained = explain_deal(published, ranked[0].opportunity_id) if ranked else None
    return Demonstration(result, published, ranked, explained)


def look_next(workspace: Path, shown: Demonstration) -> list[str]:
    """Where to look next: commands and files, one a line."""
    deal = shown.ranked[0].opportunity_id if shown.ranked else "DEAL"
    reason = shown.explained.up[0].feature if shown.explained and shown.explained.up else "deal_age_days"
    report = shown.result.paths.get("report")
    return [
        f"its pages, in the browser: dealcast serve --workspace {workspace} --open",
        f"dealcast deals --workspace {workspace}",
        f"dealcast explain {deal} --workspace {workspace}",
        f"dealcast evidence {deal} {reason} --workspace {workspace}",
        f"dealcast forecast --workspace {workspace} --by region,month",
        f"dealcast renewals --workspace {workspace} --within 120",
        *([f"the report of this run: {report}"] if report else []),
        f"models and figures, in MLflow's store: sqlite:///{(workspace / 'mlflow.db').absolute()}",
        "your own data: dealcast run --source FOLDER --mapping FOLDER --workspace FOLDER",
    ]
