"""How an audit looks on a terminal: a line per check, then each finding with its evidence and remedy."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.audit.findings import CHECKS, AuditReport
from serving.text import printable

__all__ = ["audit_view"]

_COLOURS = {"passed": "green", "failed": "bold red", "waived": "yellow", "not applicable": "dim"}


def audit_view(report: AuditReport, file: Path) -> RenderableType:
    """The verdicts, the findings, what became of the waivers, and where it is all kept."""
    return Group(*_parts(report, file))


def _parts(report: AuditReport, file: Path) -> Iterator[RenderableType]:
    yield _verdicts(report)
    if report.findings:
        yield Text()
        yield _findings(report)
    for title, lines in (("Waivers", report.waivers), ("Not checked", report.notes)):
        if lines:
            yield Text(f"\n{title}", "bold")
            yield from (Text(printable(f"  {line}", longest=2000)) for line in lines)
    left_out = ", ".join(report.dropped)
    stops = [result.check for result in report.failed if result.structural]
    yield Text()
    yield Text(f"A run would stop: {', '.join(stops)}." if stops else "A run would go on.")
    yield Text(
        f"Left out of training: {printable(left_out, longest=4000)}" if left_out else "Nothing is left out."
    )
    yield Text(f"Written to {file}")


def _verdicts(report: AuditReport) -> RenderableType:
    table = Table(title="Audit", box=None, title_justify="left", pad_edge=False, header_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("evidence", overflow="fold")
    for result in report.results:
        said = f"{result.evidence} {result.remedy}" if result.structural else result.evidence
        verdict = Text(result.verdict, _COLOURS[result.verdict])
        table.add_row(result.check, verdict, Text(printable(said.strip(), longest=600)))
    return table


def _findings(report: AuditReport) -> RenderableType:
    table = Table(title="Findings", box=None, title_justify="left", pad_edge=False, header_style="bold")
    for name in ("feature", "check", "evidence", "remedy"):
        table.add_column(name, overflow="fold")
    for found in report.findings:
        why = f"{CHECKS[found.check]}: {found.evidence}"
        table.add_row(
            Text(printable(found.feature), "yellow" if found.waived else "bold red"), found.check,
            Text(printable(why, longest=600)), Text(printable(found.remedy, longest=400)),
        )  # fmt: skip
    return table
