"""What each family, belief and feature is worth on the loaded data: measured, written and logged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from rich.console import Console

from data.errors import ModelContractError
from data.settings import Settings
from features.feature import Feature
from models.boosting import Shape
from models.charts import can_draw, svg
from models.directions import DIRECTIONS_FILE
from models.registry import RegistryUnreachableError, store_at
from models.run_log import log_findings
from models.search import search
from models.worth import Worth, measure_worth
from models.worth_charts import draw_worth, worth_table
from models.worth_page import directions_lines, worth_lines
from pipelines.auditing import GATE, audit_features
from pipelines.champion import champion_or_none
from pipelines.directions import directions_of
from pipelines.job import Job
from pipelines.learning import Labelled, kept_features, label_and_split
from pipelines.progress import Say
from pipelines.run import Do, working
from pipelines.steps import build_features, choose_instant

__all__ = ["WORTH_FILE", "Measured", "worth_part"]

WORTH_FILE = "worth.json"
_PAGE_FILE, _CHART_FILE = "worth.md", "worth.svg"
_PREDICTIONS_FILE = "worth_test_predictions.parquet"


@dataclass(frozen=True)
class Measured:
    """What was found, and where it was logged: `mlflow_run` is None, with a warning, if the registry is away.

    worth: what worth.json holds; directions: what directions.json holds.
    """

    job: Job
    worth: dict[str, Any]
    directions: dict[str, Any]
    mlflow_run: str | None
    warnings: tuple[str, ...]


def worth_part(settings: Settings, console: Console) -> Measured:
    """Measure worth and directions on what the warehouse holds; nothing is registered or promoted.

    Raises ModelContractError if too few deals have closed to judge anything out of time.
    """
    with working(settings, "worth", console) as (job, do, progress):
        rows, features = _prepared(job, do)
        with progress.stage("Settling the shape of the trees") as say:
            shape, source = _settled_shape(job, rows, features, say)
        with progress.stage("Measuring the worth of each family and belief") as say:
            worth = measure_worth(
                rows.frame,
                rows.labels,
                rows.split,
                features,
                shape=shape,
                seed=settings.seed,
                on_step=say,
            )
        with progress.stage("Setting learnt beside expected directions"):
            directions = directions_of(job, rows, features, worth.model)
        document = {"run_id": job.run_id, "shape_from": source, **worth.document}
        files = _written(job, worth, document, directions)
        with progress.stage("Logging the findings"):
            logged, warnings = _logged(job, document, files)
        return Measured(job, document, directions, logged, warnings)


def _prepared(job: Job, do: Do) -> tuple[Labelled, tuple[Feature, ...]]:
    view = do(choose_instant, job)
    built = do(build_features, job, view)
    rows = do(label_and_split, job, view, built)
    if rows.thin:
        raise ModelContractError(rows.thin)
    audited = do(audit_features, job, view, built, rows, GATE)
    return rows, kept_features(built, audited)


def _settled_shape(job: Job, rows: Labelled, features: tuple[Feature, ...], say: Say) -> tuple[Shape, str]:
    """The shape of the champion's trees, or of the best that a search finds; and which it is."""
    champion, _ = champion_or_none(job)
    if champion is not None and champion.kind == "lightgbm":
        return Shape(**champion.trained["shape"]), champion.version
    found = search(
        rows.frame,
        rows.labels,
        rows.split,
        features,
        start=Shape(),
        deal_power=0.0,
        seed=job.settings.seed,
        n_trials=job.settings.n_trials,
        on_step=say,
    )
    return found.shape, "search"


def _written(
    job: Job, worth: Worth, document: dict[str, Any], directions: dict[str, Any]
) -> tuple[Path, ...]:
    """The files that tell the findings, in the run's folder."""
    folder = job.run_dir
    (folder / WORTH_FILE).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    pq.write_table(worth.predictions, folder / _PREDICTIONS_FILE)
    page = [f"# Worth of each belief, as of {document['as_of'][:10]}", "", *worth_lines(document)]
    (folder / _PAGE_FILE).write_text("\n".join([*page, *directions_lines(directions)]), encoding="utf-8")
    names = [WORTH_FILE, _PREDICTIONS_FILE, _PAGE_FILE, DIRECTIONS_FILE]
    table = worth_table(document)
    if table.num_rows and can_draw():
        rows = document["rows"]
        caption = (
            f"{rows['test_deals']:,} test deals, {rows['test']:,} snapshots, 95 % intervals; as of "
            f"{document['as_of'][:10]}"
        )
        (folder / _CHART_FILE).write_text(svg(draw_worth(table, caption)), encoding="utf-8")
        names.append(_CHART_FILE)
    return tuple(folder / name for name in names)


def _logged(
    job: Job, document: dict[str, Any], files: tuple[Path, ...]
) -> tuple[str | None, tuple[str, ...]]:
    metrics = {
        f"worth.{one['name']}.{measure}": float(one[measure]["difference"])
        for one in (*document["families"], *document["beliefs"])
        for measure in ("left_out", "alone")
        if one[measure] is not None
    }
    store = store_at(job.workspace, tracking_uri=job.settings.mlflow_tracking_uri)
    try:
        return log_findings(store, run_id=job.run_id, folder="worth", files=files, metrics=metrics), ()
    except RegistryUnreachableError as error:
        return None, (f"the findings are in {job.run_dir}, but not in the registry: {error}",)
