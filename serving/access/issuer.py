"""The issuer that people sign in with (OpenID Connect) and that signs bearer tokens."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from itsdangerous import BadSignature, URLSafeTimedSerializer

from data.errors import DealcastError
from serving.access.actor import Identity
from serving.access.claims import Wanted, identity_of
from serving.access.errors import NotSignedIn
from serving.access.sessions import Clock
from serving.access.tokens import Claims, Keys, verified

__all__ = ["CALLBACK", "Client", "Issuer", "IssuerError"]

CALLBACK = "/sign-in/callback"
"""Where the issuer sends people back to."""

_SCOPE = "openid profile email"
_MINUTES = 10
_TIMEOUT_SECONDS = 10
_DISCOVERY = "/.well-known/openid-configuration"
_STALE = "This sign-in was not begun here, or took too long. Begin it again."


class IssuerError(DealcastError):
    """The sign-in service cannot be reached, or does not answer as OpenID Connect asks. HTTP 503."""

    status = 503
    code = "sign_in_unavailable"


@dataclass(frozen=True)
class Client:
    """What the server is to the issuer. secret: None for a public client. audience: of bearer tokens, None to
    take none. wanted: which claims say who somebody is."""

    issuer: str
    client_id: str
    secret: str | None
    audience: str | None
    wanted: Wanted


class Issuer:
    """An OpenID Connect issuer, asked over the network at its own address alone.

    key: signs what a browser holds between the start and the end of a sign-in.
    """

    def __init__(self, client: Client, key: bytes, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept = URLSafeTimedSerializer(
            key, salt="sign-in", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._found: Mapping[str, Any] | None = None
        self._keys = Keys(self._fetch_keys, clock)

    async def begin(self, base_url: str, then: str) -> tuple[str, str]:
        """The issuer's address to send a visitor to, and what their browser is to keep until they are back.

        base_url: of this server. then: the path to lead them to in the end.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": base_url + CALLBACK,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        kept = self._kept.dumps([state, nonce, verifier, base_url, then])
        address = (await self._discovered())["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", str(kept)

    async def finish(self, answer: Mapping[str, str], kept: str | None) -> tuple[Identity, str]:
        """Who came back from the issuer, and the path to lead them to.

        answer: the query that they came back with. kept: what their browser kept. Raises NotSignedIn unless
        it is this browser's own sign-in and the issuer vouches for it.
        """
        state, nonce, verifier, base_url, then = self._begun(kept)
        if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise NotSignedIn(_STALE)
        if answer.get("iss", self._client.issuer) != self._client.issuer or "code" not in answer:
            raise NotSignedIn("The sign-in service did not let you in. Begin again, or ask who runs it.")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": base_url + CALLBACK,
            "code_verifier": verifier,
        }
        given = await self._exchanged(form)
        wanted = {"iss": self._client.issuer, "aud": self._client.client_id, "nonce": nonce}
        claims = await verified(str(given.get("id_token", "")), self._keys, wanted, self._clock())
        if claims.get("azp", self._client.client_id) != self._client.client_id:
            raise NotSignedIn(_STALE)
        claims = await self._completed(claims, given.get("access_token"))
        return identity_of(claims, self._client.wanted, "sign-in"), then

    async def identity_of_bearer(self, token: str) -> Identity:
        """Whose bearer token it is. Raises NotSignedIn unless it is good, and meant for this server."""
        if self._client.audience is None:
            raise NotSignedIn("This server takes no bearer tokens.")
        wanted = {"iss": self._client.issuer, "aud": self._client.audience}
        claims = await verified(token, self._keys, wanted, self._clock())
        if "nonce" in claims:  # a token that tells who signed in is no key to a door
            raise NotSignedIn("This is an ID token, not one that gives access.")
        return identity_of(claims, self._client.wanted, "bearer")

    async def end_address(self, base_url: str) -> str | None:
        """Where a visitor ends the session that they have with the issuer; None if it has no such page."""
        address = (await self._discovered()).get("end_session_endpoint")
        back = {"client_id": self._client.client_id, "post_logout_redirect_uri": f"{base_url}/signed-out"}
        return f"{address}?{urlencode(back)}" if address else None

    def _begun(self, kept: str | None) -> list[str]:
        try:
            held: list[str] = self._kept.loads(kept or "", max_age=_MINUTES * 60)
        except BadSignature:
            raise NotSignedIn(_STALE) from None
        return held

    async def _exchanged(self, form: dict[str, str]) -> Mapping[str, Any]:
        """What the issuer gives for a code."""
        found, secret = await self._discovered(), self._client.secret
        sent: dict[str, Any] = {"data": {**form, "client_id": self._client.client_id}}
        if secret is not None:
            if "client_secret_basic" in found.get(
                "token_endpoint_auth_methods_supported", ["client_secret_basic"]
            ):
                sent["auth"] = httpx.BasicAuth(self._client.client_id, secret)
            else:
                sent["data"]["client_secret"] = secret
        return await _asked("POST", found["token_endpoint"], refused=NotSignedIn(_STALE), **sent)

    async def _completed(self, claims: Claims, access_token: Any) -> Claims:
        """The claims, with those of the issuer's userinfo page where some wanted are missing."""
        address = (await self._discovered()).get("userinfo_endpoint")
        if self._client.wanted.satisfied(claims) or not address or not isinstance(access_token, str):
            return claims
        headers = {"Authorization": f"Bearer {access_token}"}
        more = await _asked("GET", address, refused=NotSignedIn(_STALE), headers=headers)
        if more.get("sub") != claims["sub"]:
            raise NotSignedIn(_STALE)
        return {**more, **claims}

    async def _discovered(self) -> Mapping[str, Any]:
        """What the issuer says of itself, asked once."""
        if self._found is None:
            found = await _asked("GET", self._client.issuer.rstrip("/") + _DISCOVERY)
            if found.get("issuer") != self._client.issuer:
                raise IssuerError(
                    "setting 'oidc_issuer': the service at that address says that it is another issuer. "
                    "Set it exactly as the service writes it."
                )
            self._found = found
        return self._found

    async def _fetch_keys(self) -> Mapping[str, Any]:
        return await _asked("GET", (await self._discovered())["jwks_uri"])


async def _asked(
    method: str, address: str, *, refused: DealcastError | None = None, **sent: Any
) -> Mapping[str, Any]:
    """The JSON object at the address. refused: what a refusal (4xx) means, if not that the service is ill."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client:
            response = await client.request(method, address, **sent)
        if refused is not None and 400 <= response.status_code < 500:
            raise refused
        found = response.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise IssuerError("The sign-in service does not answer. Try again in a moment.") from error
    if not isinstance(found, dict):
        raise IssuerError("The sign-in service does not answer as it should. Try again in a moment.")
    return found
