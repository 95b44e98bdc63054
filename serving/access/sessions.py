"""Sessions and one-time links in the server's store: of each secret only its hash is kept."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from data.answers import Instant
from serving.access.actor import OWNER, Identity
from serving.store import Store, metadata

__all__ = ["LINK_HOURS", "Clock", "Links", "Sessions"]

Clock = Callable[[], datetime]
"""The present UTC instant; handed in at the edge."""

LINK_HOURS = 12
"""How long an unused one-time link opens the door."""

_sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.String, primary_key=True),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("via", sa.String, nullable=False),
    sa.Column("user_id", sa.String),
    sa.Column("email_sha256", sa.String),
    sa.Column("expires_at", Instant, nullable=False),
)
_links = sa.Table(
    "entry_links",
    metadata,
    sa.Column("token_sha256", sa.String, primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
)


class Sessions:
    """Who is signed in: kept in the store, so that a restart signs nobody out, and at hand in memory.

    One server holds a store, so what is in memory is never older than what is stored.
    """

    def __init__(self, store: Store, clock: Clock, hours: float) -> None:
        self._store = store
        self._clock = clock
        self._lasts = timedelta(hours=hours)
        self._held: dict[str, tuple[Identity, datetime]] = {}
        self._lock = threading.Lock()

    def open(self, identity: Identity) -> str:
        """A new session's token, for the visitor's cookie and nowhere else."""
        token, now = secrets.token_urlsafe(32), self._clock()
        expires_at = now + self._lasts
        with self._store.writing() as con:
            con.execute(_sessions.delete().where(_sessions.c.expires_at <= now))
            con.execute(
                _sessions.insert().values(
                    token_sha256=_sha256(token),
                    subject=identity.subject,
                    name=identity.name,
                    roles=sorted(identity.roles),
                    via=identity.via,
                    user_id=identity.user_id,
                    email_sha256=identity.email_sha256,
                    expires_at=expires_at,
                )
            )
        with self._lock:
            self._held = {key: one for key, one in self._held.items() if one[1] > now}
            self._held[_sha256(token)] = (identity, expires_at)
        return token

    def identity(self, token: str) -> Identity | None:
        """Whose session it is; None for one that ended, ran out or never was."""
        key = _sha256(token)
        held = self._held.get(key) or self._stored(key)
        return held[0] if held is not None and self._clock() < held[1] else None

    def close(self, token: str) -> None:
        """End the session: its token opens nothing from now on."""
        key = _sha256(token)
        with self._lock:
            with self._store.writing() as con:
                con.execute(_sessions.delete().where(_sessions.c.token_sha256 == key))
            self._held.pop(key, None)

    def _stored(self, key: str) -> tuple[Identity, datetime] | None:
        """The session from the store, after a restart; one that is being closed does not come back."""
        with self._lock:
            with self._store.reading() as con:
                row = con.execute(sa.select(_sessions).where(_sessions.c.token_sha256 == key)).one_or_none()
            if row is None:
                return None
            identity = Identity(
                subject=row.subject,
                name=row.name,
                roles=frozenset(row.roles),
                via=row.via,
                user_id=row.user_id,
                email_sha256=row.email_sha256,
            )
            self._held[key] = (identity, row.expires_at)
            return self._held[key]


class Links:
    """One-time links to a server without sign-in: each opens one session, for who may read its terminal."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def new(self) -> str:
        """A new link's token, shown once."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._store.writing() as con:
            con.execute(_links.delete().where(_links.c.expires_at <= now))
            con.execute(
                _links.insert().values(
                    token_sha256=_sha256(token), expires_at=now + timedelta(hours=LINK_HOURS)
                )
            )
        return token

    def use(self, token: str) -> Identity | None:
        """Who enters by it: the workspace's owner, once; None for a link used, run out or never given."""
        key = _sha256(token)
        with self._store.writing() as con:
            rows = con.execute(sa.select(_links).where(_links.c.expires_at > self._clock())).all()
            found = [row.token_sha256 for row in rows if hmac.compare_digest(row.token_sha256, key)]
            if not found:
                return None
            con.execute(_links.delete().where(_links.c.token_sha256 == found[0]))
        return OWNER


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
