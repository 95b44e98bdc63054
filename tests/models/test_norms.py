"""What is learnt from won deals alike, by hand and against slow loops over the same rows."""

import json
from collections import defaultdict
from dataclasses import asdict
from statistics import fmean

import numpy as np
import pyarrow as pa
import pytest

from features.feature import AgainstNorm, RolesMissing
from models.alike import AGE_EDGES, ENOUGH_DEALS, Alike, median_by_cell
from models.encoding import Encoder
from models.norms import LEAN, RoleShares, fit_norm, norm_from_dict
from tests.models.conftest import feature

SIZE = AgainstNorm("people", "stage", "age")
ROLES = RolesMissing(
    (("champion", "champion_touches"), ("legal", "legal_touches")), "stage", "age", ("structure",)
)


def frame(rows):
    """rows: deal, stage, age, people, champion touches, legal touches, structure."""
    names = ("opportunity_id", "stage", "age", "people", "champion_touches", "legal_touches", "structure")
    kinds = (pa.string(), pa.string(), pa.float64(), pa.int64(), pa.int64(), pa.int64(), pa.string())
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names)


def deals(n, stage="offer", age=40.0, people=4, champion=1, legal=0, structure=None, prefix="d", rows=1):
    return [
        (f"{prefix}{i}", stage, age, people, champion, legal, structure)
        for i in range(n)
        for _ in range(rows)
    ]


def made(seed=1, n=150):
    """Deals with several rows each, across stages, ages and structures, some of it missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        structure = [None, "central", "spread"][rng.choice(3, p=[0.1, 0.5, 0.4])]
        for _ in range(rng.integers(1, 5)):
            stage = [None, "demo", "offer", "sign"][rng.integers(4)]
            age = None if rng.random() < 0.05 else float(rng.choice([1, 7, 30, 59, 60, 300]))
            rows.append(
                (f"d{i}", stage, age, int(rng.integers(0, 6)), *map(int, rng.integers(0, 3, 2)), structure)
            )
    return rows


def test_a_group_is_compared_with_won_deals_of_its_stage_and_age():
    rows = deals(12, age=40.0, people=4, prefix="a") + deals(12, age=100.0, people=8, prefix="b")
    norm = fit_norm(frame(rows), np.ones(24, bool), SIZE)
    asked = frame([("x", "offer", 59.0, 2, 0, 0, None), ("y", "offer", 60.0, 2, 0, 0, None)])
    assert norm.apply(asked).tolist() == [0.5, 0.25]


def test_where_few_such_deals_were_won_the_stage_answers_and_then_all_of_them():
    rows = deals(9, age=40.0, people=2, prefix="a") + deals(12, age=100.0, people=8, prefix="b")
    rows += deals(20, stage="demo", age=40.0, people=1, prefix="c")
    norm = fit_norm(frame(rows), np.ones(len(rows), bool), SIZE)
    asked = frame(
        [(*key, 8, 0, 0, None) for key in (("x", "offer", 40.0), ("y", "offer", 300.0), ("z", "new", 40.0))]
    )
    # nine deals are too few for their own cell; at the stage the median of 21 deals is 8, of all 41 it is 2
    assert norm.apply(asked).tolist() == [1.0, 1.0, 4.0]


def test_deals_count_not_rows():
    rows = deals(11, people=2, prefix="a") + deals(10, people=8, prefix="b", rows=50)
    norm = fit_norm(frame(rows), np.ones(len(rows), bool), SIZE)
    assert norm.apply(frame(deals(1, people=4))).tolist() == [2.0]
    nine = deals(9, people=2, rows=40)
    cells = median_by_cell(
        Alike.of(frame(nine), category="stage"), frame(nine), np.full(360, 2.0), present=np.ones(360, bool)
    )
    assert [known["deals"] for known in cells.by_depth] == [[9], []]


def test_lost_deals_teach_no_norm():
    rows = deals(20, people=3, prefix="w") + deals(20, people=99, prefix="l")
    norm = fit_norm(frame(rows), np.arange(40) < 20, SIZE)
    assert norm.apply(frame(deals(1, people=3))).tolist() == [1.0]


def test_a_group_that_winners_did_not_have_yet_is_no_norm_and_nothing_borrows_it():
    rows = deals(12, age=2.0, people=0, prefix="a") + deals(12, age=100.0, people=8, prefix="b")
    norm = fit_norm(frame(rows), np.ones(24, bool), SIZE)
    assert np.isnan(norm.apply(frame(deals(1, age=2.0, people=1)))).all()


def test_roles_missing_add_up_the_shares_of_won_deals_that_had_engaged_them():
    rows = deals(30, champion=2, legal=0, prefix="a") + deals(10, champion=0, legal=1, prefix="b")
    shares = RoleShares.fit(frame(rows), ROLES)
    asked = frame([
        ("x", "offer", 40.0, 0, 0, 0, None),
        ("y", "offer", 40.0, 0, 5, 0, None),
        ("z", "offer", 40.0, 0, 1, 1, None),
    ])  # fmt: skip
    assert shares.apply(asked).tolist() == pytest.approx([1.0, 0.25, 0.0])


def test_without_a_won_deal_nothing_is_expected():
    assert np.isnan(RoleShares.fit(frame([]), ROLES).apply(frame(deals(2)))).all()


def test_a_segment_that_is_rarely_recorded_does_not_tell_deals_apart():
    few = (
        deals(12, structure="central", prefix="a")
        + deals(20, prefix="b")
        + deals(4, structure="spread", prefix="c")
    )
    most = few[:12] + deals(12, structure="spread", prefix="c")
    assert [axis.column for axis in RoleShares.fit(frame(few), ROLES).shares.alike.axes] == ["stage", "age"]
    assert [axis.column for axis in RoleShares.fit(frame(most), ROLES).shares.alike.axes][2] == "structure"


@pytest.mark.parametrize("seed", [1, 2])
def test_shares_equal_those_of_a_slow_loop(seed):
    rows = made(seed)
    shares = RoleShares.fit(frame(rows), ROLES)
    assert shares.shares.alike.depth == 3
    expected = [_missing(rows, row) for row in rows]
    assert shares.apply(frame(rows)) == pytest.approx(expected, abs=1e-12)


def _missing(rows, asked):
    """The sum over untouched roles of the share of deals alike, each group leaning on the coarser one."""
    total = 0.0
    for place in (4, 5):
        share = None
        for depth in range(4):
            of_deal = defaultdict(list)
            for row in rows:
                if _key(row, depth) == _key(asked, depth):
                    of_deal[row[0]].append(row[place] > 0)
            if depth and len(of_deal) < ENOUGH_DEALS:
                break
            mean = fmean(fmean(engaged) for engaged in of_deal.values())
            share = mean if share is None else (mean * len(of_deal) + LEAN * share) / (len(of_deal) + LEAN)
        if not asked[place]:
            total += share
    return total


def _key(row, depth):
    age = None if row[2] is None else sum(row[2] >= edge for edge in AGE_EDGES)
    return (row[1], age, row[6])[:depth]


def test_norms_survive_json_to_the_last_bit():
    rows = frame(made())
    for value in (SIZE, ROLES, AgainstNorm("people", age="age")):
        norm = fit_norm(rows, np.ones(rows.num_rows, bool), value)
        assert norm_from_dict(json.loads(json.dumps(asdict(norm)))) == norm


def test_the_encoder_gives_learnt_columns_that_travel_with_it_and_ignores_the_rows_being_scored():
    rows = frame(made())
    y = (np.arange(rows.num_rows) % 2).astype(float)
    learnt = (feature("size", "number", value=SIZE), feature("missing", "number", value=ROLES))
    encoder = Encoder.fit(rows, y, rows=np.ones(y.size, bool), weight=np.ones(y.size), features=learnt)
    again = Encoder.from_dict(json.loads(json.dumps(encoder.as_dict())))
    together = again.transform(rows)
    alone = np.vstack([again.transform(rows.slice(i, 1)) for i in range(rows.num_rows)])
    assert np.array_equal(together, alone, equal_nan=True)
    assert np.array_equal(together, encoder.transform(rows), equal_nan=True)


def test_the_order_of_training_rows_changes_no_figure():
    rows = frame(made())
    shuffled = rows.take(np.random.default_rng(3).permutation(rows.num_rows))
    for value in (SIZE, ROLES):
        one, other = (fit_norm(r, np.ones(r.num_rows, bool), value).apply(rows) for r in (rows, shuffled))
        assert one == pytest.approx(other, abs=1e-12, nan_ok=True)
