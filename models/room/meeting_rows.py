"""What is known, at a snapshot, of each role's attendance; and whether it came to the next meeting.

Facts use only what was known before the snapshot. The label looks ahead: the deal's first meeting held at
or after the snapshot, within 60 days, and recorded before a cut-off; a snapshot without one has no label.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.meetings import MeetingHistory
from features.snapshots import DAY
from models.arrays import BoolArray, FloatArray, IntArray, micros

__all__ = ["HORIZON_DAYS", "PastMeetings"]

HORIZON_DAYS = 60

_SPAN = 1 << 36
"""More seconds than any time has: deal number × span + second sorts by deal, then by time."""


@dataclass(frozen=True)
class PastMeetings:
    """For each snapshot (n) and role (k): what was known of the deal's meetings, and who came to the next.

    held: meetings known before the snapshot, (n,). came: how many of them the role attended, (n, k). last,
    recent: its share of the latest one, and of the latest three, in the order in which they became known,
    NaN without a meeting, (n, k). member: whether the role is recorded in the buying group, (n, k). next: 1
    if it came to the next meeting, 0 if not, NaN if there was none by the cut-off, (n, k).
    """

    held: IntArray
    came: IntArray
    last: FloatArray
    recent: FloatArray
    member: BoolArray
    next: FloatArray

    @classmethod
    def of(
        cls, keys: pa.Table, history: MeetingHistory, roles: tuple[str, ...], *, until_s: int | None = None
    ) -> "PastMeetings":
        """The facts of the snapshots in `keys` (opportunity_id, as_of).

        until_s: the epoch second before which a meeting, and who came, must have been recorded to be a
        label; None for no labels.
        """
        index = _Index.of(keys, history, roles)
        first, past = _before(index.known, index.deal * _SPAN), _before(index.known, index.at)
        latest = np.stack([index.came_to(past - back, first) for back in (1, 2, 3)])
        counted = np.maximum((~np.isnan(latest)).sum(axis=0), 1)
        recent = np.where(np.isnan(latest[0]), np.nan, np.nansum(latest, axis=0) / counted)
        came = [_before(key, index.at) - _before(key, index.deal * _SPAN) for key in index.came]
        member = [
            _before(since, index.at) - _before(since, index.deal * _SPAN)
            > _before(until, index.at) - _before(until, index.deal * _SPAN)
            for since, until in zip(index.joined, index.left, strict=True)
        ]
        labels = np.full(latest[0].shape, np.nan) if until_s is None else index.came_next(until_s)
        return cls(past - first, np.column_stack(came), latest[0], recent, np.column_stack(member), labels)


@dataclass(frozen=True)
class _Index:
    """Meetings as sorted keys (deal × span + second), so that every question is a binary search.

    deal, at: each snapshot's deal and key. known: the key of each meeting, in the order in which they became
    known; held: when each took place. came_s: from when each role (column) is known to have come to each of
    them, infinity for never. By role, sorted: came (keys of those times), joined and left (when it entered
    and left the buying group).
    """

    deal: IntArray
    at: IntArray
    known: IntArray
    held: IntArray
    came_s: FloatArray
    came: tuple[IntArray, ...]
    joined: tuple[IntArray, ...]
    left: tuple[IntArray, ...]

    @classmethod
    def of(cls, keys: pa.Table, history: MeetingHistory, roles: tuple[str, ...]) -> "_Index":
        ids: Any = pc.unique(keys["opportunity_id"])
        held, members = history.held, history.members
        deals, known = _place(held["opportunity_id"], ids), _seconds(held["known_s"])
        ours = np.flatnonzero(deals >= 0)
        ours = ours[np.lexsort((ours, known[ours], deals[ours]))]
        activities: Any = held["activity_id"]
        meeting = _place(history.came["activity_id"], activities.take(pa.array(ours)))
        role = _place(history.came["role"], pa.array(roles))
        used = (meeting >= 0) & (role >= 0)
        came_s = np.full((ours.size, len(roles)), np.inf)
        came_s[meeting[used], role[used]] = _seconds(history.came["known_s"])[used]
        of_member, in_role = _place(members["opportunity_id"], ids), _place(members["role"], pa.array(roles))
        until = np.asarray(members["until_s"].is_valid(), dtype=bool)
        deal = _place(keys["opportunity_id"], ids)

        def by_role(deals: IntArray, seconds: IntArray, role: IntArray) -> tuple[IntArray, ...]:
            key = np.where(deals >= 0, deals * _SPAN + seconds, -1)
            return tuple(np.sort(key[(role == k) & (deals >= 0)]) for k in range(len(roles)))

        return cls(
            deal=deal,
            at=deal * _SPAN + micros(keys["as_of"]) // 1_000_000,
            known=deals[ours] * _SPAN + known[ours],
            held=deals[ours] * _SPAN + _seconds(held["held_s"])[ours],
            came_s=came_s,
            came=by_role(
                deals[ours][meeting[used]], came_s[meeting[used], role[used]].astype(np.int64), role[used]
            ),
            joined=by_role(of_member, _seconds(members["since_s"]), in_role),
            left=by_role(of_member[until], _seconds(members["until_s"].drop_null()), in_role[until]),
        )

    def came_to(self, meeting: IntArray, first: IntArray) -> FloatArray:
        """Whether each role is known to have come to a meeting; NaN where it lies before the deal's first."""
        exists = meeting >= first
        if not exists.any():
            return np.full((meeting.size, self.came_s.shape[1]), np.nan)
        came = self.came_s[np.where(exists, meeting, 0)] < (self.at % _SPAN)[:, None]
        return np.where(exists[:, None], came.astype(np.float64), np.nan)

    def came_next(self, until_s: int) -> FloatArray:
        """Whether each role came to the next meeting; NaN where there is none by the cut-off."""
        meeting = np.argsort(self.held, kind="stable")
        meeting = meeting[self.known[meeting] % _SPAN < until_s]
        held = np.append(self.held[meeting], np.iinfo(np.int64).max)
        place = _before(held, self.at)
        soon = held[place] - self.at < HORIZON_DAYS * DAY
        labels = np.full((self.at.size, self.came_s.shape[1]), np.nan)
        labels[soon] = self.came_s[meeting[place[soon]]] < until_s
        return labels


def _before(sorted_keys: IntArray, keys: IntArray) -> IntArray:
    """How many of the sorted keys are smaller than each key."""
    return np.searchsorted(sorted_keys, keys, side="left").astype(np.int64)


def _seconds(column: Any) -> IntArray:
    return np.asarray(column.fill_null(0), dtype=np.int64)


def _place(values: Any, among: Any) -> IntArray:
    """Where each value stands among the others; -1 for none of them."""
    found: Any = pc.index_in(values, value_set=pc.cast(among, pa.string()))
    return np.asarray(found.fill_null(-1), dtype=np.int64)
