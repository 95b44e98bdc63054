"""Meetings, calls and mails that carry a deal's contacts, with who took part and who stayed away."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.simulator.calendar import Diary, logged_s
from data.simulator.columns import flags, floats, identifiers, moments_of, pick
from data.simulator.deals import WEEK, Deals
from data.simulator.events import Events
from data.simulator.journey import HEIR, Path, running
from data.simulator.notes import bodies
from data.simulator.phrases import SUBJECTS
from data.simulator.rng import Bools, Ints, choose

__all__ = ["Activities", "activity_table", "make_activities", "participant_table"]

KINDS = ("meeting", "call", "email", "demo", "workshop", "event", "other")
DIRECTIONS = ("inbound", "outbound")
CHANNELS = ("in_person", "remote")
_CALL, _EMAIL = 1, 2
_BOOKED, _ALONE, _INBOUND, _SILENT = 1, 2, 3, 4  # where an activity comes from; 0 is a session of the week


@dataclass(frozen=True)
class Activities:
    """Activities (n,) sorted by path row, and their participants as (activity, seat or user) pairs.

    attended: 1 came, 0 stayed away, -1 not said. user: seller's number, -1 for a contact.
    """

    row: Ints
    kind: Ints
    direction: Ints
    channel: Ints
    occurred_s: Ints
    known_s: Ints
    kept: Bools
    at: Ints
    seat: Ints
    user: Ints
    attended: Ints


def make_activities(
    rng: np.random.Generator, deals: Deals, path: Path, diary: Diary, events: Events, *, as_of_s: int
) -> Activities:
    """All activities of the path, of which `kept` are those that somebody logged before as_of."""
    n, shape = len(path.deal), path.touched.shape
    following = np.concatenate([path.deal[1:] == path.deal[:-1], [False]])
    met = running(path, path.touched)
    gone = running(path, path.left[:, None])[:, 0]
    sponsor = np.where(gone, HEIR, np.where(deals.present[path.deal, 0], 0, 1))
    # whom a booked meeting invites follows from who was met by then; who comes, from the next week
    invited = path.booked[:, None] & (rng.random(shape) < np.where(met, 0.5, 0.0))
    invited[gone, 0] = False
    invited[np.flatnonzero(path.booked), sponsor[path.booked]] = True
    came = np.zeros(shape, dtype=bool)
    came[:-1] = invited[:-1] & path.touched[1:] & following[:-1, None]
    left_over = path.touched.copy()
    left_over[1:] &= ~came[:-1]
    session = left_over.any(axis=1) & (rng.random(n) < 0.40)
    together = left_over & session[:, None] & (rng.random(shape) < 0.7)
    missing = session[:, None] & met & ~path.touched & (rng.random(shape) < 0.22)
    alone_row, alone_seat = np.nonzero(left_over & ~together)
    any_touch = path.touched.any(axis=1)
    writes = np.flatnonzero(path.inbound)
    silent = np.flatnonzero(rng.random(n) < np.where(any_touch, 0.30, 0.55))
    has = session.copy()
    has[alone_row] = has[writes] = has[silent] = True
    # what befalls a promise in silence is told in a mail that nobody answers
    needed = np.unique(events.row[~has[events.row]])
    silent = np.union1d(silent, needed[path.quiet[needed] > 0])
    needed = needed[path.quiet[needed] == 0]

    groups = [np.flatnonzero(session), np.flatnonzero(path.booked), alone_row, writes, silent, needed]
    origin = np.repeat(np.arange(6), [len(rows) for rows in groups])
    row = np.concatenate(groups)
    writer = np.where(any_touch, path.touched.argmax(axis=1), sponsor)
    seat_of = np.concatenate([alone_seat, writer[writes], sponsor[silent], sponsor[needed]])
    kind, direction = _kinds(rng, path, row, origin)
    held = np.where((origin == _BOOKED) & following[row], row + 1, row)
    occurred = diary.times(rng, held) + WEEK * ((origin == _BOOKED) & ~following[row])
    discipline = deals.discipline[path.deal[row]]
    known = logged_s(rng, occurred, discipline, kind == _EMAIL)
    known = np.where(origin == _BOOKED, diary.times(rng, row) + 120, known)
    logged = rng.random(len(row)) < np.where(kind == _EMAIL, 0.97, 0.80 + 0.19 * discipline)

    rows_met = [(together, missing), (came, invited & ~came)]
    at, seat, attended = _people(groups, rows_met, seat_of, origin)
    lapsed = (origin == _BOOKED) & ~following[row]
    owner = np.where(
        path.age >= deals.handover[path.deal], deals.successor[path.deal], deals.seller[path.deal]
    )
    at = np.concatenate([at, np.arange(len(row))])
    attended = np.concatenate([attended, np.where(lapsed, 0, 1)])
    return _sorted(
        Activities(
            row=row,
            kind=kind,
            direction=direction,
            channel=np.where(
                origin <= _BOOKED, choose(rng, (0.4, 0.6), len(row)), np.where(kind == _CALL, 1, -1)
            ),
            occurred_s=occurred,
            known_s=known,
            kept=logged & (known < as_of_s),
            at=at,
            seat=np.concatenate([seat, np.full(len(row), -1)]),
            user=np.concatenate([np.full(len(seat), -1), owner[row]]),
            attended=np.where(occurred[at] >= as_of_s, -1, attended),
        )
    )


def _kinds(rng: np.random.Generator, path: Path, row: Ints, origin: Ints) -> tuple[Ints, Ints]:
    """Kind and direction of each activity, by what gave rise to it."""
    n, position, u = len(row), path.position[row], rng.random(len(row))
    early = np.where(u < 0.75, 0, np.where(u < 0.85, 4, np.where(u < 0.9, 5, 3)))
    middle = np.where(u < 0.45, 0, np.where(u < 0.78, 3, 4))
    meeting = np.select([position < 3, position < 8], [early, middle], default=np.where(u < 0.92, 0, 4))
    single = np.where(u < 0.5, _CALL, _EMAIL)
    kind = np.select(
        [origin <= _BOOKED, origin == _ALONE, origin == _INBOUND, origin == _SILENT],
        [meeting, single, np.where(u < 0.85, _EMAIL, _CALL), np.where(u < 0.9, _EMAIL, 6)],
        default=_CALL,
    )
    direction = np.select([origin <= _BOOKED, origin == _INBOUND], [-1, 0], default=1)
    return kind, np.where((origin == _ALONE) & (rng.random(n) < 0.35), 0, direction)


def _people(
    groups: list[Ints], rows_met: list[tuple[Bools, Bools]], seat_of: Ints, origin: Ints
) -> tuple[Ints, Ints, Ints]:
    """Contacts of each activity: (activity, seat, attended)."""
    ats, seats, said = [], [], []
    for number, (came, stayed_away) in enumerate(rows_met):
        before = int((origin < number).sum())
        for found, value in ((came, 1), (stayed_away, 0)):
            at, seat = np.nonzero(found[groups[number]])
            ats.append(at + before)
            seats.append(seat)
            said.append(np.full(len(at), value))
    single = np.flatnonzero(origin > _BOOKED)
    ats.append(single)
    seats.append(seat_of)
    said.append(np.where(origin[single] == _SILENT, -1, 1))
    return np.concatenate(ats), np.concatenate(seats), np.concatenate(said)


def _sorted(found: Activities) -> Activities:
    """The same activities by path row and time, participants by activity."""
    order = np.lexsort((found.occurred_s, found.row))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    at = rank[found.at]
    by = np.lexsort((found.user, found.seat, at))
    return Activities(
        row=found.row[order], kind=found.kind[order], direction=found.direction[order],
        channel=found.channel[order], occurred_s=found.occurred_s[order], known_s=found.known_s[order],
        kept=found.kept[order], at=at[by], seat=found.seat[by], user=found.user[by],
        attended=found.attended[by],
    )  # fmt: skip


def activity_table(
    rng: np.random.Generator, deals: Deals, path: Path, found: Activities, events: Events,
    *, first_deal: int, first_activity: int,
) -> tuple[pa.Table, Ints]:  # fmt: skip
    """The `activities` rows that were kept, and each activity's number (-1 if not kept)."""
    n = len(found.row)
    number = np.where(found.kept, first_activity + np.cumsum(found.kept) - 1, -1)
    subjects = [line for lines in SUBJECTS.values() for line in lines]
    offset = np.cumsum([0, *(len(lines) for lines in SUBJECTS.values())])
    width = np.diff(offset)[found.kind]
    subject = offset[found.kind] + np.floor(rng.random(n) * width).astype(np.int64)
    minutes = np.select([found.kind == _EMAIL, found.kind == _CALL], [0, 15], default=60)
    minutes = minutes + np.where(found.kind == _EMAIL, 0, 15 * rng.integers(0, 3, n))
    deal = path.deal[found.row]
    table = pa.table({
        "activity_id": identifiers("T", number),
        "opportunity_id": identifiers("D", first_deal + deal),
        "account_id": identifiers("A", deals.account[deal]),
        "kind": pick(KINDS, found.kind),
        "direction": pick(DIRECTIONS, found.direction),
        "channel": pick(CHANNELS, found.channel),
        "occurred_at": moments_of(found.occurred_s),
        "known_at": moments_of(found.known_s),
        "duration_minutes": floats(minutes, found.kind == _EMAIL),
        "subject": pick(subjects, subject),
        "body": bodies(rng, found.row, found.known_s >= found.occurred_s, events),
    })  # fmt: skip
    return table.filter(flags(found.kept)), number


def participant_table(found: Activities, number: Ints, contacts: Ints) -> pa.Table:
    """The `activity_participants` rows of kept activities; contacts: person number per participant."""
    kept = found.kept[found.at]
    attended = found.attended[kept]
    return pa.table({
        "activity_id": identifiers("T", number[found.at[kept]]),
        "contact_id": identifiers("C", contacts[kept]),
        "user_id": identifiers("U", found.user[kept]),
        "attended": flags(attended == 1, attended < 0),
    })  # fmt: skip
