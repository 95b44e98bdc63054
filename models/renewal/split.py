"""The split of contracts: by time of decision as deals are split, and no account in two windows.

Two contracts of one customer share what that customer is like. If one is learnt from and the other tested
on, the test flatters. So an account whose decided contracts lie in several windows is put into one of them
by lot, and its rows elsewhere lose their label; the rows that stay are weighted by the inverse of the chance
that they stayed, so that no window leans towards the accounts that have a single contract.
"""

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrays import DAY_US, NEVER, BoolArray, IntArray, deal_codes, known_outcomes, micros
from models.split import Split, Window, time_split

__all__ = ["LOTS", "AccountSplit", "account_split"]

LOTS = {"train": 0.5, "calibration": 0.2, "test": 0.3}
"""The chances of an account that lies in all three windows; of one in two, in proportion."""

_WAITED = 0.9
_TRIES = 6


@dataclass(frozen=True)
class AccountSplit:
    """Labels as each window may use them, and the windows.

    labels: those given, with y, closed_at and ratio emptied where the account counts in another window, and
    `weight`, the inverse of the chance that a row was kept (1 where there was no choice). split: its windows'
    known rows are of disjoint accounts. moved: accounts that lay in several windows.
    """

    labels: pa.Table
    split: Split
    moved: int


def account_split(
    labels: pa.Table,
    *,
    as_of: datetime,
    step_days: float = 7.0,
    embargo_days: float | None = None,
    min_contracts: int = 10,
    seed: int = 0,
) -> AccountSplit:
    """Train, calibration and test windows of `models.split.time_split`, each account in one of them.

    labels: of `renewal_labels`. min_contracts: renewed, and churned, contracts that each window should have
    once accounts are in one place; windows widen for that, and what cannot be had is said in `split.thin`.
    Calibration and test are to be as long as nine in ten snapshots waited for their decision, since shorter
    ones would hold only those near their term. The lot is a hash of the seed and the account's id, so that an
    account goes the same way whatever else is in the data.
    """
    wanted, least = min_contracts, _waited_days(labels)
    for _ in range(_TRIES):
        split = time_split(
            labels,
            as_of=as_of,
            step_days=step_days,
            embargo_days=embargo_days,
            min_deals=wanted,
            min_window_days=least,
        )
        found = _one_window_each(labels, split, seed, min_contracts)
        if found.split.thin is None or split.thin is not None:
            break
        wanted = math.ceil(wanted * 1.5)
    return found


def _waited_days(labels: pa.Table) -> float:
    """Days that nine in ten decided snapshots waited at most."""
    closed, at = micros(labels["closed_at"]), micros(labels["as_of"])
    waited = (closed - at)[closed != NEVER]
    return float(np.quantile(waited, _WAITED)) / DAY_US if waited.size else 0.0


def _one_window_each(labels: pa.Table, split: Split, seed: int, min_contracts: int) -> AccountSplit:
    windows = {name: getattr(split, name) for name in LOTS}
    names, account = _accounts(labels)
    lies_in = np.column_stack([
        np.bincount(account[window.known], minlength=len(names)) > 0 for window in windows.values()
    ])  # fmt: skip
    chance = lies_in * np.array(list(LOTS.values()))
    chance /= np.maximum(chance.sum(axis=1, keepdims=True), 1e-300)
    lot = np.array([_lot(seed, name) for name in names])
    drawn = (np.cumsum(chance, axis=1) <= lot[:, None]).sum(axis=1).clip(max=len(LOTS) - 1)
    # the sum of the chances may fall short of the lot by a rounding error: then the last window it lies in
    last = len(LOTS) - 1 - np.argmax(lies_in[:, ::-1], axis=1)
    drawn = np.where(lies_in[np.arange(len(names)), drawn], drawn, last)

    weight, dropped = np.ones(labels.num_rows), np.zeros(labels.num_rows, dtype=np.bool_)
    kept: dict[str, Window] = {}
    for place, (name, window) in enumerate(windows.items()):
        here = window.known & (drawn[account] == place)
        weight[here] = 1 / chance[account[here], place]
        dropped |= window.known & ~here
        kept[name] = replace(window, known=here)
    labels = _without(labels, dropped).append_column("weight", pa.array(weight))
    thin = _thin(labels, kept, min_contracts)
    whole = Split(split.as_of, kept["train"], kept["calibration"], kept["test"], thin)
    return AccountSplit(labels, whole, int((lies_in.sum(axis=1) > 1).sum()))


def _accounts(labels: pa.Table) -> tuple[list[str], IntArray]:
    """The accounts' ids and each row's place among them; a contract without an account is its own."""
    ids = labels["account_id"].to_pylist()
    contracts = labels["contract_id"].to_pylist()
    own = [
        f"contract {contract}" if one is None else one for one, contract in zip(ids, contracts, strict=True)
    ]
    names, place = np.unique(np.array(own, dtype=np.str_), return_inverse=True)
    return [str(name) for name in names], place.astype(np.int64)


def _lot(seed: int, account: str) -> float:
    """A number in [0, 1) that the seed and the account's id alone decide."""
    digest = hashlib.sha256(f"{seed}:{account}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


def _without(labels: pa.Table, dropped: BoolArray) -> pa.Table:
    """The labels with the outcome of some rows emptied, as if it were not known."""
    for name in ("y", "closed_at", "ratio"):
        kept: Any = pc.if_else(pa.array(~dropped), labels[name], pa.scalar(None, labels[name].type))
        labels = labels.set_column(labels.schema.get_field_index(name), name, kept)
    return labels


def _thin(labels: pa.Table, windows: dict[str, Window], needed: int) -> str | None:
    """Which window has too few contracts of an outcome, in words; None if none has."""
    contract, renewed = deal_codes(labels), known_outcomes(labels) == 1
    for name, window in windows.items():
        n_renewed = np.unique(contract[window.known & renewed]).size
        n_churned = np.unique(contract[window.known & ~renewed]).size
        if min(n_renewed, n_churned) < needed:
            return (
                f"The {name} window ({window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}) has {n_renewed} "
                f"renewed and {n_churned} churned contracts; {needed} of each are needed."
            )
    return None
