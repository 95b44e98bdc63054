"""Who is asking: by session cookie or bearer token; links and sign-ins that open sessions."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from data.errors import UsageError
from data.settings import Settings
from serving.access.actor import Identity
from serving.access.errors import NotSignedIn
from serving.access.issuer import Issuer
from serving.access.sessions import Clock, Links, Sessions
from serving.access.sign_in import issuer_of
from serving.store import Store

__all__ = ["LONGEST_WAY_BACK", "SIGN_IN", "Access", "utc_now"]

SIGN_IN = "/sign-in"
"""The path of the page that leads to the issuer."""
LONGEST_WAY_BACK = 1000
"""Characters of the address that a visitor is led back to; their cookie holds it meanwhile."""


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


class Access:
    """Who may come in, for one server; safe for threads.

    issuer: of sign-ins and bearer tokens; None: the one-time link alone. Raises UsageError that names the
    setting if those of the sign-in do not fit together.
    """

    def __init__(self, settings: Settings, store: Store, *, clock: Clock = utc_now) -> None:
        self.issuer: Issuer | None = issuer_of(settings, store.secret("sign-in"), clock)
        self.sessions = Sessions(store, clock, settings.session_hours)
        self._links = Links(store, clock)
        self._public_url = settings.public_url or ""
        self._lasts_seconds = int(settings.session_hours * 3600)

    def new_link(self, base_url: str) -> str:
        """A fresh link that lets whoever opens it in once, as the workspace's owner.

        base_url: of the server, as its visitor reaches it. Raises UsageError where people sign in instead.
        """
        if self.issuer is not None:
            raise UsageError(
                "setting 'oidc_issuer': people sign in to this server, so it gives no one-time link. "
                f"Open {self._public_url or base_url}."
            )
        return f"{base_url.rstrip('/')}/enter?{urlencode({'token': self._links.new()})}"

    def enter(self, token: str) -> str:
        """The token of a new session for a link's token. Raises NotSignedIn unless the link still opens."""
        identity = self._links.use(token) if self.issuer is None else None
        if identity is None:
            raise NotSignedIn(
                "This link was used before, has run out, or was never given. "
                "The terminal that `dealcast serve` runs in gives a new one."
            )
        return self.sessions.open(identity)

    async def identify(self, request: Request) -> Identity:
        """Who makes the request: by bearer token where it has one, else by session cookie.

        Raises NotSignedIn for nobody, and for a token or a session that is not, or no longer, good.
        """
        given = request.headers.get("authorization")
        if given is not None:
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer" or self.issuer is None:
                raise NotSignedIn("This server takes no such credentials. Sign in, or send a bearer token.")
            return await self.issuer.identity_of_bearer(token.strip())
        session = request.cookies.get(self.cookie_name(request))
        identity = None if session is None else self.sessions.identity(session)
        # a link's visitor is the workspace's owner: on this machine alone, not where people sign in
        if identity is None or (identity.via == "link" and self.issuer is not None):
            raise NotSignedIn(*self._way_in(request))
        return identity

    def cookie_name(self, request: Request) -> str:
        """The session cookie's name; by port on one machine, where servers on all ports share cookies."""
        return "__Host-dealcast" if self.is_secure else f"dealcast-{request.url.port or 80}"

    def base_url(self, request: Request) -> str:
        """The server's address as its visitors reach it, without a slash at its end."""
        return (self._public_url or str(request.base_url)).rstrip("/")

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the server by https, so that cookies travel by https alone."""
        return self._public_url.startswith("https://")

    def keep(self, response: Response, request: Request, session: str) -> None:
        """Put the session's token in the visitor's cookie, out of reach of scripts and other sites."""
        response.set_cookie(
            self.cookie_name(request), session, max_age=self._lasts_seconds, path="/",
            secure=self.is_secure, httponly=True, samesite="lax",
        )  # fmt: skip

    def forget(self, response: Response, request: Request) -> None:
        """End the request's session, in the store and in the visitor's browser."""
        self.end(request)
        response.delete_cookie(
            self.cookie_name(request), path="/", secure=self.is_secure, httponly=True, samesite="lax"
        )

    def end(self, request: Request) -> None:
        """End the request's session, if it has one."""
        session = request.cookies.get(self.cookie_name(request))
        if session is not None:
            self.sessions.close(session)

    def _way_in(self, request: Request) -> tuple[str, str | None]:
        """What to tell a visitor who is nobody, and where they sign in to come back to what they asked."""
        if self.issuer is not None:
            asked = f"{request.url.path}?{request.url.query}".rstrip("?")
            if len(asked) > LONGEST_WAY_BACK:
                asked = request.url.path if len(request.url.path) <= LONGEST_WAY_BACK else "/"
            told = "You are not signed in, or your session has run out."
            return told, f"{SIGN_IN}?{urlencode({'then': asked})}"
        return (
            "You are not signed in, or your session has run out. "
            "Open the link that `dealcast serve` printed; each link opens once."
        ), None
