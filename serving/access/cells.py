"""Which cells of a two-way breakdown to hide so that no few rows can be told from what is left.

The totals of two levels (regions, segments) are a graph: a key is a node, the rows of a region and a segment
an edge between the two, as heavy as there are rows. Whoever adds and subtracts shown totals is left with rows
across a cut, and any cut can be reached: so nobody learns of fewer rows than the lightest cut has.
Hidden keys of a level are one node, since the level's total less the others tells their sum.
Source: cell disclosure in two-way tables as a network, Gusfield (1988), SIAM J. Comput. 17(3).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from models.arrays import BoolArray, IntArray

__all__ = ["hidden_jointly", "hidden_keys", "light_cut"]

_REST = "\x00rest"
_Node = tuple[int, str]


def hidden_keys(counts: Mapping[str, int], minimum: int) -> frozenset[str]:
    """The keys of one level to hide, where their total is shown.

    counts: rows behind each key. A key of 1 to minimum - 1 rows is hidden; then the smallest others, until
    two at least are hidden and together rest on the minimum: the total less what is shown then tells no
    more than a cell that could be shown. Empty keys hide nothing and are shown.

    >>> sorted(hidden_keys({"north": 2, "south": 9, "west": 7, "east": 0}, 5))
    ['north', 'west']
    """
    ranked = sorted((count, key) for key, count in counts.items() if count > 0)
    hidden = {key for count, key in ranked if count < minimum}
    if not hidden:
        return frozenset()
    for _, key in ranked:
        if len(hidden) > 1 and sum(counts[one] for one in hidden) >= minimum:
            break
        hidden.add(key)
    return frozenset(hidden)


def hidden_jointly(
    first: Sequence[str], second: Sequence[str], minimum: int
) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of two levels to hide, where the totals of both and the sum of all are shown.

    first, second: each row's key in the one and the other level. While some cut is lighter than the minimum,
    the smallest key at it is hidden too.
    """
    levels = (first, second)
    counts = [Counter(keys) for keys in levels]
    hidden = [set(hidden_keys(count, minimum)) for count in counts]
    while True:
        nodes, weights = _graph(levels, hidden)
        cut = light_cut(weights, minimum)
        if cut is None:
            return frozenset(hidden[0]), frozenset(hidden[1])
        crossed = (weights[np.ix_(cut, ~cut)] > 0).any(axis=1)
        over = (weights[np.ix_(~cut, cut)] > 0).any(axis=1)
        at_cut = [nodes[place] for place in (*np.flatnonzero(cut)[crossed], *np.flatnonzero(~cut)[over])]
        shown = [one for one in at_cut if one[1] != _REST] or [one for one in nodes if one[1] != _REST]
        if not shown:  # fewer rows than the minimum in all: every key is hidden already
            return frozenset(hidden[0]), frozenset(hidden[1])
        level, key = min(shown, key=lambda one: (counts[one[0]][one[1]], one))
        hidden[level].add(key)


def light_cut(weights: IntArray, minimum: int) -> BoolArray | None:
    """The nodes on one side of a cut of positive weight below the minimum; None if there is none.

    weights: shape (n, n), symmetric, 0 without an edge. Source: Stoer and Wagner (1997), "A simple min-cut
    algorithm", within each connected part.
    """
    for part in _parts(weights):
        held = weights[np.ix_(part, part)].astype(np.int64)
        np.fill_diagonal(held, 0)
        groups = [[int(one)] for one in part]
        while len(groups) > 1:
            last, before, weight = _phase(held)
            if weight < minimum:
                side = np.zeros(len(weights), dtype=np.bool_)
                side[groups[last]] = True
                return side
            held[before] += held[last]
            held[:, before] += held[:, last]
            held[before, before] = 0
            groups[before] += groups[last]
            del groups[last]
            held = np.delete(np.delete(held, last, axis=0), last, axis=1)
    return None


def _phase(weights: IntArray) -> tuple[int, int, int]:
    """The node added last, the one before it, and the weight of the cut that sets the last one apart."""
    tight, last, before = weights[0].copy(), 0, 0
    added = np.zeros(len(weights), dtype=np.bool_)
    added[0] = True
    for _ in range(len(weights) - 1):
        before, last = last, int(np.argmax(np.where(added, -1, tight)))
        weight = int(tight[last])
        added[last] = True
        tight += weights[last]
    return last, before, weight


def _parts(weights: IntArray) -> list[IntArray]:
    """The connected parts, as places of their nodes."""
    left, found = set(range(len(weights))), []
    while left:
        ahead = [min(left)]
        part = set(ahead)
        while ahead:
            new = set(np.flatnonzero(weights[ahead.pop()]).tolist()) - part
            part |= new
            ahead.extend(new)
        left -= part
        found.append(np.array(sorted(part), dtype=np.int64))
    return found


def _graph(levels: Sequence[Sequence[str]], hidden: Sequence[set[str]]) -> tuple[list[_Node], IntArray]:
    """The nodes, hidden keys of a level as one, and how many rows each two of them share."""
    ends = [
        [(level, _REST if key in hidden[level] else key) for key in keys] for level, keys in enumerate(levels)
    ]
    nodes = sorted({*ends[0], *ends[1]})
    places = {node: place for place, node in enumerate(nodes)}
    weights = np.zeros((len(nodes), len(nodes)), dtype=np.int64)
    for pair, rows in Counter(zip(*ends, strict=True)).items():
        one, other = places[pair[0]], places[pair[1]]
        weights[one, other] += rows
        weights[other, one] += rows
    return nodes, weights
