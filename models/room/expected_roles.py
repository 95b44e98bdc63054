"""Who should be in the room by now: the roles that won deals alike had engaged, and when."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.families.alike import EXPECTED_ROLES
from features.feature import RolesMissing
from models.alike import Figures, median_by_cell
from models.arrays import BoolArray, FloatArray, IntArray, deal_codes, micros
from models.columns import numbers
from models.norms import RoleShares

__all__ = ["GAPS_SCHEMA", "ExpectedRoles", "wilson_interval"]

_COLUMNS: Any = [
    ("opportunity_id", pa.string()),
    ("role", pa.string()),
    ("engaged", pa.bool_()),
    ("touches", pa.int64()),
    ("expected_share", pa.float64()),
    ("expected_low", pa.float64()),
    ("expected_high", pa.float64()),
    ("n_alike", pa.int64()),
    ("typical_day", pa.float64()),
    ("alike", pa.string()),
]
GAPS_SCHEMA: Any = pa.schema(_COLUMNS)

_Z = 1.959964
_DAY = "deal_age_days"


@dataclass(frozen=True)
class ExpectedRoles:
    """What is learnt about the room from won training deals.

    shares: as `expected_roles_missing` reads them, with the deals behind them. days: by role, the median
    day after creation on which those of them that ever engaged the role first did.
    """

    shares: RoleShares
    days: dict[str, Figures]

    @classmethod
    def fit(
        cls, frame: pa.Table, y: FloatArray, *, rows: BoolArray, value: RolesMissing = EXPECTED_ROLES
    ) -> "ExpectedRoles":
        """Learnt from the rows that are True in `rows` and won (y is 1).

        A role's first day is that of its last touch at the first snapshot that sees one, so it is late by
        less than one step of the calendar.
        """
        won = frame.filter(pa.array(rows & (y == 1)))
        shares = RoleShares.fit(won, value)
        deals, order = deal_codes(won), np.argsort(micros(won["as_of"]), kind="stable")
        days = {}
        for role, column in value.touches:
            first = _first_day(won, role, column, deals, order)
            days[role] = median_by_cell(shares.shares.alike, won, first, present=~np.isnan(first))
        return cls(shares, days)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles, in the order of the shares' columns."""
        return tuple(role for role, _ in self.shares.touches)

    def expected(self, frame: pa.Table) -> FloatArray:
        """The share of won deals alike that had engaged each role by then, (n, roles); NaN if none was."""
        figures = self.shares.shares
        return figures.resolved[0][figures.alike.cells(frame)]

    def gaps(self, frame: pa.Table) -> pa.Table:
        """One row per deal of the frame and role, with the columns of GAPS_SCHEMA.

        expected_share leans on the coarser group with ten deals' weight; expected_low and expected_high are
        its 95 % interval for n_alike deals (Wilson), the won deals that `alike` describes. typical_day: days
        after creation. All of them are null where no won deal was learnt from. Raises ModelContractError if
        a column is absent or of another type.
        """
        alike = self.shares.shares.alike
        cells, width = alike.cells(frame), len(self.roles)
        shares, n_alike, depths = self.shares.shares.resolved
        share, deals, depth = shares[cells], n_alike[cells], depths[cells]
        touches = np.column_stack([numbers(frame, column, "count") for _, column in self.shares.touches])
        days = np.column_stack([self.days[role].resolved[0][cells, 0] for role in self.roles])
        low, high = wilson_interval(share, deals[:, None])
        said = {(c, d): alike.words(c, d) for c, d in set(zip(cells.tolist(), depth.tolist(), strict=True))}
        words = [said[pair] for pair in zip(cells.tolist(), depth.tolist(), strict=True)]
        of_deal: Any = pa.array(np.repeat(np.arange(frame.num_rows), width))
        ids: Any = frame["opportunity_id"]
        whole = np.nan_to_num(touches).astype(np.int64)
        columns: list[Any] = [
            ids.take(of_deal).combine_chunks(),
            pa.array(list(self.roles) * frame.num_rows, pa.string()),
            pa.array(whole.ravel() > 0),
            pa.array(whole.ravel()),
            *(_nullable(part) for part in (share, low, high)),
            pa.array(np.repeat(deals, width)),
            _nullable(days),
            pa.array(words, pa.string()).take(of_deal),
        ]
        return pa.table(columns, schema=GAPS_SCHEMA)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` gives back an equal object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "ExpectedRoles":
        """The object that `as_dict` described."""
        return cls(
            RoleShares.from_dict(stored["shares"]),
            {role: Figures.from_dict(held) for role, held in stored["days"].items()},
        )


def wilson_interval(share: FloatArray, n: IntArray) -> tuple[FloatArray, FloatArray]:
    """The 95 % interval of a share of n; the whole range where n is 0. Source: Wilson (1927).

    >>> low, high = wilson_interval(np.array([0.5, 0.0]), np.array([10, 10]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.237, 0.0], [0.763, 0.278])
    """
    spread = np.divide(_Z**2, n, out=np.full(np.broadcast(share, n).shape, np.inf), where=n > 0)
    with np.errstate(invalid="ignore"):
        centre = (share + spread / 2) / (1 + spread)
        half = np.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    unknown = np.isinf(spread)
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(unknown, 0.0, low), np.where(unknown, 1.0, high)


def _first_day(won: pa.Table, role: str, column: str, deals: IntArray, order: IntArray) -> FloatArray:
    """For each row, the day after creation on which its deal first engaged the role; NaN if it never did."""
    engaged = order[numbers(won, column, "count")[order] > 0]
    known, earliest = np.unique(deals[engaged], return_index=True)
    at = engaged[earliest]
    day = numbers(won, _DAY, "number")[at] - numbers(won, f"days_since_{role}", "number")[at]
    first = np.full(int(deals.max(initial=-1)) + 1, np.nan)
    first[known] = np.maximum(day, 0.0)
    return first[deals]


def _nullable(values: FloatArray) -> Any:
    flat = np.ascontiguousarray(values).ravel()
    return pa.array(flat, mask=np.isnan(flat))
