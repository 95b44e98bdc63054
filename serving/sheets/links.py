"""Links by which the customer's side reaches its half of a sheet: signed, expiring, revocable.

A token names its link and is signed with a key of the store; the store holds the token's hash, never the
token. Whatever is wrong with a link, its visitor reads the same.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer

from data.errors import UsageError
from serving.access.errors import NotFound
from serving.sheets.tables import links
from serving.store import Store
from serving.typed_text import LONGEST_NAME, cleaned

__all__ = [
    "LINK_DAYS", "LONGEST_TOKEN", "MOST_LINK_DAYS", "LinkLine", "Visit", "links_of", "revoke_link",
    "share_sheet", "visit",
]  # fmt: skip

LINK_DAYS = 14
"""How long a link opens unless said otherwise."""
MOST_LINK_DAYS = 90
LONGEST_TOKEN = 300
"""Characters; a longer text is no token of ours."""

_DEAD = (
    "This link does not open anything: it has run out, was withdrawn, or is incomplete. Ask the person who "
    "sent it for a new one."
)


@dataclass(frozen=True)
class LinkLine:
    """A link as our side sees it; its token is shown once, when it is made."""

    link_id: str
    recipient: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def opens(self, now: datetime) -> bool:
        """Whether it still leads to the sheet."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True)
class Visit:
    """Whoever came by a good link: which sheet it opens, and until when."""

    sheet_id: str
    link_id: str
    expires_at: datetime


def share_sheet(
    store: Store, sheet_id: str, *, recipient: str, by: str, now: datetime, days: int = LINK_DAYS
) -> tuple[str, LinkLine]:
    """A new link's token, which is kept nowhere, and the link. recipient: for our side's own list.

    Raises UsageError for a lifetime outside 1 to 90 days or a long recipient.
    """
    if not 1 <= days <= MOST_LINK_DAYS:
        raise UsageError(f"days: expected 1 to {MOST_LINK_DAYS}, found {days}.")
    line = LinkLine(
        link_id=secrets.token_hex(8),
        recipient=cleaned(recipient, "Recipient", longest=LONGEST_NAME),
        created_at=now,
        expires_at=now + timedelta(days=days),
        revoked_at=None,
    )
    token = str(_signer(store).dumps([line.link_id, secrets.token_urlsafe(16)]))
    with store.writing() as con:
        con.execute(
            links.insert().values(
                link_id=line.link_id, sheet_id=sheet_id, token_sha256=_sha256(token),
                recipient=line.recipient, created_at=now, created_by=by, expires_at=line.expires_at,
            )
        )  # fmt: skip
    return token, line


def links_of(store: Store, sheet_id: str) -> tuple[LinkLine, ...]:
    """The links of a sheet, the newest first."""
    wanted = (
        sa.select(links)
        .where(links.c.sheet_id == sheet_id)
        .order_by(links.c.created_at.desc(), links.c.link_id)
    )
    with store.reading() as con:
        return tuple(
            LinkLine(row.link_id, row.recipient, row.created_at, row.expires_at, row.revoked_at)
            for row in con.execute(wanted)
        )


def revoke_link(store: Store, sheet_id: str, link_id: str, *, now: datetime) -> None:
    """From now on the link opens nothing. Raises NotFound for one that the sheet does not have."""
    here = sa.and_(links.c.sheet_id == sheet_id, links.c.link_id == link_id)
    with store.writing() as con:
        if con.scalar(sa.select(links.c.link_id).where(here)) is None:
            raise NotFound
        con.execute(links.update().where(here, links.c.revoked_at.is_(None)).values(revoked_at=now))


def visit(store: Store, token: str, *, now: datetime) -> Visit:
    """What the token opens. Raises NotFound, always in the same words, for one that opens nothing."""
    try:
        if len(token) > LONGEST_TOKEN:
            raise BadData("too long")
        link_id, _ = _signer(store).loads(token)
    except (BadData, ValueError, TypeError) as error:
        raise NotFound(_DEAD) from error
    with store.reading() as con:
        row = con.execute(sa.select(links).where(links.c.link_id == link_id)).one_or_none()
    if (
        row is None
        or not hmac.compare_digest(row.token_sha256, _sha256(token))
        or row.revoked_at is not None
        or now >= row.expires_at
    ):
        raise NotFound(_DEAD)
    return Visit(row.sheet_id, row.link_id, row.expires_at)


def _signer(store: Store) -> URLSafeSerializer:
    signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeSerializer(store.secret("customer-links"), salt="customer-links", signer_kwargs=signing)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
