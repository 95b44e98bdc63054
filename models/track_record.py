"""How past deals with a like probability ended: the evidence note beside a score.

Plain Python, so that readers of published scores can use it at no cost.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Bin", "evidence_note", "track_record", "wilson_interval"]

_BINS = 10
_ENOUGH = 10
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Bin:
    """Closed deals that were once scored in [low, high), and how many of them were won."""

    low: float
    high: float
    deals: int
    won: int


def track_record(deals: Iterable[int], won: Iterable[bool], p_win: Iterable[float]) -> tuple[Bin, ...]:
    """Ten bins of equal width from rows of closed deals, row by row.

    A deal counts once in each bin that it was scored in, however long it stayed there.
    """
    members: list[dict[int, bool]] = [{} for _ in range(_BINS)]
    for deal, outcome, p in zip(deals, won, p_win, strict=True):
        members[_place(p)][int(deal)] = bool(outcome)
    return tuple(
        Bin(place / _BINS, (place + 1) / _BINS, len(seen), sum(seen.values()))
        for place, seen in enumerate(members)
    )


def evidence_note(
    p_win: float, record: Sequence[Bin], *, cases: str = "deals", ended: str = "were won"
) -> str:
    """What became of past deals that were scored like this one, in a sentence.

    cases, ended: the words for what is scored, and for the outcome that is hoped for.

    >>> evidence_note(0.34, [Bin(i / 10, (i + 1) / 10, 143, 51) for i in range(10)])
    'Of 143 past deals scored 30–40 %, 36 % were won (28–44 %).'
    >>> evidence_note(0.34, ())
    'No past deals to compare with.'
    """
    if not record:
        return f"No past {cases} to compare with."
    held = record[_place(p_win)]
    scored = f"scored {held.low * 100:.0f}–{held.high * 100:.0f} %"
    if held.deals < _ENOUGH:
        return f"Only {held.deals} past {cases} were {scored}: too few to say how such {cases} end."
    low, high = (round(100 * end) for end in wilson_interval(held.won, held.deals))
    share = round(100 * held.won / held.deals)
    return f"Of {held.deals} past {cases} {scored}, {share} % {ended} ({low}–{high} %)."


def wilson_interval(won: int, deals: int) -> tuple[float, float]:
    """95 % interval of a share.

    Source: Wilson (1927).

    >>> [round(x, 3) for x in wilson_interval(5, 10)]
    [0.237, 0.763]
    """
    share, z2 = won / deals, _Z95**2
    centre = (share + z2 / (2 * deals)) / (1 + z2 / deals)
    half = _Z95 / (1 + z2 / deals) * math.sqrt(share * (1 - share) / deals + z2 / (4 * deals**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _place(p_win: float) -> int:
    return min(int(p_win * _BINS), _BINS - 1)
