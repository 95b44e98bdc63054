"""What a reader asks of a published run: which deals, in which order, and why.

Reads only published files; light enough for a command that answers at once.
"""

import bisect
import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from data.errors import UsageError
from models.explain import Driver
from serving.published import Published

__all__ = ["DealScore", "Explanation", "Reason", "explain_deal", "rank_deals", "rows_of"]


@dataclass(frozen=True)
class DealScore:
    """An open deal and its probability of being won, 0 to 1.

    change: probability now minus that of the run before, where that run scored the deal.
    expected_close_on: ISO date. top_reason: the sentence that moves the score most.
    """

    rank: int
    opportunity_id: str
    name: str | None
    account: str | None
    owner_id: str | None
    owner: str | None
    stage: str | None
    amount: float | None
    currency: str | None
    expected_close_on: str | None
    p_win: float
    change: float | None
    top_reason: str | None


@dataclass(frozen=True)
class Reason:
    """What one feature adds to the log-odds of winning, and what a seller reads about it."""

    feature: str
    log_odds: float
    sentence: str


@dataclass(frozen=True)
class Explanation:
    """A deal's probability taken apart: base_log_odds + sum of the drivers = log_odds = logit(p_win)."""

    deal: DealScore
    as_of: datetime
    model_version: str
    base_log_odds: float
    log_odds: float
    evidence: str | None
    drivers: tuple[Driver, ...]
    up: tuple[Reason, ...]
    down: tuple[Reason, ...]


def rank_deals(
    published: Published, *, top: int | None = None, owner: str | None = None
) -> tuple[DealScore, ...]:
    """The open deals by probability, highest first; ties by id.

    top: at most so many. owner: only that owner's, by id or by name in any case. Raises UsageError
    with near matches if no open deal has such an owner.
    """
    ranked = _ranked(published)
    if owner is None:
        rows: list[dict[str, Any]] = ranked.slice(0, top).to_pylist()
    else:
        rows = [_row(ranked, place) for place in _places_of(ranked, owner)[:top]]
    return tuple(_deal(rank, row) for rank, row in enumerate(rows, start=1))


def explain_deal(published: Published, opportunity_id: str) -> Explanation:
    """Why the deal has its probability. Raises UsageError with near matches for an unknown deal."""
    ranked = _ranked(published)
    ids: list[Any] = ranked["opportunity_id"].to_pylist()
    if opportunity_id not in ids:
        raise UsageError(_unknown_deal(opportunity_id, ids, ranked["name"].to_pylist(), published))
    place = ids.index(opportunity_id)
    row = _row(ranked, place)
    drivers = [
        Driver(one["family"], one["title"], one["log_odds"])
        for one in rows_of(published.table("win_drivers.parquet"), opportunity_id)
    ]
    reasons = [
        Reason(one["feature"], one["log_odds"], one["sentence"])
        for one in rows_of(published.table("win_reasons.parquet"), opportunity_id)
    ]
    return Explanation(
        deal=_deal(place + 1, row),
        as_of=published.as_of,
        model_version=published.model_version,
        base_log_odds=row["base_log_odds"],
        log_odds=row["log_odds"],
        evidence=row["evidence"],
        drivers=tuple(drivers),
        up=tuple(one for one in reasons if one.log_odds > 0),
        down=tuple(one for one in reasons if one.log_odds < 0),
    )


# Below, rows are found by position: Arrow's filters and scalars import pandas, and readers should not wait.


def _ranked(published: Published) -> pa.Table:
    """The deals' facts with their scores, highest first; both files list the deals in the same order."""
    deals, scores = published.table("win_deals.parquet"), published.table("win_scores.parquet")
    for name in ("p_win", "log_odds", "base_log_odds"):
        deals = deals.append_column(name, scores[name])
    return deals.sort_by([("p_win", "descending"), ("opportunity_id", "ascending")])


def _row(table: pa.Table, place: int) -> dict[str, Any]:
    row: dict[str, Any] = table.slice(place, 1).to_pylist()[0]
    return row


def _places_of(deals: pa.Table, owner: str) -> list[int]:
    """Where the owner's deals stand."""
    wanted = owner.casefold()
    ids: list[Any] = deals["owner_id"].to_pylist()
    names: list[Any] = deals["owner"].to_pylist()
    held = [
        place
        for place, known in enumerate(zip(ids, names, strict=True))
        if wanted in {text.casefold() for text in known if text}
    ]
    if held or not ids:
        return held
    known_owners = sorted({text for text in (*ids, *names) if text})
    near = difflib.get_close_matches(owner, known_owners, n=3, cutoff=0.5)
    remedy = f"Near matches: {', '.join(near)}." if near else "`dealcast deals` lists the owners."
    raise UsageError(f"--owner: no open deal belongs to {owner!r}. {remedy}")


def rows_of(table: pa.Table, subject_id: str, key: str = "opportunity_id") -> list[dict[str, Any]]:
    """A deal's rows in a table that is sorted by deal; a contract's with its key."""
    column: Any = table[key]
    every = range(table.num_rows)
    first = bisect.bisect_left(every, subject_id, key=lambda place: column[place].as_py())
    last = bisect.bisect_right(every, subject_id, key=lambda place: column[place].as_py())
    rows: list[dict[str, Any]] = table.slice(first, last - first).to_pylist()
    return rows


def _deal(rank: int, row: dict[str, Any]) -> DealScore:
    before, closes = row["previous_p_win"], row["expected_close_on"]
    return DealScore(
        rank=rank,
        opportunity_id=row["opportunity_id"],
        name=row["name"],
        account=row["account"],
        owner_id=row["owner_id"],
        owner=row["owner"],
        stage=row["stage"],
        amount=row["amount"],
        currency=row["currency"],
        expected_close_on=closes.isoformat() if closes is not None else None,
        p_win=row["p_win"],
        change=row["p_win"] - before if before is not None else None,
        top_reason=row["top_reason"],
    )


def _unknown_deal(asked: str, ids: list[Any], names: list[Any], published: Published) -> str:
    near = difflib.get_close_matches(asked, ids, n=3, cutoff=0.6)
    by_name = {name.casefold(): one for one, name in zip(ids, names, strict=True) if name}
    near += [by_name[name] for name in difflib.get_close_matches(asked.casefold(), by_name, n=3, cutoff=0.6)]
    remedy = (
        f"Near matches: {', '.join(dict.fromkeys(near))}."
        if near
        else "`dealcast deals` lists the open deals."
    )
    return (
        f"{asked!r} is not among the {len(ids)} deals that were open at {published.as_of:%Y-%m-%d %H:%M} UTC "
        f"(run {published.run_id}). {remedy}"
    )
