"""What was found about segments, and what may be said of it in plain words."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

__all__ = [
    "CONTEXTS", "CUT_CONTEXTS", "Boundary", "Gain", "Level", "SegmentReport", "Segmentation", "Versus",
    "named", "verdicts",
]  # fmt: skip

CONTEXTS = ("base_rate", "stage_and_age")
"""What is known before the segment."""

CUT_CONTEXTS = (*CONTEXTS, "size_trend")
"""The same of a boundary, and a smooth curve over log headcount, which needs no boundary."""

_NAMES = {
    "decision_structure": "decision structure as given",
    "decision_structure_inferred": "decision structure as given or inferred",
    "headcount_bands": "headcount bands",
}
_AT_MOST = 0.05
"""A boundary stands out if at most this share of random ones gains as much."""


@dataclass(frozen=True)
class Gain:
    """How much the log-loss falls out of time, in nats; interval 2.5 % to 97.5 %, lower_bound 5 %.

    interval and lower_bound are None where a single deal leaves nothing to draw.
    """

    difference: float
    interval: tuple[float, float] | None
    lower_bound: float | None

    @property
    def is_clear(self) -> bool:
        """Better by more than noise."""
        return self.lower_bound is not None and self.lower_bound > 0


@dataclass(frozen=True)
class Level:
    """One segment: deals it was fitted on and judged by, shares won there, and the share it is given."""

    name: str
    fitted_deals: int
    fitted_share_won: float | None
    smoothed_share_won: float
    test_deals: int
    test_share_won: float | None


@dataclass(frozen=True)
class Segmentation:
    """A way to segment deals; `gains` by what is known before. `absent` says why nothing was tested."""

    name: str
    levels: tuple[Level, ...]
    gains: dict[str, Gain]
    absent: str | None = None


@dataclass(frozen=True)
class Boundary:
    """One boundary (or a set of them) among random ones, in one context.

    at_least: share of random boundaries that gain as much or more, this one counted among them.
    random: least, quartiles and greatest of their gains. `absent` says why nothing was tested.
    """

    boundaries: tuple[int, ...]
    context: str
    gain: Gain | None
    at_least: float | None
    random: tuple[float, ...]
    n_random: int
    absent: str | None = None

    @property
    def stands_out(self) -> bool:
        """Gains more than noise, and as nearly no random boundary does."""
        if self.gain is None or self.at_least is None:
            return False
        return self.gain.is_clear and self.at_least <= _AT_MOST


@dataclass(frozen=True)
class Versus:
    """How much lower the log-loss is with the first segmentation than with the second."""

    first: str
    second: str
    context: str
    gain: Gain


@dataclass(frozen=True)
class SegmentReport:
    """What was tested, on how many deals, and what came out."""

    as_of: datetime
    test_from: datetime
    fitted_deals: int
    test_deals: int
    base_rate: float
    segmentations: tuple[Segmentation, ...]
    versus: tuple[Versus, ...]
    boundaries: tuple[Boundary, ...]
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the verdicts."""
        return {**asdict(self), "verdicts": list(verdicts(self))}


def named(name: str) -> str:
    """A segmentation's name in words."""
    return _NAMES.get(name, name)


def verdicts(report: SegmentReport) -> tuple[str, ...]:
    """Plain sentences: what separates won from lost deals, which boundary stands out, what that rests on."""
    return (
        *(_of_segmentation(one) for one in report.segmentations),
        *_of_versus(report.versus),
        *_of_boundaries(report.boundaries),
        _rests_on(report),
    )


def _of_segmentation(one: Segmentation) -> str:
    name = named(one.name)
    if one.absent:
        return f"{_capital(name)}: {one.absent}, so nothing is said about it."
    over, beyond = (one.gains[context] for context in CONTEXTS)
    if not over.is_clear:
        return (
            f"{_capital(name)}: no gain beyond noise over the base rate ({_figure(over)}); "
            f"beyond stage and age {_figure(beyond)}."
        )
    rest = "also beyond" if beyond.is_clear else "but not clearly beyond"
    return (
        f"{_capital(name)}: separates won from lost deals, log-loss lower by {_figure(over)} than the base "
        f"rate's; {rest} stage and age ({_figure(beyond)})."
    )


def _of_versus(versus: tuple[Versus, ...]) -> tuple[str, ...]:
    said = []
    for one in versus:
        if one.context != CONTEXTS[0]:
            continue
        first, second = _capital(named(one.first)), named(one.second)
        interval = one.gain.interval
        if one.gain.is_clear:
            said.append(f"{first} tells more than {second}: {_figure(one.gain)}.")
        elif interval and interval[1] < 0:
            said.append(f"{first} tells less than {second}: {_figure(one.gain)}.")
        else:
            said.append(f"{first} and {second} cannot be told apart: {_figure(one.gain)}.")
    return tuple(said)


def _of_boundaries(boundaries: tuple[Boundary, ...]) -> tuple[str, ...]:
    single = [one for one in boundaries if len(one.boundaries) == 1 and one.context == CONTEXTS[0]]
    tested = [one for one in single if not one.absent]
    said = [
        f"The boundary at {_words(one)} could not be tested: {one.absent}." for one in single if one.absent
    ]
    if not tested:
        return (
            f"No headcount boundary could be tested: {single[0].absent if single else 'none was named'}.",
        )
    beyond = {one.boundaries for one in boundaries if one.context == "size_trend" and one.stands_out}
    stands = [one for one in tested if one.stands_out]
    if not any(one.boundaries in beyond for one in stands):
        shares = ", ".join(f"{_words(one)}: {one.at_least:.0%}" for one in tested)
        said.append(
            "No headcount boundary matters more than a random one does once a smooth effect of size is "
            "allowed for."
            if stands
            else "No headcount boundary matters more than a random one."
        )
        said.append(f"Share of random boundaries that gain as much or more: {shares}.")
    said += [_of_boundary(one, one.boundaries in beyond, len(tested)) for one in stands]
    return tuple(said)


def _of_boundary(one: Boundary, is_beyond_size: bool, tested: int) -> str:
    gains = (
        f"The boundary at {_words(one)} gains {_figure(one.gain)}; at most {one.at_least:.1%} of "
        f"{one.n_random} random ones gain as much"
    )
    if is_beyond_size:
        return f"{gains}, also beyond a smooth effect of size. Of {tested} tested, one may do so by chance."
    return f"{gains}, but not beyond a smooth effect of size: size counts, this very cut does not."


def _rests_on(report: SegmentReport) -> str:
    return (
        f"This rests on {report.test_deals:,} deals seen from {report.test_from:%Y-%m-%d} on, judged "
        f"by shares learnt on {report.fitted_deals:,} earlier ones; it is association, in this data."
    )


def _words(one: Boundary) -> str:
    return " / ".join(f"{count:,}" for count in one.boundaries)


def _figure(gain: Gain | None) -> str:
    if gain is None:
        return "no figure"
    if gain.interval is None:
        return f"{gain.difference:.4f}, no interval"
    return f"{gain.difference:.4f} ({gain.interval[0]:.4f} to {gain.interval[1]:.4f})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
