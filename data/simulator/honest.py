"""Fields of one's own that know nothing they should not: the audit must leave them alone.

Not only noise: fields that go with winning as real ones do, that a team began or ceased to use, that are
filled early in some deals, texts as many as deals, dates, histories kept all along.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.simulator.leaks import Column, Export, Fields, History, read_export, write_export
from data.simulator.rng import Bools, Ints, stream

__all__ = ["plant_honest"]

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S

Maker = Callable[[np.random.Generator, Export], "Column | History"]


def plant_honest(directory: Path, into: Path, *, seed: int = 0, copies: int = 3) -> tuple[str, ...]:
    """Copy a simulated folder and add honest fields, so many of each sort; the names of their features."""
    export = read_export(directory)
    fields: Fields = {}
    names = []
    for sort, (table, make) in _SORTS.items():
        for i in range(copies):
            field = f"x_{sort}_{i}"
            fields[f"{table}.{field}"] = make(stream(seed, f"honest {sort}", i), export)
            names.append(f"{field}_history" if table == "opportunity_changes" else f"{table}_{field}")
    write_export(directory, into, export, fields)
    return tuple(names)


def _masked(rng: np.random.Generator, values: Column, share: float | None = None) -> Column:
    """The values, in a share of the deals that owes nothing to their outcome (0.2 to 1 by default)."""
    absent = rng.random(len(values)) > (rng.uniform(0.2, 1) if share is None else share)
    return pa.array(values.tolist(), mask=absent)


def _truth(of: Export) -> Bools:
    """What an honest field may lean on: the outcome, for open deals an even guess by their number."""
    return np.where(of.closed, of.won, np.arange(len(of)) % 4 == 0)


def _levels(n: int) -> Maker:
    return lambda rng, of: _masked(rng, np.array([f"v{v}" for v in rng.integers(0, n, len(of))]))


def _number(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, np.round(rng.lognormal(3, 1, len(of)), 2))


def _flag(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, rng.random(len(of)) < rng.uniform(0.03, 0.6))


def _unique(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, np.array([f"{a}-{n}" for a, n in zip(
        rng.choice(["QA", "QB", "ZX"], len(of)), rng.permutation(len(of)), strict=True)]))  # fmt: skip


def _leaning_number(rng: np.random.Generator, of: Export) -> Column:
    """A number of AUC 0.6 to 0.8."""
    return _masked(rng, np.round(rng.uniform(0.35, 1.2) * _truth(of) + rng.normal(0, 1, len(of)), 2))


def _leaning_category(rng: np.random.Generator, of: Export) -> Column:
    value = np.digitize(rng.uniform(0.3, 1.0) * _truth(of) + rng.normal(0, 1, len(of)), (-0.5, 0.4, 1.2))
    return _masked(rng, np.array(["low", "middle", "good", "high"])[value])


def _leaning_flag(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, rng.random(len(of)) < np.where(_truth(of), 0.5, 0.2))


def _early(rng: np.random.Generator, of: Export) -> Column:
    """Typed in during the first three weeks of life, where at all; young deals may not have it yet."""
    due = of.created_s + rng.integers(0, 21 * _DAY_S, len(of))
    there = (due < of.now_s) & (rng.random(len(of)) < 0.8)
    return pa.array(rng.choice(["fit", "price", "service"], len(of)).tolist(), mask=~there)


def _begun(rng: np.random.Generator, of: Export) -> Column:
    """In use since a day within the data."""
    since = np.quantile(of.created_s, rng.uniform(0.3, 0.7))
    return pa.array(rng.choice(["a", "b", "c"], len(of)).tolist(), mask=of.created_s < since)


def _ceased(rng: np.random.Generator, of: Export) -> Column:
    """Out of use since a day within the data."""
    until = np.quantile(of.created_s, rng.uniform(0.5, 0.85))
    return pa.array(rng.choice(["a", "b", "c"], len(of)).tolist(), mask=of.created_s > until)


def _campaign(rng: np.random.Generator, of: Export) -> Column:
    """Another name each half year, so that open deals hold names that closed ones do not."""
    half = (of.created_s - of.created_s.min()) // (182 * _DAY_S)
    return _masked(rng, np.array([f"campaign {n}" for n in half]), 0.9)


def _first_day(rng: np.random.Generator, of: Export) -> Column:
    """A date in the weeks before the deal began."""
    return _dates(of.created_s - rng.integers(0, 90, len(of)) * _DAY_S)


def _hoped_for(rng: np.random.Generator, of: Export) -> Column:
    """The date on which the buyer hoped to go live, as told at the first meeting."""
    return _dates(of.created_s + rng.integers(60, 400, len(of)) * _DAY_S)


def _of_account(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, np.round(rng.lognormal(4, 1.5, len(of.account_ids)), 0))


def _tier(rng: np.random.Generator, of: Export) -> Column:
    return _masked(rng, np.array(["gold", "silver", "bronze"])[rng.integers(0, 3, len(of.account_ids))])


def _weekly(rng: np.random.Generator, of: Export) -> History:
    """Looked at every few weeks until the close; leans on the outcome a little."""
    deal, at = _visits(rng, of)
    value = np.digitize(0.6 * _truth(of)[deal] + rng.normal(0, 1, len(deal)), (-0.5, 0.8))
    return History(deal, at, np.array(["red", "amber", "green"])[value].tolist())


def _once(rng: np.random.Generator, of: Export) -> History:
    """Written once, at any time of the deal's life."""
    ends = np.where(of.closed, of.closed_s, of.now_s)
    at = of.created_s + (rng.random(len(of)) * (ends - of.created_s)).astype(np.int64)
    chosen = np.flatnonzero(rng.random(len(of)) < 0.6)
    return History(chosen, at[chosen], rng.choice(["x", "y"], len(chosen)).tolist())


def _visits(rng: np.random.Generator, of: Export) -> tuple[Ints, Ints]:
    ends = np.where(of.closed, of.closed_s, of.now_s)
    weeks = np.maximum((ends - of.created_s) // _WEEK_S, 1)
    deal = np.repeat(np.arange(len(of)), weeks)
    week = np.arange(len(deal)) - np.repeat(np.cumsum(weeks) - weeks, weeks)
    at = of.created_s[deal] + week * _WEEK_S + rng.integers(0, _DAY_S, len(deal))
    kept = (rng.random(len(deal)) < 0.4) & (at < ends[deal])
    return deal[kept], at[kept]


def _dates(seconds: Column) -> Column:
    micros = pa.array((seconds * 1_000_000).astype(np.int64))
    return micros.cast(pa.timestamp("us")).cast(pa.date32()).cast(pa.string())


_SORTS: dict[str, tuple[str, Maker]] = {
    "few": ("opportunities", _levels(3)),
    "some": ("opportunities", _levels(9)),
    "many": ("opportunities", _levels(60)),
    "amountlike": ("opportunities", _number),
    "ticked": ("opportunities", _flag),
    "code": ("opportunities", _unique),
    "leaning": ("opportunities", _leaning_number),
    "band": ("opportunities", _leaning_category),
    "sign": ("opportunities", _leaning_flag),
    "early": ("opportunities", _early),
    "begun": ("opportunities", _begun),
    "ceased": ("opportunities", _ceased),
    "campaign": ("opportunities", _campaign),
    "met": ("opportunities", _first_day),
    "hoped": ("opportunities", _hoped_for),
    "size": ("accounts", _of_account),
    "tier": ("accounts", _tier),
    "mood": ("opportunity_changes", _weekly),
    "noted": ("opportunity_changes", _once),
}
"""Sorts of honest fields: the table of each, and how it is made."""
