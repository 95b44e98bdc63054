"""The forecast of a published run: simulated from its tables, asked what if, compared with the run before.

Reads published files alone. Draws are seeded, so a reader who asks again gets the published figures again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from data.errors import PublishError
from models.forecast.change import Outcome, PartChange, Rescored, Standing, change_between
from models.forecast.draws import Draws
from models.forecast.groups import TOTAL
from models.forecast.scenario import Change, scenario
from models.forecast.shocks import BOOKINGS, NOT_YET_CREATED, OPEN_DEALS
from models.forecast.simulate import simulate
from models.forecast.telling import change_sentences, change_table
from serving.forecast_book import ABOUT, standing_of
from serving.published import Published

__all__ = [
    "BOOKINGS_FILE",
    "CHANGE_FILE",
    "CLOSED_FILE",
    "SUMMARY_FILE",
    "Forecast",
    "ForecastChange",
    "forecast",
    "forecast_change",
    "forecast_tables",
    "has_forecast",
]

BOOKINGS_FILE = "bookings_forecast.parquet"
"""Bookings (open deals, not yet created, both) by level, key, month, quarter and horizon."""
SUMMARY_FILE = "forecast_summary.parquet"
"""Every part's total, and renewals and consumption by level and key; columns as in bookings_forecast."""
CHANGE_FILE = "forecast_change.parquet"
"""The change of each part since the run before; see `models.forecast.telling.change_table`."""
CLOSED_FILE = "closed_deals.parquet"
"""Deals that closed in the year before as_of: opportunity_id, won, closed_at, amount, currency."""

_BOOKED = (OPEN_DEALS, NOT_YET_CREATED, BOOKINGS)


@dataclass(frozen=True)
class Forecast:
    """A run's forecast at its `as_of`. standing: its book and names. draws: of the book."""

    run_id: str
    standing: Standing
    draws: Draws

    @property
    def currency(self) -> str:
        """The currency of every amount."""
        return self.standing.book.currency

    @property
    def left_out(self) -> Mapping[str, int]:
        """Rows that are in no total, by reason in words."""
        return self.standing.book.left_out

    def figures(self, by: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Mean, P10, P50 and P90 by part, level, key and period; see `Draws.figures`."""
        return self.draws.figures(by)

    def scenario(self, changes: Sequence[Change]) -> "Forecast":
        """The forecast with some things changed: only what they touch is drawn again."""
        after = scenario(self.standing.book, self.draws, changes)
        held = self.standing
        standing = Standing(after.book, held.series, held.deal_rates, held.contract_rates, held.names)
        return Forecast(self.run_id, standing, after)


@dataclass(frozen=True)
class ForecastChange:
    """What moved the forecast since another run: per part its terms, which add up exactly."""

    before_run: str
    after_run: str
    currency: str
    parts: tuple[PartChange, ...]
    names: Mapping[str, str]

    def sentences(self) -> dict[str, list[str]]:
        """By part: the headline, then a sentence a term, the largest first. Names are CRM text."""
        return {part.part: change_sentences(part, self.currency, self.names) for part in self.parts}

    def table(self) -> pa.Table:
        """The terms as rows."""
        return change_table(self.parts, self.currency, self.names)


def has_forecast(published: Published) -> bool:
    """Whether the run holds what a forecast needs."""
    return ABOUT in published.manifest["about"]


def forecast(
    published: Published,
    *,
    by: Sequence[str] | None = None,
    horizon_months: int | None = None,
    draws: int | None = None,
    seed: int | None = None,
) -> Forecast:
    """The run's forecast, simulated anew from its files.

    by: levels beside the total (region, segment, owner, product, account), by default all but accounts.
    horizon_months, draws, seed: by default the run's own, which give the published figures.
    Raises PublishError for a run without a forecast, UsageError for an unknown level.
    """
    about = _about(published)
    standing = standing_of(_files(published), published.as_of, about, horizon_months=horizon_months)
    made = simulate(
        standing.book,
        draws=about["draws"] if draws is None else draws,
        seed=about["seed"] if seed is None else seed,
        by=by,
    )
    return Forecast(published.run_id, standing, made)


def forecast_tables(
    tables: Mapping[str, pa.Table],
    *,
    as_of: datetime,
    about: Mapping[str, Any],
    before: Published | None = None,
    rescored: Rescored | None = None,
) -> dict[str, pa.Table]:
    """What is published about the forecast, by file name.

    tables: what the run publishes, by file name. about: see `forecast_about`. before: the run published last,
    for the change since then; left out where it has no forecast, lies later, or counts in another currency.
    rescored: what its model says of this run's rows.
    """
    standing = standing_of(tables.get, as_of, about)
    summary = simulate(standing.book, draws=about["draws"], seed=about["seed"]).summary()
    parts, levels = summary["part"].to_pylist(), summary["level"].to_pylist()
    booked = [part in _BOOKED for part in parts]
    told = [level == TOTAL or not its for level, its in zip(levels, booked, strict=True)]
    made = {BOOKINGS_FILE: _kept(summary, booked), SUMMARY_FILE: _kept(summary, told)}
    if before is not None and _comparable(before, as_of, about):
        earlier = standing_of(_files(before), before.as_of, _about(before))
        parts_changed = change_between(
            earlier, standing, outcomes=_outcomes(tables.get, about), rescored=rescored
        )
        names = {**earlier.names, **standing.names}
        made[CHANGE_FILE] = change_table(parts_changed, standing.book.currency, names)
    return made


def forecast_change(
    before: Published, after: Published, *, rescored: Rescored | None = None
) -> ForecastChange:
    """What moved the forecast from one published run to a later one.

    How deals ended is read from the later run's closed_deals; where it has none, they are "no longer open".
    rescored: what the earlier run's model says of the later one's rows; without it a change of model is part
    of the terms for probabilities and timing. Raises UsageError if the runs stand in the wrong order or count
    in different currencies, PublishError for a run without a forecast.
    """
    about = _about(after)
    earlier = standing_of(_files(before), before.as_of, _about(before))
    later = standing_of(_files(after), after.as_of, about)
    outcomes = _outcomes(_files(after), about)
    parts = change_between(earlier, later, outcomes=outcomes, rescored=rescored)
    names = {**earlier.names, **later.names}
    return ForecastChange(before.run_id, after.run_id, later.book.currency, parts, names)


def _comparable(before: Published, as_of: datetime, about: Mapping[str, Any]) -> bool:
    held = before.manifest["about"].get(ABOUT)
    return held is not None and before.as_of <= as_of and held["currency"] == about["currency"]


def _about(published: Published) -> Mapping[str, Any]:
    if not has_forecast(published):
        raise PublishError(
            f"{published.folder}: this run holds no forecast. Publish again with `dealcast run`."
        )
    held: Mapping[str, Any] = published.manifest["about"][ABOUT]
    return held


def _files(published: Published) -> Callable[[str], pa.Table | None]:
    held = published.manifest["files"]
    return lambda name: published.table(name) if name in held else None


def _outcomes(table: Callable[[str], pa.Table | None], about: Mapping[str, Any]) -> dict[str, Outcome]:
    """How deals ended, with what they were booked for in the reporting currency."""
    closed = table(CLOSED_FILE)
    if closed is None:
        return {}
    found = {}
    for row in closed.to_pylist():
        rate = about["rates"].get((row["currency"] or "").strip().upper() or "(none)")
        worth = None if rate is None or row["amount"] is None else row["amount"] * rate
        found[row["opportunity_id"]] = Outcome(bool(row["won"]), worth)
    return found


def _kept(table: pa.Table, rows: Sequence[bool]) -> pa.Table:
    return table.take(pa.array([n for n, wanted in enumerate(rows) if wanted], pa.int64()))
