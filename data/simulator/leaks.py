"""A simulated world with fields that know the outcome, and with fields that do not: a test of the audit.

Each leak is a mistake that CRM exports are known for, under a name that gives nothing away (but for one).
Open deals hold what they would hold on the day of the export.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import UsageError
from data.simulator.rng import Bools, Floats, Ints, stream

__all__ = ["LEAKS", "Column", "Export", "History", "plant_leaks", "read_export", "write_export"]

Column = Any
"""An Arrow or NumPy array."""

_DAY_S = 86_400
_INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Export:
    """A canonical folder as its deals stood on the day of the export; arrays by deal, in file order.

    Times in epoch seconds; closed_s and won mean something where `closed`. amount and stage are the
    last ones recorded before the close; account counts into `account_ids`.
    """

    deal_ids: Column
    account: Ints
    account_ids: Column
    created_s: Ints
    closed_s: Ints
    closed: Bools
    won: Bools
    activities: Ints
    amount: Floats
    stage: Column
    now_s: int

    def __len__(self) -> int:
        return len(self.created_s)


@dataclass(frozen=True)
class History:
    """Rows of `opportunity_changes`: deal numbers, seconds, values."""

    deal: Ints
    at_s: Ints
    value: Sequence[str]


Fields = dict[str, "Column | History"]
"""Columns by `table.x_name`, each of as many values as the table has rows, or a history."""


def plant_leaks(directory: Path, into: Path, *, kinds: Sequence[str] = (), seed: int = 0) -> dict[str, str]:
    """Copy a simulated folder and add leaks of the given kinds (all by default).

    Returns the feature that leaks, by kind. Raises UsageError for an unknown kind.
    """
    chosen = tuple(kinds) or tuple(LEAKS)
    unknown = sorted(set(chosen) - set(LEAKS))
    if unknown:
        raise UsageError(f"leaks: expected kinds among {', '.join(LEAKS)}, found {', '.join(unknown)}.")
    export = read_export(directory)
    fields: Fields = {}
    planted = {}
    for kind in chosen:
        place, make = LEAKS[kind]
        fields[place] = make(stream(seed, f"leak {kind}"), export)
        table, _, name = place.partition(".")
        planted[kind] = f"{name}_history" if table == "opportunity_changes" else f"{table}_{name}"
    write_export(directory, into, export, fields)
    return planted


def read_export(directory: Path) -> Export:
    """The deals of a canonical folder, with what the export's day shows of them."""
    deals = pq.read_table(directory / "opportunities.parquet")
    accounts = pq.read_table(directory / "accounts.parquet", columns=["account_id"])["account_id"]
    ids = deals["opportunity_id"].combine_chunks()
    created, closed = _seconds(deals["created_at"]), _seconds(deals["closed_at"])
    is_closed = np.asarray(deals["outcome"].is_valid())
    activities = pq.read_table(directory / "activities.parquet", columns=["opportunity_id"])
    of = pc.index_in(activities["opportunity_id"], value_set=ids).drop_null()
    changes = pq.read_table(directory / "opportunity_changes.parquet")
    before = _before_close(changes, ids, np.where(is_closed, closed, np.iinfo(np.int64).max))
    amount = np.array([float(text) if text else np.nan for text in _last(before, ids, "amount").to_pylist()])
    return Export(
        deal_ids=ids,
        account=np.asarray(pc.index_in(deals["account_id"], value_set=accounts.combine_chunks()), np.int64),
        account_ids=accounts.combine_chunks(),
        created_s=created,
        closed_s=closed,
        closed=is_closed,
        won=np.array([outcome == "won" for outcome in deals["outcome"].to_pylist()]),
        activities=np.bincount(np.asarray(of, np.int64), minlength=len(ids)),
        amount=amount,
        stage=_last(before, ids, "stage"),
        now_s=int(max(created.max(), closed.max())) + 1,
    )  # fmt: skip


def write_export(directory: Path, into: Path, export: Export, fields: Fields) -> None:
    """Copy the folder with fields added to it; the truth is not copied."""
    into.mkdir(parents=True, exist_ok=True)
    for file in sorted(directory.glob("*.parquet")):
        shutil.copyfile(file, into / file.name)
    for place, values in fields.items():
        name, _, column = place.partition(".")
        file = into / f"{name}.parquet"
        table = pq.read_table(file)
        if isinstance(values, History):
            table = pa.concat_tables([table, _changes(export, column, values).cast(table.schema)])
        else:
            table = table.append_column(column, values)
        pq.write_table(table, file)


def _changes(export: Export, column: str, history: History) -> pa.Table:
    n = len(history.deal)
    return pa.table({
        "opportunity_id": export.deal_ids.take(history.deal),
        "field": pa.array([column] * n, pa.string()),
        "old_value": pa.nulls(n, pa.string()),
        "new_value": pa.array(list(history.value), pa.string()),
        "changed_at": pa.array(history.at_s * 1_000_000, pa.int64()).cast(_INSTANT),
    })  # fmt: skip


def _seconds(column: Column) -> Ints:
    """Epoch seconds, -1 where there is none."""
    micros: Column = pc.cast(pc.cast(column, _INSTANT), pa.int64())
    return np.asarray(micros.fill_null(-1_000_000), np.int64) // 1_000_000


def _before_close(changes: pa.Table, ids: Column, closed_s: Ints) -> pa.Table:
    place = pc.index_in(changes["opportunity_id"], value_set=ids)
    changes = changes.append_column("deal", place).filter(place.is_valid())
    open_then = _seconds(changes["changed_at"]) < closed_s[np.asarray(changes["deal"], np.int64)]
    return changes.filter(pa.array(open_then))


def _last(changes: pa.Table, ids: Column, field: str) -> Column:
    """The field's last value for each deal; changes are in order of time by deal and field."""
    mine = changes.filter(pc.equal(changes["field"], pa.scalar(field))).sort_by("changed_at")
    values = np.full(len(ids), None, dtype=object)
    values[np.asarray(mine["deal"], np.int64)] = mine["new_value"].to_pylist()
    return pa.array(values, pa.string())


def _texts(values: Column, keep: Bools | None = None) -> Column:
    mask = None if keep is None else ~keep
    return pa.array(np.asarray(values, dtype=object), pa.string(), mask=mask)


def _days(seconds: Ints) -> Column:
    """ISO dates."""
    return (
        pa.array(seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us")).cast(pa.date32()).cast(pa.string())
    )


def _guess(rng: np.random.Generator, of: Export) -> Bools:
    """The outcome, and for open deals one drawn at the rate of the closed ones."""
    rate = of.won[of.closed].mean()
    return np.where(of.closed, of.won, rng.random(len(of)) < rate)


def _outcome_in_category(rng: np.random.Generator, of: Export) -> Column:
    which = rng.integers(0, 2, len(of))
    names = np.array([["south", "east"], ["north", "west"]])
    return _texts(names[_guess(rng, of).astype(int), which])


def _early_loss_reason(rng: np.random.Generator, of: Export) -> Column:
    lost = ~_guess(rng, of)
    return _texts(rng.choice(["price", "timing", "rival"], len(of)), lost & (rng.random(len(of)) < 0.7))


def _close_date(rng: np.random.Generator, of: Export) -> Column:
    expected = of.now_s + rng.integers(5, 120, len(of)) * _DAY_S
    return _days(np.where(of.closed, of.closed_s, expected))


def _days_to_close(rng: np.random.Generator, of: Export) -> Column:
    return pa.array((np.where(of.closed, of.closed_s, of.now_s) - of.created_s) // _DAY_S)


def _filled_at_close(rng: np.random.Generator, of: Export) -> Column:
    return _texts(rng.choice(["ann", "bob", "eve"], len(of)), of.closed & (rng.random(len(of)) < 0.9))


def _flag_at_close(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(of.closed & (rng.random(len(of)) < 0.95))


def _final_discount(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(np.where(of.closed & of.won, rng.integers(1, 30, len(of)), 0))


def _final_amount(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(of.amount, from_pandas=True)


def _whole_life_activities(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(of.activities)


def _last_stage(rng: np.random.Generator, of: Export) -> Column:
    return of.stage


def _account_wins(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(np.bincount(of.account, of.closed & of.won, len(of.account_ids)).astype(np.int64))


def _late_history(rng: np.random.Generator, of: Export) -> History:
    deal = np.flatnonzero(of.closed & (rng.random(len(of)) < 0.8))
    return History(deal, of.closed_s[deal] - 60, np.where(of.won[deal], "green", "grey").tolist())


def _noisy_score(rng: np.random.Generator, of: Export) -> Column:
    return pa.array(np.round(50 + 10 * (2.33 * _guess(rng, of) + rng.normal(0, 1, len(of))), 1))


def _contract_id(rng: np.random.Generator, of: Export) -> Column:
    return _texts([f"C{n}" for n in rng.permutation(len(of)) + 10_000], of.closed & of.won)


def _coded_prefix(rng: np.random.Generator, of: Export) -> Column:
    head = np.where(_guess(rng, of), "AK", "BR")
    return _texts([f"{a}{n}" for a, n in zip(head, rng.permutation(len(of)) + 10_000, strict=True)])


def _minority(rng: np.random.Generator, of: Export) -> Column:
    return _texts(np.where(_guess(rng, of), "round", "square"), rng.random(len(of)) < 0.2)


def _banned_name(rng: np.random.Generator, of: Export) -> Column:
    return _texts(rng.choice(["a", "b", "c"], len(of)), rng.random(len(of)) < 0.5)


LEAKS: dict[str, tuple[str, Callable[[np.random.Generator, Export], "Column | History"]]] = {
    "outcome in a category": ("opportunities.x_district", _outcome_in_category),
    "loss reason typed early": ("opportunities.x_topic", _early_loss_reason),
    "actual close date": ("opportunities.x_milestone", _close_date),
    "days to close": ("opportunities.x_effort", _days_to_close),
    "filled at close": ("opportunities.x_reviewer", _filled_at_close),
    "flag set at close": ("opportunities.x_archived", _flag_at_close),
    "final discount": ("opportunities.x_terms", _final_discount),
    "final amount": ("opportunities.x_quote", _final_amount),
    "activities of the whole life": ("opportunities.x_touches", _whole_life_activities),
    "last stage": ("opportunities.x_phase", _last_stage),
    "wins of the account, this one included": ("accounts.x_standing", _account_wins),
    "history written a minute before the close": ("opportunity_changes.x_light", _late_history),
    "score of the outcome with noise": ("opportunities.x_rating", _noisy_score),
    "presence of a contract number": ("opportunities.x_reference", _contract_id),
    "code whose first letters know": ("opportunities.x_case_no", _coded_prefix),
    "decisive in a fifth of the deals": ("opportunities.x_shape", _minority),
    "name of a field settled at the close": ("opportunities.x_loss_reason__c", _banned_name),
}
"""Leaks by kind: the field that holds each, and how it is made."""
