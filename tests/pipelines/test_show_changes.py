"""Changes at the terminal: the whole, what moved it, what happened; CRM text is shown, never obeyed."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from pipelines.show_changes import change_view, headline_view, movers_view
from serving.changes import deal_change
from serving.deals import explain_deal
from serving.history import DealEvent
from serving.movers import movers
from serving.published import Published
from tests.serving.change_runs import FIRST_AT, as_published, run_id

FIRST = {"A": ((0.5, 0.0), (3.0, 0)), "B": ((1.0, -0.25), (1.0, 1))}
CLOCK = {"A": ((0.25, 0.0), (10.0, 0))}
SECOND = {
    "A": ((0.25, -0.5), (10.0, 1)), "B": ((1.5, -0.25), (0.5, 1)), "C": ((0.0, 0.0), (None, 0)),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Published:
    as_published(tmp_path, 0, FIRST)
    return as_published(tmp_path, 1, SECOND, before=FIRST, by_clock=CLOCK)


def shown(view: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=150, markup=False, highlight=False).print(view)
    return out.getvalue()


def lines_of(view: RenderableType) -> list[str]:
    return [" ".join(line.split()) for line in shown(view).splitlines() if line.strip()]


def test_a_deals_change_is_shown_as_a_whole_by_kind_by_driver_and_as_sentences(run: Published) -> None:
    happened = [DealEvent(FIRST_AT + timedelta(days=2), "close_date", "Expected close: \x1b[31m2026-03-31")]
    view = change_view(deal_change(run, "A"), explain_deal(run, "A").deal, happened, top=5)
    assert lines_of(view) == [
        "Deal A (A)",
        "37.8% → 22.3% probability of winning (-15.5 points)",
        "Down 15 points: the close date was pushed once (−10), silent for 10 days as time passed (−5)",
        "What moved it, in points of probability and log-odds",
        "New events -10.3 -0.50",
        "Time passing -5.2 -0.25",
        "Drivers, in points of probability and log-odds",
        "Promised features -10.3 -0.50",
        "Momentum -5.2 -0.25",
        "Lowered it",
        "-10.3 The close date was pushed once (before: none).",
        "-5.2 Silent for 10 days as time passed (before: 3 days).",
        "What happened",
        "2026-01-07 Expected close: [31m2026-03-31",
        f"as of 2026-01-12 · model win-000000000001 · run {run_id(1)}",
        f"since 2026-01-05 · model win-000000000001 · run {run_id(0)}",
    ]


def test_an_explanation_ends_with_the_change_in_one_line(run: Published) -> None:
    assert lines_of(headline_view(deal_change(run, "B"))) == [
        "Since 2026-01-05: up 12 points: silent for 0.5 days (+12)"
    ]
    assert lines_of(headline_view(deal_change(run, "C"))) == ["Scored for the first time"]


def test_a_deal_without_an_earlier_score_says_so(run: Published) -> None:
    told = lines_of(change_view(deal_change(run, "C"), explain_deal(run, "C").deal, top=5))
    assert told[1:3] == ["26.9% probability of winning", "Scored for the first time"]
    assert "nothing to compare with" in told[3]


def test_the_largest_moves_are_shown_with_their_reasons(run: Published) -> None:
    told = lines_of(movers_view(movers(run), run))
    assert told[0] == f"2 open deals compared with run {run_id(0)}; 1 scored for the first time"
    assert told[1:3] == ["Rose most", "+12.4 56.2% Deal B up 12 points: silent for 0.5 days (+12)"]
    assert told[3] == "Fell most"
    assert told[4].startswith("-15.5 22.3% Deal A down 15 points: ")


def test_the_first_run_has_nothing_to_compare_with(tmp_path: Path) -> None:
    first = as_published(tmp_path, 0, FIRST)
    assert "No run before this one" in shown(movers_view(movers(first), first))
