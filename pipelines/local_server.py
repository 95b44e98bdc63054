"""A Prefect server of our own for as long as it is needed, for when the user runs none.

Prefect would start one by itself, but that one outlives a killed run and keeps hold of its terminal.
This one watches a pipe from its parent and ends with it, however the parent ends.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import DealcastError

__all__ = ["LocalServer", "local_server", "start_server"]

_START_SECONDS = 120
_STOP_SECONDS = 10
_WITHOUT_SERVICES = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_UI_ENABLED": "0"}
"""As Prefect's own temporary server: a single run needs neither scheduler nor pages."""


class LocalServer:
    """A starting or running server; `api_url` is where it will answer."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.port = port
        self.api_url = f"http://127.0.0.1:{port}/api"

    def wait(self) -> None:
        """Return once the server answers. Raises DealcastError, naming its log, if it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=5) as answer:  # noqa: S310
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise DealcastError(
            f"The local Prefect server did not answer within {_START_SECONDS} s; its log is {self._log}. "
            "Run with --direct to do without it, or set PREFECT_API_URL to a server of yours."
        )

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def local_server(home: Path) -> Iterator[LocalServer]:
    """A server that ends with the block; see `start_server`."""
    server = start_server(home)
    try:
        yield server
    finally:
        server.stop()


def start_server(home: Path, *, port: int = 0, services: bool = False) -> LocalServer:
    """A server on this machine only, which ends with this process; call `wait` before using it.

    home: Prefect's folder, which also gets the server's log. port: 0 takes a free one. services: with
    the scheduler and the web pages.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    log = home / "server.log"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
    }
    environment.pop("PREFECT_API_URL", None)
    if not services:
        environment |= _WITHOUT_SERVICES
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.local_server", str(port)],
            stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
    return LocalServer(process, port, log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Wait until the pipe from the parent closes, then end this process."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_SECONDS)
    os._exit(1)


def _serve(port: int) -> None:
    import uvicorn

    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error"
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
