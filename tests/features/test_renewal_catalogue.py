"""The catalogue of contracts is complete, reads well, and its people, promises and origin are those meant."""

import re
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pytest

from data.errors import DealcastError
from data.warehouse import memory_tables
from features.catalogue import catalogue
from features.families.custom import CustomField, custom_fields
from features.feature import RENEWAL_FAMILIES, Feature
from features.origin import ORIGIN_FEATURES
from features.renewals import contract_snapshots, renewal_catalogue, renewal_frame
from features.renewals.streams import STREAMS
from tests.features.worlds import DAY, Rows, day

FEATURES = renewal_catalogue()
BY_NAME = {feature.name: feature for feature in FEATURES}
each_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


@each_feature
def test_every_field_of_a_feature_is_filled(feature: Feature) -> None:
    for field in fields(feature):
        unspoken = field.name == "certain" or (field.name == "unit" and feature.kind in ("flag", "number"))
        assert getattr(feature, field.name) or unspoken
    assert feature.family in RENEWAL_FAMILIES
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert feature.description.endswith(".")


@each_feature
def test_a_sentence_tells_the_value_and_a_gap_has_words_of_its_own(feature: Feature) -> None:
    assert feature.sentence.count("{value}") == (feature.kind != "flag")
    assert "{" not in feature.absent
    assert not feature.sentence.endswith(".")
    assert feature.tell({"flag": False, "count": 0}.get(feature.kind)) == f"{feature.absent}."
    if feature.kind in ("number", "category"):
        assert "null" in feature.description
    if feature.kind == "count":
        assert "zero" in feature.description


@each_feature
def test_a_feature_reads_streams_that_exist(feature: Feature) -> None:
    assert feature.evidence_parts()
    assert {part.stream for part in feature.evidence_parts()} <= set(STREAMS)


@pytest.mark.parametrize("family", [name for name in RENEWAL_FAMILIES if name != "custom"])
def test_every_family_has_features(family: str) -> None:
    assert any(feature.family == family for feature in FEATURES)


def test_names_are_unique_and_a_clash_with_a_field_of_ones_own_is_named() -> None:
    assert len(BY_NAME) == len(FEATURES)
    field = CustomField("accounts", "x_tier", "category")
    with pytest.raises(DealcastError, match="accounts_x_tier"):
        renewal_catalogue((field, field))


def test_every_feature_of_the_won_deal_that_a_contract_keeps_is_told() -> None:
    kept = {feature.name.removeprefix("origin_") for feature in FEATURES if feature.family == "origin"}
    assert kept == set(ORIGIN_FEATURES)
    assert {name.removeprefix("origin_") for name in kept} <= {feature.name for feature in catalogue()}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("burn_ratio", 0.42, "They use 0.42 times what they have paid for so far."),
        ("unused_commitment_share", 0.58, "58 % of what they have paid for so far is unused."),
        ("products_active_90d", 1, "1 product is in use."),
        ("champion_left", True, "The champion or sponsor has left."),
        ("days_to_term", 90.0, "The term ends in 90 days."),
        ("is_shelfware", False, "It is in use, or too young to tell, or use is not reported."),
        ("terms_before", 1, "It was renewed once before."),
    ],
)
def test_sentences_read_as_people_write(name: str, value: Any, said: str) -> None:
    assert BY_NAME[name].tell(value) == said


def row_of(
    rows: Rows, at: float, family: str, key: str = "k1", origins: pa.Table | None = None
) -> dict[str, Any]:
    """The features of one family of a contract on a day."""
    tables = memory_tables(rows)
    wanted = renewal_catalogue(custom_fields(tables, day(at)))
    features = [feature for feature in wanted if feature.family == family]
    spine = contract_snapshots(tables, day(at))
    frame = renewal_frame(tables["accounts"].get_backend(), tables, spine, features, origins).to_pylist()
    return next(row for row in frame if row["contract_id"] == key and row["as_of"] == day(at))


def signed() -> Rows:
    """A deal closed on day 0, its contract of a year, and the contract that followed."""
    deal = {
        "opportunity_id": "o1",
        "account_id": "a1",
        "created_at": day(-50),
        "closed_at": day(0),
        "outcome": "won",
    }
    first = {"contract_id": "k1", "account_id": "a1", "opportunity_id": "o1", "start_at": day(5),
             "end_at": day(370), "known_at": day(1)}  # fmt: skip
    second = {"contract_id": "k2", "account_id": "a1", "start_at": day(370), "end_at": day(735),
              "known_at": day(360)}  # fmt: skip
    return {"opportunities": [deal], "contracts": [first, second]}


def met(key: str, on: float, people: tuple[str, ...], **more: Any) -> Rows:
    """A meeting of the account."""
    activity = {"activity_id": key, "account_id": "a1", "kind": "meeting", "direction": "outbound",
                "occurred_at": day(on), "known_at": day(on)}  # fmt: skip
    came = [{"activity_id": key, "contact_id": person, "attended": True} for person in people]
    return {"activities": [activity | more], "activity_participants": came}


def joined(*parts: Rows) -> Rows:
    out: Rows = {}
    for part in parts:
        for name, table in part.items():
            out.setdefault(name, []).extend(table)
    return out


def champion(**more: Any) -> Rows:
    role = {"opportunity_id": "o1", "contact_id": "c1", "buying_role": "champion", "known_at": day(-20)}
    return {"opportunity_contacts": [role | more]}


def test_a_champion_who_was_met_every_ten_days_has_gone_quiet() -> None:
    meetings = [met(f"v{n}", 10 * n, ("c1",)) for n in range(1, 6)]
    row = row_of(joined(signed(), champion(), *meetings, met("v9", 100, ("c2",))), 110, "people")
    assert row["days_since_champion"] == 60
    assert row["champion_silence"] == pytest.approx(6)
    assert row["days_since_contact"] == 10
    assert row["meetings_90d"] == 5
    assert row["people_met_180d"] == 2
    assert row["champion_in_place"]
    assert not row["champion_left"]


def test_a_champion_who_was_removed_has_left_from_then_on_unless_another_is_there() -> None:
    rows = joined(signed(), champion(removed_at=day(50)))
    assert not row_of(rows, 50, "people")["champion_left"]
    assert row_of(rows, 51, "people")["champion_left"]
    another = champion(contact_id="c2", buying_role="executive_sponsor", known_at=day(40))
    row = row_of(joined(rows, another), 51, "people")
    assert (row["champion_left"], row["champion_in_place"]) == (False, True)


def test_an_activity_of_a_deal_counts_for_the_deals_account_and_its_level_once_known() -> None:
    person = {"contact_id": "c1", "seniority": "vp", "known_at": day(30)}
    early = met("v1", 20, ("c1",), account_id=None, opportunity_id="o1", direction="inbound")
    rows = joined(signed(), {"contacts": [person]}, early)
    row = row_of(rows, 60, "people")
    assert (row["contacts_made_90d"], row["inbound_share_180d"], row["seniority_180d"]) == (1, 1, None)
    assert row_of(joined(rows, met("v2", 40, ("c1",))), 60, "people")["seniority_180d"] == 4


def promise(event: str, on: float, due: float | None = None, feature: str = "sso") -> dict[str, Any]:
    return {
        "promise_id": f"{event}{on}",
        "opportunity_id": "o1",
        "feature": feature,
        "event": event,
        "due_at": None if due is None else day(due),
        "occurred_at": day(on),
        "known_at": day(on),
    }


@pytest.mark.slow
def test_what_was_promised_at_signature_stays_open_until_it_is_delivered() -> None:
    events = [
        promise("promised", -10, 30), promise("rescheduled", 25, 60), promise("delivered", 90),
        promise("promised", -5, None, "audit"), promise("promised", 80, None, "export"),
    ]  # fmt: skip
    rows = signed() | {"promises": events}
    names = (
        "promises_at_signature",
        "promises_undelivered",
        "promises_overdue",
        "promises_delivered",
        "promise_slips",
    )
    found = {at: tuple(row_of(rows, at, "promises")[name] for name in names) for at in (20, 61, 91)}
    assert found == {20: (2, 2, 0, 0, 0), 61: (2, 2, 1, 0, 1), 91: (2, 2, 0, 1, 1)}
    # the contract that followed goes back to the same deal
    renewed = row_of(rows, 380, "promises", "k2")
    assert tuple(renewed[name] for name in names) == (3, 2, 0, 1, 1)


def origins(at: float = -1) -> pa.Table:
    flags = {name: True for name in ORIGIN_FEATURES if name.startswith(("has_", "is_"))}
    numbers = {name: 2 for name in ORIGIN_FEATURES if name not in flags}
    keys = {"contract_id": "k1", "opportunity_id": "o1"}
    when = {"as_of": pa.array([day(at)], pa.timestamp("us", "UTC"))}
    return pa.table({name: [value] for name, value in keys.items()} | when | {
        name: [value] for name, value in (flags | numbers).items()
    })  # fmt: skip


def test_how_the_deal_was_won_is_known_from_its_close_on_and_to_the_contracts_that_follow() -> None:
    rows = signed()
    rows["opportunities"][0]["closed_at"] = day(3)
    assert row_of(rows, 3, "origin", origins=origins())["origin_avenues_tested"] is None
    row = row_of(rows, 4, "origin", origins=origins())
    assert row["origin_avenues_tested"] == 2
    assert row["origin_is_fomo_only"] is True
    assert row_of(rows, 380, "origin", "k2", origins())["origin_avenues_tested"] == 2
    nobody = row_of(rows, 380, "origin", "k2")
    assert nobody["origin_is_fomo_only"] is None


def test_own_fields_are_those_of_the_contract_looked_at_and_of_its_account() -> None:
    rows = signed()
    rows["contracts"][0] |= {"x_seats": "40", "x_pilot": "yes", "x_since": "2023-12-31"}
    rows["contracts"][1] |= {"x_seats": "60", "x_pilot": "no"}
    rows["accounts"] = [{"account_id": "a1", "known_at": day(-99), "x_tier": "gold"}]
    row = row_of(rows, 365, "custom")
    told = {name: row[f"contracts_{name}"] for name in ("x_seats", "x_pilot", "x_since")}
    assert told == {"x_seats": 40, "x_pilot": True, "x_since": 366}
    assert row["accounts_x_tier"] == "gold"
    assert row_of(rows, 365, "custom", "k2")["contracts_x_pilot"] is False
    assert "latest contract" not in " ".join(f.description for f in renewal_catalogue(
        custom_fields(memory_tables(rows), day(365) + DAY)
    ))  # fmt: skip
