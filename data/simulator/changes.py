"""The history that a CRM keeps of a deal's fields, and the deal's present row."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from data.simulator.calendar import Diary
from data.simulator.columns import Values, flags, glue, identifiers, moments_of, pick
from data.simulator.deals import DAY, LEAD_SOURCES, TYPES, WEEK, Deals
from data.simulator.journey import SIGNALS, Path
from data.simulator.rng import Bools, Floats, Ints
from data.simulator.world import CURRENCIES, World

__all__ = ["STAGES", "amounts", "change_table", "opportunity_table", "owners"]

STAGES = (
    ("Discovery", 0.15), ("Qualification", 0.20), ("Solution fit", 0.25), ("Shortlist", 0.30),
    ("Evaluation", 0.40), ("Negotiation", 0.60), ("Closed Won", 1.0), ("Closed Lost", 0.0),
)  # fmt: skip
_STAGE_OF_MOMENT = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
_NAMES = tuple(name for name, _ in STAGES)
_FORECAST = ("Pipeline", "Best Case", "Commit", "Closed", "Omitted")
_HEALTH = ("red", "amber", "green")
_LOSS = ("missing feature", "lost to competitor", "price", "no decision", "no budget")


def owners(deals: Deals, path: Path) -> Ints:
    """The seller's number at each path row."""
    handed = path.age >= deals.handover[path.deal]
    return np.where(handed, deals.successor[path.deal], deals.seller[path.deal])


def amounts(rng: np.random.Generator, deals: Deals, path: Path) -> Floats:
    """The amount at each path row: it starts as typed in and is corrected now and then."""
    corrected = (rng.random(len(path.deal)) < 0.05) & (path.age > 0)
    factor = np.where(corrected, rng.normal(-0.03, 0.2, len(path.deal)), 0.0)
    total = np.cumsum(factor)
    starts = np.flatnonzero(path.age == 0)
    total = total - np.repeat(total[starts], np.diff([*starts, len(path.deal)]))
    return np.round(deals.amount[path.deal] * np.exp(total), -1)


def change_table(
    rng: np.random.Generator, deals: Deals, path: Path, diary: Diary, amount: Floats, *, first_deal: int
) -> pa.Table:
    """`opportunity_changes`, by deal, field and time; each field's first row has no old value."""
    n = len(path.deal)
    feeling = _belief(rng, deals, path)
    stage = _STAGE_OF_MOMENT[np.where(path.age == 0, deals.entry[path.deal], path.position)]
    category = np.where(stage < 2, 0, np.digitize(feeling + rng.normal(0, 0.8, n), (-0.3, 0.9)))
    health = np.where(path.age == 0, 1, np.digitize(feeling + rng.normal(0, 1.0, n), (-1.6, 0.2)))
    dates = _close_dates(rng, deals, path, diary)
    owner = owners(deals, path)
    times = diary.times(rng, np.arange(n))
    histories: list[tuple[str, Ints, Bools, Callable[[Ints], Values]]] = [
        ("stage", stage, rng.random(n) < 0.85, lambda codes: pick(_NAMES, codes)),
        ("amount", amount.astype(np.int64), np.ones(n, dtype=bool), _whole),
        ("close_date", dates, np.ones(n, dtype=bool), _iso_date),
        ("forecast_category", category, rng.random(n) < 0.35, lambda codes: pick(_FORECAST, codes)),
        ("owner", owner, np.ones(n, dtype=bool), lambda codes: identifiers("U", codes)),
        ("x_health", health, rng.random(n) < 0.25, lambda codes: pick(_HEALTH, codes)),
    ]
    closings = {"stage": (6, 7), "forecast_category": (3, 4)}
    tables = []
    for name, values, updated, text in histories:
        row, old, new, at = _history(deals, path, values, updated, times)
        if name in closings:
            row, old, new, at = _with_close(path, diary, values, updated, closings[name], row, old, new, at)
        tables.append(_changes(first_deal + path.deal[row], name, text(old), text(new), at))
    table = pa.concat_tables(tables)
    field = np.repeat(np.arange(len(tables)), [len(each) for each in tables])
    deal = np.concatenate([each.column("_deal").to_numpy() for each in tables])
    at = np.concatenate([each.column("_at").to_numpy() for each in tables])
    order = np.lexsort((field, at, deal))
    return table.drop_columns(["_deal", "_at"]).take(order)


def _belief(rng: np.random.Generator, deals: Deals, path: Path) -> Floats:
    """What the seller thinks of the odds at each row: a month old, biased by temper, half the truth."""
    then = np.maximum(np.arange(len(path.deal)) - 4, np.arange(len(path.deal)) - path.age)
    temper = rng.normal(0.4, 1.2, len(deals))
    return np.asarray(0.5 * path.log_odds[then] + temper[path.deal])


def _held(path: Path, values: Ints, updated: Bools) -> Ints:
    """The value that stands in the CRM at each row: the last one that the seller typed in."""
    typed = updated | (path.age == 0)
    return values[np.maximum.accumulate(np.where(typed, np.arange(len(values)), 0))]


def _history(
    deals: Deals, path: Path, values: Ints, updated: Bools, times: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Rows at which the held value changes: (path row, old value or -1, new value, changed_s)."""
    held = _held(path, values, updated)
    begins = path.age == 0
    old = np.where(begins, -1, np.concatenate([[-1], held[:-1]]))
    row = np.flatnonzero(begins | (held != old))
    at = np.where(begins[row], deals.created_s[path.deal[row]], times[row])
    return row, old[row], held[row], at


def _with_close(
    path: Path, diary: Diary, values: Ints, updated: Bools, codes: tuple[int, int],
    row: Ints, old: Ints, new: Ints, at: Ints,
) -> tuple[Ints, Ints, Ints, Ints]:  # fmt: skip
    """The history with the change that the close itself makes: codes are (won, lost)."""
    closing = np.flatnonzero(path.closing)
    final = np.where(path.won[closing], *codes)
    before = _held(path, values, updated)[closing]
    return (
        np.concatenate([row, closing]),
        np.concatenate([old, before]),
        np.concatenate([new, final]),
        np.concatenate([at, diary.closed_s[closing]]),
    )


def _changes(deal: Ints, field: str, old: Values, new: Values, at: Ints) -> pa.Table:
    return pa.table({
        "opportunity_id": identifiers("D", deal),
        "field": pick((field,), np.zeros(len(deal), int)),
        "old_value": old,
        "new_value": new,
        "changed_at": moments_of(at),
        "_deal": pa.array(deal),
        "_at": pa.array(at),
    })  # fmt: skip


def _whole(values: Ints) -> Values:
    return pa.array(values, mask=values < 0).cast(pa.string())


def _iso_date(days: Ints) -> Values:
    return pa.array(days.astype(np.int32), mask=days < 0).cast(pa.date32()).cast(pa.string())


def _close_dates(rng: np.random.Generator, deals: Deals, path: Path, diary: Diary) -> Ints:
    """The expected close date at each row, in days since 1970: hopeful at first, then pushed."""
    n = len(path.deal)
    guess = np.exp(rng.normal(np.log(80), 0.4, len(deals)))
    expected = deals.created_s // DAY + guess.astype(np.int64) + 7
    dates = np.zeros(n, dtype=np.int64)
    bounds = np.argsort(path.age, kind="stable")
    edges = np.searchsorted(path.age[bounds], np.arange(path.age.max(initial=0) + 2))
    u, push = rng.random(n), rng.integers(14, 60, n)
    for age in range(len(edges) - 1):
        row = bounds[edges[age] : edges[age + 1]]
        deal, today = path.deal[row], (diary.week_s[row] + WEEK) // DAY
        due = (expected[deal] < today + 5) & (u[row] < 0.75) & ~path.closing[row]
        near = (path.moved[row] == 10) & (u[row] > 0.5)
        moved = np.where(near, today + 14 + push[row] // 4, np.where(due, today + push[row], expected[deal]))
        expected[deal] = np.where(age == 0, expected[deal], moved)
        dates[row] = expected[deal]
    return dates


def opportunity_table(
    rng: np.random.Generator, world: World, deals: Deals, path: Path, diary: Diary, *, first_deal: int
) -> pa.Table:
    """`opportunities` as the CRM shows them at the end: present owner, outcome where known."""
    n = len(deals)
    closed_s = np.full(n, -1, dtype=np.int64)
    won = np.zeros(n, dtype=bool)
    row = np.flatnonzero(path.closing)
    closed_s[path.deal[row]] = diary.closed_s[row]
    won[path.deal[row]] = path.won[row]
    owner = deals.seller.copy()
    last = np.flatnonzero(np.concatenate([path.deal[1:] != path.deal[:-1], [True]]))
    owner[path.deal[last]] = owners(deals, path)[last]
    reason = _loss_reason(rng, deals, path, last)
    number = first_deal + np.arange(n)
    return pa.table({
        "opportunity_id": identifiers("D", number),
        "account_id": identifiers("A", deals.account),
        "owner_id": identifiers("U", owner),
        "type": pick(TYPES, deals.kind),
        "name": glue(pick(("New business ", "Expansion ", "Renewal "), deals.kind), identifiers("", number)),
        "currency": pick(CURRENCIES, world.region[deals.account]),
        "lead_source": pick(LEAD_SOURCES, deals.source),
        "created_at": moments_of(deals.created_s),
        "closed_at": moments_of(closed_s, closed_s < 0),
        "outcome": pick(("won", "lost"), np.where(closed_s < 0, -1, np.where(won, 0, 1))),
        "loss_reason": pick(_LOSS, np.where((closed_s >= 0) & ~won, reason, -1)),
        "x_partner_involved": flags(deals.partner),
    })  # fmt: skip


def _loss_reason(rng: np.random.Generator, deals: Deals, path: Path, last: Ints) -> Ints:
    """What the seller says why: often what happened, sometimes what is convenient."""
    heard = np.zeros(len(deals), dtype=bool)
    heard[path.deal[path.signals[:, SIGNALS.index("competitor_mentioned")]]] = True
    spiral = np.zeros(len(deals), dtype=np.int64)
    spiral[path.deal[last]] = path.spiral[last]
    said = rng.integers(1, 5, len(deals))
    likely = np.where(spiral > 0, 0, np.where(heard & (said < 3), 1, said))
    return np.where(rng.random(len(deals)) < 0.75, likely, said)
