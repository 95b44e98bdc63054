"""A real OpenID Connect server for tests: the npm package oidc-provider, kept outside the checkout."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

__all__ = ["ACCOUNTS", "AUDIENCE", "CLIENT_ID", "SECRET", "TestIssuer", "running_issuer", "through_the_form"]

CLIENT_ID, SECRET, AUDIENCE = "dealcast", "only-for-tests", "https://deals.example.com/api"
MACHINE, MACHINE_SECRET = "crm-panel", "only-for-machines"

_VERSION = "9.13.3"
_SCRIPT = Path(__file__).with_name("provider.mjs")

ACCOUNTS: dict[str, dict[str, Any]] = {
    "rep": {"name": "Ann", "roles": ["rep"], "email": "R1@acme.example", "email_verified": True},
    "rep2": {"name": "Bob", "roles": ["rep"], "email": " r2@ACME.example", "email_verified": True},
    "manager": {"name": "Mia", "roles": ["manager"], "email": "m1@acme.example", "email_verified": True},
    "finance": {"name": "Fin", "roles": ["finance"], "email": "fin@acme.example", "email_verified": True},
    "ops": {"name": "Opa", "roles": ["ops"], "email": "ops@acme.example", "email_verified": True},
    "stranger": {"name": "Sam", "roles": ["rep"], "email": "sam@else.example", "email_verified": True},
    "unverified": {"name": "Eve", "roles": ["rep"], "email": "r1@acme.example", "email_verified": False},
    "gone": {"name": "Rex", "roles": ["rep"], "email": "r4@acme.example", "email_verified": True},
    "no-role": {"name": "Una", "email": "r1@acme.example", "email_verified": True},
}
"""Who can sign in, by the name to write into the form; the addresses are of tests.serving.access_world."""


@dataclass(frozen=True)
class TestIssuer:
    """An issuer that runs. keys: its private keys, the first for RS256, the second for ES256."""

    __test__ = False

    address: str
    keys: tuple[RSAKey, ECKey]

    def machine_token(self) -> str:
        """A bearer token for this server, as a machine gets it with its own secret; its role is ops."""
        response = httpx.post(
            f"{self.address}/token",
            data={"grant_type": "client_credentials", "resource": AUDIENCE, "scope": "read"},
            auth=(MACHINE, MACHINE_SECRET),
            timeout=30,
        )
        assert response.status_code == 200, response.text
        token: str = response.json()["access_token"]
        return token


@contextmanager
def running_issuer(
    redirect_urls: list[str],
    *,
    accounts: dict[str, dict[str, Any]] | None = None,
    claims_at_userinfo: bool = False,
) -> Iterator[TestIssuer]:
    """The issuer on a free port of loopback, until the block ends; skips the test where it cannot run.

    redirect_urls: addresses of servers that people may be sent back to; one on loopback without a port
    stands for every port. accounts: see ACCOUNTS.
    claims_at_userinfo: whether claims beyond the subject are told at the userinfo page alone.
    """
    keys = (
        RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "rsa"}),
        ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "ec"}),
    )
    given = {
        "modules": str(_installed()),
        "accounts": accounts or ACCOUNTS,
        "audience": AUDIENCE,
        "claims_at_userinfo": claims_at_userinfo,
        "keys": [key.as_dict(private=True) for key in keys],
        "clients": [
            {
                "client_id": CLIENT_ID,
                "client_secret": SECRET,
                "application_type": "native" if "http://127.0.0.1" in redirect_urls else "web",
                "redirect_uris": [f"{url}/sign-in/callback" for url in redirect_urls],
                "post_logout_redirect_uris": [f"{url}/signed-out" for url in redirect_urls],
            },
            {
                "client_id": MACHINE,
                "client_secret": MACHINE_SECRET,
                "redirect_uris": [],
                "response_types": [],
                "grant_types": ["client_credentials"],
            },
        ],
    }
    started = subprocess.Popen(
        ["node", str(_SCRIPT), json.dumps(given)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        address = started.stdout.readline().strip()
        if not address:
            pytest.fail(f"the issuer did not start: {started.communicate(timeout=30)[1]}")
        yield TestIssuer(address, keys)
    finally:
        started.terminate()
        started.communicate(timeout=30)


def through_the_form(address: str, account: str) -> str:
    """What the issuer leads a browser back to that opened the address and signed in by this account."""
    with httpx.Client(timeout=30) as browser:
        response = browser.get(address)
        for _ in range(10):
            if response.has_redirect_location:
                onward = str(response.next_request.url if response.next_request else "")
                if not onward.startswith(_origin(address)):
                    return onward
                response = browser.get(onward)
            else:
                assert response.status_code == 200, response.text
                response = browser.post(response.url, data={"account": account})
    raise AssertionError("the issuer never led back")


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


def _installed() -> Path:
    """The folder that holds node_modules with the package; made once, and shared by all test processes."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, which the real sign-in server needs")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dealcast-tests"
    folder = cache / f"oidc-provider-{_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            done = subprocess.run(
                [
                    "npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund",
                    f"oidc-provider@{_VERSION}",
                ],
                cwd=folder, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"npm cannot install oidc-provider {_VERSION}: {done.stderr.strip()[-300:]}")
            (folder / "ready").touch()
    return folder
