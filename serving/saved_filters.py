"""Views of the deals that a user has named: the query of the page, kept per user."""

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from data.answers import Instant
from data.errors import UsageError
from serving.access.errors import NotFound
from serving.store import Store, metadata
from serving.typed_text import cleaned

__all__ = ["LONGEST_FILTER_NAME", "SavedFilter", "drop_filter", "filters_of", "keep_filter"]

LONGEST_FILTER_NAME = 60
"""Characters."""
_MOST = 50

_filters = sa.Table(
    "saved_filters",
    metadata,
    sa.Column("filter_id", sa.String, primary_key=True),
    sa.Column("user_id", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("query", sa.String, nullable=False),
    sa.Column("saved_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)


@dataclass(frozen=True)
class SavedFilter:
    """A named view. query: of the page's address, without its question mark."""

    filter_id: str
    name: str
    query: str
    saved_at: datetime


def filters_of(store: Store, user_id: str) -> tuple[SavedFilter, ...]:
    """The user's views, by name."""
    wanted = sa.select(_filters).where(_filters.c.user_id == user_id).order_by(_filters.c.name)
    with store.reading() as con:
        return tuple(_filter(row) for row in con.execute(wanted))


def keep_filter(store: Store, user_id: str, *, name: str, query: str, now: datetime) -> SavedFilter:
    """Keep a view; one of the same name gives way. query: checked by the caller.

    Raises UsageError for a name that is empty or too long, and beyond 50 views.
    """
    called = cleaned(name, "Name of the view", longest=LONGEST_FILTER_NAME, needed=True)
    mine = _filters.c.user_id == user_id
    with store.writing() as con:
        con.execute(_filters.delete().where(mine, _filters.c.name == called))
        if (con.scalar(sa.select(sa.func.count()).select_from(_filters).where(mine)) or 0) >= _MOST:
            raise UsageError(f"Saved views: expected at most {_MOST}, found more. Forget one first.")
        kept = SavedFilter(secrets.token_hex(8), called, query, now)
        con.execute(_filters.insert().values(user_id=user_id, **vars(kept)))
    return kept


def drop_filter(store: Store, user_id: str, filter_id: str) -> None:
    """Forget a view. Raises NotFound for one that is not the user's own."""
    mine = sa.and_(_filters.c.user_id == user_id, _filters.c.filter_id == filter_id)
    with store.writing() as con:
        if not con.execute(_filters.delete().where(mine)).rowcount:
            raise NotFound


def _filter(row: sa.Row[tuple[str, str, str, str, datetime]]) -> SavedFilter:
    return SavedFilter(row.filter_id, row.name, row.query, row.saved_at)
