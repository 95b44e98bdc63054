"""How an audit looks on a terminal: a line per check, then each finding with its evidence and remedy."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.audit.findings import AuditReport
from serving.text import printable

__all__ = ["audit_view"]

_INDENT = "  "
_COLOURS = {"passed": "green", "failed": "bold red", "waived": "yellow", "not applicable": "dim"}


def audit_view(report: AuditReport, file: Path) -> RenderableType:
    """The verdicts, the findings, what became of the waivers, and where it is all kept."""
    return Group(*_parts(report, file))


def _parts(report: AuditReport, file: Path) -> Iterator[RenderableType]:
    yield _verdicts(report)
    if report.findings:
        yield from _findings(report)
    for title, lines in (("Waivers", report.waivers), ("Not checked", report.notes)):
        if lines:
            yield Text(f"\n{title}", "bold")
            yield from (Text(_INDENT + printable(line, longest=2000)) for line in lines)
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


def _findings(report: AuditReport) -> Iterator[RenderableType]:
    """Feature by feature: what each check saw, and what to do."""
    yield Text("\nFindings", "bold")
    for name in dict.fromkeys(one.feature for one in report.findings):
        mine = [one for one in report.findings if one.feature == name]
        state = "left out" if name in report.dropped else "waived"
        colour = "bold red" if state == "left out" else "yellow"
        yield Text.assemble((printable(name, longest=200), colour), f"  {state}")
        for one in mine:
            yield Text(_INDENT + printable(f"{one.check}: {one.evidence}", longest=800))
        for remedy in dict.fromkeys(one.remedy for one in mine):
            yield Text(_INDENT + printable(f"remedy: {remedy}", longest=600), "dim")
