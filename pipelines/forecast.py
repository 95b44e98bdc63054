"""Asking a forecast: of the published run, or learnt and made anew as of an earlier instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from data.errors import UsageError
from data.settings import Settings
from models.forecast.scenario import Change
from pipelines.what_if import ACCOUNT, change_told
from serving.export_run import export_run
from serving.forecast import CHANGE_FILE, Forecast, forecast
from serving.forecast_book import ABOUT
from serving.published import Published, open_published

__all__ = ["Forecasted", "exported", "forecast_part", "published_forecast"]


@dataclass(frozen=True)
class Forecasted:
    """A forecast as asked. base: without the scenario, None where nothing was changed.

    change: by part what moved the published forecast since the run before, a sentence a term; empty where
    there was no comparable run. scenario: what it changes, in words.
    """

    published: Published
    made: Forecast
    base: Forecast | None
    change: dict[str, list[str]]
    notes: tuple[str, ...]
    scenario: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "run_id": self.published.run_id,
            "as_of": self.published.as_of,
            "currency": self.made.currency,
            "forecast": _records(self.made),
            "scenario": list(self.scenario),
            "without_scenario": None if self.base is None else _records(self.base),
            "left_out": dict(self.made.left_out),
            "notes": list(self.notes),
            "change": self.change,
        }


def forecast_part(
    settings: Settings, levels: Sequence[str], horizon: int | None, changes: Sequence[Change],
    console: Console, *, anew: bool,
) -> Forecasted:  # fmt: skip
    """The forecast by the levels, with the scenario's changes.

    anew: at the settings' as_of from what was known then, models included; else that of the published run.
    Raises PublishError where there is no forecast, UsageError for a deal, contract or key that it lacks.
    """
    if anew:
        from pipelines.as_of import forecast_as_of

        if horizon is not None:
            settings = settings.model_copy(update={"horizon_months": horizon})
        published = forecast_as_of(settings, console)
    else:
        published = open_published(settings.workspace)
    return published_forecast(published, levels, horizon, changes)


def published_forecast(
    published: Published,
    levels: Sequence[str] = (),
    horizon: int | None = None,
    changes: Sequence[Change] = (),
) -> Forecasted:
    """The forecast of a run that is published; see `forecast_part`."""
    # a run's own levels are all simulated, whatever is shown: figures must not depend on the question
    base = forecast(published, horizon_months=horizon)
    if ACCOUNT in levels:
        base = forecast(published, by=(*base.draws.by, ACCOUNT), horizon_months=horizon)
    _check_levels(levels, base)
    made = base.scenario(changes) if changes else base
    notes = tuple(published.manifest["about"][ABOUT]["notes"])
    told = tuple(change_told(change) for change in changes)
    return Forecasted(published, made, base if changes else None, _change(published), notes, told)


def _check_levels(levels: Sequence[str], made: Forecast) -> None:
    unknown = [level for level in levels if level not in made.draws.by]
    if unknown:
        raise UsageError(
            f"--by: run {made.run_id} has nothing to forecast by {unknown[0]}; it has "
            f"{', '.join(made.draws.by) or 'totals alone'}. Ask by one of those."
        )


def exported(found: Forecasted, path: Path) -> str:
    """Write what finance reads of the run, and the scenario where one was asked for; returns the path.

    The run stands as it was published; the scenario by the levels and for the months asked. What it changes,
    and what is in no total, is told beside it.
    """
    asked = {} if found.base is None else {"scenario": found.made.draws.summary()}
    notes = [
        *(f"in no total: {reason}: {n:,}" for reason, n in found.made.left_out.items()),
        *(f"scenario: {change}" for change in found.scenario),
    ]
    return str(export_run(found.published, path, further=asked, notes=notes))


def _change(published: Published) -> dict[str, list[str]]:
    """The sentences that were published with the forecast, the largest first."""
    if CHANGE_FILE not in published.manifest["files"]:
        return {}
    told: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = published.table(CHANGE_FILE).to_pylist()
    for row in rows:
        if row["term"] == "after":
            told[row["part"]] = [row["sentence"]]
    terms = [row for row in rows if row["term"] not in ("before", "after") and row["amount"]]
    for row in sorted(terms, key=lambda row: -abs(row["amount"])):
        told[row["part"]].append(row["sentence"])
    return told


def _records(made: Forecast) -> list[dict[str, Any]]:
    figures = made.figures()
    return [dict(zip(figures, row, strict=True)) for row in zip(*figures.values(), strict=True)]
