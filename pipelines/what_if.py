"""What a user asks of a forecast, from the command's texts: periods, levels, horizon, scenario changes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from data.errors import UsageError
from models.forecast.months import MONTH, QUARTER
from models.forecast.scenario import (
    Change,
    Churned,
    DealLost,
    DealMoved,
    DealWon,
    PriceChange,
    Renewed,
    UsageGrowth,
    change_told,
)

__all__ = ["ACCOUNT", "LEVELS", "Asked", "asked_of", "change_told", "changes_of", "months_asked"]

ACCOUNT = "account"
LEVELS = ("region", "segment", "product", "owner", ACCOUNT)
_PERIODS = (MONTH, QUARTER)


@dataclass(frozen=True)
class Asked:
    """levels: beside the total. periods: kinds shown beside the whole horizon."""

    levels: tuple[str, ...]
    periods: tuple[str, ...]


def asked_of(by: str) -> Asked:
    """Levels and periods from a list such as "region,month"; quarters where no period is named.

    >>> asked_of("region, month")
    Asked(levels=('region',), periods=('month',))
    """
    names = [name.strip().lower() for name in by.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*LEVELS, *_PERIODS)]
    if unknown:
        raise UsageError(
            f"--by: expected some of {', '.join((*LEVELS, *_PERIODS))}, found {unknown[0]!r}. Example: "
            "--by region,month"
        )
    periods = tuple(name for name in _PERIODS if name in names)
    return Asked(tuple(name for name in LEVELS if name in names), periods or (QUARTER,))


def months_asked(horizon: str | None) -> int | None:
    """Months from a text such as 12m; None where none was given."""
    if horizon is None:
        return None
    found = re.fullmatch(r"(\d{1,2})\s*m?", horizon.strip().lower())
    if not found or not int(found[1]):
        raise UsageError(f"--horizon: expected months such as 12m, found {horizon!r}.")
    return int(found[1])


def changes_of(
    *, won: Sequence[str] = (), lost: Sequence[str] = (), move: Sequence[str] = (),
    renewed: Sequence[str] = (), churned: Sequence[str] = (), price: Sequence[str] = (),
    usage: Sequence[str] = (),
) -> tuple[Change, ...]:  # fmt: skip
    """The scenario's changes, in the order of the arguments.

    won: ID or ID=2026-03. lost, renewed, churned: ID. move: ID=2026-03, ID=+30d or ID=-2w. price, usage: a
    factor, 1.05, or of one key of a level, region:EMEA=1.05. Raises UsageError that names the option.
    """
    winners = [_won(text) for text in won]
    _refuse_both("--won", [change.deal for change in winners], "--lost", lost)
    _refuse_both("--renewed", renewed, "--churned", churned)
    return (
        *winners,
        *(DealLost(deal) for deal in lost),
        *_each(move, _moved),
        *(Renewed(contract) for contract in renewed),
        *(Churned(contract) for contract in churned),
        *_each(price, lambda text: PriceChange(*_factor("--price", text))),
        *_each(usage, lambda text: UsageGrowth(*_factor("--usage", text))),
    )


def _refuse_both(option: str, ids: Sequence[str], other: str, others: Sequence[str]) -> None:
    both = sorted(set(ids) & set(others))
    if both:
        raise UsageError(f"{option} and {other}: expected one of the two for {both[0]!r}, found both.")


def _each(texts: Iterable[str], read: Callable[[str], Change]) -> list[Change]:
    return [read(text) for text in texts]


def _won(text: str) -> DealWon:
    deal, _, month = text.partition("=")
    if not deal or (month and not re.fullmatch(r"\d{4}-\d{2}", month)):
        raise UsageError(f"--won: expected a deal, or a deal and a month as D1=2026-03, found {text!r}.")
    return DealWon(deal, month or None)


def _moved(text: str) -> Change:
    deal, _, when = text.partition("=")
    if deal and re.fullmatch(r"\d{4}-\d{2}", when):
        return DealMoved(deal, month=when)
    found = re.fullmatch(r"([+-]\d{1,3})([dw])", when)
    if not deal or not found:
        raise UsageError(
            f"--move: expected a deal with a month or a shift, as D1=2026-03, D1=+30d or "
            f"D1=-2w, found {text!r}."
        )
    return DealMoved(deal, days=float(found[1]) * (7 if found[2] == "w" else 1))


def _factor(option: str, text: str) -> tuple[float, str, str] | tuple[float]:
    """A factor, and the level and key it holds for where the text names them."""
    place, _, number = text.rpartition("=")
    level, _, key = place.partition(":")
    try:
        factor = float(number)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 100 or (place and (level not in LEVELS or not key)):
        raise UsageError(
            f"{option}: expected a factor from 0 to 100, as 1.05, or one of a part, as region:EMEA=1.05; "
            f"found {text!r}. Levels: {', '.join(LEVELS)}."
        )
    return (factor, level, key) if place else (factor,)
