"""Where the server listens: loopback alone, unless people sign in."""

import errno
import ipaddress
import socket

from data.errors import UsageError
from data.settings import Settings

__all__ = ["address_of", "bound_socket", "check_bind", "has_sign_in"]

_WAITING = 128


def has_sign_in(settings: Settings) -> bool:
    """Whether people sign in to this server, rather than open a one-time link."""
    return None not in (settings.oidc_issuer, settings.oidc_client_id, settings.public_url)


def check_bind(settings: Settings) -> None:
    """Raise UsageError unless the host is loopback, or sign-in is set up.

    Whoever reaches the port could otherwise wait for a link, and its traffic could be read on the way.
    """
    if _is_loopback(settings.serve_host) or has_sign_in(settings):
        return
    names = ("public_url", "oidc_issuer", "oidc_client_id")
    missing = [name for name in names if getattr(settings, name) is None]
    raise UsageError(
        "setting 'serve_host': expected a loopback address such as 127.0.0.1, found "
        f"{settings.serve_host!r}. To be reached from other machines, set up sign-in first: "
        f"{', '.join(missing)}."
    )


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens at the address, so that whoever comes now waits. port: 0 takes any free one.

    Raises UsageError if the port is taken, or the host is none of this machine's addresses.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # with its protocol: only where that is TCP does asyncio send at once, not after 40 ms
        bound = socket.socket(found[0], found[1], found[2])
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(found[4])
            bound.listen(_WAITING)
        except OSError:
            bound.close()
            raise
    except (OSError, OverflowError) as error:
        raise UsageError(_why_not(host, port, error)) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The address that a browser on this machine opens, without a slash at its end."""
    host, port = bound.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _why_not(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"setting 'serve_port': port {port} of {host} is taken, perhaps by another `dealcast serve`. "
            "End that, or choose another: `dealcast serve --port 8766`; `--port 0` takes any free one."
        )
    if number == errno.EACCES:
        return f"setting 'serve_port': port {port} may not be opened by this user. Choose one above 1023."
    return (
        f"setting 'serve_host': this machine cannot listen on {host!r} ({error}). "
        "Leave it at 127.0.0.1 to serve this machine alone."
    )
