"""What people type into the CRM: facts among small talk."""

import numpy as np
import pyarrow as pa

from data.simulator.columns import Values, glue, pick
from data.simulator.events import Events
from data.simulator.phrases import CLOSERS, NEUTRAL, OPENERS
from data.simulator.rng import Bools, Ints

__all__ = ["bodies"]


def bodies(rng: np.random.Generator, row: Ints, tells: Bools, events: Events) -> Values:
    """The note of each activity: an opener, up to two facts of its week, small talk, a closer.

    row: the path row of each activity, sorted. tells: written after the fact, so that it may tell it (the
    entry of a meeting still to come may not).
    """
    n, candidates = len(row), np.flatnonzero(tells)
    first = np.searchsorted(row[candidates], events.row, side="left")
    count = np.searchsorted(row[candidates], events.row, side="right") - first
    starts = (
        np.concatenate([[True], events.row[1:] != events.row[:-1]]) if len(events.row) else np.zeros(0, bool)
    )
    index = np.arange(len(events.row))
    rank = index - np.maximum.accumulate(np.where(starts, index, 0)) if len(index) else index
    slots = []
    for slot in (0, 1):
        chosen = np.flatnonzero(rank // np.maximum(count, 1) == slot)
        where = np.full(n, -1)
        where[candidates[first[chosen] + rank[chosen] % count[chosen]]] = chosen
        slots.append(where)
    small_talk = np.where((slots[0] < 0) | (rng.random(n) < 0.3), rng.integers(0, len(NEUTRAL), n), -1)
    facts = [events.text.take(pa.array(where, mask=where < 0)) for where in slots]
    gap = pick((" ",), np.where((slots[0] >= 0) & (small_talk >= 0), 0, -1))
    gap_facts = pick((" ",), np.where(slots[1] >= 0, 0, -1))
    opener = pick(OPENERS, rng.integers(0, len(OPENERS), n))
    closer = pick(CLOSERS, rng.integers(0, len(CLOSERS), n))
    return glue(opener, facts[0], gap_facts, facts[1], gap, pick(NEUTRAL, small_talk), closer)
