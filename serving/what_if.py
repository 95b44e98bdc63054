"""What if a deal stood otherwise: actionable features changed by hand, rescored by the model that serves.

Only what is named changes, and what the model works out from it: the deal's records stay as they are, so
features computed from the same records do not follow. In the steps of `serving.suggestions` they do.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from data.errors import ModelContractError, UsageError
from features.actionable import ACTIONABLE, checked_value
from features.feature import FAMILIES
from models.arrays import FloatArray
from models.calibration import sigmoid
from models.encoding import Column
from models.explain import drivers
from models.norms import Norm
from models.steps_alike import Range
from serving.feature_facts import feature_facts
from serving.live.held import HeldRun
from serving.suggestions import RANGES, SOURCES, Suggestion, alike_of, suggestion_of, suggestions
from serving.what_if_parts import Change, DriverMove, FeatureMove, WhatIf

if TYPE_CHECKING:
    from models.win_model import WinModel

__all__ = ["Change", "DriverMove", "FeatureMove", "WhatIf", "rescored", "what_if", "what_if_steps"]

_SAME = 1e-9


def what_if(run: HeldRun, opportunity_id: str, changes: Mapping[str, Any]) -> WhatIf:
    """The deal's score if these features had these values.

    Raises UsageError for a deal that was not scored, a feature that is unknown or not actionable, a value of
    the wrong type or out of range, and where the score is a base rate; ModelContractError if the model does
    not give the published score.
    """
    model = _model(run)
    row = _row(run, opportunity_id)
    units = _units(run)
    wanted = {
        name: checked_value(name, _known(model, name).kind, value, units.get(name, ""))
        for name, value in changes.items()
    }
    before = np.array([_encoded(column, row[column.name][0].as_py()) for column in model.encoder.columns])
    after_row = _changed(row, wanted)
    after, recomputed = _after(model, row, after_row, before, wanted)
    base, parts = model.contributions_of(np.vstack([before, after]))
    log_odds = model.log_odds_of(np.vstack([before, after]))
    _check_as_published(run, opportunity_id, float(log_odds[0]))
    p = sigmoid(log_odds)
    return WhatIf(
        opportunity_id=opportunity_id,
        as_of=run.as_of,
        model_version=run.model_version,
        base_log_odds=base,
        p_before=float(p[0]),
        p_after=float(p[1]),
        log_odds_before=float(log_odds[0]),
        log_odds_after=float(log_odds[1]),
        changes=_changes(run, opportunity_id, row, wanted),
        features=_feature_moves(model, parts),
        drivers=_driver_moves(model, parts),
        recomputed=recomputed,
        unmoved=_unmoved(run, model, wanted, recomputed),
        compared_with=_words(run, opportunity_id),
    )


def what_if_steps(run: HeldRun, opportunity_id: str, steps: Sequence[str]) -> Suggestion:
    """The published suggestion of exactly these steps, in which everything that they would record has moved.

    Raises UsageError with the steps that there are.
    """
    _model(run)
    _row(run, opportunity_id)
    found = suggestion_of(run, opportunity_id, tuple(steps))
    if found is None:
        there = [" + ".join(one.steps) for one in suggestions(run, opportunity_id)]
        known = f"Suggested are: {'; '.join(there)}." if there else "No steps are suggested for this deal."
        raise UsageError(f"steps: expected steps suggested for the deal, found {list(steps)!r}. {known}")
    return found


def rescored(run: HeldRun, opportunity_id: str, values: Mapping[str, Any]) -> tuple[float, float]:
    """The deal's log-odds as published, and with these values of features, a seller's to move or not.

    values: of the type that the run publishes; what the model works out from them follows. Raises as
    `what_if` does.
    """
    model = _model(run)
    row = _row(run, opportunity_id)
    before = np.array([_encoded(column, row[column.name][0].as_py()) for column in model.encoder.columns])
    after, _ = _after(model, row, _changed(row, values), before, values)
    then, now = model.log_odds_of(np.vstack([before, after]))
    _check_as_published(run, opportunity_id, float(then))
    return float(then), float(now)


def _model(run: HeldRun) -> "WinModel":
    model = run.model()
    if model is None:
        raise UsageError(f"what if: {run.model_problem}.")
    return model


def _row(run: HeldRun, opportunity_id: str) -> pa.Table:
    """The deal's features as the model saw them."""
    place = run.place_of(opportunity_id)
    if place is None:
        raise UsageError(
            f"opportunity_id: expected a deal that was open at {run.as_of:%Y-%m-%d %H:%M} UTC, found "
            f"{opportunity_id!r}. `dealcast deals` lists the open deals."
        )
    return run.table("win_features.parquet").slice(place, 1)


def _known(model: "WinModel", name: str) -> Column:
    """The model's column of a feature."""
    columns = {column.name: column for column in model.encoder.columns}
    if name in columns:
        return columns[name]
    near = difflib.get_close_matches(name, [one for one in columns if one in ACTIONABLE], n=3, cutoff=0.5)
    remedy = f"Near matches: {', '.join(near)}." if near else "The catalogue lists the actionable features."
    raise UsageError(f"{name}: not a feature of this run's model. {remedy}")


def _units(run: HeldRun) -> dict[str, str]:
    """The unit of each feature of the run's catalogue."""
    return {name: fact.unit for name, fact in feature_facts(run).items()}


def _encoded(column: Column, value: Any) -> float:
    """A published value as the model sees it."""
    if value is None:
        return np.nan if column.missing is None else column.missing
    return float(column.levels.index(value)) if column.kind == "category" else float(value)


def _changed(row: pa.Table, wanted: Mapping[str, Any]) -> pa.Table:
    for name, value in wanted.items():
        place = row.schema.get_field_index(name)
        row = row.set_column(place, name, pa.array([value], row.schema.field(name).type))
    return row


def _after(
    model: "WinModel", row: pa.Table, after_row: pa.Table, before: FloatArray, wanted: Mapping[str, Any]
) -> tuple[FloatArray, tuple[str, ...]]:
    """The changed row as the model sees it, and the learnt features that follow from the changes."""
    after, recomputed = before.copy(), list[str]()
    for place, column in enumerate(model.encoder.columns):
        if column.name in wanted:
            after[place] = _encoded(column, wanted[column.name])
        elif column.norm is not None and _reads(column) & set(wanted):
            published = row[column.name][0].as_py()
            told = column.read(row)[0]
            # what stands for several rare categories may not tell which deals are alike: then it stays
            if np.isclose(told, np.nan if published is None else published, _SAME, _SAME, equal_nan=True):
                after[place] = column.encode(after_row)[0]
                recomputed.append(column.name)
    return after, tuple(recomputed)


def _reads(column: Column) -> set[str]:
    """The features that a learnt one is worked out from."""
    if column.norm is None:
        return set()
    if isinstance(column.norm, Norm):
        return {column.norm.number, *(axis.column for axis in column.norm.medians.alike.axes)}
    touches = {name for _, name in column.norm.touches}
    return touches | {axis.column for axis in column.norm.shares.alike.axes}


def _check_as_published(run: HeldRun, opportunity_id: str, log_odds: float) -> None:
    published = float(run.table("win_scores.parquet")["log_odds"][run.place_of(opportunity_id)].as_py())
    if abs(published - log_odds) > _SAME:
        raise ModelContractError(
            f"Model {run.model_version}: expected the published log-odds of the deal ({published:.9g}), "
            f"found {log_odds:.9g}. Score again with `dealcast score`."
        )


def _changes(
    run: HeldRun, opportunity_id: str, row: pa.Table, wanted: Mapping[str, Any]
) -> tuple[Change, ...]:
    ranges = _ranges(run, opportunity_id)
    found = []
    for name, value in wanted.items():
        seen = ranges.get(name)
        beyond = seen is None or not seen.smallest <= float(value) <= seen.largest
        found.append(Change(name, row[name][0].as_py(), value, seen, beyond))
    return tuple(found)


def _ranges(run: HeldRun, opportunity_id: str) -> dict[str, Range]:
    """The values that past deals alike had, by feature."""
    alike = alike_of(run, opportunity_id)
    if alike is None or not run.has(RANGES):
        return {}
    return {
        row["feature"]: Range(row["smallest"], row["low"], row["high"], row["largest"])
        for row in run.rows(RANGES, alike.group_id, "group_id")
    }


def _feature_moves(model: "WinModel", parts: FloatArray) -> tuple[FeatureMove, ...]:
    """Every feature, those that moved most first."""
    moves = [
        FeatureMove(name, model.families[name], float(then), float(now))
        for name, then, now in zip(model.feature_names, *parts, strict=True)
    ]
    return tuple(sorted(moves, key=lambda one: (-abs(one.moved), one.feature)))


def _driver_moves(model: "WinModel", parts: FloatArray) -> tuple[DriverMove, ...]:
    """Every family, those that moved most first."""
    names, families = model.feature_names, model.families
    then, now = (
        {one.family: one.log_odds for one in drivers(dict(zip(names, row, strict=True)), families)}
        for row in parts.tolist()
    )
    moves = [DriverMove(family, FAMILIES[family].title, then[family], now[family]) for family in then]
    return tuple(sorted(moves, key=lambda one: (-abs(one.moved), one.family)))


def _unmoved(
    run: HeldRun, model: "WinModel", wanted: Mapping[str, Any], recomputed: Sequence[str]
) -> tuple[str, ...]:
    if not run.has(SOURCES):
        return ()
    sources: dict[str, set[str]] = {}
    for row in run.table(SOURCES).to_pylist():
        sources.setdefault(row["feature"], set()).add(row["source"])
    touched = {source for name in wanted for source in sources.get(name, ())}
    moved = {*wanted, *recomputed}
    return tuple(
        name for name in model.feature_names if name not in moved and sources.get(name, set()) & touched
    )


def _words(run: HeldRun, opportunity_id: str) -> str | None:
    alike = alike_of(run, opportunity_id)
    return None if alike is None else f"{alike.deals} past {alike.words}"
