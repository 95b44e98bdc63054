"""The step that draws a run's report: figures, charts, what the audit left out, and what was learnt against
expectation, in one HTML file."""

from typing import Any

import orjson
import pyarrow as pa

from models.audit import AuditReport
from models.charts import can_draw, draw_shap, evaluation_charts, shap_table, svg
from models.evaluation import Evaluation
from models.report import render_report
from models.timing.study import TIMING_FILE
from models.win_model import WinModel
from pipelines.directions import directions_of
from pipelines.job import Job
from pipelines.learning import Labelled
from pipelines.progress import Say
from pipelines.steps import Built

__all__ = ["REPORT_FILE", "write_report"]

REPORT_FILE = "report.html"
_EXPLAINED_ROWS = 2000


def write_report(
    job: Job, built: Built, rows: Labelled, model: WinModel, evaluation: Evaluation | None,
    audited: AuditReport, say: Say,
) -> None:  # fmt: skip
    """Write report.html and directions.json; nothing for a baseline, which was not evaluated."""
    if evaluation is None:
        return
    charts = {}
    if can_draw():
        say("drawing charts")
        charts = _drawn(built, rows, model, evaluation)
    else:
        say("no charts: the process may map too little memory for the renderer (ulimit -v)")
    say("comparing learnt with expected directions")
    directions = directions_of(job, rows, built.features, model)
    page = render_report(
        evaluation.document,
        charts=charts,
        audit=audited.as_dict(),
        directions=directions,
        timing=_timing_of(job),
    )
    (job.run_dir / REPORT_FILE).write_text(page, encoding="utf-8")


def _timing_of(job: Job) -> dict[str, Any] | None:
    """What the run's timing.json holds; None for a model whose timing was learnt in another run."""
    path = job.run_dir / TIMING_FILE
    return orjson.loads(path.read_bytes()) if path.is_file() else None


def _drawn(built: Built, rows: Labelled, model: WinModel, evaluation: Evaluation) -> dict[str, str]:
    few = rows.frame.filter(pa.array(rows.split.test.known)).slice(0, _EXPLAINED_ROWS)
    _, parts = model.contributions(few)
    charts = evaluation_charts(evaluation.predictions, evaluation.document)
    caption = f"{few.num_rows} test snapshots; model {model.version}"
    charts["shap"] = svg(draw_shap(shap_table(parts, model.feature_names, built.features), caption))
    return charts
