"""What stands beside a deal's score: its room, promises, spiral, answers and moments.

Read from the published files alone; a run published without one of them has none of its rows.
"""

from dataclasses import dataclass
from typing import Any

from serving.deals import rows_of
from serving.published import Published

__all__ = ["MOMENTS", "PROMISES", "QUALIFICATION", "ROLES", "SPIRAL", "DealRoom", "deal_room"]

ROLES = "win_roles.parquet"
"""Roles that won deals alike had engaged, and who is likely to come next; see `models.room`."""
PROMISES = "win_promises.parquet"
"""The promise ledger; see `features.promise_ledger`."""
SPIRAL = "win_spiral.parquet"
"""Phases of the spiral and ways out, each with its evidence; see `features.spiral`."""
QUALIFICATION = "win_qualification.parquet"
"""Both sides' answers; see `features.timeline.qualification_state`."""
MOMENTS = "win_moments.parquet"
"""Moments and signals in their order; see `features.timeline.moments_timeline`."""

Row = dict[str, Any]


@dataclass(frozen=True)
class DealRoom:
    """The rows of one deal, as the files hold them."""

    roles: tuple[Row, ...]
    promises: tuple[Row, ...]
    spiral: tuple[Row, ...]
    qualification: tuple[Row, ...]
    moments: tuple[Row, ...]

    @property
    def missing_roles(self) -> tuple[Row, ...]:
        """Roles not engaged yet that won deals alike had engaged, the most expected first."""
        missing = [row for row in self.roles if not row["engaged"] and row["expected_share"]]
        return tuple(sorted(missing, key=lambda row: (-row["expected_share"], row["role"])))

    @property
    def phase(self) -> int:
        """The furthest phase of the spiral, 0 where there is none."""
        return max((row["phase"] for row in self.spiral if row["kind"] == "phase"), default=0)


def deal_room(published: Published, opportunity_id: str) -> DealRoom:
    """What stands beside the score of a deal; empty for a deal that was not scored."""
    held = published.manifest["files"]

    def rows(name: str) -> tuple[Row, ...]:
        return tuple(rows_of(published.table(name), opportunity_id)) if name in held else ()

    return DealRoom(rows(ROLES), rows(PROMISES), rows(SPIRAL), rows(QUALIFICATION), rows(MOMENTS))
