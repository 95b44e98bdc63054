"""The sign-in that the settings ask for, checked before anybody signs in."""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from data.errors import UsageError
from data.settings import Settings
from serving.access.claims import Wanted
from serving.access.issuer import Client, Issuer
from serving.access.sessions import Clock

__all__ = ["is_loopback", "issuer_of"]


def issuer_of(settings: Settings, key: bytes, clock: Clock) -> Issuer | None:
    """The issuer that the settings name, None if they name none. key: for what browsers keep.

    Raises UsageError that names the setting if one is missing, or would send secrets in the clear.
    """
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_client_id is None:
        raise UsageError(
            "setting 'oidc_client_id': expected the id under which the service at oidc_issuer knows this "
            "server, found none. Register it there, with the redirect address PUBLIC_URL/sign-in/callback."
        )
    for name, address in (("oidc_issuer", settings.oidc_issuer), ("public_url", settings.public_url)):
        if address is not None and urlsplit(address).scheme != "https" and not is_loopback(address):
            raise UsageError(
                f"setting {name!r}: expected an https address, found {address!r}. Cookies and codes would "
                "cross the network in the clear; put the server behind a proxy that speaks https."
            )
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret=_secret(settings.oidc_client_secret_file),
        audience=settings.bearer_audience,
        wanted=Wanted(role=settings.oidc_role_claim, user=settings.oidc_user_claim),
    )
    return Issuer(client, key, clock)


def is_loopback(address: str) -> bool:
    """Whether the address is of this machine alone.

    >>> is_loopback("http://127.0.0.1:8765"), is_loopback("http://[::1]/"), is_loopback("http://10.0.0.1")
    (True, True, False)
    """
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(file: Path | None) -> str | None:
    """The client's secret; what is wrong with the file is told, never what is in it."""
    if file is None:
        return None
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"setting 'oidc_client_secret_file': {file} cannot be read ({type(error).__name__}). "
            "Name a text file that holds the secret and that this user may read."
        ) from error
    if not secret:
        raise UsageError(f"setting 'oidc_client_secret_file': {file} is empty; expected the client's secret.")
    return secret
