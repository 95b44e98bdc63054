"""Who is asking: what signed them in, and who of the run's people they are."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from serving.people import People

__all__ = ["OWNER", "ROLES", "Actor", "Identity", "Via", "actor_of", "email_sha256"]

Via = Literal["link", "sign-in", "bearer"]

ROLES = frozenset({"rep", "manager", "finance", "ops"})
"""The roles that a claim may give; others are ignored."""


@dataclass(frozen=True)
class Identity:
    """What a link, a sign-in or a bearer token proved; kept for a session, no token with it.

    subject: the issuer's id for them. user_id: the CRM's, from a claim. email_sha256: of an address that the
    issuer verified.
    """

    subject: str
    name: str
    roles: frozenset[str]
    via: Via
    user_id: str | None = None
    email_sha256: str | None = None


OWNER = Identity("workspace", "Owner of this workspace", frozenset({"ops"}), "link")
"""Who opens the one-time link: the workspace is theirs."""


@dataclass(frozen=True)
class Actor:
    """Who is asking, by the people of the run at hand.

    user_id: stable, for what they keep; the CRM's own where they are matched, else made from their subject.
    person_id: the CRM's id; None where they match nobody, and then nothing is their own.
    is_active: not deactivated in the CRM. manager_id: their team, in the CRM.
    """

    user_id: str
    name: str
    roles: frozenset[str]
    via: Via
    person_id: str | None = None
    manager_id: str | None = None
    is_active: bool = True


def actor_of(identity: Identity, people: People) -> Actor:
    """The identity as one of these people, or as somebody they do not know."""
    roles = identity.roles & ROLES
    person = people.match(identity.user_id, identity.email_sha256)
    if person is None:
        return Actor(f"{identity.via}:{identity.subject}", identity.name, roles, identity.via)
    return Actor(
        user_id=person.user_id,
        name=person.name or identity.name,
        roles=roles,
        via=identity.via,
        person_id=person.user_id,
        manager_id=person.manager_id,
        is_active=person.is_active,
    )


def email_sha256(address: str) -> str:
    """The hash that an address is matched by: of its lower case, without blanks around it.

    >>> email_sha256(" Ada@Example.com ") == email_sha256("ada@example.com")
    True
    """
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()
