"""Vetoes, sponsors, the way in, and how sellers record roles, on hand-made histories."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.simulator import simulate
from data.simulator.simulation import DEFAULT_AS_OF
from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.completeness import role_completeness
from features.evidence import evidence
from features.families import influence
from features.snapshots import Calendar, Snapshots, deal_snapshots
from tests.features.worlds import END, Rows, day, frame_of, generate

BY_NAME = {feature.name: feature for feature in catalogue()}
DAY_S = 86_400


def deal(key: str = "o1", **more: Any) -> dict[str, Any]:
    return {"opportunity_id": key, "account_id": "a1", "owner_id": "u1", "created_at": day(0)} | more


def member(person: str, role: str | None, known: float = 1, of: str = "o1", **more: Any) -> dict[str, Any]:
    return {
        "opportunity_id": of, "contact_id": person, "buying_role": role, "known_at": day(known)
    } | more  # fmt: skip


def world(*deals: dict[str, Any], **tables: list[dict[str, Any]]) -> Rows:
    return {"accounts": [], "opportunities": list(deals) or [deal()]} | tables


def meet(
    rows: Rows, at: float, *people: str, of: str = "o1", known: float | None = None, **more: Any
) -> Rows:
    """Add an activity, by default a meeting, in which people took part."""
    key = f"v{len(rows.setdefault('activities', []))}"
    rows["activities"].append(
        {"activity_id": key, "opportunity_id": of, "kind": "meeting", "occurred_at": day(at),
         "known_at": day(at if known is None else known)} | more
    )  # fmt: skip
    came = [{"activity_id": key, "contact_id": person, "attended": True} for person in people]
    rows.setdefault("activity_participants", []).extend(came)
    return rows


def over(rows: Rows, days: Sequence[int], *names: str, of: str = "o1") -> list[Any]:
    """A deal's features as of midnight of some days: a value each, or a tuple of several."""
    wanted = [BY_NAME[name] for name in names]
    frame = frame_of(rows, Calendar(day(max(days)), DAY_S), wanted).to_pylist()
    found = {row["as_of"]: row for row in frame if row["opportunity_id"] == of}
    values = [tuple(found[day(n)][name] for name in names) for n in days]
    return values if len(names) > 1 else [value for (value,) in values]


def test_a_veto_is_open_until_its_holder_was_spoken_to_or_left() -> None:
    rows = world(
        opportunity_contacts=[
            member("c1", "blocker"), member("c2", "legal", removed_at=day(20)), member("c3", "champion"),
        ]
    )  # fmt: skip
    meet(rows, 10, "c1", known=12)
    found = over(rows, (1, 5, 13, 21), "veto_exposure", "veto_exposure_share")
    assert found == [(0, None), (2, 1.0), (1, 0.5), (0, 0.0)]


def test_an_opponent_who_can_veto_counts_though_spoken_to_and_counts_once() -> None:
    rows = world(
        opportunity_contacts=[
            member("c1", "finance"), member("c1", "economic_buyer", 2),
            member("c1", "unknown", 8, stance="opponent"), member("c2", "user", stance="opponent"),
        ]
    )  # fmt: skip
    meet(rows, 4, "c1", "c2")
    assert over(rows, (3, 6, 9), "veto_exposure") == [1, 0, 1]


def test_a_deal_is_stalled_from_two_silent_weeks_on_while_a_known_blocker_is_left_out() -> None:
    rows = world(opportunity_contacts=[member("c1", "blocker", 12)])
    meet(rows, 5, "c2")
    meet(rows, 9, "c2", kind="email", direction="outbound")
    meet(rows, 40, "c1", kind="email", direction="outbound")
    found = over(rows, (12, 18, 19, 40, 41), "is_stalled_on_blocker")
    assert found == [False, False, True, True, False]


def test_a_deal_that_never_heard_from_the_buyer_is_silent_since_its_creation() -> None:
    rows = world(opportunity_contacts=[member("c1", "blocker", 12)])
    assert over(rows, (13, 14, 30), "is_stalled_on_blocker") == [False, True, True]


def test_dependence_is_measured_on_the_only_sponsor_while_there_is_only_one() -> None:
    rows = world(
        opportunity_contacts=[
            member("c1", "champion"), member("c1", "mobilizer"), member("c4", "mobilizer", 60),
        ]
    )  # fmt: skip
    meet(rows, 5, "c1", "c2")
    meet(rows, 30, "c1")
    meet(rows, 31, "c3", kind="email", direction="outbound")
    found = over(rows, (4, 50, 61), "sponsor_share_90d")
    assert found == [None, pytest.approx(2 / 3), None]


def carrying() -> Rows:
    """c1 sponsors o1, and stands in the groups of o2 (until its close) and o3 (until removed)."""
    rows = world(
        deal(), deal("o2", closed_at=day(30), outcome="lost"), deal("o3", created_at=day(10)),
        opportunity_contacts=[
            member("c1", "champion", 2), member("c1", "user", 3, of="o2"),
            member("c1", None, 4, of="o3", removed_at=day(40)), member("c9", "executive_sponsor", 50),
            member("c9", "legal", 50, of="o2"), member("c8", "user", 1), member("c8", "user", 1, of="o3"),
        ],
    )  # fmt: skip
    meet(rows, 20, "c1", of="o2")
    meet(rows, 22, "c1", of="o3", known=25)
    meet(rows, 23, "c1", of="o1", kind="call")
    meet(rows, 24, "c1", of=None)
    rows["activity_participants"][-1]["attended"] = False
    return rows


def test_a_sponsors_load_counts_the_open_deals_of_all_accounts_as_of_then() -> None:
    found = over(carrying(), (2, 3, 4, 10, 11, 30, 31, 40, 41), "sponsor_open_deals")
    assert found == [None, 1, 2, 2, 3, 3, 2, 2, 1]


def test_a_sponsors_meetings_count_on_any_deal_for_thirty_days_once_known() -> None:
    found = over(carrying(), (2, 20, 21, 25, 26, 50, 51, 52, 53), "sponsor_meetings_30d")
    assert found == [None, 0, 1, 1, 2, 2, 0.5, 0.5, 0]


def test_of_several_sponsors_the_mean_counts() -> None:
    rows = carrying()
    rows["opportunity_contacts"] += [member("c9", "user", 60, of=key) for key in ("o3", "o4", "o5")]
    rows["opportunities"] += [deal("o4"), deal("o5")]
    assert over(rows, (60, 61), "sponsor_open_deals") == [1, 2.5]


@pytest.mark.slow
def test_one_deal_asked_for_alone_gives_what_all_deals_give() -> None:
    tables = memory_tables(generate(13, deals=25, density=2.0))
    calendar = Calendar(END, 7 * DAY_S)
    everything = frame_of(tables, calendar, influence.FEATURES).to_pylist()
    loaded = max(everything, key=lambda row: row["sponsor_open_deals"] or 0)["opportunity_id"]

    def alone(found: dict[str, ir.Table]) -> Snapshots:
        spine = deal_snapshots(found, calendar)
        return Snapshots(spine.table.filter(spine.table.opportunity_id == loaded), calendar)

    single = frame_of(tables, calendar, influence.FEATURES, snapshots=alone).to_pylist()
    assert max(row["sponsor_open_deals"] or 0 for row in single) > 1
    assert single == [row for row in everything if row["opportunity_id"] == loaded]


def test_the_way_in_is_the_earliest_touch_of_those_whose_role_is_known_by_then() -> None:
    rows = world(
        opportunity_contacts=[
            member("c1", "user", 8), member("c2", "champion", 12), member("c2", "influencer", 12),
            member("c3", "legal", 1),
        ],
    )  # fmt: skip
    meet(rows, 6, "c1")
    meet(rows, 4, "c2")
    meet(rows, 3, "c3", known=20)
    assert over(rows, (8, 9, 13, 21), "entry_role") == [None, "user", "champion", "legal"]


def test_level_and_departments_of_those_met_count_once_the_contact_is_recorded() -> None:
    rows = world(
        contacts=[
            {"contact_id": "c1", "seniority": "vp", "department": "IT ", "known_at": day(10)},
            {"contact_id": "c2", "seniority": "manager", "department": "it", "known_at": day(1)},
            {"contact_id": "c3", "seniority": None, "department": "legal", "known_at": day(1)},
            {"contact_id": "c4", "seniority": "c_level", "department": "finance", "known_at": day(1)},
        ]
    )
    meet(rows, 2, "c1", "c3")
    meet(rows, 5, "c2")
    found = over(rows, (3, 6, 11), "entry_seniority", "departments_engaged", "senior_share")
    assert found == [(None, 1, None), (2.0, 2, 0.0), (4.0, 2, 0.5)]


def test_many_departments_without_seniors_suggest_distributed_decisions_until_the_structure_is_given() -> (
    None
):
    met = {
        "o1": [("manager", "it"), ("individual", "quality"), ("director", "sales")],
        "o2": [("vp", "it"), ("c_level", "finance"), ("director", "legal")],
        "o3": [("manager", "it"), ("individual", "quality"), (None, "sales")],
    }
    rows = world(*(deal(key, account_id=f"a{key}") for key in met))
    rows["accounts"] = [{"account_id": "ao1", "decision_structure": "centralised", "known_at": day(5)}]
    rows["contacts"] = [
        {"contact_id": f"{key}{n}", "seniority": level, "department": department, "known_at": day(1)}
        for key, people in met.items() for n, (level, department) in enumerate(people)
    ]  # fmt: skip
    for key, people in met.items():
        meet(rows, 2, *(f"{key}{n}" for n in range(len(people))), of=key)
    calendar, name = Calendar(day(6), DAY_S), "decision_structure_inferred"
    frame = frame_of(rows, calendar, [BY_NAME[name]]).to_pylist()
    found = {(row["opportunity_id"], row["as_of"]): row[name] for row in frame}
    assert [found["o1", day(n)] for n in (2, 3, 5, 6)] == [None, "distributed", "distributed", "centralised"]
    assert [found[key, day(6)] for key in ("o2", "o3")] == ["centralised", None]


def test_a_sellers_records_are_drawn_to_everybodys_and_count_roles_known_by_then() -> None:
    rows = world(
        deal(), deal("o2"), deal("o3", owner_id="u2"),
        opportunity_contacts=[
            member("c1", "user", 6), member("c2", "unknown", 1), member("c1", "user", 1, of="o3"),
        ],
        opportunity_changes=[
            {"opportunity_id": "o2", "field": "owner", "new_value": "u2", "changed_at": day(9)}
        ],
    )  # fmt: skip
    meet(rows, 2, "c1", "c2")
    meet(rows, 3, "c1", of="o2")
    meet(rows, 4, "c1", of="o3")
    meet(rows, 10, "c5", of="o2")
    # by day 6 u1 met 3 people, none recorded yet; everybody met 4, one recorded
    # by day 11 the owner of o2 is u2, who met c5 there and c1 on o3; everybody met 5, two recorded
    assert over(rows, (2, 6, 11), "seller_role_completeness") == [
        None, pytest.approx((0 + 20 * 1 / 4) / (3 + 20)), pytest.approx((1 + 20 * 2 / 5) / (3 + 20)),
    ]  # fmt: skip
    assert over(rows, [11], "seller_role_completeness", of="o2") == [
        pytest.approx((1 + 20 * 2 / 5) / (2 + 20))
    ]
    counts = role_completeness(memory_tables(rows), day(11)).order_by("owner_id").to_pyarrow().to_pylist()
    assert counts == [
        {"owner_id": "u1", "touched": 3, "recorded": 1}, {"owner_id": "u2", "touched": 2, "recorded": 1},
    ]  # fmt: skip
    assert role_completeness(memory_tables(rows), day(2)).to_pyarrow().num_rows == 0


def named(rows: Rows, feature: str, n: int) -> set[str]:
    listed = evidence(memory_tables(rows), BY_NAME[feature], "o1", day(n)).to_pyarrow()
    return set(listed["row_id"].to_pylist())


def test_the_people_behind_a_veto_and_a_load_are_named_in_the_evidence() -> None:
    rows = carrying()
    rows["opportunity_contacts"] += [member("c5", "blocker"), member("c6", "finance", stance="opponent")]
    meet(rows, 2, "c6")
    assert named(rows, "veto_exposure", 20) == {"c5", "c6"}
    assert named(rows, "sponsor_open_deals", 20) == {"c1", "o1", "o2", "o3"}
    assert named(rows, "entry_role", 24) == {"c6"}
    assert named(rows, "sponsor_share_90d", 24) >= {"c1"}


@pytest.mark.slow
def test_the_inferred_structure_agrees_with_the_given_one_more_often_than_the_commoner_does(
    tmp_path: Path,
) -> None:
    simulate(tmp_path / "crm", deals=500, seed=21)
    rows = {path.stem: pq.read_table(path) for path in (tmp_path / "crm").glob("*.parquet")}
    given = rows["accounts"].select(["account_id", "decision_structure"]).to_pylist()
    given_of = {row["account_id"]: row["decision_structure"] for row in given}
    account_of = dict(
        zip(
            *(rows["opportunities"][name].to_pylist() for name in ("opportunity_id", "account_id")),
            strict=True,
        )
    )
    rows["accounts"] = rows["accounts"].drop_columns(["decision_structure"])
    tables = memory_tables({name: _without_own_fields(table) for name, table in rows.items()})
    frame = frame_of(tables, Calendar(DEFAULT_AS_OF, 28 * DAY_S), [BY_NAME["decision_structure_inferred"]])
    latest = {row["opportunity_id"]: row["decision_structure_inferred"] for row in frame.to_pylist()}
    pairs = [(given_of[account_of[key]], inferred) for key, inferred in latest.items() if inferred]
    pairs = [(truth, inferred) for truth, inferred in pairs if truth]
    commoner = max(Counter(truth for truth, _ in pairs).values()) / len(pairs)
    assert sum(truth == inferred for truth, inferred in pairs) / len(pairs) > commoner + 0.1


def _without_own_fields(table: pa.Table) -> pa.Table:
    return table.drop_columns([name for name in table.column_names if name.startswith("x_")])
