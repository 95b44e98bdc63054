"""Signed tokens of the issuer: which are good, and what they claim.

The algorithms are fixed here and the keys come from the issuer's own address: nothing that a token says of
how or with what to verify it (alg, jku, x5u, jwk) is followed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from serving.access.errors import NotSignedIn
from serving.access.sessions import Clock

__all__ = ["ALGORITHMS", "Claims", "Keys", "verified"]

Claims = dict[str, Any]

ALGORITHMS = ("RS256", "ES256")
"""What a token may be signed with; no shared secret, and not nothing."""

_LOG = logging.getLogger("dealcast.serve")
_LONGEST = 16_384
_LEEWAY_SECONDS = 30
_KEPT = timedelta(hours=1)
_ASKED_AGAIN = timedelta(minutes=1)
_SMALLEST_RSA_BYTES = 256
_REFUSED = "This token is not good here: it is forged, foreign, expired or not yet valid."


class Keys:
    """The issuer's public keys, fetched anew every hour, and for a key not seen before at most once a minute.

    fetch: gives the key set (RFC 7517) from the issuer's own address.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, Any]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: KeySet | None = None
        self._fetched_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> KeySet:
        """The keys as last fetched."""
        return await self._since(self._clock() - _KEPT)

    async def newer(self) -> KeySet:
        """The keys, fetched again unless that was done in the last minute."""
        return await self._since(self._clock() - _ASKED_AGAIN)

    async def _since(self, oldest: datetime) -> KeySet:
        async with self._lock:
            if self._held is None or self._fetched_at is None or self._fetched_at <= oldest:
                self._held = _usable(await self._fetch())
                self._fetched_at = self._clock()
            return self._held


async def verified(token: str, keys: Keys, wanted: Mapping[str, str], now: datetime) -> Claims:
    """What a token claims, once its signature, its times and the claims wanted are found good.

    wanted: claims that it must hold and their values; `iss` and `aud` among them. It must expire, and
    name its subject. Raises NotSignedIn, which says nothing of what was wrong; the log does.
    """
    try:
        return _checked(await _decoded(token, keys), wanted, now)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        _LOG.info("token refused", extra={"fields": {"why": type(error).__name__}})
        raise NotSignedIn(_REFUSED) from None


async def _decoded(token: str, keys: Keys) -> Claims:
    if len(token) > _LONGEST:
        raise ValueError("too long")
    try:
        return jwt.decode(token, await keys.current(), algorithms=ALGORITHMS).claims
    except InvalidKeyIdError:
        return jwt.decode(token, await keys.newer(), algorithms=ALGORITHMS).claims


def _checked(claims: Claims, wanted: Mapping[str, str], now: datetime) -> Claims:
    options: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in wanted.items()}
    for name in ("exp", "sub"):
        options[name] = {"essential": True}
    registry = jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=_LEEWAY_SECONDS, **options)
    registry.validate(claims)
    return claims


def _usable(held: Mapping[str, Any]) -> KeySet:
    """The keys that can have signed a token: of the two kinds, for signatures, and long enough."""
    listed = [one for one in held.get("keys", ()) if isinstance(one, dict) and _signs(one)]
    return KeySet.import_key_set({"keys": listed}) if listed else KeySet([])


def _signs(key: Mapping[str, Any]) -> bool:
    if key.get("use", "sig") != "sig":
        return False
    return key.get("kty") == "EC" or (
        key.get("kty") == "RSA" and len(str(key.get("n", ""))) * 3 // 4 >= _SMALLEST_RSA_BYTES
    )
