"""How changes look on a terminal: what moved a deal's probability, and which deals moved most."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.change_words import Term, beside_before
from pipelines.show import caption, points, when
from serving.changes import DealChange, Part
from serving.deals import DealScore
from serving.history import DealEvent
from serving.movers import Mover, Movers
from serving.published import Published
from serving.text import printable

__all__ = ["change_view", "headline_view", "movers_view"]

_SHOWN = 0.05
"""Percentage points; less is not listed, but counts."""


def change_view(
    change: DealChange, deal: DealScore, happened: Sequence[DealEvent] = (), *, top: int
) -> RenderableType:
    """A deal's change: the whole, by kind and by driver, the largest terms as sentences, what happened.

    top: at most so many sentences for, and as many against.
    """
    name = printable(deal.name) or change.opportunity_id
    lines: list[RenderableType] = [
        Text.assemble((name, "bold"), f"  ({printable(change.opportunity_id)})"),
        Text(_whole(change)),
        Text(f"\n{_capped(printable(change.headline, longest=600))}", "bold"),
    ]
    for title, parts in (("What moved it", change.kinds), ("Drivers", change.drivers)):
        if parts:
            lines += [Text(f"\n{title}, in points of probability and log-odds", "bold"), _table(parts)]
    told = [term for term in change.terms if term.is_told and term.kind != "model"]
    for title, terms in (
        ("Raised it", [term for term in told if term.points > 0]),
        ("Lowered it", [term for term in told if term.points < 0]),
    ):
        if terms:
            lines += [Text(f"\n{title}", "bold"), *(_sentence(term) for term in terms[:top])]
    if happened:
        lines.append(Text("\nWhat happened", "bold"))
        lines += [Text(f"{one.happened_at:%Y-%m-%d}  {printable(one.text)}") for one in happened]
    if change.note:
        lines.append(Text(f"\n{printable(change.note)}", "yellow"))
    lines.append(Text(f"\n{_when_and_which(change)}", "dim"))
    return Group(*lines)


def headline_view(change: DealChange) -> RenderableType:
    """The change in one line, to stand below a deal's explanation."""
    if change.since_run_id is None:
        return Text(f"\n{_capped(change.headline)}", "dim")
    return Text.assemble(
        (f"\nSince {when(change.since_as_of)}: ", "bold"), printable(change.headline, longest=600)
    )


def movers_view(moved: Movers, published: Published) -> RenderableType:
    """The deals that rose and fell most, each with its change in one line."""
    if moved.since_run_id is None:
        return Group(
            Text("No run before this one: there is nothing to compare with."), Text(caption(published), "dim")
        )
    lines: list[RenderableType] = [
        Text(
            f"{moved.compared:,} open deals compared with run {moved.since_run_id}; "
            f"{moved.started:,} scored for the first time"
        )
    ]
    for title, deals in (("Rose most", moved.rises), ("Fell most", moved.falls)):
        if deals:
            lines += [Text(f"\n{title}", "bold"), _moves(deals)]
    if not moved.rises and not moved.falls:
        lines.append(Text("No probability moved."))
    return Group(*lines, Text(f"\n{caption(published)}", "dim"))


def _whole(change: DealChange) -> str:
    if change.p_before is None or change.points is None:
        return f"{change.p_after:.1%} probability of winning"
    return (
        f"{change.p_before:.1%} → {change.p_after:.1%} probability of winning ({change.points:+.1f} points)"
    )


def _when_and_which(change: DealChange) -> str:
    now = f"as of {when(change.as_of)} · model {change.model_version} · run {change.run_id}"
    if change.since_run_id is None:
        return now
    return (
        f"{now}\nsince {when(change.since_as_of)} · model {change.since_model_version} · "
        f"run {change.since_run_id}"
    )


def _table(parts: Sequence[Part]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for part in parts:
        if abs(part.points) >= _SHOWN:
            table.add_row(Text(printable(part.title)), points(part.points / 100), f"{part.log_odds:+.2f}")
    return table


def _sentence(term: Term) -> Text:
    style = "green" if term.points > 0 else "red"
    return Text.assemble((f"{term.points:+5.1f}  ", style), printable(beside_before(term), longest=400))


def _moves(deals: Sequence[Mover]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(max_width=30)
    table.add_column(overflow="fold")
    for one in deals:
        table.add_row(
            points(one.points / 100),
            f"{one.deal.p_win:.1%}",
            Text(printable(one.deal.name, longest=80) or one.deal.opportunity_id),
            Text(printable(one.headline, longest=400)),
        )
    return table


def _capped(said: str) -> str:
    return said[:1].upper() + said[1:]
