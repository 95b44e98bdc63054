"""The one-time link and the sessions that it opens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from data.errors import UsageError
from data.settings import Settings
from serving.access.access import Access
from serving.access.actor import OWNER
from serving.access.errors import NotSignedIn
from serving.access.sessions import LINK_HOURS
from serving.app import create_app
from serving.store import Store
from tests.serving.access_world import FIRST, URL, Client, person, published, settings

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, clock: Clock) -> Access:
    return Access(settings(tmp_path), Store(tmp_path), clock=clock)


def token_of(link: str) -> str:
    assert link.startswith(f"{URL}/enter?token=")
    return link.removeprefix(f"{URL}/enter?token=")


def test_a_link_opens_a_session_once(access: Access) -> None:
    token = token_of(access.new_link(f"{URL}/"))
    assert access.sessions.identity(access.enter(token)) == OWNER
    with pytest.raises(NotSignedIn, match="used before"):
        access.enter(token)


def test_links_are_long_and_never_the_same(access: Access) -> None:
    tokens = {token_of(access.new_link(URL)) for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43


def test_a_link_runs_out(access: Access, clock: Clock) -> None:
    token = token_of(access.new_link(URL))
    clock.now += timedelta(hours=LINK_HOURS)
    with pytest.raises(NotSignedIn):
        access.enter(token)


def test_neither_links_nor_sessions_can_be_read_from_the_store(access: Access, tmp_path: Path) -> None:
    link = token_of(access.new_link(URL))
    session = access.sessions.open(OWNER)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert link.encode() not in kept
    assert session.encode() not in kept


def test_a_session_ends_when_its_hours_are_over(access: Access, clock: Clock) -> None:
    session = access.sessions.open(person("R1", "rep"))
    clock.now += timedelta(hours=8, seconds=-1)
    assert access.sessions.identity(session) == person("R1", "rep")
    clock.now += timedelta(seconds=1)
    assert access.sessions.identity(session) is None


def test_sessions_outlive_a_restart_and_closed_ones_stay_closed(tmp_path: Path, clock: Clock) -> None:
    first = Access(settings(tmp_path), Store(tmp_path), clock=clock)
    kept, closed = first.sessions.open(person("R1", "rep")), first.sessions.open(OWNER)
    first.sessions.close(closed)
    second = Access(settings(tmp_path), Store(tmp_path), clock=clock)
    assert second.sessions.identity(kept) == person("R1", "rep")
    assert second.sessions.identity(closed) is None
    assert second.sessions.identity("") is None


def test_where_people_sign_in_no_link_is_given(tmp_path: Path) -> None:
    signed = Settings(
        workspace=tmp_path, oidc_issuer="https://login.example.com", oidc_client_id="dealcast",
        public_url="https://deals.example.com",
    )  # fmt: skip
    store = Store(tmp_path)
    before = Access(settings(tmp_path), store).new_link(URL)
    access = Access(signed, store)
    with pytest.raises(UsageError, match=r"Open https://deals\.example\.com\."):
        access.new_link(URL)
    with pytest.raises(NotSignedIn):
        access.enter(token_of(before))


def test_a_session_of_a_link_opens_nothing_where_people_sign_in(tmp_path: Path) -> None:
    workspace = published(tmp_path)
    alone = create_app(settings(workspace))
    session = alone.state.access.enter(token_of(alone.state.access.new_link(URL)))
    signing_in = create_app(
        settings(
            workspace, oidc_issuer="https://login.example.com", oidc_client_id="dealcast", public_url=URL
        )
    )
    for app, status in ((alone, 200), (signing_in, 401)):
        answer = Client(app).get("/openapi.json", headers={"Cookie": f"dealcast-8765={session}"})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("asked", "back"),
    [
        ("/deals?q=acme", "/deals?q=acme"),
        (f"/deals?q={'a' * 1500}", "/deals"),
        (f"/deals/{'a' * 1500}", "/"),
    ],
)
def test_whoever_is_not_signed_in_is_led_back_by_no_longer_an_address_than_sign_in_takes(
    tmp_path: Path, asked: str, back: str
) -> None:
    app = create_app(
        settings(
            published(tmp_path), oidc_issuer="https://login.example.com", oidc_client_id="dealcast",
            public_url=URL,
        )
    )  # fmt: skip
    answer = Client(app).get(asked, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert httpx.URL(answer.headers["location"]).params["then"] == back


def test_the_link_leads_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path)))
    visitor = Client(app)
    assert visitor.get("/openapi.json").status_code == 401
    link = app.state.access.new_link(URL)
    response = visitor.get(link.removeprefix(URL))
    assert (response.status_code, response.headers["location"]) == (303, "/")
    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith("dealcast-8765=")
    assert {one.lower() for one in attributes} == {"httponly", "max-age=28800", "path=/", "samesite=lax"}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert visitor.get("/openapi.json").status_code == 200
    assert Client(app).get(link.removeprefix(URL)).status_code == 401


def test_behind_https_the_cookie_is_bound_to_the_host_and_to_https(tmp_path: Path) -> None:
    app = create_app(
        settings(
            published(tmp_path), public_url="https://deals.example.com", oidc_client_id="dealcast",
            oidc_issuer="https://login.example.com",
        )
    )  # fmt: skip
    visitor = Client(app, url="https://deals.example.com")
    visitor.cookies.set(
        "__Host-dealcast", app.state.access.sessions.open(person("R1", "ops")), domain="deals.example.com"
    )
    assert visitor.get("/openapi.json").status_code == 200
    ended = visitor.post("/sign-out")
    cookie = ended.headers["set-cookie"].lower()
    assert cookie.startswith('__host-dealcast="";')
    assert "secure" in cookie
    assert "path=/" in cookie
    assert "domain" not in cookie


def test_a_session_replayed_after_sign_out_opens_nothing(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path)))
    visitor = Client(app, OWNER)
    stolen = dict(visitor.cookies)
    assert visitor.get("/openapi.json").status_code == 200
    assert visitor.post("/sign-out").status_code == 303
    thief = Client(app)
    thief.cookies.update(stolen)
    assert thief.get("/openapi.json").status_code == 401


def test_signing_out_is_not_for_other_sites_nor_for_links(tmp_path: Path) -> None:
    app = create_app(settings(published(tmp_path)))
    visitor = Client(app, OWNER)
    assert visitor.get("/sign-out").status_code in (404, 405)
    assert visitor.post("/sign-out", headers={"Origin": "https://evil.example"}).status_code == 403
    assert visitor.get("/openapi.json").status_code == 200


def test_the_log_names_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(settings(published(tmp_path, FIRST)))
    visitor = Client(app)
    link = app.state.access.new_link(URL)
    with caplog.at_level("DEBUG"):
        visitor.get(link.removeprefix(URL))
        visitor.get("/openapi.json")
        visitor.get("/openapi.json", headers={"Authorization": "Bearer canary.canary.canary"})
        visitor.post("/sign-out")
    ours = [one for one in caplog.records if not one.name.startswith("http")]  # the client's own are none
    written = "".join(f"{one.getMessage()} {one.__dict__}" for one in ours)
    written += "".join(file.read_text() for file in tmp_path.glob("*.jsonl"))
    assert written
    for secret in (token_of(link), "canary", *dict(visitor.cookies).values()):
        assert not secret or secret not in written
