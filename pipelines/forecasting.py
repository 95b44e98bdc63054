"""The last step of a run: score, forecast, publish. What a forecast rests on is settled here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from data.currency import Rates, reporting_currency
from data.errors import ModelContractError
from data.warehouse import open_warehouse
from features.snapshots import default_as_of
from models.arrays import FloatArray
from models.backtest.bookings import BookingsAt, amount_drift
from models.backtest.history import read_deals
from models.backtest.shocks import shocks_from_test
from models.forecast.change import Rescored
from models.forecast.months import Months
from models.forecast.shocks import Shocks
from models.renewal import RenewalModel
from models.win_model import WinModel
from pipelines.changing import with_changes
from pipelines.consuming import UsePart
from pipelines.contracts import RenewalPart
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.records import with_records
from pipelines.screen import screen_tables
from pipelines.steps import Built, View, published_before, readable, score_open
from pipelines.suggesting import with_suggestions
from serving.closings import closed_deals
from serving.forecast import CLOSED_FILE, forecast_tables, has_forecast
from serving.forecast_book import ABOUT, forecast_about, rates_at, standing_of
from serving.publish import Publication, publish
from serving.published import Published, open_published
from serving.renewals import SCORES

__all__ = ["Parts", "forecast_publication", "publish_run"]

_LONG_AFTER = timedelta(days=60)


@dataclass(frozen=True)
class Parts:
    """What a forecast is made from beside the open deals.

    predictions: the win model's out-of-time test predictions, None where nothing was trained. shocks: their
    measured sizes, None for what the predictions tell.
    """

    renewals: RenewalPart
    used: UsePart
    predictions: pa.Table | None = None
    shocks: Shocks | None = None


def publish_run(
    job: Job, view: View, built: Built, model: WinModel, parts: Parts, warnings: tuple[str, ...], say: Say
) -> Published:
    """Score the deals open at as_of, forecast, publish it all and move the pointer.

    Nothing moves if a check fails.
    """
    made = forecast_publication(job, view, built, model, parts, warnings, say)
    made = with_changes(job, view, built, model, made, say)
    made = with_records(job, view, built, made, say)
    made = with_suggestions(job, view, built, model, made, say)
    publish(job.workspace, job.run_id, made)
    return open_published(job.workspace, job.run_id)


def forecast_publication(
    job: Job, view: View, built: Built, model: WinModel, parts: Parts, warnings: tuple[str, ...], say: Say
) -> Publication:
    """What `publish_run` publishes."""
    scored = score_open(job, view, built, model, warnings, say)
    return _with_forecast(job, view, built, scored, model, parts, say)


def _with_forecast(
    job: Job, view: View, built: Built, publication: Publication, model: WinModel, parts: Parts, say: Say
) -> Publication:
    """The publication with contracts, consumption and the forecast beside the scores of deals."""
    renewals = parts.renewals
    say(f"simulating the next {job.settings.horizon_months} months")
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        before = published_before(job.workspace, view.as_of)
        shocks = parts.shocks or _shocks(parts, before)
        about = _about(job, view, tables, shocks, parts)
        closed = closed_deals(tables, view.as_of)
        ids: list[Any] = publication.deals["opportunity_id"].to_pylist()
        screen = screen_tables(
            tables, view.as_of, ids, features=built.features, renewals=SCORES in renewals.tables
        )
    further = {**renewals.tables, **parts.used.tables, CLOSED_FILE: closed, **screen}
    every = {**publication.files(), **further}
    rescored = None
    if before is not None and has_forecast(before):
        rescored = _rescored(job, view, built, renewals, before, model, every, about)
    made = forecast_tables(every, as_of=view.as_of, about=about, before=before, rescored=rescored)
    return replace(publication, further={**further, **made}, about={**publication.about, ABOUT: about})


def _about(
    job: Job, view: View, tables: Mapping[str, ir.Table], shocks: Shocks, parts: Parts
) -> dict[str, Any]:
    """What the forecast rests on: currency and rates, deals to come, how amounts drift, common shocks."""
    settings, as_of = job.settings, view.as_of
    currency = reporting_currency(tables, as_of, settings.reporting_currency)
    rates = Rates.read(tables, as_of).to(currency)
    deals = read_deals(tables, as_of, segment=settings.segment)
    months = Months(as_of, settings.horizon_months)
    contracts = tables["contracts"]
    contracts = contracts.filter(contracts.known_at < as_of)
    currencies = set(deals.currency) | set(
        contracts.currency.as_table().distinct().to_pyarrow()[0].to_pylist()
    )
    # renewals to come are forecast once: by their contracts where these are, else with other deals to come
    coming = BookingsAt.of(
        deals, months, rates, due=() if SCORES in parts.renewals.tables else None
    ).new_business()
    few = () if coming else ("too few deals were created to say how many will be: none are forecast",)
    return forecast_about(
        currency=currency,
        rates=rates_at(lambda one: rates.rate(one, as_of), currencies),
        horizon_months=settings.horizon_months,
        draws=settings.draws,
        seed=settings.seed,
        shocks=shocks,
        new=coming,
        amount_drift=amount_drift(deals, as_of),
        notes=(*_long_after(tables, as_of, job.now), *parts.renewals.notes, *parts.used.notes, *few),
    )


def _long_after(tables: Mapping[str, ir.Table], as_of: datetime, now: datetime) -> tuple[str, ...]:
    """A word where the forecast stands long after what the data tells."""
    newest = default_as_of(tables, now)
    if as_of - newest < _LONG_AFTER:
        return ()
    return (
        f"the newest row is of {newest:%Y-%m-%d}, {(as_of - newest).days} days before {as_of:%Y-%m-%d}: "
        "what happened since is not in the data, so open deals and use may long be over",
    )


def _shocks(parts: Parts, before: Published | None) -> Shocks:
    """The shocks that the test predictions show, else those of the run before."""
    if parts.predictions is not None:
        return shocks_from_test(parts.predictions, renewals=parts.renewals.predictions)
    if before is not None and has_forecast(before):
        return Shocks.from_dict(before.manifest["about"][ABOUT]["shocks"])
    return Shocks()


def _rescored(
    job: Job, view: View, built: Built, renewals: RenewalPart, before: Published, model: WinModel,
    tables: Mapping[str, pa.Table], about: Mapping[str, Any],
) -> Rescored | None:  # fmt: skip
    """What the models of the run before say of this run's rows; None where it had the same ones."""
    book = standing_of(tables.get, view.as_of, about).book
    deals, share, contracts = None, None, None
    if before.model_version != model.version and len(book.deals.ids):
        deals, share = _deals_rescored(job, built, before, book.deals.ids, book.months.end_days)
    version = _renewal_version(before)
    if version is not None and renewals.model is not None and version != renewals.model.version:
        contracts = _contracts_rescored(job, renewals, before, version, book.renewals.ids)
    return Rescored(deals, share, contracts)


def _deals_rescored(
    job: Job, built: Built, before: Published, ids: tuple[str, ...], end_days: FloatArray
) -> tuple[FloatArray | None, FloatArray | None]:
    place = _places(built.open["opportunity_id"].to_pylist(), ids)
    if before.is_baseline:
        base = before.table("win_scores.parquet")["base_log_odds"].to_pylist()
        return (np.full(len(ids), base[0]), None) if base else (None, None)
    try:
        old = WinModel.load(job.workspace / "models" / before.model_version)
    except (ModelContractError, OSError):
        return None, None
    frame = readable(built.open, old).take(pa.array(place))
    share = None if old.timing is None else old.timing.share_closed(frame, end_days)
    return old.log_odds(frame), share


def _contracts_rescored(
    job: Job, renewals: RenewalPart, before: Published, version: str, ids: tuple[str, ...]
) -> FloatArray | None:
    if renewals.waiting is None or not ids:
        return None
    if version.startswith("baseline"):
        return np.full(len(ids), before.table(SCORES)["base_log_odds"][0].as_py())
    try:
        old = RenewalModel.load(job.workspace / "models" / version)
    except (ModelContractError, OSError):
        return None
    place = _places(renewals.waiting["contract_id"].to_pylist(), ids)
    return old.chance.log_odds(readable(renewals.waiting, old.chance).take(pa.array(place)))


def _renewal_version(before: Published) -> str | None:
    if SCORES not in before.manifest["files"]:
        return None
    versions = before.table(SCORES)["model_version"].to_pylist()
    return versions[0] if versions else None


def _places(held: list[Any], ids: tuple[str, ...]) -> list[int]:
    place = {one: row for row, one in enumerate(held)}
    return [place[one] for one in ids]
