"""Why they buy, on hand-made histories, and how a contract remembers it."""

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest

from data.errors import ModelContractError
from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.evidence import evidence
from features.origin import ORIGIN_FEATURES, contract_origins
from features.snapshots import Calendar
from tests.features.worlds import DAY, END, Rows, bare, day, frame_of, generate

MOTIVE = tuple(feature for feature in catalogue() if feature.family == "motive")
ORIGIN = tuple(feature for feature in catalogue() if feature.name in ORIGIN_FEATURES)
FOMO = ("moments", {"moment_id": "fomo", "kind": "fomo", "occurred_at": day(5), "known_at": day(5)})

Row = tuple[str, dict[str, Any]]


def moment(kind: str, at: float = 6) -> Row:
    return "moments", {"moment_id": kind, "kind": kind, "occurred_at": day(at), "known_at": day(at)}


def answer(level: int, at: float, side: str = "customer", question: str = "why") -> Row:
    return "qualification", {"question": question, "side": side, "answer": level, "known_at": day(at)}


def meeting(person: str, at: float, kind: str = "meeting", attended: bool = True) -> list[Row]:
    key = f"v{at}"
    return [
        ("activities", {"activity_id": key, "kind": kind, "occurred_at": day(at), "known_at": day(at)}),
        ("activity_participants", {"activity_id": key, "contact_id": person, "attended": attended}),
    ]


def role(person: str, name: str, at: float, **more: Any) -> Row:
    return "opportunity_contacts", {"contact_id": person, "buying_role": name, "known_at": day(at), **more}


def histories(at: float, **deals: list[Row]) -> dict[str, dict[str, Any]]:
    """The motive features of several deals at one day, by name."""
    frame = frame_of(tables_of(deals), Calendar(day(at), 1000 * 86_400), MOTIVE)
    return {row["opportunity_id"]: row for row in frame.to_pylist()}


def tables_of(deals: dict[str, list[Row]]) -> Any:
    rows: Rows = defaultdict(list, bare() | {"opportunities": []})
    rows["contacts"] = [
        {"contact_id": "ceo", "seniority": "c_level", "known_at": day(3)},
        {"contact_id": "dev", "seniority": "individual", "known_at": day(0)},
    ]
    for name, events in deals.items():
        rows["opportunities"].append({"opportunity_id": name, "account_id": "a1", "created_at": day(0)})
        for table, event in events:
            row = dict(event)
            for key in ("activity_id", "moment_id"):
                if key in row:
                    row[key] = name + row[key]
            rows[table].append(row | ({} if table == "activity_participants" else {"opportunity_id": name}))
    return memory_tables(rows)


def test_a_need_is_a_sign_of_it_or_the_customers_own_founded_answer_to_why() -> None:
    at = histories(
        30,
        sign=[moment("mission_critical")],
        said=[answer(3, 5)],
        no_more=[answer(4, 5), answer(2, 9)],
        weak=[answer(2, 5)],
        vendor=[answer(4, 5, side="vendor")],
        other=[answer(4, 5, question="when")],
        not_yet=[answer(4, 30)],
    )
    assert {name for name, row in at.items() if row["has_mission_critical_need"]} == {"sign", "said"}


def test_backing_is_a_sign_a_senior_guest_of_the_last_90_days_or_a_recorded_supporter() -> None:
    at = histories(
        100,
        sign=[moment("sponsor_backing")],
        ceo_came=meeting("ceo", 10),
        ceo_long_ago=meeting("ceo", 9),
        ceo_called=meeting("ceo", 50, kind="call"),
        ceo_stayed_away=meeting("ceo", 50, attended=False),
        sponsor_came=[*meeting("dev", 50), role("dev", "executive_sponsor", 60)],
        dev_came=meeting("dev", 50),
        supporter=[role("dev", "economic_buyer", 5, stance="supporter")],
        supporter_left=[role("dev", "economic_buyer", 5, stance="supporter", removed_at=day(40))],
        neutral=[role("dev", "executive_sponsor", 5, stance="neutral")],
        user=[role("dev", "user", 5, stance="supporter")],
    )
    backed = {name for name, row in at.items() if row["has_senior_backing"]}
    assert backed == {"sign", "ceo_came", "sponsor_came", "supporter"}


def test_a_contact_counts_as_senior_once_that_is_recorded() -> None:
    early = meeting("ceo", 1)
    assert [histories(n, d=early)["d"]["has_senior_backing"] for n in (3, 4)] == [False, True]


def test_avenues_are_counted_by_kind() -> None:
    signs = [moment("competitor_mentioned"), moment("long_list"), moment("bake_off"), moment("objection")]
    again = ("moments", {"moment_id": "again", "kind": "bake_off", "occurred_at": day(9), "known_at": day(9)})
    assert histories(20, d=[*signs, again])["d"]["avenues_tested"] == 3


def test_a_deal_runs_on_fomo_alone_until_any_lasting_motive_shows() -> None:
    at = histories(
        30,
        alone=[FOMO],
        no_fomo=[moment("objection")],
        need=[FOMO, moment("mission_critical")],
        why=[FOMO, answer(3, 5)],
        backed=[FOMO, *meeting("ceo", 10)],
        supporter=[FOMO, role("dev", "executive_sponsor", 5, stance="supporter")],
        tested=[FOMO, moment("short_list")],
        all_three=[FOMO, answer(4, 5), moment("sponsor_backing"), moment("long_list")],
    )
    assert {name for name, row in at.items() if row["is_fomo_only"]} == {"alone"}
    assert {name: row["lasting_motives"] for name, row in at.items()} == {
        "alone": 0, "no_fomo": 0, "need": 1, "why": 1, "backed": 1, "supporter": 1, "tested": 1,
        "all_three": 3,
    }  # fmt: skip


def test_every_flag_of_motive_has_rows_behind_it() -> None:
    deal = [FOMO, answer(4, 5), *meeting("ceo", 10), moment("long_list")]
    tables = tables_of({"d": deal})
    wanted = {
        "has_mission_critical_need": {"qualification"}, "has_senior_backing": {"activities"},
        "avenues_tested": {"moments"}, "lasting_motives": {"qualification", "activities", "moments"},
    }  # fmt: skip
    for name, sources in wanted.items():
        feature = next(feature for feature in MOTIVE if feature.name == name)
        rows = evidence(tables, feature, "d", day(30)).to_pyarrow().to_pylist()
        assert {row["source"] for row in rows} == sources, name


def contract(key: str, deal: str | None, at: float) -> dict[str, Any]:
    return {"contract_id": key, "account_id": "a1", "opportunity_id": deal, "start_at": day(at),
            "known_at": day(at)}  # fmt: skip


def test_a_contract_keeps_how_its_deal_stood_at_the_last_snapshot_before_the_close() -> None:
    rows: Rows = defaultdict(list, bare())
    rows["opportunities"][0] |= {"closed_at": day(30), "outcome": "won"}
    rows["opportunities"].append({"opportunity_id": "o2", "account_id": "a1", "created_at": day(29),
                                  "closed_at": day(29), "outcome": "won"})  # fmt: skip
    rows["moments"] = [FOMO[1] | {"opportunity_id": "o1"}]
    rows["promises"] = [{"promise_id": "p1", "opportunity_id": "o1", "feature": "sso", "event": "promised",
                         "due_at": day(90), "occurred_at": day(10), "known_at": day(10)}]  # fmt: skip
    rows["contracts"] = [
        contract("k3", "o1", 31), contract("k1", "o1", 32), contract("k2", "o2", 32),
        contract("k4", None, 32), contract("k5", "o1", 63),
    ]  # fmt: skip
    tables = memory_tables(rows)
    frame = frame_of(tables, Calendar(day(63), 7 * 86_400), ORIGIN)
    origins = contract_origins(frame, tables, day(63))
    assert origins.column_names == ["contract_id", "opportunity_id", "as_of", *ORIGIN_FEATURES]
    facts = [
        (row["contract_id"], row["as_of"], row["is_fomo_only"], row["promises_open"])
        for row in origins.to_pylist()
    ]
    assert facts == [("k1", day(28), True, 1), ("k2", None, None, None), ("k3", day(28), True, 1)]


def test_origins_take_one_row_per_contract_and_the_frames_own_values() -> None:
    tables = memory_tables(generate(6, deals=20))
    frame = frame_of(tables, Calendar(END, 7 * 86_400), ORIGIN)
    as_of = END - 30 * DAY
    origins = contract_origins(frame, tables, as_of).to_pylist()
    last = {row["opportunity_id"]: row for row in frame.to_pylist() if row["as_of"] <= as_of}
    known = tables["contracts"].to_pyarrow().to_pylist()
    known = [row for row in known if row["known_at"] < as_of and row["opportunity_id"]]
    assert [row["contract_id"] for row in origins] == sorted(row["contract_id"] for row in known)
    for row in origins:
        deal = last.get(row["opportunity_id"], {})
        assert {name: row[name] for name in ORIGIN_FEATURES} == {
            name: deal.get(name) for name in ORIGIN_FEATURES
        }
    assert any(row["as_of"] for row in origins)


def test_a_frame_without_a_feature_that_contracts_keep_is_refused() -> None:
    frame = pa.table({"opportunity_id": ["o1"], "as_of": pa.array([day(1)], pa.timestamp("us", "UTC"))})
    with pytest.raises(ModelContractError, match="is_fomo_only"):
        contract_origins(frame, memory_tables(bare()), day(9))
