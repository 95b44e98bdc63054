"""The structured side of a deal's life: moments, promises, qualification, the buying group's roles."""

import numpy as np
import pyarrow as pa

from data.simulator.calendar import Diary, logged_s
from data.simulator.columns import identifiers, integers, moments_of, pick
from data.simulator.deals import DAY, Deals
from data.simulator.events import CODES, PROMISE_CODES, Events
from data.simulator.journey import MOMENTS, QUESTIONS, SIGNALS, Path
from data.simulator.rng import Ints
from data.simulator.strengths import SLOTS
from data.simulator.world import FEATURES

__all__ = ["contact_roles", "moment_table", "promise_table", "qualification_table", "removals_s"]

ROLES = (*dict.fromkeys(SLOTS), "unknown")
STANCES = ("supporter", "neutral", "opponent")
_EVIDENCE = ("said in the meeting", "mail from the customer", "our estimate", "workshop notes")


def moment_table(
    rng: np.random.Generator, deals: Deals, path: Path, events: Events, people: Ints,
    *, first_deal: int, first: int, as_of_s: int,
) -> pa.Table:  # fmt: skip
    """Moments that somebody recorded: most, not all, some late. people: (deals, seats) person numbers."""
    deal = path.deal[events.row]
    discipline = deals.discipline[deal]
    known = logged_s(rng, events.occurred_s, discipline, np.zeros(len(deal), dtype=bool))
    kept = events.named(MOMENTS + SIGNALS) & (rng.random(len(deal)) < 0.82 + 0.17 * discipline)
    kept &= known < as_of_s
    seat = np.where(path.touched.any(axis=1), path.touched.argmax(axis=1), -1)[events.row]
    person = np.where((seat >= 0) & (rng.random(len(deal)) < 0.6), people[deal, seat], -1)
    row = np.flatnonzero(kept)
    return pa.table({
        "moment_id": identifiers("M", first + np.arange(len(row))),
        "opportunity_id": identifiers("D", first_deal + deal[row]),
        "contact_id": identifiers("C", person[row]),
        "kind": pick(CODES, events.code[row]),
        "occurred_at": moments_of(events.occurred_s[row]),
        "known_at": moments_of(known[row]),
        "evidence": events.text.take(pa.array(row, pa.int64())),
    })  # fmt: skip


def promise_table(
    rng: np.random.Generator,
    deals: Deals,
    path: Path,
    events: Events,
    *,
    first_deal: int,
    first: int,
    as_of_s: int,
) -> pa.Table:
    """Promise events as recorded; a promise's events are recorded together or not at all."""
    deal = path.deal[events.row]
    known = logged_s(rng, events.occurred_s, deals.discipline[deal], np.zeros(len(deal), dtype=bool))
    recorded = (rng.random(len(deals)) < 0.86 + 0.13 * deals.discipline)[deal]
    row = np.flatnonzero(events.named(PROMISE_CODES) & recorded & (known < as_of_s))
    due = events.due_s[row]
    codes = np.array([PROMISE_CODES.index(name) if name in PROMISE_CODES else -1 for name in CODES])
    return pa.table({
        "promise_id": identifiers("P", first + np.arange(len(row))),
        "opportunity_id": identifiers("D", first_deal + deal[row]),
        "feature": pick(FEATURES, events.feature[row]),
        "event": pick(PROMISE_CODES, codes[events.code[row]]),
        "due_at": moments_of(due, due < 0),
        "occurred_at": moments_of(events.occurred_s[row]),
        "known_at": moments_of(known[row]),
    })  # fmt: skip


def qualification_table(
    rng: np.random.Generator, deals: Deals, path: Path, diary: Diary, *, first_deal: int, as_of_s: int
) -> pa.Table:
    """Both sides' answers, 0 to 4: near each other where they agree, two or more apart where not."""
    row = np.flatnonzero(path.question >= 0)
    n, deal = len(row), path.deal[row]
    occurred = diary.times(rng, row)
    known = logged_s(rng, occurred, deals.discipline[deal], np.zeros(n, dtype=bool))
    customer = rng.integers(2, 5, n)
    near = np.clip(customer + rng.integers(-1, 2, n), 0, 4)
    apart = np.where(rng.random(n) < 0.8, customer, 4)
    vendor = np.where(path.agreed[row], near, np.minimum(apart, 4))
    customer = np.where(path.agreed[row], customer, np.maximum(vendor - rng.integers(2, 4, n), 0))
    sides = np.concatenate([np.zeros(n, int), np.ones(n, int)])
    answered = np.concatenate([np.ones(n, dtype=bool), rng.random(n) < 0.95])
    known_both = np.concatenate([known, known + rng.integers(0, 3600, n)])
    order = np.lexsort((sides, known_both, np.tile(row, 2)))
    keep = order[(answered & (known_both < as_of_s))[order]]
    twice = np.tile(np.arange(n), 2)[keep]
    return pa.table({
        "opportunity_id": identifiers("D", first_deal + deal[twice]),
        "question": pick(QUESTIONS, path.question[row][twice]),
        "side": pick(("vendor", "customer"), sides[keep]),
        "answer": integers(np.concatenate([vendor, customer])[keep]),
        "evidence": pick(_EVIDENCE, rng.integers(-1, len(_EVIDENCE), len(keep))),
        "known_at": moments_of(known_both[keep]),
    })  # fmt: skip


def removals_s(rng: np.random.Generator, deals: Deals, path: Path, diary: Diary) -> Ints:
    """When each deal's champion left, epoch seconds, or -1; shape (deals,)."""
    left = np.full(len(deals), -1, dtype=np.int64)
    row = np.flatnonzero(path.left)
    left[path.deal[row]] = diary.times(rng, row)
    return left


def contact_roles(
    rng: np.random.Generator, deals: Deals, path: Path, diary: Diary, people: Ints,
    *, first_deal: int, as_of_s: int,
) -> tuple[pa.Table, Ints]:  # fmt: skip
    """`opportunity_contacts`, and when each seat was first recorded (epoch seconds; -1 if never).

    A person is recorded after the first contact, by some sellers late, by some without a role; a few are
    recorded without ever having been met (a blocker whom the champion named).
    """
    n, seats = deals.present.shape
    row, seat = np.nonzero(path.first)
    deal = path.deal[row]
    met = np.full((n, seats), -1, dtype=np.int64)
    met[deal, seat] = diary.times(rng, row)
    heard = deals.present & (rng.random((n, seats)) < np.where(np.array(SLOTS) == "blocker", 0.92, 0.10))
    named_s = deals.created_s[:, None] + rng.integers(DAY, 21 * DAY, (n, seats))
    unmet = heard & ((met < 0) | (named_s < met)) & (named_s < _ends(deals, path, diary)[:, None])
    since = np.where(unmet, named_s, met)
    deal, seat = np.nonzero(since >= 0)
    since = since[deal, seat]
    known = logged_s(rng, since, deals.discipline[deal], np.zeros(len(deal), dtype=bool))
    recorded = (rng.random(len(deal)) < 0.88 + 0.12 * deals.discipline[deal]) & (known < as_of_s)
    left = removals_s(rng, deals, path, diary)[deal]
    removed = np.maximum(left, known)
    gone = (seat == 0) & (left >= 0) & (removed < as_of_s)
    number = np.array([ROLES.index(name) for name in SLOTS])[seat]
    forgotten = rng.random(len(deal)) < 0.18 - 0.12 * deals.discipline[deal]
    table = pa.table({
        "opportunity_id": identifiers("D", first_deal + deal),
        "contact_id": identifiers("C", people[deal, seat]),
        "buying_role": pick(ROLES, np.where(forgotten, len(ROLES) - 1, number)),
        "stance": pick(STANCES, _stance(rng, seat)),
        "known_at": moments_of(known),
        "removed_at": moments_of(removed, ~gone),
    })  # fmt: skip
    first_known = np.full((n, seats), -1, dtype=np.int64)
    first_known[deal, seat] = since
    return table.filter(pa.array(recorded)), first_known


def _stance(rng: np.random.Generator, seat: Ints) -> Ints:
    """A noted stance: champions support, blockers oppose, many are not said."""
    u = rng.random(len(seat))
    noted = np.where(seat <= 1, np.where(u < 0.5, 0, 1), np.where(seat == 12, np.where(u < 0.5, 2, 1), 1))
    return np.where(rng.random(len(seat)) < 0.45, noted, -1)


def _ends(deals: Deals, path: Path, diary: Diary) -> Ints:
    """When each deal's path ends: its close, or far ahead where it lives on."""
    ends = np.full(len(deals), np.iinfo(np.int64).max // 2)
    row = np.flatnonzero(path.closing)
    ends[path.deal[row]] = diary.closed_s[row]
    return ends
