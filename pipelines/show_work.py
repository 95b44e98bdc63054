"""How work done looks on a terminal: runs, models, evidence, findings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.doctor import Finding
from pipelines.job import RunResult
from pipelines.show import MISSING, cell, when
from serving.text import printable

__all__ = ["evidence_table", "facts_table", "findings_table", "metrics_table", "run_view", "trained_view"]


def facts_table(title: str, facts: Iterable[tuple[str, Any]]) -> RenderableType:
    """Names and values, one a line."""
    table = Table(title=title, box=None, show_header=False, title_justify="left", pad_edge=False)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(printable(value, longest=2000)))
    return table


def evidence_table(title: str, rows: Sequence[dict[str, Any]]) -> RenderableType:
    """The rows behind a value, one a line, their columns as the data has them."""
    if not rows:
        return Group(Text(title, "bold"), Text("No rows stand behind it."))
    table = Table(title=title, box=None, title_justify="left", pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(
            *(when(value) if isinstance(value, datetime) else cell(value) for value in row.values())
        )
    return table


def run_view(result: RunResult) -> RenderableType:
    """What a run did, and how good its model is beside what users would otherwise have."""
    if result.status == "skipped":
        return Text("skipped: another run holds the workspace")
    facts = [
        ("result", result.message),
        ("as of", when(result.as_of)),
        ("model", result.model_version),
        ("open deals scored", f"{result.open_deals:,}"),
        ("contracts scored", f"{result.contracts:,}" if result.contracts else None),
        ("renewal model", result.renewal_model_version),
        ("published", result.paths.get("published")),
        ("report", result.paths.get("report")),
    ]
    parts: list[RenderableType] = [facts_table(f"Run {result.run_id}", [fact for fact in facts if fact[1]])]
    if result.metrics:
        parts += [Text(), metrics_table(result.metrics)]
    parts.append(Text("\nNext: dealcast deals, dealcast forecast, dealcast renewals", "dim"))
    return Group(*parts)


def trained_view(facts: Mapping[str, Any], document: Mapping[str, Any] | None) -> RenderableType:
    """A model's facts and, where it was evaluated, its figures."""
    plain = [(name.replace("_", " "), value) for name, value in facts.items() if name != "metrics" and value]
    if document is None:
        return facts_table("Model", plain)
    return Group(
        facts_table("Model", [*plain, ("result", document["headline"])]),
        Text(),
        metrics_table(document["metrics"]),
    )


def findings_table(findings: Sequence[Finding]) -> RenderableType:
    """What the doctor found, one thing a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    colours = {"ok": "green", "note": "yellow", "broken": "bold red"}
    for finding in findings:
        said = Text(printable(finding.said, longest=2000))
        table.add_row(Text(finding.what, "bold"), Text(finding.state, colours[finding.state]), said)
    return table


def metrics_table(metrics: dict[str, dict[str, Any]]) -> RenderableType:
    """Out-of-time figures of the model and the baselines, with 95 % intervals."""
    table = Table(title="Out of time (95 % interval)", box=None, title_justify="left", pad_edge=False)
    table.add_column("model", no_wrap=True)
    names = {"auc": "AUC ↑", "log_loss": "log-loss ↓", "brier": "Brier ↓", "ece": "calibration error ↓"}
    for title in names.values():
        table.add_column(title, justify="right", no_wrap=True)
    for model, figures in metrics.items():
        table.add_row(model, *(_figure(figures.get(name), figures.get(f"{name}_interval")) for name in names))
    return table


def _figure(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return MISSING
    return f"{value:.3f}" if not interval else f"{value:.3f} ({interval[0]:.3f}–{interval[1]:.3f})"
