"""The audit as a step: every check on the loaded data, before anything is learnt from it.

The gate of a run and `dealcast audit` are the same step; what differs is what follows from it.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson
import pyarrow as pa

from data.warehouse import Warehouse, open_warehouse
from features.feature import Feature, Learnt
from models.arrays import FloatArray, known_outcomes
from models.audit import AuditReport, audit
from models.audit.end_state import end_states
from models.audit.findings import CheckResult
from models.audit.history import late_history_findings, recorded_late, reopened, written_after_close
from models.audit.rebuilt import rebuilt_features
from models.audit.shuffled import shuffled_labels
from models.audit.structure import structure_results
from models.audit.waivers import WAIVERS_FILE, Waivers, read_waivers
from models.censoring import window_weights
from pipelines.job import Job
from pipelines.learning import Labelled
from pipelines.progress import Say
from pipelines.steps import Built, View

__all__ = ["AUDIT_FILE", "GATE", "IN_FULL", "Effort", "audit_features", "waivers_of"]

AUDIT_FILE = "audit.json"


@dataclass(frozen=True)
class Effort:
    """How much of the past is made again: instants, and features at each (None: all)."""

    instants: int
    features: int | None


GATE = Effort(instants=1, features=24)
"""What a run spends: another draw of features for each load, so that in time all are looked at."""
IN_FULL = Effort(instants=2, features=None)


def audit_features(
    job: Job, view: View, built: Built, rows: Labelled, effort: Effort, say: Say
) -> AuditReport:
    """Check training rows and features for what they should not know; write audit.json.

    Values are judged on training rows alone. Raises UsageError if the file of waivers is wrong.
    """
    waivers = waivers_of(job)
    used = [one for one in built.features if not isinstance(one.value, Learnt)]
    known = pa.array(rows.split.train.known)
    frame = rows.frame.filter(known)
    y = known_outcomes(rows.labels)[rows.split.train.known]
    with open_warehouse(job.workspace) as warehouse:
        report = _of_features(job, view, built, rows, frame, y, used, warehouse, waivers)
        say(f"{report.checked} features checked, {len(report.dropped)} left out")
        rest = _of_rows(job, view, rows, frame, y, used, report, warehouse, effort, say)
    report = AuditReport(
        report.findings, report.checked, report.notes, (*report.results, *rest), report.waivers
    )
    (job.run_dir / AUDIT_FILE).write_bytes(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2))
    return report


def waivers_of(job: Job) -> Waivers:
    """The entries of the set file, or of the workspace's own where there is one.

    Raises UsageError if the file is wrong; callers may ask before they start on work that takes long.
    """
    today = job.now.date()
    given = job.settings.audit_waivers
    if given is not None:
        return read_waivers(given, today=today)
    file = job.workspace / WAIVERS_FILE
    return read_waivers(file, today=today) if file.is_file() else Waivers(())


def _of_features(
    job: Job, view: View, built: Built, rows: Labelled, frame: pa.Table, y: FloatArray,
    used: Sequence[Feature], warehouse: Warehouse, waivers: Waivers,
) -> AuditReport:  # fmt: skip
    tables, window = warehouse.tables(view.as_of), rows.split.train
    return audit(
        frame,
        y,
        weight=window_weights(rows.labels, window)[window.known],
        features=used,
        open_frame=built.open,
        max_auc=job.settings.audit_max_auc,
        max_fill_jump=job.settings.audit_max_fill_jump,
        allow=job.settings.audit_allow,
        ends=end_states(tables, view.as_of),
        late=late_history_findings(tables, used, view.as_of),
        closed_frame=rows.frame.filter(rows.labels["y"].is_valid()),
        waivers=waivers,
    )


def _of_rows(
    job: Job, view: View, rows: Labelled, frame: pa.Table, y: FloatArray, used: Sequence[Feature],
    report: AuditReport, warehouse: Warehouse, effort: Effort, say: Say,
) -> tuple[CheckResult, ...]:  # fmt: skip
    """Verdicts on the rows themselves, and counts of what was written late."""
    tables, settings = warehouse.tables(view.as_of), job.settings
    kept = [one for one in used if one.name not in report.dropped]
    embargo = timedelta(days=settings.embargo_days or view.step_days)
    say("making features of the past again, from the tables of that day")
    rebuilt = rebuilt_features(
        warehouse.con, tables, rows.frame, used,
        calendar=view.calendar, instants=effort.instants, most=effort.features,
        seed=zlib.crc32(view.data_version.encode()),
    )  # fmt: skip
    say("shuffling labels")
    return (
        *structure_results(rows.labels, rows.split, embargo=embargo),
        rebuilt,
        recorded_late(tables, view.as_of),
        written_after_close(tables, view.as_of),
        reopened(tables, view.as_of),
        shuffled_labels(frame, y, features=kept, seed=settings.seed),
    )
