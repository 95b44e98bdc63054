"""What the screen needs beside the scores: people, catalogues, who else's deals stand behind a value."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.actionable import is_actionable
from features.catalogue import STREAMS
from features.families.custom import custom_fields
from features.feature import FAMILIES, RENEWAL_FAMILIES, Feature, Formula, Measure
from features.renewals import renewal_catalogue
from features.renewals.streams import STREAMS as RENEWAL_STREAMS
from serving.access.actor import email_sha256
from serving.facts import deal_facts
from serving.feature_facts import CATALOGUE, NEIGHBOURS, RENEWAL_CATALOGUE, RecordsOf
from serving.people import PEOPLE

__all__ = ["contract_records_of", "neighbours", "people", "records_of", "screen_tables"]

_FACTS = pa.schema(
    [
        *((name, pa.string()) for name in ("feature", "family", "title", "kind", "unit")),
        *((name, pa.string()) for name in ("description", "expected", "of")),
        ("actionable", pa.bool_()),
    ]
)
_LOAD = "sponsor_load"
"""The one stream of a deal that looks into other deals: those its sponsors stand in as well."""
_CONTRACT_SOURCES = frozenset({"contracts", "usage", "accounts", "exchange_rates"})


def screen_tables(
    tables: Mapping[str, ir.Table],
    as_of: datetime,
    deals: Sequence[str],
    *,
    features: Iterable[Feature],
    renewals: bool,
) -> dict[str, pa.Table]:
    """The people, the catalogues and the neighbours of the open deals, by file name.

    features: the catalogue of deals. renewals: whether contracts are published too, and need theirs.
    People are published as they stand now: the CRM keeps no history of them, and what somebody may see
    follows who they are today, not at as_of. The rest is as known before as_of.
    """
    wins = {feature.name: feature for feature in features}
    found = {
        PEOPLE: people(tables["users"]),
        CATALOGUE: _catalogue((one, records_of(one, wins)) for one in wins.values()),
        NEIGHBOURS: neighbours(tables, as_of, deals),
    }
    if renewals:
        contracts = {one.name: one for one in renewal_catalogue(custom_fields(tables, as_of))}
        rows = ((one, contract_records_of(one, contracts)) for one in contracts.values())
        found[RENEWAL_CATALOGUE] = _catalogue(rows)
    return found


def people(users: ir.Table) -> pa.Table:
    """user_id, name, manager_id, active, email_sha256, sorted by user_id; no address leaves the warehouse."""
    rows = users.select("user_id", "name", "manager_id", "active", "email").order_by("user_id").to_pyarrow()
    hashed = [email_sha256(one) if one and one.strip() else None for one in rows["email"].to_pylist()]
    return rows.drop_columns(["email"]).append_column("email_sha256", pa.array(hashed, pa.string()))


def records_of(feature: Feature, features: Mapping[str, Feature]) -> RecordsOf:
    """Whose records the deal's value is made of; features: the catalogue, for values made of others."""
    found: set[RecordsOf] = set()
    for measure in _measures(feature, features):
        stream = STREAMS[measure.stream]
        if stream.name == _LOAD or (stream.entity == "account" and stream.source != "accounts"):
            found.add("account")
        elif stream.entity == "owner":
            found.add("seller")
        else:
            found.add("everybody" if stream.entity == "all" else "deal")
    return next((of for of in ("account", "seller", "deal") if of in found), "everybody") if found else "deal"


def contract_records_of(feature: Feature, features: Mapping[str, Feature]) -> RecordsOf:
    """Whose records the contract's value is made of: single deals and their people, or contracts and use."""
    found: set[RecordsOf] = set()
    for measure in _measures(feature, features):
        stream = RENEWAL_STREAMS[measure.stream]
        if stream.source not in _CONTRACT_SOURCES:
            found.add("deal")
        else:
            found.add("everybody" if stream.entity == "all" else "contract")
    return next((of for of in ("deal", "contract") if of in found), "everybody") if found else "contract"


def neighbours(tables: Mapping[str, ir.Table], as_of: datetime, deals: Sequence[str]) -> pa.Table:
    """opportunity_id, owner_id: owners, null among them, of the other deals that a deal's values may read.

    Those of the same account, and those in which people of its buying group stand too, as recorded
    before as_of; closed deals included.
    """
    now = ibis.literal(as_of, type="timestamp('UTC')")
    asked = ibis.memtable(pa.table({"opportunity_id": pa.array(sorted(deals), pa.string())}))
    opportunities, roles = tables["opportunities"], tables["opportunity_contacts"]
    held = opportunities.filter(opportunities.created_at < now).select("opportunity_id", "account_id")
    there = roles.filter(roles.known_at < now).select("opportunity_id", "contact_id").distinct()
    pairs = _pairs(asked, held, "account_id").union(_pairs(asked, there, "contact_id"), distinct=True)
    found = pairs.order_by("opportunity_id", "other").to_pyarrow()
    others: list[Any] = sorted(set(found["other"].to_pylist()))
    facts = deal_facts(tables, as_of, others)
    owners = dict(zip(others, facts["owner_id"].to_pylist(), strict=True))
    rows = {
        (deal, owners[other])
        for deal, other in zip(found["opportunity_id"].to_pylist(), found["other"].to_pylist(), strict=True)
    }
    ordered = sorted(rows, key=lambda row: (row[0], row[1] is not None, row[1] or ""))
    return pa.table(
        {
            "opportunity_id": pa.array([deal for deal, _ in ordered], pa.string()),
            "owner_id": pa.array([owner for _, owner in ordered], pa.string()),
        }
    )


def _pairs(asked: ir.Table, rows: ir.Table, by: str) -> ir.Table:
    """Each deal asked for with the other deals that share a value with it; opportunity_id, other."""
    mine = rows.semi_join(asked, "opportunity_id")
    theirs = rows.select("opportunity_id", by).rename(other="opportunity_id", theirs=by)
    pairs = mine.inner_join(theirs, [mine[by] == theirs.theirs])
    return pairs.filter(pairs.opportunity_id != pairs.other).select("opportunity_id", "other").distinct()


def _measures(feature: Feature, features: Mapping[str, Feature]) -> tuple[Measure, ...]:
    """Every measure that the value rests on, through the features that a learnt value reads."""
    if isinstance(feature.value, Measure | Formula):
        return feature.evidence_parts()
    read = [features[name] for name in feature.value.reads if name in features]
    return tuple(measure for one in read for measure in _measures(one, features))


def _catalogue(rows: Iterable[tuple[Feature, RecordsOf]]) -> pa.Table:
    titles = {**RENEWAL_FAMILIES, **FAMILIES}
    told = [
        {
            "feature": one.name, "family": one.family, "title": titles[one.family].title, "kind": one.kind,
            "unit": one.unit, "description": one.description, "expected": one.expected, "of": of,
            "actionable": is_actionable(one),
        }
        for one, of in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(told, _FACTS)
