"""The blend: base forecasts weighted by their errors at past origins, by kind of history and distance."""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from models.arrays import BoolArray, FloatArray, IntArray
from models.consumption.origins import Past

__all__ = ["GROUPS", "Weights", "blended", "fit_weights", "near", "past_blend"]

GROUPS = ("regular", "intermittent", "short")
"""Kinds of history, in the order of `models.consumption.history.group_of`."""
_STEPS = 10
_ENOUGH = 150
_MOST_ROWS = 2_000
_PREFERENCE = 0.002


@dataclass(frozen=True)
class Weights:
    """Weights (groups, 2, models) for the near and the far part of the horizon, each row adding up to 1."""

    models: tuple[str, ...]
    values: FloatArray

    def told(self) -> dict[str, dict[str, float]]:
        """The weights by kind of history and part of the horizon, those above zero."""
        return {
            f"{group}, {part}": {
                model: round(float(weight), 3)
                for model, weight in zip(self.models, self.values[g, p], strict=True)
                if weight > 0
            }
            for g, group in enumerate(GROUPS)
            for p, part in enumerate(("near", "far"))
        }


@dataclass(frozen=True)
class _Losses:
    """Of each candidate at each origin, (K, groups, 2, candidates): three sums of errors, and their sizes.

    by_amount and by_total are to be divided by `amount`, by_scale by `rows`, each (K, groups, 2).
    """

    by_amount: FloatArray
    by_scale: FloatArray
    by_total: FloatArray
    amount: FloatArray
    rows: FloatArray


def near(horizon: int) -> IntArray:
    """Which part each period ahead belongs to: 0 near (the first quarter), 1 far."""
    return (np.arange(horizon) >= max(horizon // 4, 1)).astype(np.int64)


def fit_weights(past: Past, seed: int) -> tuple[Weights, tuple[Weights, ...]]:
    """Weights in tenths that would have erred least at the past origins; and, for each origin, without it.

    The error adds up the absolute error by amounts (so that large series count), by each series' own scale
    (so that every series counts) and, half as much, that of the sums over series (so that totals hold).
    Kinds with few rows take the weights of all; with no past at all every model weighs alike.
    """
    models = tuple(name for name, made in past.made.items() if not np.isnan(made).all())
    candidates = _simplex(max(len(models), 1))
    if not models:
        alike = Weights(tuple(past.made), np.full((len(GROUPS), 2, len(past.made)), 1 / len(past.made)))
        return alike, tuple(alike for _ in past.origins)
    losses = _losses(past, models, candidates, seed)
    every = np.ones(len(past.origins), dtype=bool)
    whole = Weights(models, _choose(losses, candidates, every))
    if every.size < 3:
        return whole, tuple(whole for _ in past.origins)
    others = (np.arange(every.size) != k for k in range(every.size))
    return whole, tuple(Weights(models, _choose(losses, candidates, kept)) for kept in others)


def blended(forecasts: dict[str, FloatArray], weights: Weights, group: IntArray) -> FloatArray:
    """The weighted mean of forecasts (n, H); a model that is absent leaves its weight to the others."""
    first = next(iter(forecasts.values()))
    part = near(first.shape[1])
    total, mass = np.zeros_like(first), np.zeros_like(first)
    for m, name in enumerate(weights.models):
        made = forecasts.get(name)
        if made is not None:
            weight = np.where(np.isnan(made), 0.0, weights.values[np.maximum(group, 0)][:, part, m])
            total += weight * np.nan_to_num(made)
            mass += weight
    plain = np.mean([np.nan_to_num(made) for made in forecasts.values()], axis=0)
    return np.where(mass > 1e-9, total / np.where(mass > 1e-9, mass, 1.0), plain)


def past_blend(past: Past, without: tuple[Weights, ...]) -> FloatArray:
    """The blend's forecasts at the past origins (K, n, H), each by the weights found without it."""
    found = np.full_like(past.actual, np.nan)
    for k, weights in enumerate(without):
        made = {name: values[k] for name, values in past.made.items()}
        found[k] = np.where(np.isnan(past.actual[k]), np.nan, blended(made, weights, past.group[k]))
    return found


def _simplex(models: int) -> FloatArray:
    """Every way of sharing ten tenths among the models, (m, models), in a fixed order."""
    rows = []
    for bars in combinations(range(_STEPS + models - 1), models - 1):
        edges = (-1, *bars, _STEPS + models - 1)
        rows.append([b - a - 1 for a, b in pairwise(edges)])
    return np.array(rows, dtype=np.float64) / _STEPS


def _losses(past: Past, models: tuple[str, ...], candidates: FloatArray, seed: int) -> _Losses:
    shape = (len(past.origins), len(GROUPS), 2)
    sums = np.zeros((3, *shape, len(candidates)))
    sizes = np.zeros((2, *shape))
    part = near(past.actual.shape[2])
    rng = np.random.default_rng(seed)
    for k in range(shape[0]):
        made = np.stack([past.made[name][k] for name in models], axis=-1)
        known = ~np.isnan(past.actual[k]) & ~np.isnan(made).any(axis=-1)
        for g, p in np.ndindex(shape[1:]):
            cells = known & (past.group[k] == g)[:, None] & (part == p)
            n = int(cells.sum())
            if n:
                sums[2, k, g, p] = _error_of_sums(past.actual[k], made, cells, candidates)
                i, h = np.nonzero(cells)
                drawn = np.sort(rng.choice(n, _MOST_ROWS, replace=False)) if n > _MOST_ROWS else np.arange(n)
                i, h = i[drawn], h[drawn]
                off = np.abs(made[i, h] @ candidates.T - past.actual[k, i, h][:, None])
                sums[0, k, g, p] = off.sum(axis=0) * n / drawn.size
                sums[1, k, g, p] = (off / past.scale[k, i][:, None]).sum(axis=0) * n / drawn.size
                sizes[:, k, g, p] = past.actual[k][cells].sum(), n
    return _Losses(*sums, *sizes)


def _error_of_sums(
    actual: FloatArray, made: FloatArray, cells: BoolArray, candidates: FloatArray
) -> FloatArray:
    """The absolute error of each candidate's sums over series, added up over the periods."""
    sums = np.where(cells[..., None], made, 0.0).sum(axis=0)
    came = np.where(cells, actual, 0.0).sum(axis=0)
    return np.abs(sums @ candidates.T - came[:, None]).sum(axis=0)


def _choose(losses: _Losses, candidates: FloatArray, kept: BoolArray) -> FloatArray:
    """The best candidate of each kind and part, from the origins kept; a slight preference for even ones."""

    def best(groups: slice, parts: slice) -> FloatArray | None:
        rows = losses.rows[kept][:, groups, parts].sum()
        if rows < _ENOUGH:
            return None
        amount = losses.amount[kept][:, groups, parts].sum() + 1e-9
        error = losses.by_amount[kept][:, groups, parts].sum(axis=(0, 1, 2)) / amount
        error += losses.by_scale[kept][:, groups, parts].sum(axis=(0, 1, 2)) / rows
        error += 0.5 * losses.by_total[kept][:, groups, parts].sum(axis=(0, 1, 2)) / amount
        spread = np.abs(candidates - 1 / candidates.shape[1]).sum(axis=1)
        return candidates[int(np.argmin(error * (1 + _PREFERENCE * spread)))]

    found = np.full((len(GROUPS), 2, candidates.shape[1]), 1 / candidates.shape[1])
    every = slice(None)
    for g, p in np.ndindex(found.shape[:2]):
        tries = (slice(g, g + 1), slice(p, p + 1)), (every, slice(p, p + 1)), (every, every)
        chosen = next((one for one in (best(*where) for where in tries) if one is not None), None)
        if chosen is not None:
            found[g, p] = chosen
    return found
