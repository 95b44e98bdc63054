"""Checks of what a feature's value says about the outcome, on training rows.

Those of the user's own fields go further than those of the catalogue: the catalogue stands behind the
gate of time, an own field shows whatever the CRM shows today. A check accuses only if the bound of its
figure, at 99 %, lies beyond its threshold, so that few deals cannot accuse a clean column by chance.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.feature import Feature
from models.arrays import BoolArray, FloatArray
from models.audit.findings import Finding, finding
from models.audit.separation import (
    Rows,
    auc_lower,
    category_auc,
    deals_of,
    number_auc,
    share_bounds,
    too_few,
    two_sided_auc,
)
from models.baselines import column_numbers, column_texts

__all__ = ["value_findings"]

_MANY_LEVELS = 12
_MOST_LEVELS_TRIED = 30
_PURE = 0.97
_SAYS_LITTLE = 0.6
_DECISIVE = 5.0
"""How many times as common a value must be among deals of one outcome as among those of the other."""


@dataclass(frozen=True)
class _Column:
    """A feature's values on the training rows: `numbers` or `texts`, and where there is any."""

    feature: Feature
    filled: BoolArray
    numbers: FloatArray | None
    texts: Any


def value_findings(
    frame: pa.Table, feature: Feature, rows: Rows, max_auc: float, *, own: bool
) -> list[Finding]:
    """What the value, or its mere presence, gives away. own: a field of the user, or kept without history."""
    column = _column(frame, feature)
    found = _alone(column, rows, max_auc, own) + _presence(column, rows, max_auc)
    if own:
        found += _filled_part(column, rows, max_auc) + _decisive(column, rows)
    return found


def _column(frame: pa.Table, feature: Feature) -> _Column:
    if feature.kind == "category":
        filled = np.asarray(frame[feature.name].is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        return _Column(feature, filled, None, column_texts(frame, feature.name))
    numbers = column_numbers(frame, feature.name)
    return _Column(feature, np.isfinite(numbers), numbers, None)


def _alone(column: _Column, rows: Rows, max_auc: float, own: bool) -> list[Finding]:
    """The AUC of the value, on all training deals and on the newest third of them."""
    figure, tested = _value_auc(column, rows, rows.every(), rows.later, own)
    won, lost = deals_of(rows, tested)
    newest, on_newest = _value_auc(column, rows, rows.newest, rows.newest, own)
    new_won, new_lost = deals_of(rows, on_newest)
    share = f"{column.filled.mean():.0%} of training rows filled"
    late = f"AUC {newest:.3f} on the newest third ({new_won} won, {new_lost} lost)"
    name = column.feature.name
    bound = auc_lower(figure, won, lost)
    if bound > max_auc:
        words = "the value alone ranks won above lost deals (or below)"
        said = f"{words}: AUC {figure:.3f} on {won} won and {lost} lost deals; {late}; {share}"
        return [finding(name, "single_feature_auc", figure, bound, max_auc, said)]
    bound = auc_lower(newest, new_won, new_lost)
    if bound > max_auc and not too_few(rows, on_newest):
        said = f"{late}, though {figure:.3f} on all training deals; {share}"
        return [finding(name, "holdout_auc", newest, bound, max_auc, said)]
    return []


def _value_auc(
    column: _Column, rows: Rows, chosen: BoolArray, late: BoolArray, own: bool
) -> tuple[float, BoolArray]:
    """The AUC among the chosen rows, and the rows it was measured on: late ones alone for a category."""
    if column.numbers is not None:
        return number_auc(column.numbers, rows, chosen), chosen
    tested = chosen & late
    readings = _readings(column.texts) if own else iter([column.texts])
    return max(category_auc(texts, rows, ~late, tested) for texts in readings), tested


def _readings(texts: Any) -> Iterator[Any]:
    """The texts, and where there are many, what each begins and ends with, and how long it is."""
    yield texts
    if len(np.unique(texts.astype(str))) <= _MANY_LEVELS:
        return
    for read in (_first_word, _last_word, lambda text: text[:1], lambda text: text[:2],
                 lambda text: text[-1:], lambda text: str(len(text))):  # fmt: skip
        yield np.array([read(text) for text in texts], dtype=np.object_)


def _first_word(text: str) -> str:
    return re.split(r"[^A-Za-z]", text, maxsplit=1)[0]


def _last_word(text: str) -> str:
    return re.split(r"[^A-Za-z]", text)[-1]


def _presence(column: _Column, rows: Rows, max_auc: float) -> list[Finding]:
    every = rows.every()
    figure = two_sided_auc(column.filled.astype(np.float64), rows, every)
    won, lost = deals_of(rows, every)
    bound = auc_lower(figure, won, lost)
    if bound <= max_auc:
        return []
    said = (
        f"being filled or empty alone tells won from lost deals: AUC {figure:.3f} on {won} won and {lost} "
        f"lost deals; {column.filled.mean():.0%} of training rows filled"
    )
    return [finding(column.feature.name, "presence_auc", figure, bound, max_auc, said)]


def _filled_part(column: _Column, rows: Rows, max_auc: float) -> list[Finding]:
    """The AUC among the rows that have a value: a leak in few deals drowns among the empty ones."""
    part = column.filled
    if part.all() or too_few(rows, part):
        return []
    figure, tested = _value_auc(column, rows, part, rows.later, own=True)
    if column.numbers is None and too_few(rows, part & ~rows.later):
        return []
    won, lost = deals_of(rows, tested)
    bound = auc_lower(figure, won, lost)
    if bound <= max_auc:
        return []
    said = (
        f"among the {part.mean():.0%} of training rows where it is filled, the value ranks won above lost "
        f"deals (or below): AUC {figure:.3f} on {won} won and {lost} lost deals"
    )
    return [finding(column.feature.name, "filled_part_auc", figure, bound, max_auc, said)]


def _decisive(column: _Column, rows: Rows) -> list[Finding]:
    """A value that comes with one outcome only, however few deals hold it, in a field that else says little.

    The tails of an honest score are as pure, but there the rest tells won from lost too.
    """
    pure, worst = np.zeros(len(rows.y), dtype=np.bool_), list[Finding]()
    for words, chosen in _candidates(column, rows):
        found = _one_sided(column.feature.name, words, chosen, rows)
        if found is not None:
            pure |= chosen
            worst.append(found)
    rest = ~pure
    if not worst or (not too_few(rows, rest) and _tells(column, rows, rest) > _SAYS_LITTLE):
        return []
    return [max(worst, key=lambda one: one.bound)]


def _one_sided(name: str, words: str, chosen: BoolArray, rows: Rows) -> Finding | None:
    all_won, all_lost = deals_of(rows, rows.every())
    won, lost = deals_of(rows, chosen)
    outcome, most, few = ("won", won, lost) if won > lost else ("lost", lost, won)
    of_most, of_few = (all_won, all_lost) if won > lost else (all_lost, all_won)
    if most < _PURE * (won + lost):
        return None
    figure = (most / of_most) / ((few + 0.5) / (of_few + 1))
    bound = share_bounds(most, of_most)[0] / share_bounds(few, of_few)[1]
    if bound <= _DECISIVE:
        return None
    said = (
        f"{most} of {won + lost} deals {words} were {outcome}, beside {of_most / (all_won + all_lost):.0%} "
        f"of all deals: {figure:.0f} times as common among {outcome} deals as among the others"
    )
    return finding(name, "decisive_value", figure, bound, _DECISIVE, said)


def _tells(column: _Column, rows: Rows, chosen: BoolArray) -> float:
    """The AUC of the value among the chosen rows."""
    if column.numbers is not None:
        return number_auc(column.numbers, rows, chosen)
    return category_auc(column.texts, rows, chosen & ~rows.later, chosen & rows.later)


def _candidates(column: _Column, rows: Rows) -> Iterator[tuple[str, BoolArray]]:
    """Sets of rows that might give the outcome away, each with its words."""
    if not column.filled.all():
        yield "where it is filled", column.filled
        yield "where it is empty", ~column.filled
    if column.numbers is not None:
        zero = column.filled & (column.numbers == 0)
        if zero.any():
            yes, no = ("is set", "is not set") if column.feature.kind == "flag" else ("is not 0", "is 0")
            yield f"where it {yes}", column.filled & ~zero
            yield f"where it {no}", zero
        return
    levels, counts = np.unique(column.texts.astype(str)[column.filled], return_counts=True)
    common = levels[np.argsort(-counts, kind="stable")][:_MOST_LEVELS_TRIED]
    for level in common:
        yield f"whose value is {level[:60]!r}", column.filled & (column.texts == level)
    if len(common) > 1:
        yield f"whose value is not {common[0][:60]!r}", column.filled & (column.texts != common[0])
