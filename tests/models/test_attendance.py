"""Who came to past meetings and to the next one, and the model of it."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from data.warehouse import memory_tables
from features.families.alike import EXPECTED_ROLES
from features.meetings import MeetingHistory, meeting_history
from models.room.attendance import Attendance, Rows
from models.room.attendance_score import judge_attendance
from models.room.meeting_rows import HORIZON_DAYS, PastMeetings
from tests.features.worlds import DAYS, END, day, generate

ROLES = ("champion", "legal")
ALL_ROLES = tuple(role for role, _ in EXPECTED_ROLES.touches)
ZERO = datetime(2025, 1, 1, tzinfo=UTC)


def second(n):
    return int((ZERO + timedelta(days=n)).timestamp())


def keys(*snapshots):
    """(deal, day) each."""
    times = [ZERO + timedelta(days=n) for _, n in snapshots]
    return pa.table({
        "opportunity_id": pa.array([deal for deal, _ in snapshots]),
        "as_of": pa.array(times, pa.timestamp("us", "UTC")),
    })  # fmt: skip


def history(held, came=(), members=()):
    """held: (deal, meeting, day, known); came: (meeting, role, known); members: (deal, role, from, to)."""

    def table(rows, texts, times):
        columns = list(zip(*rows, strict=True)) or [()] * (len(texts) + len(times))
        arrays = [pa.array(column, pa.string()) for column in columns[: len(texts)]]
        arrays += [
            pa.array([None if n is None else second(n) for n in column], pa.int64())
            for column in columns[len(texts) :]
        ]
        return pa.table(arrays, [*texts, *times])

    return MeetingHistory(
        table(sorted(held), ("opportunity_id", "activity_id"), ("held_s", "known_s")),
        table(sorted(came), ("activity_id", "role"), ("known_s",)),
        table(sorted(members), ("opportunity_id", "role"), ("since_s", "until_s")),
    )


def past(snapshots, told, until=None):
    return PastMeetings.of(keys(*snapshots), told, ROLES, until_s=None if until is None else second(until))


def test_a_meeting_counts_once_it_is_known_and_so_does_who_came():
    told = history([("a", "m1", 10, 12), ("a", "m2", 20, 20)], [("m1", "champion", 15), ("m2", "legal", 20)])
    found = past([("a", 12), ("a", 13), ("a", 16), ("a", 20), ("a", 21)], told)
    assert found.held.tolist() == [0, 1, 1, 1, 2]
    assert found.came[:, 0].tolist() == [0, 0, 1, 1, 1]
    assert found.came[:, 1].tolist() == [0, 0, 0, 0, 1]
    assert np.array_equal(found.last[:, 0], [np.nan, 0, 1, 1, 0], equal_nan=True)


def test_the_latest_three_meetings_tell_how_often_a_role_comes_lately():
    told = history(
        [("a", f"m{i}", i, i) for i in range(1, 6)] + [("b", "other", 1, 1)],
        [("m1", "champion", 1), ("m4", "champion", 4), ("other", "legal", 1)],
    )
    found = past([("a", 3), ("a", 6), ("b", 6)], told)
    assert found.recent[:, 0].tolist() == [0.5, pytest.approx(1 / 3), 0]
    assert found.recent[:, 1].tolist() == [0, 0, 1]


def test_a_role_is_a_member_from_when_it_is_recorded_until_it_is_removed():
    told = history(
        [], members=[("a", "champion", 5, 10), ("a", "champion", 20, None), ("b", "legal", 1, None)]
    )
    found = past([("a", 5), ("a", 6), ("a", 10), ("a", 11), ("a", 21), ("b", 21)], told)
    assert found.member[:, 0].tolist() == [False, True, True, False, True, False]
    assert found.member[:, 1].tolist() == [False] * 5 + [True]


def test_the_label_is_the_first_meeting_at_or_after_the_snapshot_within_the_horizon():
    told = history(
        [("a", "m1", 10, 11), ("a", "m2", 30, 31), ("b", "m3", 5, 5)],
        [("m1", "champion", 11), ("m2", "legal", 31)],
    )
    late = 30 - HORIZON_DAYS
    found = past([("a", late), ("a", 9), ("a", 10), ("a", 10.01), ("a", 31), ("b", 6)], told, until=100)
    assert found.next[:3].tolist() == [[1, 0], [1, 0], [1, 0]]
    assert found.next[3].tolist() == [0, 1]
    assert np.isnan(found.next[4:]).all()
    far = past([("a", 10 - HORIZON_DAYS), ("a", 10.01 - HORIZON_DAYS)], told, until=100)
    assert np.isnan(far.next[0]).all()
    assert far.next[1].tolist() == [1, 0]


def test_a_label_knows_only_what_was_recorded_before_the_cut_off():
    told = history([("a", "m1", 10, 15), ("a", "m2", 12, 12)], [("m1", "champion", 15), ("m2", "legal", 20)])
    assert past([("a", 1)], told, until=16).next.tolist() == [[1, 0]]
    assert past([("a", 1)], told, until=15).next.tolist() == [[0, 0]]
    assert past([("a", 1)], told, until=21).next.tolist() == [[1, 0]]
    assert np.isnan(past([("a", 1)], told, until=12).next).all()
    assert np.isnan(past([("a", 1)], told).next).all()


def calendar_keys(rows, last=DAYS):
    deals = sorted(row["opportunity_id"] for row in rows["opportunities"])
    pairs = [(deal, day(n)) for deal in deals for n in range(7, last + 1, 7)]
    return pa.table({
        "opportunity_id": pa.array([deal for deal, _ in pairs]),
        "as_of": pa.array([at for _, at in pairs], pa.timestamp("us", "UTC")),
    })  # fmt: skip


def test_rows_recorded_later_change_no_fact_and_no_label_of_an_earlier_cut_off():
    rows = generate(3)
    early = calendar_keys(rows, last=105)
    tables, cut = memory_tables(rows), int(day(105).timestamp())
    then, now = (meeting_history(tables, at) for at in (day(105), END))
    before, after = (PastMeetings.of(early, told, ALL_ROLES, until_s=cut) for told in (then, now))
    for name in ("held", "came", "last", "recent", "member", "next"):
        assert np.array_equal(
            getattr(before, name), getattr(after, name), equal_nan=name not in ("held", "came", "member")
        )
    assert np.nansum(before.next) > 5


def test_facts_and_labels_equal_those_of_a_slow_loop():
    rows = generate(4, deals=25)
    told, snapshots = meeting_history(memory_tables(rows), END), calendar_keys(rows)
    found = PastMeetings.of(snapshots, told, ALL_ROLES, until_s=int(END.timestamp()))
    held, came, members = (getattr(told, name).to_pylist() for name in ("held", "came", "members"))
    for i, (deal, as_of) in enumerate(
        zip(*(snapshots[c].to_pylist() for c in ("opportunity_id", "as_of")), strict=True)
    ):
        at = int(as_of.timestamp())
        mine = [m for m in held if m["opportunity_id"] == deal]
        known = sorted((m["known_s"], m["held_s"], m["activity_id"]) for m in mine if m["known_s"] < at)
        ahead = sorted(
            (m["held_s"], m["known_s"], m["activity_id"]) for m in mine if 0 <= m["held_s"] - at < 60 * 86_400
        )
        assert found.held[i] == len(known)
        for k, role in enumerate(ALL_ROLES):
            to = {c["activity_id"]: c["known_s"] for c in came if c["role"] == role}
            there = [to.get(key, at) < at for *_, key in known]
            assert found.came[i, k] == sum(there)
            assert _equal(found.last[i, k], there[-1] if there else None)
            assert _equal(found.recent[i, k], np.mean(there[-3:]) if there else None)
            assert _equal(found.next[i, k], ahead[0][2] in to if ahead else None)
            assert found.member[i, k] == any(
                m["since_s"] < at and (m["until_s"] is None or m["until_s"] >= at)
                for m in members
                if (m["opportunity_id"], m["role"]) == (deal, role)
            )


def _equal(value, expected):
    return np.isnan(value) if expected is None else value == expected


def made(n=3000, seed=0, *, signal=True):
    """Rows of 300 deals; a role comes mostly where it was touched lately or, without signal, anyhow."""
    rng = np.random.default_rng(seed)
    role, held = rng.integers(0, 2, n), rng.integers(0, 6, n)
    lately = rng.random(n) < 0.5
    rate = np.array([0.6, 0.2])[role]
    p = np.where(lately, 0.9, 0.1) if signal else rate
    facts = np.column_stack([lately.astype(float), rng.normal(size=n)])
    came = rng.binomial(held, rate)
    y = (rng.random(n) < p).astype(float)
    y[::10] = np.nan
    whole = np.arange(n)
    return Rows(whole, role, came, held, facts, y, whole % 300)


@pytest.fixture(scope="module")
def model():
    found = Attendance.fit(made(), ROLES, seed=1)
    assert found is not None
    return found


def test_the_model_is_served_where_it_beats_both_frequencies_by_more_than_noise(model):
    served, judged = judge_attendance(model, made(seed=9), seed=0)
    assert served.basis == judged["basis"] == "model"
    assert judged["rows"] == 2700
    assert judged["rows_without_a_next_meeting"] == 300
    assert judged["versus"]["deal_frequency"]["lower_bound"] > 0.1
    losses = {name: found["log_loss"] for name, found in judged["metrics"].items()}
    assert losses["model"] < 0.4 < min(losses["deal_frequency"], losses["role_frequency"])
    assert set(judged["metrics"]["model"]) >= {"log_loss_interval", "auc", "ece"}


def test_where_there_is_nothing_to_learn_the_better_frequency_is_served_and_that_is_said():
    plain = Attendance.fit(made(signal=False), ROLES, seed=1)
    assert plain is not None
    served, judged = judge_attendance(plain, made(seed=9, signal=False), seed=0)
    assert served.basis == "role_frequency"
    assert "does not beat" in judged["note"]
    rows = made(seed=2)
    assert np.array_equal(served.predict(rows), np.array(served.rates)[rows.role])


def test_too_few_later_meetings_judge_nothing_and_leave_a_frequency(model):
    rows = made(seed=9)
    served, judged = judge_attendance(model, rows.where(rows.deal < 5), seed=0)
    assert served.basis == "deal_frequency"
    assert "Too few" in judged["note"]
    assert "metrics" not in judged


def test_the_deals_own_frequency_is_drawn_to_that_of_the_role():
    rows = made()
    model = Attendance.fit(rows, ROLES, seed=1)
    given = model.predictions(rows)["deal_frequency"]
    rate = np.array(model.rates)
    expected = (rows.came + model.pull * rate[rows.role]) / (rows.held + model.pull)
    assert given == pytest.approx(expected, abs=1e-15)
    known = rows.labelled()
    shares = [
        (known.y[known.role == k].sum() + 10 * known.y.mean()) / ((known.role == k).sum() + 10)
        for k in (0, 1)
    ]
    assert model.rates == pytest.approx(shares, abs=1e-12)


def test_one_outcome_only_teaches_nothing():
    rows = made()
    assert Attendance.fit(rows.where(rows.y != 1), ROLES, seed=1) is None
    assert Attendance.fit(rows.where(np.isnan(rows.y)), ROLES, seed=1) is None


def test_the_same_rows_and_seed_give_the_same_model_and_it_survives_json(model):
    again = Attendance.fit(made(), ROLES, seed=1)
    assert again == model
    stored = Attendance.from_dict(json.loads(json.dumps(model.as_dict())))
    assert stored == model
    rows = made(seed=5)
    assert np.array_equal(stored.predict(rows), model.predict(rows))


def test_a_row_alone_gets_what_it_gets_among_others(model):
    rows = made(n=50, seed=6)
    together = model.predict(rows)
    alone = [model.predict(rows.where(np.arange(50) == i))[0] for i in range(50)]
    assert together.tolist() == alone
