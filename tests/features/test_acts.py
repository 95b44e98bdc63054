"""What each side does, how the account pays and what it consumes, on hand-made histories."""

from collections.abc import Sequence
from typing import Any

import pytest

from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.evidence import evidence
from features.snapshots import Calendar
from tests.features.worlds import Rows, bare, day, frame_of

NAMES = (
    "buyer_acts_30d", "seller_acts_30d", "buyer_acts_share", "colleagues_brought", "data_shared",
    "is_post_pay", "consumption_growth", "consumption_vs_commitment",
)  # fmt: skip
FEATURES = {feature.name: feature for feature in catalogue() if feature.name in NAMES}


def daily(rows: Rows, until: int, name: str) -> list[Any]:
    """A feature at midnight of days 1, 2 … of the deal o1."""
    frame = frame_of(rows, Calendar(day(until), 86_400), [FEATURES[name]]).to_pylist()
    return [row[name] for row in frame if row["opportunity_id"] == "o1"]


def at_day(n: int, rows: Rows, *names: str) -> Any:
    """Features of the deal o1 as of day n; one alone as it is."""
    wanted = [FEATURES[name] for name in names]
    frame = frame_of(rows, Calendar(day(n), (n + 1) * 86_400), wanted).to_pylist()
    found = [row[name] for row in frame if row["opportunity_id"] == "o1" for name in names]
    return found if len(names) > 1 else found[0]


def world(**tables: Sequence[dict[str, Any]]) -> Rows:
    return bare() | {name: list(table) for name, table in tables.items()}


def act(key: str, kind: str, direction: str | None, at: float, known: float | None = None) -> dict[str, Any]:
    return {
        "activity_id": key, "opportunity_id": "o1", "kind": kind, "direction": direction,
        "occurred_at": day(at), "known_at": day(at if known is None else known),
    }  # fmt: skip


def came(activity: str, *contacts: str) -> list[dict[str, Any]]:
    return [{"activity_id": activity, "contact_id": contact} for contact in contacts]


def test_what_the_buyer_does_counts_apart_from_what_the_seller_does() -> None:
    rows = world(
        activities=[
            act("v1", "email", "outbound", 1), act("v2", "email", "inbound", 2),
            act("v3", "meeting", "outbound", 3), act("v4", "meeting", None, 4),
            act("v5", "call", "inbound", 20, known=5),
        ],
        text_moments=[
            {"activity_id": "v2", "opportunity_id": "o1", "kind": "data_shared", "known_at": day(2)}
        ],
    )  # fmt: skip
    # a message, data shared, a call booked
    names = ("buyer_acts_30d", "seller_acts_30d", "buyer_acts_share", "data_shared")
    assert at_day(10, rows, *names) == [3, 2, 0.6, 1]
    assert daily(rows, 6, "buyer_acts_30d") == [0, 0, 2, 2, 2, 3]
    assert daily(rows, 51, "buyer_acts_30d")[31:] == [3, *[1] * 18, 0]


def test_a_booked_meeting_is_one_act_before_it_and_after_it() -> None:
    rows = world(activities=[act("v1", "demo", "inbound", 4, known=1)])
    assert daily(rows, 7, "buyer_acts_30d") == [0, 1, 1, 1, 1, 1, 1]
    assert at_day(7, world(), "buyer_acts_share") is None


def test_a_colleague_is_brought_by_somebody_met_before() -> None:
    rows = world(
        activities=[
            act("v1", "meeting", None, 1), act("v2", "email", "inbound", 3),
            act("v3", "email", "outbound", 4),
            act("v4", "workshop", None, 5), act("v5", "demo", None, 6, known=9),
        ],
        activity_participants=[
            *came("v1", "c1", "c2"), *came("v2", "c1", "c3"), *came("v3", "c1", "c4"),
            *came("v4", "c5"), *came("v5", "c5", "c6", "c6", "c1", "c7"),
        ],
    )  # fmt: skip
    # c1 and c2 came first, c4 was only written to, c5 came alone
    assert daily(rows, 10, "colleagues_brought") == [0, 0, 0, 1, 1, 1, 1, 1, 1, 3]
    listed = evidence(memory_tables(rows), FEATURES["colleagues_brought"], "o1", day(10)).to_pyarrow()
    assert [(row["row_id"], row["what"]) for row in listed.to_pylist()] == [
        ("v5", "contact_id: c6"), ("v5", "contact_id: c7"), ("v2", "contact_id: c3"),
    ]  # fmt: skip


def contract(key: str, billing: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"contract_id": key, "account_id": "a1", "billing": billing, "start_at": day(start),
            "end_at": day(end), "known_at": day(start), **more}  # fmt: skip


def use(at: float, amount: float | None, known: float | None = None, account: str = "a1") -> dict[str, Any]:
    return {"account_id": account, "product": "core", "usage_date": day(at), "amount": amount,
            "known_at": day(at if known is None else known)}  # fmt: skip


def test_an_account_pays_by_use_from_the_start_of_its_contract_to_the_end() -> None:
    rows = world(
        contracts=[contract("k1", "postpay", 2, 5), contract("k2", "commit", 1, 99)],
    )
    assert daily(rows, 7, "is_post_pay") == [False, False, True, True, True, False, False]


def test_a_contract_of_a_deal_that_is_still_open_tells_nothing() -> None:
    rows = world(
        opportunities=[
            {"opportunity_id": "o1", "account_id": "a1", "created_at": day(0)},
            {"opportunity_id": "o2", "account_id": "a1", "created_at": day(0), "closed_at": day(4),
             "outcome": "won"},
        ],
        contracts=[contract("k1", "postpay", 1, 99, opportunity_id="o2")],
    )  # fmt: skip
    assert daily(rows, 6, "is_post_pay") == [False, False, False, False, True, True]
    rows["contracts"][0]["opportunity_id"] = "o1"
    assert daily(rows, 6, "is_post_pay") == [False] * 6
    for unknown in (None, "elsewhere"):
        rows["contracts"][0]["opportunity_id"] = unknown
        assert daily(rows, 3, "is_post_pay") == [False, True, True]


def test_consumption_is_compared_with_the_window_before() -> None:
    rows = world(
        usage=[
            use(10, 40), use(110, 30.25), use(120, 70), use(220, 150), use(230, None),
            use(220, 999, account="a2"),
        ],
    )  # fmt: skip
    growth = [None, *daily(rows, 402, "consumption_growth")]
    assert growth[189] is None  # used for less than 180 days
    assert growth[220] == 0
    assert growth[240] == pytest.approx(150 / 100.25)
    assert growth[300] == pytest.approx(150 / 70)
    assert growth[402] is None
    assert at_day(240, world(), "consumption_growth") is None


def test_a_month_that_is_reported_late_is_no_decline() -> None:
    """Monthly use, reported at the month's end: the window holds three months wherever it ends."""
    months = [use(30 * n, 100, known=30 * (n + 1)) for n in range(10)]
    assert daily(world(usage=months), 269, "consumption_growth")[240:] == [1.0] * 29


def test_use_loaded_long_after_counts_where_it_was_used() -> None:
    loaded = [use(10, 1, known=250), use(110, 100, known=250), use(200, 50, known=250)]
    assert at_day(251, world(usage=loaded), "consumption_growth") == 0.5


def test_consumption_is_held_against_the_commitment_of_the_same_days() -> None:
    rows = world(
        contracts=[contract("k1", "commit", 0, 100, committed_amount=1000.0)],
        usage=[use(5, 100), use(50, 300), use(95, 40)],
    )  # 10 a day
    reached = [None, *daily(rows, 170, "consumption_vs_commitment")]
    assert reached[29] is None
    assert reached[40] == pytest.approx(100 / 400)
    assert reached[60] == pytest.approx(400 / 600)
    assert reached[100] == pytest.approx(340 / 900)
    assert reached[140] == pytest.approx(340 / 500)
    assert reached[170] is None
    assert at_day(60, world(usage=rows["usage"]), "consumption_vs_commitment") is None


def test_a_renewal_without_a_gap_goes_on_committing() -> None:
    rows = world(
        contracts=[
            contract("k1", "commit", 0, 100, committed_amount=1000.0),
            contract("k2", "prepaid", 100, 200, committed_amount=2000.0),
        ],
        usage=[use(80, 300), use(120, 900)],
    )
    assert at_day(150, rows, "consumption_vs_commitment") == pytest.approx(1200 / (40 * 10 + 50 * 20))


def test_consumption_of_the_account_has_its_rows_behind_it() -> None:
    rows = world(usage=[use(100, 30), use(100, 12.5), use(120, 150, known=121)])
    listed = evidence(memory_tables(rows), FEATURES["consumption_growth"], "o1", day(140)).to_pyarrow()
    told = {(row["source"], row["row_id"], row["visible_at"], row["what"]) for row in listed.to_pylist()}
    assert told == {
        ("usage", "a1", day(121), "used: 150.0; cents: 15000"),
        ("usage", "a1", day(100), "used: 42.5; cents: 4250"),
    }
