"""Which deals have sheets, and how far each has come; no answer."""

from collections.abc import Collection

import sqlalchemy as sa

from serving.sheets.tables import sheets, submissions
from serving.sheets.views import SheetLine
from serving.store import Store

__all__ = ["last_vendor_name", "sheet_lines", "sheet_of_deal"]


def sheet_of_deal(store: Store, opportunity_id: str) -> str | None:
    """The id of the deal's sheet, None if it has none."""
    with store.reading() as con:
        return con.scalar(sa.select(sheets.c.sheet_id).where(sheets.c.opportunity_id == opportunity_id))


def last_vendor_name(store: Store, by: str) -> str:
    """Our name as this user typed it on their last sheet; empty if they began none. Others' is not shown."""
    own = sa.select(sheets.c.vendor_name).where(sheets.c.created_by == by)
    with store.reading() as con:
        return con.scalar(own.order_by(sheets.c.created_at.desc()).limit(1)) or ""


def sheet_lines(store: Store, opportunity_ids: Collection[str]) -> tuple[SheetLine, ...]:
    """The sheets of these deals, the one touched last first: how far each has come, and no answer."""
    last = (
        sa.select(submissions.c.sheet_id, sa.func.max(submissions.c.submitted_at).label("at"))
        .group_by(submissions.c.sheet_id)
        .subquery()
    )
    touched = sa.func.coalesce(last.c.at, sheets.c.created_at)
    with store.reading() as con:
        rows = con.execute(
            sa.select(sheets, touched.label("touched"))
            .join(last, last.c.sheet_id == sheets.c.sheet_id, isouter=True)
            .order_by(touched.desc(), sheets.c.sheet_id)
        ).all()
        done = con.execute(sa.select(submissions.c.sheet_id, submissions.c.round, submissions.c.side)).all()
    sides: dict[tuple[str, int], set[str]] = {}
    for sheet_id, number, side in done:
        sides.setdefault((sheet_id, number), set()).add(side)
    wanted = frozenset(opportunity_ids)
    return tuple(
        SheetLine(
            opportunity_id=row.opportunity_id,
            deal_name=row.deal_name,
            round=row.round,
            vendor_in="vendor" in sides.get((row.sheet_id, row.round), ()),
            customer_in="customer" in sides.get((row.sheet_id, row.round), ()),
            touched_at=row.touched,
        )
        for row in rows
        if row.opportunity_id in wanted
    )
