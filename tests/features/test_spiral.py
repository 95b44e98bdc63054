"""The promise spiral, phase by phase, on hand-made histories and against the features."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import ibis.expr.types as ir
import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.evidence import evidence
from features.snapshots import Calendar
from features.spiral import spiral_phases
from features.streams.spiral import PHASES
from tests.features.worlds import DAY, END, Rows, bare, day, frame_of, generate

SPIRAL = tuple(
    feature for feature in catalogue()
    if feature.name.startswith(("spiral_", "days_since_spiral", "ways_out", "promises_open"))
)  # fmt: skip


def promise(event: str, at: float, due: float | None = None, feature: str = "sso") -> dict[str, Any]:
    return {
        "promise_id": f"p{at}{event}{feature}", "feature": feature, "event": event, "occurred_at": day(at),
        "due_at": None if due is None else day(due), "known_at": day(at),
    }  # fmt: skip


def moment(kind: str, at: float, known: float | None = None) -> dict[str, Any]:
    return {
        "moment_id": f"m{at}{kind}", "kind": kind, "occurred_at": day(at), "evidence": f"they said {kind}",
        "known_at": day(at if known is None else known),
    }  # fmt: skip


def met(at: float, *people: str, kind: str = "meeting") -> dict[str, Any]:
    """An activity; `people` came to it."""
    return {"activity_id": f"v{at}", "kind": kind, "occurred_at": day(at), "known_at": day(at),
            "direction": "outbound" if kind == "email" else None, "people": people}  # fmt: skip


SENIORITY = {"ceo": "c_level", "vp": "vp", "head": "director", "dev": "individual", "tester": "individual"}
SLIP = (promise("promised", 10, 20), promise("rescheduled", 21, 60))
"""A promise on day 10 that slips on day 21."""


def world(**deals: Sequence[dict[str, Any]]) -> dict[str, ir.Table]:
    """Deals by name, each with its promises, moments and meetings in any order."""
    rows: Rows = defaultdict(list, bare() | {"opportunities": []})
    rows["contacts"] = [
        {"contact_id": name, "seniority": level, "known_at": day(0)} for name, level in SENIORITY.items()
    ]
    for name, events in deals.items():
        rows["opportunities"].append({"opportunity_id": name, "account_id": "a1", "created_at": day(0)})
        for event in events:
            row = event | {"opportunity_id": name}
            for contact in row.pop("people", ()):
                key = f"{name}{row['activity_id']}"
                rows["activity_participants"].append({"activity_id": key, "contact_id": contact})
            table = {"promise_id": "promises", "moment_id": "moments"}.get(next(iter(event)), "activities")
            key = next(iter(event))
            rows[table].append(row | {key: f"{name}{row[key]}"})
    return memory_tables(rows)


def reached(tables: dict[str, ir.Table], as_of: float, kind: str = "phase") -> dict[str, list[Any]]:
    """Phases (or ways out) by deal, in the order in which they were seen."""
    out: dict[str, list[Any]] = {row["opportunity_id"]: [] for row in deals_of(tables)}
    for row in spiral_phases(tables, day(as_of)).to_pylist():
        if row["kind"] == kind:
            out[row["opportunity_id"]].append(row["phase"] if kind == "phase" else row["name"])
    return out


def deals_of(tables: dict[str, ir.Table]) -> list[dict[str, Any]]:
    return list(tables["opportunities"].to_pyarrow().to_pylist())


def test_a_promise_is_made_in_silence_if_the_buyer_was_heard_before_and_not_for_two_weeks() -> None:
    made = promise("promised", 30)
    tables = world(
        silent=[met(16, "dev", kind="call"), made],
        heard=[met(17, "dev", kind="call"), made],
        written_to=[met(16, "dev", kind="call"), met(25, "dev", kind="email"), made],
        never_heard=[made],
        heard_later=[met(16, "dev", kind="call"), made, met(31, "dev", kind="call")],
    )
    at = reached(tables, 50)
    assert at == {"silent": [1], "heard": [], "written_to": [1], "never_heard": [], "heard_later": [1]}


def test_a_promise_after_a_meeting_that_fewer_came_to_counts_as_made_without_attention() -> None:
    made = promise("promised", 30)
    tables = world(
        fewer=[met(20, "ceo", "vp", "dev"), met(29, "dev", "vp"), made],
        as_many=[met(20, "ceo", "dev"), met(29, "dev", "vp"), made],
        only_one_meeting=[met(29, "dev"), made],
        fewer_once=[met(20, "ceo", "vp"), met(25, "dev"), met(29, "dev", "vp"), made],
    )
    assert reached(tables, 50) == {"fewer": [1], "as_many": [], "only_one_meeting": [], "fewer_once": []}


def test_a_slip_is_a_later_date_or_one_passed_by_a_week() -> None:
    made = promise("promised", 10, 20)
    tables = world(
        moved=[made, promise("rescheduled", 15, 40)],
        earlier=[made, promise("rescheduled", 15, 18), promise("delivered", 19)],
        passed=[made],
        a_little_late=[made, promise("delivered", 26)],
        undated=[promise("promised", 10)],
    )
    none: dict[str, list[int]] = {
        "moved": [],
        "earlier": [],
        "passed": [],
        "a_little_late": [],
        "undated": [],
    }
    assert reached(tables, 15) == none
    assert reached(tables, 27) == none | {"moved": [2]}
    assert reached(tables, 27.5) == none | {"moved": [2], "passed": [2]}
    rows = {row["opportunity_id"]: row for row in spiral_phases(tables, day(60)).to_pylist()
            if row["kind"] == "phase"}  # fmt: skip
    assert (rows["passed"]["reached_at"], rows["passed"]["visible_at"]) == (day(20), day(27))
    assert (rows["moved"]["reached_at"], rows["moved"]["visible_at"]) == (day(15), day(15))
    assert rows["passed"]["what"] == "sso: its date passed undelivered"


def test_new_faces_a_rival_and_the_next_promise_count_after_the_slip_alone() -> None:
    before, later = (met(5, "vp"), *SLIP, met(29, "vp", kind="call")), 30
    signs = {
        "faces": met(later, "vp", "head"), "known_faces": met(later, "vp"),
        "rival": moment("competitor_mentioned", later), "again": promise("promised", later, 90, "audit"),
        "same_again": promise("promised", later, 90, " SSO"),
    }  # fmt: skip
    early = {"faces": met(6, "vp", "head"), "rival": moment("competitor_mentioned", 6),
             "again": promise("promised", 6, 90, "audit")}  # fmt: skip
    tables = world(
        **{name: [*before, sign] for name, sign in signs.items()},
        **{f"early_{name}": [*before, sign] for name, sign in early.items()},
    )
    assert reached(tables, 40) == {
        "faces": [2, 3], "known_faces": [2], "rival": [2, 4], "again": [2, 7], "same_again": [2],
        "early_faces": [2], "early_rival": [2], "early_again": [2],
    }  # fmt: skip


def test_metrics_and_references_count_while_a_promise_is_not_delivered() -> None:
    asked = [moment("metrics_requested", 30), moment("reference_requested", 31)]
    tables = world(
        open=[*SLIP, *asked],
        delivered=[*SLIP, promise("delivered", 29), *asked],
        another_open=[*SLIP, promise("delivered", 29), promise("promised", 15, 90), *asked[1:]],
        before=[*SLIP, moment("metrics_requested", 20)],
    )
    at = {name: 5 in phases for name, phases in reached(tables, 40).items()}
    assert at == {"open": True, "delivered": False, "another_open": False, "before": False}


def test_only_juniors_is_a_meeting_of_individuals_or_two_levels_below_what_was_reached() -> None:
    tables = world(
        individuals=[*SLIP, met(5, "vp"), met(30, "dev", "tester")],
        fell=[*SLIP, met(5, "ceo"), met(30, "head")],
        one_below=[*SLIP, met(5, "ceo"), met(30, "vp", "dev")],
        recorded_late=[*SLIP, met(5, "head"), met(30, "head", "dev")],
        before_the_slip=[*SLIP, met(5, "ceo"), met(8, "dev"), met(30, "ceo")],
        nobody_known=[*SLIP, met(5, "ceo"), met(30, "stranger")],
    )
    at = {name for name, phases in reached(tables, 40).items() if 6 in phases}
    assert at == {"individuals", "fell"}


def test_what_is_recorded_late_reaches_its_phase_when_it_is_recorded() -> None:
    tables = world(late=[*SLIP, moment("competitor_mentioned", 30, known=45)])
    assert [reached(tables, at)["late"] for at in (45, 45.5)] == [[2], [2, 4]]
    rows = spiral_phases(tables, day(60)).to_pylist()
    assert (rows[-1]["reached_at"], rows[-1]["visible_at"]) == (day(30), day(45))


def test_ways_out_are_offered_under_an_open_promise_or_after_a_slip() -> None:
    open_promise = promise("promised", 10, 90)
    given = {"moment_id": "mref", "kind": "reference_delivered", "occurred_at": day(40), "known_at": day(40)}
    tables = world(
        beta=[open_promise, moment("beta_or_launch_partner", 30)],
        beta_first=[moment("beta_or_launch_partner", 5), open_promise],
        beta_unasked=[moment("beta_or_launch_partner", 30)],
        kept=[open_promise, promise("delivered", 30)],
        withdrawn=[open_promise, promise("withdrawn", 30)],
        reference=[open_promise, moment("reference_requested", 30), given],
        reference_unasked=[open_promise, given],
        beta_after_delivery=[*SLIP, promise("delivered", 25), moment("beta_or_launch_partner", 30)],
    )
    assert reached(tables, 50, "way_out") == {
        "beta": ["beta_or_launch_partner"], "beta_first": [], "beta_unasked": [], "kept": ["delivered"],
        "withdrawn": ["withdrawn"], "reference": ["reference_delivered"], "reference_unasked": [],
        "beta_after_delivery": ["delivered", "beta_or_launch_partner"],
    }  # fmt: skip


def test_the_whole_spiral_is_told_with_the_row_behind_each_phase() -> None:
    deal = [
        met(1, "ceo", "vp"), met(2, "vp"), promise("promised", 20, 30), promise("rescheduled", 31, 60),
        met(35, "vp", "head"), moment("competitor_mentioned", 36), moment("metrics_requested", 40),
        met(50, "dev"), promise("promised", 55, 90, "audit"), moment("beta_or_launch_partner", 58),
    ]  # fmt: skip
    rows = spiral_phases(world(d=deal), day(70)).to_pylist()
    assert [row["name"] for row in rows] == [*PHASES, "beta_or_launch_partner"]
    assert [(row["source"], row["row_id"]) for row in rows] == [
        ("promises", "dp20promisedsso"), ("promises", "dp31rescheduledsso"), ("activities", "dv35"),
        ("moments", "dm36competitor_mentioned"), ("moments", "dm40metrics_requested"),
        ("activities", "dv50"), ("promises", "dp55promisedaudit"), ("moments", "dm58beta_or_launch_partner"),
    ]  # fmt: skip
    assert rows[2]["what"] == "2 came, 1 of them new; highest level 4 of 5"
    assert rows[3]["what"] == "they said competitor_mentioned"
    frame = frame_of(world(d=deal), Calendar(day(61), 400 * 86_400), SPIRAL).to_pylist()[0]
    assert (frame["spiral_phase"], frame["spiral_phases_seen"], frame["ways_out_seen"]) == (7, 7, 1)
    assert frame["days_since_spiral_step"] == 6
    assert frame["spiral_pace"] == 6, "six phases from the slip on, in 30 days"


def test_of_a_closed_deal_the_spiral_ends_with_the_close() -> None:
    rows: Rows = bare()
    rows["opportunities"][0] |= {"closed_at": day(25), "outcome": "won"}
    rows["promises"] = [promise("promised", 10, 20) | {"opportunity_id": "o1"}]
    assert spiral_phases(memory_tables(rows), day(60)).num_rows == 0


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_features_are_what_one_counts_in_the_phases(seed: int) -> None:
    tables = memory_tables(generate(seed, deals=30, density=2))
    as_of = END - timedelta(days=30)
    frame = frame_of(tables, Calendar(as_of, 400 * 86_400), SPIRAL).to_pylist()
    phases: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in spiral_phases(tables, as_of).to_pylist():
        phases[row["opportunity_id"]].append(row)
    for row in frame:
        rows = phases[row["opportunity_id"]]
        steps = [r for r in rows if r["kind"] == "phase"]
        latest = max((r["reached_at"] for r in steps), default=None)
        counted = {
            "spiral_phase": max((r["phase"] for r in steps), default=0),
            "spiral_phases_seen": len(steps),
            "days_since_spiral_step": None if latest is None else pytest.approx((as_of - latest) / DAY),
            "ways_out_seen": len(rows) - len(steps),
        }
        assert {name: row[name] for name in counted} == counted, row["opportunity_id"]
    assert {row["spiral_phase"] for row in frame} >= {0, 2, 7}


def test_every_phase_rests_on_a_row_that_exists_and_was_known() -> None:
    tables = memory_tables(generate(5, deals=30, density=2))
    keys = {
        "promises": set(tables["promises"].promise_id.to_pyarrow().to_pylist()),
        "moments": set(tables["moments"].moment_id.to_pyarrow().to_pylist()),
        "activities": set(tables["activities"].activity_id.to_pyarrow().to_pylist()),
    }
    rows = spiral_phases(tables, END).to_pylist()
    assert {row["phase"] for row in rows} == {None, 1, 2, 3, 4, 5, 6, 7}
    for row in rows:
        key = row["row_id"]
        if key.startswith("text:"):
            assert key.split(":")[1] in keys["activities"]
        else:
            assert key in keys[row["source"]]
        assert row["reached_at"] <= row["visible_at"] < END
        assert row["what"]


def test_the_spiral_of_a_deal_does_not_depend_on_the_others() -> None:
    tables = memory_tables(generate(3, deals=20, density=2))
    whole = spiral_phases(tables, END).to_pylist()
    some = sorted({row["opportunity_id"] for row in whole})[:3]
    assert spiral_phases(tables, END, some).to_pylist() == [
        row for row in whole if row["opportunity_id"] in some
    ]


def test_the_evidence_of_the_phase_is_its_row() -> None:
    tables = world(d=[*SLIP, moment("competitor_mentioned", 30)])
    feature = next(feature for feature in SPIRAL if feature.name == "spiral_phase")
    rows = evidence(tables, feature, "d", day(40)).to_pyarrow().to_pylist()
    assert [row["row_id"] for row in rows] == ["dm30competitor_mentioned"]
