"""What each origin of a backtest is made of: one feature frame, and models fitted on what was known there.

The frame is built once, at the latest instant: that its rows at an origin are what would have been built then
is a law that tests hold. Labels are those known at the origin, so a model fitted there saw nothing later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.currency import Rates
from data.settings import Settings
from data.warehouse import Warehouse
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.feature import Feature
from features.origin import contract_origins
from features.panel import consumption_panel
from features.renewals import contract_snapshots, renewal_catalogue, renewal_frame
from features.snapshots import Snapshots, deal_snapshots, snapshots_from_keys
from models.arrays import DAY_US, FloatArray, IntArray, known_outcomes, micros, to_micros
from models.backtest.consumption import ConsumptionAt
from models.backtest.contracts import Contracts, read_contracts
from models.backtest.history import Deals, read_deals
from models.backtest.origins import origin_slots
from models.backtest.renewals import RenewalsAt
from models.backtest.shocks import shocks_from_test
from models.consumption.use import forecast_use
from models.forecast.book import Renewals
from models.forecast.months import Months
from models.forecast.shocks import Shocks
from models.labels import label_frame
from models.renewal.labels import renewal_labels
from models.renewal.model import RenewalModel
from models.renewal.split import account_split
from models.renewal.training import baseline_renewal, train_renewal
from models.split import Split, time_split
from models.timing.close_timing import CloseTiming
from models.timing.learn import learn_timing, plain_timing
from models.training import train_win
from models.win_model import WinModel
from pipelines.progress import Say
from pipelines.steps import Built, View

__all__ = [
    "Contracted",
    "Fitted",
    "Material",
    "as_were",
    "build_material",
    "consumption_at",
    "contracted",
    "fit_at",
    "renewals_at",
]

_MONTH_DAYS = 30.4375
_TIMED_MONTHS = 3
_FOLLOWED_DAYS = 60


@dataclass(frozen=True)
class Material:
    """What origins are made from. deals: as known at the end; currency: of every amount."""

    view: View
    settings: Settings
    deals: Deals
    currency: str
    stages: Mapping[str, float]


@dataclass(frozen=True)
class Fitted:
    """The models of one origin, and the common shocks that their own test window shows."""

    win: WinModel
    timing: CloseTiming
    shocks: Shocks


@dataclass(frozen=True)
class Contracted:
    """Contracts as known at the end, and their feature frame. drawn: rows to learn from, row for row."""

    contracts: Contracts
    frame: pa.Table
    drawn: "pa.Array"
    features: tuple[Feature, ...]


def build_material(
    warehouse: Warehouse,
    view: View,
    settings: Settings,
    origins: tuple[datetime, ...],
    currency: str,
    say: Say,
) -> tuple[Material, Built]:
    """The deals' histories and the feature frame: rows to learn from, and every open deal at the origins.

    The user's own fields are typed by what was known at the first origin.
    """
    tables = warehouse.tables(view.as_of)
    features = catalogue(custom_fields(tables, origins[0]))
    snapshots = _drawn(tables, view, origins, settings)
    frame = feature_frame(warehouse.con, tables, snapshots, features, say)
    now = pc.equal(frame["as_of"], pa.scalar(view.as_of, frame["as_of"].type))
    deals = read_deals(tables, view.as_of, segment=settings.segment)
    material = Material(view, settings, deals, currency, _stage_probabilities(tables["stages"]))
    return material, Built(features, past=frame.filter(pc.invert(now)), open=frame.filter(now))


def fit_at(
    tables: Mapping[str, ir.Table],
    material: Material,
    built: Built,
    features: tuple[Feature, ...],
    origin: datetime,
    say: Say,
) -> Fitted | str:
    """The models as they would have been trained at an origin; in words why not, if history is too thin."""
    past = _before(built.past, origin)
    labels = label_frame(tables["opportunities"], past, origin)
    settings = material.settings
    split = time_split(
        labels,
        as_of=origin,
        step_days=material.view.step_days,
        embargo_days=settings.embargo_days or None,
    )
    if split.thin:
        return f"{origin:%Y-%m-%d}: no bookings were forecast. {split.thin}"
    model = train_win(past, labels, split, features, seed=settings.seed, n_trials=0, on_step=say)
    say("learning when deals close")
    timing, _ = learn_timing(past, labels, split, model.encoder, seed=settings.seed)
    return Fitted(model, timing, _test_shocks(past, labels, split, model, timing))


def as_were(champion: WinModel, tables: Mapping[str, ir.Table], built: Built, origin: datetime) -> Fitted:
    """The champion as it stands, which must have been trained on what was known by the origin.

    Without a timing of its own, deals close as the plain curves of the origin say.
    """
    timing = champion.timing
    if timing is None:
        past = _before(built.past, origin)
        timing = plain_timing(past, label_frame(tables["opportunities"], past, origin), origin)
    return Fitted(champion, timing, Shocks())


def contracted(
    warehouse: Warehouse, material: Material, built: Built, origins: tuple[datetime, ...], say: Say
) -> Contracted | None:
    """The contracts and their features at every horizon and origin; None if there are none."""
    view, settings = material.view, material.settings
    tables = warehouse.tables(view.as_of)
    contracts = read_contracts(tables, view.as_of, segment=settings.segment)
    if not len(contracts):
        return None
    features = renewal_catalogue(custom_fields(tables, origins[0]))
    snapshots = contract_snapshots(tables, view.as_of, also_at=origins, overdue_days=settings.overdue_days)
    won = contract_origins(pa.concat_tables([built.past, built.open]), tables, view.as_of)
    frame = renewal_frame(warehouse.con, tables, snapshots, features, won, say)
    drawn = pc.is_valid(snapshots.keys()["horizon"]).combine_chunks()
    return Contracted(contracts, frame, drawn, features)


def renewals_at(
    tables: Mapping[str, ir.Table],
    material: Material,
    held: Contracted,
    rates: Rates,
    months: Months,
    champion: RenewalModel | None,
    say: Say,
) -> tuple[RenewalsAt, Renewals]:
    """The renewals of an origin, by a model trained on what was decided then; by a base rate where thin.

    champion: the model to take instead, as it stands.
    """
    settings, origin = material.settings, months.as_of
    at = RenewalsAt(held.contracts, months, rates, settings.overdue_days)
    if champion is not None:
        return at, at.book(at.frame_at(held.frame), champion)
    past = _before(held.frame.filter(held.drawn), origin)
    labels = renewal_labels(tables["contracts"], past, origin)
    rows = account_split(labels, as_of=origin, embargo_days=settings.embargo_days or None, seed=settings.seed)
    say("fitting renewals")
    if rows.split.thin:
        model = baseline_renewal(past, rows, held.features, reason=rows.split.thin, seed=settings.seed)
    else:
        model = train_renewal(past, rows, held.features, seed=settings.seed, n_trials=0)
    return at, at.book(at.frame_at(held.frame), model)


def consumption_at(
    tables: Mapping[str, ir.Table], material: Material, rates: Rates, months: Months
) -> ConsumptionAt | None:
    """The consumption forecast of an origin, and what came; None where no use was known then."""
    settings, end = material.settings, material.view.as_of
    panel = partial(consumption_panel, period="monthly", rates=rates, segment=settings.segment)
    then = panel(tables, months.as_of)
    if not then.series.num_rows:
        return None
    made = forecast_use(then, horizon=months.count, seed=settings.seed, overdue_days=settings.overdue_days)
    return ConsumptionAt(then, panel(tables, end), months, made) if made.ids else None


def _drawn(
    tables: Mapping[str, ir.Table], view: View, origins: tuple[datetime, ...], settings: Settings
) -> Snapshots:
    """Every snapshot; above the set count a seeded sample of them, with all of the origins' and today's."""
    calendar, every = view.calendar, deal_snapshots(tables, view.calendar)
    if every.table.count().to_pyarrow().as_py() <= settings.max_snapshots:
        return every
    whole = pa.array([*origin_slots(calendar, origins), calendar.last_slot], pa.int64())
    keys = every.table.select("opportunity_id", "slot").order_by("opportunity_id", "slot").to_pyarrow()
    chosen = np.asarray(pc.is_in(keys["slot"], value_set=whole))
    others = np.flatnonzero(~chosen)
    most = min(settings.max_snapshots, others.size)
    chosen[np.random.default_rng(settings.seed).choice(others, most, replace=False)] = True
    return snapshots_from_keys(tables, ibis.memtable(keys.filter(pa.array(chosen))), calendar)


def _before(frame: pa.Table, origin: datetime) -> pa.Table:
    return frame.filter(pc.less(frame["as_of"], pa.scalar(origin, frame["as_of"].type)))


def _stage_probabilities(stages: ir.Table) -> dict[str, float]:
    """The CRM's own probabilities by stage, 0 to 1; those told in percent are divided."""
    rows = stages.select("stage", "default_probability").to_pyarrow().to_pylist()
    told = {
        row["stage"]: row["default_probability"] for row in rows if row["default_probability"] is not None
    }
    scale = 100.0 if any(value > 1 for value in told.values()) else 1.0
    return {stage: float(value) / scale for stage, value in told.items() if stage is not None}


def _test_shocks(
    frame: pa.Table, labels: pa.Table, split: Split, model: WinModel, timing: CloseTiming
) -> Shocks:
    """From the test window's snapshots that could be followed for two months, open deals included."""
    end = to_micros(split.test.end)
    followed_us = end - micros(labels["as_of"])
    inside = split.test.inside & (followed_us >= _FOLLOWED_DAYS * DAY_US)
    rows = frame.filter(pa.array(inside))
    days, place = np.unique(followed_us[inside] / DAY_US, return_inverse=True)
    share = timing.share_closed(rows, days)[np.arange(rows.num_rows), place] if rows.num_rows else days
    predictions = pa.table({
        "as_of": rows["as_of"],
        "y": pc.if_else(pa.array(split.test.known), labels["y"], None).filter(pa.array(inside)),
        "share": share,
        "p_win": model.p_win(rows),
    })  # fmt: skip
    return shocks_from_test(predictions, wins=_test_wins(frame, labels, split, timing))


def _test_wins(
    frame: pa.Table, labels: pa.Table, split: Split, timing: CloseTiming
) -> tuple[FloatArray, IntArray, IntArray]:
    """Test wins that could be followed for three months: shares closed, month of the close, as_of."""
    at, closed = micros(labels["as_of"]), micros(labels["closed_at"])
    followed = at <= to_micros(split.test.end) - _TIMED_MONTHS * _MONTH_DAYS * DAY_US
    won = split.test.known & (known_outcomes(labels) == 1) & followed
    days = np.arange(1.0, _TIMED_MONTHS + 1) * _MONTH_DAYS
    share = timing.share_closed(frame.filter(pa.array(won)), days)
    return share, ((closed[won] - at[won]) / (_MONTH_DAYS * DAY_US)).astype(np.int64), at[won]
