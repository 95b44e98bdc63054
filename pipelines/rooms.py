"""The tables that stand beside the scores: what each open deal's records say of its room and promises."""

from collections.abc import Collection, Mapping
from datetime import datetime

import ibis.expr.types as ir
import pyarrow as pa

from features.promise_ledger import promise_ledger
from features.spiral import spiral_phases
from features.timeline import moments_timeline, qualification_state
from pipelines.progress import Say
from serving.room import MOMENTS, PROMISES, QUALIFICATION, SPIRAL

__all__ = ["deal_tables"]


def deal_tables(
    tables: Mapping[str, ir.Table], as_of: datetime, deals: Collection[str], say: Say
) -> dict[str, pa.Table]:
    """The promise ledger, the spiral, both sides' answers and the moments of these deals, by file name."""
    say(f"ledgers of {len(deals):,} open deals")
    return {
        PROMISES: promise_ledger(tables, as_of, deals),
        SPIRAL: spiral_phases(tables, as_of, deals),
        QUALIFICATION: qualification_state(tables, as_of, deals),
        MOMENTS: moments_timeline(tables, as_of, deals),
    }
