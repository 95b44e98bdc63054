"""What a list of deals is cut and sorted by: every name comes from a fixed list."""

from datetime import timedelta
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.arrays import BoolArray, IntArray
from models.forecast.groups import UNKNOWN
from serving.access.gate import Seen
from serving.access.policy import people_in
from serving.live import HeldRun

__all__ = ["DealQuery", "DealSort", "ordered", "wanted"]

DealSort = Literal[
    "-p_win", "p_win", "-change", "change", "-amount", "amount", "expected_close_on", "-expected_close_on",
    "name", "-name", "account", "-account", "owner", "-owner", "stage", "-stage",
]  # fmt: skip
_Text = Annotated[str, Field(max_length=200)]
_Texts = Annotated[tuple[_Text, ...], Field(max_length=50)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Points = Annotated[float, Field(ge=-100, le=100)]

_GROUPED = ("owner", "region", "segment", "stage", "type")


class DealQuery(BaseModel):
    """Filters that all hold at once; within one, any of its values. An unknown text is "(unknown)"."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    owner: _Texts = Field(default=(), description="Ids of owners.")
    team: _Text | None = Field(
        default=None, description="Id of a manager: deals of theirs and of all who report to them."
    )
    region: _Texts = Field(default=(), description="Regions of the account.")
    segment: _Texts = Field(default=(), description="Segments of the account.")
    stage: _Texts = Field(default=(), description="Stages at as_of.")
    type: _Texts = Field(default=(), description="Among new, expansion, renewal.")
    p_min: _Share | None = Field(default=None, description="Smallest probability, 0 to 1.")
    p_max: _Share | None = Field(default=None, description="Largest probability, 0 to 1.")
    change_min: _Points | None = Field(
        default=None, description="Smallest change since the run before, in points."
    )
    change_max: _Points | None = Field(
        default=None, description="Largest change since the run before, in points."
    )
    closing_within: int | None = Field(
        default=None,
        ge=0,
        le=3660,
        description="Expected to close within so many days of as_of, overdue ones included.",
    )
    q: str | None = Field(
        default=None, max_length=100, description="Text in the name, the account or the id, in any case."
    )
    sort: DealSort = Field(
        default="-p_win", description="Column to sort by; - for descending. Unknown values come last."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Deals on a page.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")

    @model_validator(mode="after")
    def _check_ranges(self) -> "DealQuery":
        for low, high in (("p_min", "p_max"), ("change_min", "change_max")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ValueError(
                    f"{low} and {high}: expected the first to be the smaller, found {least} and {most}"
                )
        return self


def wanted(seen: Seen, query: DealQuery) -> BoolArray:
    """Which of `run.deals` the viewer sees and the query asks for; shape (n,)."""
    run, deals = seen.run, seen.run.deals
    kept = seen.scope.mask(run).copy()
    for name in _GROUPED:
        values = getattr(query, name)
        if values:
            column = "owner_id" if name == "owner" else name
            kept &= deals.among(column, {None if value == UNKNOWN else value for value in values})
    if query.team is not None:
        kept &= deals.among("owner_id", people_in(run).team(query.team))
    for values, least, most, unit in (
        (deals.p_win, query.p_min, query.p_max, 1.0),
        (deals.change, query.change_min, query.change_max, 100.0),
    ):
        if least is not None:
            kept &= values * unit >= least
        if most is not None:
            kept &= values * unit <= most
    if query.closing_within is not None:
        last = np.datetime64((run.as_of + timedelta(days=query.closing_within)).date(), "D")
        kept &= deals.expected_close_on <= last
    if query.q and query.q.strip():
        kept &= _holding(run, query.q.strip().casefold())
    return kept


def ordered(run: HeldRun, sort: DealSort) -> tuple[IntArray, IntArray]:
    """All deals in that order, as places of the ranking; and each deal's place in it.

    Unknown values come last in both directions; ties by id, so the order is one and the same every time.
    """
    return run.memo(("deal order", sort), lambda: _order(run, sort), large=False)


def _order(run: HeldRun, sort: DealSort) -> tuple[IntArray, IntArray]:
    deals = run.deals
    name, descending = sort.lstrip("-"), sort.startswith("-")
    held = getattr(deals, name)
    if held.dtype == object:
        levels = {text: place for place, text in enumerate(sorted({one for one in held if one}, key=_key))}
        values = np.array([levels.get(text, np.nan) for text in held], dtype=np.float64)
    else:
        values = held.astype("datetime64[D]").astype(np.float64) if held.dtype.kind == "M" else held.copy()
        values[np.isnat(held) if held.dtype.kind == "M" else np.isnan(held)] = np.nan
    by_value = np.where(np.isnan(values), np.inf, -values if descending else values)
    order = np.lexsort((deals.published, by_value)).astype(np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return order, place


def _key(text: str) -> tuple[str, str]:
    return text.casefold(), text


def _holding(run: HeldRun, text: str) -> BoolArray:
    """Which deals have the text in their name, account or id."""
    deals = run.deals
    searched = run.memo(
        "searched",
        lambda: [
            "\n".join(part for part in parts if part).casefold()
            for parts in zip(deals.name, deals.account, deals.ids, strict=True)
        ],
    )
    found: BoolArray = np.fromiter((text in held for held in searched), np.bool_, len(searched))
    return found
