"""Expected roles, and the room of a deal as it is published, on hand-made and generated histories."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import orjson
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.families.alike import EXPECTED_ROLES
from features.meetings import MeetingHistory, meeting_history
from features.snapshots import Calendar
from models.arrays import known_outcomes
from models.labels import label_frame
from models.room.attendance import Attendance
from models.room.expected_roles import GAPS_SCHEMA, ExpectedRoles, wilson_interval
from models.room.room import Room, learn_room
from models.room.win_roles import WIN_ROLES_SCHEMA, recording_of_roles, win_roles
from models.split import time_split
from models.win_model import WinModel, baseline_model
from pipelines.room_table import room_table
from serving.facts import deal_facts
from tests.features.worlds import END, frame_of, generate

ROLES = tuple(role for role, _ in EXPECTED_ROLES.touches)
ZERO = datetime(2025, 1, 1, tzinfo=UTC)
NEEDED = {
    *EXPECTED_ROLES.reads, *(f"days_since_{role}" for role in ROLES), "deal_age_days", "meetings_held",
    "stakeholders_engaged", "roles_engaged", "attendance_latest_meeting",
}  # fmt: skip


def snapshot(deal, at, *, stage="offer", structure=None, **met):
    """A row at day `at` of a deal's life; met: role = (touches, days since the last)."""
    row = {
        "opportunity_id": deal, "as_of": ZERO + timedelta(days=at), "stage": stage,
        "deal_age_days": float(at), "decision_structure": structure, "industry": None, "meetings_held": 0,
        "roles_engaged": len(met), "stakeholders_engaged": len(met), "attendance_latest_meeting": None,
    }  # fmt: skip
    for role in ROLES:
        row[f"{role}_touches"], row[f"days_since_{role}"] = met.get(role, (0, None))
    return row


def table(rows):
    """Rows as a feature frame, with the catalogue's types."""
    kinds = {"count": pa.int64(), "number": pa.float64(), "category": pa.string()}
    fields = [("opportunity_id", pa.string()), ("as_of", pa.timestamp("us", "UTC"))]
    fields += [(one.name, kinds[one.kind]) for one in catalogue() if one.name in NEEDED]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in fields})


def fit(rows, won=None):
    y = np.ones(len(rows)) if won is None else np.array(won, float)
    return ExpectedRoles.fit(table(rows), y, rows=np.ones(len(rows), bool))


def twelve():
    """Twelve won deals, seen on days 7, 35 and 42: all met a champion on day 4, eight met legal on day 40."""
    rows = []
    for i in range(12):
        legal = {"legal": (1, 2.0)} if i < 8 else {}
        rows += [snapshot(f"w{i}", 7, champion=(1, 3.0)), snapshot(f"w{i}", 35, champion=(3, 1.0))]
        rows.append(snapshot(f"w{i}", 42, champion=(4, 1.0), **legal))
    return rows


def nobody():
    """A history without a meeting."""
    text, whole = pa.string(), pa.int64()
    held = pa.schema([("opportunity_id", text), ("activity_id", text), ("held_s", whole), ("known_s", whole)])
    came = pa.schema([("activity_id", text), ("role", text), ("known_s", whole)])
    members = pa.schema([("opportunity_id", text), ("role", text), ("since_s", whole), ("until_s", whole)])
    return MeetingHistory(held.empty_table(), came.empty_table(), members.empty_table())


def recording(**of_deal):
    """deal = (owner's share, people met by the owner, team's share, people met by the team)."""
    owners = pa.table({"opportunity_id": pa.array(list(of_deal), pa.string())})
    columns = list(zip(*of_deal.values(), strict=True)) or [()] * 4
    names = ("owner_completeness", "owner_people_met", "team_completeness", "team_people_met")
    for name, column in zip(names, columns, strict=True):
        owners = owners.append_column(name, pa.array(column, WIN_ROLES_SCHEMA.field(name).type))
    return owners


def test_a_gap_names_role_share_interval_deals_and_the_day_on_which_winners_met_it():
    expected = fit(twelve())
    gaps = expected.gaps(table([snapshot("x", 40, champion=(5, 1.0))]))
    assert gaps.schema == GAPS_SCHEMA
    by_role = {row["role"]: row for row in gaps.to_pylist()}
    assert list(by_role) == list(ROLES)
    # of 12 deals 8 had met legal at one of their two snapshots of 30 to 60 days: a third on average; over
    # all ages it is 8 deals at one of three snapshots, 2/9, which has ten deals' weight
    legal, champion = by_role["legal"], by_role["champion"]
    at_stage = (12 * 2 / 9 + 10 * 2 / 9) / 22
    assert legal["expected_share"] == pytest.approx((12 / 3 + 10 * at_stage) / 22)
    low, high = wilson_interval(np.array([legal["expected_share"]]), np.array([12]))
    assert (legal["expected_low"], legal["expected_high"]) == (low[0], high[0])
    assert low[0] < legal["expected_share"] < high[0]
    assert (legal["engaged"], legal["touches"], legal["n_alike"], legal["typical_day"]) == (
        False,
        0,
        12,
        40.0,
    )
    assert legal["alike"] == "won deals at stage offer, 30 to 60 days old"
    assert (champion["engaged"], champion["touches"], champion["typical_day"]) == (True, 5, 4.0)
    assert champion["expected_share"] == 1.0
    assert by_role["finance"]["expected_share"] == 0.0
    assert by_role["finance"]["typical_day"] is None


def test_gaps_and_the_learnt_column_are_of_one_table():
    rows = twelve() + [snapshot(f"v{i}", 90, structure="central", legal=(1, 1.0)) for i in range(11)]
    expected = fit(rows)
    asked = table(rows)
    gaps = expected.gaps(asked)
    missing = np.where(gaps["engaged"], 0.0, gaps["expected_share"]).reshape(-1, len(ROLES)).sum(axis=1)
    assert expected.shares.apply(asked) == pytest.approx(missing, abs=1e-12)


def test_a_deal_unlike_all_won_ones_is_held_against_all_of_them_and_that_is_said():
    gap = fit(twelve()).gaps(table([snapshot("x", 400, stage="unheard of")])).to_pylist()[0]
    assert (gap["alike"], gap["n_alike"]) == ("all won deals", 12)


def test_lost_deals_and_rows_outside_the_window_teach_nothing():
    rows = twelve() + [snapshot("lost", 40, finance=(9, 1.0))] * 2
    y = np.array([1.0] * 36 + [0.0, 1.0])
    window = np.array([True] * 37 + [False])
    assert ExpectedRoles.fit(table(rows), y, rows=window) == fit(twelve())


def test_without_won_deals_gaps_have_no_figures():
    gaps = fit(twelve(), won=[0] * 36).gaps(table([snapshot("x", 40)]))
    assert set(gaps["expected_share"].to_pylist()) == set(gaps["typical_day"].to_pylist()) == {None}
    assert set(gaps["n_alike"].to_pylist()) == {0}


def test_a_missing_role_column_is_refused_by_name():
    with pytest.raises(ModelContractError, match="'legal_touches'"):
        fit(twelve()).gaps(table([snapshot("x", 40)]).drop_columns(["legal_touches"]))


def test_a_seller_who_seldom_records_roles_is_told_apart_from_an_empty_room():
    room = Room(fit(twelve()), None)
    asked = table([snapshot("x", 40), snapshot("y", 40)])
    told = win_roles(
        room, asked, history=nobody(), recording=recording(y=(0.3, 40, 0.9, 200), x=(0.9, 10, None, None))
    )
    assert told.schema == WIN_ROLES_SCHEMA
    first = {row["opportunity_id"]: row for row in reversed(told.to_pylist())}
    assert [first[deal]["role"] for deal in ("x", "y")] == ["champion", "champion"]
    assert first["x"]["sentence"] == (
        "Champion: not engaged; 100 % of won deals at stage offer, 30 to 60 days old had engaged this role "
        "by then (12 deals), typically from day 4 on."
    )
    assert first["y"]["sentence"].endswith("The seller records a role for only 30 % of the people met.")
    assert (first["y"]["owner_people_met"], first["y"]["team_completeness"]) == (40, 0.9)
    assert first["x"]["team_completeness"] is None
    assert set(told["p_next_meeting"].to_pylist()) == {None}


def test_the_likeliest_missing_role_comes_first_and_engaged_ones_last():
    told = win_roles(
        Room(fit(twelve()), None),
        table([snapshot("x", 40, champion=(1, 2.0))]),
        history=nobody(),
        recording=recording(),
    )
    assert told["role"].to_pylist()[0] == "legal"
    assert told["role"].to_pylist()[-1] == "champion"
    assert told["sentence"].to_pylist()[1] == (
        "Blocker: not engaged, nor by any of 12 won deals at stage offer, 30 to 60 days old by then."
    )
    assert told["sentence"].to_pylist()[-1] == "Champion: engaged, 1 touchpoint so far."


def test_sellers_and_teams_are_added_up_by_manager():
    owners = pa.table({"opportunity_id": ["a", "b", "c", "d"], "owner_id": ["u1", "u2", "u3", None]})
    users = pa.table({"user_id": ["u1", "u2", "u3"], "manager_id": ["m", "m", None]})
    met = pa.table({"owner_id": ["u1", "u2", "u3"], "touched": [10, 30, 4], "recorded": [5, 27, 1]})
    found = recording_of_roles(owners, users, met)
    assert found.to_pydict() == {
        "opportunity_id": ["a", "b", "c", "d"],
        "owner_completeness": [0.5, 0.9, 0.25, None],
        "owner_people_met": [10, 30, 4, None],
        "team_completeness": [0.8, 0.8, None, None],
        "team_people_met": [40, 40, None, None],
    }


@pytest.fixture(scope="module")
def learnt():
    """A generated history with its frame, labels, split, meetings, and the room learnt from them."""
    rows = generate(11, deals=260)
    tables = memory_tables(rows)
    frame = frame_of(tables, Calendar(END, 7 * 86_400), [one for one in catalogue() if one.name in NEEDED])
    past = frame.filter(pa.array(np.asarray(frame["as_of"]) < np.datetime64(END.replace(tzinfo=None))))
    labels = label_frame(tables["opportunities"], past, END)
    split, history = time_split(labels, as_of=END, step_days=7), meeting_history(tables, END)
    room, found = learn_room(past, labels, split, history, seed=1)
    return SimpleNamespace(
        rows=rows, tables=tables, frame=frame, past=past, labels=labels, split=split, room=room, found=found
    )


def test_the_room_is_learnt_from_the_training_window_alone(learnt):
    past, split, room = learnt.past, learnt.split, learnt.room
    end = split.train.end
    assert end < END - timedelta(days=14)
    cut = memory_tables(learnt.rows)
    early = past.filter(pa.array(np.asarray(past["as_of"]) < np.datetime64(end.replace(tzinfo=None))))
    kept = label_frame(cut["opportunities"], early, end)
    window = replace(split.train, inside=np.ones(early.num_rows, bool), known=~np.isnan(known_outcomes(kept)))
    alone, _ = learn_room(
        early, kept, replace(split, train=window, test=replace(window, inside=~window.inside)),
        meeting_history(cut, end), seed=1,
    )  # fmt: skip
    assert alone.expected == room.expected
    assert alone.attendance is not None
    assert replace(alone.attendance, basis=room.attendance.basis) == room.attendance
    assert past.num_rows > early.num_rows


def test_what_was_learnt_is_described_in_plain_values(learnt):
    stored = orjson.loads(orjson.dumps(learnt.found))
    assert stored["expected_roles"]["alike_by"][:2] == ["stage", "deal_age_days"]
    assert stored["expected_roles"]["won_deals"] > 10
    assert set(stored["expected_roles"]["roles"]) == set(ROLES)
    assert stored["attendance"]["basis"] in ("model", "deal_frequency", "role_frequency")
    assert stored["attendance"]["note"]


def test_one_deal_asked_alone_has_the_rows_it_has_among_all(learnt):
    tables, frame, room = learnt.tables, learnt.frame, learnt.room
    today = frame.filter(pa.array(np.asarray(frame["as_of"]) == np.datetime64(END.replace(tzinfo=None))))
    facts = deal_facts(tables, END, today["opportunity_id"].to_pylist())
    everybody = room_table(tables, END, today, facts, room)
    assert everybody.schema == WIN_ROLES_SCHEMA
    assert everybody.num_rows == today.num_rows * len(ROLES)
    p = np.array([p for p in everybody["p_next_meeting"].to_pylist() if p is not None])
    assert 0 < p.size < everybody.num_rows
    assert ((p > 0) & (p < 1)).all()
    for i in range(0, today.num_rows, 40):
        one, deal = today.slice(i, 1), today["opportunity_id"][i].as_py()
        alone = room_table(tables, END, one, facts.slice(i, 1), room)
        mine = [row for row in everybody.to_pylist() if row["opportunity_id"] == deal]
        assert alone.to_pylist() == mine


def test_a_model_that_learnt_no_room_publishes_an_empty_table_of_the_same_columns(learnt):
    tables, frame = learnt.tables, learnt.frame
    facts = deal_facts(tables, END, frame["opportunity_id"].to_pylist()[:1])
    empty = room_table(tables, END, frame.slice(0, 1), facts, None)
    assert (empty.num_rows, empty.schema) == (0, WIN_ROLES_SCHEMA)
    none_open = win_roles(learnt.room, frame.slice(0, 0), history=nobody(), recording=recording())
    assert (none_open.num_rows, none_open.schema) == (0, WIN_ROLES_SCHEMA)


def test_the_room_travels_with_the_model_and_is_vouched_for(world, learnt, tmp_path):
    room = learnt.room
    y = known_outcomes(world.labels)
    plain = baseline_model(
        world.frame, y, weight=np.ones(y.size), features=world.features, reason="Made by hand."
    )
    model = plain.with_room(room)
    assert model.version != plain.version
    folder = model.save(tmp_path / "model")
    assert WinModel.load(folder).room == room
    assert WinModel.load(plain.save(tmp_path / "plain")).room is None
    content = (folder / "room.json").read_bytes()
    (folder / "room.json").write_bytes(content.replace(b"champion", b"chancery", 1))
    with pytest.raises(ModelContractError, match=r"room\.json.*altered"):
        WinModel.load(folder)


def test_a_room_survives_json_to_the_last_bit(learnt):
    room = learnt.room
    assert isinstance(room.attendance, Attendance)
    assert Room.from_json(room.to_json()) == room
    assert Room.from_json(Room(room.expected, None).to_json()).attendance is None
