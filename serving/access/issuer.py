"""The issuer that people sign in with and that signs bearer tokens, as the settings name it."""

from data.errors import UsageError
from data.settings import Settings
from serving.access.actor import Identity
from serving.access.errors import NotSignedIn
from serving.access.sessions import Clock

__all__ = ["Issuer", "issuer_of"]


class Issuer:
    """An OpenID Connect issuer."""

    async def identity_of_bearer(self, token: str) -> Identity:
        """Whose bearer token it is. Raises NotSignedIn unless it is good."""
        raise NotSignedIn("This server takes no bearer tokens.")


def issuer_of(settings: Settings, key: bytes, clock: Clock) -> Issuer | None:
    """The issuer that the settings name, None if they name none."""
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_client_id is None:
        raise UsageError("setting 'oidc_client_id': expected the client id at the issuer, found none.")
    return Issuer()
