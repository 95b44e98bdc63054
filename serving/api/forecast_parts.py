"""What is asked and answered about the forecast."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.api.stamped import Answered, Given, Stamped

__all__ = [
    "ChangePart", "ChangeTerm", "DealMoved", "DealWon", "Factor", "Figure", "ForecastQuery", "ForecastView",
    "LeftOut", "Level", "PeriodKind", "ScenarioGiven", "ScenarioView",
]  # fmt: skip

Level = Literal["region", "segment", "owner", "product"]
PeriodKind = Literal["month", "quarter", "horizon"]
Part = Literal["open_deals", "not_yet_created", "bookings", "renewals", "consumption"]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="As 2026-03.")]


class ForecastQuery(BaseModel):
    """Which figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: tuple[Level, ...] = Field(default=(), description="Levels beside the total.")
    period: tuple[PeriodKind, ...] = Field(
        default=(), description="Kinds of period; all where none is named."
    )
    part: tuple[Part, ...] = Field(default=(), description="Parts; all where none is named.")
    horizon: int | None = Field(default=None, ge=1, le=60, description="Months, at most those of the run.")


class Figure(Answered):
    """What is expected of a part, at a key of a level, in a period; in the answer's `currency`."""

    part: Part = Field(description="bookings are open_deals and not_yet_created, within each draw.")
    level: str = Field(description="total, or one of those asked for.")
    key: str
    period_kind: PeriodKind
    period: str = Field(description="2026-11, 2026-Q4, or first..last month of the horizon.")
    mean: float | None = Field(description="Exact expectation; null where hidden, as are the others.")
    p10: float | None = Field(description="One in ten comes out below.")
    p50: float | None
    p90: float | None = Field(description="One in ten comes out above.")
    hidden: bool = Field(description="Withheld: it rests on too few deals, or would give away one that does.")


class LeftOut(Answered):
    """Rows that are in no total."""

    reason: str
    rows: int


class ChangeTerm(Answered):
    """One cause of a change."""

    term: str
    title: str
    amount: float = Field(description="In the answer's `currency`.")
    items: int | None = Field(description="Deals, contracts or series it concerns; null where it has none.")
    largest_id: str | None = Field(
        description="The deal, contract or series that moved most; may be withheld."
    )
    largest_amount: float | None
    sentence: str


class ChangePart(Answered):
    """What moved a part since the run before: before + Σ terms = after, over the months of both."""

    part: Part
    before: float
    after: float
    headline: str
    terms: tuple[ChangeTerm, ...] = Field(description="The largest first.")


class ForecastView(Stamped):
    """The forecast. Bookings and consumption measure different things and are never added up."""

    published: bool = Field(description="False where the run holds no forecast; all else is then empty.")
    currency: str | None = Field(description="The currency of every amount here.")
    horizon_months: int | None
    draws: int | None = Field(description="Draws of the simulation behind the quantiles.")
    levels: tuple[str, ...] = Field(description="Levels that can be asked for.")
    figures: tuple[Figure, ...]
    withheld: int = Field(description="How many of the figures are hidden.")
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    width_source: str | None = Field(description="Where the width of the intervals comes from.")
    previous_run_id: str | None
    change: tuple[ChangePart, ...] = Field(
        description="Since the run before; empty without a comparable one."
    )


class Factor(Given):
    """A factor on amounts: of everything, or of one key of a level."""

    factor: float = Field(ge=0, le=100, description="1.05 for 5 % more.")
    level: Literal["total", "region", "segment", "owner", "product", "account"] = "total"
    key: _Id | None = Field(default=None, description="Needed for every level but total.")

    @model_validator(mode="after")
    def _check_key(self) -> "Factor":
        if (self.key is None) != (self.level == "total"):
            raise ValueError("expected a key for a level, and none for total")
        return self


class DealWon(Given):
    """A deal that is won."""

    deal: _Id
    month: _Month | None = Field(default=None, description="Null: when it is expected to be.")


class DealMoved(Given):
    """A deal that, if it is won, is won in another month."""

    deal: _Id
    month: _Month | None = None
    days: float | None = Field(
        default=None, ge=-3660, le=3660, description="Days later than expected; negative: earlier."
    )

    @model_validator(mode="after")
    def _check_when(self) -> "DealMoved":
        if (self.month is None) == (self.days is None):
            raise ValueError("expected a month or days, one of the two")
        return self


_Most = Field(max_length=50)


class ScenarioGiven(Given):
    """What is changed. Chances answer to nothing unsaid: a higher price makes no win less likely."""

    price: Annotated[tuple[Factor, ...], _Most] = ()
    usage: Annotated[tuple[Factor, ...], _Most] = ()
    won: Annotated[tuple[DealWon, ...], _Most] = ()
    lost: Annotated[tuple[_Id, ...], _Most] = ()
    moved: Annotated[tuple[DealMoved, ...], _Most] = ()
    renewed: Annotated[tuple[_Id, ...], _Most] = ()
    churned: Annotated[tuple[_Id, ...], _Most] = ()
    by: tuple[Level, ...] = Field(default=(), description="Levels beside the total.")
    horizon: int | None = Field(default=None, ge=1, le=60, description="Months, at most those of the run.")

    @model_validator(mode="after")
    def _check_both(self) -> "ScenarioGiven":
        won, both = {one.deal for one in self.won}, set(self.renewed) & set(self.churned)
        if won & set(self.lost):
            raise ValueError(f"won and lost: expected one of the two for {min(won & set(self.lost))!r}")
        if both:
            raise ValueError(f"renewed and churned: expected one of the two for {min(both)!r}")
        return self


class ScenarioView(Stamped):
    """The forecast with and without what was changed, of the same draws."""

    currency: str
    horizon_months: int
    changes: tuple[str, ...] = Field(description="What was changed, in words.")
    without: tuple[Figure, ...] = Field(description="The forecast as it stands.")
    figures: tuple[Figure, ...] = Field(description="The forecast with the changes, in the same order.")
    withheld: int = Field(description="How many of the figures are hidden.")
