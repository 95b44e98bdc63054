"""Requests from elsewhere, too many, too large, too slow: each refused, and nobody else waits for them."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.settings import load_settings
from serving.app import create_app
from serving.publish import publish
from serving.web.bodies import BodyLimit, json_depth
from tests.serving.access_world import finished
from tests.serving.running import Served, serving
from tests.serving.test_publish import FIRST, publication

_LIMIT = 50_000
DEALS = "/api/v1/deals"
SCENARIO = "/api/v1/forecast/scenario"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = tmp_path_factory.mktemp("workspace")
    publish(workspace, FIRST, publication())
    settings = load_settings(
        workspace=workspace, body_limit_bytes=_LIMIT, public_url="https://deals.example.com/sales"
    )
    with serving(create_app(settings)) as served:
        yield served


@pytest.fixture
def visitor(server: Served) -> Iterator[httpx.Client]:
    """Somebody who came in by the link; without an Origin of their own. Cookies are Secure: sent by hand."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        entered = client.get(server.app.state.access.new_link(server.url))
        client.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
        assert client.get(DEALS).status_code == 200
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://deals.example.com.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://deals.example.com"},
        {},
    ],
)
def test_a_write_with_cookies_from_elsewhere_changes_nothing(
    visitor: httpx.Client, headers: dict[str, str]
) -> None:
    refused = visitor.post("/sign-out", headers=headers)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "foreign_origin"
    assert visitor.get(DEALS).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://deals.example.com"}, {"Sec-Fetch-Site": "same-origin"}]
)
def test_a_write_from_the_servers_own_pages_is_done(visitor: httpx.Client, headers: dict[str, str]) -> None:
    assert visitor.post("/sign-out", headers=headers).status_code == 303
    assert visitor.get(DEALS).status_code == 401


def test_the_api_reads_no_form_since_another_site_could_send_one(visitor: httpx.Client) -> None:
    origin = {"Origin": "https://deals.example.com"}
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""):
        sent = visitor.post(SCENARIO, content=b'{"a": 1}', headers={**origin, "Content-Type": kind})
        assert sent.status_code == 415, kind
    page = visitor.post("/sign-out", content=b"{}", headers={**origin, "Content-Type": "application/json"})
    assert page.status_code == 415


def test_nothing_changes_by_a_get(visitor: httpx.Client) -> None:
    assert visitor.get("/sign-out").status_code in (404, 405)
    assert visitor.get(DEALS).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "a b"],
)
def test_a_foreign_name_that_resolves_here_gets_nothing(visitor: httpx.Client, host: str) -> None:
    answer = visitor.get(DEALS, headers={"Host": host})
    assert answer.status_code == 400
    assert "A-1" not in answer.text


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8765", "Deals.Example.com"])
def test_the_servers_own_names_are_answered(visitor: httpx.Client, host: str) -> None:
    assert visitor.get(DEALS, headers={"Host": host}).status_code == 200


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(visitor: httpx.Client) -> None:
    with socket.create_connection((visitor.base_url.host, visitor.base_url.port)) as raw:
        raw.sendall(
            f"POST {SCENARIO} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000000000\r\n\r\n".encode()
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_is_cut_off_at_the_limit(visitor: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    try:
        sent = visitor.post(SCENARIO, content=endless(), headers={"Content-Type": "application/json"})
        assert sent.status_code in (403, 413)
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        pass  # the server has answered and hung up while there was more to send
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    large = visitor.post(SCENARIO, content=iter([b"x" * (_LIMIT + 1)]), headers=headers)
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "too_large"


def test_a_body_nested_too_deep_is_refused_and_one_with_brackets_in_a_text_is_not() -> None:
    assert json_depth(b"[" * 100_000) == 100_000
    assert json_depth(b'{"note": "' + b"[" * 100_000 + b'"}') == 1
    assert json_depth(b'{"a": "\\"[[", "b": [1]}') == 2


def test_deep_json_gets_an_answer_not_a_failure(visitor: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    deep = visitor.post(SCENARIO, content=b"[" * 20_000 + b"]" * 20_000, headers=headers)
    assert (deep.status_code, deep.json()["error"]["code"]) == (400, "too_deep")
    broken = visitor.post(SCENARIO, content=b'{"a": ', headers=headers)
    assert broken.status_code == 422


def test_a_client_that_never_sends_its_body_is_let_go() -> None:
    sent: list[dict] = []

    async def never() -> dict:
        await asyncio.sleep(3600)
        raise AssertionError

    async def keep(message: dict) -> None:
        sent.append(message)

    async def app(scope, receive, send) -> None:
        raise AssertionError("a request without its body was handed on")

    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/score", "query_string": b"",
        "headers": [(b"content-length", b"10"), (b"host", b"localhost")], "app": None,
    }  # fmt: skip
    limit = BodyLimit(app, limit=100, seconds=0.05)
    finished(asyncio.wait_for(limit(scope, never, keep), timeout=20))
    assert sent[0]["status"] == 408


def test_others_are_served_while_clients_dawdle(visitor: httpx.Client) -> None:
    address = (visitor.base_url.host, visitor.base_url.port)
    slow = [socket.create_connection(address) for _ in range(50)]
    try:
        for n, one in enumerate(slow):
            start = f"POST {SCENARIO} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            # half of them stop within the headers, half within the body
            one.sendall((start + ("" if n % 2 else "Content-Length: 100\r\n\r\n{")).encode())
        assert visitor.get(DEALS).status_code == 200
    finally:
        for one in slow:
            one.close()


def test_a_viewer_beyond_the_limit_waits_and_another_does_not(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    app = create_app(load_settings(workspace=tmp_path, rate_limit_per_minute=5))
    with serving(app) as served, served.client() as first, served.client() as second:
        for client in (first, second):
            assert client.get(app.state.access.new_link(served.url)).status_code == 303
        answers = [first.get(DEALS) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 121
        assert second.get(DEALS).status_code == 200
        assert first.get("/static/app.css").status_code == 200


def test_made_up_sessions_do_not_lift_the_limit_of_an_address(tmp_path: Path) -> None:
    app = create_app(load_settings(workspace=tmp_path, rate_limit_per_minute=2))
    with serving(app) as served, served.client() as client:
        name = f"dealcast-{client.base_url.port}"
        codes = [client.get(DEALS, headers={"Cookie": f"{name}={n}"}).status_code for n in range(60)]
    assert codes[:40] == [401] * 40
    assert codes[40:] == [429] * 20


def test_every_kind_of_answer_carries_the_headers(server: Served, visitor: httpx.Client) -> None:
    answers = {
        200: visitor.get(DEALS),
        303: visitor.get(server.app.state.access.new_link(server.url)),
        400: visitor.get(DEALS, headers={"Host": "evil.example"}),
        401: httpx.get(f"{server.url}{DEALS}"),
        403: visitor.post("/sign-out"),
        404: visitor.get(f"{DEALS}/none"),
        415: visitor.post(SCENARIO, content=b"x", headers={"Sec-Fetch-Site": "same-origin"}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status, answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert "access-control-allow-origin" not in answer.headers
        assert len(answer.headers["x-request-id"]) == 16


def test_the_description_of_the_api_is_for_whoever_is_signed_in_and_has_no_page(
    server: Served, visitor: httpx.Client
) -> None:
    assert httpx.get(f"{server.url}/openapi.json").status_code == 401
    assert visitor.get("/openapi.json").json()["info"]["title"] == "dealcast"
    for page in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert visitor.get(page).status_code == 404


def test_an_unexpected_error_tells_the_client_nothing_of_it(tmp_path: Path, caplog) -> None:
    app = create_app(load_settings(workspace=tmp_path))

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("the password is hunter2")

    with serving(app) as served, served.client() as client:
        told = client.get("/broken")
    assert told.status_code == 500
    assert told.json()["error"]["code"] == "unexpected"
    assert "hunter2" not in told.text
    assert "Traceback" not in told.text
    assert "nosniff" in told.headers["x-content-type-options"]
    assert any("hunter2" in str(record.exc_info) for record in caplog.records)


def test_with_nothing_published_every_reader_is_told_how_to_publish(tmp_path: Path) -> None:
    app = create_app(load_settings(workspace=tmp_path))
    with serving(app) as served, served.client() as client:
        client.get(app.state.access.new_link(served.url))
        told = client.get(DEALS)
        page = client.get("/deals", headers={"Accept": "text/html"})
        assert told.status_code == page.status_code == 503
        assert "dealcast run" in told.json()["error"]["remedy"]
        assert "dealcast run" in page.text
        assert str(tmp_path) not in told.text + page.text
        publish(tmp_path, FIRST, publication())
        assert client.get(DEALS).json()["run_id"] == FIRST


def test_many_large_bodies_at_once_leave_a_reader_served(visitor: httpx.Client) -> None:
    headers = {**visitor.headers, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
    done, codes = threading.Event(), []

    def flood() -> None:
        with httpx.Client(base_url=visitor.base_url, headers=headers, timeout=30) as client:
            while not done.is_set():
                codes.append(client.post(SCENARIO, content=json.dumps(["x" * 60_000])).status_code)

    flooders = [threading.Thread(target=flood) for _ in range(3)]
    for one in flooders:
        one.start()
    try:
        deadline = time.monotonic() + 20
        while len(codes) < 30 and time.monotonic() < deadline:
            assert visitor.get(DEALS).status_code == 200
    finally:
        done.set()
        for one in flooders:
            one.join()
    assert set(codes) == {413}
