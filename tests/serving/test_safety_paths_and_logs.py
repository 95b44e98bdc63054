"""Names from outside lead to no file, texts from outside stay one line, and secrets reach no log."""

import logging
import socket
import threading
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import httpx
import orjson
import pytest

from data.settings import load_settings
from serving.app import create_app
from serving.publish import publish
from serving.web.log import AUDIT_FILE, LOG_FILE, AuditFile, JsonLines, log_to
from tests.serving.running import Served, serving
from tests.serving.test_publish import FIRST, publication

CANARY = "canary-7c1e"
DEALS = "/api/v1/deals"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = tmp_path_factory.mktemp("workspace") / "inner"
    workspace.mkdir()
    publish(workspace, FIRST, publication())
    (workspace / "secret.txt").write_text(CANARY)
    (workspace.parent / "secret.txt").write_text(CANARY)
    with serving(create_app(load_settings(workspace=workspace))) as served:
        yield served


@pytest.fixture
def visitor(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.get(server.app.state.access.new_link(server.url))
        yield client


@pytest.mark.parametrize("base", ["/static/", "/assets/", f"{DEALS}/", "/deals/", "/api/v1/renewals/"])
@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "../../inner/secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "%252e%252e%252fsecret.txt",
        "..%5csecret.txt",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "secret.txt%00.css",
        "app.css%00",
        "....//secret.txt",
    ],
)
def test_a_name_that_climbs_out_of_its_folder_is_no_name(server: Served, base: str, name: str) -> None:
    target = base + name
    address = httpx.URL(server.url)
    link = server.app.state.access.new_link(server.url)
    with httpx.Client() as client:
        cookie = client.get(link).headers["set-cookie"].partition(";")[0]
    # a raw request, since clients tidy such paths up before they send them
    answer = raw_get(address.host, address.port, target, cookie)
    assert answer.split(b" ", 2)[1] in (b"400", b"404", b"422"), answer[:200]
    assert CANARY.encode() not in answer
    assert b"root:" not in answer


def raw_get(host: str, port: int, target: str, cookie: str) -> bytes:
    with socket.create_connection((host, port), timeout=30) as raw:
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        )
        raw.sendall(request.encode())
        return b"".join(iter(lambda: raw.recv(65536), b""))


def test_a_symlink_among_the_published_runs_leads_nowhere_by_its_name(server: Served) -> None:
    published = server.app.state.settings.workspace / "published"
    (published / "elsewhere").symlink_to(published.parent.parent)
    with server.client() as client:
        client.get(server.app.state.access.new_link(server.url))
        for one in ("elsewhere", "..", "CURRENT"):
            told = client.get(f"{DEALS}/A-1/changes", params={"since": one})
            assert told.status_code in (400, 404, 422)
            assert CANARY not in told.text


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", 'x"; DROP TABLE deals; --', "p_win; SELECT read_text('/etc/passwd')", "х" * 150]
)
def test_filters_are_values_and_sorts_are_names_on_a_list(visitor: httpx.Client, text: str) -> None:
    everything = visitor.get(DEALS).json()["total"]
    assert visitor.get(DEALS, params={"sort": text}).status_code in (400, 422)
    for name in ("owner", "region", "segment", "stage", "q"):
        told = visitor.get(DEALS, params={name: text})
        assert told.status_code in (400, 422) or told.json()["total"] == 0, name
    assert visitor.get(DEALS).json()["total"] == everything == 3


def test_a_newline_in_a_text_forges_no_line_of_the_log() -> None:
    record = logging.LogRecord("dealcast.serve", logging.INFO, "", 0, "request", (), None)
    record.fields = {"about": {"id": 'A\r\n{"event": "forged"}\x1b[31m\u2028'}, "actor": "a\nb"}
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    read = orjson.loads(line)
    assert read["about"] == {"id": 'A {"event": "forged"}[31m'}
    assert read["actor"] == "a b"


def test_a_request_with_newlines_leaves_one_line_and_a_token_leaves_none_of_itself(
    server: Served, visitor: httpx.Client
) -> None:
    workspace = server.app.state.settings.workspace
    handler = log_to(workspace / LOG_FILE)
    try:
        link = server.app.state.access.new_link(server.url)
        visitor.get(link)
        session = dict(visitor.cookies)
        visitor.get(f"{DEALS}/A-1%0d%0a%7b%22event%22:%22forged%22%7d")
        visitor.get(f"/customer/{CANARY}-token")
        visitor.get(f"{DEALS}?q={CANARY}", headers={"Authorization": f"Bearer {CANARY}"})
        visitor.post("/sign-out")
        wait_for_line(workspace / LOG_FILE, '"/sign-out"')
    finally:
        logging.getLogger("dealcast.serve").removeHandler(handler)
        handler.close()
    written = (workspace / LOG_FILE).read_text() + (workspace / AUDIT_FILE).read_text()
    lines = [orjson.loads(line) for line in written.splitlines()]
    assert [line["route"] for line in lines if line.get("event") == "request"][-5:] == [
        "/enter", f"{DEALS}/{{opportunity_id}}", "/customer/{token}", DEALS, "/sign-out",
    ]  # fmt: skip
    assert not any(line.get("event") == "forged" for line in lines)
    assert CANARY not in written
    assert link.rpartition("=")[2] not in written
    for token in session.values():
        assert token not in written


def wait_for_line(path: Path, part: str) -> None:
    """A request is logged once its answer is out."""
    pause = threading.Event()
    for _ in range(500):
        if part in path.read_text():
            return
        pause.wait(0.02)


def test_a_write_leaves_who_did_it_to_what_in_a_file_that_only_grows(
    server: Served, visitor: httpx.Client
) -> None:
    audit = server.app.state.settings.workspace / AUDIT_FILE
    before = audit.read_bytes() if audit.exists() else b""
    visitor.get(DEALS)
    refused = visitor.put(f"{DEALS}/none/sheet/draft", json={})
    assert refused.status_code >= 400
    done = visitor.post(f"{DEALS}/A-1/sheet/rounds", json={})
    visitor.post("/sign-out")
    after = audit.read_bytes()
    assert after.startswith(before)
    lines = [orjson.loads(line) for line in after[len(before) :].splitlines()]
    assert [line["route"] for line in lines][-1] == "/sign-out"
    assert len(lines) == (2 if done.status_code < 400 else 1)
    assert {"at", "request_id", "method", "status", "client", "actor"} <= set(lines[-1])
    assert audit.stat().st_mode & 0o777 == 0o600


def test_a_question_that_is_posted_is_no_write_and_is_not_in_the_audit(
    server: Served, visitor: httpx.Client
) -> None:
    audit = server.app.state.settings.workspace / AUDIT_FILE
    before = audit.read_bytes() if audit.exists() else b""
    for path in ("/api/v1/score", "/api/v1/forecast/scenario", f"{DEALS}/A-1/what-if"):
        visitor.post(path, json={})
    assert (audit.read_bytes() if audit.exists() else b"") == before


def test_lines_of_the_audit_written_at_once_stay_apart(tmp_path: Path) -> None:
    audit, long = AuditFile(tmp_path / AUDIT_FILE), "x\n" * 400
    writers = [
        threading.Thread(target=lambda n=n: [audit.write({"writer": n, "text": long}) for _ in range(50)])
        for n in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = [orjson.loads(line) for line in (tmp_path / AUDIT_FILE).read_bytes().splitlines()]
    assert sorted(line["writer"] for line in lines) == sorted(list(range(4)) * 50)


def test_the_log_is_for_its_owners_eyes_only_and_so_is_the_next_one(tmp_path: Path) -> None:
    handler = log_to(tmp_path / "serve.log")
    try:
        assert isinstance(handler, RotatingFileHandler)
        handler.doRollover()
        logging.getLogger("dealcast.serve").warning("after the turn")
    finally:
        logging.getLogger("dealcast.serve").removeHandler(handler)
        handler.close()
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "serve.log": 0o600, "serve.log.1": 0o600,
    }  # fmt: skip
    assert "after the turn" in (tmp_path / "serve.log").read_text()
