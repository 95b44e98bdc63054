"""The open deals in ranked order, column by column, so that a list is filtered and sorted without a scan."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.arrays import BoolArray, FloatArray
from serving.deals import DealScore

__all__ = ["DealIndex", "Texts", "deal_index"]

Texts = npt.NDArray[np.object_]
"""Texts, None where unknown; texts that repeat are one object."""
Places = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]

_TEXTS = (
    "name", "account_id", "account", "owner_id", "owner", "region", "segment", "stage", "type", "currency",
    "evidence", "top_reason",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DealIndex:
    """The open deals by probability, highest first; ties by id. Every column has one entry per deal.

    published: place of the deal in the published files. amount (in `currency`), change (p_win minus that
    of the run before) and previous_p_win: NaN where unknown. expected_close_on: days, NaT where unknown.
    Texts are None where unknown, and in the run's files absent columns are None throughout.
    """

    ids: Texts
    published: Places
    p_win: FloatArray
    log_odds: FloatArray
    base_log_odds: FloatArray
    amount: FloatArray
    previous_p_win: FloatArray
    change: FloatArray
    expected_close_on: Days
    name: Texts
    account_id: Texts
    account: Texts
    owner_id: Texts
    owner: Texts
    region: Texts
    segment: Texts
    stage: Texts
    type: Texts
    currency: Texts
    evidence: Texts
    top_reason: Texts

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, column: str, wanted: Collection[str | None]) -> BoolArray:
        """Whether the deal's text in the column is one of those wanted; None asks for the unknown ones."""
        held: Texts = getattr(self, column)
        found: BoolArray = np.fromiter((text in wanted for text in held), np.bool_, len(held))
        return found

    def score(self, place: int) -> DealScore:
        """The deal at that place of the ranking; its rank is the place + 1."""
        closes = self.expected_close_on[place]
        return DealScore(
            rank=place + 1,
            opportunity_id=self.ids[place],
            name=self.name[place],
            account=self.account[place],
            owner_id=self.owner_id[place],
            owner=self.owner[place],
            stage=self.stage[place],
            amount=_known(self.amount[place]),
            currency=self.currency[place],
            expected_close_on=None if np.isnat(closes) else str(closes),
            p_win=float(self.p_win[place]),
            change=_known(self.change[place]),
            top_reason=self.top_reason[place],
        )


def deal_index(deals: pa.Table, scores: pa.Table) -> DealIndex:
    """The index of a run's win_deals and win_scores, which list the same deals in the same order."""
    p_win = _numbers(scores, "p_win")
    order = np.argsort(-p_win, kind="stable")  # the files are sorted by id, so ties stay in the order of ids
    before = _numbers(deals, "previous_p_win")[order]
    return DealIndex(
        ids=_texts(deals, "opportunity_id")[order],
        published=order.astype(np.int64),
        p_win=p_win[order],
        log_odds=_numbers(scores, "log_odds")[order],
        base_log_odds=_numbers(scores, "base_log_odds")[order],
        amount=_numbers(deals, "amount")[order],
        previous_p_win=before,
        change=p_win[order] - before,
        expected_close_on=_days(deals, "expected_close_on")[order],
        **{name: _texts(deals, name)[order] for name in _TEXTS},
    )


# Below, values are taken from Arrow's buffers: its own ways to NumPy import pandas, which takes long.


def _numbers(table: pa.Table, name: str) -> FloatArray:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values, known = _values(table[name].cast(pa.float64()).combine_chunks(), np.dtype(np.float64))
    return np.where(known, values, np.nan)


def _days(table: pa.Table, name: str) -> Days:
    nothing = np.datetime64("NaT", "D")
    if name not in table.column_names:
        return np.full(table.num_rows, nothing)
    values, known = _values(table[name].cast(pa.date32()).combine_chunks(), np.dtype(np.int32))
    return np.where(known, values.astype("datetime64[D]"), nothing)


def _texts(table: pa.Table, name: str) -> Texts:
    """The column as Python texts; a text that repeats is held once."""
    if name not in table.column_names:
        return np.full(table.num_rows, None, dtype=object)
    coded: Any = table[name].combine_chunks().dictionary_encode()
    levels = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    codes, known = _values(coded.indices, np.dtype(np.int32))
    texts: Texts = levels[np.where(known, codes, len(levels) - 1)]
    return texts


def _values(array: Any, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], BoolArray]:
    """An Arrow array's values, and which are known; where one is not, its value means nothing."""
    validity, data = array.buffers()
    if data is None:
        return np.zeros(len(array), dtype=dtype), np.zeros(len(array), dtype=np.bool_)
    values = np.frombuffer(data, dtype=dtype)[array.offset : array.offset + len(array)]
    if validity is None:
        return values, np.ones(len(array), dtype=np.bool_)
    bits = np.unpackbits(np.frombuffer(validity, dtype=np.uint8), bitorder="little")
    return values, bits[array.offset : array.offset + len(array)].astype(np.bool_)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
