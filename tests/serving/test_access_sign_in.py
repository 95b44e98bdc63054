"""Signing in at a real OpenID Connect server: code, PKCE, state, nonce, session, and out again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from serving.app import create_app
from tests.serving.access_world import URL, Client, published, settings
from tests.serving.oidc.issuer import (
    AUDIENCE,
    CLIENT_ID,
    SECRET,
    TestIssuer,
    running_issuer,
    through_the_form,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with running_issuer([URL]) as running:
        yield running


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "client"
    file.write_text(f"{SECRET}\n")
    return file


def server(workspace: Path, issuer: TestIssuer, secret: Path, **changed: object) -> FastAPI:
    asked = {
        "oidc_issuer": issuer.address, "oidc_client_id": CLIENT_ID, "oidc_client_secret_file": secret,
        "bearer_audience": AUDIENCE, "public_url": URL,
    }  # fmt: skip
    return create_app(settings(workspace, **{**asked, **changed}))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, issuer: TestIssuer, secret: Path) -> FastAPI:
    return server(published(tmp_path_factory.mktemp("w")), issuer, secret)


@pytest.fixture
def signed_in(app: FastAPI) -> Callable[..., Client]:
    def made(account: str, then: str = "/") -> Client:
        visitor = Client(app)
        arrived = come_back(visitor, account, then)
        assert (arrived.status_code, arrived.headers["location"]) == (303, then)
        return visitor

    return made


def come_back(visitor: Client, account: str, then: str = "/") -> httpx.Response:
    begun = visitor.get(f"/sign-in?{urlencode({'then': then})}")
    assert begun.status_code == 303
    back = through_the_form(begun.headers["location"], account)
    return visitor.get(back.removeprefix(URL))


def deals_of(visitor: Client) -> list[str]:
    answer = visitor.get("/api/v1/deals")
    assert answer.status_code == 200, answer.text
    return sorted(deal["opportunity_id"] for deal in answer.json()["deals"])


@pytest.mark.parametrize(
    ("account", "deals"),
    [
        ("rep", ["D1", "D2"]),
        ("rep2", ["D3"]),
        ("manager", ["D1", "D2", "D3", "D5"]),
        ("ops", ["D1", "D2", "D3", "D4", "D5", "D6"]),
    ],
)
def test_who_signs_in_sees_by_their_role_and_their_verified_address(
    signed_in: Callable[..., Client], account: str, deals: list[str]
) -> None:
    assert deals_of(signed_in(account)) == deals


def test_finance_and_who_has_no_role_or_no_verified_address_see_no_deals(
    signed_in: Callable[..., Client],
) -> None:
    for account in ("finance", "no-role", "stranger", "unverified"):
        visitor = signed_in(account)
        assert visitor.get("/openapi.json").status_code == 200
        assert visitor.get("/api/v1/deals").status_code == 404


def test_whom_the_crm_does_not_know_is_told_so(signed_in: Callable[..., Client]) -> None:
    page = signed_in("stranger").get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "holds nobody with your id or e-mail address" in page.text


def test_who_was_deactivated_in_the_crm_is_signed_in_nowhere(signed_in: Callable[..., Client]) -> None:
    refused = signed_in("gone").get("/openapi.json")
    assert refused.status_code == 401
    assert "no longer active" in refused.json()["error"]["message"]


def test_the_browser_is_led_on_to_what_was_asked_for_but_never_elsewhere(
    app: FastAPI, signed_in: Callable[..., Client]
) -> None:
    page = {"Accept": "text/html"}
    asked = Client(app).get("/deals/D1?tab=why", headers=page)
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?then=%2Fdeals%2FD1%3Ftab%3Dwhy")
    assert Client(app).get("/deals/D1").status_code == 401
    signed_in("rep", then="/deals/D1?tab=why")
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/\r\nX: y"):
        assert come_back(Client(app), "rep", elsewhere).headers["location"] == "/"


def test_the_issuer_is_asked_for_a_code_with_pkce_state_and_nonce_and_gets_no_secret(app: FastAPI) -> None:
    asked = [parse_qs(urlsplit(Client(app).get("/sign-in").headers["location"]).query) for _ in range(2)]
    for query in asked:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [f"{URL}/sign-in/callback"]
        assert not {"client_secret", "code_verifier"} & set(query)
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43


def test_an_answer_counts_only_in_the_browser_that_asked_and_only_once(app: FastAPI) -> None:
    visitor, other = Client(app), Client(app)
    back = through_the_form(visitor.get("/sign-in").headers["location"], "rep").removeprefix(URL)
    other.get("/sign-in")
    for client in (Client(app), other):
        refused = client.get(back)
        assert refused.status_code == 401
        assert not any(name.endswith("8765") for name in client.cookies)
    begun = dict(visitor.cookies)
    assert visitor.get(back).status_code == 303
    again = Client(app)
    again.cookies.update(begun)
    assert again.get(back).status_code == 401  # the issuer takes a code once


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda query: {**query, "state": "x" * 43},
        lambda query: {**query, "iss": "https://evil.example"},
        lambda query: {**query, "code": "made-up"},
        lambda query: {name: value for name, value in query.items() if name != "state"},
        lambda query: {name: value for name, value in query.items() if name != "code"},
        lambda query: {"error": "access_denied", "state": query["state"]},
    ],
)
def test_a_spoilt_answer_signs_nobody_in(
    app: FastAPI, spoilt: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    visitor = Client(app)
    back = through_the_form(visitor.get("/sign-in").headers["location"], "rep")
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    assert visitor.get(f"/sign-in/callback?{urlencode(spoilt(query))}").status_code == 401
    assert visitor.get("/openapi.json").status_code == 401


def test_a_tampered_cookie_of_the_sign_in_is_refused(app: FastAPI) -> None:
    visitor = Client(app)
    back = through_the_form(visitor.get("/sign-in").headers["location"], "rep").removeprefix(URL)
    name = "dealcast-8765-sign-in"
    held = visitor.cookies.get(name)
    assert held is not None
    visitor.cookies.clear()
    visitor.cookies.set(name, held[:-2] + ("aa" if not held.endswith("aa") else "bb"))
    assert visitor.get(back).status_code == 401


def test_who_is_denied_at_the_issuer_is_told_so(app: FastAPI) -> None:
    refused = come_back(Client(app), "nobody at all")
    assert refused.status_code == 401
    assert "did not let you in" in refused.json()["error"]["message"]


def test_signing_in_ends_the_session_of_before(app: FastAPI, signed_in: Callable[..., Client]) -> None:
    visitor = signed_in("rep")
    before = Client(app)
    before.cookies.update(dict(visitor.cookies))
    come_back(visitor, "manager")
    assert deals_of(visitor) == ["D1", "D2", "D3", "D5"]
    assert before.get("/openapi.json").status_code == 401


def test_after_signing_out_the_session_is_over_and_nothing_signs_in_by_itself(
    app: FastAPI, signed_in: Callable[..., Client]
) -> None:
    visitor = signed_in("rep")
    thief = Client(app)
    thief.cookies.update(dict(visitor.cookies))
    out = visitor.post("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/signed-out")
    page = visitor.get("/signed-out", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert "/sign-in" in page.text
    for client in (visitor, thief):
        assert client.get("/api/v1/deals").status_code == 401
    onward = visitor.get("/sign-out/everywhere").headers["location"]
    assert httpx.get(onward, timeout=30).status_code == 200


def test_claims_that_the_issuer_keeps_for_userinfo_are_asked_there(tmp_path: Path, secret: Path) -> None:
    with running_issuer([URL], claims_at_userinfo=True) as running:
        visitor = Client(server(published(tmp_path), running, secret))
        assert come_back(visitor, "manager").status_code == 303
        assert deals_of(visitor) == ["D1", "D2", "D3", "D5"]


def test_a_claim_of_ones_own_names_the_user_of_the_crm(tmp_path: Path, secret: Path) -> None:
    accounts = {"rep": {"name": "Ann", "roles": "rep", "crm_user": "R3"}}
    with running_issuer([URL], accounts=accounts) as running:
        visitor = Client(server(published(tmp_path), running, secret, oidc_user_claim="crm_user"))
        assert come_back(visitor, "rep").status_code == 303
        assert deals_of(visitor) == ["D4"]


def test_a_public_client_signs_in_by_pkce_alone_is_refused_by_an_issuer_that_wants_a_secret(
    tmp_path: Path, issuer: TestIssuer, secret: Path
) -> None:
    visitor = Client(server(published(tmp_path), issuer, secret, oidc_client_secret_file=None))
    assert come_back(visitor, "rep").status_code == 401


def test_a_machine_comes_in_by_its_bearer_token(app: FastAPI, issuer: TestIssuer) -> None:
    machine = Client(app)
    bearer = {"Authorization": f"Bearer {issuer.machine_token()}"}
    answer = machine.get("/api/v1/deals", headers=bearer)
    assert answer.status_code == 200
    assert len(answer.json()["deals"]) == 6
    assert not dict(machine.cookies)


def test_no_log_of_a_sign_in_names_a_token_a_code_or_a_secret(
    app: FastAPI, issuer: TestIssuer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    visitor = Client(app)
    with caplog.at_level("DEBUG"):
        begun = visitor.get("/sign-in")
        kept = dict(visitor.cookies)
        back = through_the_form(begun.headers["location"], "rep")
        visitor.get(back.removeprefix(URL))
        token = issuer.machine_token()
        visitor.get("/api/v1/deals", headers={"Authorization": f"Bearer {token}"})
        visitor.get("/api/v1/deals", headers={"Authorization": f"Bearer {token[:-4]}abcd"})
    ours = [one for one in caplog.records if one.name not in ("httpx", "httpcore.http11", "httpcore")]
    written = "".join(f"{one.getMessage()} {one.__dict__}" for one in ours)
    written += "".join(file.read_text() for file in app.state.settings.workspace.glob("*.jsonl"))
    code = parse_qs(urlsplit(back).query)["code"][0]
    for value in (token, code, SECRET, *kept.values(), *dict(visitor.cookies).values()):
        assert value not in written


def test_an_issuer_that_says_it_is_another_is_not_trusted(
    tmp_path: Path, issuer: TestIssuer, secret: Path
) -> None:
    app = server(published(tmp_path), issuer, secret, oidc_issuer=f"{issuer.address}/")
    refused = Client(app).get("/sign-in")
    assert refused.status_code == 503
    assert "says that it is another issuer" in refused.json()["error"]["message"]


def test_an_issuer_out_of_reach_is_said_and_sessions_go_on(
    tmp_path: Path, issuer: TestIssuer, secret: Path
) -> None:
    workspace = published(tmp_path)
    visitor = Client(server(workspace, issuer, secret))
    assert come_back(visitor, "rep").status_code == 303
    later = server(workspace, issuer, secret, oidc_issuer="http://127.0.0.1:9")
    visitor.app = later
    assert deals_of(visitor) == ["D1", "D2"]
    assert Client(later).get("/sign-in").status_code == 503
