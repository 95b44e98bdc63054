"""The segments report on a workspace: rows, verdicts, and how they look."""

import orjson
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.errors import ModelContractError
from data.settings import Settings
from models.segment_report import CONTEXTS, Boundary, Gain, Segmentation, SegmentReport, named, verdicts
from models.segments import judge_segments
from pipelines.job import Job
from pipelines.learning import label_and_split
from pipelines.run import working
from pipelines.show import MISSING
from pipelines.steps import build_features, choose_instant
from serving.text import printable

__all__ = ["SEGMENTS_FILE", "segments_part", "segments_view"]

SEGMENTS_FILE = "segments.json"
_READ = frozenset({
    "stage", "deal_age_days", "employees", "decision_structure", "decision_structure_inferred",
})  # fmt: skip
_CONTEXT_WORDS = {
    "base_rate": "over the base rate",
    "stage_and_age": "beyond stage and age",
    "size_trend": "beyond a smooth effect of size",
}


def segments_part(settings: Settings, console: Console) -> tuple[Job, SegmentReport]:
    """Judge decision structure and headcount bands on the loaded data; write segments.json.

    Raises ModelContractError if too few deals have closed to judge anything out of time.
    """
    with working(settings, "segments", console) as (job, do, progress):
        view = do(choose_instant, job)
        with progress.stage("Building the features that segments need") as say:
            built = build_features(job, view, say, only=_READ)
        rows = do(label_and_split, job, view, built)
        if rows.thin:
            raise ModelContractError(rows.thin)
        with progress.stage("Judging segments and boundaries"):
            report = judge_segments(rows.frame, rows.labels, rows.split, seed=settings.seed)
        content = orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2)
        (job.run_dir / SEGMENTS_FILE).write_bytes(content)
        return job, report


def segments_view(report: SegmentReport) -> RenderableType:
    """Segments with their shares, what each way gains, boundaries among random ones, and the verdicts."""
    tested = [one for one in report.segmentations if not one.absent]
    parts: list[RenderableType] = []
    if tested:
        parts += [_levels(tested), Text(), _gains(report), Text()]
    if any(one.gain for one in report.boundaries):
        parts += [_boundaries(report.boundaries), Text()]
    said = [Text(printable(f"• {line}", longest=2000)) for line in verdicts(report)]
    return Group(*parts, Text("In words", "bold"), *said)


def _levels(tested: list[Segmentation]) -> Table:
    table = _table("Share won by segment", "by", "segment", "earlier deals", "won", "later deals", "won")
    for one in tested:
        for level in one.levels:
            table.add_row(
                named(one.name),
                Text(printable(level.name)),
                f"{level.fitted_deals:,}",
                _share(level.fitted_share_won),
                f"{level.test_deals:,}",
                _share(level.test_share_won),
            )
    return table


def _gains(report: SegmentReport) -> Table:
    table = _table(
        "Log-loss lower out of time by (95 % interval)", "knowing", *(_CONTEXT_WORDS[one] for one in CONTEXTS)
    )
    for one in report.segmentations:
        if one.gains:
            table.add_row(named(one.name), *(_gain(one.gains[context]) for context in CONTEXTS))
    pairs = dict.fromkeys((one.first, one.second) for one in report.versus)
    for first, second in pairs:
        gains = [_gain(one.gain) for one in report.versus if (one.first, one.second) == (first, second)]
        table.add_row(f"{named(first)} rather than {named(second)}", *gains)
    return table


def _boundaries(boundaries: tuple[Boundary, ...]) -> Table:
    table = _table(
        "Boundaries among random ones",
        "employees", "", "gain (95 % interval)", "random: middle half", "as good or better",
    )  # fmt: skip
    for one in boundaries:
        if one.gain is None or one.at_least is None:
            continue
        table.add_row(
            " / ".join(f"{cut:,}" for cut in one.boundaries),
            _CONTEXT_WORDS[one.context],
            _gain(one.gain),
            f"{one.random[1]:.4f} to {one.random[3]:.4f}",
            f"{one.at_least:.1%}",
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=None, title_justify="left", pad_edge=False, header_style="bold")
    for column in columns:
        left = column in ("by", "segment", "knowing", "employees", "")
        table.add_column(column, justify="left" if left else "right")
    return table


def _gain(gain: Gain) -> str:
    if gain.interval is None:
        return f"{gain.difference:.4f}"
    return f"{gain.difference:.4f} ({gain.interval[0]:.4f} to {gain.interval[1]:.4f})"


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0%}"
