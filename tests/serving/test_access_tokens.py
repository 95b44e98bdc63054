"""Which bearer tokens are good: every way to forge one is refused, and no token says how to check it."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from serving.access.actor import OWNER
from serving.access.errors import NotSignedIn
from serving.access.tokens import ALGORITHMS, Keys, verified
from serving.app import create_app
from tests.serving.access_world import URL, Client, finished, published, settings
from tests.serving.oidc.issuer import AUDIENCE, CLIENT_ID, TestIssuer, running_issuer

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ISSUER = "https://login.example.com"
WANTED = {"iss": ISSUER, "aud": "api"}


def claims(**changed: Any) -> dict[str, Any]:
    good = {"iss": ISSUER, "aud": "api", "sub": "machine", "exp": int(NOW.timestamp()) + 60, "roles": ["ops"]}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(claimed: dict[str, Any], key: Key = RSA, alg: str = "RS256", **header: Any) -> str:
    # nothing is checked here that a forger would not check
    return jwt.encode({"alg": alg, "kid": key.kid, **header}, claimed, key, algorithms=[alg])


def plain(part: dict[str, Any]) -> str:
    return base64url(json.dumps(part).encode())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def shared(secret: bytes) -> str:
    """A token signed with a shared secret, as if its reader verified it with whatever key it has."""
    head = f"{plain({'alg': 'HS256', 'kid': 'rsa'})}.{plain(claims())}"
    return f"{head}.{base64url(hmac.digest(secret, head.encode(), 'sha256'))}"


def extended(header: dict[str, Any]) -> str:
    """A token of the right key with further words in its header, which the library would not write."""
    head = f"{plain({'alg': 'RS256', 'kid': 'rsa', **header})}.{plain(claims())}"
    signature = RSA.get_op_key("sign").sign(head.encode(), PKCS1v15(), SHA256())
    return f"{head}.{base64url(signature)}"


class KeySet:
    """An issuer's published keys, and how often they were asked for."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


def opens(token: str, fetch: KeySet | None = None, now: datetime = NOW) -> dict[str, Any] | None:
    keys = Keys(fetch or KeySet(RSA, EC), lambda: now)
    try:
        return finished(verified(token, keys, WANTED, now))
    except NotSignedIn:
        return None


def test_a_good_token_of_either_kind_opens() -> None:
    assert opens(extended({})) == claims()
    assert opens(signed(claims())) == claims()
    assert opens(signed(claims(), EC, "ES256")) == claims()
    assert opens(signed(claims(aud=["other", "api"]))) == claims(aud=["other", "api"])
    assert opens(signed(claims(nbf=int(NOW.timestamp()) - 5))) is not None
    assert ALGORITHMS == ("RS256", "ES256")


FOREIGN = RSAKey.generate_key(2048, {"kid": "rsa"})
STRANGE = RSAKey.generate_key(2048, {"kid": "strange"})
AT = int(NOW.timestamp())

BAD: dict[str, Callable[[], str]] = {
    "another audience": lambda: signed(claims(aud="other")),
    "no audience": lambda: signed(claims(aud=None)),
    "another issuer": lambda: signed(claims(iss="https://evil.example")),
    "the issuer with a slash": lambda: signed(claims(iss=f"{ISSUER}/")),
    "no issuer": lambda: signed(claims(iss=None)),
    "expired": lambda: signed(claims(exp=AT - 31)),
    "no expiry": lambda: signed(claims(exp=None)),
    "an expiry that is no number": lambda: signed(claims(exp="9999999999")),
    "an expiry that is true": lambda: signed(claims(exp=True)),
    "not yet valid": lambda: signed(claims(nbf=AT + 31)),
    "issued in the future": lambda: signed(claims(iat=AT + 31)),
    "no subject": lambda: signed(claims(sub=None)),
    "an empty subject": lambda: signed(claims(sub="")),
    "a subject that is no text": lambda: signed(claims(sub=7)),
    "an unknown key": lambda: signed(claims(), STRANGE),
    "another's key under a known name": lambda: signed(claims(), FOREIGN),
    "another's key by address (jku)": lambda: signed(claims(), STRANGE, jku="https://evil.example/keys"),
    "another's certificate by address (x5u)": lambda: signed(claims(), STRANGE, x5u="https://evil.example/c"),
    "another's key in the token (jwk)": lambda: signed(
        claims(), STRANGE, jwk=STRANGE.as_dict(private=False), kid="rsa"
    ),
    "RS512, which nobody agreed on": lambda: signed(claims(), RSA, "RS512"),
    "alg none": lambda: f"{plain({'alg': 'none', 'kid': 'rsa'})}.{plain(claims())}.",
    "alg None, in capitals": lambda: f"{plain({'alg': 'None'})}.{plain(claims())}.",
    "no alg": lambda: f"{plain({'kid': 'rsa'})}.{plain(claims())}.x",
    "HS256 with the public key as the secret": lambda: shared(RSA.as_pem(private=False)),
    "HS256 with the public key in DER": lambda: shared(RSA.as_der(private=False)),
    "RS256 said of an elliptic key": lambda: signed(claims(), RSA, kid="ec"),
    "a changed payload": lambda: ".".join(
        [signed(claims()).split(".")[0], plain(claims(sub="admin")), signed(claims()).split(".")[2]]
    ),
    "no signature": lambda: signed(claims()).rpartition(".")[0] + ".",
    "a critical extension": lambda: extended({"crit": ["exp"], "exp": 1}),
    "two parts": lambda: "a.b",
    "five parts, encrypted": lambda: "a.b.c.d.e",
    "nothing": lambda: "",
    "too much": lambda: signed(claims(more="x" * 20_000)),
    "no text": lambda: "\xff\xfe",
    "a list for claims": lambda: f"{plain({'alg': 'RS256', 'kid': 'rsa'})}.W10.x",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_opens_nothing(name: str) -> None:
    assert opens(BAD[name]()) is None


def test_a_clock_may_differ_by_half_a_minute() -> None:
    assert opens(signed(claims(exp=AT - 29))) is not None
    assert opens(signed(claims(nbf=AT + 29))) is not None


def test_short_and_foreign_kinds_of_keys_of_the_issuer_are_not_used() -> None:
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, {"kid": "short"})
    secret = OctKey.import_key("a secret that leaked into the key set", {"kid": "shared"})
    crypt = RSAKey.generate_key(2048, {"kid": "crypt", "use": "enc"})

    class WithSecrets(KeySet):
        async def __call__(self) -> dict[str, Any]:
            held = await super().__call__()
            return {"keys": [*held["keys"], secret.as_dict(private=True), {"kty": "new"}, "no key", {}]}

    fetch = WithSecrets(short, crypt, RSA)
    assert opens(signed(claims(), RSA), fetch) is not None
    assert opens(signed(claims(), short), fetch) is None
    assert opens(signed(claims(), secret, "HS256"), fetch) is None
    crypt_as_if_for_signing = RSAKey.import_key({**crypt.as_dict(private=True), "use": "sig"})
    assert opens(signed(claims(), crypt_as_if_for_signing), fetch) is None


def test_unknown_keys_make_the_server_ask_at_most_once_a_minute() -> None:
    fetch, now = KeySet(EC), [NOW]
    keys = Keys(fetch, lambda: now[0])

    async def flood() -> None:
        for _ in range(100):
            with pytest.raises(NotSignedIn):
                await verified(signed(claims()), keys, WANTED, now[0])

    finished(flood())
    assert fetch.asked == 1
    now[0] += timedelta(seconds=61)
    finished(flood())
    assert fetch.asked == 2


def test_a_new_key_of_the_issuer_is_found_and_an_old_one_forgotten() -> None:
    fetch, now = KeySet(EC), [NOW]
    keys = Keys(fetch, lambda: now[0])

    async def good(token: str) -> bool:
        try:
            await verified(token, keys, WANTED, NOW)
        except NotSignedIn:
            return False
        return True

    old, new = signed(claims(), EC, "ES256"), signed(claims())
    assert finished(good(old))
    fetch.keys = [RSA]
    now[0] += timedelta(minutes=2)
    assert finished(good(new))
    assert not finished(good(old))


def test_what_a_refusal_says_helps_no_forger() -> None:
    said = set()
    for name in ("expired", "another audience", "an unknown key", "alg none"):
        with pytest.raises(NotSignedIn) as refused:
            finished(verified(BAD[name](), Keys(KeySet(RSA), lambda: NOW), WANTED, NOW))
        said.add(str(refused.value))
    assert len(said) == 1


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with running_issuer([URL]) as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, issuer: TestIssuer) -> FastAPI:
    asked = {"oidc_issuer": issuer.address, "oidc_client_id": CLIENT_ID, "bearer_audience": AUDIENCE}
    return create_app(settings(published(tmp_path_factory.mktemp("w")), **asked), now=lambda: NOW)


def of(issuer: TestIssuer, **changed: Any) -> str:
    return signed(claims(iss=issuer.address, aud=AUDIENCE, **changed), issuer.keys[0])


@pytest.mark.slow
def test_over_http_a_good_token_is_let_in_and_a_bad_one_gets_401(app: FastAPI, issuer: TestIssuer) -> None:
    def status(given: str) -> int:
        return Client(app).get("/openapi.json", headers={"Authorization": given}).status_code

    good = of(issuer)
    assert status(f"Bearer {good}") == status(f"bearer  {good}") == 200
    forged = [
        of(issuer, exp=AT - 100), of(issuer, exp=None), of(issuer, nbf=AT + 100), of(issuer, sub=None),
        of(issuer, nonce="of an ID token"), good[:-6] + "AAAAAA", signed(claims()),
        signed(claims(aud=AUDIENCE), issuer.keys[0]), signed(claims(iss=issuer.address), issuer.keys[0]),
        f"{plain({'alg': 'none'})}.{plain(claims(iss=issuer.address, aud=AUDIENCE))}.",
    ]  # fmt: skip
    assert [status(f"Bearer {token}") for token in forged] == [401] * len(forged)
    assert [status(given) for given in (good, "Basic b3BzOm9wcw==", "Bearer", "Bearer  ", "")] == [401] * 5
    refused = Client(app).get("/openapi.json", headers={"Authorization": "Bearer x"})
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
def test_a_bad_token_is_not_saved_by_a_good_cookie(app: FastAPI, issuer: TestIssuer) -> None:
    visitor = Client(app, replace(OWNER, via="sign-in"))
    assert visitor.get("/openapi.json").status_code == 200
    assert visitor.get("/openapi.json", headers={"Authorization": "Bearer x"}).status_code == 401


def test_without_a_sign_in_no_token_is_taken(tmp_path_factory: pytest.TempPathFactory) -> None:
    plain_app = create_app(settings(published(tmp_path_factory.mktemp("w"))))
    given = {"Authorization": f"Bearer {signed(claims())}"}
    assert Client(plain_app).get("/openapi.json", headers=given).status_code == 401
