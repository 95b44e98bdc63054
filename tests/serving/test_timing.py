"""The published curves of when each deal will be won, and what a reader gets from them."""

import subprocess
import sys

import numpy as np
import pytest

from serving.publish import publish
from serving.published import open_published
from serving.timing import KNOTS, TIMING, close_curve, timing_table, won_by
from tests.serving.test_publish import FIRST, IDS, P_WIN, publication

# half of the wins at once, the rest evenly over the knots
SHARE = np.linspace(0.5, 1.0, len(KNOTS))


def table():
    return timing_table(IDS, np.array(P_WIN), np.array(P_WIN)[:, None] * SHARE)


@pytest.fixture
def published(tmp_path):
    publish(tmp_path, FIRST, publication(beside={TIMING: table()}))
    return open_published(tmp_path, FIRST)


def test_a_deals_curve_begins_at_zero_and_is_linear_between_the_knots(published):
    curve = close_curve(published, "A-1")
    assert curve.days == (0, *KNOTS)
    assert curve.p_win == P_WIN[0]
    assert curve.at(0) == 0
    assert curve.at(3.5) == pytest.approx(P_WIN[0] * 0.25)
    assert curve.at(7) == pytest.approx(P_WIN[0] * 0.5)
    assert curve.at(17.5) == pytest.approx(P_WIN[0] * (SHARE[1] + SHARE[2]) / 2)


def test_beyond_the_last_knot_the_curve_stays_where_it_was(published):
    assert close_curve(published, "B-1").at(5000) == pytest.approx(P_WIN[2])


def test_many_deals_are_read_at_once_as_one_by_one(published):
    days = np.array([0.0, 1.0, 7.0, 8.0, 30.0, 364.0, 365.0, 729.0, 730.0, 731.0, np.inf])
    together = won_by(published.table(TIMING), days)
    for row, deal in enumerate(IDS):
        assert together[row] == pytest.approx([close_curve(published, deal).at(day) for day in days])
    assert (np.diff(together, axis=1) >= 0).all()


def test_no_open_deals_give_no_rows():
    empty = timing_table([], np.empty(0), np.empty((0, len(KNOTS))))
    assert won_by(empty, np.array([7.0])).shape == (0, 1)


def test_a_deal_that_was_not_scored_and_a_run_without_curves_have_none(published, tmp_path):
    assert close_curve(published, "Z-9") is None
    publish(tmp_path / "other", FIRST, publication())
    assert close_curve(open_published(tmp_path / "other", FIRST), "A-1") is None


def test_the_file_has_a_column_per_knot(published):
    assert published.table(TIMING).column_names == [
        *(
            "opportunity_id",
            "p_win",
            "p_won_by_7",
            "p_won_by_14",
            "p_won_by_21",
            "p_won_by_28",
            "p_won_by_42",
        ),
        *("p_won_by_56", "p_won_by_91", "p_won_by_126", "p_won_by_182", "p_won_by_273", "p_won_by_365"),
        *("p_won_by_548", "p_won_by_730"),
    ]


def test_reading_curves_loads_no_heavy_library(published):
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from serving.published import open_published\n"
        "from serving.timing import TIMING, close_curve, won_by\n"
        f"found = open_published(Path({str(published.folder.parent.parent)!r}))\n"
        "won_by(found.table(TIMING), np.array([30.0])); close_curve(found, 'A-1')\n"
        "print([name for name in ('pandas', 'lightgbm', 'mlflow', 'ibis', 'prefect') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
