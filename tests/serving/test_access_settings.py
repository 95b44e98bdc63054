"""A sign-in that is set up half, or in the clear, is refused before anybody signs in."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from serving.access.access import Access
from serving.access.actor import Identity, email_sha256
from serving.access.claims import Wanted, identity_of
from serving.store import Store
from tests.serving.access_world import settings

GOOD = {"oidc_issuer": "https://login.example.com", "oidc_client_id": "dealcast"}


def access(workspace: Path, **changed: Any) -> Access:
    return Access(settings(workspace, **changed), Store(workspace))


def test_without_an_issuer_there_is_no_sign_in(tmp_path: Path) -> None:
    assert access(tmp_path, oidc_client_id="dealcast").issuer is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"oidc_client_id": None}, "setting 'oidc_client_id'"),
        ({"oidc_issuer": "http://login.example.com"}, "setting 'oidc_issuer': expected an https address"),
        ({"public_url": "http://deals.example.com"}, "setting 'public_url': expected an https address"),
        ({"public_url": "http://10.0.0.7:8765"}, "setting 'public_url': expected an https address"),
        ({"oidc_client_secret_file": Path("no-such-file")}, "no-such-file cannot be read"),
    ],
)
def test_what_is_missing_or_open_to_listeners_is_named(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        access(tmp_path, **{**GOOD, **changed})


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n", "is empty"), (b"\xff\xfe\x00canary", "cannot be read")]
)
def test_a_secret_file_without_a_secret_is_named_and_what_is_in_it_is_not(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=said) as refused:
        access(tmp_path, **GOOD, oidc_client_secret_file=file)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8765", "http://localhost:8765", "http://[::1]:8765"])
def test_on_one_machine_plain_http_will_do(tmp_path: Path, address: str) -> None:
    assert access(tmp_path, **GOOD, public_url=address).issuer is not None
    assert access(tmp_path, **{**GOOD, "oidc_issuer": address}).issuer is not None


EMAIL, OWN = Wanted("roles", "email"), Wanted("realm_access.roles", "crm_user")


@pytest.mark.parametrize(
    ("wanted", "claims", "user", "roles"),
    [
        (EMAIL, {"email": "a@b.example", "email_verified": True, "roles": ["rep"]}, "a@b.example", {"rep"}),
        (EMAIL, {"email": "a@b.example", "email_verified": "true"}, "a@b.example", set()),
        (EMAIL, {"email": "a@b.example", "email_verified": False, "roles": "ops"}, None, {"ops"}),
        (EMAIL, {"email": "a@b.example"}, None, set()),
        (EMAIL, {"email": ["a@b.example"], "email_verified": True}, None, set()),
        (OWN, {"crm_user": " U7 ", "realm_access": {"roles": ["Manager", "admin"]}}, "U7", {"manager"}),
        (OWN, {"crm_user": "", "realm_access": "roles"}, None, set()),
        (OWN, {"crm_user": 7, "realm_access.roles": "rep,finance root"}, None, {"rep", "finance"}),
        (OWN, {"roles": ["ops"]}, None, set()),
    ],
)
def test_claims_say_who_somebody_is_as_far_as_they_can_be_trusted(
    wanted: Wanted, claims: dict[str, Any], user: str | None, roles: set[str]
) -> None:
    found = identity_of({"sub": "s", **claims}, wanted, "sign-in")
    address = email_sha256(user) if user and "@" in user else None
    assert found == Identity("s", "s", frozenset(roles), "sign-in", user, address)


def test_a_name_is_shown_as_the_issuer_gives_it_and_no_longer_than_a_line() -> None:
    assert identity_of({"sub": "s", "name": "Ada"}, EMAIL, "bearer").name == "Ada"
    assert identity_of({"sub": "s", "preferred_username": "ada"}, EMAIL, "bearer").name == "ada"
    assert len(identity_of({"sub": "s", "name": "x" * 5000}, EMAIL, "bearer").name) == 200
