"""Generated CRM histories, small and nasty: ties, boundaries at as_of, late logging, gaps, repeats."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from data.schema import (
    ACTIVITY_KINDS,
    BILLINGS,
    BUYING_ROLES,
    CONTRACT_OUTCOMES,
    MOMENT_KINDS,
    PROMISE_EVENTS,
    QUESTIONS,
    SENIORITIES,
    SIDES,
    STANCES,
)
from data.warehouse import memory_tables
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.feature import Feature
from features.snapshots import Calendar, Snapshots, deal_snapshots

__all__ = ["DAY", "DAYS", "END", "Rows", "World", "bare", "day", "features_at", "frame_of", "generate"]

Rows = dict[str, list[dict[str, Any]]]
DAY = timedelta(days=1)
DAYS = 168
START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + DAYS * DAY
WEEK_S = 7 * 86_400


def day(n: float) -> datetime:
    """The instant n days after the first one."""
    return START + timedelta(days=n)


@dataclass
class World:
    """Rows by canonical table, with a number for each new key."""

    random: Random
    rows: Rows = field(default_factory=dict)
    keys: int = 0

    def add(self, table: str, **row: Any) -> dict[str, Any]:
        """Append a row."""
        self.rows.setdefault(table, []).append(row)
        return row

    def key(self, prefix: str) -> str:
        """A new key, whose order tells nothing."""
        self.keys += 1
        return f"{prefix}{(self.keys * 7919) % 100_003:06d}"

    def maybe(self, share: float, value: Any) -> Any:
        """The value, or None for the rest."""
        return value if self.random.random() < share else None

    def time(self, low: float = 0, high: float = DAYS + 40) -> datetime:
        """Half of the times lie on the weekly calendar, a quarter on its days, the rest anywhere."""
        how = self.random.random()
        n = self.random.uniform(low, high)
        if how < 0.5:
            n = round(n / 7) * 7
        elif how < 0.75:
            n = round(n)
        else:
            n = round(n * 86_400) / 86_400
        return START + timedelta(seconds=round(n * 86_400))

    def later(self, then: datetime, most: float = 25) -> datetime:
        """The same instant, often, or one some days later."""
        if self.random.random() < 0.4:
            return then
        return then + timedelta(
            days=self.random.choice([1, 7, 7, 14, 30, 90]) * self.random.choice([0.5, 1, 1])
        )


def generate(seed: int, deals: int = 40, density: float = 1.0, gaps: float = 0.15) -> Rows:
    """A history of `deals` deals. density scales the rows per deal, gaps the share of empty cells."""
    world = World(Random(seed))
    for position, (stage, probability) in enumerate(
        [("lead", 0.1), ("demo", 0.3), ("offer", None), ("sign", 0.8)]
    ):
        world.add("stages", stage=stage, position=position + 1, default_probability=probability)
    accounts = [_account(world, gaps) for _ in range(max(2, deals // 4))]
    contacts = [_contact(world, gaps) for _ in range(max(3, deals // 2))]
    for _ in range(deals):
        deal = _deal(world, accounts, gaps)
        group = world.random.sample(contacts, min(len(contacts), world.random.randint(1, 5)))
        for add in (_changes, _roles, _activities, _promises, _moments):
            add(world, deal, group, density, gaps)
    # drawn apart, so that these rows move none of the others
    more = World(Random(f"more {seed}"), world.rows, world.keys)
    for name in ("contracts", "usage", "qualification", "text_moments", "text_promises"):
        more.rows.setdefault(name, [])
    for add_more in (_departments, _notes, _answers, _contracts):
        add_more(more, density, gaps)
    return more.rows


def _account(world: World, gaps: float) -> str:
    row = world.add(
        "accounts",
        account_id=world.key("a"),
        industry=world.maybe(1 - gaps, world.random.choice(["bank", "steel"])),
        region=world.maybe(1 - gaps, "north"),
        employees=world.maybe(1 - gaps, world.random.randint(1, 5000)),
        decision_structure=world.maybe(1 - gaps, world.random.choice(["centralised", "distributed"])),
        created_at=world.time(-400, 10),
        known_at=world.time(-40, 60),
        x_tier=world.maybe(1 - gaps, world.random.choice(["gold", "tin"])),
    )
    return str(row["account_id"])


def _contact(world: World, gaps: float) -> str:
    row = world.add(
        "contacts",
        contact_id=world.key("c"),
        account_id=None,
        seniority=world.maybe(1 - gaps, world.random.choice(SENIORITIES)),
        known_at=world.maybe(1 - gaps / 2, world.time(-30, 80)),
    )
    return str(row["contact_id"])


def _deal(world: World, accounts: list[str], gaps: float) -> dict[str, Any]:
    created = world.time(-20, DAYS - 10)
    closed = world.maybe(0.6, world.later(created + 7 * DAY * world.random.randint(0, 12)))
    return world.add(
        "opportunities",
        opportunity_id=world.key("o"),
        account_id=world.maybe(1 - gaps / 3, world.random.choice(accounts)),
        owner_id=world.maybe(1 - gaps, world.random.choice(["u1", "u2", "u3"])),
        type=world.maybe(1 - gaps, world.random.choice(["new", "expansion"])),
        lead_source=world.maybe(1 - gaps, world.random.choice(["web", "fair"])),
        currency=world.maybe(1 - gaps, "EUR"),
        created_at=created,
        closed_at=closed,
        outcome=world.maybe(0.9, world.random.choice(["won", "lost"])) if closed else None,
        x_score=world.maybe(1 - gaps, str(world.random.choice([1, 2.5, -3]))),
        x_hot=world.maybe(1 - gaps, world.random.choice(["yes", "no"])),
    )


def _changes(world: World, deal: dict[str, Any], group: list[str], density: float, gaps: float) -> None:
    values: dict[str, Callable[[], str]] = {
        "stage": lambda: world.random.choice(["lead", "demo", "offer", "sign", "unlisted"]),
        "amount": lambda: world.random.choice(["1000", "1000", "2500.5", "0", "n/a"]),
        "close_date": lambda: (START + DAY * world.random.randint(0, 250)).date().isoformat(),
        "forecast_category": lambda: world.random.choice(["pipeline", "commit"]),
        "owner": lambda: world.random.choice(["u1", "u2", "u3"]),
        "x_health": lambda: world.random.choice(["red", "green"]),
    }
    for name, value in values.items():
        for _ in range(_some(world, density * (1 if name == "owner" else 2))):
            world.add(
                "opportunity_changes",
                opportunity_id=deal["opportunity_id"],
                field=name,
                old_value=world.maybe(0.5, value()),
                new_value=world.maybe(1 - gaps, value()),
                changed_at=_near(world, deal),
            )


def _roles(world: World, deal: dict[str, Any], group: list[str], density: float, gaps: float) -> None:
    for _ in range(_some(world, 4 * density)):
        known = _near(world, deal)
        world.add(
            "opportunity_contacts",
            opportunity_id=deal["opportunity_id"],
            contact_id=world.random.choice(group),
            buying_role=world.maybe(
                1 - gaps, world.random.choice([*BUYING_ROLES, "blocker", "blocker", "champion"])
            ),
            stance=world.maybe(1 - gaps, world.random.choice(STANCES)),
            known_at=world.maybe(1 - gaps / 3, known),
            removed_at=world.maybe(0.4, world.later(known)),
        )


def _activities(world: World, deal: dict[str, Any], group: list[str], density: float, gaps: float) -> None:
    for _ in range(_some(world, 8 * density)):
        occurred = _near(world, deal)
        known = world.later(occurred) if world.random.random() < 0.7 else occurred - 7 * DAY
        row = world.add(
            "activities",
            activity_id=world.key("v"),
            opportunity_id=world.maybe(0.97, deal["opportunity_id"]),
            kind=world.maybe(1 - gaps / 2, world.random.choice([*ACTIVITY_KINDS, "meeting", "email"])),
            direction=world.maybe(1 - gaps, world.random.choice(["inbound", "outbound"])),
            channel=world.maybe(1 - gaps, world.random.choice(["in_person", "remote"])),
            occurred_at=world.maybe(1 - gaps / 2, occurred),
            known_at=world.maybe(1 - gaps / 2, known),
        )
        for _ in range(world.random.randint(0, 4)):
            is_user = world.random.random() < 0.15
            world.add(
                "activity_participants",
                activity_id=row["activity_id"],
                contact_id=None if is_user else world.random.choice(group),
                user_id="u1" if is_user else None,
                attended=world.random.choice([None, True, True, False]),
            )


def _promises(world: World, deal: dict[str, Any], group: list[str], density: float, gaps: float) -> None:
    for _ in range(_some(world, 2 * density)):
        occurred = _near(world, deal)
        world.add(
            "promises",
            promise_id=world.key("p"),
            opportunity_id=deal["opportunity_id"],
            feature=world.maybe(1 - gaps, world.random.choice(["sso", "audit"])),
            event=world.random.choice([*PROMISE_EVENTS, "promised"]),
            due_at=world.maybe(1 - gaps, occurred + 7 * DAY * world.random.randint(-2, 8)),
            occurred_at=world.maybe(1 - gaps / 2, occurred),
            known_at=world.maybe(1 - gaps / 2, world.later(occurred)),
        )


def _moments(world: World, deal: dict[str, Any], group: list[str], density: float, gaps: float) -> None:
    for _ in range(_some(world, density)):
        occurred = _near(world, deal)
        world.add(
            "moments",
            moment_id=world.key("m"),
            opportunity_id=deal["opportunity_id"],
            kind=world.random.choice([*MOMENT_KINDS, "proof_of_concept", "bake_off"]),
            occurred_at=world.maybe(1 - gaps / 2, occurred),
            known_at=world.later(occurred),
        )


def _departments(world: World, density: float, gaps: float) -> None:
    for contact in world.rows["contacts"]:
        contact["department"] = world.maybe(1 - gaps, world.random.choice(["it", "finance", "ops", "legal"]))


def _notes(world: World, density: float, gaps: float) -> None:
    """What was read from the activities' texts."""
    own = ("reference_delivered", "data_shared", "advisor_involved")
    for activity in world.rows.get("activities", []):
        if activity["opportunity_id"] is None or activity["known_at"] is None:
            continue
        read = {name: activity[name] for name in ("activity_id", "opportunity_id", "occurred_at", "known_at")}
        if world.random.random() < 0.3 * density:
            kind = world.random.choice([*MOMENT_KINDS, *own])
            stands = world.maybe(0.3, _superseded(world, read["known_at"]))
            stands = None if kind in own else stands
            world.add(
                "text_moments", **read, kind=kind, evidence=f"They spoke of {kind}.", superseded_at=stands
            )
        if world.random.random() < 0.15 * density:
            world.add(
                "text_promises", **read, feature=world.random.choice(["sso", "audit", "export"]),
                event=world.random.choice([*PROMISE_EVENTS, "promised"]), evidence="They were told so.",
                due_at=world.maybe(0.5, read["known_at"] + 7 * DAY * world.random.randint(-2, 8)),
                superseded_at=world.maybe(0.3, _superseded(world, read["known_at"])),
            )  # fmt: skip


def _superseded(world: World, known: datetime) -> datetime:
    """When a recorded row took its place: before it, with it, or later."""
    return known + 7 * DAY * world.random.choice([-2, 0, 1, 2, 5])


def _answers(world: World, density: float, gaps: float) -> None:
    for deal in world.rows["opportunities"]:
        for _ in range(_some(world, 3 * density)):
            world.add(
                "qualification",
                opportunity_id=deal["opportunity_id"],
                question=world.random.choice(QUESTIONS),
                side=world.random.choice(SIDES),
                answer=world.maybe(1 - gaps, world.random.randint(0, 4)),
                evidence=world.maybe(0.5, "as they said"),
                known_at=_near(world, deal),
            )


def _contracts(world: World, density: float, gaps: float) -> None:
    for account in world.rows["accounts"]:
        for _ in range(_some(world, density)):
            start = world.time(-100, DAYS)
            decided = world.maybe(0.6, start + DAY * world.random.randint(20, 120))
            contract = world.add(
                "contracts",
                contract_id=world.key("k"),
                account_id=account["account_id"],
                opportunity_id=world.maybe(
                    0.7, world.random.choice(world.rows["opportunities"])["opportunity_id"]
                ),
                start_at=start,
                end_at=world.maybe(1 - gaps, start + DAY * world.random.choice([90, 182, 365])),
                billing=world.maybe(1 - gaps, world.random.choice(BILLINGS)),
                committed_amount=world.maybe(1 - gaps, float(world.random.choice([0, 1000, 3650.5]))),
                outcome=world.random.choice(CONTRACT_OUTCOMES) if decided else None,
                decided_at=decided,
                known_at=world.later(start),
            )
            for n in range(_some(world, 6 * density)):
                used = start + DAY * world.random.randint(0, 20) * (n + 1)
                world.add(
                    "usage",
                    account_id=account["account_id"],
                    contract_id=world.maybe(0.9, contract["contract_id"]),
                    product=world.random.choice(["core", "extra"]),
                    usage_date=used,
                    quantity=world.maybe(1 - gaps, float(world.random.randint(0, 50))),
                    amount=world.maybe(1 - gaps, world.random.randint(0, 50_000) / 100),
                    active_users=world.maybe(1 - gaps, world.random.randint(0, 9)),
                    known_at=world.maybe(0.9, world.later(used)),
                )


def _some(world: World, mean: float) -> int:
    return world.random.randint(0, round(2 * mean))


def _near(world: World, deal: dict[str, Any]) -> datetime:
    """A time around the deal's life, now and then before its creation or after its close."""
    start = (deal["created_at"] - START) / DAY
    return world.time(start - 5, start + 110)


def bare() -> Rows:
    """One open deal of which nothing is recorded but its creation."""
    return {
        "accounts": [{"account_id": "a1", "created_at": None, "known_at": None}],
        "opportunities": [{"opportunity_id": "o1", "account_id": "a1", "created_at": day(0)}],
    }


def frame_of(
    rows: Rows | dict[str, ir.Table], calendar: Calendar, features: Iterable[Feature] | None = None,
    snapshots: Callable[[dict[str, ir.Table]], Snapshots] | None = None,
) -> pa.Table:  # fmt: skip
    """The feature frame of a history at every instant of a calendar, by the engine."""
    first = next(iter(rows.values()), None)
    tables = memory_tables(rows) if isinstance(first, list) or first is None else rows  # type: ignore[arg-type]
    wanted = tuple(features) if features is not None else features_at(tables, calendar.as_of)
    spine = snapshots(tables) if snapshots else deal_snapshots(tables, calendar)
    return feature_frame(tables["opportunities"].get_backend(), tables, spine, wanted)


def features_at(tables: dict[str, ir.Table], as_of: datetime) -> tuple[Feature, ...]:
    """The catalogue with the history's own fields, as typed by what is known before as_of."""
    return catalogue(custom_fields(tables, as_of))
