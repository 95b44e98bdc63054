"""Which claims of the issuer say who somebody is and what roles they have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.access.actor import ROLES, Identity, Via, email_sha256

__all__ = ["Wanted", "identity_of"]

_LONGEST_NAME = 200
_EMAIL = "email"


@dataclass(frozen=True)
class Wanted:
    """The settings' claims. role: lists roles; user: says which user of the CRM, by id or by e-mail address.
    A name with dots leads into nested claims."""

    role: str
    user: str

    def satisfied(self, claims: Mapping[str, Any]) -> bool:
        """Whether both are there."""
        return _claim(claims, self.role) is not None and _claim(claims, self.user) is not None


def identity_of(claims: Mapping[str, Any], wanted: Wanted, via: Via) -> Identity:
    """Who the claims are of. An e-mail address counts only if the issuer says that it is verified, since some
    let people write any; a claim of another name is the issuer's own word."""
    named = _claim(claims, wanted.user)
    trusted = wanted.user != _EMAIL or claims.get("email_verified") in (True, "true")
    user = named.strip() if isinstance(named, str) and trusted and named.strip() else None
    name = next((claims[one] for one in ("name", "preferred_username") if claims.get(one)), claims["sub"])
    return Identity(
        subject=str(claims["sub"]),
        name=str(name)[:_LONGEST_NAME],
        roles=_roles(_claim(claims, wanted.role)),
        via=via,
        user_id=user,
        email_sha256=email_sha256(user) if user and "@" in user else None,
    )


def _roles(claim: Any) -> frozenset[str]:
    """The roles of a list, or of a text with blanks or commas between them; unknown ones are passed over.

    >>> sorted(_roles(["Rep", "admin", 7])), sorted(_roles("manager, finance")), sorted(_roles(None))
    (['rep'], ['finance', 'manager'], [])
    """
    listed = claim.replace(",", " ").split() if isinstance(claim, str) else claim
    held = listed if isinstance(listed, list) else []
    return frozenset(one.lower() for one in held if isinstance(one, str)) & ROLES


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of that name, or the one that its dots lead to; None if there is none.

    >>> _claim({"realm_access": {"roles": ["rep"]}}, "realm_access.roles")
    ['rep']
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
