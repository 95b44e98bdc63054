"""Generated histories of contracts, small and nasty: chains, overlaps, gaps, credit notes, late reports."""

from random import Random
from typing import Any

from data.schema import BILLINGS
from tests.features.worlds import DAY, END, Rows, World, day, generate

__all__ = ["HORIZONS", "renewal_world"]

HORIZONS = (180, 90, 60, 30, 7)


def renewal_world(seed: int, accounts: int = 8, density: float = 1.0, gaps: float = 0.15) -> Rows:
    """A history of about so many accounts, with chains of contracts and regular use in place of its own."""
    rows = generate(seed, deals=4 * accounts, density=density, gaps=gaps)
    rows["contracts"], rows["usage"] = [], []
    world = World(Random(f"contracts {seed}"), rows)
    for account in rows["accounts"]:
        for _ in range(world.random.choice([1, 1, 2])):
            _chain(world, account["account_id"], gaps)
    for activity in rows.get("activities", []):
        if world.random.random() < 0.2:
            activity["account_id"] = world.random.choice(rows["accounts"])["account_id"]
    return rows


def _chain(world: World, account: str, gaps: float) -> None:
    """A contract and its renewals, each with its use."""
    random = world.random
    deals = [row["opportunity_id"] for row in world.rows["opportunities"]]
    start = day(random.choice([-560, -400, -370, -200, -100, -20, 60]) + random.choice([0, 0, 3.25]))
    known = start - random.choice([0, 5, 20]) * DAY
    currency = world.maybe(1 - gaps, random.choice(["EUR", "USD"]))
    in_units = random.random() < 0.2
    committed = random.choice([0.0, 1000.0, 3650.5, None])
    deal = world.maybe(0.8, random.choice(deals))
    for term in range(3):
        days = random.choice([90, 182, 365])
        end = start + days * DAY
        decided = world.maybe(0.8, end + random.choice([-40, -10, 0, 5]) * DAY)
        renewed = decided is not None and random.random() < 0.75
        then = world.maybe(0.9, (committed or 500.0) * random.choice([0.5, 1.0, 1.3])) if renewed else None
        row = world.add(
            "contracts",
            contract_id=world.key("k"),
            account_id=account,
            opportunity_id=deal if term == 0 else world.maybe(0.1, random.choice(deals)),
            start_at=start,
            end_at=world.maybe(0.95, end),
            billing=world.maybe(1 - gaps, random.choice(BILLINGS)),
            committed_amount=committed,
            currency=currency,
            renewed_amount=then,
            decided_at=decided,
            outcome=("renewed" if renewed else "churned") if decided else None,
            known_at=known,
        )
        _usage(world, row, days, in_units)
        if not renewed or decided is None:
            return
        known = decided + random.choice([-1, 0, 0, 1]) * DAY
        start = end + random.choice([-20, 0, 0, 0, 25, 45]) * DAY
        committed = then if random.random() < 0.7 else committed
        currency = currency if random.random() < 0.9 else "GBP"


def _usage(world: World, contract: dict[str, Any], days: int, in_units: bool) -> None:
    """Use by week, month or now and then; missing, late, doubled and corrected periods among it."""
    random, start = world.random, contract["start_at"]
    if random.random() < 0.15:
        return
    step, names = random.choice([7, 7, 30, 30, 11]), random.random() < 0.75
    level = random.choice([0.2, 1, 5])
    stops = random.choice([1.0, 1.0, 0.6])
    products = random.sample(["core", "extra", "more"], random.choice([1, 2]))
    for n in range(-2, int(stops * days / step) + 1):
        began = start + n * step * DAY
        if began > END or random.random() < 0.2 or (n < 0 and random.random() < 0.7):
            continue
        for product in products:
            amount = random.choice([0, 1, 1, 2, 3, -0.5]) * level * random.randint(1, 9000) / 100
            known = began + random.choice([0, step, step + 2, step + 2, 45]) * DAY
            row = world.add(
                "usage", account_id=contract["account_id"], product=world.maybe(0.95, product),
                contract_id=world.maybe(0.95, contract["contract_id"]) if names else None,
                usage_date=world.maybe(0.97, began), known_at=known,
                quantity=world.maybe(0.9, round(amount / 3, 2)),
                amount=None if in_units else world.maybe(0.95, round(amount, 2)),
                active_users=world.maybe(0.8, random.randint(0, 9)),
            )  # fmt: skip
            if random.random() < 0.1:
                world.add("usage", **dict(row, known_at=known + random.choice([0, 3, 60]) * DAY))
