"""What changed, as readers get it: exact over one run and over a chain, and honest where that is broken."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import UsageError
from serving.changes import DealChange, deal_change
from serving.live import hold
from serving.movers import movers
from serving.published import Published, open_published
from tests.serving.change_runs import as_published, run_id

FIRST = {"A": ((0.5, 0.0), (3.0, 0)), "B": ((1.0, -0.25), (1.0, 1)), "D": ((0.25, 0.0), (2.0, 0))}
CLOCK = {"A": ((0.25, 0.0), (10.0, 0)), "B": ((0.75, -0.25), (8.0, 1))}
SECOND = {
    "A": ((0.25, -0.5), (10.0, 1)), "B": ((1.5, -0.25), (0.5, 1)), "C": ((0.0, 0.0), (None, 0)),
}  # fmt: skip
THIRD_CLOCK = {"A": ((-0.5, -0.5), (17.0, 1))}
THIRD = {"A": ((-0.5, -1.0), (17.0, 2)), "B": ((1.5, -0.25), (0.5, 1)), "C": ((0.5, 0.0), (1.0, 0))}


def logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three runs")
    as_published(folder, 0, FIRST)
    as_published(folder, 1, SECOND, before=FIRST, by_clock=CLOCK)
    as_published(folder, 2, THIRD, before=SECOND, by_clock=THIRD_CLOCK)
    return folder


@pytest.fixture
def third(workspace: Path) -> Published:
    return open_published(workspace, run_id(2))


@pytest.fixture
def second(workspace: Path) -> Published:
    return open_published(workspace, run_id(1))


def assert_adds_up(change: DealChange) -> None:
    assert change.p_before is not None
    assert change.points is not None
    whole = logit(change.p_after) - logit(change.p_before)
    for parts in (change.terms, change.drivers, change.kinds):
        assert sum(one.log_odds for one in parts) == pytest.approx(whole, abs=1e-6)
        assert sum(one.points for one in parts) == pytest.approx(change.points, abs=1e-6)
    assert change.points == pytest.approx(100 * (change.p_after - change.p_before), abs=1e-9)


def test_a_change_holds_its_terms_with_time_and_events_told_apart(second: Published) -> None:
    change = deal_change(second, "A")
    assert [(one.kind, one.feature, one.log_odds) for one in change.terms] == [
        ("event", "pushes", -0.5),
        ("time", "silence", -0.25),
    ]
    assert change.sentences == (
        "The close date was pushed once (before: none).",
        "Silent for 10 days as time passed (before: 3 days).",
    )
    assert change.headline == (
        "down 15 points: the close date was pushed once (−10), silent for 10 days as time passed (−5)"
    )
    assert (change.since_run_id, change.run_id, change.note) == (run_id(0), run_id(1), None)
    assert_adds_up(change)


def test_a_feature_that_news_reset_is_told_once_in_the_line_and_twice_in_the_terms(second: Published) -> None:
    change = deal_change(second, "B")
    assert [(one.kind, one.log_odds) for one in change.terms] == [("event", 0.75), ("time", -0.25)]
    assert change.headline == "up 12 points: silent for 0.5 days (+12)"
    assert_adds_up(change)


def test_over_two_runs_the_terms_of_each_are_added_up(third: Published) -> None:
    change = deal_change(third, "A", since=run_id(0))
    assert [(one.kind, one.feature, one.log_odds) for one in change.terms] == [
        ("time", "silence", -1.0),
        ("event", "pushes", -1.0),
    ]
    assert [(one.value_before, one.value_after) for one in change.terms] == [
        ("3 days", "17 days"),
        ("0 pushes", "2 pushes"),
    ]
    assert change.since_run_id == run_id(0)
    assert_adds_up(change)


def test_a_deal_first_scored_in_between_starts_there_and_says_so(third: Published) -> None:
    change = deal_change(third, "C", since=run_id(0))
    assert change.since_run_id == run_id(1)
    assert run_id(0) in (change.note or "")
    assert_adds_up(change)


def test_a_deal_scored_for_the_first_time_has_nothing_to_compare(second: Published) -> None:
    change = deal_change(second, "C")
    assert (change.points, change.p_before, change.terms) == (None, None, ())
    assert change.headline == "scored for the first time"
    assert change.note is not None


def test_a_deal_on_which_nothing_moved_is_about_the_same(third: Published) -> None:
    change = deal_change(third, "B")
    assert (change.points, change.terms, change.headline) == (0.0, (), "about the same")


def test_a_chain_with_a_missing_run_tells_the_whole_and_that_it_is_all(
    workspace: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(workspace, tmp_path / "copy")
    shutil.rmtree(copy / "published" / run_id(1))
    change = deal_change(open_published(copy), "A", since=run_id(0))
    assert change.terms == ()
    assert "gone" in (change.note or "")
    expected = 100 / (1 + math.exp(2.5)) - 100 / (1 + math.exp(0.5))
    assert change.points == pytest.approx(expected)
    assert change.headline == "down 30 points"


def test_the_change_since_the_run_before_needs_no_other_folder(workspace: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(workspace, tmp_path / "copy")
    for week in (0, 1):
        shutil.rmtree(copy / "published" / run_id(week))
    change = deal_change(open_published(copy), "A")
    assert change.since_run_id == run_id(1)
    assert_adds_up(change)


def test_a_run_published_without_changes_tells_the_whole(tmp_path: Path) -> None:
    as_published(tmp_path, 0, FIRST)
    run = as_published(tmp_path, 1, SECOND, before=FIRST, without=True)
    change = deal_change(run, "A")
    assert change.terms == ()
    assert change.points == pytest.approx(100 / (1 + math.exp(1.25)) - 100 / (1 + math.exp(0.5)))


def test_where_the_only_run_before_is_gone_and_no_terms_were_told_nothing_is_claimed(tmp_path: Path) -> None:
    as_published(tmp_path, 0, FIRST)
    run = as_published(tmp_path, 1, SECOND, before=FIRST, without=True)
    shutil.rmtree(tmp_path / "published" / run_id(0))
    change = deal_change(run, "A")
    assert (change.points, change.headline) == (None, "no earlier score is there to compare with")


@pytest.mark.parametrize("since", [run_id(2), run_id(7), "../../etc", ""])
def test_a_run_that_is_not_published_before_is_refused_with_those_that_are(
    third: Published, since: str
) -> None:
    with pytest.raises(UsageError, match=run_id(1)):
        deal_change(third, "A", since=since)


def test_an_unknown_deal_is_refused(third: Published) -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        deal_change(third, "nobody")


def test_what_a_reader_may_not_see_is_summed_up_and_nothing_of_it_is_told(third: Published) -> None:
    seen = deal_change(third, "A", since=run_id(0), hide=lambda deal, names: {"pushes"} & set(names))
    assert [(one.kind, one.feature, one.log_odds) for one in seen.terms] == [
        ("time", "silence", -1.0),
        ("event", "other", -1.0),
    ]
    assert "pushed" not in repr(seen)
    assert [one.title for one in seen.drivers] == ["Momentum", "Other records"]
    assert_adds_up(seen)


def test_another_model_has_a_term_of_its_own(tmp_path: Path) -> None:
    only = {"A": FIRST["A"]}
    as_published(tmp_path, 0, only)
    anew = {"A": ((1.5, 0.0), (3.0, 0))}
    run = as_published(
        tmp_path, 1, anew, before=only, by_clock=anew, read_anew=anew, model="win-000000000002"
    )
    change = deal_change(run, "A")
    assert [(one.kind, one.feature, one.log_odds) for one in change.terms] == [("model", None, 1.0)]
    assert change.sentences == ("Another model now reads the same facts.",)
    assert change.headline == "up 24 points: a new model (+24)"
    assert [(one.name, one.title) for one in change.drivers] == [("model", "Another model")]
    assert (change.since_model_version, change.model_version) == ("win-000000000001", "win-000000000002")
    assert_adds_up(change)


def test_movers_are_the_largest_rises_and_falls_with_their_reasons(second: Published) -> None:
    moved = movers(second)
    assert (moved.compared, moved.started, moved.since_run_id) == (2, 1, run_id(0))
    assert [(one.deal.opportunity_id, round(one.points)) for one in moved.rises] == [("B", 12)]
    assert [(one.deal.opportunity_id, round(one.points)) for one in moved.falls] == [("A", -15)]
    assert moved.falls[0].headline == deal_change(second, "A").headline


def test_movers_are_those_a_reader_sees(workspace: Path) -> None:
    run = hold(workspace, run_id(1))
    among = np.array([one != "A" for one in run.deals.ids])
    moved = movers(run, among)
    assert (moved.compared, moved.started) == (1, 1)
    assert [one.deal.opportunity_id for one in (*moved.rises, *moved.falls)] == ["B"]
    assert movers(run, np.ones(3, dtype=bool)) == movers(run)


def test_without_a_run_before_nothing_moved(tmp_path: Path) -> None:
    moved = movers(as_published(tmp_path, 0, FIRST))
    assert (moved.since_run_id, moved.compared, moved.started) == (None, 0, 3)
    assert (moved.rises, moved.falls) == ((), ())


def test_readers_need_neither_pandas_nor_a_model_nor_the_catalogue() -> None:
    code = (
        "import sys, serving.changes, serving.movers, serving.history; "
        "heavy = {'pandas', 'lightgbm', 'ibis', 'fastapi', 'sklearn'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
