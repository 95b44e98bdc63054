"""How results look on a terminal: values in, rich renderables out. CRM text is shown, never obeyed."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.explain import Driver
from serving.deals import DealScore, Explanation, Reason
from serving.published import Published
from serving.renewals import RenewalExplanation
from serving.text import printable

__all__ = [
    "MISSING", "caption", "cell", "deals_table", "explanation_view", "money", "moved", "points", "when",
    "why",
]  # fmt: skip

MISSING = "–"
_BAR_WIDTH = 24
_SMALL_CHANGE = 0.0005


def when(instant: datetime | None) -> str:
    """A UTC instant as people read it: a date where it is a midnight.

    >>> from datetime import UTC
    >>> when(datetime(2026, 1, 5, tzinfo=UTC)), when(datetime(2026, 1, 5, 7, 30, tzinfo=UTC))
    ('2026-01-05', '2026-01-05 07:30 UTC')
    """
    if instant is None:
        return MISSING
    return (
        f"{instant:%Y-%m-%d}" if instant.strftime("%H%M%S") == "000000" else f"{instant:%Y-%m-%d %H:%M} UTC"
    )


def money(amount: float | None, currency: str | None) -> str:
    """An amount with thousands separated and its currency.

    >>> money(1234567.4, "EUR"), money(12.5, None), money(None, "EUR")
    ('1,234,567 EUR', '12.50', '–')
    """
    if amount is None:
        return MISSING
    shown = f"{amount:,.0f}" if abs(amount) >= 100 else f"{amount:,.2f}"
    return f"{shown} {printable(currency, longest=8)}".rstrip()


def caption(published: Published) -> str:
    """When and by which model the scores were made; a baseline is called one."""
    made = f"as of {when(published.as_of)} · model {published.model_version} · run {published.run_id}"
    if published.is_baseline:
        return f"BASELINE SCORES: one rate for every deal, not a model's prediction\n{made}"
    return made


def deals_table(deals: Sequence[DealScore], published: Published) -> RenderableType:
    """The ranked deals with what moves each most."""
    table = Table(
        title="Open deals by probability of winning", caption=caption(published), box=None, pad_edge=False,
        title_justify="left", caption_justify="left", header_style="bold",
    )  # fmt: skip
    for name in ("#", "win"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("deal", overflow="fold", max_width=44)
    table.add_column("owner", max_width=20)
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("stage", max_width=20)
    table.add_column("close", no_wrap=True)
    table.add_column("what moves it most", overflow="fold")
    for deal in deals:
        table.add_row(
            str(deal.rank),
            f"{deal.p_win:.1%}",
            points(deal.change),
            _named(deal),
            cell(deal.owner or deal.owner_id),
            money(deal.amount, deal.currency),
            cell(deal.stage),
            cell(deal.expected_close_on),
            cell(deal.top_reason),
        )
    if not deals:
        return Group(Text("No open deals."), Text(caption(published), "dim"))
    return table


def explanation_view(explanation: Explanation, *, top: int) -> RenderableType:
    """A deal's probability, what past deals like it did, its drivers as bars and reasons as sentences."""
    deal = explanation.deal
    about = " · ".join(
        part
        for part in (
            printable(deal.account), printable(deal.stage), money(deal.amount, deal.currency),
            f"closes {deal.expected_close_on}" if deal.expected_close_on else "",
            f"owner {printable(deal.owner or deal.owner_id)}" if deal.owner or deal.owner_id else "",
        )
        if part and part != MISSING
    )  # fmt: skip
    lines: list[RenderableType] = [
        Text.assemble(
            (printable(deal.name) or deal.opportunity_id, "bold"), f"  ({printable(deal.opportunity_id)})"
        ),
        Text(about, "dim"),
        Text.assemble(("\n" + f"{deal.p_win:.1%}", "bold"), " probability of winning", moved(deal.change)),
    ]
    if explanation.model_version.startswith("baseline"):
        lines.append(Text("BASELINE: one rate for every deal, not a model's prediction.", "yellow"))
    if explanation.evidence:
        lines.append(Text(printable(explanation.evidence)))
    return Group(*lines, *why(explanation, deal.p_win, top=top))


Explained = Explanation | RenewalExplanation
"""A probability taken apart, of a deal or of a contract."""


def why(explained: Explained, p: float, *, top: int) -> list[RenderableType]:
    """Drivers as bars with their sum, reasons as sentences, when and by which model."""
    lines: list[RenderableType] = []
    if any(driver.log_odds for driver in explained.drivers):
        lines += [Text("\nDrivers, in log-odds (0 changes nothing; +0.7 doubles the odds)", "bold"),
                  _bars(explained.drivers), _sum_line(explained, p)]  # fmt: skip
    for title, reasons in (("Speaks for it", explained.up), ("Speaks against it", explained.down)):
        if reasons:
            lines += [Text(f"\n{title}", "bold"), *(_reason(reason) for reason in reasons[:top])]
    lines.append(Text(f"\nas of {when(explained.as_of)} · model {explained.model_version}", "dim"))
    return lines


def _named(deal: DealScore) -> Text:
    name = printable(deal.name, longest=80) or deal.opportunity_id
    return Text.assemble(name, (f" {printable(deal.opportunity_id, longest=40)}", "dim"))


def cell(value: object) -> Text:
    """A value in a table: printable, a dash where it is missing."""
    return Text(printable(value) or MISSING)


def points(change: float | None) -> Text:
    """A change of a probability since the run before, in points."""
    if change is None:
        return Text(MISSING)
    if abs(change) < _SMALL_CHANGE:
        return Text("=")
    return Text(f"{change * 100:+.1f}", "green" if change > 0 else "red")


def moved(change: float | None) -> str:
    """The same in words, to stand after the probability."""
    if change is None:
        return ""
    if abs(change) < _SMALL_CHANGE:
        return ", as in the run before"
    return f", {'up' if change > 0 else 'down'} {abs(change) * 100:.1f} points since the run before"


def _bars(drivers: Sequence[Driver]) -> Table:
    """Bars to the right of the middle speak for the deal, bars to the left against it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    largest = max(abs(driver.log_odds) for driver in drivers)
    for driver in drivers:
        filled = round(abs(driver.log_odds) / largest * _BAR_WIDTH)
        bar = "█" * filled
        up = driver.log_odds >= 0
        table.add_row(
            Text(printable(driver.title)),
            Text(f"{driver.log_odds:+.2f}"),
            Text("" if up else bar.rjust(_BAR_WIDTH), "red"),
            Text(bar if up else "", "green"),
        )
    return table


def _sum_line(explained: Explained, p: float) -> Text:
    total = sum(driver.log_odds for driver in explained.drivers)
    return Text(
        f"base {explained.base_log_odds:+.2f}, drivers {total:+.2f}, together {explained.log_odds:+.2f} "
        f"= {p:.1%}",
        "dim",
    )


def _reason(reason: Reason) -> Text:
    return Text.assemble((f"{reason.log_odds:+.2f}  ", "green" if reason.log_odds > 0 else "red"),
                         printable(reason.sentence, longest=400))  # fmt: skip
