"""`dealcast serve` listens on this machine, prints a link that opens once, and refuses what is not safe."""

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from data.errors import UsageError
from data.settings import load_settings
from serving.publish import publish
from serving.web.bind import address_of, bound_socket, check_bind
from tests.pipelines.conftest import COMMAND, dealcast
from tests.serving.test_publish import FIRST, SECOND, publication

SIGN_IN = {
    "public_url": "https://deals.example.com",
    "oidc_issuer": "https://login.example.com",
    "oidc_client_id": "dealcast",
}


@contextmanager
def started(workspace: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], dict]]:
    """The command, once it serves, and what it printed as JSON."""
    command = [*COMMAND, "serve", "-w", str(workspace), "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        killer = threading.Timer(120, process.kill)
        killer.start()
        try:
            assert process.stdout is not None
            text = b""
            for line in process.stdout:
                text += line
                if line == b"}\n":
                    break
            yield process, orjson.loads(text)
        finally:
            killer.cancel()
            process.kill()


@pytest.mark.slow
def test_the_printed_link_opens_once_and_ctrl_c_ends_the_server_cleanly(tmp_path: Path) -> None:
    publish(tmp_path, FIRST, publication())
    with started(tmp_path) as (process, told):
        assert (told["run_id"], told["deals"], told["model_version"]) == (FIRST, 3, "win-0123456789ab")
        assert told["url"].startswith("http://127.0.0.1:")
        assert any("These figures stand at 2026-01-05" in text for text in told["notices"])
        with httpx.Client(timeout=60) as client, httpx.Client(timeout=60) as late:
            entered = client.get(told["link"])
            assert entered.status_code == 303
            assert "HttpOnly" in entered.headers["set-cookie"]
            assert "SameSite=lax" in entered.headers["set-cookie"]
            assert late.get(told["link"]).status_code == 401
            deals = client.get(f"{told['url']}/api/v1/deals").json()
            assert [deal["opportunity_id"] for deal in deals["deals"]] == ["A-1", "A-2", "B-1"]
            again = dealcast("serve", "--link", "-w", tmp_path, "--port", told["url"].rpartition(":")[2])
            assert late.get(again.stdout.strip()).status_code == 303
            publish(tmp_path, SECOND, publication(model_version="win-x"))
            pause = threading.Event()
            for _ in range(300):
                if client.get(f"{told['url']}/api/v1/deals").json()["run_id"] == SECOND:
                    break
                pause.wait(0.1)
            assert client.get(f"{told['url']}/api/v1/deals").json()["run_id"] == SECOND
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out == b""
        assert b"Stopped." in err
        assert b"Traceback" not in err
    log = (tmp_path / "serve.log").read_text()
    token = told["link"].partition("token=")[2]
    assert token not in log
    assert '"route":"/enter"' in log


@pytest.mark.slow
def test_an_empty_workspace_is_served_and_says_how_to_publish(tmp_path: Path) -> None:
    with started(tmp_path) as (_, told):
        assert told["run_id"] is None
        with httpx.Client(timeout=60) as client:
            client.get(told["link"])
            page = client.get(f"{told['url']}/deals", headers={"Accept": "text/html"})
            assert page.status_code == 503
            assert "dealcast run" in page.text


def test_a_workspace_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = dealcast("serve", "-w", tmp_path / "none")
    assert done.returncode == 2
    assert "setting 'workspace'" in done.stderr
    assert "dealcast demo" in done.stderr


def test_a_port_in_use_is_named_with_the_next_step(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} of 127\.0\.0\.1 is taken.*--port 8766"):
            bound_socket("127.0.0.1", port)


def test_a_host_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(UsageError, match="serve_host"):
        bound_socket("192.0.2.1", 0)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.10", "deals.example.com", "127.0.0.1.evil.example"]
)
def test_other_machines_are_let_in_only_where_people_sign_in(host: str) -> None:
    with pytest.raises(UsageError, match="set up sign-in first: public_url, oidc_issuer, oidc_client_id"):
        check_bind(load_settings(serve_host=host))
    with pytest.raises(UsageError, match=r"set up sign-in first: oidc_client_id\."):
        check_bind(load_settings(serve_host=host, **{**SIGN_IN, "oidc_client_id": None}))
    check_bind(load_settings(serve_host=host, **SIGN_IN))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_this_machine_is_always_served(host: str) -> None:
    check_bind(load_settings(serve_host=host))


def test_the_address_is_one_that_a_browser_here_opens() -> None:
    with bound_socket("127.0.0.1", 0) as one, bound_socket("0.0.0.0", 0) as every:
        assert address_of(one) == f"http://127.0.0.1:{one.getsockname()[1]}"
        assert address_of(every) == f"http://127.0.0.1:{every.getsockname()[1]}"


def test_a_bind_beyond_this_machine_ends_the_command_before_it_listens(tmp_path: Path) -> None:
    done = dealcast("serve", "-w", tmp_path, "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "loopback" in done.stderr
    assert not (tmp_path / "serve.db").exists()
